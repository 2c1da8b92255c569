"""What Docker leaves of its containers on the host: nothing, however many there have been, and
whoever was killed in the middle."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

import engines
from kenrotest import wait_until

pytestmark = pytest.mark.slow

SECONDS = 60  # for the daemons' own clean-up


@pytest.fixture
def untouched(docker):
    """After the test the host is as it was before."""
    before = engines.host()
    yield
    docker.clean()
    wait_until(lambda: engines.left(before, engines.host) == {}, SECONDS)


def options(*more):
    return ("--network", "none", *more)


@pytest.mark.limit(1200)
def test_two_hundred_in_sequence_leave_nothing(docker, image, untouched):
    for i in range(200):
        docker.fails(*docker.container("--rm", *options(), image, "sh", "-c", f"exit {i + 1}"), status=i + 1)
    wait_until(lambda: docker.containers() == [])


# ---- killed in the middle --------------------------------------------------------------

def words(process):
    return engines.program_of(process).decode(errors="replace").split("\0")


def caught(docker, verb, client):
    """The process of the runtime that does VERB, stopped in it; None if CLIENT has ended first."""
    while client.poll() is None:
        for process in Path("/proc").glob("[0-9]*"):
            argv = words(process)
            if os.path.basename(argv[0]) == docker.runtime and verb in argv:
                try:
                    os.kill(int(process.name), signal.SIGSTOP)
                except ProcessLookupError:
                    continue
                return int(process.name)
    return None


def shim():
    """The one that there is."""
    pids = [int(p.name) for p in Path("/proc").glob("[0-9]*") if engines.name_of(p).startswith("containerd-shim")]
    assert len(pids) == 1
    return pids[0]


def kill(victim):
    if victim == "shim":
        os.kill(shim(), signal.SIGKILL)
    else:
        engines.systemctl("kill", "--signal", "KILL", "--kill-whom", "main", victim)


# {what the runtime is doing: the client's command}
OPERATIONS = {
    "create": ("start", "box"),
    "start": ("start", "box"),
    "exec": ("exec", "box", "true"),
    "kill": ("stop", "--time", "1", "box"),
    "delete": ("kill", "box"),
}


def begun(docker, image, verb):
    """(the client, the runtime) in the middle of VERB. It may take more than one container
    until one is caught."""
    for _ in range(20):
        docker.clean()
        docker.ok(*docker.container("--name", "box", *options(), image, "sleep", "1000", verb="create"))
        if verb not in ("create", "start"):
            docker.ok("start", "box")
        client = subprocess.Popen([*docker.command, *OPERATIONS[verb]], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        if runtime := caught(docker, verb, client):
            return client, runtime
    raise AssertionError(f"no {verb} has been caught")


@pytest.mark.limit(300)
@pytest.mark.parametrize("victim", ["docker", "containerd", "shim"])
@pytest.mark.parametrize("verb", OPERATIONS)
def test_the_engine_clears_away_after_a_kill_in_the_middle(docker, image, untouched, verb, victim):
    client, runtime = begun(docker, image, verb)
    if victim != "shim":
        engines.systemctl("reset-failed", victim)
    kill(victim)
    with contextlib.suppress(ProcessLookupError):  # shims take it with them, and kill it when their caller is gone
        os.kill(runtime, signal.SIGCONT)
    client.wait(SECONDS)
    if victim != "shim":
        engines.systemctl("start", victim)
    docker.answers()
    # Docker clears away what is left of a container that was not up yet when it is started
    # again, and it takes a while to find containerd.
    wait_until(lambda: docker.run("start", "box").returncode == 0, SECONDS)
    docker.ok("exec", "box", "true")
