"""The calendar, a real Rails application, with ten tenants and not a line changed for it.
SPDX-License-Identifier: MIT
"""
import json
import os
import re
import shutil
import signal
import sqlite3

import pytest

import processes
from atc import APPS, ROOT, Background, together
from browser import Browser
from codings import CODINGS, Decoder
from waiting import wait_until

pytestmark = [pytest.mark.real, pytest.mark.plain]

PATHS = ["bellevue/2025/winter", "bellevue/2025/summer-medal-ball", "bellevue/2025/summer-showcase",
         "boston/2025/april", "boston/2025/mini-comp", "boston/2025/october",
         "livermore/2025/the-music-of-prince", "livermore/2025/james-bond", "raleigh/2025/disney", "raleigh/2025/in-house"]
WINTER, SUMMER, APRIL = PATHS[0], PATHS[1], PATHS[3]
USERS = {
    "bellevue": {"region": "sea", "tenants": ["2025/winter", "2025/summer-medal-ball", "2025/summer-showcase"]},
    "boston": {"machine": "148e45d7c20978", "tenants": {"2025/april": None, "2025/mini-comp": {"idle_timeout": "30m"}, "2025/october": None}},
    "livermore": {"region": "sjc", "tenants": ["2025/the-music-of-prince", "2025/james-bond"]},
    "raleigh": {"region": "iad", "tenants": ["2025/disney", "2025/in-house"]},
}


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def calendar(atc):
    """The application copied to where a Dockerfile would: the working directory. `calendar(**settings)` starts it."""
    shutil.rmtree(atc.app)
    shutil.copytree(APPS / "calendar", atc.app, ignore=shutil.ignore_patterns("README.md"))

    def start(users=None, server=None, backup=None, env=None, **app):
        config = {"server": {"log_level": "debug", **(server or {})},
                  "app": {"command": "bin/rails server", "start_timeout": "120s", "waiting_page_after": 0, **app},
                  "users": users or USERS}
        if backup:
            config["backup"] = backup
        return atc.start(config, env=env)
    start.atc = atc
    return start


def add_event(browser, path, title, files=None):
    assert browser.visit("/%s/events/new" % path).status == 200
    page = browser.submit("/events", {"event[title]": title, "event[starts_at]": "2026-12-24T20:00", "event[notes]": "note"}, files)
    assert page.status == 200 and browser.text("summary"), page
    return page


def titles(atc, path):
    response = atc.get("/%s/events.json" % path, timeout=120)
    assert response.status == 200, response
    return [event["title"] for event in response.json()]


def sign_in(browser, path, name):
    assert browser.visit("/%s/" % path).status == 200
    browser.submit("/session", {"name": name})
    assert browser.text("who") == name


def wake_all(atc):
    assert together(10, lambda i: atc.get("/%s/up" % PATHS[i], timeout=120).status) == [200] * 10


@pytest.mark.slow
def test_ten_paths_are_ten_applications(calendar, bucket):
    """Each has its own events, keeps them through stop and wake, and through the loss of the disk."""
    atc = calendar(server={"max_starting": 2}, backup=bucket.config, env=bucket.environment)
    browsers = {path: Browser(atc) for path in PATHS}
    wake_all(atc)
    for path in PATHS:
        for i in range(PATHS.index(path) % 3 + 1):
            add_event(browsers[path], path, "%s %d" % (path, i))
    expected = {path: ["%s %d" % (path, i) for i in range(PATHS.index(path) % 3 + 1)] for path in PATHS}
    for path in PATHS:
        assert titles(atc, path) == expected[path]
    for path in PATHS:
        assert atc.cli("stop", path, timeout=60).returncode == 0
    for path in PATHS[:2]:
        assert titles(atc, path) == expected[path]
    atc.stop(0)
    shutil.rmtree(atc.app / "storage" / "tenants")
    atc.again(env=bucket.environment)
    wake_all(atc)
    for path in PATHS:
        assert titles(atc, path) == expected[path], "after the loss of the disk"


def test_every_address_of_a_page_is_below_its_path(calendar):
    atc = calendar()
    browser = Browser(atc)
    add_event(browser, WINTER, "Ball", [("event[files][]", "plan.txt", b"the plan")])
    browser.visit("/%s/" % WINTER)
    outside = [address for address in browser.addresses() if not address.startswith("/%s/" % WINTER)]
    assert outside == ["/icon.svg"]
    for address in browser.links():
        response = browser.fetch(address)
        assert response.status in (200, 302), (address, response)
    assert browser.fetch("/icon.svg").text.startswith("<svg"), "a hard-coded path finds its tenant by the Referer"


def test_forms_edit_and_delete(calendar):
    atc = calendar()
    browser = Browser(atc)
    add_event(browser, WINTER, "First")
    edit = next(address for address in browser.addresses() if address.endswith("/edit"))
    browser.visit(edit)
    browser.submit("/events/", {"event[title]": "Changed", "event[starts_at]": "2026-12-25T20:00", "event[notes]": ""})
    assert titles(atc, WINTER) == ["Changed"]
    browser.visit("/%s/events" % WINTER)
    browser.submit("/events/", {})
    assert titles(atc, WINTER) == []


def test_a_form_without_its_token_is_refused(calendar):
    atc = calendar()
    browser = Browser(atc)
    browser.visit("/%s/events/new" % WINTER)
    response = browser.ask("POST", "/%s/events" % WINTER, [("Content-Type", "application/x-www-form-urlencoded")],
                           b"event[title]=forged&event[starts_at]=2026-12-24T20:00")
    assert 400 <= response.status < 500 and titles(atc, WINTER) == []


def test_files_stay_with_their_tenant(calendar):
    atc = calendar()
    secrets = {WINTER: b"winter " * 50000, APRIL: b"april " * 50000}
    for path, data in secrets.items():
        browser = Browser(atc)
        add_event(browser, path, "with a file", [("event[files][]", "notes.bin", data)])
        link = next(address for address in browser.addresses() if "active_storage" in address)
        assert browser.visit(link).body == data
    for path, data in secrets.items():
        stored = [file for file in (atc.tenant_dir(path) / "storage").rglob("*") if file.is_file() and data in file.read_bytes()]
        assert len(stored) == 1
        others = [file for file in (atc.app / "storage").rglob("*")
                  if file.is_file() and data in file.read_bytes() and file not in stored]
        assert others == []


def test_downloads_are_sent_by_us_and_not_by_rails(calendar):
    atc = calendar()
    browser, data = Browser(atc), b"a large attachment " * 50000
    add_event(browser, WINTER, "with a file", [("event[files][]", "notes.txt", data)])
    link = next(address for address in browser.addresses() if "active_storage" in address)
    page = browser.visit(link)
    assert page.body == data and page.header("X-Sendfile") is None
    assert page.header("Content-Disposition").startswith("attachment")
    sent = wait_until(lambda: atc.requests_logged(source="sendfile"), 5, "it was we who sent it")
    assert sent[-1]["resp_content_length"] == len(data)


def test_stylesheets_need_no_rails(calendar):
    atc = calendar()
    for name in ("stylesheets/calendar.css", "javascripts/calendar.js", "404.html", "404", "icon.svg"):
        response = atc.get("/%s/%s" % (WINTER, name))
        assert response.status == 200 and response.body, name
    assert atc.get("/icon.svg", [("Referer", "http://localhost/%s/" % WINTER)]).header("Content-Type") == "image/svg+xml"
    assert atc.tenant(WINTER)["starts"] == 0


def test_the_applications_own_folders_stay_as_they_are(calendar):
    atc = calendar.atc
    before = tree(atc.app)
    calendar()
    for path in (WINTER, APRIL):
        add_event(Browser(atc), path, "x", [("event[files][]", "a", b"a")])
    atc.stop(0)
    after = {name: data for name, data in tree(atc.app).items() if not name.startswith("storage/tenants/")}
    changed = {name for name in set(before) | set(after) if before.get(name) != after.get(name)}
    assert changed <= {"storage/.master-secret", "storage/tenants"}, changed


def test_all_four_databases_are_the_tenants_own(calendar):
    atc = calendar()
    for path in (WINTER, APRIL):
        add_event(Browser(atc), path, path)
        files = {file.name for file in (atc.tenant_dir(path) / "storage").glob("*.sqlite3")}
        assert files == {"production.sqlite3", "production_cache.sqlite3", "production_queue.sqlite3", "production_cable.sqlite3"}
        for name, table in (("queue", "reminders"), ("cable", "cable_messages"), ("cache", "cache_entries")):
            database = sqlite3.connect(atc.tenant_dir(path) / "storage" / ("production_%s.sqlite3" % name))
            assert database.execute("select count(*) from " + table).fetchone() == (1,)
            database.close()


def test_a_session_of_one_tenant_is_worth_nothing_in_another(calendar):
    """The attack: take the cookie that signs you in at one tenant and show it to another, at its own path."""
    atc = calendar()
    alice = Browser(atc)
    sign_in(alice, WINTER, "alice")
    name, value = next((name, value) for (_, name), value in alice.cookies.items() if "session" in name)
    thief = Browser(atc)
    for path in (SUMMER, APRIL):
        thief.cookies = {("/", name): value}
        assert thief.visit("/%s/" % path).status == 200
        assert thief.text("who") is None and "alice" not in thief.page.text
        assert thief.text("visits") == "1"
    assert alice.visit("/%s/" % WINTER).status == 200 and alice.text("who") == "alice"


def test_cookies_of_tenants_never_meet(calendar):
    """One browser, two tenants, one cookie name: neither logs the other out."""
    atc = calendar()
    browser = Browser(atc)
    sign_in(browser, WINTER, "alice")
    sign_in(browser, APRIL, "bob")
    for path, name in ((WINTER, "alice"), (APRIL, "bob")):
        browser.visit("/%s/" % path)
        assert browser.text("who") == name
    assert all(scope.strip("/") in (WINTER, APRIL) for scope, _ in browser.cookies), browser.cookies


def test_a_session_survives_sleep(calendar):
    atc = calendar()
    browser = Browser(atc)
    sign_in(browser, WINTER, "alice")
    assert atc.cli("stop", WINTER).returncode == 0
    atc.stop(0)
    atc.again()
    browser.visit("/%s/" % WINTER)
    assert browser.text("who") == "alice"


def subscribe(wire):
    assert json.loads(wire.message())["type"] == "welcome"
    wire.send_frame(json.dumps({"command": "subscribe", "identifier": json.dumps({"channel": "EventsChannel"})}))
    confirmed = wait_for_message(wire, lambda message: message.get("type") == "confirm_subscription")
    assert confirmed
    return wire


def wait_for_message(wire, wanted):
    while True:
        message = json.loads(wire.message())
        if wanted(message):
            return message


CABLE = [("Sec-WebSocket-Protocol", "actioncable-v1-json, actioncable-unsupported"), ("Origin", "http://localhost")]


def test_live_updates_reach_the_pages_of_their_tenant_only(calendar):
    atc = calendar()
    for path in (WINTER, APRIL):
        atc.get("/%s/up" % path, timeout=120)
    with atc.wire() as winter, atc.wire() as april:
        subscribe(winter.websocket("/%s/cable" % WINTER, CABLE))
        subscribe(april.websocket("/%s/cable" % APRIL, CABLE))
        add_event(Browser(atc), WINTER, "news")
        assert wait_for_message(winter, lambda message: "message" in message)["message"]["id"] == 1
        add_event(Browser(atc), APRIL, "other news")
        message = wait_for_message(april, lambda message: "message" in message)
        assert message["message"] == {"id": 1, "gone": False}


def test_the_page_as_it_is_gets_live_updates(calendar):
    """Rails writes the path of the cable into every page. What a browser does with that must work, among ten tenants."""
    atc = calendar()
    browser = Browser(atc)
    for path in (APRIL, WINTER):
        browser.visit("/%s/" % path)
    address = browser.meta("action-cable-url")
    assert address == "/%s/cable" % WINTER
    with atc.wire() as wire:
        subscribe(wire.websocket(address, [*CABLE, *browser.cookie_header(address)]))
        add_event(browser, WINTER, "news")
        assert wait_for_message(wire, lambda message: "message" in message)


def test_a_hard_coded_cable_at_the_root_finds_the_only_tenant(calendar):
    atc = calendar({"bellevue": {"tenants": ["2025/winter"]}})
    with atc.wire() as wire:
        subscribe(wire.websocket("/cable", CABLE))


def test_an_open_cable_keeps_the_tenant_awake_and_then_lets_it_sleep(calendar):
    atc = calendar(idle_timeout="1s")
    with atc.wire() as wire:
        subscribe(wire.websocket("/%s/cable" % WINTER, CABLE))
        pid = atc.tenant(WINTER)["pid"]
        for _ in range(2):
            wait_for_message(wire, lambda message: message.get("type") == "ping")
        assert atc.tenant(WINTER)["pid"] == pid
    atc.wait_state("stopped", name=WINTER)


def test_events_stream_as_they_happen(calendar):
    atc = calendar(stop_timeout="1s")     # the stream looks for its client every ten seconds only
    with atc.wire() as wire:
        wire.request("GET", "/%s/events/stream" % WINTER, [("Accept", "text/event-stream")])
        assert wire.head().header("Content-Type").startswith("text/event-stream")
        chunks, seen = wire.chunks(), b""
        for event in (b"hello", b"change"):
            while event not in seen:
                seen += next(chunks)
            if event == b"hello":
                add_event(Browser(atc), WINTER, "news")


def test_fifty_first_visitors_wake_one_rails(calendar):
    atc = calendar()
    answers = together(50, lambda i: atc.get("/%s/events.json" % WINTER, timeout=120))
    assert [answer.status for answer in answers] == [200] * 50 and {answer.body for answer in answers} == {b"[]"}
    assert atc.tenant(WINTER)["starts"] == 1


def test_the_databases_are_prepared_once(calendar):
    prepare = calendar.atc.home / "prepare"
    prepare.write_text("#!/bin/sh\necho ran >> %s.runs\nexec bin/rails db:prepare\n" % prepare)
    prepare.chmod(0o755)
    atc = calendar(prepare=[str(prepare)])
    atc.get("/%s/up" % WINTER, timeout=120)
    first = atc.tenant(WINTER)["wake"]["prepare_ms"]
    assert atc.cli("restart", WINTER, timeout=60).returncode == 0
    assert atc.tenant(WINTER)["wake"]["prepare_ms"] < first / 4, "nothing changed"
    assert prepare.with_name("prepare.runs").read_text() == "ran\n"


def test_a_new_migration_is_run_before_the_next_start(calendar):
    atc = calendar()
    add_event(Browser(atc), WINTER, "before")
    assert atc.cli("stop", WINTER).returncode == 0
    (atc.app / "db" / "migrate" / "20260101000000_add_place_to_events.rb").write_text(
        'class AddPlaceToEvents < ActiveRecord::Migration[6.1]\n  def change\n'
        '    add_column :events, :place, :string, default: "hall"\n  end\nend\n')
    assert titles(atc, WINTER) == ["before"]
    database = sqlite3.connect(atc.tenant_dir(WINTER) / "storage" / "production.sqlite3")
    assert database.execute("select place from events").fetchall() == [("hall",)]
    database.close()


def test_a_migration_that_fails_is_told(calendar):
    atc = calendar.atc
    (atc.app / "db" / "migrate" / "20260101000000_break.rb").write_text(
        'class Break < ActiveRecord::Migration[6.1]\n  def change\n    raise "no such wish"\n  end\nend\n')
    calendar()
    assert atc.get("/%s/" % WINTER, timeout=120).status == 503
    tenant = atc.tenant(WINTER)
    assert tenant["state"] == "failed" and any("no such wish" in line for line in tenant["last_output"])


def test_a_lost_cache_database_is_made_again(calendar):
    """It is in no backup; the fingerprint of the migrations must not hide that it is gone."""
    atc = calendar()
    add_event(Browser(atc), WINTER, "kept")
    assert atc.cli("stop", WINTER).returncode == 0
    for file in (atc.tenant_dir(WINTER) / "storage").glob("production_cache.sqlite3*"):
        file.unlink()
    browser = Browser(atc)
    assert browser.visit("/%s/" % WINTER).status == 200 and browser.text("summary").startswith("1 event")


def test_a_killed_rails_leaves_no_pid_file_in_the_way(calendar):
    atc = calendar()
    atc.get("/%s/up" % WINTER, timeout=120)
    pid = atc.tenant(WINTER)["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: atc.tenant(WINTER)["pid"] != pid)
    assert titles(atc, WINTER) == []
    atc.signal(signal.SIGKILL)
    atc.wait_exit(-9)
    pid_file = atc.tenant_dir(WINTER) / "tmp" / "pids" / "server.pid"
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    pid_file.write_text(str(os.getpid()))       # a pid that lives: Rails would refuse to start
    atc.again()
    assert titles(atc, WINTER) == []


def test_a_socket_is_there_before_rails_is(calendar):
    """LISTEN_FDS: the kernel holds connections while Rails boots, and it is this socket that Rails listens on then."""
    atc = calendar()
    waking = Background(atc.get, "/%s/up" % WINTER, timeout=120)
    pid = wait_until(lambda: atc.state(WINTER) == "starting" and atc.tenant(WINTER)["pid"], 60)
    given = wait_until(lambda: processes.executable(pid) != processes.executable(atc.pid) and processes.listening(pid))
    assert len(given) == 1 and not waking.is_done
    assert waking.result(120).status == 200
    assert processes.listening(pid) == given


def test_force_ssl_and_origin_checks_work_behind_an_edge(calendar):
    atc = calendar(env={"FORCE_SSL": "1"})
    browser = Browser(atc, host="calendar.example.com", scheme="https")
    add_event(browser, WINTER, "secure")
    assert [event["title"] for event in browser.ask("GET", "/%s/events.json" % WINTER).json()] == ["secure"]
    plain = atc.get("/%s/" % WINTER, host="calendar.example.com")
    assert plain.status in (301, 308) and plain.header("Location") == "https://calendar.example.com/%s/" % WINTER


def test_a_host_of_its_own_needs_no_prefix(calendar):
    atc = calendar({"bellevue": {"tenants": {"2025/winter": {"host": "bellevue.example.com"}, "2025/summer-showcase": None}}})
    browser = Browser(atc, host="bellevue.example.com")
    assert browser.visit("/events/new").status == 200
    browser.submit("/events", {"event[title]": "own host", "event[starts_at]": "2026-12-24T20:00"})
    assert all(re.match(r"/(?!bellevue/2025)", address) for address in browser.addresses())
    with atc.wire() as wire:
        subscribe(wire.websocket("/cable", [CABLE[0], ("Origin", "http://bellevue.example.com")], host="bellevue.example.com"))
    assert titles(atc, PATHS[2]) == []


def test_other_tenants_answer_while_one_rails_boots(calendar):
    atc = calendar()
    atc.get("/%s/up" % WINTER, timeout=120)
    booting = Background(atc.get, "/%s/up" % APRIL, timeout=120)
    wait_until(lambda: atc.state(APRIL) in ("preparing", "starting"))
    while not booting.is_done:
        assert atc.get("/%s/up" % WINTER).status == 200
    assert booting.result().status == 200


@pytest.mark.slow
def test_the_demo_serves_what_it_prints_and_cleans_up(tmp_path):
    """script/server as a newcomer types it, then Ctrl-C."""
    import subprocess
    from atc import bound_socket
    probe = bound_socket()
    port = probe.getsockname()[1]
    probe.close()
    log = tmp_path / "log"
    with open(log, "wb") as out:
        demo = subprocess.Popen([str(ROOT / "script" / "server")], stdout=out, stderr=out, env={**os.environ, "PORT": str(port)},
                                start_new_session=True)
    try:
        wait_until(lambda: "all asleep" in log.read_text() or demo.poll() is not None, 120)
        from wire import Wire
        with Wire(("127.0.0.1", port), 120) as wire:
            links = re.findall(r'<a href="/([^"]+)/">', wire.get("/", [("Connection", "close")]).text)
        printed = re.findall(r"http://localhost:%d/(\S+)/ " % port, log.read_text())
        assert sorted(links) == sorted(PATHS) and printed == PATHS[:1]
        for path in PATHS[:2]:
            with Wire(("127.0.0.1", port), 120) as wire:
                assert wire.get("/%s/events.json" % path, [("Connection", "close")]).body == b"[]"
        os.killpg(demo.pid, signal.SIGINT)
        demo.wait(60)
        assert not [folder for folder in (ROOT / "build").glob("demo-*") if (folder / "pid").exists()
                    and (folder / "pid").read_text().strip() == str(demo.pid)], "its files are still there"
        assert "removed" in log.read_text()
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
        print(log.read_text()[-5000:])


def test_the_calendar_works_in_every_coding(calendar):
    """Pages, forms with their tokens, JSON; and one that is read again is 304 by the tag that came with the coding."""
    atc = calendar()
    for coding in CODINGS:
        browser = Browser(atc, codings=coding)
        for i in range(8):
            add_event(browser, APRIL, "%s event %d" % (coding, i))
        sign_in(browser, APRIL, "Anna of " + coding)
        assert browser.visit("/%s/" % APRIL).status == 200 and browser.coding == coding
        assert browser.page.text.count("%s event" % coding) >= 8
        asked = browser.ask("GET", "/%s/events.json" % APRIL)
        assert browser.coding == coding
        assert [event["title"] for event in asked.json()] == titles(atc, APRIL)
        assert "Accept-Encoding" in asked.header("Vary")
        again = browser.ask("GET", "/%s/events.json" % APRIL, [("If-None-Match", asked.header("ETag"))])
        assert again.status == 304 and not again.body and again.header("ETag") == asked.header("ETag")


@pytest.mark.parametrize("coding", CODINGS)
def test_events_of_rails_arrive_at_once_in_every_coding(calendar, coding):
    atc = calendar()
    browser, decoder = Browser(atc), Decoder(coding)
    with atc.wire(60) as wire:
        wire.request("GET", "/%s/events/stream" % WINTER, [("Accept-Encoding", coding)])
        head = wire.head()
        assert head.header("Content-Type").startswith("text/event-stream") and head.header("Content-Encoding") == coding
        chunks, text = wire.chunks(), b""
        for i in range(3):
            while text.count(b"event:") <= i:
                text += decoder.feed(next(chunks))
            add_event(browser, WINTER, "dance %d" % i)
        assert text.startswith(b"event: hello\n") and text.count(b"event: change\n") == 2
