"""What is known of a process of ours that died by its own fault.
SPDX-License-Identifier: MIT
"""
import os
import re
import signal

from atc import WINTER, knobs_config
from waiting import wait_until


def end_proxy(atc, number):
    """Why it ended, once there is another."""
    atc.whoami()    # it serves: before that it listens to no signal yet
    proxy = atc.proxy_pid()
    os.kill(proxy, number)
    wait_until(lambda: atc.proxy_pid() not in (None, proxy))
    return atc.status()["proxy"]["reason"]


def test_a_proxy_that_dies_of_its_own_fault_leaves_its_last_words(atc):
    atc.start(knobs_config())
    atc.proxy_may_change = True
    version = atc.cli("version").stdout.split()[1]
    reason = end_proxy(atc, signal.SIGABRT)
    words = re.search(r"signal 6, thread fly-atc-\w+, version ([\w.]+)(, at( 0x[0-9a-f]+)+)?$", reason)
    assert words and words[1] == version, reason
    assert atc.log_lines(level="ERROR", msg="the proxy %s; it is started again" % reason)
    shown = atc.cli("status").stdout.splitlines()
    assert shown[1].endswith(" 1 restart") and shown[2] == "last end of the proxy: it " + reason
    assert atc.whoami()["scope"] == WINTER


def test_last_words_are_not_those_of_an_earlier_proxy(atc):
    atc.start(knobs_config())
    atc.proxy_may_change = True
    assert "thread" in end_proxy(atc, signal.SIGABRT)
    assert "thread" not in end_proxy(atc, signal.SIGKILL)


def test_a_supervisor_that_dies_of_its_own_fault_says_so(atc):
    atc.start(knobs_config())
    atc.signal(signal.SIGABRT)
    atc.wait_exit(-signal.SIGABRT)
    atc.wait_log("fly-atc: ended by its own fault: signal 6, thread fly-atc")
