"""A request that belongs to another machine is passed to that one, whole, and its answer comes back as it was given.
SPDX-License-Identifier: MIT
"""
import base64
import hashlib
import hmac
import os
import signal
import subprocess
import time

import pytest

import processes
from atc import Background, free_port, knobs_config
from fleet import BELLEVUE, BOSTON, SECRET, USERS, Impostor, machine_config, make_fleet, suspend
from h2wire import Tunnel, connect
from pages import Site, pages_config
from waiting import wait_until
from wire import Closed

BLOCK = bytes(range(256)) * 4096        # 1 MiB
UNTRUSTING = {"trusted_proxies": []}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def fleet(make_atc):
    return make_fleet(make_atc)


@pytest.fixture
def impostor():
    made = []

    def make(behave=None):
        made.append(Impostor(behave))
        return made[-1]
    yield make
    for each in made:
        each.close()


def seen_by_application(atc, path, headers=(), **more):
    answer = atc.get(path + "/echo", list(headers), **more)
    assert answer.status == 200, answer
    return {name.lower(): value for name, value in answer.json()["headers"]}


def marker(origin="m1", user="boston", age=0, secret=SECRET, kind="p", hop=1):
    """A hop marker as a machine of the fleet writes it."""
    key = hmac.new(secret.encode(), b"fly-atc hop key 1", hashlib.sha256).hexdigest().encode()
    text = "1.%s.%d:%s:%s:%x:%x" % (kind, hop, origin, user, 7, int((time.time() - age) * 1000))
    return text + ":" + base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()


def logged_now(atc, path):
    return atc.requests_logged(path=BOSTON + path)


def logged(atc, path):
    """The line of the only request for it."""
    line, = wait_until(lambda: logged_now(atc, path), what="the request is in the log")
    return line


# -- the way there and back --

def test_each_request_is_answered_by_the_machine_of_its_user(fleet):
    for asked in fleet.values():
        for path, owner in ((BELLEVUE, "m1"), (BOSTON, "m2")):
            pid = asked.get(path + "/whoami").json()["pid"]
            assert pid in fleet[owner].knobs_pids()
    assert len(fleet["m1"].knobs_pids()) == len(fleet["m2"].knobs_pids()) == 1


def test_the_application_sees_what_it_would_have_seen_without_another_machine_between(make_atc):
    fleet = make_fleet(make_atc, knobs_config(USERS, server=UNTRUSTING))
    sent = [("Cookie", "a=1"), ("Authorization", "Basic eDp5"), ("X-Forwarded-For", "192.0.2.9"), ("X-Forwarded-Host", "evil.example"),
            ("X-Request-ID", "mine"), ("Fly-Client-IP", "192.0.2.9"), ("Fly-Replay-Src", "instance=m1"), ("Connection", "close, X-Hop"),
            ("X-Hop", "1"), ("TE", "trailers"), ("Accept-Encoding", "gzip"), ("X-Empty", "")]
    near, far = (seen_by_application(fleet[name], BOSTON, sent, host="dance.example:8080") for name in ("m2", "m1"))
    for seen in (near, far):
        for changing in ("x-request-id", "x-request-start"):
            assert seen.pop(changing)
    assert near == far
    assert far["host"] == "dance.example:8080" and far["x-forwarded-for"] == "127.0.0.1"
    assert not [name for name in far if name.startswith("fly-")]


def test_what_a_trusted_proxy_says_of_the_client_arrives(make_atc):
    fleet = make_fleet(make_atc)
    fleet["m2"].write_config(machine_config("m2", {name: "127.0.0.1:%d" % atc.port for name, atc in fleet.items()},
                                            knobs_config(USERS, server=UNTRUSTING)))
    fleet["m2"].stop()
    fleet["m2"].again()
    seen = seen_by_application(fleet["m1"], BOSTON, [("X-Forwarded-For", "192.0.2.9"), ("X-Forwarded-Proto", "https"),
                                                     ("X-Forwarded-Host", "dance.example"), ("X-Request-ID", "given-7")])
    assert [seen[name] for name in ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-request-id")] == [
        "192.0.2.9", "https", "dance.example", "given-7"]
    assert logged(fleet["m2"], "/echo")["remote_addr"] == "192.0.2.9"


def test_one_id_names_the_request_in_the_logs_of_both_machines(fleet):
    seen = seen_by_application(fleet["m1"], BOSTON)
    near, far = logged(fleet["m1"], "/echo"), logged(fleet["m2"], "/echo")
    assert near["request_id"] == far["request_id"] == seen["x-request-id"]
    assert (near["machine"], near["tenant"]) == ("m2", "boston/2025/april") and "machine" not in far


@pytest.mark.parametrize("tail", ["/a%2Fb/%7Ec?q=%20&&x=%C3%A4", "/a//b;v=1", "/?", "/%65x", "/a%5Cb"])
def test_the_path_and_the_query_arrive_byte_for_byte(make_atc, tail):
    fleet = make_fleet(make_atc, pages_config(users=USERS))
    site = Site(fleet["m2"], "boston/2025/april")
    for name in ("m2", "m1"):
        assert fleet[name].get(BOSTON + tail).status == 404
    near, far = site.asked()
    assert near["target"] == far["target"]


@pytest.mark.parametrize("size", [0, 1, 100000, 1000001, 50 * 1024 * 1024])
def test_a_body_of_any_size_arrives(fleet, size):
    body = (BLOCK * (size // len(BLOCK) + 1))[:size]
    answer = fleet["m1"].post(BOSTON + "/upload", body).json()
    assert answer == {"size": size, "sha256": hashlib.sha256(body).hexdigest()}


def test_a_chunked_body_arrives_with_its_trailers(fleet):
    with fleet["m1"].wire() as wire:
        wire.send(b"POST %s/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                  b"5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n" % BOSTON.encode())
        answer = wire.response("POST").json()
    assert (answer["body"], answer["trailers"]) == ("hello world", [["X-Sum", "11"]])


def test_an_answer_keeps_its_trailers_hints_length_and_fields(fleet):
    with fleet["m1"].wire() as wire:
        answer = wire.ask("GET", BOSTON + "/trailers", [("TE", "trailers")])
        assert (answer.body, answer.trailers) == (b"body with a trailer\n", [("X-Sum", "42")])
        answer = wire.get(BOSTON + "/hints?n=2")
        assert [each.status for each in answer.interim] == [103, 103] and answer.body == b"after hints\n"
        answer = wire.get(BOSTON + "/set?h=X-Own:1&h=Set-Cookie:a=1&h=Set-Cookie:b=2")
        assert answer.header("X-Own") == "1" and answer.all("Set-Cookie") == ["a=1", "b=2"]
        assert wire.ask("HEAD", BOSTON + "/up").header("Content-Length") == "3"
        assert wire.ask("DELETE", BOSTON + "/status?code=204").status == 204


def test_a_redirect_of_the_application_leads_below_its_prefix(make_atc):
    """It is rewritten by the machine that knows the tenant, and only there."""
    fleet = make_fleet(make_atc, knobs_config(USERS, prefix="strip"))
    for name in ("m2", "m1"):
        assert fleet[name].get(BOSTON + "/redirect?to=/next").header("Location") == BOSTON + "/next"
        assert "Path=" + BOSTON in fleet[name].get(BOSTON + "/cookie?path=/").header("Set-Cookie")


def test_events_arrive_one_by_one(fleet):
    assert fleet["m1"].get(BOSTON + "/up").status == 200
    with fleet["m1"].wire() as wire:
        wire.request("GET", BOSTON + "/sse?n=3&steps=events")
        assert wire.head().header("Content-Type") == "text/event-stream"
        chunks = wire.chunks()
        for i in range(3):
            fleet["m2"].allow("events", "boston/2025/april")
            assert next(chunks) == b"data: %d\n\n" % i


def test_a_websocket_goes_through(fleet):
    with fleet["m1"].wire() as wire:
        wire.websocket(BOSTON + "/ws")
        for text in ("hello", "x" * 100000):
            wire.send_frame(text)
            assert wire.frame() == (1, text.encode())


def test_a_websocket_over_http_2_goes_through(make_atc):
    fleet = make_fleet(make_atc, knobs_config(USERS, server={"h2c_enabled": True}))
    with connect(fleet["m1"], checks=False) as wire:
        tunnel = Tunnel(wire, BOSTON + "/ws")
        assert wire.head(tunnel.number).status == 200
        tunnel.send_message(b"hello" * 1000)
        assert tunnel.message() == (2, b"hello" * 1000)


def test_another_protocol_is_upgraded_to(fleet):
    with fleet["m1"].wire() as wire:
        wire.request("GET", BOSTON + "/upgrade/custom", [("Connection", "upgrade"), ("Upgrade", "custom")])
        assert wire.head().status == 101
        for piece in (b"one", b"two"):
            assert wire.send(piece).exactly(len(piece)) == piece


def test_a_client_of_http_2_is_served(make_atc):
    near = make_fleet(make_atc, knobs_config(USERS, server={"h2c_enabled": True}))["m1"]
    near.speaks_h2 = True
    body = BLOCK * 3
    assert near.post(BOSTON + "/upload", body).json()["sha256"] == hashlib.sha256(body).hexdigest()
    assert len(near.get(BOSTON + "/download?bytes=3000000").body) == 3000000


def test_a_client_that_goes_away_ends_its_request_at_the_application(fleet):
    fleet["m1"].get(BOSTON + "/up")
    with fleet["m1"].wire() as wire:
        wire.request("GET", BOSTON + "/stall")
        wait_until(lambda: fleet["m2"].tenant("boston/2025/april")["in_flight"] == 1, what="it is under way")
    wait_until(lambda: fleet["m2"].tenant("boston/2025/april")["in_flight"] == 0, what="it has ended")


def test_100_continue_comes_from_the_application_s_machine(fleet):
    with fleet["m1"].wire() as wire:
        wire.send(b"POST %s/upload HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n" % BOSTON.encode())
        assert wire.head().status == 100
        assert wire.send(b"hello").response("POST").json()["size"] == 5


def test_nothing_of_another_machine_s_is_cached_here(make_atc):
    fleet = make_fleet(make_atc, pages_config(users=USERS))
    Site(fleet["m2"], "boston/2025/april", x={"headers": [["Cache-Control", "public, max-age=600"]], "body": "answer #"})
    for _ in range(2):
        assert fleet["m1"].get(BOSTON + "/x").body == b"answer 1", "the owner's cache answers"
    for name, said in (("m1", ["", ""]), ("m2", ["miss", "hit"])):
        wait_until(lambda atc=fleet[name]: len(atc.requests_logged(path=BOSTON + "/x")) == 2, what="both are in the log")
        assert [line["cache"] for line in fleet[name].requests_logged(path=BOSTON + "/x")] == said


# -- who is believed --

FORGED = {
    "another secret": lambda: marker(secret="another secret of another fleet"),
    "another user": lambda: marker(user="bellevue"),
    "another kind": lambda: marker(kind="r"),
    "no marker": lambda: "yes",
    "nothing": lambda: "",
}


@pytest.mark.parametrize("what", FORGED)
def test_a_client_that_passes_for_a_machine_is_refused(fleet, what):
    answer = fleet["m2"].get(BOSTON + "/echo", [("Fly-Atc-Hop", FORGED[what]()), ("Fly-Atc-Machine", "m2"),
                                                ("X-Forwarded-For", "192.0.2.9")])
    assert (answer.status, answer.error) == (403, "bad_hop")
    assert not fleet["m2"].knobs_pids(), "it has woken nothing"


def test_a_machine_is_believed_by_its_marker(make_atc):
    """That the tests can write one is what makes those above worth anything."""
    far = make_fleet(make_atc, knobs_config(USERS, server=UNTRUSTING), start=["m2"])["m2"]
    seen = seen_by_application(far, BOSTON, [("Fly-Atc-Hop", marker()), ("Fly-Atc-Machine", "m2"), ("X-Forwarded-For", "192.0.2.9")])
    assert seen["x-forwarded-for"] == "192.0.2.9" and "fly-atc-hop" not in seen and "fly-atc-machine" not in seen
    assert far.get(BOSTON + "/up", [("Fly-Atc-Hop", marker(age=-3600)), ("Fly-Atc-Machine", "m2")]).status == 200
    far.wait_log("ahead of ours")


def test_a_machine_whose_clock_is_behind_gets_a_clear_error(fleet):
    answer = fleet["m2"].get(BOSTON + "/up", [("Fly-Atc-Hop", marker(age=600)), ("Fly-Atc-Machine", "m2")])
    assert (answer.status, answer.error) == (503, "clocks_differ")
    assert "Machine m1 is 600 s behind" in answer.text or "Machine m1 is 60" in answer.text


def test_a_machine_whose_clock_stands_still_after_a_sleep_writes_the_time_of_the_edge(make_atc, impostor):
    """Else the first requests after it would be refused by machines that did not sleep."""
    other = impostor(lambda connection, _: connection.sendall(OK))
    near = make_atc()
    near.port = free_port()
    near.start(machine_config("m1", {"m1": "127.0.0.1:%d" % near.port, "m2": other.address},
                              knobs_config(USERS, server={"trusted_proxies": ["127.0.0.1"]}), target="fly"),
               env={"FLY_MACHINE_ID": "m1", "FLY_REGION": "sea", "FLY_APP_NAME": "calendar"})
    now = int(time.time() * 1000)
    edge = [("Fly-Request-Id", "1-sea"), ("X-Request-Start", "t=%d" % ((now + 3600 * 1000) * 1000)), ("Transfer-Encoding", "chunked")]
    assert near.post(BOSTON + "/up", b"0\r\n\r\n", edge).body == b"ok"
    field, = [line for line in other.heads[0].split("\r\n") if line.startswith("Fly-Atc-Hop: ")]
    assert int(field.split(":")[5], 16) >= now + 3600 * 1000


def test_a_client_cannot_give_its_own_marker_to_another_machine(fleet):
    """What it says is refused by the first machine already, and never passed on."""
    assert fleet["m1"].get(BOSTON + "/up", [("Fly-Atc-Hop", "x")]).error == "bad_hop"
    assert not fleet["m2"].requests_logged()


def test_machines_that_disagree_end_in_an_error_of_ours(make_atc):
    fleet = make_fleet(make_atc)
    addresses = {name: "127.0.0.1:%d" % atc.port for name, atc in fleet.items()}
    wrong = knobs_config({**USERS, "boston": {**USERS["boston"], "machine": "m1"}})
    fleet["m2"].stop()
    fleet["m2"].again(machine_config("m2", addresses, wrong))
    answer = fleet["m1"].get(BOSTON + "/up")
    assert (answer.status, answer.error) == (503, "replay_loop")
    assert logged(fleet["m1"], "/up") and logged(fleet["m2"], "/up")


def test_another_machine_at_the_address_serves_nothing(make_atc):
    """The address has become another's, which thinks that the user is its own: only the name keeps it from serving."""
    config = knobs_config(USERS, start_timeout="1s")
    far = make_fleet(make_atc, names=("m1",), start=[])["m1"]
    near = make_fleet(make_atc, config, names=("m1",), m2="127.0.0.1:%d" % far.port)["m1"]
    far.again(machine_config("m3", {"m1": "127.0.0.1:1", "m3": "127.0.0.1:%d" % far.port},
                             knobs_config({"boston": {**USERS["boston"], "machine": "m3"}})))
    answer = near.get(BOSTON + "/up")
    assert (answer.status, answer.error) == (503, "peer_unreachable") and "Machine m2" in answer.text
    assert not far.knobs_pids()
    assert {line["error"] for line in far.requests_logged(path="/up")} == {"misdirected"}, "it was asked who it is"
    assert not far.requests_logged(path=BOSTON + "/up")


def test_a_machine_may_have_more_connections_than_a_client(make_atc):
    fleet = make_fleet(make_atc, knobs_config(USERS, server={**UNTRUSTING, "max_connections_per_address": 4, "threads": 1}))
    fleet["m1"].get(BOSTON + "/up")

    def one(i):
        return fleet["m1"].get(BOSTON + "/sleep?until=all", [("X-Forwarded-For", "192.0.2.%d" % i)]).status
    under_way = [Background(one, i) for i in range(4)]
    wait_until(lambda: fleet["m2"].tenant("boston/2025/april")["in_flight"] == 4, what="all are there at once")
    assert seen_by_application(fleet["m2"], BOSTON)
    fleet["m2"].allow("all", "boston/2025/april")
    assert [each.result() for each in under_way] == [200] * 4


# -- a machine that is not there --

def test_a_request_waits_for_a_machine_that_is_started_again(make_atc):
    fleet = make_fleet(make_atc, knobs_config(USERS, server={"threads": 1}))
    assert fleet["m1"].get(BOSTON + "/up").status == 200
    fleet["m2"].stop()
    waiting = [Background(fleet["m1"].post, BOSTON + "/upload", BLOCK), Background(fleet["m1"].get, BOSTON + "/whoami")]
    wait_until(lambda: fleet["m1"].log.count("machine m2 is asked for") > 1, what="it is missed")
    assert not any(each.is_done for each in waiting)
    fleet["m2"].again()
    assert waiting[0].result().json()["size"] == len(BLOCK)
    assert waiting[1].result().json()["pid"] in fleet["m2"].knobs_pids()
    assert logged(fleet["m1"], "/upload")["wake_ms"] > 0


def sleeping_fleet(make_atc, config):
    """m1 runs, and its command that wakes m2 waits until there is the file `awake`."""
    far = make_fleet(make_atc, names=("m2",), start=[])["m2"]
    asleep = far.home / "asleep"
    asleep.touch()
    wake = ["sh", "-c", "while [ -e %s ]; do sleep 0.05; done" % asleep]
    m2 = {"address": "127.0.0.1:%d" % far.port, "wake": {"command": wake}}
    near = make_fleet(make_atc, config, names=("m1",), m2=m2)["m1"]
    far.write_config(machine_config("m2", {"m1": "127.0.0.1:%d" % near.port, "m2": m2}))
    return near, far, asleep


def test_requests_wait_for_a_machine_that_is_woken(make_atc):
    near, far, asleep = sleeping_fleet(make_atc, knobs_config(USERS))
    waiting = [Background(near.post, BOSTON + "/upload", BLOCK), Background(near.get, BOSTON + "/whoami")]
    near.wait_log("machine m2 is asked for")
    assert not any(each.is_done for each in waiting)
    far.again()
    asleep.unlink()
    assert waiting[0].result().json()["size"] == len(BLOCK)
    assert waiting[1].result().json()["pid"] in far.knobs_pids()


def test_no_more_requests_wait_for_a_machine_than_may_be_held(make_atc):
    near, _, asleep = sleeping_fleet(make_atc, knobs_config(USERS, server={"max_held": 4, "held_per_tenant": 1, "threads": 1}))
    waiting = [Background(near.get, BOSTON + "/up") for _ in range(12)]
    wait_until(lambda: sum(each.is_done for each in waiting) == 8, what="all but four are refused")
    assert {each.result().error for each in waiting if each.is_done} == {"too_many_held"}
    asked = near.log.count("machine m2 is asked for")
    assert asked == 1, "all wait for one answer"
    near.stop()
    assert {each.result().error for each in waiting} == {"too_many_held", "draining"}
    asleep.unlink()


def test_a_client_that_does_not_wait_for_a_machine_takes_its_place_along(make_atc):
    near, _, asleep = sleeping_fleet(make_atc, knobs_config(USERS, server={"max_held": 1, "held_per_tenant": 0, "threads": 1}))
    with near.wire() as wire:
        wire.request("GET", BOSTON + "/up")
        near.wait_log("machine m2 is asked for")
        assert near.get(BOSTON + "/up").error == "too_many_held"
    wait_until(lambda: any(line["error"] == "client_gone" for line in logged_now(near, "/up")), what="its end is noticed")
    waiting = [Background(near.get, BOSTON + "/up") for _ in range(2)]
    wait_until(lambda: any(each.is_done for each in waiting), what="one of them is refused")
    near.stop()
    assert sorted(each.result().error for each in waiting) == ["draining", "too_many_held"], "the other was held"
    asleep.unlink()


def test_a_machine_that_does_not_come_is_named_in_an_honest_page(make_atc):
    fleet = make_fleet(make_atc, knobs_config(USERS, start_timeout="1s"), start=["m1"])
    answer = fleet["m1"].get(BOSTON + "/up")
    assert (answer.status, answer.error, answer.header("Retry-After")) == (503, "peer_unreachable", "1")
    assert answer.text.endswith("\nMachine m2\n"), "where that is, is nobody's business"
    assert "Connection refused" in logged(fleet["m1"], "/up")["detail"]


@pytest.mark.parametrize("address, why", [("", "does not say its address"), ("no-such-host.invalid:80", "no-such-host.invalid")])
def test_a_machine_whose_address_leads_nowhere_is_an_error_at_once(make_atc, address, why):
    near = make_fleet(make_atc, names=("m1",), m2=address)["m1"]
    answer = near.get(BOSTON + "/up")
    assert (answer.status, answer.error) == (503, "peer_unreachable")
    assert why in logged(near, "/up")["detail"]


def test_without_a_secret_nothing_is_sent_to_another_machine(make_atc, impostor):
    other = impostor()
    near = make_atc()
    near.start({**machine_config("m1", {"m1": "127.0.0.1:1", "m2": other.address}), "machine": {"name": "m1", "target": "hosts"}})
    answer = near.get(BOSTON + "/up")
    assert (answer.status, answer.error) == (421, "misdirected")
    assert not other.heads


# -- a network that others listen to --

NEIGHBOUR = """
global
    nbthread 1
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen to-m2
    bind 127.0.0.1:%(near)d
    server m2 127.0.0.1:%(between)d ssl crt %(home)s/%(who)s.pem ca-file %(home)s/ca.pem verify required verifyhost m2
listen from-the-fleet
    bind 127.0.0.1:%(between)d ssl crt %(home)s/m2.pem ca-file %(home)s/ca.pem verify required
    server atc 127.0.0.1:%(far)d
"""


EC_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(home, *args):
    subprocess.run(["openssl", *args], cwd=home, check=True, capture_output=True)


def make_authority(home, *names):
    """An authority of the fleet's own, and one that it does not know; each machine has its key and certificate in one file."""
    for authority, subjects in (("ca", names), ("other", ["stranger"])):
        openssl(home, "req", "-x509", *EC_KEY, "-days", "2", "-subj", "/CN=" + authority, "-keyout",
                authority + ".key", "-out", authority + ".pem")
        for name in subjects:
            openssl(home, "req", *EC_KEY, "-subj", "/CN=" + name, "-keyout", "key", "-out", "csr")
            (home / "ext").write_text("subjectAltName=DNS:" + name)
            openssl(home, "x509", "-req", "-in", "csr", "-days", "2", "-CA", authority + ".pem", "-CAkey", authority + ".key",
                    "-CAcreateserial", "-extfile", "ext", "-out", "cert")
            (home / (name + ".pem")).write_text((home / "cert").read_text() + (home / "key").read_text())


@pytest.mark.parametrize("who, status", [("m1", 200), ("stranger", 503)])
def test_machines_talk_through_neighbours_with_mutual_tls(make_atc, who, status):
    """As docs/peers.md has it: what is no machine of the fleet's authority gets nowhere."""
    between, near_port = free_port(), free_port()
    fleet = make_fleet(make_atc, start=["m2"])
    near, home = fleet["m1"], fleet["m1"].home
    make_authority(home, "m1", "m2")
    (home / "haproxy.cfg").write_text(NEIGHBOUR % {"near": near_port, "between": between, "far": fleet["m2"].port, "home": home, "who": who})
    neighbour = subprocess.Popen(["haproxy", "-db", "-f", str(home / "haproxy.cfg")], stderr=subprocess.DEVNULL)
    try:
        near.again(machine_config("m1", {"m1": "127.0.0.1:%d" % near.port, "m2": "127.0.0.1:%d" % near_port}))
        answer = wait_until(lambda: near.get(BOSTON + "/up") if near.get(BOSTON + "/up").status == status else None, what="the answer")
        assert (answer.error is None) == (status == 200)
        if status == 200:
            assert near.post(BOSTON + "/upload", BLOCK).json()["sha256"] == hashlib.sha256(BLOCK).hexdigest()
    finally:
        neighbour.terminate()
        neighbour.wait()
    assert bool(fleet["m2"].requests_logged(path=BOSTON + "/up")) == (status == 200)


# -- a machine that is not well --

def garbage(connection, _):
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")


def torn(connection, _):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly a part")
    connection.close()


def silence(connection, _):
    connection.close()


def traitor(connection, _):
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Sendfile: /etc/passwd\r\nContent-Length: 0\r\nFly-Atc-Busy: 60\r\n\r\n")


def endless(connection, _):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")


def test_a_machine_that_answers_garbage_is_an_error_that_names_it(make_atc, impostor):
    for behave in (garbage, endless):
        near = make_fleet(make_atc, names=("m1",), m2=impostor(behave).address)["m1"]
        answer = near.get(BOSTON + "/up")
        assert (answer.status, answer.error) == (502, "peer_response") and "Machine m2" in answer.text


def test_an_answer_that_is_torn_is_not_made_whole(make_atc, impostor):
    near = make_fleet(make_atc, names=("m1",), m2=impostor(torn).address)["m1"]
    with near.wire() as wire, pytest.raises(Closed):
        wire.get(BOSTON + "/up")
    assert logged(near, "/up")["error"] == "truncated"


def test_no_machine_can_have_a_file_of_ours_sent(make_atc, impostor):
    near = make_fleet(make_atc, names=("m1",), m2=impostor(traitor).address)["m1"]
    answer = near.get(BOSTON + "/up")
    assert (answer.status, answer.body, answer.header("X-Sendfile")) == (200, b"", None)


def test_what_is_safe_is_asked_again_and_the_rest_is_not(make_atc, impostor):
    other = impostor(silence)
    near = make_fleet(make_atc, names=("m1",), m2=other.address)["m1"]
    for method, body, times in (("GET", None, 3), ("DELETE", None, 3), ("POST", b"", 1), ("PUT", b"x", 1)):
        before = len(other.heads)
        answer = near.ask(method, BOSTON + "/up", (), body)
        assert (answer.status, answer.error) == (502, "peer_closed") and "Machine m2" in answer.text
        assert len(other.heads) - before == times, method


def test_a_machine_that_does_not_answer_is_given_up(make_atc, impostor):
    near = make_fleet(make_atc, knobs_config(USERS, server={"response_timeout": "500ms"}, start_timeout="500ms"), names=("m1",),
                      m2=impostor().address)["m1"]
    answer = near.get(BOSTON + "/up")
    assert (answer.status, answer.error) == (504, "peer_timeout") and "Machine m2" in answer.text


def test_connections_to_a_machine_are_used_again(make_atc, impostor):
    def two(connection, _):
        for _ in range(2):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            if not connection.recv(65536):
                return
    other = impostor(two)
    near = make_fleet(make_atc, knobs_config(USERS, server={"threads": 1}), names=("m1",), m2=other.address)["m1"]
    assert [near.get(BOSTON + "/up").body for _ in range(2)] == [b"ok"] * 2
    assert len(other.heads) == 1, "both came by one connection"


# -- a machine that says nothing --

def test_a_machine_that_is_suspended_with_our_connection_is_asked_by_another(make_atc, impostor):
    def once(connection, _):
        connection.sendall(OK)
        suspend(connection)
    other = impostor(once)
    near = make_fleet(make_atc, knobs_config(USERS, server={"threads": 1}), names=("m1",), m2=other.address)["m1"]
    assert [near.get(BOSTON + "/up").body for _ in range(3)] == [b"ok"] * 3
    assert len(other.heads) == 3, "each by a connection of its own, and none was asked twice"


def test_an_upload_is_not_what_finds_out_that_a_machine_is_suspended(make_atc, impostor):
    """It could not be sent twice: it takes no connection that has waited."""
    def once(connection, _):
        connection.sendall(OK)
        if len(other.heads) == 1:
            suspend(connection)
    other = impostor(once)
    near = make_fleet(make_atc, knobs_config(USERS, server={"threads": 1}), names=("m1",), m2=other.address)["m1"]
    assert near.get(BOSTON + "/up").body == b"ok"
    time.sleep(0.2)
    assert near.post(BOSTON + "/up", b"5\r\nhello\r\n0\r\n\r\n", [("Transfer-Encoding", "chunked")]).body == b"ok"
    assert len(other.heads) == 2


def test_a_tunnel_into_a_suspended_machine_ends_however_much_is_sent(make_atc, impostor):
    def tunnel(connection, _):
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: custom\r\n\r\n")
        suspend(connection)
    near = make_fleet(make_atc, names=("m1",), m2=impostor(tunnel).address)["m1"]
    with near.wire() as wire:
        wire.request("GET", BOSTON + "/x", [("Connection", "upgrade"), ("Upgrade", "custom")])
        assert wire.head().status == 101

        def send():
            try:
                wire.send(b"x")
            except OSError:
                return True
            return logged_now(near, "/x")
        wait_until(send, 20, "the tunnel ends")
    assert logged(near, "/x")["error"] == "truncated"


def test_a_machine_that_takes_no_packet_is_not_waited_for_long(make_atc, impostor):
    other = impostor()
    near = make_fleet(make_atc, names=("m1",), m2=other.address)["m1"]
    suspend(other.listener)
    answer = near.get(BOSTON + "/up")
    assert (answer.status, answer.error) == (503, "peer_unreachable")


@pytest.mark.slow
def test_a_machine_that_reads_nothing_for_long_is_not_taken_for_dead(make_atc, impostor):
    """Its window is closed, but it acknowledges: a tenant may be starting."""
    def late(connection, head):
        time.sleep(8)
        left = 30 * len(BLOCK) - len(head.partition("\r\n\r\n".encode())[2])
        while left:
            left -= len(connection.recv(1 << 20))
        connection.sendall(OK)
    near = make_fleet(make_atc, names=("m1",), m2=impostor(late).address)["m1"]
    assert near.post(BOSTON + "/up", BLOCK * 30).body == b"ok"


@pytest.mark.slow
def test_two_gigabytes_pass_in_little_memory(fleet):
    """To a tenant that sleeps: the upload waits, unread, until it has been started."""
    def peak():
        return max(int(line.split()[1]) for line in processes.read(fleet["m1"].proxy_pid(), "status").decode().splitlines()
                   if line.startswith("VmHWM"))
    before, pieces = peak(), 2048
    with fleet["m1"].wire(60) as wire:
        wire.send(b"POST %s/upload?nohash HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (BOSTON.encode(), pieces * len(BLOCK)))
        for _ in range(pieces):
            wire.send(BLOCK)
        assert wire.response("POST").json()["size"] == pieces * len(BLOCK)
    pieces //= 8
    with fleet["m1"].wire(60) as wire:
        wire.send(b"POST %s/upload?nohash HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % BOSTON.encode())
        for _ in range(pieces):
            wire.send(b"100000\r\n" + BLOCK + b"\r\n")
        wire.send(b"0\r\n\r\n")
        assert wire.response("POST").json()["size"] == pieces * len(BLOCK)
    with fleet["m1"].wire(60) as wire:
        wire.request("GET", BOSTON + "/download?bytes=%d" % (pieces * len(BLOCK)))
        assert int(wire.head().header("Content-Length")) == pieces * len(BLOCK)
        left = pieces * len(BLOCK) - len(wire.buffer)
        while left:
            left -= len(wire.sock.recv(1 << 20))
    assert peak() - before < 8192, "KB"


# -- a machine that dies --

def test_a_machine_that_is_killed_before_it_answers_answers_when_it_is_back(fleet):
    fleet["m1"].get(BOSTON + "/up")
    waiting = Background(fleet["m1"].get, BOSTON + "/sleep?until=never")
    wait_until(lambda: fleet["m2"].tenant("boston/2025/april")["in_flight"] == 1, what="it is under way")
    kill(fleet["m2"])
    fleet["m2"].allow("never", "boston/2025/april")
    fleet["m2"].again()
    assert waiting.result().text == "slept\n"


def test_what_may_have_had_effects_is_done_once_even_if_the_machine_is_killed(fleet):
    fleet["m1"].get(BOSTON + "/up")
    waiting = Background(fleet["m1"].post, BOSTON + "/once?id=7&s=60")
    wait_until(lambda: fleet["m2"].lines("journal", "boston/2025/april") == ["7"], what="it is done")
    kill(fleet["m2"])
    answer = waiting.result()
    assert (answer.status, answer.error) == (502, "peer_closed")
    fleet["m2"].again()
    assert fleet["m1"].post(BOSTON + "/once?id=8").status == 200
    assert fleet["m2"].lines("journal", "boston/2025/april") == ["7", "8"]


def test_a_machine_that_is_killed_in_its_answer_leaves_a_torn_one(fleet):
    fleet["m1"].get(BOSTON + "/up")
    with fleet["m1"].wire() as wire:
        wire.request("GET", BOSTON + "/sse?n=9&steps=more")
        wire.head()
        fleet["m2"].allow("more", "boston/2025/april")
        chunks = wire.chunks()
        next(chunks)
        kill(fleet["m2"])
        with pytest.raises(Closed):
            next(chunks)
    fleet["m2"].again()
    assert fleet["m1"].get(BOSTON + "/up").status == 200


def kill(atc):
    """Its whole tree at once, as when the machine goes."""
    for pid in [atc.pid, *processes.with_marker(str(atc.home))]:
        processes.kill(pid)
    atc.process.wait()
    atc.ended_as_told = True


def test_a_stream_from_another_machine_does_not_hold_up_our_end(fleet):
    fleet["m1"].get(BOSTON + "/up")
    with fleet["m1"].wire() as events, fleet["m1"].wire() as socket:
        events.request("GET", BOSTON + "/sse?n=9&steps=never")
        events.head()
        socket.websocket(BOSTON + "/ws")
        began = time.monotonic()
        fleet["m1"].stop()
        assert socket.frame()[0] == 8, "a close frame, as from a tenant that ends"
        assert not list(events.chunks())
    assert time.monotonic() - began < 60
    assert fleet["m2"].get(BOSTON + "/up").status == 200


def test_a_proxy_that_crashed_finds_the_way_again(fleet):
    assert fleet["m1"].get(BOSTON + "/up").status == 200
    fleet["m1"].proxy_may_change = True
    os.kill(fleet["m1"].proxy_pid(), signal.SIGKILL)
    assert fleet["m1"].get_until_ok(BOSTON + "/up")


def test_a_machine_that_moves_is_found_at_its_new_address(make_atc, impostor):
    config = knobs_config(USERS, server={"threads": 1})
    fleet = make_fleet(make_atc, config, start=["m2"])
    old = impostor(lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold"))
    near = fleet["m1"]
    near.start(machine_config("m1", {"m1": "127.0.0.1:%d" % near.port, "m2": old.address}, config))
    assert near.get(BOSTON + "/up").body == b"old"
    near.write_config(machine_config("m1", {"m1": "127.0.0.1:%d" % near.port, "m2": "127.0.0.1:%d" % fleet["m2"].port}, config))
    assert near.cli("reload", "-c", str(near.config_file)).returncode == 0
    assert near.get(BOSTON + "/up").body == b"up\n"
