"""WebSockets over HTTP/2 (RFC 8441).
SPDX-License-Identifier: MIT
"""
import os
import signal

import pytest

import h2wire
from atc import WINTER
from h2wire import Reset, Tunnel, connect
from waiting import wait_until


def test_a_websocket_is_a_stream(h2c):
    with connect(h2c, checks=False) as wire:
        tunnel = Tunnel(wire, WINTER + "/ws")
        head = wire.head(tunnel.number)
        assert head.status == 200
        assert not {"upgrade", "connection", "sec-websocket-accept", "content-length"} & {name for name, _ in head.headers}
        for size in (0, 1, 125, 126, 65535, 65536, 300_000):
            data = os.urandom(size)
            tunnel.send_message(data)
            assert tunnel.message() == (2, data)
        assert wire.get(WINTER + "/up").status == 200       # beside it
        tunnel.send_message(b"\x03\xe8", 8)
        assert tunnel.message() == (8, b"\x03\xe8")
        wire.pull_until(lambda: tunnel.stream.ended)
        wire.end(tunnel.number)
    line = wait_until(lambda: h2c.requests_logged(path=WINTER + "/ws"))[0]
    assert (line["status"], line["proto"], line["method"]) == (101, "HTTP/2.0", "GET")


def test_a_half_close_goes_through_a_tunnel_of_http_2(h2c):
    with connect(h2c, checks=False) as wire:
        tunnel = Tunnel(wire, WINTER + "/ws")
        assert wire.head(tunnel.number).status == 200
        tunnel.send_message(b"last words")
        wire.end(tunnel.number)
        assert tunnel.message() == (2, b"last words")
        wire.pull_until(lambda: tunnel.stream.ended)
        assert tunnel.stream.reset is None


def test_a_reset_of_a_websocket_reaches_the_application(h2c):
    with connect(h2c, checks=False) as wire:
        tunnel = Tunnel(wire, WINTER + "/ws")
        assert wire.head(tunnel.number).status == 200
        wait_until(lambda: h2c.tenant()["upgrades"] == 1)
        wire.cancel(tunnel.number)
        wait_until(lambda: h2c.tenant()["upgrades"] == 0)
        assert wire.get(WINTER + "/up").status == 200


def test_a_tunnel_that_leads_nowhere_any_more_ends(h2c):
    with connect(h2c, checks=False) as wire:
        tunnel = Tunnel(wire, WINTER + "/ws")
        tunnel.send_message(b"\x03\xe8", 8)                # it closes its socket behind its answer
        wire.pull_until(lambda: tunnel.stream.ended)

        def is_reset():
            if tunnel.stream.reset is None:
                tunnel.send_message(b"anybody there?")
                wire.settle()
            return tunnel.stream.reset is not None
        wait_until(is_reset)
        assert tunnel.stream.reset == h2wire.NO_ERROR
        wait_until(lambda: h2c.tenant()["upgrades"] == 0)


def test_an_application_that_dies_ends_its_websockets(h2c):
    with connect(h2c, checks=False) as wire:
        tunnel = Tunnel(wire, WINTER + "/ws")
        assert wire.head(tunnel.number).status == 200
        os.kill(h2c.knobs_pids()[0], signal.SIGKILL)
        wire.pull_until(lambda: tunnel.stream.ended or tunnel.stream.reset is not None)


def test_a_websocket_that_is_declined_is_an_ordinary_answer(h2c):
    with connect(h2c, checks=False) as wire:
        tunnel = Tunnel(wire, WINTER + "/status?code=403")
        assert wire.response(tunnel.number).status == 403


@pytest.mark.parametrize("path", ["/echo", "/upgrade/custom"])
def test_what_is_no_websocket_never_looks_like_one(h2c, path):
    """A plain 200 would mean success, and 101 to another protocol would be taken for this one."""
    with connect(h2c, checks=False) as wire:
        tunnel = Tunnel(wire, WINTER + path)
        response = wire.response(tunnel.number)
        assert (response.status, response.error) == (502, "bad_response")


def test_another_protocol_than_websocket_is_not_done(h2c):
    with connect(h2c, checks=False) as wire:
        tunnel = Tunnel(wire, WINTER + "/ws", **{":protocol": "connect-udp"})
        assert wire.response(tunnel.number).status == 501


def test_protocol_belongs_to_connect(h2c):
    with connect(h2c, checks=False) as wire:
        tunnel = Tunnel(wire, WINTER + "/ws", **{":method": "GET"})
        with pytest.raises(Reset):
            wire.response(tunnel.number)
