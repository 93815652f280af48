"""The command line, and the control socket behind it.
SPDX-License-Identifier: MIT
"""
import json
import os
import pathlib
import re
import stat
import subprocess

import pytest

from atc import PROGRAM, WINTER, knobs_config
from waiting import wait_until

ID = "bellevue/2025/winter"


def test_version_and_help(atc):
    for words in (["version"], ["--version"]):
        done = atc.cli(*words)
        assert done.returncode == 0 and done.stdout.startswith("fly-atc") and done.stderr == ""
    for words in (["help"], ["--help"], ["-h"]):
        done = atc.cli(*words)
        assert done.returncode == 0 and done.stderr == ""
        usage, _, rest = done.stdout.partition("\n\n")
        for command in ("check", "dump", "status", "start", "stop", "restart", "busy", "logs", "cache", "reload", "version"):
            assert command in re.split(r"[|\s]", usage) and re.search(r"^  %s\b.*(\n {24}|  )\w" % command, rest, re.MULTILINE)
        assert "-c, --config FILE" in rest


def test_help_on_a_full_disk_is_an_error(atc):
    with open("/dev/full", "w") as full:
        assert subprocess.run([PROGRAM, "version"], stdout=full, stderr=subprocess.PIPE, env=atc.environment()).returncode == 1


@pytest.mark.parametrize("words", [
    ["run", "--no-such-option"], ["-c"], ["stop"], ["start", "a", "b"], ["logs"], ["logs", ID, "--wrong"], ["check", "extra"],
    ["status", "--wrong"], ["--wrong"],
])
def test_wrong_usage_is_2_and_explained(atc, words):
    done = atc.cli(*words)
    assert done.returncode == 2, done
    assert done.stderr.startswith("fly-atc: ") and done.stdout == ""


def test_without_a_running_fly_atc_the_live_commands_say_so(atc):
    for words in (["status"], ["stop", ID], ["start", ID], ["restart", ID], ["busy", ID, "5m"], ["logs", ID], ["reload"]):
        done = atc.cli(*words)
        assert done.returncode == 1 and "fly-atc: " in done.stderr and "run" in done.stderr.lower(), done


def test_check_is_silent_about_a_good_file(atc):
    atc.write_config(knobs_config())
    done = atc.cli("check", "-c", str(atc.config_file))
    assert done.returncode == 0, done


def test_check_tells_every_fault_with_its_place(atc):
    atc.write_config("server:\n  http_prot: 80\n  threads: many\napp:\n  idle_timeout: soon\n  command: /bin/true\n"
                     "users:\n  bellevue: {tenants: [2025/winter, 2025/winter]}\n")
    done = atc.cli("check", "-c", str(atc.config_file))
    assert done.returncode == 2
    for place, word in ((":2:3:", "http_port"), (":3:", "threads"), (":5:", "idle_timeout"), (":8:", "2025/winter")):
        assert any(place in line and word in line for line in done.stderr.splitlines()), (place, done.stderr)


def test_run_refuses_a_faulty_file_with_2(atc):
    atc.write_config("sevrer: {}\n")
    done = atc.cli("run", "-c", str(atc.config_file))
    assert done.returncode == 2 and "atc.yml:1:1" in done.stderr and "server" in done.stderr


def test_a_file_that_is_named_but_missing_is_2(atc):
    done = atc.cli("check", "-c", "/nowhere/atc.yml")
    assert done.returncode == 2 and "/nowhere/atc.yml" in done.stderr


@pytest.mark.parametrize("name", ["atc.yml", "atc.yaml", "atc.json"])
def test_the_file_in_config_is_found(atc, name):
    (atc.app / "config").mkdir()
    (atc.app / "config" / name).write_text(json.dumps(knobs_config()))
    done = atc.cli("dump")
    assert done.returncode == 0 and "2025/winter" in done.stdout


def test_dump_tells_where_each_value_comes_from(atc):
    atc.write_config(knobs_config(start_timeout="7m"))
    done = atc.cli("dump", "-c", str(atc.config_file), env={"HTTP_READ_TIMEOUT": "9", "THRUSTER_HTTP_WRITE_TIMEOUT": "8", "CACHE_SIZE": "5"})
    assert done.returncode == 0
    lines = {line.split(":")[0].strip(): line for line in done.stdout.splitlines() if "#" in line}
    assert "7m" in lines["start_timeout"] and "atc.yml" in lines["start_timeout"]
    assert "9s" in lines["body_timeout"] and "HTTP_READ_TIMEOUT" in lines["body_timeout"]
    assert "8s" in lines["write_timeout"] and "THRUSTER_HTTP_WRITE_TIMEOUT" in lines["write_timeout"]
    assert "default" in lines["max_held"]
    assert "CACHE_SIZE" in lines["cache_size"]


def test_a_dump_is_a_configuration_that_means_the_same(atc):
    atc.write_config(knobs_config(server={"keepalive_timeout": "17s"}))
    first = atc.cli("dump", "-c", str(atc.config_file))
    again = atc.home / "again.yml"
    again.write_text(first.stdout)
    second = atc.cli("dump", "-c", str(again))
    assert second.returncode == 0, second.stderr
    import yaml
    assert yaml.safe_load(second.stdout) == yaml.safe_load(first.stdout)


def test_dump_hides_secrets(atc):
    atc.write_config(knobs_config(backup={"url": "s3://bucket/atc"}))
    done = atc.cli("dump", "-c", str(atc.config_file), env={"AWS_SECRET_ACCESS_KEY": "very-secret", "AWS_ACCESS_KEY_ID": "key"})
    assert "very-secret" not in done.stdout + done.stderr


def test_a_missing_litestream_is_explained_by_check(atc):
    atc.write_config(knobs_config(backup={"url": "file:///tmp/somewhere", "program": "/nowhere/litestream"}))
    done = atc.cli("check", "-c", str(atc.config_file))
    assert done.returncode != 0
    assert "litestream" in done.stderr and ("install" in done.stderr)


# --- the live ones ---

def test_status_is_a_table_for_people(atc):
    atc.start(knobs_config())
    pid = atc.whoami()["pid"]
    done = atc.cli("status")
    assert done.returncode == 0
    row = next(line for line in done.stdout.splitlines() if ID in line)
    assert "running" in row and str(pid) in row


def test_status_json_tells_everything_about_a_tenant(atc):
    atc.start(knobs_config(env={"KNOBS_BOOT_DELAY": "0.2"}))
    pid = atc.whoami()["pid"]
    wait_until(lambda: atc.tenant()["in_flight"] == 0)
    done = atc.cli("status", "--json")
    assert done.returncode == 0
    tenant = next(tenant for tenant in json.loads(done.stdout)["tenants"] if tenant["id"] == ID)
    assert (tenant["state"], tenant["pid"], tenant["in_flight"], tenant["upgrades"]) == ("running", pid, 0, 0)
    assert tenant["memory"]["pss"] > 1_000_000 and tenant["state_ms"] >= 0 and tenant["reason"] is None
    assert tenant["wake"]["ready_ms"] >= 200 and tenant["wake"]["total_ms"] >= tenant["wake"]["ready_ms"]


def test_a_tenant_that_is_not_there_is_an_error(atc):
    atc.start(knobs_config())
    for words in (["stop", "bellevue/2024"], ["start", "x"], ["logs", "x"]):
        done = atc.cli(*words)
        assert done.returncode == 1 and words[1] in done.stderr


def test_start_tells_why_it_failed(atc):
    atc.start(knobs_config(env={"KNOBS_EXIT": "9", "KNOBS_BOOT_OUTPUT": "out of luck"}))
    done = atc.cli("start", ID)
    assert done.returncode == 1 and "9" in done.stderr


def test_logs_shows_the_last_lines_of_a_tenant(atc):
    atc.start(knobs_config())
    atc.get(WINTER + "/say?text=hello+log")
    wait_until(lambda: "hello log" in atc.cli("logs", ID).stdout)


def test_logs_f_follows(atc):
    atc.start(knobs_config())
    atc.get(WINTER + "/up")
    with subprocess.Popen([PROGRAM, "logs", ID, "-f"], cwd=atc.app, env=atc.environment(), stdout=subprocess.PIPE, text=True) as follow:
        seen = []
        from atc import Background
        reader = Background(lambda: [seen.append(line) for line in follow.stdout])
        def said():
            atc.get(WINTER + "/say?text=followed")
            return any("followed" in line for line in seen)
        wait_until(said)
        follow.terminate()
        reader.result()


def test_the_control_socket_is_private(atc):
    atc.start(knobs_config())
    assert stat.S_IMODE(os.stat(atc.control_socket()).st_mode) == 0o600
    assert pathlib.Path(atc.control_socket()).name == "control.sock"


def test_the_control_socket_speaks_http_to_curl(atc):
    atc.start(knobs_config())
    atc.get(WINTER + "/up")
    done = subprocess.run(["curl", "-sf", "--unix-socket", atc.control_socket(), "http://localhost/v1/status"],
                          capture_output=True, text=True, env=atc.environment())
    assert done.returncode == 0
    assert json.loads(done.stdout)["tenants"][0]["id"] == ID


def test_the_control_socket_can_be_elsewhere(atc):
    path = atc.home / "elsewhere.sock"
    atc.start(knobs_config(server={"control_socket": str(path)}), ready=False)
    wait_until(path.exists)
    done = atc.cli("status", "-c", str(atc.config_file))
    assert done.returncode == 0, done


def test_a_second_fly_atc_on_the_same_run_directory_is_refused(atc):
    """Two of them would pull the sockets from under each other."""
    atc.start(knobs_config(server={"http_port": 0}))
    done = atc.cli("run", "-c", str(atc.config_file))
    assert done.returncode == 1 and "control.sock" in done.stderr
    assert atc.get(WINTER + "/up").status == 200


def test_a_port_in_use_is_a_loud_failure(atc):
    from atc import bound_socket
    taken = bound_socket()
    atc.write_config(knobs_config(server={"http_port": taken.getsockname()[1], "address": "127.0.0.1"}))
    done = atc.cli("run", "-c", str(atc.config_file))
    assert done.returncode == 1 and str(taken.getsockname()[1]) in done.stderr
    assert not atc.boots()


# --- whether the platform lets us end ---

FORTY = {"server": {"drain_timeout": "20s"}, "stop_timeout": "20s"}


def check_with_fly_toml(atc, text, config=None, beside=False, **env):
    atc.write_config(knobs_config(**FORTY) if config is None else config)
    if text is not None:
        ((atc.home if beside else atc.app) / "fly.toml").write_text(text)
    done = atc.cli("check", "-c", str(atc.config_file), env=env)
    assert done.returncode == 0, done
    return done.stderr


@pytest.mark.parametrize("beside", [False, True], ids=["working directory", "beside the configuration"])
def test_check_warns_when_fly_would_kill_it_before_it_may_have_ended(atc, beside):
    told = check_with_fly_toml(atc, 'app = "x"\nkill_timeout = "39s"\n\n[http_service]\n', beside=beside)
    assert "fly.toml:2: warning: " in told and "39s" in told and "40s" in told


def test_check_warns_when_fly_is_told_nothing(atc):
    told = check_with_fly_toml(atc, 'app = "x"\n[http_service]\nkill_timeout = "1h"\n')
    assert "no kill_timeout" in told and "40s" in told


@pytest.mark.parametrize("said", ['"40s"', "40", '"5m"', "'1m30s'"])
def test_check_is_silent_when_fly_waits_long_enough(atc, said):
    assert check_with_fly_toml(atc, "kill_timeout = %s\n" % said) == ""


def test_check_warns_of_a_kill_timeout_that_is_none(atc):
    assert "kill_timeout is no length of time" in check_with_fly_toml(atc, 'kill_timeout = "soon"\n')


def test_check_counts_the_backup_and_what_has_no_limit(atc):
    store = {"url": "file://%s" % (atc.home / "store"), "sync_timeout": "5m"}
    told = check_with_fly_toml(atc, 'kill_timeout = "5m"\n', knobs_config(backup=store, **FORTY))
    assert "340s" in told and "5m at most" in told and "sync_timeout" in told
    told = check_with_fly_toml(atc, 'kill_timeout = "5m"\n', knobs_config(stop_timeout=0))
    assert "any time" in told


def test_check_gives_a_hint_on_fly_where_there_is_no_fly_toml(atc):
    assert "40s" in check_with_fly_toml(atc, None, FLY_APP_NAME="x")
    assert check_with_fly_toml(atc, None) == ""
