"""Upgraded connections are tunnels: any protocol, byte for byte, with half-close, for as long as they live.
SPDX-License-Identifier: MIT
"""
import os

import pytest

import processes
from atc import WINTER, knobs_config
from waiting import holds_for, wait_until


def test_a_websocket_echoes_through_the_tunnel(knobs):
    with knobs.wire().websocket(WINTER + "/ws") as wire:
        for size in (0, 1, 125, 126, 65535, 65536, 300000):
            data = os.urandom(size)
            assert wire.send_frame(data, 2).message() == data
        wire.send_frame(b"\x03\xe8", 8)
        assert wire.frame() == (8, b"\x03\xe8")


@pytest.mark.parametrize("connection, upgrade", [
    ("Upgrade", "websocket"), ("upgrade", "WebSocket"), ("keep-alive, Upgrade", "WEBSOCKET"), ("UPGRADE,keep-alive", "websocket"),
])
def test_tokens_of_the_handshake_have_no_case(knobs, connection, upgrade):
    with knobs.wire() as wire:
        wire.request("GET", WINTER + "/ws", [("Connection", connection), ("Upgrade", upgrade),
                                             ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")])
        response = wire.head()
        assert response.status == 101
        assert response.header("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert response.header("Upgrade").lower() == "websocket" and "upgrade" in response.header("Connection").lower()


def custom(knobs, query=""):
    wire = knobs.wire()
    wire.request("GET", WINTER + "/upgrade/custom" + query, [("Connection", "upgrade"), ("Upgrade", "custom/2")])
    assert wire.head().status == 101
    return wire


def test_any_protocol_can_be_upgraded_to(knobs):
    with custom(knobs) as wire:
        assert wire.send(b"\x00\x01\r\n\r\n").exactly(6) == b"\x00\x01\r\n\r\n"


def test_bytes_that_follow_the_101_at_once_are_not_lost(knobs):
    with custom(knobs, "?greet=1") as wire:
        assert wire.exactly(7) == b"welcome"


def test_bytes_that_the_client_sends_before_the_101_are_not_lost(knobs):
    with knobs.wire() as wire:
        wire.send(b"GET %s/upgrade/custom HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: custom\r\n\r\nearly bird"
                  % WINTER.encode())
        assert wire.head().status == 101
        assert wire.exactly(10) == b"early bird"


def test_a_half_close_is_passed_on_and_the_other_half_lives(knobs):
    with custom(knobs) as wire:
        wire.send(b"last words").half_close()
        assert wire.rest() == b"last wordsbye"


def test_an_upgrade_that_the_application_declines_is_an_ordinary_answer(knobs):
    with knobs.wire() as wire:
        response = wire.get(WINTER + "/echo", [("Connection", "Upgrade"), ("Upgrade", "h2c, custom")])
        assert response.status == 200
        assert wire.get(WINTER + "/up").status == 200


def test_no_timeout_of_requests_ends_a_tunnel(atc):
    atc.start(knobs_config(server={name: "700ms" for name in (
        "header_timeout", "body_timeout", "write_timeout", "keepalive_timeout", "response_timeout")}))
    with atc.wire().websocket(WINTER + "/ws") as wire:
        holds_for(lambda: atc.is_running, 2)
        assert wire.send_frame("still here").message() == "still here"


def test_a_tunnel_has_back_pressure(knobs):
    with custom(knobs) as wire:
        wire.sock.settimeout(0.5)
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < 256 * 1024 * 1024:
                sent += wire.sock.send(b"x" * 65536)
        wire.timeout(20).half_close()
        assert wire.count_rest() == sent + len(b"bye")


def test_a_websocket_of_a_sleeping_tenant_wakes_it(atc):
    atc.start(knobs_config(env={"KNOBS_BOOT_DELAY": "0.5"}))
    with atc.wire().websocket(WINTER + "/ws") as wire:
        assert wire.send_frame("good morning").message() == "good morning"
        assert atc.tenant()["upgrades"] == 1
    wait_until(lambda: atc.tenant()["upgrades"] == 0)


def test_the_end_of_the_application_ends_its_tunnels(atc):
    atc.start(knobs_config())
    with atc.wire().websocket(WINTER + "/ws") as wire:
        os.kill(atc.whoami()["pid"], 9)
        assert wire.is_closed()


def test_a_tunnel_is_one_line_of_the_log_with_101(atc):
    atc.start(knobs_config())
    with atc.wire().websocket(WINTER + "/ws") as wire:
        wire.send_frame("x").message()
    line = wait_until(lambda: atc.requests_logged(status=101))[0]
    assert line["path"] == WINTER + "/ws" and line["tenant"] == "bellevue/2025/winter"


@pytest.mark.parametrize("is_tunnel", [True, False], ids=["tunnel", "event stream"])
def test_what_is_open_for_days_does_not_keep_a_replaced_configuration(atc, is_tunnel):
    """The directory of its public files is open as long as a configuration is."""
    folder = atc.app / "public"
    folder.mkdir()

    def directories():
        return list(processes.open_fds(atc.proxy_pid()).values()).count(str(folder))

    def configured(number):
        return knobs_config(public="public", server={"log_exclude": ["/nothing/%d" % number]})
    atc.start(configured(0))
    wires = []
    for i in range(1, 6):
        if is_tunnel:
            wires.append(custom(atc))
        else:
            wires.append(atc.wire().request("GET", WINTER + "/sse?n=3&gap=600"))
            assert wires[-1].head().status == 200
        atc.write_config(configured(i))
        assert atc.cli("reload").returncode == 0
    wait_until(lambda: directories() == 1, 10, "one directory is open")
    if is_tunnel:
        for wire in wires:
            assert wire.send(b"still here").exactly(10) == b"still here"
        wait_until(lambda: atc.tenant()["upgrades"] == 5)
    for wire in wires:
        wire.close()
    wait_until(lambda: (atc.tenant()["in_flight"], atc.tenant()["upgrades"]) == (0, 0))
