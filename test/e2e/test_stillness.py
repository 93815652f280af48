"""While nothing happens nothing is done: no timer fires, no system call is made.
SPDX-License-Identifier: MIT
"""
import glob
import os
import signal
import subprocess

import pytest

import processes
from atc import WINTER, knobs_config
from waiting import holds_for, settled, wait_until


def switches(pids):
    """How often each thread has gone to sleep by itself so far: once more after each wake-up."""
    found = {}
    for pid in pids:
        for path in glob.glob("/proc/%d/task/*/status" % pid):
            with open(path) as file:
                found[path] = next(line for line in file if line.startswith("voluntary"))
    return found


def ours(atc):
    return [pid for pid in [atc.pid, *processes.descendants(atc.pid)]
            if processes.executable(pid) == processes.executable(atc.pid)]


def is_still(atc, seconds):
    pids = ours(atc)
    assert len(pids) >= 2
    before = settled(lambda: switches(pids))
    holds_for(lambda: True, seconds)
    return switches(pids) == before


def test_it_is_still_before_the_first_request(atc):
    atc.start(knobs_config())
    assert is_still(atc, 3)


def test_it_is_still_with_tenants_awake_and_connections_open(atc):
    atc.start(knobs_config(server={"keepalive_timeout": "60s"}))
    with atc.wire() as idle, atc.wire().websocket(WINTER + "/ws") as socket:
        assert idle.get(WINTER + "/up").status == 200
        assert socket.send_frame("x").message() == "x"
        assert is_still(atc, 3)


def test_it_is_still_after_tenants_went_to_sleep(atc):
    atc.start(knobs_config(idle_timeout="200ms"))
    atc.get(WINTER + "/up")
    atc.wait_state("stopped")
    assert is_still(atc, 3)


def test_it_is_still_after_files_were_sent(atc):
    (atc.app / "public").mkdir(exist_ok=True)
    (atc.app / "public" / "a.css").write_text("a")
    atc.start(knobs_config(public="public"))
    assert atc.get(WINTER + "/a.css").text == "a" and atc.get(WINTER + "/b.css").status == 404
    wait_until(lambda: not [name for pid in ours(atc) for name in processes.open_fds(pid).values() if name.endswith("a.css")],
               what="what was sent is closed")
    assert is_still(atc, 3)


@pytest.mark.slow
def test_strace_sees_no_system_call_for_ten_seconds(atc):
    atc.start(knobs_config(idle_timeout="200ms"))
    atc.get(WINTER + "/up")
    atc.wait_state("stopped")
    trace = atc.home / "trace"
    pids = [option for pid in ours(atc) for option in ("-p", str(pid))]
    with subprocess.Popen(["strace", "-f", "-ttt", "-o", str(trace), *pids], stderr=subprocess.DEVNULL) as strace:
        wait_until(lambda: trace.exists() and trace.read_text().count("epoll") >= len(ours(atc)), what="strace is attached")
        size = settled(lambda: trace.stat().st_size)        # attaching interrupts each call once
        holds_for(lambda: True, 10)
        assert trace.stat().st_size == size, trace.read_text()[size:][:2000]
        os.kill(strace.pid, signal.SIGINT)
