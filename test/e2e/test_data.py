"""What a tenant's data needs around its database: the order of a start, its owner, its migrations, and that nothing looks kept which is not.
SPDX-License-Identifier: MIT
"""
import os
import shutil
import signal
import sqlite3
import stat
import sys
import textwrap

import pytest

from atc import KNOBS_COMMAND, WINTER, Background, knobs_config
from test_lifecycle import may_mount
from waiting import wait_until

ID = "bellevue/2025/winter"
APRIL = "/boston/2025/april"
TWO = {"bellevue": {"tenants": ["2025/winter"]}, "boston": {"tenants": ["2025/april"]}}
DATABASES = {"primary": {"path": "counter.sqlite3", "env": "DATABASE_PATH"}}

# Each migration is a transaction of its own, as frameworks have it, and nobody waits for a lock.
MIGRATE = """
    import os, sqlite3, sys
    db = sqlite3.connect(os.environ["DATABASE_PATH"], timeout=0, isolation_level=None)
    db.execute("pragma journal_mode=wal")
    db.execute("create table if not exists counter(n integer)")
    db.execute("create table if not exists migrations(n integer)")
    for n in range(db.execute("select count(*) from migrations").fetchone()[0], int(sys.argv[1])):
        db.execute("begin immediate")
        db.execute("create table t%d(a)" % n)
        db.execute("insert into migrations values (?)", (n,))
        db.execute("commit")
        if n == 30:
            db.execute("pragma wal_checkpoint(restart)")
    with open(os.environ["RUNS"], "a") as runs:
        runs.write(os.environ["FLY_ATC_NAME"] + "\\n")
    os._exit(0)     # with the WAL as it is
"""
EXCLUSIVE = """
    import os, sqlite3, sys
    db = sqlite3.connect(os.environ["DATABASE_PATH"], timeout=1, isolation_level=None)
    db.execute("pragma journal_mode=wal")
    db.execute("pragma main.locking_mode=exclusive")
    db.execute("begin exclusive")
    db.execute("create table if not exists migrations(n integer)")
    db.execute("insert into migrations values (?)", (int(sys.argv[1]),))
    db.execute("commit")
    with open(os.environ["RUNS"], "a") as runs:
        runs.write(os.environ["FLY_ATC_NAME"] + "\\n")
"""
# Looks for two seconds whether a child of fly-atc has the database open too.
ALONE = """
    import os, sqlite3, sys, time
    path = os.environ["DATABASE_PATH"]
    db = sqlite3.connect(path)
    db.execute("pragma journal_mode=wal")
    db.execute("create table if not exists counter(n integer)")
    db.commit()
    supervisor = os.getppid()
    end = time.monotonic() + 2
    while time.monotonic() < end:
        for pid in open("/proc/%d/task/%d/children" % (supervisor, supervisor)).read().split():
            if int(pid) == os.getpid():
                continue
            for number in os.listdir("/proc/%s/fd" % pid):
                try:
                    open_file = os.readlink("/proc/%s/fd/%s" % (pid, number))
                except OSError:
                    continue
                if open_file.startswith(path):
                    sys.exit("process %s has %s open" % (pid, open_file))
        time.sleep(0.05)
"""


def prepare(atc, script, n):
    path = atc.app / "migrate.py"
    path.write_text(textwrap.dedent(script))
    return [sys.executable, "-S", "-E", str(path), str(n)]


def config_of(atc, store, users=None, env=None, **app):
    return knobs_config(users, None, {"restore_timeout": "20s", "sync_timeout": "5s", **store.config}, databases=DATABASES,
                        env={"RUNS": str(atc.home / "runs"), **(env or {})}, **app)


def start(atc, store, users=None, **app):
    return atc.start(config_of(atc, store, users, **app), env=store.environment)


def again(atc, store):
    return atc.again(env=store.environment)


def runs(atc):
    path = atc.home / "runs"
    return path.read_text().split() if path.exists() else []


def ok(atc, prefix=WINTER):
    response = atc.get(prefix + "/up", timeout=60)
    assert response.status == 200, response


def add(atc, n=1, prefix=WINTER):
    for _ in range(n):
        response = atc.post(prefix + "/count")
        assert response.status == 200, response
    return response.json()["count"]


def count(atc, prefix=WINTER):
    response = atc.get(prefix + "/count", timeout=60)
    assert response.status == 200, response
    return response.json()["count"]


def stop_tenant(atc, name=ID):
    done = atc.cli("stop", name)
    assert done.returncode == 0, done
    return done


def lose_disk(atc):
    shutil.rmtree(atc.app / "storage" / "tenants")


def rows(atc, sql, name=ID):
    database = sqlite3.connect(atc.tenant_dir(name) / "counter.sqlite3")
    try:
        return database.execute(sql).fetchall()
    finally:
        database.close()


# --- the order of a start: restore, prepare, register, start ---

def test_migrations_of_new_tenants_find_no_lock(atc, store):
    """Short transactions without a busy timeout, tenant after tenant."""
    names = ["2025/event-%d" % i for i in range(6)]
    start(atc, store, {"bellevue": {"tenants": names}}, prepare=prepare(atc, MIGRATE, 120))
    for name in names:
        ok(atc, "/bellevue/" + name)
    assert sorted(runs(atc)) == sorted(names)
    atc.stop(0)
    lose_disk(atc)
    again(atc, store)
    for name in names:
        ok(atc, "/bellevue/" + name)
        assert rows(atc, "select count(*), sum(n) from migrations", "bellevue/" + name) == [(120, 7140)]


def test_a_new_database_is_nobody_elses_while_it_is_prepared(atc, store):
    start(atc, store, prepare=prepare(atc, ALONE, 0))
    ok(atc)
    assert add(atc) == 1


def test_a_second_deployment_may_take_the_exclusive_lock(atc, store):
    start(atc, store, prepare=prepare(atc, EXCLUSIVE, 1))
    add(atc, 2)
    stop_tenant(atc)
    atc.write_config(config_of(atc, store, prepare=prepare(atc, EXCLUSIVE, 2)))
    assert atc.cli("reload").returncode == 0
    add(atc, 2)
    assert len(runs(atc)) == 2
    stop_tenant(atc)
    lose_disk(atc)
    assert count(atc) == 4
    assert rows(atc, "select n from migrations order by n") == [(1,), (2,)]


def test_what_a_migration_writes_is_in_the_store_before_anybody_is_served(atc, store):
    start(atc, store, prepare=prepare(atc, MIGRATE, 3))
    ok(atc)
    atc.signal(signal.SIGKILL)
    atc.wait_exit(-signal.SIGKILL)
    lose_disk(atc)
    again(atc, store)
    ok(atc)
    assert rows(atc, "select count(*) from migrations") == [(3,)]
    assert len(runs(atc)) == 1, "the store knows that they were done"


def test_a_migration_that_restarts_the_wal_unobserved_is_copied_wholly(atc, store):
    """What a killed life left in the WAL reaches the database's pages alone, if it starts anew while nobody looks."""
    start(atc, store)
    add(atc, 3)
    atc.signal(signal.SIGKILL)
    atc.wait_exit(-signal.SIGKILL)
    atc.write_config(config_of(atc, store, prepare=prepare(atc, MIGRATE, 60)))
    again(atc, store)
    add(atc)
    stop_tenant(atc)
    live = rows(atc, "select n from migrations order by n")
    assert len(live) == 60
    lose_disk(atc)
    assert count(atc) == 4
    assert rows(atc, "select n from migrations order by n") == live
    assert rows(atc, "pragma integrity_check") == [("ok",)]


def test_a_machine_that_dies_while_it_prepares_loses_nothing(atc, store):
    """The mark is there, the proof names the state before; the files here go on, or else the store's."""
    start(atc, store)
    add(atc, 3)
    stop_tenant(atc)
    script = ["sh", "-c", "%s && echo half >> $RUNS && sleep 600" % " ".join(prepare(atc, MIGRATE, 4))]
    atc.write_config(config_of(atc, store, prepare=script))
    assert atc.cli("reload").returncode == 0
    assert atc.cli("start", ID, "--no-wait").returncode == 0
    wait_until(lambda: "half" in runs(atc), 20)
    atc.signal(signal.SIGKILL)
    atc.wait_exit(-signal.SIGKILL)
    copy = atc.home / "copy"
    shutil.copytree(atc.app / "storage" / "tenants", copy)
    lose_disk(atc)
    atc.write_config(config_of(atc, store))
    again(atc, store)
    assert count(atc) == 3, "the store has what was there before"
    atc.stop(0)
    lose_disk(atc)
    shutil.copytree(copy, atc.app / "storage" / "tenants")
    again(atc, store)
    assert count(atc) == 3, "its epoch is over: the older life is set aside"


def test_a_start_after_a_death_while_preparing_goes_on_with_the_files(atc, store):
    start(atc, store)
    add(atc, 3)
    stop_tenant(atc)
    script = ["sh", "-c", "%s && echo half >> $RUNS && sleep 600" % " ".join(prepare(atc, MIGRATE, 4))]
    atc.write_config(config_of(atc, store, prepare=script))
    assert atc.cli("reload").returncode == 0
    assert atc.cli("start", ID, "--no-wait").returncode == 0
    wait_until(lambda: "half" in runs(atc), 20)
    atc.signal(signal.SIGKILL)
    atc.wait_exit(-signal.SIGKILL)
    atc.write_config(config_of(atc, store))
    again(atc, store)
    assert count(atc) == 3
    stop_tenant(atc)
    lose_disk(atc)
    assert count(atc) == 3
    assert rows(atc, "select count(*) from migrations") == [(4,)], "what prepare had committed before it died"


def test_what_a_failed_prepare_has_written_is_not_forgotten(atc, store):
    start(atc, store, prepare=["sh", "-c", "%s; exit 3" % " ".join(prepare(atc, MIGRATE, 3))])
    assert atc.get(WINTER + "/up", timeout=60).status == 503
    wait_until(lambda: atc.tenant()["pid"] is None and not (atc.tenant_dir() / ".fly-atc-open").exists(), 20)
    lose_disk(atc)
    atc.write_config(config_of(atc, store))
    assert atc.cli("reload").returncode == 0
    assert atc.cli("start", ID).returncode == 0
    assert rows(atc, "select count(*) from migrations") == [(3,)]


# --- what prepare leaves, and what it is remembered by ---

def test_a_dump_of_the_schema_makes_no_other_tenant_prepare_again(atc):
    (atc.app / "db" / "migrate").mkdir(parents=True)
    (atc.app / "db" / "migrate" / "1_first.rb").write_text("first")
    script = ["sh", "-c", "%s && date +%%N > db/schema.rb" % " ".join(prepare(atc, MIGRATE, 1))]
    atc.start(knobs_config(TWO, databases=DATABASES, prepare=script, env={"RUNS": str(atc.home / "runs")}))
    for _ in range(3):
        for name, prefix in ((ID, WINTER), ("boston/2025/april", APRIL)):
            ok(atc, prefix)
            stop_tenant(atc, name)
    assert sorted(runs(atc)) == ["2025/april", "2025/winter"]


def test_after_a_restore_prepare_runs_only_if_the_migrations_changed(atc, store):
    start(atc, store, prepare=prepare(atc, MIGRATE, 2))
    add(atc, 2)
    stop_tenant(atc)
    lose_disk(atc)
    assert count(atc) == 2
    assert len(runs(atc)) == 1
    (atc.app / "migrations").mkdir()
    (atc.app / "migrations" / "2_more.sql").write_text("more")
    stop_tenant(atc)
    lose_disk(atc)
    assert count(atc) == 2
    assert len(runs(atc)) == 2


# --- what only looks kept ---

def stranger(atc, store=None, **more):
    """knobs with a database of its own choosing, the same for all tenants."""
    app = {"databases": DATABASES, **more}
    env = {"KNOBS_OTHER_DATABASE": str(atc.app / "data.sqlite3"), **app.pop("env", {})}
    return atc.start(knobs_config(TWO, None, store.config if store else None, env=env, **app),
                     env=store.environment if store else None)


def refused(response):
    return response.status == 503 and "data.sqlite3" not in response.text and "fly-atc status" in response.text


def test_a_database_outside_the_tenants_directory_fails_the_start(atc):
    stranger(atc, env={"KNOBS_OTHER_AT_BOOT": "1"})
    assert refused(atc.get(WINTER + "/up"))
    tenant = atc.tenant()
    assert tenant["state"] == "failed"
    assert str(atc.app / "data.sqlite3") in tenant["reason"] and 'url: "{path}"' in tenant["reason"], tenant["reason"]
    assert "data.sqlite3" in atc.cli("status").stdout
    assert [line for line in atc.log_lines(msg="tenant failed") if "data.sqlite3" in line["reason"]]


def test_who_only_reads_another_database_is_told_how_to_open_it(atc):
    stranger(atc, env={"KNOBS_OTHER_AT_BOOT": "1"})
    assert refused(atc.get(WINTER + "/up"))
    assert "read-only (`mode=ro`)" in atc.tenant()["reason"]


def test_it_is_told_in_full_to_whoever_develops(atc):
    stranger(atc, env={"KNOBS_OTHER_AT_BOOT": "1"}, environment="development")
    assert "data.sqlite3" in atc.get(WINTER + "/up").text


def test_a_database_that_is_opened_late_outside_the_directory_is_found_too(atc):
    stranger(atc)
    assert atc.get(WINTER + "/other").status == 200
    atc.wait_state("failed")
    assert "data.sqlite3" in atc.tenant()["reason"]
    wait_until(lambda: atc.tenant()["pid"] is None)


def test_what_is_opened_later_than_the_first_look_is_found_before_it_sleeps(atc):
    stranger(atc, idle_timeout="1s")
    ok(atc)
    atc.wait_state("stopped")
    ok(atc)
    wait_until(lambda: atc.get(WINTER + "/other").status == 503, 20, "it is refused")
    assert "data.sqlite3" in atc.tenant()["reason"]


def test_a_child_process_with_a_database_outside_is_found(atc):
    worker = "import sqlite3, time; d = sqlite3.connect('%s'); d.execute('create table t(a)'); time.sleep(600)" % (
        atc.app / "data.sqlite3")
    script = '"$1" -c "$2" & while [ ! -s data.sqlite3 ]; do sleep 0.02; done; shift 2; exec "$@"'
    stranger(atc, command=["bash", "-c", script, "bash", sys.executable, worker, *KNOBS_COMMAND])
    assert refused(atc.get(WINTER + "/up"))
    assert "data.sqlite3" in atc.tenant()["reason"]


def test_a_database_that_is_only_read_is_nobodys_fault(atc):
    shared = sqlite3.connect(atc.app / "data.sqlite3")
    shared.execute("create table places(name)")
    shared.close()
    stranger(atc, idle_timeout="1s")
    for _ in range(2):
        assert atc.get(WINTER + "/other?mode=ro").json() == {"tables": 1}
        atc.wait_state("stopped")
    assert atc.tenant()["reason"] is None


@pytest.mark.skipif(not may_mount(), reason="mount namespaces are not permitted here")
def test_a_private_directory_is_its_own_wherever_it_is_seen(atc):
    """In its namespace the database lies in the application's directory, as with Rails."""
    (atc.app / "data").mkdir()
    stranger(atc, private_directories=["data"], env={"KNOBS_OTHER_DATABASE": str(atc.app / "data" / "data.sqlite3")},
             idle_timeout="1s")
    assert atc.get(WINTER + "/other").status == 200
    atc.wait_state("stopped")
    assert atc.tenant()["reason"] is None and not list((atc.app / "data").iterdir())


def test_a_warning_is_enough_where_it_is_said_so(atc):
    stranger(atc, env={"KNOBS_OTHER_AT_BOOT": "1"}, strict_databases=False)
    ok(atc)
    assert "data.sqlite3" in atc.tenant()["warning"] and "data.sqlite3" in atc.cli("status").stdout
    atc.wait_log("every tenant would use the same")


def test_a_declared_database_that_is_missing_fails_the_start(atc):
    atc.start(knobs_config(databases=DATABASES, env={"KNOBS_LATE_DATABASE": "1"}))
    response = atc.get(WINTER + "/up")
    assert response.status == 503 and "counter.sqlite3" not in response.text
    reason = atc.tenant()["reason"]
    assert "counter.sqlite3" in reason and "DATABASE_PATH" in reason and "required: false" in reason


def test_one_that_may_come_later_is_no_fault(atc):
    late = {"primary": {**DATABASES["primary"], "required": False}}
    atc.start(knobs_config(databases=late, env={"KNOBS_LATE_DATABASE": "1"}))
    ok(atc)
    assert atc.tenant()["reason"] is None and atc.tenant()["warning"] is None


def test_a_preset_database_is_missed_only_by_a_backup(make_atc, store):
    """An application of Node need have none; but then nothing of it is copied."""
    without, with_backup = make_atc(), make_atc()
    for atc, config, environment in ((without, None, {}), (with_backup, store.config, store.environment)):
        (atc.app / "package.json").write_text("{}")
        atc.start(knobs_config(None, None, config, framework="node"), env=environment)
    assert without.get(WINTER + "/up").status == 200
    assert with_backup.get(WINTER + "/up").status == 503
    assert "storage/production.sqlite3" in with_backup.tenant()["reason"]


def test_a_backup_with_nothing_to_copy_fails_the_start_and_is_seen_by_check(atc, store):
    atc.start(knobs_config(backup=store.config), env=store.environment)
    assert atc.get(WINTER + "/up").status == 503
    assert "has no database that would be copied" in atc.tenant()["reason"]
    checked = atc.cli("check", "-c", str(atc.config_file), env=store.environment)
    assert ID + " has no database" in checked.stderr and "strict_databases" in checked.stderr


# --- whose a database is ---

def test_a_restored_database_has_its_mode_again(atc, store):
    start(atc, store)
    add(atc, 2)
    path = atc.tenant_dir() / "counter.sqlite3"
    path.chmod(0o660)
    stop_tenant(atc)
    lose_disk(atc)
    assert count(atc) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_restored_database_has_its_owner_again(atc, store):
    start(atc, store)
    add(atc, 2)
    path = atc.tenant_dir() / "counter.sqlite3"
    os.chown(path, 12345, 23456)
    stop_tenant(atc)
    lose_disk(atc)
    assert count(atc) == 2
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


# --- a stop says what it has not done ---

def block(store):
    """The store refuses whatever is written; the returned function ends that."""
    if hasattr(store, "server"):
        store.server.stop()
        return store.server.start
    aside = store.root.with_name(store.root.name + ".aside")
    store.root.rename(aside)
    store.root.write_text("in the way")

    def unblock():
        store.root.unlink()
        aside.rename(store.root)
    return unblock


def test_a_stop_whose_last_state_is_not_in_the_store_says_so_and_fails(atc, store):
    start(atc, store)
    add(atc, 2)
    unblock = block(store)
    add(atc, 3)
    done = atc.cli("stop", ID, timeout=60)
    unblock()
    assert done.returncode == 1 and ID + " is stopped, but its last state is not in the store" in done.stderr, done
    wait_until(lambda: not atc.tenant()["backup_pending"], 60)
    assert atc.cli("stop", ID).returncode == 0
    lose_disk(atc)
    assert count(atc) == 5


def test_a_stop_waits_for_a_store_that_comes_back(atc, store):
    start(atc, store)
    atc.write_config({**config_of(atc, store), "backup": {**store.config, "sync_timeout": "60s"}})
    assert atc.cli("reload").returncode == 0
    add(atc, 2)
    unblock = block(store)
    add(atc, 3)
    stopping = Background(atc.cli, "stop", ID, timeout=90)
    atc.wait_state("stopping", "stopped", timeout=60)
    unblock()
    done = stopping.result(90)
    assert done.returncode == 0, done
    lose_disk(atc)
    assert count(atc) == 5


@pytest.mark.slow
def test_the_end_of_fly_atc_fails_if_a_last_state_is_not_in_the_store(atc, store):
    start(atc, store)
    add(atc, 2)
    unblock = block(store)
    add(atc, 3)
    atc.stop(1)
    unblock()
    assert "is on this disk only" in atc.log and ID in atc.log
    again(atc, store)
    wait_until(lambda: not (atc.tenant_dir() / ".fly-atc-open").exists(), 20)
    atc.stop(0)
    lose_disk(atc)
    again(atc, store)
    assert count(atc) == 5


# --- files, which are not copied ---

def put_files(atc, n, name=ID):
    folder = atc.tenant_dir(name) / "uploads"
    folder.mkdir(exist_ok=True)
    for i in range(n):
        (folder / ("%d.txt" % i)).write_text("kept")


def test_what_is_not_backed_up_is_said_everywhere(atc, store):
    """Knobs itself keeps the files boots and ready; the log, the cache and the database's own do not count."""
    start(atc, store, files="local")
    add(atc)
    put_files(atc, 12)
    for folder in ("tmp", "log"):
        (atc.tenant_dir() / folder).mkdir(exist_ok=True)
        (atc.tenant_dir() / folder / "x").write_text("x")
    said = "14 files"
    assert atc.cli("stop", ID).stdout == ID + " is stopped; not in the backup: 14 files\n"
    assert atc.tenant()["not_backed_up"] == said and "not backed up: " + said in atc.cli("status").stdout
    ok(atc)
    atc.wait_log("not backed up: " + said)
    checked = atc.cli("check", "-c", str(atc.config_file), env=store.environment)
    assert checked.returncode == 0 and "not backed up of %s: %s" % (ID, said) in checked.stdout


def test_the_waiting_page_says_what_is_not_backed_up(atc, store):
    start(atc, store, files="local", waiting_page_after="100ms", env={"KNOBS_BOOT_DELAY": "3"})
    ok(atc)
    put_files(atc, 3)
    stop_tenant(atc)
    page = atc.get(WINTER + "/up", [("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate")])
    assert page.status == 503
    wait_until(lambda: "Not backed up: 5 files" in
               atc.get(WINTER + "/up", [("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate")]).text, 3)


def test_a_tenant_whose_files_are_lost_is_not_served_as_if_it_were_new(atc, store):
    start(atc, store, files="local")
    add(atc, 2)
    put_files(atc, 12)
    stop_tenant(atc)
    copy = atc.home / "copy"
    shutil.copytree(atc.tenant_dir() / "uploads", copy)
    lose_disk(atc)
    answer = atc.get(WINTER + "/count", timeout=60)
    assert answer.status == 503 and str(atc.home) not in answer.text
    assert "14 files" in atc.tenant()["reason"] and "files: none" in atc.tenant()["reason"]
    assert not (atc.tenant_dir() / "counter.sqlite3").exists() and atc.boots() == []
    shutil.copytree(copy, atc.tenant_dir() / "uploads")
    assert atc.cli("start", ID).returncode == 0
    assert count(atc) == 2


def test_files_that_do_not_matter_hold_nobody_up(atc, store):
    start(atc, store, files="local")
    add(atc, 2)
    put_files(atc, 12)
    stop_tenant(atc)
    lose_disk(atc)
    assert atc.get(WINTER + "/count", timeout=60).status == 503
    atc.write_config(config_of(atc, store, files="none"))
    assert atc.cli("reload").returncode == 0
    assert atc.cli("start", ID).returncode == 0
    assert count(atc) == 2 and atc.tenant()["not_backed_up"] is None


def test_an_application_that_keeps_all_in_files_does_not_come_back_empty(atc, store):
    config = knobs_config(backup=store.config, files="local", strict_databases=False)
    atc.start(config, env=store.environment)
    ok(atc)
    stop_tenant(atc)
    assert atc.tenant()["not_backed_up"] == "no database, 2 files"
    lose_disk(atc)
    assert atc.get(WINTER + "/up", timeout=60).status == 503
    assert "2 files" in atc.tenant()["reason"] and atc.boots() == []


def test_a_wake_from_the_disk_asks_for_no_files(atc, store):
    """What was removed while it slept, or by a life that died, is not lost with a disk."""
    start(atc, store, files="local")
    add(atc, 2)
    put_files(atc, 3)
    stop_tenant(atc)
    for path in [atc.tenant_dir() / "boots", atc.tenant_dir() / "ready", *(atc.tenant_dir() / "uploads").iterdir()]:
        path.unlink()
    assert count(atc) == 2


def test_files_of_a_life_that_was_killed_are_known_at_the_next_start(atc, store):
    """It has no database, and its last life never said what it left."""
    config = knobs_config(backup=store.config, files="local", strict_databases=False)
    atc.start(config, env=store.environment)
    ok(atc)
    atc.signal(signal.SIGKILL)
    atc.wait_exit(-signal.SIGKILL)
    again(atc, store)
    wait_until(lambda: not (atc.tenant_dir() / ".fly-atc-open").exists(), 20)
    lose_disk(atc)
    assert atc.get(WINTER + "/up", timeout=60).status == 503
    assert "2 files" in atc.tenant()["reason"]
