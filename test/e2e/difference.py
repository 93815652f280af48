"""difference.py - one list of requests through two proxies before the same application, and what differs then.
SPDX-License-Identifier: MIT

A case of difference/cases.yml is asked of each of the two in turn. What is compared is an *outcome*: each answer as a client
reads it, and each request as the application saw it, after normalisation: times, ports and boundaries are replaced by their
names, bodies are decoded, and names of fields are in small letters and order. A difference is (where, theirs, ours), `where`
being a path such as `answer 2: header age` or `seen 1: line`.
"""
import hashlib
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import zlib

import brotli
import yaml
import zstandard

import processes
from atc import APPS, TOOLS, free_port
from waiting import stretched, wait_until
from wire import Closed, Malformed, Wire

HERE = pathlib.Path(__file__).resolve().parent / "difference"
APPLICATION = [sys.executable, "-S", "-E", str(APPS / "dictated" / "dictated.py")]
HTTP_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\Z")
EARLY_S = 0.5       # an answer's parts come a second apart where a case looks at when they arrive


# --- the two programs ---

def thruster():
    """The program: $THRUST, or what script/setup has built; None where its Go module cannot be had."""
    if os.environ.get("THRUST"):
        return os.environ["THRUST"]
    return str(TOOLS / "thrust") if (TOOLS / "thrust").exists() else None


class Peer:
    """One of the two, with its application and the application's files."""

    def __init__(self, home, port, stop):
        self.home, self.port, self.stop = home, port, stop

    def ask_case(self, case):
        """Where it matters whether something comes early, the best of several: what is held back is never early, and what is
        not may be late on a machine that does something else."""
        outcomes = [run_case(case, self)]
        while "'late'" in str(outcomes[-1]) and len(outcomes) < 4:
            outcomes.append(run_case(case, self))
        return min(outcomes, key=lambda outcome: str(outcome).count("'late'"))


def start_thruster(program, home, env):
    home.mkdir(parents=True)
    (home / "public").mkdir()
    (home / "public" / "502.html").write_text("<p>bad gateway</p>")
    (home / "file.txt").write_text("0123456789" * 10)
    port = free_port()
    environ = {"PATH": os.environ["PATH"], "DICTATED_DIR": str(home), "HTTP_PORT": str(port),
               "TARGET_PORT": str(free_port()), **env}
    with open(home / "log", "wb") as log:
        process = subprocess.Popen([program, *APPLICATION], cwd=home, env=environ, stdin=subprocess.DEVNULL, stdout=log,
                                   stderr=log)

    def stop():
        process.terminate()
        process.wait(stretched(20))
    return wait_for(Peer(home, port, stop))


def start_fly_atc(atc, env):
    home = atc.app
    (home / "public").mkdir()
    (home / "public" / "502.html").write_text("<p>bad gateway</p>")
    (home / "file.txt").write_text("0123456789" * 10)
    atc.start(command=APPLICATION, env={"DICTATED_DIR": str(home), "TARGET_PORT": str(free_port()), **env})
    return wait_for(Peer(home, atc.port, lambda: None))


def wait_for(peer):
    def answers():
        try:
            with Wire(("127.0.0.1", peer.port)) as wire:
                return wire.get("/up").status == 200
        except (OSError, AssertionError):
            return False
    wait_until(answers, 15, "it answers")
    return peer


# --- cases ---

def load_cases():
    cases = yaml.safe_load((HERE / "cases.yml").read_text())
    for case in cases:
        case.setdefault("with", {})
        case.setdefault("fixes", [])
        answers = case.get("answers") or [case.get("answer", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok")]
        case["answers"] = [expand_answer(answer) for answer in answers]
    return cases


def expand_answer(answer):
    """Pieces for the application; a text is one that is sent at once."""
    pieces = answer if isinstance(answer, list) else [answer]
    return [{"text": wire_text(piece)} if isinstance(piece, str) else piece for piece in pieces]


def wire_text(text):
    """The head with CRLF at the ends of its lines; the body, behind the first empty line, as it is."""
    head, empty, body = text.partition("\n\n")
    return head.replace("\n", "\r\n") + "\r\n\r\n" + body if empty else text


def wire_request(text):
    """A request as it is sent: HTTP/1.1 and Host are added where they are not there."""
    head, _, body = text.partition("\n\n")
    line, *fields = head.rstrip("\n").split("\n")
    if " HTTP/" not in line:
        line += " HTTP/1.1"
        if not any(field.lower().startswith("host:") for field in fields):
            fields.insert(0, "Host: app.test")
    return ("\r\n".join([line, *fields]) + "\r\n\r\n" + body).encode("latin-1")


def run_case(case, peer):
    """The outcome of a case."""
    journal = peer.home / "journal"
    journal.write_text("")
    journal.chmod(0o666)
    script = peer.home / "script.new"
    script.write_text(json.dumps({"case": case["name"], "answers": case["answers"]}))
    script.chmod(0o644)
    script.rename(peer.home / "script.json")
    answers = []
    for step in case["requests"]:
        step = {"request": step} if isinstance(step, str) else step
        if "pause" in step:
            time.sleep(step["pause"])
        else:
            answers += perform(step, peer)
    if case.get("unseen"):      # how much of the request the application sees depends on who is faster
        return {"answers": answers}
    time.sleep(case.get("settle", 0))
    seen = [normal_seen(json.loads(line), peer) for line in journal.read_text().splitlines()]
    return {"answers": answers, "seen": seen}


def perform(step, peer):
    requests = [step["bytes"].encode("latin-1").replace(b"{fill}", b"x" * step.get("fill", 0))] if "bytes" in step else \
        [wire_request(text) for text in step.get("pipelined", [step.get("request")])]
    methods = [request.split(b" ", 1)[0].decode() for request in requests]
    with Wire(("127.0.0.1", peer.port)) as wire:
        began = time.monotonic()
        wire.send(b"".join(requests))
        if "then" in step:
            return [conversation(wire, step, methods[0], began)]
        return [read_answer(wire, method, step, began) for method in methods]


def conversation(wire, step, method, began):
    """The client sends the rest when it is told to go on: by a 100, or by a 101, behind which it comes back."""
    head = wire.head()
    if head.status not in (100, 101):
        wire.read_body(head, method)
        return normal_answer(head, [])
    wire.send(step["then"].encode("latin-1"))
    if head.status == 100:
        return {**read_answer(wire, method, step, began), "told to go on": "yes"}
    return {**normal_answer(head, []), "echo": wire.exactly(len(step["then"])).decode("latin-1")}


def read_answer(wire, method, step, began):
    head, interim = None, []
    try:
        head = wire.head()
        while head.status < 200 and head.status != 101:
            interim.append(head)
            head = wire.head()
        head_s = time.monotonic() - began
        if "watch" in step and not wire.buffer:
            wire.fill()
        body_s = time.monotonic() - began
        wire.read_body(head, method)
    except Malformed as error:
        return {"malformed": str(error)}
    except Closed:
        if head is None or head.status < 200:
            return {"closed": "before a head"}
        return {"status": head.status, "closed": "before the end of the body"}
    answer = normal_answer(head, interim)
    if "watch" in step:
        answer["head comes"] = "early" if head_s < EARLY_S else "late"
        answer["body comes"] = "early" if body_s < EARLY_S else "late"
    return answer


# --- outcomes ---

def normal_answer(head, interim):
    coding = (head.all("Content-Encoding") or [""])[0]
    body, padded = decoded(head.body, coding)
    headers = normal_fields(head.headers)
    if boundary := re.search(r"boundary=(\S+)", (head.all("Content-Type") or [""])[0]):
        headers = [[name, value.replace(boundary[1], "<boundary>")] for name, value in headers]
        body = body.replace(boundary[1].encode(), b"<boundary>")
        headers = [["content-length", "<multipart>"] if name == "content-length" else [name, value] for name, value in headers]
    if coding and padded is not None:   # what it is compressed to is not ours to compare
        headers = [["content-length", "<compressed>"] if name == "content-length" else [name, value] for name, value in headers]
    answer = {"status": head.status, "reason": head.reason, "headers": headers, "body": told(body)}
    if interim:
        answer["interim"] = [[each.status, normal_fields(each.headers)] for each in interim]
    if head.trailers:
        answer["trailers"] = normal_fields(head.trailers)
    if padded is not None:
        answer["padding"] = padded
    return answer


def decoded(body, coding):
    """(the body without its coding, whether there is padding); (body, None) where it is not coded as it says."""
    try:
        if coding == "gzip":
            flags = body[3]
            plain = zlib.decompressobj(31)
            return plain.decompress(body), bool(flags & 0x1c)
        if coding == "br":
            return brotli.decompress(body), False
        if coding == "zstd":
            plain = zstandard.ZstdDecompressor().decompressobj()
            data = plain.decompress(body)
            return data, bool(plain.unused_data) or body[:3] != b"\x28\xb5\x2f" or b"\x2a\x4d\x18" in body[:8]
    except (zlib.error, brotli.error, zstandard.ZstdError, IndexError):
        pass
    return body, None


def normal_fields(fields):
    found = [[name.lower(), normal_value(name.lower(), value)] for name, value in fields]
    return sorted(found, key=lambda pair: pair[0])


def normal_value(name, value):
    if name in ("date", "last-modified") and HTTP_DATE.match(value):
        return "<date>"
    if name == "x-request-start" and re.fullmatch(r"t=\d{13}", value):
        return "t=<ms>"
    if name == "x-request-id" and len(value) > 15:
        return "<id>"
    return value


def normal_seen(entry, peer):
    headers = normal_fields(entry["headers"])
    headers = [[name, re.sub(r"^localhost(:\d+)?$", "<target>", value) if name == "host" else value] for name, value in headers]
    return {"line": entry["line"], "headers": headers, "body": told(entry["body"].encode("latin-1")),
            "trailers": normal_fields(entry["trailers"])}


def told(body):
    if len(body) <= 600:
        return body.decode("latin-1")
    return "%d bytes, sha1 %s" % (len(body), hashlib.sha1(body).hexdigest()[:12])


# --- differences ---

def flat(each):
    """{where: text} of everything in an answer or in what was seen."""
    found = {}
    for key, value in each.items():
        if key == "headers":
            found |= {"header " + name: " | ".join(v for n, v in value if n == name) for name, _ in value}
        elif value not in ("", []):
            found[key] = json.dumps(value) if isinstance(value, list) else str(value)
    return found


def own_page(answer):
    """The token of an answer that fly-atc itself makes."""
    return dict(map(tuple, answer.get("headers", []))).get("fly-atc-error")


def answer_differences(at, theirs, ours):
    """Of a page of our own only the status counts, and its token: all else in it is ours to word."""
    a, b = flat(theirs), flat(ours)
    if own_page(ours):
        return [(at, a.get("closed") or a.get("status"), "%s %s" % (b["status"], own_page(ours)))]
    return [("%s: %s" % (at, where), a.get(where), b.get(where)) for where in sorted(a.keys() | b.keys())
            if a.get(where) != b.get(where)]


def aligned(theirs, ours):
    """Pairs of what the two applications saw, None where only one did: each is as far in its own order."""
    def key(seen):
        return seen["line"], [value for name, value in seen["headers"] if name == "host"]
    pairs, left = [], list(ours)
    for a in theirs:
        b = next((each for each in left if key(each) == key(a)), None)
        if b is not None:
            left.remove(b)
        pairs.append((a, b))
    return pairs + [(None, b) for b in left]


def seen_differences(theirs, ours):
    found = []
    for n, (a, b) in enumerate(aligned(theirs, ours), 1):
        if a is None or b is None:
            found.append(("seen %d" % n, a and a["line"], b and b["line"]))
        else:
            found += answer_differences("seen %d" % n, a, b)
    return found


def differences(theirs, ours):
    """[(where, what it is there, what it is here)]"""
    found = []
    for n, (a, b) in enumerate(itertools.zip_longest(theirs["answers"], ours["answers"], fillvalue={}), 1):
        found += answer_differences("answer %d" % n, a, b)
    return found + seen_differences(theirs.get("seen", []), ours.get("seen", []))


class Fix:
    """One thing that is better here: why, and the differences that it explains, as (where, theirs, ours) of patterns.

    A pattern matches the whole text; None means that it is not there, and ANY that it does not matter."""

    ANY = object()

    def __init__(self, why, *explains, everywhere=False):
        self.why, self.explains, self.everywhere = why, explains, everywhere

    def matches(self, difference):
        def same(pattern, text):
            if pattern is Fix.ANY:
                return True
            return text is None if pattern is None else text is not None and re.fullmatch(pattern, text, re.S) is not None
        return any(all(map(same, patterns, difference)) for patterns in self.explains)
