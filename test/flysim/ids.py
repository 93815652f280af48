"""ids.py - ULIDs, as versions and requests have them.
SPDX-License-Identifier: MIT
"""
import time
import uuid

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid():
    number = (int(time.time() * 1000) << 80) | uuid.uuid4().int >> 48
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
