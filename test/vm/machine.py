"""machine.py - a real virtual machine, whose state is saved to a file and continued from it in another process.
SPDX-License-Identifier: MIT
"""
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

QEMU = "qemu-system-x86_64"
MEMORY = 1024
LIMIT = 300     # seconds for whatever is waited for: a machine without KVM is slow


class Failed(Exception):
    pass


def until(claim, what, limit=LIMIT):
    end = time.monotonic() + limit
    while not (found := claim()):
        if time.monotonic() > end:
            raise Failed("not within %d s: %s" % (limit, what))
        time.sleep(0.05)
    return found


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Monitor:
    """QEMU's control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(LIMIT)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rw")
        self.file.readline()
        self.do("qmp_capabilities")

    def do(self, command, **arguments):
        self.file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.file.flush()
        while line := self.file.readline():
            answer = json.loads(line)
            if "error" in answer:
                raise Failed("%s: %s" % (command, answer["error"]))
            if "return" in answer:
                return answer["return"]
        raise Failed("QEMU ended at " + command)

    def close(self):
        self.file.close()
        self.socket.close()


class Machine:
    """Its network is user mode: the host is 10.0.2.2, and two of the guest's ports are ports of ours."""

    def __init__(self, kernel, archive):
        self.kernel, self.archive = kernel, archive
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="fly-atc-vm-", dir="/tmp"))
        self.console, self.state = self.home / "console", self.home / "state"
        self.port, self.agent = free_port(), free_port()
        self.process = self.monitor = None

    # -- its life --

    def launch(self, *more):
        control = self.home / "monitor"
        control.unlink(missing_ok=True)
        net = "user,id=n,hostfwd=tcp:127.0.0.1:%d-:8080,hostfwd=tcp:127.0.0.1:%d-:9000" % (self.port, self.agent)
        with open(self.home / "qemu.log", "ab") as log:
            self.process = subprocess.Popen(
                [QEMU, "-accel", "tcg", "-cpu", "max", "-m", str(MEMORY), "-smp", "1", "-display", "none", "-nodefaults",
                 "-no-reboot", "-kernel", str(self.kernel), "-initrd", str(self.archive),
                 "-append", "console=ttyS0 quiet panic=-1 rdinit=/init mitigations=off",
                 "-chardev", "file,id=c,path=%s,append=on" % self.console, "-serial", "chardev:c",
                 "-netdev", net, "-device", "virtio-net-pci,netdev=n,romfile=",
                 "-qmp", "unix:%s,server=on,wait=off" % control, *more],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: control.exists() or self.process.poll() is not None, "QEMU listens")
        if self.process.poll() is not None:
            raise Failed("QEMU ended:\n" + (self.home / "qemu.log").read_text())
        self.monitor = Monitor(control)

    def suspend(self):
        """Saved, and gone: nothing of it runs, and its connections have nobody on the other side."""
        self.monitor.do("stop")
        self.monitor.do("migrate-set-parameters", **{"max-bandwidth": 10 << 30})
        self.monitor.do("migrate", uri="exec:cat >" + str(self.state))

        def done():
            status = self.monitor.do("query-migrate").get("status")
            if status in ("failed", "cancelled"):
                raise Failed("its state could not be saved")
            return status == "completed"
        until(done, "its state is saved")
        self.end()

    def resume(self):
        self.launch("-incoming", "exec:cat <" + str(self.state))
        until(lambda: self.monitor.do("query-status")["status"] == "paused", "its state is loaded")
        self.monitor.do("cont")

    def end(self):
        if self.process and self.process.poll() is None:
            try:
                self.monitor.do("quit")
                self.process.wait(30)
            except (Failed, OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
        if self.monitor:
            try:
                self.monitor.close()
            except OSError:
                pass    # QEMU has ended by itself
        self.process = self.monitor = None

    def remove(self):
        self.end()
        shutil.rmtree(self.home, ignore_errors=True)

    # -- in it --

    @property
    def said(self):
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def wait_said(self, text, times=1):
        def is_so():
            if self.said.count(text) >= times:
                return True
            if self.process.poll() is not None:
                raise Failed("the machine ended before its console said %r" % text)
            return False
        until(is_so, "the console says %r" % text)

    def run(self, script):
        """The output of a shell script in it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.agent, timeout=LIMIT)
        try:
            connection.request("POST", "/cgi-bin/run", script.encode())
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def clocks(self):
        """(realtime, monotonic) of the guest."""
        script = "/usr/bin/python3 -S -E -c 'import time; print(time.time(), time.monotonic())'"
        return tuple(map(float, self.run(script).split()))

    def ask(self, method, target, headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        try:
            connection.request(method, target, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.headers)
        finally:
            connection.close()


def missing():
    """What is missing, or nothing."""
    found = [name for name in (QEMU, "busybox", "dpkg-deb") if not shutil.which(name)]
    if os.uname().machine != "x86_64":
        found.append("x86_64")
    return found
