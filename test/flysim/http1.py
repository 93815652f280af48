"""http1.py - HTTP/1.1 over asyncio streams: heads, bodies of each framing, and a body that can be read once more.
SPDX-License-Identifier: MIT
"""
import asyncio
import re

MAX_HEAD = 65536
BLOCK = 65536
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
# They are of one connection only.
HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}


class Bad(Exception):
    """The peer does not speak HTTP/1.1."""


class Head:
    """A start line and its fields, in order."""

    def __init__(self, start, fields):
        self.start, self.fields = start, fields

    def get(self, name):
        """The first value, or None."""
        return next((value for key, value in self.fields if key.lower() == name), None)

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name]

    def has(self, name, word):
        """Whether a list-valued field has this word."""
        return word in [item.strip().lower() for value in self.all(name) for item in value.split(",")]

    def without(self, names):
        return [(key, value) for key, value in self.fields if key.lower() not in names]

    @property
    def method(self):
        return self.start[0]

    @property
    def target(self):
        return self.start[1]

    @property
    def status(self):
        return int(self.start[1])

    @property
    def length(self):
        """Content-Length, or None."""
        values = set(self.all("content-length"))
        if not values:
            return None
        if len(values) > 1 or not next(iter(values)).isdigit():
            raise Bad("Content-Length")
        return int(next(iter(values)))

    @property
    def is_chunked(self):
        return self.has("transfer-encoding", "chunked")

    @property
    def keeps_alive(self):
        version = self.start[0] if self.start[0].startswith("HTTP/") else self.start[2]
        if version == "HTTP/1.0":
            return self.has("connection", "keep-alive")
        return not self.has("connection", "close")


async def read_head(reader):
    """The next head, or None at the end of the stream."""
    try:
        data = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise Bad("an incomplete head") from None
        return None
    except asyncio.LimitOverrunError:
        raise Bad("a head too large") from None
    lines = data[:-4].split(b"\r\n")
    start = lines[0].decode("latin-1").split(" ", 2)
    if len(start) < 3 and not (len(start) == 2 and start[0].startswith("HTTP/")):
        raise Bad("start line")
    fields = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.match(name):
            raise Bad("field line")
        fields.append((name.decode(), value.strip(b" \t").decode("latin-1")))
    return Head(start, fields)


def head_bytes(start, fields):
    return ("\r\n".join([start] + ["%s: %s" % pair for pair in fields]) + "\r\n\r\n").encode("latin-1")


async def pieces(reader, head, method=None):
    """The body's data as it comes.  `method` is of the request whose answer this is; None for a request's own body."""
    if method is not None and (method == "HEAD" or head.status < 200 or head.status in (204, 304)):
        return
    if head.is_chunked:
        async for piece in chunks(reader):
            yield piece
    elif head.length is not None:
        async for piece in exactly(reader, head.length):
            yield piece
    elif method is not None:
        while piece := await reader.read(BLOCK):
            yield piece


async def exactly(reader, size):
    while size:
        piece = await reader.read(min(size, BLOCK))
        if not piece:
            raise Bad("a body that ends early")
        size -= len(piece)
        yield piece


async def chunks(reader):
    try:
        while True:
            size = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
            if not size:
                break
            async for piece in exactly(reader, size):
                yield piece
            if await reader.readexactly(2) != b"\r\n":
                raise Bad("chunk")
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass  # trailers are not passed on
    except (ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        raise Bad("chunk") from None


def has_end_of_its_own(head, method):
    """Whether an answer's end is seen without the end of the connection."""
    return method == "HEAD" or head.status in (204, 304) or head.is_chunked or head.length is not None


class Tape:
    """A request's body: sent on as it comes, and kept for another time as long as it is small enough."""

    def __init__(self, reader, head, limit, before_reading=None):
        self.head, self.limit = head, limit
        self.source = pieces(reader, head)
        self.before_reading = before_reading
        self.kept, self.size, self.is_over = bytearray(), 0, not (head.is_chunked or head.length)
        self.lock, self.reading = asyncio.Lock(), None

    @property
    def is_kept(self):
        return self.kept is not None

    async def more(self):
        """The next piece of the client's, or b"" at its end."""
        if self.is_over:
            return b""
        if self.before_reading:
            before, self.before_reading = self.before_reading, None
            await before()
        # Whoever waits here may be cancelled; what is read then is not lost, but there for the next one.
        if not self.reading:
            self.reading = asyncio.ensure_future(anext(self.source, b""))
        piece = await asyncio.shield(self.reading)
        self.reading = None
        self.is_over = not piece
        self.size += len(piece)
        if self.kept is not None:
            self.kept += piece
            if len(self.kept) > self.limit:
                self.kept = None
        return piece

    async def play(self, send):
        """From the beginning; send(piece) is awaited."""
        async with self.lock:
            if self.kept is None:
                raise Bad("the body is not kept")
            if self.kept:
                await send(bytes(self.kept))
            while piece := await self.more():
                await send(piece)

    async def fill(self):
        """Reads on until all is kept or it is too much for that."""
        async with self.lock:
            while self.kept is not None and await self.more():
                pass

    def close(self):
        if self.reading:
            self.reading.add_done_callback(lambda done: done.cancelled() or done.exception())
            self.reading.cancel()
