"""shape.py - the size of files and functions, and what a file says about itself at its top.

SPDX-License-Identifier: MIT
"""
import os
import re

from checks.source import ROOT, c_files, code, files, line_of, text

MAX_FILE = 800
MAX_FUNCTION = 80
LICENCE = "SPDX-License-Identifier: MIT"
TOP = 4096  # characters in which a file has said under which licence it is
# Functions there may hold long tables of cases.
TABLES = "test/unit/"
# A function's body stands between a '{' and a '}' at the left edge.
BODY = re.compile(r"^\{$.*?^\}", re.M | re.S)


# They stand for the applications of others.
APPLICATIONS = "test/apps/"


def is_script(name):
    has_line = (text(name) or "").startswith("#!") and os.access(ROOT / name, os.X_OK)
    return (name.endswith(".py") or has_line) and not name.startswith(APPLICATIONS)


def check_c_top(name):
    """Its name and what it is for, then the licence."""
    content = text(name)
    title = "/* %s - " % os.path.basename(name)
    if not content.startswith(title):
        yield "%s:1: begins with %s…" % (name, title)
    if not re.match(r"/\*.*?\*/\n/\* %s \*/\n" % LICENCE, content, re.S):
        yield "%s:2: the licence follows the first comment" % name


def check_script_top(name):
    content = text(name)[:TOP]
    if not re.match(r'(#!.*\n)?(""")?(# )?\w.* ', content):
        yield "%s:1: says at its top what it is for" % name
    if LICENCE not in content:
        yield "%s:2: no %s" % (name, LICENCE)


def check_sizes(name):
    content = code(name)
    lines = content.count("\n")
    if lines > MAX_FILE:
        yield "%s:1: %d lines; more than %d are more than one noun" % (name, lines, MAX_FILE)
    for body in BODY.finditer("" if name.startswith(TABLES) else content):
        lines = body.group().count("\n") - 1
        if lines > MAX_FUNCTION:
            yield "%s:%d: a function of %d lines; at most %d" % (
                name, line_of(content, body.start()), lines, MAX_FUNCTION)


def check_comments(name):
    content = re.sub(r'"(?:\\.|[^"\\\n])*"|/\*.*?\*/', lambda m: re.sub(r"[^\n]", " ", m.group()), text(name),
                     flags=re.S)
    for found in re.finditer(r"//", content):
        yield "%s:%d: // marks work that is not done; comments are /* */" % (name, line_of(content, found.start()))


def check():
    faults = []
    for name in c_files():
        faults += [*check_c_top(name), *check_sizes(name), *check_comments(name)]
    for name in files():
        if is_script(name):
            faults += check_script_top(name)
    return faults
