"""Machines of qemu: whether KVM may be used, and that they leave nothing behind. These run
on the host."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
import guest
import image
import qemu
import vmhost

HERE = Path(__file__).resolve().parent
LIMIT = 600  # seconds, for what a machine does that may first have to be made


@pytest.fixture(scope="module")
def made():
    return image.image()


@contextlib.contextmanager
def machine(tmp_path, tier="full"):
    """One that runs, with its agent."""
    m = vmhost.Machine(tier, tmp_path)
    try:
        m.boot()
        yield m
    finally:
        m.stop()


def told(m, command):
    """What a command in the guest prints."""
    m.tell({"sh": command})
    return json.loads(m.guest.line(LIMIT))["output"]


def processes(word):
    """Those that have WORD in their command line."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if word in path.read_text():
                found.add(int(path.parent.name))
    return found


# ---- KVM ---------------------------------------------------------------------------

def test_a_kernel_that_comes_up_is_recognised(made):
    assert qemu.kvm_works(qemu.machine(qemu.own(made), "tcg", "kenro.probe"), LIMIT)


def test_a_machine_that_hangs_is_killed_in_time():
    begin = time.monotonic()
    assert not qemu.kvm_works(["sh", "-c", "echo no words; exec sleep 3600.125 #"], 0.5)
    assert time.monotonic() - begin < 5
    assert processes("3600.125") == set()


@pytest.mark.parametrize("script", ["exit 0", "echo kenro does not run", "kill -ABRT $$"])
def test_a_machine_that_ends_without_a_word_does_not_work(script):
    assert not qemu.kvm_works(["sh", "-c", f"{script} #"])


def test_a_kernel_of_its_own_has_its_modules(tmp_path):
    with machine(tmp_path, "linux-bookworm") as m:
        said = told(m, "uname -r; modprobe dummy && echo loaded; systemctl is-active docker; findmnt -no SOURCE /usr/lib/modules")
        release, *rest = said.split()
        assert release.startswith("6.1.") and rest == ["loaded", "inactive", "/dev/vdb"]


def test_without_a_device_of_kvm_nothing_is_tried(made, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setattr(qemu, "kvm_works", lambda command: pytest.fail("it was tried"))
    assert qemu.accelerator(made) == "tcg"


@pytest.mark.parametrize("works, expected", [(True, "kvm"), (False, "tcg")])
def test_what_was_found_is_kept(made, works, expected, tmp_path, monkeypatch):
    tried = []
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    monkeypatch.setattr(image, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(qemu, "kvm_works", lambda command: (tried.append(command), works)[1])
    assert [qemu.accelerator(made) for _ in range(2)] == [expected] * 2
    assert len(tried) == 1 and "kvm" in tried[0]


# ---- a machine's life ---------------------------------------------------------------

def test_a_resumed_guest_has_the_hosts_time(tmp_path):
    with machine(tmp_path) as m:
        begin = time.time()
        there = float(told(m, "date +%s.%N"))
        assert begin - 2 <= there <= time.time() + 2


def test_what_a_guest_writes_is_its_own(tmp_path, made):
    saved = qemu.snapshot(made, qemu.accelerator(made))
    before = {p: (p.stat().st_mtime_ns, p.stat().st_blocks) for p in [*saved.iterdir(), made / "root.ext4"]}
    script = "test ! -e /var/mine && echo here >/var/mine && sync && cat /var/mine"
    for _ in range(2):
        with machine(tmp_path) as m:
            assert told(m, script) == "here\n"
    assert before == {p: (p.stat().st_mtime_ns, p.stat().st_blocks) for p in before}


def test_a_guest_of_the_other_tier_may_have_the_image_locked(tmp_path, made):
    with open(made / "root.ext4", "rb") as reader:
        fcntl.lockf(reader, fcntl.LOCK_SH)
        with machine(tmp_path) as m:
            assert told(m, "echo runs") == "runs\n"


def test_a_guest_that_ends_is_noticed(tmp_path):
    with machine(tmp_path) as m:
        os.kill(m.guest.process.pid, signal.SIGKILL)
        with pytest.raises(guest.Dead, match="has ended"):
            m.guest.line(LIMIT)


def test_a_stopped_guest_leaves_nothing(tmp_path):
    (tmp_path / "tmp").mkdir()
    os.environ["TMPDIR"] = str(tmp_path / "tmp")  # qemu's too
    try:
        with machine(tmp_path) as m:
            pid = m.guest.process.pid
            assert os.listdir(tmp_path / "tmp") == []
    finally:
        del os.environ["TMPDIR"]
    assert sorted(os.listdir(tmp_path)) == ["tmp"]
    assert not Path(f"/proc/{pid}").exists()


def test_a_guest_dies_with_a_host_that_is_killed(tmp_path):
    script = ("import sys, pathlib, vmhost; m = vmhost.Machine('full', pathlib.Path(sys.argv[1])); m.boot();"
              "print(m.guest.process.pid, flush=True); m.guest.line(3600)")
    host = subprocess.Popen([sys.executable, "-c", script, tmp_path], stdout=subprocess.PIPE, text=True,
                            env={**os.environ, "PYTHONPATH": str(HERE)})
    watched = os.pidfd_open(int(host.stdout.readline()))
    host.kill()
    host.wait()
    assert guest.select.select([watched], [], [], 60)[0]
    os.close(watched)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["console"]
