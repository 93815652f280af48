"""Several fly-atc with one storage: each tenant belongs to one of them at a time, whoever starts, ends or is killed when.
SPDX-License-Identifier: MIT
"""
import itertools
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading

import pytest

import processes
from atc import KNOBS_COMMAND, WINTER, Background, knobs_config, together
from stores import Directory
from waiting import holds_for, stretched, wait_until

ID = "bellevue/2025/winter"
APRIL = "/boston/2025/april"
TWO = {"bellevue": {"tenants": ["2025/winter"]}, "boston": {"tenants": ["2025/april"]}}
DATABASES = {"primary": {"path": "counter.sqlite3", "env": "DATABASE_PATH"}}

# Notes when two copies of a tenant live at once, whoever has started them: the kernel frees the lock with the last of a copy.
ALONE = """#!/bin/sh
exec 9>>"$KNOBS_DIR/alone"
flock -n 9 || echo $$ >>"$KNOBS_DIR/conflicts"
exec "$@"
"""


class Shared:
    """Programs with one storage, each with sockets and a port of its own."""

    def __init__(self, make_atc, store=None):
        self.make_atc, self.store, self.programs = make_atc, store, []
        self.home = None

    def config(self, users=None, server=None, **app):
        if self.home is None:
            self.home = self.make_atc()
            script = self.home.home / "alone.sh"
            script.write_text(ALONE)
            script.chmod(0o755)
        server = {"storage": str(self.home.app / "storage" / "tenants"), "handover": True, **(server or {})}
        backup = {"restore_timeout": "%ds" % stretched(20), "sync_timeout": "%ds" % stretched(5), **self.store.config} \
            if self.store else None
        config = knobs_config(users, server, backup, databases=DATABASES, **app)
        config["app"]["command"] = [str(self.home.home / "alone.sh"), *KNOBS_COMMAND]
        return config

    def start(self, users=None, server=None, env=None, **app):
        config = self.config(users, server, **app)
        atc = self.make_atc()
        atc.proxy_may_change = True
        atc.start(config, env={**(self.store.environment if self.store else {}), **(env or {})})
        self.programs.append(atc)
        return atc

    def tenant_dir(self, name=ID):
        return self.home.tenant_dir(name)

    def lines(self, file, name=ID):
        return self.home.lines(file, name)

    def allow(self, step, name=ID):
        self.home.allow(step, name)

    def assert_one_at_a_time(self):
        conflicts = list((self.home.app / "storage" / "tenants").glob("*/*/*/conflicts"))
        assert not conflicts, "two copies of a tenant lived at once: %s" % conflicts

    def rows(self, name=ID):
        database = sqlite3.connect(self.tenant_dir(name) / "counter.sqlite3")
        found = {row[0] for row in database.execute("select id from ledger")}
        assert database.execute("pragma integrity_check").fetchone()[0] == "ok"
        database.close()
        return found


@pytest.fixture
def shared(make_atc):
    made = Shared(make_atc)
    yield made
    made.assert_one_at_a_time()


@pytest.fixture
def directory():
    made = Directory()
    yield made
    made.remove()


@pytest.fixture
def with_store(directory, make_atc):
    made = Shared(make_atc, directory)
    yield made
    made.assert_one_at_a_time()


def write(atc, row, prefix=WINTER):
    answer = atc.post("%s/ledger?id=%d" % (prefix, row), timeout=60)
    assert answer.status == 200, answer


def kill(atc):
    atc.signal(signal.SIGKILL)
    atc.wait_exit(-signal.SIGKILL)


# --- one after the other --------------------------------------------------

def test_the_new_one_is_healthy_while_the_old_one_has_the_storage(shared):
    old = shared.start()
    assert old.get(WINTER + "/up").status == 200
    new = shared.start()
    assert new.get("/up").status == 200
    new.wait_log("each tenant is taken over when it is wanted here")
    assert old.state() == "running", "nobody has asked for it"


def test_a_request_takes_the_tenant_over_and_finds_what_was_written(shared):
    old = shared.start()
    write(old, 1)
    new = shared.start()
    write(new, 2)
    assert old.state() == "stopped"
    assert shared.rows() == {1, 2}


def test_only_what_is_wanted_is_taken_over(shared):
    old = shared.start(TWO)
    write(old, 1)
    write(old, 1, APRIL)
    new = shared.start(TWO)
    write(new, 2)
    assert old.state("boston/2025/april") == "running"
    write(old, 2, APRIL)
    assert shared.rows("boston/2025/april") == {1, 2}


def test_requests_that_are_under_way_are_finished_before_the_tenant_goes(shared):
    old = shared.start(server={"drain_timeout": "%ds" % stretched(60)})
    assert old.get(WINTER + "/up").status == 200
    first = Background(old.get, WINTER + "/sleep?until=go", timeout=60)
    wait_until(lambda: old.tenant()["in_flight"] == 1)
    new = shared.start()
    second = Background(new.get, WINTER + "/whoami", timeout=60)
    old.wait_state("draining")
    wait_until(lambda: new.tenant()["held"] == 1)
    assert not second.is_done
    shared.allow("go")
    assert first.result().status == 200
    assert second.result().status == 200
    assert len(shared.lines("boots")) == 2


def test_a_tenant_that_sleeps_is_taken_over_without_a_word_to_its_application(shared):
    old = shared.start()
    write(old, 1)
    assert old.cli("stop", ID).returncode == 0
    new = shared.start()
    write(new, 2)
    assert old.state() == "stopped"
    assert len(shared.lines("boots")) == 2


def test_the_old_one_takes_back_what_it_is_asked_for(shared):
    old = shared.start()
    new = shared.start()
    for row, atc in enumerate([old, new, old, new], 1):
        write(atc, row)
    assert shared.rows() == {1, 2, 3, 4}


def test_both_are_asked_at_once_and_every_request_is_answered(shared):
    old, new = shared.start(), shared.start()
    numbers = itertools.count(1)
    answers = together(6, lambda i: [(old, new)[i % 2].post("%s/ledger?id=%d" % (WINTER, next(numbers)), timeout=120).status
                                     for _ in range(4)])
    assert answers == [[200] * 4] * 6
    assert shared.rows() == set(range(1, 25))


def test_what_runs_from_boot_starts_once_the_old_one_has_ended(shared):
    old = shared.start(start="at_boot")
    old.wait_state("running")
    new = shared.start(start="at_boot")
    assert new.state() == "absent"
    old.stop()
    new.wait_state("running")
    new.wait_log("has all of the storage now")


def test_two_that_come_at_once_get_on_with_each_other(shared):
    old = shared.start(TWO)
    write(old, 1)
    news = together(2, lambda _: shared.start(TWO))
    answers = together(12, lambda i: (old, *news)[i % 3].post(
        "%s/ledger?id=%d" % ((WINTER, APRIL)[i % 2], 100 + i), timeout=120).status)
    assert answers == [200] * 12
    assert shared.rows() == {1, *range(100, 112, 2)}
    assert shared.rows("boston/2025/april") == set(range(101, 112, 2))
    old.stop()
    for row, atc in enumerate(news, 200):
        write(atc, row)


def test_two_that_come_at_once_to_an_empty_storage_have_the_same_secrets(shared):
    shared.config()
    pair = together(2, lambda _: shared.start())
    secrets = [atc.get(WINTER + "/env").json()["SECRET_KEY_BASE"] for atc in pair]
    assert secrets[0] == secrets[1]


def test_a_deployment_follows_a_deployment(shared):
    """Each new one begins while the one before it serves, which ends after that."""
    old = shared.start()
    for row in range(1, 6):
        write(old, 10 * row)
        new = shared.start()
        write(new, 10 * row + 1)
        old.stop()
        old = new
    assert len(shared.rows()) == 10
    sockets = [name for name in os.listdir(shared.home.app / "storage" / "tenants" / ".custody") if name != "lock"]
    assert len(sockets) == 1, sockets


# --- those that do not share ----------------------------------------------

def start_refused(shared, server):
    atc = shared.make_atc()
    atc.write_config(shared.config(server=server))
    return atc.cli("run", "-c", str(atc.config_file), env={"HTTP_PORT": "0"})


def test_without_handover_a_second_one_is_refused(shared):
    old = shared.start(server={"handover": False})
    write(old, 1)
    done = start_refused(shared, {"handover": False})
    assert done.returncode == 1 and "two of them would destroy each other's work" in done.stderr, done


def test_one_that_does_not_share_is_refused_by_those_that_do(shared):
    shared.start()
    done = start_refused(shared, {"handover": False})
    assert done.returncode == 1 and "has the databases in" in done.stderr, done


def test_one_that_does_not_share_is_waited_for(shared):
    """As at the first deployment that shares: the old one knows nothing of it."""
    old = shared.start(server={"handover": False})
    write(old, 1)
    new = shared.start()
    assert new.get("/up").status == 200
    held = Background(new.post, WINTER + "/ledger?id=2", timeout=60)
    wait_until(lambda: new.tenant()["held"] == 1)
    write(old, 3)
    assert not held.is_done
    old.stop()
    assert held.result().status == 200
    assert shared.rows() == {1, 2, 3}


def test_a_container_of_kamals_shares(make_atc):
    atc = make_atc()
    atc.write_config(knobs_config())
    for env, value in (({"KAMAL_CONTAINER_NAME": "calendar-web-1"}, "true"), ({}, "false")):
        dump = atc.cli("dump", "-c", str(atc.config_file), env=env).stdout
        assert "handover: %s" % value in dump, dump


# --- killed ---------------------------------------------------------------

def test_what_a_killed_one_had_is_free(shared):
    old = shared.start()
    write(old, 1)
    new = shared.start()
    kill(old)
    write(new, 2)
    assert shared.rows() == {1, 2}


def test_one_that_is_killed_while_it_hands_over_has_done_so(shared):
    old = shared.start(server={"drain_timeout": "5m"})
    write(old, 1)
    stuck = Background(old.get, WINTER + "/sleep?until=never", timeout=60)
    wait_until(lambda: old.tenant()["in_flight"] == 1)
    new = shared.start()
    held = Background(new.post, WINTER + "/ledger?id=2", timeout=60)
    old.wait_state("draining")
    kill(old)
    assert held.result().status == 200
    with pytest.raises(Exception):
        assert stuck.result().status == 200
    assert shared.rows() == {1, 2}


def test_nothing_is_free_before_the_tenants_of_a_killed_one_are_dead(shared):
    """The guards are stopped: as if the machine were very busy."""
    old = shared.start()
    write(old, 1)
    application = old.tenant()["pid"]
    guards = [pid for pid in processes.children(old.pid) if processes.read(pid, "comm").strip().endswith(b"guard")]
    assert len(guards) == 2
    new = shared.start()
    subprocess.run(["kill", "-STOP", *map(str, guards), str(application)], check=True)
    kill(old)
    held = Background(new.post, WINTER + "/ledger?id=2", timeout=60)
    wait_until(lambda: new.tenant()["held"] == 1)
    holds_for(lambda: not held.is_done, 0.5)
    for guard in guards:
        os.kill(guard, signal.SIGCONT)
    assert held.result().status == 200
    assert shared.rows() == {1, 2}


def test_one_that_starts_again_at_once_waits_for_the_guards_of_the_killed_one(shared):
    atc = shared.start(server={"handover": False})
    write(atc, 1)
    for row in range(2, 6):
        kill(atc)
        atc.again()
        write(atc, row)
    assert shared.rows() == {1, 2, 3, 4, 5}


def test_one_that_is_killed_while_it_waits_leaves_the_tenant_to_the_other(shared):
    old = shared.start(server={"drain_timeout": "%ds" % stretched(60)})
    write(old, 1)
    first = Background(old.get, WINTER + "/sleep?until=go", timeout=60)
    wait_until(lambda: old.tenant()["in_flight"] == 1)
    new = shared.start()
    held = Background(new.get, WINTER + "/whoami", timeout=60)
    old.wait_state("draining")
    kill(new)
    with pytest.raises(Exception):
        assert held.result().status == 200
    shared.allow("go")
    assert first.result().status == 200
    write(old, 2)
    assert shared.rows() == {1, 2}


def test_one_that_is_killed_with_what_it_took_over_leaves_it_to_the_other(shared):
    old = shared.start(start="at_boot")
    write(old, 1)
    new = shared.start()
    write(new, 2)
    kill(new)
    write(old, 3)
    assert shared.rows() == {1, 2, 3}
    wait_until(lambda: "has all of the storage now" in old.log)


# --- with backups ---------------------------------------------------------

def lose_disk(shared):
    shutil.rmtree(shared.home.app / "storage" / "tenants")


def test_what_both_have_written_is_in_the_store(with_store):
    old = with_store.start()
    write(old, 1)
    new = with_store.start()
    write(new, 2)
    old.stop()
    write(new, 3)
    new.stop()
    lose_disk(with_store)
    last = with_store.start()
    write(last, 4)
    assert with_store.rows() == {1, 2, 3, 4}


def test_a_tenant_goes_over_though_the_store_is_silent_and_nothing_is_lost(with_store):
    old = with_store.start()
    write(old, 1)
    new = with_store.start()
    with_store.store.take_away()
    write(old, 2)
    write(new, 3)
    with_store.store.bring_back()
    old.exit_code = 0
    old.stop()
    write(new, 4)
    assert new.cli("stop", ID).returncode == 0
    new.stop()
    lose_disk(with_store)
    last = with_store.start()
    write(last, 5)
    assert with_store.rows() == {1, 2, 3, 4, 5}


def test_what_a_killed_one_left_is_confirmed_by_the_one_that_is_left(with_store):
    old = with_store.start()
    write(old, 1)
    new = with_store.start()
    kill(old)
    new.wait_log("what its last life left is confirmed in the store now", 30)
    new.stop()
    lose_disk(with_store)
    last = with_store.start()
    write(last, 2)
    assert with_store.rows() == {1, 2}


# --- chance ---------------------------------------------------------------

class Deployments:
    """Clients write rows at whichever fly-atc is the newest, while new ones come, and old ones end or are killed."""

    def __init__(self, shared, seed):
        self.shared, self.random = shared, random.Random(seed)
        self.newest, self.acknowledged, self.lock = None, set(), threading.Lock()
        self.number, self.is_over = itertools.count(1), False

    def client(self, _):
        while not self.is_over:
            row, prefix = next(self.number), (WINTER, APRIL)[self.random.randrange(2)]
            try:
                status = self.newest.post("%s/ledger?id=%d" % (prefix, row), timeout=60).status
            except Exception:  # pylint: disable=broad-except
                continue       # it was killed meanwhile
            if status == 200:
                with self.lock:
                    self.acknowledged.add((prefix, row))

    def deploy(self):
        old, new = self.newest, self.shared.start(TWO)
        if self.random.random() < 0.3:
            kill(new)
            return
        self.newest = new
        before = len(self.acknowledged)
        if self.random.random() < 0.5:
            wait_until(lambda: len(self.acknowledged) > before + self.random.randrange(8), 60)
        if self.random.random() < 0.5:
            kill(old)
        else:
            old.stop()

    def run(self, deployments):
        self.newest = self.shared.start(TWO)
        clients = [Background(self.client, i) for i in range(3)]
        for _ in range(deployments):
            self.deploy()
        before = len(self.acknowledged)
        wait_until(lambda: len(self.acknowledged) > before + 4, 60)
        self.is_over = True
        for client in clients:
            client.result()
        self.newest.stop()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_no_row_is_lost_whoever_is_killed_when(with_store, seed):
    """Of a fly-atc that was killed with a row on its disk only, another one on that disk goes on."""
    chance = Deployments(with_store, seed)
    chance.run(8)
    found = {(prefix, row) for prefix, name in ((WINTER, ID), (APRIL, "boston/2025/april")) for row in with_store.rows(name)}
    assert chance.acknowledged <= found
    lose_disk(with_store)
    last = with_store.start(TWO)
    write(last, 100000)
    write(last, 100000, APRIL)
    found = {(prefix, row) for prefix, name in ((WINTER, ID), (APRIL, "boston/2025/april")) for row in with_store.rows(name)}
    assert chance.acknowledged <= found
