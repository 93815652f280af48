"""dns.py - names below .internal, over UDP: AAAA and TXT of the machines that are started.
SPDX-License-Identifier: MIT
"""
import asyncio
import ipaddress
import struct

from flysim.regions import distance

AAAA, TXT, IN = 28, 16, 1
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
TTL = 5


def name_of(data, at):
    labels = []
    while data[at]:
        size = data[at]
        if size > 63:
            raise ValueError("a compressed question")
        labels.append(data[at + 1:at + 1 + size].decode("ascii").lower())
        at += size + 1
    return ".".join(labels), at + 1


def answer(data, records, code):
    """The response to a query: records are (type, rdata)."""
    number, flags = struct.unpack_from("!HH", data)
    _, end = name_of(data, 12)
    head = struct.pack("!HHHHHH", number, 0x8480 | (flags & 0x0100) | code, 1, len(records), 0, 0)
    body = b"".join(struct.pack("!HHHIH", 0xc00c, kind, IN, TTL, len(rdata)) + rdata for kind, rdata in records)
    return head + data[12:end + 4] + body


def text_record(text):
    data = text.encode()
    pieces = [data[i:i + 255] for i in range(0, len(data), 255)] or [b""]
    return TXT, b"".join(bytes([len(piece)]) + piece for piece in pieces)


class Names:
    """What a name means; `region` is that of who asks, as far as nearness goes."""

    def __init__(self, fleet, region=""):
        self.fleet, self.region = fleet, region

    def started(self, app):
        return [machine for machine in app.machines.values() if machine.seen(self.fleet.switches.state_lag) == "started"
                and not machine.config.get("dns", {}).get("skip_registration")]

    def existing(self, app):
        return [machine for machine in app.machines.values() if machine.state not in ("destroyed", "destroying")]

    def machines(self, name):
        """Those of an AAAA name, or None where no such name can be."""
        labels = name.split(".")
        if len(labels) < 2 or labels[-1] != "internal" or labels[-2] not in self.fleet.apps:
            return None
        app, before = self.fleet.apps[labels[-2]], labels[:-2]
        started = self.started(app)
        if before in ([], ["global"]):
            return started
        if len(before) == 1:
            return [machine for machine in started if machine.region == before[0]]
        if len(before) == 2 and before[1] == "vm":
            return [machine for machine in started if machine.id == before[0]]
        if len(before) == 2 and before[1] == "process":
            return [machine for machine in started if machine.metadata.get("fly_process_group", "app") == before[0]]
        if len(before) == 3 and before[1:] == ["nearest", "of"] and before[0].startswith("top") and before[0][3:].isdigit():
            return sorted(started, key=lambda machine: (distance(self.region, machine.region), machine.id))[:int(before[0][3:])]
        if len(before) == 4 and before[2:] == ["kv", "_metadata"]:
            return [machine for machine in started if str(machine.metadata.get(before[1], "")).lower() == before[0]]
        return None

    def texts(self, name):
        """Those of a TXT name, or None."""
        labels = name.split(".")
        if labels[-1] != "internal":
            return None
        choose, rest = (self.existing, labels[1:-1]) if labels[0] == "all" else (self.started, labels[:-1])
        if rest == ["_apps"]:
            return [",".join(sorted(self.fleet.apps))]
        if rest == ["_instances"]:
            return [";".join("instance=%s,app=%s,ip=%s,region=%s" % (machine.id, app.name, machine.private_ip, machine.region)
                             for app in self.fleet.apps.values() for machine in choose(app))]
        if len(rest) != 2 or rest[1] not in self.fleet.apps:
            return None
        machines = choose(self.fleet.apps[rest[1]])
        if rest[0] == "vms":
            return [",".join("%s %s" % (machine.id, machine.region) for machine in machines)]
        if rest[0] == "regions":
            return [",".join(sorted({machine.region for machine in machines}))]
        return None


class Server(asyncio.DatagramProtocol):
    def __init__(self, fleet):
        self.fleet, self.names, self.transport = fleet, Names(fleet), None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        try:
            reply = self.reply(data)
        except (ValueError, IndexError, struct.error, UnicodeError):
            return
        if reply:
            self.transport.sendto(reply, addr)

    def reply(self, data):
        flags, questions = struct.unpack_from("!HH", data, 2)
        if flags & 0x8000 or questions != 1:
            return None
        name, end = name_of(data, 12)
        kind, = struct.unpack_from("!H", data, end)
        fault = self.fleet.faults.take("dns", name=name)
        self.fleet.log("dns", name=name, type=kind, fault=fault and fault.get("answer"))
        if fault:
            return self.wrong(data, fault["answer"], kind)
        machines, texts = self.names.machines(name), self.names.texts(name)
        if machines is None and texts is None:
            return answer(data, [], NXDOMAIN)
        if kind == TXT and texts is not None:
            return answer(data, [text_record(text) for text in texts if text], NOERROR)
        if machines is not None and not machines:
            return answer(data, [], NXDOMAIN)
        if kind == AAAA and machines:
            return answer(data, [address_record(machine.private_ip) for machine in machines], NOERROR)
        return answer(data, [], NOERROR)

    @staticmethod
    def wrong(data, what, kind):
        """A fault: "silent", "nxdomain", "servfail", or addresses that are not right."""
        if what == "silent":
            return None
        if what in ("nxdomain", "servfail"):
            return answer(data, [], NXDOMAIN if what == "nxdomain" else SERVFAIL)
        return answer(data, [address_record(address) for address in what] if kind == AAAA else [], NOERROR)


def address_record(text):
    return AAAA, ipaddress.IPv6Address(text).packed
