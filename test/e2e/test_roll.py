"""After a deploy: all that are awake are replaced as nobody uses them, and who never lets go is not waited for for ever.
SPDX-License-Identifier: MIT
"""
import signal

import pytest

import processes
from atc import KNOBS_COMMAND, WINTER, Background, knobs_config
from waiting import holds_for, wait_until
from wire import Closed, Wire

WINTER_ID, APRIL_ID = "bellevue/2025/winter", "boston/2025/april"
APRIL = "/" + APRIL_ID
TWO = {"bellevue": {"tenants": ["2025/winter"]}, "boston": {"tenants": ["2025/april"]}}


def many(n):
    return {"u": {"tenants": ["t%d" % i for i in range(n)]}}


def pids(atc, *prefixes):
    return [atc.whoami(prefix)["pid"] for prefix in prefixes]


def roll(atc, *more, code=0):
    done = atc.cli("restart", "--all", *more, timeout=60)
    assert done.returncode == code, done
    return done


class Rolling(Background):
    """The command while it runs; its lines as they come."""
    def __init__(self, atc, *more):
        super().__init__(atc.cli, "restart", "--all", *more, timeout=60)


def marked(atc, name=WINTER_ID):
    return atc.tenant(name)["to_be_replaced"]


def rolling_while_in_use(atc):
    """A WebSocket of the tenant, and the command, which waits for its end."""
    atc.start(knobs_config())
    atc.whoami()
    wire = atc.wire().websocket(WINTER + "/ws")
    wait_until(lambda: atc.tenant()["upgrades"] == 1)
    rolling = Rolling(atc)
    wait_until(lambda: marked(atc))
    return wire, rolling


# --- restart --all ---

def test_all_that_are_awake_are_replaced_and_those_asleep_are_left_alone(atc):
    atc.start(knobs_config({**TWO, "third": {"tenants": ["sleeper"]}}))
    before = pids(atc, WINTER, APRIL)
    done = roll(atc)
    assert sorted(line.split(" (")[0] for line in done.stdout.splitlines()[:2]) == \
        [WINTER_ID + " is replaced", APRIL_ID + " is replaced"]
    assert done.stdout.splitlines()[2] == "2 replaced"
    assert [atc.state(name) for name in (WINTER_ID, APRIL_ID)] == ["running"] * 2
    assert not set(before) & set(pids(atc, WINTER, APRIL))
    assert atc.tenant("third/sleeper")["starts"] == 0 and atc.tenant()["starts"] == 2


def test_it_can_be_repeated_and_each_time_all_are_replaced(atc):
    atc.start(knobs_config(TWO))
    assert roll(atc).stdout == "no tenant is awake\n"
    pids(atc, WINTER, APRIL)
    for starts in (2, 3):
        roll(atc)
        assert [atc.tenant(name)["starts"] for name in (WINTER_ID, APRIL_ID)] == [starts] * 2


def test_who_is_in_use_is_waited_for_and_the_others_are_not(atc):
    atc.start(knobs_config(TWO))
    winter, april = pids(atc, WINTER, APRIL)
    slow = Background(atc.get, WINTER + "/sleep?until=go")
    wait_until(lambda: atc.tenant()["in_flight"] == 1)
    rolling = Rolling(atc)
    wait_until(lambda: atc.whoami(APRIL)["pid"] != april)
    wait_until(lambda: marked(atc) and marked(atc)["waits_for"] == "1 open request")
    holds_for(lambda: processes.is_alive(winter) and not rolling.is_done, 0.5)
    atc.allow("go")
    assert slow.result().text == "slept\n"
    done = rolling.result()
    assert done.returncode == 0 and done.stdout.endswith("\n2 replaced\n")
    assert WINTER_ID + " waits for 1 open request\n" in done.stdout
    assert atc.whoami()["pid"] != winter and not marked(atc)


def test_who_still_waits_at_the_timeout_is_reported_with_the_reason_and_replaced_later(atc):
    atc.start(knobs_config(TWO))
    winter, april = pids(atc, WINTER, APRIL)
    with atc.wire().websocket(WINTER + "/ws") as wire:
        wait_until(lambda: atc.tenant()["upgrades"] == 1)
        done = roll(atc, "--timeout", "1s", code=3)
        assert WINTER_ID + " waits for 1 open tunnel\n" in done.stdout
        assert done.stdout.endswith("1 replaced, 1 still to be replaced\n") and "the time is over" in done.stderr
        assert atc.whoami(APRIL)["pid"] != april
        shown = atc.cli("status").stdout
        assert "to be replaced for" in shown and "(restart --all), waits for 1 open tunnel; at the latest in 9m" in shown
        assert wire.send_frame("still the old one").message() == "still the old one"
        assert processes.is_alive(winter)
    wait_until(lambda: atc.whoami()["pid"] != winter)
    wait_until(lambda: atc.state() == "running" and not marked(atc))


def test_no_more_are_replaced_at_a_time_than_may_start(atc):
    atc.start(knobs_config(many(4), server={"max_starting": 1}, env={"KNOBS_BOOT_UNTIL": "go"}))
    names = ["u/t%d" % i for i in range(4)]
    for name in names:
        request = Background(atc.get, "/%s/whoami" % name)
        wait_until(lambda name=name: atc.state(name) == "starting")
        atc.allow("go", name)
        request.result()
    for name in names:
        (atc.tenant_dir(name) / "go").unlink()
    rolling = Rolling(atc)
    for _ in names:
        wait_until(lambda: [atc.state(name) for name in names].count("starting") == 1)
        states = [atc.state(name) for name in names]
        assert states.count("running") == 3, states
        started = names[states.index("starting")]
        atc.allow("go", started)
        wait_until(lambda started=started: atc.state(started) == "running")
    assert rolling.result().stdout.endswith("4 replaced\n")


def test_who_has_no_place_to_start_in_does_not_keep_others_from_being_replaced(atc):
    atc.start(knobs_config(many(4), server={"max_starting": 1, "max_running": 2}, replace_after="1s", start_timeout="5m"))
    open_ones = [atc.wire().websocket("/u/t%d/ws" % i) for i in (0, 1)]
    wait_until(lambda: all(atc.tenant("u/t%d" % i)["upgrades"] == 1 for i in (0, 1)))
    held = []
    for name in ("u/t2", "u/t3"):
        held.append(Background(atc.wire().websocket, "/%s/ws" % name))
        wait_until(lambda name=name: atc.state(name) == "queued")
    roll(atc, "--no-wait")
    wait_until(lambda: [atc.state("u/t%d" % i) for i in range(4)] == ["queued"] * 2 + ["running"] * 2)
    for wire in open_ones + [each.result() for each in held]:
        wire.close()


def failing(**more):
    """april does not start any more as soon as there is the file `broken` in its directory."""
    return knobs_config({"bellevue": {"tenants": ["2025/winter"]},
                         "boston": {"tenants": {"2025/april": {"env": {"KNOBS_EXIT": "7", "KNOBS_EXIT_WHILE": "${tenant.dir}/broken"}}}}},
                        **more)


def test_one_that_does_not_start_stops_the_rest_which_still_run_as_before(atc):
    atc.start(failing(server={"max_starting": 1}))
    pids(atc, APRIL)                    # the first that is awake is the first that is replaced
    winter, = pids(atc, WINTER)
    atc.allow("broken", APRIL_ID)
    done = roll(atc, code=1)
    assert done.stdout == WINTER_ID + " is still as before\n1 failed, 1 still as before\n"
    assert "%s failed: it (pid " % APRIL_ID in done.stderr and "status 7" in done.stderr
    assert atc.whoami()["pid"] == winter and not marked(atc)
    assert atc.state(APRIL_ID) == "failed"
    (atc.tenant_dir(APRIL_ID) / "broken").unlink()
    assert roll(atc).stdout.endswith("1 replaced\n")        # mended, and once more
    assert atc.whoami()["pid"] != winter


def test_one_that_somebody_else_has_started_anew_is_not_told_to_be_as_before(atc):
    config = failing(server={"max_starting": 2})
    config["users"]["bellevue"]["tenants"] = {"2025/winter": {"env": {"KNOBS_BOOT_UNTIL": "go"}}}
    atc.start(config)
    first = Background(atc.whoami)
    atc.wait_state("starting")
    atc.allow("go")
    first.result()
    (atc.tenant_dir() / "go").unlink()
    pids(atc, APRIL)
    with atc.wire().websocket(WINTER + "/ws"), atc.wire().websocket(APRIL + "/ws"):
        wait_until(lambda: atc.tenant()["upgrades"] + atc.tenant(APRIL_ID)["upgrades"] == 2)
        rolling = Rolling(atc)
        wait_until(lambda: marked(atc) and marked(atc, APRIL_ID))
        atc.control("POST", "/v1/tenants/%s/restart?wait=0" % WINTER_ID)
        atc.wait_state("starting")
        atc.allow("broken", APRIL_ID)
    atc.wait_state("failed", name=APRIL_ID)
    assert not rolling.is_done
    atc.allow("go")
    done = rolling.result()
    assert done.returncode == 1 and done.stdout.endswith("\n1 replaced, 1 failed\n"), done


def test_with_keep_going_the_others_are_replaced_all_the_same(atc):
    atc.start(failing(server={"max_starting": 1}))
    pids(atc, APRIL)
    winter, = pids(atc, WINTER)
    atc.allow("broken", APRIL_ID)
    done = roll(atc, "--keep-going", code=1)
    assert done.stdout.endswith("1 replaced, 1 failed\n")
    assert atc.whoami()["pid"] != winter


def test_a_reload_meanwhile_changes_nothing_of_it(atc):
    atc.start(knobs_config(TWO))
    winter, april = pids(atc, WINTER, APRIL)
    with atc.wire().websocket(WINTER + "/ws"), atc.wire().websocket(APRIL + "/ws"):
        wait_until(lambda: atc.tenant()["upgrades"] + atc.tenant(APRIL_ID)["upgrades"] == 2)
        rolling = Rolling(atc)
        wait_until(lambda: marked(atc) and marked(atc, APRIL_ID))
        atc.write_config(knobs_config({**TWO, "boston": {"tenants": {"2025/april": {"env": {"NEW": "value"}}}}}))
        assert atc.cli("reload").returncode == 0
        assert [marked(atc)["because_of"], marked(atc, APRIL_ID)["because_of"]] == ["restart", "configuration"]
        atc.write_config(knobs_config(TWO))
        assert atc.cli("reload").returncode == 0
        assert [marked(atc)["because_of"], marked(atc, APRIL_ID)["because_of"]] == ["restart"] * 2
    assert rolling.result().stdout.endswith("2 replaced\n")
    assert not {winter, april} & set(pids(atc, WINTER, APRIL))
    assert [atc.tenant(name)["starts"] for name in (WINTER_ID, APRIL_ID)] == [2, 2]


def test_one_that_a_reload_removes_is_not_waited_for(atc):
    atc.start(knobs_config(TWO))
    pids(atc, WINTER, APRIL)
    with atc.wire().websocket(APRIL + "/ws"):
        wait_until(lambda: atc.tenant(APRIL_ID)["upgrades"] == 1)
        rolling = Rolling(atc)
        wait_until(lambda: marked(atc, APRIL_ID))
        atc.write_config(knobs_config())
        assert atc.cli("reload").returncode == 0
        told = rolling.result().stdout
    assert APRIL_ID + " sleeps: it was removed\n" in told and told.endswith("\n1 replaced, 1 asleep meanwhile\n")


def test_the_new_copy_has_the_settings_of_the_last_reload_and_is_started_once(atc):
    atc.start(knobs_config())
    atc.whoami()
    with atc.wire().websocket(WINTER + "/ws"):
        wait_until(lambda: atc.tenant()["upgrades"] == 1)
        atc.write_config(knobs_config(env={"NEW": "value"}))
        assert atc.cli("reload").returncode == 0
        assert atc.cli("restart", "--all", "--no-wait").returncode == 0
    wait_until(lambda: atc.get(WINTER + "/env").json().get("NEW") == "value")
    roll(atc)
    assert atc.tenant()["starts"] == 3      # once for both, and once more


def test_who_asked_may_leave_and_it_goes_on(atc):
    atc.start(knobs_config())
    winter, = pids(atc, WINTER)
    with atc.wire().websocket(WINTER + "/ws"):
        wait_until(lambda: atc.tenant()["upgrades"] == 1)
        with Wire(atc.control_socket()) as asker:
            asker.request("POST", "/v1/restart")
            asker.until(b"1 open tunnel")
        assert processes.is_alive(winter) and marked(atc)
    wait_until(lambda: atc.whoami()["pid"] != winter)


def test_who_asks_meanwhile_hears_of_all_too(atc):
    atc.start(knobs_config(TWO))
    winter, = pids(atc, WINTER)
    with atc.wire().websocket(WINTER + "/ws"):
        wait_until(lambda: atc.tenant()["upgrades"] == 1)
        first = Rolling(atc)
        wait_until(lambda: marked(atc))
        april, = pids(atc, APRIL)       # awake after the first had begun
        second = Rolling(atc)
        wait_until(lambda: atc.whoami(APRIL)["pid"] != april)
        holds_for(lambda: processes.is_alive(winter) and not first.is_done and not second.is_done, 0.5)
    for each in (first, second):
        done = each.result()
        assert done.returncode == 0 and done.stdout.endswith("\n2 replaced\n"), done


def test_one_that_an_operator_stops_meanwhile_is_left_asleep(atc):
    atc.start(knobs_config())
    atc.whoami()
    with atc.wire().websocket(WINTER + "/ws"):
        wait_until(lambda: atc.tenant()["upgrades"] == 1)
        rolling = Rolling(atc)
        wait_until(lambda: marked(atc))
        assert atc.cli("stop", WINTER_ID).returncode == 0
    done = rolling.result()
    assert done.returncode == 0 and done.stdout.endswith(WINTER_ID + " sleeps\n1 asleep meanwhile\n"), done
    assert atc.state() == "stopped"


def test_a_killed_fly_atc_is_no_success(atc):
    wire, rolling = rolling_while_in_use(atc)
    atc.process.kill()
    atc.wait_exit(-signal.SIGKILL)
    wire.close()
    done = rolling.result()
    assert done.returncode == 1 and "ended before it answered" in done.stderr, done


def test_the_end_of_fly_atc_is_told_to_who_waits(atc):
    wire, rolling = rolling_while_in_use(atc)
    atc.stop(0)
    wire.close()
    done = rolling.result()
    assert done.returncode == 1 and "fly-atc is about to end" in done.stderr, done


def test_with_now_nobody_is_waited_for_but_requests_are_not_cut(atc):
    atc.start(knobs_config())
    winter, = pids(atc, WINTER)
    slow = Background(atc.get, WINTER + "/sleep?until=go")
    with atc.wire().websocket(WINTER + "/ws") as wire:
        wait_until(lambda: atc.tenant()["in_flight"] == 2)
        rolling = Rolling(atc, "--now")
        with pytest.raises(Closed):
            wire.message()
        atc.allow("go")
        assert slow.result().text == "slept\n"
    assert rolling.result().returncode == 0
    assert atc.whoami()["pid"] != winter


def test_requests_during_all_of_it_are_served(atc):
    atc.start(knobs_config(TWO))
    pids(atc, WINTER, APRIL)
    answers, rolling = [], Rolling(atc)
    while not rolling.is_done:
        answers += [atc.get(prefix + "/up", timeout=60).status for prefix in (WINTER, APRIL)]
    assert rolling.result().returncode == 0 and set(answers) <= {200}


def single(**env):
    return {"server": {"log_level": "debug"}, "app": {"framework": "generic", "command": KNOBS_COMMAND, "env": env}}


def test_a_single_application_is_replaced_and_does_not_end_us(atc):
    atc.start(single())
    first = atc.whoami("")["pid"]
    done = roll(atc)
    assert done.stdout.endswith("\n1 replaced\n")
    second = atc.whoami("")["pid"]
    atc.write_config(single(NEW="value"))
    assert atc.cli("reload").returncode == 0
    wait_until(lambda: atc.get("/env").json().get("NEW") == "value")
    third = atc.whoami("")["pid"]
    assert atc.cli("restart", "main").returncode == 0
    assert len({first, second, third, atc.whoami("")["pid"]}) == 4


def test_a_signal_that_ends_a_single_application_ends_us_while_it_is_replaced_too(atc):
    atc.start(single(KNOBS_TERM_UNTIL="go"))
    atc.whoami("")
    rolling = Rolling(atc)
    wait_until(lambda: atc.state("main") == "stopping")
    atc.signal(signal.SIGTERM)
    wait_until(lambda: '"ending"' in atc.log)
    (atc.app / "go").write_text("\n")
    atc.wait_exit(128 + signal.SIGTERM)
    assert rolling.result().returncode == 1


def test_a_signal_that_ends_a_single_application_is_not_lost_where_it_is_replaced_a_moment_later(atc):
    atc.start(single(KNOBS_TERM_UNTIL="go"))
    atc.whoami("")
    atc.signal(signal.SIGTERM)
    wait_until(lambda: "relaying signal TERM" in atc.log)
    rolling = Rolling(atc)
    wait_until(lambda: atc.state("main") == "stopping")
    (atc.app / "go").write_text("\n")
    atc.wait_exit(0)
    assert rolling.result().returncode == 1


@pytest.mark.parametrize("words", [["--all", WINTER_ID], [], [WINTER_ID, "--keep-going"], ["--all", "--timeout", "soon"],
                                   [WINTER_ID, "--now"]], ids=" ".join)
def test_words_that_make_no_sense_are_refused(atc, words):
    done = atc.cli("restart", *words)
    assert done.returncode == 2 and done.stderr.startswith("fly-atc: "), done


# --- replace_after ---

CHANGED = {"NEW": "value"}


def reload_changed(atc, **app):
    atc.write_config(knobs_config(env=CHANGED, **app))
    assert atc.cli("reload").returncode == 0


def test_an_ever_open_tunnel_is_closed_after_replace_after_and_the_tenant_replaced(atc):
    atc.start(knobs_config())
    atc.whoami()
    with atc.wire().websocket(WINTER + "/ws") as wire:
        wait_until(lambda: atc.tenant()["upgrades"] == 1)
        reload_changed(atc, replace_after="1s")
        with pytest.raises(Closed):
            wire.message()
    assert atc.get(WINTER + "/env").json()["NEW"] == "value"
    assert "is replaced though it is in use: 1 open tunnel" in atc.log


def test_an_event_stream_ends_in_order_after_replace_after(atc):
    atc.start(knobs_config())
    atc.whoami()
    stream = Background(atc.get, WINTER + "/sse?n=1000&steps=never", timeout=60)
    wait_until(lambda: atc.tenant()["in_flight"] == 1)
    reload_changed(atc, replace_after="200ms")
    assert stream.result().status == 200
    assert atc.get(WINTER + "/env").json()["NEW"] == "value"


def test_requests_under_way_have_the_drain_timeout_and_new_ones_meet_the_new_copy(atc):
    """Not the stop_timeout, which is for an operator who waits."""
    atc.start(knobs_config(stop_timeout="100ms", server={"drain_timeout": "10m"}))
    old, = pids(atc, WINTER)
    slow = Background(atc.get, WINTER + "/sleep?until=go", timeout=60)
    with atc.wire().websocket(WINTER + "/ws"):
        wait_until(lambda: atc.tenant()["in_flight"] == 2)
        atc.write_config(knobs_config(env=CHANGED, stop_timeout="100ms", replace_after="200ms",
                                      server={"drain_timeout": "10m"}))
        assert atc.cli("reload").returncode == 0
        atc.wait_state("draining")
        new = Background(atc.get, WINTER + "/whoami", timeout=60)
        wait_until(lambda: atc.tenant()["held"] == 1)
        holds_for(lambda: processes.is_alive(old) and not new.is_done, 0.5)
        atc.allow("go")
        assert slow.result().text == "slept\n"
        assert new.result().json()["pid"] != old


def test_without_replace_after_it_waits_for_ever(atc):
    atc.start(knobs_config(replace_after=0))
    atc.whoami()
    with atc.wire().websocket(WINTER + "/ws") as wire:
        wait_until(lambda: atc.tenant()["upgrades"] == 1)
        reload_changed(atc, replace_after=0)
        assert marked(atc)["within_ms"] is None
        holds_for(lambda: wire.send_frame("x").message() == "x", 1.5)
    wait_until(lambda: atc.get(WINTER + "/env").json().get("NEW") == "value")


def test_replace_after_can_be_changed_while_it_waits(atc):
    atc.start(knobs_config(replace_after=0))
    atc.whoami()
    with atc.wire().websocket(WINTER + "/ws") as wire:
        wait_until(lambda: atc.tenant()["upgrades"] == 1)
        reload_changed(atc, replace_after=0)
        assert marked(atc)["within_ms"] is None
        reload_changed(atc, replace_after="1s")
        with pytest.raises(Closed):
            wire.message()
    wait_until(lambda: atc.get(WINTER + "/env").json().get("NEW") == "value")


def test_status_says_that_it_is_to_be_replaced_and_for_what_it_waits(atc):
    atc.start(knobs_config())
    assert atc.whoami() and atc.tenant()["to_be_replaced"] is None
    slow = Background(atc.get, WINTER + "/sleep?until=go")
    with atc.wire().websocket(WINTER + "/ws"):
        wait_until(lambda: atc.tenant()["in_flight"] == 2 and atc.tenant()["upgrades"] == 1)
        reload_changed(atc)
        shown = marked(atc)
        assert shown["because_of"] == "configuration" and shown["waits_for"] == "1 open request, 1 open tunnel"
        assert 0 < shown["within_ms"] <= 600000 and shown["for_ms"] >= 0
        assert "(its settings changed), waits for 1 open request, 1 open tunnel; at the latest in" in \
            atc.cli("status", WINTER_ID).stdout
        atc.allow("go")
        slow.result()
        wait_until(lambda: marked(atc)["waits_for"] == "1 open tunnel")
    wait_until(lambda: atc.tenant()["to_be_replaced"] is None)
