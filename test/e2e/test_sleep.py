"""The machine as a whole goes to sleep when nobody uses it, and goes on as if nothing had been.
SPDX-License-Identifier: MIT
"""
import hashlib
import hmac
import http.server
import socket
import subprocess
import threading
import time

import pytest

import processes
from atc import PROGRAM, Background, knobs_config
from waiting import wait_until
from wire import Wire

SEA, ORD = "148e45d7c20978", "3d8d413b29d638"
MACHINES = [{"id": SEA, "region": "sea"}]
USERS = {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}}
BELLEVUE = "/bellevue/2025/winter"
ASKED = "it is put to sleep ("
GOES_ON = "this machine goes on"
STAYS = "this machine stays awake"


class Machine:
    """The one machine of a fleet: what a test asks of it and says to it."""

    def __init__(self, fly, machine_id=SEA):
        self.fly, self.id = fly, machine_id

    @property
    def state(self):
        return self.fly.machine(self.id)["state"]

    def wait(self, state):
        self.fly.wait(self.id, state)

    def says(self, text):
        return self.fly.output(self.id).count(text)

    def wait_says(self, text, times=1):
        self.fly.wait_output(self.id, text, times)

    def wait_looks(self, n=2):
        """It has looked so often whether it may sleep, and somebody was there."""
        self.wait_says("this machine is in use", self.says("this machine is in use") + n)

    def wire(self):
        """Past the edge: this wakes nobody."""
        return Wire((self.fly.told("addresses")["machines"][self.id]["address"], 8080))

    def control(self, method, target, expect=200):
        with Wire(str(self.fly.path(self.id, "run", "control.sock"))) as wire:
            answer = wire.ask(method, target, [("Connection", "close")])
        assert answer.status == expect, answer
        return answer.json()

    def sleep_status(self):
        return self.control("GET", "/v1/status")["sleep"]

    def get(self, path, **more):
        return self.fly.get(path, "sea", **more)

    def whoami(self):
        answer = self.get(BELLEVUE + "/whoami")
        assert answer.status == 200, answer
        return answer.json()["pid"]

    def touch(self, name):
        (self.fly.reports / name).touch()

    def lines(self, name):
        path = self.fly.reports / name
        return path.read_text().splitlines() if path.exists() else []

    @property
    def asked(self):
        """What it asked of the platform, and what came of it."""
        return [line["event"] for line in self.fly.log(what="machine", machine=self.id) if line["event"] in ("suspend", "stop", "exit")]


@pytest.fixture
def sleepy(make_fly):
    """A machine whose `machine:` is this, beside what makes it sleep soon."""
    def make(switches=None, machines=None, users=None, environment=None, server=None, **machine):
        machine = {"on_idle": "suspend", "idle_timeout": "500ms", **machine}
        config = {**knobs_config(users or USERS, server=server), "machine": machine}
        fly = make_fly(config, machines or MACHINES, switches=switches, environment=environment)
        for each in machines or MACHINES:
            fly.wait_output(each["id"], "serving on")
        return Machine(fly)
    return make


def shell(text):
    """A command for the configuration, where a dollar is doubled."""
    return ["sh", "-c", text.replace("$", "$$")]


def until(name):
    return shell("until [ -e $FLY_ATC_TEST/%s ]; do sleep 0.02; done" % name)


def note(name, text):
    return shell("echo %s >>$FLY_ATC_TEST/%s" % (text, name))


# --- to sleep, and back ---

def test_a_machine_that_nobody_uses_is_suspended_and_its_tenant_with_it(sleepy):
    machine = sleepy()
    before = machine.whoami()
    machine.wait("suspended")
    assert machine.whoami() == before
    machine.wait_says(GOES_ON)
    machine.wait("suspended")
    assert machine.sleep_status() if machine.state == "started" else True


def test_a_machine_that_was_never_used_sleeps_as_well(sleepy):
    sleepy().wait("suspended")


def test_a_machine_that_is_to_stop_ends_its_tenants_first_and_is_woken_by_a_request(sleepy):
    machine = sleepy(on_idle="stop", idle_timeout="2s")
    before = machine.whoami()
    machine.wait("stopped")
    assert machine.says("tenant stopped") == 1
    assert machine.whoami() != before
    assert [line["exit_event"]["exit_code"] for line in machine.fly.log(what="machine", event="exit")] == [0]


def test_a_machine_whose_on_idle_is_exit_ends_with_0_by_itself(sleepy):
    machine = sleepy(on_idle="exit")
    machine.whoami()
    machine.wait("stopped")
    assert machine.asked == ["exit"], "and nobody was asked"
    assert machine.get(BELLEVUE + "/whoami").status == 200


def test_without_on_idle_a_machine_never_sleeps(sleepy):
    machine = sleepy(on_idle="none")
    assert machine.sleep_status()["on_idle"] == "none"
    assert machine.control("POST", "/v1/busy?for=0")["state"] == "awake" and not machine.says(ASKED)


# --- what keeps it awake ---

def test_an_open_websocket_keeps_the_machine_awake_and_its_end_lets_it_sleep(sleepy):
    machine = sleepy()
    with machine.fly.wire("sea") as wire:
        wire.websocket(BELLEVUE + "/ws")
        for text in ("one", "two"):
            status = machine.sleep_status()
            assert (status["in_flight"], status["idle_ms"]) == (1, 0)
            machine.wait_looks()
            wire.send_frame(text)
            assert wire.frame() == (1, text.encode())
        assert not machine.says(ASKED)
    machine.wait("suspended")


def test_a_request_under_way_keeps_the_machine_awake(sleepy):
    machine = sleepy()
    machine.whoami()
    slow = Background(machine.get, BELLEVUE + "/sleep?until=go")
    wait_until(lambda: machine.sleep_status()["in_flight"] == 1, what="it is under way")
    machine.wait_looks()
    assert not machine.says(ASKED) or machine.says(GOES_ON)
    (path,) = machine.fly.home.rglob("tenants/bellevue/2025/winter")
    (path / "go").write_text("\n")
    assert slow.result().status == 200
    machine.wait("suspended")


def test_a_hold_by_the_control_socket_keeps_the_machine_awake_until_it_ends(sleepy):
    machine = sleepy(idle_timeout="2s")
    held = machine.control("POST", "/v1/busy?for=10m&hold=job")
    assert held["holds"] == 1 and 0 < held["busy_ms"] <= 600000
    machine.wait_looks()
    assert machine.state == "started" and not machine.says(ASKED)
    assert machine.control("POST", "/v1/busy?for=0&hold=job")["holds"] == 0
    machine.wait("suspended")


def test_a_tenant_that_says_it_is_busy_keeps_the_machine_awake(sleepy):
    machine = sleepy()
    assert machine.get(BELLEVUE + "/set?h=Fly-Atc-Busy:600").status == 200
    machine.wait_looks()
    assert not machine.says(ASKED)
    machine.control("POST", "/v1/tenants/bellevue/2025/winter/busy?for=0")
    machine.wait("suspended")


@pytest.mark.parametrize("path", ["/up", "/wp-login.php", "/nobody/here", BELLEVUE + "/wp-login.php"])
def test_health_checks_and_the_404s_of_robots_do_not_keep_the_machine_awake(sleepy, path):
    machine = sleepy()
    machine.wait_says("serving on")
    ended = threading.Event()

    def pester():
        while not ended.is_set():
            with machine.wire() as wire:
                wire.timeout(120)
                wire.get(path)
            ended.wait(0.05)
    pesterer = Background(pester)
    machine.wait("suspended")
    ended.set()
    machine.fly.do(SEA, "start")
    machine.control("POST", "/v1/busy?for=10m")     # or it sleeps again before the last one has come through
    pesterer.result()


def test_what_counts_as_a_use_is_configured(sleepy):
    """A page that is refused counts, since it was said so; a machine whose tenant is awake stays awake."""
    machine = sleepy(busy=["requests", "tenants"])
    machine.whoami()
    machine.wait_looks()
    assert machine.state == "started" and not machine.says(ASKED)
    machine.control("POST", "/v1/tenants/bellevue/2025/winter/stop")
    machine.wait("suspended")


# --- a request at each instant ---

def test_a_request_during_the_idle_hook_ends_the_sequence(sleepy):
    machine = sleepy(idle_hook=until("go"))
    wait_until(lambda: machine.sleep_status()["state"] == "falling asleep", what="idle_hook runs")
    before = machine.whoami()
    machine.wait_says(STAYS)
    machine.touch("go")
    machine.wait("suspended")
    assert machine.whoami() == before


def test_a_request_while_tenants_stop_ends_the_sequence_and_is_served(sleepy):
    machine = sleepy(on_idle="stop", users={"bellevue": {"machine": SEA, "tenants": {"2025/winter": {"stop_hook": until("go")}}}})
    before = machine.whoami()
    wait_until(lambda: machine.control("GET", "/v1/tenants/bellevue/2025/winter")["state"] == "stopping", what="it stops")
    late = Background(machine.whoami)
    machine.wait_says(STAYS)
    machine.touch("go")
    assert late.result() != before
    machine.wait("stopped")


def test_a_request_while_the_platform_is_asked_waits_and_is_served_after_the_sleep(sleepy):
    machine = sleepy()
    machine.fly.order("fault", kind="api", action="suspend", machine=SEA, delay=2)
    before = machine.whoami()
    machine.wait_says(ASKED)
    assert machine.sleep_status()["state"] == "asleep soon"
    assert machine.whoami() == before
    assert machine.asked[:1] == ["suspend"], "it was not served before"
    machine.wait_says(GOES_ON)


def test_a_request_while_the_platform_refuses_is_served_at_once(sleepy):
    machine = sleepy()
    machine.fly.order("fault", kind="api", action="suspend", machine=SEA, delay=1, status=412, count=1)
    before = machine.whoami()
    machine.wait_says(ASKED)
    assert machine.whoami() == before and machine.says("was not put to sleep") == 1


@pytest.mark.parametrize("interruptible", [True, False])
def test_a_request_between_the_platforms_word_and_the_freeze_is_served(sleepy, interruptible):
    machine = sleepy(switches={"suspend_latency": 1.5, "interruptible_suspend": interruptible})
    before = machine.whoami()
    machine.wait("suspending")
    assert machine.whoami() == before
    machine.wait_says(GOES_ON)
    machine.wait("suspended")
    assert machine.whoami() == before


def test_requests_all_the_time_are_all_answered_by_one_process(sleepy):
    """At whatever instant each comes: the machine falls asleep between them, or nearly does."""
    machine = sleepy(idle_timeout="50ms")
    before = machine.whoami()
    for pause in [0.02 * i for i in range(25)]:
        time.sleep(pause)
        assert machine.whoami() == before
    assert machine.says(GOES_ON) >= 1


@pytest.mark.parametrize("instant", ["in idle_hook", "while tenants stop", "while the platform is asked", "in resume_hook"])
def test_a_fly_atc_that_is_killed_at_any_instant_starts_again_and_serves(sleepy, instant):
    hooks = {"in idle_hook": {"idle_hook": until("go")}, "in resume_hook": {"resume_hook": until("go"), "idle_timeout": "2s"},
             "while tenants stop": {"on_idle": "stop"}}.get(instant, {})
    tenants = {"2025/winter": {"stop_hook": until("go")} if instant == "while tenants stop" else {}}
    machine = sleepy(users={"bellevue": {"machine": SEA, "tenants": tenants}}, **hooks)
    before = machine.whoami()
    if instant == "while the platform is asked":
        machine.fly.order("fault", kind="api", action="suspend", machine=SEA, delay=20, count=1)
        machine.wait_says(ASKED)
    elif instant == "while tenants stop":
        wait_until(lambda: machine.control("GET", "/v1/tenants/bellevue/2025/winter")["state"] == "stopping", what="it stops")
    elif instant == "in idle_hook":
        wait_until(lambda: machine.sleep_status()["state"] == "falling asleep", what="idle_hook runs")
    else:
        machine.wait("suspended")
        machine.fly.do(SEA, "start")
        wait_until(lambda: machine.sleep_status()["state"] == "resuming", what="resume_hook runs")
    machine.fly.order("machine", id=SEA, do="crash")
    machine.touch("go")
    machine.wait_says("serving on", 2)
    assert machine.whoami() != before
    machine.fly.may_exit.add(137)


# --- refused ---

@pytest.mark.parametrize("status", [409, 412, 429])
def test_a_suspend_that_is_refused_is_tried_again_and_then_the_machine_stops(sleepy, status):
    machine = sleepy()
    machine.fly.order("fault", kind="api", action="suspend", machine=SEA, status=status, count=0)
    machine.whoami()
    machine.wait("stopped")
    assert machine.says("was not put to sleep (suspend)") == 3
    assert machine.says("was not put to sleep") == 3 and machine.says("tenant stopped") == 1
    machine.fly.order("clear")
    machine.whoami()
    machine.wait("suspended")


def test_a_machine_that_can_neither_suspend_nor_stop_ends_with_0(sleepy):
    machine = sleepy()
    for action in ("suspend", "stop"):
        machine.fly.order("fault", kind="api", action=action, machine=SEA, status=429, count=0)
    machine.wait_says("fly-atc ends")
    machine.wait("stopped")
    assert [line["exit_event"]["exit_code"] for line in machine.fly.log(what="machine", event="exit")] == [0]
    assert machine.says("was not put to sleep (suspend)") == 3 and machine.says("was not put to sleep (stop)") == 3


def test_a_machine_without_the_socket_ends_with_0(sleepy):
    machine = sleepy(idle_timeout="2s")
    machine.fly.order("machine", id=SEA, do="miss_socket")
    machine.wait("stopped")
    assert [line["exit_event"]["exit_code"] for line in machine.fly.log(what="machine", event="exit")] == [0]


def test_a_machine_that_can_never_be_suspended_stops_at_the_first_refusal(sleepy):
    machine = sleepy()
    machine.fly.order("fault", kind="api", action="suspend", machine=SEA, status=422, count=0)
    machine.wait("stopped")
    assert machine.says("was not put to sleep") == 1


def test_a_machine_that_was_refused_is_back_to_its_own_way_once_it_is_used(sleepy):
    machine = sleepy()
    machine.fly.order("fault", kind="api", action="suspend", machine=SEA, status=429, count=2)
    machine.wait_says("was not put to sleep (suspend)", 2)
    machine.whoami()
    machine.wait("suspended")
    assert machine.says("was not put to sleep (stop)") == 0


# --- hooks ---

def test_hooks_run_in_their_order_with_their_environment_and_their_output_is_in_the_log(sleepy):
    machine = sleepy(
        boot_hook={"command": shell("echo boot-$WHO; echo boot >>$FLY_ATC_TEST/order"), "env": {"WHO": "me"}},
        ready_hook=note("order", "ready"), idle_hook=note("order", "idle"),
        resume_hook=note("order", "resume"), stop_hook=note("order", "stop"))
    machine.wait("suspended")
    machine.whoami()
    machine.wait_says(GOES_ON)
    machine.wait("suspended")
    machine.fly.do(SEA, "start")
    machine.wait("started")
    machine.fly.do(SEA, "stop")
    machine.wait("stopped")
    order = machine.lines("order")
    assert order[:4] == ["boot", "ready", "idle", "resume"] and order[-1] == "stop" and set(order[4:-1]) <= {"idle", "resume"}
    assert '"hook":"boot_hook"' in machine.fly.output(SEA) and "boot-me" in machine.fly.output(SEA)


def test_a_hook_does_not_get_our_secrets_unless_it_is_given_one(sleepy):
    machine = sleepy(
        environment={"FLY_API_TOKEN": "secret-a", "AWS_SECRET_ACCESS_KEY": "secret-b"}, on_idle="none",
        ready_hook={"command": shell("env >$FLY_ATC_TEST/env; echo done >$FLY_ATC_TEST/done"), "env": {"GIVEN": "${AWS_SECRET_ACCESS_KEY}"}})
    wait_until(lambda: machine.lines("done"), what="the hook has run")
    seen = "\n".join(machine.lines("env"))
    assert "secret-a" not in seen and "AWS_SECRET_ACCESS_KEY" not in seen and "GIVEN=secret-b" in seen


def test_requests_for_tenants_wait_for_the_boot_hook_and_health_checks_do_not(sleepy):
    machine = sleepy(on_idle="none", boot_hook=until("go"))
    assert machine.get("/up").status == 200
    first = Background(machine.whoami)
    wait_until(lambda: machine.sleep_status()["in_flight"] == 1, what="it waits")
    assert machine.sleep_status()["state"] == "booting" and not machine.says("tenant running")
    machine.touch("go")
    first.result()


def test_a_boot_hook_that_fails_ends_fly_atc_with_1(make_fly):
    config = {**knobs_config(USERS), "machine": {"boot_hook": ["sh", "-c", "exit 3"]}}
    fly = make_fly(config, [{**MACHINES[0], "config": {"restart": {"policy": "no"}}}])
    fly.wait(SEA, "stopped")
    exits = fly.log(what="machine", event="exit")
    assert [line["exit_event"]["exit_code"] for line in exits] == [1]
    assert "boot_hook exited with status 3" in fly.output(SEA)
    fly.may_exit.add(1)


def test_requests_for_tenants_wait_for_the_resume_hook_and_files_do_not(sleepy):
    machine = sleepy(idle_timeout="2s", resume_hook=until("go"))
    before = machine.whoami()
    machine.wait("suspended")
    first = Background(machine.whoami)
    wait_until(lambda: machine.state == "started" and machine.sleep_status()["state"] == "resuming", what="it resumes")
    assert machine.get("/up").status == 200 and machine.get("/favicon.ico").status == 404
    assert not first.is_done
    machine.touch("go")
    assert first.result() == before


@pytest.mark.parametrize("hook, fault", [(["sh", "-c", "exit 3"], "resume_hook exited with status 3"),
                                         ({"command": ["sleep", "1000"], "timeout": "200ms"}, "resume_hook took too long and was killed"),
                                         (["/no/such/program"], "resume_hook cannot be started")])
def test_a_resume_hook_that_fails_is_reported_and_requests_are_served(sleepy, hook, fault):
    machine = sleepy(resume_hook=hook)
    before = machine.whoami()
    machine.wait("suspended")
    assert machine.whoami() == before
    machine.wait_says(fault)


def test_an_idle_hook_that_fails_keeps_the_machine_awake(sleepy):
    machine = sleepy(idle_hook=shell("[ -e $FLY_ATC_TEST/may ] || { echo no >>$FLY_ATC_TEST/no; exit 1; }"))
    wait_until(lambda: len(machine.lines("no")) >= 2, what="it was tried again")
    assert machine.asked == []
    assert "idle_hook" in machine.sleep_status()["reason"]
    machine.touch("may")
    machine.wait("suspended")


# --- it has slept ---

HOUR = 3600


def by_the_edge(machine, *aheads, source=None):
    """A request as the edge makes it, whose clock is so many seconds ahead of the machine's; several: as many fields."""
    wire = Wire.__new__(Wire)
    address = machine.fly.told("addresses")["machines"][machine.id]["address"]
    wire.sock, wire.buffer = socket.create_connection((address, 8080), source_address=(source or machine.fly.proxy, 0)), b""
    with wire.timeout(30):
        starts = [("X-Request-Start", "t=%d" % ((time.time() + ahead) * 1000000)) for ahead in aheads]
        return wire.get(BELLEVUE + "/whoami", [("Connection", "close"), ("fly-request-id", "01M8GVTDX2SW2WEDNYQX3S9443-sea"), *starts])


def test_the_edges_clock_tells_that_the_machine_has_slept_once_for_each_sleep(sleepy):
    machine = sleepy(on_idle="none", resume_hook=note("order", "resume"))
    for _ in range(3):
        assert by_the_edge(machine, 8 * HOUR).status == 200
    assert machine.says("this machine has slept: the edge's clock is ahead of ours (8h") == 1
    assert machine.lines("order") == ["resume"]
    assert machine.sleep_status()["resumed_ms"] is not None


def test_a_clock_that_a_client_added_says_nothing(sleepy):
    machine = sleepy(on_idle="none", resume_hook=note("order", "resume"))
    assert by_the_edge(machine, 8 * HOUR, 0).status == 200
    assert by_the_edge(machine, 8 * HOUR, source="127.0.0.1").status == 200
    assert machine.sleep_status()["resumed_ms"] is None and machine.lines("order") == []


@pytest.mark.slow
def test_a_suspend_by_somebody_else_is_noticed(sleepy):
    machine = sleepy(on_idle="none", resume_hook=note("order", "resume"))
    machine.fly.bring(SEA, "suspended")
    asleep = time.monotonic()
    wait_until(lambda: time.monotonic() > asleep + 13, 30, "long enough to be no busy machine")
    machine.whoami()
    machine.wait_says("this machine has slept: nothing ran for that long")
    wait_until(lambda: machine.lines("order") == ["resume"], what="resume_hook has run")


def test_databases_that_another_machine_took_over_meanwhile_are_restored_before_the_next_answer(make_fly, store):
    """Both machines may serve everybody: what an operator moves while the machine sleeps, or another that has not heard of it."""
    machine = {"on_idle": "suspend", "idle_timeout": "2s"}
    config = {**knobs_config({"bellevue": {"tenants": ["2025/winter"]}}, backup={**store.config, "restore_timeout": "20s"},
                             databases={"primary": {"path": "data.sqlite3", "env": "DATABASE_PATH", "url": "{path}"}}),
              "machine": machine}
    fly = make_fly(config, [*MACHINES, {"id": ORD, "region": "ord"}], environment=store.environment)
    for each in (SEA, ORD):
        fly.wait_output(each, "serving on")

    def count(method, machine_id):
        answer = fly.ask(method, BELLEVUE + "/count", "sea", [("fly-force-instance-id", machine_id)])
        assert answer.status == 200, answer
        return answer.json()["count"]
    assert count("POST", SEA) == 1
    fly.wait(SEA, "suspended")
    assert count("POST", ORD) == 2
    fly.wait(ORD, "suspended")
    assert count("GET", SEA) == 2, "and not what its process still knew"
    assert "another fly-atc has taken it over" in fly.output(SEA)


def test_a_hold_just_after_the_sleep_does_not_keep_the_gate_shut(sleepy):
    """Before the machine knows that it has slept."""
    machine = sleepy()
    machine.wait("suspended")
    machine.fly.bring(SEA, "started")
    machine.control("POST", "/v1/busy?for=10m")
    machine.whoami()
    machine.wait_says(GOES_ON)


def test_a_user_who_moved_while_the_machine_slept_is_served_where_they_live_now(make_fly, store):
    """It slept through the change, nobody could tell it, and a client addresses it."""
    config = {**knobs_config(USERS, backup={**store.config, "restore_timeout": "20s"},
                             databases={"primary": {"path": "data.sqlite3", "env": "DATABASE_PATH", "url": "{path}"}}),
              "machine": {"on_idle": "suspend", "idle_timeout": "2s"}}
    fly = make_fly(config, [*MACHINES, {"id": ORD, "region": "ord"}],
                   environment={"FLY_ATC_FLEET_SECRET": "0123456789abcdef", **store.environment})
    for each in (SEA, ORD):
        fly.wait_output(each, "serving on")
    to_the_old = [("fly-force-instance-id", SEA)]
    assert fly.ask("POST", BELLEVUE + "/count", "sea").json()["count"] == 1
    fly.wait(SEA, "suspended")
    fly.bring(ORD, "started")
    new = Machine(fly, ORD)
    new.control("POST", "/v1/busy?for=10m")
    pid = new.control("GET", "/v1/status")["pid"]
    done = subprocess.run([PROGRAM, "user", "change", "bellevue", "machine=" + ORD, "-c", str(fly.reports / "calendar.yml")],
                          env=processes.environment(pid), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done
    assert fly.ask("POST", BELLEVUE + "/count", "ord").json()["count"] == 2
    answer = fly.ask("POST", BELLEVUE + "/count", "ord", to_the_old)
    assert answer.status == 200 and answer.json()["count"] == 3, answer
    pid = fly.get(BELLEVUE + "/whoami", "ord", to_the_old).json()["pid"]
    assert processes.environment(pid)["FLY_MACHINE_ID"] == ORD


class Ahead(http.server.BaseHTTPRequestHandler):
    """A store whose clock is eight hours ahead: it answers that there is nothing, to requests that are signed by its clock."""
    protocol_version = "HTTP/1.1"
    seen = None

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return super().date_time_string(timestamp or time.time() + 8 * HOUR)

    def signature(self, date):
        scope, names = (self.headers["Authorization"].split(mark)[1].split(",")[0] for mark in ("Credential=key/", "SignedHeaders="))
        path, _, query = self.path.partition("?")
        fields = "".join("%s:%s\n" % (name, (self.headers[name] or "").strip()) for name in names.split(";"))
        whole = "\n".join((self.command, path, query, fields, names, self.headers["x-amz-content-sha256"]))
        key = b"AWS4secret"
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = "\n".join(("AWS4-HMAC-SHA256", date, scope, hashlib.sha256(whole.encode()).hexdigest()))
        return hmac.new(key, text.encode(), "sha256").hexdigest()

    def do_GET(self):
        date = self.headers["X-Amz-Date"]
        when = time.mktime(time.strptime(date, "%Y%m%dT%H%M%SZ")) - time.timezone
        late = abs(when - time.time() - 8 * HOUR) > 900
        good = self.headers["Authorization"].endswith("Signature=" + self.signature(date))
        code = "SignatureDoesNotMatch" if not good else "RequestTimeTooSkewed" if late else "NoSuchKey"
        self.server.seen.append(code)
        body = ("<Error><Code>%s</Code><Message>no</Message></Error>" % code).encode()
        self.send_response(404 if code == "NoSuchKey" else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_a_store_that_refuses_our_clock_is_asked_by_its_own(atc):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ahead)
    server.seen = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        atc.start({**knobs_config(server={"health_store": True}), "backup": {"url": "s3://bucket/atc"}},
                  env={"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:%d" % server.server_port, "AWS_REGION": "auto",
                       "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"})
        wait_until(lambda: atc.get("/up").status == 200, what="the store answers")
        assert server.seen[:2] == ["RequestTimeTooSkewed", "NoSuchKey"] and set(server.seen[2:]) <= {"NoSuchKey"}
    finally:
        server.shutdown()
        server.server_close()


# --- tenants' hooks ---

def hooked(atc, start=None, stop=None, **app):
    hooks = {key: value for key, value in (("start_hook", start), ("stop_hook", stop)) if value}
    return atc.start(knobs_config({"bellevue": {"tenants": ["2025/winter"]}}, **hooks, **app))


def test_a_tenants_hooks_run_before_its_start_and_after_its_end(atc):
    hooked(atc, {"command": shell("echo start $FLY_ATC_NAME $WHO >>$FLY_ATC_TEST/order"), "env": {"WHO": "${tenant.user}"}},
           shell("echo stop $DATABASE_PATH >>$FLY_ATC_TEST/order"))
    atc.whoami()
    assert (atc.home / "order").read_text() == "start 2025/winter bellevue\n"
    atc.cli("stop", "bellevue/2025/winter")
    assert (atc.home / "order").read_text().splitlines()[1].startswith("stop")
    atc.whoami()
    atc.stop()
    assert [line.split()[0] for line in (atc.home / "order").read_text().splitlines()] == ["start", "stop", "start", "stop"]


@pytest.mark.parametrize("hook, why", [(["sh", "-c", "echo broken >&2; exit 3"], "start_hook (sh) exited with status 3"),
                                       ({"command": ["sleep", "1000"], "timeout": "100ms"}, "start_hook (sleep) took too long and was killed"),
                                       (["/no/such/program"], "cannot execute /no/such/program")])
def test_a_start_hook_that_fails_fails_the_start_and_leaves_nothing_behind(atc, hook, why):
    hooked(atc, hook, note("order", "stop"))
    answer = atc.get(BELLEVUE + "/whoami")
    assert answer.status == 503 and answer.error == "start_failed"
    tenant = atc.tenant()
    assert why in tenant["reason"] and tenant["pid"] is None and atc.knobs_pids() == []
    assert not (atc.home / "order").exists(), "what was not started has no end"


def test_a_stop_hook_that_fails_is_reported_and_the_tenant_is_well(atc):
    hooked(atc, None, ["sh", "-c", "exit 4"])
    atc.whoami()
    atc.cli("stop", "bellevue/2025/winter")
    wait_until(lambda: "its stop_hook (sh) exited with status 4" in atc.log, what="it is reported")
    assert atc.tenant()["reason"] is None and atc.state() == "stopped"
    atc.whoami()


def test_a_stop_hook_that_hangs_is_killed_and_ends_with_fly_atc(atc):
    hooked(atc, None, {"command": ["sleep", "1000"], "timeout": "300ms"})
    atc.whoami()
    atc.stop()
    assert "its stop_hook (sleep) took too long and was killed" in atc.log


# --- the command line ---

def test_the_machine_is_held_while_a_command_runs(atc):
    """It is begun while boot_hook runs, before the machine may sleep."""
    atc.start({**knobs_config(), "machine": {"on_idle": "exit", "idle_timeout": "300ms", "boot_hook": until("go")}})
    done = atc.cli("busy", "--", "sh", "-c", "touch %s; sleep 2; kill -0 %d && echo alive" % (atc.home / "go", atc.pid))
    assert (done.returncode, done.stdout) == (0, "alive\n"), done
    atc.wait_exit(0)


def test_the_machine_is_held_for_a_time(atc):
    atc.start({**knobs_config(), "machine": {"on_idle": "exit", "idle_timeout": "300ms", "boot_hook": until("go")}})
    done = atc.cli("busy", "10m")
    assert done.returncode == 0 and done.stdout.startswith("the machine is busy until"), done
    (atc.home / "go").touch()
    wait_until(lambda: "this machine is in use" in atc.log, what="it has looked")
    assert atc.status()["sleep"]["holds"] == 1
    assert atc.cli("busy", "0").stdout == "the machine is not busy any more\n"
    atc.wait_exit(0)
