"""codings.py - decoding what fly-atc encoded, with libraries that are not its own.
SPDX-License-Identifier: MIT
"""
import zlib

import brotli
import zstandard

CODINGS = ("gzip", "br", "zstd")
SKIPPABLE = b"\x50\x2a\x4d\x18"     # the magic number of zstd's frames that decoders pass over


class Decoder:
    """Decodes a body piece by piece."""

    def __init__(self, coding):
        self.is_complete = False
        if coding == "gzip":
            self.zlib = zlib.decompressobj(31)
            self.feed = self.feed_gzip
        elif coding == "br":
            self.brotli = brotli.Decompressor()
            self.feed = self.feed_br
        elif coding == "zstd":
            self.zstd, self.behind = zstandard.ZstdDecompressor().decompressobj(), b""
            self.feed = self.feed_zstd
        else:
            raise ValueError("no such coding: %r" % coding)

    def feed_gzip(self, data):
        out = self.zlib.decompress(data)
        self.is_complete = self.zlib.eof
        assert not self.zlib.unused_data
        return out

    def feed_br(self, data):
        out = self.brotli.process(data)
        self.is_complete = self.brotli.is_finished()
        return out

    def feed_zstd(self, data):
        if self.is_complete:
            self.behind += data
            return b""
        out = self.zstd.decompress(data)
        if self.zstd.eof:
            self.is_complete, self.behind = True, self.zstd.unused_data
        return out


def decode(coding, data):
    """A whole body."""
    if coding is None:
        return data
    decoder = Decoder(coding)
    out = decoder.feed(data)
    assert decoder.is_complete, "the end of the content is missing"
    if coding == "zstd" and decoder.behind:
        assert decoder.behind[:4] == SKIPPABLE
        assert len(decoder.behind) == 8 + int.from_bytes(decoder.behind[4:8], "little")
    return out
