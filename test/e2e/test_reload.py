"""A reload is atomic: faulty files change nothing, running tenants are replaced only when nobody uses them.
SPDX-License-Identifier: MIT
"""
import os
import signal
import threading

import pytest

import processes
from atc import WINTER, Background, knobs_config
from pages import Site, pages_config
from waiting import holds_for, wait_until
from wire import Closed

pytestmark = pytest.mark.usefixtures("spoken")

APRIL = "/boston/2025/april"
MANY = 20000
TWO = {"bellevue": {"tenants": ["2025/winter"]}, "boston": {"tenants": ["2025/april"]}}


def who(atc, prefix):
    """The tenant whose process answered, by its own environment; None if it is not a process that answered."""
    response = atc.get(prefix + "/whoami", timeout=60)
    return response.json()["scope"] if response.status == 200 else None


def assert_right(atc, *prefixes):
    """Each is answered by its own process."""
    assert [who(atc, prefix) for prefix in prefixes] == list(prefixes)


def reload(atc, config, code=0):
    atc.write_config(config)
    done = atc.cli("reload")
    assert done.returncode == code, done
    return done


def test_a_new_tenant_is_there_after_a_reload(atc):
    atc.start(knobs_config())
    assert atc.get(APRIL + "/up").status == 404
    reload(atc, knobs_config(TWO))
    assert_right(atc, WINTER, APRIL)


def test_a_request_right_behind_a_reload_meets_the_new_configuration(atc):
    """On every thread: a connection is given to any of them."""
    atc.start(knobs_config(server={"threads": 4}))
    for _ in range(10):
        reload(atc, knobs_config(TWO, server={"threads": 4}))
        assert [atc.get(APRIL + "/up").status for _ in range(16)] == [200] * 16
        assert_right(atc, WINTER, APRIL)
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
        assert_right(atc, WINTER)


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
    assert_right(atc, WINTER)


def test_sighup_reloads_too(atc):
    atc.start(knobs_config())
    atc.write_config(knobs_config(TWO))
    atc.signal(signal.SIGHUP)
    wait_until(lambda: who(atc, APRIL) == APRIL)


@pytest.mark.http1
def test_untouched_tenants_do_not_notice(atc):
    atc.start(knobs_config())
    pid = atc.whoami()["pid"]
    with atc.wire().websocket(WINTER + "/ws") as wire:
        reload(atc, knobs_config(TWO, server={"keepalive_timeout": "7s"}))
        assert wire.send_frame("x").message() == "x"
    assert atc.whoami()["pid"] == pid
    assert_right(atc, WINTER, APRIL)


def test_a_removed_tenant_is_drained_and_stopped(atc):
    atc.start(knobs_config(TWO))
    pid = atc.whoami(APRIL)["pid"]
    slow = Background(atc.get, APRIL + "/sleep?until=go")
    wait_until(lambda: atc.tenant("boston/2025/april")["in_flight"] == 1)
    reload(atc, knobs_config())
    assert atc.get(APRIL + "/up").status == 404
    atc.allow("go", "boston/2025/april")
    assert slow.result().text == "slept\n", "the request in flight was cut"
    assert_right(atc, WINTER)
    wait_until(lambda: not processes.is_alive(pid))


def test_an_event_stream_that_begins_when_its_tenant_is_removed_already_harms_nobody(atc):
    """What is left of the tenant in the proxy goes with this request; the sanitizers see who uses it afterwards."""
    other = {"boston": {"tenants": ["2025/april"]}}
    atc.start(pages_config(users={"bellevue": {"tenants": ["2025/winter"]}, **other}))
    events = {"headers": [["Content-Type", "text/event-stream"]], "body": "data: 1\n\n", "chunked": True}
    site = Site(atc, events={**events, "until": "go"})
    Site(atc, "boston/2025/april", hello={"body": "hello"})
    for _ in range(3):
        asking = [Background(site.get, "/events") for _ in range(4)]
        wait_until(lambda: atc.tenant()["in_flight"] == 4)
        atc.write_config(pages_config(users=other))
        assert atc.cli("reload").returncode == 0
        site.allow("go")
        assert [each.result().status for each in asking] == [200] * 4
        for _ in range(5):
            assert atc.get("/boston/2025/april/hello").text == "hello"
        (atc.tenant_dir() / "go").unlink()
        atc.write_config(pages_config(users={"bellevue": {"tenants": ["2025/winter"]}, **other}))
        assert atc.cli("reload").returncode == 0


def test_the_files_of_a_removed_tenant_stay(atc):
    atc.start(knobs_config(TWO))
    atc.whoami(APRIL)
    reload(atc, knobs_config())
    reload(atc, knobs_config(TWO))
    assert atc.whoami(APRIL)["boots"] == 2
    assert_right(atc, WINTER, APRIL)


def test_a_changed_tenant_is_replaced_when_it_is_idle(atc):
    atc.start(knobs_config(TWO))
    winter, april = atc.whoami()["pid"], atc.whoami(APRIL)["pid"]
    changed = {**TWO, "boston": {"tenants": {"2025/april": {"env": {"NEW": "value"}}}}}
    reload(atc, knobs_config(changed))
    wait_until(lambda: atc.get(APRIL + "/env").json().get("NEW") == "value")
    assert atc.whoami(APRIL)["pid"] != april and atc.whoami()["pid"] == winter
    assert_right(atc, WINTER, APRIL)


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
    assert_right(atc, WINTER, APRIL)


def test_a_sleeping_tenant_wakes_with_its_new_settings(atc):
    atc.start(knobs_config(TWO))
    reload(atc, knobs_config(TWO, env={"NEW": "value"}))
    assert atc.get(APRIL + "/env").json()["NEW"] == "value"
    assert_right(atc, WINTER, APRIL)


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
    assert_right(atc, WINTER, APRIL)


def test_a_missing_file_changes_nothing(atc):
    atc.start(knobs_config())
    atc.config_file.unlink()
    assert atc.cli("reload").returncode != 0
    assert atc.whoami()["boots"] == 1
    assert_right(atc, WINTER)


def test_what_needs_a_restart_is_named(atc):
    atc.start(knobs_config())
    done = reload(atc, knobs_config(server={"threads": 3}))
    assert "threads" in done.stdout + done.stderr + atc.log
    assert_right(atc, WINTER)


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
                    response = wire.get(prefix + "/whoami")
                    if response.status != 200 or response.json()["scope"] != prefix:
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
    assert_right(atc, WINTER, APRIL)
    holds_for(lambda: atc.is_running, 0.1)


# -- whose process answers: a tenant that is added never gets what was meant for one that is removed --

def swapped(name, others=0, **server):
    """Users of whom one tenant, which runs from boot, is replaced by another from one reload to the next."""
    users = {"bellevue": {"tenants": ["2025/winter"]}, name: {"tenants": {"x": {"start": "at_boot"}}}}
    if others:
        users["others"] = {"tenants": ["t%d" % i for i in range(others)]}
    return knobs_config(users, server={"threads": 2, **server})


class Asker:
    """Asks for a tenant on new connections until told to stop: who answered, or the status."""

    def __init__(self, atc, prefix):
        self.atc, self.prefix, self.seen, self.done = atc, prefix, [], threading.Event()
        self.thread = Background(self.run)

    def run(self):
        while not self.done.is_set():
            response = self.atc.get(self.prefix + "/whoami", timeout=60)
            self.seen.append(response.json()["scope"] if response.status == 200 else response.status)

    def result(self):
        self.done.set()
        self.thread.result()
        return self.seen


def test_requests_for_a_removed_tenant_that_wait_in_a_busy_proxy_do_not_meet_the_one_in_its_place(atc):
    """The proxy stands still while the supervisor has the new configuration and starts its tenants."""
    atc.start(swapped("aa"))
    wait_until(lambda: atc.state("aa/x") == "running")
    atc.write_config(swapped("bb"))
    os.kill(atc.proxy_pid(), signal.SIGSTOP)
    try:
        waiting = [Background(who, atc, "/aa/x") for _ in range(24)]
        answer = Background(atc.cli, "reload")
        wait_until(lambda: any(t["id"] == "bb/x" for t in atc.status()["tenants"]))
        wait_until(lambda: atc.cli("start", "bb/x").returncode == 0)
    finally:
        os.kill(atc.proxy_pid(), signal.SIGCONT)
    assert {each.result() for each in waiting} <= {None, "/aa/x"}, "another tenant answered"
    assert answer.result().returncode == 0
    assert_right(atc, WINTER, "/bb/x")
    assert atc.get("/aa/x/whoami").status == 404


@pytest.mark.slow
def test_of_many_tenants_one_is_removed_and_one_added_while_both_are_asked_for(atc):
    atc.start(swapped("aa", MANY), ready=False)
    wait_until(lambda: atc.control_socket() and atc.proxy_pid(), 60)
    atc.first_proxy = atc.proxy_pid()
    for before, after in (("aa", "bb"), ("bb", "cc"), ("cc", "aa")):
        wait_until(lambda name=before: atc.state(name + "/x") == "running", 60)
        askers = [Asker(atc, "/%s/x" % name) for name in (before, before, after)]
        wait_until(lambda asked=askers: all(asker.seen for asker in asked), 60)
        atc.write_config(swapped(after, MANY))
        assert atc.cli("reload", timeout=120).returncode == 0
        for asker in askers:
            assert set(asker.result()) <= {404, asker.prefix}, "another tenant answered"
        assert_right(atc, "/%s/x" % after, WINTER)
        assert atc.get("/%s/x/whoami" % before).status == 404


def test_a_removed_tenant_and_a_proxy_that_dies_before_it_knows(atc):
    """Several reloads in a row, the proxy killed in each before it can have taken the configuration over."""
    atc.start(swapped("n0"))
    atc.proxy_may_change = True
    for i in range(1, 7):
        proxy = atc.proxy_pid()
        asker = Asker(atc, "/n%d/x" % (i - 1))
        wait_until(lambda asked=asker: asked.seen)
        os.kill(proxy, signal.SIGSTOP)
        atc.write_config(swapped("n%d" % i))
        answer = Background(atc.cli, "reload")
        wait_until(lambda n=i: any(t["id"] == "n%d/x" % n for t in atc.status()["tenants"]))
        os.kill(proxy, signal.SIGKILL)
        assert answer.result().returncode == 0
        seen = [each for each in asker_result(asker) if each != 404]
        assert set(seen) <= {asker.prefix}, "another tenant answered"
        assert_right(atc, WINTER, "/n%d/x" % i)


def asker_result(asker):
    """A request under way is lost with the proxy: that is no answer of another."""
    try:
        return asker.result()
    except (OSError, Closed):
        return asker.seen


def test_a_tenant_that_comes_back_before_the_proxy_knew_that_it_was_gone(atc):
    atc.start(swapped("aa"))
    wait_until(lambda: atc.state("aa/x") == "running")
    proxy = atc.proxy_pid()
    os.kill(proxy, signal.SIGSTOP)
    try:
        waiting = [Background(who, atc, "/aa/x") for _ in range(12)]
        answers = []
        for name in ("bb", "aa", "cc", "aa"):
            atc.write_config(swapped(name))
            answers.append(Background(atc.cli, "reload"))
            wait_until(lambda n=name: any(t["id"] == n + "/x" for t in atc.status()["tenants"]))
    finally:
        os.kill(proxy, signal.SIGCONT)
    assert {each.result() for each in waiting} <= {None, "/aa/x"}
    assert [answer.result().returncode for answer in answers] == [0] * 4
    wait_until(lambda: who(atc, "/aa/x") == "/aa/x")
    assert_right(atc, WINTER, "/aa/x")


def test_what_was_counted_for_a_removed_tenant_is_not_counted_for_the_next(atc):
    """Slots are used again, after two reloads by which the proxy has forgotten: with nothing of the former owner."""
    atc.start(swapped("aa"))
    for _ in range(5):
        assert_right(atc, "/aa/x")
    for i in range(6):
        reload(atc, swapped("b%d" % i))
        wait_until(lambda n=i: atc.state("b%d/x" % n) == "running")
        tenant = atc.tenant("b%d/x" % i)
        assert (tenant["requests"], tenant["in_flight"], tenant["held"], tenant["restarts"]) == (0, 0, 0, 0)
        assert_right(atc, "/b%d/x" % i, WINTER)


@pytest.mark.http1
def test_a_client_that_reads_slowly_keeps_the_place_of_its_removed_tenant(atc):
    """It counts itself out at its end, from its own tenant and no other."""
    atc.start(swapped("aa", drain_timeout="100ms"))
    with atc.wire() as wire:
        wire.request("GET", "/aa/x/big?size=50000000")
        wire.head()
        for i in range(4):
            reload(atc, swapped("b%d" % i, drain_timeout="100ms"))
            assert_right(atc, "/b%d/x" % i, WINTER)
    for i in range(4, 7):
        reload(atc, swapped("b%d" % i, drain_timeout="100ms"))
        assert_right(atc, "/b%d/x" % i, WINTER)
        wait_until(lambda n=i: atc.tenant("b%d/x" % n)["in_flight"] == 0)


# -- a reload stands in nobody's way --

def blocked_file(atc):
    """A configuration that is read as long as the test wants: a pipe, in place of the file."""
    atc.config_file.unlink()
    os.mkfifo(atc.config_file)


def test_tenants_wake_and_operators_are_answered_while_a_configuration_is_read(atc):
    atc.start(knobs_config(TWO))
    text = atc.config_file.read_text()
    blocked_file(atc)
    answer = Background(atc.cli, "reload")
    with open(atc.config_file, "w") as pipe:            # opened by the reload: it reads, and has not come to the end
        assert_right(atc, WINTER, APRIL)                # both slept
        assert atc.cli("status").returncode == 0 and atc.cli("stop", "boston/2025/april").returncode == 0
        assert_right(atc, APRIL)
        assert not answer.is_done
        pipe.write(text)
    assert answer.result().returncode == 0


def test_reloads_that_come_while_one_is_read_are_done_after_it(atc):
    atc.start(knobs_config())
    blocked_file(atc)
    first = Background(atc.cli, "reload")
    with open(atc.config_file, "w") as pipe:
        others = [Background(atc.cli, "reload") for _ in range(3)]
        os.unlink(atc.config_file)
        atc.write_config(knobs_config(TWO))
        pipe.write("server: {http_prot: 1}\n")
        assert_right(atc, WINTER)
    assert first.result().returncode == 2
    assert [each.result().returncode for each in others] == [0] * 3
    assert_right(atc, WINTER, APRIL)


def test_the_end_comes_while_a_configuration_is_read(atc):
    atc.start(knobs_config())
    text = atc.config_file.read_text()
    blocked_file(atc)
    answer = Background(atc.cli, "reload")
    with open(atc.config_file, "w") as pipe:
        atc.signal(signal.SIGTERM)
        atc.wait_log('"ending"')
        pipe.write(text)
    atc.wait_exit(0)
    assert answer.result().returncode != 0


def test_the_end_does_not_wait_for_a_configuration_if_told_twice(atc):
    atc.start(knobs_config())
    blocked_file(atc)
    answer = Background(atc.cli, "reload")
    with open(atc.config_file, "w"):
        atc.signal(signal.SIGTERM)
        atc.wait_log('"ending"')
        atc.signal(signal.SIGTERM)
        atc.wait_exit(0)
    answer.result()


@pytest.mark.slow
def test_tenants_wake_while_the_proxy_reads_a_large_configuration(atc):
    """A request is held, its tenant starts, and it is answered before the proxy says that it has the configuration."""
    def large(n):
        return knobs_config({**TWO, "others": {"tenants": ["t%d" % i for i in range(100000)]}},
                            server={"threads": 1, "keepalive_timeout": "%ds" % n})

    def woken_meanwhile(n):
        before = atc.control_json("GET", "/v1/status")["config"]["version"]
        atc.write_config(large(n))
        answer = Background(atc.cli, "reload", timeout=120)
        wait_until(lambda: atc.control_json("GET", "/v1/status")["config"]["version"] != before, 60)
        assert_right(atc, WINTER)
        is_meanwhile = not atc.control_json("GET", "/v1/status")["config"]["proxy_has_it"]
        assert answer.result(120).returncode == 0
        atc.cli("stop", "bellevue/2025/winter")
        return is_meanwhile
    atc.start(knobs_config(TWO))
    assert any(woken_meanwhile(50 + i) for i in range(5))
