"""The same requests through Thruster and through fly-atc: whatever differs is one of the fixes in the table, and each of these shows.
SPDX-License-Identifier: MIT

Thruster is $THRUST, or what script/setup built from its Go module. Where it cannot be had, what it answered when it was last asked stands in for
it: difference/thruster.json, written by THRUST_RECORD=1, and compared with the real one wherever that is there.
"""
import json
import os

import pytest

from atc import Atc
from conftest import finish
from difference import HERE, Fix, differences, load_cases, start_fly_atc, start_thruster, thruster

ANY = Fix.ANY
CASES = load_cases()
RECORD = HERE / "thruster.json"
RECORDED = json.loads(RECORD.read_text()) if RECORD.exists() else {}

A, S = r"answer \d+: ", r"seen \d+: "
PAST = r"(GET|HEAD|POST) \S+ HTTP/1\.1"     # a request as the application saw it

HIT = ((A + "header x-cache", "miss", "hit"), (r"seen \d+", PAST, None), (A + "header age", None, r"\d+"))
MISS = ((A + "header x-cache", "hit", "miss"), (r"seen \d+", None, PAST))
PLAIN = ((A + "header content-encoding", "gzip", None), (A + "header content-length", "<compressed>", "2000"), (A + "padding", "True", None))

FIXES = {
    # --- everywhere ---
    "a request has an id": Fix(
        "by which the lines of all logs about it are found", (S + "header x-request-id", None, "<id>"), everywhere=True),
    "Cache-Status": Fix(
        "RFC 9211 says why a cache did what it did", (A + "header cache-status", None, r"fly-atc; .*"), everywhere=True),
    "Vary where something varies": Fix(
        "an answer that would be the same for every Accept-Encoding does not say that it depends on it",
        (A + "header vary", "Accept-Encoding", None), everywhere=True),
    "compressed in pieces": Fix(
        "what is compressed is sent as it is made; it is not kept back until its length is known",
        (A + "header content-length", "<compressed>", None), (A + "header transfer-encoding", None, "chunked"), everywhere=True),
    # --- requests ---
    "no guessed type": Fix(
        "a type that the application did not say is not guessed from the first bytes", (A + "header content-type", "text/plain; charset=utf-8", None)),
    "connect is refused": Fix(
        "the application is no proxy", (r"answer 1", "200", "501 not_implemented"), (r"seen 1", "CONNECT / HTTP/1.1", None)),
    "options of the server": Fix(
        "what the server can do may change", (A + "header cache-control", None, "no-store")),
    "the phrase is the application's": Fix(
        "a phrase of one's own is passed on", (A + "reason", "status code 299", "Quite Well")),
    "TE is announced": Fix(
        "TE is a field of the connection and listed as one (RFC 9110 10.1.4)", (S + "header connection", None, "TE")),
    "one form of a path": Fix(
        "whoever routes and whoever serves see the same path: dot segments are taken out, and what leads above the root is refused",
        (r"answer \d+", "200", "400 bad_path"), (r"seen \d+", r"GET /dots/.*", None),
        (r"seen \d+", None, r"GET /(up/here|dots/two) HTTP/1.1")),
    "one client": Fix(
        "of a list of addresses each application takes another one", (S + "header x-forwarded-for", r"10\.1\.1\.1, 127\.0\.0\.1", r"10\.1\.1\.1")),
    "the query as it came": Fix(
        "it is passed on as it was sent, and not taken apart and put together anew",
        (r"seen \d+", r"GET /odd(\?d=4)? HTTP/1.1", None), (r"seen \d+", None, r"GET /odd\?(a=1;b=2&c=%zz&d=4|x=%) HTTP/1.1")),
    "one host": Fix(
        "a target and a Host that differ are two names for one thing", (r"answer 1", "200", "400 bad_request"), (r"seen 1", "GET /absolute.*", None)),
    "ambiguous framing": Fix(
        "a length beside chunks is how requests are smuggled", (r"answer 1", "200", "400 bad_request"), (r"seen 1", "POST /both.*", None)),
    "lines as they must be": Fix(
        "a bare LF and a folded line are read differently by different servers",
        (r"answer 1", "200", "400 bad_request"), (r"seen 1", "GET /(bare|folded).*", None)),
    "own refusals": Fix(
        "the same status, with a page that says what is wrong and a token for programs",
        (r"answer 1", "400", "400 bad_request"), (r"answer 1", "417", "417 expectation_failed"), (r"answer 1", "431", "431 header_too_large"),
        (r"answer 1", "501", "501 not_implemented"), (r"answer 1", "505", "505 version_not_supported"),
        (r"answer 1", "413", "413 body_too_large"), (r"answer 1", "502", "502 (upstream_closed|bad_response)"),),
    "a host for HTTP/1.0": Fix(
        "the application is told the same host in both places, and never an empty one", (S + "header x-forwarded-host", "", "localhost")),
    "the end of HTTP/1.0": Fix(
        "the end of the connection is announced", (A + "header connection", None, "close")),
    "trailers of a request": Fix(
        "they come through", (S + "trailers", None, r'\[\["x-sum", "9"\]\]')),
    "trailers of an answer": Fix(
        "they come through on a GET too", (A + "trailers", None, r'\[\["x-sum", "9"\]\]')),
    "interim answers": Fix(
        "a 103 has what the application put into it, which does not spill into the final answer; that loses nothing by one",
        (A + "interim", r".*accept-encoding.*|.*Accept-Encoding.*", r'\[\[103, \[\["link", "[^"]*"\]\]\]\]'), (A + "header link", ".*", None),
        (A + "header x-cache", None, "bypass")),
    "no cache in a tunnel": Fix(
        "a 101 is no answer that a cache could have", (A + "header x-cache", "bypass", None)),
    "upgrades in any letters": Fix(
        "Connection and Upgrade are lists of words in any letters, and any protocol may be changed to",
        (A + "status", "502", "101"), (A + "echo", None, "to and fro"), (A + "reason", "Bad Gateway", "Switching Protocols"),
        (A + "body", ".*", None), (A + "header (content-length|content-type|date|x-cache)", ".*", None),
        (A + "header (connection|upgrade|sec-websocket-accept)", None, ".*")),
    "a body that is too large": Fix(
        "the application hears nothing of it", (r"seen 1", "POST /over HTTP/1.1", None)),
    "the beginning of what breaks off": Fix(
        "what came before the end is passed on, and the end is no proper one",
        (A + "closed", "before a head", "before the end of the body"), (A + "status", None, "200")),
    "time for an answer": Fix(
        "the time limit for writing counts while nothing moves, not from the request on",
        (A + "closed", ".*", None), (A + "(status|reason|body|header .*)", None, ".*")),
    "time for a request": Fix(
        "a request that does not come whole in time is answered so", (r"answer 1", "before a head|502", "408 request_timeout")),
    # --- the cache ---
    "the age of a hit": Fix(
        "how old an answer is, a client has to know (RFC 9111 5.1)", (A + "header age", None, r"\d+")),
    "what must not be kept": Fix(
        "no-store and private are obeyed beside public", *MISS),
    "the lifetime by its right name": Fix(
        "s-maxage is how RFC 9111 spells it, and s-max-age is nothing", *HIT, *MISS),
    "directives as they are": Fix(
        "in any letters, on several lines, and by their whole names", *HIT, *MISS),
    "keys do not run together": Fix(
        "each part of a key ends where it ends", (A + "body", "first", "second"), (A + "header content-length", "5", "6"), *MISS,
        (r"answer \d+", "200", "400 bad_path")),
    "the query as it came is the key": Fix(
        "what its order means is for the application to say", *MISS),
    "a HEAD from what a GET brought": Fix(
        "what is kept of a GET answers a HEAD", *HIT),
    "what a POST changes": Fix(
        "an unsafe method makes what is kept invalid (RFC 9111 4.4)", (A + "body", "first", "second"), (A + "header content-length", "5", "6"), *MISS),
    "all that varies": Fix(
        "one list of the application's names and ours",
        (A + "header vary", r"(Accept-Encoding \| )?(.+)", r"(Accept|Cookie|Cookie-Name)(, Accept-Encoding)?")),
    "all lines of a field": Fix(
        "a `Vary: *` on the second line counts", *MISS),
    "validators as they are compared": Fix(
        "*, weak comparison, lists over several lines and dates (RFC 9110 13)", (A + "status", "200", "304"), (A + "reason", "OK", "Not Modified"),
        (A + "(body|header content-length|header content-type)", ".*", None)),
    "a part of what is kept": Fix(
        "a range of it is what was asked for", (A + "status", "200", "206"), (A + "reason", "OK", "Partial Content"), (A + "body", "0123456789", "234"),
        (A + "header content-length", "10", "3"), (A + "header content-range", None, "bytes 2-4/10"), (A + "header accept-ranges", None, "bytes")),
    "asked whether it is still so": Fix(
        "what is over is validated before it is fetched again", (S + "header if-none-match", None, '"v1"')),
    "a client that asks for what is new": Fix(
        "gets it", *MISS),
    # --- compression ---
    "more codings": Fix(
        "br, and * as any", (A + "header content-encoding", None, "br|zstd"), (A + "header content-length", "3000", None), (A + "padding", None, "True|False")),
    "more types that are compressed already": Fix(
        "fonts and documents that hold compressed data stay as they are", *PLAIN),
    "no-transform": Fix(
        "is obeyed", *PLAIN),
    "a validator of what is compressed": Fix(
        "is weak, since the bytes are others", (A + "header etag", '"strong"', 'W/"strong"')),
    "a HEAD tells what a GET would": Fix(
        "the coding, and no length that would be wrong",
        (A + "header content-encoding", None, "gzip"), (A + "header content-length", "2000", None)),
    "the guard looks at the answer": Fix(
        "before it is compressed, and leaves no mark of its own", *PLAIN, (A + "header no-gzip-compression", "1", None)),
    "no secret mark": Fix(
        "what must not be compressed says no-transform; a field that Thruster invented for itself is one like others",
        (A + "header content-encoding", None, "gzip"), (A + "header content-length", "2000", None), (A + "header no-gzip-compression", None, "1"),
        (A + "padding", None, "True")),
    # --- when it comes ---
    "as it comes": Fix(
        "what the application has sent is passed on when nothing follows at once, compressed or not", (A + "(head|body) comes", "late", "early")),
    # --- files ---
    "a validator for each file": Fix(
        "where the application gave none", (A + "header etag", None, '"[0-9a-f]{16}"')),
    "mappings of a client": Fix(
        "how files are mapped is no word of a client's", (S + "header x-accel-mapping", "/=/etc/", None)),
    "ranges close together": Fix(
        "are sent as one, which is shorter than two with what divides them (RFC 9110 15.3.7.2)",
        (r"answer 3: body", "--<boundary>.*", "0123456"), (r"answer 3: header content-length", "<multipart>", "7"),
        (r"answer 3: header content-range", None, "bytes 0-6/100"), (r"answer 3: header content-type", "multipart.*", "text/plain")),
    "ranges that are none": Fix(
        "a unit that nobody knows is ignored (RFC 9110 14.2); what lies outside is 416 without a page",
        (r"answer 5: (status|reason|body|header (accept-ranges|content-length|content-type|last-modified))", ANY, ANY),
        (r"answer 4: (body|header content-length|header content-type)", ".*", "0|.{0}"), (r"answer 4: (body|header content-type)", ".*", None),
        (r"answer [45]: header x-content-type-options", "nosniff", None), (r"answer 4: reason", ".*", "Range Not Satisfiable")),
    "the date beside the tag": Fix(
        "a 304 has it too", (A + "header last-modified", None, "<date>")),
    "a condition that fails": Fix(
        "is answered whole: the 412 there promises a body that never comes",
        (r"answer 2: closed", "before the end of the body", None), (r"answer 2: (reason|header (content-length|date|x-cache))", None, ".*")),
    "regular files only": Fix(
        "a directory is neither listed nor looked into", (r"answer \d+", "before the end of the body|404", "404 file_not_sent")),
    "files of the application only": Fix(
        "of no other file: the application is asked to answer itself, and when it names it again the answer is 404",
        (r"answer \d+", "200|before the end of the body", "404 file_not_sent"), (r"seen \d+", None, r"GET /file/machine.*")),
    "the status beside a file": Fix(
        "is the application's", (A + "(status|reason)", "200|OK", "404|Not Found"), (A + "header accept-ranges", "bytes", None)),
    "a body beside a file": Fix(
        "is not sent, and breaks nothing", (r"answer 1: closed", "before a head", None), (r"answer 1: .*", None, ".*")),
    "names of files stay here": Fix(
        "whether files are sent or not", (A + "header x-sendfile", "/app/secret.txt", None), (r"answer 1", "200", "404 file_not_sent")),
}
EVERYWHERE = {name: fix for name, fix in FIXES.items() if fix.everywhere}


def write_record():
    """One line for each case that there is."""
    lines = ["%s: %s" % (json.dumps(case["name"]), json.dumps(RECORDED[case["name"]])) for case in CASES if case["name"] in RECORDED]
    RECORD.write_text("{\n" + ",\n".join(lines) + "\n}\n")


@pytest.fixture(scope="session")
def program():
    return thruster()


@pytest.fixture(scope="module")
def theirs(program, tmp_path_factory):
    """case -> Thruster's outcome; one process for each set of variables."""
    running = {}

    def ask(case):
        if program is None:
            return RECORDED[case["name"]]
        key = json.dumps(case["with"])
        if key not in running:
            running[key] = start_thruster(program, tmp_path_factory.mktemp("thruster") / "home", case["with"])
        outcome = running[key].ask_case(case)
        if os.environ.get("THRUST_RECORD"):
            RECORDED[case["name"]] = outcome
            write_record()
        else:
            assert outcome == RECORDED[case["name"]], "Thruster is not as it was recorded: THRUST_RECORD=1 writes it anew"
        return outcome
    yield ask
    for peer in running.values():
        peer.stop()


@pytest.fixture(scope="module")
def ours():
    """case -> the outcome of fly-atc; one process for each set of variables."""
    running, made = {}, []

    def ask(case):
        key = json.dumps(case["with"])
        if key not in running:
            made.append(Atc())
            running[key] = start_fly_atc(made[-1], case["with"])
        return running[key].ask_case(case)
    yield ask
    complaints = finish(made)
    for atc in made:
        atc.remove()
    assert not complaints, complaints


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"].replace(" ", "-"))
def test_a_difference_is_a_fix(case, theirs, ours):
    found = differences(theirs(case), ours(case))
    unexplained = [each for each in found
                   if not any(FIXES[name].matches(each) for name in [*EVERYWHERE, *case["fixes"]])]
    assert not unexplained, "\n".join("%s\n    Thruster: %s\n    fly-atc:  %s" % each for each in unexplained)
    idle = [name for name in case["fixes"] if not any(FIXES[name].matches(each) for each in found)]
    assert not idle, "these do not show any more: %s" % ", ".join(idle)


def test_each_fix_is_shown_by_a_case():
    shown = {name for case in CASES for name in case["fixes"]}
    assert shown | set(EVERYWHERE) == set(FIXES)
    assert {case["name"] for case in CASES} == set(RECORDED)
