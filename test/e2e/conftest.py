"""conftest.py - the fixtures of the end-to-end tests.
SPDX-License-Identifier: MIT
"""
import os

import pytest

import processes
from atc import WINTER, Atc, knobs_config
from fly import AtcFly, Fly
from stores import STORES, Bucket

processes.adopt_orphans()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A test that fails shows the configuration and the log of each fly-atc it used."""
    report = (yield).get_result()
    if report.failed:
        for atc in programs_of(item):
            report.sections += atc.log_sections()


def pytest_collection_modifyitems(items):
    """What takes long is spread over the whole, the longest first: each worker is given pieces of it."""
    long = [item for item in items if item.get_closest_marker("slow") or item.get_closest_marker("real")
            or {"store", "bucket"} & set(item.fixturenames)]
    short = [item for item in items if item not in long]
    long.sort(key=lambda item: not item.get_closest_marker("slow"))
    gap = len(short) / max(len(long), 1)
    places = [(gap * i, item) for i, item in enumerate(long)] + list(enumerate(short))
    items[:] = [item for _, item in sorted(places, key=lambda place: place[0])]


def pytest_generate_tests(metafunc):
    """A module that uses the fixture `spoken` is run once in each protocol."""
    if "spoken" in metafunc.fixturenames:
        alone = metafunc.definition.get_closest_marker("http1")
        metafunc.parametrize("spoken", ["http1"] if alone else ["http1", "h2c"], indirect=True)


def programs_of(item):
    found = []
    for value in getattr(item, "funcargs", {}).values():
        found += [value] if isinstance(value, (Atc, Fly)) else getattr(value, "made", [])
    return list(dict.fromkeys(found))


def finish(programs):
    """Stop them and complain about what is not as it should be."""
    complaints = [complaint for each in reversed(programs) for complaint in each.finish()]
    reap_adopted()
    return "\n".join(complaints)


@pytest.fixture
def make_atc(request):
    """Makes as many fly-atc as a test wants; each is checked and removed behind it, before its store is."""
    for name in {"store", "bucket"} & set(request.fixturenames):
        request.getfixturevalue(name)

    def make():
        make.made.append(Atc())
        return make.made[-1]
    make.made = []
    yield make
    complaints = finish(make.made)
    text = "\n".join("%s\n%s" % section for atc in make.made for section in atc.log_sections()) if complaints else ""
    for each in make.made:
        each.remove()
    assert not complaints, complaints + "\n" + text


@pytest.fixture
def make_fly(request):
    """Fleets of fly-atc in the double of Fly.io: make_fly(config, machines), with the machines' ids and regions."""
    for name in {"store", "bucket"} & set(request.fixturenames):
        request.getfixturevalue(name)
    made = []

    def make(config, machines, **more):
        made.append(AtcFly(config, machines, **more))
        return made[-1]
    make.made = made
    yield make
    complaints = "\n".join(filter(None, [each.finish() for each in made]))
    if complaints:
        complaints += "".join("\n%s\n%s" % (title, text[-6000:]) for each in made for title, text in each.log_sections())
    reap_adopted()
    for each in made:
        each.remove()
    assert not complaints, complaints


@pytest.fixture
def atc(make_atc):
    """The program, not started yet: `atc.start(config)`."""
    return make_atc()


@pytest.fixture
def spoken(request, atc):
    """What `atc` is asked in."""
    atc.speaks_h2 = request.param == "h2c"


@pytest.fixture(scope="module")
def running_knobs(request):
    atc = Atc()
    atc.start(knobs_config(**getattr(request.module, "KNOBS", {})))
    assert atc.get(WINTER + "/up").status == 200
    yield atc
    complaints = finish([atc])
    log = atc.log[-5000:]
    atc.remove()
    assert not complaints, complaints + "\n" + log


@pytest.fixture
def knobs(running_knobs):
    """fly-atc with one tenant awake, shared by the tests of a module; KNOBS of the module changes its configuration."""
    yield running_knobs
    assert running_knobs.is_running and running_knobs.proxy_pid() == running_knobs.first_proxy


@pytest.fixture(params=sorted(STORES))
def store(request):
    """A place for backups, of each kind."""
    made = STORES[request.param]()
    yield made
    made.remove()


@pytest.fixture
def bucket():
    made = Bucket()
    yield made
    made.remove()


def reap_adopted():
    """Zombies that became ours when fly-atc ended."""
    for pid in processes.children(os.getpid()):
        fields = processes.stat_fields(pid)
        if fields and fields[0] == "Z":
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


@pytest.fixture
def h2c(atc):
    """fly-atc that speaks HTTP/2, with one tenant."""
    atc.start(knobs_config(server={"h2c_enabled": True}))
    return atc
