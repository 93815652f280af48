"""The board, a real Express application that knows of no prefix, for two tenants.
SPDX-License-Identifier: MIT
"""
import json
import os
import shutil
import signal

import pytest

from atc import APPS
from browser import Browser, multipart
from h2wire import H2Wire, Tunnel
from waiting import wait_until

pytestmark = [pytest.mark.real, pytest.mark.plain]

WINTER, APRIL = "bellevue/2025/winter", "boston/2025/april"
USERS = {"bellevue": {"tenants": ["2025/winter"]}, "boston": {"tenants": ["2025/april"]}}
DATABASES = {"primary": {"path": "data/board.sqlite3", "url": "sqlite:{path}"}}


@pytest.fixture
def board(atc):
    """`board(**settings)` starts a copy of the application whose modules are those that script/setup installed."""
    shutil.rmtree(atc.app)
    shutil.copytree(APPS / "board", atc.app, ignore=shutil.ignore_patterns("node_modules", "README.md"))
    (atc.app / "node_modules").symlink_to(APPS / "board" / "node_modules")
    for folder in ("uploads", "data"):
        (atc.app / folder).mkdir(exist_ok=True)

    def start(backup=None, env=None, users=None, server=None, **app):
        config = {"server": {"log_level": "debug", **(server or {})},
                  "app": {"command": "node server.js", "databases": DATABASES, "private_directories": ["uploads", "data"],
                          "waiting_page_after": 0, **app},
                  "users": users or USERS}
        if backup:
            config["backup"] = backup
        return atc.start(config, env=env)
    return start


def post(atc, path, text):
    response = atc.post("/%s/posts" % path, json.dumps({"text": text}).encode(), [("Content-Type", "application/json"), ("Accept", "application/json")])
    assert response.status == 201, response
    return response.json()


def posts(atc, path):
    return [each["text"] for each in atc.get("/%s/posts" % path, timeout=60).json()]


def test_node_is_recognised_and_two_tenants_are_apart(board, store):
    atc = board(store.config, store.environment)
    post(atc, WINTER, "snow")
    post(atc, APRIL, "rain")
    post(atc, APRIL, "sun")
    assert posts(atc, WINTER) == ["snow"] and posts(atc, APRIL) == ["rain", "sun"]
    atc.stop(0)
    shutil.rmtree(atc.app / "storage" / "tenants")
    atc.again(env=store.environment)
    assert posts(atc, WINTER) == ["snow"] and posts(atc, APRIL) == ["rain", "sun"]


def test_the_application_is_asked_without_the_prefix_and_answers_with_it(board):
    atc = board()
    browser = Browser(atc)
    assert browser.visit("/" + WINTER).status == 200
    assert browser.url.endswith("/%s/" % WINTER) and browser.text("visits") == "1"
    assert list(browser.cookies) in ([("/" + WINTER, "visits")], [("/%s/" % WINTER, "visits")])
    browser.submit("posts", {"author": "me", "text": "hello"})
    assert browser.url.endswith("/%s/" % WINTER) and "hello" in browser.page.text
    assert browser.text("visits") == "2"
    browser.visit("/%s/" % APRIL)
    assert browser.text("visits") == "1", "cookies of tenants are apart"


def test_files_of_the_page_are_found(board):
    atc = board()
    browser = Browser(atc)
    browser.visit("/%s/" % WINTER)
    for address in ("board.css", "board.js"):
        assert browser.fetch(address).status == 200
    assert browser.fetch("/board.css").status == 200, "a root path, by the Referer"


def test_websockets_broadcast_within_a_tenant(board):
    atc = board()
    with atc.wire() as winter, atc.wire() as april:
        winter.websocket("/%s/live" % WINTER, [("Origin", "http://localhost")])
        april.websocket("/%s/live" % APRIL, [("Origin", "http://localhost")])
        assert json.loads(winter.message())["hello"] != json.loads(april.message())["hello"]
        post(atc, WINTER, "snow")
        assert json.loads(winter.message())["text"] == "snow"
        post(atc, APRIL, "rain")
        assert json.loads(april.message())["text"] == "rain"


def test_websockets_of_http_2_and_of_http_1_meet(board):
    atc = board(server={"h2c_enabled": True})
    with atc.wire() as old, H2Wire(("127.0.0.1", atc.port), checks=False) as new:
        old.websocket("/%s/live" % WINTER, [("Origin", "http://localhost")])
        old.message()
        tunnel = Tunnel(new, "/%s/live" % WINTER, origin="http://localhost")
        assert new.head(tunnel.number).status == 200
        assert "hello" in json.loads(tunnel.message()[1])
        posted = new.ask("POST", "/%s/posts" % WINTER, [("content-type", "application/json"), ("accept", "application/json")],
                         b'{"text": "snow"}')
        assert posted.status == 201
        assert json.loads(tunnel.message()[1])["text"] == json.loads(old.message())["text"] == "snow"


def test_events_stream(board):
    atc = board()
    with atc.wire() as wire:
        wire.request("GET", "/%s/events" % WINTER)
        assert wire.head().header("Content-Type") == "text/event-stream"
        chunks = wire.chunks()
        assert next(chunks) == b": welcome\n\n"
        post(atc, WINTER, "snow")
        assert b"snow" in next(chunks)


def test_uploads_are_private(board):
    atc = board()
    for path in (WINTER, APRIL):
        body = multipart("frontier", {}, [("file", "photo.bin", path.encode() * 100000)])
        response = atc.post("/%s/files" % path, body, [("Content-Type", "multipart/form-data; boundary=frontier")])
        assert response.status == 201 and response.header("Location") == "/%s/files/photo.bin" % path
        assert response.json()["size"] == len(path) * 100000
    for path in (WINTER, APRIL):
        assert atc.get("/%s/files/photo.bin" % path).body == path.encode() * 100000
        assert (atc.tenant_dir(path) / "uploads" / "photo.bin").exists()
    assert list((atc.app / "uploads").iterdir()) == []


def test_express_sees_its_client_and_host(board):
    atc = board()
    seen = atc.get("/%s/whoami?q=1" % WINTER, [("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.7")],
                   host="board.example.com").json()
    assert seen["url"] == "/whoami?q=1" and seen["protocol"] == "https" and seen["host"] == "board.example.com"
    assert seen["ip"] == "203.0.113.7"
    assert seen["headers"]["x-forwarded-prefix"] == "/" + WINTER
    assert seen["database"] == "sqlite:%s/data/board.sqlite3" % atc.tenant_dir(WINTER)


def test_what_it_names_in_x_sendfile_is_sent(board):
    """Its uploads are a private directory: the path that it names is one of its own mount namespace."""
    atc = board()
    assert atc.get("/%s/send/photo.bin" % WINTER).error == "file_not_sent"
    (atc.tenant_dir(WINTER) / "uploads" / "photo.bin").write_bytes(b"photo" * 10000)
    response = atc.get("/%s/send/photo.bin" % WINTER)
    assert (response.status, response.body) == (200, b"photo" * 10000)
    assert response.header("Content-Type") == "application/octet-stream"


def test_it_sleeps_and_wakes(board):
    atc = board(idle_timeout="1s")
    post(atc, WINTER, "snow")
    atc.wait_state("stopped", name=WINTER)
    assert atc.tenant(WINTER)["reason"] is None
    assert posts(atc, WINTER) == ["snow"]


def test_a_killed_node_comes_back_with_its_rows(board):
    atc = board()
    post(atc, WINTER, "snow")
    pid = atc.tenant(WINTER)["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: atc.tenant(WINTER)["pid"] != pid)
    assert posts(atc, WINTER) == ["snow"]
