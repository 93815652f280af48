"""Requests that two readers could understand differently are refused, never repaired, and never reach the application.
SPDX-License-Identifier: MIT
"""
import pytest

from atc import WINTER

BASE = WINTER.encode()
HEAD = b"POST %s/once?id=smuggled HTTP/1.1\r\nHost: x\r\n" % BASE
INNER = b"GET %s/once?id=inner HTTP/1.1\r\nHost: x\r\n\r\n" % BASE


def refused(knobs, data, status, close=True):
    """The status comes, the connection ends, and nothing was executed."""
    before = knobs.lines("journal")
    with knobs.wire() as wire:
        wire.send(data)
        response = wire.response("GET")
        assert response.status == status, response
        assert response.error, response
        if close:
            assert wire.is_closed(), wire.buffer
    assert knobs.get(WINTER + "/up").status == 200
    assert knobs.lines("journal") == before


@pytest.mark.parametrize("fields", [
    b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    b"Content-Length: 4\r\nTransfer-Encoding: identity\r\n",
    b"Content-Length: 4\r\nContent-Length: 5\r\n",
    b"Content-Length: 4, 5\r\n",
    b"Content-Length: 4 4\r\n",
    b"Content-Length: +4\r\n",
    b"Content-Length: -4\r\n",
    b"Content-Length: 0x4\r\n",
    b"Content-Length: 4.0\r\n",
    b"Content-Length: \r\n",
    b"Content-Length: 1e1\r\n",
    b"Content-Length: 18446744073709551620\r\n",
    b"Content-Length: 9223372036854775808\r\n",
    b"Content-Length : 4\r\n",
    b"Content-Length\t: 4\r\n",
    b"Transfer-Encoding : chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    b"Transfer-Encoding: chunked, chunked\r\n",
    b"Transfer-Encoding: xchunked, chunked;q=1\r\n",
    b"Transfer-Encoding: chunked;x=1\r\n",
    b"Transfer-Encoding: \x0bchunked\r\n",
    b"Transfer-Encoding: \"chunked\"\r\n",
    b"Transfer-Encoding:\r\n chunked\r\n",
    b" Transfer-Encoding: chunked\r\n",
    b"X: y\r\n Transfer-Encoding: chunked\r\n",
    b"X: y\r\n\tz\r\n",
    b"X: y\nTransfer-Encoding: chunked\r\n",
    b"X: y\rTransfer-Encoding: chunked\r\n",
    b"X: a\x00b\r\n",
    b"X: a\x01b\r\n",
    b"X: a\x7fb\r\n",
    b"X\x00: a\r\n",
    b"X y: a\r\n",
    b"X(y): a\r\n",
    b"X\xc3\xa4: a\r\n",
    b": empty\r\n",
    b"no colon\r\n",
    b"Host: y\r\n",
    b"Host: x\r\n",
    b"host: x, y\r\n",
])
def test_a_head_that_is_ambiguous_is_400(knobs, fields):
    refused(knobs, HEAD + fields + b"\r\n0\r\n\r\n" + INNER, 400)


@pytest.mark.parametrize("coding", [b"gzip", b"gzip, chunked", b"identity", b"cow"])
def test_a_transfer_coding_that_we_do_not_do_is_refused(knobs, coding):
    before = knobs.lines("journal")
    with knobs.wire() as wire:
        wire.send(HEAD + b"Transfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n" + INNER)
        assert wire.response().status in (400, 501)
        assert wire.is_closed()
    assert knobs.lines("journal") == before


@pytest.mark.parametrize("body", [
    b"g\r\n", b"0x5\r\nhello\r\n", b"-1\r\n", b"+5\r\nhello\r\n", b" 5\r\nhello\r\n", b"5 \r\nhello\r\n0\r\n\r\n",
    b"5\nhello\r\n", b"5\rhello\r\n", b"5\r\nhelloX\r\n", b"5\r\nhello\n0\r\n\r\n", b"\r\n", b"5;\x00\r\nhello\r\n",
    b"10000000000000000\r\n", b"ffffffffffffffff\r\n", b"fffffffffffffffff\r\n", b"5;ext\nmore\r\nhello\r\n0\r\n\r\n",
    b"0\r\nBad Trailer: x\r\n\r\n", b"0\r\n Folded: x\r\n\r\n", b"0\r\nX: a\nY: b\r\n\r\n", b"0\r\nX: \x00\r\n\r\n",
    b"0\r\n\nX: y\r\n\r\n", b"5;" + b"x" * 20000 + b"\r\nhello\r\n0\r\n\r\n",
])
def test_a_bad_chunk_is_400_and_ends_the_connection(knobs, body):
    with knobs.wire() as wire:
        wire.send(b"POST %s/upload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % BASE + body + INNER)
        before = knobs.lines("journal")
        response = wire.response("POST")
        assert response.status == 400 and response.error, response
        assert wire.is_closed()
        assert knobs.lines("journal") == before


def test_trailers_cannot_bring_framing_or_routing(knobs):
    """RFC 9110 6.5.1: such fields in trailers are dropped, or the request is refused."""
    with knobs.wire() as wire:
        wire.send(b"POST %s/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
                  b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: evil\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n" % BASE)
        response = wire.response("POST")
        if response.status == 200:
            assert not response.json()["trailers"]
        else:
            assert response.status == 400


@pytest.mark.parametrize("line, status", [
    (b"GET %s/up" % BASE, 400),
    (b"GET %s/up " % BASE, 400),
    (b"GET  %s/up HTTP/1.1" % BASE, 400),
    (b"GET %s/up  HTTP/1.1" % BASE, 400),
    (b"GET\t%s/up HTTP/1.1" % BASE, 400),
    (b" GET %s/up HTTP/1.1" % BASE, 400),
    (b"GET %s/a b HTTP/1.1" % BASE, 400),
    (b"GET %s/up HTTP/1.1 " % BASE, 400),
    (b"GET %s/up http/1.1" % BASE, 400),
    (b"GET %s/up HTTP/1.1x" % BASE, 400),
    (b"GET %s/up HTTP/1." % BASE, 400),
    (b"GET %s/up HTTP/11" % BASE, 400),
    (b"G@T %s/up HTTP/1.1" % BASE, 400),
    (b"G\x00T %s/up HTTP/1.1" % BASE, 400),
    (b"GET up HTTP/1.1", 400),
    (b"GET %s/\x00 HTTP/1.1" % BASE, 400),
    (b"GET %s/\x80 HTTP/1.1" % BASE, 400),
    (b"GET %s/up#fragment HTTP/1.1" % BASE, 400),
    (b"GET ftp://x/ HTTP/1.1", 400),
    (b"GET http:///up HTTP/1.1", 400),
    (b"GET http://a@b/up HTTP/1.1", 400),
    (b"GET %s/up HTTP/2.0" % BASE, 505),
    (b"GET %s/up HTTP/0.9" % BASE, 505),
    (b"GET %s/up HTTP/3.0" % BASE, 505),
    (b"PRI * HTTP/2.0", 505),
])
def test_a_bad_request_line_is_refused(knobs, line, status):
    refused(knobs, line + b"\r\nHost: x\r\n\r\n", status)


@pytest.mark.parametrize("host", [b"a b", b"a/b", b"a,b", b"a\\b", b"a:b", b"a:99999999", b"[::1", b"a@b", b"a?b", b"a#b", b"\xc3\xa4"])
def test_a_host_that_is_none_is_400(knobs, host):
    refused(knobs, b"GET %s/up HTTP/1.1\r\nHost: " % BASE + host + b"\r\n\r\n", 400)


def test_http_1_1_without_host_is_400(knobs):
    refused(knobs, b"GET %s/up HTTP/1.1\r\n\r\n" % BASE, 400)


def test_lines_that_end_in_lf_alone_are_400(knobs):
    refused(knobs, b"GET %s/up HTTP/1.1\nHost: x\n\n" % BASE, 400)


def test_equal_content_lengths_are_not_forwarded_twice(knobs):
    """RFC 9110 8.6 allows to accept them as one or to refuse them."""
    with knobs.wire() as wire:
        response = wire.ask("POST", WINTER + "/echo", [("Content-Length", "2"), ("Content-Length", "2")], b"ok")
        if response.status == 200:
            lengths = [value for name, value in response.json()["headers"] if name.lower() == "content-length"]
            assert lengths == ["2"] and response.json()["body"] == "ok"
        else:
            assert response.status == 400


def test_upgrade_with_a_body_hides_no_second_request(knobs):
    before = knobs.lines("journal")
    with knobs.wire() as wire:
        wire.send(b"POST %s/echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: custom\r\nContent-Length: %d\r\n\r\n"
                  % (BASE, len(INNER)) + INNER)
        response = wire.response("POST")
        assert response.status in (200, 400)
    assert knobs.lines("journal") == before


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-For", "X-Forwarded-Prefix", "Content-Length", "Transfer-Encoding", "Cookie"])
def test_connection_options_cannot_strip_what_the_application_relies_on(knobs, name):
    """Naming an end-to-end field in Connection is refused, or does not remove what fly-atc itself tells."""
    with knobs.wire() as wire:
        response = wire.ask("POST", WINTER + "/echo", [("Connection", "close, " + name)], b"body")
        if response.status == 200:
            names = {field.lower() for field, _ in response.json()["headers"]}
            assert {"host", "x-forwarded-for", "x-forwarded-prefix"} <= names and response.json()["body"] == "body"
        else:
            assert response.status == 400


def test_an_empty_line_before_a_request_is_forgiven_once(knobs):
    """RFC 9112 2.2: some old clients send CRLF behind a body."""
    with knobs.wire() as wire:
        assert wire.send(b"\r\nGET %s/up HTTP/1.1\r\nHost: x\r\n\r\n" % BASE).response().status == 200
