"""What a test comes to in a guest is what the host reports; and what is built for guests is
built once. These run on the host."""

import fcntl
import os
import re
import select
import signal
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
import image
from kenrotest import wait_until

HERE = Path(__file__).resolve().parent
SAMPLES = HERE / "samples"
LIMIT = 400  # seconds for a session with a guest

# The most specific thing that was said of each test of samples/outcomes.py.
OUTCOMES = {
    "runs_in_the_guest": ["passed"],
    "one_session_serves_the_file[1]": ["passed"],
    "one_session_serves_the_file[2]": ["passed"],
    "fails": ["failure: AssertionError: of course"],
    "is_broken_before": ["error: failed on setup with \"OSError: no such luck\""],
    "is_broken_after": ["error: failed on teardown with \"OSError: not tidy\""],
    "skips": ["skipped: there is a reason"],
    "is_skipped": ["skipped: the host knows already"],
    "is_the_full_tiers": ["skipped: the full tier's: a second processor"],
    "is_expected_to_fail": ["skipped: known"],
    "takes_too_long": ["failure: TimeoutError: no end after"],
    "has_an_odd_name[a b]": ["passed"],
    "has_an_odd_name[\\xe4/\\xf6]": ["passed"],
    "has_an_odd_name[" + "x" * 9000 + "]": ["passed"],
    "has_an_odd_name[\"[::]\"]": ["passed"],
    "says_very_much": ["failure: assert False"],
}


@pytest.fixture(scope="module")
def built():
    """So that building it takes no session's time."""
    return image.image()


def session(tmp_path, *args):
    """What a session of tests/vm/run prints, and {test: [what it came to]}."""
    report = tmp_path / "report.xml"
    p = subprocess.run([HERE / "run", "fast", f"--junitxml={report}", f"--basetemp={tmp_path}/base", *args],
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT)
    found = {}
    for case in xml.parse(report).iter("testcase"):
        said = [f"{e.tag}: {e.get('message')}" for e in case if e.tag in ("failure", "error", "skipped")]
        found[case.get("name").removeprefix("test_")] = said or ["passed"]
    return p.stdout, found


def test_the_host_reports_what_a_test_came_to(built, tmp_path):
    out, found = session(tmp_path, SAMPLES / "outcomes.py")
    assert found.keys() == OUTCOMES.keys(), out
    for name, expected in OUTCOMES.items():
        assert len(found[name]) == len(expected), (name, found[name])
        assert all(f.startswith(e) for f, e in zip(found[name], expected)), (name, found[name])
    assert "a word before" in out and "much much" in out


def test_a_guest_that_dies_fails_the_rest_of_its_file_alone(built, tmp_path):
    out, found = session(tmp_path, SAMPLES / "dies.py", "test_host.py::test_systemd_runs_the_machine")
    assert found["lives"] == found["systemd_runs_the_machine"] == ["passed"]
    assert found["kills_the_guest"] == ["failure: the guest has ended, status 134"]
    assert found["comes_too_late"] == ["failure: the guest died in an earlier test of this file"]
    assert "the last words" in out


def test_no_guest_outlives_its_host(built, tmp_path):
    def guests():
        found = subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True, check=True).stdout
        return [line for line in found.splitlines() if str(tmp_path) in line and "linux.uml" in line]

    p = subprocess.Popen([HERE / "run", "fast", f"--basetemp={tmp_path}/base", SAMPLES / "hangs.py"],
                         stdout=subprocess.DEVNULL)
    wait_until(guests, LIMIT)
    p.send_signal(signal.SIGKILL)
    p.wait()
    wait_until(lambda: not guests(), LIMIT)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(image, "CACHE", tmp_path / "cache")
    return tmp_path / "cache"


def test_an_artefact_is_built_once_for_the_same_inputs(cache, tmp_path):
    built = []

    def make(directory):
        built.append(directory)
        (directory / "made").touch()

    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("1")
    first = image.cached("thing", ["a", source], make)
    assert image.cached("thing", ["a", source], make) == first and len(built) == 1
    assert os.listdir(first) == ["made"]
    (source / "file").write_text("2")
    second = image.cached("thing", ["a", source], make)
    (source / "file").chmod(0o755)
    third = image.cached("thing", ["a", source], make)
    assert len({first, second, third, image.cached("thing", ["b", source], make)}) == 4


def test_a_build_that_fails_leaves_nothing_that_looks_whole(cache):
    def fail(directory):
        (directory / "half").touch()
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        image.cached("thing", ["a"], fail)
    made = image.cached("thing", ["a"], lambda d: (d / "whole").touch())
    assert os.listdir(made) == ["whole"]


def test_of_two_who_ask_at_a_time_one_builds(cache):
    script = ("import image, os, sys; image.CACHE = __import__('pathlib').Path(sys.argv[1]);"
              "image.cached('thing', ['a'], lambda d: (print('built', flush=True), sys.stdin.readline(),"
              "(d / 'made').touch()))")
    both = [subprocess.Popen([sys.executable, "-c", script, cache], cwd=HERE, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(2)]
    assert select.select([p.stdout for p in both], [], [], 60)[0]  # one is at it, the other waits for it
    for p in both:
        p.stdin.write("\n")
        p.stdin.flush()
    out = [p.communicate(timeout=60)[0] for p in both]
    assert sorted(out) == ["", "built\n"]


def test_what_nobody_has_used_for_long_is_removed(cache):
    old = image.cached("thing", ["old"], lambda d: None)
    recent = image.cached("thing", ["recent"], lambda d: None)
    other = image.cached("other", ["old"], lambda d: None)
    for path in (old, other):
        os.utime(path, (0, 0))
    new = image.cached("thing", ["new"], lambda d: None)
    found = sorted(p.name for p in cache.iterdir() if not re.search(r"\.lock$", p.name))
    assert found == sorted(p.name for p in (recent, other, new))


def test_a_build_whose_parent_is_killed_ends_and_leaves_no_mount(cache, tmp_path):
    """Two builds in one place would make one that is broken."""
    script = ("import image, sys; image.CACHE = __import__('pathlib').Path(sys.argv[1]);"
              "image.cached('thing', ['a'], lambda d: image.build(['sh', '-c',"
              " f'mount -t tmpfs none {d} && (echo begun; exec sleep 1000)']))")
    p = subprocess.Popen([sys.executable, "-c", script, cache], cwd=HERE, stdout=subprocess.PIPE, text=True)
    assert p.stdout.readline() == "begun\n"
    p.kill()
    p.wait()
    with open(next(cache.glob("thing-*.lock"))) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # held by what is still at it
    assert p.stdout.read() == ""  # nobody has it open
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    made = image.cached("thing", ["a"], lambda d: (d / "whole").touch())
    assert os.listdir(made) == ["whole"]


def test_the_table_shows_where_kenro_is_worse(tmp_path):
    case = '<testcase classname="vm.suite.test_docker_daemon" name="test_{}"{}</testcase>'
    cases = [("it_runs[kenro]", ">"), ("it_runs[runc]", ">"), ("it_stops[kenro-now]", "><failure/>"),
             ("it_stops[runc-now]", ">"), ("it_fails[kenro]", "><error/>"), ("it_fails[runc]", "><failure/>"),
             ("of_no_runtime", ">")]
    (tmp_path / "report").write_text(f"<r>{''.join(case.format(*c) for c in cases)}</r>")
    r = subprocess.run([HERE / "table", tmp_path / "report"], capture_output=True, text=True)
    rows = [line for line in r.stdout.splitlines() if line.startswith("|")]
    assert rows == ["| test | kenro | runc |", "|---|---|---|", "| it runs | passes | passes |",
                    "| it stops (now) | fails | passes |", "| it fails | fails | fails |", "| **3 tests** | **1** | **2** |"]
    assert (r.returncode, r.stderr) == (1, "kenro fails where another passes: Docker: it stops (now)\n")
