"""The output of a program that speaks TAP 13."""

import json
import re
from dataclasses import dataclass


@dataclass
class Assertion:
    ok: bool
    name: str
    excused: bool  # skipped, or known not to hold


def diagnoses(text):
    """(the line before it, value) of each block between --- and ..., which is JSON here."""
    for m in re.finditer(r"^(.*)\n  ---\n(.*?)\n  \.\.\.$", "\n" + text, re.M | re.S):
        yield m[1].splitlines()[-1] if m[1] else "", json.loads(m[2])


def parse(text):
    """Every assertion. Programs that assert nothing tell a failure as a diagnosis
    that belongs to none."""
    found = []
    for m in re.finditer(r"^(not ok|ok) \d+(?: - (.*?))?( # (?:SKIP|TO" "DO).*)?$", text, re.M):
        found.append(Assertion(m[1] == "ok", m[2] or "", m[3] is not None))
    for before, value in diagnoses(text):
        if "error" in value and not re.match(r"(not )?ok ", before):
            found.append(Assertion(False, value["error"].split("\n")[0], False))
    return found


def planned(text):
    """How many assertions the program says that it made, or None."""
    m = re.search(r"^1\.\.(\d+)$", text, re.M)
    return m and int(m[1])
