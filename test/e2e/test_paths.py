"""A path is normalised once; what was routed is what goes on; tricks are refused.
SPDX-License-Identifier: MIT
"""
import pytest

from atc import WINTER, knobs_config

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
    ("/%62ellevue/2025/winter/ech%6f", "/bellevue/2025/winter/echo"),
    ("/bellevue/2025/winter/%65cho?x=%65", "/bellevue/2025/winter/echo?x=%65"),
    ("/bellevue/2025/winter/x/%2e%2e/echo", "/bellevue/2025/winter/echo"),
    ("/bellevue/2025/winter/x/%2E./echo", "/bellevue/2025/winter/echo"),
])
def test_a_path_is_brought_into_normal_form(knobs, sent, seen):
    assert target_seen(knobs, sent) == seen


@pytest.mark.parametrize("tail", ["%20", "%C3%A4", "%3F", "%25", "a%3Ab", "a:b", "a;v=1", "a,b", "~a", "a+b", "(a)"])
def test_what_must_stay_encoded_stays_encoded(knobs, tail):
    assert knobs.get(WINTER + "/" + tail).text == "no such knob: %s/%s\n" % (WINTER, tail)


@pytest.mark.parametrize("path", [
    "/..", "/../x", "/bellevue/../../x", "/bellevue/2025/winter/../../../../etc/passwd",
    "/%2e%2e/x", "/bellevue/2025/winter/%2e%2e/%2e%2e/%2e%2e/%2e%2e/x", "/.%2e/x",
    "/bellevue%2f2025/winter/echo", "/bellevue/2025/winter/a%2Fb", "/bellevue/2025/winter/..%2f..%2fboston",
    "/bellevue/2025/winter/a%5cb", "/bellevue/2025/winter/a\\b", "/bellevue/2025/winter/..\\x", "/bellevue/2025/winter/%5C..%5C",
    "/bellevue/2025/winter/a%00b", "/bellevue/2025/winter/%00",
    "/bellevue/2025/winter/%zz", "/bellevue/2025/winter/%4", "/bellevue/2025/winter/%",
])
def test_a_path_that_climbs_out_or_hides_a_separator_is_400(knobs, path):
    response = knobs.get(path)
    assert (response.status, response.error) in ((400, "bad_path"), (400, "bad_request")), response


def test_an_encoded_percent_is_decoded_by_nobody(knobs):
    """%252e%252e is the name `%2e%2e`, not a way up."""
    response = knobs.get(WINTER + "/x/%252e%252e/echo")
    assert response.status == 404 and not response.error


def test_the_longest_path_wins_at_the_end_of_a_segment(knobs):
    for path, owner in (("/bellevue/2025/whoami", "2025"), ("/bellevue/2025/winter/whoami", "2025/winter"),
                        ("/bellevue/2025/winter/extra/whoami", "2025/winter/extra")):
        assert knobs.get(path).json()["name"] == owner
    assert knobs.get("/bellevue/2025/winterly").text == "no such knob: /bellevue/2025/winterly\n"


def test_a_tenants_path_without_its_final_slash_is_redirected(knobs):
    response = knobs.get(WINTER + "?a=1;b")
    assert response.status in (301, 307, 308)
    assert response.header("Location") == WINTER + "/?a=1;b"


def test_nobodys_path_is_404_and_wakes_nothing(atc):
    atc.start(knobs_config())
    for path in ("/", "/favicon.ico", "/bellevue", "/bellevue/2025", "/bellevue/2025/win", "/bellevue/2025/winterx/",
                 "/BELLEVUE/2025/winter/", "/boston/2025/april/", "/up"):
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
