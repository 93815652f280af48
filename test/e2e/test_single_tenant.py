"""With nothing configured it is Thruster for one application: same command, same variables, same exit codes, fewer surprises.
SPDX-License-Identifier: MIT
"""
import os
import signal
import subprocess
import sys
import time

import pytest

import processes
from atc import KNOBS_COMMAND, PROGRAM, bound_socket, free_port
from waiting import stretched, wait_until


def start(atc, command=None, env=None, **more):
    target = str(free_port())
    atc.start(command=command or KNOBS_COMMAND, env={"TARGET_PORT": target, "KNOBS_DIR": str(atc.home), **(env or {})}, **more)
    return target


def allow(atc, step):
    with open(atc.home / step, "a", encoding="ascii") as file:
        file.write("\n")


def noted(atc, name):
    path = atc.home / name
    return path.read_text().splitlines() if path.exists() else []


def child(atc):
    return int(wait_until(lambda: noted(atc, "boots"))[0])


def test_the_application_starts_at_once_with_its_port(atc):
    target = start(atc)
    child(atc)
    wait_until(lambda: atc.get("/up").status == 200)
    env = atc.get("/env").json()
    assert env["PORT"] == target
    assert atc.get("/echo/../echo?x=1").json()["target"] == "/echo?x=1"


def test_requests_before_it_listens_are_held_and_not_refused(atc):
    start(atc, env={"KNOBS_BOOT_DELAY": "1"})
    assert atc.get("/whoami", [("Accept", "*/*")]).status == 200


def test_the_whole_environment_goes_to_the_application(atc):
    start(atc, env={"THRUSTER_LOG_REQUESTS": "1", "MY_VARIABLE": "mine", "PORT": "1"})
    env = wait_until(lambda: atc.get("/env")).json()
    assert env["MY_VARIABLE"] == "mine" and env["THRUSTER_LOG_REQUESTS"] == "1" and env["PORT"] != "1"
    assert "FLY_ATC_SCOPE" not in env or env["FLY_ATC_SCOPE"] == ""


def test_cookies_and_locations_stay_as_they_are(atc):
    start(atc)
    wait_until(lambda: atc.get("/up").status == 200)
    assert atc.get("/cookie").header("Set-Cookie") == "session=1; path=/"
    assert atc.get("/redirect?to=/somewhere").header("Location") == "/somewhere"
    assert "x-forwarded-prefix" not in str(atc.get("/echo").json()["headers"]).lower()


@pytest.mark.parametrize("name", ["INT", "HUP", "USR1", "USR2", "QUIT", "TTIN", "TTOU", "WINCH"])
def test_every_signal_is_relayed_every_time(atc, name):
    start(atc, env={"KNOBS_SIGNALS": "1"})
    child(atc)
    wait_until(lambda: atc.get("/up").status == 200)
    for times in (1, 2, 3):
        atc.signal(getattr(signal, "SIG" + name))
        wait_until(lambda: noted(atc, "signals") == ["SIG" + name] * times)
    assert atc.is_running and atc.get("/up").status == 200


def test_sigterm_is_relayed_every_time(atc):
    start(atc, env={"KNOBS_IGNORE_TERM": "1"})
    pid = child(atc)
    wait_until(lambda: atc.get("/up").status == 200)
    for times in (1, 2):
        atc.signal(signal.SIGTERM)
        wait_until(lambda: atc.log.count("signal SIGTERM") == times)
    os.kill(pid, signal.SIGKILL)
    atc.wait_exit(137)


@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_is_the_applications(atc, code):
    start(atc, ["sh", "-c", "exit %d" % code], ready=False)
    atc.wait_exit(code)


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV", "INT"])
def test_death_by_a_signal_is_128_plus_n(atc, name):
    start(atc, ["sh", "-c", "ulimit -c 0; kill -%s $$; sleep 10" % name], ready=False)
    atc.wait_exit(128 + getattr(signal, "SIG" + name))


def test_the_exit_code_after_sigterm_is_the_applications(atc):
    start(atc, env={"KNOBS_TERM_EXIT": "3"})
    child(atc)
    wait_until(lambda: atc.get("/up").status == 200)
    atc.signal(signal.SIGTERM)
    atc.wait_exit(3)


def test_requests_in_flight_finish_when_the_application_lets_them(atc):
    start(atc, env={"KNOBS_TERM_UNTIL": "end"})
    from atc import Background
    wait_until(lambda: atc.get("/up").status == 200)
    wait_until(lambda: atc.tenant("main")["in_flight"] == 0)
    slow = Background(atc.get, "/sleep?until=go")
    wait_until(lambda: atc.tenant("main")["in_flight"] == 1)
    atc.signal(signal.SIGTERM)
    atc.wait_log("signal SIGTERM")
    allow(atc, "go")
    assert slow.result().text == "slept\n"
    allow(atc, "end")
    atc.wait_exit(0)


def test_a_command_that_does_not_exist_is_1_and_named(atc):
    start(atc, ["/nowhere/server"], ready=False)
    atc.wait_exit(1)
    assert "/nowhere/server" in atc.log


def test_without_a_command_the_usage_is_told(atc):
    done = atc.cli()
    assert done.returncode == 2 and "fly-atc: " in done.stderr and "command" in done.stderr


def test_a_port_in_use_fails_before_the_application_starts(atc):
    taken = bound_socket()
    done = atc.cli("touch", "started", env={"HTTP_PORT": str(taken.getsockname()[1]), "TARGET_PORT": "1"})
    assert done.returncode == 1 and str(taken.getsockname()[1]) in done.stderr
    assert not (atc.app / "started").exists()


def test_it_binds_before_the_application_starts(atc):
    """A request that comes while the application boots finds an open port."""
    port = free_port()
    script = "import socket; socket.create_connection(('127.0.0.1', %d)); open('connected', 'w')" % port
    done = atc.cli(sys.executable, "-c", script, env={"HTTP_PORT": str(port), "TARGET_PORT": "1"})
    assert done.returncode == 0 and (atc.app / "connected").exists()


def test_the_application_dies_with_us(atc):
    start(atc)
    pid = child(atc)
    atc.signal(signal.SIGKILL)
    atc.wait_exit(-9)
    wait_until(lambda: not processes.is_alive(pid), 3)


def test_output_and_input_are_passed_through(atc):
    done = subprocess.run([PROGRAM, "sh", "-c", "read x; echo got $x; echo err >&2"], input="word\n", text=True, capture_output=True,
                          cwd=atc.app, env=atc.environment(HTTP_PORT="0", TARGET_PORT="1"), timeout=stretched(20))
    assert done.returncode == 0
    assert "got word" in done.stdout.splitlines() and "err" in done.stderr.splitlines()


def test_a_crashed_application_ends_us_and_is_not_restarted(atc):
    start(atc)
    wait_until(lambda: atc.get("/up").status == 200)
    assert atc.get("/crash?code=5").status == 502
    atc.wait_exit(5)
    assert len(noted(atc, "boots")) == 1


def test_it_answers_to_the_name_thrust(atc):
    thrust = atc.home / "thrust"
    thrust.symlink_to(PROGRAM)
    (atc.app / "config").mkdir()
    (atc.app / "config" / "atc.yml").write_text("this is: not read\n")
    start(atc, program=str(thrust))
    wait_until(lambda: atc.get("/up").status == 200)
    done = subprocess.run([str(thrust), "status"], cwd=atc.app, env=atc.environment(HTTP_PORT="0", TARGET_PORT="1"),
                          capture_output=True, text=True, timeout=stretched(20))
    assert done.returncode == 1, "`status` is a command to run, as Thruster has it"


def test_run_dashes_and_options_belong_to_the_command(atc):
    done = atc.cli("run", "--", "sh", "-c", "echo $0 $1", "-x", "--help", env={"HTTP_PORT": "0", "TARGET_PORT": "1"})
    assert done.returncode == 0 and "-x --help" in done.stdout


def test_debug_of_node_is_harmless(atc):
    start(atc, env={"DEBUG": "express:*"})
    wait_until(lambda: atc.get("/up").status == 200)


def test_stopping_takes_no_time_when_nothing_is_under_way(atc):
    start(atc)
    wait_until(lambda: atc.get("/up").status == 200)
    began = time.monotonic()
    atc.stop(0)
    assert time.monotonic() - began < stretched(1)
