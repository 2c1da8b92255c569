"""A container that wants more memory than it may have: engines know what it died of.

The container's shell stays a while after the hog: systemd removes the group of who has
ended, often before the engine has looked into it, whichever the runtime."""

import subprocess

import pytest

from engines import HOG, HOG_WHEN_TOLD
from kenrotest import wait_until

# Ends by itself, as the hog did.
BRIEF = "dd if=/dev/zero of=/dev/null bs=200M count=1; s=$?; sleep 1; exit $s"


@pytest.mark.parametrize("manager", ["cgroupfs"])  # with systemd: test_podman.py
def test_podman_tells_of_a_memory_hog(podman, image):
    podman.ok("run", "--detach", "--name", "box", "--memory", "16m", image, "sh", "-c", HOG_WHEN_TOLD)
    events = podman.group("box") / "memory.events"
    podman.ok("exec", "box", "touch", "/go")
    wait_until(lambda: "oom_kill 1\n" in events.read_text())
    podman.ok("stop", "box")
    state = podman.inspect("box")["State"]
    assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)


@pytest.mark.parametrize("manager", ["cgroupfs"])
def test_podman_starts_a_memory_hog_again(podman, image):
    podman.fails("run", "--name", "box", "--memory", "16m", image, *HOG.split(";")[0].split(), status=137)
    assert podman.inspect("box")["State"]["OOMKilled"] is True
    podman.ok("start", "box")
    assert podman.ok("wait", "box") == "137"
    assert podman.inspect("box")["State"]["OOMKilled"] is True


@pytest.mark.parametrize("manager", ["systemd", "cgroupfs"])
def test_docker_tells_of_a_memory_hog(docker, image):
    docker.fails(*docker.container("--network", "none", "--name", "box", "--memory", "16m", "--memory-swap", "16m"),
                 image, "sh", "-c", BRIEF, status=137)
    state = docker.inspect("box")["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (137, True)


@pytest.mark.parametrize("manager", ["systemd", "cgroupfs"])
def test_containerd_tells_of_a_memory_hog(ctr, image):
    with subprocess.Popen([*ctr.command, "events"], stdout=subprocess.PIPE, text=True) as events:
        try:
            ctr.fails(*ctr.container("--memory-limit", str(16 << 20), image, "box", "sh", "-c", BRIEF), status=137)
            assert next(line for line in iter(events.stdout.readline, "") if "/tasks/oom" in line)
        finally:
            events.kill()
