"""A fleet through bad days: what a machine finds when others are gone, new, moved, lost or late.

Which test stands for which case of the fleet's matrix is in docs/testing.md.
SPDX-License-Identifier: MIT
"""
import hashlib

import pytest

import processes
import regions
from atc import Background, knobs_config
from test_fly import BELLEVUE, BOSTON, MACHINES, ORD, SEA, SECRET, USERS, started, whereabouts
from waiting import wait_until

DATABASES = {"primary": {"path": "counter.sqlite3", "env": "DATABASE_PATH"}}


def stored(store, **server):
    """The configuration of a fleet whose databases are in a store."""
    return knobs_config(USERS, server, store.config, databases=DATABASES)


def write(fly, path, rows, region="sea"):
    for row in rows:
        answer = fly.ask("POST", "%s/ledger?id=%d" % (path, row), region)
        assert answer.status == 200, answer


def rows(fly, path, region="sea"):
    answer = fly.get(path + "/ledger", region)
    assert answer.status == 200, answer
    return answer.json()["rows"]


def status(fly, machine):
    with fly.machine_wire(machine) as wire:
        return wire.ask("GET", "/v1/status?all=1", [("Connection", "close")]).json()


def wait_confirmed(fly, machine):
    def is_so():
        backup = status(fly, machine)["backup"]
        return not backup["pending"] and all(each["state"] == "confirmed" for each in backup["databases"])
    wait_until(is_so, 60, "what %s wrote is in the store" % machine)


# --- who is not there ---

def test_a_machine_that_was_destroyed_is_an_honest_page_and_the_edge_answers_nothing_itself(make_fly):
    fly = started(make_fly, knobs_config(USERS, server={"replay_timeout": "300ms"}))
    fly.do(SEA, "stop")
    fly.wait(SEA, "stopped")
    assert fly.api("DELETE", "/apps/calendar/machines/" + SEA).status == 200
    answer = fly.get(BELLEVUE + "/whoami", "ord")
    assert (answer.status, answer.error) == (503, "replay_failed") and answer.header("Retry-After")
    assert fly.get(BOSTON + "/whoami", "ord").status == 200, "and the others are served"


@pytest.mark.parametrize("status_of_start", [409, 412])
def test_a_machine_for_which_there_is_no_room_is_an_honest_page_until_there_is(make_fly, status_of_start):
    fly = started(make_fly, knobs_config(USERS, server={"replay_timeout": "300ms"}))
    fly.bring(ORD, "stopped")
    fly.order("fault", kind="capacity", machine=ORD, status=status_of_start, count=0)
    answer = fly.get(BOSTON + "/whoami", "sea")
    assert (answer.status, answer.error) == (503, "replay_failed") and answer.header("Retry-After")
    fly.order("clear")
    assert whereabouts(fly, BOSTON, "sea") == ORD


def test_a_machine_that_is_being_replaced_is_an_honest_page(make_fly):
    fly = started(make_fly, knobs_config(USERS, server={"replay_timeout": "300ms"}))
    fly.bring(ORD, "stopped")
    fly.order("machine", id=ORD, do="state", state="replacing")
    answer = fly.get(BOSTON + "/whoami", "sea")
    assert (answer.status, answer.error) == (503, "replay_failed")
    fly.order("machine", id=ORD, do="state", state="stopped")
    assert whereabouts(fly, BOSTON, "sea") == ORD


# --- a sleep, and what it does to connections ---

def test_connections_that_the_edge_kept_over_a_sleep_answer_each_request_once(make_fly):
    """The machine has closed them meanwhile: the edge finds out when it uses them."""
    fly = started(make_fly, knobs_config(USERS, server={"http_idle_timeout": 1}), switches={"pool_idle": 600.0})
    for _ in range(3):
        assert whereabouts(fly, BOSTON, "sea") == ORD
    for number in range(4):
        fly.bring(ORD, "suspended")
        assert fly.ask("POST", "%s/once?id=%d" % (BOSTON, number), "sea").status == 200
        assert whereabouts(fly, BOSTON, "sea") == ORD
    journal, = fly.path(ORD).parents[1].glob("volumes/*/tenants/boston/2025/april/journal")
    assert journal.read_text().split() == ["0", "1", "2", "3"]


def test_requests_that_meet_a_machine_which_is_just_being_suspended_are_all_answered(make_fly):
    fly = started(make_fly, switches={"suspend_latency": 0.2, "state_lag": 0.3})
    pid = fly.get(BOSTON + "/whoami", "ord").json()["pid"]
    for number in range(3):
        fly.do(ORD, "suspend")
        answers = [Background(fly.get, BOSTON + "/whoami", region) for region in ("sea", "ord", "sea")]
        assert [(each.result().status, each.result().json()["pid"]) for each in answers] == [(200, pid)] * 3, number
        fly.wait(ORD, "started")
    assert fly.codes == []


@pytest.mark.parametrize("volume", [True, False])
def test_a_lost_snapshot_is_a_cold_boot_over_what_the_disk_had(make_fly, store, volume):
    """The root's files are those of the suspend: sockets, pid files and databases of processes that are not there."""
    machines = [{**each, "volume": volume} for each in MACHINES]
    fly = make_fly(stored(store), machines, environment=store.environment)
    for machine in (SEA, ORD):
        fly.wait_output(machine, "serving on")
    write(fly, BOSTON, range(1, 6))
    wait_confirmed(fly, ORD)
    before = fly.get(BOSTON + "/whoami", "ord").json()["pid"]
    fly.bring(ORD, "suspended")
    fly.order("fault", kind="snapshot", machine=ORD)
    assert rows(fly, BOSTON) == 5
    assert fly.get(BOSTON + "/whoami", "ord").json()["pid"] != before
    write(fly, BOSTON, range(6, 9))
    wait_confirmed(fly, ORD)


# --- moved, lost, deployed ---

@pytest.mark.parametrize("volume", ["kept", "lost"])
def test_a_machine_that_moves_to_another_host_has_its_databases_with_or_without_its_volume(make_fly, store, volume):
    fly = started(make_fly, stored(store), environment=store.environment)
    write(fly, BOSTON, range(1, 6))
    wait_confirmed(fly, ORD)
    fly.order("machine", id=ORD, do="migrate", volume=volume)
    assert rows(fly, BOSTON) == 5
    write(fly, BOSTON, range(6, 9))
    assert rows(fly, BOSTON) == 8


def test_after_the_host_was_lost_everything_that_was_confirmed_is_there_on_another(make_fly, store):
    """No signal, no goodbye: the machine is made anew elsewhere, with an empty volume.  What was written since may be lost."""
    fly = started(make_fly, stored(store), environment=store.environment)
    write(fly, BOSTON, range(1, 21))
    with fly.machine_wire(ORD) as wire:
        assert wire.ask("POST", "/v1/tenants/boston/2025/april/stop", [("Connection", "close")]).status == 200
    wait_confirmed(fly, ORD)
    write(fly, BOSTON, range(21, 41))
    fly.order("machine", id=ORD, do="lose_host")
    assert fly.get(BELLEVUE + "/whoami", "sea").status == 200
    fly.order("machine", id=ORD, do="regain_host")
    fly.order("machine", id=ORD, do="migrate", volume="lost")
    assert 20 <= rows(fly, BOSTON) <= 40


def test_a_deployment_while_a_machine_sleeps_is_a_cold_boot_for_the_first_visitor(make_fly, store):
    """Its snapshot is gone, the new version was not launched, and the environment is another."""
    fly = started(make_fly, stored(store), environment=store.environment)
    write(fly, BOSTON, range(1, 4))
    wait_confirmed(fly, ORD)
    fly.bring(ORD, "suspended")
    config = fly.machine(ORD)["config"]
    config["env"] = {**config.get("env", {}), "DEPLOYED": "again"}
    assert fly.api("POST", "/apps/calendar/machines/" + ORD, {"config": config}).status == 200
    assert fly.machine(ORD)["state"] == "stopped"
    answers = [Background(fly.get, BOSTON + "/whoami", region) for region in ("sea", "ord")]
    assert [each.result().status for each in answers] == [200, 200]
    assert processes.environment(answers[0].result().json()["pid"])["DEPLOYED"] == "again"
    assert rows(fly, BOSTON) == 3


# --- what the edge remembers ---

def replays(fly):
    return len(fly.log(what="edge", text="replayed"))


def test_an_edge_that_remembers_asks_the_wrong_machine_once(make_fly):
    fly = started(make_fly, knobs_config(USERS, {"replay_cache": "60s"}))
    for _ in range(5):
        assert whereabouts(fly, BOSTON, "sea") == ORD and whereabouts(fly, BELLEVUE, "ord") == SEA
    assert (replays(fly), fly.codes) == (2, [])
    fly.order("edge", region="sea")
    assert whereabouts(fly, BOSTON, "sea") == ORD and replays(fly) == 3, "it may forget at any time"


def test_an_edge_that_remembers_what_is_no_longer_so_is_put_right(make_fly):
    config = knobs_config(USERS, {"replay_cache": "600s"})
    fly = started(make_fly, config)
    assert whereabouts(fly, BOSTON, "sea") == ORD
    fly.rewrite(lambda config: config["users"].update(boston={"machine": SEA, "tenants": ["2025/april"]}))
    for machine in (SEA, ORD):
        fly.reload(machine)
    before = replays(fly)
    assert [whereabouts(fly, BOSTON, "sea") for _ in range(4)] == [SEA] * 4
    assert replays(fly) == before + 1 and fly.codes == [], "the machine that was remembered has taken it back"
    assert not [pid for pid in processes.with_marker(str(fly.reports)) if "knobs" in processes.command_line(pid)
                and processes.environment(pid)["FLY_MACHINE_ID"] == ORD]


# --- who asks ---

@pytest.mark.parametrize("trusts", [False, True])
def test_whatever_a_client_says_of_fly_the_owner_answers(make_fly, trusts):
    """It is not known whether the edge takes these fields away."""
    fly = started(make_fly, switches={"trust_client_fly_headers": trusts})
    lies = [("fly-replay-failed", "instance=%s;app=calendar;region=ord;replay_source=%s;reason=timeout;elapsed_ms=1" % (ORD, SEA)),
            ("fly-replay-src", "instance=%s;region=ord;t=1;state=atc.2" % ORD), ("fly-client-ip", "192.0.2.1"),
            ("fly-region", "nrt"), ("fly-src", "instance=%s;app=calendar;org=personal;ts=1" % ORD), ("fly-src-signature", "AAAA")]
    for machine in (SEA, ORD):
        for path, owner in ((BELLEVUE, SEA), (BOSTON, ORD)):
            for lie in lies:
                answer = fly.get(path + "/whoami", "sea", [("fly-force-instance-id", machine), lie])
                assert answer.status in ((200, 503) if trusts else (200,)), (machine, lie, answer)
                if answer.status == 200:
                    assert processes.environment(answer.json()["pid"])["FLY_MACHINE_ID"] == owner, lie
    assert fly.codes == []
    for machine, tenant in ((SEA, "boston"), (ORD, "bellevue")):
        assert not list(fly.path(machine).parents[1].glob("machines/%s/**/tenants/%s" % (machine, tenant)))


def test_a_thousand_unknown_paths_wake_nobody(make_fly):
    fly = started(make_fly)
    for machine in (ORD, SEA):
        fly.bring(machine, "stopped" if machine == ORD else "started")
    with fly.wire("sea") as wire:
        assert {wire.get("/%s/x" % name).status for name in ("scan%d" % i for i in range(1000))} == {404}
    assert fly.machine(ORD)["state"] == "stopped" and not fly.log(what="edge", text="woken")
    assert all(each["state"] == "absent" for each in status(fly, SEA)["tenants"])


# --- many ---

def test_no_request_is_lost_or_done_by_two_while_machines_are_killed_suspended_stopped_and_moved():
    """The short form of regions.py."""
    fleet = regions.Fleet("S")
    try:
        fleet.start()
        assert not fleet.tour()
        fleet.run(300, pause=(0.05, 0.2))
        faults, _ = fleet.verdict()
        assert not faults, (faults, fleet.fly.log_sections())
    finally:
        complaints = fleet.close()
        fleet.fly.remove()
    assert not complaints, complaints


@pytest.mark.slow
@pytest.mark.plain
def test_the_platform_puts_one_of_fifty_idle_machines_to_sleep_in_a_pass(make_fly):
    ids = ["%014x" % (0x148e45d7c20978 + i) for i in range(50)]
    users = {"u%d" % i: {"machine": machine, "tenants": ["2025/x"]} for i, machine in enumerate(ids)}
    service = {"protocol": "tcp", "internal_port": 8080, "autostop": "suspend", "autostart": True,
               "ports": [{"port": 443, "handlers": ["tls", "http"]}], "concurrency": {"type": "requests", "soft_limit": 200}}
    fly = make_fly(knobs_config(users), [{"id": each, "region": "sea"} for each in ids], service_of=service)
    for machine in ids:
        fly.wait_output(machine, "serving on")

    def states():
        return [each["state"] for each in fly.api("GET", "/apps/calendar/machines").json()]
    for asleep in range(1, 4):
        assert len(fly.order("autostop")["slept"]) == 1
        wait_until(lambda: "suspending" not in states(), what="it is suspended")
        assert (states().count("suspended"), states().count("started")) == (asleep, 50 - asleep)


# --- bodies of every size, to a machine that sleeps ---

def knowing(make_fly, config=None, **more):
    """A fleet whose machines know each other."""
    fly = started(make_fly, config, environment=SECRET, **more)
    for machine in (SEA, ORD):
        fly.wait_output(machine, "the fleet has 2 machines")
    return fly


MEGABYTE = 1000000


def sent(fly, how, size):
    """The answer to an upload of so many bytes, asked in the wrong region."""
    path, body = BOSTON + "/upload", b"0123456789" * (size // 10) + b"x" * (size % 10)
    if how == "chunked":
        with fly.wire("sea") as wire:
            wire.request("POST", path, [("Transfer-Encoding", "chunked")])
            for at in range(0, size, 100000):
                wire.send(b"%x\r\n%s\r\n" % (len(body[at:at + 100000]), body[at:at + 100000]))
            wire.send(b"0\r\n\r\n")
            return wire.response("POST"), body
    if how == "expect":
        with fly.wire("sea") as wire:
            wire.request("POST", path, [("Content-Length", str(size)), ("Expect", "100-continue")])
            assert wire.head().status == 100
            wire.send(body)
            return wire.response("POST"), body
    return fly.ask("POST", path, "sea", (), body), body


BODIES = [("plain", 0), ("plain", MEGABYTE - 1), ("plain", MEGABYTE), ("plain", MEGABYTE + 1), ("chunked", 300000), ("chunked", 3 * MEGABYTE),
          ("expect", 300000), ("expect", 3 * MEGABYTE)]


@pytest.mark.parametrize("state", ["started", "suspended", "stopped"])
def test_a_body_of_any_size_reaches_a_machine_that_sleeps(make_fly, state):
    """By the edge's replay as far as that goes, else by our own way; the edge is asked for nothing that it cannot do."""
    fly = knowing(make_fly)
    for how, size in BODIES:
        fly.bring(ORD, state)
        answer, body = sent(fly, how, size)
        assert answer.status == 200, (how, size, answer)
        assert (answer.json()["size"], answer.json()["sha256"]) == (size, hashlib.sha256(body).hexdigest()), (how, size)
        assert fly.codes == [] and fly.machine(ORD)["state"] == "started"


@pytest.mark.slow
@pytest.mark.plain
def test_two_gigabytes_reach_a_machine_that_is_stopped_and_the_memory_of_the_one_between_stays_small(make_fly):
    fly = knowing(make_fly)
    fly.bring(ORD, "stopped")
    block, blocks = bytes(1 << 20), 2048
    proxy, = [pid for pid in processes.with_marker(str(fly.reports)) if b"proxy" in processes.read(pid, "cmdline")
              and processes.environment(processes.parent(pid))["FLY_MACHINE_ID"] == SEA]
    with fly.wire("sea", timeout=300) as wire:
        wire.request("POST", BOSTON + "/upload?nohash", [("Content-Length", str(len(block) * blocks))])
        for _ in range(blocks):
            wire.send(block)
        assert wire.response("POST").json()["size"] == len(block) * blocks
    assert processes.peak_rss(proxy) < 64 << 20
    assert fly.codes == []


# --- a name server that lies, a machine of another network ---

def test_a_name_that_leads_to_somebody_else_is_a_clear_answer_and_nobody_else_serves_it(make_fly):
    """The name of one machine leads to another one: it is asked for what it does not have, and says so."""
    fly = knowing(make_fly)
    addresses = fly.told("addresses")["machines"]
    fly.order("fault", kind="dns", name="%s.vm.calendar.internal" % ORD, count=0, answer=["::ffff:" + addresses[SEA]["address"]])
    answer = fly.ask("POST", BOSTON + "/upload", "sea", (), b"x" * (MEGABYTE + 1))
    assert answer.status in (421, 502, 503) and answer.error, answer
    assert not list((fly.home / "sim" / "volumes").glob("*/tenants/boston"))


@pytest.mark.parametrize("fault", ["nxdomain", "servfail", "silent"])
def test_a_name_server_that_does_not_know_is_a_clear_answer_until_it_does(make_fly, fault):
    fly = knowing(make_fly, knobs_config(USERS, start_timeout="3s"))
    fly.order("fault", kind="dns", name="%s.vm.calendar.internal" % ORD, count=0, answer=fault)
    answer = fly.ask("POST", BOSTON + "/upload", "sea", (), b"x" * (MEGABYTE + 1))
    assert answer.status in (502, 503) and answer.error and ORD in answer.text, (answer, answer.text[:500])
    assert fly.get(BOSTON + "/whoami", "sea").status == 200, "what the edge replays needs no names"
    fly.order("clear")
    assert fly.ask("POST", BOSTON + "/upload", "sea", (), b"x" * (MEGABYTE + 1)).status == 200
