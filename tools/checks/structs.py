"""structs.py - each struct has a name of its own, and not more members than can be kept in mind.

SPDX-License-Identifier: MIT
"""
import collections
import re

from checks.source import c_files, code, line_of

# A group counts as one, whatever is in it, and so does a list that comes from a .def.
MOST_MEMBERS = 24
STRUCT = re.compile(r"\b(?:struct|union)(?:\s+(\w+))?\s*\{")
NESTED = re.compile(r"\{[^{}]*\}")
INCLUDED = re.compile(r'^[ \t]*#[ \t]*include\b.*', re.M)
DIRECTIVE = re.compile(r"^[ \t]*#(?:.*\\\n)*.*", re.M)
BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")


def body_from(content, at):
    """What stands from here to the brace that closes."""
    depth, end = 1, at
    while depth and end < len(content):
        depth += {"{": 1, "}": -1}.get(content[end], 0)
        end += 1
    return content[at:end - 1]


def reduced(pattern, with_what, body):
    count = 1
    while count:
        body, count = pattern.subn(with_what, body)
    return body


def members(body):
    body = INCLUDED.sub("list;", body)
    body = DIRECTIVE.sub("", body)
    body = reduced(BRACKETS, "", reduced(NESTED, "", body))
    return sum(len(member.split(",")) for member in body.split(";") if member.strip())


def defined():
    """(name, file, line, number of members) of each struct that has a body."""
    for name in c_files("src/", (".c", ".h", ".def")):
        content = code(name)
        for found in STRUCT.finditer(content):
            yield found.group(1), name, line_of(content, found.start()), members(body_from(content, found.end()))


def check():
    faults, homes = [], collections.defaultdict(list)
    for struct, name, line, count in defined():
        if count > MOST_MEMBERS:
            faults.append("%s:%d: struct %s has %d members; at most %d, a group counts as one" % (
                name, line, struct or "without a name", count, MOST_MEMBERS))
        if struct:
            homes[struct].append((name, line))
    for struct, places in homes.items():
        if len(places) > 1:
            faults += ["%s:%d: struct %s is another one in %s" % (
                *place, struct, " ".join(sorted({other for other, _ in places if other != place[0]} or {place[0]})))
                for place in places]
    return sorted(faults)
