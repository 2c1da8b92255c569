"""Fixtures: a runtime with its own state, a bundle, and nothing left behind."""

import os
import subprocess

import pytest

import kenrotest
from console import ConsoleSocket
from rootless import User


def pytest_configure(config):
    if os.geteuid() != 0:
        pytest.exit("these tests make containers: they need root", 1)
    kenrotest.become_subreaper()


@pytest.fixture
def kenro(tmp_path):
    """A runtime whose every test leaves the host as it found it."""
    with kenrotest.leaves_nothing(kenrotest.Runtime(tmp_path / "state")) as runtime:
        yield runtime


@pytest.fixture
def user():
    """An ordinary user of this machine."""
    u = User()
    try:
        with kenrotest.leaves_nothing(u):
            yield u
    finally:
        u.close()


@pytest.fixture
def bundle(tmp_path):
    """A bundle of busybox that runs /bin/true."""
    yield kenrotest.make_bundle(tmp_path / "bundle", kenrotest.config())
    subprocess.run(["rm", "-rf", tmp_path / "bundle"], check=True)


@pytest.fixture
def created(kenro, bundle):
    """The container c of a sleep, that nobody has started yet."""
    kenrotest.write_config(bundle, kenrotest.config("/bin/sleep", "1000"))
    kenro.ok("create", "--bundle", bundle, "c")
    return kenro


@pytest.fixture
def running(created):
    created.ok("start", "c")
    return created


@pytest.fixture
def stopped(running):
    running.ok("kill", "c", "KILL")
    running.wait_for("c", "stopped")
    return running


@pytest.fixture
def console(tmp_path):
    c = ConsoleSocket(tmp_path / "console")
    yield c
    c.close()
