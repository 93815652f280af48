"""HTTP/2 without TLS, by prior knowledge: the same exchanges as HTTP/1.1, in frames (RFC 9113, 8441).
SPDX-License-Identifier: MIT
"""
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from urllib.parse import quote

import pytest

import h2wire
from atc import TOOLS, WINTER, Background, knobs_config, together
from codings import decode
from h2wire import HEADERS, PREFACE, SETTINGS, Reset, block, connect, frame
from processes import peak_rss
from waiting import holds_for, stretched, wait_until
from wire import Closed, Wire

MB = 1 << 20
def echo(wire, *args, **more):
    response = wire.ask(*args, **more)
    assert response.status == 200, response
    return response.json()


# --- requests and answers ---

def test_the_application_sees_an_ordinary_request_of_http_1_1(h2c):
    with connect(h2c) as wire:
        seen = echo(wire, "PATCH", WINTER + "/echo?a=1;b=2&c=%zz", [("X-One", "1"), ("x-two", "2")], body=b"\x00\xff body")
    assert (seen["version"], seen["method"], seen["target"]) == ("HTTP/1.1", "PATCH", "/echo?a=1;b=2&c=%zz")
    assert seen["body"].encode("latin-1") == b"\x00\xff body"
    names = [name.lower() for name, _ in seen["headers"]]
    assert names[0] == "host" and not [name for name in names if name.startswith(":")]
    assert ["x-one", "1"] in seen["headers"] and ["x-two", "2"] in seen["headers"]


def test_the_authority_is_the_host(h2c):
    with connect(h2c) as wire:
        seen = echo(wire, "GET", WINTER + "/echo", host="calendar.example.com:8443")
    assert [value for name, value in seen["headers"] if name.lower() == "host"] == ["calendar.example.com:8443"]


def test_the_crumbs_of_a_cookie_are_joined(h2c):
    with connect(h2c) as wire:
        seen = echo(wire, "GET", WINTER + "/echo", [("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3")])
    assert [value for name, value in seen["headers"] if name.lower() == "cookie"] == ["a=1; b=2; c=3"]


@pytest.mark.parametrize("length", [True, False])
def test_a_body_arrives_whether_its_length_was_told_or_not(h2c, length):
    body = os.urandom(300_000)
    with connect(h2c) as wire:
        headers = [("content-length", str(len(body)))] if length else []
        seen = wire.ask("POST", WINTER + "/upload", headers, body=body).json()
    assert seen == {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def test_an_empty_body_of_a_told_length_is_none(h2c):
    with connect(h2c) as wire:
        assert echo(wire, "POST", WINTER + "/echo", [("content-length", "0")], body=b"")["size"] == 0
        assert echo(wire, "POST", WINTER + "/echo")["size"] == 0


def test_answers_lose_what_speaks_of_the_connection(h2c):
    with connect(h2c) as wire:
        response = wire.get(WINTER + "/set?h=X-B:1&h=Keep-Alive:timeout%3D5&h=Set-Cookie:x%3D1&h=Set-Cookie:y%3D2")
    names = [name for name, _ in response.headers]
    assert not {"connection", "keep-alive", "transfer-encoding", "upgrade"} & set(names)
    assert names == [name.lower() for name in names]
    assert response.header("x-b") == "1"
    assert [value.split(";")[0] for value in response.all("set-cookie")] == ["x=1", "y=2"]


def test_a_head_request_has_no_body(h2c):
    with connect(h2c) as wire:
        response = wire.ask("HEAD", WINTER + "/download?bytes=5000")
        assert (response.status, response.body) == (200, b"")
        assert wire.get(WINTER + "/up").text == "up\n"


@pytest.mark.parametrize("code", [204, 304])
def test_an_answer_without_a_body_ends_with_its_head(h2c, code):
    with connect(h2c) as wire:
        number = wire.request("GET", WINTER + "/status?code=%d" % code)
        assert wire.response(number).status == code
        assert wire.stream(number).frames == 0


def test_a_small_answer_is_one_data_frame(h2c):
    with connect(h2c) as wire:
        number = wire.request("GET", WINTER + "/up")
        wire.response(number)
        assert wire.stream(number).frames == 1


@pytest.mark.parametrize("path", ["/close", "/download?bytes=70000&chunked"])
def test_a_body_of_unknown_length_ends_with_the_stream(h2c, path):
    with connect(h2c) as wire:
        response = wire.get(WINTER + path)
        assert response.status == 200 and response.header("content-length") is None
        assert len(response.body) in (14, 70000)
        assert wire.get(WINTER + "/up").text == "up\n"


def test_trailers_of_an_answer_pass(h2c):
    with connect(h2c) as wire:
        response = wire.get(WINTER + "/trailers", [("te", "trailers")])
    assert response.trailers == [("x-sum", "42")]
    assert response.text == "body with a trailer\n"


def test_trailers_of_a_request_pass(h2c):
    with connect(h2c) as wire:
        seen = echo(wire, "POST", WINTER + "/echo", body=b"abc", trailers=[("x-check", "sum")])
    assert seen["body"] == "abc" and ["x-check", "sum"] in seen["trailers"]


def test_a_trailer_that_must_not_be_one_is_refused(h2c):
    with connect(h2c) as wire:
        assert wire.ask("POST", WINTER + "/echo", body=b"abc", trailers=[("host", "evil")]).status == 400


def test_early_hints_come_before_the_answer(h2c):
    with connect(h2c) as wire:
        response = wire.get(WINTER + "/hints?n=2")
    assert (response.interim, response.status, response.text) == ([103, 103], 200, "after hints\n")


def test_who_expects_it_is_told_to_continue(h2c):
    with connect(h2c) as wire:
        number = wire.request("POST", WINTER + "/upload", [("expect", "100-continue"), ("content-length", "5")], end=False)
        wire.pull_until(lambda: wire.stream(number).interim)
        wire.send(number, b"12345", end=True)
        response = wire.response(number)
    assert response.interim == [100] and response.json()["size"] == 5


def test_an_event_arrives_when_it_is_sent(h2c):
    with connect(h2c) as wire:
        number = wire.request("GET", WINTER + "/sse?n=3&steps=events")
        assert wire.head(number).status == 200
        for i in range(3):
            h2c.allow("events")
            wire.pull_until(lambda i=i: wire.stream(number).body.endswith(b"data: %d\n\n" % i))
        assert wire.response(number).body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"


def test_requests_on_one_connection_do_not_wait_for_each_other(h2c):
    with connect(h2c) as wire:
        slow = wire.request("GET", WINTER + "/sleep?until=go")
        quick = [wire.request("GET", WINTER + "/echo?i=%d" % i) for i in range(50)]
        for i, number in enumerate(quick):
            assert wire.response(number).json()["query"] == "i=%d" % i
        assert wire.stream(slow).response is None
        h2c.allow("go")
        assert wire.response(slow).text == "slept\n"


def test_a_sleeping_tenant_holds_up_no_other(atc):
    atc.start(knobs_config(server={"h2c_enabled": True}, env={"KNOBS_BOOT": "0"},
                           users={"bellevue": {"tenants": ["2025/winter", "2025/summer"]}}))
    with connect(atc) as wire:
        assert wire.get(WINTER + "/up").status == 200
        held = [wire.request("POST", "/bellevue/2025/summer/upload", body=b"x" * 60_000) for _ in range(30)]
        for _ in range(5):
            assert wire.ask("POST", WINTER + "/upload", body=b"y" * 200_000).json()["size"] == 200_000
        assert {wire.response(number).json()["size"] for number in held} == {60_000}


def test_the_log_says_http_2(h2c):
    with connect(h2c) as wire:
        wire.get(WINTER + "/up?from=h2")
        wire.get("/nobody")
    line = wait_until(lambda: h2c.requests_logged(query="from=h2"))[0]
    assert (line["proto"], line["status"], line["resp_content_length"], line["host"]) == ("HTTP/2.0", 200, 3, "localhost")
    assert wait_until(lambda: h2c.requests_logged(path="/nobody"))[0]["proto"] == "HTTP/2.0"


def test_curl_and_nghttp_agree(h2c):
    url = "http://127.0.0.1:%d%s" % (h2c.port, WINTER)
    curl = ["curl", "-sS", "--http2-prior-knowledge", "--max-time", "%d" % stretched(20)]
    assert subprocess.run([*curl, url + "/up"], capture_output=True, text=True, check=True).stdout == "up\n"
    body = h2c.home / "body"
    body.write_bytes(os.urandom(MB))
    done = subprocess.run([*curl, "-H", "Expect:", "-T", body, url + "/upload"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["size"] == MB
    subprocess.run(["nghttp", "-n", url + "/up?from=nghttp"], capture_output=True, check=True, timeout=stretched(20))
    line = wait_until(lambda: h2c.requests_logged(query="from=nghttp"))[0]
    assert (line["proto"], line["status"], line["resp_content_length"]) == ("HTTP/2.0", 200, 3)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_answers_are_compressed_as_over_http_1(h2c, coding):
    with connect(h2c) as wire:
        packed = wire.get(WINTER + "/page?bytes=20000", [("accept-encoding", coding)])
        plain = wire.get(WINTER + "/page?bytes=20000")
    assert packed.header("content-encoding") == coding and plain.header("content-encoding") is None
    assert decode(coding, packed.body) == plain.body and len(plain.body) == 20000
    assert packed.header("content-length") is None


def test_what_is_cached_is_shared_with_http_1_and_wakes_nobody(h2c):
    page = WINTER + "/page?bytes=50000&h=" + quote("Cache-Control: public, max-age=600")
    with connect(h2c) as wire:
        fresh = wire.get(page)
        h2c.cli("stop", "bellevue/2025/winter")
        h2c.wait_state("stopped")
        for _ in range(2):
            kept = wire.get(page)
            assert (kept.status, kept.header("x-cache"), kept.body) == (200, "hit", fresh.body)
        head = wire.ask("HEAD", page)
        assert (head.status, head.header("content-length"), head.body) == (200, "50000", b"")
        assert h2c.get(page).body == fresh.body
        many = [wire.request("GET", page) for _ in range(50)]
        assert {wire.response(number).body for number in many} == {fresh.body}
    assert h2c.state() == "stopped"


# --- who gets HTTP/2 ---

def test_without_the_setting_the_preface_is_a_version_that_is_not_spoken(knobs):
    with knobs.wire() as wire:
        assert wire.send(PREFACE).response().status == 505


def test_http_1_1_goes_on_beside_it_on_the_same_port(h2c):
    assert h2c.get(WINTER + "/up").text == "up\n"
    with h2c.wire() as wire:
        wire.request("PRI", WINTER + "/echo")
        assert wire.response().json()["method"] == "PRI"


def test_an_upgrade_to_h2c_is_ignored(h2c):
    with h2c.wire() as wire:
        response = wire.get(WINTER + "/up", [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"),
                                             ("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA")])
        assert response.status == 200 and wire.get(WINTER + "/up").status == 200


def test_the_preface_may_come_byte_by_byte(h2c):
    with socket.create_connection(("127.0.0.1", h2c.port)) as sock:
        sock.settimeout(stretched(10))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in PREFACE:
            sock.sendall(bytes([byte]))
        sock.sendall(frame(SETTINGS))
        assert sock.recv(9)[3] == SETTINGS


def test_a_preface_after_a_request_is_none(h2c):
    with h2c.wire() as wire:
        assert wire.get(WINTER + "/up").status == 200
        assert wire.send(PREFACE).response().status == 505


def test_the_settings_say_what_is_offered(atc):
    atc.start(knobs_config(server={"h2c_enabled": True, "h2_max_streams": 7, "max_header_bytes": "9KiB"}))
    with connect(atc) as wire:
        wire.settle()
        theirs = wire.h2.remote_settings
        assert theirs.max_concurrent_streams == 7
        assert theirs.max_header_list_size == 9 * 1024
        assert theirs.enable_connect_protocol == 1


def test_the_setting_counts_for_connections_that_come_after_a_reload(atc):
    atc.start(knobs_config())
    with atc.wire() as wire:
        assert wire.send(PREFACE).response().status == 505
    atc.write_config(knobs_config(server={"h2c_enabled": True}))
    atc.signal(signal.SIGHUP)

    def speaks():
        try:
            with connect(atc) as wire:
                return wire.get(WINTER + "/up").status == 200
        except Exception:  # pylint: disable=broad-except
            return False
    wait_until(speaks)


# --- malformed and too large ---

@pytest.mark.parametrize("fields", [
    [("connection", "close")], [("keep-alive", "5")], [("proxy-connection", "close")], [("upgrade", "websocket")],
    [("transfer-encoding", "chunked")], [("te", "gzip")], [("X-Upper", "1")], [("x", "a\rb")], [("x", "a\nb: c")], [("x", "a\0")],
    [("host", "other")], [(":path", "/again")], [(":unknown", "1")], [("x", " 1")], [("x y", "1")], [("content-length", "4")],
    [("content-length", "0"), ("content-length", "0")],
], ids=str)
def test_a_malformed_request_ends_its_stream_alone(h2c, fields):
    with connect(h2c, checks=False) as wire:
        whole = [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", WINTER + "/echo")]
        number = wire.h2.get_next_available_stream_id()
        wire.headers(number, whole + fields)
        with pytest.raises(Reset) as why:
            wire.response(number)
        assert why.value.code == h2wire.PROTOCOL_ERROR
        assert wire.get(WINTER + "/up").text == "up\n"
    assert not h2c.requests_logged(path=WINTER + "/echo")


@pytest.mark.parametrize("fields", [
    [(":method", "GET"), (":scheme", "http"), (":authority", "localhost")],
    [(":method", "GET"), (":authority", "localhost"), (":path", "/")],
    [(":scheme", "http"), (":authority", "localhost"), (":path", "/")],
    [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "")],
    [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "up")],
    [(":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "http://evil/")],
    [(":method", "GET"), (":scheme", "ftp"), (":authority", "localhost"), (":path", "/")],
    [(":method", "GET"), (":method", "GET"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")],
    [(":method", "CONNECT"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")],
    [(":method", "GET /x HTTP/1.1\r\nX: y"), (":scheme", "http"), (":authority", "localhost"), (":path", "/")],
], ids=str)
def test_pseudo_fields_are_complete_and_sane(h2c, fields):
    with connect(h2c, checks=False) as wire:
        number = wire.h2.get_next_available_stream_id()
        wire.headers(number, fields)
        with pytest.raises(Reset):
            wire.response(number)
        assert wire.get(WINTER + "/up").text == "up\n"


@pytest.mark.parametrize("path, authority, status", [
    ("/a b", "localhost", None), ("/%2e%2e/x", "localhost", 400), ("/a\x7f", "localhost", None), ("*", "localhost", None),
    (WINTER + "/up#x", "localhost", 400), (WINTER + "/up", "local host", None), (WINTER + "/up", "user@localhost", 400)])
def test_what_http_1_1_refuses_is_refused(h2c, path, authority, status):
    with connect(h2c, checks=False) as wire:
        number = wire.h2.get_next_available_stream_id()
        wire.headers(number, [(":method", "GET"), (":scheme", "http"), (":authority", authority), (":path", path)])
        if status:
            assert wire.response(number).status == status
        else:
            with pytest.raises(Reset):
                wire.response(number)


def test_a_request_without_any_host_is_refused(h2c):
    with connect(h2c, checks=False) as wire:
        wire.headers(1, [(":method", "GET"), (":scheme", "http"), (":path", WINTER + "/up")])
        with pytest.raises(Reset):
            wire.response(1)


def test_connect_is_not_done(h2c):
    with connect(h2c, checks=False) as wire:
        wire.headers(1, [(":method", "CONNECT"), (":authority", "example.com:443")])
        assert wire.response(1).status == 501


def test_a_body_that_is_not_as_long_as_told_is_refused(h2c):
    with connect(h2c, checks=False) as wire:
        for told, sent in ((5, b"123"), (2, b"123")):
            number = wire.request("POST", WINTER + "/upload", [("content-length", str(told))], end=False)
            wire.h2.send_data(number, sent, end_stream=True)
            wire.push()
            with pytest.raises(Reset) as why:
                wire.response(number)
            assert why.value.code == h2wire.PROTOCOL_ERROR


def test_an_address_beyond_the_limit_is_414_and_the_limit_is_a_setting(atc):
    server = {"h2c_enabled": True, "max_url_bytes": "2KiB"}
    atc.start(knobs_config(server=server))
    path = WINTER + "/up?"
    with connect(atc) as wire:
        assert wire.get(path + "q" * (2048 - len(path))).status == 200
        response = wire.get(path + "q" * (2049 - len(path)))
        assert (response.status, response.header("fly-atc-error")) == (414, "uri_too_long")
        assert wire.get(WINTER + "/up").status == 200
    atc.write_config(knobs_config(server={**server, "max_url_bytes": "32KiB"}))
    atc.cli("reload")
    with connect(atc) as wire:
        wait_until(lambda: wire.get(path + "q" * 30000).status == 200)


def test_a_list_of_fields_beyond_the_limit_is_431(h2c):
    with connect(h2c) as wire:
        headers = [("x-%d" % i, "v" * 1000) for i in range(80)]
        assert wire.get(WINTER + "/up", headers).status == 431
        assert wire.get(WINTER + "/up", [("x-%d" % i, "v" * 1000) for i in range(50)]).status == 200
        assert wire.get(WINTER + "/up", [("x-%d" % i, "v") for i in range(140)]).status == 431


def test_a_body_beyond_the_limit_is_413(atc):
    atc.start(knobs_config(server={"h2c_enabled": True, "max_request_body": "100KiB"}))
    with connect(atc) as wire:
        number = wire.request("POST", WINTER + "/upload", [("content-length", "200000")], end=False)
        assert wire.response(number).status == 413
        number = wire.request("POST", WINTER + "/upload", end=False)
        with pytest.raises(Closed):
            wire.send(number, b"x" * 400_000)
            raise Closed("all of it went into the windows")
        assert wire.response(number).status == 413
        assert wire.get(WINTER + "/up").status == 200


# --- flow control ---

@pytest.mark.slow     # a sanitizer's memory says nothing
def test_large_bodies_pass_both_ways_in_little_memory(h2c):
    size = 100 * MB
    with connect(h2c, timeout=60) as wire:
        assert wire.get(WINTER + "/up").status == 200
        before = peak_rss(h2c.proxy_pid())
        digest = hashlib.sha256()
        number = wire.request("POST", WINTER + "/upload", [("content-length", str(size))], end=False)
        piece = os.urandom(MB)
        for _ in range(size // MB):
            digest.update(piece)
            wire.send(number, piece)
        wire.end(number)
        assert wire.response(number).json() == {"size": size, "sha256": digest.hexdigest()}
        url = "http://127.0.0.1:%d%s/download?bytes=%d" % (h2c.port, WINTER, size)
        done = subprocess.run(["curl", "-sS", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{size_download}", url],
                              capture_output=True, text=True, check=True, timeout=stretched(60))
        assert int(done.stdout) == size
        assert peak_rss(h2c.proxy_pid()) - before < 8 * MB


@pytest.mark.slow
def test_a_client_that_reads_nothing_costs_its_queue_and_no_more(h2c):
    with connect(h2c, reads=False) as wire:
        numbers = [wire.request("GET", WINTER + "/download?bytes=%d" % (20 * MB)) for _ in range(8)]
        before = peak_rss(h2c.proxy_pid())
        wire.pull_until(lambda: sum(len(wire.stream(n).body) for n in numbers) == 65535)
        holds_for(lambda: peak_rss(h2c.proxy_pid()) - before < 4 * MB, 0.5)
        assert sum(len(wire.stream(n).body) for n in numbers) == 65535


def test_a_tenant_that_reads_nothing_gets_no_more_than_the_window(h2c):
    with connect(h2c) as wire:
        number = wire.request("POST", WINTER + "/slow_upload?bytes=0&until=never", end=False)
        sent = 0
        with pytest.raises(TimeoutError):
            wire.sock.settimeout(stretched(1))
            for _ in range(60):
                wire.send(number, b"x" * MB)
                sent += MB
        # What the sockets between us and the tenant hold is the kernel's.
        assert sent < 30 * MB
        wire.sock.settimeout(stretched(20))
        assert wire.get(WINTER + "/up").status == 200


def test_a_window_that_never_opens_ends_the_stream(atc):
    atc.start(knobs_config(server={"h2c_enabled": True, "write_timeout": "500ms"}))
    with connect(atc, reads=False) as wire:
        number = wire.request("GET", WINTER + "/download?bytes=%d" % (5 * MB))
        with pytest.raises(Reset):
            wire.response(number)
        assert wait_until(lambda: atc.requests_logged(error="write_timeout"))
        # A short answer waits in the stream, and its exchange has ended: it ends, too.
        number = wire.request("GET", WINTER + "/echo")
        with pytest.raises(Reset) as why:
            wire.response(number)
        assert why.value.code == h2wire.CANCEL


def test_a_slow_reader_is_not_cut(atc):
    atc.start(knobs_config(server={"h2c_enabled": True, "write_timeout": "2s"}))
    with connect(atc, reads=False) as wire:
        number = wire.request("GET", WINTER + "/download?bytes=400000")
        while not wire.stream(number).ended:
            before = len(wire.stream(number).body)
            wire.pull_until(lambda: len(wire.stream(number).body) > before or wire.stream(number).ended)
            time.sleep(0.4)
            wire.h2.acknowledge_received_data(len(wire.stream(number).body) - before, number)
            wire.push()
        assert len(wire.response(number).body) == 400_000


def test_a_client_that_sends_nothing_of_its_body_gets_408(atc):
    atc.start(knobs_config(server={"h2c_enabled": True, "body_timeout": "300ms"}))
    with connect(atc) as wire:
        number = wire.request("POST", WINTER + "/upload", [("content-length", "10")], body=b"123", end=False)
        assert wire.response(number).status == 408


# --- ends ---

def test_a_client_that_goes_away_is_499_and_the_tenant_notices(h2c):
    with connect(h2c) as wire:
        number = wire.request("GET", WINTER + "/sse?n=1000&gap=0.05")
        wire.pull_until(lambda: wire.stream(number).body)
        wire.cancel(number)
        held = wire.request("GET", WINTER + "/sleep?until=never")
        wire.settle()
        wire.cancel(held)
        assert wire.get(WINTER + "/up").status == 200
    assert wait_until(lambda: h2c.requests_logged(path=WINTER + "/sse", error="client_gone"))
    assert wait_until(lambda: h2c.requests_logged(path=WINTER + "/sleep", status=499))


def test_a_connection_that_ends_ends_its_streams(h2c):
    with connect(h2c) as wire:
        for _ in range(3):
            wire.request("GET", WINTER + "/sleep?until=never")
        wire.settle()
    assert wait_until(lambda: len(h2c.requests_logged(status=499)) == 3)


@pytest.mark.parametrize("query", ["", "?chunked"])
def test_an_answer_that_was_cut_off_is_a_reset(h2c, query):
    with connect(h2c) as wire:
        number = wire.request("GET", WINTER + "/truncate" + query)
        with pytest.raises(Reset) as why:
            wire.response(number)
        assert why.value.code == h2wire.INTERNAL_ERROR
        assert wire.stream(number).body == b"only a part"
        assert wire.get(WINTER + "/up").status == 200


def test_an_answer_before_the_end_of_the_body_ends_the_request(h2c):
    with connect(h2c) as wire:
        number = wire.request("POST", WINTER + "/refuse?code=403", body=b"x" * 10_000, end=False)
        assert wire.response(number).status == 403
        wire.pull_until(lambda: wire.stream(number).reset is not None)
        assert wire.stream(number).reset == h2wire.NO_ERROR
        assert wire.get(WINTER + "/up").status == 200


def test_a_tenant_that_answers_nonsense_is_502(h2c):
    with connect(h2c) as wire:
        response = wire.get(WINTER + "/raw?hex=" + b"nonsense\r\n\r\n".hex())
        assert (response.status, response.error) == (502, "bad_response")


def test_a_drain_finishes_what_is_under_way_and_says_goaway(atc):
    atc.start(knobs_config(server={"h2c_enabled": True, "drain_timeout": "20s"}))
    with connect(atc) as wire, connect(atc) as idle:
        assert wire.get(WINTER + "/up").status == 200
        idle.settle()
        number = wire.request("GET", WINTER + "/sleep?until=go")
        wire.settle()
        stop = Background(atc.stop)
        idle.wait_closed()
        assert idle.goaway.error_code == h2wire.NO_ERROR
        atc.allow("go")
        assert wire.response(number).text == "slept\n"
        assert (wire.goaway.error_code, wire.goaway.last_stream_id) == (h2wire.NO_ERROR, number)
        wire.wait_closed()
        stop.result()
    assert atc.requests_logged(path=WINTER + "/sleep", status=200)


def test_a_reload_disturbs_no_stream(h2c):
    with connect(h2c) as wire:
        number = wire.request("GET", WINTER + "/sse?n=10&steps=events")
        h2c.get(WINTER + "/up")
        h2c.allow("events")
        wire.pull_until(lambda: wire.stream(number).body)
        h2c.write_config(knobs_config(server={"h2c_enabled": True, "log_level": "info"}))
        assert h2c.cli("reload").returncode == 0
        for _ in range(9):
            h2c.allow("events")
        assert wire.response(number).body.count(b"data:") == 10
        assert wire.get(WINTER + "/up").status == 200


def test_an_idle_connection_ends_with_goaway(atc):
    atc.start(knobs_config(server={"h2c_enabled": True, "keepalive_timeout": "1s"}))
    with connect(atc) as wire:
        assert wire.get(WINTER + "/sleep?s=1.5").text == "slept\n"      # a stream is no idleness
        wire.wait_closed()
        assert wire.goaway.error_code == h2wire.NO_ERROR


def test_a_preface_or_a_head_that_does_not_end_is_not_waited_for(atc):
    atc.start(knobs_config(server={"h2c_enabled": True, "header_timeout": "300ms"}))
    with Wire(("127.0.0.1", atc.port)) as wire:
        assert wire.send(PREFACE[:20]).response().status == 408
    with connect(atc) as wire:
        wire.settle()
        wire.raw(frame(HEADERS, 1, 1, block()))         # END_STREAM, but not END_HEADERS
        wire.wait_closed()


def test_goaway_of_the_client_lets_its_streams_end(h2c):
    with connect(h2c) as wire:
        number = wire.request("GET", WINTER + "/sleep?s=0.5")
        wire.h2.close_connection()
        wire.h2.state_machine.state = wire.h2.state_machine.state.CLIENT_OPEN
        wire.push()
        assert wire.response(number).text == "slept\n"
        wire.wait_closed()


# --- conformance and load ---

# h2spec 2.2.1, strict: what does not pass, and why.
NOT_PASSED = {
    "2: Sends invalid connection preface": "what is no preface is a request of HTTP/1.1 on this port, and gets its 400",
    "8: closed: Sends a DATA frame after sending RST_STREAM frame": "it is thrown away; nghttp2 does not tell of it",
    "11: closed: Sends a DATA frame": "the same behind END_STREAM",
    "2: Sends PRIORITY frame that depend on itself": "RFC 9113 5.3 has done away with the priorities of RFC 7540",
}


@pytest.mark.slow
def test_h2spec(h2c):
    """Of an application that takes its time, so that what is sent behind a request meets an open stream."""
    program = TOOLS / "h2spec"
    assert program.exists(), "script/setup builds it"
    assert h2c.get(WINTER + "/up").status == 200
    patience = "%d" % max(stretched(1), 1)      # seconds that it waits for what should come
    done = subprocess.run([program, "-h", "127.0.0.1", "-p", str(h2c.port), "-P", WINTER + "/sleep?s=0.05", "-S", "-o", patience],
                          capture_output=True, text=True, timeout=stretched(300), check=False)
    counts = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)
    assert counts, done.stdout
    failed = set(re.findall(r"(?m)^ *× (\d+: .*?) *$", done.stdout))
    assert failed == set(NOT_PASSED)
    assert (int(counts[1]), int(counts[2]), int(counts[3])) == (146, 146 - len(NOT_PASSED), 0)


@pytest.mark.slow
@pytest.mark.parametrize("connections, streams", [(1, 100), (50, 10)])
def test_h2load_without_errors(h2c, connections, streams):
    assert h2c.get(WINTER + "/up").status == 200
    before = h2c.tenant()["requests"]
    done = subprocess.run(["h2load", "-n", "10000", "-c", str(connections), "-m", str(streams),
                           "http://127.0.0.1:%d%s/up" % (h2c.port, WINTER)],
                          capture_output=True, text=True, timeout=stretched(120), check=True)
    counts = {what: int(n) for n, what in re.findall(r"(\d+) (succeeded|failed|errored|timeout|2xx)", done.stdout)}
    assert counts == {"succeeded": 10000, "failed": 0, "errored": 0, "timeout": 0, "2xx": 10000}, done.stdout
    assert h2c.tenant()["requests"] - before == 10000


def test_many_connections_of_many_streams(h2c):
    def visit(i):
        with connect(h2c) as wire:
            numbers = [wire.request("POST", WINTER + "/echo?i=%d.%d" % (i, k), body=b"z" * k) for k in range(40)]
            return [(wire.response(n).json()["query"], wire.response(n).json()["size"]) for n in numbers]
    for i, seen in enumerate(together(8, visit)):
        assert seen == [("i=%d.%d" % (i, k), k) for k in range(40)]
