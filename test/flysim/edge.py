"""edge.py - the proxy of one region: takes requests, chooses machines, wakes them, and obeys their replays.
SPDX-License-Identifier: MIT
"""
import asyncio
import collections
import dataclasses
import time

from flysim import http1, replay
from flysim.ids import ulid
from flysim.regions import distance, rank

APP_ADDRESS = "66.241.124.1"
PROXY_ONLY = {"fly-client-ip", "fly-forwarded-port", "fly-forwarded-proto", "fly-forwarded-ssl", "fly-region", "fly-request-id",
              "fly-replay-src", "fly-replay-failed", "fly-replay-cache-status", "fly-preferred-instance-unavailable", "fly-src",
              "fly-src-signature"}
ROUTING = {"fly-prefer-region", "fly-force-region", "fly-prefer-instance-id", "fly-force-instance-id", "fly-replay-cache-control"}
NOT_STARTABLE = ("stopping", "destroying", "destroyed", "replacing", "failed", "launch_failed", "updating")
LINGER = 2.0


class Failure(Exception):
    """No machine answers: an error code of the log, and the reason that a fallback names."""

    def __init__(self, code, reason, text):
        super().__init__(text)
        self.code, self.reason, self.text = code, reason, text


@dataclasses.dataclass
class Wish:
    """Which machine a request is for."""
    app: object
    port: int
    instance: str = ""
    prefer_instance: str = ""
    regions: tuple = ()
    forces_region: bool = False
    avoid: object = None
    may_wake: bool = True


@dataclasses.dataclass
class Exchange:
    """One request of a client, over all its replays."""
    head: object
    tape: object
    reader: object
    writer: object
    app: object
    host: str
    port: int
    request_id: str
    fields: list
    wish: Wish
    extra: list = dataclasses.field(default_factory=list)
    target: str = ""
    replays: int = 0
    is_fallback: bool = False
    began: float = 0.0
    deleted: set = dataclasses.field(default_factory=set)
    cache_status: str = "miss"
    hit: tuple = ()

    @property
    def path(self):
        return self.head.target.partition("?")[0]


class Link:
    """A connection to a machine."""

    def __init__(self, machine, reader, writer):
        self.machine, self.reader, self.writer, self.used = machine, reader, writer, False
        self.idle_since = 0.0

    def close(self):
        self.writer.close()

    @property
    def is_dead(self):
        return self.reader.at_eof() or self.writer.is_closing()


class Edge:
    def __init__(self, fleet, region, ports):
        self.fleet, self.region, self.switches = fleet, region, fleet.switches
        self.wanted_ports, self.servers, self.addresses = ports, [], {}
        self.clients = {}
        self.pool = collections.defaultdict(list)
        self.cache = replay.ReplayCache(time.monotonic, fleet.chance, self.switches.cache_forget)

    # -- listening --

    async def open(self):
        for port, listen in self.wanted_ports.items():
            server = await asyncio.start_server(lambda r, w, p=port: self.serve(r, w, p), "127.0.0.1", listen, limit=http1.MAX_HEAD)
            self.servers.append(server)
            self.addresses[port] = server.sockets[0].getsockname()

    def close(self):
        for server in self.servers:
            server.close()
        self.restart()

    def restart(self):
        """All connections end, and nothing is remembered; the listeners stay."""
        for task, writer in list(self.clients.items()):
            task.cancel()
            writer.close()
        self.cache.entries.clear()
        for links in self.pool.values():
            for link in links:
                link.close()
        self.pool.clear()

    def log(self, exchange, code, text, **more):
        self.fleet.log("edge", region=self.region, code=code, text=text, request=exchange.request_id, path=exchange.path, **more)

    async def serve(self, reader, writer, port):
        task = asyncio.current_task()
        self.clients[task] = writer
        try:
            while await self.serve_one(reader, writer, port):
                pass
        except (http1.Bad, ConnectionError, OSError, asyncio.CancelledError):
            pass
        finally:
            del self.clients[task]
            writer.close()

    async def serve_one(self, reader, writer, port):
        head = await http1.read_head(reader)
        if not head:
            return False
        exchange = self.exchange(head, reader, writer, port)
        if not exchange:
            await plain(writer, 404, [("fly-request-id", ulid() + "-" + self.region)])
            return False
        try:
            keeps = await self.answer(exchange)
            await linger(exchange.tape)
        finally:
            exchange.tape.close()
        return keeps and head.keeps_alive and exchange.tape.is_over

    def exchange(self, head, reader, writer, port):
        host = (head.get("host") or "").partition(":")[0].lower()
        public = [app for app in self.fleet.apps.values() if app.public]
        app = next((app for app in public if host in app.hosts), public[0] if len(public) == 1 else None)
        if not app:
            return None

        async def go_on():
            if head.has("expect", "100-continue"):
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                await writer.drain()
        tape = http1.Tape(reader, head, self.switches.replay_body_limit, go_on)
        request_id = "%s-%s" % (ulid(), self.region)
        wish = self.wish_of_client(head, app, port)
        fields = self.request_fields(head, writer, port, request_id)
        return Exchange(head, tape, reader, writer, app, host, port, request_id, fields, wish, began=time.monotonic(), target=head.target)

    def wish_of_client(self, head, app, port):
        wish = Wish(app, port, instance=head.get("fly-force-instance-id") or "", prefer_instance=head.get("fly-prefer-instance-id") or "")
        forced, preferred = head.get("fly-force-region"), head.get("fly-prefer-region")
        if forced or preferred:
            wish.regions = tuple(name.strip() for name in (forced or preferred).split(","))
            wish.forces_region = bool(forced)
        wish.may_wake = not wish.instance or self.switches.force_wakes
        return wish

    def request_fields(self, head, writer, port, request_id):
        trusted = self.switches.trust_client_fly_headers
        gone = http1.HOP_BY_HOP | {"expect"} | ROUTING | (set() if trusted else PROXY_ONLY)
        gone |= {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-ssl", "x-request-start"}
        client = writer.get_extra_info("peername")[0]
        scheme = "https" if port == 443 else "http"
        ssl = "on" if port == 443 else "off"
        ours = [("fly-client-ip", client), ("fly-forwarded-port", str(port)), ("fly-forwarded-proto", scheme),
                ("fly-forwarded-ssl", ssl), ("fly-region", self.region), ("fly-request-id", request_id)]
        if trusted:
            ours = [pair for pair in ours if not head.get(pair[0])]
        before = ", ".join(head.all("x-forwarded-for"))
        fields = head.without(gone) + ours
        fields += [("x-forwarded-for", ", ".join(filter(None, (before, client, APP_ADDRESS)))), ("x-forwarded-proto", scheme),
                   ("x-forwarded-ssl", ssl), ("via", "1.1 fly.io"), ("x-request-start", "t=%d" % (time.time() * 1e6))]
        if not head.get("x-forwarded-port"):
            fields.append(("x-forwarded-port", str(port)))
        return fields

    # -- one request, and its replays --

    async def answer(self, exchange):
        """True if the client's connection can go on."""
        deadline, timeout, origin, fallback = None, 0.0, None, ""
        self.look_up(exchange)
        while True:
            try:
                machine, link = await self.reach(exchange.wish, deadline, timeout, exchange)
            except Failure as failure:
                if exchange.extra and ("fly-replay-cache-status", "hit") in exchange.extra:
                    self.forget(exchange)
                    continue
                self.log(exchange, failure.code, failure.text, reason=failure.reason)
                if not fallback:
                    return await self.refuse(exchange)
                self.fall_back(exchange, failure, origin, fallback)
                deadline, timeout, fallback = None, 0.0, ""
                continue
            wanted = await self.forward(exchange, machine, link)
            if wanted is None or isinstance(wanted, bool):
                return bool(wanted)
            try:
                await self.obey(exchange, wanted, machine)
            except Failure as failure:
                self.log(exchange, failure.code, failure.text, reason=failure.reason, machine=machine.id)
                if failure.code in ("PA04", "PA05") and not wanted.timeout:
                    await asyncio.sleep(self.switches.no_candidate_delay)
                return await self.refuse(exchange)
            origin, fallback, timeout = machine, wanted.fallback, wanted.timeout
            deadline = time.monotonic() + timeout if timeout else None

    async def refuse(self, exchange, status=502):
        """As bare as the real one."""
        await plain(exchange.writer, status, [("server", "Fly/sim"), ("via", "1.1 fly.io"), ("fly-request-id", exchange.request_id)])
        return exchange.tape.is_over

    async def obey(self, exchange, wanted, machine):
        """The exchange is for another machine now; a Failure if that cannot be."""
        if isinstance(wanted, replay.Malformed):
            raise Failure("PA03", "malformed", "malformed replay: %s" % wanted)
        if exchange.is_fallback:
            raise Failure("PA03", "fallback_replayed", "a request that came back by fallback was replayed")
        exchange.replays += 1
        if exchange.replays > self.switches.replay_max:
            raise Failure("PA02", "too_many_replays", "more than %d replays" % self.switches.replay_max)
        app = self.target_app(wanted, machine)
        await self.check_body(exchange)
        self.remember(exchange, wanted, machine)
        exchange.wish = Wish(app, exchange.port, wanted.instance, wanted.prefer_instance, wanted.region, bool(wanted.region),
                             machine if wanted.elsewhere else None)
        source = "instance=%s;region=%s;t=%d" % (machine.id, machine.region, time.time() * 1e6)
        if wanted.state:
            source += ";state=" + wanted.state
        exchange.extra = [("fly-replay-src", source), ("fly-replay-cache-status", exchange.cache_status)]
        exchange.target = wanted.path or exchange.head.target
        exchange.deleted = set(wanted.delete_headers) | {name.lower() for name, _ in wanted.set_headers}
        if wanted.transforms and not self.switches.keep_authorization:
            exchange.deleted.add("authorization")
        exchange.extra += list(wanted.set_headers)
        self.log(exchange, None, "replayed", machine=machine.id, instance=wanted.instance, to_region=",".join(wanted.region), app=app.name)

    def target_app(self, wanted, machine):
        ours = machine.app
        app = self.fleet.apps.get(wanted.app or ours.name)
        if not app:
            raise Failure("PA04", "no_app", "no app %s" % wanted.app)
        if app.organisation is not ours.organisation:
            if ours.organisation.slug not in app.organisation.replay_sources:
                raise Failure("PA05", "other_organisation", "%s does not take replays of %s" % (app.organisation.slug, ours.organisation.slug))
        elif app.network != ours.network and not app.organisation.cross_network_replays:
            raise Failure("PA05", "other_network", "cross-network replays are not allowed")
        return app

    async def check_body(self, exchange):
        limit, head = self.switches.replay_body_limit, exchange.head
        if self.switches.replay_body_rule == "length":
            is_too_large = head.is_chunked or (head.length or 0) > limit
        else:
            await exchange.tape.fill()
            is_too_large = not exchange.tape.is_kept
        if is_too_large:
            raise Failure("PA01", "body_too_large", "the body is too large to be replayed")

    def fall_back(self, exchange, failure, origin, fallback):
        wish = exchange.wish
        exchange.is_fallback = True
        exchange.extra = [("fly-replay-failed", "instance=%s;app=%s;region=%s;replay_source=%s;reason=%s;elapsed_ms=%d" % (
            wish.instance or wish.prefer_instance, wish.app.name, ",".join(wish.regions), origin.id, failure.reason,
            (time.monotonic() - exchange.began) * 1000))]
        exchange.target, exchange.deleted = exchange.head.target, set()
        if fallback == "force_self":
            exchange.wish = Wish(origin.app, exchange.port, instance=origin.id)
        else:
            exchange.wish = Wish(origin.app, exchange.port, prefer_instance=origin.id)

    # -- the replay cache --

    def look_up(self, exchange):
        head = exchange.head

        def session(kind):
            return head.get(kind[1]) if kind[0] == "header" else cookie(head, kind[1])
        found = self.cache.get(exchange.host, exchange.path, session)
        if not found:
            return
        key, wanted = found
        if wanted.cache.allow_bypass and (head.get("fly-replay-cache-control") or "").strip() == "skip":
            exchange.cache_status = "bypass"
            return
        exchange.hit = (key, exchange.wish)
        app = self.fleet.apps.get(wanted.app)
        if not app:
            return
        exchange.wish = Wish(app, exchange.port, wanted.instance, wanted.prefer_instance, wanted.region, bool(wanted.region))
        exchange.extra = [("fly-replay-cache-status", "hit")]

    def forget(self, exchange):
        """What was cached leads nowhere: the request goes the long way."""
        key, exchange.wish = exchange.hit
        self.cache.entries.pop(key, None)
        exchange.extra = []

    def remember(self, exchange, wanted, machine):
        if wanted.cache and wanted.cache.invalidate:
            self.cache.drop(exchange.host, exchange.path)
            return
        target = dataclasses.replace(wanted, app=wanted.app or machine.app.name)
        if wanted.cache:
            if wanted.state or wanted.transforms or wanted.timeout or wanted.fallback:
                if self.switches.cache_beside == "refuse":
                    raise Failure("PA03", "malformed", "a replay that is cached has no state, transform, timeout or fallback")
                return
            host = wanted.cache.host or exchange.host
            if host != exchange.host or not replay.matches(wanted.cache.prefix, exchange.path):
                raise Failure("PA03", "malformed", "%s does not match the request" % wanted.cache.prefix)
            self.cache.put((host, wanted.cache.prefix, None), target, wanted.cache.ttl)
        elif not (wanted.state or wanted.transforms or wanted.timeout or wanted.fallback):
            self.remember_session(exchange, target, machine)

    def remember_session(self, exchange, target, machine):
        service = machine.service(exchange.port) or {}
        rules = [rule for port in service.get("ports", ()) if port.get("port") == exchange.port
                 for rule in port.get("http_options", {}).get("replay_cache", ()) if exchange.path.startswith(rule["path_prefix"])]
        for rule in sorted(rules, key=lambda rule: -len(rule["path_prefix"]))[:1]:
            value = exchange.head.get(rule["name"]) if rule["type"] == "header" else cookie(exchange.head, rule["name"])
            if value:
                target.cache = replay.Cache(allow_bypass=rule.get("allow_bypass", False))
                self.cache.put((exchange.host, rule["path_prefix"] + "*", (rule["type"], rule["name"], value)), target, rule["ttl_seconds"])

    # -- choosing and waking --

    def candidates(self, wish):
        """Machines that may be tried, the best first."""
        found = []
        for machine in wish.app.machines.values():
            service = machine.service(wish.port)
            if not service or machine is wish.avoid or machine.cordoned or machine.state in ("destroyed", "created"):
                continue
            if wish.instance and machine.id != wish.instance:
                continue
            place = rank(wish.regions, machine.region) if wish.regions else 0
            if place is None and wish.forces_region:
                continue
            if self.fleet.faults.take("blind", machine=machine.id, region=self.region):
                continue
            if load(machine, service) >= limits(service)[1] or machine.is_failing(service):
                continue
            found.append(((machine.id != wish.prefer_instance) if wish.prefer_instance else False,
                          99 if place is None else place, self.burden(machine, service), distance(self.region, machine.region),
                          load(machine, service), machine.id, machine))
        return [each[-1] for each in sorted(found, key=lambda each: each[:-1])]

    def burden(self, machine, service):
        """Started ones first, and of those the ones below their soft limit; one that is awake beyond it comes behind one to wake."""
        state = machine.seen(self.switches.state_lag)
        if state == "started" and not machine.soft_cordoned:
            return 0 if load(machine, service) < limits(service)[0] else 2
        if state in ("stopped", "suspended", "suspending", "starting"):
            return 1 if service.get("autostart", True) else 4
        return 3

    async def reach(self, wish, deadline, timeout, exchange):
        """(machine, link) of a machine that takes the request."""
        limit = deadline or time.monotonic() + self.switches.connect_limit
        last = None
        while True:
            candidates = self.candidates(wish)
            if not candidates and not self.could_come(wish):
                if not timeout:
                    await asyncio.sleep(self.switches.no_candidate_delay)
                raise last or Failure("PR04", "no_candidate", "could not find a good candidate")
            for machine in candidates:
                try:
                    link = await self.link_to(machine, wish, len(candidates) == 1, exchange, limit)
                except Failure as failure:
                    last = failure
                    continue
                if wish.prefer_instance and machine.id != wish.prefer_instance:
                    exchange.extra = exchange.extra + [("fly-preferred-instance-unavailable", wish.prefer_instance)]
                return machine, link
            if time.monotonic() >= limit:
                raise Failure((last or Failure("PR03", "", "")).code, "timeout" if timeout else "retries_exhausted",
                              str(last or "no machine takes the request"))
            await asyncio.sleep(self.switches.retry_every)

    def could_come(self, wish):
        """Whether one that is at its hard limit could take it later."""
        return any(machine.service(wish.port) and not machine.cordoned and machine.state == "started"
                   and load(machine, machine.service(wish.port)) >= limits(machine.service(wish.port))[1]
                   and (not wish.instance or machine.id == wish.instance) for machine in wish.app.machines.values())

    async def link_to(self, machine, wish, is_only_one, exchange, limit):
        seen = machine.seen(self.switches.state_lag)
        service = machine.service(wish.port)
        if machine.state in NOT_STARTABLE:
            raise Failure("PM08", "retries_exhausted", "machine is %s" % machine.state)
        if machine.state not in ("started", "starting"):
            if seen == "started" and not is_only_one and machine.state == "stopped":
                raise Failure("PM11", "retries_exhausted", "machine was stopped a moment ago")
            await self.wake(machine, wish, service, exchange)
            return await self.connect_when_open(machine, service, limit)
        for link in [link for link in self.pool[machine.id] if not link.is_dead]:
            self.pool[machine.id].remove(link)
            if time.monotonic() - link.idle_since < self.switches.pool_idle:
                link.used = True
                return link
            link.close()
        if machine.state != "started":
            raise Failure("PC01", "retries_exhausted", "machine is %s" % machine.state)
        return await self.connect(machine, service)

    async def wake(self, machine, wish, service, exchange):
        if not service.get("autostart", True):
            raise Failure("PR03", "retries_exhausted", "autostart is off")
        if not wish.may_wake:
            raise Failure("PR03", "retries_exhausted", "it sleeps")
        was = machine.state
        try:
            await machine.start("proxy")
        except Exception as refused:  # pylint: disable=broad-except
            raise Failure("PM07", "retries_exhausted", str(refused)) from None
        self.log(exchange, None, "woken", machine=machine.id, was=was)
        await self.fleet.until(lambda: machine.state != "starting", self.switches.connect_limit)

    async def connect_when_open(self, machine, service, limit):
        """What was woken for a request is waited for."""
        while True:
            try:
                return await self.connect(machine, service)
            except Failure:
                if time.monotonic() >= limit or machine.state not in ("started", "starting"):
                    raise
            await asyncio.sleep(self.switches.retry_every)

    async def connect(self, machine, service):
        if machine.host_status != "ok":
            raise Failure("PC01", "retries_exhausted", "host is unreachable")
        try:
            reader, writer = await asyncio.open_connection(machine.address, service["internal_port"], limit=http1.MAX_HEAD,
                                                           local_addr=(self.fleet.proxy_address, 0))
        except OSError as error:
            raise Failure("PC01", "retries_exhausted", "machine refused the connection: %s" % error) from None
        link = Link(machine, reader, writer)
        if self.drop_pool not in machine.on_asleep:
            machine.on_asleep.append(self.drop_pool)
        return link

    def drop_pool(self, machine):
        for link in self.pool.pop(machine.id, ()):
            link.close()

    # -- one machine --

    async def forward(self, exchange, machine, link):
        """True or False: answered, and whether the client's connection can go on.  Otherwise what the machine wishes."""
        machine.load += 1
        self.fleet.changed()
        try:
            return await self.converse(exchange, machine, link)
        finally:
            machine.load -= 1

    async def converse(self, exchange, machine, link):
        sending = asyncio.ensure_future(self.send_request(exchange, link))
        vanishing = asyncio.ensure_future(gone(machine, self.fleet))
        reading = asyncio.ensure_future(self.read_answer(exchange, link))
        leaving = asyncio.ensure_future(client_left(exchange.reader))
        try:
            await asyncio.wait([reading, vanishing, leaving], return_when=asyncio.FIRST_COMPLETED)
            if leaving.done() and not reading.done():
                raise ConnectionError("the client left")
            head = reading.result() if reading.done() else None
            if head is None:
                return await self.no_answer(exchange, machine, link, sending)
            if head.status == 101:
                await Tunnel(exchange, link).run(head)
                return False
            if replay.is_replay(head):
                return await self.wanted_by(head, exchange, link, sending)
            return await self.pass_answer(head, exchange, machine, link, sending)
        except (http1.Bad, ConnectionError, OSError):
            link.close()
            if reading.done() and reading.exception() and not leaving.done():
                return await self.no_answer(exchange, machine, link, sending)
            raise
        finally:
            for task in (sending, vanishing, reading, leaving):
                task.cancel()
            await asyncio.gather(sending, vanishing, reading, leaving, return_exceptions=True)

    async def no_answer(self, exchange, machine, link, sending):
        """It closed before it answered: a pooled connection is tried anew, as nobody knows whether it was read."""
        link.close()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        if link.used and exchange.tape.is_kept:
            self.drop_pool(machine)
            try:
                _, fresh = await self.reach(dataclasses.replace(exchange.wish, instance=machine.id), None, 0.0, exchange)
            except Failure as failure:
                self.log(exchange, failure.code, failure.text, machine=machine.id)
                return await self.refuse(exchange)
            return await self.converse(exchange, machine, fresh)
        self.log(exchange, "PR02", "machine went away", machine=machine.id)
        return await self.refuse(exchange)

    async def send_request(self, exchange, link):
        head, deleted = exchange.head, exchange.deleted
        fields = [pair for pair in exchange.fields if pair[0].lower() not in deleted] + exchange.extra
        if head.get("upgrade"):
            fields += [("connection", "upgrade"), ("upgrade", head.get("upgrade"))]
        if head.is_chunked:
            fields.append(("transfer-encoding", "chunked"))
        link.writer.write(http1.head_bytes("%s %s HTTP/1.1" % (head.method, exchange.target), fields))
        await link.writer.drain()

        async def send(piece):
            link.writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if head.is_chunked else piece)
            await link.writer.drain()
        if head.is_chunked or head.length:
            await exchange.tape.play(send)
            if head.is_chunked:
                link.writer.write(b"0\r\n\r\n")
                await link.writer.drain()

    async def read_answer(self, exchange, link):
        while True:
            head = await http1.read_head(link.reader)
            if not head or head.status == 101 or head.status >= 200:
                return head
            if head.status != 100:
                exchange.writer.write(http1.head_bytes(" ".join(head.start), head.fields))
                await exchange.writer.drain()

    async def wanted_by(self, head, exchange, link, sending):
        """The replay of an answer; its other headers and its body are nobody's."""
        body = b""
        async for piece in http1.pieces(link.reader, head, exchange.head.method):
            body += piece
        self.give_back(link, head, exchange.head.method, sending)
        try:
            return replay.of_answer(head, body, self.switches.replay_unknown_keys == "refuse")
        except replay.Malformed as malformed:
            return malformed

    def give_back(self, link, head, method, sending):
        link.idle_since = time.monotonic()
        if head.keeps_alive and http1.has_end_of_its_own(head, method) and sending.done() and not sending.exception() \
                and self.switches.pool_idle and link.machine.state == "started":
            self.pool[link.machine.id].append(link)
        else:
            link.close()

    async def pass_answer(self, head, exchange, machine, link, sending):
        writer, method = exchange.writer, exchange.head.method
        fields = head.without(http1.HOP_BY_HOP | {"server", "via"})
        pristine = is_pristine(machine.service(exchange.port), exchange.port)
        fields += [("fly-request-id", exchange.request_id)] if not pristine else []
        fields += [("server", "Fly/sim"), ("via", "1.1 fly.io")] if not pristine else [
            pair for pair in head.fields if pair[0].lower() in ("server", "via")]
        has_end = http1.has_end_of_its_own(head, method)
        is_chunked = (head.is_chunked or not has_end) and exchange.head.start[2] == "HTTP/1.1"
        if is_chunked and method != "HEAD" and head.status not in (204, 304):
            fields.append(("transfer-encoding", "chunked"))
        keeps = exchange.head.keeps_alive and (has_end or is_chunked) and (not head.is_chunked or is_chunked)
        if not keeps:
            fields.append(("connection", "close"))
        writer.write(http1.head_bytes("HTTP/1.1 " + " ".join(head.start[1:]), fields))
        await writer.drain()
        async for piece in http1.pieces(link.reader, head, method):
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece) if is_chunked else piece)
            await writer.drain()
        if is_chunked and method != "HEAD" and head.status not in (204, 304):
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        self.give_back(link, head, method, sending)
        return keeps


# -- small things --

def limits(service):
    concurrency = service.get("concurrency", {})
    return concurrency.get("soft_limit", 20), concurrency.get("hard_limit") or float("inf")


def load(machine, service):
    """Requests under way; with "connections" the pooled ones count as well."""
    if service.get("concurrency", {}).get("type", "connections") == "connections":
        return machine.load + sum(len(edge.pool.get(machine.id, ())) for edge in machine.fleet.edges.values())
    return machine.load


def is_pristine(service, port):
    return any(each.get("port") == port and each.get("http_options", {}).get("response", {}).get("pristine")
               for each in (service or {}).get("ports", ()))


def cookie(head, name):
    for line in head.all("cookie"):
        for pair in line.split(";"):
            key, equals, value = pair.strip().partition("=")
            if equals and key == name:
                return value
    return None


async def plain(writer, status, fields):
    reason = {404: "Not Found", 502: "Bad Gateway", 503: "Service Unavailable"}[status]
    writer.write(http1.head_bytes("HTTP/1.1 %d %s" % (status, reason), [*fields, ("content-length", "0")]))
    await writer.drain()


async def gone(machine, fleet):
    """Until no answer can come from it: its host went, or it was destroyed.  One that is suspended answers when it is awake again."""
    while machine.host_status == "ok" and machine.state != "destroyed":
        await fleet.until(lambda: machine.host_status != "ok" or machine.state == "destroyed", 5)


async def client_left(reader):
    """Until the client has closed; what it sent ahead is not touched."""
    while not reader.at_eof():
        await asyncio.sleep(0.05)


async def linger(tape):
    """A client that still sends would lose the answer if its connection were closed now: it is heard for a while."""
    try:
        async with asyncio.timeout(LINGER):
            while not tape.is_over:
                tape.kept = None
                await tape.more()
    except (asyncio.TimeoutError, http1.Bad):
        pass


class Tunnel:
    """What follows a 101, in both directions, until either side ends."""

    def __init__(self, exchange, link):
        self.exchange, self.link, self.task = exchange, link, None

    async def run(self, head):
        machine, writer = self.link.machine, self.exchange.writer
        fields = [*head.without(http1.HOP_BY_HOP), ("connection", "upgrade"), ("upgrade", head.get("upgrade") or "websocket"),
                  ("fly-request-id", self.exchange.request_id)]
        writer.write(http1.head_bytes("HTTP/1.1 101 Switching Protocols", fields))
        ways = [asyncio.ensure_future(copy(self.link.reader, writer)), asyncio.ensure_future(copy(self.exchange.reader, self.link.writer))]
        machine.tunnels.add(self)
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            machine.tunnels.discard(self)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            self.link.close()

    def go_away(self):
        """As the proxy says it before it puts a machine to sleep: a close frame, 1001."""
        self.exchange.writer.write(b"\x88\x02\x03\xe9")
        self.link.close()


async def copy(reader, writer):
    while data := await reader.read(http1.BLOCK):
        writer.write(data)
        await writer.drain()
