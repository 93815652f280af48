"""analysis.py - clang-tidy and cppcheck; what was found clean is not looked at again until it changes.

SPDX-License-Identifier: MIT
"""
import concurrent.futures
import functools
import hashlib
import os
import re
import subprocess

from checks.source import ROOT, c_files, text

CACHE = ROOT / "build" / "check-cache"
INCLUDE = re.compile(r'^#\s*include "([^"]+)"', re.M)
DEFINES = ["-D_GNU_SOURCE", '-DFLY_ATC_VERSION="0"']
# A third of the nodes that the analyser may visit finds the same, in a third of the time.
FLAGS = ["-std=gnu17", "-Isrc", *DEFINES, "-Xclang", "-analyzer-config", "-Xclang", "max-nodes=75000"]
# What read(2) or a callee fills through a pointer in a struct, cppcheck takes for uninitialised; gcc and clang see it.
UNSEEN = ["--suppress=%s" % name for name in ("missingInclude", "uninitvar", "legacyUninitvar", "ctuuninitvar")]
FAULT = re.compile(r"^\S+:\d+:\d+: (?:warning|error): .*", re.M)
TIDY_FOLDERS = ("src/", "test/fuzz/", "tools/")


@functools.cache
def included(name):
    """The file, and all of the project's headers that it sees."""
    seen, todo = set(), [name]
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        todo += ["src/" + header for header in INCLUDE.findall(text(at)) if (ROOT / "src" / header).is_file()]
    return sorted(seen)


def stamp(name, *extra):
    """Where it is noted that this very text, with all that it includes, was clean."""
    digest = hashlib.sha256(repr(extra).encode())
    for part in included(name):
        digest.update(part.encode() + b"\0" + text(part).encode() + b"\0")
    return CACHE / digest.hexdigest()


@functools.cache
def version(program):
    return subprocess.run([program, "--version"], check=True, capture_output=True).stdout


def tidy_faults(name):
    clean = stamp(name, version("clang-tidy"), (ROOT / ".clang-tidy").read_bytes(), FLAGS)
    if clean.exists():
        return []
    result = subprocess.run(["clang-tidy", "--quiet", name, "--", *FLAGS], cwd=ROOT, text=True, check=False,
                            capture_output=True)
    faults = [fault.replace(str(ROOT) + "/", "") for fault in FAULT.findall(result.stdout)]
    if not faults and result.returncode:
        faults = ["%s: clang-tidy failed: %s" % (name, result.stderr.strip()[-500:])]
    if not faults:
        clean.touch()
    return faults


def check_tidy():
    CACHE.mkdir(parents=True, exist_ok=True)
    names = [name for folder in TIDY_FOLDERS for name in c_files(folder, (".c",))]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [fault for faults in pool.map(tidy_faults, names) for fault in faults]
    return sorted(set(found))


def check_cppcheck():
    directory = CACHE / "cppcheck"
    directory.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(
        ["cppcheck", "--quiet", "--inline-suppr", "--enable=warning,portability,performance", "--std=c11",
         "--language=c", "--template={file}:{line}: {severity}: {message} [{id}]", "--error-exitcode=1",
         "--cppcheck-build-dir=%s" % directory, "-j%d" % os.cpu_count(), "-Isrc", *DEFINES, *UNSEEN,
         "--library=%s" % (ROOT / "tools" / "checks" / "cppcheck.cfg"), "src"],
        cwd=ROOT, text=True, check=False, capture_output=True)
    faults = [line for line in result.stderr.splitlines() if re.match(r"\S+:\d+: ", line)]
    if result.returncode and not faults:
        faults = ["cppcheck failed: %s" % result.stderr.strip()[-500:]]
    return sorted(set(faults))
