#!/usr/bin/env python3
"""regions.py - a whole fleet in the double of Fly.io: everybody is reached from everywhere, while machines are killed,
suspended, stopped and moved to other hosts.

    test/e2e/regions.py                        # M: 8 machines, 82 users, 369 tenants
    test/e2e/regions.py --size L --requests 20000 --seed 7
    test/e2e/regions.py --size S --kinds kill,migrate

Exit 1 if a request was lost, was executed by two machines, or a tenant ran on two at a time.
SPDX-License-Identifier: MIT
"""
import argparse
import collections
import http.client
import json
import random
import signal
import statistics
import sys
import threading
import time

import processes
from atc import knobs_config
from fly import AtcFly
from waiting import stretched, wait_until
from wire import Wire

# Tenants of each user, by region, as one real service had them in a November.
SHAPE = {
    "iad": [13, 9, 9, 8, 7, 5, 4, 4, 4, 2, 2, 2, 2, 2, 2, 1, 1, 1],
    "sjc": [19, 10, 6, 6, 5, 5, 4, 3, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    "ams": [10, 9, 9, 9, 9, 7, 6, 3],
    "ord": [12, 11, 10, 6, 5, 3, 2, 2, 2, 1, 1, 1],
    "dfw": [29, 4, 4, 3, 3, 1, 1, 1, 1, 1],
    "ewr": [7, 4, 4, 4, 2, 2, 1, 1, 1, 1],
    "syd": [9, 6, 5, 1],
    "nrt": [5],
}
SIZES = {"S": ({"sjc": [4, 1], "ams": [3]}, 1), "M": (SHAPE, 1), "L": (SHAPE, 10)}
SYLLABLES = ["ba", "lo", "mer", "ton", "vi", "ka", "dor", "sel", "win", "ra", "ny", "tor", "el", "ham"]
WORDS = ["spring", "summer", "mini", "gala", "meet", "medal", "ball", "classic", "open", "showcase", "night", "cup"]
KINDS = ("kill", "suspend", "stop", "migrate")
MOST_TRIES = 200


def made_users(size, dice):
    """{user: {region, tenants}}: years with several events, and years that are one."""
    shape, times = SIZES[size]
    users = {}
    for region, sizes in shape.items():
        for count in sizes * times:
            name = ""
            while not name or name in users:
                name = "".join(dice.choice(SYLLABLES) for _ in range(dice.randint(2, 4)))
            paths = set()
            while len(paths) < count:
                year = dice.choices([2022, 2023, 2024, 2025, 2026], [8, 30, 96, 221, 14])[0]
                slug = "-".join(dice.sample(WORDS, dice.choice([1, 1, 2, 2, 3])))
                paths.add("%d/%s" % (year, slug) if count > 1 else str(year))
            users[name] = {"region": region, "tenants": sorted(paths)}
    return users


class Fleet:
    """One machine in each region; each tenant lives in its user's."""

    def __init__(self, size="M", seed=1, clients=12, idle_timeout="10s", machine=None):
        self.dice = random.Random(seed)
        self.users = made_users(size, random.Random(369))
        self.regions = list(SIZES[size][0])
        self.machines = {region: "%014x" % (0x148e45d7c20000 + i) for i, region in enumerate(self.regions)}
        self.home = {"/%s/%s" % (user, tenant): conf["region"] for user, conf in self.users.items() for tenant in conf["tenants"]}
        self.paths, self.clients = sorted(self.home), clients
        self.seen, self.events, self.waits = collections.Counter(), collections.Counter(), []
        self.acknowledged, self.tried, self.lost, self.two = {}, 0, [], []
        self.lock, self.left, self.is_over = threading.Lock(), 0, threading.Event()
        config = knobs_config(self.users, {"log_level": "info", "log_requests": False, "replay_timeout": "20s"},
                              idle_timeout=idle_timeout, max_restarts=100000)
        if machine:
            config["machine"] = machine
        self.fly = AtcFly(config, [{"id": self.machines[region], "region": region} for region in self.regions],
                          switches={"suspend_latency": 0.05, "state_lag": 0.2, "pool_idle": 2.0})

    def start(self):
        for machine in self.machines.values():
            self.fly.wait_output(machine, "serving on")

    # -- everybody, from everywhere --

    def visit(self, region, path, wires):
        """The machine whose process answered; how long it took."""
        began = time.monotonic()
        answer = wires[region].get(path + "/whoami")
        assert answer.status == 200, (region, path, answer)
        return processes.environment(answer.json()["pid"]).get("FLY_MACHINE_ID"), time.monotonic() - began

    def tour(self):
        """Each tenant is reached from each region: what was wrong, in a list."""
        todo, wrong = [(path, region) for path in self.paths for region in self.regions], []
        self.dice.shuffle(todo)

        def walk():
            wires = {region: self.fly.wire(region, timeout=60) for region in self.regions}
            while True:
                with self.lock:
                    if not todo:
                        break
                    path, region = todo.pop()
                machine, took = self.visit(region, path, wires)
                with self.lock:
                    self.waits.append(took)
                    if machine != self.machines[self.home[path]]:
                        wrong.append((region, path, machine))
            for wire in wires.values():
                wire.close()
        self.together(walk)
        return wrong

    def together(self, function):
        errors = []

        def run():
            try:
                function()
            except BaseException as error:  # pylint: disable=broad-except
                errors.append(error)
        threads = [threading.Thread(target=run) for _ in range(self.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    # -- while machines go and come --

    def take(self):
        with self.lock:
            if self.left <= 0:
                return None
            self.left -= 1
            return self.dice.choice(self.paths), self.dice.choice(self.regions)

    def number(self):
        with self.lock:
            self.tried += 1
            return self.tried

    def client(self):
        """What is asked for is done in the end; each try has a number of its own, which the tenant writes down."""
        while (work := self.take()) is not None:
            path, region = work
            for _ in range(MOST_TRIES):
                number = self.number()
                outcome = self.ask_once(region, path, number)
                with self.lock:
                    self.seen[outcome] += 1
                    if outcome == 200:
                        self.acknowledged[number] = path
                        break
                time.sleep(0.05)
            else:
                self.lost.append((path, region))

    def ask_once(self, region, path, number):
        address = tuple(self.fly.addresses["edges"][region]["443"])
        connection = http.client.HTTPConnection(*address, timeout=stretched(60))
        try:
            connection.request("POST", "%s/once?id=%d" % (path, number), b"", {"Host": "localhost"})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException) as error:
            return type(error).__name__
        finally:
            connection.close()

    def disturb(self, kind):
        """What the platform refuses, since the machine is in the middle of something, does not happen."""
        machine = self.dice.choice(list(self.machines.values()))
        order = {"kill": "crash", "migrate": "migrate"}.get(kind)
        if order:
            with Wire(tuple(self.fly.addresses["api"]), stretched(60)) as wire:
                body = json.dumps({"id": machine, "do": order}).encode()
                answer = wire.ask("POST", "/sim/machine", [("Connection", "close")], body)
        else:
            answer = self.fly.api("POST", "/apps/calendar/machines/%s/%s" % (machine, kind), {})
        self.events[kind if answer.status == 200 else "refused"] += 1

    def watch(self):
        """Who runs where: a tenant that two machines run at a time."""
        while not self.is_over.wait(0.5):
            places = collections.defaultdict(set)
            for pid in processes.with_marker(str(self.fly.reports)):
                if "knobs.py" in processes.command_line(pid):
                    env = processes.environment(pid)
                    if processes.is_alive(pid) and env.get("FLY_ATC_SCOPE"):
                        places[env["FLY_ATC_SCOPE"]].add(env["FLY_MACHINE_ID"])
            self.two += [(path, where) for path, where in places.items() if len(where) > 1]

    def run(self, requests, kinds=KINDS, pause=(0.1, 0.5)):
        """All requests, and events between them: each of the kinds once, then any."""
        self.left = requests
        watcher = threading.Thread(target=self.watch)
        watcher.start()
        threads = [threading.Thread(target=self.client) for _ in range(self.clients)]
        for thread in threads:
            thread.start()
        due = list(kinds)
        while any(thread.is_alive() for thread in threads):
            time.sleep(self.dice.uniform(*pause))
            self.disturb(due.pop(0) if due else self.dice.choice(kinds))
        for kind in due:    # of a short run
            self.disturb(kind)
        for thread in threads:
            thread.join()
        self.is_over.set()
        watcher.join()

    # -- what came of it --

    def journals(self):
        """{number: machines that executed it, as often as they did}"""
        found = collections.defaultdict(list)
        for machine in self.machines.values():
            volume = self.fly.machine(machine)["config"]["mounts"][0]["volume"]
            for journal in (self.fly.home / "sim" / "volumes" / volume / "tenants").rglob("journal"):
                for number in journal.read_text().split():
                    found[int(number)].append(machine)
        return found

    def verdict(self):
        """What must be empty, by name; and what an edge asked for twice."""
        for machine in self.machines.values():
            wait_until(lambda m=machine: self.fly.machine(m)["state"] in ("started", "stopped", "suspended"), 60, machine + " is at rest")
        done = self.journals()
        faults = {
            "never answered": self.lost,
            "acknowledged, not executed": [number for number in self.acknowledged if not done[number]],
            "executed by two machines": [number for number, where in done.items() if len(set(where)) > 1],
            "executed by the wrong machine": [number for number, path in self.acknowledged.items()
                                              if set(done[number]) - {self.machines[self.home[path]]}],
            "on two machines at a time": self.two,
        }
        return {name: what for name, what in faults.items() if what}, [n for n, where in done.items() if len(where) > len(set(where))]

    def close(self):
        """Complaints; but whoever was killed, or told to end before it listened to signals, ended by that signal."""
        for machine in self.machines.values():
            self.fly.bring(machine, "started")
        by_signal = {"fly-atc ended with %d" % code for code in (128 + signal.SIGKILL, 128 + signal.SIGTERM)}
        complaints = "\n".join(line for line in self.fly.finish().splitlines() if line not in by_signal)
        if complaints:
            complaints += "".join("\n%s\n%s" % section for section in self.fly.log_sections(6000))
        return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=list(SIZES), default="M")
    parser.add_argument("--requests", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(KINDS))
    parser.add_argument("--idle", help="machines put themselves to sleep after so long, such as 2s")
    options = parser.parse_args()
    machine = {"on_idle": "suspend", "idle_timeout": options.idle} if options.idle else None
    fleet = Fleet(options.size, options.seed, options.clients, machine=machine)
    ended = False
    try:
        fleet.start()
        print("%d machines, %d users, %d tenants" % (len(fleet.machines), len(fleet.users), len(fleet.paths)), flush=True)
        began = time.monotonic()
        wrong = fleet.tour()
        waits = sorted(fleet.waits)
        print("each tenant from each region: %d requests in %.0f s, median %.0f ms, 99 %% below %.0f ms; by the wrong machine: %s" % (
            len(waits), time.monotonic() - began, 1000 * statistics.median(waits), 1000 * waits[len(waits) * 99 // 100], wrong or 0), flush=True)
        began = time.monotonic()
        fleet.run(options.requests, options.kinds)
        faults, twice = fleet.verdict()
        print("%d requests in %.0f s: %s" % (fleet.tried, time.monotonic() - began, dict(fleet.seen)))
        print("%d events: %s; woken by the edge: %d; replayed: %d; codes: %s" % (
            sum(fleet.events.values()), dict(fleet.events), len(fleet.fly.log(what="edge", text="woken")),
            len(fleet.fly.log(what="edge", text="replayed")), dict(collections.Counter(fleet.fly.codes))))
        print("acknowledged %d; sent twice by an edge after a machine died: %d; faults: %s" % (
            len(fleet.acknowledged), len(twice), json.dumps(faults, default=sorted)[:2000] if faults else 0))
        complaints, ended = fleet.close(), True
        print(complaints or "all machines ended well")
        return bool(wrong or faults or complaints)
    finally:
        if not ended:
            fleet.fly.close()
        fleet.fly.remove()


if __name__ == "__main__":
    processes.adopt_orphans()
    sys.exit(main())
