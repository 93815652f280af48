"""conftest.py - fleets for the simulator's own tests: one that most share, and others by order.
SPDX-License-Identifier: MIT
"""
import pathlib
import socket
import sys

import pytest

from fly import Fly, service
from waiting import wait_until

COMMAND = [sys.executable, "-S", "-E", str(pathlib.Path(__file__).with_name("scripted_machine.py"))]
SEA, SJC, LHR, OTHER = "5ea00000000001", "5dc00000000002", "14400000000003", "07e00000000004"


def app(*machines, **more):
    return {"command": COMMAND, "service": service(), "machines": list(machines), **more}


def fleet():
    """One app in three regions, another of the same organisation, one of another network and one of another organisation."""
    return {"calendar": app({"id": SEA, "region": "sea", "volume": True}, {"id": SJC, "region": "sjc"}, {"id": LHR, "region": "lhr"}),
            "printer": app({"id": OTHER, "region": "sjc"}, public=False),
            "walled": app({"id": "0a110000000005", "region": "sjc", "state": "stopped"}, public=False, network="apart"),
            "strange": app({"id": "57a00000000006", "region": "sjc", "state": "stopped"}, public=False, organisation="others")}


ORGANISATIONS = {"personal": {}, "others": {}}


def listens(fly, *machines):
    """Until the command on each machine has opened its port."""
    addresses = fly.told("addresses")["machines"]

    def opened(machine):
        try:
            return not socket.create_connection((addresses[machine]["address"], 8080)).close()
        except ConnectionRefusedError:
            return False
    for machine in machines:
        wait_until(lambda: opened(machine), what="%s listens" % machine)


def ended(fly):
    complaint = fly.close()
    fly.remove()
    assert not complaint, complaint


@pytest.fixture(scope="session")
def shared_fly():
    made = Fly(fleet(), organisations=ORGANISATIONS)
    yield made
    ended(made)


@pytest.fixture
def fly(shared_fly):
    """The shared fleet, each machine started and listening, without faults."""
    shared_fly.order("clear")
    for machine in (SEA, SJC, LHR, OTHER):
        shared_fly.bring(machine, "started")
    listens(shared_fly, SEA, SJC, LHR, OTHER)
    return shared_fly


@pytest.fixture
def make_fly():
    """Others, with switches of their own."""
    made = []

    def make(apps, waits=True, **more):
        made.append(Fly(apps, **more))
        listens(made[-1], *[each["id"] for name in apps for each in apps[name]["machines"]
                            if waits and each.get("state", "started") == "started"])
        return made[-1]
    yield make
    complaints = [each.close() for each in made]
    for each in made:
        each.remove()
    assert not any(complaints), "\n".join(complaints)
