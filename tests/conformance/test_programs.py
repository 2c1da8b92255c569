"""The conformance programs of the OCI, each one case. What is left out or does not
pass stands in docs/conformance.md, with the reason."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import kenrotest
import tap

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs/conformance.md"
BUILT = HERE.parents[1] / "build/conformance"

PROGRAMS = """
    config_updates_without_affect create default delete hooks hooks_stdin hostname kill
    kill_no_effect killsig linux_devices linux_masked_paths linux_mount_label linux_ns_itype
    linux_ns_nopath linux_ns_path linux_ns_path_type linux_process_apparmor_profile
    linux_readonly_paths linux_rootfs_propagation linux_seccomp linux_sysctl linux_uid_mappings
    misc_props mounts pidfile poststart poststart_fail poststop poststop_fail prestart
    prestart_fail process process_capabilities process_capabilities_fail process_oom_score_adj
    process_rlimits process_rlimits_fail process_user root_readonly_true start state
""".split()

# What else they say, where something has to fail.
STANDARD_ERROR = {
    "linux_ns_itype": "a mount namespace is required",
    "linux_ns_path": "a mount namespace that exists already is not changed",
    "linux_ns_path_type": r"linux.namespaces\[\d\].path: \S+ is a \S+ namespace",
    "misc_props": "'invalid' is not a version",
    "mounts": "a bind mount has no option 'mode'",
    "poststart_fail": r"error running poststart hook #1: \S+/bin/false: exit status 1",
    "prestart_fail": r"error running prestart hook #1: \S+/bin/false: exit status 1",
    "process_capabilities_fail": "MUST cause an error",
    "process_rlimits_fail": "'RLIMIT_TEST' is not one of",
}

# killsig signals a shell that may not have come to its trap, poststart wants a program
# to have written its line when the hook writes: once more, without the others.
RACING, TRIES = {"killsig", "poststart"}, 5

# It kills what may have ended: sometimes it passes, and else for this reason alone.
MAY_PASS = {"pidfile": "container not running"}

CAP_SYS_RESOURCE = 24


def bounding():
    return int(re.search(r"^CapBnd:\s*(\w+)", Path("/proc/self/status").read_text(), re.M)[1], 16)


NEEDS = {
    "linux_mount_label": ("SELinux", os.path.exists("/sys/fs/selinux/enforce")),
    "linux_process_apparmor_profile": ("AppArmor",
                                       os.path.exists("/sys/module/apparmor/parameters")),
    "process_capabilities": ("CAP_SYS_RESOURCE", bounding() >> CAP_SYS_RESOURCE & 1),
}
LACKED = {program: f"this machine has no {what}" for program, (what, there) in NEEDS.items()
          if not there}


def table(columns):
    """Rows of the document's first two tables, which begin with a program's name."""
    text = DOCUMENT.read_text().split("\n## The specification")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")]
            for line in text.splitlines() if re.match(r"\| `\w+` \|", line)]
    return [[row[0].strip("`|  "), *row[1:]] for row in rows if len(row) == columns]


LEFT_OUT = dict(table(2))
NOT_PASSED = table(3)


@pytest.fixture(scope="session")
def programs():
    """Where the programs are. Built once for all builds of kenro."""
    p = subprocess.run([HERE / "build", BUILT], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, timeout=600)
    assert p.returncode == 0, p.stdout
    return BUILT / "bin"


def run(program, programs, directory):
    """One program, with a directory and a runtime of its own."""
    runtime = kenrotest.Runtime(directory / "state")
    directory.mkdir()
    wrapper = directory / "runtime"
    wrapper.write_text(f'#!/bin/sh\nexec {runtime.binary} --root {runtime.root} "$@"\n')
    wrapper.chmod(0o755)
    p = subprocess.run([programs / program], cwd=programs, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=120,
                       env={**os.environ, "RUNTIME": str(wrapper), "TMPDIR": str(directory)})
    for id in runtime.ids():
        runtime.ok("delete", "--force", id)
    subprocess.run(["rm", "-rf", directory], check=True)
    return p


@pytest.fixture(scope="session")
def results(request, programs, tmp_path_factory):
    """What the programs said that this session asks for. Most of their time they wait."""
    wanted = sorted({item.callspec.params["program"] for item in request.session.items
                     if "results" in item.fixturenames} - LACKED.keys())
    base = tmp_path_factory.mktemp("conformance")
    before = kenrotest.snapshot()
    with ThreadPoolExecutor(6) as pool:
        found = dict(zip(wanted, pool.map(lambda p: run(p, programs, base / p), wanted)))
    for _ in range(TRIES):
        for program in RACING & found.keys():
            if failures(program, found[program]):
                found[program] = run(program, programs, base / program)
    kenrotest.wait_until(lambda: kenrotest.reap_orphans() == [] and
                         kenrotest.our_processes() <= before["processes"], 10)
    assert kenrotest.snapshot() == before
    return found


def failures(program, p):
    """What did not hold, by the words of the program."""
    found = [a.name for a in tap.parse(p.stdout) if not a.ok and not a.excused]
    said = STANDARD_ERROR.get(program)
    if p.returncode != 0:
        found.append(f"exit status {p.returncode}")
    if said and not re.search(said, p.stderr) or not said and p.stderr:
        found.append(f"standard error: {p.stderr}")
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_of_the_oci_passes(program, results):
    if program in LACKED:
        pytest.skip(LACKED[program])
    p = results[program]
    known = {what: why for name, what, why in NOT_PASSED if name == program}
    if program in MAY_PASS:
        assert not failures(program, p) or MAY_PASS[program] in p.stdout, p.stdout
    else:
        assert sorted(failures(program, p)) == sorted(known), p.stdout + p.stderr
    if known:
        pytest.xfail(next(iter(known.values())))
    assert tap.planned(p.stdout) is not None or p.stdout == ""


def test_every_program_is_run_or_left_out(programs):
    there = {p.name for p in programs.iterdir()} - {"runtimetest"}
    assert {name for name in there if not name.startswith("rootfs-")} == {*PROGRAMS, *LEFT_OUT}
    assert len(LEFT_OUT) == 16 and not set(PROGRAMS) & set(LEFT_OUT)
    assert {name for name, *_ in NOT_PASSED} <= set(PROGRAMS)


FAILED = 'TAP version 13\nok 1 - a\nnot ok 2 - b\n  ---\n  {\n    "error": "x"\n  }\n  ...\n1..2\n'
SILENT = 'TAP version 13\n  ---\n  {\n    "error": "a hook was not called"\n  }\n  ...\n1..0\n'


@pytest.mark.parametrize("text, names", [
    (FAILED, ["b"]), (SILENT, ["a hook was not called"]), ("ok 1 # SKIP not ok\n1..1\n", []),
    ("not ok 1 - later # TO" "DO\n", []),
])
def test_a_failure_is_read_from_what_a_program_says(text, names):
    assert [a.name for a in tap.parse(text) if not a.ok and not a.excused] == names
