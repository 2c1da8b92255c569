"""Engines run their containers with kenro as they do with crun and runc."""

import pytest


def test_podman_runs_a_container(podman, image):
    assert podman.ok(*podman.container("--rm", image, "echo", "here")) == "here"


def test_an_ordinary_users_podman_runs_a_container(rootless_podman, image):
    podman = rootless_podman
    assert podman.ok(*podman.container("--rm", image, "echo", "here")) == "here"


def test_docker_runs_a_container(docker, image):
    assert docker.ok(*docker.container("--rm", image, "echo", "here")) == "here"


def test_containerd_runs_a_container(ctr, image):
    assert ctr.ok(*ctr.container("--rm", image, "c", "echo", "here")) == "here"


@pytest.mark.parametrize("manager", ["cgroupfs"])
def test_podman_runs_a_container_without_systemd(podman, image):
    assert podman.ok(*podman.container("--rm", image, "echo", "here")) == "here"


@pytest.mark.parametrize("manager", ["cgroupfs"])
def test_containerd_runs_a_container_without_systemd(ctr, image):
    assert ctr.ok(*ctr.container("--rm", image, "c", "echo", "here")) == "here"


@pytest.mark.parametrize("manager", ["cgroupfs"])
def test_docker_runs_a_container_without_systemd(docker, image):
    assert docker.ok(*docker.container("--rm", image, "echo", "here")) == "here"
