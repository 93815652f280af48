"""A path is normalised once; what was routed is what goes on; tricks are refused.
SPDX-License-Identifier: MIT
"""
import pytest

from atc import KNOBS_COMMAND, WINTER, bound_socket, knobs_config
from h2wire import H2Wire
from pages import Site, pages_config, public
from waiting import wait_until

KNOBS = {"prefix": "pass", "env": {"KNOBS_PREFIX": "/${tenant.id}"},
         "users": {"bellevue": {"tenants": ["2025/winter", "2025/winter/extra", "2025"]}}}


def target_seen(knobs, path):
    response = knobs.get(path)
    assert response.status == 200, response
    return response.json()["target"]


@pytest.mark.parametrize("sent, seen", [
    ("/bellevue/2025/winter/echo", "/bellevue/2025/winter/echo"),
    ("/bellevue/2025/winter/./echo", "/bellevue/2025/winter/echo"),
    ("/bellevue/2025/winter/x/../echo", "/bellevue/2025/winter/echo"),
    ("/bellevue/x/../2025/winter/echo", "/bellevue/2025/winter/echo"),
    ("/bellevue//2025/winter///echo", "/bellevue/2025/winter/echo"),
    ("//bellevue/2025/winter/echo", "/bellevue/2025/winter/echo"),
    ("/%62ellevue/2025/winte%72/echo", "/bellevue/2025/winter/echo"),
    ("/bellevue/2025/winter/echo?x=%65", "/bellevue/2025/winter/echo?x=%65"),
    ("/bellevue/2025/winter/x/%2e%2e/echo", "/bellevue/2025/winter/echo"),
    ("/bellevue/2025/winter/x/%2E./echo", "/bellevue/2025/winter/echo"),
])
def test_what_decides_the_tenant_is_brought_into_normal_form(knobs, sent, seen):
    assert target_seen(knobs, sent) == seen


TAILS = ["%20", "%C3%A4", "%c3%a4", "%3F", "%25", "a%3Ab", "a:b", "a;v=1", "a,b", "~a", "a+b", "(a)", "%65x", "%7e", "a%2Fb",
         "@scope%2fname", "DOMAIN%5cname", "unsafe/300x200/https://host/a.png", "a//b/", "https%3A%2F%2Fhost%2F"]


@pytest.mark.parametrize("tail", TAILS)
def test_below_the_tenant_a_path_is_sent_byte_by_byte(knobs, tail):
    assert knobs.get(WINTER + "/" + tail).text == "no such knob: %s/%s\n" % (WINTER, tail)


def test_a_path_is_sent_byte_by_byte_where_the_prefix_is_taken_off_too(atc):
    atc.start(knobs_config(prefix="strip", server={"h2c_enabled": True}))
    with H2Wire(("127.0.0.1", atc.port)) as wire:
        for tail in TAILS:
            expected = "no such knob: /%s\n" % tail
            assert atc.get(WINTER + "/" + tail).text == expected
            assert wire.ask("GET", WINTER + "/" + tail).text == expected
    assert atc.get("//bellevue///2025/winter//" + TAILS[-3]).text == "no such knob: /%s\n" % TAILS[-3]


def test_a_single_application_gets_the_path_as_it_came(atc):
    with bound_socket() as port:
        target = str(port.getsockname()[1])
    atc.start(command=KNOBS_COMMAND, env={"TARGET_PORT": target, "KNOBS_DIR": str(atc.home)})
    wait_until(lambda: atc.get("/up").status == 200)
    for path in ("/@scope%2Fname", "/a//b", "/%61", "/a%5Cb"):
        assert atc.get(path).text == "no such knob: %s\n" % path
    assert atc.get("//host/a").text == "no such knob: /host/a\n"


def test_other_spellings_are_other_entries_of_the_cache(atc):
    """An application may tell `a//b` from `a/b`: what was stored for the one is not the other."""
    atc.start(pages_config())
    tails = ["/a%2Fb", "/a/b", "/a//b", "/a%2fb"]
    site = Site(atc, **{tail[1:]: public(tail) for tail in tails})
    for _ in range(2):
        assert [site.get(tail).text for tail in tails] == tails
    assert len(site.asked()) == len(tails)


def test_a_file_of_public_is_found_by_no_escaped_separator(atc):
    public_dir = atc.home / "public"
    (public_dir / "secret").mkdir(parents=True)
    (public_dir / "secret" / "file.txt").write_text("secret")
    (public_dir / "open.txt").write_text("open")
    atc.start(knobs_config(public=str(public_dir), public_exclude=["/secret/*"]))
    assert atc.get(WINTER + "/open.txt").text == "open"
    for tail in ("/secret/file.txt", "/secret%2ffile.txt", "/secret%2Ffile.txt", "/x%2f..%2fsecret/file.txt"):
        assert "no such knob" in atc.get(WINTER + tail).text


@pytest.mark.parametrize("path", [
    "/..", "/../x", "/bellevue/../../x", "/bellevue/2025/winter/../../../../etc/passwd",
    "/%2e%2e/x", "/bellevue/2025/winter/%2e%2e/%2e%2e/%2e%2e/%2e%2e/x", "/.%2e/x", "/bellevue/2025/winter/a//../b",
    "/bellevue%2f2025/winter/echo", "/bellevue/2025%2Fwinter", "/bellevue/2025/winter/..%2f..%2fboston",
    "/bellevue/2025/winter/..%2Fsummer", "/bellevue/2025/winter/..%5Csummer", "/bellevue/2025/winter%2fextra/x",
    "/bellevue/2025/winter/a\\b", "/bellevue/2025/winter/..\\x", "/bellevue/2025/winter/%5C..%5C",
    "/bellevue/2025/winter/a%00b", "/bellevue/2025/winter/%00",
    "/bellevue/2025/winter/%zz", "/bellevue/2025/winter/%4", "/bellevue/2025/winter/%",
])
def test_a_path_that_climbs_out_or_could_be_somebody_elses_is_400(knobs, path):
    response = knobs.get(path)
    assert (response.status, response.error) in ((400, "bad_path"), (400, "bad_request")), response


def test_the_log_says_which_byte_of_a_path_is_wrong(knobs):
    assert knobs.get(WINTER + "/abc%zz").error == "bad_path"
    knobs.wait_log("byte %d of the path" % len(WINTER + "/abc%"))


def test_an_encoded_percent_is_decoded_by_nobody(knobs):
    """%252e%252e is the name `%2e%2e`, not a way up."""
    response = knobs.get(WINTER + "/x/%252e%252e/echo")
    assert response.status == 404 and not response.error


def test_the_longest_path_wins_at_the_end_of_a_segment(knobs):
    for path, owner in (("/bellevue/2025/whoami", "2025"), ("/bellevue/2025/winter/whoami", "2025/winter"),
                        ("/bellevue/2025/winter/extra/whoami", "2025/winter/extra")):
        assert knobs.get(path).json()["name"] == owner
    assert knobs.get("/bellevue/2025/winterly").text == "no such knob: /bellevue/2025/winterly\n"


BROWSER = [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_browser_at_a_tenants_path_without_its_final_slash_is_redirected(knobs, method):
    response = knobs.ask(method, WINTER + "?a=1;b", BROWSER)
    assert response.status == 308
    assert response.header("Location") == WINTER + "/?a=1;b"


@pytest.mark.parametrize("prefix, seen", [("pass", "no such knob: %s?a=1\n" % WINTER), ("strip", "<h1>knobs")])
def test_a_program_at_a_tenants_path_without_its_final_slash_is_served(atc, prefix, seen):
    """A clone of a repository and a PROPFIND do not follow redirects."""
    atc.start(knobs_config(prefix=prefix))
    for method, fields in (("GET", []), ("POST", BROWSER), ("PROPFIND", [("Accept", "*/*")])):
        for path in (WINTER, "/%62ellevue/2025//winter"):
            response = atc.ask(method, path + "?a=1", fields)
            assert seen in response.text and response.header("Location") is None, response


def test_a_health_check_of_the_machine_is_answered_by_ourselves(make_atc):
    atc = make_atc()
    atc.start(knobs_config())
    for method in ("GET", "HEAD"):
        assert atc.ask(method, "/up").status == 200
    assert atc.get("/up/").status == 404 and atc.get("/upward").status == 404
    assert atc.boots() == [] and atc.state() in ("absent", "stopped")
    assert atc.get(WINTER + "/up").text == "up\n"


def test_the_path_of_the_health_check_can_be_another_one_or_none_and_a_tenants_own_comes_first(make_atc):
    other, none, owned = make_atc(), make_atc(), make_atc()
    other.start(knobs_config(server={"health_path": "/healthz"}))
    none.start(knobs_config(server={"health_path": ""}))
    owned.start(knobs_config({"up": {"prefix": "pass"}}, env={"KNOBS_PREFIX": "/up"}))
    assert (other.get("/healthz").status, other.get("/up").status) == (200, 404)
    assert none.get("/up").status == 404
    assert "<h1>knobs" in owned.get("/up").text


def test_a_path_of_the_health_check_that_no_request_can_have_is_a_fault(atc):
    for path in ("up", "/up?full=1", "/a/../up", "/./up", "/up//", "//up", "/%75p", "/u p"):
        atc.write_config({"server": {"health_path": path}, "users": {"bellevue": None}})
        done = atc.cli("check", "-c", str(atc.config_file))
        assert done.returncode == 2 and "health_path" in done.stderr, (path, done)
    for path in ("/", "/up/", "/-/health.json"):
        atc.start(knobs_config(server={"health_path": path}))
        assert atc.get(path).status == 200, path
        atc.stop()


def test_nobodys_path_is_404_and_wakes_nothing(atc):
    atc.start(knobs_config())
    for path in ("/", "/favicon.ico", "/bellevue", "/bellevue/2025", "/bellevue/2025/win", "/bellevue/2025/winterx/",
                 "/BELLEVUE/2025/winter/", "/boston/2025/april/", "/down"):
        response = atc.get(path)
        assert (response.status, response.error) == (404, "not_found"), path
    assert atc.boots() == [] and atc.state() in ("absent", "stopped")


def test_a_tenant_may_have_a_host_of_its_own(atc):
    atc.start(knobs_config({"bellevue": {"tenants": {"2025/winter": {"host": "bellevue.example.com"}, "2025/summer": None}}}))
    seen = atc.get("/echo?x=1", host="Bellevue.Example.COM:8080").json()
    assert seen["target"] == "/echo?x=1"
    assert atc.get("/echo", host="other.example.com").status == 404
    assert atc.get("/bellevue/2025/summer/whoami").status == 200


def test_a_user_may_have_a_host_of_its_own(atc):
    atc.start(knobs_config({"bellevue": {"host": "bellevue.example.com", "tenants": ["2025/winter", "2025/summer"]},
                            "boston": {"tenants": ["2025/april"]}}))
    boots = {}
    for name in ("winter", "summer"):
        for prefix in ("", "/bellevue"):
            response = atc.get("%s/2025/%s/whoami" % (prefix, name), host="bellevue.example.com")
            if response.status == 200:
                boots[name] = response.json()["pid"]
    assert len(set(boots.values())) == 2, boots
