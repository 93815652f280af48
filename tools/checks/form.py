"""form.py - how files look: clang-format, blanks, and no path of anybody's machine.

SPDX-License-Identifier: MIT
"""
import concurrent.futures
import os
import re
import subprocess

from checks.source import ROOT, c_files, files, line_of, text

ENDINGS = (".c", ".h")
# Directories in which people and their machines keep things.
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:home|root|Users|work|mnt|media)/[\w.-]+")
BLANKS = re.compile(r"[ \t]+$", re.M)
FORMATTED_BY_OTHERS = ("package-lock.json",)


def format_faults(name):
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", name], cwd=ROOT, text=True, check=False,
                            capture_output=True)
    lines = re.findall(r"^(\S+?:\d+):\d+: error: ", result.stderr, re.M)
    return ["%s: not as clang-format has it; try tools/check --fix" % lines[0]] if lines else []


def check_format():
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        faults = [fault for found in pool.map(format_faults, c_files(endings=ENDINGS)) for fault in found]
    for name in files():
        content = text(name)
        if not content or "/corpus/" in name or name.endswith(FORMATTED_BY_OTHERS):
            continue
        if not content.endswith("\n"):
            faults.append("%s: no newline at the end" % name)
        faults += ["%s:%d: blanks at the end of the line" % (name, line_of(content, found.start()))
                   for found in BLANKS.finditer(content)]
    return faults


def fix_format():
    subprocess.run(["clang-format", "-i", *c_files(endings=ENDINGS)], cwd=ROOT, check=True)


def check_paths():
    faults = []
    for name in files():
        content = text(name) or ""
        faults += ["%s:%d: a path of somebody's machine: %s" % (name, line_of(content, found.start()), found.group())
                   for found in MACHINE_PATH.finditer(content)]
    return faults
