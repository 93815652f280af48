"""The roster: users and tenants that are added, changed and removed by commands, over a file that stays as it is.
SPDX-License-Identifier: MIT
"""
import hashlib
import http.client
import http.server
import json
import os
import random
import signal
import subprocess
import threading

import pytest

from atc import KNOBS_COMMAND, PROGRAM, together
from stores import STORES
from waiting import stretched

FILE = """# Written by hand; its comments and its order are ours.
app: {framework: generic, command: /bin/true}
users:
  zoe:    # first, although it is the last letter
    machine: m1
    env: {ONE: file, TWO: file}
    tenants: [2025/a, 2025/b]
  alone:
  bob:
    instance: m3
    tenants:
      x: {region: fra}
"""


class Roster:
    """The commands in a directory of their own, over a store, or over none: then the roster is beside the file."""

    def __init__(self, atc, store=None, text=FILE):
        self.atc, self.store = atc, store
        self.environment = store.environment if store else {}
        backup = "" if not store else "backup: {url: %s}\n" % store.config["url"]
        atc.write_config(text + backup)
        self.text = atc.config_file.read_text()

    def run(self, *words, code=0, env=None):
        done = self.atc.cli(*words, "-c", str(self.atc.config_file), env={**self.environment, **(env or {})})
        assert done.returncode == code, done
        return done

    def out(self, *words):
        return self.run(*words).stdout.splitlines()

    def fault(self, *words, code=2):
        done = self.run(*words, code=code)
        assert done.stdout == ""
        return done.stderr

    def json(self, *words):
        return json.loads(self.run(*words, "--json").stdout)

    def users(self):
        return {user["user"]: user for user in self.json("user", "list")}

    def tenants(self):
        return {tenant["tenant"]: tenant for tenant in self.json("tenant", "list")}

    def history(self, n=1000):
        return self.json("roster", "history", "-n", str(n))

    def dump(self):
        return self.run("dump").stdout

    def folder(self):
        return self.store.path("_roster") if self.store else self.atc.home / "atc.roster"

    def versions(self):
        return sorted(path.name for path in (self.folder() / "changes").iterdir() if path.name.isdigit())

    def object(self, name):
        return self.folder() / name


@pytest.fixture(params=["local", *STORES])
def roster(request, make_atc):
    """In each of the places where one may be."""
    store = STORES[request.param]() if request.param in STORES else None
    yield Roster(make_atc(), store)
    if store:
        store.remove()


@pytest.fixture
def local(make_atc):
    return Roster(make_atc())


def test_users_are_added_changed_and_removed_and_the_file_is_not_touched(roster):
    assert set(roster.users()) == {"zoe", "alone", "bob"}
    assert roster.out("user", "add", "carl", "machine=m2", "region=ord")[0] == "+ user carl: machine m2, region ord"
    assert roster.users()["carl"] == {"user": "carl", "tenants": 1, "machine": "m2", "region": "ord", "host": None,
                                      "where": "roster:1"}
    assert roster.out("user", "change", "carl", "region=", "machine=m5")[0] == \
        "~ user carl: machine m5 (was m2), region taken back"
    assert roster.users()["carl"]["machine"] == "m5" and roster.users()["carl"]["region"] is None
    roster.run("user", "change", "zoe", "machine=m9")
    assert roster.users()["zoe"]["machine"] == "m9" and roster.users()["zoe"]["tenants"] == 2
    roster.run("user", "change", "zoe", "machine=")
    assert roster.users()["zoe"]["machine"] is None
    roster.run("user", "remove", "carl")
    roster.run("user", "remove", "bob")
    assert set(roster.users()) == {"zoe", "alone"} and "bob/x" not in roster.tenants()
    assert roster.atc.config_file.read_text() == roster.text
    assert len(roster.versions()) == 6


def test_tenants_are_added_changed_and_removed(roster):
    roster.run("tenant", "add", "zoe/2026/c", "region=fra")
    roster.run("tenant", "change", "zoe/2025/a", "machine=m4")
    roster.run("tenant", "remove", "zoe/2025/b")
    roster.run("tenant", "remove", "bob/x")
    assert {name: (t["machine"], t["region"]) for name, t in roster.tenants().items()} == {
        "alone": (None, None), "zoe/2025/a": ("m4", None), "zoe/2026/c": (None, "fra")}
    assert roster.users()["bob"]["tenants"] == 0      # and is not a tenant itself because it has none
    roster.run("tenant", "add", "bob/x", "machine=m7")
    assert roster.tenants()["bob/x"]["machine"] == "m7" and roster.tenants()["bob/x"]["region"] is None


def test_a_user_comes_with_tenants_and_settings(roster):
    roster.run("user", "add", "eve", "2025/x", "2025/y", "env.A=1", "env.B=two words", "idle_timeout=7m", "host=eve.example")
    assert {"eve/2025/x", "eve/2025/y"} <= set(roster.tenants()) and "eve" not in roster.tenants()
    dump = roster.dump()
    assert "A: 1" in dump and 'B: "two words"' in dump and "idle_timeout: 7m" in dump and "# roster:1" in dump
    roster.run("user", "change", "eve", "env.B=3")
    assert "A: 1" in roster.dump() and "B: 3" in roster.dump()
    roster.run("user", "change", "zoe", "env={TWO: roster, THREE: roster}")
    assert all(line in roster.dump() for line in ("ONE: file", "TWO: roster", "THREE: roster"))


def test_what_was_removed_and_added_again_has_nothing_of_the_file(roster):
    roster.run("user", "remove", "zoe")
    roster.run("user", "add", "zoe")
    assert roster.users()["zoe"]["machine"] is None and "zoe" in roster.tenants() and "zoe/2025/a" not in roster.tenants()
    assert "ONE: file" not in roster.dump()


def test_a_user_that_is_a_tenant_itself_does_not_end_by_being_given_one(roster):
    assert "which would end" in roster.fault("tenant", "add", "alone/x")
    roster.run("user", "change", "alone", "tenants={}")
    assert roster.users()["alone"]["tenants"] == 0
    roster.run("tenant", "add", "alone/x")
    assert set(roster.tenants()) == {"alone/x", "bob/x", "zoe/2025/a", "zoe/2025/b"}


@pytest.mark.parametrize("words,code,said", [
    (["user", "add", "zoe"], 1, "user zoe exists"),
    (["user", "change", "nobody", "machine=m1"], 1, "user nobody does not exist"),
    (["user", "remove", "nobody"], 1, "user nobody does not exist"),
    (["tenant", "add", "zoe/2025/a"], 1, "exists"),
    (["tenant", "add", "nobody/x"], 1, "fly-atc user add nobody"),
    (["tenant", "change", "zoe/2025/z", "machine=m1"], 1, "does not exist"),
    (["tenant", "add", "zoe"], 2, "bob/2025"),
    (["user", "add", "a/b"], 2, "without a slash"),
    (["user", "change", "zoe"], 2, "nothing is said"),
    (["user", "change", "zoe", "machin=m1"], 2, 'roster:1: error: unknown key "machin"; did you mean "machine"?'),
    (["user", "change", "zoe", "machine=m 1"], 2, "roster:1: error: machine:"),
    (["user", "change", "zoe", "idle_timeout=soon"], 2, "roster:1: error: idle_timeout: "),
    (["user", "change", "zoe", "env={A: "], 2, "settings"),
    (["user", "change", "zoe", "env={A: &x 1}"], 2, "anchors"),
    (["user", "add", ".hidden"], 2, "cannot be a user"),
    (["user", "add", "ZOE"], 2, "differ in capital letters only"),
    (["user", "add", "_roster"], 2, "a folder of fly-atc's own"),
    (["user", "add", "carl", "host=localhost", "2025/a", "2025/a"], 2, "is named twice"),
    (["user", "ad", "carl"], 2, "did you mean add"),
    (["user", "add"], 2, "which user"),
    (["roster", "revert"], 2, "which version"),
    (["roster", "revert", "7"], 1, "there is no version 7"),
    (["roster", "revert", "x"], 2, "not the number"),
    (["roster", "diff", "1", "2", "3"], 2, "unexpected"),
    (["roster", "history", "--dry-run"], 2, "go with revert"),
    (["user", "list", "nobody"], 1, "there is no user nobody"),
])
def test_what_makes_no_sense_is_refused_with_the_reason_and_nothing_is_written(local, words, code, said):
    assert said in local.fault(*words, code=code)
    assert not (local.folder() / "changes").exists() or local.versions() == []
    assert local.history() == []


def test_a_dry_run_says_what_would_be_and_writes_nothing(roster):
    done = roster.out("user", "add", "carl", "machine=m2", "--dry-run")
    assert done[0] == "+ user carl: machine m2" and "would be version 1" in done[1]
    assert not roster.folder().exists()
    assert 'unknown key "machin"' in roster.fault("user", "add", "carl", "machin=m2", "--dry-run")
    assert roster.json("user", "add", "carl", "--dry-run") == {"version": 1, "written": False, "changes": ["+ user carl"]}
    assert "carl" not in roster.users()


def test_a_region_that_has_no_effect_is_pointed_out(local):
    done = local.run("user", "change", "zoe", "region=fra")
    assert "roster:1: warning: the region fra has no effect, since machine m1 of line 5 decides" in done.stderr
    assert local.run("user", "change", "zoe", "machine=").stderr == ""
    assert local.run("user", "change", "zoe", "region=ord").stderr == ""
    assert local.run("tenant", "change", "bob/x", "region=ord").stderr == ""    # nearer than the machine of its user


def test_what_changes_nothing_is_no_version(roster):
    roster.run("user", "change", "zoe", "machine=m2")
    assert roster.out("user", "change", "zoe", "machine=m2") == ["nothing changes"]
    assert len(roster.history()) == 1


def test_history_says_who_changed_what_and_diff_what_differs(roster):
    roster.run("user", "add", "carl", "machine=m2", env={"USER": "anna"})
    roster.run("user", "change", "carl", "machine=m3")
    roster.run("user", "add", "dora")
    roster.run("user", "remove", "dora")
    history = roster.history()
    assert [entry["version"] for entry in history] == [4, 3, 2, 1]
    assert history[3]["by"].startswith("anna@") and history[3]["changes"] == ["+ user carl: machine m2"]
    assert [entry["version"] for entry in roster.history(n=1)] == [4]
    text = roster.run("roster", "history").stdout
    assert "~ user carl: machine m3 (was m2)" in text and "anna@" in text
    assert roster.out("roster", "diff") == ["+ user carl: machine m3", "- user dora"]
    assert roster.out("roster", "diff", "1") == ["~ user carl: machine m3 (was m2)", "- user dora"]
    assert roster.out("roster", "diff", "1", "2") == ["~ user carl: machine m3 (was m2)"]
    assert roster.out("roster", "diff", "2", "1") == ["~ user carl: machine m2 (was m3)"]
    assert "there is no version 5" in roster.fault("roster", "diff", "5", code=1)


def test_a_version_is_taken_back_and_so_are_all_after_one(roster):
    roster.run("user", "add", "carl", "2025/x", "machine=m2")
    roster.run("user", "change", "zoe", "machine=m2")
    roster.run("user", "remove", "carl")
    before = roster.dump()
    assert "changed again by version 3" in roster.fault("roster", "revert", "1", code=1)
    roster.run("roster", "revert", "3")
    assert roster.users()["carl"]["machine"] == "m2" and "carl/2025/x" in roster.tenants()
    roster.run("roster", "revert", "2")
    assert roster.users()["zoe"]["machine"] == "m1"
    assert "it would be version 6" in roster.run("roster", "revert", "3", "--to", "--dry-run").stdout
    roster.run("roster", "revert", "--to", "3")
    assert roster.dump().replace("roster:6", "roster:_") == before.replace("roster:2", "roster:_") or roster.dump() == before
    roster.run("roster", "revert", "--to", "0")
    assert roster.out("roster", "diff") == [] and set(roster.users()) == {"zoe", "alone", "bob"}
    assert len(roster.versions()) == 7     # every one of them is kept


def test_secrets_in_maps_are_not_shown(roster):
    roster.run("user", "add", "carl", "env.API_TOKEN=hunter2")
    for words in (["roster", "history"], ["roster", "history", "--json"], ["roster", "diff"], ["dump"]):
        assert "hunter2" not in roster.run(*words).stdout
    assert "env {API_TOKEN}" in roster.run("roster", "diff").stdout


def test_check_and_dump_have_the_roster(roster):
    roster.run("user", "add", "carl", "machine=m2")
    assert "of 4 users" in roster.run("check").stdout
    assert "carl:                                     # roster:1" in roster.dump()
    loose = roster.atc.config_file.read_text().replace("command: /bin/true", "command: /bin/true, thread: 1")
    roster.atc.config_file.write_text(loose)
    assert "atc.yml:2:" in roster.fault("check")


def test_what_the_file_lost_is_reported_and_not_made_up(local):
    local.run("user", "change", "bob", "machine=m5")
    local.run("tenant", "add", "bob/y")
    local.run("tenant", "change", "zoe/2025/a", "machine=m5")
    local.atc.config_file.write_text(FILE.split("  bob:")[0].replace("[2025/a, 2025/b]", "[2025/b]"))
    done = local.run("check")
    assert "roster:1: warning: user bob is changed here, but is not there" in done.stderr
    assert "roster:2: warning: tenant bob/y is changed here" in done.stderr
    assert "roster:3: warning: tenant zoe/2025/a is changed here" in done.stderr
    assert set(local.users()) == {"zoe", "alone"} and set(local.tenants()) == {"zoe/2025/b", "alone"}


def test_the_roster_wins_over_a_file_that_names_the_same_user_later(local):
    local.run("user", "add", "carl", "machine=m2")
    local.run("user", "remove", "bob")
    local.atc.config_file.write_text(FILE + "  carl: {machine: m8, tenants: [a]}\n")
    assert local.users()["carl"]["machine"] == "m2" and "carl" in local.tenants() and "bob" not in local.users()


def test_only_users_of_users_are_changed(make_atc):
    routes = Roster(make_atc(), text=FILE + "routes: [{endpoint: old/one}]\n")
    assert "routes:" in routes.fault("tenant", "change", "old/one", "machine=m1")
    single = Roster(make_atc(), text="app: {framework: generic, command: /bin/true}\n")
    assert "users: {}" in single.fault("user", "add", "carl")
    single.atc.config_file.write_text("app: {framework: generic, command: /bin/true}\nusers: {}\n")
    single.run("user", "add", "carl")
    assert set(single.users()) == {"carl"}


def test_without_a_file_there_is_nowhere_to_keep_a_roster(atc):
    done = atc.cli("user", "add", "carl")
    assert done.returncode == 2 and "single application" in done.stderr


# --- many at once ---

def race(roster, processes, each):
    """So many processes, each with changes of its own, one after the other and all at the same time."""
    def work(i):
        for k in range(each):
            name = "w%dn%d" % (i, k)
            done = subprocess.run([PROGRAM, "user", "add", name, "machine=m%d" % i, "-c", str(roster.atc.config_file)],
                                  cwd=roster.atc.app, env=roster.atc.environment(**roster.environment), text=True,
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=stretched(120), check=False)
            assert done.returncode == 0, done
        return True
    assert together(processes, work) == [True] * processes


def check_race(roster, processes, each):
    users = roster.users()
    assert {name: users[name]["machine"] for name in users if name.startswith("w")} == {
        "w%dn%d" % (i, k): "m%d" % i for i in range(processes) for k in range(each)}
    history = roster.history()
    assert [entry["version"] for entry in history] == list(range(processes * each, 0, -1))
    assert sorted(entry["changes"][0] for entry in history) == sorted(
        "+ user w%dn%d: machine m%d" % (i, k, i) for i in range(processes) for k in range(each))


def test_changes_at_the_same_time_are_all_kept(roster):
    race(roster, 4, 5)
    check_race(roster, 4, 5)


def test_changes_of_one_user_at_the_same_time_are_all_kept(roster):
    def work(i):
        return roster.run("user", "change", "zoe", "env.V%d=%d" % (i, i)).returncode
    assert together(6, work) == [0] * 6
    dump = roster.dump()
    assert all("V%d: %d" % (i, i) in dump for i in range(6))


def test_of_those_who_add_the_same_user_one_does(roster):
    def work(i):
        return roster.atc.cli("user", "add", "carl", "machine=m%d" % i, "-c", str(roster.atc.config_file),
                              env=roster.environment).returncode
    assert sorted(together(4, work)) == [0, 1, 1, 1]
    assert len(roster.history()) == 1


@pytest.mark.slow
def test_of_a_thousand_racing_changes_none_is_lost(make_atc, bucket):
    roster = Roster(make_atc(), bucket)
    race(roster, 4, 250)
    check_race(roster, 4, 250)


# --- what may be in the store ---

GARBAGE = [b"", b"{", b"\x00\xff" * 100, b"[]", b"null", b'{"roster":1}', b'{"roster":1,"version":2}', b"[" * 100000,
           b'{"roster":' + b"9" * 400 + b"}", b'{"a":1,"a":2}']


def spoiled(text, **changes):
    """An object of a version, with members replaced."""
    return json.dumps({**json.loads(text), **changes}, separators=(",", ":")).encode()


def latest_of(version, state):
    return "%d %s" % (version, hashlib.sha256(state).hexdigest())


def hostile_changes():
    new = {"version": 2, "how": "new"}
    for name in ("", "a/b", "a b", "a\nb", "a\x1b[2J", "x" * 600, "ü", '"'):
        yield [{"user": name, "before": None, "after": new}]
    yield [{"tenant": "zoe", "before": None, "after": new}]
    yield [{"person": "carl", "before": None, "after": new}]
    yield [{"user": "carl", "after": new}]
    yield [{"user": "carl", "tenant": "a/b", "before": None, "after": new}]
    for after in ({}, [], "x", 1, {"version": 2}, {"how": "new"}, {"version": 3, "how": "new"}, {"version": 0, "how": "new"},
                  {"version": -1, "how": "new"}, {"version": 2, "how": "none"}, {**new, "more": 1}, {**new, "settings": []},
                  {**new, "settings": {"a": 1}}, {**new, "settings": {"a": True}}, {**new, "tenants": False}):
        yield [{"user": "carl", "before": None, "after": after}]
    yield [{"user": "carl", "before": {"version": 1, "how": "new"}, "after": new}]
    yield "carl"
    yield [1]


def test_a_version_that_cannot_be_read_stops_everybody_before_it_and_is_named(local):
    local.run("user", "add", "one")
    local.run("user", "add", "two", "--json")
    path = local.object("changes/0000000002")
    good = path.read_bytes()
    bad = [*GARBAGE, good[:-20], spoiled(good, version=3), spoiled(good, previous="0" * 64), spoiled(good, previous=""),
           spoiled(good, roster=2), spoiled(good, id=7), spoiled(good, by=None), spoiled(good, when="now"), spoiled(good, more=1),
           spoiled(good, changes=None), *(spoiled(good, changes=changes) for changes in hostile_changes()),
           b'{"x":"' + b"y" * 300000 + b'"}']
    for content in bad:
        path.write_bytes(content)
        done = local.run("user", "list", code=1)
        assert "the roster cannot be read: " in done.stderr and "one" in done.stdout and "two" not in done.stdout, content
        assert all(ord(c) >= 32 or c == "\n" for c in done.stderr), content
        done = local.run("user", "add", "three", code=1)
        assert path.read_bytes() == content and len(local.versions()) == 2, content
    assert "later fly-atc" in (path.write_bytes(spoiled(good, roster=2)), local.run("user", "list", code=1))[1].stderr
    path.write_bytes(good)
    local.run("user", "add", "three")
    assert {"one", "two", "three"} <= set(local.users())


def test_a_saved_state_that_is_not_what_the_versions_say_is_not_believed(local):
    for i in range(16):
        local.run("user", "add", "u%d" % i)
    latest, state = local.object("latest"), local.object("states/0000000016")
    good, users = state.read_bytes(), local.users()
    assert latest.read_text() == latest_of(16, good) and len(users) == 19
    other = json.loads(good)
    del other["users"]["u3"]
    moved = {**other, "head": "0" * 64}
    for content in [*GARBAGE, good[:-1], spoiled(good, version=15), spoiled(good, version=17),
                    spoiled(good, roster=2), json.dumps(moved, separators=(",", ":")).encode()]:
        for hashed in (good, content):     # spoiled alone, and together with what names it
            state.write_bytes(content)
            latest.write_text(latest_of(16, hashed))
            assert local.users() == users, content
    state.write_bytes(json.dumps(other, separators=(",", ":")).encode())
    latest.write_text(latest_of(16, good))
    assert local.users() == users     # somebody is missing in it, and it fits the log
    state.unlink()
    assert local.users() == users
    state.write_bytes(good)
    for content in (b"", b"16", b"17", b"0", b"-1", b"x", b"9" * 40, b"\x00", latest_of(17, good).encode()):
        latest.write_bytes(content)
        assert local.users() == users, content
    local.run("user", "add", "more")
    assert set(local.users()) == {*users, "more"}


def test_states_are_saved_so_that_few_versions_are_read_and_the_former_one_is_removed(roster):
    for i in range(33):
        roster.run("user", "add", "u%d" % i)
    states = [path.name for path in (roster.folder() / "states").iterdir() if path.name.isdigit()]
    assert states == ["0000000032"] and roster.object("latest").read_text().startswith("32 ")
    if roster.store and roster.store.name == "s3":
        before = roster.store.server.requests()
        roster.run("user", "list")
        assert roster.store.server.requests() - before < 8
    assert len(roster.users()) == 36


def test_a_log_that_begins_anew_elsewhere_is_followed_and_one_that_is_gone_is_not_written_over(local):
    """The store may have been set back: nothing is written behind a gap."""
    for name in ("one", "two", "three"):
        local.run("user", "add", name)
    local.object("changes/0000000002").unlink()
    assert "two" not in local.users()
    local.run("user", "add", "four")     # becomes 2; what is behind it does not follow it
    assert "does not follow" in local.run("user", "list", code=1).stderr


# --- when something dies ---

def test_whenever_a_writer_is_killed_the_log_is_whole(roster):
    random.seed(1)
    acknowledged = []
    for i in range(40):
        process = subprocess.Popen(
            [PROGRAM, "user", "add", "u%d" % i, "-c", str(roster.atc.config_file)], cwd=roster.atc.app,
            env=roster.atc.environment(**roster.environment), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        timer = threading.Timer(random.random() * 0.06, lambda p=process: p.send_signal(signal.SIGKILL))
        timer.start()
        if process.wait() == 0:
            acknowledged.append("u%d" % i)
        timer.cancel()
    roster.run("user", "add", "last")
    users = roster.users()
    assert set(acknowledged) <= set(users) and "last" in users
    history = roster.history()
    assert [entry["version"] for entry in history] == list(range(len(history), 0, -1))
    assert len(history) == len(users) - 3


class Lossy:
    """In front of a bucket: does to writes of versions what `fate` says, of each in turn; what is beyond it passes."""

    def __init__(self, bucket):
        self.fate, self.seen, lossy = [], 0, self
        host, port = bucket.environment["AWS_ENDPOINT_URL_S3"].removeprefix("http://").split(":")

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                fate = "pass"
                if self.command == "PUT" and "/changes/" in self.path:
                    lossy.seen += 1
                    fate = lossy.fate.pop(0) if lossy.fate else "pass"
                if fate == "lost":
                    self.close_connection = True
                    return
                if fate == "refused":
                    self.answer(403, b"<Error><Code>AccessDenied</Code></Error>", [])
                    return
                upstream = http.client.HTTPConnection(host, int(port))
                upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():
                    upstream.putheader(name, value)
                upstream.endheaders(body)
                answer = upstream.getresponse()
                content = answer.read()
                upstream.close()
                if fate == "unanswered":
                    self.close_connection = True
                elif fate == "500":
                    self.answer(500, b"", [])
                else:
                    self.answer(answer.status, content, [(n, v) for n, v in answer.getheaders() if n.lower() == "etag"])

            def answer(self, status, content, headers):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            do_GET = do_PUT = do_DELETE = do_HEAD = forward

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.environment = {**bucket.environment, "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:%d" % self.server.server_port}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.mark.parametrize("fate", [["unanswered"], ["lost"], ["500"], ["unanswered"] * 3, ["lost", "500", "unanswered"]])
def test_a_write_whose_answer_is_lost_is_written_once(make_atc, bucket, fate):
    roster, lossy = Roster(make_atc(), bucket), Lossy(bucket)
    roster.environment, lossy.fate = lossy.environment, list(fate)
    done = roster.run("user", "add", "carl", "machine=m2")
    assert "version 1 in" in done.stdout and lossy.seen > 1
    assert [entry["changes"] for entry in roster.history()] == [["+ user carl: machine m2"]]
    lossy.close()


def test_a_store_that_refuses_to_write_is_an_error_and_nothing_was_written(make_atc, bucket):
    roster, lossy = Roster(make_atc(), bucket), Lossy(bucket)
    roster.environment, lossy.fate = lossy.environment, ["refused"] * 100
    assert "AccessDenied" in roster.fault("user", "add", "carl", code=1)
    lossy.fate = []
    assert roster.history() == []
    lossy.close()


def test_without_the_store_nothing_is_written_and_the_file_is_shown_with_a_complaint(make_atc, bucket):
    roster = Roster(make_atc(), bucket)
    roster.run("user", "add", "carl")
    bucket.take_away()
    done = roster.run("user", "list", code=1)
    assert "the roster cannot be read" in done.stderr and "zoe" in done.stdout and "carl" not in done.stdout
    assert "127.0.0.1" in roster.fault("user", "add", "dora", code=1)
    bucket.bring_back()
    assert "carl" in roster.users() and "dora" not in roster.users()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("kind", ["local", "file"])
def test_what_root_writes_into_a_directory_of_somebody_elses_is_theirs(make_atc, kind):
    store = STORES["file"]() if kind == "file" else None
    roster = Roster(make_atc(), store)
    for path in [roster.atc.home, roster.atc.app, *([store.root] if store else [])]:
        os.chown(path, 1234, 1234)
    roster.run("user", "add", "carl")
    for i in range(16):
        roster.run("user", "change", "carl", "machine=m%d" % i)
    roster.run("roster", "revert", "17")
    made = [path for path in roster.folder().rglob("*")]
    assert len(made) > 18 and {path.stat().st_uid for path in made} == {1234}
    if store:
        store.remove()
    else:
        # What its owner cannot read is read, and written, by root.
        roster.atc.config_file.chmod(0o600)
        roster.run("user", "change", "carl", "machine=last")
        assert roster.users()["carl"]["machine"] == "last"


# --- with a fly-atc that runs ---

def serving(atc, store, text=None):
    """With tenants that are never started: a request for one that is there is held until it cannot start."""
    config = {"app": {"framework": "generic", "command": KNOBS_COMMAND, "files": "none", "strict_databases": False,
                      "env": {"KNOBS_DIR": "${tenant.dir}"}},
              "users": {"zoe": {"tenants": ["2025/a"]}}, "backup": store.config}
    return atc.start(text or config, env=store.environment)


def test_a_user_that_was_added_is_served_at_once_and_one_that_was_removed_is_not(atc, store):
    serving(atc, store)
    assert atc.get("/carl/2025/x/whoami").status == 404
    done = atc.cli("user", "add", "carl", "2025/x", "-c", str(atc.config_file), env=store.environment)
    assert done.returncode == 0, done
    assert atc.get("/carl/2025/x/whoami").status == 200
    assert atc.cli("tenant", "remove", "carl/2025/x", "-c", str(atc.config_file), env=store.environment).returncode == 0
    assert atc.get("/carl/2025/x/whoami").status == 404


def test_who_has_no_keys_for_the_store_has_it_written_by_the_fly_atc_that_runs(atc, bucket):
    def cli(*words):
        return atc.cli(*words, "-c", str(atc.config_file), env=place)
    place = {"AWS_ENDPOINT_URL_S3": bucket.environment["AWS_ENDPOINT_URL_S3"]}
    serving(atc, bucket)
    done = cli("user", "list")
    assert done.returncode == 1 and "keys are missing" in done.stderr and "zoe" in done.stdout
    done = cli("user", "add", "carl", "2025/x", "env.A=1", "--dry-run")
    assert done.returncode == 0 and "+ tenant carl/2025/x\n" in done.stdout and "nothing was written" in done.stdout, done
    done = cli("user", "add", "carl", "2025/x", "env.A=1")
    assert done.returncode == 0 and done.stdout.endswith("version 1\n"), done
    assert atc.get("/carl/2025/x/whoami").status == 200
    done = cli("user", "change", "carl", "machin=m1")
    assert done.returncode == 2 and 'roster:2: error: unknown key "machin"; did you mean "machine"?' in done.stderr
    done = cli("user", "add", "carl")
    assert done.returncode == 1 and "user carl exists" in done.stderr
    done = cli("roster", "revert", "1", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["written"] is True, done
    assert atc.get("/carl/2025/x/whoami").status == 404
    atc.stop()
    done = cli("user", "add", "carl")
    assert done.returncode == 2 and "keys are missing" in done.stderr
