"""docs/callers.md names the test that holds each rule: it must be there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def names_in(path):
    return re.findall(r"^def test_(\w+)", path.read_text(), re.M)


TESTS = {p.stem[len("test_"):]: names_in(p) for p in (ROOT / "tests/cli").glob("test_*.py")}


def missing(text):
    """What is called a test there and is none: "file:name", or a name alone; "…" stands for
    the rest of a name, or for the file named before."""
    everywhere = [name for names in TESTS.values() for name in names]
    for match in re.finditer(r"(?:\b([a-z_]+):)?(…?[a-z0-9]+(?:_[a-z0-9]*)+…?)", text):
        file, name = match.groups()
        if file and file not in TESTS or name in TESTS:
            continue
        if not any(name.strip("…") in known for known in TESTS.get(file, everywhere)):
            yield match[0]


def test_every_test_that_is_named_is_there():
    text = (ROOT / "docs/callers.md").read_text()
    text = re.sub(r"`[^`]*`|tests/\S+|CAP_\w+", "", text)
    assert list(missing(text)) == []
    assert list(missing("pause:no_such_thing and neither_this …nor_that")) == [
        "pause:no_such_thing", "neither_this", "…nor_that"]
