"""Names below .internal: of started machines only, in each form, and wrong by order.
SPDX-License-Identifier: MIT
"""
import ipaddress
import socket
import struct

import pytest

from conftest import LHR, OTHER, SEA, SJC

AAAA, TXT, A = 28, 16, 1
NXDOMAIN, SERVFAIL = 3, 2


def ask(fly, name, kind=AAAA, timeout=10):
    """(code, values) as a resolver gets them."""
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0" + struct.pack("!HH", kind, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.sendto(struct.pack("!HHHHHH", 4711, 0x100, 1, 0, 0, 0) + question, tuple(fly.addresses["dns"]))
        data = sock.recv(4096)
    number, flags, questions, answers, _, _ = struct.unpack_from("!HHHHHH", data)
    assert (number, questions, flags & 0x8000) == (4711, 1, 0x8000)
    at, values = 12 + len(question), []
    for _ in range(answers):
        kind, _, _, size = struct.unpack_from("!HHIH", data, at + 2)
        rdata = data[at + 12:at + 12 + size]
        values.append(str(ipaddress.IPv6Address(rdata)) if kind == AAAA else rdata[1:].decode())
        at += 12 + size
    return flags & 15, sorted(values)


def addresses(fly, *machines):
    return sorted(str(ipaddress.IPv6Address(fly.machine(machine)["private_ip"])) for machine in machines)


@pytest.mark.parametrize("name, machines", [
    ("calendar.internal", [SEA, SJC, LHR]), ("global.calendar.internal", [SEA, SJC, LHR]), ("sjc.calendar.internal", [SJC]),
    (SEA + ".vm.calendar.internal", [SEA]), ("app.process.calendar.internal", [SEA, SJC, LHR]), ("printer.internal", [OTHER]),
    (SEA.upper() + ".VM.calendar.internal", [SEA])])
def test_names_are_those_of_started_machines(fly, name, machines):
    assert ask(fly, name) == (0, addresses(fly, *machines))
    assert ask(fly, name, A) == (0, []), "6PN is IPv6"


def test_the_address_can_be_connected_to(fly):
    address, = ask(fly, SEA + ".vm.calendar.internal")[1]
    with socket.socket(socket.AF_INET6) as sock:
        sock.connect((address, 8080))


@pytest.mark.parametrize("state", ["stopped", "suspended"])
def test_a_machine_that_sleeps_has_no_name(fly, state):
    fly.bring(SJC, state)
    assert ask(fly, SJC + ".vm.calendar.internal") == (NXDOMAIN, []) and ask(fly, "calendar.internal") == (0, addresses(fly, SEA, LHR))
    assert ask(fly, "vms.calendar.internal", TXT)[1] == ["%s sea,%s lhr" % (SEA, LHR)]
    assert SJC + " sjc" in ask(fly, "all.vms.calendar.internal", TXT)[1][0]


def test_machines_have_names_by_metadata(fly):
    fly.api("POST", "/apps/calendar/machines/%s/metadata/user" % SJC, {"value": "bellevue"})
    assert ask(fly, "bellevue.user.kv._metadata.calendar.internal") == (0, addresses(fly, SJC))


def test_regions_and_apps_are_texts(fly):
    assert ask(fly, "regions.calendar.internal", TXT) == (0, ["lhr,sea,sjc"])
    assert ask(fly, "_apps.internal", TXT) == (0, ["calendar,printer,strange,walled"])
    assert "instance=%s,app=calendar,ip=" % SEA in "".join(ask(fly, "_instances.internal", TXT)[1])


def test_unknown_names_do_not_exist(fly):
    for name in ("nobody.internal", "x.y.calendar.internal", "example.com", "deadbeef.vm.calendar.internal"):
        assert ask(fly, name) == (NXDOMAIN, [])


def test_a_name_can_be_wrong_by_order(fly):
    name = SEA + ".vm.calendar.internal"
    fly.order("fault", kind="dns", name=name, answer=["::ffff:127.0.0.9"])
    assert ask(fly, name) == (0, ["::ffff:7f00:9"]) and ask(fly, name) == (0, addresses(fly, SEA)), "once"
    for word, code in (("nxdomain", NXDOMAIN), ("servfail", SERVFAIL)):
        fly.order("fault", kind="dns", name=name, answer=word)
        assert ask(fly, name) == (code, [])
    fly.order("fault", kind="dns", name=name, answer="silent")
    with pytest.raises(socket.timeout):
        ask(fly, name, timeout=0.1)


def test_nonsense_is_not_answered(fly):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0.1)
        for data in (b"", b"x", b"\0" * 12, b"\0" * 5 + b"\1" + b"\0" * 6 + b"\xc0\x0c\0\1\0\1", b"\0\0\x80\0\0\1" + b"\0" * 20):
            sock.sendto(data, tuple(fly.addresses["dns"]))
        with pytest.raises(socket.timeout):
            sock.recv(4096)
    assert ask(fly, "calendar.internal")[0] == 0
