"""What happens to the tenants is told as it happens, to everyone who asked, and to the end.
SPDX-License-Identifier: MIT
"""
import json
import os
import signal
import subprocess

import pytest

from atc import PROGRAM, WINTER, knobs_config
from waiting import stretched, wait_until
from wire import Wire

ID, APRIL = "bellevue/2025/winter", "boston/2025/april"
TWO = {"bellevue": {"tenants": ["2025/winter"]}, "boston": {"tenants": ["2025/april"]}}
WAKING = ["queued", "restoring", "preparing", "starting", "running"]
STOPPING = ["draining", "stopping", "stopped"]


class Events:
    """A subscriber that reads as an EventSource does, but strictly."""

    def __init__(self, atc, query="", timeout=30):
        self.wire = Wire(atc.control_socket(), timeout)
        self.wire.request("GET", "/v1/events" + query)
        self.head = self.wire.head()
        assert (self.head.status, self.head.header("Content-Type")) == (200, "text/event-stream")
        self.seen, self.is_over = [], False
        self.source = self.parsed()
        self.snapshot = self.next()
        assert self.snapshot["event"] == "snapshot"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

    def parsed(self):
        text = ""
        for chunk in self.wire.chunks():
            text += chunk.decode()
            while "\n\n" in text:
                event, text = text.split("\n\n", 1)
                name, data = event.split("\n")
                told = json.loads(data.removeprefix("data: "))
                assert name == "event: " + told["event"]
                yield told
        assert not text
        self.is_over = True

    def next(self):
        self.seen.append(next(self.source))
        return self.seen[-1]

    def until(self, **what):
        """The events up to one that is so."""
        begin = len(self.seen)
        while not what.items() <= self.next().items():
            pass
        return self.seen[begin:]

    def rest(self):
        begin = len(self.seen)
        for event in self.source:
            self.seen.append(event)
        return self.seen[begin:]


def states(events, tenant=ID):
    return [each["state"] for each in events if each["event"] == "state" and each["tenant"] == tenant]


def names(events):
    return [each["event"] for each in events]


def assert_without_gap(events, tenant=ID, first="absent"):
    """Each state follows the one that was told before."""
    told = [(each["before"], each["state"]) for each in events if each["event"] == "state" and each["tenant"] == tenant]
    assert [before for before, _ in told] == [first] + [state for _, state in told][:-1]


def start(atc, config):
    """The first proxy has said that it serves, so that no event is left of the start."""
    atc.start(config)
    atc.wait_log("serving on")


def reload(atc, config):
    atc.write_config(config)
    done = atc.cli("reload")
    assert done.returncode == 0, done


def test_the_states_of_a_tenant_are_told_in_their_order(atc):
    start(atc, knobs_config())
    with Events(atc) as events:
        assert atc.get(WINTER + "/up").status == 200
        pid = atc.tenant()["pid"]
        waking = events.until(state="running")
        assert states(waking) == WAKING
        assert (waking[-1]["pid"], waking[-1]["reason"]) == (pid, None) and waking[-1]["generation"]
        assert [each["pid"] for each in waking[:-1]] == [None] * 4
        assert atc.cli("stop", ID).returncode == 0
        assert states(events.until(state="stopped")) == STOPPING
        assert_without_gap(events.seen)
        assert atc.get(WINTER + "/up").status == 200
        assert states(events.until(state="running")) == WAKING
        assert events.seen[-1]["generation"] > waking[-1]["generation"]
        times = [each["time"] for each in events.seen]
        assert times == sorted(times)


def test_one_that_falls_asleep_is_told_too(atc):
    start(atc, knobs_config(idle_timeout="300ms"))
    with Events(atc) as events:
        assert atc.get(WINTER + "/up").status == 200
        assert states(events.until(state="stopped")) == WAKING + ["stopping", "stopped"]
        assert_without_gap(events.seen)


def test_a_snapshot_says_what_is_so(atc):
    start(atc, knobs_config(TWO))
    assert atc.get(WINTER + "/up").status == 200
    tenant = atc.tenant()
    with Events(atc) as events:
        snapshot = events.snapshot
        assert snapshot["state"] == "serving" and snapshot["proxy"]["pid"] == atc.proxy_pid()
        assert snapshot["config"] == {"version": atc.status()["config"]["version"], "tenants": 2}
        winter, april = snapshot["tenants"]
        assert (winter["tenant"], winter["state"], winter["pid"]) == (ID, "running", tenant["pid"])
        assert winter["since"] < snapshot["time"] and winter["generation"]
        assert (april["tenant"], april["state"], april["pid"], april["since"]) == (APRIL, "absent", None, None)


def test_why_a_tenant_fails_and_crashes_is_told(atc):
    start(atc, knobs_config(max_restarts=1, restart_window="1m"))
    with Events(atc) as events:
        assert atc.get(WINTER + "/crash?code=7").status == 502
        crashed = events.until(state="stopped")[-1]
        assert "status 7" in crashed["reason"] and crashed["pid"] is None
        atc.get_until_ok(WINTER + "/up")
        assert events.until(state="running")[-1]["reason"] is None
        assert atc.get(WINTER + "/crash?code=8").status == 502
        assert "status 8" in events.until(state="failed")[-1]["reason"]
        assert_without_gap(events.seen)


def test_a_subscriber_hears_of_whom_it_asked_for(atc):
    start(atc, knobs_config(TWO))
    with Events(atc, "?tenant=bellevue%2F2025%2Fwinter") as winter, Events(atc, "?user=boston") as boston, \
            Events(atc) as everyone:
        assert [each["tenant"] for each in winter.snapshot["tenants"]] == [ID]
        assert [each["tenant"] for each in boston.snapshot["tenants"]] == [APRIL]
        for prefix in (WINTER, "/" + APRIL):
            assert atc.get(prefix + "/up").status == 200
        reload(atc, knobs_config(TWO))
        for events, tenants in ((winter, {ID}), (boston, {APRIL}), (everyone, {ID, APRIL})):
            told = events.until(event="reloaded")
            assert {each["tenant"] for each in told[:-1]} == tenants
            assert all(states(told, each) == WAKING for each in tenants)


def test_what_cannot_be_followed_is_refused(atc):
    start(atc, knobs_config())
    assert atc.control("GET", "/v1/events?tenant=nobody").status == 404
    assert atc.control("GET", "/v1/events?user=nobody").status == 404
    assert atc.control("GET", "/v1/events?user=bellevue&tenant=" + ID).status == 400
    assert atc.control("POST", "/v1/events").status == 405
    done = atc.cli("events", "nobody")
    assert (done.returncode, done.stdout) == (1, "") and "no tenant nobody" in done.stderr


def test_a_reload_tells_of_those_it_brings_and_takes_away(atc):
    start(atc, knobs_config())
    assert atc.get(WINTER + "/up").status == 200
    with Events(atc) as events:
        reload(atc, knobs_config(TWO))
        told = [events.next(), events.next()]
        assert names(told) == ["reloaded", "added"] and told[1]["tenant"] == APRIL
        assert [told[0][key] for key in ("added", "removed", "changed", "named")] == [1, 0, 0, True]
        assert told[0]["config"] == {"version": atc.status()["config"]["version"], "tenants": 2}
        reload(atc, knobs_config({"boston": {"tenants": ["2025/april"]}}))
        told = events.until(state="stopped")
        assert names(told[:2]) == ["reloaded", "removed"] and told[1]["tenant"] == ID
        assert states(told) == STOPPING
        reload(atc, knobs_config(TWO))
        assert names(events.until(event="added")) == ["reloaded", "added"]
        assert atc.get(WINTER + "/up").status == 200
        assert states(events.until(state="running")) == WAKING


def test_of_very_many_at_once_only_who_asked_for_one_is_told(atc):
    many = {"crowd": {"tenants": ["c%04d" % i for i in range(300)]}}
    start(atc, knobs_config(TWO))
    with Events(atc) as everyone, Events(atc, "?user=boston") as boston:
        reload(atc, knobs_config({"bellevue": TWO["bellevue"], **many}))
        assert names(boston.until(event="removed")) == ["reloaded", "removed"]
        assert atc.get(WINTER + "/up").status == 200
        told = everyone.until(state="running")
        assert told[0]["event"] == "reloaded" and (told[0]["added"], told[0]["named"]) == (300, False)
        assert set(names(told[1:])) == {"state"}
    with Events(atc) as events:
        assert [each["tenant"] for each in events.snapshot["tenants"]] == [ID] and events.snapshot["sleeping"] == 300


def test_a_proxy_that_ends_and_the_next_one_are_told(atc):
    start(atc, knobs_config())
    atc.proxy_may_change = True
    with Events(atc) as events:
        first = atc.proxy_pid()
        os.kill(first, signal.SIGKILL)
        ended, serves = events.next(), events.next()
        assert names([ended, serves]) == ["proxy", "proxy"] and (ended["serves"], serves["serves"]) == (False, True)
        assert ended["pid"] is None and "KILL" in ended["reason"] and ended["restarts"] == 1
        assert serves["pid"] == atc.proxy_pid() != first


def test_the_end_is_told_and_ends_the_answer(atc):
    start(atc, knobs_config())
    assert atc.get(WINTER + "/up").status == 200
    with Events(atc) as events, Events(atc, "?tenant=" + ID) as winter:
        atc.stop()
        for each in (events, winter):
            told = each.rest()
            assert names(told) == ["ending", "state", "state", "state", "end"] and each.is_over
            assert states(told) == STOPPING


def long_names(letter):
    return {"x" * 100: {"tenants": [letter + "y" * 100 + "/" + "%03d" % i for i in range(100)]}}


def test_a_subscriber_that_does_not_read_is_dropped_and_told_so(atc):
    start(atc, knobs_config(long_names("a")))
    others = [Events(atc) for _ in range(100)]  # that keep no command out when they are dropped
    with Events(atc) as slow, Events(atc) as reader:
        for i in range(14):
            reload(atc, knobs_config(long_names("ab"[i % 2 == 0])))
            assert names(reader.until(event="reloaded")[:-1]) in ([], ["removed"] * 100 + ["added"] * 100)
        seen = slow.rest()
        assert seen[-1]["event"] == "dropped" and slow.is_over
        assert seen[:-1] == reader.seen[1:len(seen)], "what it was given is all that happened until then"
        assert "dropped" not in names(reader.seen)
    with Events(atc) as again:
        assert again.snapshot["config"]["tenants"] == 100
    for each in others:
        each.wire.close()


def test_two_hundred_subscribers_are_all_told_and_commands_still_answered(atc):
    start(atc, knobs_config())
    subscribers = [Events(atc) for _ in range(200)]
    try:
        assert atc.get(WINTER + "/up").status == 200
        assert atc.cli("stop", ID).returncode == 0
        for each in subscribers:
            each.until(state="stopped")
        assert all(each.seen[1:] == subscribers[0].seen[1:] for each in subscribers)
        assert states(subscribers[0].seen) == WAKING + STOPPING
    finally:
        for each in subscribers:
            each.wire.close()


def test_more_subscribers_than_there_is_room_for_are_refused(atc):
    start(atc, knobs_config())
    subscribers = [Events(atc) for _ in range(512)]
    try:
        assert atc.control("GET", "/v1/events").status == 503
        assert atc.cli("status").returncode == 0
        subscribers.pop().wire.close()
        wait_until(lambda: Events(atc).wire.close() is None)
    finally:
        for each in subscribers:
            each.wire.close()


def command(atc, *args):
    return subprocess.Popen([PROGRAM, "events", *args], cwd=atc.app, env=atc.environment(), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("args", [(), (ID,)])
def test_the_command_shows_what_happens(atc, args):
    start(atc, knobs_config(TWO))
    with command(atc, *args) as process:
        first = process.stdout.readline()
        assert (ID + " absent" if args else "2 tenants are asleep") in first
        assert atc.get(WINTER + "/up").status == 200
        pid = atc.tenant()["pid"]
        reload(atc, knobs_config({"bellevue": TWO["bellevue"]}))
        atc.stop()
        out, err = process.communicate(timeout=stretched(10))
        assert (process.returncode, err) == (0, "")
    lines = [line.split(" ", 1)[1] for line in out.splitlines()]
    up = [ID + " " + state for state in WAKING[:-1]] + ["%s running (pid %d)" % (ID, pid)]
    gone = [] if args else [APRIL + " removed"]
    down = [line for line in lines if line.split(" ")[1] in STOPPING]
    assert lines == [*up, "reloaded: tenants 0 added, 1 removed, 0 changed", *gone, "fly-atc is ending", *down,
                     "fly-atc has ended"]
    assert [line.split(" ")[1] for line in down] == STOPPING


def test_the_command_prints_the_events_for_programs(atc):
    start(atc, knobs_config())
    with command(atc, "--json") as process:
        assert json.loads(process.stdout.readline())["event"] == "snapshot"
        assert atc.get(WINTER + "/up").status == 200
        atc.stop()
        out, err = process.communicate(timeout=stretched(10))
        assert (process.returncode, err) == (0, "")
    told = [json.loads(line) for line in out.splitlines()]
    assert states(told) == WAKING + STOPPING and told[-1]["event"] == "end"


def test_the_command_says_when_fly_atc_is_killed(atc):
    start(atc, knobs_config())
    with command(atc) as process:
        assert "1 tenant is asleep" in process.stdout.readline()
        atc.signal(signal.SIGKILL)
        atc.wait_exit(-signal.SIGKILL)
        _, err = process.communicate(timeout=stretched(10))
        assert process.returncode == 1 and "ended before it answered" in err
