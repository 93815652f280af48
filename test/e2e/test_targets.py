"""What every target has to do, and what it has to refuse: run against each platform, or its double.
SPDX-License-Identifier: MIT
"""
import concurrent.futures

import pytest

import targets
from targets import AWAY, HOME, machines, wait_state

TARGETS = [targets.FlyTarget, targets.FlyWithoutToken, targets.HostsTarget, targets.KubernetesTarget]
ASLEEP = ("suspended", "stopped")


@pytest.fixture(params=TARGETS, ids=lambda each: each.__name__)
def target(request):
    made = request.param()
    yield made
    complaints = made.finish()
    log = made.log(made.here)[-8000:] if complaints else ""
    made.remove()
    assert not complaints, complaints + "\n" + log


def test_each_machine_knows_itself_and_the_other(target):
    for one in (target.here, target.there):
        done = target.command("machine", "--json", machine=one)
        assert done.returncode == 0, done.stderr
    seen = machines(target)
    assert set(seen) == {target.here, target.there}
    assert (seen[target.here]["self"], seen[target.there]["self"]) == (True, False)
    assert {each["tenants"] for each in seen.values()} == {1}
    table = target.command("machine").stdout
    assert "%s *" % target.here in table and target.there in table


def test_one_that_sleeps_is_listed_and_woken(target):
    target.bring_asleep(target.there)
    assert target.there in machines(target)
    done = target.command("machine", "wake", target.there)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert target.there in done.stdout
    wait_state(target, target.there, ("started",))


def test_one_that_is_awake_is_none_the_worse_for_being_woken(target):
    for _ in range(2):
        assert target.command("machine", "wake", target.there).returncode == 0
    assert target.state(target.there) == "started"


@pytest.mark.parametrize("order", ["wake", "sleep", "destroy"])
def test_a_machine_that_there_is_not_is_refused(target, order):
    for name in ("00000000000000", "no such machine", "../../" + target.there):
        done = target.command("machine", order, name)
        assert done.returncode == 1 and done.stderr.startswith("fly-atc: "), (done.stdout, done.stderr)
    assert {target.state(target.here), target.state(target.there)} == {"started"}


def test_who_it_is_and_who_the_others_are_outlives_a_restart(target):
    before = {name: (each["self"], each["region"], each["address"]) for name, each in machines(target).items()}
    target.restart(target.here)
    assert {name: (each["self"], each["region"], each["address"]) for name, each in machines(target).items()} == before


def test_each_request_is_answered_by_the_machine_of_its_user(target):
    assert target.request("GET", HOME + "/whoami").status == target.request("GET", AWAY + "/whoami").status == 200
    assert target.request("GET", HOME + "/whoami").json()["pid"] != target.request("GET", AWAY + "/whoami").json()["pid"]


def test_unknown_paths_wake_nobody(target):
    target.bring_asleep(target.there)
    assert {target.request("GET", "/scan%d/x" % i).status for i in range(50)} == {404}
    assert target.state(target.there) in ASLEEP


@pytest.mark.parametrize("size", [10, 1500000], ids=["small", "too large for a replay"])
def test_a_request_for_one_that_sleeps_is_answered_by_it(target, size):
    expected = target.request("POST", HOME + "/upload", b"x" * size)
    target.bring_asleep(target.there)
    answer = target.request("POST", AWAY + "/upload", b"x" * size)
    assert (answer.status, answer.body) == (200, expected.body)
    wait_state(target, target.there, ("started",))


def test_what_comes_at_once_for_one_that_sleeps_is_done_once_each(target):
    before = target.request("POST", AWAY + "/count").json()["count"]
    target.bring_asleep(target.there)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: target.request("POST", AWAY + "/count"), range(8)))
    assert {answer.status for answer in answers} == {200}
    assert target.request("GET", AWAY + "/count").json() == {"count": before + 8}
