"""checks.py - health checks of services: from the host to the machine, past the proxy; they wake nobody and are no load.
SPDX-License-Identifier: MIT
"""
import asyncio
import time

from flysim import http1
from flysim.machine import check_name, seconds

ROUND = 0.02


class Checker:
    """Looks at every started machine when a check of it is due."""

    def __init__(self, fleet):
        self.fleet, self.due, self.running = fleet, {}, set()

    async def loop(self):
        while True:
            await asyncio.sleep(ROUND)
            for machine in self.fleet.all_machines():
                if machine.state == "started":
                    self.look(machine)

    def look(self, machine):
        now, began = time.monotonic(), machine.history[-1][0]
        for service in machine.config.get("services", ()):
            for i, check in enumerate(service.get("checks", ())):
                key = (machine.id, machine.instance_id, began, check_name(service, i))
                if key not in self.due:
                    self.due = {other: when for other, when in self.due.items() if other[0] != machine.id or other[2] == began}
                    self.due[key] = now + seconds(check.get("grace_period", "1s"))
                if now >= self.due[key]:
                    self.due[key] = now + seconds(check.get("interval", "15s"))
                    task = asyncio.ensure_future(self.run(machine, service, check, key[3]))
                    self.running.add(task)
                    task.add_done_callback(self.running.discard)

    async def run(self, machine, service, check, name):
        try:
            output = await asyncio.wait_for(self.ask(machine, service, check), seconds(check.get("timeout", "2s")))
            status = "passing"
        except (OSError, http1.Bad, asyncio.TimeoutError, AssertionError) as error:
            status, output = "critical", str(error) or type(error).__name__
        if machine.state == "started":
            if machine.checks.get(name, {}).get("status") != status:
                self.fleet.log("check", machine=machine.id, name=name, status=status, output=output)
            machine.checks[name] = {"status": status, "output": output, "updated_at": time.time()}

    async def ask(self, machine, service, check):
        reader, writer = await asyncio.open_connection(machine.address, check.get("port", service["internal_port"]),
                                                       local_addr=(self.fleet.proxy_address, 0))
        try:
            if check.get("type", "http") == "tcp":
                return "connected"
            fields = [("host", machine.address), ("user-agent", "Consul Health Check"), ("connection", "close")]
            fields += [(each["name"], ", ".join(each["values"])) for each in check.get("headers", ())]
            writer.write(http1.head_bytes("%s %s HTTP/1.1" % (check.get("method", "GET"), check.get("path", "/")), fields))
            head = await http1.read_head(reader)
            assert head and 200 <= head.status < 300, "status %s" % (head and head.status)
            return "status %d" % head.status
        finally:
            writer.close()
