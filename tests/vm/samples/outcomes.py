"""What tests can come to, for test_harness.py, which runs this file in a guest."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def once():
    yield []


@pytest.fixture
def broken_before():
    raise OSError("no such luck")


@pytest.fixture
def broken_after():
    yield
    raise OSError("not tidy")


def test_runs_in_the_guest():
    assert "kenro.channel" in Path("/proc/cmdline").read_text()


@pytest.mark.parametrize("n", [1, 2])
def test_one_session_serves_the_file(once, n):
    once.append(n)
    assert len(once) == n


def test_fails():
    print("a word before")
    assert os.getpid() == -1, "of course"


def test_is_broken_before(broken_before):
    pass


def test_is_broken_after(broken_after):
    pass


def test_skips():
    pytest.skip("there is a reason")


@pytest.mark.skip(reason="the host knows already")
def test_is_skipped():
    pass


@pytest.mark.full("a second processor")
def test_is_the_full_tiers():
    pass


@pytest.mark.xfail(reason="known")
def test_is_expected_to_fail():
    assert False


@pytest.mark.limit(1)
def test_takes_too_long():
    os.mkfifo("/run/fifo")
    open("/run/fifo")


@pytest.mark.parametrize("odd", ["a b", "ä/ö", "x" * 9000, '"[::]"'])
def test_has_an_odd_name(odd):
    pass


def test_says_very_much():
    print("much " * 50000)
    assert False
