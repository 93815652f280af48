"""atc.py - the program under test: its configuration, process, sockets, log and the check that it left nothing.
SPDX-License-Identifier: MIT
"""
import atexit
import glob
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

import yaml

import processes
from waiting import stretched, wait_until
from wire import Wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("FLY_ATC", str(ROOT / "build" / "fly-atc"))
APPS = ROOT / "test" / "apps"
KNOBS = str(APPS / "knobs" / "knobs.py")
KNOBS_COMMAND = [sys.executable, "-S", "-E", KNOBS]
TOOLS = pathlib.Path(os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))) / "fly-atc" / "bin"
WINTER = "/bellevue/2025/winter"
# Where fly-atc remembers which Litestream it has tried: one trial for all tests, and nothing of theirs in the user's cache.
MEMORY = tempfile.mkdtemp(prefix="cache-", dir="/tmp")
atexit.register(shutil.rmtree, MEMORY, ignore_errors=True)

# Passes the listening socket as systemd does: descriptor 3, and a pid that is right after exec.
ACTIVATE = 'fd=$1; shift; if [ "$fd" != 3 ]; then exec 3<&"$fd"; eval "exec $fd<&-"; fi; ' \
           'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"'


def knobs_config(users=None, server=None, backup=None, env=None, **app):
    """A configuration that serves knobs to the users, by default the tenant bellevue/2025/winter."""
    config = {
        "server": {"log_level": "debug", **(server or {})},
        # The notes that knobs keeps for a test may be lost with the disk.
        "app": {"framework": "generic", "command": KNOBS_COMMAND, "files": "none",
                "env": {"KNOBS_DIR": "${tenant.dir}", **(env or {})}, **app},
        "users": users or {"bellevue": {"tenants": ["2025/winter"]}},
    }
    if backup:
        config["backup"] = backup
    return config


def bound_socket(port=0):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    sock.listen(4096)
    return sock


def free_port():
    """A port that stays ours: a socket that is bound to it, but does not listen, keeps all others away from it except for
    whoever binds to this very port with SO_REUSEADDR, as servers do."""
    keeper = socket.socket()
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind(("127.0.0.1", 0))
    KEPT_PORTS.append(keeper)
    return keeper.getsockname()[1]


KEPT_PORTS = []


def together(n, function):
    """Run function(i) for i < n at the same moment in threads; their results in order, exceptions included."""
    results, gate = [None] * n, threading.Barrier(n)

    def run(i):
        gate.wait()
        try:
            results[i] = function(i)
        except BaseException as error:  # pylint: disable=broad-except
            results[i] = error
    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(stretched(120))
        assert not thread.is_alive(), "a request never ended"
    return results


class Background:
    """function() in a thread; .result() waits for it and raises what it raised."""

    def __init__(self, function, *args, **kwargs):
        self.outcome, self.error = None, None

        def run():
            try:
                self.outcome = function(*args, **kwargs)
            except BaseException as error:  # pylint: disable=broad-except
                self.error = error
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    @property
    def is_done(self):
        return not self.thread.is_alive()

    def result(self, timeout=60):
        self.thread.join(stretched(timeout))
        assert self.is_done, "it did not end within %gs" % stretched(timeout)
        if self.error:
            raise self.error
        return self.outcome


class Atc:
    """One fly-atc with a private home: app/ (working directory), run/ (control socket), a log, sanitizer reports."""

    def __init__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="atc-", dir="/tmp"))
        self.home.chmod(0o755)
        self.app = self.home / "app"
        self.reports = self.home / "reports"
        for folder in (self.app, self.home / "run", self.reports):
            folder.mkdir()
        (self.home / "run").chmod(0o700)
        self.reports.chmod(0o777)
        self.out, self.err = self.home / "out.log", self.home / "err.log"
        self.config_file = self.home / "atc.yml"
        self.process, self.port, self.exit_code = None, None, None
        self.first_proxy, self.proxy_may_change = None, False
        self.ended_as_told = False
        self.speaks_h2 = False     # in wire, ask and what asks by them

    # -- start and stop --

    def environment(self, **more):
        keep = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
        env = {name: os.environ[name] for name in keep if name in os.environ}
        env["PATH"] = "%s:%s" % (TOOLS, env["PATH"])
        env["XDG_CACHE_HOME"] = MEMORY
        env["XDG_RUNTIME_DIR"] = str(self.home / "run")
        env["FLY_ATC_TEST"] = str(self.home)
        sanitizer = "log_path=%s/report:exitcode=99:" % self.reports
        env["ASAN_OPTIONS"] = sanitizer + os.environ.get("ASAN_OPTIONS", "")
        env["UBSAN_OPTIONS"] = sanitizer + "print_stacktrace=1:halt_on_error=1"
        env["TSAN_OPTIONS"] = sanitizer + "halt_on_error=1:die_after_fork=0"
        env.update({name: value for name, value in more.items() if value is not None})
        return env

    def write_config(self, config):
        if self.speaks_h2 and not isinstance(config, str):
            config = {**config, "server": {**config.get("server", {}), "h2c_enabled": True}}
        text = config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False)
        self.config_file.write_text(text)
        return self.config_file

    def start(self, config=None, command=(), env=None, args=None, program=PROGRAM, ready=True, wrapper=()):
        """Start with a configuration (dict or text), a command, or both; returns when it serves."""
        if config is not None:
            self.write_config(config)
        if args is None:
            args = ["run", "-c", str(self.config_file)] if config is not None else []
        listener = self.listener()
        self.port = listener.getsockname()[1]
        with open(self.out, "ab") as out, open(self.err, "ab") as err:
            self.process = subprocess.Popen(
                ["bash", "-c", ACTIVATE, "activate", str(listener.fileno()), *wrapper, program, *args, *command],
                cwd=self.app, env=self.environment(**(env or {})), stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, pass_fds=[listener.fileno()])
        listener.close()
        self.ended_as_told = False
        if ready:
            self.wait_ready()
            self.first_proxy = self.proxy_pid()
        return self

    def listener(self):
        """On the same port as before, which a killed predecessor may hold for another moment."""
        def bound():
            try:
                return bound_socket(self.port or 0)
            except OSError:
                return None
        return wait_until(bound, 5, "the port %s is free again" % self.port)

    def wait_ready(self):
        def answers():
            if self.process.poll() is not None:
                raise RuntimeError("fly-atc ended with %s:\n%s" % (self.process.returncode, self.log))
            return self.control_socket() and self.proxy_pid()
        wait_until(answers, 15, "fly-atc serves")

    def again(self, config=None, **more):
        """Start once more on the same port and home."""
        if config is None:
            more.setdefault("args", ["run", "-c", str(self.config_file)])
        return self.start(config, **more)

    def wait_exit(self, code, timeout=30):
        """The program ends by itself, with this code."""
        try:
            self.process.wait(stretched(timeout))
        except subprocess.TimeoutExpired:
            raise AssertionError("fly-atc did not end within %gs" % stretched(timeout)) from None
        self.ended_as_told = True
        assert self.process.returncode == code, "exit code %d instead of %d\n%s" % (
            self.process.returncode, code, self.log[-3000:])

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, code=0, timeout=60):
        self.signal(signal.SIGTERM)
        self.wait_exit(code, timeout)

    @property
    def pid(self):
        return self.process.pid

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    # -- its processes --

    def proxy_pid(self):
        """The child that is fly-atc itself."""
        mine = processes.executable(self.pid)
        for pid in processes.children(self.pid):
            if processes.executable(pid) == mine and b"proxy" in processes.read(pid, "cmdline"):
                return pid
        return None

    def litestream_pid(self):
        for pid in processes.children(self.pid):
            if "litestream" in os.path.basename(processes.executable(pid) or "") \
                    and "replicate" in processes.command_line(pid):
                return pid
        return None

    def knobs_pids(self):
        return [p for p in processes.with_marker(str(self.home)) if "knobs.py" in processes.command_line(p)]

    # -- talking to it --

    def wire(self, timeout=20):
        if self.speaks_h2:
            from h2wire import Asker  # pylint: disable=import-outside-toplevel
            return Asker(("127.0.0.1", self.port), timeout)
        return Wire(("127.0.0.1", self.port), timeout)

    def ask(self, method, target, headers=(), body=None, host="localhost", timeout=30):
        with self.wire(timeout) as wire:
            return wire.ask(method, target, [("Connection", "close"), *headers], body, host)

    def get(self, target, headers=(), host="localhost", timeout=30):
        return self.ask("GET", target, headers, None, host, timeout)

    def post(self, target, body=b"", headers=(), host="localhost", timeout=30):
        return self.ask("POST", target, headers, body, host, timeout)

    def get_until_ok(self, target, timeout=10):
        """For the moment after a crash: the request that finds the dying process is answered 502, the next starts it."""
        return wait_until(lambda: next((answer for answer in [self.get(target)] if answer.status == 200), None), timeout,
                          "200 for " + target)

    def raw(self, data, timeout=20):
        """Send bytes, and return everything until the peer closes."""
        with self.wire(timeout) as wire:
            return wire.send(data).rest()

    def application(self, name="bellevue/2025/winter"):
        """A connection to the tenant past us.  What passes through is compared with what it says itself, since that is another
        thing with each release of a framework."""
        port = processes.environment(self.tenant(name)["pid"])["PORT"]
        return Wire(port if port.startswith("/") else ("127.0.0.1", int(port)))

    def whoami(self, prefix=WINTER):
        response = self.get(prefix + "/whoami")
        assert response.status == 200, response
        return response.json()

    # -- command line and control --

    def cli(self, *args, env=None, timeout=30, **more):
        """Run `fly-atc args`; returns the CompletedProcess with text output."""
        return subprocess.run([PROGRAM, *args], cwd=self.app, env=self.environment(**(env or {})), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=stretched(timeout), **more)

    def control_socket(self):
        found = glob.glob(str(self.home / "run" / "**" / "control.sock"), recursive=True)
        return found[0] if found else None

    def control(self, method, target):
        with Wire(self.control_socket()) as wire:
            return wire.ask(method, target, [("Connection", "close")])

    def control_json(self, method, target, expect=200):
        answer = self.control(method, target)
        assert answer.status == expect, answer
        return answer.json()

    def status(self):
        """Everything that `fly-atc status --json` tells, of sleeping tenants too."""
        return self.control_json("GET", "/v1/status?all=1")

    def tenant(self, name="bellevue/2025/winter"):
        """What the status tells about one tenant; of one that has never been awake that is little."""
        never_awake = {"pid": None, "in_flight": 0, "upgrades": 0, "held": 0, "requests": 0, "starts": 0, "restarts": 0,
                       "reason": None, "last_output": []}
        return {**never_awake, **self.control_json("GET", "/v1/tenants/" + name)}

    def state(self, name="bellevue/2025/winter"):
        return self.tenant(name)["state"]

    def wait_state(self, *states, name="bellevue/2025/winter", timeout=20):
        wait_until(lambda: self.state(name) in states, timeout, "%s is %s" % (name, " or ".join(states)))

    # -- files --

    def tenant_dir(self, name="bellevue/2025/winter"):
        return self.app / "storage" / "tenants" / name

    def lines(self, file, name="bellevue/2025/winter"):
        """Lines of a file that knobs keeps: boots, journal, signals, grandchildren."""
        path = self.tenant_dir(name) / file
        return path.read_text().splitlines() if path.exists() else []

    def boots(self, name="bellevue/2025/winter"):
        return [int(line) for line in self.lines("boots", name)]

    def allow(self, step, name="bellevue/2025/winter"):
        """One line more in a file that knobs waits for: it goes on to the next step."""
        with open(self.tenant_dir(name) / step, "a", encoding="ascii") as file:
            file.write("\n")

    # -- log --

    @property
    def log(self):
        return self.out.read_text(errors="replace") + self.err.read_text(errors="replace") if self.out.exists() else ""

    def log_lines(self, **where):
        """The log's JSON lines whose members equal those given."""
        found = []
        for line in self.log.splitlines():
            if line.startswith("{"):
                entry = json.loads(line)
                if all(entry.get(key) == value for key, value in where.items()):
                    found.append(entry)
        return found

    def wait_log(self, text, timeout=10):
        wait_until(lambda: text in self.log, timeout, "the log says %r" % text)

    def requests_logged(self, **where):
        return self.log_lines(msg="Request", **where)

    # -- the end --

    def finish(self):
        """End the program if the test did not, and complain about anything that is not as it should be."""
        complaints = []
        if self.process is not None:
            complaints += self.finish_process()
            complaints += self.leftovers()
        complaints += ["sanitizer report:\n" + report.read_text(errors="replace")[:8000]
                       for report in sorted(self.reports.iterdir()) if report.stat().st_size]
        return complaints

    def finish_process(self):
        if self.process.poll() is not None:
            if self.ended_as_told:
                return []
            return ["fly-atc ended by itself with %d" % self.process.returncode]
        complaints = []
        if self.first_proxy and not self.proxy_may_change and self.proxy_pid() != self.first_proxy:
            complaints.append("the proxy was restarted: %s is %s now" % (self.first_proxy, self.proxy_pid()))
        try:
            self.stop(self.exit_code or 0)
        except AssertionError as error:
            complaints.append(str(error))
            self.process.kill()
            self.process.wait()
        return complaints

    def leftovers(self):
        def none_left():
            left = processes.with_marker(str(self.home))
            assert not left, "left behind: %s" % ", ".join(
                "%d (%s)" % (p, processes.command_line(p)) for p in left)
            return True
        try:
            wait_until(none_left, 3, "no process is left")
            return []
        except AssertionError as error:
            for pid in processes.with_marker(str(self.home)):
                processes.kill(pid)
            return [str(error)]

    def log_sections(self, limit=30000):
        """(title, text) of what helps to understand a failure."""
        sections = []
        for path in (self.config_file, self.out, self.err):
            if path.exists() and path.stat().st_size:
                text = path.read_text(errors="replace")
                sections.append(("%s of %s" % (path.name, self.home), text if len(text) < limit else "…" + text[-limit:]))
        return sections

    def remove(self):
        shutil.rmtree(self.home, ignore_errors=True)
