"""What the application is told about the client, and what a client cannot make it believe.
SPDX-License-Identifier: MIT
"""
import re
import time

import pytest

from atc import WINTER, knobs_config
from waiting import wait_until


def seen(atc, sent=(), path=WINTER + "/echo", **more):
    """The headers that the application got, names in lower case."""
    response = atc.get(path, sent, **more)
    assert response.status == 200, response
    found = {}
    for name, value in response.json()["headers"]:
        found.setdefault(name.lower(), []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def test_a_direct_client_is_described(knobs):
    headers = seen(knobs, host="calendar.example.com")
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-host"] == "calendar.example.com"
    assert headers["x-forwarded-prefix"] == WINTER


def test_a_trusted_proxy_is_believed(knobs):
    headers = seen(knobs, [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https"),
                           ("X-Forwarded-Host", "public.example.com")])
    assert headers["x-forwarded-for"] == "203.0.113.7"
    assert headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-host"] == "public.example.com"


def test_each_forwarded_field_is_one_value(knobs):
    headers = seen(knobs, [("X-Forwarded-For", "6.6.6.6, 203.0.113.7"), ("X-Forwarded-Proto", "https, http"),
                           ("X-Forwarded-Host", "public.example.com, inner"), ("X-Forwarded-Port", "443"),
                           ("X-Forwarded-Port", "80"), ("X-Real-IP", "203.0.113.7, 10.0.0.1")])
    assert headers["x-forwarded-for"] == "203.0.113.7" and headers["x-forwarded-proto"] == "https"
    assert headers["x-forwarded-host"] == "public.example.com" and headers["x-forwarded-port"] == "443"
    assert "x-real-ip" not in headers


def test_names_with_underscores_reach_the_application_only_where_that_is_said(make_atc):
    """Servers read `X_User` as `X-User`, which somebody before us may have vouched for."""
    for said, sees in ((None, False), (True, True)):
        atc = make_atc()
        atc.start(knobs_config(server={} if said is None else {"underscores_in_headers": said}))
        headers = seen(atc, [("api_key", "1"), ("X-User", "ann"), ("X_User", "eve"), ("X_Forwarded_For", "6.6.6.6")])
        assert headers["x-user"] == "ann" and ("x_user" in headers) == ("api_key" in headers) == sees
        assert "x_forwarded_for" not in headers


def test_anybody_else_is_not_believed(atc):
    atc.start(knobs_config(server={"trusted_proxies": ["none"]}))
    headers = seen(atc, [("X-Forwarded-For", "6.6.6.6"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil"),
                         ("X-Real-IP", "6.6.6.6"), ("X-Forwarded-Port", "6"), ("X-Forwarded-Ssl", "on"),
                         ("Forwarded", "for=6.6.6.6"), ("Fly-Client-IP", "6.6.6.6"), ("X-Request-ID", "evil"),
                         ("X-Request-Start", "t=1")], host="honest")
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "http"
    assert headers["x-forwarded-host"] == "honest"
    assert "evil" not in str(headers) and "6.6.6.6" not in str(headers)
    assert not {"x-real-ip", "x-forwarded-port", "x-forwarded-ssl", "forwarded", "fly-client-ip"} & set(headers)
    assert headers["x-request-start"] != "t=1"


def test_the_list_of_trusted_proxies_takes_networks(atc):
    atc.start(knobs_config(server={"trusted_proxies": ["10.0.0.0/8", "127.0.0.0/30"]}))
    assert seen(atc, [("X-Forwarded-Proto", "https")])["x-forwarded-proto"] == "https"


@pytest.mark.parametrize("name", [
    "Script-Name", "SCRIPT_NAME", "X-Script-Name", "X-Forwarded-Prefix", "X-Sendfile-Type", "X-Accel-Mapping",
    "X_Forwarded_For", "X-Original-URL", "X-Rewrite-URL", "Proxy", "Forwarded",
])
def test_what_would_steer_the_application_in_our_name_is_dropped(knobs, name):
    value = "/forged-%s" % name
    headers = knobs.get(WINTER + "/echo", [(name, value)]).json()["headers"]
    assert value not in [text for _, text in headers]


def test_the_prefix_is_told_where_it_is_stripped(knobs):
    headers = seen(knobs)
    assert headers["x-script-name"] == WINTER and headers["x-forwarded-prefix"] == WINTER


def test_the_start_of_the_request_is_told_in_milliseconds(knobs):
    before = int(time.time() * 1000)
    match = re.fullmatch(r"t=(\d{13})", seen(knobs)["x-request-start"])
    assert before - 1000 <= int(match[1]) <= time.time() * 1000 + 1000
    assert seen(knobs, [("X-Request-Start", "t=1234567890123")])["x-request-start"] == "t=1234567890123"


def test_every_request_has_an_id(knobs):
    first, second = seen(knobs)["x-request-id"], seen(knobs)["x-request-id"]
    assert first != second and len(first) >= 16
    assert seen(knobs, [("X-Request-ID", "edge-42")])["x-request-id"] == "edge-42"


@pytest.mark.parametrize("bad", ["a\tb", "x" * 500, "a b\"c", "é"])
def test_an_id_that_could_harm_a_log_is_replaced(knobs, bad):
    assert seen(knobs, [("X-Request-ID", bad)])["x-request-id"] != bad


def test_forwarded_headers_can_be_switched_off_as_in_thruster(atc):
    atc.start(knobs_config(), env={"FORWARD_HEADERS": "false"})
    headers = seen(atc, [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "https")])
    assert (headers["x-forwarded-for"], headers["x-forwarded-proto"]) == ("127.0.0.1", "http")


def test_on_fly_the_edge_says_who_the_client_is(atc):
    atc.start(knobs_config(server={"trusted_proxies": ["127.0.0.0/8"]}), env={"FLY_MACHINE_ID": "148e45d7c20978", "FLY_REGION": "sea", "FLY_APP_NAME": "calendar"})
    headers = seen(atc, [("Fly-Request-Id", "01ABC-sea"), ("Fly-Client-IP", "203.0.113.9"), ("X-Forwarded-Proto", "https"),
                         ("X-Forwarded-For", "6.6.6.6, 203.0.113.9, 66.241.124.1")])
    assert headers["x-forwarded-for"] == "203.0.113.9"
    assert headers["x-forwarded-proto"] == "https"
    assert headers["fly-client-ip"] == "203.0.113.9"
    line = wait_until(lambda: [entry for entry in atc.requests_logged() if entry["path"].endswith("/echo")])[-1]
    assert line["remote_addr"].startswith("203.0.113.9")
