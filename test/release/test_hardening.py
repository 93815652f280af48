"""test_hardening.py - what a release build is made of: the program that is shipped, as readelf and objdump see it.

SPDX-License-Identifier: MIT
"""
import functools
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("FLY_ATC", str(ROOT / "build-release" / "fly-atc"))


@functools.cache
def said(*command):
    return subprocess.run([*command, PROGRAM], check=True, capture_output=True, text=True).stdout


def functions():
    """name -> its instructions."""
    return dict(re.findall(r"^[0-9a-f]+ <([\w.]+)>:\n((?:.+\n)+)", said("objdump", "-d", "--no-show-raw-insn"), re.M))


def test_it_is_position_independent():
    assert re.search(r"Type:\s+DYN \(Position-Independent", said("readelf", "-hW"))


def test_what_the_linker_has_filled_in_is_read_only_from_the_start():
    assert "GNU_RELRO" in said("readelf", "-lW")
    assert re.search(r"\((?:FLAGS_1\).*\bNOW|BIND_NOW\))", said("readelf", "-dW"))


def test_no_memory_can_be_written_and_executed():
    segments = re.findall(r"^\s+(LOAD|GNU_STACK)\s+(?:0x\S+\s+){5}([RWE ]{3})", said("readelf", "-lW"), re.M)
    assert {"LOAD", "GNU_STACK"} <= {kind for kind, _ in segments}
    assert not [flags for _, flags in segments if "W" in flags and "E" in flags]


def test_sizes_are_checked_at_run_time():
    checked = set(re.findall(r"\b(__\w+_chk)@GLIBC", said("readelf", "--dyn-syms", "-W")))
    assert {"__memcpy_chk", "__snprintf_chk", "__read_chk"} & checked and "__stack_chk_fail" in said(
        "readelf", "--dyn-syms", "-W"), checked


def test_indirect_calls_land_where_functions_begin():
    begin = [text.split("\n")[0].split("\t")[-1].strip() for text in functions().values()]
    assert begin.count("endbr64") > 1000


def test_a_large_stack_is_touched_page_by_page():
    """-fstack-clash-protection: a function whose frame has many pages touches each on its way."""
    assert re.search(r"sub\s+\$0x1000,%rsp\n.*\n?.*orq?\s+\$0x0,\(%rsp\)|orq?\s+\$0x0,\(%rsp\)", said(
        "objdump", "-d", "--no-show-raw-insn"))


def test_optimisation_and_these_options_were_asked_of_every_file():
    build = pathlib.Path(PROGRAM).parent
    commands = subprocess.run(["ninja", "-C", build, "-t", "compdb"], check=True, capture_output=True, text=True).stdout
    compiled = [line for line in commands.splitlines() if '"command"' in line and " -c ../src/" in line]
    assert len(compiled) > 200
    assert not [line for line in compiled if not re.search(r" -O[3s] ", line)]
    for folder in ("base", "loop", "http", "h2", "net", "route", "content", "proxy"):
        of_requests = [line for line in compiled if " -c ../src/%s/" % folder in line]
        assert of_requests and not [line for line in of_requests if " -O3 " not in line], folder
    for option in ("-D_FORTIFY_SOURCE=3", "-fstack-protector-strong", "-fstack-clash-protection",
                   "-fcf-protection=full", "-ftrivial-auto-var-init=zero"):
        assert not [line for line in compiled if option not in line], option
