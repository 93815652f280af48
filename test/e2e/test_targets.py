"""What every target has to do, and what it has to refuse: run against each platform, or its double.
SPDX-License-Identifier: MIT
"""
import pytest

import targets
from targets import machines, wait_state

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
