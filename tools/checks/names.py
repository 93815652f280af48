"""names.py - what is given a name: that somebody uses it, that it is given once, and that it calls nothing above it.

SPDX-License-Identifier: MIT
"""
import collections
import functools
import re

from checks.layers import folder_of, ranks
from checks.objects import calls, exported, functions, symbols, uses
from checks.source import ROOT, c_files, code, line_of, text

MOST_OF_A_NAME = 2
# What is in a header for the tests alone stands after a comment that begins so.
FOR_TESTS = re.compile(r"/\* For tests:(?:(?!\*/).)*\*/\n[^;{]*?\b(\w+)\(", re.S)
INLINE = re.compile(r"^static inline [^;{=]*?\b(\w+)\(", re.M)
# A name with its body, at the left edge.
DEFINED = r"^\w[^;{}=#\n]*\b%s\([^;{}]*\)\n\{"
WORD = re.compile(r"\w+")


def place(name, symbol):
    """file:line of a definition or declaration."""
    content = code(name)
    found = re.search(DEFINED % symbol, content, re.M) or re.search(r"\b%s\b" % symbol, content)
    return "%s:%d" % (name, line_of(content, found.start()) if found else 1)


@functools.cache
def words():
    """How often each word stands in src/ and tools/, comments and literals left out."""
    return collections.Counter(word for folder in ("src/", "tools/") for name in c_files(folder)
                               for word in WORD.findall(code(name)))


def inlines():
    """function -> the header that has all of it."""
    return {symbol: name for name in c_files("src/", (".h",)) for symbol in INLINE.findall(code(name))}


def for_tests():
    """symbol -> the header that says that it is there for the tests."""
    return {symbol: name for name in c_files("src/", (".h",)) for symbol in FOR_TESTS.findall(text(name))}


def tested():
    return {word for name in c_files("test/", (".c", ".h")) for word in WORD.findall(code(name))}


def check_used():
    """What is offered to other files is used by one; what only tests use says so in its header."""
    used, told, in_tests = {symbol for _, symbol in uses()}, for_tests(), tested()
    offered = {symbol: name for symbol, name in exported().items() if symbol != "main"}
    faults = []
    for symbol, name in offered.items():
        if symbol in used and symbol in told:
            faults.append("%s: %s is said to be for tests, and used in src" % (place(told[symbol], symbol), symbol))
        elif symbol not in used and symbol not in in_tests:
            faults.append("%s: %s is used by no other file" % (place(name, symbol), symbol))
        elif symbol not in used and symbol not in told:
            faults.append("%s: %s is used by tests only, and its header does not say so" % (place(name, symbol), symbol))
    faults += ["%s: %s is said to be for tests, and is not there" % (place(name, symbol), symbol)
               for symbol, name in told.items() if symbol not in offered]
    faults += ["%s: %s is used by nobody" % (place(name, symbol), symbol)
               for symbol, name in inlines().items() if words()[symbol] < 2]
    return sorted(faults)


def check_functions():
    """A name that many functions have says little about any."""
    faults, whole = [], inlines()
    for symbol, names in functions().items():
        homes = {whole[symbol]} if symbol in whole else {
            name for name in names if name.startswith("src/") and re.search(DEFINED % symbol, code(name), re.M)}
        if len(homes) > MOST_OF_A_NAME:
            faults += ["%s: %s is the name of %d functions; at most %d" % (
                place(name, symbol), symbol, len(homes), MOST_OF_A_NAME) for name in sorted(homes)]
    return sorted(faults)


def check_up():
    """A file calls its own folder and those of lower rank, however it came to know the name."""
    rank_of, faults = ranks(), []
    for name, callees in calls().items():
        if not name.startswith("src/"):
            continue
        mine = folder_of(name)
        faults += ["%s:1: %s (rank %d) calls %s of %s (rank %d)" % (
            name, mine, rank_of[mine], " ".join(sorted(s for n, s in uses() if n == name and exported()[s] == callee)),
            callee, rank_of[folder_of(callee)])
            for callee in sorted(callees) if folder_of(callee) != mine and rank_of[folder_of(callee)] >= rank_of[mine]]
    return sorted(faults)


def check():
    return check_used() + check_functions() + check_up()
