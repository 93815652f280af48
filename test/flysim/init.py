"""init.py - process 1 of a machine: starts the command, passes its stop signal on, reaps, and ends with it.

Run by machine.py as `python3 -S -E init.py COMMAND...`.  Lines on stdin tell it what to do (signal N, freeze, thaw, kill);
lines on stdout tell what happened.  When stdin ends, so does everything: no machine outlives its simulator.
SPDX-License-Identifier: MIT
"""
import ctypes
import os
import select
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def parents():
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name, "rb") as file:
                    found[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, ValueError, IndexError):
                pass
    return found


def descendants():
    """Parents first."""
    of = parents()
    found, layer = [], [os.getpid()]
    while layer:
        layer = [pid for pid, parent in of.items() if parent in layer]
        found += layer
    return found


def signal_all(number):
    """Everybody, until nobody new is there."""
    seen = set()
    for _ in range(50):
        new = [pid for pid in descendants() if pid not in seen]
        if not new:
            break
        for pid in new:
            seen.add(pid)
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
    return len(seen)


def say(*words):
    try:
        os.write(1, (" ".join(map(str, words)) + "\n").encode())
    except OSError:
        pass  # the simulator is gone


def start(command):
    output = int(os.environ.pop("FLYSIM_OUTPUT"))
    # Nothing is lost that is sent to the child before it takes signals as a new program does.
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        os.close(output)
        return pid
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGPIPE, *PASSED_ON):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        null = os.open("/dev/null", os.O_RDONLY)
        for fd, place in ((null, 0), (output, 1), (output, 2)):
            os.dup2(fd, place)
        os.closerange(3, 256)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, ("cannot run %s: %s\n" % (command[0], error)).encode())
    os._exit(127)


def reap(main):
    """The status of the main process, if it ended."""
    status = None
    while True:
        try:
            pid, value = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if not pid:
            return status
        if pid == main:
            status = value


def obey(line, main):
    words = line.split()
    if words[0] == b"signal":
        try:
            os.kill(main, int(words[1]))
        except ProcessLookupError:
            pass
    elif words[0] == b"freeze":
        say("frozen", signal_all(signal.SIGSTOP))
    elif words[0] == b"thaw":
        say("thawed", signal_all(signal.SIGCONT))
    elif words[0] == b"kill":
        signal_all(signal.SIGKILL)


def main():
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    awake, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    os.set_blocking(awake, False)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in PASSED_ON:
        signal.signal(number, signal.SIG_IGN)  # of a terminal: the simulator decides
    child = start(sys.argv[1:])
    say("started", child)
    rest, status = b"", None
    while status is None:
        readable, _, _ = select.select([0, awake], [], [])
        if awake in readable:
            os.read(awake, 4096)
            status = reap(child)
        if 0 in readable:
            data = os.read(0, 4096)
            if not data:
                break
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                obey(line, child)
    signal_all(signal.SIGKILL)
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass
    if status is not None:
        say("exited", status)


main()
