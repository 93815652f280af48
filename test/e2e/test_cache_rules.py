"""test_cache_rules.py - the cache as RFC 9111, 5861 and 9211 have it: age, validation, staleness, invalidation, ranges;
and what is ours: a tenant sleeps on, many that ask for the same are one.
SPDX-License-Identifier: MIT
"""
import json
import os
import re
import signal
import time

import pytest

from atc import Background, together
from pages import PUBLIC, Site, pages_config, public, says, x_cache
from waiting import holds_for, wait_until

FAR = "Fri, 31 Dec 2038 23:59:59 GMT"


@pytest.fixture
def site(atc):
    atc.start(pages_config("rfc9111"))
    return Site(atc)


def status_of(answer):
    return answer.header("Cache-Status")


def until_stale(site, path, *fields):
    """Waits until what is stored is not used as it is."""
    wait_until(lambda: "fwd=stale" in status_of(site.get(path, *fields)), 5, path + " is stale")


def test_age_is_told(site):
    site.put(a=says("max-age=60", ["Age", "30"]), old=says("max-age=60", ["Age", "61"]))
    assert site.get("/a").header("Age") == "30"
    wait_until(lambda: int(site.get("/a").header("Age")) >= 31, 5, "it gets older")
    ttl = int(re.search(r"; hit; ttl=(\d+)", status_of(site.get("/a")))[1])
    assert 20 <= ttl <= 29
    assert [x_cache(site.get("/old")) for _ in range(2)] == ["miss"] * 2


def test_freshness_comes_from_where_it_stands(site):
    date = ["Date", "Mon, 24 Nov 2025 00:00:00 GMT"]
    site.put(a={"headers": [["Expires", FAR]]}, b=says("max-age=0", ["Expires", FAR]),
             c=says("no-store", ["CDN-Cache-Control", "max-age=60"]), d=says("max-age=60", ["CDN-Cache-Control", "no-store"]),
             e=says("max-age=60", ["CDN-Cache-Control", "no-store"], ["Fly-Atc-Cache-Control", "max-age=60"]),
             f={"headers": [["Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"]]},
             g=says("max-age=60", date))
    for path, last in zip("abcdefg", ("hit", "miss", "hit", "miss", "hit", "hit", "miss")):
        assert [x_cache(site.get("/" + path)) for _ in range(2)] == ["miss", last], path
    assert not site.get("/e").header("Fly-Atc-Cache-Control")


def test_a_stale_response_is_validated_and_renewed(site):
    site.put(a=says("max-age=1", ["X-Kept", "old"], ["X-New", "old"], etag='"1"',
                    not_modified=[["Cache-Control", "max-age=600"], ["X-New", "new"]]))
    assert site.get("/a").body == b"answer 1"
    wait_until(lambda: len(site.asked("/a")) == 2 or not site.get("/a"), 5, "it is validated")
    assert site.asked("/a")[1]["headers"]["if-none-match"] == '"1"'
    answer = site.get("/a")
    assert answer.body == b"answer 1" and x_cache(answer) == "hit"
    assert (answer.header("X-Kept"), answer.header("X-New")) == ("old", "new")
    assert len(site.asked("/a")) == 2


def test_what_has_changed_takes_its_place(site):
    site.put(a=says("max-age=1", etag='"1"'))
    site.get("/a")
    site.put(a=says("max-age=600", etag='"2"'))
    until_stale(site, "/a")
    assert site.get("/a").body == b"answer 2"
    assert "; hit;" in status_of(site.get("/a"))


def test_the_client_s_own_conditions_are_kept_while_ours_are_asked(site):
    site.put(a=says("max-age=0", etag='"1"', not_modified=[["Cache-Control", "max-age=0"]], body="0123456789"))
    site.get("/a")
    answer = site.get("/a", ("If-None-Match", '"1"'))
    assert answer.status == 304 and "fwd=stale; fwd-status=304" in status_of(answer)
    answer = site.get("/a", ("If-None-Match", '"x"'), ("Range", "bytes=2-4"))
    assert answer.status == 206 and answer.body == b"234"
    assert [each["headers"].get("if-none-match") for each in site.asked("/a")] == [None, '"1"', '"1"']
    assert not any("range" in each["headers"] for each in site.asked("/a"))


def test_no_cache_is_asked_about_each_time_and_its_fields_are_not_kept(site):
    site.put(a=says("no-cache, max-age=60", etag='"1"'),
             b=says('no-cache="X-Mine", max-age=60', ["X-Mine", "secret"], ["X-All", "1"]))
    assert [site.get("/a").body for _ in range(3)] == [b"answer 1"] * 3
    assert len(site.asked("/a")) == 3
    assert site.get("/b").header("X-Mine") == "secret"
    answer = site.get("/b")
    assert x_cache(answer) == "hit" and not answer.header("X-Mine") and answer.header("X-All")


@pytest.mark.parametrize("directive", ["no-cache", "max-age=0", "min-fresh=600"])
def test_a_request_may_want_it_fresh(site, directive):
    site.put(a=says("max-age=600", ["Age", "10"]))
    site.get("/a")
    answer = site.get("/a", ("Cache-Control", directive))
    assert answer.body == b"answer 2" and "fwd=request" in status_of(answer)
    assert site.get("/a").body == b"answer 2"


def test_a_request_may_take_it_stale_or_only_from_here(site):
    site.put(a=says("max-age=1"), b=says("max-age=1, must-revalidate"))
    for path, body in (("/a", b"answer 1"), ("/b", b"answer 2")):
        site.get(path)
        time.sleep(1.2)
        assert site.get(path, ("Cache-Control", "max-stale")).body == body
    answer = site.get("/c", ("Cache-Control", "only-if-cached"))
    assert answer.status == 504 and answer.error == "not_cached"
    assert not site.asked("/c")
    site.get("/a", ("Cache-Control", "no-store"))
    assert site.get("/a", ("Cache-Control", "max-stale, only-if-cached")).body == b"answer 1"


def test_a_tenant_that_fails_is_covered_by_stale_if_error(site):
    page = says("max-age=1, stale-if-error=600", etag='"1"')
    site.put(a=page, b=says("max-age=1, must-revalidate, stale-if-error=600"))
    assert site.get("/a").body == site.get("/b").body == b"answer 1"
    site.put(a={**page, "status": 503, "etag": None}, b={"status": 503})
    time.sleep(1.2)
    answer = site.get("/a")
    assert (answer.status, answer.body, x_cache(answer)) == (200, b"answer 1", "hit")
    assert "fwd-status=503" in status_of(answer)
    assert site.get("/b").status == 503
    site.put(a={"close": True}, b={"close": True})
    assert site.get("/a").body == b"answer 1"
    assert site.get("/b").status == 502


def test_a_tenant_that_cannot_start_is_covered_too(atc):
    atc.start(pages_config())
    site = Site(atc, a=says("public, max-age=1, stale-if-error=600"))
    assert site.get("/a").body == b"answer 1"
    assert atc.cli("stop", site.name).returncode == 0
    broken = pages_config(start_timeout="2s", max_restarts=1)
    broken["app"]["command"] = ["/bin/false"]
    atc.write_config(broken)
    assert atc.cli("reload").returncode == 0
    time.sleep(1.2)
    assert site.get("/a").body == b"answer 1"
    assert site.get("/b").status in (502, 503)


def test_a_sleeping_tenant_sleeps_on(atc):
    atc.start(pages_config())
    site = Site(atc, a=public(etag='"1"'), stale=says("public, max-age=1, stale-while-revalidate=600"), gone=says(
        "public, max-age=1"))
    for path in ("/a", "/stale", "/gone"):
        site.get(path)
    assert atc.cli("stop", site.name).returncode == 0
    time.sleep(1.2)
    assert x_cache(site.get("/a")) == "hit"
    assert site.get("/a", ("If-None-Match", '"1"')).status == 304
    assert site.get("/a", ("Range", "bytes=0-1")).status == 206
    assert site.ask("HEAD", "/a").status == 200
    assert site.get("/stale").body == b"answer 1"
    assert atc.state(site.name) == "stopped"
    site.put(gone=public())
    assert site.get("/gone").body == b"answer 1" and x_cache(site.get("/gone")) == "hit"
    assert atc.state(site.name) == "running"


def test_what_may_be_stale_meanwhile_is_renewed_behind_the_client_s_back(site):
    page = says("max-age=1, stale-while-revalidate=600")
    site.put(a=page)
    site.get("/a")
    time.sleep(1.2)
    site.put(a={**says("max-age=600, stale-while-revalidate=600"), "until": "go"})
    answers = together(5, lambda _: site.get("/a"))
    site.allow("go")
    assert [answer.body for answer in answers] == [b"answer 1"] * 5
    assert all(re.search(r"; hit; ttl=(0|-)", status_of(answer)) for answer in answers)
    wait_until(lambda: len(site.asked("/a")) == 2, 5, "the tenant is asked")
    wait_until(lambda: site.get("/a").body == b"answer 2", 5, "it is renewed")
    assert len(site.asked("/a")) == 2
    wait_until(lambda: len(site.atc.requests_logged(tenant=site.name)) >= 7)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "PURGE"])
def test_a_change_is_noticed(site, method):
    site.put(a=public())
    site.get("/a")
    assert site.ask(method, "/a", body=b"x").status == 200
    assert site.get("/a").body == b"answer 3"


def test_a_change_that_failed_changes_nothing(site):
    site.put(a=public())
    site.get("/a")
    site.put(a=public(status=500))
    assert site.ask("POST", "/a", body=b"x").status == 500
    assert site.get("/a").body == b"answer 1"


def test_a_change_elsewhere_is_noticed_on_the_same_host(site):
    for field, value in (("Location", "/b"), ("Content-Location", "http://localhost%s/b" % site.prefix),
                         ("Location", "http://elsewhere/b")):
        site.put(b=public(), c={"status": 201, "headers": [[field, value]]})
        before = site.get("/b").body
        assert site.ask("POST", "/c", body=b"x").status == 201
        assert (site.get("/b").body == before) == ("elsewhere" in value), value


def test_parts_come_from_the_whole(site):
    site.put(a=says("max-age=60", ["Content-Type", "text/plain"], body="0123456789", etag='"1"'), long=says("max-age=60", [
        "Content-Type", "text/plain"], body="0123456789" * 100))
    site.get("/a")
    site.get("/long")
    for wanted, status, body in (("0-1", 206, b"01"), ("-3", 206, b"789"), ("7-", 206, b"789"), ("5-99", 206, b"56789"),
                                 ("10-", 416, b""), ("x", 200, b"0123456789")):
        answer = site.get("/a", ("Range", "bytes=" + wanted))
        assert (answer.status, answer.body, x_cache(answer)) == (status, body, "hit"), wanted
    assert site.get("/a", ("Range", "bytes=10-")).header("Content-Range") == "bytes */10"
    answer = site.get("/long", ("Range", "bytes=0-1,-2"))
    boundary = re.fullmatch(r"multipart/byteranges; boundary=(\S+)", answer.header("Content-Type"))[1]
    assert answer.body.decode().split("--" + boundary) == [
        "\r\n", *("\r\nContent-Type: text/plain\r\nContent-Range: bytes %s/1000\r\n\r\n%s\r\n" % part
                  for part in (("0-1", "01"), ("998-999", "89"))), "--\r\n"]
    assert site.get("/a", ("Range", "bytes=0-1"), ("If-Range", '"1"')).status == 206
    assert site.get("/a", ("Range", "bytes=0-1"), ("If-Range", '"2"')).status == 200
    assert site.ask("HEAD", "/a", ("Range", "bytes=0-1")).status == 200
    assert len(site.asked("/a")) == 1


def test_a_part_is_never_taken_for_the_whole(site):
    site.put(a=says("max-age=60", ["Content-Range", "bytes 0-1/10"], status=206, body="01"))
    assert site.get("/a", ("Range", "bytes=0-1")).status == 206
    answer = site.get("/a", ("Range", "bytes=0-1"))
    assert x_cache(answer) == "bypass" and "detail=status" in status_of(answer)
    assert len(site.asked("/a")) == 2


def ask_together(site, paths, clients):
    """So many at once for a path that nobody has asked for yet: the path, and their answers.

    For what nobody knows a client waits no longer than a second, in which a busy machine may not get them all together: then at
    the next path."""
    for n, path in enumerate(paths):
        began = time.monotonic()
        site.put(**{path: says("max-age=60", until="go%d" % n)})
        asked = [Background(site.get, path) for _ in range(clients)]
        wait_until(lambda: site.asked(path), what="the tenant is asked")
        holds_for(lambda: True, 0.2)
        site.allow("go%d" % n)
        took = time.monotonic() - began
        answers = [each.result() for each in asked]
        assert {answer.status for answer in answers} == {200}
        if took < 0.8:
            break
    return path, answers


def test_many_that_ask_for_the_same_are_one(site):
    path, answers = ask_together(site, ["/a%d" % n for n in range(10)], 20)
    assert {answer.body for answer in answers} == {b"answer 1"}
    assert len(site.asked(path)) == 1
    assert sorted(map(x_cache, answers)) == ["hit"] * 19 + ["miss"]
    assert sum("fwd=uri-miss; collapsed" in status_of(answer) for answer in answers) >= 5


def ask_twice(site, path):
    """Two at once for what is answered when both are there; True if one was kept waiting for the other first."""
    until = "go" + path.replace("/", "-")
    site.put(**{path: says("private", until=until)})
    asked = [Background(site.get, path) for _ in range(2)]
    wait_until(lambda: len(site.asked(path)) == 2, what="the tenant is asked by both")
    site.allow(until)
    assert {each.result().status for each in asked} == {200}
    lines = wait_until(lambda: [found for found in [site.atc.requests_logged(path=site.prefix + path)] if len(found) == 2],
                       what="both are logged")[0]
    return any(line["dur"] - line["upstream_ms"] >= 900 for line in lines)


def test_what_is_not_stored_at_one_path_is_not_waited_for_at_those_like_it(site):
    assert ask_twice(site, "/items/0")
    others = ["/items/%d" % n for n in range(1, 11)]
    assert sum(ask_twice(site, path) for path in others) < 5
    assert ask_twice(site, "/other/0")


def test_what_is_stored_at_one_path_is_waited_for_at_those_like_it_again(site):
    site.put(**{"/items/1": says("private"), "/items/2": says("max-age=60")})
    assert site.get("/items/1").status == 200 and site.get("/items/2").status == 200
    path, _ = ask_together(site, ["/items/%d" % n for n in range(3, 13)], 5)
    assert len(site.asked(path)) == 1


def test_who_brings_it_may_leave(site):
    """One of the others brings it then; it is waited for as above."""
    for n in range(10):
        path, began = "/a%d" % n, time.monotonic()
        site.put(**{path: says("max-age=60", until="go%d" % n)})
        with site.atc.wire() as wire:
            wire.send(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (site.prefix + path).encode())
            wait_until(lambda: site.asked(path), 5, "the tenant is asked")
            others = [Background(site.get, path) for _ in range(3)]
            time.sleep(0.1)
            wire.reset()
        wait_until(lambda: len(site.asked(path)) > 1, what="the tenant is asked by one of the others")
        site.allow("go%d" % n)
        took = time.monotonic() - began
        bodies = {other.result().body for other in others}
        if took < 0.8:
            break
    assert bodies == {b"answer 2"}


def test_nobody_waits_twice_for_what_cannot_be_stored(site):
    """Others may wait for the first answer; once that has shown that it is for one person only, all ask at once, and for good.

    Who waits does so for a second; on a busy machine all may be as late as that now and then, but not each time."""
    def all_ask(path, before, fields=lambda i: []):
        """Eight requests; how long after the first of them the tenant was asked by the last."""
        asked = [Background(site.get, path, *fields(i)) for i in range(8)]
        wait_until(lambda: len(site.asked(path)) > before, what="the first one asks")
        began = time.monotonic()
        wait_until(lambda: len(site.asked(path)) == before + 8, what="all of them ask")
        took = time.monotonic() - began
        for n in range(before + 1, before + 9):
            site.allow("%s%d" % (path[1:], n))
        assert {each.result().status for each in asked} == {200}
        return took
    site.put(a=says("private", until="a#"), b=says("private", until="b#"))
    site.allow("a1")
    assert site.get("/a").status == 200
    assert min(all_ask("/a", 1 + 8 * i) for i in range(5)) < 0.8
    assert min(all_ask("/b", 8 * i, lambda i: [("Cookie", "mine=%d" % i)]) for i in range(5)) < 0.8


def test_what_must_be_asked_about_each_time_is_asked_about_at_once(site):
    pages = {"a": says("no-cache", etag='"1"'), "b": says("max-age=0", etag='"1"')}
    site.put(**pages)
    for path in pages:
        site.get("/" + path)
    for path, page in pages.items():
        site.put(**{path: {**page, "until": "go-" + path}})
        asked = [Background(site.get, "/" + path) for _ in range(8)]
        wait_until(lambda path=path: len(site.asked("/" + path)) == 9, what="all of them ask before one is answered")
        site.allow("go-" + path)
        answers = [each.result() for each in asked]
        assert {answer.body for answer in answers} == {b"answer 1"} and len(site.asked("/" + path)) == 9


def test_many_that_ask_for_what_is_stale_are_one(site):
    page = says("max-age=1", etag='"1"', not_modified=[["Cache-Control", "max-age=600"]])
    site.put(a=page)
    site.get("/a")
    time.sleep(1.2)
    site.put(a={**page, "delay": 0.5})
    answers = together(10, lambda _: site.get("/a"))
    assert {answer.body for answer in answers} == {b"answer 1"}
    assert len(site.asked("/a")) == 2


def test_many_that_wake_a_tenant_are_one(atc):
    atc.start(pages_config())
    site = Site(atc, a=public(delay=0.2))
    answers = together(10, lambda _: site.get("/a"))
    assert {answer.body for answer in answers} == {b"answer 1"}
    assert len(site.asked("/a")) == 1


def test_what_is_cached_outlives_the_tenant_s_process_and_not_its_place(atc):
    users = {"bellevue": {"tenants": ["2025/winter", "2025/summer"]}}
    atc.start(pages_config(users=users))
    winter, summer = (Site(atc, "bellevue/2025/" + name, a=public(name + " #")) for name in ("winter", "summer"))
    assert (winter.get("/a").body, summer.get("/a").body) == (b"winter 1", b"summer 1")
    assert atc.cli("restart", winter.name).returncode == 0
    assert x_cache(winter.get("/a")) == "hit"
    atc.write_config(pages_config(users={"bellevue": {"tenants": ["2025/summer"]}}))
    assert atc.cli("reload").returncode == 0
    assert winter.get("/a").status == 404
    assert x_cache(summer.get("/a")) == "hit"
    atc.write_config(pages_config(users=users))
    assert atc.cli("reload").returncode == 0
    assert x_cache(winter.get("/a")) == "miss"


def test_the_cache_is_shown_and_purged(atc):
    users = {"bellevue": {"tenants": ["2025/winter", "2025/summer"]}}
    atc.start(pages_config(users=users))
    winter, summer = (Site(atc, "bellevue/2025/" + name, a=public("x" * 1000), b=public()) for name in (
        "winter", "summer"))
    for site in (winter, summer):
        for path in ("/a", "/a", "/a?x", "/b"):
            site.get(path)
    shown = json.loads(atc.cli("cache", "--json").stdout)
    assert (shown["entries"], shown["hits"], shown["misses"]) == (6, 2, 6)
    assert [each["id"] for each in shown["tenants"]] == [summer.name, winter.name]
    assert 5000 < shown["bytes"] < 10000 and shown["size"] == 64 << 20
    text = atc.cli("cache").stdout
    assert re.search(r"winter .* 3 +1 +3 +25%", text) and "server.cache is thruster" in text
    purged = atc.cli("cache", "purge", winter.name, winter.prefix + "/a")
    assert (purged.returncode, purged.stdout) == (0, "2 entries forgotten\n")
    assert [x_cache(winter.get(path)) for path in ("/a", "/b")] == ["miss", "hit"]
    assert x_cache(summer.get("/a")) == "hit"
    assert atc.cli("cache", "purge", winter.name).stdout == "2 entries forgotten\n"
    assert x_cache(winter.get("/b")) == "miss"
    assert "no tenant" in atc.cli("cache", "purge", "nobody").stderr
    assert atc.cli("cache", "drop").returncode == 2


def test_a_purge_that_a_new_proxy_hears_before_it_has_its_configuration_is_answered(atc):
    atc.start(pages_config())
    atc.proxy_may_change = True
    os.kill(atc.proxy_pid(), signal.SIGKILL)
    for _ in range(100):
        assert atc.control_json("POST", "/v1/tenants/bellevue/2025/winter/purge") == {"purged": 0}
    wait_until(lambda: atc.status()["proxy"]["pid"])
    assert atc.get("/up").status and atc.status()["proxy"]["restarts"] == 1


def test_a_crash_of_the_proxy_empties_the_cache_and_nothing_else(atc):
    atc.start(pages_config())
    site = Site(atc, a=public())
    assert [x_cache(site.get("/a")) for _ in range(2)] == ["miss", "hit"]
    atc.proxy_may_change = True
    os.kill(atc.proxy_pid(), signal.SIGKILL)
    wait_until(lambda: atc.proxy_pid() not in (None, atc.first_proxy), 5, "there is another proxy")
    assert [x_cache(site.get("/a")) for _ in range(2)] == ["miss", "hit"]
    shown = json.loads(atc.cli("cache", "--json").stdout)
    assert (shown["entries"], shown["hits"]) == (1, 2)


def test_a_file_that_the_application_names_is_kept_like_what_it_sends_itself(site):
    file = site.atc.tenant_dir(site.name) / "page.html"
    file.write_text("from a file")
    site.put(a=says("max-age=60", ["X-Sendfile", str(file)], body=""), b=says("private", ["X-Sendfile", str(file)], body=""))
    for path, last in (("/a", "hit"), ("/b", "miss")):
        answers = [site.get(path) for _ in range(2)]
        assert [x_cache(answer) for answer in answers] == ["miss", last]
        assert {answer.body for answer in answers} == {b"from a file"}
        assert not any(answer.header("X-Sendfile") for answer in answers)
    part = site.get("/a", ("Range", "bytes=0-3"))
    assert (part.status, part.body) == (206, b"from")
    assert len(site.asked("/a")) == 1 and len(site.asked("/b")) == 2


def test_what_was_forgotten_while_it_was_confirmed_is_still_an_answer(site):
    page = says("max-age=0", etag='"1"', not_modified=[["Cache-Control", "max-age=0"]])
    site.put(a=page)
    site.get("/a")
    site.put(a={**page, "delay": 0.5})
    asked = Background(site.get, "/a")
    wait_until(lambda: len(site.asked("/a")) == 2, 5, "the tenant is asked")
    assert site.atc.cli("cache", "purge", site.name).returncode == 0
    answer = asked.result()
    assert (answer.status, answer.body) == (200, b"answer 1")
    assert json.loads(site.atc.cli("cache", "--json").stdout)["entries"] == 0


@pytest.mark.parametrize("control,told", [
    ("public, max-age=600, s-maxage=900, immutable", "private, max-age=600"), ('private="X-Y", no-cache', "private, no-cache"),
    (None, "private")])
def test_what_was_found_by_the_asking_page_is_for_nobody_else_s(site, control, told):
    """The URL does not say whose it is: another tenant's page may ask for the same."""
    site.put(icon={"headers": [["Cache-Control", control]] * bool(control) + [["CDN-Cache-Control", "max-age=600"]]})
    direct = site.get("/icon")
    assert (direct.header("Cache-Control"), direct.header("CDN-Cache-Control")) == (control, "max-age=600")
    assert "Referer" not in direct.header("Vary", "")
    for _ in range(2): # from the tenant, from the cache
        answer = site.atc.get("/icon", [("Referer", "http://localhost%s/page" % site.prefix)])
        assert answer.status == 200 and answer.header("Cache-Control") == told
        assert answer.header("CDN-Cache-Control") is None and "Referer" in answer.all("Vary")


# --- what tenants and clients may not make of it ---

def numbered(number, many):
    return [["X-%d-%d" % (number, i), "v"] for i in range(many)]


@pytest.mark.parametrize("mode", ["thruster", "rfc9111"])
def test_what_is_stored_does_not_grow_with_each_304(atc, mode):
    atc.start(pages_config(mode))
    site = Site(atc)
    for number in range(30):
        site.put(a=public(etag='"1"', not_modified=[PUBLIC, *numbered(number, 100)]))
        answer = site.get("/a", ("Cache-Control", "no-cache"))
        assert answer.status == 200 and len(answer.headers) <= 128 + 8, number
    assert "; detail=too-large" in status_of(answer) or x_cache(site.get("/a")) == "hit"


def test_what_a_304_lets_grow_too_long_is_stored_no_longer(atc):
    atc.start(pages_config("thruster", server={"max_header_bytes": "8KiB"}))
    site = Site(atc, a=public(etag='"1"', not_modified=[PUBLIC, ["X-1", "a" * 6000]]))
    site.get("/a")
    assert site.get("/a", ("Cache-Control", "no-cache")).header("X-1") == "a" * 6000
    assert x_cache(site.get("/a")) == "hit"
    site.put(a=public(etag='"1"', not_modified=[PUBLIC, ["X-2", "a" * 6000]]))
    answer = site.get("/a", ("Cache-Control", "no-cache"))
    assert answer.body == b"answer 1" and "; fwd-status=304; detail=too-large" in status_of(answer)
    answer = site.get("/a")
    assert answer.header("X-1") is None and x_cache(answer) == "miss"


@pytest.mark.parametrize("mode,not_modified,why", [
    ("thruster", [["Cache-Control", "private"]], "private"),
    ("thruster", [["Cache-Control", "max-age=600"]], "not-public"),
    ("thruster", [["Cache-Control", "s-maxage=600"], ["Set-Cookie", "who=first"]], "set-cookie"),
    ("thruster", [PUBLIC, ["Vary", "Cookie"]], "vary"),
    ("rfc9111", [["Cache-Control", "no-store"]], "no-store"),
    ("rfc9111", [["Cache-Control", "private"], ["Set-Cookie", "who=first"]], "private"),
    ("rfc9111", [PUBLIC, ["Vary", "*"]], "vary"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_what_a_304_makes_one_person_s_is_nobody_else_s(atc, mode, not_modified, why):
    atc.start(pages_config(mode))
    site = Site(atc, a=public(etag='"1"', not_modified=not_modified))
    site.get("/a")
    mine = site.get("/a", ("Cache-Control", "no-cache"), ("Cookie", "who=first"))
    assert mine.status == 200 and "; fwd-status=304; detail=" + why in status_of(mine)
    for name, value in not_modified:
        assert value in mine.all(name)
    other = site.get("/a")
    assert x_cache(other) == "miss" and other.header("Set-Cookie") is None


def test_a_cookie_in_a_304_does_not_stay_with_what_is_for_all(atc):
    atc.start(pages_config("thruster"))
    site = Site(atc, a=public(etag='"1"', not_modified=[PUBLIC, ["Set-Cookie", "who=first"]]))
    site.get("/a")
    assert site.get("/a", ("Cache-Control", "no-cache")).body == b"answer 1"
    answer = site.get("/a")
    assert x_cache(answer) == "hit" and answer.header("Set-Cookie") is None


def test_a_304_to_one_who_wants_nothing_stored_changes_nothing(site):
    site.put(a=says("max-age=600", etag='"1"', not_modified=[["Cache-Control", "max-age=600"], ["X-New", "1"]]))
    site.get("/a")
    assert site.get("/a", ("Cache-Control", "no-cache, no-store")).header("X-New") == "1"
    answer = site.get("/a")
    assert x_cache(answer) == "hit" and answer.header("X-New") is None


@pytest.mark.parametrize("limit", [128, 256])
def test_a_request_may_have_as_many_lines_as_are_allowed(atc, limit):
    """What is looked at again later - a file's conditions, what varies, what is to be validated - has our own lines besides."""
    atc.start(pages_config("rfc9111", server={"max_headers": limit}))
    file = atc.tenant_dir("bellevue/2025/winter") / "f.txt"
    site = Site(atc, vary=says("max-age=60", ["Vary", "X-1"]), val=says("max-age=0", etag='"1"', not_modified=[]),
                file={"file": str(file)})
    file.write_text("file")
    for path, body in (("/vary", b"answer 1"), ("/val", b"answer 1"), ("/file", b"file")):
        for many in (limit - 2, limit - 2, limit - 7, limit - 12): # Host and Connection come besides
            answer = site.get(path, *(("X-%d" % i, "1") for i in range(many)))
            assert (answer.status, answer.body) == (200, body), (path, many)
