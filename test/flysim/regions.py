"""regions.py - where the regions are, what their aliases mean, and which is nearer.
SPDX-License-Identifier: MIT
"""
import math

PLACES = {  # latitude, longitude
    "ams": (52.4, 4.9), "arn": (59.3, 18.1), "bom": (19.1, 72.9), "cdg": (48.9, 2.4), "dfw": (32.8, -96.8), "ewr": (40.7, -74.2),
    "fra": (50.1, 8.7), "gru": (-23.5, -46.6), "iad": (39.0, -77.5), "jnb": (-26.2, 28.0), "lax": (34.1, -118.2), "lhr": (51.5, -0.1),
    "nrt": (35.7, 139.7), "ord": (41.9, -87.6), "sin": (1.3, 103.8), "sjc": (37.3, -121.9), "syd": (-33.9, 151.2), "yyz": (43.7, -79.4),
    "sea": (47.6, -122.3),  # it is gone, and still in examples
}
US = {"dfw", "ewr", "iad", "lax", "ord", "sjc", "sea"}
ALIASES = {"us": US, "usa": US, "na": US | {"yyz"}, "sa": {"gru"}, "eu": {"ams", "arn", "cdg", "fra", "lhr"},
           "apac": {"bom", "nrt", "sin", "syd"}}


def distance(one, other):
    """A measure that grows with the way between two regions."""
    if one == other:
        return 0.0
    if one not in PLACES or other not in PLACES:
        return 9.0
    (a, b), (c, d) = [tuple(map(math.radians, PLACES[name])) for name in (one, other)]
    cosine = math.sin(a) * math.sin(c) + math.cos(a) * math.cos(c) * math.cos(b - d)
    return math.acos(max(-1.0, min(1.0, cosine)))


def rank(wanted, region):
    """The place of a region in an ordered list of regions and aliases; None where it is not meant."""
    for i, name in enumerate(wanted):
        if name == region or name == "any" or region in ALIASES.get(name, ()):
            return i
    return None
