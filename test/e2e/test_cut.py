"""An answer that breaks off does not look whole, neither to the client nor in the log.
SPDX-License-Identifier: MIT
"""
import os

import pytest
from h2.settings import SettingCodes

from atc import WINTER, Background, knobs_config
from h2wire import CANCEL, INTERNAL_ERROR, H2Wire, Reset
from pages import PUBLIC, Site, pages_config
from waiting import wait_until
from wire import Closed

# Files of the kernel that have a size and no content, and one that has less than its size.
NOTHING, LESS = "speed", "mtu"
BIG = 32 << 20
BOTH = pytest.mark.parametrize("protocol", ["http1", "h2"])


def logged(atc, path, **where):
    return wait_until(lambda: [line for line in atc.requests_logged(**where) if line["path"].endswith(path)], 10,
                      "it is logged")[0]


def speak(atc, protocol):
    atc.speaks_h2 = protocol == "h2"
    return atc


def cut_off(atc, path, *fields):
    """Asks; true if what comes does not look whole."""
    try:
        atc.get(path, fields)
    except (Closed, Reset, ConnectionResetError):
        return True
    return False


@BOTH
def test_a_file_that_cannot_be_read_is_an_error_and_no_empty_reply(atc, protocol):
    (atc.app / "public").symlink_to("/sys/class/net/lo")
    speak(atc, protocol).start(knobs_config(public="public"))
    for name, why in ((NOTHING, "Invalid argument"), (LESS, "it has become shorter")):
        for fields in ([], [("Accept-Encoding", "gzip")], [("Range", "bytes=1-2000")]):
            answer = atc.get(WINTER + "/" + name, fields)
            assert (answer.status, answer.error) == (500, "file_unreadable")
            assert answer.header("Cache-Control") == "no-store" and answer.header("ETag") is None
            assert atc.get(WINTER + "/up").status == 200
        line = logged(atc, "/" + name)
        assert (line["status"], line["error"], line["detail"]) == (500, "file_unreadable", why)
        assert "cut" not in line


@BOTH
def test_a_file_that_becomes_shorter_is_cut_and_the_log_says_so(atc, protocol):
    (atc.app / "public").mkdir()
    big = atc.app / "public" / "big.bin"
    big.write_bytes(b"x" * BIG)
    speak(atc, protocol).start(knobs_config(public="public"))
    if protocol == "h2":
        with H2Wire(("127.0.0.1", atc.port)) as wire:
            number = wire.request("GET", WINTER + "/big.bin")
            wire.head(number)
            os.truncate(big, 1000)
            with pytest.raises(Reset) as reset:
                wire.response(number)
            assert reset.value.code == INTERNAL_ERROR and len(wire.stream(number).body) < BIG
    else:
        with atc.wire() as wire:
            wire.send(b"GET %s/big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n" % WINTER.encode())
            assert wire.head().status == 200
            os.truncate(big, 1000)
            assert len(wire.rest()) < BIG
    line = logged(atc, "/big.bin")
    assert (line["status"], line["cut"], line["error"]) == (200, True, "file_unreadable")
    assert line["detail"] == "it has become shorter"


@BOTH
@pytest.mark.parametrize("how", ["passed", "compressed", "stored"])
def test_what_a_tenant_cuts_is_cut_and_the_log_says_so(atc, protocol, how):
    site = Site(speak(atc, protocol), page={"body": "text " * 2000, "cut": 5000, "headers": [["Content-Type", "text/plain"]]
                                            + ([PUBLIC] if how == "stored" else [])})
    atc.start(pages_config())
    assert cut_off(atc, site.prefix + "/page", *([("Accept-Encoding", "gzip")] if how == "compressed" else []))
    line = logged(atc, "/page")
    assert (line["status"], line["cut"], line["error"]) == (200, True, "truncated")


def test_a_compressed_event_stream_is_cut_when_its_tenant_is_about_to_end(atc):
    atc.start(knobs_config(stop_timeout="20m"))
    stream = Background(cut_off, atc, WINTER + "/sse?n=1000000&gap=0.05", ("Accept-Encoding", "gzip"))
    wait_until(lambda: atc.tenant()["in_flight"] == 1)
    assert atc.cli("stop", "bellevue/2025/winter").returncode == 0
    assert stream.result()
    line = logged(atc, "/sse")
    assert (line["status"], line["cut"], line["error"]) == (200, True, "dismissed")


def test_an_answer_whose_client_leaves_is_cut(atc):
    site = Site(atc, page={"body": "x" * BIG})
    atc.start(pages_config())
    with atc.wire() as wire:
        wire.send(b"GET %s/page HTTP/1.1\r\nHost: localhost\r\n\r\n" % site.prefix.encode())
        assert wire.head().status == 200
    line = logged(atc, "/page")
    assert (line["status"], line["cut"], line["error"]) == (200, True, "client_gone")


def test_an_answer_that_came_whole_is_not_cut(atc):
    site = Site(atc, page={"body": "x" * 100000})
    atc.start(pages_config())
    assert site.get("/page").status == 200
    line = logged(atc, "/page")
    assert "cut" not in line and "error" not in line


@pytest.mark.parametrize("who", ["we", "client"])
def test_what_waits_in_a_stream_when_it_ends_is_told_after_the_request(atc, who):
    """All of the answer is in the stream, and its window is too small for it: it comes in one piece."""
    site = Site(atc, page={"body": "x" * 6000})
    atc.start(pages_config(server={"h2c_enabled": True, "write_timeout": "1s" if who == "we" else "1h"}))
    with H2Wire(("127.0.0.1", atc.port), reads=False) as wire:
        wire.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 1000})
        number = wire.request("GET", site.prefix + "/page")
        wire.head(number)
        line = logged(atc, "/page")
        assert line["status"] == 200 and "cut" not in line
        if who == "client":
            wire.cancel(number)
        else:
            wire.pull_until(lambda: wire.stream(number).reset is not None)
            assert wire.stream(number).reset == CANCEL
        cut = wait_until(lambda: atc.log_lines(msg="Answer cut", request_id=line["request_id"]), 10, "it is told")[0]
    assert (cut["error"], cut["unsent"]) == ("write_timeout" if who == "we" else "client_gone", 5000)
