"""Kamal's order of steps, replayed: the new container starts, is healthy, gets all new requests; the old one drains, and is stopped.

After basecamp/kamal 2.12 and kamal-proxy 0.9: the proxy asks /up each second until it is 200 (deploy_timeout), then sends every new
request to the new container, waits for those under way at the old one (drain_timeout), and only then the old one gets SIGTERM, and
SIGKILL after stop_timeout.  A new container that does not become healthy is stopped, and nothing else happens.
SPDX-License-Identifier: MIT
"""
import itertools
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import threading

import pytest

from atc import KNOBS, TOOLS, Background, knobs_config
from stores import Directory
from test_container import Container
from test_handover import ALONE, APRIL, DATABASES, TWO, WINTER
from waiting import stretched, wait_until
from wire import Wire


class Kamal:
    """One host: containers with one volume, and the proxy in front of them."""

    def __init__(self, make_atc, store):
        self.make_atc, self.store = make_atc, store
        self.uid = 62000 + os.getpid() % 3000
        self.containers, self.target, self.lock = [], None, threading.Lock()
        self.under_way = {}
        self.volume, self.versions = None, itertools.count(1)

    def config(self, **app):
        config = knobs_config(TWO, {"storage": str(self.volume / "tenants"), "drain_timeout": "%ds" % stretched(30)},
                              {"sync_timeout": "%ds" % stretched(10), **self.store.config}, databases=DATABASES, **app)
        return config

    def run(self, **app):
        """docker run: the same volume, a user without rights, a name that says that it is Kamal's."""
        container = Container(self.make_atc(), uid=self.uid)
        atc = container.atc
        if self.volume is None:
            self.volume = atc.app / "storage"
        container.give(self.volume, self.store.root)
        container.install(shutil.which("litestream", path="%s:%s" % (TOOLS, os.environ["PATH"])), "litestream")
        script = container.bin / "alone.sh"
        script.write_text(ALONE)
        script.chmod(0o755)
        config = self.config(**app)
        if config["app"]["command"][-1] == KNOBS:
            config["app"]["command"] = [str(script), "/usr/bin/python3", "-S", "-E", container.knobs]
        container.configure(config)
        atc.proxy_may_change = True
        container.start("run", env={"KAMAL_CONTAINER_NAME": "calendar-web-%d" % next(self.versions), "KAMAL_HOST": "203.0.113.5"},
                        ready=False)
        wait_until(lambda: "serving on" in atc.log or not atc.is_running, 20)
        assert atc.is_running, atc.log
        self.containers.append(container)
        return container

    # -- kamal-proxy --

    def is_healthy(self, container):
        try:
            return container.atc.get("/up", timeout=5).status == 200
        except OSError:
            return False

    def ask(self, method, path, timeout=120):
        """A client's request, to the container that gets new ones."""
        with self.lock:
            target = self.target
            self.under_way[target] = self.under_way.get(target, 0) + 1
        try:
            with Wire(("127.0.0.1", target.atc.port), timeout) as wire:
                return wire.ask(method, path, [("Connection", "close")], b"" if method == "POST" else None)
        finally:
            with self.lock:
                self.under_way[target] -= 1

    def deploy(self, stop_timeout=60, **app):
        """kamal deploy; the new container."""
        old, new = self.target, self.run(**app)
        wait_until(lambda: self.is_healthy(new), 30, "the new container is healthy")
        with self.lock:
            self.target = new
        if old:
            wait_until(lambda: not self.under_way.get(old), 30, "the old one has drained")
            self.stop(old, stop_timeout)
        return new

    def stop(self, container, stop_timeout=60):
        """docker stop."""
        process = container.atc.process
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(stretched(stop_timeout) if stop_timeout else 0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        container.atc.ended_as_told = True

    # -- what must hold --

    def rows(self, name):
        database = sqlite3.connect(self.volume / "tenants" / name / "counter.sqlite3")
        found = {row[0] for row in database.execute("select id from ledger")}
        assert database.execute("pragma integrity_check").fetchone()[0] == "ok"
        database.close()
        return found

    def assert_one_at_a_time(self):
        conflicts = list(self.volume.glob("tenants/*/*/*/conflicts"))
        assert not conflicts, "two copies of a tenant lived at once: %s" % conflicts


@pytest.fixture
def directory():
    made = Directory()
    yield made
    made.remove()


@pytest.fixture
def kamal(directory, make_atc):
    made = Kamal(make_atc, directory)
    yield made
    made.assert_one_at_a_time()
    for container in made.containers:
        if container.atc.is_running:
            made.stop(container)
    shutil.rmtree("/tmp/fly-atc-%d" % made.uid, ignore_errors=True)


class Clients:
    """They write rows, each with a number of its own, as long as a deployment lasts."""

    def __init__(self, kamal, n=3):
        self.kamal, self.acknowledged, self.refused, self.is_over = kamal, [], [], False
        self.numbers = itertools.count(1)
        self.threads = [Background(self.write, i) for i in range(n)]

    def write(self, i):
        while not self.is_over:
            row, (prefix, name) = next(self.numbers), ((WINTER, "bellevue/2025/winter"), (APRIL, "boston/2025/april"))[i % 2]
            answer = self.kamal.ask("POST", "%s/ledger?id=%d" % (prefix, row))
            (self.acknowledged if answer.status == 200 else self.refused).append((name, row))

    def wait_for_more(self, n=6):
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) >= before + n, 60, "%d more rows" % n)

    def end(self):
        self.is_over = True
        for thread in self.threads:
            thread.result(120)


def test_no_request_fails_and_no_row_is_lost_over_deployments(kamal):
    kamal.deploy()
    clients = Clients(kamal)
    clients.wait_for_more()
    for _ in range(3):
        kamal.deploy()
        clients.wait_for_more()
    clients.end()
    assert not clients.refused
    for name in ("bellevue/2025/winter", "boston/2025/april"):
        assert {row for each, row in clients.acknowledged if each == name} <= kamal.rows(name)
    kamal.stop(kamal.target)
    shutil.rmtree(kamal.volume / "tenants")
    last = kamal.deploy()
    for prefix, name in ((WINTER, "bellevue/2025/winter"), (APRIL, "boston/2025/april")):
        assert last.atc.post("%s/ledger?id=100000" % prefix, timeout=60).status == 200
        assert {row for each, row in clients.acknowledged if each == name} <= kamal.rows(name)


def test_what_is_under_way_at_the_old_one_is_finished(kamal):
    old = kamal.deploy()
    slow = Background(kamal.ask, "GET", WINTER + "/sleep?until=go")
    wait_until(lambda: kamal.under_way.get(old) == 1)
    wait_until(lambda: '"running"' in old.cli("status", "--json").stdout)
    deployed = Background(kamal.deploy)
    wait_until(lambda: kamal.target not in (None, old), 60)
    waiting = Background(kamal.ask, "GET", WINTER + "/whoami")
    old.atc.wait_log("is wanted by another fly-atc", 30)
    assert not waiting.is_done
    (kamal.volume / "tenants" / "bellevue" / "2025" / "winter" / "go").write_text("\n")
    assert slow.result().status == 200
    assert waiting.result().status == 200
    deployed.result(120)


def test_a_deployment_that_is_given_up_leaves_all_as_it_was(kamal):
    """Nobody has asked the new one for a tenant when it is stopped."""
    old = kamal.deploy()
    answer = kamal.ask("GET", WINTER + "/whoami")
    new = kamal.run()
    assert kamal.is_healthy(new)
    kamal.stop(new)
    assert kamal.ask("GET", WINTER + "/whoami").json()["pid"] == answer.json()["pid"]
    assert "wanted by another" not in old.atc.log


def test_an_old_one_that_is_killed_for_being_slow_loses_no_row(kamal):
    """stop_timeout is over at once."""
    kamal.deploy()
    clients = Clients(kamal)
    clients.wait_for_more()
    kamal.deploy(stop_timeout=0)
    clients.wait_for_more()
    clients.end()
    assert not clients.refused
    for name in ("bellevue/2025/winter", "boston/2025/april"):
        assert {row for each, row in clients.acknowledged if each == name} <= kamal.rows(name)


def test_containers_of_a_user_without_rights_have_directories_of_their_own(kamal):
    """The first has its sockets in the volume; the second cannot, and has them in its /tmp."""
    first = kamal.run()
    second = kamal.run()
    elsewhere = pathlib.Path("/tmp/fly-atc-%d" % kamal.uid)
    assert (kamal.volume / "tenants" / ".run" / "control.sock").exists()
    assert (elsewhere / "control.sock").exists()
    kamal.stop(first)
    third = kamal.run()
    wait_until(lambda: (kamal.volume / "tenants" / ".run" / "control.sock").exists())
    for container in (second, third):
        assert container.atc.get(WINTER + "/whoami", timeout=60).status == 200
