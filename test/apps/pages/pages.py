#!/usr/bin/env python3
"""pages - an application whose answers are written in a file, and which writes down what it was asked.
SPDX-License-Identifier: MIT

$PAGES_DIR/pages.json, read for each request, has a page for each path:

    {"/x": {"status": 200, "headers": [["Cache-Control", "public, max-age=60"]], "body": "answer #",
            "etag": "\"1\"", "not_modified": [["X", "y"]], "delay": 0.5, "until": "go", "chunked": true, "bare": true, "cut": 10,
            "close": true, "file": "/x.txt"}}

All members may be left out.  "#" in the body becomes the number of the request for this path, "$NAME" the request's
field of that name.  With an etag, If-None-Match is answered by 304 with the fields in not_modified.  bare: the body
ends with the connection.  cut: the connection ends after so many bytes of the body.  close: it ends without an answer.
file: where X-Sendfile-Type allows it the answer is its name in X-Sendfile and no body, as frameworks do it.
until: a file of $PAGES_DIR; the answer is given once that is there ("#" in its name is the number of the request, too).

Each request is a line of $PAGES_DIR/asked: JSON with method, target and headers.
"""
import http.client
import http.server
import json
import os
import re
import socket
import sys
import threading
import time

HOME = os.environ.get("PAGES_DIR", ".")
counts, lock = {}, threading.Lock()
http.client._MAXHEADERS = 1000 # as many as fly-atc lets through


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        path = self.path.partition("?")[0]
        if path == "/up":
            self.send([], b"up\n")
            return
        self.note()
        with lock:
            number = counts[path] = counts.get(path, 0) + 1
        with open(os.path.join(HOME, "pages.json"), encoding="utf-8") as file:
            page = json.load(file).get(path, {"status": 404})
        time.sleep(page.get("delay", 0))
        while "until" in page and not os.path.exists(os.path.join(HOME, page["until"].replace("#", str(number)))):
            time.sleep(0.005)
        if page.get("close"):
            self.close_connection = True
            return
        self.give(page, number)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_PURGE = answer

    def note(self):
        line = json.dumps({"method": self.command, "target": self.path,
                           "headers": [[name.lower(), value] for name, value in self.headers.items()]})
        with open(os.path.join(HOME, "asked"), "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def give(self, page, number):
        etag = page.get("etag")
        fields = page.get("headers", []) + ([["ETag", etag]] if etag else [])
        if etag and self.headers.get("If-None-Match") == etag:
            self.send(page.get("not_modified", []) + [["ETag", etag]], None, 304)
            return
        if "file" in page and self.headers.get("X-Sendfile-Type") == "X-Sendfile":
            self.send([*fields, ["X-Sendfile", page["file"]]], b"")
            return
        body = re.sub(r"\$([A-Za-z-]+)", lambda m: self.headers.get(m[1], "-"),
                      page.get("body", "").replace("#", str(number))).encode()
        self.send(fields, body, page.get("status", 200), page)

    def send(self, fields, body, status=200, page=None):
        page = page or {}
        chunked, bare, cut = (page.get(name) for name in ("chunked", "bare", "cut"))
        self.send_response_only(status)
        if not any(name.lower() == "date" for name, _ in fields):
            self.send_header("Date", self.date_time_string())
        for name, value in fields:
            self.send_header(name, value)
        if body is not None and not bare:
            self.send_header(*(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))))
        self.end_headers()
        if body is None or self.command == "HEAD":
            return
        if chunked:
            half = len(body) // 2
            pieces = [part for part in (body[:half], body[half:]) if part]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in pieces) + b"0\r\n\r\n"
        self.wfile.write(body[:cut])
        if bare or cut is not None:
            self.close_connection = True

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


if __name__ == "__main__":
    Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
    sys.exit(0)
