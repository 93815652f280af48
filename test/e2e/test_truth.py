"""What the store has is what the databases are: whatever Litestream missed, whoever wrote unobserved, whatever died.
SPDX-License-Identifier: MIT
"""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import threading

import pytest

from atc import PROGRAM, WINTER, Background, knobs_config
from chaos import KINDS, Chaos
from test_backup import APRIL, DATABASES, ID, TWO, again, count, lose_disk, start, stop_tenant
from waiting import wait_until
from wire import Closed

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "fly-atc" / "bin"


def lossy():
    """Litestream 0.5.17, which loses commits where SQLite begins its WAL anew; built so that it says v0.5.18."""
    program = CACHE / "litestream-lossy"
    assert program.exists(), "script/setup builds %s" % program
    assert "0.5.18" in subprocess.run([program, "version"], capture_output=True, text=True).stdout
    return str(program)


def passed(atc, program):
    """As if it had been tried, and had kept everything."""
    version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    trials = atc.app / "storage" / "tenants" / ".trials"
    trials.mkdir(parents=True, exist_ok=True)
    (trials / ("%s-%s" % (version, hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()))).touch()
    return program


def litestream():
    found = shutil.which("litestream", path="%s:%s" % (os.environ["PATH"], CACHE))
    assert found, "script/setup builds it"
    return found


class Writer:
    """The application's own connection to its database, next to it: rows as fast as SQLite takes them."""

    def __init__(self, atc, name=ID):
        self.path = atc.tenant_dir(name) / "counter.sqlite3"
        self.database = sqlite3.connect(self.path, timeout=20, isolation_level=None)
        self.database.execute("pragma synchronous=off")
        self.database.execute("create table if not exists r(id integer primary key, text text)")
        self.rows = self.database.execute("select count(*) from r").fetchone()[0]

    def write(self, n):
        for _ in range(n):
            self.rows += 1
            self.database.execute("insert into r values (?, ?)", (self.rows, "row %d" % self.rows))

    def write_at_once(self, n):
        self.database.execute("begin")
        self.write(n)
        self.database.execute("commit")

    def salt(self):
        return pathlib.Path(str(self.path) + "-wal").read_bytes()[16:24]

    def write_until_anew(self, after):
        before = self.salt()
        for _ in range(300):
            self.write(5)
            if self.salt() != before:
                self.write(after)
                return

    def close(self):
        self.database.close()


def rows_of(atc, name=ID):
    database = sqlite3.connect(atc.tenant_dir(name) / "counter.sqlite3")
    found = database.execute("select id, text from r order by id").fetchall()
    assert database.execute("pragma integrity_check").fetchone()[0] == "ok"
    database.close()
    return found


def assert_all_come_back(atc, rows):
    """The tenant has ended: its disk is lost, it wakes, and every row is there."""
    lose_disk(atc)
    assert atc.get(WINTER + "/count", timeout=60).status == 200
    assert rows_of(atc) == [(i, "row %d" % i) for i in range(1, rows + 1)]


def confirmed(atc):
    backup = atc.status()["backup"]
    return backup["daemon"]["state"] == "ready" and all(d["state"] == "confirmed" for d in backup["databases"])


def test_more_rows_than_a_wal_holds_come_back(atc, store):
    start(atc, store)
    count(atc)
    writer, over = Writer(atc), threading.Event()

    def asks():
        while not over.is_set():
            assert atc.get(WINTER + "/count").status == 200
    askers = [Background(asks) for _ in range(2)]
    before = len(store.files())
    for _ in range(4):
        writer.write(1200)
        wait_until(lambda: len(store.files()) > before)
        before = len(store.files())
    over.set()
    for asker in askers:
        asker.result()
    writer.close()
    stop_tenant(atc)
    assert_all_come_back(atc, writer.rows)
    assert "is not the database" not in atc.log


def test_what_litestream_missed_is_found_by_comparing_and_copied_whole(atc, store):
    store.config["program"] = passed(atc, lossy())
    start(atc, store)
    count(atc)
    writer = Writer(atc)
    for _ in range(3):
        before = len(store.files())
        writer.write(150)
        wait_until(lambda: len(store.files()) > before)
        before = len(store.files())
        writer.write_until_anew(10)
        wait_until(lambda: len(store.files()) > before)
    writer.close()
    stop_tenant(atc)
    assert "is not the database" in atc.log, "this Litestream lost nothing: the test proves nothing"
    assert_all_come_back(atc, writer.rows)


@pytest.mark.slow
def test_what_litestream_missed_is_found_while_the_tenant_runs(atc, store):
    store.config.update(program=passed(atc, lossy()), verify_interval="1s")
    start(atc, store)
    count(atc)
    writer = Writer(atc)
    for _ in range(3):
        before = len(store.files())
        writer.write(150)
        wait_until(lambda: len(store.files()) > before)
        before = len(store.files())
        writer.write_until_anew(10)
        wait_until(lambda: len(store.files()) > before)
    atc.wait_log("is not the database", 60)
    wait_until(lambda: confirmed(atc), 60)
    # The machine dies: what was confirmed is what was there.
    atc.signal(signal.SIGKILL)
    atc.wait_exit(-signal.SIGKILL)
    rows, _ = writer.rows, writer.close()
    lose_disk(atc)
    passed(atc, lossy())
    again(atc, store)
    assert atc.get(WINTER + "/count", timeout=60).status == 200
    assert rows_of(atc) == [(i, "row %d" % i) for i in range(1, rows + 1)]


def database_of(atc, name):
    return next(database for database in atc.status()["backup"]["databases"] if database["tenant"] == name)


def mortal(atc, store):
    """A Litestream that does not come back from its death while there is a file: the function that makes and removes it."""
    program, grave = atc.home / "dies", atc.home / "dead"
    program.write_text('#!/bin/sh\n[ "$1" = replicate ] && [ -e %s ] && exit 1\nexec %s "$@"\n' % (grave, litestream()))
    program.chmod(0o755)
    store.config["program"] = str(program)

    def bury(is_dead):
        if is_dead:
            grave.touch()
            os.kill(atc.litestream_pid(), signal.SIGKILL)
        else:
            grave.unlink()
    return bury


def test_what_was_written_while_litestream_was_dead_is_copied(atc, store):
    bury = mortal(atc, store)
    start(atc, store)
    count(atc)
    writer = Writer(atc)
    before = len(store.files())
    writer.write(200)
    wait_until(lambda: len(store.files()) > before)
    bury(True)
    writer.write_until_anew(10)  # the end of what Litestream knows is still in its place, behind what is new
    bury(False)
    wait_until(lambda: confirmed(atc), 60)
    writer.write(10)
    writer.close()
    stop_tenant(atc)
    assert_all_come_back(atc, writer.rows)


def test_what_an_operator_wrote_while_the_tenant_slept_is_copied(atc, store):
    start(atc, store)
    count(atc)
    writer = Writer(atc)
    writer.write(300)
    writer.close()
    stop_tenant(atc)
    writer = Writer(atc)
    writer.write(2000)
    writer.close()
    assert count(atc) == 0
    stop_tenant(atc)
    assert_all_come_back(atc, 2300)


def replace_by(atc, how):
    """A new database in the place of the present one, as maintenance does it; returns its rows."""
    path = str(atc.tenant_dir() / "counter.sqlite3")
    new = path + ".new"
    if how == "vacuum into":
        database = sqlite3.connect(path)
        rows = database.execute("select count(*) from r").fetchone()[0]
        database.execute("vacuum into ?", (new,))
        database.close()
    else:
        rows = 700
        database = sqlite3.connect(new)
        database.executescript("pragma journal_mode=wal; create table r(id integer primary key, text text);")
        database.executemany("insert into r values (?, ?)", [(i, "row %d" % i) for i in range(1, rows + 1)])
        database.commit()
        database.close()
    for name in (path + "-wal", path + "-shm"):
        pathlib.Path(name).unlink(missing_ok=True)
    if how == "delete":
        os.unlink(path)
    os.rename(new, path)
    return rows


@pytest.mark.parametrize("how", ["rename", "vacuum into", "delete"])
def test_a_database_that_was_replaced_is_never_confirmed_as_it_was(atc, store, how):
    start(atc, store)
    count(atc)
    writer = Writer(atc)
    writer.write(2000)
    writer.close()
    wait_until(lambda: confirmed(atc))
    rows = replace_by(atc, how)
    stop_tenant(atc)
    wait_until(lambda: not atc.tenant()["backup_pending"], 60)
    assert_all_come_back(atc, rows)


@pytest.mark.slow
def test_a_wake_waits_for_no_store_that_refuses_writes(atc, store):
    start(atc, store)
    assert atc.post(WINTER + "/count").status == 200
    stop_tenant(atc)
    obstacle = store.path(ID + "/HEAD.tmp") if store.name == "file" else None
    if obstacle:
        obstacle.mkdir()  # HEAD can be read, and not be written
        assert atc.post(WINTER + "/count").json()["count"] == 2
        assert "its changes do not reach the store" in atc.log
        atc.cli("stop", ID)
        wait_until(lambda: atc.tenant()["backup_pending"], 30)
        obstacle.rmdir()
    else:
        store.server.stop()
        assert atc.post(WINTER + "/count", timeout=60).json()["count"] == 2
        atc.cli("stop", ID, timeout=60)
        wait_until(lambda: atc.tenant()["backup_pending"], 60)
        store.server.start()
    wait_until(lambda: not atc.tenant()["backup_pending"], 90)
    lose_disk(atc)
    assert count(atc) == 2


@pytest.mark.slow
def test_a_store_that_is_not_there_at_the_start_stops_nobody_whose_files_are_proven(atc, store):
    start(atc, store, TWO)
    for prefix in (WINTER, APRIL):
        assert atc.post(prefix + "/count").status == 200
    atc.stop(0)
    shutil.rmtree(atc.tenant_dir("boston/2025/april"))
    store.take_away()
    again(atc, store)
    assert atc.post(WINTER + "/count", timeout=60).json()["count"] == 2
    gone = atc.get(APRIL + "/count", timeout=60)
    assert gone.status == 503 and "the store gives no answer" in atc.tenant("boston/2025/april")["reason"]
    wait_until(lambda: database_of(atc, ID)["why"], 60, "the status says that its changes reach no store")
    assert not confirmed(atc)
    store.bring_back()
    wait_until(lambda: database_of(atc, ID)["state"] == "confirmed", 90)
    atc.get_until_ok(APRIL + "/count", 60)
    assert count(atc, APRIL) == 1
    for name in (ID, "boston/2025/april"):
        stop_tenant(atc, name)
    lose_disk(atc)
    assert count(atc) == 2


def test_a_directory_that_never_was_the_store_is_a_mistake_at_the_start(atc):
    atc.write_config(knobs_config(backup={"url": "file://%s/bakcups" % (atc.home / "file")}, databases=DATABASES))
    (atc.home / "file").touch()
    done = atc.cli("run", "-c", str(atc.config_file))
    assert done.returncode == 1 and "backup.url: file://%s/file/bakcups: cannot make" % atc.home in done.stderr


@pytest.mark.slow
def test_a_wake_waits_for_no_litestream_that_dies_again_and_again(atc, store):
    bury = mortal(atc, store)
    start(atc, store)
    assert atc.post(WINTER + "/count").status == 200
    stop_tenant(atc)
    bury(True)
    answer = atc.post(WINTER + "/count", timeout=30)
    assert answer.status == 200 and answer.json()["count"] == 2
    wait_until(lambda: atc.status()["backup"]["daemon"]["restarts"] >= 4, 30)  # its pauses are seconds by now
    atc.cli("stop", ID, timeout=60)
    assert atc.post(WINTER + "/count").json()["count"] == 3
    bury(False)
    wait_until(lambda: confirmed(atc), 60)
    stop_tenant(atc)
    lose_disk(atc)
    assert count(atc) == 3


@pytest.mark.slow
def test_a_litestream_that_hangs_is_ended_with_its_reason(atc, store):
    start(atc, store)
    assert atc.post(WINTER + "/count").status == 200
    first = atc.litestream_pid()
    os.kill(first, signal.SIGSTOP)
    assert atc.post(WINTER + "/count").status == 200
    wait_until(lambda: atc.litestream_pid() not in (None, first), 45)
    assert "Litestream did not answer" in atc.log
    wait_until(lambda: confirmed(atc), 30)
    stop_tenant(atc)
    lose_disk(atc)
    assert count(atc) == 2


def test_status_says_what_was_compared(atc, store):
    start(atc, store)
    assert atc.post(WINTER + "/count").status == 200
    stop_tenant(atc)
    assert atc.post(WINTER + "/count").status == 200
    database, = wait_until(lambda: atc.status()["backup"]["databases"])
    assert database["verified_txid"] > 0 and database["state"] == "confirmed"


def check(atc, program, **environment):
    atc.write_config({"server": {"storage": "storage"}, "app": {"framework": "generic", "command": "true", "databases": DATABASES},
                      "users": {"a": {"tenants": ["b"]}}, "backup": {"url": "file://%s/store" % atc.home, "program": str(program)}})
    return atc.cli("check", "-c", str(atc.config_file), timeout=60,
                   env={"XDG_CACHE_HOME": str(atc.home / "cache"), "PATH": "%s:%s" % (CACHE, os.environ["PATH"]), **environment})


def test_check_refuses_a_litestream_that_loses_commits_whatever_it_says(atc):
    done = check(atc, lossy())
    assert done.returncode != 0
    assert "loses commits" in done.stderr and "came back" in done.stderr and "0.5.18" in done.stderr
    assert check(atc, lossy()).returncode != 0  # nothing is remembered of it


def test_check_refuses_a_litestream_whose_restore_leaves_something_out(atc):
    program = atc.home / "forgets"
    program.write_text('#!/bin/bash\nset -e\n[ "$1" = restore ] || exec %s "$@"\n%s "$@"\n'
                       'while [ "$1" != -o ]; do shift; done\nsqlite3 "$2" "delete from rows where id = 700"\n' % (litestream(), litestream()))
    program.chmod(0o755)
    done = check(atc, program)
    assert done.returncode != 0 and "loses commits" in done.stderr


def test_check_tries_a_litestream_once(atc):
    assert check(atc, "litestream").returncode == 0
    trials = list((atc.home / "cache" / "fly-atc" / "trials").iterdir())
    assert trials
    assert check(atc, "litestream", TMPDIR="/nowhere").returncode == 0  # it would have no place to try
    for trial in trials:
        trial.unlink()
    done = check(atc, "litestream", TMPDIR="/nowhere")
    assert done.returncode != 0 and "could not be tried" in done.stderr


def copies(store):
    return [name for name in store.files() if name.endswith(".ltx")]


def test_run_refuses_a_litestream_that_loses_commits_before_anything_is_copied(atc, store):
    store.config["program"] = lossy()
    start(atc, store)
    asked = Background(atc.post, WINTER + "/count", timeout=60)
    atc.wait_exit(1, 60)
    try:
        asked.result()
    except (OSError, Closed):
        pass  # it came while all was ending
    assert "loses commits" in atc.log and "came back" in atc.log
    assert not copies(store)


def test_run_tries_a_litestream_once(atc, store):
    cache = {"XDG_CACHE_HOME": str(atc.home / "cache")}
    store.environment = {**store.environment, **cache}
    start(atc, store)
    assert atc.post(WINTER + "/count", timeout=60).status == 200
    assert copies(store)
    atc.stop(0)
    assert atc.log.count("was tried, and keeps") == 1
    shutil.rmtree(atc.home / "cache")  # as in a new container; the storage stays
    again(atc, store)
    assert atc.post(WINTER + "/count", timeout=60).status == 200
    atc.stop(0)
    assert atc.log.count("was tried, and keeps") == 1


def test_a_tenant_whose_files_are_proven_does_not_wait_for_the_trial(atc, store):
    start(atc, store, TWO)
    assert atc.post(WINTER + "/count").status == 200
    atc.stop(0)
    program, gate = atc.home / "slow", atc.home / "gate"
    program.write_text('#!/bin/sh\nwhile [ "$1" = replicate ] && [ -e %s ]; do sleep 0.05; done\nexec %s "$@"\n' % (gate, litestream()))
    program.chmod(0o755)
    gate.touch()
    before, tried = copies(store), atc.log.count("was tried, and keeps")
    store.config["program"] = str(program)
    start(atc, store, TWO)
    assert atc.post(WINTER + "/count", timeout=60).json()["count"] == 2
    born = Background(atc.post, APRIL + "/count", timeout=60)
    assert atc.status()["backup"]["daemon"]["pid"] is None and "on trial" in atc.status()["backup"]["daemon"]["why"]
    assert copies(store) == before and atc.log.count("was tried, and keeps") == tried
    gate.unlink()
    assert born.result().status == 200
    wait_until(lambda: confirmed(atc), 90)
    for name in (ID, "boston/2025/april"):
        stop_tenant(atc, name)
    lose_disk(atc)
    assert count(atc) == 2


def test_a_trial_that_cannot_be_made_is_made_again(atc, store):
    program, broken = atc.home / "broken", atc.home / "is-broken"
    program.write_text('#!/bin/sh\n[ "$1" = replicate ] && [ -e %s ] && exit 1\nexec %s "$@"\n' % (broken, litestream()))
    program.chmod(0o755)
    broken.touch()
    store.config["program"] = str(program)
    start(atc, store)
    atc.wait_log("could not be tried", 60)
    assert not copies(store)
    broken.unlink()
    atc.wait_log("was tried, and keeps", 60)
    atc.get_until_ok(WINTER + "/count", 60)


def test_check_refuses_old_litestreams_by_name_and_reason(atc):
    program = atc.home / "old"
    program.write_text("#!/bin/sh\necho v0.5.17\n")
    program.chmod(0o755)
    done = check(atc, program)
    assert done.returncode != 0
    assert "is Litestream v0.5.17; fly-atc needs 0.5.18 or newer, since older ones lose commits" in done.stderr


def test_no_acknowledged_row_is_missing_after_any_kind_of_death(atc, store):
    chaos = Chaos(atc, store)
    chaos.start()
    chaos.run(1500, [kind for kind in KINDS if kind != "hang"])
    assert sum(map(len, chaos.acknowledged.values())) > 500
    assert not chaos.compare()


def test_the_record_names_the_old_replica_until_the_new_one_is_confirmed(atc, store):
    start(atc, store)
    count(atc)
    writer = Writer(atc)
    writer.write(50)
    writer.close()
    stop_tenant(atc)
    head = json.loads(store.path(ID + "/HEAD").read_text())
    assert head["epoch"] == 1 and head["state"] == "sealed"
    writer = Writer(atc)
    writer.write(50)
    writer.close()
    assert count(atc) == 0
    head = json.loads(store.path(ID + "/HEAD").read_text())
    assert head["epoch"] == 2 and head["databases"]["primary"]["epoch"] == 2
    assert [left["epoch"] for left in head["left"]] == [1]
