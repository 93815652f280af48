"""Which threads there are, by their names, and which of them take signals (docs/threads.md).

SPDX-License-Identifier: MIT
"""
import os
import pathlib
import re
import signal

from atc import knobs_config
from waiting import wait_until

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/threads.md"
TO_THE_LOOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


def threads(pid, with_jobs=False):
    """[(name, blocked signals)]; a thread is there for a job as long as that takes."""
    found = []
    for path in pathlib.Path("/proc/%d/task" % pid).iterdir():
        try:
            lines = dict(re.findall(r"(\w+):\t(.*)", (path / "status").read_text()))
        except FileNotFoundError:
            continue
        # A sanitizer has a thread of its own, from before main: "exe" in the proxy.
        if lines["Name"] not in ({"exe"} if with_jobs else {"exe", "fly-atc-job"}):
            found.append((lines["Name"], int(lines["SigBlk"], 16)))
    return sorted(found)


def names(pid):
    return [name for name, _ in threads(pid)]


def blocks(mask, number):
    return bool(mask >> (number - 1) & 1)


def test_each_thread_has_the_name_that_the_thread_map_has(atc):
    atc.start(knobs_config())
    atc.whoami()
    wait_until(lambda: set(names(atc.pid)) == {"fly-atc", "fly-atc-log", "fly-atc-opener"})
    wait_until(lambda: set(names(atc.proxy_pid())) == {"fly-atc-log", "fly-atc-proxy", "fly-atc-worker"})
    told = DOCUMENT.read_text()
    for name in set(names(atc.pid) + names(atc.proxy_pid())):
        assert "| `%s` |" % name in told


def test_a_job_has_a_thread_with_a_name_that_takes_no_signal(atc):
    atc.start(knobs_config())
    text = atc.config_file.read_text()
    atc.config_file.unlink()
    os.mkfifo(atc.config_file)
    atc.signal(signal.SIGHUP)
    with open(atc.config_file, "w", encoding="utf-8") as pipe:      # a job reads it, and has not come to its end
        masks = [mask for name, mask in threads(atc.pid, True) if name == "fly-atc-job"]
        pipe.write(text)
    assert masks and all(blocks(masks[0], number) for number in (*TO_THE_LOOP, signal.SIGALRM))
    wait_until(lambda: "fly-atc-job" not in [name for name, _ in threads(atc.pid, True)])
    assert "| `fly-atc-job` |" in DOCUMENT.read_text()


def test_signals_come_to_the_supervisors_loop_and_to_no_other_thread_of_it(atc):
    atc.start(knobs_config())
    atc.whoami()
    wait_until(lambda: set(names(atc.pid)) == {"fly-atc", "fly-atc-log", "fly-atc-opener"})
    for _, mask in threads(atc.pid):
        assert all(blocks(mask, number) for number in TO_THE_LOOP)      # in the first for its signalfd
    assert [name for name, mask in threads(atc.pid) if not blocks(mask, signal.SIGALRM)] == ["fly-atc"]
