"""A fleet on the double of Fly.io: the right machine answers, through the edge, awake or not.
SPDX-License-Identifier: MIT
"""
import pytest
import yaml

import processes
from atc import PROGRAM, knobs_config
from fly import TEST, Fly

SEA, ORD = "148e45d7c20978", "3d8d413b29d638"
MACHINES = [{"id": SEA, "region": "sea"}, {"id": ORD, "region": "ord"}]
USERS = {"bellevue": {"machine": SEA, "tenants": ["2025/winter"]},
         "boston": {"region": "ord", "tenants": ["2025/april"]}}
BELLEVUE, BOSTON = "/bellevue/2025/winter", "/boston/2025/april"
CONFIG = knobs_config(USERS)


def started(make_fly, config=None, **more):
    fly = make_fly(config or CONFIG, MACHINES, **more)
    for machine in (SEA, ORD):
        fly.wait_output(machine, "serving on")
    return fly


def whereabouts(fly, path, region, **more):
    """The machine whose tenant answered."""
    answer = fly.get(path + "/whoami", region, **more)
    assert answer.status == 200, answer
    return processes.environment(answer.json()["pid"])["FLY_MACHINE_ID"]


@pytest.mark.parametrize("form", ["json", "header"])
def test_a_request_is_answered_by_the_machine_of_its_user(make_fly, form):
    fly = started(make_fly, knobs_config(USERS, server={"replay": form}))
    for region in ("sea", "ord"):
        assert whereabouts(fly, BELLEVUE, region) == SEA and whereabouts(fly, BOSTON, region) == ORD
    replayed = fly.log(what="edge", text="replayed")
    assert [(each["machine"], each["instance"], each["to_region"]) for each in replayed] == [(SEA, ORD, ""), (ORD, SEA, "")]
    assert fly.codes == []


def test_the_whole_request_reaches_the_other_machine(make_fly):
    fly = started(make_fly)
    body = b"0123456789" * 50000
    answer = fly.ask("POST", BOSTON + "/upload?x=1", "sea", [("Authorization", "Basic eDp5"), ("Cookie", "a=1")], body)
    assert answer.status == 200
    seen = dict((name.lower(), value) for name, value in fly.get(BOSTON + "/echo", "sea", [("Cookie", "a=1")]).json()["headers"])
    assert seen["cookie"] == "a=1" and seen["fly-request-id"].endswith("-sea") and "state=atc.1" in seen["fly-replay-src"]
    assert fly.ask("POST", BELLEVUE + "/upload", "sea", (), body).body == answer.body, "as much as arrives without a replay"


@pytest.mark.parametrize("state", ["suspended", "stopped"])
def test_a_machine_that_sleeps_is_woken_by_the_request(make_fly, state):
    fly = started(make_fly)
    before = fly.get(BOSTON + "/whoami", "ord").json()["pid"]
    fly.bring(ORD, state)
    assert whereabouts(fly, BOSTON, "sea") == ORD
    assert (fly.get(BOSTON + "/whoami", "sea").json()["pid"] == before) == (state == "suspended")
    woken, = fly.log(what="edge", text="woken")
    assert (woken["machine"], woken["was"]) == (ORD, state)


def test_a_websocket_is_replayed_to_the_other_machine(make_fly):
    fly = started(make_fly)
    fly.bring(ORD, "suspended")
    with fly.wire("sea") as wire:
        wire.websocket(BOSTON + "/ws")
        wire.send_frame("hello")
        assert wire.frame() == (1, b"hello")
        assert fly.machine(ORD)["state"] == "started"


@pytest.mark.parametrize("size, status", [(1000000, 200), (1000001, 413)])
def test_a_body_beyond_the_replays_limit_is_413_before_the_edge_gives_up(make_fly, size, status):
    fly = started(make_fly)
    answer = fly.ask("POST", BOSTON + "/upload", "sea", (), b"a" * size)
    assert answer.status == status
    assert fly.codes == [], "the edge was not asked for what it cannot do"
    assert fly.ask("POST", BOSTON + "/upload", "ord", (), b"a" * size).status == 200


def test_a_machine_that_cannot_be_reached_is_an_honest_page(make_fly):
    fly = started(make_fly, knobs_config(USERS, server={"replay_timeout": "200ms"}))
    fly.order("machine", id=SEA, do="lose_host")
    answer = fly.get(BELLEVUE + "/whoami", "ord")
    assert (answer.status, answer.error) == (503, "replay_failed") and answer.header("Retry-After")


def test_machines_that_disagree_end_in_a_page_of_ours(make_fly):
    """Each says that the other one has the user."""
    config = knobs_config({"bellevue": {"machine": "${OWNER}", "tenants": ["2025/winter"]}})
    machines = [{**machine, "config": {"env": {"OWNER": other["id"]}}} for machine, other in zip(MACHINES, reversed(MACHINES))]
    fly = make_fly(config, machines)
    for machine in (SEA, ORD):
        fly.wait_output(machine, "serving on")
    answer = fly.get(BELLEVUE + "/", "sea")
    assert (answer.status, answer.error) == (503, "replay_loop")
    assert len(fly.log(what="edge", text="replayed")) <= 2 and fly.codes == []


SPOOFED = [("fly-replay-src", "instance=%s;region=ord;t=1;state=atc.2" % ORD), ("fly-replay-failed", "instance=%s;reason=timeout" % ORD),
           ("fly-client-ip", "192.0.2.1")]


@pytest.mark.parametrize("machine", [SEA, ORD])
def test_a_client_that_addresses_a_machine_gets_the_owner_all_the_same(make_fly, machine):
    fly = started(make_fly)
    for path, owner in ((BELLEVUE, SEA), (BOSTON, ORD)):
        answer = fly.get(path + "/whoami", "sea", [("fly-force-instance-id", machine), *SPOOFED])
        assert processes.environment(answer.json()["pid"])["FLY_MACHINE_ID"] == owner


def test_unknown_paths_wake_no_machine(make_fly):
    fly = started(make_fly)
    fly.bring(ORD, "stopped")
    with fly.wire("sea") as wire:
        assert {wire.get("/scan%d/x" % i).status for i in range(200)} == {404}
    assert fly.machine(ORD)["state"] == "stopped" and not fly.log(what="edge", text="woken")


def test_a_machine_on_another_host_is_found_again(make_fly):
    fly = started(make_fly)
    before = fly.machine(ORD)["private_ip"]
    fly.order("machine", id=ORD, do="migrate")
    assert whereabouts(fly, BOSTON, "sea") == ORD and fly.machine(ORD)["private_ip"] != before


def test_the_example_by_hand_works():
    example = yaml.safe_load((TEST / "flysim" / "example.yml").read_text())
    app = example["apps"]["calendar"]
    app["command"][0] = PROGRAM
    fly = Fly({"calendar": app}, edges={"sea": {}, "ord": {}})
    try:
        assert whereabouts(fly, BOSTON, "sea") == ORD and whereabouts(fly, BELLEVUE, "ord") == SEA, fly.log_sections()
    finally:
        complaint = fly.close()
        fly.remove()
    assert not complaint
