#!/usr/bin/env python3
"""ends.py - many tenants with open WebSockets and event streams are told to end: how long does it take, and is all kept?

    test/e2e/ends.py [--tenants 50] [--store file|s3] [--rounds 3] [--clinging]

SPDX-License-Identifier: MIT
"""
import argparse
import collections
import datetime
import json
import shutil
import signal
import sys
import time

import processes
from atc import Atc, Background, knobs_config, together
from stores import STORES
from waiting import wait_until

DATABASES = {"primary": {"path": "counter.sqlite3", "env": "DATABASE_PATH"}}
GOING_AWAY = (8, b"\x03\xe9")
# An event stream that is younger may go on for so long.
GRACE = 2
AT_ONCE = 8


def last_frame(wire):
    """What a WebSocket is told before its connection ends."""
    told = wire.frame()
    wire.rest()
    return told


def last_frame_and_close(wire):
    """The same, and then it closes its own end, as browsers do."""
    with wire:
        return last_frame(wire)


class Leaving:
    """Tenants with a row, an open WebSocket and an event stream each."""

    def __init__(self, atc, store, tenants=50, clings=False, **config):
        self.atc, self.store, self.clings = atc, store, clings
        self.tenants = ["club/t%d" % i for i in range(tenants)]
        self.config = config
        self.wires, self.sockets, self.streams = [], [], []

    def users(self):
        return {"club": {"tenants": [name.partition("/")[2] for name in self.tenants]}}

    def start(self):
        self.atc.start(knobs_config(self.users(), backup=self.store.config, databases=DATABASES, **self.config), env=self.store.environment)

    def each(self, function):
        for i in range(0, len(self.tenants), AT_ONCE):
            some = self.tenants[i:i + AT_ONCE]
            for outcome in together(len(some), lambda j: function(some[j])): # pylint: disable=cell-var-from-loop
                if isinstance(outcome, BaseException):
                    raise outcome

    def write(self, name, row=1):
        answer = self.atc.post("/%s/ledger?id=%d" % (name, row), timeout=90)
        assert answer.status == 200, answer

    def open(self):
        """Awake, with what has no end of its own; the last row is not in the store yet."""
        self.each(self.write)
        for name in self.tenants:
            wire = self.atc.wire(300).websocket("/%s/ws" % name)
            assert wire.send_frame("hello").message() == "hello"
            self.wires.append(wire)
            self.sockets.append(Background(last_frame if self.clings else last_frame_and_close, wire))
            self.streams.append(Background(self.atc.get, "/%s/sse?n=1000000&gap=1" % name, timeout=300))
        wait_until(lambda: all(self.atc.tenant(name)["in_flight"] == 2 for name in self.tenants))

    def end(self):
        """Seconds until it has ended, in order."""
        began = time.monotonic()
        self.atc.signal(signal.SIGTERM)
        self.atc.wait_exit(0, 300)
        return time.monotonic() - began

    def told(self):
        return collections.Counter("told" if socket.result() == GOING_AWAY else "cut" for socket in self.sockets)

    def streamed(self):
        return collections.Counter("in order" if stream.result().text.endswith("\n\n") else "cut" for stream in self.streams)

    def moments(self, text):
        """When the log says so, in seconds from when it said that it ends."""
        found = []
        for line in map(json.loads, self.atc.log.splitlines()):
            moment = datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()
            if line["msg"] == "ending":
                began, found = moment, []
            elif text in line["msg"]:
                found.append(moment)
        return [moment - began for moment in found]

    def restored(self):
        """Rows of each tenant that are there when the disk was lost."""
        shutil.rmtree(self.atc.app / "storage" / "tenants")
        self.atc.again(env=self.store.environment)
        rows = {}

        def read(name):
            rows[name] = self.atc.get("/%s/ledger" % name, timeout=90).json()["rows"]
        self.each(read)
        self.atc.stop(0)
        return [rows[name] for name in self.tenants]


def measure(options):
    atc, store = Atc(), STORES[options.store]()
    leaving = Leaving(atc, store, options.tenants, options.clinging)
    try:
        leaving.start()
        leaving.open()
        time.sleep(GRACE)
        leaving.each(lambda name: leaving.write(name, 2))
        took = leaving.end()
        print("%d tenants, %s store: ended %.2f s after SIGTERM" % (options.tenants, options.store, took))
        for what, text in (("told to end", "knobs: signal SIGTERM"), ("at rest", "tenant stopped")):
            moments = leaving.moments(text)
            print("  %-11s %d, the first after %.2f s, the last after %.2f s" % (what, len(moments), min(moments), max(moments)))
        print("  WebSockets  %s; event streams %s" % (dict(leaving.told()), dict(leaving.streamed())))
        print("  missing after a restore: %d rows" % (2 * options.tenants - sum(leaving.restored())), flush=True)
        return took
    except BaseException:
        print("kept: %s" % atc.home, file=sys.stderr)
        raise
    finally:
        if atc.is_running:
            atc.process.kill()
        store.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tenants", type=int, default=50)
    parser.add_argument("--store", choices=sorted(STORES), default="file")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--clinging", action="store_true", help="clients of WebSockets do not close their end")
    options = parser.parse_args()
    took = sorted(measure(options) for _ in range(options.rounds))
    print("median %.2f s, %.2f to %.2f s" % (took[len(took) // 2], took[0], took[-1]))


if __name__ == "__main__":
    processes.adopt_orphans()
    sys.exit(main())
