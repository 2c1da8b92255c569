"""Who dies in the middle of something leaves nothing that containerd's own means do not clear
away; and many containers leave nothing at all."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

import engines
from kenrotest import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.limit(600)]
TRIES = 30  # an operation may be over before it has been seen


@pytest.fixture
def manager():
    return "cgroupfs"


def begin(ctr, image, verb):
    """Have containerd do what needs the runtime's VERB; the process that waits for it."""
    if verb != "create":
        ctr.ok(*ctr.container("--detach", image, "box", "sleep", "1000"))
    args = {"create": ctr.container("--detach", image, "box", "sleep", "1000"),
            "exec": ("tasks", "exec", "--exec-id", "e", "box", "sleep", "1"),
            "delete": ("tasks", "delete", "--force", "box")}[verb]
    return subprocess.Popen([*ctr.command, *args], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def strike(victim, runtime):
    """Kill who is meant, while the process RUNTIME is at work. False if it is not any more."""
    pid = {"the runtime": lambda: runtime, "the shim": lambda: engines.parent(runtime),
           "containerd": lambda: int(engines.show("containerd", "MainPID"))}[victim]()
    try:
        if pid is None or victim == "the shim" and not engines.name_of(Path(f"/proc/{pid}")).startswith("containerd-shim"):
            return False
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def recover(ctr):
    """As an administrator would: containerd is up, and what it knows is removed."""
    subprocess.run(["systemctl", "reset-failed", "containerd"], check=False, capture_output=True)
    engines.systemctl("start", "containerd")
    wait_until(lambda: ctr.run("version").returncode == 0)
    ctr.clean()


@pytest.mark.parametrize("verb", ["create", "exec", "delete"])
@pytest.mark.parametrize("victim", ["the runtime", "the shim", "containerd"])
def test_a_death_in_mid_operation_is_cleared_away(ctr, image, runtime, verb, victim):
    before = engines.everything()
    struck = False
    for _ in range(TRIES):
        operation = begin(ctr, image, verb)
        pid = engines.at_work(runtime, verb, lambda: operation.poll() is not None)
        struck = pid is not None and strike(victim, pid)
        try:
            operation.wait(engines.TIMEOUT)
        finally:
            operation.kill()
            operation.wait()
        recover(ctr)
        if struck:
            break
    assert struck
    wait_until(lambda: engines.everything() == before)
    assert ctr.ok(*ctr.container("--rm", image, "box", "echo", "here")) == "here"


def test_two_hundred_in_sequence_leave_nothing(ctr, image):
    ctr.ok(*ctr.container("--rm", image, "c", "true"))
    before = engines.everything()
    for i in range(200):
        ctr.fails(*ctr.container("--rm", image, f"c{i}", "sh", "-c", f"exit {i + 1}"), status=i + 1)
    wait_until(lambda: engines.everything() == before)
