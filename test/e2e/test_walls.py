"""What a tenant can reach of others: each attempt is made from inside one, by the program test/apps/inside.

As root a tenant is root, so that only what the kernel refuses to root too, or what is not there, is out of its reach; as
an ordinary user all have one user; with private directories each has a mount namespace, and without root a user
namespace.
SPDX-License-Identifier: MIT
"""
import ctypes
import json
import os
import pwd
import shutil
import stat
import subprocess
import sys
from urllib.parse import quote

import pytest

import processes
from atc import APPS, PROGRAM, TOOLS, knobs_config
from s3 import KEY, SECRET, S3
from waiting import wait_until

A, B = "/u/a", "/u/b"
MASTER = "master-of-all-the-tenants-" + "m" * 40
LANDLOCK_CREATE_RULESET = 444


def landlock_version():
    return ctypes.CDLL(None, use_errno=True).syscall(LANDLOCK_CREATE_RULESET, None, 0, 1)


HAS_WALLS = landlock_version() >= 2
HAS_SIGNAL_WALLS = landlock_version() >= 6


class House:
    """One fly-atc with two tenants a and b of inside, as root or as an ordinary user."""

    def __init__(self, atc, user, private, backup=None, env=None, **server):
        self.atc, self.user, self.private, self.is_root = atc, user, private, user is None and os.getuid() == 0
        self.storage = atc.home / "tenants"
        wrapper = []
        if user:
            entry = pwd.getpwnam(user)
            wrapper = ["setpriv", "--reuid=%d" % entry.pw_uid, "--regid=%d" % entry.pw_gid, "--clear-groups"]
        program = self.copied(PROGRAM)
        app = self.copied(APPS / "inside" / "inside.py")
        if backup:
            backup = {**backup, "program": self.copied(TOOLS / "litestream")}
        config = knobs_config({"u": {"tenants": ["a", "b"]}}, command=[sys.executable, "-S", "-E", app], backup=backup,
                              databases={"primary": {"path": "data/app.db", "env": "DATABASE_PATH"}},
                              private_directories=["storage", "tmp"] if private else [],
                              server={"storage": str(self.storage), **server})
        config["app"]["env"] = env or {}
        for folder in (atc.app, atc.home / "run", atc.home, atc.reports):
            if user:
                shutil.chown(folder, user)
        atc.write_config(config)
        if user:
            shutil.chown(atc.config_file, user)
        atc.start(args=["run", "-c", str(atc.config_file)], program=program, wrapper=wrapper,
                  env={"SECRET_KEY_BASE": MASTER, "MY_KEY": KEY, "MY_SECRET": SECRET, "LITESTREAM_SECRET_ACCESS_KEY": "aws-" + SECRET,
                       "OTHERS_SECRET_ACCESS_KEY": "others-" + SECRET, "FLY_API_TOKEN": "fly-token",
                       "XDG_CACHE_HOME": str(atc.home / "cache"), "HOME": str(atc.home)})
        for tenant in (B, A):
            assert atc.get(tenant + "/up", timeout=60).status == 200
        status = atc.status()
        self.pids = {tenant["id"]: tenant["pid"] for tenant in status["tenants"]}

    def copied(self, path):
        to = self.atc.home / os.path.basename(path)
        shutil.copy(path, to)
        to.chmod(0o755)
        return str(to)

    def tried(self, name, argument="", tenant=A):
        answer = self.atc.get("%s/%s?%s" % (tenant, name, quote(str(argument))), timeout=60)
        assert answer.status == 200, answer
        return answer.json()

    def could(self, name, argument=""):
        answer = self.tried(name, argument)
        return answer["could"] and answer["what"] is not False

    def saw(self, path, text):
        answer = self.tried("read", path)
        return answer["could"] and text in answer["what"]

    @property
    def others(self):
        """Processes that are not the tenant's own, by what they are."""
        guard = next(p for p in processes.children(self.atc.pid) if processes.read(p, "comm") == b"fly-atc-guard\n")
        found = {"supervisor": self.atc.pid, "proxy": self.atc.proxy_pid(), "guard": guard, "sibling": self.pids["u/b"]}
        litestream = [p for p in processes.children(self.atc.pid) if "replicate" in processes.command_line(p)]
        return {**found, "litestream": litestream[0]} if litestream else found


STARTS = [pytest.param((user, private), id="%s-%s" % (user or "as_we_are", "private" if private else "common"))
          for user in ([None, "nobody"] if os.getuid() == 0 else [None]) for private in (False, True)]


@pytest.fixture(params=STARTS)
def start(request, atc):
    return lambda **more: House(atc, *request.param, **more)


@pytest.fixture
def bucket():
    with_bucket = S3()
    yield with_bucket
    with_bucket.remove()


def s3_backup(bucket):
    return {"url": "s3://bucket/atc", "endpoint": bucket.endpoint, "access_key_id": "${MY_KEY}", "secret_access_key": "${MY_SECRET}"}


def test_no_tenant_finds_the_keys_of_the_store_or_the_master_secret(start, bucket):
    house = start(backup=s3_backup(bucket))
    own = house.tried("environment")["what"]
    for secret in (KEY, SECRET, MASTER, "fly-token"):
        assert not [name for name, value in own.items() if secret in value], secret
        for who, pid in house.others.items():
            assert not house.saw("/proc/%d/environ" % pid, secret), "%s in the environment of the %s" % (secret, who)
    if HAS_WALLS:
        litestream = house.others["litestream"]
        assert not house.saw("/proc/%d/fd/3" % litestream, SECRET)
        assert SECRET in processes.read(litestream, "fd/3").decode() or os.getuid() != 0
    house.atc.stop()


def test_the_proxy_does_not_find_them_either(atc, bucket):
    house = House(atc, None, False, backup=s3_backup(bucket))
    environment = str(processes.environment(atc.proxy_pid()))
    for secret in (KEY, SECRET, MASTER, "fly-token"):
        assert secret not in environment
    assert house.others


@pytest.mark.skipif(not HAS_WALLS, reason="the kernel has no Landlock, or is older than 5.19")
def test_a_tenant_reads_and_traces_no_process_of_others(start, bucket):
    house = start(backup=s3_backup(bucket))
    for who, pid in house.others.items():
        assert not house.could("memory", pid), who
        assert not house.could("trace", pid), who
        assert not house.could("read", "/proc/%d/root%s" % (pid, house.storage / "u" / "b" / "data" / "app.db")), who
    if not house.is_root:
        assert not house.saw("/proc/%d/environ" % house.pids["u/b"], "SECRET_KEY_BASE")


@pytest.mark.skipif(not HAS_SIGNAL_WALLS, reason="the kernel is older than 6.12")
def test_a_tenant_signals_no_process_of_others(start, bucket):
    house = start(backup=s3_backup(bucket))
    for who, pid in house.others.items():
        assert not house.could("signal", pid), who


def test_the_control_socket_refuses_tenants(start):
    house = start()
    for request in ("GET /v1/status", "GET /v1/tenants/u/b/logs", "POST /v1/tenants/u/b/stop"):
        answer = house.tried("ask", "%s %s" % (house.atc.control_socket(), request))
        assert not answer["could"] or " 403 " in answer["what"], answer
    assert house.atc.tenant("u/b")["state"] == "running"
    assert house.atc.cli("status", "-c", str(house.atc.config_file)).returncode == 0


def test_with_private_directories_a_tenant_does_not_see_what_is_not_its_own(start, bucket):
    house = start(backup=s3_backup(bucket))
    sibling = house.storage / "u" / "b"
    socket = house.atc.home / "run" / "fly-atc" / "private" / "litestream.sock"
    sight = {"database": house.could("read", sibling / "data" / "app.db"),
             "directory": "b" in (house.tried("listing", house.storage / "u").get("what") or []),
             "master": house.could("read", house.storage / ".secret"),
             "litestream": house.could("ask", "%s GET /info" % socket),
             "configuration": house.saw(house.atc.config_file, "tenants")}
    if house.private and "private" in house.atc.tenant("u/a")["isolation"]:
        assert not any(sight.values()), sight
        assert house.could("read", house.storage / "u" / "a" / "data" / "app.db")
        if HAS_WALLS:
            assert not house.could("uncover", str(sibling / "data" / "app.db"))
    else:
        assert sight["database"] and sight["directory"] and sight["litestream"] and sight["configuration"], \
            "this wall is there now: say so in docs/configuration.md"


def test_with_private_directories_a_tenant_does_not_see_a_store_that_is_a_directory(start, atc):
    (atc.home / "store").mkdir()
    (atc.home / "store").chmod(0o777)
    house = start(backup={"url": "file://%s" % (atc.home / "store")})
    seen = house.tried("listing", atc.home / "store").get("what")
    assert (not seen) == house.private


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives the proxy another user")
def test_the_proxy_is_a_user_of_its_own_who_can_read_nothing_of_tenants(atc, bucket):
    house = House(atc, None, False, backup=s3_backup(bucket))
    uid = processes.uid(atc.proxy_pid())
    assert uid not in {entry.pw_uid for entry in pwd.getpwall()} or pwd.getpwuid(uid).pw_name == "fly-atc"
    assert [p for p in processes.all_pids() if processes.status_line(p, "Uid").split()[:1] == [str(uid)]] == [atc.proxy_pid()]
    for command in (["cat", house.storage / "u" / "a" / "data" / "app.db"], ["cat", house.storage / ".secret"], ["ls", house.storage]):
        done = subprocess.run(["setpriv", "--reuid=%d" % uid, "--regid=%d" % uid, "--clear-groups", *command],
                              capture_output=True, text=True, check=False)
        assert "Permission denied" in done.stderr, done


def test_a_named_user_is_the_proxys(atc):
    if os.getuid() == 0:
        atc.start(knobs_config(server={"user": "daemon"}))
        assert processes.uid(atc.proxy_pid()) == pwd.getpwnam("daemon").pw_uid
    else:
        atc.start(knobs_config())
        assert processes.uid(atc.proxy_pid()) == os.getuid()


def test_the_storage_is_ours_alone_also_where_it_was_open(atc):
    storage = atc.app / "storage" / "tenants"
    storage.mkdir(parents=True)
    storage.chmod(0o755)
    atc.start(knobs_config())
    assert stat.S_IMODE(storage.stat().st_mode) == 0o700
    atc.wait_log("was open to others (mode 755)")
    atc.stop()
    atc.again()
    assert atc.log.count("was open to others") == 1


def test_a_key_that_the_file_names_leaves_the_environment_of_tenants(start, bucket):
    house = start(backup=s3_backup(bucket), env={"GIVEN": "${OTHERS_SECRET_ACCESS_KEY}"})
    own = house.tried("environment")["what"]
    assert not {"MY_KEY", "MY_SECRET", "LITESTREAM_SECRET_ACCESS_KEY", "OTHERS_SECRET_ACCESS_KEY", "FLY_API_TOKEN"} & set(own)
    assert own["GIVEN"] == "others-" + SECRET       # what an operator gives a tenant is given
    assert own["SECRET_KEY_BASE"] != MASTER


def test_home_and_temporary_files_are_the_tenants_own(start):
    house = start()
    for tenant in ("a", "b"):
        own = house.tried("environment", tenant="/u/" + tenant)["what"]
        for name in ("HOME", "TMPDIR", "XDG_RUNTIME_DIR"):
            assert own[name].startswith(str(house.storage / "u" / tenant) + "/"), name
        assert "XDG_CACHE_HOME" not in own
        assert set(house.tried("modes", tenant="/u/" + tenant)["what"].values()) == {"0o700"}


def test_an_operator_may_name_another_home(start):
    house = start(env={"HOME": "/srv/of-all", "XDG_CACHE_HOME": "${tenant.dir}/cache"})
    own = house.tried("environment")["what"]
    assert own["HOME"] == "/srv/of-all" and own["XDG_CACHE_HOME"] == str(house.storage / "u" / "a" / "cache")


# --- nothing survives its tenant ---

def escaped(house, tenant="a"):
    tag = house.storage / "u" / tenant / "escaped"
    assert house.tried("escape", tag, tenant="/u/" + tenant)["could"]
    return int(wait_until(lambda: tag.exists() and tag.read_text(), what="it has escaped"))


def gone(pid):
    wait_until(lambda: not processes.is_alive(pid), 10, "the process that escaped has ended")


def test_who_left_session_and_environment_ends_when_fly_atc_ends(start):
    house = start()
    pids = [escaped(house, "a"), escaped(house, "b")]
    house.atc.stop()
    for pid in pids:
        gone(pid)


def test_who_left_session_and_environment_ends_with_its_tenant(start):
    house = start()
    pids = {tenant: escaped(house, tenant) for tenant in "ab"}
    house.atc.control("POST", "/v1/tenants/u/a/stop")
    if house.is_root or house.private:      # else it could be b's just as well, and that may need it
        gone(pids["a"])
    assert processes.is_alive(pids["b"])
    house.atc.control("POST", "/v1/tenants/u/b/stop")
    for pid in pids.values():
        gone(pid)


def test_who_left_session_and_environment_ends_with_a_killed_fly_atc(start):
    house = start()
    pid = escaped(house)
    house.atc.process.kill()
    house.atc.wait_exit(-9)
    if house.is_root or house.private:
        gone(pid)
    else:
        processes.kill(pid)     # docs/decisions/0026


# --- what a tenant writes ---

def test_what_a_tenant_writes_beyond_its_rate_is_dropped_and_told_once(atc):
    house = House(atc, None, False, log_level="info")
    assert house.tried("say", "before")["could"]
    assert house.tried("shout", 20000)["could"]
    wait_until(lambda: atc.tenant("u/a")["output_dropped"]["lines"], 20, "lines were dropped")
    atc.wait_log("the tenant writes more than log_rate", 20)
    loud = [line for line in atc.log_lines(tenant="u/a") if line["msg"].startswith("loud")]
    told = [line for line in atc.log_lines(tenant="u/a") if "log_rate" in line["msg"]]
    assert loud and sum(len(line["msg"]) + 1 for line in loud) < 20e6 * 0.9
    wait_until(lambda: sum(line["lines"] for line in atc.log_lines(tenant="u/a") if "log_rate" in line["msg"])
               == atc.tenant("u/a")["output_dropped"]["lines"], 20, "all that was dropped is told")
    assert len(told) < 60
    assert house.tried("say", "quiet", tenant=B)["could"]
    atc.wait_log("quiet")


def test_control_characters_of_tenants_do_not_reach_the_terminal(atc):
    house = House(atc, None, False)
    assert house.tried("say", "red \x1b[31m bell \x07 c1 \x9b31m turn \u202e end")["could"]
    atc.wait_log("bell")
    text = atc.cli("logs", "u/a", "-c", str(atc.config_file)).stdout
    assert "red \ufffd[31m bell \ufffd c1 \ufffd31m turn \ufffd end" in text
    raw = atc.cli("logs", "u/a", "--json", "-c", str(atc.config_file)).stdout.splitlines()
    assert any(json.loads(line)["text"] == "red \x1b[31m bell \x07 c1 \x9b31m turn \u202e end" for line in raw)
