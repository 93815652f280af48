"""HTTP/1.1 in both directions, as RFC 9110 and 9112 have it.
SPDX-License-Identifier: MIT
"""
import hashlib
import json
import sys

import pytest

import processes
from atc import APPS, WINTER, knobs_config
from waiting import holds_for, wait_until
from wire import Closed


def echo(knobs, *args, **more):
    response = knobs.ask(*args, **more)
    assert response.status == 200, response
    return response.json()


def test_the_application_sees_method_path_query_and_body_as_they_were_sent(knobs):
    seen = echo(knobs, "PATCH", WINTER + "/echo?a=1;b=2&c=%zz&d=4&a=%20+", body=b"\x00\xff body")
    assert seen["method"] == "PATCH"
    assert seen["target"] == "/echo?a=1;b=2&c=%zz&d=4&a=%20+"
    assert seen["body"].encode("latin-1") == b"\x00\xff body"


def test_an_unknown_method_passes(knobs):
    assert echo(knobs, "PROPFIND", WINTER + "/echo")["method"] == "PROPFIND"


def test_the_order_and_case_of_request_headers_is_kept(knobs):
    sent = [("X-One", "1"), ("x-tWO", "2"), ("ETag-Like", "3"), ("X-One", "again"), ("Cookie", "a=1"), ("Cookie", "b=2")]
    seen = echo(knobs, "GET", WINTER + "/echo", sent)["headers"]
    names = {name for name, _ in sent}
    assert [tuple(pair) for pair in seen if pair[0] in names] == sent


def test_the_order_and_case_of_response_headers_is_kept(knobs):
    response = knobs.get(WINTER + "/set?h=X-b:1&h=x-A:2&h=X-b:3&h=ETag:%22q%22&h=Set-Cookie:x%3D1&h=Set-Cookie:y%3D2")
    wanted = [("X-b", "1"), ("x-A", "2"), ("X-b", "3"), ("ETag", '"q"')]
    assert [pair for pair in response.headers if pair in wanted] == wanted
    assert [value.split(";")[0] for value in response.all("Set-Cookie")] == ["x=1", "y=2"]


def test_the_host_is_kept_with_its_port(knobs):
    headers = echo(knobs, "GET", WINTER + "/echo", host="Calendar.Example.com:8443")["headers"]
    assert ["Host", "Calendar.Example.com:8443"] in headers


def test_hop_by_hop_headers_stay_between_client_and_proxy(knobs):
    sent = [("Connection", "X-Private, keep-alive"), ("X-Private", "1"), ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"), ("TE", "gzip;q=1, trailers"), ("Proxy-Authorization", "Basic eA==")]
    with knobs.wire() as wire:
        seen = {name.lower(): value for name, value in wire.ask("GET", WINTER + "/echo", sent).json()["headers"]}
    assert not {"x-private", "keep-alive", "proxy-connection", "proxy-authorization"} & set(seen)
    assert seen.get("te") == "trailers"


def test_a_connection_is_used_again(knobs):
    with knobs.wire() as wire:
        for _ in range(5):
            assert wire.get(WINTER + "/up").status == 200


def test_pipelined_requests_are_answered_in_order(knobs):
    with knobs.wire() as wire:
        for i in range(20):
            wire.request("POST", WINTER + "/echo?i=%d" % i, body=b"x" * i)
        for i in range(20):
            seen = wire.response("POST").json()
            assert (seen["query"], seen["size"]) == ("i=%d" % i, i)


def test_a_slow_answer_does_not_let_a_pipelined_one_pass_it(knobs):
    with knobs.wire() as wire:
        wire.request("GET", WINTER + "/sleep?until=passed").request("GET", WINTER + "/up")
        assert knobs.get(WINTER + "/up").text == "up\n"
        knobs.allow("passed")
        assert wire.response().text == "slept\n"
        assert wire.response().text == "up\n"


def test_a_head_answer_has_a_length_and_no_body(knobs):
    with knobs.wire() as wire:
        response = wire.ask("HEAD", WINTER + "/download?bytes=1000")
        assert (response.status, response.header("Content-Length"), response.body) == (200, "1000", b"")
        assert wire.get(WINTER + "/up").text == "up\n"


@pytest.mark.parametrize("code", [204, 304])
def test_answers_without_a_body_leave_the_connection_usable(knobs, code):
    with knobs.wire() as wire:
        assert wire.get(WINTER + "/status?code=%d" % code).status == code
        assert wire.get(WINTER + "/up").text == "up\n"


def test_connection_close_is_obeyed(knobs):
    with knobs.wire() as wire:
        assert wire.get(WINTER + "/up", [("Connection", "Close")]).header("Connection").lower() == "close"
        assert wire.is_closed()


def test_http_1_0_is_answered_and_closed(knobs):
    with knobs.wire() as wire:
        wire.send(b"GET %s/up HTTP/1.0\r\n\r\n" % WINTER.encode())
        response = wire.response()
        assert (response.status, response.text) == (200, "up\n")
        assert wire.is_closed()


def test_http_1_0_may_ask_to_keep_the_connection(knobs):
    with knobs.wire() as wire:
        for _ in range(2):
            wire.send(b"GET %s/up HTTP/1.0\r\nHost: x\r\nConnection: Keep-Alive\r\n\r\n" % WINTER.encode())
            response = wire.response()
            assert response.status == 200 and "keep-alive" in response.header("Connection").lower()


def test_http_1_0_never_gets_chunks(knobs):
    with knobs.wire() as wire:
        wire.send(b"GET %s/download?bytes=100000&chunked=1 HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
                  % WINTER.encode())
        response = wire.response()
        assert not response.all("Transfer-Encoding")
        assert len(response.body) == 100000


def test_http_1_0_gets_no_interim_answers(knobs):
    with knobs.wire() as wire:
        wire.send(b"GET %s/hints HTTP/1.0\r\nHost: x\r\n\r\n" % WINTER.encode())
        response = wire.response()
        assert (response.status, response.interim) == (200, [])


def test_chunked_bodies_pass_in_both_directions(knobs):
    with knobs.wire() as wire:
        wire.request("POST", WINTER + "/echo", [("Transfer-Encoding", "chunked")])
        wire.send(b"3;ext=\"a;b\"\r\nabc\r\n")
        wire.send(b"0005\r\ndefgh\r\n0\r\n\r\n")
        assert wire.response("POST").json()["body"] == "abcdefgh"
        response = wire.get(WINTER + "/download?bytes=200000&chunked=1")
        assert len(response.body) == 200000
        assert hashlib.sha256(response.body).digest() == hashlib.sha256(
            knobs.get(WINTER + "/download?bytes=200000").body).digest()


def test_trailers_pass_in_both_directions(knobs):
    with knobs.wire() as wire:
        wire.request("POST", WINTER + "/echo", [("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum")])
        wire.send(b"2\r\nab\r\n0\r\nX-Sum: 7\r\n\r\n")
        assert wire.response("POST").json()["trailers"] == [["X-Sum", "7"]]
        assert wire.get(WINTER + "/trailers", [("TE", "trailers"), ("Connection", "TE")]).trailers == [("X-Sum", "42")]


def test_early_hints_come_before_the_answer(knobs):
    response = knobs.get(WINTER + "/hints?n=2")
    assert [hint.status for hint in response.interim] == [103, 103]
    assert response.interim[1].header("Link") == "<%s/style1.css>; rel=preload; as=style" % WINTER
    assert response.text == "after hints\n" and not response.all("Link")


def test_expect_100_continue_waits_for_the_applications_word(knobs):
    with knobs.wire() as wire:
        wire.request("POST", WINTER + "/upload", [("Expect", "100-continue"), ("Content-Length", "5")])
        assert wire.head().status == 100
        wire.send(b"hello")
        assert wire.response("POST").json()["size"] == 5


def test_a_refused_body_is_never_asked_for(knobs):
    with knobs.wire() as wire:
        wire.request("POST", WINTER + "/refuse?code=403", [("Expect", "100-continue"), ("Content-Length", "5")])
        assert wire.head().status == 403


def test_an_unknown_expectation_is_417(knobs):
    response = knobs.get(WINTER + "/up", [("Expect", "200-maybe")])
    assert (response.status, response.error) == (417, "expectation_failed")


def test_an_answer_that_ends_with_its_connection_is_passed_whole(knobs):
    response = knobs.get(WINTER + "/close")
    assert (response.status, response.text) == (200, "until the end\n")


def test_an_absolute_target_names_path_and_host(knobs):
    with knobs.wire() as wire:
        wire.request("GET", "http://calendar.example.com%s/echo?q=1" % WINTER, host="calendar.example.com")
        seen = wire.response().json()
        assert seen["target"] == "/echo?q=1"
        assert ["Host", "calendar.example.com"] in seen["headers"]


def test_two_names_for_the_host_are_refused(knobs):
    """RFC 9112 3.2.2 lets the target win; a reader behind us may do otherwise, so we forward neither."""
    response = knobs.get("http://calendar.example.com%s/echo" % WINTER, host="other.example.com")
    assert (response.status, response.error) == (400, "bad_request")


def test_an_application_that_answers_early_still_gets_its_answer_through(knobs):
    """The answer comes before the body was read: the client must see it, not a reset."""
    with knobs.wire() as wire:
        wire.request("POST", WINTER + "/refuse?code=413", [("Content-Length", str(3_000_000))])
        response = wire.response("POST")
        assert (response.status, response.text) == (413, "no\n")


def test_a_large_head_within_the_limit_passes(knobs):
    seen = echo(knobs, "GET", WINTER + "/echo", [("X-Large", "v" * 40000)])
    assert len(dict(seen["headers"])["X-Large"]) == 40000
    response = knobs.get(WINTER + "/headers?bytes=40000")
    assert len(response.header("X-Big")) == 40000


def test_a_head_over_the_limit_is_431(knobs):
    response = knobs.get(WINTER + "/up", [("X-Large", "v" * 70000)])
    assert (response.status, response.error) == (431, "header_too_large")
    response = knobs.get(WINTER + "/up", [("X-%d" % i, "v") for i in range(300)])
    assert response.status == 431


def test_a_target_over_the_limit_is_414(knobs):
    response = knobs.get(WINTER + "/up?" + "q" * 70000)
    assert (response.status, response.error) == (414, "uri_too_long")


def test_the_limit_of_a_target_is_a_setting(atc):
    atc.start(knobs_config(server={"max_url_bytes": "2KiB"}))
    path = WINTER + "/up?"
    assert atc.get(path + "q" * (2048 - len(path))).status == 200
    response = atc.get(path + "q" * (2049 - len(path)))
    assert (response.status, response.error) == (414, "uri_too_long")
    atc.write_config(knobs_config(server={"max_url_bytes": "32KiB"}))
    atc.cli("reload")
    wait_until(lambda: atc.get(path + "q" * 30000).status == 200)


def test_an_answer_with_a_head_over_the_limit_is_502(knobs):
    response = knobs.get(WINTER + "/headers?bytes=70000")
    assert (response.status, response.error) == (502, "bad_response")
    assert knobs.get(WINTER + "/many_headers?n=300").status == 502


def test_connect_is_refused(knobs):
    response = knobs.ask("CONNECT", "example.com:443", host="example.com:443")
    assert (response.status, response.error) == (501, "not_implemented")


def test_options_of_the_whole_server_are_answered_by_us_and_wake_nobody(atc):
    atc.start(knobs_config())
    with atc.wire() as wire:
        for target in ("*", "http://localhost"):
            response = wire.ask("OPTIONS", target)
            assert (response.status, response.body, response.header("Content-Length")) == (200, b"", "0")
        assert wire.ask("OPTIONS", "*", [("Content-Length", "2")], b"ok").header("Connection") == "close"
    assert atc.raw(b"GET * HTTP/1.1\r\nHost: a\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert wait_until(lambda: atc.requests_logged(path="*"))[0]["status"] == 200
    assert atc.state() == "absent"


# --- what fly-atc answers itself ---

def test_an_error_is_a_page_for_people_and_json_for_programs(knobs):
    page = knobs.get("/nobody/here", [("Accept", "text/html,*/*;q=0.8")])
    assert page.status == 404 and page.header("Content-Type").startswith("text/html")
    assert "<html" in page.text.lower() and "<title>" in page.text
    data = knobs.get("/nobody/here", [("Accept", "application/json")])
    assert data.status == 404 and data.header("Content-Type").startswith("application/json")
    assert "not_found" in json.dumps(data.json())
    for response in (page, data):
        assert response.error == "not_found"
        assert response.header("Cache-Control") == "no-store"


def test_an_error_for_head_has_no_body(knobs):
    with knobs.wire() as wire:
        assert wire.ask("HEAD", "/nobody/here").status == 404
        assert wire.get(WINTER + "/up").status == 200


def test_error_pages_of_the_owner_are_shown(atc):
    pages = atc.home / "pages"
    pages.mkdir()
    (pages / "404.html").write_text("<h1>Our own 404</h1>")
    atc.start(knobs_config(server={"error_pages": str(pages)}))
    response = atc.get("/nobody", [("Accept", "text/html")])
    assert (response.status, response.text) == (404, "<h1>Our own 404</h1>")
    assert response.error == "not_found" and response.header("Cache-Control") == "no-store"
    assert atc.get("/nobody", [("Accept", "application/json")]).header("Content-Type").startswith("application/json")


def test_the_bad_gateway_page_of_thruster_is_shown(atc):
    (atc.app / "public").mkdir()
    (atc.app / "public" / "502.html").write_text("<h1>Back soon</h1>")
    atc.start(knobs_config(waiting_page_after=0))
    response = atc.get(WINTER + "/vanish", [("Accept", "text/html")])
    assert (response.status, response.text) == (502, "<h1>Back soon</h1>")


# --- limits and timeouts ---

def test_a_body_over_the_limit_is_refused_before_the_application_hears_of_it(atc):
    atc.start(knobs_config(server={"max_request_body": 1000}))
    assert atc.post(WINTER + "/once?id=exact", b"x" * 1000).status == 200
    with atc.wire() as wire:
        wire.request("POST", WINTER + "/once?id=more", [("Content-Length", "1001"), ("Expect", "100-continue")])
        response = wire.response("POST")
        assert (response.status, response.error, response.interim) == (413, "body_too_large", [])
    assert atc.lines("journal") == ["exact"]


def test_a_chunked_body_over_the_limit_is_cut_off(atc):
    atc.start(knobs_config(server={"max_request_body": "1KB"}))
    with atc.wire() as wire:
        wire.request("POST", WINTER + "/upload", [("Transfer-Encoding", "chunked")])
        wire.send(b"200\r\n" + b"x" * 512 + b"\r\n")
        wire.send(b"400\r\n" + b"x" * 1024 + b"\r\n")
        response = wire.response("POST")
        assert (response.status, response.error) == (413, "body_too_large")
        assert wire.is_closed()


def test_an_application_that_does_not_answer_is_504(atc):
    atc.start(knobs_config(server={"response_timeout": "300ms"}))
    response = atc.get(WINTER + "/stall")
    assert (response.status, response.error) == (504, "response_timeout")


def test_a_slow_head_is_408(atc):
    atc.start(knobs_config(server={"header_timeout": "300ms"}))
    with atc.wire() as wire:
        response = wire.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").response()
        assert (response.status, response.error) == (408, "request_timeout")
        assert wire.is_closed()


def test_a_head_that_trickles_is_408_however_busy_it_is(atc):
    """The limit counts from the first byte, so that drops of bytes do not extend it."""
    atc.start(knobs_config(server={"header_timeout": "500ms"}))
    with atc.wire() as wire:
        def trickle():
            try:
                wire.send(b"a")
            except OSError:
                return True
            wire.sock.settimeout(0.05)
            try:
                return wire.sock.recv(4096).startswith(b"HTTP/1.1 408") or True
            except TimeoutError:
                return False
        wire.send(b"GET / HTTP/1.1\r\nX-Slow: ")
        wait_until(trickle, 3, "the trickle is cut")


def test_a_body_that_stops_is_408(atc):
    atc.start(knobs_config(server={"body_timeout": "300ms"}))
    with atc.wire() as wire:
        wire.request("POST", WINTER + "/upload", [("Content-Length", "10")]).send(b"12345")
        response = wire.response("POST")
        assert (response.status, response.error) == (408, "request_timeout")


def test_a_body_that_moves_now_and_then_is_not_cut(atc):
    atc.start(knobs_config(server={"body_timeout": "1500ms"}))
    with atc.wire() as wire:
        wire.request("POST", WINTER + "/upload", [("Content-Length", "6")])
        for _ in range(6):
            wire.sock.settimeout(0.4)
            with pytest.raises(TimeoutError):
                wire.sock.recv(1)
            wire.send(b"x")
        assert wire.timeout(10).response("POST").json()["size"] == 6


def test_an_idle_connection_is_closed_without_a_word(atc):
    atc.start(knobs_config(server={"keepalive_timeout": "1s"}))
    with atc.wire() as wire:
        assert wire.get(WINTER + "/up").status == 200
        assert wire.rest() == b""
    with atc.wire() as wire:
        assert wire.rest() == b""


def test_a_client_that_goes_away_takes_its_request_along(atc):
    atc.start(knobs_config())
    with atc.wire() as wire:
        wire.request("GET", WINTER + "/stall")
        wait_until(lambda: atc.tenant()["in_flight"] == 1)
    wait_until(lambda: atc.tenant()["in_flight"] == 0)
    wait_until(lambda: [r for r in atc.requests_logged(status=499) if r["path"].endswith("/stall")])


# --- answers that are not valid ---

@pytest.mark.parametrize("answer", [
    b"",
    b"nonsense\r\n\r\n",
    b"HTTP/2 200 OK\r\n\r\n",
    b"HTTP/1.1 20 OK\r\n\r\n",
    b"HTTP/1.1 2000 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    b"HTTP/1.1 200 OK\r\n Folded: 1\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nX y: a\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
])
def test_an_answer_that_is_not_valid_http_is_502(knobs, answer):
    response = knobs.post(WINTER + "/raw", answer)
    assert response.status == 502, response
    assert response.error in ("bad_response", "upstream_closed")


@pytest.mark.parametrize("kind", ["", "?chunked=1"])
def test_an_answer_that_breaks_off_is_not_passed_as_complete(knobs, kind):
    with knobs.wire() as wire, pytest.raises(Closed):
        wire.get(WINTER + "/truncate" + kind)


def test_a_bad_chunk_breaks_the_answer_off(knobs):
    """Far enough behind the head that the answer has begun."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n%s\r\nzz\r\nabc\r\n0\r\n\r\n" % (b"x" * 200_000)
    with knobs.wire() as wire, pytest.raises(Closed):
        wire.ask("POST", WINTER + "/raw", body=answer)


def test_bytes_behind_an_answer_never_reach_another_client(knobs):
    """Response smuggling: what follows the answer on the upstream connection is thrown away with it."""
    smuggled = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    for _ in range(10):
        with knobs.wire() as wire:
            assert wire.ask("POST", WINTER + "/raw?stay=1", body=smuggled).body == b"ok"
        assert knobs.get(WINTER + "/up").body == b"up\n"


def test_an_application_that_closes_without_an_answer_is_502(knobs):
    response = knobs.post(WINTER + "/vanish", b"x")
    assert (response.status, response.error) == (502, "upstream_closed")


# --- connections to the application ---

def test_connections_to_the_application_are_used_again(knobs):
    seen = set()
    with knobs.wire() as wire:
        for _ in range(20):
            seen.add(wire.get(WINTER + "/up").header("Knobs-Connection"))
    assert len(seen) == 1


def test_a_pooled_connection_that_died_costs_no_request(atc):
    """The application closes after each answer without a word: nothing is lost, and nothing done twice.

    A GET may meet the connection's end on its way and is sent again; a POST may not, so it comes when the end is known.
    """
    atc.start(knobs_config(env={"KNOBS_CLOSE_AFTER": "1"}))
    with atc.wire() as wire:
        for i in range(100):
            assert wire.get(WINTER + "/once?id=get-%d" % i).status == 200
        port = int(processes.environment(atc.tenant()["pid"])["PORT"])
        for i in range(30):
            wait_until(lambda: not processes.connections_to(port), what="it is known that the application has closed")
            assert wire.ask("POST", WINTER + "/once?id=post-%d" % i, body=b"x").status == 200
    assert sorted(atc.lines("journal")) == sorted("%s-%d" % (kind, i) for kind, n in (("get", 100), ("post", 30)) for i in range(n))


# --- the access log ---

def test_a_request_is_one_line_of_the_log(atc):
    atc.start(knobs_config())
    atc.post(WINTER + "/echo?q=1", b"hello", [("Content-Type", "text/x-test"), ("User-Agent", "probe/1"),
                                               ("X-Request-ID", "my-id-1")])
    line = wait_until(lambda: atc.requests_logged(method="POST"))[0]
    wanted = {"level": "INFO", "path": WINTER + "/echo", "query": "q=1", "status": 200, "method": "POST",
              "req_content_length": 5, "req_content_type": "text/x-test", "resp_content_type": "application/json",
              "user_agent": "probe/1", "proto": "HTTP/1.1", "tenant": "bellevue/2025/winter", "host": "localhost",
              "request_id": "my-id-1"}
    assert {key: line.get(key) for key in wanted} == wanted
    assert line["resp_content_length"] > 0 and line["dur"] >= 0 and "time" in line and "remote_addr" in line
    assert any("wake" in key for key in line) and any("upstream" in key for key in line)


def test_requests_are_not_logged_when_told_so(atc):
    atc.start(knobs_config(), env={"LOG_REQUESTS": "0"})
    assert atc.get(WINTER + "/up").status == 200
    atc.stop()
    assert not atc.requests_logged()


def test_paths_can_be_kept_out_of_the_log(atc):
    atc.start(knobs_config(server={"log_exclude": [WINTER + "/up", WINTER + "/se*"]}))
    for path in ("/up", "/set", "/status?code=200"):
        atc.get(WINTER + path)
    atc.stop()
    assert [line["path"] for line in atc.requests_logged()] == [WINTER + "/status"]


def test_refused_requests_are_logged_too(knobs):
    knobs.raw(b"GET /refused-for-the-log\x00 HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_until(lambda: knobs.requests_logged(status=400))


# --- what was wrong with it ---

@pytest.mark.parametrize("line, told", [
    (b"GET /gr\xc3\xb6\xc3\x9fe HTTP/1.1\r\nHost: a\r\n", r"a byte of the address that must be escaped with %, byte 0xC3: /gr\xC3\xB6\xC3\x9Fe"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n", r"a control that is not part of the end of a line, byte 0x0D: X: a\x0Db\x0D"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n", "5.1: the name of a field is not a token: X : b"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n", "a line without a colon: nothing"),
    (b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n", "RFC 9112 5.2: a folded line:  b"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding and Content-Length"),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n", "3.2: Host must be there once"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: cookie\r\n", "Connection names a field that goes end to end: cookie"),
], ids=lambda value: value[:20].decode("latin-1") if isinstance(value, bytes) else "")
def test_what_is_wrong_with_a_request_is_told(knobs, line, told):
    with knobs.wire() as wire:
        response = wire.send(line + b"\r\n").response("GET")
    assert response.status == 400 and told in response.text
    wait_until(lambda: [entry for entry in knobs.requests_logged(error="bad_request") if told in entry["detail"]], 5, "it is logged")


@pytest.mark.parametrize("environment, is_shown", [("production", False), ("development", True)])
@pytest.mark.parametrize("answer, told", [
    (b"HTTP/1.1 200 OK\r\nContent-Security-Policy: a\r\n b\r\n\r\n", "RFC 9112 5.2: a folded line:  b"),
    (b"HTTP/1.1 700 Odd\r\n\r\n", "a status of 100 to 599: HTTP/1.1 700 Odd"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "RFC 9112 6.3: more than one Content-Length: 2"),
    (b"<html>", "not a status line: <html>"),
], ids=["folded", "status", "lengths", "html"])
def test_what_is_wrong_with_an_answer_is_for_operators_and_developers(atc, environment, is_shown, answer, told):
    atc.start(knobs_config(command=[sys.executable, "-S", "-E", str(APPS / "scripted" / "scripted.py")], environment=environment))
    response = atc.get(WINTER + "/raw?" + answer.hex())
    assert (response.status, response.error) == (502, "bad_response") and (told in response.text) is is_shown
    wait_until(lambda: [entry for entry in atc.requests_logged(error="bad_response") if told in entry["detail"]], 5, "it is logged")
