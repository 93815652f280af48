#!/usr/bin/env python3
"""dictated - an application that answers byte for byte what it is told, and notes byte for byte what it was asked.
SPDX-License-Identifier: MIT

$DICTATED_DIR/script.json: {"case": "name", "answers": [[piece, …], …]}. The nth request of a case gets the nth answer, those
after the last get the last. A piece is {"text": …}, {"fill": bytes, "of": "text"}, {"wait": seconds}, {"echo": true} (what
comes goes back, to the end) or {"unread": true} (the request's body is not waited for).
{"close": true} ends the connection.
$DICTATED_DIR/journal: one line of JSON for each request that it saw.  Standard library only, one thread per connection.
"""
import json
import os
import pathlib
import signal
import socket
import threading
import time

HOME = pathlib.Path(os.environ["DICTATED_DIR"])
lock = threading.Lock()
served = {}


class Ended(Exception):
    """The peer closed, or the script says that it is over."""


class Connection:
    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def fill(self):
        more = self.sock.recv(65536)
        if not more:
            raise Ended
        self.buffer += more

    def until(self, end):
        while end not in self.buffer:
            self.fill()
        data, self.buffer = self.buffer.split(end, 1)
        return data.decode("latin-1")

    def exactly(self, size):
        while len(self.buffer) < size:
            self.fill()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data


class Request:
    """What came; the body as far as it did."""

    def __init__(self, conn):
        self.conn = conn
        self.line, *fields = conn.until(b"\r\n\r\n").split("\r\n")
        self.headers = [[part.strip() for part in field.split(":", 1)] for field in fields]
        self.body, self.trailers, self.whole, self.noted = b"", [], False, False

    def header(self, name):
        return next((value for key, value in self.headers if key.lower() == name), "")

    def read(self):
        if self.whole:
            return
        if self.header("expect"):
            self.conn.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.header("transfer-encoding"):
            self.read_chunks()
        else:
            self.body += self.conn.exactly(int(self.header("content-length") or 0))
        self.whole = True

    def read_chunks(self):
        while size := int(self.conn.until(b"\r\n"), 16):
            self.body += self.conn.exactly(size + 2)[:-2]
        while field := self.conn.until(b"\r\n"):
            self.trailers.append([part.strip() for part in field.split(":", 1)])

    def note(self, case):
        if self.noted:
            return
        self.noted = True
        entry = {"case": case, "line": self.line, "headers": self.headers, "body": self.body.decode("latin-1"),
                 "trailers": self.trailers, "whole": self.whole}
        with lock, open(HOME / "journal", "a", encoding="ascii") as journal:
            journal.write(json.dumps(entry) + "\n")


def answer_to(request):
    """(case, pieces) for the request."""
    if " /up " in request.line:
        return "", [{"text": "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}]
    script = json.loads((HOME / "script.json").read_text())
    with lock:
        nth = served[script["case"]] = served.get(script["case"], 0) + 1
    return script["case"], script["answers"][min(nth, len(script["answers"])) - 1]


def perform(conn, request, pieces):
    for piece in pieces:
        if "unread" in piece:
            continue
        if "close" in piece:
            raise Ended
        if "wait" in piece:
            time.sleep(piece["wait"])
        elif "echo" in piece:
            while True:
                conn.sock.sendall(conn.buffer)
                conn.buffer = b""
                conn.fill()
        else:
            data = piece["text"].encode("latin-1") if "text" in piece else \
                (piece["of"].encode() * (piece["fill"] // len(piece["of"]) + 1))[:piece["fill"]]
            conn.sock.sendall(data)


def exchange(conn):
    request = Request(conn)
    case, pieces = answer_to(request)
    try:
        if {"unread": True} not in pieces:
            request.read()
        if case:
            request.note(case)
        perform(conn, request, pieces)
        request.read()
    finally:
        if case:
            request.note(case)


def serve(conn):
    with conn.sock:
        try:
            while True:
                exchange(conn)
        except (Ended, OSError, ValueError):
            pass


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    listener = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=64)
    while True:
        peer, _ = listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(Connection(peer),), daemon=True).start()
