"""Bodies stream in both directions through bounded buffers; nothing waits that could go on.
SPDX-License-Identifier: MIT
"""
import hashlib
import socket

import pytest

import processes
from atc import WINTER, knobs_config
from waiting import holds_for, wait_until

MiB = 1024 * 1024
BLOCK = bytes(range(256)) * 4096        # 1 MiB


def test_events_arrive_one_by_one_and_the_head_before_the_first(knobs):
    """The application says nothing more until what it said is here: what is held back would never come."""
    with knobs.wire() as wire:
        wire.request("GET", WINTER + "/sse?n=3&steps=events")
        assert wire.head().header("Content-Type") == "text/event-stream"
        chunks = wire.chunks()
        for i in range(3):
            knobs.allow("events")
            assert next(chunks) == b"data: %d\n\n" % i
        assert not list(chunks)


def test_pieces_of_a_body_with_a_length_are_passed_as_they_come(knobs):
    with knobs.wire() as wire:
        wire.request("GET", WINTER + "/slow?n=3&len=10&steps=pieces")
        assert wire.head().header("Content-Length") == "30"
        for _ in range(3):
            wire.exactly(10)
            knobs.allow("pieces")


def test_pieces_of_an_upload_are_passed_as_they_come(knobs):
    """The application answers only if it gets the first piece while the second was not sent yet."""
    with knobs.wire() as wire:
        wire.request("GET", WINTER + "/upgrade/custom", [("Connection", "upgrade"), ("Upgrade", "custom")])
        assert wire.head().status == 101
        for piece in (b"one", b"two", b"three"):
            assert wire.send(piece).exactly(len(piece)) == piece


def test_a_long_poll_longer_than_the_write_timeout_is_answered(atc):
    atc.start(knobs_config(server={"write_timeout": "500ms", "body_timeout": "500ms", "keepalive_timeout": "500ms",
                                   "header_timeout": "500ms"}))
    assert atc.get(WINTER + "/sleep?s=1.2").text == "slept\n"


def test_no_timeout_cuts_a_stream_that_moves(atc):
    atc.start(knobs_config(server={"write_timeout": "1s", "body_timeout": "1s", "keepalive_timeout": "1s",
                                   "header_timeout": "1s", "response_timeout": "1s"}))
    with atc.wire() as wire:
        wire.request("GET", WINTER + "/sse?n=10&gap=0.25")
        wire.head()
        assert len(list(wire.chunks())) == 10


def test_no_timeout_cuts_a_stream_that_is_silent_for_a_while(atc):
    """An event stream may say nothing for minutes: only a client that does not take what waits for it is cut."""
    atc.start(knobs_config(server={"write_timeout": "700ms", "body_timeout": "700ms", "keepalive_timeout": "700ms",
                                   "response_timeout": "700ms"}))
    with atc.wire() as wire:
        wire.request("GET", WINTER + "/sse?n=2&gap=1.5")
        wire.head()
        assert len(list(wire.chunks())) == 2


def test_a_client_that_takes_nothing_is_cut(atc):
    atc.start(knobs_config(server={"write_timeout": "500ms"}))
    with atc.wire() as wire:
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.request("GET", WINTER + "/download?bytes=%d" % (64 * MiB))
        wait_until(lambda: atc.tenant()["in_flight"] == 1)
        wait_until(lambda: atc.tenant()["in_flight"] == 0, 10)


def test_a_client_that_reads_slowly_but_steadily_gets_everything(atc):
    """A quarter of a megabyte a second: the kernel's buffers hide that from a timer that only sees its own writes."""
    atc.start(knobs_config(server={"write_timeout": "2s"}))
    size = 64 * MiB
    with atc.wire() as wire:
        wire.request("GET", WINTER + "/download?bytes=%d" % size)
        assert wire.head().status == 200
        got = len(wire.buffer)
        for _ in range(24):
            got += len(wire.sock.recv(65536))
            holds_for(lambda: True, 0.25)
        wire.buffer = b""
        wire.send(b"GET %s/up HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % WINTER.encode())
        assert got + wire.count_rest() > size


def test_slow_readers_hold_only_their_buffers(atc):
    atc.start(knobs_config())
    proxy = atc.proxy_pid()
    atc.get(WINTER + "/download?bytes=1000")
    before = processes.rss(proxy)
    wires = [atc.wire() for _ in range(40)]
    for wire in wires:
        wire.request("GET", WINTER + "/download?bytes=%d" % (64 * MiB))
    wait_until(lambda: atc.tenant()["in_flight"] == 40)
    for wire in wires:
        assert wire.sock.recv(2000)
    holds_for(lambda: True, 1)
    grown = processes.rss(proxy) - before
    for wire in wires:
        wire.close()
    assert grown < 40 * 256 * 1024, "40 slow readers of 64 MiB each cost %d KiB" % (grown // 1024)


def test_an_upload_waits_for_an_application_that_reads_slowly(atc):
    """Back-pressure reaches the client: what it may send ahead is bounded."""
    atc.start(knobs_config())
    proxy = atc.proxy_pid()
    atc.get(WINTER + "/up")
    before = processes.rss(proxy)
    with atc.wire() as wire:
        wire.request("POST", WINTER + "/slow_upload?bytes=100000&until=never", [("Content-Length", str(256 * MiB))])
        wire.sock.settimeout(0.5)
        sent = 0
        with pytest.raises(TimeoutError):
            while True:
                sent += wire.sock.send(BLOCK)
        assert sent < 64 * MiB, "%d MiB were taken ahead" % (sent // MiB)
        assert processes.rss(proxy) - before < 4 * MiB


def upload(wire, target, size, pace=None):
    """Send size bytes in blocks; the sha256 of what was sent."""
    sha = hashlib.sha256()
    wire.request("POST", target, [("Content-Length", str(size))])
    while size:
        block = BLOCK[:size]
        sha.update(block)
        wire.send(block)
        size -= len(block)
    return sha.hexdigest()


@pytest.mark.parametrize("size", [1, 16383, 16384, 65535, 65536, 65537, 1_000_003, 20 * MiB + 7])
def test_bodies_of_every_size_arrive_whole(knobs, size):
    with knobs.wire() as wire:
        sha = upload(wire, WINTER + "/upload", size)
        assert wire.response("POST").json() == {"size": size, "sha256": sha}
        down = wire.get(WINTER + "/download?bytes=%d" % size)
        assert hashlib.sha256(down.body).hexdigest() == sha
        down = wire.get(WINTER + "/download?bytes=%d&chunked=1" % size)
        assert hashlib.sha256(down.body).hexdigest() == sha


@pytest.mark.slow
def test_two_gigabytes_up_and_down_take_constant_memory(atc):
    size = 2048 * MiB + 12345
    atc.start(knobs_config())
    proxy = atc.proxy_pid()
    assert atc.get(WINTER + "/up").status == 200
    before = processes.rss(proxy)
    with atc.wire(timeout=120) as wire:
        wire.request("POST", WINTER + "/upload?nohash=1", [("Content-Length", str(size))])
        left = size
        while left:
            left -= wire.sock.send(BLOCK[:left])
        assert wire.response("POST").json()["size"] == size
        wire.request("GET", WINTER + "/download?bytes=%d" % size)
        assert wire.head().header("Content-Length") == str(size)
        left = size - len(wire.buffer)
        buffer = bytearray(MiB)
        while left:
            got = wire.sock.recv_into(buffer, min(left, MiB))
            assert got
            left -= got
    assert processes.peak_rss(proxy) - before < 8 * MiB
    assert processes.peak_rss(atc.pid) < 64 * MiB
