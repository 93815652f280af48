"""wire.py - a raw HTTP/1.1 client: sends what it is told, reads strictly what RFC 9112 allows.
SPDX-License-Identifier: MIT
"""
import re
import socket
import struct

from waiting import PATIENCE, stretched

STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?\Z")
FIELD_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\Z")
CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;[\t\x20-\x7e]*)?)\Z")


class Malformed(AssertionError):
    """The peer sent something that no strict client accepts."""


class Closed(AssertionError):
    """The peer closed (or reset) before the answer was complete."""


class Response:
    def __init__(self, version, status, reason, headers):
        self.version, self.status, self.reason, self.headers = version, status, reason, headers
        self.body, self.trailers, self.interim = b"", [], []

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name, default=None):
        values = self.all(name)
        assert len(values) <= 1, "several %s: %r" % (name, values)
        return values[0] if values else default

    def json(self):
        import json
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    @property
    def error(self):
        """The token of an answer of fly-atc's own."""
        return self.header("Fly-Atc-Error")

    def __repr__(self):
        return "<%d %s %r %r>" % (self.status, self.reason, self.headers, self.body[:300])


class Wire:
    """One connection.  Reading never takes more than a response's own bytes: pipelining works."""

    def __init__(self, address, timeout=20):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.sock = socket.socket(family)
        self.timeout(timeout)
        self.sock.connect(address)
        if family == socket.AF_INET:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)
        return self

    def reset(self):
        """Ends it as a process that dies does: both directions at once."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)
        return self

    def timeout(self, seconds):
        self.sock.settimeout(max(stretched(seconds), PATIENCE))
        return self

    # -- bytes --

    def fill(self):
        """False at the end of the stream."""
        try:
            data = self.sock.recv(256 * 1024)
        except ConnectionError as error:
            raise Closed("connection reset after %r" % self.buffer[-200:]) from error
        except socket.timeout as error:
            raise AssertionError("no byte within %gs; have %r" % (self.sock.gettimeout(), self.buffer[-200:])) from error
        self.buffer += data
        return bool(data)

    def until(self, end):
        while end not in self.buffer:
            if not self.fill():
                raise Closed("closed before %r; have %r" % (end, self.buffer[-200:]))
        data, self.buffer = self.buffer.split(end, 1)
        return data

    def exactly(self, size):
        while len(self.buffer) < size:
            if not self.fill():
                raise Closed("closed %d bytes early" % (size - len(self.buffer)))
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def rest(self):
        """Everything until the peer closes."""
        while self.fill():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def count_rest(self):
        """How many bytes come until the peer closes; keeps none of them."""
        count, self.buffer = len(self.buffer), b""
        while self.fill():
            count, self.buffer = count + len(self.buffer), b""
        return count

    def is_closed(self):
        """Waits for the peer's close; False if bytes come instead."""
        if self.buffer:
            return False
        try:
            return not self.fill()
        except Closed:
            return True

    # -- messages --

    def request(self, method, target, headers=(), body=None, host="localhost"):
        names = {name.lower() for name, _ in headers}
        lines = ["%s %s HTTP/1.1" % (method, target)]
        if "host" not in names:
            lines.append("Host: " + host)
        lines += ["%s: %s" % pair for pair in headers]
        if body is not None and not names & {"content-length", "transfer-encoding"}:
            lines.append("Content-Length: %d" % len(body))
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))
        return self

    def ask(self, method, target, headers=(), body=None, host="localhost"):
        self.request(method, target, headers, body, host)
        return self.response(method)

    def get(self, target, headers=(), host="localhost"):
        return self.ask("GET", target, headers, host=host)

    def head(self):
        """The next head, 1xx or final."""
        status_line = self.until(b"\r\n")
        match = STATUS_LINE.match(status_line)
        if not match:
            raise Malformed("status line %r" % status_line)
        return Response(match[1].decode(), int(match[2]), (match[3] or b"").decode("latin-1"), self.fields())

    def fields(self):
        found = []
        while True:
            line = self.until(b"\r\n")
            if not line:
                return found
            match = FIELD_LINE.match(line)
            if not match:
                raise Malformed("field line %r" % line)
            found.append((match[1].decode(), match[2].decode("latin-1")))

    def response(self, method="GET"):
        """The next final response with its body; 1xx before it are in .interim."""
        interim = []
        response = self.head()
        while response.status < 200 and response.status != 101:
            interim.append(response)
            response = self.head()
        response.interim = interim
        self.read_body(response, method)
        return response

    def read_body(self, response, method):
        codings, lengths = response.all("Transfer-Encoding"), response.all("Content-Length")
        if codings and lengths:
            raise Malformed("Transfer-Encoding beside Content-Length: %r" % response.headers)
        if len(set(lengths)) > 1 or len(codings) > 1:
            raise Malformed("ambiguous framing: %r" % response.headers)
        if method == "HEAD" or response.status in (101, 204, 304):
            return
        if codings:
            if codings[0].lower() != "chunked":
                raise Malformed("Transfer-Encoding: %s" % codings[0])
            response.body = b"".join(self.chunks())
            response.trailers = self.fields()
        elif lengths:
            if not lengths[0].isdigit():
                raise Malformed("Content-Length: %s" % lengths[0])
            response.body = self.exactly(int(lengths[0]))
        else:
            response.body = self.rest()

    def chunks(self):
        """The data of each chunk as it comes; stops behind the last chunk's line, before the trailers."""
        while True:
            line = self.until(b"\r\n")
            match = CHUNK_SIZE.match(line)
            if not match:
                raise Malformed("chunk size line %r" % line)
            size = int(match[1], 16)
            if size == 0:
                return
            yield self.exactly(size)
            if self.exactly(2) != b"\r\n":
                raise Malformed("chunk without its end")

    # -- WebSocket, client side (RFC 6455) --

    def websocket(self, target, headers=(), host="localhost"):
        self.request("GET", target, [("Connection", "Upgrade"), ("Upgrade", "websocket"),
                                     ("Sec-WebSocket-Version", "13"),
                                     ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), *headers], host=host)
        response = self.head()
        assert response.status == 101, (response, self.buffer[:500])
        assert response.header("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        return self

    def send_frame(self, data, opcode=1):
        if isinstance(data, str):
            data = data.encode()
        size, mask = len(data), b"\x01\x02\x03\x04"
        if size < 126:
            head = bytes([128 | opcode, 128 | size])
        elif size < 65536:
            head = bytes([128 | opcode, 254]) + size.to_bytes(2, "big")
        else:
            head = bytes([128 | opcode, 255]) + size.to_bytes(8, "big")
        return self.send(head + mask + bytes(byte ^ mask[i & 3] for i, byte in enumerate(data)))

    def frame(self):
        """(opcode, data) of the next frame."""
        first, second = self.exactly(2)
        size = second & 127
        if size > 125:
            size = int.from_bytes(self.exactly(2 if size == 126 else 8), "big")
        return first & 15, self.exactly(size)

    def message(self):
        """The next text or binary message; answers pings."""
        while True:
            opcode, data = self.frame()
            if opcode == 9:
                self.send_frame(data, 10)
            elif opcode in (1, 2):
                return data.decode() if opcode == 1 else data
            else:
                raise Closed("WebSocket frame %d %r" % (opcode, data))
