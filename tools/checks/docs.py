"""docs.py - the tables of settings and of messages in the documentation are those of the program; the manuals are
well-formed.

SPDX-License-Identifier: MIT
"""
import re
import shutil
import subprocess

from checks.source import ROOT, files

# What stands between these two lines is what the program of build/tools prints with these words.
TABLES = {
    "docs/configuration.md": [
        (["config-keys", name], "<!-- %s: begin -->\n" % name, "<!-- %s: end -->\n" % name)
        for name in ("settings", "told", "presets", "databases")],
    "man/fly-atc.yml.5": [
        (["config-keys", name + ".mdoc"], '.\\" %s: begin\n' % name, '.\\" %s: end\n' % name)
        for name in ("settings", "told")],
    "docs/architecture.md": [
        (["messages", name], "<!-- %s: begin -->\n" % name, "<!-- %s: end -->\n" % name)
        for name in ("channel", "opening", "guard")],
    "docs/events.md": [(["messages", "events"], "<!-- events: begin -->\n", "<!-- events: end -->\n")],
}
LINT = re.compile(r"^mandoc: (\S+?):(\d+):\d+: (?:WARNING|ERROR|UNSUPP): (.*)", re.M)
# It knows the manuals of this machine only.
NOT_A_FAULT = "referenced manual not found"


def table(words):
    program, words = "tools/" + words[0], words[1:]
    subprocess.run(["ninja", "-C", str(ROOT / "build"), program], check=True, capture_output=True)
    return subprocess.run([ROOT / "build" / program, *words], check=True, capture_output=True).stdout.decode()


def renewed(name):
    """The text of a document with the tables that it should have."""
    content = right = (ROOT / name).read_text()
    for which, begin, end in TABLES[name]:
        head, found, rest = right.partition(begin)
        if not found:
            return content, None
        right = head + begin + table(which) + end + rest.partition(end)[2]
    return content, right


def check_tables():
    if not (ROOT / "build" / "build.ninja").is_file():
        return ["build/ is not configured: run script/setup"]
    faults = []
    for name in TABLES:
        if not (ROOT / name).is_file():
            faults.append("%s: is missing" % name)
            continue
        content, right = renewed(name)
        if right is None:
            faults.append("%s:1: a line that begins a table is missing" % name)
        elif right != content:
            faults.append("%s:1: its tables are not those of the program; try tools/check --fix" % name)
    return faults


def fix_tables():
    for name in TABLES:
        if (ROOT / name).is_file():
            content, right = renewed(name)
            if right is not None and right != content:
                (ROOT / name).write_text(right)


def check_manuals():
    pages = [name for name in files() if name.startswith("man/")]
    if not shutil.which("mandoc"):
        return ["mandoc is missing: script/setup installs it"]
    result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *pages], cwd=ROOT, text=True, check=False,
                            capture_output=True)
    return ["%s:%s: %s" % found for found in LINT.findall(result.stdout + result.stderr)
            if NOT_A_FAULT not in found[2]]
