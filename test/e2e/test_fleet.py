"""A fleet through bad days: what a machine finds when others are gone, new, moved, lost or late.

Which test stands for which case of the fleet's matrix is in docs/testing.md.
SPDX-License-Identifier: MIT
"""
import hashlib
import json
import re
import socket
import subprocess
import sys

import pytest
import yaml

import processes
import regions
from atc import PROGRAM, ROOT, Background, free_port, knobs_config
from fly import service
from stores import Directory
from test_fly import BELLEVUE, BOSTON, CONFIG, MACHINES, ORD, SEA, SECRET, USERS, started, whereabouts
from waiting import holds_for, wait_until

# Documents name regions that Fly.io has today.
ON_FLY = [{**each, "region": "sjc" if each["region"] == "sea" else each["region"]} for each in MACHINES]

FIFTY = ["%014x" % (0x148e45d7c20978 + i) for i in range(50)]
DATABASES = {"primary": {"path": "counter.sqlite3", "env": "DATABASE_PATH"}}


def stored(store, **server):
    """The configuration of a fleet whose databases are in a store."""
    return knobs_config(USERS, server, {**store.config, "restore_timeout": "20s"}, databases=DATABASES)


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

@pytest.mark.slow
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
    users = {"u%d" % i: {"machine": machine, "tenants": ["2025/x"]} for i, machine in enumerate(FIFTY)}
    fly = make_fly(knobs_config(users), [{"id": each, "region": "sea"} for each in FIFTY], service_of=service(autostop="suspend"))
    for machine in FIFTY:
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


# --- users who come and move while everything runs ---

def fly_atc(fly, machine, *words):
    """A command as an operator gives it on a machine, where its environment is."""
    found = [env for env in map(processes.environment, processes.with_marker(str(fly.config_file))) if env.get("FLY_MACHINE_ID") == machine]
    done = subprocess.run([PROGRAM, *words, "-c", str(fly.config_file)], capture_output=True, text=True, check=False, env=found[0])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_user_who_is_added_is_served_by_the_right_machine_from_everywhere_without_any_restart(make_fly, store):
    fly = started(make_fly, stored(store), environment={**SECRET, **store.environment})
    pids = [fly.get(path + "/whoami", "sea").json()["pid"] for path in (BELLEVUE, BOSTON)]
    assert fly.get("/carla/2026/may/whoami", "ord").status == 404
    fly_atc(fly, SEA, "user", "add", "carla", "machine=" + ORD, "2026/may")
    for region in ("sea", "ord"):
        wait_until(lambda: fly.get("/carla/2026/may/whoami", region).status == 200, 2, "carla is known in " + region)
        assert whereabouts(fly, "/carla/2026/may", region) == ORD
    assert [fly.get(path + "/whoami", "ord").json()["pid"] for path in (BELLEVUE, BOSTON)] == pids
    assert len([line for line in fly.log(what="machine") if line["state"] == "starting"]) == 2


# --- sleep, over the edge ---

def test_a_websocket_through_a_replay_keeps_its_machine_awake_and_the_one_that_sent_it_on_sleeps(make_fly):
    fly = started(make_fly, {**CONFIG, "machine": {"on_idle": "suspend", "idle_timeout": "1s"}}, environment=SECRET)
    fly.wait(ORD, "suspended")
    with fly.wire("sea") as wire:
        wire.websocket(BOSTON + "/ws")
        fly.wait(SEA, "suspended")
        holds_for(lambda: fly.machine(ORD)["state"] == "started", 3, "it is awake while somebody is there")
        wire.send_frame("still here")
        assert wire.frame() == (1, b"still here")
    fly.wait(ORD, "suspended")
    assert not [line for line in fly.log(what="machine", event="stop")]


def test_an_upload_by_our_own_way_keeps_both_machines_awake(make_fly):
    """The platform does not see it: nothing that it counts passes between the machines."""
    fly = knowing(make_fly, {**CONFIG, "machine": {"on_idle": "suspend", "idle_timeout": "1s"}})
    half = b"x" * MEGABYTE
    with fly.wire("sea") as wire:
        wire.request("POST", BOSTON + "/upload?nohash", [("Content-Length", str(2 * MEGABYTE))])
        wire.send(half)
        wait_until(lambda: any(each.get("in_flight") for each in status(fly, ORD)["tenants"]), 30, "it has arrived there")
        holds_for(lambda: {fly.machine(each)["state"] for each in (SEA, ORD)} == {"started"}, 3, "both are awake")
        wire.send(half)
        assert wire.response("POST").json()["size"] == 2 * MEGABYTE
    for machine in (SEA, ORD):
        fly.wait(machine, "suspended")


@pytest.mark.slow
@pytest.mark.plain
def test_fifty_machines_that_put_themselves_to_sleep_all_do(make_fly):
    """What the platform's loop takes fifty passes for."""
    users = {"u%d" % i: {"machine": machine, "tenants": ["2025/x"]} for i, machine in enumerate(FIFTY)}
    fly = make_fly({**knobs_config(users), "machine": {"on_idle": "suspend", "idle_timeout": "1s"}},
                   [{"id": each, "region": "sea"} for each in FIFTY], environment=SECRET)
    for machine in FIFTY:
        fly.wait(machine, "suspended")
    assert whereabouts(fly, "/u7/2025/x", "sea") == FIFTY[7]
    assert [line["machine"] for line in fly.log(what="edge", text="woken")][-1] == FIFTY[7]


# --- the end, and where it listens ---

@pytest.mark.slow
@pytest.mark.plain
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_machine_with_forty_tenants_and_five_seconds_ends_with_everything_in_the_store_or_still_on_its_disk(make_fly, number):
    store = Directory()
    try:
        names = ["2025/t%d" % i for i in range(40)]
        config = knobs_config({"boston": {"machine": ORD, "tenants": names}}, None, store.config, databases=DATABASES)
        fly = make_fly(config, [{"id": ORD, "region": "ord", "config": {"stop_config": {"signal": number, "timeout": "5s"}}}])
        fly.wait_output(ORD, "serving on")
        fly.may_exit = {0, 1, 137}
        for name in names:
            write(fly, "/boston/" + name, [1], "ord")
        fly.do(ORD, "stop")
        fly.wait(ORD, "stopped")
        code = fly.log(what="machine", machine=ORD, event="exit")[-1]["exit_event"]["exit_code"]
        fly.order("machine", id=ORD, do="migrate", volume="kept" if code else "lost")
        for name in names:
            assert rows(fly, "/boston/" + name, "ord") == 1, (name, code)
        fly.do(ORD, "stop")
        fly.wait(ORD, "stopped")
    finally:
        store.remove()


def test_the_edge_comes_by_ipv4_and_the_private_network_by_ipv6(make_fly):
    port = free_port()
    fly = make_fly(knobs_config({"boston": {"machine": ORD, "tenants": ["2025/april"]}}, {"address": "::", "http_port": port}),
                   [{"id": ORD, "region": "ord"}], service_of=service(internal_port=port))
    fly.wait_output(ORD, "serving on")
    assert whereabouts(fly, BOSTON, "ord") == ORD
    with socket.create_connection(("::1", port), 30) as direct:
        direct.sendall(b"GET %s/up HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % BOSTON.encode())
        assert direct.makefile("rb").readline().startswith(b"HTTP/1.1 200")


# --- what people are told to do ---

@pytest.mark.slow
@pytest.mark.plain
def test_the_script_that_asks_the_real_platform_gets_its_answers_from_the_double(make_fly, tmp_path):
    verify = ROOT / "test" / "verify"
    config = {**knobs_config(), **{key: value for key, value in yaml.safe_load((verify / "atc.yml").read_text()).items() if key in ("machine", "users")}}
    config["machine"]["idle_timeout"] = "5s"
    fly = make_fly(config, ON_FLY, environment=SECRET)
    for machine in (SEA, ORD):
        fly.wait_output(machine, "the fleet has 2 machines")
    done = subprocess.run([sys.executable, verify / "run", "--app", "calendar", "--base", "http://%s:%d" % tuple(fly.addresses["edges"]["sjc"]["443"]),
                           "--api", "http://%s:%d" % tuple(fly.addresses["api"]), "--report", tmp_path / "report", "--sleep", "1"],
                          env={"FLY_API_TOKEN": "org-token"}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answers = {name: each["answer"] for name, each in json.loads((tmp_path / "report").read_text())["answers"].items()}
    assert {each["status"] for each in answers["replay"].values()} == {each["status"] for each in answers["bodies"].values()} == {200}
    assert answers["spoofed"]["arrived"] == [] and answers["authorization"]["kept"]
    assert len({each["pid"] for each in answers["wake_suspended"]["each"]}) == 1 and len({each["pid"] for each in answers["wake_stopped"]["each"]}) == 3
    assert (answers["unknown_paths"], answers["own_sleep"]["state"]) == ({"statuses": [404], "state": "stopped"}, "suspended")


def test_two_users_in_two_regions_as_readme_has_them(make_fly, bucket):
    """The machines are put to sleep by themselves, and woken by who comes, wherever that is."""
    text, = re.findall(r"Two users in two regions.*?```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    told = yaml.safe_load(text)
    told["machine"]["idle_timeout"] = "2s"
    fly = make_fly({**knobs_config(backup=bucket.config, databases=DATABASES), **told}, ON_FLY, environment=bucket.environment)
    for machine in (SEA, ORD):
        fly.wait(machine, "suspended")
    for region in ("sjc", "ord"):
        for user, conf in told["users"].items():
            for tenant in conf["tenants"]:
                assert whereabouts(fly, "/%s/%s" % (user, tenant), region) == {"sjc": SEA, "ord": ORD}[conf["region"]]
    for machine in (SEA, ORD):
        fly.wait(machine, "suspended")
    assert fly.codes == []
