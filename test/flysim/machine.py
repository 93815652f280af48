"""machine.py - one machine: its states, its processes, its disk, and what its configuration says.
SPDX-License-Identifier: MIT
"""
import asyncio
import collections
import os
import pathlib
import shutil
import signal
import sys
import time

from flysim.ids import ulid
from flysim.silence import Silence, descendants_of

INIT = pathlib.Path(__file__).with_name("init.py")
GRACE_OF_SIGTERM = 1.0
RESTART_WINDOW = 300
FIXED = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
SLEEPING = ("stopped", "suspended", "created")


class Refused(Exception):
    """What the API answers."""

    def __init__(self, status, text, code="unknown"):
        super().__init__(text)
        self.status, self.text, self.code = status, text, code


class Volume:
    def __init__(self, volume_id, name, region, size_gb, host, home):
        self.id, self.name, self.region, self.size_gb, self.host = volume_id, name, region, size_gb, host
        self.machine, self.created_at = None, time.time()
        self.path = home / "volumes" / volume_id
        self.path.mkdir(parents=True)


def seconds(value):
    """A number, or a duration as Go writes it."""
    if isinstance(value, (int, float)):
        return value
    for unit, factor in (("ms", 0.001), ("s", 1), ("m", 60)):
        if value.endswith(unit):
            return float(value[:-len(unit)]) * factor
    return float(value)


def signal_number(name):
    if isinstance(name, int):
        return name
    return signal.Signals[name if name.startswith("SIG") else "SIG" + name].value


def check_name(service, i):
    return "servicecheck-%02d-%s-%d" % (i, service["checks"][i].get("type", "http"), service["internal_port"])


class Machine:
    def __init__(self, fleet, app, region, config, name, machine_id):
        self.fleet, self.app, self.region, self.config, self.id = fleet, app, region, config, machine_id
        self.name = name or "machine-" + machine_id[:6]
        self.address = fleet.new_address()
        self.state, self.history = "created", collections.deque([(time.monotonic(), "created")], 50)
        self.instance_id, self.version = ulid(), 1
        self.events, self.created_at, self.updated_at = collections.deque(maxlen=50), time.time(), time.time()
        self.lease, self.cordoned, self.soft_cordoned, self.host_status = None, False, False, "ok"
        self.metadata_version = 1
        self.load, self.tunnels, self.checks = 0, set(), {}
        self.home = fleet.home / "machines" / machine_id
        self.rootfs, self.fly = self.home / "rootfs", self.home / "fly"
        self.rootfs.mkdir(parents=True)
        self.fly.mkdir()
        self.keeps_rootfs, self.wanted_first = False, "created"
        self.shim, self.pid, self.task = None, None, None
        self.stop_requested, self.restarts, self.socket = False, [], None
        self.silence = None
        self.is_held = False    # down for a moment, in which nobody starts it
        self.answers, self.backgrounds = collections.deque(), set()
        self.on_asleep = []
        self.volume = None
        self.attach()
        self.host = self.volume.host if self.volume else fleet.new_host()

    def attach(self):
        for mount in self.config.get("mounts", ()):
            self.volume = self.app.volumes.get(mount["volume"])
            if not self.volume or self.volume.region != self.region:
                raise Refused(422, "no volume %s in %s" % (mount["volume"], self.region))
            if self.volume.machine not in (None, self.id):
                raise Refused(412, "volume %s is attached to another machine" % self.volume.id)
            self.volume.machine = self.id

    # -- what it says of itself --

    @property
    def private_ip(self):
        """6PN is IPv6: the loopback address, mapped, which a socket of either family reaches."""
        return "::ffff:" + self.address

    @property
    def metadata(self):
        return self.config.setdefault("metadata", {})

    def service(self, port):
        """The service behind a public port that speaks HTTP, or None."""
        for service in self.config.get("services", ()):
            for each in service.get("ports", ()):
                if each.get("port") == port and "http" in each.get("handlers", ()):
                    return service
        return None

    def is_failing(self, service):
        """Whether a check of the service takes it out of rotation; one that has not run says nothing."""
        return self.state == "started" and any(self.checks.get(check_name(service, i), {}).get("status") == "critical"
                                               for i in range(len(service.get("checks", ()))))

    def seen(self, lag):
        """Its state as it was so long ago."""
        if lag <= 0:
            return self.state
        moment = time.monotonic() - lag
        found = self.history[0][1]
        for when, state in self.history:
            if when <= moment:
                found = state
        return found

    def become(self, state, event=None, source="flyd", **request):
        self.state, self.updated_at = state, time.time()
        self.history.append((time.monotonic(), state))
        self.note(event or state, state, source, **request)
        if state not in ("started", "suspending"):
            self.checks = {}
            for each in list(self.on_asleep):
                each(self)
        self.fleet.changed()

    def note(self, event, status, source, **request):
        entry = {"id": ulid(), "type": event, "status": status, "source": source, "timestamp": int(time.time() * 1000)}
        if request:
            entry["request"] = request
        self.events.appendleft(entry)
        self.fleet.log("machine", machine=self.id, app=self.app.name, event=event, state=status, source=source, **request)

    # -- process --

    def environment(self):
        env = {name: os.environ[name] for name in FIXED if name in os.environ}
        env.update({key: os.environ[key] for key in os.environ if key.endswith("SAN_OPTIONS")})
        env.update(self.app.env)
        env.update(self.app.secrets)
        env.update(self.config.get("env", {}))
        memory = self.memory
        env = {key: self.filled(str(value)) for key, value in env.items()}
        env.update({
            "FLY_APP_NAME": self.app.name, "FLY_MACHINE_ID": self.id, "FLY_ALLOC_ID": self.id, "FLY_REGION": self.region,
            "FLY_PRIVATE_IP": self.private_ip, "FLY_PUBLIC_IP": self.private_ip, "FLY_IMAGE_REF": self.config.get("image", "local"),
            "FLY_MACHINE_VERSION": self.instance_id, "FLY_VM_MEMORY_MB": str(memory),
            "FLY_PROCESS_GROUP": self.metadata.get("fly_process_group", "app"),
            # What is here because nothing is mounted: where to listen, and where /.fly and /data are.
            "FLYSIM_ADDRESS": self.address, "FLYSIM_FLY": str(self.fly), "FLYSIM_VOLUME": str(self.disk)})
        if self.app.primary_region:
            env["PRIMARY_REGION"] = self.app.primary_region
        return env

    @property
    def memory(self):
        return self.config.get("guest", {}).get("memory_mb", 256)

    @property
    def disk(self):
        return self.volume.path if self.volume else self.rootfs

    def filled(self, text):
        edge = self.fleet.edges.get(self.region) or next(iter(self.fleet.edges.values()), None)
        edge = "http://%s:%d" % edge.addresses[min(edge.addresses, key=lambda port: port != 443)] if edge else ""
        for key, value in (*(("{%s}" % key, value) for key, value in self.fleet.services.items()), ("{edge}", edge), ("{address}", self.address), ("{fly}", str(self.fly)), ("{volume}", str(self.disk)),
                           ("{rootfs}", str(self.rootfs)), ("{region}", self.region), ("{id}", self.id), ("{home}", str(self.home)),
                           ("{proxy}", self.fleet.proxy_address), ("{here}", os.getcwd())):
            text = text.replace(key, value)
        return text

    @property
    def command(self):
        init = self.config.get("init", {})
        words = init.get("exec") or [*init.get("entrypoint", []), *init.get("cmd", [])] or self.app.command
        return [self.filled(word) for word in words]

    async def spawn(self):
        output = os.open(self.home / "output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self.shim = await asyncio.create_subprocess_exec(
                sys.executable, "-S", "-E", str(INIT), *self.command, cwd=self.rootfs,
                env={**self.environment(), "FLYSIM_OUTPUT": str(output)}, pass_fds=[output],
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True)
        finally:
            os.close(output)
        shim = self.shim
        self.follower = asyncio.ensure_future(self.follow(shim))
        await self.fleet.until(lambda: self.pid or self.shim is not shim, 60)

    async def follow(self, shim):
        """What init says; its end is the machine's."""
        status = 9
        while line := await shim.stdout.readline():
            words = line.decode().split()
            if words[0] == "started":
                self.pid = int(words[1])
                self.fleet.changed()
            elif words[0] == "exited":
                status = int(words[1])
            elif self.answers:
                answer = self.answers.popleft()
                if not answer.done():
                    answer.set_result(words)
        await shim.wait()
        if self.shim is shim:
            self.shim, self.pid = None, None
            self.forget_answers()
            self.exited(status)

    def forget_answers(self):
        """Nobody gives them any more."""
        for answer in self.answers:
            answer.cancel()
        self.answers.clear()

    def tell(self, *words):
        if self.shim:
            self.shim.stdin.write((" ".join(map(str, words)) + "\n").encode())

    async def ask(self, word):
        if not self.shim:
            return
        answer = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        self.tell(word)
        await asyncio.wait([answer])

    async def kill(self):
        """Nothing of it runs any more, and nobody was told."""
        shim, self.shim, self.pid = self.shim, None, None
        self.speak()
        self.forget_answers()
        if shim:
            shim.stdin.close()
            await shim.wait()

    # -- life cycle --

    def exited(self, status):
        code = os.waitstatus_to_exitcode(status)
        exit_event = {"exit_code": code if code >= 0 else 128 - code, "signal": max(0, -code), "oom_killed": False,
                      "requested_stop": self.stop_requested}
        if self.host_status != "ok":
            return
        if self.stop_requested or not self.restarts_after(code):
            if self.task and not self.stop_requested:
                self.task.cancel()
            self.become("stopped", "exit", exit_event=exit_event)
            return
        self.note("exit", "stopped", "flyd", exit_event=exit_event)
        self.restarts.append(time.monotonic())
        self.become("starting", "restart")
        self.run(self.boot(False))

    def restarts_after(self, code):
        restart = self.config.get("restart", {})
        policy = restart.get("policy", "on-failure")
        if policy == "no" or (policy == "on-failure" and code == 0):
            return False
        self.restarts = [when for when in self.restarts if when > time.monotonic() - RESTART_WINDOW]
        return policy == "always" or len(self.restarts) < restart.get("max_retries", 10)

    def run(self, coroutine):
        self.task = asyncio.ensure_future(coroutine)
        return self.task

    def background(self, coroutine):
        """What consists of several steps, each of which has its task."""
        task = asyncio.ensure_future(coroutine)
        self.backgrounds.add(task)
        task.add_done_callback(self.backgrounds.discard)

    async def start(self, source="user"):
        """Asks for it; returns what it was before."""
        await self.fleet.until(lambda: not self.is_held, 400)
        if self.state == "suspending" and not self.fleet.switches.interruptible_suspend:
            await self.fleet.until(lambda: self.state != "suspending", 60)
        previous = self.state
        if previous in ("started", "starting"):
            return previous
        if self.host_status != "ok":
            raise Refused(412, "host is unreachable")
        if previous == "suspending":
            self.task.cancel()
            self.become("started", "start", source)
            self.run(self.ask("thaw"))
            return previous
        if previous not in SLEEPING:
            raise Refused(412, "unable to start machine from current state: '%s'" % previous)
        fault = self.fleet.faults.take("capacity", machine=self.id)
        if fault:
            status = fault.get("status", 412)
            raise Refused(status, "could not reserve resource for machine: insufficient memory available to fulfill request"
                          if status == 409 else "insufficient resources", "insufficient_capacity")
        self.become("starting", "start", source)
        self.run(self.boot(previous == "suspended"))
        return previous

    async def boot(self, from_snapshot):
        switches = self.fleet.switches
        self.stop_requested = self.soft_cordoned = False
        if from_snapshot and (self.fleet.faults.take("snapshot", machine=self.id)
                              or self.fleet.chance.random() < switches.snapshot_loss):
            from_snapshot, self.keeps_rootfs = False, True
            self.note("snapshot_lost", "starting", "flyd")
        if from_snapshot and self.shim:
            await asyncio.sleep(switches.resume_latency)
            self.speak()
            await self.ask("thaw")
        else:
            await self.kill()
            await asyncio.sleep(switches.start_latency)
            self.reset_rootfs()
            await self.spawn()
        if self.state == "starting":
            self.become("started", "start")
            if self.socket:
                self.socket.booted()

    def reset_rootfs(self):
        if not self.keeps_rootfs:
            shutil.rmtree(self.rootfs, ignore_errors=True)
            self.rootfs.mkdir(exist_ok=True)
        self.keeps_rootfs = False

    async def stop(self, source="user", number=None, timeout=None):
        if self.state == "stopped":
            return
        if self.state == "suspended":
            self.become("stopping", "stop", source)
            await self.kill()
            self.keeps_rootfs = True  # what a suspended machine had on its disk is there at its next boot
            self.become("stopped", "stop", source)
            return
        if self.state not in ("started", "starting", "suspending"):
            raise Refused(412, "unable to stop machine from current state: '%s'" % self.state)
        if self.task:
            self.task.cancel()
        if self.state == "suspending":
            await self.ask("thaw")
        self.become("stopping", "stop", source)
        self.stop_requested = True
        stop_config = self.config.get("stop_config", {})
        self.run(self.end(number or stop_config.get("signal") or self.fleet.switches.kill_signal,
                          seconds(timeout if timeout is not None else stop_config.get("timeout", 5))))

    async def end(self, number, timeout):
        if not self.shim:
            self.become("stopped", "stop")
            return
        self.tell("signal", signal_number(number))
        if not await self.fleet.until(lambda: self.shim is None, min(timeout, 300)):
            if self.fleet.switches.final_signal == "SIGTERM":
                self.tell("signal", signal.SIGTERM.value)
                await self.fleet.until(lambda: self.shim is None, GRACE_OF_SIGTERM)
            self.tell("kill")
            await self.fleet.until(lambda: self.shim is None, 60)

    def why_not_suspended(self):
        guest = self.config.get("guest", {})
        if self.memory > self.fleet.switches.suspend_max_mb:
            return "it has more than %d MB of memory" % self.fleet.switches.suspend_max_mb
        if self.config.get("init", {}).get("swap_size_mb"):
            return "it has swap"
        if self.config.get("schedule"):
            return "it has a schedule"
        return "it has a GPU" if guest.get("gpu_kind") or guest.get("gpus") else None

    async def suspend(self, source="user"):
        if self.state in ("suspending", "suspended"):
            return
        if self.state != "started":
            raise Refused(412, "unable to suspend machine from current state: '%s'" % self.state)
        why = self.why_not_suspended()
        if why:
            raise Refused(412, "machine cannot be suspended: " + why)
        self.become("suspending", "suspend", source)
        self.run(self.freeze())

    async def freeze(self):
        await asyncio.sleep(self.fleet.switches.suspend_latency)
        await self.ask("freeze")
        if self.state == "suspending" and self.shim:
            self.hush()
            self.become("suspended", "suspend")

    def hush(self):
        """As on Fly: nobody hears of it while it is suspended."""
        if not self.fleet.switches.silent_while_suspended:
            return
        self.silence = Silence(descendants_of(self.shim.pid), self.address)
        if not self.silence.is_whole:
            self.fleet.log("not silent", machine=self.id)

    def speak(self):
        silence, self.silence = self.silence, None
        if silence:
            silence.end()

    async def halt(self, source="flyd", number=None, timeout=None):
        """Until it is down, as its stop has it; whoever wants to start it waits until `is_held` is over."""
        self.is_held = True
        try:
            if self.state == "starting":
                await self.fleet.until(lambda: self.state != "starting", 60)
            await self.stop(source, number, timeout)
            await self.fleet.until(lambda: self.state == "stopped", 400)
        except BaseException:
            self.release()
            raise

    def release(self):
        self.is_held = False
        self.fleet.changed()

    async def reboot(self, source="user", number=None, timeout=None):
        await self.halt(source, number, timeout)
        self.release()
        await self.start(source)

    async def update(self, config, source="user"):
        """A new version; a machine that sleeps is not launched, and its snapshot is gone."""
        was = self.state
        if was not in ("started", *SLEEPING):
            raise Refused(412, "unable to update machine from current state: '%s'" % was)
        self.instance_id, self.version = ulid(), self.version + 1
        self.config = config
        self.attach()
        if was == "started":
            self.background(self.reboot(source))
            return
        await self.kill()
        self.keeps_rootfs = False
        if was != "created":
            self.become("stopped", "update", source)

    async def destroy(self, force):
        if self.state not in SLEEPING and self.state != "failed" and not force:
            raise Refused(412, "unable to destroy machine from current state: '%s'" % self.state)
        if self.task:
            self.task.cancel()
        self.become("destroying", "destroy", "user")
        await self.kill()
        if self.volume:
            self.volume.machine = None
        if self.socket:
            self.socket.close()
        self.become("destroyed", "destroy")

    async def crash(self, number=signal.SIGKILL):
        """Its main process dies, and the restart policy says what comes then."""
        self.tell("signal", int(number))

    async def lose_host(self):
        """No signal at all, and nobody can reach it: what the API says of it is what was known last."""
        self.host_status = "unreachable"
        if self.task:
            self.task.cancel()
        await self.kill()
        self.fleet.log("host lost", machine=self.id)
        for each in list(self.on_asleep):
            each(self)

    async def regain_host(self):
        self.host_status = "ok"
        self.become("stopped", "exit")

    async def migrate(self, volume="kept"):
        """Another host: a new address, no snapshot, perhaps a new volume; a running machine boots there."""
        await self.fleet.until(lambda: self.state not in ("starting", "stopping", "suspending"), 400)
        was = self.state
        if was in ("started", "suspended"):
            await self.halt()
        try:
            self.move(volume)
        finally:
            self.release()
        if was == "started":
            await self.start("flyd")

    def move(self, volume):
        self.address, self.host = self.fleet.new_address(), self.fleet.new_host()
        self.keeps_rootfs = False
        if self.volume:
            old = self.volume
            self.volume = self.fleet.add_volume(self.app, self.region, old.name, old.size_gb)
            self.volume.machine, self.volume.host = self.id, self.host
            if volume == "kept":
                shutil.copytree(old.path, self.volume.path, dirs_exist_ok=True, symlinks=True)
            del self.app.volumes[old.id]
            self.config = {**self.config, "mounts": [{**self.config["mounts"][0], "volume": self.volume.id}]}
        self.note("migrated", self.state, "flyd")
