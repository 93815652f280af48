"""A crash is noticed at once, costs only what was in flight, and never becomes a loop.
SPDX-License-Identifier: MIT
"""
import os
import signal

import pytest

import processes
from atc import WINTER, Background, knobs_config
from waiting import holds_for, wait_until
from wire import Closed

pytestmark = pytest.mark.usefixtures("spoken")


def test_the_next_request_after_a_crash_is_answered_by_a_new_process(atc):
    atc.start(knobs_config())
    first = atc.whoami()["pid"]
    response = atc.get(WINTER + "/crash")
    assert response.status == 502 and response.error == "upstream_closed"
    second = atc.get_until_ok(WINTER + "/whoami").json()
    assert second["pid"] != first and second["boots"] == 2


def test_requests_in_flight_get_a_clear_502(atc):
    atc.start(knobs_config())
    pid = atc.whoami()["pid"]
    slow = [Background(atc.get, WINTER + "/sleep?until=never", [("Accept", "application/json")]) for _ in range(5)]
    wait_until(lambda: atc.tenant()["in_flight"] == 5)
    os.kill(pid, signal.SIGKILL)
    for each in slow:
        response = each.result()
        assert response.status == 502 and response.error and response.json()


def test_an_answer_that_had_begun_is_cut_off(atc):
    atc.start(knobs_config())
    with atc.wire() as wire, pytest.raises(Closed):
        wire.get(WINTER + "/crash_in_body")
    assert atc.get_until_ok(WINTER + "/whoami").json()["boots"] == 2


def test_a_body_sent_while_the_port_refuses_is_not_lost(atc):
    """Between the death and its discovery connections are refused: the request waits, with all that belongs to it."""
    atc.start(knobs_config(max_restarts=1000))
    for size in (0, 1, 5000, 100000) * 4:
        with atc.wire(timeout=5) as wire:
            wire.get(WINTER + "/up")
            os.kill(atc.tenant()["pid"], signal.SIGKILL)
            statuses = [wire.ask("POST", WINTER + "/upload", body=b"x" * size).status for _ in range(4)]
        assert statuses[-1] == 200 and set(statuses) <= {200, 502}, statuses


def test_a_crash_without_requests_is_noticed_too(atc):
    atc.start(knobs_config())
    pid = atc.whoami()["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: atc.tenant()["pid"] != pid, 2)
    assert atc.whoami()["boots"] == 2
    wait_until(lambda: "killed" in atc.log.lower() or "signal 9" in atc.log)


def test_an_application_that_ends_by_itself_with_0_has_ended_all_the_same(atc):
    atc.start(knobs_config())
    atc.get(WINTER + "/crash?code=0")
    assert atc.get_until_ok(WINTER + "/whoami").json()["boots"] == 2


def test_grandchildren_of_a_crashed_tenant_end_before_the_next_start(atc):
    atc.start(knobs_config(env={"KNOBS_GRANDCHILD": "group"}))
    atc.get(WINTER + "/crash")
    atc.get_until_ok(WINTER + "/up")
    first, second = map(int, atc.lines("grandchildren"))
    assert not processes.is_alive(first) and processes.is_alive(second)


def test_too_many_crashes_in_the_window_are_a_failure(atc):
    atc.start(knobs_config(max_restarts=3, restart_window="1m"))
    for _ in range(3):
        assert atc.get(WINTER + "/crash").status == 502
        atc.get_until_ok(WINTER + "/up")
    atc.get(WINTER + "/say?text=famous+last+words")
    assert atc.get(WINTER + "/crash").status == 502
    atc.wait_state("failed")
    response = atc.get(WINTER + "/up")
    assert response.status == 503 and response.error == "start_failed"
    assert int(response.header("Retry-After")) >= 1
    tenant = atc.tenant()
    assert tenant["reason"] and any("famous last words" in line for line in tenant["last_output"])
    assert len(atc.boots()) == 4
    wait_until(lambda: atc.get(WINTER + "/up").status == 200, 10, "it is tried again after the back-off")


def test_crashes_outside_the_window_are_forgotten(atc):
    atc.start(knobs_config(max_restarts=1, restart_window="400ms"))
    for _ in range(4):
        assert atc.get(WINTER + "/up").status == 200
        assert atc.get(WINTER + "/crash").status == 502
        holds_for(lambda: True, 0.5)
    assert atc.get(WINTER + "/up").status == 200


def test_the_last_fifty_lines_are_kept(atc):
    atc.start(knobs_config(max_restarts=0))
    atc.get(WINTER + "/chatter?lines=80&len=5")
    atc.get(WINTER + "/crash")
    atc.wait_state("failed")
    output = atc.tenant()["last_output"]
    assert len(output) == 50 and output[-1].startswith("79 ") and output[0].startswith("30 ")


@pytest.mark.http1
def test_a_crash_with_an_open_event_stream_ends_the_stream(atc):
    atc.start(knobs_config())
    with atc.wire() as wire:
        wire.request("GET", WINTER + "/sse?n=100&gap=0.1")
        wire.head()
        events = wire.chunks()
        next(events)
        os.kill(atc.whoami()["pid"], signal.SIGKILL)
        with pytest.raises(Closed):
            for _ in events:
                pass


def test_a_failed_tenant_leaves_the_others_alone(atc):
    users = {"bellevue": {"tenants": ["2025/winter"]}, "boston": {"tenants": {"2025/april": {"env": {"KNOBS_EXIT": "1"}}}}}
    atc.start(knobs_config(users))
    assert atc.get("/boston/2025/april/up").status == 503
    assert atc.get(WINTER + "/up").status == 200
    assert (atc.state("boston/2025/april"), atc.state()) == ("failed", "running")
