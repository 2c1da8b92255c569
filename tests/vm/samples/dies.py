"""The guest dies of the second test here: for test_harness.py."""

from pathlib import Path


def test_lives():
    pass


def test_kills_the_guest():
    Path("/dev/kmsg").write_text("<3>the last words\n")
    Path("/proc/sys/kernel/sysrq").write_text("1")
    Path("/proc/sysrq-trigger").write_text("c")


def test_comes_too_late():
    pass
