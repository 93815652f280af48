"""fleet.py - what there is: organisations, apps, machines and volumes, the log, and who waits for a change.
SPDX-License-Identifier: MIT
"""
import asyncio
import json
import random
import socket
import time
import uuid

import yaml

from flysim import switches as switches_of
from flysim.machine import Machine, Volume

LOCK_PORT = 47123
CONFIG_KEYS = {"switches", "organisations", "tokens", "apps", "edges", "ports", "api", "dns"}
APP_KEYS = {"organisation", "network", "hosts", "public", "command", "env", "secrets", "primary_region", "service", "machines"}
MACHINE_KEYS = {"id", "name", "region", "state", "config", "volume"}


class Wrong(Exception):
    """A configuration that cannot be meant."""


class App:
    def __init__(self, name, organisation, network="default"):
        self.name, self.organisation, self.network = name, organisation, network
        self.hosts, self.public = {name + ".fly.dev"}, True
        self.command, self.env, self.secrets, self.primary_region = [], {}, {}, ""
        self.machines, self.volumes = {}, {}
        self.created_at = time.time()


class Organisation:
    def __init__(self, slug, cross_network_replays=False, replay_sources=()):
        self.slug, self.cross_network_replays, self.replay_sources = slug, cross_network_replays, set(replay_sources)


class Fleet:
    def __init__(self, config, home):
        unknown = set(config) - CONFIG_KEYS
        if unknown:
            raise Wrong("unknown: " + ", ".join(sorted(unknown)))
        try:
            self.switches = switches_of.made(config.get("switches", {}))
        except ValueError as error:
            raise Wrong(str(error)) from None
        self.home, self.config = home, config
        self.chance = random.Random(self.switches.seed)
        self.lines, self.waiting, self.apps, self.organisations = [], set(), {}, {}
        self.edges, self.services = {}, {}
        self.faults = Faults()
        self.tokens = config.get("tokens", {"org-token": {"organisation": "personal"}})
        self.log_file = open(home / "log.jsonl", "a", encoding="utf-8")
        self.reserve_network()
        self.next_address = 10
        self.next_host = 1
        for slug, more in config.get("organisations", {"personal": {}}).items():
            self.organisations[slug] = Organisation(slug, **(more or {}))
        for name, more in config.get("apps", {}).items():
            self.add_app(name, more or {})

    # -- addresses --

    def reserve_network(self):
        """127.N.0.0/16 for this simulator alone, among all of this machine."""
        numbers = list(range(64, 250))
        random.shuffle(numbers)
        for number in numbers:
            lock = socket.socket()
            try:
                lock.bind(("127.%d.0.1" % number, LOCK_PORT))
            except OSError:
                lock.close()
                continue
            self.lock, self.network = lock, number
            return
        raise Wrong("no free network below 127.0.0.0/8")

    @property
    def proxy_address(self):
        """Where requests of the edge come from."""
        return "127.%d.0.2" % self.network

    def new_address(self):
        self.next_address += 1
        return "127.%d.%d.%d" % (self.network, 1 + self.next_address // 250, 1 + self.next_address % 250)

    # -- things --

    def add_app(self, name, more):
        unknown = set(more) - APP_KEYS
        if unknown:
            raise Wrong("app %s: unknown: %s" % (name, ", ".join(sorted(unknown))))
        slug = more.get("organisation", "personal")
        if slug not in self.organisations:
            raise Wrong("app %s: no organisation %s" % (name, slug))
        app = self.apps[name] = App(name, self.organisations[slug], more.get("network", "default"))
        app.hosts |= set(more.get("hosts", ()))
        app.public = more.get("public", True)
        app.command, app.env, app.secrets = more.get("command", []), more.get("env", {}), dict(more.get("secrets", {}))
        app.primary_region = more.get("primary_region", "")
        for each in more.get("machines", ()):
            unknown = set(each) - MACHINE_KEYS
            if unknown or "region" not in each:
                raise Wrong("machine of %s: region is wanted, unknown: %s" % (name, ", ".join(sorted(unknown)) or "none"))
            config = dict(each.get("config", {}))
            config.setdefault("services", [more["service"]] if more.get("service") else [])
            if each.get("volume", False):
                config["mounts"] = [{"volume": self.add_volume(app, each["region"]).id, "path": "/data"}]
            machine = self.add_machine(app, each["region"], config, each.get("name"), each.get("id"))
            machine.wanted_first = each.get("state", "started")
        return app

    def add_machine(self, app, region, config, name=None, machine_id=None):
        machine = Machine(self, app, region, config, name, machine_id or uuid.uuid4().hex[:14])
        app.machines[machine.id] = machine
        return machine

    def add_volume(self, app, region, name="data", size_gb=1):
        volume = Volume("vol_" + uuid.uuid4().hex[:16], name, region, size_gb, self.new_host(), self.home)
        app.volumes[volume.id] = volume
        return volume

    def new_host(self):
        self.next_host += 1
        return "host%d" % self.next_host

    def machine(self, machine_id):
        return next((app.machines[machine_id] for app in self.apps.values() if machine_id in app.machines), None)

    def all_machines(self):
        return [machine for app in self.apps.values() for machine in app.machines.values()]

    # -- what happened --

    def log(self, what, **more):
        line = {"time": time.time(), "what": what, **more}
        self.lines.append(line)
        if self.log_file.closed:  # what is given up at the end
            return
        self.log_file.write(json.dumps(line) + "\n")
        self.log_file.flush()

    def changed(self):
        waiting, self.waiting = self.waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def until(self, claim, timeout):
        """Whether claim() came true in time."""
        deadline = time.monotonic() + timeout
        while not claim():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            future = asyncio.get_running_loop().create_future()
            self.waiting.add(future)
            await asyncio.wait([future], timeout=left)
            self.waiting.discard(future)
        return True


class Faults:
    """What a test ordered to go wrong: each says how often (`count`, default once; 0: until it is cleared) and where."""

    KINDS = {"api", "capacity", "snapshot", "dns", "blind"}

    def __init__(self):
        self.list = []

    def add(self, fault):
        if fault.get("kind") not in self.KINDS:
            raise Wrong("no such fault: %r" % fault.get("kind"))
        self.list.append({"count": 1, **fault})

    def clear(self):
        self.list = []

    def take(self, kind, **where):
        """The first fault of a kind that is meant for this place, or None."""
        for fault in self.list:
            if fault["kind"] == kind and all(fault.get(key) in (None, value) for key, value in where.items()):
                if fault["count"]:
                    fault["count"] -= 1
                    if not fault["count"]:
                        self.list.remove(fault)
                return fault
        return None


def load(path):
    with open(path, encoding="utf-8") as file:
        value = yaml.safe_load(file)
    if not isinstance(value, dict):
        raise Wrong("%s: no mapping" % path)
    return value
