"""source.py - the files of the project, and C without its comments and strings.

SPDX-License-Identifier: MIT
"""
import functools
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]

# One comment, or one literal.
TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


@functools.cache
def files():
    """Every file that is in git or could be: names relative to the root."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            check=True, capture_output=True).stdout.decode().split("\0")
    return sorted(name for name in listed if name and (ROOT / name).is_file())


def c_files(folder="", endings=(".c", ".h", ".def")):
    return [name for name in files() if name.startswith(folder) and name.endswith(endings)
            and name.startswith(("src/", "test/", "tools/", "bench/"))]


@functools.cache
def text(name):
    """The text of a file; None if it is not text."""
    try:
        return (ROOT / name).read_bytes().decode()
    except UnicodeDecodeError:
        return None


def blank(match):
    """As many characters and lines as were there, but nothing in them."""
    token = match.group()
    inside = re.sub(r"[^\n]", " ", token)
    return inside if token.startswith("/") else token[0] + inside[1:-1] + token[-1]


@functools.cache
def code(name):
    """The text without what stands in comments and literals; lines and columns stay."""
    return TOKEN.sub(blank, text(name) or "")


def line_of(content, offset):
    return content.count("\n", 0, offset) + 1
