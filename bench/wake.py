"""How much later a sleeping tenant's first answer comes than the application alone could give it."""
# SPDX-License-Identifier: MIT

import os
import signal
import socket
import time

import measure
import peers
from measure import Failed

# (label, milliseconds that the application takes to boot, how it learns where to listen)
CASES = (("0 ms, PORT", 0, "tcp"), ("50 ms, PORT", 50, "tcp"), ("1000 ms, PORT", 1000, "tcp"),
         ("0 ms, LISTEN_FDS", 0, "fd"), ("50 ms, LISTEN_FDS", 50, "fd"),
         ("0 ms, unix socket", 0, "unix"), ("50 ms, unix socket", 50, "unix"))
WAKES_A_ROUND = 4


def run_wake(options):
    """Each wake is another tenant's first request; in turn with it the application is started alone."""
    result = {"title": "First request to a sleeping tenant, by the application's boot time",
              "base": None, "rounds": {}, "once": {}, "unavailable": {}}
    count = options.rounds * WAKES_A_ROUND
    for label, boot_ms, listen in CASES:
        # Without taskset before the application, which is not there when it is started alone.
        task = options.task(label, boot_ms=boot_ms, listen=listen, cores=os.sched_getaffinity(0),
                            backend_cores=None, prefixes=[f"/user/tenant{i}" for i in range(count)])
        samples = result["rounds"][label] = []
        try:
            with peers.running("fly-atc", options, task) as peer, peer.blamed():
                port = int(peer.url.rsplit(":", 1)[1])
                for prefix in task.prefixes:
                    alone = start_alone(task)
                    began = time.perf_counter()
                    ask(("127.0.0.1", port), prefix + "/b/63")
                    woken = time.perf_counter() - began
                    samples.append({"wake_ms": woken * 1e3, "alone_ms": alone * 1e3,
                                    "overhead_ms": (woken - alone) * 1e3})
        except Failed as why:
            result["unavailable"][label] = str(why)
            del result["rounds"][label]
    return result


def start_alone(task):
    """Seconds from starting the application to its first answer."""
    environ = dict(os.environ, BOOT_MS=str(task.boot_ms))
    actions = []
    if task.listen == "fd":
        listener = measure.listening_socket()
        address = listener.getsockname()
        environ["LISTEN_FDS"] = "1"
        actions = [(os.POSIX_SPAWN_DUP2, listener.fileno(), 3)]
    elif task.listen == "unix":
        address = environ["PORT"] = str(task.work / "alone.sock")
    else:
        address = "127.0.0.1", measure.free_port()
        environ["PORT"] = str(address[1])
    began = time.perf_counter()
    pid = os.posix_spawn(task.backend, [str(task.backend)], environ, file_actions=actions)
    try:
        ask(address, "/b/63")
        return time.perf_counter() - began
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if actions:
            listener.close()
        elif task.listen == "unix":
            os.unlink(address)


def connect(address, patience_s):
    """As soon as something listens."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    deadline = time.perf_counter() + patience_s
    while True:
        connection = socket.socket(family)
        connection.settimeout(patience_s)
        try:
            connection.connect(address)
            return connection
        except (ConnectionRefusedError, FileNotFoundError):
            connection.close()
            if time.perf_counter() > deadline:
                raise Failed(f"nothing listens on {address}") from None
            time.sleep(0.0001)


def ask(address, path, patience_s=20):
    """One request and its answer."""
    with connect(address, patience_s) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        answer = connection.recv(4096)
        while answer and not answer.endswith(b"x" * 63):
            more = connection.recv(4096)
            if not more:
                break
            answer += more
    if not answer.startswith(b"HTTP/1.1 200"):
        raise Failed(f"{path}: {answer[:200]!r}")
