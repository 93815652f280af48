#!/usr/bin/env python3
"""chaos.py - clients that write, somebody who kills, and at the end: is every acknowledged row in the backup?

    test/e2e/chaos.py [--requests 100000] [--seed 1] [--clients 20] [--tenants 5] [--kinds litestream,tenant,…]

SPDX-License-Identifier: MIT
"""
import argparse
import collections
import http.client
import os
import random
import shutil
import signal
import sqlite3
import sys
import threading
import time

import processes
from atc import Atc, knobs_config
from stores import Directory
from waiting import wait_until

KINDS = ("litestream", "tenant", "proxy", "supervisor", "hang", "reload", "restart", "sleep")
DATABASES = {"primary": {"path": "counter.sqlite3", "env": "DATABASE_PATH"}}


class Chaos:
    """Tenants under POSTs of rows, each with a number of its own; what was answered 200 was acknowledged."""

    def __init__(self, atc, store, tenants=3, clients=8, seed=1):
        self.atc, self.store, self.random = atc, store, random.Random(seed)
        self.tenants = ["club/%c" % (ord("a") + i) for i in range(tenants)]
        self.acknowledged = {name: set() for name in self.tenants}
        self.seen, self.events = collections.Counter(), collections.Counter()
        self.lock, self.next_id, self.left, self.is_over = threading.Lock(), 0, 0, threading.Event()
        self.clients = clients

    def start(self):
        users = {"club": {"tenants": [name.partition("/")[2] for name in self.tenants]}}
        config = knobs_config(users, {"log_requests": False}, {"sync_timeout": "10s", **self.store.config},
                              databases=DATABASES, max_restarts=100000)
        self.atc.proxy_may_change = True
        return self.atc.start(config, env=self.store.environment)

    def take_number(self):
        with self.lock:
            if self.left <= 0:
                return None
            self.left, self.next_id = self.left - 1, self.next_id + 1
            return self.next_id

    def client(self, number):
        choice, connection = random.Random(number), None
        while (row := self.take_number()) is not None:
            name = choice.choice(self.tenants)
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self.atc.port, timeout=60)
                connection.request("POST", "/%s/ledger?id=%d" % (name, row), body=b"")
                answer = connection.getresponse()
                answer.read()
                outcome = answer.status
                if answer.will_close:
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                outcome, connection = type(error).__name__, None
                time.sleep(0.01)
            with self.lock:
                self.seen[outcome] += 1
                if outcome == 200:
                    self.acknowledged[name].add(row)

    def kill(self, pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, TypeError):
            pass

    def event(self, kind):
        """One of KINDS happens; returns when fly-atc can be asked again."""
        self.events[kind] += 1
        name = self.random.choice(self.tenants)
        if kind == "litestream":
            self.kill(self.atc.litestream_pid())
        elif kind == "tenant":
            self.kill(self.atc.tenant(name)["pid"])
        elif kind == "proxy":
            self.kill(self.atc.proxy_pid())
        elif kind == "hang":
            pid = self.atc.litestream_pid()
            if pid:
                os.kill(pid, signal.SIGSTOP)
        elif kind == "supervisor":
            self.atc.signal(signal.SIGKILL)
            self.atc.wait_exit(-signal.SIGKILL)
            wait_until(lambda: not processes.with_marker(str(self.atc.home)), 30, "nothing of the killed one is left")
            self.atc.again(env=self.store.environment)
        elif kind == "reload":
            self.atc.cli("reload", timeout=90)
        elif kind == "restart":
            self.atc.cli("restart", name, timeout=90)
        elif kind == "sleep":
            self.atc.cli("stop", name, timeout=90)

    def run(self, requests, kinds=KINDS, pause=(0.2, 0.5)):
        """All requests, and events between them: each of the kinds once, then any."""
        self.left = requests
        threads = [threading.Thread(target=self.client, args=(i,)) for i in range(self.clients)]
        for thread in threads:
            thread.start()
        due = list(kinds)
        while any(thread.is_alive() for thread in threads):
            time.sleep(self.random.uniform(*pause))
            self.event(due.pop(0) if due else self.random.choice(kinds))
        for thread in threads:
            thread.join()
        for kind in due:  # of a short run
            self.event(kind)

    def rows(self, name):
        path = self.atc.tenant_dir(name) / "counter.sqlite3"
        if not path.exists():
            return set()
        database = sqlite3.connect(path)
        found = database.execute("select id, text from ledger").fetchall()
        verdict = database.execute("pragma integrity_check").fetchone()[0]
        database.close()
        assert verdict == "ok" and all(text == "row %d" % row for row, text in found), (name, verdict)
        return {row for row, _ in found}

    def confirmed(self):
        backup = self.atc.status()["backup"]
        return not backup["pending"]

    def compare(self):
        """Everything stops, the disk is lost, everything is restored.  What is missing: (on the disk, after the restore)."""
        for name in self.tenants:
            self.atc.get("/%s/ledger" % name, timeout=90)
            self.atc.cli("stop", name, timeout=90)
        wait_until(self.confirmed, 120, "the last state of each tenant is confirmed")
        self.atc.stop(0)
        disk = {name: self.rows(name) for name in self.tenants}
        shutil.rmtree(self.atc.app / "storage" / "tenants")
        self.atc.again(env=self.store.environment)
        for name in self.tenants:
            wait_until(lambda: self.atc.get("/%s/ledger" % name, timeout=90).status == 200, 90, name)
        self.atc.stop(0)
        back = {name: self.rows(name) for name in self.tenants}
        assert all(back[name] == disk[name] for name in self.tenants), \
            {name: sorted(disk[name] ^ back[name])[:20] for name in self.tenants}
        gone = {name: sorted(self.acknowledged[name] - back[name]) for name in self.tenants}
        return {name: rows for name, rows in gone.items() if rows}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=100000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--tenants", type=int, default=5)
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(KINDS))
    options = parser.parse_args()
    atc, store = Atc(), Directory()
    chaos = Chaos(atc, store, options.tenants, options.clients, options.seed)
    began = time.monotonic()
    try:
        chaos.start()
        chaos.run(options.requests, options.kinds)
        wrote = time.monotonic() - began
        gone = chaos.compare()
        print("%d requests in %.0f s: %s" % (options.requests, wrote, dict(chaos.seen)))
        print("%d events: %s" % (sum(chaos.events.values()), dict(chaos.events)))
        print("acknowledged %d, missing after a restore: %s" % (sum(map(len, chaos.acknowledged.values())), gone or 0))
        epochs = [line for line in atc.log.splitlines() if "a new epoch begins" in line]
        print("new epochs: %d, of these found by comparing: %d" % (len(epochs), sum("is not the database" in line for line in epochs)))
        return bool(gone)
    except BaseException:
        print("kept: %s, %s" % (atc.home, store.root), file=sys.stderr)
        raise
    finally:
        if atc.is_running:
            atc.process.kill()


if __name__ == "__main__":
    processes.adopt_orphans()
    sys.exit(main())
