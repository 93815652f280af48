"""layers.py - a file includes its own folder and folders of lower rank; the ranks stand in docs/architecture.md.

SPDX-License-Identifier: MIT
"""
import pathlib
import re

from checks.source import c_files, line_of, text

ARCHITECTURE = "docs/architecture.md"
RANK = re.compile(r"^\| `(?:src/)?([\w.]+)/?` \| (\d+) \|", re.M)
INCLUDE = re.compile(r'^#\s*include "([^"]+)"', re.M)


def ranks():
    """{"base": 0, …, "main.c": 7} from the table of the folders."""
    return {folder: int(rank) for folder, rank in RANK.findall(text(ARCHITECTURE))}


def folder_of(name):
    parts = pathlib.PurePath(name).parts
    return parts[1]


def check_include(name, header, rank_of):
    mine, theirs = folder_of(name), header.split("/")[0]
    if "/" not in header or theirs not in rank_of:
        return '"%s" is not of the form "folder/file.h"' % header
    if theirs != mine and rank_of[theirs] >= rank_of[mine]:
        return "%s (rank %d) includes %s (rank %d)" % (mine, rank_of[mine], theirs, rank_of[theirs])
    if theirs != mine and header.endswith("_int.h"):
        return "%s is private to %s" % (header, theirs)
    return None


def check_file(name, known, rank_of):
    content = text(name)
    found = list(INCLUDE.finditer(content))
    for include in found:
        problem = check_include(name, include.group(1), rank_of)
        if problem:
            yield "%s:%d: %s" % (name, line_of(content, include.start()), problem)
    own = name[:-1] + "h"
    if name.endswith(".c") and own in known and "src/" + found[0].group(1) != own:
        yield "%s:1: its own header comes first, so that it is known to stand alone" % name


def check():
    rank_of, names, faults = ranks(), c_files("src/"), []
    for name in names:
        if folder_of(name) in rank_of:
            faults += check_file(name, set(names), rank_of)
        else:
            faults.append("%s:1: %s has no rank in %s" % (name, folder_of(name), ARCHITECTURE))
    return faults
