"""conftest.py - the fixtures of the end-to-end tests.
SPDX-License-Identifier: MIT
"""
import os

import pytest

import processes
from atc import Atc

processes.adopt_orphans()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call":
        item.failed_call = report.failed


@pytest.fixture
def make_atc(request):
    """Makes as many fly-atc as a test wants; each is checked and removed behind it."""
    made = []

    def make():
        made.append(Atc())
        return made[-1]
    yield make
    complaints = [complaint for each in reversed(made) for complaint in each.finish()]
    reap_adopted()
    if complaints or getattr(request.node, "failed_call", True):
        for each in made:
            each.print_log()
    for each in made:
        each.remove()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def atc(make_atc):
    """The program, not started yet: `atc.start(config)`."""
    return make_atc()


def reap_adopted():
    """Zombies that became ours when fly-atc ended."""
    for pid in processes.children(os.getpid()):
        fields = processes.stat_fields(pid)
        if fields and fields[0] == "Z":
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass
