"""__main__.py - the command: python3 -m flysim CONFIGURATION, in the folder test/.
SPDX-License-Identifier: MIT
"""
import argparse
import asyncio
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile

from flysim import fleet, sim, switches

ABOUT = """A double of Fly.io on loopback: an edge proxy for each region, machines that sleep and wake, the Machines API and DNS.
The configuration is YAML; test/flysim/example.yml is one, and docs/flysim.md has the rest. The first line of the output is JSON:
where everything listens. It runs until SIGINT or SIGTERM, and takes all machines with it."""


def parser():
    made = argparse.ArgumentParser("python3 -m flysim", description=ABOUT)
    made.add_argument("configuration", help="a YAML file")
    made.add_argument("--home", help="folder for disks, sockets and logs, kept afterwards; otherwise one that goes")
    made.add_argument("--set", action="append", default=[], metavar="SWITCH=VALUE", help="as in `switches:`, and before it")
    made.add_argument("--switches", action=Table, nargs=0, help="list what can be set")
    made.add_argument("--until-stdin-ends", action="store_true", help="end with whoever started it")
    return made


class Table(argparse.Action):
    def __call__(self, *_):
        for each in switches.fields():
            print("%-26s %-9s %s" % (each.name, shown(each.default), each.metadata["text"]))
        sys.exit(0)


def shown(value):
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def settings(config, pairs):
    known = {each.name: each for each in switches.fields()}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or name not in known:
            raise fleet.Wrong("--set %s: no such switch" % pair)
        try:
            config.setdefault("switches", {})[name] = switches.parsed(known[name], text)
        except ValueError as error:
            raise fleet.Wrong("--set %s: %s" % (pair, error)) from None
    return config


async def run(config, home, until_stdin_ends):
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    if until_stdin_ends:
        asyncio.get_running_loop().add_reader(0, lambda: os.read(0, 4096) or ended.set())
    await sim.run(config, home, lambda addresses: print(json.dumps(addresses), flush=True), ended)


def main():
    args = parser().parse_args()
    home = pathlib.Path(args.home or tempfile.mkdtemp(prefix="flysim-")).resolve()
    home.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(run(settings(fleet.load(args.configuration), args.set), home, args.until_stdin_ends))
    except (fleet.Wrong, OSError) as error:
        sys.exit("flysim: %s" % error)
    finally:
        if not args.home:
            shutil.rmtree(home, ignore_errors=True)


main()
