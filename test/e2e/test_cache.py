"""test_cache.py - the cache as Thruster has it: what is stored, for whom, what is told about it.
SPDX-License-Identifier: MIT
"""
import pytest

from pages import Site, pages_config, public, says, x_cache
from waiting import wait_until


@pytest.fixture
def site(atc):
    atc.start(pages_config())
    return Site(atc)


def caches(site, path, *fields, n=3):
    return [x_cache(site.get(path, *fields)) for _ in range(n)]


def test_what_is_public_is_fetched_once(site):
    site.put(a=public(), s=says("public, s-max-age=60"), smax=says("s-maxage=60"))
    first, second = site.get("/a"), site.get("/a")
    assert [x_cache(first), x_cache(second)] == ["miss", "hit"]
    assert first.body == second.body == b"answer 1" and second.status == 200
    assert caches(site, "/a") == ["hit"] * 3
    assert caches(site, "/s") == caches(site, "/smax") == ["miss", "hit", "hit"]
    assert len(site.asked("/a")) == len(site.asked("/s")) == 1


@pytest.mark.parametrize("control, detail", [
    ("private, max-age=60", "private"), ("public, max-age=60, private", "private"),
    ("public, max-age=60, No-Store", "no-store"), ("public", "no-lifetime"), ("max-age=60", "not-public"),
    ("public, no-cache, max-age=60", "no-cache"), ("public, max-age=0", "stale")])
def test_what_does_not_say_so_is_not_stored_and_why_is_told(site, control, detail):
    site.put(a=says(control))
    assert caches(site, "/a") == ["miss"] * 3
    assert "detail=" + detail in site.get("/a").header("Cache-Status")
    assert len(site.asked("/a")) == 4


def test_statuses_and_heads_are_kept(site):
    site.put(a=public(status=201, headers=[["Cache-Control", "public, max-age=60"], ["X-One", "1"], ["x-one", "2"]]),
             moved=says("public, max-age=60", ["Location", "/there"], status=301, body=""),
             missing=public(status=404))
    for _ in range(2):
        answer = site.get("/a")
        assert answer.status == 201 and answer.body == b"answer 1" and answer.all("x-one") == ["1", "2"]
        moved = site.get("/moved")
        assert moved.status == 301 and moved.header("Location") == site.prefix + "/there"
    assert x_cache(answer) == x_cache(moved) == "hit"
    assert caches(site, "/missing") == ["miss"] * 3


def test_other_methods_go_by(site):
    site.put(a=public())
    assert [x_cache(site.ask("POST", "/a", body=b"x")) for _ in range(2)] == ["bypass"] * 2
    assert site.get("/a").body == b"answer 3"


def test_a_head_request_is_answered_from_a_get(site):
    site.put(a=public())
    assert x_cache(site.ask("HEAD", "/a")) == "miss"
    assert x_cache(site.get("/a")) == "miss"
    head = site.ask("HEAD", "/a")
    assert x_cache(head) == "hit" and head.header("Content-Length") == "8" and head.body == b""


def test_paths_queries_and_hosts_are_apart(site):
    site.put(**{"/a": public(), "/a/b": public(), "/q/k": public(), "/q/kh": public()})
    bodies = [site.get(target).body for target in ("/a", "/a?", "/a?x=1&y=2", "/a?y=2&x=1", "/a?a;b")]
    assert bodies == [b"answer %d" % n for n in range(1, 6)]
    assert site.get("/a", host="other").body == b"answer 6"
    assert site.get("/a?x=1&y=2").body == b"answer 3"
    assert x_cache(site.get("/a/b")) == "miss"
    assert x_cache(site.get("/q/k?h=1")) == x_cache(site.get("/q/kh?=1")) == "miss"


def test_tenants_are_apart(atc):
    users = {"bellevue": {"tenants": ["2025/winter"]}, "boston": {"tenants": ["2025/april"]}}
    atc.start(pages_config(users=users))
    for name in ("bellevue/2025/winter", "boston/2025/april"):
        site = Site(atc, name, a=public("of " + name))
        assert [site.get("/a").body for _ in range(2)] == [("of " + name).encode()] * 2
        assert len(site.asked("/a")) == 1


def test_responses_vary(site):
    site.put(a=says("public, max-age=60", ["Vary", "Accept"], ["vary", "X-Theme"], body="$Accept $X-Theme #"),
             star=says("public, max-age=60", ["Vary", "Accept, *"]))
    html, plain = ("Accept", "text/html"), ("Accept", "text/plain")
    assert site.get("/a", html).body == site.get("/a", html, ("X-Other", "1")).body == b"text/html - 1"
    assert site.get("/a", plain).body == b"text/plain - 2"
    assert site.get("/a", html, ("X-Theme", "dark")).body == b"text/html dark 3"
    assert site.get("/a").body == b"- - 4"
    assert site.get("/a", html).body == b"text/html - 1"
    assert x_cache(site.get("/a", plain)) == "hit"
    assert caches(site, "/star") == ["miss"] * 3


def test_conditional_requests_are_answered_from_the_cache(site):
    site.put(a=public(etag='"abc"'), weak=public(etag='W/"abc"'), none=public())
    for path in ("/a", "/weak"):
        site.get(path)
        for tags in ([("If-None-Match", '"abc"')], [("If-None-Match", '"x", W/"abc"')], [("If-None-Match", "*")],
                     [("If-None-Match", '"x"'), ("If-None-Match", '"y","abc"')]):
            answer = site.get(path, *tags)
            assert answer.status == 304 and answer.body == b"" and x_cache(answer) == "hit", tags
            assert "abc" in answer.header("ETag") and not answer.header("Content-Type")
        assert site.get(path, ("If-None-Match", '"x"')).status == 200
        assert len(site.asked(path)) == 1
    site.get("/none")
    assert site.get("/none", ("If-None-Match", '"x"')).status == 200


def test_a_date_will_do_as_well(site):
    old, new = "Sun, 06 Nov 1994 08:49:37 GMT", "Mon, 07 Nov 1994 08:49:37 GMT"
    site.put(a=says("public, max-age=60", ["Last-Modified", old]))
    site.get("/a")
    assert site.get("/a", ("If-Modified-Since", old)).status == 304
    assert site.get("/a", ("If-Modified-Since", new)).status == 304
    assert site.get("/a", ("If-Modified-Since", "Sat, 05 Nov 1994 08:49:37 GMT")).status == 200
    assert site.get("/a", ("If-Modified-Since", old), ("If-None-Match", '"x"')).status == 200
    assert len(site.asked("/a")) == 1
    assert x_cache(site.get("/a", ("If-Unmodified-Since", old))) == "bypass"


def test_cookies_are_taken_from_what_is_for_all_and_from_nothing_else(site):
    site.put(a=says("public, max-age=60", ["Set-Cookie", "a=1"]), mine=says("private", ["Set-Cookie", "a=1"]),
             shared=says("s-maxage=60", ["Set-Cookie", "a=1"]))
    assert [site.get("/a").all("Set-Cookie") for _ in range(2)] == [[], []]
    assert len(site.asked("/a")) == 1
    for path in ("/mine", "/shared"):
        assert [site.get(path).header("Set-Cookie")[:3] for _ in range(2)] == ["a=1"] * 2
        assert len(site.asked(path)) == 2


def test_what_was_asked_with_credentials_is_not_for_all(site):
    credentials = ("Authorization", "Basic eDp5")
    site.put(a=says("s-maxage=60"), b=says("max-age=60", ["CDN-Cache-Control", "max-age=60"]), c=public())
    assert caches(site, "/a", credentials) == caches(site, "/c", credentials) == ["miss", "hit", "hit"]
    assert caches(site, "/b", credentials) == ["miss"] * 3


def test_too_much_goes_through_untouched(atc):
    atc.start(pages_config(server={"max_cache_item_size": "10KiB"}))
    site = Site(atc, a=public("x" * 10240), b=public("x" * 10240, chunked=True), c=public("x" * 9000, chunked=True))
    for path in ("/a", "/b"):
        answers = [site.get(path) for _ in range(2)]
        assert [x_cache(each) for each in answers] == ["miss"] * 2
        assert all(each.body == b"x" * 10240 for each in answers)
    assert caches(site, "/c") == ["miss", "hit", "hit"]
    assert site.get("/c").header("Content-Length") == "9000"


def test_what_is_cut_is_not_stored(site):
    site.put(a=public("0123456789", cut=4))
    for _ in range(2):
        with pytest.raises(AssertionError):
            site.get("/a")
    site.put(a=public("whole"))
    assert x_cache(site.get("/a")) == "miss" and site.get("/a").body == b"whole"


def test_what_may_have_been_cut_is_not_stored_either(site):
    site.put(a=public("whole", bare=True))
    answers = [site.get("/a") for _ in range(2)]
    assert [answer.body for answer in answers] == [b"whole"] * 2
    assert [x_cache(answer) for answer in answers] == ["miss"] * 2
    assert "detail=no-length" in answers[1].header("Cache-Status")


def test_a_client_that_leaves_stores_nothing(site):
    site.put(a=public("x" * 500000, delay=0.3))
    with site.atc.wire() as wire:
        wire.send(b"GET %s/a HTTP/1.1\r\nHost: localhost\r\n\r\n" % site.prefix.encode())
        wait_until(lambda: site.asked("/a"), 5, "the tenant is asked")
    assert len(site.get("/a").body) == 500000


def test_no_memory_caches_nothing(atc):
    atc.start(pages_config(server={"cache_size": 0}))
    site = Site(atc, a=public())
    assert caches(site, "/a") == ["miss"] * 3
    assert site.get("/a").header("Cache-Status") == "fly-atc; fwd=bypass; detail=off"
    assert site.get("/a", ("Cache-Control", "only-if-cached")).status == 200
    assert atc.post(site.prefix + "/a", b"x").header("Cache-Status") == "fly-atc; fwd=method; detail=method"


def test_off_is_off(atc):
    atc.start(pages_config("off"))
    site = Site(atc, a=says("public, max-age=60", ["Set-Cookie", "a=1"]))
    for n in (1, 2):
        answer = site.get("/a")
        assert answer.body == b"answer %d" % n and not x_cache(answer) and not answer.header("Cache-Status")
        assert answer.header("Set-Cookie")


def test_settings_change_while_it_runs(atc):
    atc.start(pages_config())
    site = Site(atc, a=public(), b=says("max-age=60"))
    assert caches(site, "/a") == ["miss", "hit", "hit"]
    assert caches(site, "/b") == ["miss"] * 3
    atc.write_config(pages_config("rfc9111"))
    assert atc.cli("reload").returncode == 0
    assert caches(site, "/a") == ["hit"] * 3
    assert caches(site, "/b") == ["miss", "hit", "hit"]
    atc.write_config(pages_config("off"))
    assert atc.cli("reload").returncode == 0
    assert caches(site, "/a") == [None] * 3
    atc.write_config(pages_config())
    assert atc.cli("reload").returncode == 0
    assert caches(site, "/a") == ["miss", "hit", "hit"]


def test_the_log_says_how_it_went(site):
    site.put(a=public())
    site.get("/a")
    site.get("/a")
    site.ask("POST", "/a", body=b"x")
    wait_until(lambda: len(site.atc.requests_logged(path=site.prefix + "/a")) == 3, 5, "three lines")
    lines = site.atc.requests_logged(path=site.prefix + "/a")
    lines.sort(key=lambda line: ["miss", "hit", "bypass"].index(line["cache"]))
    assert [line["cache"] for line in lines] == ["miss", "hit", "bypass"]
    assert "upstream_ms" not in lines[1] and lines[1]["resp_content_length"] == 8


def test_what_the_tenant_says_of_caches_behind_it_stays(site):
    site.put(a=says("public, max-age=60", ["Cache-Status", "inner; hit"], ["X-Cache", "inner"], ["Age", "20"]))
    for age in (20, 20):
        answer = site.get("/a")
        assert answer.all("Cache-Status")[0] == "inner; hit" and x_cache(answer) in ("miss", "hit")
        assert int(answer.header("Age")) - age in range(0, 5)


def test_another_believed_host_or_scheme_is_another_page(site):
    site.put(a=public("$X-Forwarded-Host $X-Forwarded-Proto #"))
    plain = site.get("/a").body
    assert plain == b"localhost http 1"
    evil = site.get("/a", ("X-Forwarded-Host", "evil.example")).body
    assert evil == b"evil.example http 2"
    assert site.get("/a", ("X-Forwarded-Proto", "https")).body == b"localhost https 3"
    assert site.get("/a").body == plain


def test_nobody_else_can_choose_the_page(atc):
    atc.start(pages_config(server={"trusted_proxies": ["none"]}))
    site = Site(atc, a=public("$X-Forwarded-Host #"))
    assert site.get("/a", ("X-Forwarded-Host", "evil.example")).body == b"localhost 1"
    assert x_cache(site.get("/a")) == "hit"
