"""An application that knows no prefix: stripped on the way in, put back on the way out.
SPDX-License-Identifier: MIT
"""
from urllib.parse import quote

import pytest

from atc import WINTER, knobs_config

APRIL = "/boston/2025/april"
KNOBS = {"users": {"bellevue": {"tenants": ["2025/winter"]}, "boston": {"tenants": ["2025/april"]}}}


def redirected(knobs, to, header="Location", host="localhost", **more):
    return knobs.get(WINTER + "/redirect?to=%s&header=%s" % (quote(to, safe=""), header), host=host, **more).header(header)


@pytest.mark.parametrize("sent, seen", [
    ("/", WINTER + "/"),
    ("/posts", WINTER + "/posts"),
    ("/posts?a=1#b", WINTER + "/posts?a=1#b"),
    ("posts", "posts"),
    ("../x", "../x"),
    ("?page=2", "?page=2"),
    ("#top", "#top"),
    (WINTER + "/posts", WINTER + "/posts"),
    (WINTER, WINTER),
    (WINTER + "ly", WINTER + WINTER + "ly"),
    ("http://localhost/posts", "http://localhost%s/posts" % WINTER),
    ("https://LOCALHOST/posts", "https://LOCALHOST%s/posts" % WINTER),
    ("http://localhost%s/posts" % WINTER, "http://localhost%s/posts" % WINTER),
    ("http://localhost", "http://localhost%s" % WINTER),
    ("https://example.com/posts", "https://example.com/posts"),
    ("//example.com/posts", "//example.com/posts"),
    ("//localhost/posts", None),
    ("mailto:a@b.c", "mailto:a@b.c"),
    ("http://localhost@evil.com/x", "http://localhost@evil.com/x"),
    ("http://localhost.evil.com/x", "http://localhost.evil.com/x"),
])
def test_a_location_is_put_below_the_prefix_once(knobs, sent, seen):
    got = redirected(knobs, sent)
    if seen is None:
        assert got in (sent, "//localhost%s/posts" % WINTER)
    elif sent == "http://localhost":
        assert got in (seen, seen + "/", sent)
    else:
        assert got == seen


def test_the_port_belongs_to_the_host(knobs):
    assert redirected(knobs, "http://calendar.test:8080/x", host="calendar.test:8080") == "http://calendar.test:8080%s/x" % WINTER
    assert redirected(knobs, "http://calendar.test:9999/x", host="calendar.test:8080") == "http://calendar.test:9999/x"


@pytest.mark.parametrize("header, sent, seen", [
    ("Content-Location", "/doc", WINTER + "/doc"),
    ("Refresh", "5; url=/next", "5; url=%s/next" % WINTER),
    ("Refresh", "0;URL='/next'", "0;URL='%s/next'" % WINTER),
    ("Refresh", "5", "5"),
    ("Link", "</a.css>; rel=preload, <b.css>; rel=next, <https://x.test/c>; rel=up",
     "<%s/a.css>; rel=preload, <b.css>; rel=next, <https://x.test/c>; rel=up" % WINTER),
    ("Link", '</a>; title="</not-a-link>"', '<%s/a>; title="</not-a-link>"' % WINTER),
    ("HX-Redirect", "/login", WINTER + "/login"),
    ("HX-Location", "/login", WINTER + "/login"),
    ("HX-Location", '{"path":"/login","target":"#main"}', '{"path":"%s/login","target":"#main"}' % WINTER),
    ("HX-Push-Url", "/posts/1", WINTER + "/posts/1"),
    ("HX-Push-Url", "false", "false"),
    ("HX-Replace-Url", "/posts/1", WINTER + "/posts/1"),
    ("Turbo-Location", "http://localhost/posts", "http://localhost%s/posts" % WINTER),
    ("Turbolinks-Location", "/posts", WINTER + "/posts"),
    ("X-Inertia-Location", "/posts", WINTER + "/posts"),
    ("X-PJAX-URL", "/posts", WINTER + "/posts"),
    ("X-Up-Location", "/posts", WINTER + "/posts"),
    ("SourceMap", "/app.js.map", WINTER + "/app.js.map"),
    ("X-SourceMap", "/app.js.map", WINTER + "/app.js.map"),
    ("Service-Worker-Allowed", "/", WINTER + "/"),
    ("X-Other", "/untouched", "/untouched"),
])
def test_other_headers_with_addresses_are_rewritten_too(knobs, header, sent, seen):
    assert redirected(knobs, sent, header) == seen


def test_places_that_a_webdav_client_names_are_those_that_the_application_knows(knobs):
    sent = [("Destination", "http://localhost%s/a/new" % WINTER), ("If", "<http://localhost%s/a> (<urn:x>)" % WINTER)]
    headers = dict(knobs.ask("MOVE", WINTER + "/echo", sent).json()["headers"])
    assert headers["Destination"] == "http://localhost/a/new" and headers["If"] == "<http://localhost/a> (<urn:x>)"
    elsewhere = "http://localhost%s/a/new" % APRIL
    headers = dict(knobs.ask("MOVE", WINTER + "/echo", [("Destination", elsewhere)]).json()["headers"])
    assert headers["Destination"] == elsewhere


def test_early_hints_are_rewritten_too(knobs):
    assert knobs.get(WINTER + "/hints").interim[0].header("Link") == "<%s/style0.css>; rel=preload; as=style" % WINTER


@pytest.mark.parametrize("path, seen", [("/", (WINTER, WINTER + "/")), ("/admin", (WINTER + "/admin",)), (WINTER, (WINTER,)),
                                        (WINTER + "/x", (WINTER + "/x",))])
def test_a_cookie_belongs_to_its_tenant(knobs, path, seen):
    value = knobs.get(WINTER + "/cookie?path=" + path).header("Set-Cookie")
    assert value.startswith("session=1;") and value.lower().partition("path=")[2] in seen


def test_attributes_of_a_cookie_stay(knobs):
    sent = "sid=a%3Db; Expires=Wed, 21 Oct 2037 07:28:00 GMT; Path=/; HttpOnly; SameSite=Lax; Secure"
    value = knobs.get(WINTER + "/set?h=" + quote("Set-Cookie:" + sent, safe="")).header("Set-Cookie")
    assert value.replace("Path=%s/" % WINTER, "Path=/").replace("Path=" + WINTER, "Path=/") == sent


def test_each_of_several_cookies_is_scoped(knobs):
    query = "&".join("h=" + quote("Set-Cookie:c%d=1; Path=/" % i, safe="") for i in range(3))
    values = knobs.get(WINTER + "/set?" + query).all("Set-Cookie")
    assert len(values) == 3 and all(WINTER in value for value in values)


def test_in_pass_mode_the_path_goes_through_and_cookies_are_scoped(atc):
    atc.start(knobs_config(prefix="pass", env={"KNOBS_PREFIX": WINTER}))
    assert atc.get(WINTER + "/echo").json()["target"] == WINTER + "/echo"
    assert WINTER in atc.get(WINTER + "/cookie").header("Set-Cookie")
    assert atc.get(WINTER + "/redirect?to=%s/x" % WINTER).header("Location") == WINTER + "/x"
    assert atc.get(WINTER + "/redirect?to=/elsewhere").header("Location") == "/elsewhere"


# --- root paths that pages ask for ---

PAGE = [("Referer", "http://localhost%s/page" % WINTER)]


def test_a_root_path_asked_by_a_tenants_page_goes_to_that_tenant(knobs):
    knobs.get(APRIL + "/up")
    for prefix in (WINTER, APRIL):
        seen = knobs.get("/whoami", [("Referer", "http://localhost%s/some/page?x=1" % prefix)])
        assert seen.status == 200 and seen.json()["scope"] == prefix


@pytest.mark.parametrize("method, headers", [
    ("GET", []),
    ("GET", [("Referer", "http://evil.example.com%s/page" % WINTER)]),
    ("GET", [("Referer", "http://localhost/")]),
    ("GET", [("Referer", "http://localhost/nobody/x")]),
    ("GET", [("Referer", "nonsense")]),
    ("GET", [("Referer", "http://localhost:1%s/" % WINTER)]),
    ("POST", PAGE),
    ("PUT", PAGE),
    ("DELETE", PAGE),
])
def test_a_root_path_goes_nowhere_otherwise(knobs, method, headers):
    response = knobs.ask(method, "/echo", headers, b"" if method in ("POST", "PUT") else None)
    assert (response.status, response.error) == (404, "not_found")


def test_a_path_of_another_tenant_is_never_taken_by_referer(knobs):
    seen = knobs.get(APRIL + "/whoami", PAGE).json()
    assert seen["scope"] == APRIL


def test_a_cookie_set_by_referer_is_scoped_too(knobs):
    assert WINTER in knobs.get("/cookie", PAGE).header("Set-Cookie")


def test_a_websocket_at_the_root_finds_its_tenant_where_there_is_only_one(atc):
    """Browsers send no Referer with a handshake, only Origin."""
    atc.start(knobs_config())
    with atc.wire().websocket("/ws", [("Origin", "http://localhost")]) as wire:
        assert wire.send_frame("x").message() == "x"


def test_a_websocket_at_the_root_with_a_referer_finds_its_tenant(knobs):
    with knobs.wire().websocket("/ws", PAGE) as wire:
        assert wire.send_frame("x").message() == "x"


def test_an_ambiguous_websocket_at_the_root_is_refused(knobs):
    with knobs.wire() as wire:
        wire.request("GET", "/ws", [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Origin", "http://localhost"),
                                    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13")])
        assert wire.response().status == 404
