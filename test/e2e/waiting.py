"""waiting.py - retry until, never sleep.
SPDX-License-Identifier: MIT
"""
import os
import time

# A sanitizer build, or a busy machine, is slower: every deadline of the tests is stretched by this.
SLOWNESS = float(os.environ.get("ATC_TEST_SLOWNESS", "1"))


def stretched(seconds):
    return seconds * SLOWNESS


def wait_until(claim, timeout=10, what=None):
    """Call claim() until it returns something true, and return that.  An AssertionError counts as "not yet"."""
    deadline = time.monotonic() + stretched(timeout)
    pause = 0.002
    while True:
        failure = None
        try:
            result = claim()
            if result:
                return result
        except AssertionError as error:
            failure = error
        if time.monotonic() > deadline:
            raise AssertionError("not within %gs: %s%s" % (
                stretched(timeout), what or getattr(claim, "__name__", claim), "\n%s" % failure if failure else ""))
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def holds_for(claim, seconds, what=None):
    """Fail as soon as claim() is not true within the time given; for what must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert claim(), what or "it did not hold for %gs" % seconds
        time.sleep(0.02)
