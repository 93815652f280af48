"""sim.py - everything together: opens the fleet, its edges, the API and DNS, and takes orders of a test at /sim.
SPDX-License-Identifier: MIT
"""
import asyncio
import json

from flysim import http1
from flysim.api import Api, OwnSocket
from flysim.autostop import autostop_loop, autostop_pass
from flysim.checks import Checker
from flysim.dns import Server
from flysim.edge import Edge
from flysim.fleet import Fleet, Wrong
from flysim.machine import Refused
from flysim.switches import made

PORTS = {80: 0, 443: 0}


class Sim:
    def __init__(self, config, home):
        self.fleet = Fleet(config, home)
        self.fleet.open_socket = self.open_socket
        self.api = Api(self.fleet)
        self.config, self.servers, self.loops = config, [], []

    async def open(self):
        regions = self.config.get("edges") or {machine.region: {} for machine in self.fleet.all_machines()} or {"iad": {}}
        ports = self.config.get("ports", PORTS)
        for region, listen in regions.items():
            edge = self.fleet.edges[region] = Edge(self.fleet, region, {**ports, **(listen or {})})
            await edge.open()
        api = await asyncio.start_server(lambda r, w: self.api.serve(r, w, None, self.order), "127.0.0.1", self.config.get("api", 0), limit=http1.MAX_HEAD)
        self.servers.append(api)
        self.api_address = api.sockets[0].getsockname()
        self.dns, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Server(self.fleet), local_addr=("127.0.0.1", self.config.get("dns", 0)))
        self.fleet.services = {"api": "http://%s:%d" % self.api_address, "dns": "%s:%d" % self.dns.get_extra_info("sockname")}
        for machine in self.fleet.all_machines():
            await self.open_socket(machine)
            await self.bring(machine, machine.wanted_first)
        self.loops.append(asyncio.ensure_future(Checker(self.fleet).loop()))
        if self.fleet.switches.autostop_every:
            self.loops.append(asyncio.ensure_future(autostop_loop(self.fleet)))

    async def bring(self, machine, state):
        """A machine to the state in which a test wants to find it."""
        if state not in ("created", "started", "stopped", "suspended"):
            raise Wrong("a machine begins created, started, stopped or suspended, not %s" % state)
        if state == "stopped":
            machine.become("stopped", "stop")
        elif state != "created":
            await machine.start("user")
            await self.fleet.until(lambda: machine.state == "started", 60)
        if state == "suspended":
            await machine.suspend("user")
            await self.fleet.until(lambda: machine.state == "suspended", 60)
        while len(machine.history) > 1:  # as if it had always been like that
            machine.history.popleft()

    async def open_socket(self, machine):
        machine.socket = OwnSocket(self.api, machine)

    async def close(self):
        for loop in self.loops:
            loop.cancel()
        for server in self.servers:
            server.close()
        for edge in self.fleet.edges.values():
            edge.close()
        self.dns.close()
        for machine in self.fleet.all_machines():
            for task in (machine.task, *machine.backgrounds):
                if task:
                    task.cancel()
            if machine.socket:
                machine.socket.close()
            await machine.kill()
        self.fleet.lock.close()
        self.fleet.log_file.close()

    @property
    def addresses(self):
        return {"api": list(self.api_address), "dns": list(self.dns.get_extra_info("sockname")),
                "proxy": self.fleet.proxy_address, "home": str(self.fleet.home),
                "edges": {region: {str(port): list(address) for port, address in edge.addresses.items()}
                          for region, edge in self.fleet.edges.items()},
                "machines": {machine.id: {"app": machine.app.name, "region": machine.region, "address": machine.address,
                                          "fly": str(machine.fly), "output": str(machine.home / "output.log")}
                             for machine in self.fleet.all_machines()}}

    # -- orders --

    async def order(self, head, body):
        """/sim/log, /sim/addresses, and POST of /sim/fault, /sim/switches, /sim/machine, /sim/edge, /sim/autostop, /sim/clear."""
        name = head.target.removeprefix("/sim/")
        try:
            asked = json.loads(body) if body else {}
            if head.method == "GET":
                return 200, {"log": self.fleet.lines, "addresses": self.addresses}[name]
            return 200, await getattr(self, "order_" + name)(asked) or {"ok": True}
        except (Wrong, ValueError, KeyError, AttributeError, TypeError) as error:
            return 400, {"error": "%s: %s" % (type(error).__name__, error)}
        except Refused as refused:
            return refused.status, {"error": refused.text}

    async def order_fault(self, asked):
        self.fleet.faults.add(asked)

    async def order_clear(self, _asked):
        self.fleet.faults.clear()
        for edge in self.fleet.edges.values():
            edge.cache.entries.clear()
        self.api.buckets.clear()

    async def order_switches(self, asked):
        made({**asked})
        for key, value in asked.items():
            setattr(self.fleet.switches, key, value)
        for edge in self.fleet.edges.values():
            edge.cache.forget = self.fleet.switches.cache_forget

    async def order_edge(self, asked):
        self.fleet.edges[asked["region"]].restart()

    async def order_autostop(self, _asked):
        return {"slept": [machine.id for machine in await autostop_pass(self.fleet)]}

    async def order_machine(self, asked):
        """{"id", "do": crash | lose_host | regain_host | migrate | miss_socket | state, …}"""
        machine, do = self.fleet.machine(asked["id"]), asked["do"]
        if not machine:
            raise Wrong("no machine %s" % asked["id"])
        if do == "crash":
            await machine.crash(asked.get("signal", 9))
        elif do == "lose_host":
            await machine.lose_host()
        elif do == "regain_host":
            await machine.regain_host()
        elif do == "migrate":
            await machine.migrate(asked.get("volume", "kept"))
        elif do == "miss_socket":
            machine.socket.miss()
        elif do == "state":
            machine.become(asked["state"], "ordered")
        else:
            raise Wrong("a machine cannot %s" % do)


async def run(config, home, say, ended):
    """Until `ended` is set."""
    sim = Sim(config, home)
    try:
        await sim.open()
        say(sim.addresses)
        await ended.wait()
    finally:
        await sim.close()
