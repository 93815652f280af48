"""What is logged about a tenant follows its own log_level, from the next reload on.
SPDX-License-Identifier: MIT
"""
import re

from atc import WINTER, knobs_config
from waiting import wait_until

APRIL = "/boston/2025/april"
NAMES = {WINTER: "bellevue/2025/winter", APRIL: "boston/2025/april"}


def leveled(boston, server="warn"):
    return knobs_config({"bellevue": {"tenants": ["2025/winter"]},
                         "boston": {"log_level": boston, "tenants": ["2025/april"]}}, server={"log_level": server})


def ask(atc, word):
    """Each tenant is asked, and says the word."""
    for prefix in NAMES:
        assert atc.get(prefix + "/say?text=" + word).status == 200
    wait_until(lambda: all(word in atc.cli("logs", name).stdout for name in NAMES.values()))


def told(atc, prefix, word):
    """What the log has of it: the request, the line of output."""
    lines = atc.log_lines(tenant=NAMES[prefix])
    return {"request" for line in lines if line["msg"] == "Request" and word in line["query"]} | \
           {"output" for line in lines if line["msg"] == word}


def test_one_tenant_is_told_of_and_the_others_are_not(atc):
    atc.start(leveled("debug"))
    ask(atc, "morning")
    wait_until(lambda: told(atc, APRIL, "morning") == {"request", "output"})
    assert told(atc, WINTER, "morning") == set()
    assert re.search(r"tenant %s: \S+ -- .* -> running" % NAMES[APRIL], atc.log)
    assert atc.log_lines(msg="tenant running", tenant=NAMES[APRIL])
    assert not atc.log_lines(msg="tenant running", tenant=NAMES[WINTER])
    assert not re.search(r"tenant %s: \S+ -- " % NAMES[WINTER], atc.log)


def test_one_tenant_is_silenced_and_the_others_are_not(atc):
    atc.start(leveled("error", server="info"))
    ask(atc, "morning")
    wait_until(lambda: told(atc, WINTER, "morning") == {"request", "output"})
    assert told(atc, APRIL, "morning") == set()
    assert not atc.log_lines(msg="tenant running", tenant=NAMES[APRIL])


def test_a_reload_changes_it_for_a_tenant_that_runs(atc):
    atc.start(leveled("warn"))
    ask(atc, "morning")
    pids = [atc.get(prefix + "/whoami").json()["pid"] for prefix in NAMES]
    atc.write_config(leveled("info"))
    assert atc.cli("reload").returncode == 0
    ask(atc, "evening")
    wait_until(lambda: told(atc, APRIL, "evening") == {"request", "output"})
    assert told(atc, APRIL, "morning") == told(atc, WINTER, "evening") == set()
    assert [atc.get(prefix + "/whoami").json()["pid"] for prefix in NAMES] == pids
