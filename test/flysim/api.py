"""api.py - the Machines API: over HTTP with a token, and over each machine's socket as that machine.
SPDX-License-Identifier: MIT
"""
import asyncio
import base64
import collections
import datetime
import json
import os
import re
import time
import uuid
from urllib.parse import parse_qs, unquote, urlsplit

from flysim import http1
from flysim.ids import ulid
from flysim.machine import Refused, seconds, signal_number
from flysim.regions import PLACES

MAX_BODY = 1 << 20
MAX_WAIT = 60
# Requests a second and the burst, of each action and machine.
RATES = collections.defaultdict(lambda: (1, 3), get=(5, 10))
UNLIMITED = {"list", "wait", "metadata", "events", "lease", "apps", "volumes", "secrets", "regions", "oidc"}
SETTLED = ("started", "stopped", "suspended", "created", "failed", "destroyed")
WAITABLE = {"started", "stopped", "suspended", "destroyed", "failed", "settled"}
REASONS = {200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
           404: "Not Found", 408: "Request Timeout", 409: "Conflict", 412: "Precondition Failed", 422: "Unprocessable Entity",
           429: "Too Many Requests", 500: "Internal Server Error"}


def moment(value):
    return datetime.datetime.fromtimestamp(value, datetime.timezone.utc).isoformat().replace("+00:00", "Z")


class Asked:
    """One request to the API."""

    def __init__(self, head, body, machine):
        parts = urlsplit(head.target)
        self.head, self.method, self.path = head, head.method, unquote(parts.path)
        self.query = {key: values for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
        self.raw, self.machine = body, machine

    def one(self, name, default=None):
        return self.query.get(name, [default])[0]

    @property
    def body(self):
        if not self.raw:
            return {}
        try:
            value = json.loads(self.raw)
        except ValueError as error:
            raise Refused(400, "invalid JSON: %s" % error) from None
        if not isinstance(value, dict):
            raise Refused(400, "a JSON object is wanted")
        return value


class Bucket:
    def __init__(self, rate, burst):
        self.rate, self.burst, self.level, self.when = rate, burst, burst, time.monotonic()

    def take(self):
        now = time.monotonic()
        self.level = min(self.burst, self.level + (now - self.when) * self.rate)
        self.when = now
        if self.level < 1:
            return False
        self.level -= 1
        return True


class Api:
    def __init__(self, fleet):
        self.fleet, self.buckets = fleet, {}
        routes = [
            ("GET", "/apps", "apps", self.list_apps), ("POST", "/apps", "apps", self.create_app),
            ("GET", "/apps/A", "apps", self.get_app), ("DELETE", "/apps/A", "apps", self.delete_app),
            ("GET", "/apps/A/machines", "list", self.list_machines), ("POST", "/apps/A/machines", "create", self.create),
            ("GET", "/apps/A/machines/M", "get", self.get), ("POST", "/apps/A/machines/M", "update", self.update),
            ("DELETE", "/apps/A/machines/M", "delete", self.delete), ("POST", "/apps/A/machines/M/start", "start", self.start),
            ("POST", "/apps/A/machines/M/stop", "stop", self.stop), ("POST", "/apps/A/machines/M/suspend", "suspend", self.suspend),
            ("POST", "/apps/A/machines/M/restart", "restart", self.restart), ("POST", "/apps/A/machines/M/signal", "signal", self.signal),
            ("GET", "/apps/A/machines/M/wait", "wait", self.wait), ("POST", "/apps/A/machines/M/cordon", "cordon", self.cordon),
            ("POST", "/apps/A/machines/M/uncordon", "uncordon", self.uncordon),
            ("GET", "/apps/A/machines/M/lease", "lease", self.get_lease), ("POST", "/apps/A/machines/M/lease", "lease", self.take_lease),
            ("DELETE", "/apps/A/machines/M/lease", "lease", self.end_lease),
            ("GET", "/apps/A/machines/M/metadata", "metadata", self.get_metadata),
            ("PUT", "/apps/A/machines/M/metadata", "metadata", self.put_metadata),
            ("PATCH", "/apps/A/machines/M/metadata", "metadata", self.put_metadata),
            ("POST", "/apps/A/machines/M/metadata/K", "metadata", self.set_metadata),
            ("DELETE", "/apps/A/machines/M/metadata/K", "metadata", self.drop_metadata),
            ("GET", "/apps/A/machines/M/events", "events", self.events), ("POST", "/apps/A/machines/M/exec", "exec", self.execute),
            ("GET", "/apps/A/volumes", "volumes", self.list_volumes), ("POST", "/apps/A/volumes", "volumes", self.create_volume),
            ("GET", "/apps/A/volumes/V", "volumes", self.get_volume), ("DELETE", "/apps/A/volumes/V", "volumes", self.delete_volume),
            ("GET", "/apps/A/secrets", "secrets", self.list_secrets), ("POST", "/apps/A/secrets", "secrets", self.set_secrets),
            ("DELETE", "/apps/A/secrets/K", "secrets", self.drop_secret),
            ("GET", "/platform/regions", "regions", self.regions), ("POST", "/tokens/oidc", "oidc", self.oidc)]
        self.routes = [(method, re.compile("/v1" + re.sub(r"/([AMVK])(?=/|$)", r"/(?P<\1>[^/]+)", path) + r"\Z"), action, function)
                       for method, path, action, function in routes]

    # -- the connection --

    async def serve(self, reader, writer, machine, orders=None):
        """`orders` answers what is below /sim/."""
        try:
            while head := await http1.read_head(reader):
                body = b"".join([piece async for piece in http1.pieces(reader, head)])
                if orders and head.target.startswith("/sim/"):
                    answer = await orders(head, body)
                else:
                    answer = await self.answer(Asked(head, body, machine))
                await self.reply(writer, head, answer)
                if not head.keeps_alive:
                    break
        except (http1.Bad, ConnectionError, OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def reply(self, writer, head, answer):
        status, value, *fields = answer
        body = b"" if status == 204 else value if isinstance(value, bytes) else json.dumps(value).encode()
        fields = [("content-type", "text/plain" if isinstance(value, bytes) else "application/json"), ("fly-request-id", ulid()), *fields]
        if status != 204:
            fields.append(("content-length", str(len(body))))
        if not head.keeps_alive:
            fields.append(("connection", "close"))
        writer.write(http1.head_bytes("HTTP/1.1 %d %s" % (status, REASONS.get(status, "Error")), fields) + body)
        await writer.drain()

    async def answer(self, asked):
        action, function, names = "", None, {}
        for method, pattern, called, each in self.routes:
            match = pattern.match(asked.path)
            if match and method == asked.method:
                action, function, names = called, each, match.groupdict()
        try:
            if not function:
                raise Refused(404, "no such path")
            await self.suffer(action, names.get("M"))
            self.authorize(asked, action, names)
            return await self.act(asked, action, function, names)
        except Refused as refused:
            fields = [("retry-after", "1")] if refused.status == 429 and self.fleet.switches.retry_after else []
            return (refused.status, {"error": refused.text, "status": refused.code}, *fields)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            return 400, {"error": "%s: %s" % (type(error).__name__, error), "status": "unknown"}
        finally:
            self.fleet.log("api", method=asked.method, path=asked.path, action=action, socket=asked.machine and asked.machine.id)

    async def act(self, asked, action, function, names):
        args = []
        if "A" in names:
            app = self.fleet.apps.get(names["A"])
            if not app:
                raise Refused(404, "app not found")
            args.append(app)
        if "M" in names:
            machine = args[0].machines.get(names["M"])
            if not machine:
                raise Refused(404, "machine not found")
            args.append(machine)
        if action not in UNLIMITED and self.fleet.switches.rate_limits:
            bucket = self.buckets.setdefault((names.get("M") or names.get("A"), action), Bucket(*RATES[action]))
            if not bucket.take():
                raise Refused(429, "rate limit exceeded")
        args += [names[key] for key in "VK" if key in names]
        return await function(asked, *args)

    async def suffer(self, action, machine):
        """A fault that was ordered: an answer of this status, or none for so long."""
        fault = self.fleet.faults.take("api", action=action, machine=machine)
        if fault:
            await asyncio.sleep(fault.get("delay", 0))
            if fault.get("status"):
                raise Refused(fault["status"], fault.get("text", "ordered by the test"))

    def authorize(self, asked, action, names):
        own = asked.machine and names.get("A") == asked.machine.app.name and names.get("M") == asked.machine.id
        if asked.machine and (action == "oidc" or own and (action == "suspend" or action == "stop" and self.fleet.switches.socket_may_stop)):
            return
        value = asked.head.get("authorization") or ""
        words = value[7:] if value.startswith("Bearer ") else value if value.startswith("FlyV1 ") else ""
        token = self.fleet.tokens.get(words.strip())
        if not token:
            raise Refused(401, "unauthorized")
        if action == "regions":
            return
        if "app" in token:
            if names.get("A") != token["app"]:
                raise Refused(403, "the token is of another app")
            return
        app = self.fleet.apps.get(names.get("A"))
        if app and app.organisation.slug != token["organisation"]:
            raise Refused(403, "the app is another organisation's")
        if action == "apps" and not names.get("A") and (asked.one("org_slug") or asked.body.get("org_slug")) not in (None, token["organisation"]):
            raise Refused(403, "another organisation")

    # -- apps --

    def shown_app(self, app):
        return {"id": app.name, "name": app.name, "network": app.network, "status": "deployed", "machine_count": len(app.machines),
                "volume_count": len(app.volumes), "organization": {"name": app.organisation.slug, "slug": app.organisation.slug}}

    async def list_apps(self, asked):
        slug = asked.one("org_slug")
        return 200, {"apps": [self.shown_app(app) for app in self.fleet.apps.values() if slug in (None, app.organisation.slug)]}

    async def create_app(self, asked):
        name = asked.body.get("app_name") or asked.body.get("name") or ""
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", name):
            raise Refused(422, "an app's name is a DNS label")
        if name in self.fleet.apps:
            raise Refused(422, "Name has already been taken", "name_taken")
        slug = asked.body.get("org_slug", "personal")
        if slug not in self.fleet.organisations:
            raise Refused(404, "no organisation %s" % slug)
        app = self.fleet.add_app(name, {"organisation": slug, "network": asked.body.get("network") or "default", "public": False})
        return 201, {"id": app.name, "created_at": int(app.created_at * 1000)}

    async def get_app(self, _asked, app):
        return 200, self.shown_app(app)

    async def delete_app(self, asked, app):
        if any(machine.state != "destroyed" for machine in app.machines.values()) and asked.one("force") != "true":
            raise Refused(412, "the app has machines")
        for machine in app.machines.values():
            if machine.state != "destroyed":
                await machine.destroy(True)
        del self.fleet.apps[app.name]
        return 202, {}

    # -- machines --

    def shown(self, machine):
        config = dict(machine.config)
        config["services"] = [{**service, "autostop": {"off": False, "stop": True}.get(service.get("autostop"), service.get("autostop", False))}
                              for service in config.get("services", ())]
        value = {"id": machine.id, "name": machine.name, "state": machine.seen(self.fleet.switches.api_lag), "region": machine.region,
                 "instance_id": machine.instance_id, "version": machine.instance_id, "private_ip": machine.private_ip,
                 "created_at": moment(machine.created_at), "updated_at": moment(machine.updated_at), "config": config,
                 "image_ref": {"repository": machine.config.get("image", "local")}, "events": list(machine.events)[:20], "checks": [{"name": name, **check} for name, check in sorted(machine.checks.items())],
                 "nonce": "", "host_status": machine.host_status, "cordoned": machine.cordoned}
        if machine.host_status != "ok":
            value["config"], value["incomplete_config"] = None, config
        return value

    async def list_machines(self, asked, app):
        states = [state for value in asked.query.get("state", ()) for state in value.split(",")]
        found = []
        for machine in app.machines.values():
            shown = self.shown(machine)
            if shown["state"] == "destroyed" and asked.one("include_deleted") != "true" and "destroyed" not in states:
                continue
            if states and shown["state"] not in states:
                continue
            if asked.one("region") not in (None, machine.region):
                continue
            wanted = {key[9:]: values[0] for key, values in asked.query.items() if key.startswith("metadata.")}
            if any(machine.metadata.get(key) != value for key, value in wanted.items()):
                continue
            if asked.one("summary") == "true":
                del shown["config"], shown["events"]
            found.append(shown)
        return 200, found

    async def create(self, asked, app):
        body = asked.body
        config, name = body.get("config"), body.get("name")
        if not isinstance(config, dict):
            raise Refused(422, "config is wanted")
        if name and any(machine.name == name and machine.state != "destroyed" for machine in app.machines.values()):
            raise Refused(409, "machine name is taken", "name_taken")
        fault = self.fleet.faults.take("capacity", machine="create")
        if fault:
            raise Refused(fault.get("status", 412), "insufficient resources", "insufficient_capacity")
        region = (body.get("region") or app.primary_region or "iad").split(",")[0]
        if region not in PLACES:
            raise Refused(422, "no region %s" % region)
        machine = self.fleet.add_machine(app, region, config, name)
        machine.note("launch", "created", "user")
        await self.fleet.open_socket(machine)
        if body.get("lease_ttl"):
            self.new_lease(machine, body["lease_ttl"], "")
        if not body.get("skip_launch"):
            await machine.start("user")
        return 200, {**self.shown(machine), "nonce": machine.lease["nonce"] if machine.lease else ""}

    async def get(self, _asked, _app, machine):
        return 200, self.shown(machine)

    async def update(self, asked, _app, machine):
        self.check_lease(asked, machine)
        if asked.body.get("current_version") not in (None, "", machine.instance_id):
            raise Refused(412, "the machine has another version")
        if not isinstance(asked.body.get("config"), dict):
            raise Refused(422, "config is wanted")
        await machine.update(asked.body["config"])
        return 200, self.shown(machine)

    async def delete(self, asked, _app, machine):
        self.check_lease(asked, machine)
        await machine.destroy("true" in (asked.one("force"), asked.one("kill")))
        return 200, {"ok": True}

    async def start(self, asked, _app, machine):
        self.check_lease(asked, machine)
        return 200, {"previous_state": await machine.start("user"), "migrated": False, "new_host": ""}

    async def stop(self, asked, _app, machine):
        if not asked.raw and self.fleet.switches.stop_wants_body:
            raise Refused(400, "a body is wanted")
        self.check_lease(asked, machine)
        await machine.stop("user", asked.body.get("signal"), asked.body.get("timeout"))
        return 200, {"ok": True}

    async def suspend(self, asked, _app, machine):
        self.check_lease(asked, machine)
        await machine.suspend("user")
        return 200, {"ok": True}

    async def restart(self, asked, _app, machine):
        self.check_lease(asked, machine)
        if machine.state != "started":
            raise Refused(412, "unable to restart machine from current state: '%s'" % machine.state)
        machine.background(machine.reboot("user", asked.one("signal"), asked.one("timeout")))
        return 200, {"ok": True}

    async def signal(self, asked, _app, machine):
        self.check_lease(asked, machine)
        if machine.state != "started":
            raise Refused(412, "machine is not started")
        machine.tell("signal", signal_number(asked.body["signal"]))
        return 200, {"ok": True}

    async def wait(self, asked, _app, machine):
        wanted = {state for value in asked.query.get("state", ["started"]) for state in value.split(",")}
        if wanted - WAITABLE:
            raise Refused(400, "no state %s" % ", ".join(sorted(wanted - WAITABLE)))
        version = asked.one("instance_id")
        if version not in (None, machine.instance_id):
            raise Refused(404, "the machine has another version")

        def is_there():
            return machine.state in wanted or "settled" in wanted and machine.state in SETTLED
        if not await self.fleet.until(is_there, min(seconds(asked.one("timeout", "60")), MAX_WAIT)):
            raise Refused(408, "deadline_exceeded: machine is %s" % machine.state)
        return 200, {"ok": True, "state": machine.state, "version": machine.instance_id}

    async def cordon(self, _asked, _app, machine):
        machine.cordoned = True
        return 200, {"ok": True}

    async def uncordon(self, _asked, _app, machine):
        machine.cordoned = False
        return 200, {"ok": True}

    async def events(self, asked, _app, machine):
        return 200, list(machine.events)[:min(int(asked.one("limit", "20")), 50)]

    async def execute(self, asked, _app, machine):
        """Beside the machine's command, as much in its place as loopback has places."""
        if machine.state != "started":
            raise Refused(412, "machine is not started")
        command = asked.body.get("command") or ["sh", "-c", asked.body["cmd"]]
        process = await asyncio.create_subprocess_exec(*command, cwd=machine.rootfs, env=machine.environment(), stdin=asyncio.subprocess.PIPE,
                                                       stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        try:
            out, err = await asyncio.wait_for(process.communicate(asked.body.get("stdin", "").encode()), asked.body.get("timeout", 30))
        except asyncio.TimeoutError:
            process.kill()
            await process.wait()
            raise Refused(408, "deadline_exceeded") from None
        code = process.returncode
        return 200, {"exit_code": max(code, 0), "exit_signal": max(-code, 0), "stdout": out.decode(errors="replace"),
                     "stderr": err.decode(errors="replace")}

    # -- leases --

    @staticmethod
    def lease_of(machine):
        if machine.lease and machine.lease["expires"] <= time.time():
            machine.lease = None
        return machine.lease

    def check_lease(self, asked, machine):
        lease = self.lease_of(machine)
        if lease and asked.head.get("fly-machine-lease-nonce") != lease["nonce"]:
            raise Refused(409, "lease currently held by %s, expires at %s" % (lease["owner"], moment(lease["expires"])))

    def new_lease(self, machine, ttl, description, nonce=None):
        machine.lease = {"nonce": nonce or uuid.uuid4().hex[:14], "expires": time.time() + seconds(ttl), "owner": "flysim",
                         "description": description, "version": machine.instance_id}

    def shown_lease(self, machine, status):
        lease = {**machine.lease, "expires_at": int(machine.lease["expires"])}
        del lease["expires"]
        return status, {"status": "success", "data": lease} if self.fleet.switches.lease_envelope else lease

    async def get_lease(self, _asked, _app, machine):
        if not self.lease_of(machine):
            raise Refused(404, "no lease")
        status, value = self.shown_lease(machine, 200)
        return status, value

    async def take_lease(self, asked, _app, machine):
        self.check_lease(asked, machine)
        lease = self.lease_of(machine)
        ttl = asked.one("ttl") or asked.body.get("ttl", 30)
        self.new_lease(machine, ttl, asked.body.get("description", ""), lease and lease["nonce"])
        return self.shown_lease(machine, 201)

    async def end_lease(self, asked, _app, machine):
        if not self.lease_of(machine):
            raise Refused(404, "no lease")
        self.check_lease(asked, machine)
        machine.lease = None
        return 200, {"ok": True}

    # -- metadata --

    async def get_metadata(self, _asked, _app, machine):
        return 200, machine.metadata

    async def set_metadata(self, asked, _app, machine, key):
        machine.metadata[key] = str(asked.body["value"])
        machine.metadata_version += 1
        return 204, None

    async def drop_metadata(self, _asked, _app, machine, key):
        machine.metadata.pop(key, None)
        machine.metadata_version += 1
        return 204, None

    async def put_metadata(self, asked, _app, machine):
        if asked.body.get("machine_version") not in (None, machine.instance_id):
            raise Refused(412, "the machine has another version")
        values = {key: str(value) for key, value in asked.body["metadata"].items()}
        machine.config["metadata"] = values if asked.method == "PUT" else {**machine.metadata, **values}
        machine.metadata_version += 1
        return 200, machine.metadata

    # -- volumes, secrets, the rest --

    def shown_volume(self, volume):
        return {"id": volume.id, "name": volume.name, "state": "created", "size_gb": volume.size_gb, "region": volume.region,
                "zone": volume.host, "encrypted": True, "attached_machine_id": volume.machine, "created_at": moment(volume.created_at),
                "fstype": "ext4", "host_status": "ok"}

    async def list_volumes(self, _asked, app):
        return 200, [self.shown_volume(volume) for volume in app.volumes.values()]

    async def create_volume(self, asked, app):
        name, region = asked.body.get("name", ""), asked.body.get("region") or app.primary_region or "iad"
        if not re.fullmatch("[a-z0-9_]{1,30}", name):
            raise Refused(422, "a volume's name has lower case letters, digits and _")
        return 200, self.shown_volume(self.fleet.add_volume(app, region, name, asked.body.get("size_gb", 3)))

    def volume(self, app, volume_id):
        if volume_id not in app.volumes:
            raise Refused(404, "volume not found")
        return app.volumes[volume_id]

    async def get_volume(self, _asked, app, volume_id):
        return 200, self.shown_volume(self.volume(app, volume_id))

    async def delete_volume(self, _asked, app, volume_id):
        volume = self.volume(app, volume_id)
        if volume.machine:
            raise Refused(412, "volume is attached to %s" % volume.machine)
        del app.volumes[volume_id]
        return 200, self.shown_volume(volume)

    async def list_secrets(self, _asked, app):
        return 200, {"secrets": [{"name": name, "digest": "%016x" % (hash(value) & (1 << 64) - 1)} for name, value in sorted(app.secrets.items())]}

    async def set_secrets(self, asked, app):
        for name, value in asked.body["values"].items():
            app.secrets[name] = value
            if value is None:
                del app.secrets[name]
        return 200, {"secrets": [{"name": name} for name in sorted(app.secrets)], "version": int(time.time())}

    async def drop_secret(self, _asked, app, name):
        app.secrets.pop(name, None)
        return 200, {"version": int(time.time())}

    async def regions(self, _asked):
        return 200, {"Regions": [{"code": name, "latitude": place[0], "longitude": place[1]} for name, place in sorted(PLACES.items())]}

    async def oidc(self, asked):
        """A token of the right form; its signature is nobody's."""
        machine = asked.machine
        if not machine:
            raise Refused(401, "only a machine has an identity")
        now, slug = int(time.time()), machine.app.organisation.slug
        claims = {"iss": "https://oidc.fly.io/" + slug, "sub": "%s:%s:%s" % (slug, machine.app.name, machine.name),
                  "aud": asked.body.get("aud", "https://fly.io/" + slug), "app_name": machine.app.name, "machine_id": machine.id,
                  "machine_name": machine.name, "machine_version": machine.instance_id, "org_name": slug, "region": machine.region,
                  "iat": now, "nbf": now, "exp": now + 600, "jti": str(uuid.uuid4())}

        def part(value):
            return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
        token = ".".join((part({"alg": "none", "typ": "JWT"}), part(claims), "unsigned"))
        return (200, {"token": token}) if self.fleet.switches.oidc_json else (200, token.encode())


class OwnSocket:
    """/.fly/api of one machine: there some time after each boot, unless it is missing by order."""

    def __init__(self, api, machine):
        self.api, self.machine, self.server, self.is_missing = api, machine, None, False
        self.path = machine.fly / "api"
        self.opening = None

    def booted(self):
        if self.server or self.is_missing:
            return
        self.opening = asyncio.ensure_future(self.open())

    async def open(self):
        await asyncio.sleep(self.api.fleet.switches.api_socket_delay)
        self.server = await asyncio.start_unix_server(lambda r, w: self.api.serve(r, w, self.machine), str(self.path), limit=http1.MAX_HEAD)
        os.chmod(self.path, 0o600)

    def miss(self):
        self.close()
        self.is_missing = True

    def close(self):
        if self.opening:
            self.opening.cancel()
        if self.server:
            self.server.close()
            self.server = None
            self.path.unlink(missing_ok=True)
