"""Pods as a kubelet asks containerd for them, by its service for Kubernetes; each runtime is
the handler of its name."""

import os
import subprocess
from pathlib import Path

import pytest

import engines
from cri import CONTAINER, HOST, LOGS, NODE, POD
from kenrotest import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.limit(300)]


def test_the_life_of_a_container_in_a_pod(pod):
    web = pod(**HOST)
    id = web.container("sh", "-c", "trap 'exit 3' TERM; while :; do sleep 1000 & wait; done", envs=[{"key": "A", "value": "b"}],
                       working_dir="/tmp")
    assert web.exec(id, "echo", "here") == (0, "here\n")
    assert web.exec(id, "sh", "-c", "exit 9")[0] == 9
    seen = web.inside(id)
    assert "A=b" in seen["env"] and seen["cwd"] == "/tmp"
    stats = web.service.call("ContainerStats", container_id=id).stats
    assert stats.memory.working_set_bytes.value > 0
    web.service.call("StopContainer", container_id=id, timeout=60)
    assert web.ended(id)[0] == 3
    web.service.call("RemoveContainer", container_id=id)


def test_an_exec_ends_when_its_time_is_over(pod):
    web = pod(**HOST)
    id = web.container()
    assert "timeout" in web.service.fails("ExecSync", container_id=id, cmd=["sleep", "2000"], timeout=1)
    assert "sleep 2000" not in web.exec(id, "ps", "-o", "args")[1]
    said = web.service.fails("ExecSync", container_id=id, cmd=["sh", "-c", "trap '' TERM HUP INT; while :; do sleep 0.1; done"], timeout=1)
    assert "timeout" in said and "trap" not in web.exec(id, "ps", "-o", "args")[1]
    assert web.exec(id, "sh", "-c", "echo here; exit 4", timeout=100) == (4, "here\n")


def test_what_an_exec_writes_comes_whole(pod):
    web = pod(**HOST)
    r = web.service.call("ExecSync", container_id=web.container(), cmd=[
        "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' o; head -c 200000 /dev/zero | tr '\\0' e >&2; exit 3"])
    assert (r.exit_code, r.stdout, r.stderr) == (3, b"o" * 300000, b"e" * 200000)


def test_a_container_that_does_not_stop_is_killed(pod):
    web = pod(**HOST)
    for timeout in (0, 1):
        id = web.container("sh", "-c", "trap '' TERM; while :; do sleep 0.1; done", name=f"stubborn{timeout}")
        web.service.call("StopContainer", container_id=id, timeout=timeout)
        assert web.ended(id)[0] == 137
        web.service.call("StopContainer", container_id=id, timeout=timeout)  # again is no error
        assert "EXITED" in web.service.fails("ExecSync", container_id=id, cmd=["true"])


def test_what_it_writes_is_its_log(pod):
    web = pod(**HOST)
    id = web.container("sh", "-c", "echo one; echo two >&2; exec sleep 1000")
    wait_until(lambda: sorted(web.log()) == [["stderr", "F", "two"], ["stdout", "F", "one"]])
    (LOGS / "web/web.log").rename(LOGS / "web/old")
    web.service.call("ReopenContainerLog", container_id=id)
    web.exec(id, "sh", "-c", "echo three >/proc/1/fd/1")
    wait_until(lambda: web.log() == [["stdout", "F", "three"]])


def test_a_container_may_have_a_terminal(pod):
    web = pod(**HOST)
    web.container("sh", "-c", "tty; exec sleep 1000", tty=True)
    wait_until(lambda: "/dev/pts/0" in str(web.log()))


@pytest.fixture
def slice():
    """What a kubelet makes for a pod."""
    engines.systemctl("start", "kubepods-burstable-pod7.slice")
    yield "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod7.slice"
    engines.systemctl("stop", "kubepods.slice")


def test_statistics_of_a_container_and_of_a_pod(slice, pod):
    web = pod(parent=slice, **HOST)
    id = web.container(linux={"resources": {"memory_limit_in_bytes": 64 << 20}})
    stats = web.service.call("ContainerStats", container_id=id).stats
    assert stats.attributes.metadata.name == "web"
    assert 0 < stats.memory.working_set_bytes.value <= 64 << 20 and stats.cpu.usage_core_nano_seconds.value > 0
    assert [s.attributes.id for s in web.service.call("ListContainerStats", filter={"pod_sandbox_id": web.id}).stats] == [id]
    linux = web.service.call("PodSandboxStats", pod_sandbox_id=web.id).stats.linux
    assert [c.attributes.id for c in linux.containers] == [id]
    assert linux.memory.usage_bytes.value >= stats.memory.working_set_bytes.value and linux.cpu.usage_core_nano_seconds.value > 0


def test_the_group_is_where_a_kubelet_looks_for_it(slice, pod):
    web = pod(parent=slice, **HOST)
    id = web.container()
    assert str(web.group(id)) == f"/sys/fs/cgroup{slice}/cri-containerd-{id}.scope"


@pytest.mark.parametrize("manager", ["cgroupfs"])
def test_the_group_is_where_a_kubelet_without_systemd_looks_for_it(pod):
    web = pod(**HOST)
    id = web.container(linux={"resources": {"memory_limit_in_bytes": 64 << 20, "cpu_shares": 2, "oom_score_adj": 999}})
    assert str(web.group(id)) == f"/sys/fs/cgroup/pods-of-tests/{id}"
    assert [(web.group(id) / f).read_text().strip() for f in ("memory.max", "cpu.weight")] == [str(64 << 20), "1"]
    assert web.exec(id, "cat", "/proc/self/oom_score_adj", "/proc/1/oom_score_adj")[1] == "999\n999\n"
    web.service.call("StopContainer", container_id=id, timeout=0)
    assert web.ended(id)[0] == 137


def test_a_memory_hog_is_oom_killed(pod):
    web = pod(**HOST)
    # The shim of containerd 1.7 looks once the container has been started, and only at what
    # happens then; and systemd removes the group of who has ended.
    id = web.container("sh", "-c", "sleep 2; dd if=/dev/zero of=/dev/null bs=200M count=1; status=$?; sleep 3; exit $status",
                       linux={"resources": {"memory_limit_in_bytes": 16 << 20}})
    assert web.ended(id) == (137, "OOMKilled")


@pytest.mark.parametrize("manager", ["systemd", "cgroupfs"])
def test_limits_are_changed_while_it_runs(pod):
    web = pod(**HOST)
    id = web.container(linux={"resources": {"memory_limit_in_bytes": 64 << 20, "cpu_quota": 50000, "cpu_period": 100000}})
    files = [web.group(id) / f for f in ("memory.max", "cpu.max")]
    assert [f.read_text().strip() for f in files] == [str(64 << 20), "50000 100000"]
    web.service.call("UpdateContainerResources", container_id=id, linux={"memory_limit_in_bytes": 48 << 20, "cpu_quota": 20000})
    assert [f.read_text().strip() for f in files] == [str(48 << 20), "20000 100000"]
