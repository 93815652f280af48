"""fly.py - the double of Fly.io (test/flysim), started for a test.
SPDX-License-Identifier: MIT
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import yaml

import processes
from atc import MEMORY, PROGRAM, TOOLS
from waiting import stretched, wait_until
from wire import Wire

TEST = pathlib.Path(__file__).resolve().parents[1]
# What a test wants to have behind it soon.
QUICK = {"no_candidate_delay": 0.1, "retry_every": 0.01, "rate_limits": False, "autostop_wait": 0.0}


def service(**more):
    """One HTTP service behind 80 and 443, as fly.toml makes it."""
    return {"protocol": "tcp", "internal_port": 8080, "autostop": "off", "autostart": True,
            "ports": [{"port": 80, "handlers": ["http"]}, {"port": 443, "handlers": ["tls", "http"]}],
            "concurrency": {"type": "requests", "soft_limit": 200}, **more}


class Fly:
    """The simulator as a process of its own; machines are named by id."""

    def __init__(self, apps, switches=None, environment=None, **config):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="fly-", dir="/tmp"))
        self.home.chmod(0o755)
        path = self.home / "flysim.yml"
        path.write_text(yaml.safe_dump({"apps": apps, "switches": {**QUICK, **(switches or {})}, **config}))
        with open(self.home / "flysim.log", "wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flysim", "--until-stdin-ends", "--home", str(self.home / "sim"), str(path)], cwd=TEST,
                env={**os.environ, **(environment or {})}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err)
        line = self.process.stdout.readline()
        assert line, "flysim did not start:\n" + self.complaints
        self.addresses = json.loads(line)
        self.proxy = self.addresses["proxy"]

    # -- talking to it --

    def wire(self, region, port=443, timeout=30):
        """A client's connection to the edge of a region."""
        return Wire(tuple(self.addresses["edges"][region][str(port)]), stretched(timeout))

    def ask(self, method, target, region, headers=(), body=None, port=443, host="localhost"):
        with self.wire(region, port) as wire:
            return wire.ask(method, target, [("Connection", "close"), *headers], body, host)

    def get(self, target, region, headers=(), **more):
        return self.ask("GET", target, region, headers, **more)

    def api(self, method, path, body=None, token="org-token", headers=(), socket=None):
        """The Machines API, or a machine's own socket."""
        fields = [("Connection", "close"), *headers] + ([("Authorization", "Bearer " + token)] if token else [])
        with Wire(socket or tuple(self.addresses["api"]), stretched(90)) as wire:
            return wire.ask(method, "/v1" + path, fields, None if body is None else json.dumps(body).encode())

    def order(self, what, **body):
        with Wire(tuple(self.addresses["api"]), stretched(60)) as wire:
            answer = wire.ask("POST", "/sim/" + what, [("Connection", "close")], json.dumps(body).encode())
        assert answer.status == 200, answer
        return answer.json()

    def told(self, name):
        with Wire(tuple(self.addresses["api"])) as wire:
            return wire.ask("GET", "/sim/" + name, [("Connection", "close")]).json()

    def log(self, **where):
        return [line for line in self.told("log") if all(line.get(key) == value for key, value in where.items())]

    @property
    def codes(self):
        """The error codes that the edges logged, in order."""
        return [line["code"] for line in self.log(what="edge") if line["code"]]

    # -- machines --

    def machine(self, machine_id, app=None):
        found = self.api("GET", "/apps/%s/machines/%s" % (app or self.told("addresses")["machines"][machine_id]["app"], machine_id))
        assert found.status == 200, found
        return found.json()

    def do(self, machine_id, action, body=None, expect=200):
        app = self.told("addresses")["machines"][machine_id]["app"]
        answer = self.api("POST", "/apps/%s/machines/%s/%s" % (app, machine_id, action), body or {})
        assert answer.status == expect, answer
        return answer

    def wait(self, machine_id, state):
        wait_until(lambda: self.machine(machine_id)["state"] == state, what="%s is %s" % (machine_id, state))

    def bring(self, machine_id, state):
        """Stopped, suspended or started, and it is there."""
        if self.machine(machine_id)["state"] != state:
            self.do(machine_id, {"stopped": "stop", "suspended": "suspend", "started": "start"}[state])
            self.wait(machine_id, state)

    def path(self, machine_id, *names):
        return self.home.joinpath("sim", "machines", machine_id, *names)

    def machine_wire(self, machine_id):
        """To the control socket of its fly-atc."""
        found = sorted(self.path(machine_id).rglob("control.sock"))
        assert found, "%s has no control socket" % machine_id
        return Wire(str(found[0]))

    def output(self, machine_id):
        path = self.path(machine_id, "output.log")
        return path.read_text(errors="replace") if path.exists() else ""

    def wait_output(self, machine_id, text, times=1):
        wait_until(lambda: self.output(machine_id).count(text) >= times, what="%s says %r" % (machine_id, text))

    # -- the end --

    @property
    def complaints(self):
        return (self.home / "flysim.log").read_text(errors="replace")

    def close(self):
        """What it complained about of itself: nothing, where all is well."""
        self.process.stdin.close()
        try:
            self.process.wait(stretched(60))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "flysim did not end"
        self.process.stdout.close()
        return self.complaints or ("" if self.process.returncode == 0 else "flysim ended with %d" % self.process.returncode)

    def remove(self):
        shutil.rmtree(self.home, ignore_errors=True)

    def log_sections(self, limit=30000):
        """(title, text) of what helps to understand a failure."""
        paths = [self.home / "flysim.log", *sorted(self.home.glob("sim/machines/*/output.log")), self.home / "sim" / "log.jsonl"]
        return [("%s of %s" % (path.name, path.parent.name), path.read_text(errors="replace")[-limit:])
                for path in paths if path.exists() and path.stat().st_size]


class AtcFly(Fly):
    """Each machine runs fly-atc with the same configuration, as those of one image do."""

    def __init__(self, config, machines, service_of=None, environment=None, other_apps=None, **more):
        """`other_apps`: name to (config, machines) of apps beside "calendar"."""
        self.may_exit = {0}
        self.reports = pathlib.Path(tempfile.mkdtemp(prefix="reports-", dir="/tmp"))
        self.reports.chmod(0o777)
        self.config_file = self.reports / "calendar.yml"
        apps = {"calendar": (config, machines), **(other_apps or {})}
        super().__init__({name: self.app(name, service_of, environment, *app) for name, app in apps.items()}, **more)

    def app(self, name, service_of, environment, config, machines):
        sanitizer = "log_path=%s/report:exitcode=99" % self.reports
        env = {"PATH": "%s:%s" % (TOOLS, os.environ["PATH"]), "XDG_CACHE_HOME": MEMORY, "FLYSIM_PROXY": "{proxy}", "FLYSIM_HOME": "{home}",
               "FLY_FLAPS_BASE_URL": "{api}", "FLY_ATC_DNS": "{dns}", "FLY_ATC_EDGE": "{edge}", "FLY_ATC_FLY_API": "{fly}/api",
               "FLY_ATC_TEST": str(self.reports), "ASAN_OPTIONS": sanitizer, "UBSAN_OPTIONS": sanitizer + ":halt_on_error=1",
               **(environment or {})}
        return {"command": [PROGRAM, "run", "-c", self.write(config, name)], "env": env, "service": service_of or service(),
                "machines": [{"volume": True, "config": {"stop_config": {"signal": "SIGTERM", "timeout": "60s"}}, **each} for each in machines]}

    def write(self, config, name="calendar"):
        """The configuration of an app, from which its machines start, or which they read by `reload`."""
        config = {**config, "server": {"address": "${FLYSIM_ADDRESS}", "http_port": 8080, "trusted_proxies": ["${FLYSIM_PROXY}"],
                                       "storage": "${FLYSIM_VOLUME}/tenants", "run_dir": "${FLYSIM_HOME}/run", **config.get("server", {})}}
        path = self.reports / (name + ".yml")
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return str(path)

    def control(self, machine_id, method, path):
        """An operator's word to the fly-atc of a machine."""
        with Wire(str(self.path(machine_id, "run", "control.sock")), stretched(60)) as wire:
            answer = wire.ask(method, path, [("Connection", "close")], b"" if method == "POST" else None)
        assert answer.status == 200, answer
        return answer.json()

    def rewrite(self, change):
        """change(configuration) changes the file that all machines have."""
        config = yaml.safe_load(self.config_file.read_text())
        change(config)
        self.config_file.write_text(yaml.safe_dump(config, sort_keys=False))

    def reload(self, machine):
        with self.machine_wire(machine) as wire:
            answer = wire.ask("POST", "/v1/reload", [("Connection", "close")])
        assert answer.status == 200, answer

    def end_machines(self):
        """Each that is awake is told to stop, and ends as it should."""
        if self.process.poll() is not None:
            return ""
        awake = [each["id"] for each in self.api("GET", "/apps/calendar/machines").json()
                 if each["state"] == "started" and each["host_status"] == "ok"]
        for machine in awake:
            self.do(machine, "stop")
        for machine in awake:
            self.wait(machine, "stopped")
        exits = [line["exit_event"] for line in self.log(what="machine", event="exit") if "exit_event" in line]
        # Only a test kills a machine that was not told to stop.
        return "".join("fly-atc ended with %(exit_code)d\n" % each for each in exits
                       if each["exit_code"] not in self.may_exit and not (each["signal"] == 9 and not each["requested_stop"]))

    def finish(self):
        """Complaints, after the end."""
        found = [self.end_machines(), self.close()]
        found += ["left behind: %d (%s)" % (pid, processes.command_line(pid)) for pid in processes.with_marker(str(self.reports))]
        found += ["sanitizer report:\n" + report.read_text(errors="replace")[:8000] for report in self.reports.glob("report*")
                  if report.stat().st_size]
        return "\n".join(filter(None, found))

    def remove(self):
        super().remove()
        shutil.rmtree(self.reports, ignore_errors=True)
