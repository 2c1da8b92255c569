"""Bad configurations: each NAME.json is refused with the one line in NAME.txt,
which says file:line:column, where in the document, the value, what was expected;
and nothing is left behind. A file of raw bytes that is no JSON may be NAME.bin. Those
called systemd-NAME are for that cgroup manager.

    tests/refuse/update NAME...    writes the .txt of new cases; read them."""

import shutil
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = sorted(p for p in HERE.iterdir() if p.suffix in (".json", ".bin"))


def test_there_are_cases():
    assert len(CASES) > 50
    assert {p.stem for p in CASES} == {p.stem for p in HERE.glob("*.txt")}


@pytest.mark.parametrize("case", CASES, ids=lambda p: p.stem)
def test_refused(kenro, tmp_path, case):
    bundle = tmp_path / "bundle"
    (bundle / "rootfs").mkdir(parents=True)
    shutil.copy(case, bundle / "config.json")
    manager = "systemd" if case.stem.startswith("systemd-") else "cgroupfs"
    line = kenro.fails("--cgroup-manager", manager, "create", "--bundle", bundle, "c", placed=True)
    assert line.replace(str(tmp_path), "TMP") == case.with_suffix(".txt").read_text().rstrip("\n")
    assert kenro.ids() == []
    # the dry run says the same
    dry = kenro.fails("--cgroup-manager", manager, "check", bundle, placed=True)
    assert dry.split(": ", 1)[1] == line.split(": ", 1)[1]


def test_a_missing_file(kenro, tmp_path):
    (tmp_path / "rootfs").mkdir()
    assert kenro.fails("create", "--bundle", tmp_path, "c") == \
        "create c: JSON specification file config.json not found"


def test_a_missing_bundle(kenro, tmp_path):
    assert kenro.fails("create", "--bundle", tmp_path / "nosuch", "c") == \
        f"create c: cannot open the bundle {tmp_path}/nosuch: ENOENT"


def test_a_file_that_is_no_file(kenro, tmp_path):
    (tmp_path / "config.json").mkdir()
    assert "config.json" in kenro.fails("create", "--bundle", tmp_path, "c")


def test_every_truncation_is_an_error(kenro, bundle):
    """Cut a good file anywhere: never a crash, never accepted, always a place."""
    text = (bundle / "config.json").read_bytes()
    for end in range(0, len(text.rstrip()), max(1, len(text) // 150)):
        (bundle / "config.json").write_bytes(text[:end])
        line = kenro.fails("check", bundle, placed=True)
        assert "config.json:" in line, (end, line)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_no_depth_is_too_much(kenro, bundle, opening, known):
    """100 000 levels, in a property that is known and in one that is not."""
    text = (bundle / "config.json").read_text().rstrip().removesuffix("}")
    name = "annotations" if known else "org.example"
    (bundle / "config.json").write_text(f'{text}, "{name}": ' + opening * 100_000)
    line = kenro.fails("create", "--bundle", bundle, "c", placed=True)
    assert "config.json:" in line and ("deep" in line or known), line
