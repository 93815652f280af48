"""The Machines API and each machine's socket: what they answer, to whom, how often, and what goes wrong by order.
SPDX-License-Identifier: MIT
"""
import base64
import json
import os
import subprocess
import sys
import time

import pytest

from conftest import LHR, SEA, SJC, app
from fly import TEST
from waiting import wait_until

MACHINES = "/apps/calendar/machines"


def of(machine, rest=""):
    return "%s/%s%s" % (MACHINES, machine, rest)


@pytest.fixture
def pair(make_fly):
    """Two machines, both asleep: nothing runs that nobody wants."""
    return make_fly({"calendar": app({"id": SEA, "region": "sea", "state": "stopped"}, {"id": SJC, "region": "sjc", "state": "stopped"}),
                     "printer": app({"id": LHR, "region": "lhr", "state": "stopped"}, organisation="others")},
                    organisations={"personal": {}, "others": {}},
                    tokens={"org-token": {"organisation": "personal"}, "deploy": {"app": "calendar"}, "wide": {"organisation": "others"}})


def test_machines_are_listed_and_chosen(pair):
    found = pair.api("GET", MACHINES).json()
    assert {(each["id"], each["state"], each["region"]) for each in found} == {(SEA, "stopped", "sea"), (SJC, "stopped", "sjc")}
    assert [each["id"] for each in pair.api("GET", MACHINES + "?region=sjc").json()] == [SJC]
    assert pair.api("GET", MACHINES + "?state=started,suspended").json() == []
    pair.api("POST", of(SEA, "/metadata/user"), {"value": "bellevue"})
    assert [each["id"] for each in pair.api("GET", MACHINES + "?metadata.user=bellevue").json()] == [SEA]
    assert "config" not in pair.api("GET", MACHINES + "?summary=true").json()[0]


def test_autostop_is_shown_as_booleans(pair):
    assert pair.machine(SEA)["config"]["services"][0]["autostop"] is False


@pytest.mark.parametrize("token, path, status", [
    (None, MACHINES, 401), ("wrong", MACHINES, 401), ("org-token", MACHINES, 200), ("deploy", MACHINES, 200), ("wide", MACHINES, 403),
    ("deploy", "/apps/printer/machines", 403), ("org-token", "/apps/nobody", 404), ("org-token", of("deadbeef"), 404), ("org-token", "/nowhere", 404)])
def test_a_token_says_what_may_be_seen(pair, token, path, status):
    answer = pair.api("GET", path, token=token)
    assert answer.status == status and answer.header("fly-request-id")
    assert status == 200 or answer.json()["error"]


def test_a_machine_starts_and_stops_and_that_can_be_waited_for(pair):
    assert pair.do(SEA, "start").json() == {"previous_state": "stopped", "migrated": False, "new_host": ""}
    assert pair.api("GET", of(SEA, "/wait?state=started&timeout=60")).json()["ok"]
    version = pair.machine(SEA)["instance_id"]
    assert pair.do(SEA, "stop", {"signal": "SIGTERM", "timeout": "30s"}).json() == {"ok": True}
    assert pair.api("GET", of(SEA, "/wait?state=stopped&instance_id=" + version)).status == 200
    assert pair.api("GET", of(SEA, "/wait?state=suspended&timeout=0.05")).status == 408
    assert pair.api("GET", of(SEA, "/wait?state=settled")).json()["state"] == "stopped"
    assert pair.api("GET", of(SEA, "/wait?state=nonsense")).status == 400


def test_what_a_state_forbids_is_412(pair):
    pair.do(SEA, "suspend", expect=412)
    pair.order("machine", id=SEA, do="state", state="replacing")
    answer = pair.do(SEA, "start", expect=412)
    assert answer.json() == {"error": "unable to start machine from current state: 'replacing'", "status": "unknown"}


@pytest.mark.parametrize("status, text", [(409, "could not reserve resource for machine"), (412, "insufficient resources")])
def test_a_host_may_have_no_room(pair, status, text):
    pair.order("fault", kind="capacity", machine=SEA, status=status)
    answer = pair.do(SEA, "start", expect=status)
    assert answer.json()["error"].startswith(text) and answer.json()["status"] == "insufficient_capacity"
    pair.do(SEA, "start")


def test_a_machine_is_cloned_and_destroyed(pair):
    volume = pair.api("POST", "/apps/calendar/volumes", {"name": "data", "region": "iad", "size_gb": 1}).json()
    config = {**pair.machine(SEA)["config"], "mounts": [{"volume": volume["id"], "path": "/data"}], "metadata": {"user": "boston"}}
    made = pair.api("POST", MACHINES, {"name": "boston", "region": "iad", "config": config}).json()
    assert (made["name"], made["region"], len(made["id"])) == ("boston", "iad", 14)
    assert pair.api("GET", of(made["id"], "/wait?state=started")).status == 200
    assert pair.api("POST", MACHINES, {"name": "boston", "config": config}).status == 409
    assert pair.api("POST", MACHINES, {"region": "iad", "config": config}).status == 412, "the volume is taken"
    assert pair.api("POST", MACHINES, {"region": "sea", "config": config}).status == 422, "the volume is elsewhere"
    assert pair.api("DELETE", "/apps/calendar/volumes/" + volume["id"]).status == 412
    assert pair.api("DELETE", of(made["id"], "?force=true")).status == 200
    assert pair.api("DELETE", "/apps/calendar/volumes/" + volume["id"]).status == 200
    assert pair.api("GET", MACHINES + "?include_deleted=true").json()[-1]["state"] == "destroyed"


def test_an_update_is_a_new_version_that_wakes_nobody(pair):
    before = pair.machine(SEA)
    assert pair.api("POST", of(SEA), {"config": before["config"], "current_version": "other"}).status == 412
    after = pair.api("POST", of(SEA), {"config": {**before["config"], "env": {"A": "b"}}, "current_version": before["instance_id"]}).json()
    assert after["instance_id"] != before["instance_id"] and (after["state"], after["config"]["env"]) == ("stopped", {"A": "b"})


def test_a_running_machine_boots_with_its_update(pair):
    pair.do(SEA, "start")
    pair.wait_output(SEA, "it listens")
    before = pair.machine(SEA)
    pair.api("POST", of(SEA), {"config": {**before["config"], "env": {"A": "b"}}})
    pair.wait_output(SEA, "it listens", 2)


def test_metadata_changes_without_a_version(pair):
    version = pair.machine(SEA)["instance_id"]
    assert pair.api("POST", of(SEA, "/metadata/a"), {"value": "1"}).status == 204
    assert pair.api("PATCH", of(SEA, "/metadata"), {"metadata": {"b": "2"}, "machine_version": version}).status == 200
    assert pair.api("GET", of(SEA, "/metadata")).json() == {"a": "1", "b": "2"}
    assert pair.api("PUT", of(SEA, "/metadata"), {"metadata": {}, "machine_version": "other"}).status == 412
    assert pair.api("DELETE", of(SEA, "/metadata/a")).status == 204
    assert pair.machine(SEA)["config"]["metadata"] == {"b": "2"} and pair.machine(SEA)["instance_id"] == version


def test_a_lease_keeps_others_away(pair):
    answer = pair.api("POST", of(SEA, "/lease"), {"ttl": 30, "description": "me"})
    nonce = answer.json()["data"]["nonce"]
    assert answer.status == 201 and answer.json()["status"] == "success" and answer.json()["data"]["expires_at"] > time.time()
    mine = [("fly-machine-lease-nonce", nonce)]
    assert pair.api("POST", of(SEA, "/lease"), {"ttl": 30}).status == 409
    pair.do(SEA, "start", expect=409)
    assert pair.api("POST", of(SEA, "/start"), {}, headers=mine).status == 200
    assert pair.api("POST", of(SEA, "/lease?ttl=60"), {}, headers=mine).json()["data"]["nonce"] == nonce
    assert pair.api("DELETE", of(SEA, "/lease")).status == 409
    assert pair.api("DELETE", of(SEA, "/lease"), headers=mine).status == 200
    assert pair.api("GET", of(SEA, "/lease")).status == 404


def test_a_lease_ends_and_can_come_without_an_envelope(pair):
    pair.order("switches", lease_envelope=False)
    assert pair.api("POST", of(SEA, "/lease"), {"ttl": 0.05}).json()["nonce"]
    wait_until(lambda: pair.api("GET", of(SEA, "/lease")).status == 404)


def test_each_action_has_its_rate(pair):
    pair.order("switches", rate_limits=True)
    answers = [pair.api("POST", of(SEA, "/start"), {}) for _ in range(8)]
    assert {answer.status for answer in answers} == {200, 429} and [answer.status for answer in answers[:3]] == [200] * 3
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.header("retry-after") == "1"
    assert pair.api("POST", of(SJC, "/start"), {}).status == 200, "another machine has its own"
    assert pair.api("GET", of(SEA)).status == 200, "and so has another action"


@pytest.mark.parametrize("status", [500, 429, 408, 409])
def test_a_fault_of_the_api_is_ordered(pair, status):
    pair.order("fault", kind="api", action="start", machine=SEA, status=status, count=2)
    for _ in range(2):
        pair.do(SEA, "start", expect=status)
    pair.do(SEA, "start")


def test_an_answer_can_be_delayed(pair):
    pair.order("fault", kind="api", action="get", delay=0.2)
    began = time.monotonic()
    assert pair.api("GET", of(SEA)).status == 200 and time.monotonic() - began >= 0.2


def test_what_is_shown_can_be_old(pair):
    pair.order("switches", api_lag=1000.0)
    pair.do(SEA, "start")
    assert pair.api("GET", of(SEA, "/wait?state=started")).status == 200 and pair.machine(SEA)["state"] == "stopped"


def test_bad_bodies_are_400_or_422(pair):
    assert pair.api("POST", MACHINES, {"config": 5}).status == 422
    assert pair.api("POST", of(SEA, "/signal"), {}).status in (400, 412)
    pair.order("switches", stop_wants_body=True)
    assert pair.api("POST", of(SEA, "/stop")).status == 400


def test_exec_runs_beside_the_command(pair):
    pair.do(SEA, "start")
    pair.wait_output(SEA, "it listens")
    answer = pair.api("POST", of(SEA, "/exec"), {"command": ["sh", "-c", "echo $FLY_REGION; cat; exit 3"], "stdin": "in"}).json()
    assert (answer["exit_code"], answer["stdout"], answer["stderr"]) == (3, "sea\nin", "")


def test_events_are_the_newest_first_and_at_most_twenty(pair):
    for _ in range(8):
        pair.do(SEA, "start")
        pair.api("GET", of(SEA, "/wait?state=started"))
        pair.do(SEA, "stop")
        pair.api("GET", of(SEA, "/wait?state=stopped"))
    assert len(pair.machine(SEA)["events"]) == 20 and pair.machine(SEA)["events"][0]["status"] == "stopped"
    assert len(pair.api("GET", of(SEA, "/events?limit=50")).json()) > 20


def test_apps_are_made_and_deleted(pair):
    assert pair.api("POST", "/apps", {"app_name": "fresh", "org_slug": "personal", "network": "n1"}).status == 201
    assert pair.api("GET", "/apps/fresh").json()["network"] == "n1"
    answer = pair.api("POST", "/apps", {"app_name": "fresh"})
    assert (answer.status, answer.json()["status"]) == (422, "name_taken")
    assert pair.api("DELETE", "/apps/fresh").status == 202 and pair.api("GET", "/apps/fresh").status == 404
    assert pair.api("DELETE", "/apps/calendar").status == 412


def test_secrets_show_no_values(pair):
    assert pair.api("POST", "/apps/calendar/secrets", {"values": {"K": "hidden", "OLD": None}}).json()["version"]
    assert "hidden" not in pair.api("GET", "/apps/calendar/secrets").body.decode()


# -- the socket --

@pytest.fixture
def own(fly):
    """A machine that runs, and its socket."""
    path = fly.path(SEA, "fly", "api")
    wait_until(path.exists)
    return fly, str(path)


@pytest.mark.parametrize("action, state", [("suspend", "suspended"), ("stop", "stopped")])
def test_a_machine_puts_itself_to_sleep_without_a_token(own, action, state):
    fly, path = own
    assert fly.api("POST", of(SEA, "/" + action), {}, token=None, socket=path).json() == {"ok": True}
    fly.wait(SEA, state)


def test_the_socket_permits_nothing_else(own):
    fly, path = own
    for method, target in (("POST", of(SJC, "/suspend")), ("POST", of(SEA, "/start")), ("GET", of(SEA)), ("POST", of(SEA, "/cordon"))):
        assert fly.api(method, target, {} if method == "POST" else None, token=None, socket=path).status == 401
    assert fly.api("GET", of(SEA), socket=path).status == 200, "with a token it is the API"
    fly.order("switches", socket_may_stop=False)
    try:
        assert fly.api("POST", of(SEA, "/stop"), {}, token=None, socket=path).status == 401
    finally:
        fly.order("switches", socket_may_stop=True)


def test_the_socket_is_for_its_owner_only_and_can_be_missing(own):
    fly, path = own
    assert os.stat(path).st_mode & 0o777 == 0o600
    fly.order("machine", id=LHR, do="miss_socket")
    assert not fly.path(LHR, "fly", "api").exists()


def test_an_identity_token_says_who_asks(own):
    fly, path = own
    answer = fly.api("POST", "/tokens/oidc", {"aud": "sts.amazonaws.com"}, token=None, socket=path)
    claims = answer.body.decode().split(".")[1]
    value = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert (value["aud"], value["machine_id"], value["exp"] - value["iat"]) == ("sts.amazonaws.com", SEA, 600)


def test_the_socket_comes_some_time_after_the_boot(make_fly):
    fly = make_fly({"calendar": app({"id": SEA, "region": "sea"})}, switches={"api_socket_delay": 0.3})
    assert not fly.path(SEA, "fly", "api").exists()
    wait_until(fly.path(SEA, "fly", "api").exists)


# -- the command --

def run(tmp_path, text, *args):
    path = tmp_path / "fly.yml"
    path.write_text(text)
    return subprocess.run([sys.executable, "-m", "flysim", str(path), *args], cwd=TEST,
                          capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False)


@pytest.mark.parametrize("text, args, complaint", [
    ("[]", [], "no mapping"), ("colour: red", [], "unknown: colour"), ("switches: {colour: red}", [], "no switch is called 'colour'"),
    ("switches: {state_lag: soon}", [], "state_lag is a float"), ("apps: {x: {colour: red}}", [], "app x: unknown: colour"),
    ("apps: {x: {machines: [{}]}}", [], "region is wanted"), ("{}", ["--set", "state_lag"], "no such switch"),
    ("{}", ["--set", "kill_signal=SIGHUP"], "one of SIGINT, SIGTERM")])
def test_a_configuration_that_cannot_be_meant_is_refused(tmp_path, text, args, complaint):
    done = run(tmp_path, text, *args)
    assert done.returncode == 1 and complaint in done.stderr


def test_switches_are_listed():
    done = subprocess.run([sys.executable, "-m", "flysim", "--switches"], cwd=TEST,
                          capture_output=True, text=True, timeout=60, check=True)
    assert "replay_body_limit" in done.stdout
