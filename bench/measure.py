"""Figures of running processes, and the load that is put on them."""
# SPDX-License-Identifier: MIT

import contextlib
import ctypes
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
CLONE_NEWNET = 0x40000000
CONGESTION_CONTROL = Path("/proc/sys/net/ipv4/tcp_congestion_control")


class Failed(Exception):
    """Something that the comparison needs did not work; the message says what."""


# --- processes ---------------------------------------------------------------------------------

def spawn(argv, cores, **options):
    """Starts a program pinned to these cores; it ends when this one does, whatever happens."""
    def prepare():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        os.sched_setaffinity(0, cores)
    return subprocess.Popen([str(a) for a in argv], preexec_fn=prepare,
                            stdin=subprocess.DEVNULL, **options)


def end(process, patience=15):
    """Ends a process and whatever it started that is still there."""
    family = descendants(process.pid)
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid, born in family.items():
        if born_at(pid) == born:
            os.kill(pid, signal.SIGKILL)


def stat_fields(pid):
    """The fields of /proc/PID/stat after the command's name, or None when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def born_at(pid):
    fields = stat_fields(pid)
    return fields and fields[19]


def descendants(root):
    """{pid: start time} of every process below root."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := stat_fields(entry)):
            parents[int(entry)] = int(fields[1])
    found, level = {}, [root]
    while level:
        level = [pid for pid, parent in parents.items() if parent in level]
        found.update((pid, born_at(pid)) for pid in level)
    return found


def cpu_ns(pids):
    """CPU time of all threads, to the nanosecond (the clock ticks of /proc/PID/stat are 10 ms).  A process that has done
    what it was for, as nginx's loader of its cache, has none."""
    used = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            used += sum(int(Path(task, "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())
    return used


def memory_kb(pids, field="Pss"):
    """Proportional set size: memory that processes share is counted once among them."""
    return sum(int(re.search(rf"^{field}:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(),
                             re.M)[1]) for pid in pids)


def steal_ticks():
    """(stolen, total) clock ticks of the machine: how much its host took away."""
    ticks = [int(t) for t in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return ticks[7], sum(ticks)


# --- network, ports and requests ----------------------------------------------------------------

def enter_network():
    """A loopback for this process and its later children alone, with Debian's congestion control.

    Where the machine does not allow cubic to its namespaces Reno stands in: without losses they cost the same,
    while BBR, which many a cloud image chooses, paces what is sent on the loopback by timers."""
    if LIBC.unshare(CLONE_NEWNET):
        raise Failed("a network namespace needs root; --network machine goes without")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    try:
        CONGESTION_CONTROL.write_text("cubic")
    except PermissionError:
        CONGESTION_CONTROL.write_text("reno")


def listening_socket():
    """A socket on a port of the kernel's choice, to be handed to a child."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    listener.set_inheritable(True)
    return listener


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(url, headers=(), timeout=30):
    """(status, header fields, body as it is sent) of one request over a connection of its own."""
    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=timeout)
    try:
        connection.putrequest("GET", at.path, skip_accept_encoding=True)
        for header in headers:
            connection.putheader(*header.split(": ", 1))
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def wait_for(url, process, size=None, headers=(), patience_s=30):
    """Returns when url is answered: anyhow, or with 200 and a body of this size (or of any, with -1)."""
    deadline, got = time.monotonic() + patience_s, "no answer"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Failed(f"{process.args[0]} ended with {process.returncode}")
        try:
            status, _, body = get(url, headers)
            if size is None or (status == 200 and size in (-1, len(body))):
                return
            got = f"status {status}, {len(body)} bytes: {body[:200]!r}"
        except (OSError, http.client.HTTPException) as error:
            got = str(error)
        time.sleep(0.01)
    raise Failed(f"{url}: {got}")


# --- load --------------------------------------------------------------------------------------

def wrk(url, connections, seconds, cores, headers=(), paths=(), through=(), upload=0):
    """One bounded run of wrk; `through` is a command that wrk is run by (perf stat)."""
    argv = [*through, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s",
            "-s", str(HERE / "wrk.lua")]
    for header in headers:
        argv += ["-H", header]
    environ = os.environ | ({"BENCH_PATHS": " ".join(paths)} if paths else {}) | ({"BENCH_UPLOAD": str(upload)} if upload else {})
    process = spawn([*argv, url], cores, env=environ, text=True, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT)
    try:
        out, _ = process.communicate(timeout=seconds + 30)
    finally:
        end(process)
    lines = [line for line in out.splitlines() if line.startswith('{"requests"')]
    if process.returncode or not lines:
        raise Failed(f"wrk on {url}: {out}")
    result = json.loads(lines[0])
    if not result["requests"]:
        raise Failed(f"wrk on {url}: no request was answered")
    return result


# Those a proxy of any kind makes; the rest appears as the difference to the total.
NAMED_CALLS = ("accept4 bpf clock_gettime close connect epoll_ctl epoll_wait epoll_pwait "
               "fcntl futex getpid getsockname getsockopt io_uring_enter ioctl madvise "
               "mmap munmap nanosleep pwrite64 read readv recvfrom recvmsg rt_sigreturn "
               "sendfile64 sendmsg sendto setsockopt shutdown socket splice tee tgkill "
               "timerfd_settime write writev sched_yield brk").split()


def system_calls(pids, load):
    """Runs load(through) and returns (its result, {name: calls} made by pids meanwhile)."""
    events = ["raw_syscalls:sys_enter"]
    events += [f"syscalls:sys_enter_{name}" for name in NAMED_CALLS
               if Path(f"/sys/kernel/tracing/events/syscalls/sys_enter_{name}").exists()]
    with tempfile.NamedTemporaryFile("r") as out:
        result = load(["perf", "stat", "-x;", "-o", out.name, "-e", ",".join(events),
                       "-p", ",".join(map(str, pids)), "--"])
        counts = {}
        for line in out.read().splitlines():
            fields = line.split(";")
            if len(fields) > 2 and fields[0].isdigit():
                counts[fields[2].rpartition("sys_enter")[2].strip("_:") or "all"] = int(fields[0])
    if "all" not in counts:
        raise Failed("perf stat counted no system calls")
    return result, counts


def traced_calls(pids, seconds, settle=1.0):
    """The system calls that strace sees in `seconds`, after the disturbance of attaching."""
    with tempfile.NamedTemporaryFile("r") as out:
        tracer = spawn(["strace", "-f", "-q", "-ttt", "-o", out.name,
                        *(word for pid in pids for word in ("-p", pid))],
                       os.sched_getaffinity(0), stderr=subprocess.DEVNULL)
        try:
            time.sleep(settle)
            if tracer.poll() is not None:
                raise Failed("strace could not attach")
            since = time.time()
            time.sleep(seconds)
            until = time.time()
        finally:
            tracer.send_signal(signal.SIGINT)
            end(tracer)
        calls = [line.split(None, 2) for line in out.read().splitlines()]
        return [call[2] for call in calls
                if len(call) == 3 and since <= float(call[1]) <= until]
