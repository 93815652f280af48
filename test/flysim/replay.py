"""replay.py - what a machine may ask of the edge: fly-replay as a header and as JSON, and its cache.
SPDX-License-Identifier: MIT
"""
import dataclasses
import json
import re

CONTENT_TYPE = "application/vnd.fly.replay+json"
FALLBACKS = ("force_self", "prefer_self")
TEXT_KEYS = ("app", "instance", "prefer_instance", "state")
HEADER_KEYS = {*TEXT_KEYS, "region", "elsewhere", "timeout", "fallback"}
JSON_KEYS = HEADER_KEYS | {"transform", "cache", "allow_bypass"}
MIN_CACHE_TTL = 10


class Malformed(Exception):
    """PA03."""


@dataclasses.dataclass
class Cache:
    host: str = ""
    prefix: str = "/*"
    ttl: int = 0
    invalidate: bool = False
    allow_bypass: bool = False


@dataclasses.dataclass
class Replay:
    app: str = ""
    instance: str = ""
    prefer_instance: str = ""
    region: tuple = ()
    state: str = ""
    elsewhere: bool = False
    timeout: float = 0.0
    fallback: str = ""
    path: str = ""
    delete_headers: tuple = ()
    set_headers: tuple = ()
    cache: Cache = None

    @property
    def transforms(self):
        return bool(self.path or self.delete_headers or self.set_headers)


def seconds(text):
    """10s, 800ms; a number alone was seen to be milliseconds."""
    match = re.fullmatch(r"(\d+)(ms|s|m)?", text)
    if not match:
        raise Malformed("timeout %r" % text)
    return int(match[1]) * {"ms": 0.001, None: 0.001, "s": 1, "m": 60}[match[2]]


def regions_of(text):
    names = tuple(name.strip() for name in text.split(","))
    if not all(re.fullmatch("[a-z]{2,4}", name) for name in names):
        raise Malformed("region %r" % text)
    return names


def parse_header(value, strict=True):
    """instance=…;region="iad,any";state=…"""
    pairs = {}
    for piece in value.split(";"):
        key, equals, text = piece.strip().partition("=")
        if not equals or not key:
            raise Malformed("no key=value: %r" % piece)
        if key in pairs:
            raise Malformed("%s twice" % key)
        is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
        if key == "region" and "," in text and not is_quoted:
            raise Malformed("a list of regions is quoted")
        pairs[key] = text[1:-1] if is_quoted else text
        if key == "elsewhere":
            if text not in ("true", "false"):
                raise Malformed("elsewhere=%s" % text)
            pairs[key] = text == "true"
    return made(pairs, HEADER_KEYS, strict)


def parse_json(body, strict=True):
    try:
        value = json.loads(body)
    except ValueError as error:
        raise Malformed(str(error)) from None
    if not isinstance(value, dict):
        raise Malformed("no object")
    return made(value, JSON_KEYS, strict)


def made(values, known, strict):
    unknown = set(values) - known
    if unknown and strict:
        raise Malformed("unknown: " + ", ".join(sorted(unknown)))
    wanted = Replay()
    for key in TEXT_KEYS:
        text = values.get(key) or ""
        if not isinstance(text, str) or re.search(r"[\r\n]", text):
            raise Malformed(key)
        setattr(wanted, key, text)
    for key in ("region", "timeout", "fallback"):
        if not isinstance(values.get(key) or "", str):
            raise Malformed(key)
    if values.get("region"):
        wanted.region = regions_of(values["region"])
    if values.get("timeout"):
        wanted.timeout = seconds(values["timeout"])
    wanted.fallback = values.get("fallback") or ""
    if wanted.fallback and wanted.fallback not in FALLBACKS:
        raise Malformed("fallback %r" % wanted.fallback)
    if not isinstance(values.get("elsewhere", False), bool):
        raise Malformed("elsewhere")
    wanted.elsewhere = values.get("elsewhere", False)
    transform(wanted, values.get("transform"))
    if values.get("cache") is not None:
        wanted.cache = json_cache(values["cache"], values.get("allow_bypass", False))
    if not any((wanted.app, wanted.instance, wanted.prefer_instance, wanted.region, wanted.elsewhere, wanted.state,
                wanted.transforms, wanted.cache)):
        raise Malformed("it names no place")
    return wanted


def transform(wanted, value):
    if value is None:
        return
    if not isinstance(value, dict) or set(value) - {"path", "delete_headers", "set_headers"}:
        raise Malformed("transform")
    wanted.path = value.get("path", "")
    if not isinstance(wanted.path, str) or (wanted.path and not re.fullmatch(r"/[!-~]*", wanted.path)):
        raise Malformed("transform.path")
    deleted, added = value.get("delete_headers", []), value.get("set_headers", [])
    try:
        wanted.delete_headers = tuple(name.lower() for name in deleted)
        wanted.set_headers = tuple((each["name"], each["value"]) for each in added)
        if any(re.search(r"[\r\n]", text) for pair in wanted.set_headers for text in pair):
            raise Malformed("a header is one line")
    except (AttributeError, TypeError, KeyError):
        raise Malformed("transform's headers") from None


def json_cache(value, allow_bypass):
    """Whether allow_bypass belongs here or beside the cache is not said: both are taken."""
    if not isinstance(value, dict) or set(value) - {"prefix", "ttl", "invalidate", "allow_bypass"}:
        raise Malformed("cache")
    return cache(value.get("prefix", "/*"), value.get("ttl", MIN_CACHE_TTL), value.get("invalidate", False),
                 bool(value.get("allow_bypass", allow_bypass)))


def cache(pattern, ttl, invalidate, allow_bypass):
    host, slash, path = pattern.partition("/")
    prefix = slash + path
    if not prefix.endswith("*") or ":" in host or prefix.count("*") > 1:
        raise Malformed("cache: %r is no [host]/prefix/*" % pattern)
    if not isinstance(ttl, int) or isinstance(ttl, bool) or ttl < MIN_CACHE_TTL:
        raise Malformed("cache: a ttl of at least %d" % MIN_CACHE_TTL)
    return Cache(host, prefix, ttl, bool(invalidate), allow_bypass)


def header_cache(get):
    """From the three headers; get(name) is the value or None."""
    value = get("fly-replay-cache")
    if value is None:
        return None
    allow = (get("fly-replay-cache-allow-bypass") or "") == "yes"
    if value.strip() == "invalidate":
        return Cache(invalidate=True)
    ttl = get("fly-replay-cache-ttl-secs") or str(MIN_CACHE_TTL)
    if not ttl.isdigit():
        raise Malformed("fly-replay-cache-ttl-secs")
    return cache(value.strip(), int(ttl), False, allow)


def of_answer(head, body, strict=True):
    """The Replay that an answer asks for, or None.  The answer's status does not matter."""
    value = head.get("fly-replay")
    media_type = (head.get("content-type") or "").partition(";")[0].strip().lower()
    if media_type == CONTENT_TYPE:
        wanted = parse_json(body, strict)
    elif value is not None:
        wanted = parse_header(value, strict)
    else:
        return None
    wanted.cache = wanted.cache or header_cache(head.get)
    return wanted


def is_replay(head):
    media_type = (head.get("content-type") or "").partition(";")[0].strip().lower()
    return head.get("fly-replay") is not None or media_type == CONTENT_TYPE


class ReplayCache:
    """Of one edge: (host, prefix) or (host, prefix, session) to the replay; an optimisation that may forget."""

    def __init__(self, now, chance=None, forget=0.0):
        self.now, self.chance, self.forget, self.entries = now, chance, forget, {}

    def put(self, key, wanted, ttl):
        self.entries[key] = (wanted, self.now() + ttl)

    def drop(self, host, path):
        for key in [key for key in self.entries if key[0] == host and matches(key[1], path)]:
            del self.entries[key]

    def get(self, host, path, session=None):
        """The entry of the longest pattern: (key, replay), or None."""
        found = [key for key in self.entries if key[0] == host and matches(key[1], path)
                 and (key[2] is None or session(key[2][:2]) == key[2][2])]
        for key in sorted(found, key=lambda key: -len(key[1])):
            wanted, expiry = self.entries[key]
            if expiry <= self.now() or (self.forget and self.chance.random() < self.forget):
                del self.entries[key]
                continue
            return key, wanted
        return None


def matches(pattern, path):
    return path.startswith(pattern[:-1])
