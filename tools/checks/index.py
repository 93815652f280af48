"""index.py - docs/source.md has each file of src/ once, with what its top says; docs/architecture.md the steps of a request;
and the links and files that a document names are there.

Decisions are left out: they tell of their day.

SPDX-License-Identifier: MIT
"""
import functools
import pathlib
import re

from checks.layers import ARCHITECTURE, ranks
from checks.source import ROOT, files, line_of, text

INDEX = "docs/source.md"
STEPS = "src/proxy/exchange.def"
STEP = re.compile(r"^STEP\((\w+), (\w+),", re.M)
BEGIN, END = "<!-- source: begin -->\n", "<!-- source: end -->\n"
ENDINGS = (".h", ".c", ".def")
# "/* name.c - what it is.": the first paragraph.
TOP = re.compile(r"/\* \S+ - (.*?)(?:\*/|\n \*\n)", re.S)
# Up to the full stop before another sentence.
SENTENCE = re.compile(r"(.*?\.)\s+(?=[A-Z])")
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.M)
# `proxy/held.c`, `held.c`, `src/proxy/held.c`, `docs/`, `tools/check`.
NAMED = re.compile(r"`([\w.-]+(?:/[\w.-]+)*/?)`")
SOURCES = (".c", ".h", ".def")
OURS = ("src/", "docs/", "test/", "tools/", "script/", "bench/", "packaging/", "man/", "findings/", "examples/")


def saying(name):
    """The first sentence of a file's top."""
    found = TOP.match(text(name))
    words = " ".join(found.group(1).replace("\n *", " ").split()) if found else ""
    sentence = SENTENCE.match(words)
    return (sentence.group(1) if sentence else words).replace("|", "\\|").replace("<", "&lt;")


def nouns():
    """{"proxy": {"held": [".h", ".c"]}}: a file and its header are one."""
    found = {}
    for name in files():
        path = pathlib.PurePath(name)
        if path.parts[0] == "src" and path.suffix in ENDINGS:
            folder = path.parts[1] if len(path.parts) > 2 else "main.c"
            found.setdefault(folder, {}).setdefault(path.stem, []).append(path.suffix)
    return found


def row(folder, stem, endings):
    endings = sorted(endings, key=ENDINGS.index)
    where = "src/" if folder == "main.c" else "src/%s/" % folder
    first = "[`%s%s`](../%s%s%s)" % (stem, endings[0], where, stem, endings[0])
    return "| %s | %s |\n" % (" ".join([first] + ["`%s`" % ending for ending in endings[1:]]),
                              saying(where + stem + endings[0]))


def table():
    found, out = nouns(), []
    for folder in sorted(found, key=lambda name: ranks().get(name, 99)):
        out.append("\n## %s\n\n| file | |\n|---|---|\n" % (folder if folder == "main.c" else "%s/" % folder))
        out += [row(folder, stem, endings) for stem, endings in sorted(found[folder].items())]
    return "".join(out) + "\n"


def renewed():
    content = (ROOT / INDEX).read_text()
    head, _, rest = content.partition(BEGIN)
    return content, head + BEGIN + table() + END + rest.partition(END)[2]


def fix():
    if (ROOT / INDEX).is_file():
        content, right = renewed()
        if right != content:
            (ROOT / INDEX).write_text(right)


def anchors(name):
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text(name))}


def check_link(name, target):
    if "://" in target or target.startswith("mailto:"):
        return None
    path, _, anchor = target.partition("#")
    whole = (ROOT / name).parent / path if path else ROOT / name
    if not whole.exists():
        return "there is no %s" % path
    if anchor and anchor not in anchors(str(whole.resolve().relative_to(ROOT.resolve()))):
        return "%s has no heading #%s" % (path or name, anchor)
    return None


@functools.cache
def bare_names():
    return {pathlib.PurePath(name).name for name in files()}


def is_there(named):
    """As it is named: from the root, from src/, or a source by its bare name."""
    if "/" in named:
        return (ROOT / named).exists() or (ROOT / "src" / named).exists()
    return named in bare_names()


def is_claim(named):
    """Whether a word in backticks names a file of ours; an ending alone does not."""
    return not named.startswith(".") and (named.endswith(SOURCES) or named.startswith(OURS))


def check_document(name):
    content = FENCE.sub(lambda block: re.sub(r"[^\n]", " ", block.group()), text(name))
    for found in LINK.finditer(content):
        problem = check_link(name, found.group(1))
        if problem:
            yield "%s:%d: %s" % (name, line_of(content, found.start()), problem)
    for found in NAMED.finditer(content):
        if is_claim(found.group(1)) and not is_there(found.group(1)):
            yield "%s:%d: there is no %s" % (name, line_of(content, found.start()), found.group(1))


def check_steps():
    """Each step of a request is told, in its order, and first of all the file that has its function."""
    steps = STEP.findall(text(STEPS)) if (ROOT / STEPS).is_file() else []
    told = re.findall(r"^\| ([A-Z]+) \| .* \| `([\w/]+\.c)`.* \|$", text(ARCHITECTURE), re.M)
    if steps and [name for name, _ in steps] != [name for name, _ in told if name != "END"]:
        yield "%s:1: its steps of a request are not those of %s, in that order" % (ARCHITECTURE, STEPS)
    for name, run in steps:
        named = "src/" + dict(told).get(name, "")
        if name in dict(told) and "enum step %s(" % run not in (text(named) if (ROOT / named).is_file() else ""):
            yield "%s:1: %s has not the step %s" % (ARCHITECTURE, named, name)


def check_reached():
    """Each page of docs/ is in the README's list."""
    listed = set(LINK.findall(text("README.md"))) if (ROOT / "README.md").is_file() else None
    for name in files():
        if listed is not None and re.fullmatch(r"docs/[\w-]+\.md", name) and name not in listed:
            yield "README.md:1: %s is not in its list" % name


def check():
    faults = [*check_steps(), *check_reached()]
    if not (ROOT / INDEX).is_file():
        faults.append("%s: is missing" % INDEX)
    else:
        content, right = renewed()
        if content != right:
            faults.append("%s:1: is not the list of what is in src/; try tools/check --fix" % INDEX)
    for name in files():
        if name.endswith(".md") and not name.startswith("docs/decisions/"):
            faults += check_document(name)
    return faults
