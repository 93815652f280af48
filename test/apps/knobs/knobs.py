#!/usr/bin/env python3
"""knobs - a small web application whose every misbehaviour is a knob.
SPDX-License-Identifier: MIT

The lifecycle and protocol tests need an application that boots slowly, dies on
request, ignores SIGTERM, talks nonsense or counts exactly what it was given.
No framework would let itself be used like that, so this one speaks HTTP by
hand: one thread per connection, standard library only.  It knows nothing of
fly-atc.  The environment steers the process, the URL steers a request; both
lists are in README.md beside this file, and `ROUTES` below is the second one.
"""
import os
import signal
import socket
import sys
import threading
import time
from urllib.parse import parse_qsl, unquote

BLOCK = 64 * 1024
PATTERN = bytes(range(256)) * (BLOCK // 256)
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PHRASES = {100: "Continue", 103: "Early Hints", 200: "OK", 201: "Created", 204: "No Content",
           206: "Partial Content", 301: "Moved Permanently", 302: "Found", 304: "Not Modified",
           404: "Not Found", 413: "Content Too Large", 417: "Expectation Failed",
           500: "Internal Server Error", 503: "Service Unavailable"}


def knob(name, default=""):
    return os.environ.get("KNOBS_" + name, default)


HOME = knob("DIR", ".")
PREFIX = knob("PREFIX")
connections = 0
requests_served = 0


def note(name, line):
    """Append one line to a file of HOME, atomically: tests count these lines."""
    fd = os.open(os.path.join(HOME, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    os.write(fd, (str(line) + "\n").encode())
    os.close(fd)


def lines_of(name):
    try:
        with open(os.path.join(HOME, name)) as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def wait_for_lines(name, n=1):
    """Until a file of HOME has so many lines: a test goes on step by step, and nothing depends on who is faster."""
    while len(lines_of(name)) < n:
        time.sleep(0.005)


def say(text):
    os.write(1, ("knobs: %s\n" % text).encode())


# --- one connection -------------------------------------------------------

class Gone(Exception):
    """The peer closed, or the reply asked for the connection's end."""


class Connection:
    def __init__(self, sock, number):
        self.sock, self.number, self.served, self.buffer = sock, number, 0, b""

    def fill(self):
        more = self.sock.recv(BLOCK)
        if not more:
            raise Gone
        self.buffer += more

    def line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def some(self, limit):
        if not self.buffer:
            self.fill()
        data, self.buffer = self.buffer[:limit], self.buffer[limit:]
        return data

    def send(self, data):
        self.sock.sendall(data)


class Request:
    """A parsed head, and its body as a stream read at most once."""

    def __init__(self, conn):
        self.conn = conn
        self.method, self.target, self.version = conn.line().decode("latin-1").split(" ", 2)
        self.headers, self.trailers = read_fields(conn), []
        path, _, query = self.target.partition("?")
        if PREFIX and path.startswith(PREFIX):
            path = path[len(PREFIX):] or "/"
        self.path, self.raw_query = unquote(path), query
        self.query = dict(parse_qsl(query, keep_blank_values=True))
        self.body_read = False

    def header(self, name, default=None):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return default

    def number(self, name, default):
        return float(self.query[name]) if name in self.query else default

    def keep_alive(self):
        wish = (self.header("Connection") or "").lower()
        return "keep-alive" in wish if self.version == "HTTP/1.0" else "close" not in wish

    def body(self):
        """Yield the body in blocks: constant memory whatever the size."""
        if self.body_read:
            return
        self.body_read = True
        if (self.header("Expect") or "").lower() == "100-continue":
            self.conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in (self.header("Transfer-Encoding") or "").lower():
            yield from self.chunks()
        else:
            yield from self.exactly(int(self.header("Content-Length", "0")))

    def exactly(self, left):
        while left:
            block = self.conn.some(min(left, BLOCK))
            left -= len(block)
            yield block

    def chunks(self):
        while True:
            size = int(self.conn.line().split(b";")[0], 16)
            if size == 0:
                self.trailers = read_fields(self.conn)
                return
            yield from self.exactly(size)
            if self.conn.line() != b"":
                raise Gone

    def digest(self):
        """(size, sha256, first 64 KiB) of the body."""
        import hashlib
        sha, size, start = hashlib.sha256(), 0, b""
        for block in self.body():
            sha.update(block)
            size += len(block)
            if len(start) < BLOCK:
                start += block[:BLOCK - len(start)]
        return size, sha.hexdigest(), start

    # -- answers --

    def head(self, status, headers, version="HTTP/1.1"):
        lines = ["%s %d %s" % (version, status, PHRASES.get(status, "Status"))]
        lines += ["%s: %s" % pair for pair in headers]
        self.conn.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def marks(self):
        return [("Knobs-Connection", self.conn.number), ("Knobs-Request", self.conn.served)]

    def reply(self, body=b"", status=200, kind="text/plain; charset=utf-8", headers=()):
        if isinstance(body, str):
            body = body.encode()
        fields = [*self.marks(), *headers]
        if status not in (204, 304):
            fields += [("Content-Type", kind), ("Content-Length", len(body))]
        self.head(status, fields)
        if self.method != "HEAD" and status not in (204, 304):
            self.conn.send(body)

    def json(self, value, **more):
        import json
        self.reply(json.dumps(value, indent=1) + "\n", kind="application/json", **more)

    def start_chunked(self, kind="text/plain; charset=utf-8", headers=()):
        self.head(200, [*self.marks(), ("Content-Type", kind), ("Transfer-Encoding", "chunked"), *headers])

    def chunk(self, data):
        self.conn.send(b"%x\r\n%s\r\n" % (len(data), data))


def read_fields(conn):
    fields = []
    while True:
        line = conn.line().decode("latin-1")
        if not line:
            return fields
        name, _, value = line.partition(":")
        fields.append((name, value.strip()))


# --- what a request can ask for -------------------------------------------

ROUTES = {}


def route(path):
    def keep(function):
        ROUTES[path] = function
        return function
    return keep


@route("/")
def home(req):
    name = os.environ.get("FLY_ATC_NAME", "")
    req.reply("<!doctype html><title>knobs</title><h1>knobs %s</h1>\n" % name, kind="text/html; charset=utf-8")


@route("/up")
def up(req):
    while knob("NEVER_READY") == "answer":
        time.sleep(3600)
    req.reply("up\n", status=int(knob("UP_STATUS", "200")))


@route("/whoami")
def whoami(req):
    req.json({"pid": os.getpid(), "ppid": os.getppid(), "uid": os.getuid(), "cwd": os.getcwd(),
              "boots": len(lines_of("boots")), "name": os.environ.get("FLY_ATC_NAME"),
              "scope": os.environ.get("FLY_ATC_SCOPE"), "served": requests_served})


@route("/echo")
def echo(req):
    size, sha, start = req.digest()
    req.json({"method": req.method, "target": req.target, "path": req.path, "query": req.raw_query,
              "version": req.version, "headers": req.headers, "trailers": req.trailers,
              "size": size, "sha256": sha, "body": start.decode("latin-1"), "pid": os.getpid()})


@route("/env")
def env(req):
    req.json(dict(os.environ))


@route("/fds")
def fds(req):
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[fd] = os.readlink("/proc/self/fd/" + fd)
        except FileNotFoundError:
            pass
    req.json(found)


@route("/once")
def once(req):
    """Record that this id was executed: a lost request is absent, a doubled one twice there."""
    for _ in req.body():
        pass
    note("journal", req.query["id"])
    time.sleep(req.number("s", 0))
    req.reply(req.query["id"] + "\n")


@route("/count")
def count(req):
    import sqlite3
    database = sqlite3.connect(os.environ["DATABASE_PATH"], timeout=10)
    database.execute("pragma journal_mode=wal")
    with database:
        database.execute("create table if not exists counter(n integer)")
        if req.method == "POST":
            database.execute("insert into counter values (1)")
    req.json({"count": database.execute("select count(*) from counter").fetchone()[0]})
    database.close()


ledger_lock, ledger = threading.Lock(), []


@route("/ledger")
def ledger_route(req):
    """POST /ledger?id=7 writes that row, in a commit of its own on a connection that stays open, and answers after it."""
    import sqlite3
    with ledger_lock:
        if not ledger:
            database = sqlite3.connect(os.environ["DATABASE_PATH"], timeout=20, isolation_level=None, check_same_thread=False)
            database.execute("pragma journal_mode=wal")
            database.execute("create table if not exists ledger(id integer primary key, text text)")
            ledger.append(database)
        if req.method == "POST":
            ledger[0].execute("insert into ledger values (?, ?)", (int(req.query["id"]), "row " + req.query["id"]))
        rows = ledger[0].execute("select count(*) from ledger").fetchone()[0] if req.method == "GET" else 0
    req.json({"rows": rows})


kept_open = []


@route("/other")
def other(req):
    """Open a database of its own choosing, whatever DATABASE_PATH says, and keep it open."""
    import sqlite3
    if "mode" not in req.query:
        make_database(knob("OTHER_DATABASE"))
    database = sqlite3.connect("file:%s?mode=%s" % (knob("OTHER_DATABASE"), req.query.get("mode", "rw")), uri=True,
                               check_same_thread=False)
    kept_open.append(database)
    req.json({"tables": database.execute("select count(*) from sqlite_master").fetchone()[0]})


@route("/status")
def status(req):
    req.reply("as told\n", status=int(req.query["code"]))


@route("/set")
def set_headers(req):
    """/set?h=Name:value (as often as wanted) answers with these headers."""
    pairs = [value.partition(":") for key, value in parse_qsl(req.raw_query) if key == "h"]
    req.reply("set\n", headers=[(name, value.strip()) for name, _, value in pairs])


@route("/file")
def file(req):
    """Name a file instead of sending it: ?path=, in the header ?with=, with ?status=, ?h= as in /set and ?body= bytes.

    With ?framework= as Rack does it: only if X-Sendfile-Type asks for it, else the file itself."""
    if "framework" in req.query and not req.header("X-Sendfile-Type"):
        with open(req.query["path"], "rb") as found:
            req.reply(found.read())
        return
    pairs = [value.partition(":") for key, value in parse_qsl(req.raw_query) if key == "h"]
    body, chunked = b"x" * int(req.query.get("body", 0)), "chunked" in req.query
    req.head(int(req.query.get("status", 200)), [
        *req.marks(), *((name, value.strip()) for name, _, value in pairs),
        (req.query.get("with", "X-Sendfile"), req.query["path"].encode().decode("latin-1")),
        ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", len(body))])
    if req.method != "HEAD":
        req.conn.send(body)
    if chunked:
        req.chunk(b"of no interest")
        req.conn.send(b"0\r\n\r\n")


@route("/redirect")
def redirect(req):
    req.reply("elsewhere\n", status=int(req.query.get("status", 302)),
              headers=[(req.query.get("header", "Location"), req.query["to"])])


@route("/cookie")
def cookie(req):
    req.reply("cookie\n", headers=[("Set-Cookie", "%s=%s; path=%s" % (
        req.query.get("name", "session"), req.query.get("value", "1"), req.query.get("path", "/")))])


@route("/headers")
def big_headers(req):
    req.reply("big head\n", headers=[("X-Big", "x" * int(req.query["bytes"]))])


@route("/many_headers")
def many_headers(req):
    req.reply("many heads\n", headers=[("X-N-%d" % i, i) for i in range(int(req.query["n"]))])


@route("/sleep")
def sleep(req):
    """For ?s= seconds, or until there is the file ?until=."""
    if "until" in req.query:
        wait_for_lines(req.query["until"])
    else:
        time.sleep(req.number("s", 1))
    req.reply("slept\n")


@route("/download")
def download(req):
    left = int(req.query["bytes"])
    if "chunked" in req.query:
        req.start_chunked("application/octet-stream")
    else:
        req.head(200, [*req.marks(), ("Content-Type", "application/octet-stream"), ("Content-Length", left)])
    while left and req.method != "HEAD":
        block = PATTERN[:left]
        req.chunk(block) if "chunked" in req.query else req.conn.send(block)
        left -= len(block)
    if "chunked" in req.query:
        req.conn.send(b"0\r\n\r\n")


@route("/upload")
def upload(req):
    if "nohash" in req.query:
        req.json({"size": sum(len(block) for block in req.body())})
    else:
        size, sha, _ = req.digest()
        req.json({"size": size, "sha256": sha})


@route("/slow_upload")
def slow_upload(req):
    """Read `bytes` of the body, pause for s seconds or until there is the file ?until=, read the rest: for back-pressure."""
    size, pause_at = 0, int(req.query.get("bytes", "0"))
    for block in req.body():
        if size <= pause_at < size + len(block):
            wait_for_lines(req.query["until"]) if "until" in req.query else time.sleep(req.number("s", 1))
        size += len(block)
    req.json({"size": size})


@route("/refuse")
def refuse(req):
    """Answer without reading the body, as a server does that dislikes the head."""
    req.reply("no\n", status=int(req.query.get("code", 417)), headers=[("Connection", "close")])
    raise Gone


@route("/sse")
def events(req):
    """?n= events with ?gap= between them, each longer by ?pad= bytes; with ?steps= each one once this file has another line."""
    n, gap, pad = int(req.query.get("n", 3)), req.number("gap", 0.2), b"x" * int(req.query.get("pad", 0))
    req.start_chunked("text/event-stream", [("Cache-Control", "no-cache")])
    time.sleep(req.number("first", 0))
    for i in range(n):
        if "steps" in req.query:
            wait_for_lines(req.query["steps"], i + 1)
        req.chunk(b"data: %d%s\n\n" % (i, pad))
        if "steps" not in req.query:
            time.sleep(gap)
    req.conn.send(b"0\r\n\r\n")


@route("/page")
def page(req):
    """Readable text: ?bytes=, status=, type= (empty: none), chunked, h=Name:value, and pieces= with gap= between
    them, or each but the first once the file steps= has another line."""
    pairs = [value.partition(":") for key, value in parse_qsl(req.raw_query) if key == "h"]
    fields = [*req.marks(), *((name, value.strip()) for name, _, value in pairs)]
    size, pieces = int(req.query.get("bytes", 10240)), int(req.query.get("pieces", 1))
    status, kind = int(req.query.get("status", 200)), req.query.get("type", "text/html; charset=utf-8")
    body = b"".join(b"<li>line %d of a page</li>\n" % i for i in range(size // 20 + 1))[:size]
    if kind:
        fields.append(("Content-Type", kind))
    if status not in (204, 304):
        fields.append(("Transfer-Encoding", "chunked") if "chunked" in req.query else ("Content-Length", size))
    req.head(status, fields)
    if req.method == "HEAD" or status in (204, 304):
        return
    for i in range(pieces):
        piece = body[size * i // pieces:size * (i + 1) // pieces]
        if i and "steps" in req.query:
            wait_for_lines(req.query["steps"], i)
        elif i:
            time.sleep(req.number("gap", 0.2))
        req.chunk(piece) if "chunked" in req.query and piece else req.conn.send(piece)
    if "chunked" in req.query:
        req.conn.send(b"0\r\n\r\n")


@route("/slow")
def slow(req):
    """A body with Content-Length in n pieces with a gap between them, or as in /page by steps."""
    n, size = int(req.query.get("n", 3)), int(req.query.get("len", 10))
    req.head(200, [*req.marks(), ("Content-Type", "text/plain"), ("Content-Length", n * size)])
    for i in range(n):
        if i:
            wait_for_lines(req.query["steps"], i) if "steps" in req.query else time.sleep(req.number("gap", 0.2))
        req.conn.send(b"x" * size)


@route("/close")
def close_delimited(req):
    req.head(200, [("Content-Type", "text/plain"), ("Connection", "close")], version="HTTP/1.0")
    req.conn.send(b"until the end\n")
    raise Gone


@route("/trailers")
def trailers(req):
    req.start_chunked(headers=[("Trailer", "X-Sum")])
    req.chunk(b"body with a trailer\n")
    req.conn.send(b"0\r\nX-Sum: 42\r\n\r\n")


@route("/hints")
def hints(req):
    for i in range(int(req.query.get("n", 1))):
        req.head(103, [("Link", "</style%d.css>; rel=preload; as=style" % i)])
    req.reply("after hints\n")


@route("/truncate")
def truncate(req):
    if "chunked" in req.query:
        req.start_chunked()
        req.conn.send(b"40\r\nonly a part")
    else:
        req.head(200, [("Content-Type", "text/plain"), ("Content-Length", 1000)])
        req.conn.send(b"only a part")
    raise Gone


@route("/raw")
def raw(req):
    """Send the request's body (or ?hex=) verbatim as the response; ?stay leaves the connection open."""
    data = bytes.fromhex(req.query["hex"]) if "hex" in req.query else b"".join(req.body())
    req.conn.send(data)
    if "stay" not in req.query:
        raise Gone


@route("/vanish")
def vanish(req):
    raise Gone


@route("/stall")
def stall(req):
    while True:
        req.conn.fill()


@route("/crash")
def crash(req):
    os._exit(int(req.query.get("code", 1)))


@route("/crash_in_body")
def crash_in_body(req):
    req.head(200, [("Content-Type", "text/plain"), ("Content-Length", 1000)])
    req.conn.send(b"half of it")
    os._exit(1)


@route("/kill")
def kill_self(req):
    os.kill(os.getpid(), int(req.query.get("signal", signal.SIGKILL)))


@route("/fork")
def fork_route(req):
    req.json({"pid": fork_grandchild(req.query.get("how", "group"))})


@route("/chatter")
def chatter(req):
    n, size = int(req.query.get("lines", 1)), int(req.query.get("len", 10))
    out = 2 if req.query.get("stream") == "stderr" else 1
    filler = b"\x00\xff\x1b[31m\xc3" * size if "binary" in req.query else b"c" * size
    for i in range(n):
        write_all(out, b"%d " % i + filler[:size] + (b"" if "partial" in req.query else b"\n"))
    req.reply("said\n")


@route("/say")
def say_route(req):
    write_all(2 if req.query.get("stream") == "stderr" else 1, req.query["text"].encode() + b"\n")
    req.reply("said\n")


@route("/rss")
def rss(req):
    with open("/proc/self/statm") as file:
        req.json({"rss": int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")})


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


# --- upgrades -------------------------------------------------------------

@route("/ws")
def websocket(req):
    import base64
    import hashlib
    key = req.header("Sec-WebSocket-Key")
    if key is None:
        return req.reply("a WebSocket endpoint\n", status=400)
    accept = base64.b64encode(hashlib.sha1(key.encode() + WEBSOCKET_GUID).digest()).decode()
    req.head(101, [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)])
    while True:
        opcode, data = read_frame(req.conn)
        if opcode == 9:
            opcode = 10
        send_frame(req.conn, opcode, data)
        if opcode == 8:
            raise Gone


def read_exactly(conn, size):
    while len(conn.buffer) < size:
        conn.fill()
    return conn.some(size) if size else b""


def read_frame(conn):
    first, second = read_exactly(conn, 2)
    size = second & 127
    if size > 125:
        size = int.from_bytes(read_exactly(conn, 2 if size == 126 else 8), "big")
    mask = read_exactly(conn, 4) if second & 128 else bytes(4)
    data = read_exactly(conn, size)
    return first & 15, bytes(byte ^ mask[i & 3] for i, byte in enumerate(data))


def send_frame(conn, opcode, data):
    size = len(data)
    if size < 126:
        head = bytes([128 | opcode, size])
    elif size < 65536:
        head = bytes([128 | opcode, 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([128 | opcode, 127]) + size.to_bytes(8, "big")
    conn.send(head + data)


@route("/upgrade/custom")
def custom_upgrade(req):
    """Any protocol: echoes bytes; on the client's half-close says `bye` and only then closes."""
    req.head(101, [("Upgrade", "custom"), ("Connection", "upgrade")])
    if "greet" in req.query:
        req.conn.send(b"welcome")
    try:
        while True:
            req.conn.send(req.conn.some(BLOCK))
    except Gone:
        req.conn.send(b"bye")
        raise


# --- the process ----------------------------------------------------------

def serve_connection(sock, number):
    global requests_served
    conn = Connection(sock, number)
    last = int(knob("CLOSE_AFTER", "0"))
    try:
        while True:
            req = Request(conn)
            conn.served += 1
            requests_served += 1
            ROUTES.get(req.path, not_found)(req)
            for _ in req.body():
                pass
            if not req.keep_alive() or conn.served == last:
                break
    except (Gone, ConnectionError, ValueError):
        pass
    finally:
        sock.close()


def not_found(req):
    req.reply("no such knob: %s\n" % req.target, status=404)


def port_of_its_own():
    """Of a server that has its own opinion: a number, 0 for any, or with KNOBS_REMEMBER the one of its first start."""
    known = lines_of("port") if knob("REMEMBER") else []
    return int(known[0]) if known else int(knob("PORT") or os.environ["PORT"])


def bound_tcp(port):
    address = knob("ADDRESS", "127.0.0.1")
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen(1024)
    return sock


def listening_socket():
    if knob("PORT") or knob("REMEMBER"):
        sock = bound_tcp(port_of_its_own())
        note("port", sock.getsockname()[1])
        return sock
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and int(os.environ.get("LISTEN_FDS", "0")) >= 1:
        sock = socket.socket(fileno=3)
        sock.set_inheritable(False)
        sock.listen(1024)
        return sock
    port = os.environ.get("PORT", "0")
    path = knob("UNIX") or (port if port.startswith("/") else "")
    if path:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(path)
    else:
        return bound_tcp(int(port))
    sock.listen(1024)
    return sock


def fork_grandchild(how):
    pid = os.fork()
    if pid:
        note("grandchildren", pid)
        return pid
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if how == "setsid":
        os.setsid()
    time.sleep(3600)
    os._exit(0)


def on_term(signum, _):
    say("signal " + signal.Signals(signum).name)
    if knob("IGNORE_TERM"):
        return
    if knob("TERM_UNTIL"):
        wait_for_lines(knob("TERM_UNTIL"))
    time.sleep(float(knob("TERM_DELAY", "0")))
    os._exit(int(knob("TERM_EXIT", "0")))


def on_other(signum, _):
    note("signals", signal.Signals(signum).name)


def install_signals():
    signal.signal(signal.SIGTERM, on_term)
    if not knob("SIGNALS"):
        return signal.signal(signal.SIGINT, on_term)
    for name in ("INT", "HUP", "USR1", "USR2", "QUIT", "TTIN", "TTOU", "WINCH"):
        signal.signal(getattr(signal, "SIG" + name), on_other)


def make_database(name):
    import sqlite3
    database = sqlite3.connect(name, timeout=10)
    database.execute("pragma journal_mode=wal")
    database.execute("create table if not exists counter(n integer)")
    database.close()


def boot():
    note("boots", os.getpid())
    if os.environ.get("DATABASE_PATH") and not knob("LATE_DATABASE"):
        make_database(os.environ["DATABASE_PATH"])
    if knob("OTHER_AT_BOOT"):
        import sqlite3
        make_database(knob("OTHER_DATABASE"))
        kept_open.append(sqlite3.connect(knob("OTHER_DATABASE"), check_same_thread=False))
        kept_open[-1].execute("select * from counter").fetchall()
    if knob("BOOT_OUTPUT"):
        write_all(2, knob("BOOT_OUTPUT").encode() + b"\n")
    if knob("EXIT") and (not knob("EXIT_WHILE") or os.path.exists(knob("EXIT_WHILE"))):
        os._exit(int(knob("EXIT")))
    if knob("GRANDCHILD"):
        fork_grandchild(knob("GRANDCHILD"))
    while knob("NEVER_READY") == "listen":
        time.sleep(3600)


def main():
    global connections
    install_signals()
    boot()
    delay = float(knob("BOOT_DELAY", "0"))
    if knob("BOOT_UNTIL"):
        wait_for_lines(knob("BOOT_UNTIL"))
    if not knob("BIND_FIRST"):
        time.sleep(delay)
    listener = listening_socket()
    if knob("SECOND_PORT"):
        kept_open.append(bound_tcp(0))
    for _ in range(int(knob("OPEN_FILES", "0"))):
        kept_open.append(open("/dev/null"))
    if knob("BIND_FIRST"):
        time.sleep(delay)
    say("listening on %s as %d" % (listener.getsockname(), os.getpid()))
    threading.stack_size(256 * 1024)
    note("ready", "%.6f" % time.monotonic())
    while True:
        sock, _ = listener.accept()
        if sock.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connections += 1
        threading.Thread(target=serve_connection, args=(sock, connections), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
