"""test_cache_sequences.py - one URL is answered now so, now so, and asked for in every way: what has been stored by then
depends on the order.  Seeded and bounded; in the build with sanitizers it looks for what a single answer cannot show.
SPDX-License-Identifier: MIT
"""
import random
import re

import pytest

from pages import Site, pages_config

MODES = ("thruster", "rfc9111")
LIMIT = 24
STEPS = 120
BODY = "<$Cookie>" + "0123456789" * 200
TAGS = (None, '"1"', '"1"', '"1"', '"1"', '"2"', 'W/"1"')
CONTROLS = ("public, max-age=600", "public, max-age=0", "s-maxage=600", "max-age=600, stale-while-revalidate=60",
            "no-store", "private", 'no-cache="X-Secret", public, max-age=600', "public, max-age=0, must-revalidate",
            'private="Set-Cookie", max-age=600')
FIELDS = (["Vary", "Cookie"], ["Vary", "Accept-Language, cookie"], ["Vary", "*"], ["Set-Cookie", "who=somebody"],
          ["X-Secret", "s"], ["Content-Type", "text/plain"], ["Content-Type", "text/html"], ["Age", "30"], ["Age", "601"],
          ["Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"], ["CDN-Cache-Control", "no-store"],
          ["Connection", "X-Hop"], ["X-Hop", "1"], ["X-Cache", "hit"], ["Content-Location", "/other"], ["Trailer", "X"])
WISHES = (("Cache-Control", "no-cache"), ("Cache-Control", "no-store"), ("Cache-Control", "max-stale"), ("If-None-Match", '"1"'),
          ("If-None-Match", '*'), ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Range", "bytes=5-9"),
          ("Range", "bytes=0-3, 100-110, -5"), ("Range", "bytes=99999-"), ("If-Range", '"1"'), ("Accept-Encoding", "gzip"),
          ("Accept-Encoding", "br, zstd"), ("Accept-Language", "de"))


class Sequence:
    def __init__(self, site, seed):
        self.site, self.dice, self.names = site, random.Random(seed), 0

    def fields(self):
        dice = self.dice
        fields = [["Cache-Control", dice.choice(CONTROLS)]] if dice.random() < 0.9 else []
        fields = [*fields, *dice.sample(FIELDS, dice.choice((0, 0, 1, 2, 3)))]
        for _ in range(dice.choice((0, 0, 4, 8, 12))):
            self.names += 1
            fields.append(["X-New-%d" % self.names, "v" * dice.choice((0, 1, 40))])
        return fields

    def page(self):
        dice = self.dice
        return {"headers": self.fields(), "not_modified": self.fields(), "body": BODY[:dice.choice((9, 40, 4000))],
                "etag": dice.choice(TAGS), "chunked": dice.random() < 0.2,
                "status": dice.choice((200,) * 8 + (404, 503))}

    def ask(self):
        dice = self.dice
        method = dice.choice(("GET",) * 9 + ("HEAD", "POST"))
        cookie = dice.choice(("a", "b"))
        wishes = dice.sample(WISHES, dice.choice((0, 0, 1, 1, 2))) or dice.choice(([], WISHES[:1]))
        with self.site.atc.wire() as wire:
            return cookie, wire.ask(method, self.site.prefix + "/x",
                                    [("Connection", "close"), ("Cookie", cookie), *wishes])


def check(mode, cookie, answer):
    is_hit = "; hit;" in answer.header("Cache-Status", "")
    assert len(answer.headers) <= LIMIT + 10
    if not is_hit:
        return
    assert mode == "rfc9111" or (answer.status < 400 or answer.status == 416) and not answer.all("Set-Cookie")
    assert not any("no-store" in value for value in answer.all("Cache-Control"))
    made_for = re.match(rb"<([ab-])>", answer.body)
    if made_for and any("cookie" in value.lower() for value in answer.all("Vary")):
        assert made_for[1].decode() == cookie


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("mode", MODES)
def test_whatever_the_order_of_answers_what_is_stored_is_sound(atc, mode, seed):
    atc.start(pages_config(mode, server={"max_headers": LIMIT, "cache_size": "64KiB", "log_level": "info"}))
    sequence = Sequence(Site(atc), seed)
    for step in range(STEPS):
        if step % 3 == 0:
            sequence.site.put(x=sequence.page())
        check(mode, *sequence.ask())
