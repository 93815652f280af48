"""Answers are compressed for whoever wants it, where it is worth it, and nothing waits for it.
SPDX-License-Identifier: MIT
"""
from urllib.parse import quote

import pytest

from atc import WINTER, knobs_config, together
from codings import CODINGS, SKIPPABLE, Decoder, decode
from h2wire import H2Wire
from waiting import wait_until
from wire import Closed

CHROME = "gzip, deflate, br, zstd"
PAGE = WINTER + "/page"


def page(size=10240):
    return b"".join(b"<li>line %d of a page</li>\n" % i for i in range(size // 20 + 1))[:size]


def target(*headers, **query):
    """Of a page with these header lines."""
    pairs = ["%s=%s" % (key, quote(str(value))) for key, value in query.items()]
    return PAGE + "?" + "&".join(pairs + ["h=" + quote(line) for line in headers])


def accept(coding):
    return [("Accept-Encoding", coding)]


def coding_of(response):
    return response.header("Content-Encoding")


def expect_page(response, coding, size=10240):
    assert coding_of(response) == coding, response.headers
    assert decode(coding, response.body) == page(size)
    return response


# --- who gets what ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("wanted,coding", [
    ("gzip", "gzip"), ("br", "br"), ("zstd", "zstd"), ("GZIP", "gzip"), ("x-gzip", "gzip"),
    (CHROME, "zstd"), ("gzip, deflate, br", "br"), ("gzip, deflate", "gzip"),
    ("gzip;q=0", None), ("deflate", None), ("", None), ("identity", None), ("*", "zstd"), ("*;q=0", None),
    ("zstd;q=0, *", "br"), ("gzip;q=1.0, br;q=0.9, zstd;q=0.8", "gzip"), ("identity, zstd;q=0.5", None),
    ("identity;q=0", None), ("identity;q=0, *;q=0", None), ("gzip;q=0.001", "gzip"),
])
def test_a_client_gets_what_it_wants_most(knobs, wanted, coding):
    expect_page(knobs.get(PAGE, accept(wanted)), coding)


def test_several_lines_of_accept_encoding_are_one_list(knobs):
    expect_page(knobs.get(PAGE, accept("gzip;q=0.5") + accept("br")), "br")


def test_a_client_that_asks_for_nothing_gets_the_page_as_it_is(knobs):
    response = expect_page(knobs.get(PAGE), None)
    assert response.header("Content-Length") == "10240"
    assert response.header("Vary") == "Accept-Encoding"     # another client gets other bytes


def test_our_order_decides_among_equals_and_is_a_setting(atc):
    atc.start(knobs_config(server={"compression_order": ["gzip", "br"]}))
    expect_page(atc.get(PAGE, accept(CHROME)), "gzip")
    expect_page(atc.get(PAGE, accept("zstd")), None)
    expect_page(atc.get(PAGE, accept("gzip;q=0.5, br")), "br")


def test_the_order_knows_its_words(atc):
    atc.write_config(knobs_config(server={"compression_order": ["gzip", "deflate", "gzip"]}))
    said = atc.cli("check", "-c", str(atc.config_file))
    assert said.returncode != 0
    assert '"deflate" is not zstd, br or gzip' in said.stdout + said.stderr
    assert '"gzip" is there twice' in said.stdout + said.stderr


def test_it_can_be_switched_off_while_running(atc):
    config = knobs_config()
    atc.start(config)
    expect_page(atc.get(PAGE, accept("gzip")), "gzip")
    config["server"]["gzip_compression_enabled"] = False
    atc.write_config(config)
    atc.cli("reload", env={"FLY_ATC_CONTROL": atc.control_socket()})
    wait_until(lambda: coding_of(atc.get(PAGE, accept("gzip"))) is None, 10, "it is off")
    response = expect_page(atc.get(PAGE, accept("gzip")), None)
    assert response.header("Content-Length") == "10240" and not response.header("Vary")


def test_the_environment_names_of_thruster_are_obeyed(atc):
    atc.start(knobs_config(), env={"GZIP_COMPRESSION_ENABLED": "false"})
    expect_page(atc.get(PAGE, accept("gzip")), None)


def test_the_application_sees_accept_encoding_only_if_the_client_sent_it(knobs):
    def seen(headers):
        return [value for name, value in knobs.get(WINTER + "/echo", headers).json()["headers"]
                if name.lower() == "accept-encoding"]
    assert seen(accept("gzip, zstd;q=0.5")) == ["gzip, zstd;q=0.5"]
    assert seen([]) == []


# --- which answers ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["text/html", "TEXT/PLAIN; charset=utf-8", "application/json", "image/svg+xml",
                                  "image/bmp", "image/tiff", "application/wasm", "font/ttf", ""])
def test_texts_and_raw_data_are_compressed(knobs, kind):
    expect_page(knobs.get(target(type=kind), accept("gzip")), "gzip")


@pytest.mark.parametrize("kind", [
    "image/jpg", "image/jpeg", "image/png", "image/apng", "image/webp", "image/gif", "image/avif", "image/heic",
    "image/heif", "image/jxl", "IMAGE/PNG", "image/png; charset=binary", "image/heic-sequence", "image/avif-sequence",
    "video/mp4", "audio/ogg", "application/zip", "application/gzip", "application/x-bzip2", "application/x-xz",
    "application/zstd", "application/x-7z-compressed", "application/vnd.rar", "application/pdf", "font/woff", "font/woff2",
    "application/octet-stream", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"])
def test_what_is_compressed_already_is_left_alone(knobs, kind):
    response = expect_page(knobs.get(target("Accept-Ranges: bytes", type=kind), accept(CHROME)), None)
    assert response.header("Content-Length") == "10240" and response.header("Accept-Ranges") == "bytes"
    assert not response.header("Vary")


def test_small_answers_are_not_worth_it_unless_nobody_knows_how_small(knobs):
    expect_page(knobs.get(target(bytes=1023), accept("gzip")), None, 1023)
    expect_page(knobs.get(target(bytes=1024), accept("gzip")), "gzip", 1024)
    expect_page(knobs.get(target(bytes=0), accept("gzip")), None, 0)
    expect_page(knobs.get(target(bytes=30, chunked=1), accept("gzip")), "gzip", 30)
    expect_page(knobs.get(target(bytes=0, chunked=1), accept("gzip")), "gzip", 0)


@pytest.mark.parametrize("line", [
    "Content-Encoding: gzip", "Content-Encoding: snappy", "Content-Range: bytes 0-10239/20000",
    "Cache-Control: max-age=60, No-Transform", "Content-Digest: sha-256=:AAAA:", "Content-MD5: AAAA"])
def test_what_the_application_forbids_is_not_touched(knobs, line):
    name, _, value = line.partition(": ")
    response = knobs.get(target(line, 'ETag: "x"'), accept(CHROME))
    assert response.body == page() and response.header(name) == value
    assert response.header("ETag") == '"x"' and not response.header("Vary")


@pytest.mark.parametrize("status,coding", [(200, "gzip"), (201, "gzip"), (404, "gzip"), (500, "gzip"), (206, None)])
def test_any_status_with_a_whole_body_is_compressed(knobs, status, coding):
    response = expect_page(knobs.get(target(status=status), accept("gzip")), coding)
    assert response.status == status


def test_answers_without_a_body_stay_so(knobs):
    for status in (204, 304):
        response = knobs.get(target(status=status), accept("gzip"))
        assert response.status == status and not response.body
        assert not coding_of(response) and not response.all("Transfer-Encoding")


def test_answers_to_post_are_compressed_too(knobs):
    expect_page(knobs.post(PAGE, b"a=1", accept("br")), "br")


# --- the head --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("coding", CODINGS)
def test_the_head_says_what_became_of_the_body(knobs, coding):
    response = knobs.get(target("Accept-Ranges: bytes", 'ETag: "abc"', "X-Other: 1"), accept(coding))
    expect_page(response, coding)
    assert not response.all("Content-Length") and not response.all("Accept-Ranges")
    assert response.header("ETag") == 'W/"abc"'
    assert response.header("Vary") == "Accept-Encoding"
    assert response.header("Content-Type") == "text/html; charset=utf-8" and response.header("X-Other") == "1"


def test_a_weak_tag_stays_as_it_is(knobs):
    assert knobs.get(target('ETag: W/"abc"'), accept("gzip")).header("ETag") == 'W/"abc"'


def test_a_strong_tag_stays_strong_on_the_page_itself(knobs):
    assert knobs.get(target('ETag: "abc"')).header("ETag") == '"abc"'


@pytest.mark.parametrize("lines,vary", [
    ([], "Accept-Encoding"), (["Vary: Accept"], "Accept, Accept-Encoding"),
    (["Vary: Accept, X-Requested-With"], "Accept, X-Requested-With, Accept-Encoding"),
    (["Vary: Accept", "Vary: Cookie"], "Accept, Cookie, Accept-Encoding"),
    (["Vary: accept-encoding"], "accept-encoding"), (["Vary: *"], "*"), (["Vary: Accept-Encodings"],
                                                                        "Accept-Encodings, Accept-Encoding")])
@pytest.mark.parametrize("wanted", ["gzip", "identity"])
def test_vary_is_added_to_what_is_there(knobs, lines, vary, wanted):
    assert knobs.get(target(*lines), accept(wanted)).header("Vary") == vary


@pytest.mark.parametrize("query", [{}, {"bytes": 1023}, {"type": "image/png"}, {"chunked": 1}])
@pytest.mark.parametrize("wanted", [CHROME, "gzip", "identity"])
def test_head_has_the_lines_of_get(knobs, query, wanted):
    def lines(method):
        response = knobs.ask(method, target('ETag: "x"', "Vary: Accept", **query), accept(wanted))
        assert method == "GET" or not response.body
        other = ("Date", "Transfer-Encoding", "Knobs-Connection", "Knobs-Request", "Cache-Status")
        return [line for line in response.headers if line[0] not in other]
    assert lines("HEAD") == lines("GET")


def test_what_is_still_valid_keeps_the_tag_by_which_it_is_known(knobs):
    """The client got W/"x" with the compressed page; the application knows it as "x"."""
    def tag(known, wanted="gzip"):
        headers = accept(wanted) + [("If-None-Match", known)]
        return knobs.get(target('ETag: "x"', status=304), headers).header("ETag")
    assert tag('W/"x"') == 'W/"x"'
    assert tag('"y", W/"x"') == 'W/"x"'
    assert tag('"x"') == '"x"'              # of an image, say
    assert tag('W/"xx", W/"y"') == '"x"'


@pytest.mark.parametrize("line, wanted", [
    ("ETag: \"x\"", "Accept-Encoding"), ("Vary: Cookie", "Cookie, Accept-Encoding"), ("Content-Type: image/png", None),
    ("Cache-Control: no-transform", None)])
def test_a_part_and_what_is_still_valid_vary_as_the_page_does(knobs, line, wanted):
    for headers in ([], accept("gzip")):
        assert knobs.get(target(line, status=304), headers).header("Vary") == wanted
        part = knobs.get(target(line, "Content-Range: bytes 0-1/9000", status=206), headers)
        assert (part.status, part.header("Vary"), coding_of(part)) == (206, wanted, None)


# --- the way of the body ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("coding", CODINGS)
def test_events_arrive_at_once_and_the_head_before_the_first(knobs, coding):
    """The application says nothing more until what it said is here: what is held back would never come."""
    decoder, text, steps = Decoder(coding), b"", "events-" + coding
    with knobs.wire() as wire:
        wire.request("GET", WINTER + "/sse?n=3&steps=" + steps, accept(coding))
        head = wire.head()
        assert head.header("Content-Type") == "text/event-stream" and coding_of(head) == coding
        chunks = wire.chunks()
        for i in range(3):
            knobs.allow(steps)
            while text.count(b"\n\n") <= i:
                text += decoder.feed(next(chunks))
        for data in chunks:
            text += decoder.feed(data)
    assert text == b"data: 0\n\ndata: 1\n\ndata: 2\n\n" and decoder.is_complete


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("framing", [{}, {"chunked": 1}])
def test_a_body_that_dribbles_arrives_as_it_comes(knobs, coding, framing):
    """Thruster holds 64 KiB of such a body back."""
    decoder, text, steps = Decoder(coding), b"", "dribble-%s-%d" % (coding, len(framing))
    with knobs.wire() as wire:
        wire.request("GET", target(bytes=15000, pieces=3, steps=steps, **framing), accept(coding))
        assert coding_of(wire.head()) == coding
        chunks = wire.chunks()
        for i in (1, 2):
            while len(text) < 5000 * i:
                text += decoder.feed(next(chunks))
            assert len(text) == 5000 * i
            knobs.allow(steps)
        for data in chunks:
            text += decoder.feed(data)
    assert text == page(15000) and decoder.is_complete


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("size", [65536, 200000, 20000000])
def test_bodies_of_any_size_come_back(knobs, coding, size):
    for framing in ({}, {"chunked": 1}):
        expect_page(knobs.get(target(bytes=size, **framing), accept(coding), timeout=120), coding, size)


def test_one_connection_carries_all_codings(knobs):
    with knobs.wire() as wire:
        for i in range(30):
            coding = (*CODINGS, None)[i % 4]
            expect_page(wire.get(target(bytes=2000 + i), accept(coding or "identity")), coding, 2000 + i)


def test_a_client_of_http_1_0_reads_until_the_end(knobs):
    answer = knobs.raw(b"GET %s HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n" % PAGE.encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head and b"chunked" not in head
    assert decode("gzip", body) == page()


def test_trailers_follow_a_compressed_body(knobs):
    response = knobs.get(WINTER + "/trailers", accept("gzip"))
    assert decode("gzip", response.body) == b"body with a trailer\n"
    assert response.trailers == [("X-Sum", "42")]


@pytest.mark.parametrize("coding", CODINGS)
def test_what_is_cut_off_does_not_look_whole(knobs, coding):
    with knobs.wire() as wire:
        wire.request("GET", WINTER + "/truncate?chunked", accept(coding))
        response, decoder, text = wire.head(), Decoder(coding), b""
        assert coding_of(response) == coding
        with pytest.raises(Closed):
            for data in wire.chunks():
                text += decoder.feed(data)
        assert not decoder.is_complete and b"only a part".startswith(text)


def test_a_client_that_leaves_in_the_middle_costs_nothing(knobs):
    for coding in CODINGS * 5:
        with knobs.wire() as wire:
            wire.request("GET", target(bytes=5000000), accept(coding))
            wire.head()
    wait_until(lambda: knobs.tenant()["in_flight"] == 0, 10, "all are gone")
    for coding in CODINGS:
        expect_page(knobs.get(PAGE, accept(coding)), coding)


@pytest.mark.slow
def test_more_streams_than_there_is_memory_for_go_out_as_they_are(atc):
    atc.start(knobs_config(server={"threads": 1}))
    wires = [atc.wire(60) for _ in range(230)]
    codings = []
    for wire in wires:
        wire.request("GET", WINTER + "/sse?n=2&first=0&gap=60", accept("zstd"))
    for wire in wires:
        codings.append(coding_of(wire.head()))
        data = next(wire.chunks())
        assert (Decoder("zstd").feed(data) if codings[-1] else data) == b"data: 0\n\n"
    assert 100 < codings.count("zstd") < 230, codings.count("zstd")
    for wire in wires:
        wire.close()
    wait_until(lambda: atc.tenant()["in_flight"] == 0, 20, "all are gone")
    expect_page(atc.get(PAGE, accept("zstd")), "zstd")


def test_many_clients_at_once_get_their_own_pages(knobs):
    def one(i):
        coding, size = CODINGS[i % 3], 1024 + 997 * i
        return expect_page(knobs.get(target(bytes=size), accept(coding)), coding, size).status
    assert together(24, one) == [200] * 24


# --- with the cache --------------------------------------------------------------------------------------------------

PUBLIC = "Cache-Control: public, max-age=600"


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("size", [1024, 10240, 300000])
def test_a_cached_answer_is_compressed_once(knobs, coding, size):
    url = target(PUBLIC, 'ETag: "x"', "Vary: Accept", bytes=size, coding=coding)
    seen = [expect_page(knobs.get(url, accept(coding)), coding, size) for _ in range(4)]
    assert [response.header("X-Cache") for response in seen] == ["miss", "hit", "hit", "hit"]
    assert seen[1].body == seen[2].body == seen[3].body    # the padding would differ
    assert seen[3].header("Content-Length") == str(len(seen[3].body))
    for response in seen:
        assert response.header("ETag") == 'W/"x"' and response.header("Vary") == "Accept, Accept-Encoding"
    head = knobs.ask("HEAD", url, accept(coding))
    same = ("Content-Length", "Content-Encoding", "ETag", "Vary", "Content-Type", "X-Cache")
    assert [head.header(name) for name in same] == [seen[3].header(name) for name in same]


def test_one_cached_answer_serves_all_codings(knobs):
    url = target(PUBLIC, test="all")
    before = knobs.tenant()["requests"]
    expect_page(knobs.get(url), None)
    for _ in range(3):
        for coding in (*CODINGS, None):
            response = expect_page(knobs.get(url, accept(coding or "identity")), coding)
            assert response.header("X-Cache") == "hit"
    assert knobs.tenant()["requests"] == before + 1


def test_a_part_of_a_cached_answer_is_a_part_of_the_page(knobs):
    url = target(PUBLIC, 'ETag: "x"')
    for _ in range(3):
        expect_page(knobs.get(url, accept("gzip")), "gzip")
    part = knobs.get(url, accept("gzip") + [("Range", "bytes=100-2099")])
    assert part.status == 206 and part.body == page()[100:2100] and not coding_of(part)


def test_a_cached_answer_that_the_client_has_is_not_sent_again(knobs):
    url = target(PUBLIC, 'ETag: "x"')
    tag = expect_page(knobs.get(url, accept("zstd")), "zstd").header("ETag")
    response = knobs.get(url, accept("zstd") + [("If-None-Match", tag)])
    assert response.status == 304 and response.header("ETag") == tag and not response.body
    assert not coding_of(response)


def test_the_guard_holds_for_cached_answers_too(atc):
    atc.start(knobs_config(server={"gzip_compression_disable_on_auth": True}))
    for _ in range(3):
        expect_page(atc.get(target(PUBLIC), accept("br")), "br")
        expect_page(atc.get(target(PUBLIC), accept("br") + [("Cookie", "a=1")]), None)


# --- files -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("size", [10240, 3000000])
def test_a_file_that_the_application_names_is_compressed(knobs, coding, size):
    path = knobs.tenant_dir() / "sent.txt"
    path.write_bytes(page(size))
    url = WINTER + "/file?path=" + quote(str(path))
    response = expect_page(knobs.get(url, accept(coding)), coding, size)
    tag = response.header("ETag")
    assert tag is None or tag.startswith("W/")
    assert not response.all("Content-Length") and not response.all("Accept-Ranges") and response.header("Last-Modified")
    plain = expect_page(knobs.get(url), None, size)
    assert plain.header("Content-Length") == str(size) and plain.header("Accept-Ranges") == "bytes"
    part = knobs.get(url, accept(coding) + [("Range", "bytes=5000-5999")])
    assert part.status == 206 and part.body == page(size)[5000:6000] and not coding_of(part)


def test_a_picture_that_the_application_names_is_not(knobs):
    path = knobs.tenant_dir() / "sent.png"
    path.write_bytes(page())
    expect_page(knobs.get(WINTER + "/file?path=" + quote(str(path)), accept(CHROME)), None)


def test_a_file_of_the_public_directory_is_compressed_unless_it_has_been(atc):
    public = atc.app / "public"
    public.mkdir()
    for name in ("site.css", "ready.css", "ready.css.gz"):
        (public / name).write_bytes(page())
    atc.start(knobs_config(public="public"))
    for coding in CODINGS:
        response = expect_page(atc.get(WINTER + "/site.css", accept(coding)), coding)
        assert response.header("Vary") == "Accept-Encoding"
        head = atc.ask("HEAD", WINTER + "/site.css", accept(coding))
        assert not head.body and coding_of(head) == coding and head.header("ETag") == response.header("ETag")
        known = [("If-None-Match", response.header("ETag"))]
        again = atc.get(WINTER + "/site.css", accept(coding) + known)
        assert again.status == 304 and again.header("ETag") == response.header("ETag")
    ready = atc.get(WINTER + "/ready.css", accept("gzip"))
    assert coding_of(ready) == "gzip" and ready.body == page()      # as it lies there
    assert ready.header("Content-Length") == "10240" and ready.header("Vary") == "Accept-Encoding"


# --- HTTP/2 ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("coding", CODINGS)
def test_streams_of_http_2_are_compressed_alike(atc, coding):
    atc.start(knobs_config(server={"h2c_enabled": True}))
    with H2Wire(("127.0.0.1", atc.port)) as wire:
        for size, more in ((10240, {}), (500000, {}), (30000, {"chunked": 1}), (12000, {"pieces": 3, "gap": 0.1})):
            response = wire.get(target('ETag: "x"', bytes=size, **more), accept(coding))
            assert coding_of(response) == coding and decode(coding, response.body) == page(size)
            assert response.header("vary") == "Accept-Encoding" and response.header("etag") == 'W/"x"'
        number = wire.request("GET", WINTER + "/sse?n=2&gap=30", accept(coding))
        assert coding_of(wire.head(number)) == coding
        stream = wire.stream(number)
        wire.pull_until(lambda: stream.body)
        assert Decoder(coding).feed(stream.body) == b"data: 0\n\n"
        wire.cancel(number)


# --- BREACH ----------------------------------------------------------------------------------------------------------

GUARDED = [
    ([], [], False),
    ([("Cookie", "a=1")], [], True),
    ([("Cookie", "")], [], False),
    ([("Authorization", "Bearer x")], [], True),
    ([("X-CSRF-Token", "x")], [], True),
    ([], ["Set-Cookie: a=1"], True),
    ([], ["Cache-Control: private"], True),
    ([], ["Cache-Control: max-age=0, Private"], True),
    ([], ["Cache-Control: no-store"], True),
    ([], ['Cache-Control: private="Set-Cookie"'], True),
    ([], ["Cache-Control: my-private-setting"], False),
    ([], ["Cache-Control: public"], False),
    ([], ["Vary: Cookie"], True),
    ([], ["Vary: Accept, cookie"], True),
    ([], ["Vary: Cookie-Name"], False),
]


@pytest.mark.parametrize("guard", [False, True])
def test_the_guard_keeps_what_belongs_to_one_person_uncompressed(atc, guard):
    atc.start(knobs_config(server={"gzip_compression_disable_on_auth": guard}))
    for coding in CODINGS:
        for request, lines, is_personal in GUARDED:
            response = atc.get(target(*lines), accept(coding) + request)
            expect_page(response, None if guard and is_personal else coding)
            assert not response.all("No-Gzip-Compression")


def padding(coding, body):
    """Its length, where it can be told from the content."""
    if coding == "gzip":
        assert body[3] in (0, 0x10)
        return body.index(b"\0", 10) - 10 if body[3] else 0
    decoder = Decoder("zstd")
    decoder.feed(body)
    return len(decoder.behind) - 8 if decoder.behind[:4] == SKIPPABLE else 0


@pytest.mark.parametrize("coding", CODINGS)
def test_the_same_page_has_many_lengths(atc, coding):
    atc.start(knobs_config(server={"gzip_compression_jitter": 16}))
    bodies = [expect_page(atc.get(PAGE, accept(coding)), coding).body for _ in range(60)]
    lengths = {len(body) for body in bodies}
    assert len(lengths) >= 8, lengths
    if coding != "br":      # its content differs too: the thread tries harder once it has seen that it has time
        assert all(1 <= padding(coding, body) <= 16 for body in bodies)


@pytest.mark.parametrize("jitter", [0, -5])
def test_without_jitter_there_is_no_padding(atc, jitter):
    atc.start(knobs_config(server={"gzip_compression_jitter": jitter, "threads": 1}))
    for coding in CODINGS:
        bodies = [expect_page(atc.get(PAGE, accept(coding)), coding).body for _ in range(5)]
        assert coding == "br" or not any(padding(coding, body) for body in bodies)


def test_by_default_everything_is_as_thruster_has_it(knobs):
    """Public and personal pages are compressed, and padded."""
    for headers in ([], [("Cookie", "session=1")]):
        response = expect_page(knobs.get(PAGE, accept("gzip") + headers), "gzip")
        assert response.body[3] & 0x10 and 1 <= padding("gzip", response.body) <= 32


def test_large_bodies_are_compressed_at_once_and_others_are_served_meanwhile(atc):
    """Each gives way to the others again and again, over HTTP/1.1 and HTTP/2, from the application and from a file."""
    size = 3 * 1024 * 1024
    path = atc.app / "public" / "large.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(page(size))
    atc.start(knobs_config(public="public", server={"threads": 1, "h2c_enabled": True, "health_path": "/up"}))
    paths = (WINTER + "/large.txt", target(bytes=size))

    def fetch(i):
        coding = CODINGS[i % 3]
        return expect_page(atc.get(paths[i % 2], accept(coding), timeout=60), coding, size)

    def fetch_streams(_):
        with H2Wire(("127.0.0.1", atc.port), timeout=60) as wire:
            streams = [wire.request("GET", path, accept("zstd")) for path in paths]
            return [expect_page(wire.response(stream), "zstd", size) for stream in streams]

    def ask_for_little(_):
        return [atc.get("/up").status for _ in range(50)] == [200] * 50

    jobs = [fetch] * 6 + [fetch_streams, ask_for_little]
    for result in together(len(jobs), lambda i: jobs[i](i)):
        assert result and not isinstance(result, BaseException), result
