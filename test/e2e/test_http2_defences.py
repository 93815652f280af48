"""What hostile clients of HTTP/2 do ends with GOAWAY, and the proxy lives.
SPDX-License-Identifier: MIT
"""
import socket
import struct

import pytest

import h2wire
from atc import WINTER, knobs_config
from h2wire import (CONTINUATION, DATA, HEADERS, PING, POST, PREFACE, PRIORITY, SETTINGS, WINDOW_UPDATE, H2Wire, block, connect,
                    flood, frame, goaway_after)
from processes import peak_rss
from waiting import stretched
from wire import Closed

MB = 1 << 20


@pytest.mark.parametrize("code", [h2wire.CANCEL, h2wire.NO_ERROR])
def test_rapid_reset(h2c, code):
    """CVE-2023-44487."""
    flood(h2c, (b"".join(frame(HEADERS, 5, n, block(WINTER + "/sleep?s=1")) +
                         frame(h2wire.RST_STREAM, 0, n, struct.pack(">I", code)) for n in range(at, at + 100, 2))
                for at in range(1, 2000, 100)))
    h2c.wait_log("too many broken streams")


def test_streams_that_the_server_is_made_to_break_are_rapid_resets_too(h2c):
    """CVE-2025-8671: by a window that grows beyond what it may."""
    flood(h2c, (b"".join(frame(HEADERS, 5, n, block(WINTER + "/sleep?s=1")) +
                         frame(WINDOW_UPDATE, 0, n, struct.pack(">I", 0x7fffffff)) for n in range(at, at + 100, 2))
                for at in range(1, 2000, 100)))


@pytest.mark.parametrize("one", [frame(PING, 0, 0, bytes(8)), frame(SETTINGS), frame(PRIORITY, 0, 1, bytes(4) + b"\x10"),
                                 frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 0))], ids=["ping", "settings", "priority", "table"])
def test_a_flood_of_frames_that_carry_nothing(h2c, one):
    """CVE-2019-9512, 9515."""
    flood(h2c, [one * 5000])


def test_a_flood_of_empty_data(h2c):
    """CVE-2019-9518."""
    flood(h2c, [frame(HEADERS, 4, 1, block(WINTER + "/upload", method=POST)), frame(DATA, 0, 1) * 5000])


def test_a_flood_of_continuations(h2c):
    """CVE-2024-28182."""
    flood(h2c, [frame(HEADERS, 1, 1, block()) + frame(CONTINUATION, 0, 1) * 5000])


def test_an_endless_list_of_fields_is_not_kept(h2c):
    """HPACK: a field of four kilobytes enters the table, then each byte stands for it once more."""
    large = b"\x40" + b"\x01x" + b"\x7f\x81\x1e" + b"v" * 3968
    with connect(h2c) as wire:
        wire.settle()
        before = peak_rss(h2c.proxy_pid())
        assert goaway_after(wire, [frame(HEADERS, 5, 1, block("/", large) + b"\xbe" * 10_000)]) == h2wire.ENHANCE_YOUR_CALM
        assert peak_rss(h2c.proxy_pid()) - before < 2 * MB


def resets(wire):
    """(stream, error code) of those that come before what is sent now has been worked on."""
    found, pongs = [], 0
    wire.raw(frame(PING, 0, 0, b"in step!"))
    for kind, flags, stream, payload in wire.raw_frames():
        if kind == h2wire.RST_STREAM:
            found.append((stream, struct.unpack(">I", payload)[0]))
        if kind == PING and flags & 1:
            pongs += 1
            if pongs == 2:      # a pong overtakes everything else, but not what was sent before its ping came
                return found
            wire.raw(frame(PING, 0, 0, b"in step!"))
    raise Closed("it ended")


def test_more_streams_than_offered_are_refused(atc):
    atc.start(knobs_config(server={"h2c_enabled": True, "h2_max_streams": 4}))
    with socket.create_connection(("127.0.0.1", atc.port)) as sock:
        wire = H2Wire.__new__(H2Wire)
        wire.sock = sock
        sock.settimeout(stretched(10))
        sock.sendall(PREFACE + frame(SETTINGS))     # theirs are not acknowledged, so they may not be known yet
        wire.raw(b"".join(frame(HEADERS, 5, n, block(WINTER + "/sleep?until=never")) for n in range(1, 13, 2)))
        assert resets(wire) == [(9, h2wire.REFUSED_STREAM), (11, h2wire.REFUSED_STREAM)]


@pytest.mark.slow
def test_a_client_that_takes_no_answers_is_not_read_from(h2c):
    """It asks on and on and reads nothing: what waits for it stays small, then it is cut off."""
    with socket.create_connection(("127.0.0.1", h2c.port)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(stretched(1))
        sock.sendall(PREFACE + frame(SETTINGS) + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 0x7fff0000)))
        h2c.get(WINTER + "/up")
        before = peak_rss(h2c.proxy_pid())
        with pytest.raises((TimeoutError, BrokenPipeError, ConnectionResetError)):
            for n in range(1, 1 << 20, 2):
                sock.sendall(frame(HEADERS, 5, n, block("/nobody")))
        assert peak_rss(h2c.proxy_pid()) - before < 8 * MB
    assert h2c.get(WINTER + "/up").status == 200


def test_garbage_after_the_preface_ends_the_connection(h2c):
    with socket.create_connection(("127.0.0.1", h2c.port)) as sock:
        sock.settimeout(stretched(10))
        sock.sendall(PREFACE + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        got = b""
        while data := sock.recv(4096):
            got += data
    assert h2c.get(WINTER + "/up").status == 200
