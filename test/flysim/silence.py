"""silence.py - the network of a machine that is suspended: what is sent to it arrives nowhere, and nobody is told.

The kernel of a process that is merely stopped goes on to accept connections and to acknowledge data in its name. A filter on
its sockets that passes nothing makes it as silent as a machine that is not there. Taking the sockets from the process needs
the right to trace it: root, or the same user and a process that can be dumped.
SPDX-License-Identifier: MIT
"""
import ctypes
import os
import socket

SYS_PIDFD_GETFD = 438
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
libc = ctypes.CDLL(None, use_errno=True)


class Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint32)]


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.POINTER(Instruction))]


NOTHING = Program(1, ctypes.pointer(Instruction(0x06, 0, 0, 0)))    # return 0: no byte passes


def packed(address):
    """As /proc/net/tcp and tcp6 write it."""
    four = socket.inet_aton(address)[::-1].hex().upper()
    return {four, "0000000000000000FFFF0000" + four}


def inodes_of(address):
    """TCP sockets that are bound to an address: who listens there, and what was accepted."""
    wanted, found = packed(address), set()
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(name, encoding="ascii") as table:
            rows = [line.split() for line in table][1:]
        found |= {row[9] for row in rows if row[1].partition(":")[0] in wanted}
    return found


def sockets_of(pid, inodes):
    """Copies of a process's sockets that are among these."""
    found, process = [], -1
    try:
        process = os.pidfd_open(pid)
        for name in os.listdir("/proc/%d/fd" % pid):
            target = os.readlink("/proc/%d/fd/%s" % (pid, name))
            if target[:8] == "socket:[" and target[8:-1] in inodes:
                fd = libc.syscall(SYS_PIDFD_GETFD, process, int(name), 0)
                if fd >= 0:
                    found.append(socket.socket(fileno=fd))
    except OSError:
        pass    # it has ended, or is not ours to look into
    finally:
        if process >= 0:
            os.close(process)
    return found


def descendants_of(pid):
    """The processes below one, by what /proc says of their parents."""
    found, layer = [], [pid]
    while layer:
        layer = [child for parent in layer for child in children_of(parent)]
        found += layer
    return found


def children_of(pid):
    found = []
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, task), encoding="ascii") as file:
                found += [int(word) for word in file.read().split()]
    except OSError:
        pass    # it has ended
    return found


class Silence:
    """From its making to `end`, the sockets of these processes at this address hear nothing."""

    def __init__(self, pids, address):
        inodes = inodes_of(address)
        self.sockets = [each for pid in pids for each in sockets_of(pid, inodes)] if inodes else []
        self.is_whole = bool(self.sockets) or not inodes
        for each in self.sockets:
            libc.setsockopt(each.fileno(), socket.SOL_SOCKET, SO_ATTACH_FILTER, ctypes.byref(NOTHING), ctypes.sizeof(NOTHING))

    def end(self):
        for each in self.sockets:
            try:
                each.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
            except OSError:
                pass    # it is closed
            each.close()
        self.sockets = []
