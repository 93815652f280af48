"""Where users put it: the image of a Rails application, whose user 1000 writes to hardly any directory.
SPDX-License-Identifier: MIT
"""
import json
import os
import pathlib
import re
import shlex
import shutil
import stat
import subprocess
import sys

import pytest
import yaml

from atc import APPS, KNOBS, KNOBS_COMMAND, PROGRAM, ROOT, TOOLS, WINTER, Background, free_port, knobs_config
from test_lifecycle import may_mount
from waiting import stretched, wait_until

AS_ROOT = os.getuid() == 0
ONLY_ROOT = pytest.mark.skipif(not AS_ROOT, reason="only root becomes another user")
LONG = "s" * 80


class Container:
    """fly-atc as the user of an image: nothing is writable but what it was given, and there is no XDG_RUNTIME_DIR."""

    def __init__(self, atc, uid=1000):
        self.atc, self.uid = atc, uid if AS_ROOT else os.getuid()
        self.bin = atc.home / "bin"
        self.bin.mkdir()
        shutil.rmtree(atc.home / "run")
        self.install(PROGRAM, "fly-atc")
        self.knobs = self.install(KNOBS, "knobs.py")
        atc.control_socket = self.control_socket

    def install(self, path, name):
        shutil.copy(path, self.bin / name)
        (self.bin / name).chmod(0o755)
        return str(self.bin / name)

    def give(self, *paths):
        for path in paths:
            path.mkdir(exist_ok=True)
            if AS_ROOT:
                subprocess.run(["chown", "-R", "%d:%d" % (self.uid, self.uid), path], check=True)

    def control_socket(self):
        path = self.atc.app / "storage" / "tenants" / ".run" / "control.sock"
        return str(path) if path.exists() else None

    def become(self):
        user = ["setpriv", "--reuid=%d" % self.uid, "--regid=%d" % self.uid, "--clear-groups"] if AS_ROOT else []
        return ["env", "-u", "XDG_RUNTIME_DIR", *user]

    def configure(self, config):
        (self.atc.app / "config").mkdir(exist_ok=True)
        (self.atc.app / "config" / "atc.yml").write_text(config if isinstance(config, str) else yaml.safe_dump(config))

    def start(self, *command, env=None, ready=True):
        return self.atc.start(args=[], command=command, env={**self.environment(), **(env or {})}, ready=ready,
                              program=str(self.bin / "fly-atc"), wrapper=self.become())

    def environment(self):
        return {"PATH": "%s:%s" % (self.bin, os.environ["PATH"]), "HOME": str(self.atc.home)}

    def cli(self, *args, become=None, env=None):
        return subprocess.run([*(self.become() if become is None else become), str(self.bin / "fly-atc"), *args],
                              cwd=self.atc.app, env=self.atc.environment(**self.environment(), **(env or {})), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=stretched(30), check=False)

    def knobs_config(self, **more):
        config = knobs_config(**more)
        config["app"].setdefault("command", None)
        if config["app"]["command"][-1] == KNOBS:
            config["app"]["command"] = [sys.executable, "-S", "-E", self.knobs]
        return config


@pytest.fixture
def container(atc):
    made = Container(atc)
    assert not os.access("/run", os.W_OK) or AS_ROOT
    return made


@pytest.fixture
def stranger(atc):
    """A user whom nobody is, so that what is in /tmp by that name is of this test."""
    made = Container(atc, uid=61000 + os.getpid() % 4000)
    place = pathlib.Path("/tmp/fly-atc-%d" % made.uid)
    yield made, place
    if place.is_symlink():
        place.unlink()
    shutil.rmtree(place, ignore_errors=True)


def test_without_a_writable_run_directory_it_comes_up_with_one_in_the_storage(container):
    atc = container.atc
    container.give(atc.app / "storage")
    container.configure(container.knobs_config())
    container.start()
    assert atc.get(WINTER + "/up").status == 200
    run_dir = atc.app / "storage" / "tenants" / ".run"
    assert atc.status()["run_dir"] == str(run_dir)
    assert stat.S_IMODE(run_dir.parent.stat().st_mode) == 0o700
    assert "was open to others" not in atc.log
    status = container.cli("status")
    assert status.returncode == 0 and "run_dir: %s" % run_dir in status.stdout, status
    assert "bellevue/2025/winter" in status.stdout
    assert container.cli("stop", "bellevue/2025/winter").returncode == 0
    again = container.cli("run")
    assert again.returncode == 1 and str(run_dir / "control.sock") in again.stderr


@ONLY_ROOT
@pytest.mark.parametrize("xdg", [False, True])
def test_root_finds_the_one_that_the_images_user_runs(container, xdg):
    """As a console on the machine does, whose environment is another one too."""
    container.give(container.atc.app / "storage")
    container.configure(container.knobs_config())
    container.start()
    run = container.atc.home / "xdg"
    run.mkdir()
    status = container.cli("status", become=["env", "XDG_RUNTIME_DIR=%s" % run] if xdg else ["env", "-u", "XDG_RUNTIME_DIR"])
    assert status.returncode == 0 and ".run" in status.stdout, status


def test_tenants_with_private_directories_reach_the_run_directory_in_the_storage(container):
    """And do not see what is not theirs in it."""
    atc = container.atc
    container.give(atc.app / "storage")
    look = 'ls -a "$1" >"$KNOBS_DIR/seen"; shift; exec "$@"'
    private = atc.app / "storage" / "tenants" / ".run" / "private"
    container.configure(container.knobs_config(
        listen="unix", private_directories=["storage"],
        command=["sh", "-c", look, "look", str(private), sys.executable, "-S", "-E", container.knobs]))
    container.start()
    (private / "key").write_text("key")
    assert atc.get(WINTER + "/up").status == 200
    assert ("key" in atc.lines("seen")) is not may_mount()


@ONLY_ROOT
def test_where_the_path_is_too_long_for_a_socket_it_is_in_tmp(stranger):
    container, place = stranger
    atc = container.atc
    container.give(atc.app / LONG)
    container.configure(container.knobs_config(server={"storage": LONG}))
    atc.control_socket = lambda: str(place / "control.sock") if (place / "control.sock").exists() else None
    container.start()
    assert atc.get(WINTER + "/up").status == 200
    assert stat.S_IMODE(place.stat().st_mode) == 0o700 and place.stat().st_uid == container.uid
    status = container.cli("status")
    assert status.returncode == 0 and str(place) in status.stdout, status


@ONLY_ROOT
@pytest.mark.parametrize("trick", ["directory", "open", "link"])
def test_a_directory_in_tmp_that_is_not_ours_alone_is_refused(stranger, trick):
    container, place = stranger
    atc = container.atc
    container.give(atc.app / LONG, atc.home / "target")
    if trick == "link":
        place.symlink_to(atc.home / "target")
    else:
        place.mkdir()
    if trick == "open":
        container.give(place)
        place.chmod(0o777)
    container.configure(container.knobs_config(server={"storage": LONG}))
    container.start(ready=False)
    atc.wait_exit(1)
    assert "%s: it is not a directory of ours alone" % place in atc.log
    assert not list((atc.home / "target").iterdir())
    status = container.cli("status")
    assert status.returncode == 1 and "no fly-atc answers" in status.stderr, status


@ONLY_ROOT
def test_a_single_application_has_a_control_socket_in_tmp_and_makes_no_storage(stranger):
    container, place = stranger
    atc = container.atc
    container.give(atc.home / "notes")
    atc.control_socket = lambda: str(place / "control.sock") if (place / "control.sock").exists() else None
    container.start(sys.executable, "-S", "-E", container.knobs,
                    env={"TARGET_PORT": str(free_port()), "KNOBS_DIR": str(atc.home / "notes")})
    wait_until(lambda: atc.get("/whoami").status == 200, 10, "it answers")
    status = container.cli("status")
    assert status.returncode == 0 and str(place) in status.stdout, status
    assert not list(atc.app.iterdir())


# --- the recipe ---

def dockerfile(instruction):
    """What the last stage of the recipe says."""
    text = (ROOT / "packaging" / "docker" / "Dockerfile").read_text().rpartition("\nFROM ")[2].replace("\\\n", " ")
    return re.findall(r"^%s (.*)$" % instruction, text, re.MULTILINE)


@pytest.mark.real
@pytest.mark.slow
def test_the_recipe_comes_up_step_by_step_as_the_images_user(container):
    """The application, the Dockerfile and the configuration as README and packaging/ have them."""
    atc = container.atc
    container.install(TOOLS / "litestream", "litestream")
    shutil.rmtree(atc.app)
    shutil.copytree(APPS / "calendar", atc.app, ignore=shutil.ignore_patterns("README.md"))
    assert dockerfile("USER") == ["%d:%d" % (1000, 1000)]
    writable, = re.findall(r"chown -R rails:rails ([a-z ]+)", "\n".join(dockerfile("RUN")))
    container.give(*[atc.app / name for name in writable.split()], atc.home / "store")
    variables = dict(word.split("=", 1) for word in shlex.split(" ".join(dockerfile("ENV"))))
    config, = re.findall(r"`config/atc.yml`, in the application's directory:\n\n```yaml\n(.*?)```",
                         (ROOT / "README.md").read_text(), re.DOTALL)
    container.configure(re.sub(r"url: s3\S+", "url: file://%s/store" % atc.home, config))
    env = {**variables, "SECRET_KEY_BASE": "5" * 64}
    checked = container.cli("check", env=env)
    assert checked.returncode == 0, checked
    assert "http_port: 8080" in container.cli("dump", env=env).stdout
    command = json.loads(dockerfile("CMD")[-1])
    assert command[0] == "fly-atc"
    container.start(*command[1:], env=env)
    waiting = Background(atc.get, "/bellevue/2025/winter/events.json", timeout=120)
    assert waiting.result(120).json() == []
    for args in (["status"], ["logs", "bellevue/2025/winter"]):
        told = container.cli(*args, env=env)
        assert told.returncode == 0 and told.stdout, told
    assert "bellevue/2025/winter" in container.cli("status", env=env).stdout
    assert not (atc.app / "tmp" / "pids" / "server.pid").exists()
    wait_until(lambda: list((atc.home / "store").rglob("*.ltx")), 30, "the backup has come")


# --- where the application listens ---

NODE = {"framework": "node", "databases": {}}


@pytest.mark.parametrize("listens_on", ["127.0.0.1", "::1"])
def test_a_tenant_is_found_on_either_loopback_address(atc, listens_on):
    atc.start(knobs_config(env={"KNOBS_ADDRESS": listens_on}, listen="tcp"))
    for _ in range(2):
        assert atc.get(WINTER + "/up").status == 200
        assert atc.cli("restart", "bellevue/2025/winter").returncode == 0
    assert not [line for line in atc.log_lines(level="WARN") if "port" in line["msg"]]


@pytest.mark.parametrize("listens_on", ["127.0.0.1", "::1"])
def test_a_single_application_is_found_on_either_loopback_address(atc, listens_on):
    atc.start(command=[*KNOBS_COMMAND], env={"KNOBS_ADDRESS": listens_on, "KNOBS_DIR": str(atc.app), "TARGET_PORT": str(free_port())})
    wait_until(lambda: atc.get("/whoami").status == 200, 10, "it answers")


@pytest.mark.parametrize("framework", [{}, NODE])
def test_the_containers_name_is_no_address_for_tenants(atc, framework):
    """Servers bind to what HOSTNAME says, and Docker sets it."""
    atc.start(knobs_config(**framework), env={"HOSTNAME": "4f66ad9a0b2e", "HOST": "example.org"})
    env = atc.get(WINTER + "/env").json()
    assert env.get("HOSTNAME") == ("127.0.0.1" if framework else None)
    assert env["HOST"] == ("127.0.0.1" if framework else "example.org")


def test_what_the_operator_says_of_the_address_wins(atc):
    atc.start(knobs_config(**NODE, env={"HOSTNAME": "0.0.0.0", "HOST": "example.org"}), env={"HOSTNAME": "4f66ad9a0b2e"})
    env = atc.get(WINTER + "/env").json()
    assert (env["HOSTNAME"], env["HOST"]) == ("0.0.0.0", "example.org")


@pytest.mark.parametrize("is_node", [False, True])
def test_a_single_application_keeps_the_containers_name_unless_it_is_of_node(atc, is_node):
    if is_node:
        (atc.app / "package.json").write_text("{}")
    atc.start(command=KNOBS_COMMAND, env={"HOSTNAME": "4f66ad9a0b2e", "HOST": "example.org", "KNOBS_DIR": str(atc.home),
                                          "TARGET_PORT": str(free_port())})
    wait_until(lambda: atc.get("/whoami").status == 200, 10, "it answers")
    env = atc.get("/env").json()
    assert (env["HOSTNAME"], env["HOST"]) == ("127.0.0.1" if is_node else "4f66ad9a0b2e", "example.org")
