"""fleet.py - several fly-atc that are machines of one fleet, on addresses of the loopback.
SPDX-License-Identifier: MIT
"""
import ctypes
import socket
import struct
import threading

from atc import bound_socket, free_port, knobs_config
from waiting import stretched

SECRET = "a secret of the whole fleet"
USERS = {"bellevue": {"machine": "m1", "tenants": ["2025/winter"]}, "boston": {"machine": "m2", "tenants": ["2025/april"]}}
BELLEVUE, BOSTON = "/bellevue/2025/winter", "/boston/2025/april"


def machine_config(name, addresses, config=None, **machine):
    """The configuration of one machine of a fleet whose machines are at these addresses ({name: address})."""
    return {**(config or knobs_config(USERS)),
            "machine": {"name": name, "target": "hosts", "secret": SECRET, **machine},
            "machines": {each: address if isinstance(address, dict) else {"address": address} for each, address in addresses.items()}}


def make_fleet(make_atc, config=None, names=("m1", "m2"), start=None, **addresses):
    """{name: fly-atc}; `start` names those that are started.  The addresses of others may be given: machines that are not ours."""
    fleet = {name: make_atc() for name in names}
    for name, atc in fleet.items():
        atc.port = free_port()
        addresses.setdefault(name, "127.0.0.1:%d" % atc.port)
    for name, atc in fleet.items():
        atc.write_config(machine_config(name, addresses, config))
        if start is None or name in start:
            atc.again()
    return fleet


def suspend(sock):
    """Nothing that is sent to this socket arrives, or is acknowledged, as when the machine stands still: a filter that takes no packet."""
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))      # BPF_RET: 0 bytes
    sock.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxP", 1, ctypes.addressof(drop)))      # SO_ATTACH_FILTER


class Impostor:
    """Listens where a machine should be, and does with each connection what `behave(connection, head)` does; or takes
    connections, and nothing more.  It says that it is there."""

    def __init__(self, behave=None):
        self.behave, self.listener, self.heads, self.connections = behave, bound_socket(), [], []
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            self.connections.append(connection)
            connection.settimeout(stretched(30))
            threading.Thread(target=self.meet, args=(connection,), daemon=True).start()

    def meet(self, connection):
        data = b""
        try:
            while b"\r\n\r\n" not in data:
                more = connection.recv(65536)
                if not more:
                    return
                data += more
            if data.startswith(b"GET /up "):   # whether it is there at all
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                connection.close()
                return
            self.heads.append(data.decode("latin-1"))
            if self.behave:
                self.behave(connection, data)
        except OSError:
            pass

    def close(self):
        for each in (self.listener, *self.connections):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()
