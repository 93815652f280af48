"""What the edge does with a request: headers, replays and their failures, the body, the cache, and whom it wakes.
SPDX-License-Identifier: MIT
"""
import json

import pytest

from conftest import LHR, OTHER, SEA, SJC, app
from fly import service
from waiting import wait_until


def script(**of):
    """From names of machines to what they answer."""
    ids = {"sea": SEA, "sjc": SJC, "lhr": LHR, "other": OTHER, "failed": "failed"}
    return ("x-script", json.dumps({ids[name]: value for name, value in of.items()}))


def header(value, *more, status=307):
    return [status, [["fly-replay", value], *more], ""]


def form(**value):
    return [307, [["content-type", "application/vnd.fly.replay+json"]], json.dumps(value)]


def seen(answer):
    """(machine, header fields by name) of what the last machine was asked."""
    assert answer.status == 200, answer
    value = answer.json()
    return value["machine"], {key.lower(): text for key, text in value["headers"]}


def test_a_request_gets_the_edges_headers(fly):
    machine, fields = seen(fly.get("/x?y=1", "sea", [("X-Forwarded-For", "198.51.100.1")]))
    assert machine == SEA
    assert fields["fly-region"] == "sea" and fields["fly-request-id"].endswith("-sea") and len(fields["fly-request-id"]) == 30
    assert fields["fly-client-ip"] == "127.0.0.1" and fields["fly-forwarded-port"] == "443" and fields["fly-forwarded-proto"] == "https"
    assert fields["x-forwarded-for"].split(", ")[:2] == ["198.51.100.1", "127.0.0.1"] and len(fields["x-forwarded-for"].split(", ")) == 3
    assert fields["x-forwarded-proto"] == "https" and fields["fly-forwarded-ssl"] == "on" and fields["x-request-start"].startswith("t=")
    assert "fly-replay-src" not in fields and "fly-replay-cache-status" not in fields


def test_port_80_is_http(fly):
    _, fields = seen(fly.get("/", "sea", port=80))
    assert (fields["x-forwarded-proto"], fields["fly-forwarded-port"], fields["fly-forwarded-ssl"]) == ("http", "80", "off")


def test_an_answer_gets_the_edges_headers(fly):
    answer = fly.get("/", "sea")
    assert answer.header("server") == "Fly/sim" and answer.header("via") == "1.1 fly.io" and answer.header("fly-request-id")


SPOOFED = [("fly-client-ip", "10.0.0.1"), ("fly-region", "nrt"), ("fly-replay-src", "instance=x;state=secret"),
           ("fly-replay-failed", "instance=x"), ("fly-replay-cache-status", "hit"), ("fly-src", "instance=x")]


def test_fly_headers_of_a_client_do_not_pass(fly):
    _, fields = seen(fly.get("/", "sea", SPOOFED))
    assert not {"fly-replay-src", "fly-replay-failed", "fly-replay-cache-status", "fly-src"} & set(fields)
    assert fields["fly-client-ip"] == "127.0.0.1" and fields["fly-region"] == "sea"


def test_fly_headers_of_a_client_pass_where_the_switch_says_so(fly):
    fly.order("switches", trust_client_fly_headers=True)
    try:
        _, fields = seen(fly.get("/", "sea", SPOOFED))
        assert all(fields[key] == value for key, value in SPOOFED)
    finally:
        fly.order("switches", trust_client_fly_headers=False)


def test_the_nearest_machine_is_asked(fly):
    assert [seen(fly.get("/", region))[0] for region in ("sea", "sjc", "lhr")] == [SEA, SJC, LHR]


@pytest.mark.parametrize("fields, machine", [
    ([("fly-prefer-region", "lhr,sea")], LHR), ([("fly-force-region", "sjc")], SJC), ([("fly-prefer-region", "nrt")], SEA),
    ([("fly-force-instance-id", LHR)], LHR), ([("fly-prefer-instance-id", SJC)], SJC)])
def test_a_client_may_say_which_machine(fly, fields, machine):
    got, passed = seen(fly.get("/", "sea", fields))
    assert got == machine and not {key for key, _ in fields} & set(passed)


def test_a_forced_region_without_a_machine_is_502(fly):
    assert fly.get("/", "sea", [("fly-force-region", "nrt")]).status == 502


@pytest.mark.parametrize("status", [200, 204, 307, 409, 421, 500])
def test_a_replay_goes_to_the_machine_whatever_its_status(fly, status):
    answer = fly.ask("POST", "/path?query=1", "sea", [script(sea=header("instance=%s;state=a.b=c" % SJC, ["set-cookie", "a=1"], status=status)
                     if status != 204 else [204, [["fly-replay", "instance=%s;state=a.b=c" % SJC]], ""])], b"the body")
    machine, fields = seen(answer)
    assert machine == SJC and not answer.all("set-cookie")
    value = answer.json()
    assert (value["method"], value["target"], value["size"], value["sum"]) == ("POST", "/path?query=1", 8, sum(b"the body"))
    source = dict(pair.split("=", 1) for pair in fields["fly-replay-src"].split(";"))
    assert (source["instance"], source["region"], source["state"]) == (SEA, "sea", "a.b=c") and len(source["t"]) == 16
    assert fields["fly-replay-cache-status"] == "miss"


def test_a_replay_as_json_transforms(fly):
    wanted = form(instance=SJC, transform={"path": "/new?b=2", "delete_headers": ["Cookie"], "set_headers": [{"name": "x-user", "value": "u1"}]})
    answer = fly.get("/old?a=1", "sea", [script(sea=wanted), ("Cookie", "a=1"), ("X-User", "u0"), ("Authorization", "Basic x")])
    _, fields = seen(answer)
    assert answer.json()["target"] == "/new?b=2" and "cookie" not in fields
    assert [value for key, value in answer.json()["headers"] if key == "x-user" or key == "X-User"] == ["u1"]
    assert fields["authorization"] == "Basic x"


def test_authorization_can_be_lost_by_a_transform(fly):
    fly.order("switches", keep_authorization=False)
    try:
        _, fields = seen(fly.get("/", "sea", [script(sea=form(instance=SJC, transform={"path": "/y"})), ("Authorization", "Basic x")]))
        assert "authorization" not in fields
    finally:
        fly.order("switches", keep_authorization=True)


@pytest.mark.parametrize("value, machine", [('region="nrt,lhr,any"', LHR), ("region=eu", LHR), ("region=sjc", SJC), ("elsewhere=true", SJC),
                                            ("prefer_instance=" + LHR, LHR), ("app=printer", OTHER), ("app=printer;instance=" + OTHER, OTHER)])
def test_a_replay_may_name_a_region_or_an_app(fly, value, machine):
    assert seen(fly.get("/", "sea", [script(sea=header(value))]))[0] == machine


def test_elsewhere_holds_for_the_next_choice_only(fly):
    answer = fly.get("/", "sea", [script(sea=header("elsewhere=true"), sjc=header("instance=%s" % SEA), lhr=None)])
    assert answer.status == 502 and "PA02" in fly.codes, "they send it to and fro"


def test_who_stands_in_for_a_preferred_machine_is_told(fly):
    machine, fields = seen(fly.get("/", "sea", [script(sea=header("prefer_instance=deadbeef000000;elsewhere=true"))]))
    assert machine == SJC and fields["fly-preferred-instance-unavailable"] == "deadbeef000000"


@pytest.mark.parametrize("answer, code", [
    (header("nonsense"), "PA03"), (header("instance=x;color=red"), "PA03"), (header("region=sjc,lhr"), "PA03"),
    (header("instance=x;fallback=maybe"), "PA03"), (form(instance=5), "PA03"),
    ([307, [["content-type", "application/vnd.fly.replay+json"]], "{"], "PA03"), (header("app=nobody"), "PA04"),
    (header("app=strange"), "PA05"), (header("app=walled"), "PA05"), (header("instance=deadbeef000000"), "PR04"), (header("region=nrt"), "PR04")])
def test_a_replay_that_cannot_be_is_a_bare_502(fly, answer, code):
    got = fly.get("/", "sea", [script(sea=answer)])
    assert (got.status, got.body, got.header("content-length")) == (502, b"", "0") and fly.codes[-1] == code


def test_other_networks_and_organisations_can_be_let_in(make_fly):
    fly = make_fly({"calendar": app({"id": SEA, "region": "sea"}),
                    "walled": app({"id": SJC, "region": "sjc"}, public=False, network="apart"),
                    "strange": app({"id": LHR, "region": "lhr"}, public=False, organisation="others")},
                   organisations={"personal": {"cross_network_replays": True}, "others": {"replay_sources": ["personal"]}})
    assert [seen(fly.get("/", "sea", [script(sea=header("app=" + name))]))[0] for name in ("walled", "strange")] == [SJC, LHR]


def test_unknown_keys_can_be_passed_over(fly):
    fly.order("switches", replay_unknown_keys="ignore")
    try:
        assert seen(fly.get("/", "sea", [script(sea=header("instance=%s;color=red" % SJC))]))[0] == SJC
    finally:
        fly.order("switches", replay_unknown_keys="refuse")


def test_ten_replays_and_no_more(fly):
    answer = fly.get("/", "sea", [script(sea=header("instance=" + SJC), sjc=header("instance=" + SEA))])
    assert answer.status == 502 and fly.codes[-1] == "PA02"
    request = fly.log(what="edge", code="PA02")[-1]["request"]
    assert len(fly.log(what="edge", request=request, text="replayed")) == 10


def test_what_failed_comes_back_to_who_sent_it(fly):
    wanted = header("instance=deadbeef000000;timeout=2s;fallback=force_self")
    machine, fields = seen(fly.get("/", "sea", [script(sea=wanted)]))
    assert machine == SEA and "fly-replay-src" not in fields
    failed = dict(pair.split("=", 1) for pair in fields["fly-replay-failed"].split(";"))
    assert list(failed) == ["instance", "app", "region", "replay_source", "reason", "elapsed_ms"]
    assert (failed["instance"], failed["app"], failed["replay_source"], failed["reason"]) == ("deadbeef000000", "calendar", SEA, "no_candidate")


def test_a_port_that_never_opens_is_a_timeout(make_fly):
    silent = {**service(), "internal_port": 8081}
    fly = make_fly({"calendar": app({"id": SEA, "region": "sea"}, {"id": SJC, "region": "sjc", "config": {"services": [silent]}})})
    _, fields = seen(fly.get("/", "sea", [script(sea=header("instance=%s;timeout=100ms;fallback=prefer_self" % SJC))]))
    assert "reason=timeout" in fields["fly-replay-failed"] and fly.codes == ["PC01"]


def test_a_request_that_came_back_is_not_replayed_again(fly):
    answer = fly.get("/", "sea", [script(sea=header("instance=deadbeef000000;timeout=1s;fallback=force_self"), failed=header("instance=" + SJC))])
    assert answer.status == 502 and fly.log(what="edge", reason="fallback_replayed")


def test_an_error_of_the_application_is_its_answer(fly):
    wanted = header("instance=%s;timeout=2s;fallback=force_self" % SJC)
    answer = fly.get("/", "sea", [script(sea=wanted, sjc=[503, [], "mine"])])
    assert (answer.status, answer.body) == (503, b"mine")


# -- bodies --

@pytest.mark.parametrize("size, status", [(0, 200), (999999, 200), (1000000, 200), (1000001, 502)])
def test_a_body_is_replayed_up_to_the_limit(fly, size, status):
    answer = fly.ask("POST", "/", "sea", [script(sea=header("instance=" + SJC))], b"a" * size)
    assert answer.status == status
    if status == 200:
        assert (answer.json()["machine"], answer.json()["size"]) == (SJC, size)
    else:
        assert fly.codes[-1] == "PA01"


def test_a_client_that_still_sends_gets_the_answer(fly):
    """Had its connection been closed with bytes unread, they would have been answered by a reset."""
    with fly.wire("sea") as wire:
        wire.request("POST", "/", [script(sea=["early", *header("instance=" + SJC)]), ("Content-Length", "20000000"), ("Connection", "close")])
        for _ in range(20):
            wire.send(b"d" * 1000000)
        assert wire.response("POST").status == 502


def test_a_body_is_replayed_that_was_answered_before_it_was_read(fly):
    answer = fly.ask("POST", "/", "sea", [script(sea=["early", *header("instance=" + SJC)])], b"a" * 900000)
    assert (answer.json()["machine"], answer.json()["size"]) == (SJC, 900000)


CHUNKED = [("Transfer-Encoding", "chunked"), ("Connection", "close")]


def chunked(fly, size):
    with fly.wire("sea") as wire:
        wire.request("POST", "/", [script(sea=header("instance=" + SJC)), *CHUNKED])
        wire.send(b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"b" * size))
        return wire.response("POST")


def test_a_body_of_unknown_length_is_too_large_or_counted(fly):
    assert chunked(fly, 10).status == 502 and fly.codes[-1] == "PA01"
    fly.order("switches", replay_body_rule="bytes")
    try:
        assert chunked(fly, 1000000).json()["size"] == 1000000
        assert chunked(fly, 1000001).status == 502
    finally:
        fly.order("switches", replay_body_rule="length")


def test_a_large_body_passes_where_nobody_replays(fly):
    assert fly.ask("POST", "/", "sea", (), b"c" * 3000000).json()["size"] == 3000000


def test_a_client_that_waits_for_100_is_told_to_go_on(fly):
    with fly.wire("sea") as wire:
        wire.request("POST", "/", [("Expect", "100-continue"), ("Content-Length", "5")])
        assert wire.head().status == 100
        wire.send(b"12345")
        assert wire.response("POST").json()["size"] == 5


def test_an_answer_streams(fly):
    fly.path(SEA, "rootfs", "go").unlink(missing_ok=True)
    with fly.wire("sea") as wire:
        wire.request("GET", "/stream")
        wire.head()
        chunks = wire.chunks()
        assert next(chunks) == b"first"
        fly.path(SEA, "rootfs", "go").touch()
        assert next(chunks) == b"last"
    fly.path(SEA, "rootfs", "go").unlink()


def test_a_connection_serves_several_requests(fly):
    with fly.wire("sea") as wire:
        assert [seen(wire.get("/%d" % i))[0] for i in range(3)] == [SEA] * 3


def test_a_websocket_passes_and_is_load_and_is_replayed(fly):
    with fly.wire("sea") as wire:
        wire.websocket("/ws", [script(sea=header("instance=" + SJC))])
        wire.send_frame("hello")
        assert wire.exactly(11)[6:] == bytes(byte ^ (1, 2, 3, 4)[i & 3] for i, byte in enumerate(b"hello"))


def test_a_websocket_is_replayed(fly):
    # /ws is answered before the script is read: another path, which a transform makes /ws.
    wanted = form(instance=SJC, transform={"path": "/ws"})
    with fly.wire("sea") as wire:
        wire.websocket("/cable", [script(sea=wanted)])
        wire.send_frame("x")
        assert wire.exactly(7)
    assert fly.log(what="edge", text="replayed", instance=SJC, path="/cable")


def test_a_machine_that_vanishes_is_502(fly):
    assert fly.get("/vanish", "sea").status == 502 and fly.codes[-1] == "PR02"


# -- the cache --

def cached(path, *more):
    return header("instance=" + LHR, ["fly-replay-cache", path], ["fly-replay-cache-ttl-secs", "60"], *more)


def status(fly, path, *fields):
    machine, passed = seen(fly.get(path, "sea", fields))
    return machine, passed.get("fly-replay-cache-status"), "fly-replay-src" in passed


def test_a_replay_is_remembered_by_path(fly):
    wish = script(sea=cached("/u1/*"))
    assert status(fly, "/u1/a", wish) == (LHR, "miss", True)
    assert status(fly, "/u1/b") == (LHR, "hit", False)
    assert status(fly, "/u2/b") == (SEA, None, False)
    assert seen(fly.get("/u1/b", "sea", host="calendar.fly.dev"))[0] == SEA, "each host has its own"
    assert seen(fly.get("/u1/b", "sjc"))[0] == SJC, "and each edge"


def test_the_wrong_owner_invalidates_what_is_remembered(fly):
    status(fly, "/u1/a", script(sea=cached("/u1/*")))
    wrong = script(lhr=header("instance=" + SJC, ["fly-replay-cache", "invalidate"]))
    assert status(fly, "/u1/a", wrong) == (SJC, "miss", True)
    assert status(fly, "/u1/a")[0] == SEA


def test_a_client_may_pass_by_the_cache_where_it_is_allowed(fly):
    skip = ("fly-replay-cache-control", "skip")
    status(fly, "/u1/a", script(sea=cached("/u1/*")))
    assert status(fly, "/u1/a", skip)[0] == LHR
    status(fly, "/u2/a", script(sea=cached("/u2/*", ["fly-replay-cache-allow-bypass", "yes"])))
    assert status(fly, "/u2/a", skip)[0] == SEA
    assert status(fly, "/u2/a", skip, script(sea=header("instance=" + SJC))) == (SJC, "bypass", True)


@pytest.mark.parametrize("allow", [{"cache": {"prefix": "/u1/*", "ttl": 60, "allow_bypass": True}},
                                   {"cache": {"prefix": "/u1/*", "ttl": 60}, "allow_bypass": True}])
def test_the_cache_has_a_json_form(fly, allow):
    status(fly, "/u1/a", script(sea=form(instance=LHR, **allow)))
    assert status(fly, "/u1/a")[:2] == (LHR, "hit")
    assert status(fly, "/u1/a", ("fly-replay-cache-control", "skip"))[0] == SEA


@pytest.mark.parametrize("answer", [
    header("instance=%s;state=x" % LHR, ["fly-replay-cache", "/u1/*"]), header("instance=%s;timeout=1s" % LHR, ["fly-replay-cache", "/u1/*"]),
    header("instance=" + LHR, ["fly-replay-cache", "/u2/*"]), header("instance=" + LHR, ["fly-replay-cache", "/u1"]),
    header("instance=" + LHR, ["fly-replay-cache", "/u1/*"], ["fly-replay-cache-ttl-secs", "9"])])
def test_what_cannot_be_cached_is_malformed(fly, answer):
    assert fly.get("/u1/a", "sea", [script(sea=answer)]).status == 502 and fly.codes[-1] == "PA03"


def test_the_cache_may_forget(fly):
    fly.order("switches", cache_forget=1.0)
    try:
        status(fly, "/u1/a", script(sea=cached("/u1/*")))
        assert status(fly, "/u1/a")[0] == SEA
    finally:
        fly.order("switches", cache_forget=0.0)


def test_what_is_remembered_and_gone_goes_the_long_way(make_fly):
    fly = make_fly({"calendar": app({"id": SEA, "region": "sea"}, {"id": LHR, "region": "lhr"})})
    status(fly, "/u1/a", script(sea=cached("/u1/*")))
    fly.api("DELETE", "/apps/calendar/machines/%s?force=true" % LHR)
    assert status(fly, "/u1/a") == (SEA, None, False)


def test_a_session_is_remembered_by_its_cookie(make_fly):
    rule = {"path_prefix": "/", "ttl_seconds": 60, "type": "cookie", "name": "session", "allow_bypass": False}
    ports = [{"port": 443, "handlers": ["tls", "http"], "http_options": {"replay_cache": [rule]}}]
    fly = make_fly({"calendar": app({"id": SEA, "region": "sea"}, {"id": SJC, "region": "sjc"}, service=service(ports=ports))})
    mine, other = ("Cookie", "a=b; session=1"), ("Cookie", "session=2")
    assert status(fly, "/x", mine, script(sea=header("instance=" + SJC)))[:2] == (SJC, "miss")
    assert status(fly, "/y", mine) == (SJC, "hit", False) and status(fly, "/y", other)[0] == SEA


# -- waking --

@pytest.mark.parametrize("state", ["stopped", "suspended"])
def test_a_replay_wakes_the_machine(fly, state):
    fly.bring(SJC, state)
    machine, fields = seen(fly.get("/", "sea", [script(sea=header("instance=" + SJC))]))
    assert machine == SJC and "fly-replay-src" in fields
    events = fly.machine(SJC)["events"]
    assert any(event["type"] == "start" and event["source"] == "proxy" for event in events[:3])


def test_autostart_off_is_never_woken(make_fly):
    fly = make_fly({"calendar": app({"id": SEA, "region": "sea", "state": "stopped"}, service=service(autostart=False))},
                   switches={"connect_limit": 0.1})
    assert fly.get("/", "sea").status == 502 and fly.machine(SEA)["state"] == "stopped"


def test_forcing_an_instance_wakes_it_or_not(fly):
    force = [("fly-force-instance-id", SJC)]
    fly.bring(SJC, "stopped")
    fly.order("switches", force_wakes=False, connect_limit=0.1)
    try:
        assert fly.get("/", "sea", force).status == 502 and fly.machine(SJC)["state"] == "stopped"
    finally:
        fly.order("switches", force_wakes=True, connect_limit=8.0)
    assert seen(fly.get("/", "sea", force))[0] == SJC


def test_a_cordoned_machine_gets_nothing(fly):
    fly.do(SJC, "cordon")
    try:
        assert fly.get("/", "sea", [script(sea=header("instance=" + SJC))]).status == 502
    finally:
        fly.do(SJC, "uncordon")


@pytest.mark.parametrize("state", ["replacing", "stopping", "failed"])
def test_a_machine_in_a_state_from_which_nothing_starts_is_pm08(fly, state):
    fly.order("machine", id=SJC, do="state", state=state)
    try:
        _, fields = seen(fly.get("/", "sea", [script(sea=header("instance=%s;timeout=50ms;fallback=force_self" % SJC))]))
        assert "reason=timeout" in fields["fly-replay-failed"] and fly.codes[-1] == "PM08"
    finally:
        fly.order("machine", id=SJC, do="state", state="started")


def test_a_stale_edge_restarts_the_only_candidate_and_passes_over_others(make_fly):
    fly = make_fly({"calendar": app({"id": SEA, "region": "sea"}, {"id": SJC, "region": "sjc"})}, switches={"state_lag": 1000.0})
    fly.bring(SEA, "stopped")
    assert seen(fly.get("/", "sea"))[0] == SJC, "the other one is tried"
    assert fly.machine(SEA)["state"] == "stopped"
    assert seen(fly.get("/", "sjc", [script(sjc=header("instance=" + SEA))]))[0] == SEA


def test_an_edge_that_lost_a_machine_does_not_find_it(fly):
    fly.order("fault", kind="blind", machine=SJC, region="sea", count=0)
    assert fly.get("/", "sea", [script(sea=header("instance=" + SJC))]).status == 502
    assert seen(fly.get("/", "sjc"))[0] == SJC


def test_an_edge_that_restarts_ends_its_connections(fly):
    with fly.wire("sea") as wire:
        wire.get("/")
        fly.order("edge", region="sea")
        assert wire.is_closed()
    assert fly.get("/", "sea").status == 200


def test_a_machine_at_its_hard_limit_is_passed_over(make_fly):
    fly = make_fly({"calendar": app({"id": SEA, "region": "sea"}, {"id": SJC, "region": "sjc"},
                                    service=service(concurrency={"type": "requests", "soft_limit": 1, "hard_limit": 1}))})
    with fly.wire("sea") as wire:
        wire.request("GET", "/hold")
        wait_until(lambda: fly.path(SEA, "rootfs", "held").exists())
        assert seen(fly.get("/", "sea"))[0] == SJC
        fly.path(SEA, "rootfs", "go").touch()
        assert wire.response().body.decode() == SEA


def test_beyond_the_soft_limit_another_machine_is_woken(make_fly):
    fly = make_fly({"calendar": app({"id": SEA, "region": "sea"}, {"id": SJC, "region": "sjc", "state": "stopped"},
                                    service=service(concurrency={"type": "requests", "soft_limit": 1}))})
    assert seen(fly.get("/", "sea"))[0] == SEA
    with fly.wire("sea") as wire:
        wire.request("GET", "/hold")
        wait_until(lambda: fly.path(SEA, "rootfs", "held").exists())
        assert seen(fly.get("/", "sea"))[0] == SJC
        fly.path(SEA, "rootfs", "go").touch()
        wire.response()
