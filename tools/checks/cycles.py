"""cycles.py - files that call each other in a circle, as the object files have it.

A circle is read and changed as one file, so none may have more than three.

SPDX-License-Identifier: MIT
"""
import collections
import concurrent.futures
import os
import pathlib
import subprocess

from checks.analysis import CACHE, DEFINES, stamp
from checks.source import ROOT, c_files

MOST = 3
# Folders that have a larger one still, of so many files: these numbers only become smaller.
LARGE = {"backup": 13, "config": 7, "control": 6, "process": 4}
FLAGS = ["-std=gnu17", "-Isrc", "-O1", "-w", *DEFINES]


def compiled(name):
    """The object file, made once for each text of the file and of what it includes."""
    target = stamp(name, "object", FLAGS).with_suffix(".o")
    if not target.exists():
        made = target.with_suffix(".%d" % os.getpid())
        subprocess.run(["cc", *FLAGS, "-c", name, "-o", str(made)], cwd=ROOT, check=True)
        made.rename(target)
    return str(target)


def calls():
    """file -> the files of which it names something."""
    CACHE.mkdir(parents=True, exist_ok=True)
    names = c_files("src/", (".c",))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        of_object = dict(zip(pool.map(compiled, names), names))
    listed = subprocess.run(["nm", "-A", "--extern-only", *of_object], check=True, capture_output=True, text=True)
    home, taken = {}, []
    for line in listed.stdout.splitlines():
        where, kind, symbol = line.rsplit(maxsplit=2)
        name = of_object[where.split(":")[0]]
        if kind == "U":
            taken.append((name, symbol))
        else:
            home[symbol] = name
    graph = collections.defaultdict(set)
    for name, symbol in taken:
        if home.get(symbol, name) != name:
            graph[name].add(home[symbol])
    return graph


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
    return ["%s:1: is in a circle of %d files that call each other; no more than %d may be: %s" % (
        min(circle), len(circle), most_in(circle), " ".join(sorted(circle)))
            for circle in sorted(circles(calls()), key=sorted) if len(circle) > most_in(circle)]
