"""A whole fleet's worth of tenants in one file, spread over users as a real service has them.
SPDX-License-Identifier: MIT
"""
import random

import pytest

import processes
from atc import Background, knobs_config
from waiting import wait_until

# Tenants of each user, by region: 8 regions, 82 users.
FLEET = {
    "iad": [13, 9, 9, 8, 7, 5, 4, 4, 4, 2, 2, 2, 2, 2, 2, 1, 1, 1],
    "sjc": [19, 10, 6, 6, 5, 5, 4, 3, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    "ams": [10, 9, 9, 9, 9, 7, 6, 3],
    "ord": [12, 11, 10, 6, 5, 3, 2, 2, 2, 1, 1, 1],
    "dfw": [29, 4, 4, 3, 3, 1, 1, 1, 1, 1],
    "ewr": [7, 4, 4, 4, 2, 2, 1, 1, 1, 1],
    "syd": [9, 6, 5, 1],
    "nrt": [5, 2],
}
SYLLABLES = ["ba", "lo", "mer", "ton", "vi", "ka", "dor", "sel", "win", "ra", "ny", "tor", "el", "ham"]
WORDS = ["spring", "summer", "mini", "gala", "meet", "medal", "ball", "classic", "open", "showcase", "night", "cup"]


def fleet():
    """{user: {region, tenants: [...]}}, the same at every run: years with several events, and years that are one."""
    dice = random.Random(371)
    users, tenants = {}, 0
    for region, sizes in FLEET.items():
        for size in sizes:
            name = ""
            while not name or name in users:
                name = "".join(dice.choice(SYLLABLES) for _ in range(dice.randint(2, 4)))
            paths = set()
            while len(paths) < size:
                year = dice.choices([2022, 2023, 2024, 2025, 2026], [8, 30, 96, 221, 16])[0]
                slug = "-".join(dice.sample(WORDS, dice.choice([1, 1, 2, 2, 3])))
                paths.add("%d/%s" % (year, slug) if size > 1 else str(year))
            users[name] = {"region": region, "tenants": sorted(paths)}
            tenants += size
    assert (len(users), tenants) == (83, 371)
    return users


def paths_of(users):
    return ["%s/%s" % (user, tenant) for user, conf in users.items() for tenant in conf["tenants"]]


def test_371_tenants_are_routed_and_all_sleep(atc):
    users = fleet()
    atc.start(knobs_config(users))
    assert len(atc.status()["tenants"]) == 371
    with atc.wire() as wire:
        for path in paths_of(users):
            response = wire.get("/" + path, [("Accept", "text/html")])   # a browser's redirect wakes nothing
            assert response.header("Location") == "/%s/" % path
            assert wire.get("/%s-nobody/" % path.split("/")[0]).status == 404
    assert {tenant["state"] for tenant in atc.status()["tenants"]} == {"absent"}
    pss = sum(processes.pss(pid) for pid in (atc.pid, atc.proxy_pid()))
    assert pss < 10 << 20 or processes.is_sanitized(atc.pid), "%d KiB" % (pss >> 10)


def test_both_processes_are_small_at_the_start(atc):
    atc.start(knobs_config())
    pss = sum(processes.pss(pid) for pid in (atc.pid, atc.proxy_pid()))
    assert pss <= 8 << 20 or processes.is_sanitized(atc.pid), "%d KiB" % (pss >> 10)


@pytest.mark.slow
def test_371_tenants_wake_one_after_the_other_on_a_small_machine(atc):
    """Ten may be awake: the least recently used makes room, and everybody is answered by the right one."""
    users = fleet()
    atc.start(knobs_config(users, server={"max_running": 10}))
    paths = paths_of(users)
    random.Random(1).shuffle(paths)
    most = 0
    with atc.wire(timeout=60) as wire:
        for i, path in enumerate(paths):
            seen = wire.get("/%s/whoami" % path).json()
            assert seen["scope"] == "/" + path and seen["boots"] == 1
            if i % 20 == 0:
                most = max(most, len(atc.knobs_pids()))
    assert most <= 11
    wait_until(lambda: len(atc.knobs_pids()) <= 10)


def test_a_burst_over_the_fleet_is_answered_by_the_right_tenants(atc):
    users = fleet()
    paths = random.Random(2).sample(paths_of(users), 24)
    atc.start(knobs_config(users, server={"max_running": 12, "max_starting": 4}))
    asked = [Background(atc.get, "/%s/whoami" % path, timeout=60) for path in paths]
    for path, each in zip(paths, asked):
        assert each.result(90).json()["scope"] == "/" + path
