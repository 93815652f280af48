"""targets.py - the targets as the conformance test drives them: a fleet of two machines, each with a fly-atc, on one platform.

A further target is a class here, and its name in TARGETS of test_targets.py.
SPDX-License-Identifier: MIT
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading

import processes
from atc import PROGRAM, Atc, free_port, knobs_config
from cluster import Cluster
from fly import AtcFly
from waiting import stretched, wait_until
from wire import Wire

SEA, ORD = "148e45d7c20978", "3d8d413b29d638"
DATABASES = {"primary": {"path": "counter.sqlite3", "env": "DATABASE_PATH"}}
HOME, AWAY = "/bellevue/2025/winter", "/boston/2025/april"


class FlyTarget:
    """The double of Fly.io, with a token for its API or without."""

    name, here, there = "fly", SEA, ORD
    token = "org-token"

    def __init__(self, environment=None, **more):
        users = {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]}, "boston": {"machine": ORD, "tenants": ["2025/april"]}}
        machines = [{"id": SEA, "region": "sea"}, {"id": ORD, "region": "ord"}]
        token = {"FLY_ATC_FLEET_SECRET": "of a fleet on Fly.io", **({"FLY_API_TOKEN": self.token} if self.token else {})}
        self.fleet = AtcFly(knobs_config(users, databases=DATABASES), machines, environment={**token, **(environment or {})}, **more)
        for machine in (SEA, ORD):
            self.fleet.wait_output(machine, "serving on")

    def command(self, *words, machine=None):
        """The command line on a machine; a CompletedProcess."""
        socket = self.fleet.path(machine or self.here, "run", "control.sock")
        return subprocess.run([PROGRAM, *words, "--socket", str(socket)], capture_output=True, text=True, check=False,
                              env={"PATH": os.environ["PATH"]})

    def request(self, method, path, body=None):
        """A client's request that comes to the machine `here`."""
        return self.fleet.ask(method, path, "sea", (), body)

    def state(self, machine):
        """started, or one of the states of sleep."""
        return self.fleet.machine(machine)["state"]

    def restart(self, machine):
        """As its platform does it; it serves afterwards."""
        times = self.fleet.output(machine).count("serving on")
        self.fleet.bring(machine, "stopped")
        self.fleet.bring(machine, "started")
        self.fleet.wait_output(machine, "serving on", times + 1)

    def bring_asleep(self, machine):
        self.fleet.bring(machine, "suspended")

    def log(self, machine):
        return self.fleet.output(machine)

    def finish(self):
        return self.fleet.finish()

    def remove(self):
        self.fleet.remove()


class FlyWithoutToken(FlyTarget):
    token = None


class Host:
    """A machine of one's own: systemd's socket starts fly-atc, and starts it again once it has ended.  The real
    systemd-socket-activate becomes what it starts, so that another one takes its place afterwards."""

    def __init__(self, name, config=None, network=None):
        """network: a Network in which it has an address of its own."""
        self.atc, self.name, self.is_over, self.network = Atc(), name, False, network
        self.atc.port = 8080 if network else free_port()
        self.ip = network.add(name) if network else "127.0.0.1"
        self.address = "%s:%d" % (self.ip, self.atc.port)
        self.keeper, self.codes = threading.Thread(target=self.keep, daemon=True), []
        if config:
            self.start(config)

    def start(self, config):
        self.atc.write_config(config)
        self.keeper.start()
        self.wait_listening()

    def wait_listening(self):
        """Without connecting, which would wake it."""
        local = " %s:%04X 00000000:0000 0A " % (bytes(map(int, reversed(self.ip.split(".")))).hex().upper(), self.atc.port)
        table = pathlib.Path("/proc/%s/net/tcp" % (self.network.hosts[self.name].pid if self.network else "self"))
        wait_until(lambda: local in table.read_text(), 10, "%s listens" % self.name)

    def keep(self):
        env = self.atc.environment(ATC_MACHINE=self.name)
        passed = [word for name in env for word in ("-E", name)]
        words = [*(self.network.entering(self.name) if self.network else ()), "systemd-socket-activate", "-l", self.address, *passed,
                 PROGRAM, "run", "-c", str(self.atc.config_file)]
        while not self.is_over:
            with open(self.atc.out, "ab") as out, open(self.atc.err, "ab") as err:
                self.atc.process = subprocess.Popen(words, cwd=self.atc.app, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                                    stderr=err)
            self.codes.append(self.atc.process.wait())

    @property
    def is_awake(self):
        process = self.atc.process
        return bool(process) and os.path.basename(processes.executable(process.pid) or "") == os.path.basename(PROGRAM)

    def wake(self):
        """As anybody does who connects."""
        wait_until(lambda: self.atc.get("/up").status == 200)

    def sleep(self):
        ended = len(self.codes)
        self.atc.process.send_signal(signal.SIGTERM)
        wait_until(lambda: len(self.codes) > ended, 30, "%s has ended" % self.name)
        self.wait_listening()

    def finish(self):
        self.is_over = True
        self.atc.process.send_signal(signal.SIGTERM)
        self.keeper.join(stretched(60))
        bad = [code for code in self.codes if code not in (0, -signal.SIGTERM)]
        self.atc.ended_as_told = True
        return "\n".join(["%s ended with %s" % (self.name, bad)] * bool(bad) + self.atc.finish())

    def remove(self):
        self.atc.remove()


class Network:
    """A bridge, and hosts with a network namespace each; /proc/PID/net of a host shows its own."""

    AS = [] if os.getuid() == 0 else ["--user", "--map-root-user"]

    @classmethod
    def is_possible(cls):
        try:
            return subprocess.run(["unshare", *cls.AS, "--net", "ip", "link", "add", "name", "bridge", "type", "bridge"], check=False,
                                  capture_output=True).returncode == 0
        except FileNotFoundError:
            return False

    def __init__(self):
        self.hosts = {}
        self.switch = self.sleeper(["unshare", *self.AS, "--net"])
        self.run("ip", "link", "add", "name", "bridge", "type", "bridge")
        self.run("ip", "link", "set", "bridge", "up")

    def sleeper(self, words):
        """A process that keeps a namespace, and says when it has it."""
        process = subprocess.Popen([*words, "sh", "-c", "echo there; exec sleep 100000"], stdout=subprocess.PIPE)
        assert process.stdout.readline() == b"there\n"
        return process

    def entering(self, name=None):
        user = ["--user", "--preserve-credentials"] if self.AS else []
        return ["nsenter", "--target", str((self.hosts[name] if name else self.switch).pid), *user, "--net"]

    def run(self, *words, name=None):
        return subprocess.run([*self.entering(name), *words], check=True, capture_output=True, text=True).stdout

    def add(self, name):
        number = len(self.hosts) + 1
        self.hosts[name] = self.sleeper([*self.entering(), "unshare", "--net"])
        self.run("ip", "link", "add", "name", "port%d" % number, "master", "bridge", "up", "type", "veth", "peer", "name", "eth0", "netns",
                 str(self.hosts[name].pid))
        for words in (["link", "set", "lo", "up"], ["addr", "add", "10.77.0.%d/24" % number, "brd", "+", "dev", "eth0"],
                      ["link", "set", "eth0", "up"]):
            self.run("ip", *words, name=name)
        return "10.77.0.%d" % number

    def get(self, name, url):
        """Status of a client's request on that host."""
        program = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=60).status)"
        return int(self.run(sys.executable, "-c", program, url, name=name))

    def finish(self):
        for process in (*self.hosts.values(), self.switch):
            process.kill()
            process.wait()


class HostsTarget:
    """Two hosts, of which the other is woken by a command that connects to its socket."""

    name, here, there = "hosts", "m1", "m2"

    def __init__(self):
        self.hosts = {name: Host(name) for name in (self.here, self.there)}
        users = {"bellevue": {"machine": "m1", "tenants": ["2025/winter"]}, "boston": {"machine": "m2", "tenants": ["2025/april"]}}
        machines = {name: {"address": host.address, "sleep": "exit"} for name, host in self.hosts.items()}
        machines["m2"]["wake"] = {"command": ["bash", "-c", "exec 3<>/dev/tcp/%s && echo connected" %
                                              self.hosts["m2"].address.replace(":", "/")]}
        for host in self.hosts.values():
            host.start({**knobs_config(users, databases=DATABASES), "machines": machines, "machine": {"secret": "of a fleet of two hosts"}})
        for host in self.hosts.values():
            host.wake()

    def command(self, *words, machine=None):
        atc = self.hosts[machine or self.here].atc
        wait_until(atc.control_socket)
        return subprocess.run([PROGRAM, *words, "--socket", atc.control_socket()], capture_output=True, text=True, check=False,
                              env={"PATH": os.environ["PATH"]})

    def request(self, method, path, body=None):
        return self.hosts[self.here].atc.ask(method, path, (), body, timeout=60)

    def restart(self, machine):
        self.hosts[machine].sleep()
        self.hosts[machine].wake()

    def state(self, machine):
        return "started" if self.hosts[machine].is_awake else "stopped"

    def bring_asleep(self, machine):
        self.hosts[machine].sleep()
        wait_until(lambda: not self.hosts[machine].is_awake)

    def log(self, machine):
        return self.hosts[machine].atc.log

    def finish(self):
        return "\n".join(filter(None, [host.finish() for host in self.hosts.values()]))

    def remove(self):
        for host in self.hosts.values():
            host.remove()


class KubernetesTarget:
    """Two StatefulSets of one pod each, in the double of a cluster; they are put to sleep by scaling them to 0."""

    name, here, there = "kubernetes", "m1", "m2"
    sets = {"m1": 1, "m2": 1}

    def __init__(self, allowed=None):
        self.port = free_port()
        self.users = {"bellevue": {"machine": self.here, "tenants": ["2025/winter"]},
                      "boston": {"machine": self.there, "tenants": ["2025/april"]}}
        self.pods = {}
        self.cluster = Cluster(self.start_pod)
        if allowed is not None:
            self.cluster.allowed = set(allowed)
        for name, replicas in self.sets.items():
            self.cluster.scale(name, replicas)
        for machine in (self.here, self.there):
            self.wait_serving(machine)

    def pod_of(self, machine):
        return machine + "-0"

    def start_pod(self, pod):
        """Its disk stays."""
        atc = self.pods.setdefault(pod.name, Atc())
        # Of a pod nothing is left: it has namespaces of its own.
        wait_until(lambda: not processes.with_marker(str(atc.home)), 30, "nothing of %s is left" % pod.name)
        machine = self.here if pod.name == self.pod_of(self.here) else self.there
        atc.write_config({**knobs_config(self.users, {"address": pod.ip, "http_port": self.port}, databases=DATABASES),
                          "machines": {self.here: {}, self.there: {}}, "machine": {"secret": "of a fleet of two pods"}})
        env = atc.environment(ATC_MACHINE=machine, **self.cluster.environment)
        with open(atc.out, "ab") as out, open(atc.err, "ab") as err:
            atc.process = subprocess.Popen([PROGRAM, "run", "-c", str(atc.config_file)], cwd=atc.app, env=env,
                                           stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        return atc.process

    def wait_serving(self, machine):
        def serves():
            atc = self.atc(machine)
            return atc and atc.control_socket() and atc.log.count("serving on")
        wait_until(serves, 30, "%s serves" % machine)

    def atc(self, machine):
        return self.pods.get(self.pod_of(machine))

    def ask(self, method, path, body=None):
        with Wire((self.cluster.ips[self.pod_of(self.here)], self.port), stretched(60)) as wire:
            return wire.ask(method, path, [("Connection", "close")], body)

    def restart(self, machine):
        """As when its pod is deleted."""
        times = self.log(machine).count("serving on")
        self.cluster.delete(self.pod_of(machine))
        wait_until(lambda: self.log(machine).count("serving on") > times, 60, "%s serves again" % machine)
        wait_until(lambda: self.command("machine", machine=machine).returncode == 0)

    def request(self, method, path, body=None):
        with Wire((self.cluster.ips[self.pod_of(self.here)], self.port), 60) as wire:
            return wire.ask(method, path, [("Connection", "close")], body)

    def restart(self, machine):
        times = self.log(machine).count("serving on")
        self.bring_asleep(machine)
        self.cluster.scale(machine, 1)
        wait_until(lambda: self.log(machine).count("serving on") > times, 30, "%s serves again" % machine)

    def command(self, *words, machine=None):
        atc = self.atc(machine or self.here)
        return subprocess.run([PROGRAM, *words, "--socket", atc.control_socket()], capture_output=True, text=True, check=False,
                              env={"PATH": os.environ["PATH"]})

    def state(self, machine):
        pod = self.cluster.pods.get(self.pod_of(machine))
        return "stopped" if not pod else "stopping" if pod.is_deleted else "started" if pod.phase == "Running" else "starting"

    def bring_asleep(self, machine):
        self.cluster.scale(machine, 0)
        wait_state(self, machine, ("stopped",))

    def log(self, machine):
        return self.atc(machine).log

    def finish(self):
        complaints = [self.cluster.finish()]
        for atc in self.pods.values():
            atc.ended_as_told = True
            complaints += atc.finish()
        return "\n".join(filter(None, complaints))

    def remove(self):
        for atc in self.pods.values():
            atc.remove()
        shutil.rmtree(self.cluster.home)


def machines(target):
    """By name, as `fly-atc machine --json` shows them."""
    done = target.command("machine", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["target"] == target.name
    return {each["name"]: each for each in told["machines"]}


def wait_state(target, machine, states):
    wait_until(lambda: target.state(machine) in states, what="%s is %s" % (machine, " or ".join(states)))
