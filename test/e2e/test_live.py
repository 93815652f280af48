"""The roster while everything runs: whoever is added serves at once, and what is not known is looked for, but not by every request.
SPDX-License-Identifier: MIT
"""
import itertools
import signal
import subprocess
import time

import pytest

import processes
from atc import WINTER, Background, bound_socket, knobs_config, together
from waiting import holds_for, stretched, wait_until
from wire import Closed, Wire

APRIL = "/boston/2025/april"
DATABASES = {"primary": {"path": "counter.sqlite3", "env": "DATABASE_PATH"}}
SECRET = "the-secret-of-this-fleet"


def start(atc, store, **server):
    return atc.start(knobs_config(backup=store.config, server=server, databases=DATABASES), env=store.environment)


def command(atc, *args, store=None, code=0, env=None):
    """As an operator gives it, who has the keys of the store."""
    done = atc.cli(*args, "-c", str(atc.config_file), env={**(store.environment if store else {}), **(env or {})})
    assert done.returncode == code, done
    return done


def add_elsewhere(make_atc, atc, store, *args):
    """By somebody who cannot tell any fly-atc that runs: somewhere else, with the same file and store."""
    other = make_atc()
    other.config_file.write_text(atc.config_file.read_text())
    command(other, *args, store=store)


def roster(atc):
    return atc.control_json("GET", "/v1/status")["roster"]


in_directory = pytest.mark.parametrize("store", ["file"], indirect=True)


# --- changes that are told ---

def test_a_user_that_is_added_serves_without_a_restart(atc):
    atc.start(knobs_config())
    pid = atc.pid
    assert atc.get(APRIL + "/up").status == 404
    command(atc, "user", "add", "boston", "2025/april")
    assert atc.get(APRIL + "/up").status == 200
    assert atc.whoami(APRIL)["scope"] == APRIL and atc.pid == pid
    assert roster(atc)["version"] == 1


def test_a_user_that_is_removed_while_it_serves_is_answered_and_gone(atc):
    atc.start(knobs_config())
    command(atc, "user", "add", "boston", "2025/april")
    assert atc.get(APRIL + "/up").status == 200
    slow = Background(atc.get, APRIL + "/sleep?until=go")
    wait_until(lambda: atc.tenant("boston/2025/april")["in_flight"] == 1)
    command(atc, "user", "remove", "boston")
    assert atc.get(APRIL + "/up").status == 404
    atc.allow("go", "boston/2025/april")
    assert slow.result().text == "slept\n", "the request in flight was cut"
    assert atc.get(WINTER + "/up").status == 200


def test_who_was_added_is_there_after_a_restart_and_a_reload(atc):
    atc.start(knobs_config())
    command(atc, "user", "add", "boston", "2025/april")
    assert atc.cli("reload").returncode == 0
    assert atc.get(APRIL + "/up").status == 200
    atc.stop()
    atc.again()
    assert atc.get(APRIL + "/up").status == 200


def test_a_hundred_changes_at_once_are_all_in_force(atc):
    """Commands that write, reloads and looks, all at the same time."""
    atc.start(knobs_config(server={"threads": 4}))
    done = together(12, lambda i: command(atc, "user", "add", "u%d" % i, "a"))
    assert all(isinstance(d, subprocess.CompletedProcess) for d in done), done
    assert roster(atc)["version"] == 12
    assert [atc.get("/u%d/a/up" % i).status for i in range(12)] == [200] * 12


# --- what nobody told ---

def test_what_somebody_else_has_added_is_found_by_the_first_request_for_it(make_atc, store):
    atc = make_atc()
    start(atc, store)
    add_elsewhere(make_atc, atc, store, "user", "add", "boston", "2025/april")
    assert atc.post(APRIL + "/count").json()["count"] == 1
    assert roster(atc)["version"] == 1


@in_directory
def test_a_tenant_that_somebody_else_has_added_to_a_user_is_found_too(make_atc, store):
    atc = make_atc()
    start(atc, store)
    assert atc.get(WINTER + "/up").status == 200
    add_elsewhere(make_atc, atc, store, "tenant", "add", "bellevue/2026/spring")
    assert atc.get("/bellevue/2026/spring/up").status == 200


@pytest.mark.parametrize("is_h2", [False, True])
@in_directory
def test_a_request_that_waited_comes_to_the_application_as_it_was(make_atc, store, is_h2):
    """Its head has left the buffer that it came in by the time it is known whose it is."""
    atc = make_atc()
    atc.speaks_h2 = is_h2
    start(atc, store)
    add_elsewhere(make_atc, atc, store, "user", "add", "boston", "2025/april")
    def echoed():
        seen = atc.post(APRIL + "/echo?a=1&b=%2F", b"x" * 70000, [("X-Some", "thing"), ("Cookie", "a=b; c=d")]).json()
        return {**seen, "headers": [h for h in seen["headers"] if h[0].lower() not in ("x-request-id", "x-request-start")]}
    waited = echoed()
    at_once = echoed()
    assert {key: waited[key] for key in waited if waited[key] != at_once[key]} == {}
    assert "thing" in dict(waited["headers"]).values() and waited["size"] == 70000


@in_directory
def test_what_is_nobodys_is_404_and_wakes_nobody(atc, store):
    start(atc, store)
    assert [atc.get("/nobody%d/x" % i).status for i in range(3)] == [404] * 3
    assert atc.state() == "absent"


def test_a_flood_of_unknown_paths_is_no_flood_of_reads(atc, bucket):
    """However many paths are tried at once: a look a second, of two reads at most."""
    start(atc, bucket, threads=2)
    atc.get("/nobody/at/all")
    before, began = bucket.server.requests(), time.monotonic()
    answers = together(40, lambda i: [atc.get("/n%d-%d/x" % (i, k)).status for k in range(4)])
    took = time.monotonic() - began
    assert {status for each in answers for status in each} <= {404, 503}, answers
    assert bucket.server.requests() - before <= 2 * (took + 2), (bucket.server.requests() - before, took)
    assert atc.state() == "absent"
    assert atc.get(WINTER + "/up").status == 200


def test_what_was_not_found_is_remembered_and_costs_no_look(atc, bucket):
    """Within the second that it is remembered: so many answers can only come if none of them waited for a look of its own."""
    start(atc, bucket)
    began = time.monotonic()
    n = sum(1 for _ in itertools.takewhile(lambda _: time.monotonic() - began < 5, iter(lambda: atc.get("/nobody/x").status, None)))
    looks = bucket.server.requests()
    assert n > 6, "each of %d answers took a look of its own" % n
    assert looks < 6 * n


def test_paths_of_crawlers_and_names_that_nobody_can_have_are_404_at_once(atc, bucket):
    start(atc, bucket)
    before = bucket.server.requests()
    for path in ("/robots.txt", "/favicon.ico", "/wp-login.php", "/.env", "/-x/y", "/a%40b/c", "/.fly-atc/roster/changed"):
        assert atc.get(path).status == 404
    assert bucket.server.requests() == before


def test_a_look_that_the_store_does_not_answer_ends_in_404_and_the_others_are_served(atc, bucket):
    start(atc, bucket)
    assert atc.get(WINTER + "/up").status == 200
    bucket.take_away()
    assert atc.get("/nobody/x").status == 404
    assert atc.get(WINTER + "/up").status == 200
    bucket.bring_back()


# --- the store is away, or says nonsense ---

def test_the_last_known_roster_serves_while_the_store_is_silent(make_atc, bucket):
    atc = make_atc()
    start(atc, bucket)
    command(atc, "user", "add", "boston", "2025/april", store=bucket)
    assert atc.post(APRIL + "/count").json()["count"] == 1
    atc.stop()
    bucket.take_away()
    atc.again(env=bucket.environment)
    known = roster(atc)
    assert known["version"] == 1 and known["silence"] and known["age_s"] is not None, known
    assert "roster: cannot be read" in atc.cli("status").stdout
    assert atc.get(APRIL + "/count").json()["count"] == 1, "the last known roster serves what is proven here"
    bucket.bring_back()
    assert atc.get("/nobody/x").status == 404
    wait_until(lambda: atc.get("/nobody/x").status == 404 and not roster(atc)["silence"], 30, "the store is asked again")


def test_an_empty_roster_that_was_kept_is_no_damage(make_atc, bucket):
    atc = make_atc()
    start(atc, bucket)
    assert atc.post("/bellevue/2025/winter/count").json()["count"] == 1
    assert atc.get("/nobody/x").status == 404
    wait_until((atc.app / "storage" / "tenants" / ".fly-atc-roster.json").exists, 30, "it is kept")
    atc.stop()
    bucket.take_away()
    atc.again(env=bucket.environment)
    assert roster(atc)["version"] == 0 and "damaged" not in atc.log
    bucket.bring_back()


def test_a_fresh_machine_reads_the_roster_before_it_serves(make_atc, store):
    one, other = make_atc(), make_atc()
    start(one, store)
    command(one, "user", "add", "boston", "2025/april", store=store)
    start(other, store)
    assert roster(other)["version"] == 1 and roster(other)["silence"] is None
    assert "boston/2025/april" in [t["id"] for t in other.status()["tenants"]]


@in_directory
def test_a_version_that_cannot_be_read_changes_nothing_and_is_told(make_atc, store):
    atc = make_atc()
    start(atc, store)
    command(atc, "user", "add", "boston", "2025/april", store=store)
    changes = sorted((store.root / "_roster" / "changes").iterdir())
    changes[-1].with_name("%010d" % 2).write_text("{ nonsense")
    assert atc.control("POST", "/v1/roster/changed").status == 503
    known = roster(atc)
    assert known["version"] == 1 and "cannot be read" in known["silence"], known
    assert atc.get(APRIL + "/up").status == 200 and atc.get(WINTER + "/up").status == 200
    atc.stop()
    atc.again(env=store.environment)
    assert atc.get(APRIL + "/up").status == 200
    assert "cannot be read" in roster(atc)["silence"]


@in_directory
def test_a_damaged_copy_is_replaced_by_what_the_store_has(make_atc, store):
    atc = make_atc()
    start(atc, store)
    command(atc, "user", "add", "boston", "2025/april", store=store)
    atc.stop()
    kept = atc.app / "storage" / "tenants" / ".fly-atc-roster.json"
    kept.write_text(kept.read_text()[:-30])
    atc.again(env=store.environment)
    assert roster(atc)["version"] == 1
    atc.wait_log("the roster that was kept on this disk cannot be read")
    atc.stop()
    atc.again(env=store.environment)
    assert atc.get(APRIL + "/up").status == 200


def test_with_a_damaged_copy_and_a_silent_store_nobody_is_served_by_guess(make_atc, bucket):
    atc = make_atc()
    start(atc, bucket)
    command(atc, "user", "add", "boston", "2025/april", store=bucket)
    atc.stop()
    bucket.take_away()
    (atc.app / "storage" / "tenants" / ".fly-atc-roster.json").write_text("{")
    atc.again(env=bucket.environment, ready=False)
    atc.wait_exit(1)
    assert "nobody knows who lives here" in atc.log
    bucket.bring_back()
    atc.again(env=bucket.environment)
    assert roster(atc)["version"] == 1


@in_directory
def test_a_roster_that_does_not_fit_the_file_changes_nothing_and_is_told(make_atc, store):
    """Another machine has a newer file, in which a name is free that is taken here."""
    atc, newer = make_atc(), make_atc()
    config = knobs_config(backup=store.config, databases=DATABASES)
    newer.write_config(config)
    atc.start({**config, "users": {"bellevue": {"tenants": ["2025/winter"]}, "salem": {"host": "july.test"}}},
              env=store.environment)
    command(newer, "user", "add", "boston", "host=july.test", store=store)
    answer = atc.control("POST", "/v1/roster/changed")
    assert answer.status == 422, answer
    known = roster(atc)
    assert known["version"] == 0 and known["newest"] == 1 and known["misfit"], known
    assert "does not fit" in atc.cli("status").stdout
    assert atc.get(WINTER + "/up").status == 200
    atc.write_config(config)
    assert atc.cli("reload").returncode == 0
    assert roster(atc)["version"] == 1 and roster(atc)["misfit"] is None
    assert atc.get("/up", host="july.test").status == 200 and atc.state("boston") == "running"


# --- the control socket ---

def ask(atc, method, target, body=None):
    with Wire(atc.control_socket()) as wire:
        return wire.ask(method, target, [("Connection", "close")], body)


def test_users_and_tenants_are_changed_over_the_control_socket(atc):
    atc.start(knobs_config())
    done = ask(atc, "POST", "/v1/roster/users/boston/add?by=dashboard", b'{"tenants": {"2025/april": {}}}')
    assert done.status == 200 and done.json()["version"] == 1 and done.json()["not_yet"] is None, done
    assert atc.get(APRIL + "/up").status == 200, "it is in force when it is answered"
    users = atc.control_json("GET", "/v1/users")["users"]
    assert [(u["name"], [t["id"] for t in u["tenants"]]) for u in users] == [
        ("bellevue", ["bellevue/2025/winter"]), ("boston", ["boston/2025/april"])]
    assert ask(atc, "POST", "/v1/roster/tenants/boston%2F2025%2Fmay/add").status == 200
    assert atc.get("/boston/2025/may/up").status == 200
    assert ask(atc, "POST", "/v1/roster/tenants/boston%2F2025%2Fmay/change", b"idle_timeout: 7m").status == 200
    assert "idle_timeout: 7m" in atc.control("GET", "/v1/config").text
    assert ask(atc, "POST", "/v1/roster/tenants/boston%2F2025%2Fmay/remove").status == 200
    assert atc.get("/boston/2025/may/up").status == 404
    history = atc.control_json("GET", "/v1/roster/history?n=2")["history"]
    assert [record["version"] for record in history] == [4, 3]
    first = atc.control_json("GET", "/v1/roster/history?version=1")["history"]
    assert [(r["version"], r["by"], r["changes"][0]["name"]) for r in first] == [(1, "dashboard", "boston")]
    done = ask(atc, "POST", "/v1/roster/revert?version=1&by=dashboard")
    assert done.status == 200, done
    assert [atc.get("/boston/2025/%s/up" % month).status for month in ("april", "may")] == [200, 404]


def test_what_the_control_socket_refuses_changes_nothing(atc):
    atc.start(knobs_config())
    for target, body, status in (
            ("users/bellevue/add", b"", 409),
            ("users/nobody/change", b"idle_timeout: 1m", 404),
            ("users/boston/add", b"{idle_timeout: often}", 422),
            ("users/boston/add", b"[", 400),
            ("users/boston/frobnicate", b"", 404),
            ("cities/boston/add", b"", 404)):
        answer = ask(atc, "POST", "/v1/roster/" + target, body)
        assert answer.status == status and answer.json()["error"], (target, answer)
    dry = ask(atc, "POST", "/v1/roster/users/boston/add?dry_run=1", b'{"tenants": ["2025/april"]}')
    assert dry.status == 200 and "boston" in dry.json()["text"], dry
    assert atc.get(APRIL + "/up").status == 404 and roster(atc)["version"] == 0
    assert ask(atc, "POST", "/v1/reload", b"x").status == 413
    assert ask(atc, "POST", "/v1/roster/users/boston/add", b" " * 70000).status == 413


def test_a_change_that_the_store_does_not_take_is_503(atc, bucket):
    start(atc, bucket)
    bucket.take_away()
    answer = ask(atc, "POST", "/v1/roster/users/boston/add")
    assert answer.status == 503 and answer.json()["error"], answer
    bucket.bring_back()


def test_a_single_application_has_no_roster(atc):
    atc.start(command=["--", *knobs_config()["app"]["command"]], args=[], env={"KNOBS_DIR": str(atc.home)}, ready=False)
    wait_until(lambda: atc.control_socket() and atc.get("/up").status == 200)
    assert atc.control_json("GET", "/v1/status")["roster"] is None
    assert ask(atc, "POST", "/v1/roster/users/boston/add").status == 409
    assert atc.control("POST", "/v1/roster/changed").status == 409


# --- several machines ---

class Fleet:
    """Machines m0, m1, … of target hosts over one store, on loopback."""

    def __init__(self, make_atc, store, n, **machine):
        self.store, self.all = store, [make_atc() for _ in range(n)]
        for atc in self.all:
            keeper = bound_socket()
            atc.port = keeper.getsockname()[1]
            keeper.close()
        self.machines = {"m%d" % i: {"address": "127.0.0.1:%d" % atc.port} for i, atc in enumerate(self.all)}
        self.machine = machine

    def config(self, users=None):
        return {**knobs_config(users or {"bellevue": {"machine": "m0", "tenants": ["2025/winter"]}}, backup=self.store.config,
                               databases=DATABASES),
                "machines": self.machines, **({"machine": self.machine} if self.machine else {})}

    def start(self, i, **env):
        return self.all[i].start(self.config(), env={**self.store.environment, "ATC_MACHINE": "m%d" % i, **env})

    def command(self, i, *args):
        return command(self.all[i], *args, store=self.store, env={"ATC_MACHINE": "m%d" % i})


def test_the_machines_make_one_secret_between_them(make_atc, store):
    fleet = Fleet(make_atc, store, 2)
    together(2, fleet.start)
    for atc in fleet.all:
        wait_until(lambda: (atc.app / "storage" / "tenants" / ".fly-atc-fleet-secret").exists())
    kept = {(atc.app / "storage" / "tenants" / ".fly-atc-fleet-secret").read_text() for atc in fleet.all}
    assert len(kept) == 1 and len(kept.pop().strip()) == 64
    assert [name for name in store.files() if "_fleet" in name] == ["_fleet/secret"]
    for atc in fleet.all:
        assert (atc.app / "storage" / "tenants" / ".fly-atc-fleet-secret").stat().st_mode & 0o077 == 0
        shown = atc.control("GET", "/v1/config").text + atc.cli("status", "--json").stdout + atc.log
        assert store.path("_fleet/secret").read_text().strip() not in shown


@in_directory
def test_a_configured_secret_leaves_none_in_the_store(make_atc, store):
    fleet = Fleet(make_atc, store, 1)
    fleet.start(0, FLY_ATC_FLEET_SECRET=SECRET)
    assert fleet.all[0].get(WINTER + "/up").status == 200
    assert not [name for name in store.files() if "_fleet" in name]


@in_directory
def test_the_others_are_told_of_a_change(make_atc, store):
    """None is asked for anything meanwhile."""
    fleet = Fleet(make_atc, store, 3)
    for i in range(3):
        fleet.start(i)
    fleet.command(1, "user", "add", "boston", "2025/april", "machine=m2")
    for atc in fleet.all:
        wait_until(lambda: roster(atc)["version"] == 1, what="the machine was told")
    assert fleet.all[2].post(APRIL + "/count").json()["count"] == 1
    done = ask(fleet.all[0], "POST", "/v1/roster/users/salem/add", b"{machine: m1, tenants: [2025/july]}")
    assert done.status == 200, done
    for atc in fleet.all:
        wait_until(lambda: roster(atc)["version"] == 2, what="the machine was told")


def test_nobody_else_can_tell_a_machine_anything(make_atc, bucket):
    fleet = Fleet(make_atc, bucket, 1, secret=SECRET)
    atc = fleet.start(0)
    before = bucket.server.requests()
    for marker in (None, "", "1.c.1:m1::0:0:" + "A" * 43 + "="):
        answer = atc.post("/.fly-atc/roster/changed?version=9", headers=[("Fly-Atc-Hop", marker)] if marker is not None else [])
        assert answer.status in (403, 404, 400), answer
    assert bucket.server.requests() == before


@in_directory
def test_a_machine_that_does_not_answer_holds_nobody_up(make_atc, store):
    fleet = Fleet(make_atc, store, 3)
    fleet.start(0)
    deaf = bound_socket(fleet.all[1].port)
    fleet.command(0, "user", "add", "boston", "2025/april", "machine=m0")
    assert fleet.all[0].get(APRIL + "/up").status == 200
    deaf.close()


def rows_of(atc, target, stop):
    """Post until told to stop; how many were acknowledged."""
    acked = 0
    while not stop:
        try:
            acked += atc.post(target, timeout=60).status == 200
        except (Closed, OSError):
            pass
    return acked


def moments(atc, step):
    """When the tenant made this step of its life, by the log."""
    return [line["time"] for line in atc.log_lines(process="supervisor") if step in line["msg"]]


@in_directory
def test_a_user_that_moves_while_requests_run_is_never_served_by_two_and_loses_nothing(make_atc, store):
    fleet = Fleet(make_atc, store, 2)
    for i in range(2):
        fleet.start(i)
    stop = []
    clients = [Background(rows_of, fleet.all[i % 2], WINTER + "/count", stop) for i in range(4)]
    for there, back in (("m1", 0), ("m0", 1), ("m1", 0)):
        wait_until(lambda b=back: fleet.all[b].state() == "running", 60)
        fleet.command(0, "user", "change", "bellevue", "machine=" + there)
    wait_until(lambda: fleet.all[1].state() == "running" and fleet.all[0].state() in ("stopped", "absent"), 60)
    stop.append(True)
    acked = sum(client.result() for client in clients)
    assert acked > 0
    for atc in fleet.all:
        assert atc.post(WINTER + "/count").json()["count"] > acked
    assert fleet.all[0].get(WINTER + "/count").json()["count"] == acked + 2
    lives = []
    for name, atc in zip(("m0", "m1"), fleet.all):
        begun, ended = moments(atc, "-> starting"), [*moments(atc, "-> stopped"), "9999"]
        lives += [(begin, min(end for end in ended if end > begin), name) for begin in begun]
    lives.sort()
    assert len(lives) == 4, lives
    assert all(before[1] <= after[0] for before, after in zip(lives, lives[1:])), lives


@in_directory
def test_who_lived_on_a_machine_that_is_dead_is_served_by_the_next_one_after_a_while(make_atc, store):
    """It never says that it has given the user up; what it brought to the store is what there is."""
    fleet = Fleet(make_atc, store, 2)
    store.config["restore_timeout"] = "4s"
    for i in range(2):
        fleet.start(i)
    dead, other = fleet.all
    assert dead.post(WINTER + "/count").json()["count"] == 1
    dead.process.kill()
    dead.process.wait()
    dead.ended_as_told = True
    fleet.command(1, "user", "change", "bellevue", "machine=m1")
    assert other.post(WINTER + "/count", timeout=60).status == 200
    other.wait_log("waits until machine m0 has given it up")
    other.wait_log("machine m0 has not given it up")


@in_directory
def test_a_machine_that_was_not_told_finds_out_by_the_request_that_who_is_asked_for_has_moved(make_atc, store):
    fleet = Fleet(make_atc, store, 2)
    for i in range(2):
        fleet.start(i)
    operator = make_atc()
    operator.write_config(fleet.config())
    command(operator, "user", "change", "bellevue", "machine=m1", store=store, env={"ATC_MACHINE": "m0"})
    fleet.all[0].get(WINTER + "/up")
    wait_until(lambda: roster(fleet.all[0])["version"] == 1, 30, "the wake was a reason to look")
    wait_until(lambda: fleet.all[0].get(WINTER + "/up").status == 200 and fleet.all[1].state() == "running", 60)
    wait_until(lambda: fleet.all[0].state() in ("absent", "stopped"), 60)


SEA, ORD = "148e45d7c20978", "3d8d413b29d638"


@in_directory
def test_who_moved_while_a_machine_was_suspended_is_not_served_there_when_it_goes_on(store, make_fly, make_atc):
    """It was asleep when the others were told, and its application still runs: its requests wait until it knows."""
    config = {**knobs_config({"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}},
                             backup={**store.config, "restore_timeout": "10s"}, databases=DATABASES),
              "machine": {"on_idle": "suspend", "idle_timeout": "500ms"}}
    fly = make_fly(config, [{"id": SEA, "region": "sea"}, {"id": ORD, "region": "ord"}])
    for machine in (SEA, ORD):
        fly.wait_output(machine, "serving on")
    assert fly.ask("POST", WINTER + "/count", "sea").json()["count"] == 1
    pid = fly.get(WINTER + "/whoami", "sea").json()["pid"]
    fly.wait(SEA, "suspended")
    operator = make_atc()
    operator.write_config(config)
    command(operator, "user", "change", "bellevue", "machine=" + ORD, env={"FLY_MACHINE_ID": "operator", "FLY_REGION": "sea"})
    for _ in range(5):
        answer = fly.get(WINTER + "/whoami", "sea")
        assert answer.status != 200 or answer.json()["pid"] != pid, "the machine that it has left served it"
    wait_until(lambda: fly.get(WINTER + "/whoami", "sea").status == 200, 60, "it is served on its machine")
    assert fly.get(WINTER + "/count", "ord").json()["count"] == 1


# --- crashes ---

@in_directory
def test_kill_9_at_any_moment_of_a_change_leaves_a_roster_that_serves(make_atc, store):
    atc = make_atc()
    start(atc, store)
    atc.proxy_may_change = True
    for i in range(6):
        change = Background(atc.cli, "user", "add", "u%d" % i, "a", "-c", str(atc.config_file), env=store.environment)
        time.sleep(0.03 * i)
        atc.process.kill()
        atc.process.wait()
        change.result()
        wait_until(lambda: not processes.with_marker(str(atc.home)), what="all are gone")
        atc.again(env=store.environment)
        assert roster(atc)["version"] == len(list((store.root / "_roster" / "changes").iterdir()))
        assert roster(atc)["silence"] is None and roster(atc)["misfit"] is None
    assert atc.get("/u0/a/up").status in (200, 404)


def test_a_proxy_that_dies_while_requests_wait_for_a_look_can_look_again(make_atc, bucket):
    atc = make_atc()
    start(atc, bucket)
    atc.proxy_may_change = True
    atc.get("/nobody/x")
    waiting = Background(atc.get, "/somebody/x")
    processes_before = atc.proxy_pid()
    import os  # pylint: disable=import-outside-toplevel
    os.kill(processes_before, signal.SIGKILL)
    try:
        waiting.result()
    except Exception:  # pylint: disable=broad-except
        pass
    wait_until(lambda: atc.proxy_pid() not in (None, processes_before))
    add_elsewhere(make_atc, atc, bucket, "user", "add", "boston", "2025/april")
    assert wait_until(lambda: atc.get(APRIL + "/up").status == 200)
