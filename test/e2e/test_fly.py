"""A fleet on the double of Fly.io: the right machine answers, through the edge, awake or not.
SPDX-License-Identifier: MIT
"""
import pytest
import yaml

import processes
from atc import PROGRAM, knobs_config
from fly import TEST, Fly

SEA, ORD, PRINTER = "148e45d7c20978", "3d8d413b29d638", "5683d413b29d63"
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


# --- the marker ---

SECRET = {"FLY_ATC_FLEET_SECRET": "a secret of the fleet's own"}


def disagreeing(make_fly, **more):
    """Each says that the other one has the user."""
    config = knobs_config({"bellevue": {"machine": "${OWNER}", "tenants": ["2025/winter"]}}, **more)
    machines = [{**machine, "config": {"env": {"OWNER": other["id"]}}} for machine, other in zip(MACHINES, reversed(MACHINES))]
    fly = make_fly(config, machines, environment=SECRET)
    for machine in (SEA, ORD):
        fly.wait_output(machine, "serving on")
    return fly


def test_with_a_secret_machines_that_disagree_end_in_a_page_that_names_both(make_fly):
    fly = disagreeing(make_fly)
    answer = fly.get(BELLEVUE + "/", "sea")
    assert (answer.status, answer.error) == (503, "replay_loop")
    assert "machine %s has sent it here" % SEA in answer.text and "served by machine %s" % SEA in answer.text
    assert "do not know the same users" in answer.text
    assert len(fly.log(what="edge", text="replayed")) == 1 and fly.codes == []


def test_with_a_secret_a_client_writes_no_loop_even_where_the_edge_strips_nothing(make_fly):
    fly = started(make_fly, environment=SECRET, switches={"trust_client_fly_headers": True})
    for path, owner in ((BELLEVUE, SEA), (BOSTON, ORD)):
        for region in ("sea", "ord"):
            for spoofed in SPOOFED[:1], SPOOFED[2:]:
                answer = fly.get(path + "/whoami", region, spoofed)
                assert answer.status == 200 or answer.error in ("misdirected", "peer_unreachable"), answer
                assert answer.status != 200 or processes.environment(answer.json()["pid"])["FLY_MACHINE_ID"] == owner


# --- the replay cache ---

def test_what_the_edge_remembers_goes_straight_to_the_owner(make_fly):
    fly = started(make_fly, knobs_config(USERS, server={"replay_cache": "1m"}))
    for _ in range(3):
        assert whereabouts(fly, BELLEVUE, "ord") == SEA
    assert len(fly.log(what="edge", text="replayed")) == 1
    seen = dict((name.lower(), value) for name, value in fly.get(BELLEVUE + "/echo", "ord").json()["headers"])
    assert seen["fly-replay-cache-status"] == "hit" and "fly-replay-src" not in seen
    fly.bring(SEA, "stopped")
    assert whereabouts(fly, BELLEVUE, "ord") == SEA, "it is woken that way, too"
    assert fly.codes == []


def test_what_the_edge_remembers_wrongly_heals_itself(make_fly):
    """Both machines learn that the user has moved; the edge does not."""
    config = knobs_config(USERS, server={"replay_cache": "10m"})
    fly = started(make_fly, config)
    assert whereabouts(fly, BELLEVUE, "ord") == SEA
    fly.write({**config, "users": {**USERS, "bellevue": {"machine": ORD, "tenants": ["2025/winter"]}}})
    for machine in (SEA, ORD):
        fly.control(machine, "POST", "/v1/reload")
    for _ in range(3):
        assert whereabouts(fly, BELLEVUE, "ord") == ORD
    assert fly.codes == []
    assert [line["machine"] for line in fly.log(what="edge", text="replayed")] == [ORD, SEA], "once to learn, once to forget"


# --- appliances ---

def test_an_appliance_is_another_app_that_is_asked_from_every_machine(make_fly):
    config = {**CONFIG, "appliances": {"/*/*/whoami": {"app": "printer"}}}
    fly = started(make_fly, config, other_apps={"printer": (knobs_config(), [{"id": PRINTER, "region": "sea"}])})
    fly.wait_output(PRINTER, "serving on")
    for region in ("sea", "ord"):
        assert whereabouts(fly, BELLEVUE, region, host="calendar.fly.dev") == PRINTER
        assert fly.get("/nobody/x/whoami", region, host="calendar.fly.dev").status == 404
    assert fly.get(BELLEVUE + "/echo", "sea", host="calendar.fly.dev").status == 200
    assert [(line["app"], line["machine"]) for line in fly.log(what="edge", text="replayed")] == [("printer", SEA), ("printer", ORD)]
    assert fly.codes == []
