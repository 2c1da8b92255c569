"""Pods and a containerd that restarts or dies, and what many pods leave."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

import engines
from cri import EXITED, HOST
from kenrotest import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.limit(600)]
TRIES = 30  # an operation may be over before it has been seen


@pytest.fixture
def daemon(service):
    """Up again after the test."""
    yield service.daemon
    if engines.show("cri", "ActiveState") != "active":
        service.daemon.start()
    service.call("Version")


def test_pods_outlive_a_restart_of_containerd(pod, daemon):
    web = pod(**HOST)
    id = web.container("sh", "-c", "trap 'exit 3' TERM; while :; do sleep 1000 & wait; done")
    pid = web.pid(id)
    daemon.stop()
    daemon.start()
    assert web.service.call("PodSandboxStatus", pod_sandbox_id=web.id).status.state == 0  # ready
    assert web.pid(id) == pid and web.exec(id, "echo", "here") == (0, "here\n")
    web.service.call("StopContainer", container_id=id, timeout=100)
    assert web.ended(id)[0] == 3


def test_what_ends_while_containerd_is_away_is_known_after_it(pod, daemon):
    web = pod(**HOST)
    id, other = web.container("sh", "-c", "trap 'exit 3' TERM; while :; do sleep 1000 & wait; done"), web.container(name="other")
    pid = web.pid(id)
    daemon.kill()
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: engines.state(pid) in (None, "Z"))
    daemon.start()
    wait_until(lambda: web.status(id).state == EXITED)
    assert web.exec(other, "echo", "here") == (0, "here\n")


def begin(web, verb):
    """Have containerd do what needs the runtime's VERB; the call, unanswered."""
    id = web.container(start=verb != "create")
    if verb == "create":
        return web.service.begin("StartContainer", container_id=id)
    if verb == "exec":
        return web.service.begin("ExecSync", container_id=id, cmd=["sleep", "1"])
    return web.service.begin("StopContainer", container_id=id, timeout=0)


@pytest.mark.parametrize("verb", ["create", "exec", "delete"])
@pytest.mark.parametrize("victim", ["the shim", "containerd"])
def test_a_death_in_mid_operation_is_cleared_away(service, image, daemon, runtime, verb, victim, pod):
    for _ in range(TRIES):
        web = pod(**HOST)
        call = begin(web, verb)
        pid = engines.at_work(runtime, verb, call.done)
        whom = engines.parent(pid) if pid and victim == "the shim" else int(engines.show("cri", "MainPID"))
        struck = pid is not None and whom is not None and (
            victim == "containerd" or engines.name_of(Path(f"/proc/{whom}")).startswith("containerd-shim"))
        if struck:
            os.kill(whom, signal.SIGKILL)
        with contextlib.suppress(service.failure):
            call.result()
        if struck and victim == "containerd":
            wait_until(lambda: engines.show("cri", "ActiveState") != "active")
            daemon.start()
        wait_until(web.stopped)
        if struck:
            break
    assert struck


def test_twenty_pods_at_once_leave_nothing(pod):
    first = pod(**HOST)
    calls = [first.service.begin("RunPodSandbox", runtime_handler=first.handler, config={
        **first.config, "metadata": {"name": f"web{i}", "uid": f"uid{i}", "namespace": "default"}}) for i in range(20)]
    ids = [call.result().pod_sandbox_id for call in calls]
    assert len(set(ids)) == 20
    for name in ("StopPodSandbox", "RemovePodSandbox"):
        for call in [first.service.begin(name, pod_sandbox_id=id) for id in ids]:
            call.result()


def test_two_hundred_containers_in_sequence_leave_nothing(pod):
    web = pod(**HOST)
    web.service.call("RemoveContainer", container_id=web.container())
    before = engines.everything()
    for i in range(200):
        id = web.container("sh", "-c", f"exit {i + 1}", name=f"c{i}")
        assert web.ended(id)[0] == i + 1
        web.service.call("RemoveContainer", container_id=id)
    wait_until(lambda: engines.everything() == before)
