"""A reload is atomic: faulty files change nothing, running tenants are replaced only when nobody uses them.
SPDX-License-Identifier: MIT
"""
import os
import signal
import threading

import pytest

import processes
from atc import WINTER, Background, knobs_config
from waiting import holds_for, wait_until

pytestmark = pytest.mark.usefixtures("spoken")

APRIL = "/boston/2025/april"
TWO = {"bellevue": {"tenants": ["2025/winter"]}, "boston": {"tenants": ["2025/april"]}}


def reload(atc, config, code=0):
    atc.write_config(config)
    done = atc.cli("reload")
    assert done.returncode == code, done
    return done


def test_a_new_tenant_is_there_after_a_reload(atc):
    atc.start(knobs_config())
    assert atc.get(APRIL + "/up").status == 404
    reload(atc, knobs_config(TWO))
    assert atc.get(APRIL + "/up").status == 200


def test_a_request_right_behind_a_reload_meets_the_new_configuration(atc):
    """On every thread: a connection is given to any of them."""
    atc.start(knobs_config(server={"threads": 4}))
    for _ in range(10):
        reload(atc, knobs_config(TWO, server={"threads": 4}))
        assert [atc.get(APRIL + "/whoami").json()["name"] for _ in range(16)] == ["2025/april"] * 16
        reload(atc, knobs_config(server={"threads": 4}))
        assert [atc.get(APRIL + "/whoami").status for _ in range(16)] == [404] * 16


def test_a_reload_waits_for_a_proxy_that_is_busy_and_for_the_next_one(atc):
    atc.start(knobs_config())
    atc.proxy_may_change = True
    for end in (signal.SIGCONT, signal.SIGKILL):
        os.kill(atc.proxy_pid(), signal.SIGSTOP)
        answer = Background(atc.cli, "reload")
        holds_for(lambda: not answer.is_done, 0.3)
        os.kill(atc.proxy_pid(), end)
        assert answer.result().returncode == 0


@pytest.mark.http1
@pytest.mark.slow
def test_a_reload_says_so_when_the_proxy_does_not_take_it_over(atc):
    atc.start(knobs_config())
    os.kill(atc.proxy_pid(), signal.SIGSTOP)
    done = atc.cli("reload")
    assert done.returncode == 1 and "the proxy does not use the new configuration yet" in done.stderr, done
    atc.wait_log("the proxy does not use the new configuration yet")
    os.kill(atc.proxy_pid(), signal.SIGCONT)
    wait_until(lambda: atc.status()["config"]["proxy_has_it"])


def test_sighup_reloads_too(atc):
    atc.start(knobs_config())
    atc.write_config(knobs_config(TWO))
    atc.signal(signal.SIGHUP)
    wait_until(lambda: atc.get(APRIL + "/up").status == 200)


@pytest.mark.http1
def test_untouched_tenants_do_not_notice(atc):
    atc.start(knobs_config())
    pid = atc.whoami()["pid"]
    with atc.wire().websocket(WINTER + "/ws") as wire:
        reload(atc, knobs_config(TWO, server={"keepalive_timeout": "7s"}))
        assert wire.send_frame("x").message() == "x"
    assert atc.whoami()["pid"] == pid


def test_a_removed_tenant_is_drained_and_stopped(atc):
    atc.start(knobs_config(TWO))
    pid = atc.whoami(APRIL)["pid"]
    slow = Background(atc.get, APRIL + "/sleep?until=go")
    wait_until(lambda: atc.tenant("boston/2025/april")["in_flight"] == 1)
    reload(atc, knobs_config())
    assert atc.get(APRIL + "/up").status == 404
    atc.allow("go", "boston/2025/april")
    assert slow.result().text == "slept\n", "the request in flight was cut"
    wait_until(lambda: not processes.is_alive(pid))


def test_the_files_of_a_removed_tenant_stay(atc):
    atc.start(knobs_config(TWO))
    atc.whoami(APRIL)
    reload(atc, knobs_config())
    reload(atc, knobs_config(TWO))
    assert atc.whoami(APRIL)["boots"] == 2


def test_a_changed_tenant_is_replaced_when_it_is_idle(atc):
    atc.start(knobs_config(TWO))
    winter, april = atc.whoami()["pid"], atc.whoami(APRIL)["pid"]
    changed = {**TWO, "boston": {"tenants": {"2025/april": {"env": {"NEW": "value"}}}}}
    reload(atc, knobs_config(changed))
    wait_until(lambda: atc.get(APRIL + "/env").json().get("NEW") == "value")
    assert atc.whoami(APRIL)["pid"] != april and atc.whoami()["pid"] == winter


@pytest.mark.http1
def test_a_changed_tenant_is_never_replaced_under_a_request(atc):
    atc.start(knobs_config(TWO))
    atc.whoami(APRIL)
    slow = Background(atc.get, APRIL + "/sleep?until=go")
    with atc.wire().websocket(APRIL + "/ws") as wire:
        wait_until(lambda: atc.tenant("boston/2025/april")["in_flight"] >= 2)
        reload(atc, knobs_config({**TWO, "boston": {"tenants": {"2025/april": {"env": {"NEW": "value"}}}}}))
        holds_for(lambda: atc.tenant("boston/2025/april")["in_flight"] >= 2, 0.5)
        atc.allow("go", "boston/2025/april")
        assert slow.result().text == "slept\n"
        assert wire.send_frame("still the old one").message() == "still the old one"
    wait_until(lambda: atc.get(APRIL + "/env").json().get("NEW") == "value")


def test_a_sleeping_tenant_wakes_with_its_new_settings(atc):
    atc.start(knobs_config(TWO))
    reload(atc, knobs_config(TWO, env={"NEW": "value"}))
    assert atc.get(APRIL + "/env").json()["NEW"] == "value"


def test_a_new_idle_timeout_needs_no_restart(atc):
    atc.start(knobs_config())
    pid = atc.whoami()["pid"]
    reload(atc, knobs_config(idle_timeout="300ms"))
    atc.wait_state("stopped")
    assert not processes.is_alive(pid) and len(atc.boots()) == 1


def test_a_faulty_file_changes_nothing_and_says_so(atc):
    atc.start(knobs_config())
    pid = atc.whoami()["pid"]
    done = reload(atc, "server:\n  http_prot: 1\nusers:\n  boston: {tenants: [2025/april]}\n", code=2)
    assert "atc.yml:2:" in done.stderr and "http_prot" in done.stderr
    assert atc.get(APRIL + "/up").status == 404 and atc.whoami()["pid"] == pid
    atc.signal(signal.SIGHUP)
    atc.wait_log("http_prot")
    assert atc.whoami()["pid"] == pid
    reload(atc, knobs_config(TWO))
    assert atc.get(APRIL + "/up").status == 200


def test_a_missing_file_changes_nothing(atc):
    atc.start(knobs_config())
    atc.config_file.unlink()
    assert atc.cli("reload").returncode != 0
    assert atc.whoami()["boots"] == 1


def test_what_needs_a_restart_is_named(atc):
    atc.start(knobs_config())
    done = reload(atc, knobs_config(server={"threads": 3}))
    assert "threads" in done.stdout + done.stderr + atc.log


def test_a_reload_under_load_fails_no_request(atc):
    """Configurations alternate while four clients ask: every answer is right, every connection lives."""
    atc.start(knobs_config(TWO))
    done, failures, counts = threading.Event(), [], [0] * 4

    def client(number):
        prefix = (WINTER, APRIL)[number % 2]
        while not done.is_set():
            with atc.wire() as wire:
                for _ in range(50):
                    response = wire.get(prefix + "/echo?n=%d" % counts[number])
                    counts[number] += 1
                    if response.status != 200 or response.json()["query"] != "n=%d" % (counts[number] - 1):
                        failures.append(response)
    clients = [Background(client, i) for i in range(4)]
    for i in range(20):
        extra = {"raleigh": {"tenants": ["2025/in-house-%d" % i]}}
        reload(atc, knobs_config({**TWO, **extra}, env={"ROUND": str(i // 5)}))
    done.set()
    for each in clients:
        each.result()
    assert not failures and min(counts) >= 50


def test_many_reloads_leak_nothing(atc):
    atc.start(knobs_config(TWO))
    atc.whoami()
    def sizes():
        return [len(processes.open_fds(pid)) for pid in (atc.pid, atc.proxy_pid())]
    reload(atc, knobs_config(TWO))
    before = sizes()
    for i in range(30):
        reload(atc, knobs_config(TWO, server={"keepalive_timeout": "%ds" % (20 + i)}))
    wait_until(lambda: sizes() <= [n + 1 for n in before])
    holds_for(lambda: atc.is_running, 0.1)
