"""waiting.py - retry until, never sleep.
SPDX-License-Identifier: MIT
"""
import os
import time

# A sanitizer build is slower by this much: every deadline of the tests is stretched by it.
SLOWNESS = float(os.environ.get("ATC_TEST_SLOWNESS", "1"))
PATIENCE = 30       # seconds: nothing is given up on earlier
MOST_CROWDED = 10


def crowding():
    """How many want each processor, now or in the last minute: 1 on a quiet machine."""
    with open("/proc/loadavg", encoding="ascii") as file:
        last_minute, _, _, tasks, _ = file.read().split()
    wanted = max(float(last_minute), float(tasks.partition("/")[0]))
    return min(max(wanted / os.cpu_count(), 1), MOST_CROWDED)


def stretched(seconds):
    """So many seconds of a quiet machine, on this one as it is now."""
    return seconds * SLOWNESS * crowding()


def wait_until(claim, timeout=10, what=None):
    """Call claim() until it returns something true, and return that.  An AssertionError counts as "not yet".

    That it comes at all is what a test waits for; the timeout says how long it takes at most on a quiet machine."""
    began = time.monotonic()
    pause = 0.002
    while True:
        failure = None
        try:
            result = claim()
            if result:
                return result
        except AssertionError as error:
            failure = error
        waited = time.monotonic() - began
        if waited > PATIENCE and waited > stretched(timeout):
            raise AssertionError("not within %gs: %s%s" % (
                waited, what or getattr(claim, "__name__", claim), "\n%s" % failure if failure else ""))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def holds_for(claim, seconds, what=None):
    """Fail as soon as claim() is not true within the time given; for what must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert claim(), what or "it did not hold for %gs" % seconds
        time.sleep(0.02)


def settled(measure, seconds=1):
    """What measure() returns once that has not changed for so long."""
    seen = [measure(), time.monotonic()]

    def rests():
        now = measure()
        if now != seen[0]:
            seen[:] = now, time.monotonic()
        return time.monotonic() - seen[1] >= seconds
    wait_until(rests, what="%s comes to rest" % getattr(measure, "__name__", "it"))
    return seen[0]
