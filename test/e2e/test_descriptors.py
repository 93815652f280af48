"""With too few descriptors it says so, goes on with what it has, and does the rest when there are more again.
SPDX-License-Identifier: MIT
"""
import os
import pwd
import resource

import pytest

import processes
from atc import WINTER, Background, knobs_config
from waiting import holds_for, wait_until


# One whose limits may be changed by the test.
OURS = {"server": {"user": pwd.getpwuid(os.getuid()).pw_name}}


class Shortage:
    """A process gets no new descriptor within this; those that it has stay."""

    def __init__(self, pid):
        self.pid, self.before = pid, None

    def __enter__(self):
        self.before = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (1, self.before[1]))

    def __exit__(self, *_):
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, self.before)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(5))
def test_with_few_descriptors_it_starts_or_says_why(make_atc, first):
    """Every limit up to one that is enough: a start that fails is told, and one that does not is whole."""
    served = 0
    for limit in range(5 + first, 60, 5):
        atc = make_atc()
        atc.proxy_may_change = True
        atc.start(knobs_config(server={"threads": 2}), ready=False, wrapper=("prlimit", "--nofile=%d:%d" % (limit, limit)))
        wait_until(lambda a=atc: not a.is_running or a.log_lines(msg="serving on *:%d, 1 tenants" % a.port)
                   or "ERROR" in a.log, 30)
        if not atc.is_running:
            atc.wait_exit(1)
            assert "Too many open files" in atc.log or "error while loading" in atc.log, (limit, atc.log)
            continue
        answer = wait_until(lambda a=atc: a.get(WINTER + "/whoami"), 30)
        assert answer.status in (200, 500, 502, 503), (limit, answer)
        if answer.status != 200:
            assert answer.error and ("Too many open files" in atc.log or "too many open files" in atc.log), (limit, atc.log)
            continue
        served += 1
        assert atc.cli("reload", timeout=60).returncode in (0, 1, 2)
        assert atc.get(WINTER + "/whoami").status == 200
    assert served


def test_a_proxy_without_a_descriptor_left_gets_its_configuration_later(atc):
    """Neither the connections that it serves nor the configuration are lost."""
    atc.start(knobs_config(**OURS))
    with atc.wire() as wire:
        assert wire.get(WINTER + "/up").status == 200
        with Shortage(atc.proxy_pid()):
            atc.write_config(knobs_config({"bellevue": {"tenants": ["2025/winter", "2025/fall"]}}, **OURS))
            answer = Background(atc.cli, "reload")
            atc.wait_log("the proxy cannot be given its configuration now: too many open files")
            assert wire.get(WINTER + "/up").status == 200
            assert not answer.is_done and atc.status()["config"]["proxy_has_it"] is False
        assert answer.result().returncode == 0
        assert wire.get(WINTER + "/up").status == 200
    assert atc.whoami("/bellevue/2025/fall")["scope"] == "/bellevue/2025/fall"


def test_a_file_for_which_the_proxy_has_no_descriptor_is_refused(atc):
    """Its connections, and the link over which the descriptor came, go on."""
    atc.start(knobs_config(**OURS))
    assert atc.get(WINTER + "/up").status == 200
    (atc.tenant_dir() / "sent.txt").write_text("sent")
    target = WINTER + "/file?path=%s" % (atc.tenant_dir() / "sent.txt")
    with atc.wire() as wire:
        assert wire.get(WINTER + "/up").status == 200
        with Shortage(atc.proxy_pid()):
            refused = wire.get(target)
            assert (refused.status, refused.error) == (404, "file_not_sent"), refused
            assert wire.get(WINTER + "/up").status == 200
        assert wire.get(target).text == "sent"


def test_a_supervisor_without_a_descriptor_left_says_so_and_goes_on(atc):
    atc.start(knobs_config({"bellevue": {"tenants": ["2025/winter", "2025/fall"]}}))
    pid = atc.whoami()["pid"]
    with Shortage(atc.pid):
        refused = atc.get("/bellevue/2025/fall/up")
        assert refused.status == 503 and refused.error == "start_failed"
        assert atc.whoami()["pid"] == pid
    wait_until(lambda: atc.get("/bellevue/2025/fall/up").status == 200, 20)


def test_a_supervisor_without_a_descriptor_left_reads_its_configuration_the_next_time(atc):
    atc.start(knobs_config())
    atc.whoami()
    atc.write_config(knobs_config({"bellevue": {"tenants": ["2025/winter", "2025/fall"]}}))
    with Shortage(atc.pid):
        atc.signal(1)
        atc.wait_log("Too many open files")
        assert atc.whoami()["scope"] == WINTER
    assert atc.cli("reload").returncode == 0
    assert atc.whoami("/bellevue/2025/fall")["scope"] == "/bellevue/2025/fall"


def test_a_proxy_that_dies_while_there_is_no_descriptor_is_started_when_there_is_one(atc):
    atc.start(knobs_config())
    atc.proxy_may_change = True
    pid = atc.whoami()["pid"]
    with Shortage(atc.pid):
        processes.kill(atc.proxy_pid())
        atc.wait_log("cannot start the proxy")
        holds_for(lambda: atc.is_running, 0.2)
    assert atc.whoami()["pid"] == pid
