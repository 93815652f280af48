"""Requests at every moment of a stop, a crash, a proxy's death: none is lost, none is done twice.
SPDX-License-Identifier: MIT
"""
import contextlib
import itertools
import os
import random
import signal
import threading
import time
from collections import Counter

import pytest

from atc import WINTER, Background, knobs_config
from waiting import wait_until
from wire import Closed

pytestmark = pytest.mark.usefixtures("spoken")


class Clients:
    """n threads that send numbered requests until told to end; remembers every answer by its number."""

    def __init__(self, atc, n, method="POST", pause=0.0, reconnect=True):
        self.atc, self.method, self.pause, self.reconnect = atc, method, pause, reconnect
        self.numbers, self.answers, self.done = itertools.count(), {}, threading.Event()
        self.threads = [Background(self.run, i) for i in range(n)]

    def run(self, seed):
        dice = random.Random(seed)
        wire = None
        while not self.done.is_set():
            number = "%s-%d" % (self.method, next(self.numbers))
            try:
                wire = wire or self.atc.wire()
                body = b"x" * dice.choice([0, 1, 5000]) if self.method == "POST" else None
                response = wire.ask(self.method, WINTER + "/once?id=" + number, body=body)
                self.answers[number] = response
                if (response.header("Connection") or "").lower() == "close":
                    wire.close()
                    wire = None
            except ConnectionRefusedError:
                raise
            except (AssertionError, OSError) as error:
                self.answers[number] = error
                wire.close()
                wire = None
            time.sleep(self.pause * dice.random())
        if wire:
            wire.close()

    def end(self):
        self.done.set()
        for thread in self.threads:
            thread.result(90)
        return self.answers


def kill_running(atc, killed):
    """A crash of what serves; one that dies while it starts has failed, and is tried again only after a pause."""
    tenant = atc.tenant()
    if tenant["state"] == "running":
        with contextlib.suppress(ProcessLookupError):     # it has died, and is about to be told of
            os.kill(tenant["pid"], signal.SIGKILL)
            killed.append(tenant["pid"])


def good(answers):
    return {number for number, answer in answers.items() if getattr(answer, "status", 0) == 200}


def disturb(clients, disturbance, is_enough, pause=0.3):
    """At any moments, until it is enough and a hundred requests were answered: what counts is what was done, not how long it took."""
    def has_been_enough():
        time.sleep(random.random() * pause)
        disturbance()
        return is_enough() and len(good(dict(clients.answers))) > 100
    wait_until(has_been_enough, 60, "enough of both")
    return clients.end()


def test_no_request_is_lost_or_doubled_by_stops(atc):
    """The tenant stops dozens of times, by hand and by idleness, while requests come at all moments."""
    atc.start(knobs_config(idle_timeout="30ms", server={"log_level": "info"}))
    clients = Clients(atc, 3, pause=0.12)

    def stop():
        """Now, whatever it does, or once it has answered again: on a slow machine it would else never come to that."""
        answered = len(clients.answers)
        if random.random() < 0.5:
            wait_until(lambda: len(clients.answers) > answered)
        atc.control("POST", "/v1/tenants/bellevue/2025/winter/stop")
    answers = disturb(clients, stop, lambda: len(atc.boots()) > 30, pause=0.1)
    bad = {number: answer for number, answer in answers.items() if number not in good(answers)}
    assert not bad, bad
    assert Counter(atc.lines("journal")) == Counter(list(answers))


def test_crashes_cost_only_what_was_in_flight(atc):
    atc.start(knobs_config(max_restarts=1000, server={"log_level": "info"}))
    atc.get(WINTER + "/up")
    killed = []
    answers = disturb(Clients(atc, 4), lambda: kill_running(atc, killed), lambda: len(killed) >= 25)
    journal = Counter(atc.lines("journal"))
    assert max(journal.values()) == 1, "done twice: %s" % [number for number, n in journal.items() if n > 1]
    assert good(answers) <= set(journal), "answered 200 and never done"
    for number in set(answers) - good(answers):
        answer = answers[number]
        assert getattr(answer, "status", 0) == 502 or isinstance(answer, Closed), answer
    assert len(set(answers) - good(answers)) <= len(killed) * 4 * 5


def test_idempotent_requests_survive_crashes_without_being_doubled_in_an_answer(atc):
    atc.start(knobs_config(max_restarts=1000, server={"log_level": "info"}))
    atc.get(WINTER + "/up")
    killed = []
    answers = disturb(Clients(atc, 4, method="GET"), lambda: kill_running(atc, killed), lambda: len(killed) >= 15)
    for number in good(answers):
        assert answers[number].text == number + "\n", "an answer for another request"


def test_kill_9_of_the_proxy_refuses_no_connection_and_doubles_nothing(atc):
    atc.start(knobs_config(server={"log_level": "info"}))
    atc.proxy_may_change = True
    pid = atc.whoami()["pid"]

    def kill():
        killed.append(wait_until(atc.proxy_pid))
        os.kill(killed[-1], signal.SIGKILL)
        wait_until(lambda: atc.proxy_pid() not in (None, killed[-1]))
    killed = []
    answers = disturb(Clients(atc, 4), kill, lambda: len(killed) >= 15)
    journal = Counter(atc.lines("journal"))
    assert max(journal.values()) == 1
    assert good(answers) <= set(journal)
    assert atc.whoami()["pid"] == pid


def test_the_end_of_fly_atc_finishes_what_it_took(atc):
    """SIGTERM while four clients ask: an answer of 200 was done once; what got no answer was done at most once."""
    atc.start(knobs_config(server={"log_level": "info"}))
    atc.get(WINTER + "/up")
    clients = Clients(atc, 4)
    wait_until(lambda: len(clients.answers) > 100)
    clients.done.set()
    atc.stop(0)
    answers = {}
    for thread in clients.threads:
        try:
            thread.result(30)
        except ConnectionRefusedError:
            pass
    answers = clients.answers
    journal = Counter(atc.lines("journal"))
    assert max(journal.values()) == 1 and good(answers) <= set(journal)


def test_a_wave_of_requests_meets_each_phase_of_a_start(atc):
    """Requests every few milliseconds from before the first until after the start: all are answered by one process."""
    atc.start(knobs_config(env={"KNOBS_BOOT_DELAY": "0.5"}))
    asked, behind = [], 0
    while behind < 50:
        behind += atc.state() == "running"
        asked.append(Background(atc.post, WINTER + "/once?id=%d" % len(asked), b"x"))
        time.sleep(0.006)
    assert all(each.result().status == 200 for each in asked)
    assert Counter(atc.lines("journal")) == Counter(str(i) for i in range(len(asked)))
    assert len(atc.boots()) == 1
