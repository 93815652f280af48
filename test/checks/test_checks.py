"""test_checks.py - each part of tools/check sees a fault that was planted for it, and is silent without it.

SPDX-License-Identifier: MIT
"""
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LICENCE = "/* SPDX-License-Identifier: MIT */\n"
ARCHITECTURE = "".join("| `%s/` | %d | |\n" % rank for rank in (("base", 0), ("loop", 1), ("http", 1), ("backup", 3)))
NUMBER_H = "/* Doubles a number. */\nint number_twice(int n);\n"
NUMBER_C = '#include "base/number.h"\n\nint number_twice(int n)\n{\n\treturn 2 * n;\n}\n'
TURN_H = "/* Turns. */\nint loop_turn(int n);\n"
TURN_C = '#include "loop/turn.h"\n#include "base/number.h"\n\nint loop_turn(int n)\n{\n\treturn number_twice(n);\n}\n'
SOURCE = """# Files

<!-- source: begin -->

## base/

| file | |
|---|---|
| [`number.h`](../src/base/number.h) `.c` | a part of the tree. |

## loop/

| file | |
|---|---|
| [`turn.h`](../src/loop/turn.h) `.c` | a part of the tree. |

## main.c

| file | |
|---|---|
| [`main.c`](../src/main.c) | a part of the tree. |

<!-- source: end -->
"""
MAIN_C = '#include "loop/turn.h"\n\nint main(void)\n{\n\treturn loop_turn(1);\n}\n'


class Tree:
    """A project of a few files that keeps every rule, with the tools of this one."""

    def __init__(self, root):
        self.root = root
        shutil.copytree(ROOT / "tools", root / "tools", ignore=shutil.ignore_patterns("__pycache__", "*.c", "meson.build"))
        for name in (".clang-format", ".clang-tidy"):
            shutil.copy(ROOT / name, root)
        subprocess.run(["git", "init", "-q", root], check=True)
        self.put("docs/architecture.md", ARCHITECTURE + "| `main.c` | 7 | |\n")
        self.put("docs/source.md", SOURCE)
        (root / "man").mkdir()
        cycles = root / "tools/checks/cycles.py"
        cycles.write_text("".join(line for line in cycles.read_text().splitlines(True) if not line.startswith("LARGE"))
                          .replace("\nMOST = 3\n", "\nMOST = 3\nLARGE = {}\n"))
        banned = root / "tools/checks/banned.py"  # its exceptions are files of ours
        banned.write_text(re.sub(r"^(\w+_ELSEWHERE) = \{.*?^\}", r"\1 = {}", banned.read_text(), flags=re.M | re.S))
        for name, content in {"src/base/number.h": NUMBER_H, "src/base/number.c": NUMBER_C, "src/loop/turn.h": TURN_H,
                              "src/loop/turn.c": TURN_C, "src/main.c": MAIN_C}.items():
            self.put_c(name, content)

    def put(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    def put_c(self, name, content):
        """With the top that a file has; a header says that it is read once."""
        top = "/* %s - a part of the tree. */\n" % pathlib.PurePath(name).name + LICENCE
        self.put(name, top + ("#pragma once\n\n" if name.endswith(".h") else "") + content)

    def faults(self, *parts):
        result = subprocess.run([self.root / "tools/check", *parts], text=True, check=False, capture_output=True)
        assert not result.stderr, result.stderr
        lines = [line for line in result.stdout.splitlines() if not line.startswith("check: ")]
        assert result.returncode == (1 if lines else 0), result.stdout
        return lines


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def files_of(faults):
    return {fault.split(":")[0] for fault in faults}


# What does not need a build of the program.
PARTS = ("format", "layers", "banned", "shape", "cycles", "names", "structs", "paths", "index", "man", "cppcheck", "tidy")


def test_what_keeps_every_rule_has_no_fault(tree):
    assert tree.faults(*PARTS) == []


# part, file, what is appended to it, what is said.
PLANTED = [
    ("format", "src/base/number.c", "int  x;\n", "not as clang-format has it"),
    ("format", "docs/architecture.md", "text \n", "blanks at the end of the line"),
    ("layers", "src/base/number.h", '#include "loop/turn.h"\n', "base (rank 0) includes loop (rank 1)"),
    ("banned", "src/base/number.c", 'int f(void)\n{\n\treturn atoi("1");\n}\n', "atoi is banned"),
    ("shape", "src/base/number.c", "// later\n", "comments are /* */"),
    ("shape", "src/base/number.c", "int f(void)\n{\n%s}\n" % ("\n" * 81), "a function of 81 lines"),
    ("shape", "src/base/number.c", "\n" * 800, "more than 800 are more than one noun"),
    ("names", "src/base/number.c", "int number_thrice(int n);\nint number_thrice(int n)\n{\n\treturn 3 * n;\n}\n",
     "number_thrice is used by no other file"),
    ("names", "src/base/number.h", "static inline int number_half(int n)\n{\n\treturn n / 2;\n}\n",
     "number_half is used by nobody"),
    ("names", "src/base/number.h", "/* For tests: nobody needs it. */\nint number_twice(int n);\n",
     "number_twice is said to be for tests, and used in src"),
    ("names", "src/base/number.h", "/* For tests: it went. */\nint number_gone(int n);\n",
     "number_gone is said to be for tests, and is not there"),
    ("names", "src/base/number.c", "int loop_turn(int n);\nint number_up(void);\nint number_up(void)\n{\n"
     "\treturn loop_turn(1);\n}\n", "base (rank 0) calls loop_turn of src/loop/turn.c (rank 1)"),
    ("structs", "src/base/number.h", "struct wide {\n%s\tint a, *b[2], (*c)(int, int);\n};\n" % ("\tint m;\n" * 22),
     "struct wide has 25 members; at most 24"),
    ("index", "docs/architecture.md", "[how](how.md)\n", "there is no how.md"),
    ("index", "docs/architecture.md", "[how](source.md#how)\n", "source.md has no heading #how"),
    ("index", "docs/architecture.md", "`turn.h` calls `base/letter.c`\n", "there is no base/letter.c"),
    ("index", "docs/architecture.md", "`letter.c`\n", "there is no letter.c"),
    ("paths", "docs/architecture.md", "/" + "home/somebody/project\n", "a path of somebody's machine"),
    ("man", "man/x.1", ".Dd November 1, 2026\n.Dt X 1\n.Os\n.Sh NAME\n.Nm x\n.Nd y\n.Zz\n", "skipping unknown macro"),
    ("cppcheck", "src/base/number.c", "int f(void);\nint f(void)\n{\n\tint a[2] = {0, 0};\n\treturn a[2];\n}\n",
     "arrayIndexOutOfBounds"),
    ("tidy", "src/base/number.c", "int f(int *p);\nint f(int *p)\n{\n\tif (p)\n\t\treturn 1;\n\treturn *p;\n}\n",
     "NullDereference"),
]


@pytest.mark.parametrize("part, name, more, said", PLANTED, ids=lambda value: None if "\n" in str(value) else str(value))
def test_a_planted_fault_is_seen(tree, part, name, more, said):
    path = tree.root / name
    path.write_text((path.read_text() if path.exists() else "") + more)
    faults = tree.faults(part)
    assert files_of(faults) == {name} and any(said in fault for fault in faults), faults


def test_a_file_that_is_not_in_the_index_is_a_fault_and_so_is_one_that_is_gone(tree):
    tree.put_c("src/base/letter.h", "")
    assert files_of(tree.faults("index")) == {"docs/source.md"}
    (tree.root / "src/base/letter.h").unlink()
    assert tree.faults("index") == []
    (tree.root / "src/loop/turn.c").unlink()
    assert files_of(tree.faults("index")) == {"docs/source.md"}


def test_the_index_says_what_a_file_says_of_itself_and_fix_brings_it_along(tree):
    tree.put("src/base/number.h", "/* number.h - numbers. Of all kinds. */\n" + LICENCE + "#pragma once\n\n" + NUMBER_H)
    assert files_of(tree.faults("index")) == {"docs/source.md"}
    assert tree.faults("--fix", "index") == []
    assert "| numbers. |" in (tree.root / "docs/source.md").read_text()


def test_a_page_that_the_readme_does_not_list_is_a_fault(tree):
    tree.put("README.md", "[map](docs/architecture.md), [files](docs/source.md)\n")
    assert tree.faults("index") == []
    tree.put("docs/secret.md", "# Nobody finds it\n")
    assert tree.faults("index") == ["README.md:1: docs/secret.md is not in its list"]


def test_the_steps_of_a_request_that_are_told_are_those_of_the_table(tree):
    step = '#include "loop/turn.h"\n\nenum step turn_go(void);\nenum step turn_go(void)\n{\n\treturn 0;\n}\n'
    tree.put("src/proxy/exchange.def", "/* exchange.def - steps. */\n" + LICENCE + "STEP(GO, turn_go, ALONE, 0)\n")
    tree.put_c("src/loop/turn.c", step)
    row = "| GO | goes | `%s` |\n"
    for rows, expected in ((row % "loop/turn.c", 0), ("", 1), (row % "base/number.c", 1), (row.replace("GO", "NO") % "loop/turn.c", 1)):
        tree.put("docs/architecture.md", ARCHITECTURE + "| `main.c` | 7 | |\n" + rows)
        assert len([fault for fault in tree.faults("index") if "architecture" in fault]) == expected, rows


def test_what_only_tests_use_is_a_fault_unless_its_header_says_so(tree):
    declared = "/* Thrice. */\nint number_thrice(int n);\n"
    tree.put_c("src/base/number.c", NUMBER_C + "\nint number_thrice(int n)\n{\n\treturn 3 * n;\n}\n")
    tree.put_c("src/base/number.h", NUMBER_H + declared)
    tree.put_c("test/unit/base/test_number.c", '#include "base/number.h"\n\nint thrice(void)\n{\n\treturn number_thrice(1);\n}\n')
    assert ["used by tests only" in fault for fault in tree.faults("names")] == [True]
    tree.put_c("src/base/number.h", NUMBER_H + declared.replace("/* Thrice", "/* For tests: thrice"))
    assert tree.faults("names") == []


def test_a_third_function_of_the_same_name_is_a_fault_at_each(tree):
    static = "static int step(int n)\n{\n\treturn n + 1;\n}\n\nint %s(int n)\n{\n\treturn step(n);\n}\n"
    names, calls = ("backup_one", "backup_two", "backup_three"), []
    for name in names:
        tree.put_c("src/backup/%s.h" % name, "/* Steps. */\nint %s(int n);\n" % name)
        tree.put_c("src/backup/%s.c" % name, '#include "backup/%s.h"\n\n' % name + static % name)
        calls.append(name)
        tree.put_c("src/main.c", "".join('#include "backup/%s.h"\n' % each for each in calls) + MAIN_C.replace(
            "loop_turn(1)", "loop_turn(" + "".join("%s(" % each for each in calls) + "1" + ")" * (len(calls) + 1)))
        faults = tree.faults("names")
        assert files_of(faults) == ({"src/backup/%s.c" % each for each in names} if name == names[-1] else set()), faults
        assert all("step is the name of 3 functions" in fault for fault in faults)


def test_structs_of_one_name_are_a_fault_at_each(tree):
    for name, content in (("src/base/number.c", NUMBER_C), ("src/loop/turn.c", TURN_C)):
        tree.put_c(name, content + "\nstruct pair {\n\tint a, b;\n};\n")
    assert files_of(tree.faults("structs")) == {"src/base/number.c", "src/loop/turn.c"}


def test_a_group_counts_as_one_member(tree):
    group = "\tstruct {\n%s\t} group;\n" % ("\t\tint m;\n" * 20)
    tree.put_c("src/base/number.h", NUMBER_H + "struct wide {\n%s%s};\n" % ("\tint m;\n" * 23, group))
    assert tree.faults("structs") == []


def around(names):
    """Files of which each calls the next, and the last the first."""
    for name, following in zip(names, [*names[1:], names[0]]):
        yield name, '#include "backup/%s.h"\n#include "backup/%s.h"\n\nint %s(int n)\n{\n\treturn n ? %s(n - 1) : 0;\n}\n' % (
            name, following, name, following)


def test_four_files_that_call_each_other_in_a_circle_are_a_fault_and_three_are_not(tree):
    names = ["one", "two", "three", "four"]
    for name in names:
        tree.put_c("src/backup/%s.h" % name, "/* Around. */\nint %s(int n);\n" % name)
    for count in (3, 4):
        for name, content in around(names[:count]):
            tree.put_c("src/backup/%s.c" % name, content)
        assert ["circle of 4 files" in fault for fault in tree.faults("cycles")] == [True] * (count - 3)


def test_the_number_of_a_circle_that_became_smaller_is_to_become_smaller_too(tree):
    cycles = tree.root / "tools/checks/cycles.py"
    cycles.write_text(cycles.read_text().replace("LARGE = {}", 'LARGE = {"backup": 4}'))
    for name, content in around(["one", "two", "three", "four"]):
        tree.put_c("src/backup/%s.h" % name, "/* Around. */\nint %s(int n);\n" % name)
        tree.put_c("src/backup/%s.c" % name, content)
    assert tree.faults("cycles") == []
    tree.put_c("src/backup/four.c", '#include "backup/four.h"\n\nint four(int n)\n{\n\treturn n;\n}\n')
    assert ["LARGE says 4" in fault for fault in tree.faults("cycles")] == [True]


@pytest.mark.parametrize("line", ['char *name = "bin/rails";', 'char *name = "OTHER_MODE";', 'char *name = "other.toml";',
                                  'char *name = "puma";', "int f = FRAMEWORK_OTHER;", "int f = FRAMEWORK_GENERIC;"])
def test_a_framework_is_named_in_its_folder_only(tree, line):
    tree.put_c("src/framework/frameworks.def", 'FRAMEWORK(RAILS, rails,\n\t.recognised_by = "bin/rails")\n'
               'FRAMEWORK(OTHER, other,\n\t.recognised_by = "other.toml")\nLAST_FRAMEWORK(GENERIC, generic, )\n')
    tree.put_c("src/framework/framework.c", "static const %s\n" % line)
    tree.put_c("src/loop/turn.c", '/* As rails has it. */\nstatic const char *as = "anothers generic trails";\n')
    assert tree.faults("frameworks") == []
    tree.put_c("src/loop/turn.c", "\nstatic const %s\n" % line)
    assert files_of(tree.faults("frameworks")) == {"src/loop/turn.c"}
