"""A fleet on the double of Fly.io whose machines are found, made, removed and woken by fly-atc itself.
SPDX-License-Identifier: MIT
"""
import concurrent.futures
import json
import os
import socket
import struct
import subprocess
import threading

import pytest

import processes
from atc import PROGRAM, knobs_config
from waiting import wait_until

SEA, ORD, THIRD = "148e45d7c20978", "3d8d413b29d638", "5e8d413b29d639"
TOKEN = {"FLY_API_TOKEN": "org-token"}


def command(fly, machine, *words):
    """fly-atc's command line on a machine."""
    return subprocess.run([PROGRAM, *words, "--socket", str(fly.path(machine, "run", "control.sock"))], capture_output=True,
                          text=True, check=False, env={"PATH": os.environ["PATH"]})


def started(make_fly, users, machines, environment=TOKEN, **more):
    fly = make_fly(knobs_config(users), machines, environment=environment, **more)
    for machine in machines:
        fly.wait_output(machine["id"], "serving on")
    return fly


def owner(fly, path, region):
    """The machine whose tenant answered."""
    answer = fly.get(path + "/whoami", region)
    assert answer.status == 200, answer
    return processes.environment(answer.json()["pid"])["FLY_MACHINE_ID"]


# -- found --

USERS = {"user%d" % i: {"region": "ord", "tenants": ["2025/a", "2025/b"]} for i in range(8)}
THREE = [{"id": SEA, "region": "sea"}, {"id": ORD, "region": "ord"}, {"id": THIRD, "region": "ord"}]


@pytest.mark.parametrize("environment", [TOKEN, {}], ids=["by the API", "by names"])
def test_a_user_of_a_region_lives_on_one_of_its_machines_whoever_is_asked(make_fly, environment):
    fly = started(make_fly, USERS, THREE, environment)
    homes = {user: owner(fly, "/%s/2025/a" % user, "sea") for user in USERS}
    assert set(homes.values()) == {ORD, THIRD}, "both of the region have users"
    for region in ("sea", "ord"):
        for user, home in homes.items():
            assert owner(fly, "/%s/2025/b" % user, region) == home


def test_machines_that_sleep_are_found_as_well(make_fly):
    fly = started(make_fly, USERS, [THREE[0], THREE[1]])
    fly.bring(ORD, "stopped")
    again = started(make_fly, USERS, [THREE[0], {**THREE[1], "state": "started"}])
    assert {owner(again, "/%s/2025/a" % user, "sea") for user in USERS} == {ORD}


def test_a_platform_that_is_silent_at_the_start_does_not_keep_it_from_serving(make_fly):
    """And what it says later counts from then on."""
    users = {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}, **USERS}
    fly = make_fly(knobs_config(users), [{**machine, "state": "stopped"} for machine in THREE], environment=TOKEN)
    fly.order("fault", kind="api", action="list", status=500, count=0)
    fly.order("fault", kind="dns", name="all.vms.calendar.internal", answer="silent", count=0)
    assert owner(fly, "/bellevue/2025/winter", "sea") == SEA
    fly.wait_output(SEA, "cannot be listed")
    fly.order("clear")
    fly.wait_output(SEA, "the fleet has 3 machines")
    wait_until(lambda: fly.get("/user0/2025/a/whoami", "sea").status == 200, what="the owner is found")


# -- made and removed --

def test_a_machine_is_made_once_however_often_it_is_asked_for(make_fly):
    fly = started(make_fly, {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}}, [{"id": SEA, "region": "sea"}])
    names = set()
    for _ in range(2):
        done = command(fly, SEA, "machine", "create", "ord", "boston")
        assert done.returncode == 0, done.stderr
        names.add(done.stdout.split()[0])
    assert len(names) == 1
    fly.wait_output(*names, "serving on")
    made = fly.machine(names.pop())
    assert (made["name"], made["region"]) == ("boston", "ord")
    ours = fly.machine(SEA)
    assert made["config"]["services"] == ours["config"]["services"]
    assert made["config"]["mounts"][0]["path"] == ours["config"]["mounts"][0]["path"]
    volumes = fly.api("GET", "/apps/calendar/volumes").json()
    assert sorted(volume["region"] for volume in volumes) == ["ord", "sea"]


@pytest.mark.parametrize("action, status", [("create", 500), ("volumes", 500), ("list", 500), ("create", 429), ("get", 503)])
def test_a_create_that_was_cut_off_is_completed_by_the_next(make_fly, action, status):
    """Whatever call of the API fails, nothing is there twice in the end."""
    fly = started(make_fly, {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}}, [{"id": SEA, "region": "sea"}])
    fly.order("fault", kind="api", action=action, status=status)
    command(fly, SEA, "machine", "create", "ord", "boston")
    done = command(fly, SEA, "machine", "create", "ord", "boston")
    assert done.returncode == 0, done.stderr
    fly.wait_output(done.stdout.split()[0], "serving on")
    assert len(fly.api("GET", "/apps/calendar/machines").json()) == 2
    assert len(fly.api("GET", "/apps/calendar/volumes").json()) == 2


def test_a_create_whose_fly_atc_is_killed_is_completed_by_the_next(make_fly):
    fly = started(make_fly, {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}}, [{"id": SEA, "region": "sea"}])
    fly.order("fault", kind="api", action="create", delay=1)
    asking = subprocess.Popen([PROGRAM, "machine", "create", "ord", "boston", "--socket", str(fly.path(SEA, "run", "control.sock"))],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: len(fly.api("GET", "/apps/calendar/volumes").json()) == 2, what="the volume is made")
    fly.order("machine", id=SEA, do="crash")
    asking.communicate()
    fly.wait_output(SEA, "serving on", times=2)
    done = command(fly, SEA, "machine", "create", "ord", "boston")
    assert done.returncode == 0, done.stderr
    fly.wait_output(done.stdout.split()[0], "serving on")
    assert len(fly.api("GET", "/apps/calendar/machines").json()) == 2
    assert len(fly.api("GET", "/apps/calendar/volumes").json()) == 2


@pytest.mark.parametrize("switches", [{}, {"lease_envelope": False, "stop_wants_body": True, "rate_limits": True}], ids=["", "as it is said elsewhere"])
def test_a_machine_is_removed_with_its_volume_after_its_end(make_fly, switches):
    users = {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}}
    fly = started(make_fly, users, THREE[:2], switches=switches)
    fly.bring(ORD, "suspended")
    done = command(fly, SEA, "machine", "destroy", ORD)
    assert (done.returncode, done.stdout) == (0, "%s is removed\n" % ORD), done.stderr
    events = [line["event"] for line in fly.log(what="machine", machine=ORD)]
    assert "exit" in events[events.index("suspend"):], "it was woken, so that it could end"
    assert [volume["region"] for volume in fly.api("GET", "/apps/calendar/volumes").json()] == ["sea"]
    assert set(json.loads(command(fly, SEA, "machine", "--json").stdout)["machines"][0]["name"].split()) == {SEA}


def test_a_machine_whose_fly_atc_did_not_end_well_is_not_removed(make_fly):
    """What it had last may be on its volume only."""
    users = {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}}
    fly = started(make_fly, users, [THREE[0], {**THREE[1], "config": {"restart": {"policy": "no"}}}])
    fly.order("machine", id=ORD, do="crash")
    fly.wait(ORD, "stopped")
    done = command(fly, SEA, "machine", "destroy", ORD)
    assert done.returncode == 1 and "ended with 137" in done.stderr, done.stderr
    assert len(fly.api("GET", "/apps/calendar/volumes").json()) == 2
    assert fly.api("POST", "/apps/calendar/machines/%s/lease" % ORD, {"ttl": 1}).status == 201, "and it is not kept"


def test_a_machine_on_which_somebody_lives_is_not_removed_unless_forced(make_fly):
    users = {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}, "boston": {"machine": ORD, "tenants": ["2025/april"]}}
    fly = started(make_fly, users, THREE[:2])
    done = command(fly, SEA, "machine", "destroy", ORD)
    assert done.returncode == 1 and "1 tenant lives on it" in done.stderr
    assert fly.machine(ORD)["state"] == "started"
    assert command(fly, SEA, "machine", "destroy", ORD, "--force").returncode == 0
    assert fly.api("GET", "/apps/calendar/machines/%s" % ORD).json()["state"] in ("destroyed", "destroying")


def test_a_machine_that_somebody_else_changes_is_left_alone(make_fly):
    fly = started(make_fly, {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}}, THREE[:2])
    lease = fly.api("POST", "/apps/calendar/machines/%s/lease" % ORD, {"ttl": 600})
    assert lease.status == 201
    done = command(fly, SEA, "machine", "destroy", ORD)
    assert done.returncode == 1 and "409" in done.stderr, done.stderr
    assert fly.machine(ORD)["state"] == "started"
    told = lease.json()
    nonce = told.get("data", told)["nonce"]
    fly.api("DELETE", "/apps/calendar/machines/%s/lease" % ORD, headers=[("fly-machine-lease-nonce", nonce)])


def test_without_a_token_what_takes_one_says_so(make_fly):
    fly = started(make_fly, {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}}, THREE[:2], {})
    for words in (("create", "ord"), ("destroy", ORD), ("sleep", ORD)):
        done = command(fly, SEA, "machine", *words)
        assert done.returncode == 1 and "FLY_API_TOKEN" in done.stderr, done.stderr


def test_a_token_is_told_to_nobody(make_fly):
    fly = started(make_fly, {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}}, THREE[:2])
    seen = processes.environment(fly.get("/bellevue/2025/winter/whoami", "sea").json()["pid"])
    assert "FLY_API_TOKEN" not in seen and "org-token" not in seen.values()
    fly.order("fault", kind="api", action="list", status=401, count=0)
    fly.order("fault", kind="dns", name="all.vms.calendar.internal", answer="servfail", count=0)
    shown = [command(fly, SEA, "machine"), command(fly, SEA, "status", "--json"), command(fly, SEA, "machine", "wake", ORD)]
    assert shown[0].returncode == 1
    assert not [each for each in shown if "org-token" in each.stdout + each.stderr]
    assert "org-token" not in fly.output(SEA) + fly.output(ORD)
    fly.order("clear")


# -- woken --

REFUSALS = [{"kind": "api", "action": "start", "status": 429, "count": 2}, {"kind": "api", "action": "start", "status": 500},
            {"kind": "api", "action": "start", "status": 503, "count": 2}, {"kind": "capacity", "status": 409}, {"kind": "capacity", "status": 412},
            {"kind": "api", "action": "wait", "status": 408}, {"kind": "api", "action": "wait", "status": 500}]


@pytest.mark.parametrize("fault", REFUSALS, ids=lambda each: "%s %s" % (each.get("action", each["kind"]), each["status"]))
def test_a_wake_goes_on_after_a_refusal(make_fly, fault):
    fly = started(make_fly, {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}}, THREE[:2])
    fly.bring(ORD, "stopped")
    fly.order("fault", **{**fault, **({"machine": ORD} if fault["kind"] == "capacity" else {})})
    done = command(fly, SEA, "machine", "wake", ORD)
    assert (done.returncode, done.stdout) == (0, "%s is awake\n" % ORD), done.stderr
    fly.wait_output(ORD, "serving on", times=2)


def test_a_machine_in_the_middle_of_something_is_woken_when_that_is_over(make_fly):
    fly = started(make_fly, {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}}, THREE[:2], switches={"suspend_latency": 1.0})
    fly.do(ORD, "suspend")
    done = command(fly, SEA, "machine", "wake", ORD)
    assert done.returncode == 0, done.stderr
    fly.wait(ORD, "started")
    fly.wait_output(ORD, "serving on")


def test_another_machine_is_put_to_sleep(make_fly):
    fly = started(make_fly, {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}}, THREE[:2])
    assert command(fly, SEA, "machine", "sleep", ORD).returncode == 0
    fly.wait(ORD, "suspended")
    fly.bring(ORD, "started")
    assert command(fly, SEA, "machine", "sleep", ORD, "stop").returncode == 0
    fly.wait(ORD, "stopped")


def test_one_who_is_told_to_end_does_not_wait_for_a_silent_platform(make_fly):
    fly = started(make_fly, {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}}, THREE[:2])
    fly.bring(ORD, "stopped")
    fly.order("machine", id=ORD, do="state", state="replacing")
    asking = subprocess.Popen([PROGRAM, "machine", "wake", ORD, "--socket", str(fly.path(SEA, "run", "control.sock"))],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: fly.log(what="api", action="start"), what="it asks")
    fly.do(SEA, "stop")
    fly.wait(SEA, "stopped")
    asking.communicate()
    assert asking.returncode == 1


# -- needed by a request that no edge can replay --

SECRET = {"FLY_ATC_FLEET_SECRET": "a secret of sixteen bytes and more"}
PAIR = {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}, "boston": {"machine": ORD, "tenants": ["2025/april"]}}
LARGE = b"0123456789" * 150000
UPLOAD = "/boston/2025/april/upload"


def uploads(fly, region="sea"):
    return fly.ask("POST", UPLOAD, region, (), LARGE)


@pytest.mark.parametrize("state", ["started", "suspended", "stopped"])
@pytest.mark.parametrize("token", [TOKEN, {}], ids=["token", "no token"])
def test_an_upload_too_large_for_a_replay_wakes_the_machine_it_is_for(make_fly, token, state):
    fly = started(make_fly, PAIR, THREE[:2], {**SECRET, **token})
    expected = fly.ask("POST", UPLOAD, "ord", (), LARGE)
    fly.bring(ORD, state)
    answer = uploads(fly)
    assert (answer.status, answer.body) == (200, expected.body), answer
    fly.wait_output(SEA, "machine %s %s" % (ORD, "is at" if state == "started" else "was woken"))


def test_many_uploads_wake_it_once(make_fly):
    fly = started(make_fly, PAIR, THREE[:2], {**SECRET, **TOKEN})
    fly.bring(ORD, "suspended")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert {answer.status for answer in pool.map(lambda _: uploads(fly), range(8))} == {200}
    assert len([line for line in fly.log(what="api", action="start") if line["path"].endswith(ORD + "/start")]) == 1


def test_a_name_that_leads_nowhere_is_not_believed(make_fly):
    """The name server still has an address of yesterday: nobody is there, so the machine is woken, and asked for again."""
    fly = started(make_fly, PAIR, THREE[:2], {**SECRET, **TOKEN})
    fly.bring(ORD, "stopped")
    fly.order("fault", kind="dns", name="%s.vm.calendar.internal" % ORD, answer=["::ffff:127.255.255.254"])
    assert uploads(fly).status == 200


def test_an_address_that_is_another_machines_gets_nothing(make_fly):
    fly = started(make_fly, PAIR, THREE[:2], {**SECRET, **TOKEN})
    other = fly.addresses["machines"][SEA]["address"]
    fly.order("fault", kind="dns", name="%s.vm.calendar.internal" % ORD, answer=["::ffff:" + other], count=3)
    assert uploads(fly).status == 200
    assert not list(fly.path(SEA).rglob("boston")), "the other one has not been served"


@pytest.mark.parametrize("what", [{"kind": "api", "action": "start", "status": 500, "count": 2}, {"kind": "capacity", "machine": ORD, "status": 409},
                                  {"kind": "dns", "answer": "servfail", "count": 2}])
def test_a_fault_that_passes_costs_time_and_nothing_else(make_fly, what):
    fly = started(make_fly, PAIR, THREE[:2], {**SECRET, **TOKEN})
    fly.bring(ORD, "stopped")
    fly.order("fault", **what)
    assert uploads(fly).status == 200


def test_a_machine_that_cannot_be_woken_is_an_honest_page_and_not_asked_for_by_each_request(make_fly):
    fly = started(make_fly, PAIR, THREE[:2], {**SECRET, **TOKEN})
    fly.bring(ORD, "stopped")
    fly.order("fault", kind="api", action="start", status=401, count=0)
    answers = [uploads(fly) for _ in range(5)]
    assert {(answer.status, answer.error) for answer in answers} == {(503, "peer_unreachable")}
    assert all(answer.header("Retry-After") for answer in answers)
    fly.wait_output(SEA, "machine %s cannot be reached" % ORD)
    assert "401" in fly.output(SEA)
    fly.order("clear")
    wait_until(lambda: uploads(fly).status == 200, what="it is tried again")


def test_a_machine_that_is_no_more_is_an_honest_page(make_fly):
    fly = started(make_fly, PAIR, THREE[:2], {**SECRET, **TOKEN})
    fly.do(ORD, "stop")
    fly.wait(ORD, "stopped")
    assert fly.api("DELETE", "/apps/calendar/machines/%s?force=true" % ORD).status == 200
    answer = uploads(fly)
    assert (answer.status, answer.error) == (503, "peer_unreachable")


# -- a platform that answers nonsense --

def serve(listener, said):
    """Each connection gets what is said now, whatever it asks, until the listener is closed."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            try:
                connection.settimeout(5)
                connection.recv(65536)
                connection.sendall(said["now"])
                said["times"] += 1
            except OSError:
                pass


def body(text, status="200 OK", kind="application/json"):
    return b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
        status.encode(), kind.encode(), len(text), text)


NONSENSE = {
    "nothing": b"", "noise": bytes(range(256)) * 64, "no JSON": body(b"<html>"), "an empty body": body(b""), "a number": body(b"7"),
    "a list of nonsense": body(b'[1, null, [], {"id": 7}, {"id": "../../etc"}, {"id": "", "state": "started"}, {"id": "x", "config": 3}]'),
    "an object": body(b'{"id": {"a": 1}, "state": ["started"], "config": "none", "nonce": "a\\r\\nb", "data": []}'),
    "deep": body(b"[" * 100000), "cut": body(b'[{"id": "148e')[:-6], "NUL": body(b'[{"id": "148e\\u0000", "state": "\\u0000"}]'),
    "an error of markup": body(b"<h1>\r\nBad</h1>", "503 Busy", "text/html"),
    "a redirect": b"HTTP/1.1 307 Elsewhere\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
}


def named(kind, records):
    """The rest of a name server's answer, after the question."""
    return b"".join(b"\xc0\x0c" + struct.pack("!HHIH", each, 1, 5, len(data) if size is None else size) + data
                    for each, data, size in ((kind, *record) for record in records))


TXT, AAAA = 16, 28
NO_NAMES = {
    "nothing": (1, b""), "too few records": (9, named(TXT, [(b"\x03abc", None)])), "a text that is cut": (1, named(TXT, [(b"\x09ab", None)])),
    "an address that is cut": (1, named(AAAA, [(b"\x20\x01", None)])), "lengths that lie": (1, named(TXT, [(b"\x03abc", 60000)])),
    "a name that is a circle": (1, b"\xc0\x0c\xc0\x0c" * 8), "no names": (1, named(TXT, [(b"\x20" + b"; ,../.. \x00\xff" + b"x" * 20, None)])),
    "another kind": (1, named(AAAA, [(b"\x00" * 16, None)])), "many": (2000, named(TXT, [(b"\x05a sea", None)] * 2000)),
}


def answer_names(names, said):
    while True:
        try:
            question, who = names.recvfrom(4096)
        except OSError:
            return
        end = question.index(b"\0", 12) + 5
        count, rest = said["now"]
        names.sendto(question[:2] + struct.pack("!HHHHH", 0x8180, 1, count, 0, 0) + question[12:end] + rest, who)
        said["times"] += 1


@pytest.mark.parametrize("what", NO_NAMES)
def test_a_name_server_that_answers_nonsense_is_an_error_and_no_crash(atc, what):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names:
        names.bind(("127.0.0.1", 0))
        said = {"now": NO_NAMES[what], "times": 0}
        threading.Thread(target=answer_names, args=(names, said), daemon=True).start()
        atc.start(knobs_config({**PAIR, **USERS}, start_timeout="2s", server={"trusted_proxies": ["127.0.0.0/8"]}), env={
            **SECRET, "FLY_MACHINE_ID": SEA, "FLY_REGION": "sea", "FLY_APP_NAME": "calendar", "FLY_ATC_DNS": "127.0.0.1:%d" % names.getsockname()[1],
            "FLY_ATC_EDGE": "http://127.0.0.1:1"})
        done = subprocess.run([PROGRAM, "machine", "--socket", atc.control_socket()], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1) and "/.." not in done.stdout, done
        assert said["times"]
        assert atc.get("/bellevue/2025/winter/up").status == 200
        assert atc.post("/boston/2025/april/upload", b"x" * 1500000, timeout=90).status == 503


@pytest.mark.parametrize("words", [("machine",), ("machine", "wake", ORD), ("machine", "create", "ord", "x"), ("machine", "destroy", ORD),
                                   ("machine", "sleep", ORD)], ids=" ".join)
def test_an_api_that_answers_nonsense_is_an_error_and_no_crash(atc, words):
    """One fly-atc by itself, which is told that it is on Fly: what it asks comes from the test."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as names:
        names.bind(("127.0.0.1", 0))
        url, said = "http://127.0.0.1:%d" % listener.getsockname()[1], {"now": b"", "times": 0}
        threading.Thread(target=serve, args=(listener, said), daemon=True).start()
        atc.start(knobs_config(PAIR, server={"trusted_proxies": ["127.0.0.0/8"]}), env={
            "FLY_MACHINE_ID": SEA, "FLY_REGION": "sea", "FLY_APP_NAME": "calendar", "FLY_API_TOKEN": "secret-token",
            "FLY_FLAPS_BASE_URL": url, "FLY_ATC_EDGE": url, "FLY_ATC_DNS": "127.0.0.1:%d" % names.getsockname()[1]})
        for what, nonsense in NONSENSE.items():
            said.update(now=nonsense, times=0)
            asking = subprocess.Popen([PROGRAM, *words, "--socket", atc.control_socket()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            wait_until(lambda: said["times"] > 1 or asking.poll() is not None, what="the API is asked")
            if asking.poll() is None:  # it tries again, which is right
                asking.kill()
            out, err = asking.communicate()
            assert "secret-token" not in out + err
            assert asking.returncode in (0, 1, -9), (what, out, err)
        assert atc.get("/bellevue/2025/winter/up").status == 200
        assert atc.is_running
