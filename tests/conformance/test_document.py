"""docs/conformance.md names tests: they exist."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
DOCUMENT = TESTS.parent / "docs/conformance.md"


def is_there(name):
    """file::function, of Python or C, or refuse/DOCUMENT."""
    path, _, function = name.partition("::")
    if not function:
        return (TESTS / path).with_suffix(".txt").is_file()
    file = TESTS / path
    return file.is_file() and re.search(rf"^(def|static void) {re.escape(function)}\(",
                                        file.read_text(), re.M) is not None


def rows(text):
    """(requirement, the names of its tests)."""
    begin = text.index("| requirement | test |")
    for line in text[begin:].splitlines():
        m = re.fullmatch(r"\| (?!requirement )(\S.*) \| (.*) \|", line)
        if m:
            yield m[1], re.findall(r"`([^`]+)`", m[2])


def test_every_requirement_has_a_test_that_exists():
    found = list(rows(DOCUMENT.read_text()))
    assert len(found) > 90
    assert [requirement for requirement, names in found if not names] == []
    assert [name for _, names in found for name in names if not is_there(name)] == []


def test_a_test_that_is_gone_is_noticed():
    assert is_there("cli/test_run.py::test_standard_input_reaches_the_program")
    assert is_there("unit/part/caps.c::names_are_exact") and is_there("refuse/bad-utf8")
    assert not is_there("cli/test_run.py::test_standard") and not is_there("refuse/nosuch")
    assert list(rows("| requirement | test |\n|---|---|\n| a | `b`, `c` |\n| d |  |\n")) == \
        [("a", ["b", "c"]), ("d", [])]
