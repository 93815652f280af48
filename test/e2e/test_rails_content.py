"""The calendar, a real Rails application, through everything that is done to a response: codings, cache, files, HTTP/2.
SPDX-License-Identifier: MIT
"""
import re
import shutil

import pytest

from atc import APPS, Atc
from browser import Browser
from codings import CODINGS, Decoder, decode
from conftest import finish
from h2wire import H2Wire
from waiting import wait_until

pytestmark = [pytest.mark.real, pytest.mark.plain]

WINTER = "/bellevue/2025/winter"
NAME = "bellevue/2025/winter"
EVENTS = 15
ATTACHED = b"".join(b"line %d of the attachment\n" % i for i in range(4000))
STYLESHEET = (APPS / "calendar" / "public" / "stylesheets" / "calendar.css").read_bytes()
OWN = re.compile(rb'(content|value)="[\w+/=-]{80,}"')     # tokens, which differ in each page


def start_calendar(**app):
    atc = Atc()
    shutil.rmtree(atc.app)
    shutil.copytree(APPS / "calendar", atc.app, ignore=shutil.ignore_patterns("README.md"))
    atc.start({"server": {"log_level": "debug", "h2c_enabled": True},
               "app": {"command": "bin/rails server", "start_timeout": "120s", "waiting_page_after": 0, **app},
               "users": {"bellevue": {"tenants": ["2025/winter"]}}})
    return atc


def add_events(atc):
    browser = Browser(atc)
    for i in range(EVENTS):
        assert browser.visit(WINTER + "/events/new").status == 200
        files = [("event[files][]", "attachment.txt", ATTACHED)] if i == 0 else None
        page = browser.submit("/events", {"event[title]": "Event %d" % i, "event[starts_at]": "2026-12-24T20:00",
                                          "event[notes]": "what there is to say about it"}, files)
        assert page.status == 200


@pytest.fixture(scope="module", params=["rails serves its files", "its files are served for it"])
def calendar(request):
    """With and without the directory `public`, which the framework's settings name."""
    atc = start_calendar(**({"public": ""} if request.param.startswith("rails") else {}))
    add_events(atc)
    atc.serves_files = not request.param.startswith("rails")
    yield atc
    complaints = finish([atc])
    log = atc.log[-5000:]
    atc.remove()
    assert not complaints, complaints + "\n" + log


def asleep(atc):
    assert atc.cli("stop", NAME).returncode == 0
    atc.wait_state("absent", "stopped")
    return len(atc.log_lines(msg="tenant running"))


def accepts(coding):
    return [("Accept-Encoding", coding)] if coding else []


def listed(response, name):
    """The words of a field that is a list."""
    return [word.strip().lower() for value in response.all(name) for word in value.split(",")]


# --- compression ---

@pytest.mark.parametrize("coding", CODINGS)
def test_a_page_is_the_same_in_every_coding(calendar, coding):
    with calendar.application() as rails:
        own = rails.get(WINTER + "/")
    plain = calendar.get(WINTER + "/")
    coded = calendar.get(WINTER + "/", accepts(coding))
    assert plain.header("Content-Encoding") is None and coded.header("Content-Encoding") == coding
    assert len(coded.body) < len(plain.body) / 3
    assert OWN.sub(b"", decode(coding, coded.body)) == OWN.sub(b"", plain.body)
    assert coded.header("ETag").startswith("W/")
    assert listed(coded, "Vary") == listed(plain, "Vary") == [*listed(own, "Vary"), "accept-encoding"]
    assert decode(coding, calendar.get(WINTER + "/events.json", accepts(coding)).body) == calendar.get(WINTER + "/events.json").body


@pytest.mark.slow
def test_an_event_stream_comes_compressed_as_it_happens(calendar):
    with calendar.wire() as wire:
        wire.request("GET", WINTER + "/events/stream", accepts("gzip"))
        head = wire.head()
        assert (head.status, head.header("Content-Encoding")) == (200, "gzip")
        decoder, seen, browser = Decoder("gzip"), b"", Browser(calendar)
        for chunk in wire.chunks():
            seen += decoder.feed(chunk)
            if b"event: hello" in seen and browser:
                browser.visit(WINTER + "/events/new")
                browser.submit("/events", {"event[title]": "while you watched", "event[starts_at]": "2026-12-24T20:00"})
                browser = None
            if b"event: change" in seen:
                break
        assert b"event: change" in seen


# --- the cache, and files that are served without Rails ---

def test_a_stylesheet_is_there_while_rails_sleeps_in_every_coding(calendar):
    target = WINTER + "/stylesheets/calendar.css"
    for coding in (None, *CODINGS):
        calendar.get(target, accepts(coding))
    starts = asleep(calendar)
    for coding in (None, *CODINGS):
        answer = calendar.get(target, accepts(coding))
        assert decode(answer.header("Content-Encoding"), answer.body) == STYLESHEET
        assert answer.header("Content-Encoding") == coding
        assert calendar.serves_files or answer.header("X-Cache") == "hit" and int(answer.header("Age")) < 600
    validator = answer.header("Last-Modified")
    assert calendar.get(target, [("If-Modified-Since", validator)]).status == 304
    part = calendar.get(target, [("Range", "bytes=100-199")])
    assert (part.status, part.body) == (206, STYLESHEET[100:200])
    assert len(calendar.log_lines(msg="tenant running")) == starts and calendar.state(NAME) in ("absent", "stopped")


def test_a_page_of_somebody_is_never_kept(calendar):
    with calendar.application() as rails:
        control = listed(rails.get(WINTER + "/"), "Cache-Control")
    for _ in range(2):
        page = calendar.get(WINTER + "/")
        assert page.header("X-Cache") == "miss" and page.all("Set-Cookie")
    assert re.search(r"; detail=([\w-]+)", page.header("Cache-Status"))[1] in (*control, "not-public")


# --- files that Rails names ---

def attachment(atc):
    page = atc.get(WINTER + "/").text
    link = re.search(r'href="(%s/rails/active_storage/[^"]+)"' % WINTER, page)[1]
    redirect = atc.get(link)
    assert redirect.status in (302, 303, 307)
    return redirect.header("Location").split("localhost", 1)[1]


def test_an_attachment_is_sent_by_us(calendar):
    target = attachment(calendar)
    with calendar.application() as rails:
        own = rails.get(target)
    whole = calendar.get(target)
    assert (whole.status, whole.body) == (own.status, own.body) == (200, ATTACHED)
    assert whole.header("X-Sendfile") is None and whole.header("Accept-Ranges") == "bytes"
    for name in ("Content-Type", "Content-Disposition"):
        assert whole.header(name) == own.header(name)
    assert "attachment.txt" in whole.header("Content-Disposition")
    line = wait_until(lambda: calendar.requests_logged(path=target.split("?")[0]))[-1]
    assert line["resp_content_length"] == len(ATTACHED)


@pytest.mark.parametrize("wanted, part", [("bytes=0-9", slice(0, 10)), ("bytes=-5", slice(-5, None)), ("bytes=50000-", slice(50000, None))])
def test_a_part_of_an_attachment(calendar, wanted, part):
    answer = calendar.get(attachment(calendar), [("Range", wanted), ("Accept-Encoding", "gzip")])
    assert (answer.status, answer.body) == (206, ATTACHED[part])
    assert answer.header("Content-Encoding") is None


@pytest.mark.parametrize("coding", CODINGS)
def test_an_attachment_is_compressed_for_whoever_takes_it(calendar, coding):
    answer = calendar.get(attachment(calendar), accepts(coding))
    assert answer.header("Content-Encoding") == coding and decode(coding, answer.body) == ATTACHED


# --- HTTP/2 ---

@pytest.mark.parametrize("coding", [None, *CODINGS])
def test_all_of_it_over_http_2_on_one_connection(calendar, coding):
    with H2Wire(("127.0.0.1", calendar.port), 120) as wire:
        fields = [(name.lower(), value) for name, value in accepts(coding)]
        page, style = wire.get(WINTER + "/", fields), wire.get(WINTER + "/stylesheets/calendar.css", fields)
        file = wire.get(attachment(calendar))
        part = wire.get(attachment(calendar), [("range", "bytes=7-19")])
    text = decode(coding, page.body).decode()
    assert page.status == 200 and text.count("what there is to say about it") == EVENTS and text.rstrip().endswith("</html>")
    assert decode(coding, style.body) == STYLESHEET
    assert file.body == ATTACHED and (part.status, part.body) == (206, ATTACHED[7:20])
