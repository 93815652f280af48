"""The page at / with links to the tenants: there where the operator wants it, and nowhere else.
SPDX-License-Identifier: MIT
"""
import re

from atc import WINTER, knobs_config
from h2wire import H2Wire

USERS = {"bellevue": {"tenants": ["2025/winter", "2025/summer"]}, "boston": None,
         "raleigh": {"host": "raleigh.example.com", "tenants": ["disney"]}}


def entries(page):
    """[(href, text, state)]"""
    return re.findall(r'<li><a href="([^"]+)">([^<]+)</a><span class="[^"]*">([^<]+)</span></li>', page.text)


def test_by_default_nobody_is_told_whose_tenants_there_are(atc):
    atc.start(knobs_config(USERS))
    response = atc.get("/")
    assert response.status == 404 and "bellevue" not in response.text


def test_the_index_links_to_the_tenants_and_says_which_are_awake(atc):
    atc.start(knobs_config(USERS, server={"index": "Our <calendars>"}))
    assert atc.get(WINTER + "/up").status == 200
    page = atc.get("/")
    assert (page.status, page.header("content-type"), page.header("cache-control")) == (200, "text/html; charset=utf-8", "no-store")
    assert "<h1>Our &lt;calendars&gt;</h1>" in page.text
    assert re.findall("<h2>(.*)</h2>", page.text) == ["bellevue", "boston"]
    assert entries(page) == [("/bellevue/2025/summer/", "2025/summer", "asleep"),
                             ("/bellevue/2025/winter/", "2025/winter", "awake"), ("/boston/", "boston", "asleep")]
    for href, _, _ in entries(page):
        assert atc.get(href + "up").status == 200
    assert [state for _, _, state in entries(atc.get("/"))] == ["awake"] * 3


def test_the_index_of_a_host_lists_that_hosts_tenants_alone(atc):
    atc.start(knobs_config(USERS, server={"index": "Ours"}))
    assert entries(atc.get("/", host="Raleigh.example.com:8080")) == [("/disney/", "disney", "asleep")]
    assert len(entries(atc.get("/", host="other.example.com"))) == 3
    assert "raleigh" not in atc.get("/").text


def test_the_index_wakes_nobody_and_is_no_answer_to_anything_else(atc):
    atc.start(knobs_config(server={"index": "Ours"}))
    head = atc.ask("HEAD", "/")
    assert (head.status, head.body) == (200, b"") and int(head.header("content-length")) > 500
    assert [atc.ask(*asked).status for asked in (("POST", "/"), ("GET", "/index.html"), ("GET", "/bellevue"))] == [404] * 3
    assert atc.get("/up").status == 200
    assert atc.boots() == [] and atc.state() in ("absent", "stopped")


def test_where_a_tenant_lives_at_the_root_there_is_no_index(atc):
    atc.start({**knobs_config(server={"index": "Ours"}), "users": {}, "routes": [{"name": "index", "endpoint": ""}]})
    assert "<h1>knobs" in atc.get("/").text


def test_the_index_is_a_setting_that_is_obeyed_at_once(atc):
    atc.start(knobs_config(server={"h2c_enabled": True, "index": "Ours"}))
    with H2Wire(("127.0.0.1", atc.port)) as wire:
        response = wire.get("/")
        assert (response.status, len(entries(response))) == (200, 1)
    atc.write_config(knobs_config())
    assert atc.cli("reload").returncode == 0
    assert atc.get("/").status == 404


def test_tenants_of_another_machine_are_elsewhere(atc):
    users = {"a": {"region": "sea"}, "b": {"region": "iad"}, "c": {"machine": "m1"}, "d": {"machine": "m2"}}
    atc.start(knobs_config(users, server={"index": "Ours"}), env={"FLY_MACHINE_ID": "m1", "FLY_REGION": "sea"})
    assert [state for _, _, state in entries(atc.get("/"))] == ["asleep", "elsewhere", "asleep", "elsewhere"]


def test_the_index_tells_who_is_elsewhere_as_routing_does(atc):
    users = {"a": {"region": "SEA"}, "b": {"machine": "m1"}}
    atc.start(knobs_config(users, server={"index": "Ours"}), env={"FLY_MACHINE_ID": "", "FLY_REGION": "sea"})
    assert [state for _, _, state in entries(atc.get("/"))] == ["asleep", "elsewhere"]


def test_of_very_many_the_index_lists_the_first_and_says_how_many_more(atc):
    atc.start(knobs_config({"many": {"tenants": ["t%04d" % i for i in range(1203)]}}, server={"index": "Ours"}))
    page = atc.get("/")
    assert len(entries(page)) == 1000 and "And 203 more." in page.text
