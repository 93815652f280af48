"""What goes wrong between two sockets: ends, resets, refusals and silence at every moment of an exchange.
SPDX-License-Identifier: MIT
"""
import os
import select
import signal
import socket
import struct
import sys
import threading
import time

import pytest

import processes
from atc import APPS, WINTER, Background, knobs_config
from waiting import holds_for, stretched, wait_until
from wire import Closed

MiB = 1024 * 1024
BLOCK = b"0123456789abcdef" * 4096      # 64 KiB
PROMPT = 3                              # seconds within which something happens at once

def scripted_config(users=None, server=None, **app):
    return {
        "server": {"log_level": "debug", **(server or {})},
        "app": {"framework": "generic", "command": [sys.executable, "-S", "-E", str(APPS / "scripted" / "scripted.py")],
                **app},
        "users": users or {"bellevue": {"tenants": ["2025/winter"]}},
    }


@pytest.fixture
def scripted(atc):
    atc.start(scripted_config())
    assert atc.get(WINTER + "/up").status == 200
    return atc


def nothing_is_left(atc, name="bellevue/2025/winter"):
    wait_until(lambda: (atc.tenant(name)["in_flight"], atc.tenant(name)["upgrades"]) == (0, 0))


# --- the answer comes before the request has ended ---

@pytest.mark.parametrize("size", [100_000, 8 * MiB])
def test_an_early_answer_reaches_a_client_that_sends_all_before_it_reads(knobs, size):
    """The application says no and closes without reading: that resets its side, and must not reset the client's."""
    for _ in range(5):
        with knobs.wire() as wire:
            wire.request("POST", WINTER + "/refuse?code=413", [("Content-Length", str(size))])
            wire.send(b"x" * size)
            response = wire.response("POST")
            assert (response.status, response.text) == (413, "no\n")
            if response.header("Connection") == "close":    # unless all of the body had come
                assert wire.is_closed()


def test_our_own_refusal_reaches_a_client_that_sends_all_before_it_reads(atc):
    atc.start(knobs_config(server={"max_request_body": "1MB"}))
    for chunked in (False, True):
        with atc.wire() as wire:
            if chunked:
                wire.request("POST", WINTER + "/upload", [("Transfer-Encoding", "chunked")])
                wire.send(b"".join(b"10000\r\n" + BLOCK + b"\r\n" for _ in range(64)) + b"0\r\n\r\n")
            else:
                wire.request("POST", WINTER + "/upload", [("Content-Length", str(4 * MiB))])
                wire.send(BLOCK * 64)
            response = wire.response("POST")
            assert (response.status, response.error) == (413, "body_too_large")


def test_a_client_that_only_half_closes_behind_a_refused_upload_reads_the_refusal(atc):
    """All that was sent is read before the connection is closed, even when the end of it has come already."""
    atc.start(knobs_config(server={"max_request_body": "1kB"}))
    for _ in range(5):
        with atc.wire() as wire:
            wire.request("POST", WINTER + "/upload", [("Content-Length", str(2 * MiB))])
            wire.send(BLOCK * 32).half_close()
            time.sleep(0.05)
            assert wire.response("POST").status == 413


# --- a client that half-closes ---

def test_a_half_closed_client_gets_its_answer(knobs):
    for pause in (0, 0.001, 0.02):
        with knobs.wire() as wire:
            wire.request("GET", WINTER + "/sleep?s=0.2")
            time.sleep(pause)
            wire.half_close()
            assert wire.response().text == "slept\n"


def test_a_half_closed_client_gets_a_large_answer_whole(knobs):
    with knobs.wire() as wire:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        wire.request("GET", WINTER + "/download?bytes=%d" % (24 * MiB)).half_close()
        time.sleep(0.2)
        assert len(wire.response().body) == 24 * MiB


def test_a_half_closed_client_gets_all_answers_of_its_pipeline(knobs):
    with knobs.wire() as wire:
        for i in range(30):
            wire.request("GET", WINTER + "/echo?i=%d" % i)
        wire.half_close()
        for i in range(30):
            assert wire.response().json()["query"] == "i=%d" % i
        assert wire.is_closed()


def test_a_client_that_went_away_is_noticed_while_the_application_thinks(atc):
    atc.start(knobs_config())
    assert atc.get(WINTER + "/up").status == 200
    wire = atc.wire()
    wire.request("GET", WINTER + "/stall")
    wait_until(lambda: atc.tenant()["in_flight"] == 1)
    wire.close()
    nothing_is_left(atc)
    wait_until(lambda: atc.requests_logged(status=499))


# --- the application's side breaks ---

def test_a_refused_connection_costs_nothing_of_the_body(scripted):
    """The port refuses for a moment.  What is sent at last is all that the client sent."""
    body = BLOCK[:50_000]
    for headers, sent in (([("Content-Length", str(len(body)))], body),
                          ([("Transfer-Encoding", "chunked")], b"c350\r\n" + body + b"\r\n0\r\n\r\n")):
        hears = scripted.home / ("hears %s" % headers[0][0]).replace(" ", "-")
        with scripted.wire() as wire:
            assert scripted.get(WINTER + "/deaf?until=%s" % hears).status == 200
            port = int(processes.environment(scripted.tenant()["pid"])["PORT"])
            wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) != 0, what="the port refuses")
            wire.request("POST", WINTER + "/echo", headers)
            wire.send(sent)
            wire.sock.settimeout(0.3)
            with pytest.raises(TimeoutError):
                wire.sock.recv(1)
            hears.write_text("")
            assert wire.timeout(20).response("POST").body == body


def test_a_request_that_is_tried_again_is_one_request(scripted):
    """However often the port refuses: what is counted are requests, not attempts."""
    before, hears = scripted.tenant()["requests"], scripted.home / "hears"
    assert scripted.get(WINTER + "/deaf?until=%s" % hears).status == 200
    port = int(processes.environment(scripted.tenant()["pid"])["PORT"])
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) != 0, what="the port refuses")
    with scripted.wire() as wire:
        wire.request("GET", WINTER + "/mine").sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            wire.sock.recv(1)
        hears.write_text("")
        assert wire.timeout(20).response().status == 200
    assert scripted.tenant()["requests"] == before + 2


def test_what_follows_a_large_answer_on_its_connection_reaches_nobody(scripted):
    for size in (4, 65536 - 45, 65536, 131072, MiB):
        for _ in range(3):
            with scripted.wire() as wire:
                assert wire.get(WINTER + "/surplus?n=%d" % size).body == b"x" * size
                assert wire.get(WINTER + "/mine").text == "GET /mine\n"
            assert scripted.get(WINTER + "/other").text == "GET /other\n"


def test_a_cut_answer_is_no_complete_one_for_http_1_0(scripted):
    """Without a length the end of the connection is the end of the answer: only a reset says that it is not."""
    with scripted.wire() as wire:
        wire.send(b"GET %s/cut HTTP/1.0\r\n\r\n" % WINTER.encode())
        with pytest.raises(Closed):
            wire.rest()


def test_a_reset_of_the_application_is_502(scripted):
    for method in ("GET", "POST"):
        response = scripted.ask(method, WINTER + "/reset", body=b"x" if method == "POST" else None)
        assert (response.status, response.error) == (502, "upstream_closed")


def test_a_request_without_a_body_is_sent_again_when_its_connection_was_dead(scripted):
    """Content-Length: 0 is no body either.  A POST is never sent twice, and goes to a connection that is fresh."""
    for method, headers in (("GET", []), ("DELETE", [("Content-Length", "0")]), ("HEAD", [])):
        with scripted.wire() as wire:
            assert wire.get(WINTER + "/once").text == "1\n"
            response = wire.ask(method, WINTER + "/again", headers)
            assert response.status == 200, (method, response)


def test_a_switch_of_protocols_in_the_middle_of_a_body_is_refused(scripted):
    with scripted.wire() as wire:
        wire.request("POST", WINTER + "/switch", [("Connection", "Upgrade"), ("Upgrade", "custom"),
                                                  ("Content-Length", "100000")], body=b"only a part")
        response = wire.response("POST")
        assert (response.status, response.error) == (502, "bad_response")


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("answer, status, headers, body, trailers", [
    (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 204, {"Transfer-Encoding": None}, b"", []),
    (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", 204, {"Content-Length": None}, b"", []),
    (OK + b"X-Frame-Options : DENY\r\nContent-Length\t: 2\r\n\r\nok", 200, {"X-Frame-Options": "DENY", "Content-Length": "2"}, b"ok", []),
    (OK + b"Set-Cookie : a=b; Path=/\r\nContent-Length: 2\r\n\r\nok", 200, {"Set-Cookie": "a=b; Path=" + WINTER}, b"ok", []),
    (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200, {"Content-Length": "2"}, b"ok", []),
    (OK + b"Content-Length: 2, 2\r\n\r\nok", 200, {"Content-Length": "2"}, b"ok", []),
    (CHUNKED + b"\r\n2  \r\nok\r\n0 \r\n\r\n", 200, {}, b"ok", []),
    (CHUNKED + b"\r\n2 ;x=y\r\nok\r\n0\r\nSet-Cookie: a=b\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n", 200, {}, b"ok", [("X-Sum", "1")]),
], ids=["204 chunked", "204 with a length", "blank before a colon", "such a cookie", "length twice", "list of lengths",
        "blanks behind a size", "cookie in a trailer"])
def test_what_a_proxy_is_told_to_repair_is_repaired(scripted, answer, status, headers, body, trailers):
    """RFC 9112 6.3, 5.1, RFC 9110 8.6, RFC 9112 7.1.1, RFC 9110 6.5.1; what follows a 204 is no answer to the next request."""
    with scripted.wire() as wire:
        for _ in range(2):
            response = wire.get(WINTER + "/raw?" + answer.hex())
            assert (response.status, response.body, response.trailers) == (status, body, trailers)
            for name, value in headers.items():
                assert response.header(name) == value
        assert wire.get(WINTER + "/echo-not").text == "GET /echo-not\n"


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n", OK + b"Content-Length : 2\r\nTransfer-Encoding : chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 103 Early\r\nTransfer-Encoding: chunked\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n"])
def test_what_nobody_can_repair_is_refused(scripted, answer):
    response = scripted.get(WINTER + "/raw?" + answer.hex())
    assert (response.status, response.error) == (502, "bad_response")


# --- tunnels ---

def test_a_tunnel_ends_with_its_client_even_when_the_application_reads_nothing(scripted):
    with scripted.wire() as wire:
        wire.request("GET", WINTER + "/swallow", [("Connection", "Upgrade"), ("Upgrade", "custom")])
        assert wire.head().status == 101
        wire.sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            while True:
                wire.sock.send(BLOCK)
        assert scripted.tenant()["upgrades"] == 1
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    nothing_is_left(scripted)


def test_a_client_that_vanished_without_a_word_is_found_out(knobs):
    """The kernel asks: timer 2 of an idle connection is that of keep-alive (Documentation/networking/proc_net_tcp)."""
    with knobs.wire().websocket(WINTER + "/ws") as wire:
        wire.send_frame("hello").message()
        ours, theirs = (":%04X" % name[1] for name in (wire.sock.getpeername(), wire.sock.getsockname()))

        def timer():
            rows = [line.split() for table in ("/proc/net/tcp", "/proc/net/tcp6") for line in open(table)]
            return [row[5][:2] for row in rows if row[1].endswith(ours) and row[2].endswith(theirs)]
        wait_until(lambda: timer() == ["02"])


# --- interim answers ---

def test_hints_do_not_stand_for_permission_to_send(scripted):
    with scripted.wire() as wire:
        wire.request("POST", WINTER + "/hints", [("Content-Length", "5"), ("Expect", "100-continue")])
        assert [wire.head().status, wire.head().status] == [103, 100]
        assert wire.send(b"hello").response("POST").body == b"hello"


# --- time ---

def test_an_upload_that_is_read_slowly_but_steadily_arrives(atc):
    """The kernel's buffers are large: that nothing more fits into them does not mean that nobody reads."""
    atc.start(scripted_config(server={"response_timeout": "2s"}))
    assert atc.get(WINTER + "/up").status == 200
    size = 32 * MiB
    with atc.wire() as wire:
        wire.request("POST", WINTER + "/trickle?pace=20000&s=5", [("Content-Length", str(size))])
        Background(wire.send, b"x" * size)
        assert wire.response("POST").text == "all\n"


@pytest.mark.slow
def test_no_write_timeout_means_none(atc):
    atc.start(knobs_config(server={"write_timeout": 0}))
    assert atc.get(WINTER + "/up").status == 200
    with atc.wire() as wire:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for i in range(3000):
            wire.send(b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 100))
            if i == 300:
                wire.timeout(2)
        for i in range(3000):
            assert wire.response().status == 404


def test_a_client_that_sends_but_takes_nothing_is_cut(atc):
    atc.start(knobs_config(server={"write_timeout": "700ms"}))
    assert atc.get(WINTER + "/up").status == 200
    with atc.wire().websocket(WINTER + "/ws") as wire:
        def talk():
            deadline = time.monotonic() + stretched(20)
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            while time.monotonic() < deadline:
                wire.send_frame(b"x" * 65536, 2)
        with pytest.raises((ConnectionError, TimeoutError)):
            talk()
    nothing_is_left(atc)


# --- many requests on one connection ---

@pytest.mark.parametrize("target", ["/nowhere", WINTER + "/up"])
def test_a_thousand_pipelined_requests_are_answered(knobs, target):
    with knobs.wire() as wire:
        sender = Background(wire.send, b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % target.encode() * 1000)
        codes = {wire.response().status for _ in range(1000)}
        sender.result()
    assert len(codes) == 1


def test_a_client_that_pipelines_without_end_does_not_keep_others_waiting(atc):
    atc.start(knobs_config(server={"threads": 1, "log_requests": False}))
    assert atc.get(WINTER + "/up").status == 200
    with atc.wire() as hog:
        hog.sock.settimeout(5)
        stop = threading.Event()

        def send():
            while not stop.is_set():
                hog.sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 500)

        def take():
            while not stop.is_set():
                assert hog.sock.recv(MiB)
        workers = [Background(send), Background(take)]
        slowest = 0
        for _ in range(100):
            began = time.monotonic()
            assert atc.get("/else").status == 404
            slowest = max(slowest, time.monotonic() - began)
        stop.set()
        for worker in workers:
            worker.result()
    assert slowest < stretched(0.5)


# --- a client that says that it ends its connection ---

LAST = [("Connection", "close")]
TCP_INFO_SEGMENTS_IN = 140      # where a struct tcp_info has tcpi_segs_in


def test_a_connection_that_its_client_ends_is_given_up_with_the_answer(knobs):
    """Nothing is waited for: what it says against its word finds nobody, which a connection that lingers would take."""
    for target in (WINTER + "/up", "/nobody"):
        with knobs.wire() as wire:
            wire.request("GET", target, LAST)
            assert wire.response().header("Connection") == "close" and wire.is_closed()
            wire.send(b"x")
            ended = select.poll()
            ended.register(wire.sock, 0)
            assert ended.poll(stretched(PROMPT) * 1000), "it lingers"


@pytest.mark.parametrize("target", [WINTER + "/up", "/nobody"])
def test_the_last_answer_and_the_end_of_its_connection_are_one_segment(knobs, target):
    """The third that comes, behind those that accept the connection and the request, unless the kernel had to say more."""
    def segments():
        with knobs.wire() as wire:
            wire.request("GET", target, LAST)
            assert wire.response().header("Connection") == "close" and wire.is_closed()
            info = wire.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
            return struct.unpack_from("I", info, TCP_INFO_SEGMENTS_IN)[0]
    assert min(segments() for _ in range(20)) <= 3


@pytest.mark.parametrize("extra", [b"\r\n", b"GET /up HTTP/1.1\r\nHost: x\r\n\r\n" * 100], ids=["a line", "requests"])
def test_what_comes_behind_the_last_request_does_not_cost_its_answer(knobs, extra):
    """What is unread when a connection is closed resets it, and takes what is on its way to the client along."""
    for pause in (0, 0.01):
        with knobs.wire() as wire:
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            request = "GET %s/download?bytes=%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % (WINTER, MiB)
            wire.send(request.encode() + (b"" if pause else extra))
            time.sleep(pause)
            wire.send(extra if pause else b"")
            assert len(wire.response().body) == MiB and wire.is_closed()


def test_many_connections_at_once_are_all_answered(knobs):
    """They are taken one by one at first, then ever more at once."""
    os.kill(knobs.proxy_pid(), signal.SIGSTOP)
    try:
        wires = [knobs.wire().request("GET", WINTER + "/up", LAST) for _ in range(200)]
    finally:
        os.kill(knobs.proxy_pid(), signal.SIGCONT)
    for wire in wires:
        assert wire.response().status == 200 and wire.is_closed()
        wire.close()


# --- connections at their limit ---

def test_no_more_connections_than_allowed_and_none_too_few(atc):
    """The limit is that of the process, however the kernel spreads connections over its threads."""
    atc.start(knobs_config(server={"max_connections": 8, "threads": 4}))
    assert atc.get(WINTER + "/up").status == 200
    wires = []
    for _ in range(8):
        wires.append(atc.wire())
        wires[-1].request("GET", WINTER + "/sleep?until=go")
    wait_until(lambda: atc.tenant()["in_flight"] == 8)
    late = atc.wire()
    late.request("GET", WINTER + "/up")
    holds_for(lambda: atc.tenant()["in_flight"] == 8, 0.5)
    atc.allow("go")
    for wire in wires:
        assert wire.response().status == 200
        wire.close()
    assert late.response().status == 200
    late.close()


def test_out_of_descriptors_idle_connections_make_room(atc):
    atc.start(knobs_config(server={"threads": 1}), wrapper=["prlimit", "--nofile=64:64"])
    assert atc.get(WINTER + "/up").status == 200
    idle = [atc.wire() for _ in range(100)]
    for _ in range(20):
        assert atc.get(WINTER + "/up").status == 200
    for wire in idle:
        wire.close()


# --- the end of the program ---

def test_a_drain_ends_when_the_last_request_has_ended(atc):
    """Idle connections are closed at once, requests under way are answered, and nobody waits for drain_timeout."""
    atc.start(knobs_config(server={"threads": 4, "drain_timeout": "20m"}))
    assert atc.get(WINTER + "/up").status == 200
    idle = [atc.wire() for _ in range(16)]
    for wire in idle:
        assert wire.get(WINTER + "/up").status == 200
    busy = [atc.wire() for _ in range(4)]
    for i, wire in enumerate(busy):
        wire.request("GET", WINTER + "/sleep?until=go&i=%d" % i)     # one does not wait for what another one brings
    wait_until(lambda: atc.tenant()["in_flight"] == 4)
    atc.signal(signal.SIGTERM)
    assert all(wire.is_closed() for wire in idle)
    atc.allow("go")
    for wire in busy:
        response = wire.response()
        assert (response.text, response.header("Connection")) == ("slept\n", "close")
        assert wire.is_closed()
    atc.wait_exit(0)
    assert len(atc.requests_logged(path=WINTER + "/sleep")) == 4, "lines of the log are missing"


def test_a_request_that_waits_for_its_tenant_is_told_when_the_program_ends(atc):
    atc.start(knobs_config(env={"KNOBS_BOOT_UNTIL": "never"}, server={"drain_timeout": "20m"}, start_timeout="20m"))
    waiting = Background(atc.get, WINTER + "/up")
    wait_until(lambda: atc.tenant()["held"] == 1)
    atc.signal(signal.SIGTERM)
    response = waiting.result()
    assert (response.status, response.error) == (503, "draining") and response.header("Retry-After")
    atc.wait_exit(0)


# Ready, and then it does not listen any more, or has no room for more than one connection that it does not accept.
DEAF = """
import os, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=0)
probe, _ = listener.accept()
probe.recv(9999)
if sys.argv[1] == "refuses":
    listener.close()
probe.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
probe.close()
time.sleep(600)
"""


@pytest.mark.parametrize("how", ["refuses", "hangs"])
def test_a_connection_that_does_not_come_about_is_502_after_the_connect_timeout(atc, how):
    atc.start({"server": {"connect_timeout": "500ms"},
               "app": {"framework": "generic", "command": [sys.executable, "-c", DEAF, how], "listen": "tcp", "stop_timeout": "1s"},
               "users": {"bellevue": {"tenants": ["2025/winter"]}}})
    assert atc.cli("start", "bellevue/2025/winter").returncode == 0
    if how == "hangs":
        first = Background(atc.get, WINTER + "/first")
        wait_until(lambda: atc.tenant()["in_flight"] == 1)
    began = time.monotonic()
    response = atc.get(WINTER + "/")
    assert (response.status, response.error) == (502, "connect_failed")
    assert 0.5 <= time.monotonic() - began < stretched(PROMPT)
    if how == "hangs":
        assert not first.is_done
        os.kill(atc.tenant()["pid"], signal.SIGKILL)
        assert first.result().status == 502


# --- a configuration that changes while requests wait ---

def two_users(*names):
    return {name: {"tenants": ["2025"]} for name in names}


def reload(atc, config):
    atc.write_config(config)
    done = atc.cli("reload")
    assert done.returncode == 0, done.stderr


def test_a_request_that_waits_for_a_tenant_that_is_removed_is_told(atc):
    config = knobs_config(users=two_users("ann", "bob"), env={"KNOBS_BOOT_UNTIL": "never"}, start_timeout="20m")
    atc.start(config)
    waiting = Background(atc.get, "/ann/2025/up")
    wait_until(lambda: atc.tenant("ann/2025")["held"] == 1)
    reload(atc, {**config, "users": two_users("bob")})
    assert waiting.result().status == 404


def test_a_tenant_that_takes_the_place_of_another_never_gets_its_requests(atc):
    """Places on the scoreboard are used again: a request that waited for the former owner is not the new one's."""
    slow = knobs_config(users=two_users("ann"), env={"KNOBS_BOOT_DELAY": "1.5"}, stop_timeout="1s")
    atc.start(slow)
    waiting = Background(atc.get, "/ann/2025/once?id=for-ann")
    wait_until(lambda: atc.tenant("ann/2025")["held"] == 1)
    reload(atc, {**slow, "users": two_users("zoe")})
    assert atc.get("/zoe/2025/once?id=for-zoe").status == 200
    assert waiting.result().status == 404
    assert atc.lines("journal", "zoe/2025") == ["for-zoe"]
