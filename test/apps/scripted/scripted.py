#!/usr/bin/env python3
"""scripted - an application that does with its sockets what no framework lets it do.
SPDX-License-Identifier: MIT

The path of a request says what: ROUTES below is the list.  Standard library only, one thread per connection.
"""
import os
import socket
import struct
import threading
import time

deaf_until = None
connections = set()


class Ended(Exception):
    """The peer closed, or the script says that it is over."""


class Connection:
    def __init__(self, sock):
        self.sock, self.buffer, self.served = sock, b"", 0

    def fill(self, limit=65536):
        more = self.sock.recv(limit)
        if not more:
            raise Ended
        self.buffer += more

    def until(self, end):
        while end not in self.buffer:
            self.fill()
        data, self.buffer = self.buffer.split(end, 1)
        return data

    def exactly(self, size):
        while len(self.buffer) < size:
            self.fill()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def send(self, data):
        self.sock.sendall(data)

    def answer(self, body):
        self.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


class Request:
    def __init__(self, conn):
        self.conn = conn
        line, *fields = conn.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        self.method, self.target, _ = line.split(" ")
        self.path, _, query = self.target.partition("?")
        self.what = dict(pair.split("=", 1) for pair in query.split("&") if "=" in pair)
        self.headers = {name.lower(): value.strip() for name, value in (field.split(":", 1) for field in fields)}

    def length(self):
        return int(self.headers.get("content-length", 0))

    def body(self):
        return self.chunks() if "transfer-encoding" in self.headers else self.conn.exactly(self.length())

    def chunks(self):
        data = b""
        while size := int(self.conn.until(b"\r\n"), 16):
            data += self.conn.exactly(size)
            self.conn.until(b"\r\n")
        self.conn.until(b"\r\n")
        return data


def echo(req):
    """/echo answers with the body."""
    req.conn.answer(req.body())


def deaf(req):
    """/deaf?until=path: connections are closed, and refused until there is such a file."""
    global deaf_until
    deaf_until = req.what["until"]
    listener.shutdown(socket.SHUT_RDWR)
    for conn in connections - {req.conn}:
        conn.sock.shutdown(socket.SHUT_RDWR)
    # Said, so that nothing is sent on this one before its end is seen.
    req.conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ndeaf\n")
    raise Ended


def hints(req):
    """/hints sends a 103, later the 100, then reads the body and answers with it."""
    req.conn.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
    time.sleep(0.2)
    req.conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    req.conn.answer(req.body())


def surplus(req):
    """/surplus?n=100 answers with n bytes and another answer behind them that nobody asked for."""
    size = int(req.what["n"])
    req.conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
                  + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")


def cut(req):
    """/cut sends the beginning of a chunked answer, and closes."""
    req.conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    time.sleep(0.1)
    raise Ended


def switch(req):
    """/switch changes the protocol before the request has come whole."""
    req.conn.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: custom\r\n\r\n")
    time.sleep(1)


def swallow(req):
    """/swallow changes the protocol and reads nothing any more."""
    req.conn.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: custom\r\n\r\n")
    time.sleep(60)


def reset(req):
    """/reset resets the connection."""
    req.conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Ended


def once(req):
    """/once answers with the number of the request on its connection; the next one is reset unread."""
    req.conn.served += 1
    req.conn.answer(b"%d\n" % req.conn.served)
    time.sleep(0.1)
    while not select_readable(req.conn.sock):
        pass
    raise Ended     # with bytes unread: a reset


def select_readable(sock):
    import select
    return select.select([sock], [], [], 1)[0]


def trickle(req):
    """/trickle?s=5&pace=10000 reads the body at pace bytes each 0.1 s for s seconds, then the rest at once."""
    left, until = req.length() - len(req.conn.buffer), time.monotonic() + float(req.what["s"])
    req.conn.buffer = b""
    while left:
        is_slow = time.monotonic() < until
        left -= len(req.conn.sock.recv(int(req.what["pace"]) if is_slow else 1 << 20))
        if is_slow:
            time.sleep(0.1)
    req.conn.answer(b"all\n")


def raw(req):
    """?BYTES in hex: they are the answer."""
    req.conn.send(bytes.fromhex(req.target.partition("?")[2]))


ROUTES = {function.__name__: function for function in (echo, deaf, hints, surplus, cut, switch, swallow, reset, once,
                                                   trickle, raw)}


def handle(req):
    function = ROUTES.get(req.path.strip("/"))
    if function:
        function(req)
    else:
        req.body()
        req.conn.answer(b"%s %s\n" % (req.method.encode(), req.target.encode()))


def serve(sock):
    conn = Connection(sock)
    connections.add(conn)
    try:
        while True:
            handle(Request(conn))
    except (Ended, OSError):
        pass
    connections.discard(conn)
    sock.close()


def listen():
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", int(os.environ["PORT"])))
    sock.listen(128)
    return sock


while True:
    listener = listen()
    try:
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
    except OSError:
        listener.close()
        while not os.path.exists(deaf_until):
            time.sleep(0.005)
