"""h2wire.py - a client of HTTP/2 by prior knowledge: precise where the h2 library is, raw frames where it would refuse.
SPDX-License-Identifier: MIT
"""
import socket
import struct

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from atc import WINTER
from waiting import PATIENCE, stretched
from wire import Closed, Response

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 7, 8, 11
CONNECT_PROTOCOL = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL


class Reset(AssertionError):
    """The stream was reset; .code says why."""

    def __init__(self, code):
        super().__init__("RST_STREAM with error code %d" % code)
        self.code = int(code)


class Connection(h2.connection.H2Connection):
    """The library takes GOAWAY for the end of everything; streams that began before it go on."""

    def _receive_goaway_frame(self, frame):
        event = h2.events.ConnectionTerminated()
        event.error_code, event.last_stream_id = frame.error_code, frame.last_stream_id
        return [], [event]


class Stream:
    def __init__(self):
        self.response, self.interim = None, []
        self.body, self.trailers = b"", []
        self.ended, self.reset = False, None
        self.frames = 0  # of DATA


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


class H2Wire:
    """One connection.  Windows are given back as data is read, unless `reads` is False."""

    def __init__(self, address, timeout=20, reads=True, checks=True, settings=None):
        self.sock = socket.create_connection(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.settimeout(max(stretched(timeout), PATIENCE))
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=checks,
                                           normalize_outbound_headers=checks, validate_inbound_headers=True)
        self.h2 = Connection(config)
        self.reads = reads
        self.streams, self.goaway, self.pongs, self.closed = {}, None, 0, False
        if settings:
            self.h2.local_settings.update(settings)
        self.h2.initiate_connection()
        self.push()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def push(self):
        data = self.h2.data_to_send()
        if data:
            self.sock.sendall(data)

    def raw(self, data):
        self.sock.sendall(data)

    # -- what comes --

    def pull(self):
        """One read, and what it says."""
        data = self.sock.recv(65536)
        if not data:
            self.closed = True
            return
        for event in self.h2.receive_data(data):
            self.take(event)
        self.push()

    def take(self, event):
        stream = self.streams.setdefault(getattr(event, "stream_id", None) or 0, Stream())
        if isinstance(event, h2.events.ResponseReceived):
            stream.response = event.headers
        elif isinstance(event, h2.events.InformationalResponseReceived):
            stream.interim.append(event.headers)
        elif isinstance(event, h2.events.TrailersReceived):
            stream.trailers = event.headers
        elif isinstance(event, h2.events.DataReceived):
            stream.body += event.data
            stream.frames += 1
            if self.reads and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset = event.error_code
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event
        elif isinstance(event, h2.events.PingAckReceived):
            self.pongs += 1

    def pull_until(self, happened):
        while not happened():
            if self.closed:
                raise Closed("the connection ended first")
            self.pull()

    def settle(self):
        """Everything sent so far has been seen by the other side, and what it said at once by us."""
        wanted = self.pongs + 1
        self.h2.ping(b"atc-test")
        self.push()
        self.pull_until(lambda: self.pongs >= wanted)

    # -- requests --

    def request(self, method, path, headers=(), body=None, host="localhost", end=None, trailers=None):
        """Sends a request; body may be bytes; end=False leaves our half open.  Returns the stream's number."""
        number = self.h2.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", "http"), (":authority", host), (":path", path)]
        end = True if end is None else end
        self.headers(number, fields + [(k.lower(), v) for k, v in headers],
                     end=end and body is None and trailers is None)
        if body is not None:
            self.send(number, body, end=end and trailers is None)
        if trailers is not None:
            self.h2.send_headers(number, trailers, end_stream=True)
            self.push()
        return number

    def headers(self, number, fields, end=True):
        self.streams[number] = Stream()
        self.h2.send_headers(number, fields, end_stream=end)
        self.push()

    def send(self, number, data, end=False):
        """All of data, as the windows let it."""
        view = memoryview(data)
        while True:
            room = min(self.h2.local_flow_control_window(number), self.h2.max_outbound_frame_size)
            if len(view) and not room:
                self.pull()
                if self.closed or self.streams[number].reset is not None:
                    raise Closed("it takes no more")
                continue
            piece, view = view[:room], view[room:]
            self.h2.send_data(number, bytes(piece), end_stream=end and not len(view))
            self.push()
            if not len(view):
                return

    def end(self, number):
        self.h2.end_stream(number)
        self.push()

    def cancel(self, number, code=CANCEL):
        self.h2.reset_stream(number, code)
        self.push()

    def stream(self, number):
        return self.streams[number]

    def head(self, number):
        """The final head, when it is there."""
        stream = self.streams[number]
        self.pull_until(lambda: stream.response is not None or stream.reset is not None)
        if stream.response is None:
            raise Reset(stream.reset)
        return self.made(stream)

    def response(self, number):
        """The whole answer."""
        stream = self.streams[number]
        self.pull_until(lambda: stream.ended or stream.reset is not None)
        if not stream.ended:
            raise Reset(stream.reset)
        return self.made(stream)

    @staticmethod
    def made(stream):
        fields = dict(stream.response)
        response = Response("2.0", int(fields[":status"]), "", [f for f in stream.response if f[0] != ":status"])
        response.body, response.trailers = stream.body, list(stream.trailers)
        response.interim = [int(dict(head)[":status"]) for head in stream.interim]
        return response

    def ask(self, method, path, headers=(), body=None, **more):
        return self.response(self.request(method, path, headers, body, **more))

    def get(self, path, headers=(), **more):
        return self.ask("GET", path, headers, **more)

    def raw_frames(self):
        """(type, flags, stream, payload) of each frame that comes, past the library, until the end."""
        got = b""
        while True:
            while len(got) >= 9 and len(got) >= 9 + int.from_bytes(got[:3], "big"):
                size = int.from_bytes(got[:3], "big")
                yield got[3], got[4], int.from_bytes(got[5:9], "big"), got[9:9 + size]
                got = got[9 + size:]
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                return
            if not data:
                return
            got += data

    def wait_closed(self):
        while not self.closed:
            try:
                self.pull()
            except ConnectionResetError:
                self.closed = True


class Asker(H2Wire):
    """Asks one thing after the other, as Wire does: whatever ends an answer early is Closed."""

    def ask(self, method, path, headers=(), body=None, host="localhost"):  # pylint: disable=arguments-differ
        fields = [field for field in headers if field[0].lower() != "connection"]
        try:
            response = super().ask(method, path, fields, body, host=host)
        except (Reset, h2.exceptions.ProtocolError, BrokenPipeError, ConnectionResetError) as error:
            raise Closed("the answer broke off: %r" % error) from error
        if self.goaway:
            response.headers.append(("connection", "close"))    # what HTTP/1.1 says for it
        return response

    def close(self):
        self.sock.close()


class Tunnel:
    """A WebSocket on a stream of a connection whose `checks` are off (RFC 8441)."""

    def __init__(self, wire, path, **more):
        self.wire, self.number, self.at = wire, wire.h2.get_next_available_stream_id(), 0
        fields = {":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", ":authority": "localhost", ":path": path,
                  "sec-websocket-version": "13", **more}
        wire.headers(self.number, list(fields.items()), end=False)

    @property
    def stream(self):
        return self.wire.stream(self.number)

    def exactly(self, n):
        self.wire.pull_until(lambda: len(self.stream.body) >= self.at + n or self.stream.ended or self.stream.reset is not None)
        data = self.stream.body[self.at:self.at + n]
        assert len(data) == n, (data, self.stream.reset)
        self.at += n
        return data

    def send_message(self, data, opcode=2):
        size = len(data)
        length = bytes([128 | size]) if size < 126 else bytes([254]) + size.to_bytes(2, "big") if size < 65536 else \
            bytes([255]) + size.to_bytes(8, "big")
        self.wire.send(self.number, bytes([128 | opcode]) + length + bytes(4) + data)

    def message(self):
        first, size = self.exactly(2)
        if size > 125:
            size = int.from_bytes(self.exactly(2 if size == 126 else 8), "big")
        return first & 15, self.exactly(size)


def connect(atc, **more):
    return H2Wire(("127.0.0.1", atc.port), **more)


# --- by hand, for what no library writes ---

# HPACK (RFC 7541), by hand: ":method GET", ":scheme http" are in the static table, the rest is spelt out.
GET, POST, HTTP = b"\x82", b"\x83", b"\x86"


def literal(name, value):
    """A field that enters no table."""
    def text(s):
        n = len(s)
        if n < 127:
            return bytes([n]) + s
        n -= 127
        out = b"\x7f"
        while n >= 128:
            out += bytes([n & 127 | 128])
            n >>= 7
        return out + bytes([n]) + s
    return b"\x00" + text(name) + text(value)


def block(path=WINTER + "/up", *more, method=GET):
    return method + HTTP + literal(b":path", path.encode()) + literal(b":authority", b"localhost") + b"".join(more)


def goaway_after(wire, pieces):
    """Sends piece after piece, each once the one before has been worked on; the error code of the GOAWAY that comes."""
    frames = wire.raw_frames()
    for piece in pieces:
        try:
            wire.raw(piece + frame(PING, 0, 0, b"in step!"))
        except (BrokenPipeError, ConnectionResetError):
            pass
        for kind, _, _, payload in frames:
            if kind == GOAWAY:
                return struct.unpack(">I", payload[4:8])[0]
            if kind == PING and payload == b"in step!":
                break
    return None


def flood(atc, pieces):
    with connect(atc) as wire:
        wire.settle()
        assert goaway_after(wire, pieces) == ENHANCE_YOUR_CALM
    with connect(atc) as wire:
        assert wire.get(WINTER + "/up").status == 200
