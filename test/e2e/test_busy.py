"""A tenant that works behind an answer stays awake as long as it, or an operator, says that it is busy.
SPDX-License-Identifier: MIT
"""
import os
import signal
import subprocess
import sys
import time
from urllib.parse import quote

import pytest

from atc import PROGRAM, WINTER, Background, knobs_config
from pages import PUBLIC, Site, pages_config
from test_lifecycle import moment_of
from waiting import holds_for, wait_until

ID = "bellevue/2025/winter"
IDLE = "200ms"
HOUR = 3600


def says(atc, *values, prefix=WINTER):
    """The tenant says so in an answer."""
    response = atc.get(prefix + "/set?" + "&".join("h=" + quote("Fly-Atc-Busy:" + value) for value in values))
    assert response.status == 200 and response.header("Fly-Atc-Busy") is None
    return response


def busy(atc, name=ID):
    """For how many seconds it is still busy; 0: it is not."""
    return atc.tenant(name).get("busy_ms", 0) / 1000


def is_awake(atc, name=ID):
    return lambda: atc.state(name) == "running"


# --- what a tenant says ---

def test_a_tenant_that_says_it_is_busy_stays_awake_until_it_says_it_is_not(atc):
    atc.start(knobs_config(idle_timeout=IDLE))
    says(atc, str(HOUR))
    holds_for(is_awake(atc), 1.2)
    assert HOUR - 600 < busy(atc) <= HOUR
    says(atc, "0")
    atc.wait_state("stopped")
    assert len(atc.boots()) == 1


def test_the_idle_time_begins_when_it_is_not_busy_any_more(atc):
    atc.start(knobs_config(idle_timeout="1s"))
    before = time.time()
    says(atc, "2")
    atc.wait_state("stopped")
    assert moment_of(atc, "tenant stopped") - before >= 2.9


def test_who_says_less_takes_nothing_back(atc):
    """Two jobs do not know of each other."""
    atc.start(knobs_config())
    says(atc, "600")
    says(atc, "5")
    assert busy(atc) > 300
    says(atc, "1200")
    assert busy(atc) > 900
    says(atc, "0")
    assert busy(atc) == 0


@pytest.mark.parametrize("value", ["-1", "+5", "soon", "1.5", "300, 300", "", "0x10", "1e3", "5 m", "60;q=1", "-0"])
def test_what_is_no_number_of_seconds_changes_nothing_and_is_logged(atc, value):
    atc.start(knobs_config())
    says(atc, value)
    assert busy(atc) == 0
    wait_until(lambda: atc.log_lines(tenant=ID, **{"Fly-Atc-Busy": value}))
    says(atc, "600")
    says(atc, value)
    assert busy(atc) > 300


def test_who_says_it_twice_in_one_answer_says_nothing(atc):
    atc.start(knobs_config())
    says(atc, "600")
    for values in (("0", "0"), ("300", "0"), ("1200", "1200")):
        says(atc, *values)
        assert 300 < busy(atc) <= 600
    atc.wait_log("several times in one answer")


@pytest.mark.parametrize("value", ["3601", "18446744073709551615", "18446744073709551616", "9" * 4000])
def test_nobody_is_busy_for_longer_than_busy_max_at_once(atc, value):
    atc.start(knobs_config())
    says(atc, value)
    assert HOUR - 600 < busy(atc) <= HOUR
    atc.wait_log("longer than busy_max")


def test_who_may_not_be_busy_goes_to_sleep(atc):
    atc.start(knobs_config(idle_timeout=IDLE, busy_max=0))
    says(atc, "600")
    atc.wait_state("stopped")
    atc.wait_log("busy_max is 0")


def test_busy_max_has_a_limit_itself(atc):
    for length, status in (("365d", 0), ("366d", 2), ("18446744073709551615ms", 2)):
        atc.write_config(knobs_config(busy_max=length))
        done = atc.cli("check", "-c", str(atc.config_file))
        assert done.returncode == status and (status == 0 or "busy_max" in done.stderr), done


def test_a_tenant_speaks_for_itself_alone(atc):
    """Nor do clients speak for it."""
    users = {name: {"tenants": ["2025"]} for name in ("ann", "bob")}
    atc.start(knobs_config(users=users, idle_timeout="500ms"))
    assert atc.get("/bob/2025/set", [("Fly-Atc-Busy", "600")]).status == 200
    says(atc, "600", prefix="/ann/2025")
    atc.wait_state("stopped", name="bob/2025")
    assert atc.state("ann/2025") == "running" and busy(atc, "ann/2025") > 300


def test_interim_answers_count_too(atc):
    atc.start(knobs_config())
    text = b"HTTP/1.1 103 Early Hints\r\nFly-Atc-Busy: 600\r\nLink: </a>\r\n\r\n" \
           b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    answer = atc.raw(b"GET %s/raw?hex=%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % (WINTER.encode(), text.hex().encode()))
    assert b"103" in answer and b"Link: <" in answer and b"busy" not in answer.lower()
    assert busy(atc) > 300


# --- it reaches nobody else ---

@pytest.mark.usefixtures("spoken")
class TestClientsDoNotSeeIt:
    def test_in_an_answer(self, atc):
        atc.start(knobs_config())
        assert says(atc, "600").header("Content-Type").startswith("text/plain")
        assert not [name for name, _ in says(atc, "600", "600").headers if "busy" in name.lower()]

    def test_behind_an_answer(self, atc):
        """Where it is too late to say it."""
        atc.start(knobs_config())
        text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Fly-Atc-Busy, X-Sum\r\n\r\n" \
               b"2\r\nok\r\n0\r\nFly-Atc-Busy: 600\r\nX-Sum: 4\r\n\r\n"
        response = atc.get(WINTER + "/raw?hex=" + text.hex())
        assert response.text == "ok" and "Fly-Atc-Busy" not in str(getattr(response, "trailers", ""))
        assert busy(atc) == 0

    def test_in_an_answer_from_the_cache(self, atc):
        """Nor does the tenant say it again with each of them."""
        atc.start(pages_config())
        site = Site(atc, page={"headers": [PUBLIC, ["Fly-Atc-Busy", "600"]], "body": "answer #"},
                    done={"headers": [["Fly-Atc-Busy", "0"]], "body": "done"})
        assert site.get("/page").header("Fly-Atc-Busy") is None
        assert busy(atc) > 300
        assert site.get("/done").text == "done"
        again = site.get("/page")
        assert again.text == "answer 1" and again.header("X-Cache") == "hit" and again.header("Fly-Atc-Busy") is None
        assert busy(atc) == 0

    def test_in_an_answer_that_is_not_modified(self, atc):
        atc.start(pages_config("rfc9111"))
        site = Site(atc, page={"headers": [["Cache-Control", "public, max-age=0"]], "etag": '"1"', "body": "answer #",
                               "not_modified": [["Fly-Atc-Busy", "600"]]})
        assert site.get("/page").status == 200
        assert busy(atc) == 0
        again = site.get("/page")
        assert again.status == 200 and again.header("Fly-Atc-Busy") is None
        assert busy(atc) > 300

    def test_with_a_file(self, atc):
        atc.start(pages_config())
        site = Site(atc, page={"headers": [["Fly-Atc-Busy", "600"]], "file": "", "body": "x"})
        path = atc.tenant_dir() / "x.txt"
        path.write_text("of a file\n")
        site.put(page={"headers": [["Fly-Atc-Busy", "600"]], "file": str(path), "body": "x"})
        response = site.get("/page")
        assert response.text == "of a file\n" and response.header("Fly-Atc-Busy") is None
        assert busy(atc) > 300


# --- ends that nothing holds up ---

def stop(atc):
    assert atc.cli("stop", ID).returncode == 0
    assert atc.state() == "stopped"


def end(atc):
    atc.signal(signal.SIGTERM)
    atc.wait_exit(0)


@pytest.mark.parametrize("how", [stop, end])
def test_whoever_ends_it_does_not_wait_for_it(atc, how):
    atc.start(knobs_config(server={"drain_timeout": "20m"}, stop_timeout="20m"))
    says(atc, str(HOUR))
    assert atc.cli("busy", ID, "1h").returncode == 0
    how(atc)


def test_a_tenant_that_is_removed_does_not_stay_for_it(atc):
    users = {name: {"tenants": ["2025"]} for name in ("ann", "bob")}
    atc.start(knobs_config(users=users))
    says(atc, str(HOUR), prefix="/ann/2025")
    atc.write_config(knobs_config(users={"bob": users["bob"]}))
    assert atc.cli("reload").returncode == 0
    wait_until(lambda: not atc.knobs_pids())


def test_what_a_copy_said_ends_with_it(atc):
    atc.start(knobs_config(idle_timeout="1s"))
    says(atc, str(HOUR))
    assert atc.cli("busy", ID, "1h").returncode == 0
    os.kill(atc.tenant()["pid"], signal.SIGKILL)
    atc.wait_state("stopped")
    assert atc.get(WINTER + "/up").status == 200
    assert busy(atc) == 0
    atc.wait_state("stopped")


# --- what it outlives ---

def test_it_outlives_a_reload(atc):
    atc.start(knobs_config(idle_timeout="500ms"))
    says(atc, str(HOUR))
    atc.write_config(knobs_config(idle_timeout=IDLE))
    assert atc.cli("reload").returncode == 0
    holds_for(is_awake(atc), 1.2)
    assert busy(atc) > HOUR - 600
    says(atc, "0")
    atc.wait_state("stopped")


def test_a_changed_tenant_is_replaced_when_it_is_not_busy_any_more(atc):
    atc.start(knobs_config())
    says(atc, str(HOUR))
    atc.write_config(knobs_config(env={"CHANGED": "yes"}))
    assert atc.cli("reload").returncode == 0
    holds_for(lambda: len(atc.boots()) == 1, 1)
    assert "waits for the work that it is busy with" in atc.cli("status").stdout
    says(atc, "0")
    wait_until(lambda: len(atc.boots()) == 2)


def test_it_outlives_the_proxy(atc):
    atc.start(knobs_config(idle_timeout="1s"))
    says(atc, str(HOUR))
    atc.proxy_may_change = True
    old = atc.proxy_pid()
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: atc.proxy_pid() not in (None, old))
    holds_for(is_awake(atc), 1.5)
    assert busy(atc) > HOUR - 600


def test_others_do_not_take_its_place(atc):
    users = {name: {"tenants": ["2025"]} for name in ("ann", "bob", "eve")}
    atc.start(knobs_config(users=users, server={"max_running": 2}))
    says(atc, str(HOUR), prefix="/ann/2025")
    for name in ("bob", "eve"):
        assert atc.get("/%s/2025/up" % name).status == 200
    assert atc.state("ann/2025") == "running"
    assert atc.state("bob/2025") == "stopped"


def test_one_that_waits_for_its_place_gets_it_when_it_is_not_busy_any_more(atc):
    users = {name: {"tenants": ["2025"]} for name in ("ann", "bob")}
    atc.start(knobs_config(users=users, server={"max_running": 1}))
    says(atc, str(HOUR), prefix="/ann/2025")
    waiting = Background(atc.get, "/bob/2025/up")
    wait_until(lambda: atc.state("bob/2025") == "queued")
    holds_for(lambda: atc.state("ann/2025") == "running", 0.5)
    assert atc.cli("busy", "ann/2025", "0").returncode == 0
    assert waiting.result().status == 200


# --- what operators say ---

def test_an_operator_keeps_a_tenant_awake_and_lets_it_go(atc):
    atc.start(knobs_config(idle_timeout=IDLE))
    says(atc, "60")
    done = atc.cli("busy", ID, "30m")
    assert done.returncode == 0 and "busy until" in done.stdout and not done.stderr, done
    holds_for(is_awake(atc), 1.2)
    assert 1200 < busy(atc) <= 1800
    for words in (["status"], ["status", ID]):
        assert "busy until " in atc.cli(*words).stdout
    done = atc.cli("busy", ID, "10m")
    assert done.returncode == 0 and 300 < busy(atc) <= 600
    done = atc.cli("busy", ID, "0")
    assert done.returncode == 0 and "not busy" in done.stdout
    atc.wait_state("stopped")
    assert "busy" not in atc.cli("status", ID).stdout.replace("BUSY", "")


def test_an_operator_lets_go_of_what_the_tenant_said(atc):
    atc.start(knobs_config(idle_timeout=IDLE))
    says(atc, str(HOUR))
    assert atc.cli("busy", ID, "0").returncode == 0
    atc.wait_state("stopped")


def test_an_operator_has_the_same_limit_and_is_told(atc):
    atc.start(knobs_config(busy_max="10m"))
    assert atc.get(WINTER + "/up").status == 200
    done = atc.cli("busy", ID, "2h")
    assert done.returncode == 0 and "busy_max" in done.stderr
    assert 300 < busy(atc) <= 600


def test_a_command_says_how_it_ended_though_whoever_started_us_does_not_care(atc):
    """Some that start programs ignore SIGCHLD, and so does what they start."""
    atc.start(knobs_config())
    assert atc.get(WINTER + "/up").status == 200
    done = atc.cli("busy", ID, "--", "sh", "-c", "exit 7", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert done.returncode == 7, done


@pytest.mark.parametrize("words", [[ID], [ID, "soon"], [ID, "-5"], [ID, "5m", "more"], [ID, "--"], [],
                                   [ID, "5m", "--", "true"]])
def test_who_does_not_say_for_how_long_is_told(atc, words):
    done = atc.cli("busy", *words)
    assert done.returncode == 2 and done.stderr.startswith("fly-atc: "), done


def test_one_that_sleeps_is_not_busy(atc):
    atc.start(knobs_config())
    done = atc.cli("busy", ID, "5m")
    assert done.returncode == 1 and "fly-atc start" in done.stderr
    done = atc.cli("busy", ID, "--", "touch", str(atc.home / "ran"))
    assert done.returncode == 1 and not (atc.home / "ran").exists()
    assert atc.cli("busy", ID, "0").returncode == 0
    assert atc.cli("busy", "nobody/2025", "5m").returncode == 1
    assert not atc.boots()


def test_one_that_may_not_be_busy_is_not_for_an_operator_either(atc):
    atc.start(knobs_config(busy_max=0))
    assert atc.get(WINTER + "/up").status == 200
    done = atc.cli("busy", ID, "5m")
    assert done.returncode == 1 and "busy_max" in done.stderr


def test_there_are_not_any_number_of_holds(atc):
    atc.start(knobs_config())
    assert atc.get(WINTER + "/up").status == 200
    hold = "/v1/tenants/" + ID + "/busy?for=%s&hold=%s"
    for i in range(32):
        assert atc.control("POST", hold % ("1h", "name-%d" % i)).status == 200
    assert atc.control("POST", hold % ("1h", "one-more")).status == 503
    assert atc.control("POST", hold % ("1h", "name-7")).status == 200
    assert atc.control("POST", hold % ("0", "name-7")).status == 200
    assert atc.control("POST", hold % ("1h", "one-more")).status == 200
    for target in (hold % ("soon", "x"), hold % ("5m", "a%2Fb"), hold % ("5m", "x" * 65), hold.partition("?")[0]):
        assert atc.control("POST", target).status == 400, target


# --- while a command runs ---

UNTIL = "import os, sys, time\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.02)\nsys.exit(int(sys.argv[2]))"


class Held:
    """`fly-atc busy TENANT -- COMMAND`, a command that ends with `status` when it is allowed to."""

    def __init__(self, atc, status=0):
        self.step = atc.home / "step"
        self.process = subprocess.Popen([PROGRAM, "busy", ID, "--", sys.executable, "-c", UNTIL, str(self.step), str(status)],
                                        cwd=atc.app, env=atc.environment(), stdin=subprocess.DEVNULL)

    @classmethod
    def awake(cls, atc, status=0):
        """Begun while somebody uses the tenant."""
        with atc.wire().websocket(WINTER + "/ws"):
            held = cls(atc, status)
            wait_until(lambda: busy(atc))
        return held

    def allow(self):
        self.step.touch()

    def end(self):
        return self.process.wait(60)


def test_a_tenant_is_awake_while_a_command_runs(atc):
    """The hold is renewed, since it is short."""
    atc.start(knobs_config(idle_timeout=IDLE, busy_max="15s"))
    held = Held.awake(atc, status=7)
    try:
        for wanted in (lambda: 10 < busy(atc), lambda: 0 < busy(atc) < 11, lambda: 12 < busy(atc)):
            wait_until(wanted)
    finally:
        held.allow()
    assert held.end() == 7
    atc.wait_state("stopped")
    assert len(atc.boots()) == 1


def test_the_end_of_a_command_ends_its_own_hold_alone(atc):
    atc.start(knobs_config())
    assert atc.get(WINTER + "/up").status == 200
    assert atc.cli("busy", ID, "--", "true").returncode == 0
    assert busy(atc) == 0
    assert atc.cli("busy", ID, "10m").returncode == 0
    assert atc.cli("busy", ID, "--", "true").returncode == 0
    assert busy(atc) > 300


def test_a_hold_ends_although_nobody_lives_to_say_so(atc):
    atc.start(knobs_config(idle_timeout="1s", busy_max="2s"))
    held = Held.awake(atc)
    held.process.kill()
    held.end()
    atc.wait_state("stopped")
    held.allow()


def test_a_command_gets_what_its_holder_is_told(atc):
    atc.start(knobs_config())
    assert atc.get(WINTER + "/up").status == 200
    held = Held(atc)
    wait_until(lambda: busy(atc))
    held.process.send_signal(signal.SIGTERM)
    assert held.end() == 128 + signal.SIGTERM
    assert busy(atc) == 0


def test_a_command_that_is_not_there_is_told_as_shells_do(atc):
    atc.start(knobs_config())
    assert atc.get(WINTER + "/up").status == 200
    done = atc.cli("busy", ID, "--", "no-such-command")
    assert done.returncode == 127 and "no-such-command" in done.stderr
    assert atc.cli("busy", ID, "--", "/etc/passwd").returncode == 126
    assert busy(atc) == 0


def test_a_command_goes_on_when_its_tenant_is_stopped(atc):
    atc.start(knobs_config(busy_max="600ms"))
    assert atc.get(WINTER + "/up").status == 200
    held = Held(atc)
    wait_until(lambda: busy(atc))
    stop(atc)
    holds_for(lambda: held.process.poll() is None, 1)
    assert atc.get(WINTER + "/up").status == 200
    wait_until(lambda: busy(atc))
    held.allow()
    assert held.end() == 0
