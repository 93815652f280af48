"""Machines of one's own: woken by a command, a URL, a magic packet or whoever connects, and put to sleep by a command.
SPDX-License-Identifier: MIT
"""
import http.server
import re
import socket
import threading

import pytest
import yaml

from atc import ROOT, Background, free_port, knobs_config, together
from targets import AWAY, HOME, Host, HostsTarget, Network
from waiting import wait_until

SECRET = "of a fleet of two hosts"
MAC = "52:54:00:12:34:56"


@pytest.fixture
def fleet():
    made = HostsTarget()
    yield made
    complaints = made.finish()
    logs = made.log("m1")[-4000:] + made.log("m2")[-4000:] if complaints else ""
    made.remove()
    assert not complaints, complaints + "\n" + logs


def one_host(atc, other, sleep=None, **server):
    """fly-atc as m1; m2 is what `other` says."""
    machines = {"m1": {"address": "127.0.0.1:%d" % free_port(), **({"sleep": sleep} if sleep else {})},
                "m2": {"address": "127.0.0.1:%d" % free_port(), **other}}
    users = {"bellevue": {"machine": "m1", "tenants": ["2025/winter"]}, "boston": {"machine": "m2", "tenants": ["2025/april"]}}
    config = {**knobs_config(users, server), "machines": machines, "machine": {"name": "m1", "secret": SECRET}}
    return atc.start(config)


# --- asleep behind systemd's socket ---------------------------------------

def test_a_request_for_a_sleeping_host_wakes_it_and_is_answered(fleet):
    fleet.bring_asleep("m2")
    answer = fleet.hosts["m1"].atc.get(AWAY + "/whoami", timeout=60)
    assert answer.status == 200, answer
    assert fleet.state("m2") == "started"
    assert fleet.hosts["m2"].atc.tenant("boston/2025/april")["starts"] == 1


def test_many_requests_for_a_sleeping_host_are_answered_once_each(fleet):
    fleet.bring_asleep("m2")
    answers = together(8, lambda i: fleet.hosts["m1"].atc.get("%s/once?id=%d" % (AWAY, i), timeout=60).status)
    assert answers == [200] * 8
    assert sorted(fleet.hosts["m2"].atc.lines("journal", "boston/2025/april")) == sorted("%d" % i for i in range(8))


def test_an_upload_goes_to_a_host_that_sleeps(fleet):
    fleet.bring_asleep("m2")
    body = bytes(range(256)) * 8192
    answer = fleet.hosts["m1"].atc.post(AWAY + "/echo", body, timeout=60)
    assert answer.status == 200 and answer.json()["size"] == len(body)


def test_the_one_that_sleeps_wakes_for_its_own_clients_too(fleet):
    fleet.bring_asleep("m1")
    assert fleet.hosts["m1"].atc.get(HOME + "/whoami", timeout=60).status == 200


@pytest.mark.skipif(not Network.is_possible(), reason="network namespaces are not permitted here")
def test_three_hosts_in_networks_of_their_own_serve_each_others_users():
    """The real systemd-socket-activate has the port of each; the last one has ended."""
    network = Network()
    hosts = {name: Host(name, network=network) for name in ("m1", "m2", "m3")}
    users = {"user" + name: {"machine": name, "tenants": ["cal"]} for name in hosts}
    config = {**knobs_config(users), "machine": {"secret": SECRET},
              "machines": {name: {"address": host.address, "sleep": "exit"} for name, host in hosts.items()}}
    try:
        for host in hosts.values():
            host.start(config)
        for asked in hosts:
            for name in hosts:
                assert network.get(asked, "http://%s/user%s/cal/whoami" % (hosts[asked].address, name)) == 200
        hosts["m3"].sleep()
        assert network.get("m1", "http://%s/userm3/cal/whoami" % hosts["m1"].address) == 200
        assert hosts["m3"].is_awake
        assert [len(host.atc.lines("boots", "user%s/cal" % name)) for name, host in hosts.items()] == [1, 1, 2]
    finally:
        complaints = "\n".join(filter(None, [host.finish() for host in hosts.values()]))
        for host in hosts.values():
            host.remove()
        network.finish()
    assert not complaints


# --- a command ------------------------------------------------------------

def test_a_wake_command_that_fails_says_why(atc):
    one_host(atc, {"wake": {"command": ["sh", "-c", "echo no power supply; exit 3"]}})
    done = atc.cli("machine", "wake", "m2")
    assert done.returncode == 1
    assert "the wake command exited with status 3: no power supply" in done.stderr


def test_a_wake_command_that_there_is_not_says_so(atc):
    one_host(atc, {"wake": {"command": "/no/such/program m2"}})
    done = atc.cli("machine", "wake", "m2")
    assert done.returncode == 1 and "/no/such/program cannot be started" in done.stderr, done


def test_requests_for_a_host_that_cannot_be_woken_are_told_so(atc):
    one_host(atc, {"wake": {"command": "false"}})
    answer = atc.get(AWAY + "/whoami", timeout=60)
    assert answer.status in (502, 503), answer
    atc.wait_log("the wake command exited with status 1")


def test_a_command_is_told_no_secret_of_ours(make_atc):
    atc = make_atc()
    machines = {"m1": {"address": "127.0.0.1:1"}, "m2": {"address": "127.0.0.1:2", "wake": {"command": ["sh", "-c", "env; exit 1"]}}}
    atc.start({**knobs_config(), "machines": machines}, env={
        "ATC_MACHINE": "m1", "FLY_ATC_FLEET_SECRET": SECRET, "HCLOUD_TOKEN": "of the provider"})
    assert atc.cli("machine", "wake", "m2").returncode == 1
    atc.wait_log("HCLOUD_TOKEN=of the provider")
    assert SECRET not in atc.log


def test_a_host_is_put_to_sleep_by_its_own_command(atc):
    one_host(atc, {}, sleep={"command": ["touch", str(atc.home / "asleep")]})
    assert atc.cli("machine", "sleep", "m1").returncode == 0
    assert (atc.home / "asleep").exists()
    done = atc.cli("machine", "sleep", "m2")
    assert done.returncode == 1 and "by its own fly-atc only" in done.stderr


def test_fly_atc_ends_though_a_wake_command_hangs(atc):
    one_host(atc, {"wake": {"command": ["sh", "-c", "echo begun; exec sleep 1000"]}})
    asked = Background(atc.cli, "machine", "wake", "m2")
    atc.wait_log("begun")
    atc.stop()
    assert asked.result().returncode == 1


# --- a URL ----------------------------------------------------------------

class Api(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def api():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.asked, server.status = [], 200
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status, code, words", [
    (204, 0, ""), (302, 1, "answered 302"), (403, 1, "answered 403"), (500, 1, "answered 500")])
def test_a_url_that_wakes_is_posted_to_once(atc, api, status, code, words):
    api.status = status
    one_host(atc, {"wake": {"http": "http://127.0.0.1:%d/start?key=hidden" % api.server_port}})
    done = atc.cli("machine", "wake", "m2")
    assert done.returncode == code and words in done.stderr, done
    assert api.asked == ["/start?key=hidden"]
    assert "hidden" not in atc.log + done.stderr


# --- a magic packet -------------------------------------------------------

def test_a_magic_packet_names_the_machine_sixteen_times(atc):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.9.9.9", 9))
        ear.settimeout(60)
        one_host(atc, {"address": "127.9.9.9:8080", "wake": {"wol": MAC}})
        assert atc.cli("machine", "wake", "m2").returncode == 0
        mac = bytes.fromhex(MAC.replace(":", ""))
        assert ear.recv(2000) == b"\xff" * 6 + mac * 16
    atc.wait_log("a magic packet was sent to")


def test_a_host_that_nobody_has_said_how_to_wake_is_told_so(atc):
    one_host(atc, {})
    done = atc.cli("machine", "wake", "m2")
    assert done.returncode == 1 and "does not say how to wake it" in done.stderr


def test_a_host_wakes_from_a_request_that_it_was_woken_for(make_atc):
    """m2 is off until its command starts it, and needs a while until it listens."""
    atc, other = make_atc(), Host("m2")
    switch = other.atc.home / "switch"
    one_host(atc, {"address": other.address, "wake": {"command": ["touch", str(switch)]}})
    config = {**knobs_config({"boston": {"machine": "m2", "tenants": ["2025/april"]}}),
              "machines": {"m1": {"address": "127.0.0.1:1"}, "m2": {"address": other.address}}, "machine": {"secret": SECRET}}

    def power():
        wait_until(switch.exists, 60)
        other.start(config)
    powered = Background(power)
    answer = atc.get(AWAY + "/whoami", timeout=60)
    powered.result()
    try:
        assert answer.status == 200, answer
    finally:
        complaints = other.finish()
        other.remove()
    assert not complaints


# --- what the documentation says ----

def test_the_first_deployments_of_the_documentation_are_accepted(atc):
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "targets.md").read_text(), re.S)
    configs = [each for each in map(yaml.safe_load, blocks) if "machines" in each]
    assert configs
    for config in configs:
        atc.write_config({**config, "app": {"command": "true"}})
        for machine in config["machines"]:
            done = atc.cli("check", "-c", str(atc.config_file), env={"ATC_MACHINE": machine, "FLY_ATC_FLEET_SECRET": SECRET})
            assert done.returncode == 0 and "warning" not in done.stderr, done


# --- idle -----------------------------------------------------------------

def test_a_host_that_nobody_uses_ends_and_the_next_request_starts_it():
    """Its socket is systemd's; nothing of it runs meanwhile."""
    host = Host("m1")
    config = {**knobs_config(idle_timeout="1s"), "machines": {"m1": {"address": host.address, "sleep": "exit"}},
              "machine": {"secret": SECRET, "on_idle": "exit", "idle_timeout": "1s"}}
    try:
        host.start(config)
        for ended in (1, 2):
            assert host.atc.get(HOME + "/whoami", timeout=60).status == 200
            wait_until(lambda n=ended: len(host.codes) >= n, 60, "it has ended by itself")
            host.wait_listening()
        assert host.codes == [0, 0]
        assert len(host.atc.lines("boots")) == 2
    finally:
        complaints = host.finish()
        host.remove()
    assert not complaints
