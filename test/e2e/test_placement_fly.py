"""Which machine serves a request: here, by a replay of Fly's edge, or nobody. Off Fly everything is here.
SPDX-License-Identifier: MIT
"""
import base64
import hmac
import json
import time

import pytest

import processes
from atc import WINTER, Background, knobs_config
from waiting import wait_until

FLY = {"FLY_MACHINE_ID": "148e45d7c20978", "FLY_REGION": "sea", "FLY_APP_NAME": "calendar"}
EDGE = [("Fly-Request-Id", "01J8XYZ-sea"), ("Fly-Client-IP", "203.0.113.9"), ("X-Forwarded-Proto", "https"), ("Fly-Forwarded-Port", "443")]
USERS = {
    "bellevue": {"region": "sea", "tenants": ["2025/winter"]},
    "boston": {"machine": "148e45d7c20978", "tenants": ["2025/april"]},
    "livermore": {"region": "sjc", "tenants": ["2025/james-bond"]},
    "raleigh": {"machine": "3d8d413b29d638", "region": "sea", "tenants": ["2025/disney"]},
    "anybody": {"tenants": ["2025/anywhere"]},
}


# A test is a process of this machine, which is not the edge unless that is said.
AS_EDGE = {"trusted_proxies": ["127.0.0.0/8"]}


def started(atc, env=FLY, **server):
    return atc.start(knobs_config(USERS, server={**AS_EDGE, **server}), env=env)


def test_a_process_of_the_same_machine_is_not_the_edge(atc):
    started(atc, trusted_proxies=["loopback", "private", "fly"])
    assert (atc.get("/livermore/2025/james-bond/", EDGE).status, atc.get("/boston/2025/april/whoami", EDGE).status) == (421, 200)
    seen = atc.get("/boston/2025/april/echo", EDGE).json()["headers"]
    assert not any(name.lower().startswith("fly-") for name, _ in seen)


@pytest.mark.parametrize("tenant", ["bellevue/2025/winter", "boston/2025/april", "anybody/2025/anywhere"])
def test_what_is_ours_is_served_here(atc, tenant):
    started(atc)
    assert atc.get("/%s/whoami" % tenant, EDGE).status == 200


@pytest.mark.parametrize("path, where", [
    ("/livermore/2025/james-bond/x?y=1", {"region": "sjc"}),
    ("/raleigh/2025/disney/", {"instance": "3d8d413b29d638"}),
])
def test_what_is_another_machines_is_replayed(atc, path, where):
    started(atc)
    response = atc.get(path, EDGE)
    assert response.status == 307 and response.header("Content-Type") == "application/vnd.fly.replay+json"
    replay = json.loads(response.body)
    assert {key: replay.get(key) for key in where} == where
    assert replay["timeout"].endswith("s") and replay["fallback"] == "force_self"
    assert set(replay) <= {"region", "instance", "timeout", "fallback", "state"}
    assert all(tenant["state"] == "absent" for tenant in atc.status()["tenants"]), "it was woken"


def test_a_post_and_a_websocket_are_replayed_as_well(atc):
    started(atc)
    assert atc.post("/livermore/2025/james-bond/", b"small", EDGE).status == 307
    with atc.wire() as wire:
        response = wire.get("/livermore/2025/james-bond/ws", [*EDGE, ("Connection", "Upgrade"), ("Upgrade", "websocket"),
                                                              ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13")])
        assert response.status == 307


def test_a_body_too_large_for_a_replay_is_413(atc):
    started(atc)
    with atc.wire() as wire:
        wire.request("POST", "/livermore/2025/james-bond/", [*EDGE, ("Content-Length", "1000001")])
        response = wire.response("POST")
        assert (response.status, response.error) == (413, "replay_too_large")


def test_the_header_form_is_an_option(atc):
    started(atc, replay="header", replay_timeout="10s")
    response = atc.get("/livermore/2025/james-bond/", EDGE)
    assert response.status == 307 and response.body == b""
    pairs = dict(pair.split("=", 1) for pair in response.header("fly-replay").split(";"))
    assert pairs["region"] == "sjc" and pairs["timeout"] == "10s" and pairs["fallback"] == "force_self"


def test_a_replay_that_failed_is_an_honest_page(atc):
    started(atc)
    failed = ("Fly-Replay-Failed", "instance=3d8d413b29d638;app=calendar;region=sea;replay_source=148e45d7c20978;reason=timeout;elapsed_ms=10000")
    response = atc.get("/raleigh/2025/disney/", [*EDGE, failed, ("Accept", "text/html")])
    assert (response.status, response.error) == (503, "replay_failed")
    assert response.header("Retry-After") and "<html" in response.text.lower() and not response.all("fly-replay")


def test_a_replay_that_goes_in_circles_ends(atc):
    """Machines with different files could send a request to and fro."""
    started(atc)
    response = atc.get("/livermore/2025/james-bond/", EDGE)
    for hop in range(5):
        state = response.json().get("state")
        source = ("Fly-Replay-Src", "instance=3d8d413b29d638;region=sjc;t=1700000000000;state=%s" % state)
        response = atc.get("/livermore/2025/james-bond/", [*EDGE, source])
        if response.status != 307:
            break
    assert (response.status, response.error) == (503, "replay_loop") and hop < 4


def test_without_the_edge_another_machines_request_is_misdirected(atc):
    started(atc)
    response = atc.get("/livermore/2025/james-bond/", [("Accept", "application/json")])
    assert (response.status, response.error) == (421, "misdirected")
    assert atc.get(WINTER + "/up").status == 200, "ours is served without the edge too"


def test_an_unknown_user_is_404_and_never_replayed(atc):
    started(atc)
    assert atc.get("/nobody/2025/x/", EDGE).status == 404


def test_an_unknown_path_of_another_machines_user_goes_there(atc):
    """Its own file may be newer than ours: it decides."""
    started(atc)
    assert atc.get("/livermore/2031/new/", EDGE).status in (307, 404)


def test_off_fly_everybody_is_here(atc):
    started(atc, env={})
    for tenant in ("bellevue/2025/winter", "livermore/2025/james-bond", "raleigh/2025/disney"):
        assert atc.get("/%s/whoami" % tenant).status == 200


def test_a_client_cannot_play_the_edge_where_it_is_not_trusted(atc):
    started(atc, trusted_proxies=["203.0.113.1"])
    assert atc.get("/livermore/2025/james-bond/", EDGE).status == 421


def test_the_prototypes_instance_and_region_mean_the_same(atc):
    config = knobs_config(server=AS_EDGE)
    del config["users"]
    config["routes"] = [{"name": "here", "endpoint": "/here", "region": "sea"},
                        {"name": "there", "endpoint": "/there", "region": "iad"},
                        {"name": "machine", "endpoint": "/machine", "instance": "3d8d413b29d638", "region": "sea"}]
    atc.start(config, env=FLY)
    assert atc.get("/here/up", EDGE).status == 200
    assert atc.get("/there/", EDGE).json()["region"] == "iad"
    assert atc.get("/machine/", EDGE).json()["instance"] == "3d8d413b29d638"


# --- the marker ---

SECRET = "a secret of the fleet's own"
SIGNED = {**FLY, "FLY_ATC_FLEET_SECRET": SECRET}


def source(state, instance="3d8d413b29d638"):
    return ("Fly-Replay-Src", "instance=%s;region=sjc;t=1700000000000;state=%s" % (instance, state))


def test_with_a_secret_the_state_is_signed_and_nobody_sees_the_secret(atc):
    started(atc, env=SIGNED)
    state = atc.get("/livermore/2025/james-bond/", EDGE).json()["state"]
    kind, origin, user, *_ = state.split(":")
    assert (kind, origin, user) == ("1.r.1", "148e45d7c20978", "livermore") and len(state) < 200
    assert atc.get("/boston/2025/april/whoami", EDGE).status == 200
    for process in processes.with_marker(str(atc.home)):
        if process != atc.process.pid:
            assert SECRET not in str(processes.environment(process))
    assert SECRET not in atc.cli("dump").stdout + atc.log


@pytest.mark.parametrize("state", ["atc.2", "atc.9", "1.r.2:3d8d413b29d638:livermore:1:1:" + 43 * "A" + "=", "x", ""])
def test_no_client_can_write_a_state_that_ends_a_request(atc, state):
    started(atc, env=SIGNED)
    response = atc.get("/livermore/2025/james-bond/", [*EDGE, source(state)])
    assert response.status == 307 and response.json()["region"] == "sjc"


def test_a_marker_of_ours_counts_for_its_user_alone(atc):
    started(atc, env=SIGNED)
    first = atc.get("/livermore/2025/james-bond/", EDGE).json()["state"]
    second = atc.get("/livermore/2025/james-bond/", [*EDGE, source(first)]).json()["state"]
    assert second.startswith("1.r.2:")
    last = atc.get("/livermore/2025/james-bond/", [*EDGE, source(second), ("Accept", "application/json")])
    assert (last.status, last.error) == (503, "replay_loop")
    assert "148e45d7c20978" in last.text and "region sjc" in last.text and "know the same users" in last.text
    other = atc.get("/bellevue/2025/winter/whoami", [*EDGE, source(second)])
    assert other.status == 200, "it is here, whatever is said"


def test_a_marker_from_the_future_is_believed_and_told_of(atc):
    """Ours is the clock that is behind, after a resume."""
    started(atc, env=SIGNED)
    ahead = signed_state(SECRET, "3d8d413b29d638", "boston", time_ms=int(time.time() * 1000) + 8 * 3600 * 1000)
    assert atc.get("/boston/2025/april/whoami", [*EDGE, source(ahead)]).status == 200
    atc.wait_log("the clock of machine 3d8d413b29d638 is 2879")


def signed_state(secret, origin, user, hop=1, fleet=1, time_ms=0):
    """As another machine of the fleet writes it."""
    key = hmac.digest(secret.encode(), b"fly-atc hop key 1", "sha256").hex().encode()
    text = "1.r.%d:%s:%s:%x:%x" % (hop, origin, user, fleet, time_ms)
    return text + ":" + base64.b64encode(hmac.digest(key, text.encode(), "sha256")).decode()


def test_a_machine_that_has_found_no_other_yet_does_not_refuse_for_good(atc):
    started(atc, env=SIGNED)
    for fields in ([*EDGE, ("Content-Length", "1000001")], [("Content-Length", "5")]):
        with atc.wire() as wire:
            wire.request("POST", "/livermore/2025/james-bond/", fields)
            response = wire.response("POST")
        assert (response.status, response.error) == (503, "no_machine")
        assert response.header("Retry-After") and "region sjc" in response.text


def test_machines_that_know_other_users_are_told_apart(atc):
    started(atc, env=SIGNED)
    state = signed_state(SECRET, "3d8d413b29d638", "livermore", hop=2, time_ms=int(time.time() * 1000))
    response = atc.get("/livermore/2025/james-bond/", [*EDGE, source(state)])
    assert (response.status, response.error) == (503, "replay_loop")
    assert "machine 3d8d413b29d638 has sent it here" in response.text and "do not know the same users" in response.text


# --- what came back ---

FAILED = "instance=3d8d413b29d638;app=calendar;region=sea;replay_source=%s;reason=%s;elapsed_ms=10000"


def test_the_page_about_a_replay_that_failed_says_which_machine_and_why(atc):
    started(atc)
    failed = ("Fly-Replay-Failed", FAILED % ("148e45d7c20978", "no_candidate"))
    response = atc.get("/raleigh/2025/disney/", [*EDGE, failed])
    assert (response.status, response.error) == (503, "replay_failed") and response.header("Retry-After")
    assert "machine 3d8d413b29d638" in response.text and "no_candidate" in response.text and "10000 ms" in response.text
    odd = atc.get("/raleigh/2025/disney/", [*EDGE, ("Fly-Replay-Failed", FAILED % ("148e45d7c20978", "<b>"))])
    assert odd.error == "replay_failed" and "<b>" not in odd.text


def test_what_failed_but_is_ours_is_served(atc):
    started(atc)
    failed = ("Fly-Replay-Failed", FAILED % ("148e45d7c20978", "timeout"))
    assert atc.get("/boston/2025/april/whoami", [*EDGE, failed]).status == 200


def test_whoever_is_not_the_edge_makes_no_page_by_its_fields(atc):
    started(atc)
    fields = [("Fly-Replay-Failed", FAILED % ("148e45d7c20978", "timeout")), source("atc.2")]
    response = atc.get("/raleigh/2025/disney/", fields)
    assert (response.status, response.error) == (421, "misdirected") and "3d8d413b29d638" in response.text


# --- what the edge may remember ---

def test_the_edge_may_remember_a_users_machine_for_a_while(atc):
    started(atc, replay_cache="1m")
    replay = atc.get("/raleigh/2025/disney/", EDGE).json()
    assert replay == {"instance": "3d8d413b29d638", "cache": {"prefix": "/raleigh/*", "ttl": 60}}
    for path in ("//raleigh/2025/disney/", "/%72aleigh/2025/disney/", "/x/../raleigh/2025/disney/"):
        replay = atc.get(path, EDGE).json()
        assert "cache" not in replay and replay["fallback"] == "force_self", "the edge would not know the path"
    again = atc.get("/raleigh/2025/disney/", [*EDGE, source("atc.1", "aaaaaaaaaaaaaa")]).json()
    assert "cache" not in again and again["state"] == "atc.2"


def test_the_edge_remembers_no_more_than_is_true_of_all_below(atc):
    users = {**USERS, "mixed": {"tenants": {"2025": {"machine": "3d8d413b29d638"}, "2026": {"machine": "148e45d7c20978"}}}}
    atc.start(knobs_config(users, server={**AS_EDGE, "replay_cache": "10s", "replay": "header"}), env=FLY)
    response = atc.get("/mixed/2025/x", EDGE)
    assert response.header("fly-replay") == "instance=3d8d413b29d638" and response.header("fly-replay-cache") == "/mixed/2025/*"
    assert response.header("fly-replay-cache-ttl-secs") == "10"


@pytest.mark.parametrize("form", ["json", "header"])
def test_the_wrong_machine_takes_back_what_the_edge_remembered(atc, form):
    started(atc, replay=form)
    response = atc.get("/raleigh/2025/disney/", [*EDGE, ("Fly-Replay-Cache-Status", "hit")])
    assert response.status == 307
    if form == "json":
        assert response.json() == {"instance": "3d8d413b29d638", "cache": {"invalidate": True}}
    else:
        assert response.header("fly-replay") == "instance=3d8d413b29d638" and response.header("fly-replay-cache") == "invalidate"
    assert atc.get("/boston/2025/april/whoami", [*EDGE, ("Fly-Replay-Cache-Status", "hit")]).status == 200


# --- appliances ---

def with_printer(**more):
    return {**knobs_config(USERS, server=AS_EDGE), "appliances": {"/*/*.pdf": {"app": "printer"}, "/charts/*": {"app": "plotter", "region": "iad"}}, **more}


def test_an_appliance_answers_its_paths_of_known_users(atc):
    atc.start(with_printer(), env=FLY)
    replay = atc.get("/bellevue/2025/winter/list.pdf?x=1", EDGE).json()
    assert replay == {"app": "printer", "fallback": "force_self", "state": "atc.1"}, "another app takes the time that it needs"
    assert atc.get("/livermore/2025/james-bond/list.pdf", EDGE).json()["app"] == "printer"
    assert atc.get("/charts/1", EDGE).json() == {"app": "plotter", "region": "iad", "fallback": "force_self", "state": "atc.1"}
    assert atc.get("/nobody/list.pdf", EDGE).status == 404, "it wakes nothing"
    assert all(tenant["state"] == "absent" for tenant in atc.status()["tenants"])
    assert atc.get("/bellevue/2025/winter/whoami", EDGE).status == 200


def test_an_appliance_is_for_the_edge_alone(atc):
    atc.start(with_printer(), env=FLY)
    assert atc.get("/bellevue/2025/winter/status/201.pdf").status != 307, "nobody is there who could replay it"
    with atc.wire() as wire:
        wire.request("POST", "/bellevue/2025/winter/x.pdf", [*EDGE, ("Content-Length", "1000001")])
        assert wire.response("POST").error == "replay_too_large"
    failed = ("Fly-Replay-Failed", "app=printer;replay_source=148e45d7c20978;reason=timeout;elapsed_ms=9")
    response = atc.get("/bellevue/2025/winter/x.pdf", [*EDGE, failed])
    assert (response.status, response.error) == (503, "replay_failed") and "app printer" in response.text


def test_an_appliance_serves_its_own_paths(atc):
    atc.start(with_printer(), env={**FLY, "FLY_APP_NAME": "printer"})
    assert atc.get("/bellevue/2025/winter/list.pdf", EDGE).status != 307


# --- who moves ---

def test_a_user_who_moves_away_is_stopped_here_and_sent_on(atc):
    started(atc)
    pid = atc.get("/boston/2025/april/whoami", EDGE).json()["pid"]
    moved = {**USERS, "boston": {"machine": "3d8d413b29d638", "tenants": ["2025/april"]}}
    atc.write_config(knobs_config(moved, server=AS_EDGE))
    assert atc.cli("reload").returncode == 0
    assert atc.get("/boston/2025/april/whoami", EDGE).json()["instance"] == "3d8d413b29d638"
    wait_until(lambda: not processes.is_alive(pid), 10, "the copy here ends")
    refused = atc.cli("start", "boston/2025/april")
    assert refused.returncode and "lives on another machine" in refused.stderr
    atc.write_config(knobs_config(USERS, server=AS_EDGE))
    assert atc.cli("reload").returncode == 0
    assert atc.get("/boston/2025/april/whoami", EDGE).status == 200, "and when it comes back it is served again"


def test_requests_that_wait_for_one_who_moves_away_are_told_so(atc):
    config = knobs_config(USERS, server=AS_EDGE, env={"KNOBS_BOOT_UNTIL": "go"}, start_timeout="10m")
    atc.start(config, env=FLY)
    waiting = Background(atc.get, "/boston/2025/april/whoami", EDGE)
    wait_until(lambda: atc.tenant("boston/2025/april")["state"] == "starting", 10, "it starts")
    config["users"] = {**USERS, "boston": {"machine": "3d8d413b29d638", "tenants": ["2025/april"]}}
    atc.write_config(config)
    assert atc.cli("reload").returncode == 0
    response = waiting.result()
    assert (response.status, response.error) == (503, "moved") and response.header("Retry-After")
    wait_until(lambda: atc.tenant("boston/2025/april")["state"] in ("absent", "stopped"), 10, "it ends")


# --- regions with several machines ---

FOUR = ["m1", "m2", "m3", "m4"]


def test_each_user_of_a_region_lives_on_one_of_its_machines_and_all_agree_which(make_atc):
    users = {"u%d" % i: {"region": "sea", "tenants": ["a", "b"]} for i in range(60)}
    config = {**knobs_config(users, server=AS_EDGE), "machines": {name: {"region": "sea"} for name in FOUR}}
    config["machines"]["far"] = {"region": "iad"}
    owners = {}
    for name in FOUR:
        atc = make_atc()
        atc.start(config, env={**FLY, "FLY_MACHINE_ID": name})
        here = {tenant["id"] for tenant in atc.status()["tenants"] if tenant["here"]}
        assert all((tenant["machine"] == name) == tenant["here"] for tenant in atc.status()["tenants"])
        for tenant in here:
            assert tenant not in owners, "two machines have it"
            owners[tenant] = name
        elsewhere = next(tenant["id"] for tenant in atc.status()["tenants"] if not tenant["here"])
        assert atc.get("/%s/" % elsewhere, EDGE).json()["instance"] in set(FOUR) - {name}
        atc.stop()
    assert len(owners) == 120 and all(owners["u%d/a" % i] == owners["u%d/b" % i] for i in range(60))
    assert all(5 <= list(owners.values()).count(name) <= 55 for name in FOUR)
