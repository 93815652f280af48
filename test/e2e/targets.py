"""targets.py - the targets as the conformance test drives them: a fleet of two machines, each with a fly-atc, on one platform.

A further target is a class here, and its name in TARGETS of test_targets.py.
SPDX-License-Identifier: MIT
"""
import json
import os
import subprocess

from atc import PROGRAM, knobs_config
from fly import AtcFly
from waiting import wait_until

SEA, ORD = "148e45d7c20978", "3d8d413b29d638"
HOME, AWAY = "/bellevue/2025/winter", "/boston/2025/april"


class FlyTarget:
    """The double of Fly.io, with a token for its API or without."""

    name, here, there = "fly", SEA, ORD
    token = "org-token"

    def __init__(self, environment=None, **more):
        users = {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}, "boston": {"machine": ORD, "tenants": ["2025/april"]}}
        machines = [{"id": SEA, "region": "sea"}, {"id": ORD, "region": "ord"}]
        token = {"FLY_API_TOKEN": self.token} if self.token else {}
        self.fleet = AtcFly(knobs_config(users), machines, environment={**token, **(environment or {})}, **more)
        for machine in (SEA, ORD):
            self.fleet.wait_output(machine, "serving on")

    def command(self, *words, machine=None):
        """The command line on a machine; a CompletedProcess."""
        socket = self.fleet.path(machine or self.here, "run", "control.sock")
        return subprocess.run([PROGRAM, *words, "--socket", str(socket)], capture_output=True, text=True, check=False,
                              env={"PATH": os.environ["PATH"]})

    def state(self, machine):
        """started, or one of the states of sleep."""
        return self.fleet.machine(machine)["state"]

    def bring_asleep(self, machine):
        self.fleet.bring(machine, "suspended")

    def log(self, machine):
        return self.fleet.output(machine)

    def finish(self):
        return self.fleet.finish()

    def remove(self):
        self.fleet.remove()


class FlyWithoutToken(FlyTarget):
    token = None


def machines(target):
    """By name, as `fly-atc machine --json` shows them."""
    done = target.command("machine", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["target"] == target.name
    return {each["name"]: each for each in told["machines"]}


def wait_state(target, machine, states):
    wait_until(lambda: target.state(machine) in states, what="%s is %s" % (machine, " or ".join(states)))
