"""Containers with limits, for the tests in guests whose cgroup2 tree has controllers."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from kenrotest import shell, write_config

TOP = Path("/sys/fs/cgroup")
GROUP = TOP / "kenro/c"
MIB = 1 << 20
SLEEP = "sleep 1000"


def limited(script=SLEEP, **resources):
    c = shell(script)
    c["linux"]["resources"].update(resources)
    return c


def controllers():
    return (TOP / "cgroup.controllers").read_text().split()


def needs(controller):
    if controller not in controllers():
        pytest.skip(f"the guest's kernel has no controller {controller}")


def value(file, group=GROUP):
    return (group / file).read_text().strip()


def values(*files):
    return [value(f) for f in files]


@pytest.fixture
def run(kenro, bundle):
    """Starts c with these resources, detached."""
    def start(script=SLEEP, **resources):
        write_config(bundle, limited(script, **resources))
        kenro.ok("run", "-d", "-b", bundle, "c")
        return kenro
    return start


@pytest.fixture
def disk():
    """A block device that nobody uses: (path, "MAJOR:MINOR")."""
    image = Path("/tmp/kenro-disk")
    with open(image, "wb") as f:
        f.truncate(64 * MIB)
    try:
        loop = subprocess.run(["losetup", "--find", "--show", image], check=True,
                              capture_output=True, text=True).stdout.strip()
    except subprocess.CalledProcessError as e:
        image.unlink()
        pytest.skip(f"no loop device: {e.stderr.strip()}")
    number = os.stat(loop).st_rdev
    yield loop, f"{os.major(number)}:{os.minor(number)}"
    subprocess.run(["losetup", "--detach", loop], check=True)
    image.unlink()


BUSY = "while :; do :; done"


def used(group=GROUP):
    return int(value("cpu.stat", group).split()[1])


def share(seconds):
    """How much of one CPU the container has had."""
    begin, before = time.monotonic(), used()
    time.sleep(seconds)  # nothing but time is to pass
    return (used() - before) / 1e6 / (time.monotonic() - begin)


def had_about(asked):
    """A busy container gets ASKED of one CPU within a tenth. Never more; less only if the
    guest itself was not given enough of the host's, so that is tried again."""
    for _ in range(4):
        found = share(3)
        assert found <= asked * 1.1
        if found >= asked * 0.9:
            return
    raise AssertionError(f"{found} of a CPU instead of {asked}")
