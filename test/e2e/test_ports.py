"""Where an application listens: told, found elsewhere, used there if that is safe, or always the same.
SPDX-License-Identifier: MIT
"""
import os
import re
import socket

import pytest

import processes
from atc import KNOBS_COMMAND, WINTER, bound_socket, free_port, knobs_config
from test_container import container  # noqa: F401  pylint: disable=unused-import
from waiting import wait_until

# Long enough for knobs to bind its socket, mostly; on a busy machine the next start tells.
SOON = "3s"


def port_of(atc, name="bellevue/2025/winter"):
    return int(wait_until(lambda: atc.lines("port", name), 10, "it has bound a port")[-1])


def told_port(atc, name="bellevue/2025/winter"):
    """As it was told, from the environment of one that still runs, or from what was said of it."""
    found = re.search(r"was told 127\.0\.0\.1:(\d+)", atc.tenant(name)["reason"] or "")
    return int(found.group(1))


def fails(atc, because, path=WINTER + "/", name="bellevue/2025/winter"):
    """Wakes it until it has failed for this reason, and returns the answer to who waited for it."""
    def failed():
        page = atc.get(path, [("Accept", "text/html")], timeout=120)
        assert page.status == 503, page
        atc.wait_state("failed", name=name)
        return page if because in (atc.tenant(name)["reason"] or "") else None
    return wait_until(failed, 60, "it fails because %s" % because)


def elsewhere(atc, because="listens on", **app):
    """A tenant that is never found."""
    atc.start(knobs_config(environment="development", start_timeout=SOON, waiting_page_after="0", **app))
    return fails(atc, because)


# --- it is said where ---

@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_who_does_not_listen_where_it_was_told_learns_where_it_does(atc, address):
    elsewhere(atc, env={"KNOBS_PORT": "0", "KNOBS_ADDRESS": address})
    where = "[%s]" % address if ":" in address else address
    said = "it listens on %s:%d (pid %d), was told 127.0.0.1:%d" % (where, port_of(atc), atc.boots()[-1], told_port(atc))
    assert said in atc.tenant()["reason"]
    assert said in atc.cli("status", "bellevue/2025/winter").stdout.replace("\n", " ")
    failed = atc.log_lines(msg="tenant failed")[-1]
    assert said in failed["reason"] and "`port: %d`, else `port: auto`" % port_of(atc) in failed["reason"]


def test_the_page_says_where_it_listens_in_development(atc):
    said = re.compile(r"it listens on 127\.0\.0\.1:\d+ \(pid \d+\), was told 127\.0\.0\.1:\d+")
    first = elsewhere(atc, env={"KNOBS_PORT": "0"})
    wait_until(lambda: said.search(first.text) or said.search(atc.get(WINTER + "/", timeout=120).text), 60, "a page says it")


def test_strangers_do_not_learn_where_it_listens(atc):
    atc.start(knobs_config(environment="production", start_timeout=SOON, env={"KNOBS_PORT": "0"}))
    page = atc.get(WINTER + "/", timeout=120)
    assert page.status == 503 and "listens" not in page.text


def test_another_address_than_loopback_is_named(atc):
    elsewhere(atc, env={"KNOBS_ADDRESS": "127.0.0.2"})
    told = told_port(atc)
    assert "it listens on 127.0.0.2:%d (pid %d), was told 127.0.0.1:%d" % (told, atc.boots()[-1], told) in atc.tenant()["reason"]


def test_a_child_of_what_was_started_is_found_too_among_many_files(atc):
    elsewhere(atc, command=["sh", "-c", "%s & wait" % " ".join(KNOBS_COMMAND)],
              env={"KNOBS_PORT": "0", "KNOBS_OPEN_FILES": "500"})
    assert "it listens on 127.0.0.1:%d (pid %d)" % (port_of(atc), atc.boots()[-1]) in atc.tenant()["reason"]


def test_who_ignores_the_socket_that_it_inherits_is_found(atc):
    elsewhere(atc, listen="fd", env={"KNOBS_PORT": "0"})
    reason = atc.tenant()["reason"]
    assert "accepts connections on 127.0.0.1:%d but does not answer" % told_port(atc) in reason
    assert "it listens on 127.0.0.1:%d (pid " % port_of(atc) in reason
    assert reason.count("127.0.0.1:%d (pid" % told_port(atc)) == 0, "the inherited one is not of its making"


def test_who_is_told_a_unix_socket_and_takes_a_port_is_found(atc):
    elsewhere(atc, listen="unix", env={"KNOBS_PORT": "0"})
    assert re.search(r"it listens on 127\.0\.0\.1:%d \(pid \d+\), was told /\S+\.sock" % port_of(atc), atc.tenant()["reason"])


def test_who_is_told_a_port_and_takes_a_unix_socket_is_found(atc):
    path = str(atc.home / "own.sock")
    elsewhere(atc, env={"KNOBS_UNIX": path})
    assert "it listens on %s (pid %d), was told 127.0.0.1:" % (path, atc.boots()[-1]) in atc.tenant()["reason"]


@pytest.mark.parametrize("fault", [{"KNOBS_UP_STATUS": "500", "KNOBS_SECOND_PORT": "1"}, {"KNOBS_NEVER_READY": "listen"}])
def test_nothing_is_said_of_who_answers_where_it_was_told_or_listens_nowhere(atc, fault):
    elsewhere(atc, "not ready within", env=fault)
    assert "not ready within" in atc.tenant()["reason"] and "listens on" not in atc.tenant()["reason"]


def test_a_single_application_that_is_not_found_is_told_of_and_goes_on(atc):
    """Thruster would wait for ever without a word."""
    told = free_port()
    atc.start({"app": {"start_timeout": "10s", "framework": "generic", "command": KNOBS_COMMAND,
                       "env": {"KNOBS_DIR": str(atc.app), "KNOBS_PORT": "0"}}, "server": {"target_port": told}})
    atc.wait_log("was told 127.0.0.1:%d" % told, 60)
    warned, = [line for line in atc.log_lines(level="WARN") if "listens on" in line["msg"]]
    port = int((atc.app / "port").read_text())
    assert "it listens on 127.0.0.1:%d (pid " % port in warned["msg"]
    assert "listens on 127.0.0.1:%d" % port in atc.tenant("main")["warning"]
    assert atc.state("main") == "starting"


# --- port: auto ---

def test_an_application_is_used_where_it_listens(atc):
    atc.start(knobs_config(port="auto", env={"KNOBS_PORT": "0"}))
    for n in range(2):
        assert atc.whoami()["pid"] == atc.boots()[n]
        atc.wait_log("it listens on 127.0.0.1:%d (pid %d), was told 127.0.0.1:" % (port_of(atc), atc.boots()[n]))
        assert atc.cli("restart", "bellevue/2025/winter").returncode == 0
    assert len({int(port) for port in atc.lines("port")}) == 3


@pytest.mark.parametrize("address", ["0.0.0.0", "::1", "::"])
def test_an_application_is_used_at_every_address_that_loopback_reaches(atc, address):
    atc.start(knobs_config(port="auto", env={"KNOBS_PORT": "0", "KNOBS_ADDRESS": address}))
    assert atc.whoami()["pid"] == atc.boots()[0]


def test_who_listens_where_it_was_told_is_used_there_whatever_else_it_opens(atc):
    atc.start(knobs_config(port="auto", env={"KNOBS_SECOND_PORT": "1"}))
    assert atc.whoami()["pid"] == atc.boots()[0]
    assert "port: auto" not in atc.log


def test_a_single_application_is_used_where_it_listens(atc):
    atc.start({"app": {"port": "auto", "framework": "generic", "command": KNOBS_COMMAND,
                       "env": {"KNOBS_DIR": str(atc.app), "KNOBS_PORT": "0"}}, "server": {"target_port": free_port()}})
    assert atc.get("/up", timeout=120).text == "up\n"


def test_a_single_application_is_looked_for_however_long_it_takes(atc):
    atc.start({"app": {"port": "auto", "framework": "generic", "command": KNOBS_COMMAND, "start_timeout": "1s",
                       "env": {"KNOBS_DIR": str(atc.app), "KNOBS_PORT": "0", "KNOBS_BOOT_UNTIL": "go"}},
               "server": {"target_port": free_port()}})
    wait_until(lambda: "not ready within 1s" in (atc.tenant("main")["warning"] or ""), 60, "it is warned of")
    (atc.app / "go").write_text("\n")
    wait_until(lambda: atc.get("/up").status == 200, 60, "it is found")
    assert atc.tenant("main")["warning"] is None


@pytest.mark.parametrize("env, why", [
    ({"KNOBS_SECOND_PORT": "1"}, "it has several, and which one speaks HTTP is not known"),
    ({"KNOBS_ADDRESS": "127.0.0.2"}, "that is no loopback address"),
    ({"KNOBS_NEVER_READY": "answer"}, "it did not answer there"),
    ({"KNOBS_UP_STATUS": "500"}, "it did not answer there"),
])
def test_what_is_not_safe_is_not_used_and_said(atc, env, why):
    elsewhere(atc, why, port="auto", env={"KNOBS_PORT": "0", **env})
    reason = atc.tenant()["reason"]
    assert "it listens on %s:%d (pid " % (env.get("KNOBS_ADDRESS", "127.0.0.1"), port_of(atc)) in reason
    assert "`port: auto` does not use it: %s" % why in reason
    assert not [line for line in atc.requests_logged() if line.get("status") == 200]


def test_the_port_of_a_tenant_that_sleeps_is_not_used(atc):
    port = free_port()
    config = knobs_config({"a": {"port": port}, "b": {"port": "auto", "start_timeout": SOON,
                                                      "env": {"KNOBS_PORT": str(port)}}})
    atc.start(config)
    fails(atc, "does not use it: it is the `port` of another tenant", "/b/whoami", "b")
    assert atc.get("/a/whoami").status == 200, "it has ended, and the port is free again"


def test_the_port_of_a_tenant_that_runs_is_not_used_be_it_at_another_address(atc):
    """b sits at ::1 with the port that a has at 127.0.0.1; a proxy that asked both would mix them up."""
    port = free_port()
    atc.start(knobs_config({"a": {"env": {"KNOBS_PORT": str(port)}, "port": "auto"},
                            "b": {"env": {"KNOBS_PORT": str(port), "KNOBS_ADDRESS": "::1"}, "port": "auto",
                                  "start_timeout": SOON}}))
    a = atc.get("/a/whoami").json()["pid"]
    fails(atc, "does not use it", "/b/whoami", "b")
    assert re.search("does not use it: (somebody else listens on that port, too|it is the port of another tenant)",
                     atc.tenant("b")["reason"])
    assert atc.get("/a/whoami").json()["pid"] == a


def test_stopping_one_that_is_being_looked_for_ends_it(atc):
    atc.start(knobs_config(port="auto", start="at_boot", start_timeout="0", env={"KNOBS_PORT": "0", "KNOBS_NEVER_READY": "answer"}))
    wait_until(lambda: atc.lines("port"), 20, "it has bound a port")
    assert atc.cli("stop", "bellevue/2025/winter").returncode == 0
    wait_until(lambda: not atc.knobs_pids(), 20, "it has ended")


# --- port: NUMBER ---

def test_an_application_that_remembers_its_port_starts_again(atc):
    port = free_port()
    atc.start(knobs_config(port=port, env={"KNOBS_REMEMBER": "1"}))
    for n in range(2):
        assert atc.whoami()["pid"] == atc.boots()[n]
        assert processes.environment(atc.boots()[n])["PORT"] == str(port)
        assert atc.cli("restart", "bellevue/2025/winter").returncode == 0
    assert set(atc.lines("port")) == {str(port)}


def test_a_port_of_its_own_is_inherited_too(atc):
    port = free_port()
    atc.start(knobs_config(listen="fd", port=port))
    assert atc.get(WINTER + "/env").json()["PORT"] == str(port)


def test_a_port_that_somebody_else_has_is_not_shared_and_its_owner_is_named(atc):
    taken = bound_socket()
    port = taken.getsockname()[1]
    atc.start(knobs_config(port=port, environment="development"))
    page = atc.get(WINTER + "/whoami", timeout=120)
    atc.wait_state("failed")
    with open("/proc/self/comm", encoding="utf-8") as file:
        said = "its port %d is taken by pid %d (%s)" % (port, os.getpid(), file.read().strip())
    assert page.status == 503 and said in page.text
    assert said in atc.tenant()["reason"] and said in atc.log_lines(msg="tenant failed")[0]["reason"]
    assert atc.boots() == []
    taken.close()
    assert atc.cli("restart", "bellevue/2025/winter", timeout=60).returncode == 0
    assert atc.whoami()["pid"] == atc.boots()[0]


def test_a_port_that_somebody_has_at_the_other_loopback_address_is_taken(atc):
    taken = socket.socket(socket.AF_INET6)
    taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    taken.bind(("::1", 0))
    taken.listen()
    atc.start(knobs_config(port=taken.getsockname()[1]))
    assert atc.get(WINTER + "/whoami", timeout=120).status == 503
    assert "is taken by pid %d" % os.getpid() in atc.tenant()["reason"]
    taken.close()


def test_a_port_that_another_tenant_sits_on_is_named_by_it(atc):
    port = free_port()
    atc.start(knobs_config({"a": {"port": "auto", "env": {"KNOBS_PORT": str(port)}}}))
    assert atc.get("/a/whoami").status == 200
    atc.write_config(knobs_config({"a": {"port": "auto", "env": {"KNOBS_PORT": str(port)}}, "b": {"port": port}}))
    assert atc.cli("reload").returncode == 0
    assert atc.get("/b/whoami", timeout=120).status == 503
    atc.wait_state("failed", name="b")
    assert atc.tenant("b")["reason"] == "its port %d is taken by tenant a" % port


def test_stopping_one_whose_port_is_taken_is_no_trouble(atc):
    taken = bound_socket()
    atc.start(knobs_config(port=taken.getsockname()[1]))
    assert atc.get(WINTER + "/whoami", timeout=120).status == 503
    assert atc.cli("stop", "bellevue/2025/winter").returncode == 0
    assert atc.state() in ("stopped", "failed")
    taken.close()


@pytest.mark.parametrize("text, line, fault", [
    ("users:\n  a: {port: 4000}\n  b:\n    port: 4000\n", 3, "tenant b and tenant a of line 2 have the same port, 4000"),
    ("app: {framework: generic, port: 4000}\nusers:\n  a:\n  b:\n", 4, "have the same port, 4000"),
    ("server: {http_port: 4000}\nusers:\n  a:\n    port: 4000\n", 4, "port: is http_port too"),
    ("users:\n  a:\n    listen: unix\n    port: 4000\n", 4, "port: and `listen: unix` exclude each other"),
    ("users:\n  a:\n    listen: fd\n    port: auto\n", 4, "port: auto needs `listen: tcp`"),
    ("app:\n  port: 4000\n", 2, "server: target_port"),
    ("users:\n  a: {port: 0}\n", 2, 'expected any, auto or a port from 1 to 65535, not "0"'),
    ("users:\n  a: {port: 65536}\n", 2, "expected any, auto or a port from 1 to 65535"),
    ("users:\n  a: {port: -1}\n", 2, "expected any, auto or a port from 1 to 65535"),
    ("users:\n  a: {port: none}\n", 2, "expected any, auto or a port from 1 to 65535"),
])
def test_a_port_that_cannot_be_is_a_fault_where_it_stands(atc, text, line, fault):
    atc.write_config(text)
    done = atc.cli("check", "-c", str(atc.config_file))
    assert done.returncode == 2 and "atc.yml:%d:" % line in done.stderr and fault in done.stderr, done


def test_ports_are_dumped_and_read_back(atc):
    atc.write_config("app: {framework: rails, command: x, port: auto}\nusers:\n  a: {port: 4000, listen: fd}\n  b:\n  c: {port: any}\n")
    dump = atc.cli("dump", "-c", str(atc.config_file))
    assert re.search(r"^  port: auto +#", dump.stdout, re.M) and "# because of port: auto" in dump.stdout, dump
    assert re.search(r"port: 4000\b", dump.stdout) and re.search(r"port: any\b", dump.stdout)
    again = atc.home / "again.yml"
    again.write_text(dump.stdout)
    strip = re.compile(r" *#.*")
    assert strip.sub("", atc.cli("dump", "-c", str(again)).stdout) == strip.sub("", dump.stdout)


def test_a_port_that_is_changed_replaces_the_copy_that_runs(atc):
    first, second = free_port(), free_port()
    atc.start(knobs_config(port=first))
    assert atc.get(WINTER + "/env").json()["PORT"] == str(first)
    atc.write_config(knobs_config(port=second))
    assert atc.cli("reload").returncode == 0
    wait_until(lambda: atc.get(WINTER + "/env").json()["PORT"] == str(second), 20, "it runs with the new port")


# --- as the user of an image ---

@pytest.mark.parametrize("is_private", [False, True])
def test_an_ordinary_user_sees_where_its_tenants_listen(container, is_private):
    """With private directories they are in a user namespace of their own."""
    atc = container.atc
    container.give(atc.app / "storage", atc.app / "own")
    private = {"private_directories": "own"} if is_private else {}
    container.configure(container.knobs_config(port="auto", env={"KNOBS_PORT": "0"}, **private))
    container.start()
    assert atc.get(WINTER + "/whoami", timeout=120).json()["pid"] == atc.boots()[0]
    atc.wait_log("it listens on 127.0.0.1:%d" % port_of(atc))
