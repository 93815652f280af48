"""A machine's life: its environment, disk, signals, sleep, crashes, hosts, and the loop that stops what nobody uses.
SPDX-License-Identifier: MIT
"""
import fcntl
import socket
import termios
import threading

import pytest

import processes
from atc import Background
from conftest import SEA, SJC, app
from fly import service
from waiting import holds_for, wait_until


def lines(fly, name, machine=SEA):
    """Of a file that the machine keeps on its volume, or on its root."""
    found = [*fly.home.glob("sim/volumes/*/" + name), *fly.path(machine, "rootfs").glob(name)]
    return found[0].read_text().splitlines() if found else []


def one(make_fly, switches=None, volume=True, environment=None, **config):
    """A fleet of one machine, whose configuration has these."""
    return make_fly({"calendar": app({"id": SEA, "region": "sea", "volume": volume, "config": config}, env=environment or {},
                                     primary_region="sea", secrets={"SECRET": "word"})}, switches=switches)


def pid_of(fly, machine=SEA):
    return fly.get("/", "sea", [("fly-force-instance-id", machine)]).json()["pid"]


def test_a_machine_has_its_environment(fly):
    env = processes.environment(pid_of(fly))
    assert (env["FLY_MACHINE_ID"], env["FLY_ALLOC_ID"], env["FLY_REGION"], env["FLY_APP_NAME"]) == (SEA, SEA, "sea", "calendar")
    assert env["FLY_PRIVATE_IP"] == fly.machine(SEA)["private_ip"] and env["FLY_VM_MEMORY_MB"] == "256"
    assert env["FLY_MACHINE_VERSION"] == fly.machine(SEA)["instance_id"] and env["FLY_PROCESS_GROUP"] == "app"


def test_secrets_come_with_a_start_and_environment_is_filled_in(make_fly):
    fly = one(make_fly, environment={"DATA": "{volume}/x", "WHERE": "{address}"})
    env = processes.environment(pid_of(fly))
    assert env["SECRET"] == "word" and env["PRIMARY_REGION"] == "sea"
    assert env["DATA"] == env["FLYSIM_VOLUME"] + "/x" and env["WHERE"] == env["FLYSIM_ADDRESS"]
    fly.api("POST", "/apps/calendar/secrets", {"values": {"SECRET": "other"}})
    fly.bring(SEA, "suspended")
    assert processes.environment(pid_of(fly))["SECRET"] == "word", "a suspended machine goes on as it was"
    fly.bring(SEA, "stopped")
    assert processes.environment(pid_of(fly))["SECRET"] == "other"


def test_a_suspended_machine_is_frozen_with_all_its_processes_and_goes_on(make_fly):
    fly = one(make_fly, environment={"CHILD": "yes"})
    pid = pid_of(fly)
    child, = processes.children(pid)
    fly.bring(SEA, "suspended")
    assert [processes.stat_fields(each)[0] for each in (pid, child)] == ["T", "T"]
    assert pid_of(fly) == pid and processes.stat_fields(child)[0] == "S"
    assert len(lines(fly, "boots")) == 1


def test_a_stopped_machine_loses_its_root_and_keeps_its_volume(make_fly):
    fly = one(make_fly)
    pid_of(fly)
    fly.path(SEA, "rootfs", "stale").touch()
    fly.bring(SEA, "stopped")
    pid_of(fly)
    assert not fly.path(SEA, "rootfs", "stale").exists() and len(lines(fly, "boots")) == 2


@pytest.mark.parametrize("lose", [lambda fly: fly.order("fault", kind="snapshot", machine=SEA), lambda fly: fly.bring(SEA, "stopped")])
def test_a_lost_snapshot_is_a_cold_boot_with_a_stale_root(make_fly, lose):
    fly = one(make_fly)
    pid = pid_of(fly)
    fly.path(SEA, "rootfs", "stale").touch()
    fly.bring(SEA, "suspended")
    lose(fly)
    assert pid_of(fly) != pid and not processes.is_alive(pid)
    assert fly.path(SEA, "rootfs", "stale").exists()


@pytest.mark.parametrize("switches, config, number", [
    ({}, {}, 2), ({"kill_signal": "SIGTERM"}, {}, 15), ({}, {"stop_config": {"signal": "SIGTERM", "timeout": "30s"}}, 15)])
def test_a_stop_is_a_signal_to_the_main_process(make_fly, switches, config, number):
    fly = one(make_fly, switches, **config)
    fly.bring(SEA, "stopped")
    assert len(lines(fly, "signal-%d" % number)) == 1
    assert [event["type"] for event in fly.machine(SEA)["events"][:2]] == ["exit", "stop"]
    exited = next(event for event in fly.machine(SEA)["events"] if event["type"] == "exit")["request"]["exit_event"]
    assert (exited["exit_code"], exited["requested_stop"]) == (0, True)


@pytest.mark.parametrize("final, numbers", [("SIGKILL", ["signal-2"]), ("SIGTERM", ["signal-15", "signal-2"])])
def test_what_does_not_end_is_ended(make_fly, final, numbers):
    fly = one(make_fly, {"final_signal": final}, environment={"STUBBORN": "yes"}, stop_config={"timeout": "50ms"})
    pid = pid_of(fly)
    fly.bring(SEA, "stopped")
    assert not processes.is_alive(pid)
    assert sorted(path.name for path in fly.home.glob("sim/volumes/*/signal-*")) == numbers


@pytest.mark.parametrize("policy, code, comes_back", [("on-failure", 1, True), ("on-failure", 0, False), ("no", 1, False), ("always", 0, True)])
def test_the_restart_policy_says_what_follows_an_exit(make_fly, policy, code, comes_back):
    fly = one(make_fly, restart={"policy": policy})
    fly.get("/exit/%d" % code, "sea")
    if comes_back:
        wait_until(lambda: len(lines(fly, "boots")) == 2)
    else:
        fly.wait(SEA, "stopped")
        assert len(lines(fly, "boots")) == 1
    exited = next(event for event in fly.machine(SEA)["events"] if event["type"] == "exit")["request"]["exit_event"]
    assert (exited["exit_code"], exited["requested_stop"]) == (code, False)


def test_restarts_are_counted(make_fly):
    fly = make_fly({"calendar": app({"id": SEA, "region": "sea", "config": {"init": {"exec": ["false"]}, "restart": {"max_retries": 2}}})}, waits=False)
    fly.wait(SEA, "stopped")
    assert len([line for line in fly.log(what="machine", event="exit")]) == 3


def test_a_crash_is_restarted(make_fly):
    fly = one(make_fly)
    fly.order("machine", id=SEA, do="crash")
    wait_until(lambda: len(lines(fly, "boots")) == 2)
    assert pid_of(fly)


def test_a_lost_host_is_not_reached_until_it_is_back(make_fly):
    fly = one(make_fly, {"connect_limit": 0.1})
    pid = pid_of(fly)
    fly.order("machine", id=SEA, do="lose_host")
    machine = fly.machine(SEA)
    assert machine["host_status"] == "unreachable" and machine["config"] is None and machine["incomplete_config"]
    assert not processes.is_alive(pid) and not lines(fly, "signal-2")
    assert fly.get("/", "sea").status == 502
    fly.order("machine", id=SEA, do="regain_host")
    fly.order("switches", connect_limit=8.0)
    assert pid_of(fly) != pid


@pytest.mark.parametrize("volume, boots", [("kept", 2), ("lost", 1)])
def test_a_migrated_machine_has_another_address_and_perhaps_another_volume(make_fly, volume, boots):
    fly = one(make_fly)
    before = fly.machine(SEA)
    fly.order("machine", id=SEA, do="migrate", volume=volume)
    assert pid_of(fly)
    after = fly.machine(SEA)
    assert after["private_ip"] != before["private_ip"] and after["config"]["mounts"] != before["config"]["mounts"]
    assert len(list(fly.home.glob("sim/volumes/%s/boots" % after["config"]["mounts"][0]["volume"]))) == 1
    path, = fly.home.glob("sim/volumes/%s/boots" % after["config"]["mounts"][0]["volume"])
    assert len(path.read_text().splitlines()) == boots


@pytest.mark.parametrize("config", [{"guest": {"memory_mb": 4096}}, {"init": {"swap_size_mb": 512}}, {"schedule": "daily"}])
def test_what_cannot_be_suspended_is_refused(make_fly, config):
    fly = one(make_fly, **config)
    fly.do(SEA, "suspend", expect=412)
    assert fly.machine(SEA)["state"] == "started"


def test_the_memory_that_can_be_suspended_is_a_switch(make_fly):
    fly = one(make_fly, {"suspend_max_mb": 4096}, guest={"memory_mb": 4096})
    fly.bring(SEA, "suspended")


@pytest.mark.parametrize("interruptible", [True, False])
def test_a_start_ends_a_suspend_that_is_under_way_or_waits(make_fly, interruptible):
    fly = one(make_fly, {"suspend_latency": 0.5, "interruptible_suspend": interruptible})
    pid = pid_of(fly)
    fly.do(SEA, "suspend")
    assert fly.machine(SEA)["state"] == "suspending" and pid_of(fly) == pid
    states = [line["state"] for line in fly.log(what="machine", machine=SEA)]
    assert ("suspended" in states) == (not interruptible)


def test_a_destroyed_machine_is_gone(make_fly):
    fly = one(make_fly)
    pid = pid_of(fly)
    assert fly.api("DELETE", "/apps/calendar/machines/" + SEA).status == 412
    assert fly.api("DELETE", "/apps/calendar/machines/%s?force=true" % SEA).json() == {"ok": True}
    assert not processes.is_alive(pid) and fly.api("GET", "/apps/calendar/machines").json() == []


def test_a_simulator_that_is_killed_leaves_no_process(make_fly):
    fly = one(make_fly, environment={"CHILD": "yes"})
    pid = pid_of(fly)
    child, = processes.children(pid)
    shim = processes.parent(pid)
    fly.process.kill()
    fly.process.wait()
    wait_until(lambda: not any(processes.is_alive(each) for each in (shim, pid, child)))
    fly.close = lambda: ""
    fly.process.stdin.close()
    fly.process.stdout.close()


# -- checks --

def test_a_machine_whose_check_fails_is_out_of_rotation_until_it_passes(make_fly):
    check = {"type": "http", "path": "/up", "interval": "20ms", "grace_period": "0s"}
    fly = make_fly({"calendar": app({"id": SEA, "region": "sea"}, {"id": SJC, "region": "sjc"}, service=service(checks=[check]))})

    def answers():
        return fly.get("/", "sea").json()["machine"]

    def shown():
        return [each["status"] for each in fly.machine(SEA)["checks"]]
    wait_until(lambda: shown() == ["passing"])
    fly.path(SEA, "rootfs", "ill").touch()
    wait_until(lambda: shown() == ["critical"])
    assert answers() == SJC and fly.machine(SEA)["state"] == "started", "neither restarted nor stopped"
    fly.path(SEA, "rootfs", "ill").unlink()
    wait_until(lambda: answers() == SEA)


def test_a_check_is_no_load_and_wakes_nobody(make_fly):
    check = {"type": "http", "path": "/up", "interval": "20ms", "grace_period": "0s"}
    fly = make_fly({"calendar": app({"id": SEA, "region": "sea", "volume": True}, service=service(checks=[check], autostop="suspend"))})
    wait_until(lambda: len(lines(fly, "checked")) > 2)
    assert fly.order("autostop")["slept"] == [SEA]
    fly.wait(SEA, "suspended")
    checked = len(lines(fly, "checked"))
    holds_for(lambda: len(lines(fly, "checked")) == checked and fly.machine(SEA)["state"] == "suspended", 0.2)


# -- autostop --

def group(make_fly, n, autostop, **more):
    machines = [{"id": "%014x" % (i + 1), "region": "sea", "config": more.pop("config", {}) if i == 0 else {}} for i in range(n)]
    return make_fly({"calendar": app(*machines, service=service(autostop=autostop, **more), primary_region="sea")})


def states(fly):
    return sorted(each["state"] for each in fly.api("GET", "/apps/calendar/machines").json())


def wait_states(fly, *wanted):
    wait_until(lambda: states(fly) == sorted(wanted))


@pytest.mark.parametrize("how, state", [("suspend", "suspended"), ("stop", "stopped")])
def test_a_pass_puts_one_machine_of_a_region_to_sleep(make_fly, how, state):
    fly = group(make_fly, 3, how)
    for asleep in (1, 2, 3):
        assert len(fly.order("autostop")["slept"]) == 1
        wait_states(fly, *[state] * asleep, *["started"] * (3 - asleep))
    assert fly.order("autostop")["slept"] == []


def test_as_many_stay_as_the_primary_region_wants(make_fly):
    fly = group(make_fly, 2, "stop", min_machines_running=1)
    assert [len(fly.order("autostop")["slept"]) for _ in range(1)] == [1]
    wait_states(fly, "started", "stopped")
    assert fly.order("autostop")["slept"] == []


def test_the_last_one_stays_while_it_has_load(make_fly):
    fly = group(make_fly, 1, "suspend")
    with fly.wire("sea") as wire:
        wire.websocket("/ws")
        assert fly.order("autostop")["slept"] == []
    wait_until(lambda: fly.order("autostop")["slept"])


def test_what_cannot_be_suspended_is_stopped(make_fly):
    fly = group(make_fly, 1, "suspend", config={"init": {"swap_size_mb": 512}})
    fly.order("autostop")
    wait_states(fly, "stopped")


def test_a_websocket_is_told_before_its_machine_is_put_to_sleep(make_fly):
    fly = group(make_fly, 2, "suspend", concurrency={"type": "requests", "soft_limit": 200})
    with fly.wire("sea") as one_wire, fly.wire("sea") as other:
        for i, wire in enumerate((one_wire, other)):
            wire.websocket("/ws", [("fly-force-instance-id", "%014x" % (i + 1))])
        slept, = fly.order("autostop")["slept"]
        fly.wait(slept, "suspended")
        told, spared = (one_wire, other) if slept == "%014x" % 1 else (other, one_wire)
        assert told.frame() == (8, b"\x03\xe9") and told.is_closed()
        spared.send_frame("x")
        assert len(spared.exactly(7)) == 7


def test_the_loop_runs_by_itself(make_fly):
    fly = make_fly({"calendar": app({"id": SEA, "region": "sea"}, {"id": SJC, "region": "sjc"}, service=service(autostop="suspend"))},
                   switches={"autostop_every": 0.05}, waits=False)
    wait_states(fly, "suspended", "suspended")
    assert fly.machine(SEA)["config"]["services"][0]["autostop"] == "suspend"


def test_a_machine_that_is_moved_or_restarted_is_started_once_whoever_asks_for_it_meanwhile(make_fly):
    fly = one(make_fly)
    pids, over = set(), threading.Event()

    def ask():
        while not over.is_set():
            pids.add(pid_of(fly))
    asking = Background(ask)
    wait_until(lambda: pids, what="somebody asks")
    for _ in range(4):
        fly.order("machine", id=SEA, do="migrate")
        fly.wait(SEA, "started")
        fly.do(SEA, "restart")
        fly.wait(SEA, "started")
    over.set()
    asking.result()
    starts = [line for line in fly.log(what="machine", machine=SEA) if line["state"] == "starting"]
    assert len(starts) == 9, "once in the beginning, and once for each"


@pytest.mark.parametrize("is_silent", [True, False])
def test_what_is_sent_to_a_suspended_machine_arrives_nowhere(make_fly, is_silent):
    """Neither a new connection nor what was sent on an old one; both go on when it is awake, as TCP tries again."""
    fly = one(make_fly, switches={"silent_while_suspended": is_silent})
    pid_of(fly)
    address = (fly.told("addresses")["machines"][SEA]["address"], 8080)
    old = socket.create_connection(address, 10)
    fly.bring(SEA, "suspended")
    old.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    new = socket.socket()
    new.settimeout(0.5)
    unsent = int.from_bytes(fcntl.ioctl(old, termios.TIOCOUTQ, bytes(4)), "little")
    try:
        new.connect(address)
        is_connected = True
    except TimeoutError:
        is_connected = False
    assert (is_connected, unsent == 0) == (not is_silent, not is_silent) or fly.log(what="not silent")
    fly.bring(SEA, "started")
    old.settimeout(60)
    assert old.recv(4096).startswith(b"HTTP/1.1 200")
    assert pid_of(fly)
    for each in (old, new):
        each.close()
