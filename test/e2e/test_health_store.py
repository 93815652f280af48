"""A health check of the machine that also says whether the store of the backups can be reached.
SPDX-License-Identifier: MIT
"""
import os
import time

import pytest

from atc import knobs_config
from stores import Directory
from waiting import wait_until

WANTED = {"health_store": True}


@pytest.fixture
def directory():
    store = Directory()
    yield store
    store.remove()


def wait_health(atc, status, **more):
    return wait_until(lambda: next((a for a in [atc.get("/up", **more)] if a.status == status), None), 60, "%d for /up" % status)


def hidden(store):
    """Where the directory of a store is while it cannot be found."""
    return store.root.with_name(store.root.name + "-away")


@pytest.mark.slow
def test_the_health_check_fails_as_long_as_the_store_is_out_of_reach_and_wakes_nobody(atc, directory):
    atc.start(knobs_config(server=WANTED, backup=directory.config))
    assert wait_health(atc, 200).body == b""
    os.rename(directory.root, hidden(directory))
    try:
        gone = wait_health(atc, 503)
        assert gone.error == "store_unreachable" and "did not answer when it was asked last" in gone.text
        assert str(directory.root) not in gone.text, "it is no business of strangers where the store is"
        page = wait_health(atc, 503, headers=[("Accept", "text/html")])
        assert "Store out of reach" in page.text
        atc.wait_log("health checks fail")
        warned, = [line["msg"] for line in atc.log_lines(level="WARN") if "health checks fail" in line["msg"]]
        assert str(directory.root) in warned
    finally:
        os.rename(hidden(directory), directory.root)
    wait_health(atc, 200)
    atc.wait_log("can be reached again")
    assert atc.boots() == [] and atc.state() in ("absent", "stopped")


@pytest.mark.slow
def test_a_bucket_that_is_gone_is_found_out(atc, bucket):
    atc.start(knobs_config(server=WANTED, backup=bucket.config), env=bucket.environment)
    wait_health(atc, 200)
    bucket.server.stop()
    wait_health(atc, 503)


def test_the_store_is_asked_seldom_however_often_the_health_check_comes(atc, bucket):
    atc.start(knobs_config(server=WANTED, backup=bucket.config), env=bucket.environment)
    wait_health(atc, 200)
    before, began = bucket.server.requests(), time.monotonic()
    with atc.wire() as wire:
        assert {wire.ask("GET", "/up").status for _ in range(500)} == {200}
    assert bucket.server.requests() - before <= (time.monotonic() - began) / 15 + 1


def test_who_does_not_want_it_has_the_health_check_as_ever(atc, directory):
    atc.start(knobs_config(backup=directory.config))
    os.rename(directory.root, hidden(directory))
    try:
        assert atc.get("/up").status == 200
        assert "health checks fail" not in atc.log
    finally:
        os.rename(hidden(directory), directory.root)


def test_a_reload_begins_and_ends_it(atc, directory):
    atc.start(knobs_config(backup=directory.config))
    os.rename(directory.root, hidden(directory))
    try:
        atc.write_config(knobs_config(server=WANTED, backup=directory.config))
        assert atc.cli("reload").returncode == 0
        wait_health(atc, 503)
        atc.write_config(knobs_config(backup=directory.config))
        assert atc.cli("reload").returncode == 0
        wait_health(atc, 200)
    finally:
        os.rename(hidden(directory), directory.root)


def test_a_new_proxy_knows_what_the_last_one_knew(atc, directory):
    atc.start(knobs_config(server=WANTED, backup=directory.config))
    wait_health(atc, 200)
    atc.proxy_may_change = True
    former = atc.proxy_pid()
    os.kill(former, 9)
    wait_until(lambda: atc.proxy_pid() not in (None, former), 20, "there is another proxy")
    assert atc.get("/up").status == 200, "and it did not have to ask first"


def test_a_health_check_of_a_store_that_is_not_there_is_warned_of_and_passes(atc):
    atc.start(knobs_config(server=WANTED))
    assert wait_health(atc, 200)
    for text, what in (("server:\n  health_store: true\nusers: {a: }\n", "backup"),
                       ("server:\n  health_store: true\n", "health_path with a single application"),
                       ("server:\n  health_store: true\n  health_path: \"\"\nusers: {a: }\nbackup: {url: \"file:///x\"}\n", "health_path")):
        atc.write_config(text)
        done = atc.cli("check", "-c", str(atc.config_file))
        assert "atc.yml:2:1: warning: health_store: without effect, there is no %s" % what in done.stderr, done
