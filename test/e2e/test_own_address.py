"""Where an application names the address at which it listens, clients are told the one that they know.
SPDX-License-Identifier: MIT
"""
import pytest

import processes
from pages import PUBLIC, Site, pages_config, x_cache

NAMES = ("127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::]")


@pytest.fixture
def start(atc):
    def start(**more):
        atc.start(pages_config(**more))
        return Site(atc)
    return start


def port_of(site):
    site.get("/up")
    return int(processes.environment(site.atc.tenant()["pid"])["PORT"])


def location(site, value, *fields, name="Location"):
    page = {"status": 302, "headers": [[name, value]]}
    site.put(**{"/go": page, site.prefix + "/go": page})
    answer = site.get("/go", *fields, host="example.com")
    assert answer.status == 302
    return answer.header(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_redirect_to_itself_leads_outside(start, name):
    site = start(server={"trusted_proxies": ["loopback"]}, prefix="pass")
    own = "http://%s:%d" % (name, port_of(site))
    assert location(site, own + site.prefix + "/x?y") == "http://example.com" + site.prefix + "/x?y"
    assert location(site, own, ("X-Forwarded-Proto", "https")) == "https://example.com"
    assert location(site, own.upper() + "/", name="Content-Location") == "http://example.com/"


def test_one_that_does_not_know_its_prefix_is_found_below_it(start):
    site = start()
    own, outside = "https://[::]:%d" % port_of(site), "http://example.com" + site.prefix
    assert location(site, own + "/x") == outside + "/x"
    assert location(site, "5; url=%s/x" % own, name="Refresh") == "5; url=%s/x" % outside
    assert location(site, "<%s/x>; rel=preload, </y>" % own, name="Link") == \
        "<%s/x>; rel=preload, <%s/y>" % (outside, site.prefix)
    assert location(site, '{"path":"%s/x"}' % own, name="HX-Location") == '{"path":"%s/x"}' % outside
    assert location(site, own + site.prefix + "/x") == outside + "/x"


def test_other_ports_and_hosts_are_others(start):
    site = start()
    port = port_of(site)
    for url in ("http://127.0.0.1:%d/x" % site.atc.port, "http://127.0.0.2:%d/x" % port, "http://127.0.0.1:%d0/x" % (port // 10),
                "http://127.0.0.1/x", "http://example.net:%d/x" % port, "http://localhost:%d@example.net/x" % port,
                "http://example.net/?to=http://localhost:%d/x" % port):
        assert location(site, url) == url
    assert location(site, "a=b; Domain=localhost:%d" % port, name="Set-Cookie") == "a=b; Domain=localhost:%d" % port


def test_what_is_stored_leads_outside_after_the_port_has_changed(start):
    site = start()
    port = port_of(site)
    site.put(**{"/go": {"status": 302, "headers": [PUBLIC, ["Location", "http://localhost:%d/x" % port]]}})
    assert site.get("/go").header("Location") == "http://localhost%s/x" % site.prefix
    assert site.atc.cli("restart", site.name).returncode == 0
    answer = site.get("/go")
    assert (x_cache(answer), answer.header("Location")) == ("hit", "http://localhost%s/x" % site.prefix)


def test_it_leads_outside_over_http2_as_well(start):
    site = start(server={"h2c_enabled": True})
    site.atc.speaks_h2 = True
    assert location(site, "http://127.0.0.1:%d/x" % port_of(site)) == "http://example.com%s/x" % site.prefix
