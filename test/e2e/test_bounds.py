"""What is legal works: every number, length of time and size of the configuration at its smallest and its largest value.
SPDX-License-Identifier: MIT
"""
import re
import sys

import pytest

from atc import ROOT, WINTER, knobs_config
from h2wire import H2Wire
from waiting import holds_for, wait_until

LONG = (1 << 63) - 1
# What the functions of checks.c let through, of rows with a number; whether that is so is asked below.
BOUNDS = {
    "port": (0, 65535), "threads": (0, 64), "headers": (8, 256), "streams": (1, 1000), "count": (0, (1 << 31) - 1),
    "positive": (1, (1 << 31) - 1), "head_bytes": (1024, 16 << 20), "year": (0, 365 * 86400 * 1000),
    "replay_cache": (10000, LONG),      # and 0, by default
}
ROW = re.compile(r'^(SERVER|APP|BACKUP|MACHINE)_ROW\((INT|MSEC|SIZE), (\w+), [^,]+, "[^"]*", [\w| ]+, (\w+), "', re.MULTILINE)


class Row:
    def __init__(self, section, kind, name, check):
        self.section, self.kind, self.name, self.check = section.lower(), kind, name, check
        low = -LONG if kind == "INT" else 0
        self.low, self.high = BOUNDS[check] if check != "any" else (low, LONG)

    def text(self, value):
        return "%dms" % value if self.kind == "MSEC" else str(value)

    def __str__(self):
        return "%s.%s" % (self.section, self.name)


ROWS = [Row(*found) for found in ROW.findall((ROOT / "src" / "config" / "rows.def").read_text())]


def config(atc, row=None, value=None):
    """With a store, so that the settings of backups are obeyed."""
    made = knobs_config(server={"h2c_enabled": True, "log_level": "info"}, backup={"url": "file://%s/store" % atc.home},
                        databases={"primary": {"path": "counter.sqlite3", "env": "DATABASE_PATH"}})
    if row:
        made.setdefault(row.section, {})[row.name] = row.text(value)
    return made


def test_there_are_rows_to_look_at():
    assert len(ROWS) > 25 and {row.section for row in ROWS} == {"server", "app", "backup", "machine"}
    assert {"start_timeout", "restore_timeout", "sync_timeout", "threads", "h2_max_streams"} <= {row.name for row in ROWS}


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_legal_value_wakes_a_tenant_and_serves(atc, row, end):
    value = getattr(row, end)
    atc.start(config(atc, row, value))
    assert atc.post(WINTER + "/count").json() == {"count": 1}
    with H2Wire(("127.0.0.1", atc.port)) as wire:
        assert wire.get(WINTER + "/count").json() == {"count": 1}
    assert atc.cli("stop", "bellevue/2025/winter").returncode == 0
    assert atc.get(WINTER + "/count").json() == {"count": 1}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_value_beyond_its_bounds_is_refused_with_its_place(atc, row):
    for value in (row.low - 1, row.high + 1):
        if row.kind == "INT" and row.check == "any" and value < 0:
            continue    # the smallest number that there is
        text = "# one\nusers:\n  bellevue: {tenants: [2025/winter]}\n%s:\n  %s: %s\n" % (row.section, row.name, row.text(value))
        atc.write_config(text)
        done = atc.cli("check", "-c", str(atc.config_file))
        assert done.returncode == 2 and "atc.yml:5:" in done.stderr and row.name in done.stderr, (value, done)


# --- 0 switches a limit off ---

def test_without_a_start_timeout_a_slow_start_is_waited_for(atc):
    atc.start(knobs_config(start_timeout=0, env={"KNOBS_BOOT_DELAY": "1"}, waiting_page_after=0))
    assert atc.get(WINTER + "/up").status == 200


def test_without_a_stop_timeout_nobody_is_killed(atc):
    atc.start(knobs_config(stop_timeout=0, env={"KNOBS_IGNORE_TERM": "1"}))
    assert atc.get(WINTER + "/up").status == 200
    pid = atc.tenant()["pid"]
    assert atc.control("POST", "/v1/tenants/bellevue/2025/winter/stop?wait=0").status in (200, 202)
    wait_until(lambda: atc.state() == "stopping")
    holds_for(lambda: atc.state() == "stopping", 0.5)
    assert atc.tenant()["pid"] == pid
    atc.proxy_may_change = True
    atc.signal(15)
    atc.wait_log("ending")
    atc.stop()      # told twice: what still runs is killed


# --- the most threads ---

MANY = """
import os, sys
for fd in range(4, 67):
    os.dup2(3, fd, inheritable=True)
os.environ["LISTEN_FDS"] = "64"
os.execvp(sys.argv[1], sys.argv[1:])
"""


def test_sixty_four_listening_sockets_are_served(atc):
    atc.start(knobs_config(), wrapper=[sys.executable, "-S", "-E", "-c", MANY])
    for _ in range(10):
        assert atc.get(WINTER + "/up").status == 200
