"""No client takes what all need: descriptors, memory, or time without end.
SPDX-License-Identifier: MIT
"""
import select
import socket
import time

import pytest

import processes
from atc import WINTER, Background, knobs_config
from h2wire import H2Wire
from waiting import stretched, wait_until
from wire import Closed, Wire

KIB = 1024
OTHERS = "192.0.2.0/24"     # nobody here


def seconds(n):
    return "%dms" % (stretched(n) * 1000)


def server(**more):
    return knobs_config(server=more)


def from_address(atc, address):
    """A connection of another client: of another address of this machine."""
    wire = Wire.__new__(Wire)
    wire.sock, wire.buffer = socket.socket(), b""
    wire.sock.settimeout(stretched(20))
    wire.sock.bind((address, 0))
    wire.sock.connect(("127.0.0.1", atc.port))
    return wire


def drip(wire, piece, until, every=0.1, most=60):
    """Send the piece again and again until something is true."""
    end = time.monotonic() + stretched(most)
    while not until():
        assert time.monotonic() < end, "still not, after %gs" % stretched(most)
        try:
            wire.send(piece)
        except OSError:
            pass
        time.sleep(every)


def has_something(wire):
    """There is an answer, or the end."""
    return bool(select.select([wire.sock], [], [], 0)[0])


# --- a body that comes by the byte ---

@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_that_comes_by_the_byte_is_ended(atc, framing):
    atc.start(server(body_timeout=seconds(1)))
    with atc.wire() as wire:
        if framing == "length":
            wire.request("POST", WINTER + "/upload", [("Content-Length", "100000")])
            drip(wire, b"x", lambda: has_something(wire))
        else:
            wire.request("POST", WINTER + "/upload", [("Transfer-Encoding", "chunked")])
            drip(wire, b"1\r\nx\r\n", lambda: has_something(wire))
        response = wire.response("POST")
        assert (response.status, response.error) == (408, "request_timeout")
    wait_until(lambda: atc.tenant()["in_flight"] == 0)


@pytest.mark.slow
def test_a_body_of_a_slow_but_steady_client_is_taken(atc):
    """More in each second than is asked for, in all for longer than the spans (of five seconds) that are measured."""
    atc.start(server(body_timeout=seconds(5), min_body_rate=5))
    began = time.monotonic()
    with atc.wire() as wire:
        wire.request("POST", WINTER + "/upload", [("Content-Length", str(100_000))])
        sent = 0
        while time.monotonic() - began < stretched(11):
            wire.send(b"x" * 50)
            sent += 50
            time.sleep(0.1)
        wire.send(b"x" * (100_000 - sent))
        response = wire.response("POST")
        assert response.status == 200 and response.json()["size"] == 100_000


def test_without_a_rate_a_byte_now_and_then_will_do(atc):
    atc.start(server(body_timeout=seconds(5), min_body_rate=0))
    with atc.wire() as wire:
        wire.request("POST", WINTER + "/upload", [("Content-Length", "1000")])
        began, sent = time.monotonic(), 0
        while time.monotonic() - began < stretched(6):
            wire.send(b"x")
            sent += 1
            time.sleep(0.1)
        wire.send(b"x" * (1000 - sent))
        assert wire.response("POST").json()["size"] == 1000


@pytest.mark.slow
def test_a_conversation_may_be_slow_both_ways(atc):
    """The answer has begun: what the client adds by the byte is no upload any more."""
    atc.start(server(body_timeout=seconds(5), min_body_rate="1MB"))
    with atc.wire() as wire:
        wire.request("POST", WINTER + "/sse?n=6&gap=%g" % stretched(1.2), [("Content-Length", "100000")])
        assert wire.head().status == 200
        drip(wire, b"x", lambda: has_something(wire) and b"data: 5" in wire.sock.recv(65536, socket.MSG_PEEK))


# --- a reader by the byte ---

def is_cut(atc):
    return atc.requests_logged(error="write_timeout")


@pytest.mark.parametrize("target", ["/download?bytes=400000000", "/page?bytes=50000000&type=text/plain"])
def test_a_reader_that_takes_little_is_ended(atc, target):
    """It goes on reading, but never as fast as it is asked to."""
    atc.start(server(write_timeout=seconds(1), min_write_rate="100GB"))
    with atc.wire() as wire:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)
        wire.request("GET", WINTER + target, [("Accept-Encoding", "identity")])
        assert wire.head().status == 200
        end = time.monotonic() + stretched(20)
        while not is_cut(atc):
            assert time.monotonic() < end
            try:
                wire.sock.recv(16 * KIB)    # far less than the application has ready
            except OSError:
                pass
            time.sleep(0.1)
    wait_until(lambda: atc.tenant()["in_flight"] == 0)


@pytest.mark.slow
def test_who_has_nothing_to_take_is_not_slow(atc):
    """Events, a tunnel, a long poll: silent for longer than any span, and at a rate that nobody reaches."""
    atc.start(server(write_timeout=seconds(0.3), min_write_rate="100GB", body_timeout=seconds(0.3), min_body_rate="100GB",
                     response_timeout=0))
    poll = Background(atc.get, WINTER + "/sleep?s=%g" % stretched(6))
    with atc.wire() as events, atc.wire() as tunnel:
        events.request("GET", WINTER + "/sse?n=4&gap=%g" % stretched(2))
        tunnel.request("GET", WINTER + "/upgrade/custom", [("Connection", "upgrade"), ("Upgrade", "custom")])
        assert tunnel.head().status == 101
        assert b"data: 3" in events.response().body
        assert tunnel.send(b"hello").exactly(5) == b"hello"
    assert poll.result().status == 200


# --- memory ---

def rss(atc):
    return processes.rss(atc.proxy_pid())


def skip_if_sanitized(atc):
    if processes.is_sanitized(atc.proxy_pid()):
        pytest.skip("a sanitizer has a memory of its own")


def test_a_head_that_has_begun_costs_what_has_come(atc):
    atc.start(server())
    skip_if_sanitized(atc)
    assert atc.get(WINTER + "/up").status == 200
    before = rss(atc)
    wires = [atc.wire().send(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ") for _ in range(1000)]
    for wire in wires:
        wire.send(b"more")
    assert atc.get(WINTER + "/up").status == 200
    assert rss(atc) - before < 4 << 20
    for wire in wires:
        wire.close()


def test_memory_that_is_short_is_taken_from_the_slowest(atc):
    """Heads that never end: as many live as there is memory for, and others are served meanwhile."""
    atc.start(server(max_request_memory="2MiB", max_header_bytes="128KiB", header_timeout="5m"))
    head = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(60))
    wires = [atc.wire().send(head) for _ in range(120)]

    def ended():
        return sum(has_something(wire) for wire in wires)
    wait_until(lambda: ended() >= 80, 20, "most of them have been ended")
    atc.wait_log("no room for others")
    assert ended() < 120, "all were ended"
    assert atc.get(WINTER + "/up").status == 200
    for wire in wires:
        wire.close()


def test_memory_that_streams_hold_is_taken_from_the_slowest(atc):
    """Answers that nobody reads, a hundred on each connection: as many live as there is memory for."""
    atc.start(server(max_request_memory="4MiB", h2c_enabled=True, write_timeout="5m"))
    wires = [H2Wire(("127.0.0.1", atc.port), reads=False) for _ in range(20)]
    for wire in wires:
        for _ in range(100):
            wire.request("GET", WINTER + "/download?bytes=1000000")

    ended = set()

    def find_ended():
        """Behind what is in the socket there is the end."""
        for wire in wires:
            try:
                while wire not in ended and has_something(wire):
                    if not wire.sock.recv(65536):
                        ended.add(wire)
            except ConnectionResetError:
                ended.add(wire)
        return len(ended)
    wait_until(lambda: find_ended() >= 10, 30, "most of them have been ended")
    atc.wait_log("no room for others")
    assert find_ended() < 20, "all were ended"
    assert atc.get(WINTER + "/up").status == 200
    wait_until(lambda: atc.requests_logged(error="crowded", cut=True), 10, "it is logged")
    for wire in wires:
        wire.sock.close()


def test_memory_is_given_back_after_a_flood(atc):
    atc.start(server(max_request_memory="1GiB"))
    skip_if_sanitized(atc)
    assert atc.get(WINTER + "/up").status == 200
    before = rss(atc)
    head = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(60))
    wires = [atc.wire().send(head) for _ in range(500)]
    wait_until(lambda: rss(atc) - before > 20 << 20, 20, "the flood is there")
    # What is kept is in the middle of what is freed: only a trim gives that back.
    for wire in wires[:-1]:
        wire.close()
    wait_until(lambda: rss(atc) - before < 8 << 20, 20, "its memory has been given back")
    wires[-1].close()


def test_nothing_is_held_that_there_is_no_memory_for(atc):
    atc.start(knobs_config(server={"max_request_memory": "1MiB", "header_timeout": "5m"}, env={"KNOBS_BOOT_DELAY": "60"},
                           start_timeout="2m"))
    wires = [atc.wire().request("POST", WINTER + "/echo", [("Content-Length", "100000"), ("X-A", "y" * 8000)])
             for _ in range(300)]
    wait_until(lambda: sum(has_something(wire) for wire in wires) > 50, 20, "some were refused")
    answer = next(wire for wire in wires if has_something(wire)).response("POST")
    assert (answer.status, answer.error) == (503, "crowded") and int(answer.header("Retry-After")) >= 1
    assert 10 < atc.tenant()["held"] < 250
    for wire in wires:
        wire.close()


# --- descriptors ---

FEW = ["prlimit", "--nofile=400:400"]


@pytest.mark.parametrize("kind", ["head", "upload", "reader"])
def test_a_full_house_has_room_for_those_who_ask_for_something(atc, kind):
    """One client takes all the descriptors there are, slowly.  Others are served all the same."""
    atc.start(server(max_connections_per_address=0), wrapper=FEW)
    assert atc.get(WINTER + "/up").status == 200
    wires = []
    for _ in range(450):
        wire = atc.wire()
        if kind == "head":
            wire.send(b"GET %s/up HTTP/1.1\r\nHost: x\r\nX-A: " % WINTER.encode())
        elif kind == "upload":
            wire.request("POST", WINTER + "/upload", [("Content-Length", "1000000")])
        else:
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * KIB)
            wire.request("GET", WINTER + "/download?bytes=100000000")
        wires.append(wire)
        if kind != "head" and len(wires) == 250:
            break
    for _ in range(5):
        for wire in wires if kind != "reader" else []:
            try:
                wire.send(b"x")
            except OSError:
                pass
        assert atc.get(WINTER + "/whoami").status == 200
    atc.wait_log("no room for others")
    for wire in wires:
        wire.close()


@pytest.mark.parametrize("kind", ["upload", "reader"])
def test_a_full_house_of_streams_has_room_for_those_who_ask_for_something(atc, kind):
    """As above, over HTTP/2."""
    atc.start(server(max_connections_per_address=0, h2c_enabled=True), wrapper=FEW)
    assert atc.get(WINTER + "/up").status == 200
    wires = [H2Wire(("127.0.0.1", atc.port), reads=False) for _ in range(250)]
    for wire in wires:
        if kind == "upload":
            wire.request("POST", WINTER + "/upload", [("content-length", "1000000")], end=False)
        else:
            wire.request("GET", WINTER + "/download?bytes=100000000")
    for _ in range(5):
        assert atc.get(WINTER + "/whoami").status == 200
    atc.wait_log("no room for others")
    for wire in wires:
        wire.sock.close()


def test_a_fast_upload_lives_through_a_full_house(atc):
    atc.start(server(max_connections_per_address=0), wrapper=FEW)
    assert atc.get(WINTER + "/up").status == 200
    wires = []
    with atc.wire() as wire:
        wire.request("POST", WINTER + "/upload", [("Content-Length", str(60_000 * 300))])
        for _ in range(300):
            wire.send(b"x" * 60_000)
            if len(wires) < 250:
                wires.append(atc.wire().request("POST", WINTER + "/upload", [("Content-Length", "1000000")]).send(b"x"))
        assert wire.response("POST").json()["size"] == 60_000 * 300
    for wire in wires:
        wire.close()


def test_a_large_body_holds_no_pipe_while_nothing_of_it_moves(atc):
    atc.start(server())

    def pipes():
        return sum(name.startswith("pipe:") for name in processes.open_fds(atc.proxy_pid()).values())
    wires = [atc.wire().request("POST", WINTER + "/upload", [("Content-Length", "1000000")]) for _ in range(40)]
    for wire in wires:
        wire.send(b"x" * 100_000)
    wait_until(lambda: atc.tenant()["in_flight"] == 40)
    wait_until(lambda: pipes() < 40, 10, "they have been given back")
    for wire in wires:
        wire.send(b"x" * 900_000)
    assert [wire.response("POST").json()["size"] for wire in wires] == [1_000_000] * 40


# --- one address ---

def test_an_address_has_no_more_connections_than_its_share(atc):
    atc.start(server(trusted_proxies=OTHERS, max_connections_per_address=5, threads=1))
    wires = [atc.wire() for _ in range(5)]
    for wire in wires:
        assert wire.get(WINTER + "/up").status == 200
    for _ in range(3):
        with atc.wire() as wire:
            assert wire.is_closed()
    with from_address(atc, "127.0.0.2") as other:
        assert other.get(WINTER + "/up").status == 200
    line = [line for line in atc.log.splitlines() if "max_connections_per_address" in line]
    assert len(line) == 1 and "127.0.0.1 has too many connections" in line[0]
    wires.pop().close()

    def served():
        with atc.wire() as wire:
            try:
                return wire.get(WINTER + "/up").status == 200
            except (Closed, OSError):
                return False
    wait_until(served, 5, "there is a place again")
    for wire in wires:
        assert wire.get(WINTER + "/up").status == 200
        wire.close()


@pytest.mark.parametrize("more", [{"trusted_proxies": OTHERS, "max_connections_per_address": 0, "max_requests_per_address": 0},
                                  {"max_connections_per_address": 5, "max_requests_per_address": 5}], ids=["off", "trusted"])
def test_who_is_not_limited_has_as_many_as_it_likes(atc, more):
    atc.start(server(**more))
    wires = [atc.wire().request("GET", WINTER + "/sleep?s=0.5") for _ in range(30)]
    assert [wire.response().status for wire in wires] == [200] * 30
    for wire in wires:
        wire.close()


def waits(atc, client):
    return atc.wire().request("GET", WINTER + "/stall", [("X-Forwarded-For", client)])


def test_a_client_behind_a_proxy_has_no_more_requests_than_its_share(atc):
    """By the address that the proxy tells; of IPv6 by the network."""
    atc.start(server(max_requests_per_address=3))
    wires = [waits(atc, "198.51.100.7") for _ in range(3)]
    wires += [waits(atc, "2001:db8:1:2::%d" % i) for i in range(3)]
    wait_until(lambda: atc.tenant()["in_flight"] == 6)
    for client in ("198.51.100.7", "203.0.113.9, 198.51.100.7", "2001:db8:1:2:ffff::1"):
        answer = atc.get(WINTER + "/up", [("X-Forwarded-For", client)])
        assert (answer.status, answer.error) == (429, "too_many_requests"), client
        assert int(answer.header("Retry-After")) >= 1
    for client in ("198.51.100.8", "2001:db8:1:3::1"):
        assert atc.get(WINTER + "/up", [("X-Forwarded-For", client)]).status == 200
    assert atc.get(WINTER + "/up").status == 200
    atc.wait_log("198.51.100.7 has too many requests under way")
    wires.pop(0).close()
    wait_until(lambda: atc.get(WINTER + "/up", [("X-Forwarded-For", "198.51.100.7")]).status == 200)
    for wire in wires:
        wire.close()


def test_behind_flys_edge_the_client_is_who_the_edge_says(atc):
    atc.start(server(max_requests_per_address=2, trusted_proxies="127.0.0.1"), env={"FLY_MACHINE_ID": "1234"})

    def edge(client):
        return [("Fly-Request-Id", "01"), ("Fly-Client-IP", client), ("X-Forwarded-For", "192.0.2.1")]
    wires = [atc.wire().request("GET", WINTER + "/stall", edge("198.51.100.7")) for _ in range(2)]
    wait_until(lambda: atc.tenant()["in_flight"] == 2)
    assert atc.get(WINTER + "/up", edge("198.51.100.7")).error == "too_many_requests"
    assert atc.get(WINTER + "/up", edge("198.51.100.8")).status == 200
    for wire in wires:
        wire.close()


def test_a_client_that_is_no_proxy_cannot_say_that_it_is_another(atc):
    atc.start(server(trusted_proxies=OTHERS, max_requests_per_address=2))
    wires = [waits(atc, "198.51.100.%d" % i) for i in range(2)]
    wait_until(lambda: atc.tenant()["in_flight"] == 2)
    assert atc.get(WINTER + "/up", [("X-Forwarded-For", "198.51.100.9")]).error == "too_many_requests"
    with from_address(atc, "127.0.0.2") as other:
        assert other.get(WINTER + "/up").status == 200
    for wire in wires:
        wire.close()
