"""The program has the probes that docs/tracing.md lists, with as many arguments.
SPDX-License-Identifier: MIT
"""
import re
import subprocess

from atc import PROGRAM, ROOT

PROBE = re.compile(r"Provider: fly_atc\n\s+Name: (\w+)\n.*\n\s+Arguments: (.*)")


def documented():
    """name -> its arguments, of the table of probes."""
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", (ROOT / "docs" / "tracing.md").read_text(), re.M)
    return {name: len(arguments.split(", ")) for name, arguments in rows}


def test_each_probe_of_the_documentation_is_in_the_program_and_no_other(atc):
    notes = subprocess.run(["readelf", "--wide", "--notes", PROGRAM], check=True, capture_output=True, text=True).stdout
    found = {name: len(arguments.split()) for name, arguments in PROBE.findall(notes)}
    assert found and found == documented()
