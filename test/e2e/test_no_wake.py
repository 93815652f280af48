"""A tenant that sleeps is woken for what it has been seen to serve, though robots ask for such names everywhere.
SPDX-License-Identifier: MIT
"""
import signal

import pytest

import processes
from pages import Site, pages_config
from waiting import wait_until

MORE = ("/.b", "/.c", "/.d", "/.e")


@pytest.fixture
def site(atc):
    def start(pages, **app):
        site = Site(atc, **{path.lstrip("/"): page for path, page in pages.items()})
        atc.start(pages_config(**app))
        return site
    return start


def fall_asleep(site):
    assert site.atc.cli("stop", site.name).returncode == 0
    site.atc.wait_state("asleep", "stopped", "absent")


def wakes(site, path):
    """Asked for it, it is there, or it sleeps on and we have said 404."""
    before = site.atc.tenant()["starts"]
    answer = site.get(path)
    woke = site.atc.tenant()["starts"] > before
    assert woke == (answer.error is None), answer
    assert woke or (answer.status, answer.error) == (404, "not_found")
    return woke


def test_it_is_woken_for_a_hidden_name_that_it_has_served(site):
    site = site({"/.web/": {"body": "all of it"}, "/.web/deep/er": {}, "/.web": {}, "/": {}})
    assert not wakes(site, "/.web/")
    assert site.get("/").status == 200 and site.get("/.web/").status == 200
    for path in ("/.web/", "/.web", "/.web/deep/er", "/.web/nothing", "/%2eweb/"):
        fall_asleep(site)
        assert not wakes(site, "/.webs/") and not wakes(site, "/.we") and not wakes(site, "/.web/../.git/HEAD")
        assert wakes(site, path), path


@pytest.mark.parametrize("status", [404, 403, 401, 302, 500])
def test_what_it_did_not_serve_wakes_nobody(site, status):
    site = site({"/.web/": {"status": status, "headers": [["Location", "/login"]]}})
    site.get("/")
    assert site.get("/.web/").status == status
    fall_asleep(site)
    assert not wakes(site, "/.web/")


def test_a_name_that_is_in_the_list_itself_wakes_nobody_though_it_is_served(site):
    site = site({"/.env": {}, "/.git/config": {}, "/.well-known/security.txt": {}, "/robots.txt": {}, "/x.php": {}})
    site.get("/")
    for path in ("/.env", "/.git/config", "/.well-known/security.txt", "/robots.txt", "/x.php"):
        assert site.get(path).status == 200
    fall_asleep(site)
    for path in ("/.env", "/.git/config", "/.well-known/security.txt", "/robots.txt", "/x.php"):
        assert not wakes(site, path), path


def test_who_serves_whatever_it_is_asked_for_is_not_woken_by_it(site):
    site = site({"/.a": {}, **{path: {} for path in MORE}})
    site.get("/")
    for path in ("/.a", *MORE[:3], "/.a"):
        assert site.get(path).status == 200
    fall_asleep(site)
    assert wakes(site, "/.a")
    assert site.get(MORE[3]).status == 200
    fall_asleep(site)
    assert not any(wakes(site, path) for path in ("/.a", *MORE))


def test_what_a_tenant_serves_wakes_no_other(atc):
    users = {"bellevue": {"tenants": ["2025/winter", "2025/summer"]}}
    one, other = Site(atc, **{".web/": {}}), Site(atc, "bellevue/2025/summer", **{".web/": {}})
    atc.start(pages_config(users=users))
    one.get("/")
    assert one.get("/.web/").status == 200
    assert other.get("/.web/").error == "not_found" and atc.tenant(other.name)["starts"] == 0


def test_it_is_remembered_when_the_proxy_is_started_again(site):
    site = site({"/.web/": {}})
    atc, proxy = site.atc, site.atc.proxy_pid()
    site.get("/")
    assert site.get("/.web/").status == 200
    fall_asleep(site)
    atc.proxy_may_change = True
    processes.kill(proxy, signal.SIGKILL)
    wait_until(lambda: atc.proxy_pid() not in (None, proxy), 15, "there is another proxy")
    assert not wakes(site, "/.git/HEAD")
    assert wakes(site, "/.web/")
