"""cycles.py - files that call each other in a circle, as the object files have it.

A circle is read and changed as one file, so none may have more than three.

SPDX-License-Identifier: MIT
"""
import pathlib

from checks.objects import calls

MOST = 3
# Folders that have a larger one still, of so many files: these numbers only become smaller.
LARGE = {}


def reached(graph, start):
    seen, todo = set(), [start]
    while todo:
        for name in graph.get(todo.pop(), set()) - seen:
            seen.add(name)
            todo.append(name)
    return seen


def circles(graph):
    """The sets of files of which each leads to each."""
    reach = {name: reached(graph, name) for name in graph}
    return {frozenset(other for other in reach[name] if name in reach.get(other, ())) for name in graph
            if name in reach[name]}


def most_in(circle):
    return max(LARGE.get(pathlib.PurePath(name).parts[1], MOST) for name in circle)


def check():
    found = circles(calls())
    faults = ["%s:1: is in a circle of %d files that call each other; no more than %d may be: %s" % (
        min(circle), len(circle), most_in(circle), " ".join(sorted(circle)))
        for circle in sorted(found, key=sorted) if len(circle) > most_in(circle)]
    for folder, most in LARGE.items():
        largest = max((len(circle) for circle in found if any(name.startswith("src/%s/" % folder) for name in circle)),
                      default=0)
        if largest < most:
            faults.append("tools/checks/cycles.py:1: the largest circle of %s has %d files now: LARGE says %d" % (
                folder, largest, most))
    return faults
