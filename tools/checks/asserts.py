"""asserts.py - how much of what must hold is asserted, and whether each word of base/magic.h is its own.

SPDX-License-Identifier: MIT
"""
import re

from checks.source import c_files, code, line_of, text

LEAST = 10  # assertions in a thousand lines of src/, comments and empty ones counted
ASSERTION = re.compile(r"\b(?:assert|MAGIC_CHECK|MAGIC_END)\(")
MAGIC = re.compile(r"(\w+_MAGIC) = MAGIC\((.*?)\)")
# In what initialises an object, or beside it.
WRITTEN = re.compile(r"(?:MAGIC_BEGIN\(\w+, |\.magic = )(\w+_MAGIC)")
HEADER = "src/base/magic.h"


def check_words(names):
    texts = {name: text(name) for name in names}
    owner = {}
    written = {word for content in texts.values() for word in WRITTEN.findall(content)}
    for name, content in texts.items():
        for found in MAGIC.finditer(content):
            word, letters = found.groups()
            where = "%s:%d: %s" % (name, line_of(content, found.start()), word)
            if letters in owner:
                yield "%s has the letters of %s" % (where, owner[letters])
            owner[letters] = word
            if word not in written:
                yield "%s is never written" % where


def check():
    names = [name for name in c_files("src/") if name != HEADER]
    faults = list(check_words(names))
    lines = sum(code(name).count("\n") for name in names)
    count = sum(len(ASSERTION.findall(code(name))) for name in names)
    if count * 1000 < lines * LEAST:
        faults.append("%s:1: %d assertions in %d lines; at least %d in a thousand" % (HEADER, count, lines, LEAST))
    return faults
