"""Databases come back: from sleep, from an empty disk, from a dead daemon; and never as an empty one by mistake.
SPDX-License-Identifier: MIT
"""
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

import processes
from atc import TOOLS, WINTER, Background, knobs_config, together
from s3 import KEY, SECRET
from waiting import holds_for, settled, stretched, wait_until
from wire import Closed

ID = "bellevue/2025/winter"
APRIL = "/boston/2025/april"
TWO = {"bellevue": {"tenants": ["2025/winter"]}, "boston": {"tenants": ["2025/april"]}}
DATABASES = {"primary": {"path": "counter.sqlite3", "env": "DATABASE_PATH"}}


def start(atc, store, users=None, server=None, env=None, **app):
    limits = {"restore_timeout": "%ds" % stretched(20), "sync_timeout": "%ds" % stretched(5)}
    config = knobs_config(users, server, {**limits, **store.config}, databases=DATABASES, **app)
    return atc.start(config, env={**store.environment, **(env or {})})


def again(atc, store):
    return atc.again(env=store.environment)


def add(atc, n=1, prefix=WINTER):
    for _ in range(n):
        response = atc.post(prefix + "/count")
        assert response.status == 200, response
    return response.json()["count"]


def count(atc, prefix=WINTER):
    response = atc.get(prefix + "/count", timeout=60)
    assert response.status == 200, response
    return response.json()["count"]


def lose_disk(atc):
    shutil.rmtree(atc.app / "storage" / "tenants")


def stop_tenant(atc, name=ID):
    done = atc.cli("stop", name)
    assert done.returncode == 0, done


def test_every_committed_row_survives_stop_and_wake(atc, store):
    start(atc, store)
    add(atc, 5)
    stop_tenant(atc)
    assert count(atc) == 5


def test_every_committed_row_survives_the_loss_of_the_disk(atc, store):
    start(atc, store, TWO)
    add(atc, 5)
    add(atc, 2, APRIL)
    for name in (ID, "boston/2025/april"):
        stop_tenant(atc, name)
    lose_disk(atc)
    assert count(atc) == 5 and count(atc, APRIL) == 2
    assert add(atc) == 6
    for name in (ID, "boston/2025/april"):
        stop_tenant(atc, name)
    lose_disk(atc)
    assert count(atc) == 6


@pytest.mark.parametrize("name", [".fly-atc.json", ".counter.sqlite3-fly-atc"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/dev/zero", path)], ids=["pipe", "zero"])
def test_what_cannot_be_a_proof_is_none_and_holds_up_nobody(atc, store, name, make):
    start(atc, store)
    add(atc, 2)
    atc.stop()
    (atc.tenant_dir() / name).unlink()
    make(atc.tenant_dir() / name)
    again(atc, store)
    assert count(atc) == 2
    atc.stop()


def test_no_restore_goes_where_a_tenants_link_leads(atc, store):
    """A link of ours in the tenant's directory may be the operator's; one with a second name is somebody else's work."""
    database = {"primary": {"path": "data/counter.sqlite3", "env": "DATABASE_PATH"}}
    atc.start(knobs_config(None, None, store.config, databases=database), env=store.environment)
    add(atc, 3)
    atc.stop()
    data, victim = atc.tenant_dir() / "data", atc.app / "victim"
    data.rename(victim)
    before = {path.name: path.read_bytes() for path in victim.iterdir() if path.is_file()}
    data.symlink_to(victim)
    os.link(data, atc.tenant_dir() / "second", follow_symlinks=False)
    (atc.tenant_dir() / ".fly-atc.json").unlink()
    again(atc, store)
    assert atc.get(WINTER + "/count", timeout=60).status == 503
    assert {path.name: path.read_bytes() for path in victim.iterdir() if path.is_file()} == before
    (atc.tenant_dir() / "second").unlink()
    data.unlink()
    assert atc.cli("start", ID).returncode == 0
    assert count(atc) == 3


def test_a_pipe_in_the_place_of_the_record_of_migrations_holds_up_nobody(atc, store):
    start(atc, store, TWO, prepare=["true"])
    atc.tenant_dir().mkdir(parents=True)
    os.mkfifo(atc.tenant_dir() / ".prepared")
    asking = Background(atc.get, WINTER + "/count", timeout=60)
    wait_until(lambda: atc.state() not in ("absent", "queued"))
    assert add(atc, 1, APRIL) == 1
    assert asking.result().status == 200


@pytest.mark.slow
@pytest.mark.parametrize("which", ["", "-wal"])
def test_a_pipe_in_the_place_of_a_file_holds_up_nobody(atc, store, which):
    """Whoever opened it would wait for somebody at its other end: the thread, and with it the end of fly-atc."""
    start(atc, store)
    add(atc)
    wait_until(store.files)
    os.mkfifo(atc.tenant_dir() / "pipe")
    os.rename(atc.tenant_dir() / "pipe", str(atc.tenant_dir() / "counter.sqlite3") + which)
    atc.stop(1)
    assert "the last state of a tenant is on this disk only" in atc.log


def test_the_end_of_fly_atc_confirms_everything_first(atc, store):
    start(atc, store, TWO)
    add(atc, 7)
    add(atc, 3, APRIL)
    atc.stop(0)
    lose_disk(atc)
    again(atc, store)
    assert count(atc) == 7 and count(atc, APRIL) == 3


def test_rows_written_just_before_the_end_are_not_lost(atc, store):
    """Within the first second of a registration Litestream would skip its final sync."""
    start(atc, store)
    add(atc, 1)
    atc.stop(0)
    lose_disk(atc)
    again(atc, store)
    assert add(atc) == 2
    atc.stop(0)
    lose_disk(atc)
    again(atc, store)
    assert count(atc) == 2


def test_an_idle_stop_confirms_too(atc, store):
    start(atc, store, idle_timeout="300ms")
    add(atc, 4)
    atc.wait_state("stopped")
    lose_disk(atc)
    assert count(atc) == 4


def test_the_store_is_laid_out_by_tenant_epoch_and_database(atc, store):
    start(atc, store)
    add(atc)
    stop_tenant(atc)
    below = [name.split("/") for name in store.files() if name.startswith("bellevue/2025/winter/")]
    databases = {tuple(parts[:5]) for parts in below if len(parts) > 5}
    assert any(parts[4] == "primary" and parts[3].isalnum() for parts in databases), store.files()


def test_a_killed_fly_atc_goes_on_with_what_is_on_the_disk(atc, store):
    start(atc, store)
    add(atc, 5)
    atc.signal(signal.SIGKILL)
    atc.wait_exit(-signal.SIGKILL)
    again(atc, store)
    assert count(atc) == 5 and add(atc) == 6
    stop_tenant(atc)
    lose_disk(atc)
    assert count(atc) == 6


def test_a_killed_tenant_loses_nothing_that_was_committed(atc, store):
    start(atc, store)
    add(atc, 5)
    atc.get(WINTER + "/kill?signal=9")
    atc.get_until_ok(WINTER + "/up", 10)
    assert count(atc) == 5
    stop_tenant(atc)
    lose_disk(atc)
    assert count(atc) == 5


def test_a_killed_litestream_is_replaced_and_knows_all_databases(atc, store):
    start(atc, store, TWO)
    add(atc, 2)
    add(atc, 2, APRIL)
    first = atc.litestream_pid()
    os.kill(first, signal.SIGKILL)
    assert add(atc, 3) == 5
    wait_until(lambda: atc.litestream_pid() not in (None, first))
    assert add(atc, 1, APRIL) == 3
    for name in (ID, "boston/2025/april"):
        stop_tenant(atc, name)
    lose_disk(atc)
    assert count(atc) == 5 and count(atc, APRIL) == 3
    assert atc.status()["backup"]["daemon"]["restarts"] == 1


@pytest.mark.parametrize("victim", ["litestream", "tenant", "proxy", "supervisor"])
def test_kill_9_of_anybody_under_load_loses_no_confirmed_row(atc, store, victim):
    start(atc, store, max_restarts=1000)
    add(atc)
    atc.proxy_may_change = True
    done, confirmed = threading.Event(), [0]

    def write():
        while not done.is_set():
            try:
                response = atc.post(WINTER + "/count")
            except (OSError, Closed, AssertionError):
                continue
            if response.status == 200:
                confirmed[0] = max(confirmed[0], response.json()["count"])
    writers = [Background(write) for _ in range(3)]
    for _ in range(3):
        before = confirmed[0]
        wait_until(lambda: confirmed[0] > before + 5)
        if victim == "supervisor":
            atc.signal(signal.SIGKILL)
            atc.wait_exit(-signal.SIGKILL)
            again(atc, store)
        else:
            pids = {"litestream": atc.litestream_pid, "proxy": atc.proxy_pid, "tenant": lambda: atc.tenant()["pid"]}
            os.kill(wait_until(pids[victim]), signal.SIGKILL)
    before = confirmed[0]
    wait_until(lambda: confirmed[0] > before)
    done.set()
    for writer in writers:
        writer.result()
    atc.stop(0)
    lose_disk(atc)
    again(atc, store)
    assert count(atc) >= confirmed[0]


def test_litestream_dies_while_a_tenant_stops(atc, store):
    start(atc, store)
    add(atc, 5)
    stopping = Background(atc.cli, "stop", ID)
    os.kill(atc.litestream_pid(), signal.SIGKILL)
    stopping.result()
    wait_until(lambda: not atc.tenant()["backup_pending"], 20)
    assert atc.state() == "stopped"
    lose_disk(atc)
    assert count(atc) == 5


def test_there_is_one_litestream_for_all_and_it_ends_with_us(atc, store):
    start(atc, store, TWO)
    add(atc), add(atc, 1, APRIL)
    pids = [p for p in processes.descendants(atc.pid) if "litestream" in (processes.executable(p) or "")]
    assert len(pids) == 1
    atc.signal(signal.SIGKILL)
    atc.wait_exit(-signal.SIGKILL)
    wait_until(lambda: not processes.is_alive(pids[0]), 5)


def test_a_leftover_wal_never_mixes_with_a_restored_database(atc, store):
    start(atc, store)
    add(atc, 5)
    stop_tenant(atc)
    path = atc.tenant_dir() / "counter.sqlite3"
    path.unlink()
    path.with_name(path.name + "-wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(4096))
    path.with_name(path.name + "-shm").write_bytes(bytes(32768))
    assert count(atc) == 5


def test_an_empty_file_is_a_missing_database(atc, store):
    start(atc, store)
    add(atc, 5)
    stop_tenant(atc)
    path = atc.tenant_dir() / "counter.sqlite3"
    for name in (path.name + "-wal", path.name + "-shm"):
        (path.parent / name).unlink(missing_ok=True)
    path.write_bytes(b"")
    assert count(atc) == 5


def test_a_damaged_backup_is_503_and_never_an_empty_database(atc, store):
    start(atc, store)
    add(atc, 5)
    stop_tenant(atc)
    lose_disk(atc)
    damaged = 0
    for name in store.files():
        if name.endswith(".ltx"):
            path = store.path(name)
            data = bytearray(path.read_bytes())
            data[len(data) // 2:] = bytes(len(data) - len(data) // 2)
            path.write_bytes(data)
            damaged += 1
    assert damaged
    response = atc.get(WINTER + "/count", timeout=60)
    assert response.status == 503 and response.error
    tenant = atc.tenant()
    assert tenant["state"] == "failed" and tenant["reason"]
    assert atc.lines("boots") == []
    database = atc.tenant_dir() / "counter.sqlite3"
    assert not database.exists() or database.stat().st_size == 0


def test_a_backup_that_vanished_is_no_new_tenant(atc, store):
    """The tenant was born, its disk is gone, and the store says that nothing is there: that is a loss, not a birth."""
    start(atc, store)
    add(atc, 5)
    stop_tenant(atc)
    lose_disk(atc)
    for name in store.files():
        if name.endswith(".ltx"):
            store.path(name).unlink()
    if not store.files():
        pytest.fail("nothing in the store records the birth of a tenant")
    response = atc.get(WINTER + "/count", timeout=60)
    assert response.status == 503 and response.error
    assert atc.tenant()["reason"]


@pytest.mark.slow
def test_a_local_file_that_is_damaged_is_not_served(atc, store):
    start(atc, store)
    add(atc, 300)
    stop_tenant(atc)
    path = atc.tenant_dir() / "counter.sqlite3"
    for name in (path.name + "-wal", path.name + "-shm"):
        (path.parent / name).unlink(missing_ok=True)
    data = bytearray(path.read_bytes())
    assert len(data) > 4096
    data[4096:] = b"\x55" * (len(data) - 4096)
    path.write_bytes(data)
    response = atc.get(WINTER + "/count", timeout=60)
    assert response.status == 503 or response.json()["count"] == 300, response
    atc.signal(signal.SIGTERM)
    atc.process.wait(stretched(60))     # with 1 if Litestream cannot read what is left of it
    atc.ended_as_told = True
    assert atc.process.returncode in (0, 1)


def test_many_tenants_are_restored_at_once(atc, store):
    names = ["2025/event-%d" % i for i in range(8)]
    start(atc, store, {"bellevue": {"tenants": names}}, {"max_starting": 8})
    for i, name in enumerate(names):
        add(atc, i + 1, "/bellevue/" + name)
    atc.stop(0)
    lose_disk(atc)
    again(atc, store)
    counts = together(8, lambda i: count(atc, "/bellevue/" + names[i]))
    assert counts == [i + 1 for i in range(8)]


def test_the_database_stays_good_while_it_is_replicated(atc, store):
    start(atc, store)
    assert count(atc) == 0      # the table is there, so that no two make it at the same time
    assert max(together(4, lambda i: add(atc, 50))) == 200
    atc.stop(0)
    lose_disk(atc)
    again(atc, store)
    assert count(atc) == 200
    stop_tenant(atc)
    database = sqlite3.connect(atc.tenant_dir() / "counter.sqlite3")
    assert database.execute("pragma integrity_check").fetchone() == ("ok",)
    database.close()


def test_several_databases_of_a_tenant_are_kept(atc, store):
    other = {"primary": {"path": "counter.sqlite3", "env": "DATABASE_PATH"},
             "second": {"path": "deep/er/second.sqlite3", "env": "SECOND_PATH", "required": False},
             "cache": {"path": "cache.sqlite3", "env": "CACHE_PATH", "backup": False}}
    config = knobs_config(backup=store.config, databases=other)
    atc.start(config, env=store.environment)
    add(atc, 2)
    env = atc.get(WINTER + "/env").json()
    assert env["SECOND_PATH"] == str(atc.tenant_dir() / "deep/er/second.sqlite3")
    for name in ("SECOND_PATH", "CACHE_PATH"):
        database = sqlite3.connect(env[name])
        database.execute("pragma journal_mode=wal")
        with database:
            database.execute("create table t(a)")
            database.execute("insert into t values (42)")
        database.close()
    stop_tenant(atc)
    lose_disk(atc)
    assert count(atc) == 2
    database = sqlite3.connect(env["SECOND_PATH"])
    assert database.execute("select a from t").fetchall() == [(42,)]
    database.close()
    assert not os.path.exists(env["CACHE_PATH"])
    assert not [name for name in store.files() if "/cache/" in name]


# --- S3 only ---

def test_an_unreachable_store_is_503_and_never_an_empty_database(atc, bucket):
    start(atc, bucket)
    add(atc, 5)
    stop_tenant(atc)
    lose_disk(atc)
    bucket.server.stop()
    response = atc.get(WINTER + "/count", [("Accept", "application/json")], timeout=90)
    assert response.status == 503 and response.error and response.header("Retry-After")
    assert not list(atc.tenant_dir().rglob("counter.sqlite3")) and atc.lines("boots") == []
    assert atc.tenant()["reason"]
    bucket.server.start()
    wait_until(lambda: atc.get(WINTER + "/count").status == 200, 60)
    assert count(atc) == 5


def test_a_new_tenant_is_born_only_when_the_store_answers(atc, bucket):
    bucket.server.stop()
    start(atc, bucket)
    assert atc.get(WINTER + "/count", timeout=90).status == 503
    assert atc.lines("boots") == []
    bucket.server.start()
    wait_until(lambda: atc.get(WINTER + "/count").status == 200, 60)
    assert add(atc) == 1


def test_wrong_keys_are_503_with_the_reason(atc, bucket):
    start(atc, bucket, env={"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert atc.get(WINTER + "/count", timeout=90).status == 503
    assert atc.lines("boots") == [] and atc.tenant()["reason"]


@pytest.mark.slow
def test_a_final_sync_that_fails_keeps_the_files_and_is_tried_again(atc, bucket):
    start(atc, bucket)
    add(atc, 5)
    bucket.server.stop()
    add(atc, 3)
    atc.cli("stop", ID, timeout=60)
    wait_until(lambda: atc.tenant()["backup_pending"], 60)
    assert (atc.tenant_dir() / "counter.sqlite3").stat().st_size > 0
    assert ID in atc.cli("status").stdout
    bucket.server.start()
    wait_until(lambda: not atc.tenant()["backup_pending"], 60)
    lose_disk(atc)
    assert count(atc) == 8


def test_a_tenant_serves_on_while_the_store_is_away(atc, bucket):
    start(atc, bucket)
    add(atc, 1)
    bucket.server.stop()
    assert add(atc, 5) == 6
    bucket.server.start()
    stop_tenant(atc)
    wait_until(lambda: not atc.tenant()["backup_pending"], 60)
    lose_disk(atc)
    assert count(atc) == 6


def test_a_sleeping_tenant_costs_no_request(atc, bucket):
    start(atc, bucket)
    add(atc, 2)
    stop_tenant(atc)
    before = settled(bucket.server.requests)
    holds_for(lambda: bucket.server.requests() == before, 6)


@pytest.mark.slow
def test_an_idle_running_tenant_costs_next_to_nothing(atc, bucket):
    start(atc, bucket)
    add(atc, 2)
    wait_until(lambda: time.time() % 300 < 270, 40, "no compaction is due (every five minutes, if there is something new)")
    before = settled(bucket.server.requests, 3)
    holds_for(lambda: True, 20)
    assert bucket.server.requests() - before <= 2


def test_the_keys_stay_with_the_supervisor_and_litestream(atc, bucket):
    start(atc, bucket)
    add(atc)
    for pid in [atc.proxy_pid(), *atc.knobs_pids()]:
        environment = str(processes.environment(pid))
        assert KEY not in environment and SECRET not in environment
    for pid in processes.descendants(atc.pid):
        assert SECRET not in processes.command_line(pid)
    assert SECRET not in atc.log and SECRET not in str(atc.status())
    assert SECRET not in atc.cli("dump", "-c", str(atc.config_file), env=bucket.environment).stdout


def test_the_bucket_of_fly_storage_is_the_default(atc, bucket):
    config = knobs_config(databases=DATABASES)
    atc.start(config, env=bucket.environment)
    add(atc, 3)
    stop_tenant(atc)
    assert [name for name in bucket.server.files() if name.startswith("atc/bellevue/2025/winter/")]
    lose_disk(atc)
    assert count(atc) == 3


def test_status_tells_about_the_backup(atc, store):
    start(atc, store)
    add(atc)
    backup = atc.status()["backup"]
    assert backup["url"] == store.config["url"] and backup["daemon"]["pid"] == atc.litestream_pid()
    installed = subprocess.run([TOOLS / "litestream", "version"], capture_output=True, text=True, check=True).stdout
    assert backup["daemon"]["version"].lstrip("v") == installed.strip().lstrip("v")
