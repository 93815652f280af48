"""Which machine serves a request: here, by a replay of Fly's edge, or nobody. Off Fly everything is here.
SPDX-License-Identifier: MIT
"""
import json

import pytest

from atc import WINTER, knobs_config

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
