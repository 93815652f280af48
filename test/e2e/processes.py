"""processes.py - what /proc says about processes.
SPDX-License-Identifier: MIT
"""
import ctypes
import os
import signal

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Orphans below us become our children, so that none can hide from a test."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def all_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def read(pid, name):
    try:
        with open("/proc/%d/%s" % (pid, name), "rb") as file:
            return file.read()
    except OSError:
        return b""


def stat_fields(pid):
    """The fields behind the command's name: state, ppid, pgrp, session …"""
    text = read(pid, "stat").decode("latin-1")
    return text.rpartition(")")[2].split() if text else None


def is_alive(pid):
    fields = stat_fields(pid)
    return bool(fields) and fields[0] not in "ZX"


def parent(pid):
    fields = stat_fields(pid)
    return int(fields[1]) if fields else None


def children(pid):
    return [p for p in all_pids() if parent(p) == pid]


def descendants(pid):
    tree, found = {}, []
    for p in all_pids():
        tree.setdefault(parent(p), []).append(p)
    todo = list(tree.get(pid, []))
    while todo:
        p = todo.pop()
        found.append(p)
        todo += tree.get(p, [])
    return found


def command_line(pid):
    return read(pid, "cmdline").replace(b"\0", b" ").decode("utf-8", "replace").strip()


def environment(pid):
    pairs = (item.partition(b"=") for item in read(pid, "environ").split(b"\0") if item)
    return {name.decode(): value.decode("utf-8", "replace") for name, _, value in pairs}


def executable(pid):
    try:
        return os.readlink("/proc/%d/exe" % pid)
    except OSError:
        return None


def uid(pid):
    return int(status_line(pid, "Uid").split()[1])


def status_line(pid, key):
    for line in read(pid, "status").decode("utf-8", "replace").splitlines():
        if line.startswith(key + ":"):
            return line.partition(":")[2].strip()
    return ""


def rss(pid):
    """Resident bytes."""
    return int(status_line(pid, "VmRSS").split()[0]) * 1024


def pss(pid):
    """Proportional resident bytes."""
    for line in read(pid, "smaps_rollup").decode().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def is_sanitized(pid):
    """Built with a sanitizer, whose shadow memory would be measured instead of ours: terabytes of addresses."""
    return int(status_line(pid, "VmSize").split()[0]) > 1 << 30


def peak_rss(pid):
    return int(status_line(pid, "VmHWM").split()[0]) * 1024


def open_fds(pid):
    found = {}
    try:
        for fd in os.listdir("/proc/%d/fd" % pid):
            found[int(fd)] = os.readlink("/proc/%d/fd/%s" % (pid, fd))
    except OSError:
        pass
    return found


def listening(pid):
    """{inode: address} of the TCP sockets on which it listens."""
    sockets = {name[len("socket:["):-1] for name in open_fds(pid).values() if name.startswith("socket:[")}
    rows = [line.split() for table in ("tcp", "tcp6") for line in read(pid, "net/" + table).decode().splitlines()[1:]]
    return {row[9]: row[1] for row in rows if row[3] == "0A" and row[9] in sockets}


def connections_to(port):
    """States of the TCP connections to this port that their owners have not closed."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table]
    return [row[3] for row in rows if row[2].endswith(":%04X" % port) and row[3] in ("01", "08")]


def with_marker(marker):
    """Every living process whose environment or command line holds this text."""
    text = marker.encode()
    return [p for p in all_pids()
            if p != os.getpid() and is_alive(p) and (text in read(p, "environ") or text in read(p, "cmdline"))]


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
