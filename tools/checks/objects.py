"""objects.py - what the object files of src/ and tools/ define and name, without optimisation: nothing is inlined away.

SPDX-License-Identifier: MIT
"""
import collections
import concurrent.futures
import functools
import os
import subprocess

from checks.analysis import CACHE, DEFINES, stamp
from checks.source import ROOT, c_files

FLAGS = ["-std=gnu17", "-Isrc", "-O0", "-w", *DEFINES]
FUNCTIONS = "Tt"


def compiled(name):
    """The object file, made once for each text of the file and of what it includes."""
    target = stamp(name, "object", FLAGS).with_suffix(".o")
    if not target.exists():
        made = target.with_suffix(".%d" % os.getpid())
        if subprocess.run(["cc", *FLAGS, "-c", name, "-o", str(made)], cwd=ROOT, check=False).returncode:
            raise SystemExit("check: %s does not compile" % name)
        made.rename(target)
    return str(target)


@functools.cache
def symbols():
    """(file, kind, symbol) of each; the kind is a letter of nm(1): U names what others define, small ones are static."""
    CACHE.mkdir(parents=True, exist_ok=True)
    names = [name for folder in ("src/", "tools/") for name in c_files(folder, (".c",))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        of_object = dict(zip(pool.map(compiled, names), names))
    listed = subprocess.run(["nm", "-A", *of_object], check=True, capture_output=True, text=True)
    found = []
    for line in listed.stdout.splitlines():
        where, kind, symbol = line.rsplit(maxsplit=2)
        found.append((of_object[where.split(":")[0]], kind, symbol))
    return found


@functools.cache
def exported():
    """symbol -> the file that defines it for others; weak ones (V, W) stand in several."""
    return {symbol: name for name, kind, symbol in symbols() if kind.isupper() and kind not in "UVW"}


@functools.cache
def uses():
    """(file, symbol of another file) of each that is named."""
    return sorted({(name, symbol) for name, kind, symbol in symbols()
                   if kind == "U" and exported().get(symbol, name) != name})


@functools.cache
def calls():
    """file -> the files of which it names something."""
    graph = collections.defaultdict(set)
    for name, symbol in uses():
        graph[name].add(exported()[symbol])
    return graph


def functions():
    """function -> the files that have one of this name, in their object file."""
    found = collections.defaultdict(set)
    for name, kind, symbol in symbols():
        if kind in FUNCTIONS:
            found[symbol].add(name)
    return found
