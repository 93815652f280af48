"""What a proxy takes while it does nothing: memory at start and for each connection, system calls."""
# SPDX-License-Identifier: MIT

import contextlib
import socket
import time

import measure
import peers
from contest import PATH
from measure import Failed

CONNECTIONS = min(10_000, peers.MAX_CONNECTIONS - 500)
QUIET_S = 10


def each_peer(options, title, names, observe):
    """observe(peer) -> figures, for every peer in turn, each started anew."""
    result = {"title": title, "base": None, "rounds": {}, "once": {}, "unavailable": {}}
    for name in names:
        try:
            with peers.running(name, options, options.task(name)) as peer, peer.blamed():
                result["once"][name] = observe(peer)
        except Failed as why:
            result["unavailable"][name] = str(why)
    return result


def run_idle(options):
    """Memory at start, and with idle keep-alive connections that had one answer each."""
    def observe(peer):
        pids = peer.pids()
        start_kb = measure.memory_kb(pids)
        measure.wait_for(f"{peer.url}{PATH}/b/63", peer.process, size=63)
        with contextlib.ExitStack() as stack:
            converse(stack, peer, 100)      # what is allocated at the first use is no connection's
            before_kb = measure.memory_kb(pids)
            converse(stack, peer, CONNECTIONS)
            after_kb = measure.memory_kb(pids)
        return {"start_kb": start_kb, "pss_kb": after_kb,
                "connection_bytes": (after_kb - before_kb) * 1024 / CONNECTIONS}
    return each_peer(options, f"Memory at start and with {CONNECTIONS:,} idle connections",
                     options.peers, observe)


def converse(stack, peer, count):
    """Opens connections, has one request answered on each, and leaves them open."""
    host, port = peer.url.removeprefix("http://").split(":")
    request = f"GET {PATH}/b/63 HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    for _ in range(count):
        connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=10))
        connection.sendall(request)
        answer = b""
        while not answer.endswith(b"\r\n\r\n" + b"x" * 63):
            more = connection.recv(4096)
            if not more:
                raise Failed(f"connection closed after {answer!r}")
            answer += more


def run_quiet(options):
    """System calls in ten seconds without a request: no tenant awake, then one awake."""
    def observe(peer):
        asleep = measure.traced_calls(peer.pids(), QUIET_S)
        measure.wait_for(f"{peer.url}{PATH}/b/63", peer.process, size=63)
        time.sleep(1)
        awake = measure.traced_calls(peer.pids(), QUIET_S)
        return {"asleep_calls": len(asleep), "awake_calls": len(awake),
                "seen": sorted({call.split("(")[0] for call in asleep + awake})}
    return each_peer(options, f"System calls in {QUIET_S} s in which nothing happens",
                     options.peers, observe)
