"""A tenant's life: it starts when asked for, stops when idle, and never under somebody's request.
SPDX-License-Identifier: MIT
"""
import datetime
import json
import os
import signal
import subprocess
import threading
import time

import pytest

import processes
from atc import WINTER, Background, knobs_config, together
from waiting import holds_for, stretched, wait_until

TWO = {"bellevue": {"tenants": ["2025/winter"]}, "boston": {"tenants": ["2025/april"]}}
APRIL = "/boston/2025/april"
AS_ROOT = [] if os.getuid() == 0 else ["--user", "--map-root-user"]     # for unshare


def test_a_tenant_starts_with_its_first_request_and_not_before(atc):
    atc.start(knobs_config(TWO))
    assert atc.boots() == [] and atc.state() == "absent"
    assert atc.whoami()["boots"] == 1
    assert atc.state() == "running" and atc.state("boston/2025/april") == "absent"
    assert atc.boots("boston/2025/april") == []


def test_a_tenant_may_start_with_fly_atc(atc):
    atc.start(knobs_config({"bellevue": {"tenants": {"2025/winter": {"start": "at_boot"}, "2025/summer": None}}}))
    atc.wait_state("running")
    assert len(atc.boots()) == 1 and atc.boots("bellevue/2025/summer") == []


def test_an_idle_tenant_is_asked_to_end_and_wakes_again(atc):
    atc.start(knobs_config(idle_timeout="300ms"))
    first = atc.whoami()["pid"]
    atc.wait_state("stopped")
    assert not processes.is_alive(first)
    atc.wait_log("signal SIGTERM")
    second = atc.whoami()
    assert second["pid"] != first and second["boots"] == 2


def test_each_tenant_has_its_own_idle_timeout(atc):
    atc.start(knobs_config({"bellevue": {"tenants": {"2025/winter": {"idle_timeout": "200ms"}, "2025/summer": None}}}))
    for name in ("winter", "summer"):
        atc.get("/bellevue/2025/%s/up" % name)
    atc.wait_state("stopped")
    holds_for(lambda: atc.state("bellevue/2025/summer") == "running", 0.5)


def test_requests_keep_a_tenant_awake(atc):
    atc.start(knobs_config(idle_timeout="2s"))
    def ask():
        assert atc.get(WINTER + "/up").status == 200
        return True
    holds_for(ask, 4)
    assert len(atc.boots()) == 1


def moment_of(atc, text):
    """When the log says so, in seconds, by its own clock."""
    line = json.loads(wait_until(lambda: [line for line in atc.log.splitlines() if text in line])[0])
    return datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp()


# --- idle stop must not happen ---

def test_no_idle_stop_during_a_request(atc):
    atc.start(knobs_config(idle_timeout="200ms"))
    assert atc.get(WINTER + "/sleep?s=1.5").text == "slept\n"
    assert len(atc.boots()) == 1
    atc.wait_state("stopped")


def test_no_idle_stop_while_a_websocket_is_open(atc):
    atc.start(knobs_config(idle_timeout="200ms"))
    with atc.wire().websocket(WINTER + "/ws") as wire:
        holds_for(lambda: atc.state() == "running", 1.2)
        assert wire.send_frame("awake?").message() == "awake?"
    atc.wait_state("stopped")
    assert len(atc.boots()) == 1


def test_no_idle_stop_during_an_event_stream(atc):
    atc.start(knobs_config(idle_timeout="200ms"))
    with atc.wire() as wire:
        wire.request("GET", WINTER + "/sse?n=2&gap=1.2")
        wire.head()
        holds_for(lambda: atc.state() == "running", 1)
    atc.wait_state("stopped")
    assert len(atc.boots()) == 1


def test_no_idle_stop_during_a_slow_upload(atc):
    atc.start(knobs_config(idle_timeout="200ms"))
    with atc.wire() as wire:
        wire.request("POST", WINTER + "/upload", [("Content-Length", "2")]).send(b"1")
        atc.wait_state("running")
        holds_for(lambda: atc.state() == "running", 1.2)
        assert wire.send(b"2").response("POST").json()["size"] == 2
    assert len(atc.boots()) == 1


def test_the_idle_time_counts_from_the_last_byte(atc):
    atc.start(knobs_config(idle_timeout="800ms"))
    atc.get(WINTER + "/sleep?s=1")
    atc.wait_state("stopping", "stopped")
    assert moment_of(atc, "running -- idle -> ") - moment_of(atc, "/sleep") > 0.7


def test_a_tenant_without_idle_timeout_stays(atc):
    atc.start(knobs_config(idle_timeout=0))
    atc.get(WINTER + "/up")
    holds_for(lambda: atc.state() == "running", 1)


# --- stopping ---

def test_the_stop_signal_can_be_another(atc):
    atc.start(knobs_config(stop_signal="INT"))
    atc.get(WINTER + "/up")
    assert atc.cli("stop", "bellevue/2025/winter").returncode == 0
    atc.wait_log("signal SIGINT")


def test_who_ignores_sigterm_is_killed_after_the_stop_timeout(atc):
    atc.start(knobs_config(env={"KNOBS_IGNORE_TERM": "1"}, stop_timeout="500ms"))
    pid = atc.whoami()["pid"]
    began = time.monotonic()
    assert atc.cli("stop", "bellevue/2025/winter").returncode == 0
    assert 0.4 < time.monotonic() - began < stretched(5)
    assert not processes.is_alive(pid) and atc.state() == "stopped"


def test_143_after_sigterm_is_a_clean_stop(atc):
    atc.start(knobs_config(env={"KNOBS_TERM_EXIT": "143"}))
    atc.get(WINTER + "/up")
    assert atc.cli("stop", "bellevue/2025/winter").returncode == 0
    tenant = atc.tenant()
    assert (tenant["state"], tenant["reason"], tenant["restarts"]) == ("stopped", None, 0)


@pytest.mark.parametrize("how", ["group", "setsid"])
def test_grandchildren_end_with_their_tenant(atc, how):
    """Also those that ignore SIGTERM, and those that left for a session of their own."""
    atc.start(knobs_config(env={"KNOBS_GRANDCHILD": how}, stop_timeout="1s"))
    atc.get(WINTER + "/up")
    grandchild = int(atc.lines("grandchildren")[0])
    assert processes.is_alive(grandchild)
    assert atc.cli("stop", "bellevue/2025/winter").returncode == 0
    wait_until(lambda: not processes.is_alive(grandchild), 3)


def test_a_request_during_the_stop_is_held_and_starts_the_tenant_again(atc):
    atc.start(knobs_config(env={"KNOBS_TERM_UNTIL": "go"}, idle_timeout="200ms", stop_timeout="10m"))
    atc.get(WINTER + "/up")
    atc.wait_state("stopping")
    asked = Background(atc.whoami)
    wait_until(lambda: atc.tenant()["held"] == 1)
    atc.allow("go")
    assert asked.result()["boots"] == 2


def test_stop_and_start_by_hand(atc):
    atc.start(knobs_config())
    assert atc.cli("start", "bellevue/2025/winter").returncode == 0
    assert atc.state() == "running" and len(atc.boots()) == 1
    assert atc.cli("restart", "bellevue/2025/winter").returncode == 0
    assert atc.state() == "running" and len(atc.boots()) == 2
    assert atc.cli("stop", "bellevue/2025/winter").returncode == 0
    assert atc.state() == "stopped"
    assert atc.whoami()["boots"] == 3


def test_a_stop_by_hand_waits_for_requests_in_flight(atc):
    atc.start(knobs_config())
    atc.get(WINTER + "/up")
    slow = Background(atc.get, WINTER + "/sleep?until=go")
    wait_until(lambda: atc.tenant()["in_flight"] == 1)
    stop = Background(atc.cli, "stop", "bellevue/2025/winter")
    wait_until(lambda: atc.state() != "running")
    holds_for(lambda: not slow.is_done and not stop.is_done, 0.3)
    atc.allow("go")
    assert stop.result().returncode == 0
    assert slow.result().text == "slept\n"


# --- the end of fly-atc ---

def test_sigterm_ends_everything_with_0(atc):
    atc.start(knobs_config(TWO))
    pids = [atc.whoami()["pid"], atc.whoami(APRIL)["pid"]]
    atc.stop(0)
    assert not any(processes.is_alive(pid) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end_lets_requests_in_flight_finish(atc, number):
    atc.start(knobs_config())
    atc.get(WINTER + "/up")
    wait_until(lambda: atc.tenant()["in_flight"] == 0)
    slow = Background(atc.get, WINTER + "/sleep?until=go")
    wait_until(lambda: atc.tenant()["in_flight"] == 1)
    atc.signal(number)
    atc.wait_log("stop -> draining")
    holds_for(lambda: not slow.is_done and atc.is_running, 0.3)
    atc.allow("go")
    assert slow.result().text == "slept\n"
    atc.wait_exit(0)


def test_the_end_does_not_wait_for_ever(atc):
    atc.start(knobs_config(server={"drain_timeout": "500ms"}, env={"KNOBS_IGNORE_TERM": "1"}, stop_timeout="500ms"))
    atc.get(WINTER + "/up")
    with atc.wire() as wire:
        wire.request("GET", WINTER + "/stall")
        wait_until(lambda: atc.tenant()["in_flight"] == 1)
        atc.stop(0)     # of what is under way nothing would ever end by itself


def test_the_end_comes_during_a_start_too(atc):
    atc.start(knobs_config(env={"KNOBS_BOOT_UNTIL": "never"}, start_timeout="10m"))
    held = Background(atc.get, WINTER + "/up")
    atc.wait_state("starting")
    atc.stop(0)
    assert (held.result().status, held.result().error) == (503, "draining")


def test_twenty_running_tenants_end_with_sigterm(atc):
    names = ["2025/event-%02d" % i for i in range(20)]
    atc.start(knobs_config({"bellevue": {"tenants": names}}, server={"max_starting": 4}, env={"KNOBS_TERM_DELAY": "1"}))
    answers = together(20, lambda i: atc.get("/bellevue/%s/whoami" % names[i], timeout=60).json()["pid"])
    assert len(set(answers)) == 20
    began = time.monotonic()
    atc.stop(0)
    assert time.monotonic() - began < 20, "one waited for the end of the other"
    assert not any(processes.is_alive(pid) for pid in answers)


def test_kill_9_of_the_supervisor_ends_everything(atc):
    atc.start(knobs_config(TWO, env={"KNOBS_GRANDCHILD": "group", "KNOBS_IGNORE_TERM": "1"}))
    pids = [atc.whoami()["pid"], atc.whoami(APRIL)["pid"], atc.proxy_pid(),
            *map(int, atc.lines("grandchildren"))]
    os.kill(atc.pid, signal.SIGKILL)
    atc.wait_exit(-signal.SIGKILL)
    wait_until(lambda: not any(processes.is_alive(pid) for pid in pids), 5)


def guards(atc):
    return {processes.read(pid, "comm").decode().strip(): pid for pid in processes.children(atc.pid)
            if b"guard" in processes.read(pid, "comm")}


def killed_together(atc, *more):
    """Both in the same moment: nobody can start another one in between."""
    pids = [atc.whoami()["pid"], *map(int, atc.lines("grandchildren"))]
    assert len(pids) == 2
    os.kill(atc.pid, signal.SIGSTOP)
    for pid in (*more, atc.pid):
        os.kill(pid, signal.SIGKILL)
    atc.wait_exit(-signal.SIGKILL)
    wait_until(lambda: not any(processes.is_alive(pid) for pid in pids), 10)


@pytest.mark.parametrize("name", ["fly-atc-guard", "atc-guard"])
@pytest.mark.parametrize("how", ["group", "setsid"])
def test_kill_9_of_the_supervisor_and_a_guard_ends_everything(atc, name, how):
    atc.start(knobs_config(env={"KNOBS_GRANDCHILD": how, "KNOBS_IGNORE_TERM": "1"}))
    killed_together(atc, guards(atc)[name])


def test_who_kills_by_name_or_command_line_leaves_nothing(atc):
    """pkill -9 fly-atc, with or without -f."""
    atc.start(knobs_config(env={"KNOBS_GRANDCHILD": "setsid"}))
    assert len(guards(atc)) == 2
    named = [pid for pid in processes.children(atc.pid) if "knobs" not in processes.command_line(pid) and
             ("fly-atc" in processes.command_line(pid) or b"fly-atc" in processes.read(pid, "comm"))]
    assert atc.proxy_pid() in named and len(set(guards(atc).values()) - set(named)) == 1
    killed_together(atc, *named)


def test_a_guard_that_is_killed_comes_back_and_still_guards(atc):
    atc.start(knobs_config(env={"KNOBS_GRANDCHILD": "setsid"}))
    before = guards(atc)
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: guards(atc).keys() == before.keys() and not set(guards(atc).values()) & set(before.values()))
    killed_together(atc, guards(atc)["fly-atc-guard"])


def test_after_kill_9_it_starts_again_on_what_was_left(atc):
    """Stale sockets and pid files are in the way of nobody."""
    config = knobs_config(listen="unix")
    atc.start(config)
    atc.get(WINTER + "/up")
    os.kill(atc.pid, signal.SIGKILL)
    atc.wait_exit(-signal.SIGKILL)
    atc.again()
    assert atc.whoami()["boots"] == 2


# --- where it listens ---

@pytest.mark.parametrize("how", ["tcp", "fd", "unix"])
def test_the_application_listens_as_it_can(atc, how):
    atc.start(knobs_config(listen=how, idle_timeout="300ms"))
    for boots in (1, 2):
        assert atc.whoami()["boots"] == boots
        env = atc.get(WINTER + "/env").json()
        if how == "fd":
            assert env["LISTEN_FDS"] == "1" and env["LISTEN_PID"] == str(atc.whoami()["pid"])
        else:
            assert "LISTEN_FDS" not in env and "LISTEN_PID" not in env
            assert env["PORT"].startswith("/") == (how == "unix")
        atc.wait_state("stopped")


def test_a_stale_unix_socket_is_removed_before_the_start(atc):
    """Killed without a chance to clean up: the next start must not meet EADDRINUSE."""
    atc.start(knobs_config(listen="unix"))
    for boots in (1, 2, 3):
        who = atc.whoami()
        assert who["boots"] == boots
        os.kill(who["pid"], signal.SIGKILL)
        wait_until(lambda: atc.state() != "running" or atc.tenant()["pid"] != who["pid"])


def test_applications_listen_on_loopback_only(atc):
    atc.start(knobs_config())
    port = int(atc.get(WINTER + "/env").json()["PORT"])
    with open("/proc/net/tcp") as table:
        local = [line.split()[1] for line in table if line.split()[3] == "0A" and line.split()[1].endswith(":%04X" % port)]
    assert local == ["0100007F:%04X" % port]


def test_tenants_never_get_the_same_port(atc):
    names = ["2025/event-%02d" % i for i in range(12)]
    atc.start(knobs_config({"bellevue": {"tenants": names}}, server={"max_starting": 12}))
    ports = together(12, lambda i: atc.get("/bellevue/%s/env" % names[i]).json()["PORT"])
    assert len(set(ports)) == 12


# --- what it is given ---

def test_the_environment_of_a_tenant(atc):
    atc.start(knobs_config(TWO), env={"BUCKET_NAME": "", "AWS_SECRET_ACCESS_KEY": "s3-secret", "AWS_ACCESS_KEY_ID": "s3-key",
                                      "INHERITED": "yes", "FLY_API_TOKEN": "token",
                                      "NOTIFY_SOCKET": str(atc.home / "nobody"), "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"})
    env = atc.get(WINTER + "/env").json()
    assert env["FLY_ATC_SCOPE"] == WINTER and env["FLY_ATC_NAME"]
    assert env["INHERITED"] == "yes"
    assert env["KNOBS_DIR"] == str(atc.tenant_dir())
    assert "s3-secret" not in str(env) and "s3-key" not in str(env)
    assert not [name for name in env if name.startswith(("LISTEN_", "WATCHDOG_")) or name == "NOTIFY_SOCKET"]


def test_each_tenant_has_its_own_secret_that_survives_restarts(atc):
    atc.start(knobs_config(TWO))
    secrets = [atc.get(prefix + "/env").json()["SECRET_KEY_BASE"] for prefix in (WINTER, APRIL)]
    assert secrets[0] != secrets[1] and all(len(secret) >= 64 for secret in secrets)
    atc.stop()
    atc.again()
    assert [atc.get(prefix + "/env").json()["SECRET_KEY_BASE"] for prefix in (WINTER, APRIL)] == secrets


def test_secrets_are_derived_from_the_owners_master_secret(make_atc):
    found = []
    for master in ("m" * 64, "m" * 64, "n" * 64):
        atc = make_atc().start(knobs_config(TWO), env={"SECRET_KEY_BASE": master})
        found.append((atc.get(WINTER + "/env").json()["SECRET_KEY_BASE"], atc.get(APRIL + "/env").json()["SECRET_KEY_BASE"]))
    assert found[0] == found[1] != found[2]
    assert "m" * 64 not in found[0] and found[0][0] != found[0][1]


def test_the_nearest_setting_wins(atc):
    atc.start(knobs_config({"bellevue": {"env": {"B": "user", "C": "user"},
                                         "tenants": {"2025/winter": {"env": {"C": "tenant", "GONE": None}}}}},
                           env={"A": "app", "B": "app", "C": "app", "WHERE": "${tenant.id} ${tenant.user} ${tenant.name}"}),
              env={"GONE": "x"})
    env = atc.get(WINTER + "/env").json()
    assert (env["A"], env["B"], env["C"]) == ("app", "user", "tenant")
    assert "GONE" not in env
    assert env["WHERE"] == "bellevue/2025/winter bellevue 2025/winter"


def test_a_tenant_inherits_no_descriptors(atc):
    atc.start(knobs_config())
    fds = atc.get(WINTER + "/fds").json()
    unexpected = {fd: what for fd, what in fds.items()
                  if int(fd) > 2 and not what.startswith("socket:") and "/proc/" not in what and not what.startswith("anon_inode")}
    assert not unexpected, fds
    assert len([what for what in fds.values() if what.startswith("socket:")]) <= 3, fds


def test_private_directories_keep_the_files_of_tenants_apart(atc):
    """Or, where the machine permits no mount namespaces, status and log say that only the environment does."""
    (atc.app / "data").mkdir()
    atc.start(knobs_config(TWO, env={"KNOBS_DIR": "data"}, private_directories=["data"]))
    for prefix, name in ((WINTER, "bellevue/2025/winter"), (APRIL, "boston/2025/april")):
        atc.post(prefix + "/once?id=" + name)
    if "environment only" in atc.tenant()["isolation"]:
        assert not may_mount() and "environment" in atc.status()["isolation"]
        atc.wait_log("namespaces are not permitted")
        return
    for name in ("bellevue/2025/winter", "boston/2025/april"):
        assert [file.read_text() for file in atc.tenant_dir(name).rglob("journal")] == [name + "\n"]
    assert list((atc.app / "data").iterdir()) == []


def may_mount():
    return subprocess.run(["unshare", *AS_ROOT, "--mount", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0


# --- prepare ---

def prepare_config(atc, script, **app):
    return knobs_config(prepare=["sh", "-c", script], env={"RUNS": str(atc.home / "runs")}, **app)


def test_prepare_runs_before_the_first_start(atc):
    atc.start(prepare_config(atc, "echo $FLY_ATC_NAME >> $RUNS; echo preparing things"))
    assert atc.whoami()["boots"] == 1
    assert len((atc.home / "runs").read_text().splitlines()) == 1
    atc.wait_log("preparing things")


def test_a_prepare_that_fails_fails_the_start_with_its_output(atc):
    atc.start(prepare_config(atc, "echo no such table: wishes >&2; exit 3"))
    response = atc.get(WINTER + "/up")
    assert response.status == 503 and response.error
    assert atc.boots() == []
    tenant = atc.tenant()
    assert tenant["state"] == "failed" and "prepare" in tenant["reason"]
    assert any("no such table: wishes" in line for line in tenant["last_output"])


# --- limits ---

def names(n):
    return ["2025/event-%d" % i for i in range(n)]


def test_the_least_recently_used_idle_tenant_makes_room(atc):
    atc.start(knobs_config({"bellevue": {"tenants": names(3)}}, server={"max_running": 2}))
    for i in (0, 1, 0, 2):
        assert atc.get("/bellevue/2025/event-%d/up" % i).status == 200
        holds_for(lambda: True, 0.02)
    states = [atc.state("bellevue/2025/event-%d" % i) for i in range(3)]
    assert states[0] == states[2] == "running" and states[1] in ("stopped", "stopping")


def test_a_busy_tenant_never_makes_room(atc):
    atc.start(knobs_config({"bellevue": {"tenants": names(2)}}, server={"max_running": 1}))
    atc.get("/bellevue/2025/event-0/up")
    slow = Background(atc.get, "/bellevue/2025/event-0/sleep?until=go")
    wait_until(lambda: atc.tenant("bellevue/2025/event-0")["in_flight"] == 1)
    other = Background(atc.get, "/bellevue/2025/event-1/up")
    wait_until(lambda: atc.tenant("bellevue/2025/event-1")["held"] == 1)
    holds_for(lambda: not slow.is_done and not other.is_done, 0.3)
    atc.allow("go", "bellevue/2025/event-0")
    assert slow.result().text == "slept\n" and other.result().status == 200
    assert len(atc.boots("bellevue/2025/event-0")) == 1


def test_where_memory_is_short_idle_tenants_make_room(atc):
    """More must stay free than there is: one after the other, then."""
    atc.start(knobs_config({"bellevue": {"tenants": names(3)}}, server={"min_free_memory": "100000GiB"}))
    for i in range(3):
        assert atc.get("/bellevue/2025/event-%d/up" % i).status == 200
    states = [atc.state("bellevue/2025/event-%d" % i) for i in range(3)]
    assert states[2] == "running" and "running" not in states[:2], states


def test_only_so_many_start_at_once(atc):
    atc.start(knobs_config({"bellevue": {"tenants": names(6)}}, server={"max_starting": 2}, env={"KNOBS_BOOT_DELAY": "0.4"}))
    most, done = [0], threading.Event()

    def watch():
        while not done.is_set():
            states = [tenant["state"] for tenant in atc.status()["tenants"]]
            most[0] = max(most[0], sum(state in ("restoring", "preparing", "starting") for state in states))
    watcher = Background(watch)
    answers = together(6, lambda i: atc.get("/bellevue/2025/event-%d/up" % i).status)
    done.set()
    watcher.result()
    assert answers == [200] * 6 and most[0] == 2


# --- the two processes ---

def test_the_proxy_has_no_privileges(atc):
    atc.start(knobs_config())
    proxy = atc.proxy_pid()
    if os.getuid() == 0:
        assert processes.uid(proxy) != 0
        assert processes.status_line(proxy, "CapEff").strip("0") == ""
    else:
        assert processes.uid(proxy) == os.getuid()
    assert processes.status_line(proxy, "NoNewPrivs") == "1"


def test_the_proxy_knows_no_secrets(atc):
    atc.start(knobs_config(env={"APP_SECRET": "tenant-secret"}),
              env={"AWS_SECRET_ACCESS_KEY": "s3-secret", "SECRET_KEY_BASE": "master-secret" * 8, "FLY_API_TOKEN": "fly-secret"})
    environment = str(processes.environment(atc.proxy_pid()))
    for secret in ("s3-secret", "master-secret", "fly-secret", "tenant-secret"):
        assert secret not in environment


def test_a_killed_proxy_is_back_at_once_and_no_connection_is_refused(atc):
    atc.start(knobs_config())
    atc.proxy_may_change = True
    pid = atc.whoami()["pid"]
    for limit in (0.2, 1, 1):
        proxy = atc.proxy_pid()
        began = time.monotonic()
        os.kill(proxy, signal.SIGKILL)
        assert atc.get(WINTER + "/whoami").json()["pid"] == pid, "the tenant noticed"
        assert time.monotonic() - began < stretched(limit)
        assert atc.proxy_pid() != proxy
    assert atc.status()["proxy"]["restarts"] == 3


def test_a_crash_of_the_proxy_leaves_nothing_in_flight_behind(atc):
    """Otherwise the tenant could never stop again."""
    atc.start(knobs_config(idle_timeout="400ms"))
    atc.proxy_may_change = True
    atc.get(WINTER + "/up")
    with atc.wire() as wire:
        wire.request("GET", WINTER + "/stall")
        wait_until(lambda: atc.tenant()["in_flight"] == 1)
        os.kill(atc.proxy_pid(), signal.SIGKILL)
        wait_until(lambda: atc.tenant()["in_flight"] == 0)
        atc.wait_state("stopped")


def test_as_pid_1_it_reaps_orphans(atc):
    """In a PID namespace of its own: what a tenant leaves behind becomes ours and must not stay a zombie."""
    atc.start(knobs_config(), ready=False,
              wrapper=["unshare", *AS_ROOT, "--pid", "--fork", "--mount-proc", "--kill-child", "env", "LISTEN_PID=1"])
    wait_until(atc.control_socket)
    assert wait_until(lambda: atc.get(WINTER + "/up").status == 200)
    supervisor = processes.children(atc.pid)[0]
    assert processes.status_line(supervisor, "NSpid").split()[-1] == "1"
    for _ in range(5):
        atc.get(WINTER + "/fork?how=setsid")
        assert atc.get(WINTER + "/kill?signal=9").status == 502
        atc.get_until_ok(WINTER + "/up")
    def no_zombies():
        return not [p for p in processes.descendants(supervisor) if processes.stat_fields(p)[0] == "Z"]
    wait_until(no_zombies)
    os.kill(supervisor, signal.SIGTERM)
    atc.wait_exit(0)
