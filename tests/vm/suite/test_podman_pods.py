"""Podman's pods, and what makes them of a file, as root."""

import json

import pytest

from engines import HELPERS

pytestmark = pytest.mark.slow

ENDS_AT_TERM = ("sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait")


@pytest.fixture
def pods(podman):
    yield podman
    podman.ok("pod", "rm", "--all", "--force", "--time", "0")


def test_containers_of_a_pod_share_what_a_pod_shares(pods, image):
    pods.ok("pod", "create", "--name", "p", "--share", "net,ipc,uts,pid", "--hostname", "podded", "--memory", "128m")
    for name in ("one", "two"):
        pods.ok("run", "--detach", "--pod", "p", "--name", name, *HELPERS, image, *ENDS_AT_TERM)
    one, two = (json.loads(pods.ok("exec", name, "/helpers/inside")) for name in ("one", "two"))
    for name in ("net", "ipc", "uts", "pid"):
        assert one["ns"][name] == two["ns"][name], name
    assert one["ns"]["mnt"] != two["ns"]["mnt"]
    assert one["hostname"] == "podded"
    pods.ok("pod", "pause", "p")
    assert pods.inspect("two")["State"]["Status"] == "paused"
    pods.ok("pod", "unpause", "p")
    pods.ok("exec", "one", "true")
    pods.ok("pod", "stop", "p")
    assert json.loads(pods.ok("pod", "inspect", "p"))[0]["State"] == "Exited"


KUBE = """
apiVersion: v1
kind: Pod
metadata: {name: played}
spec:
  hostNetwork: true
  initContainers:
  - name: before
    image: localhost/busybox:latest
    command: [sh, -c, 'echo prepared >/data/first']
    volumeMounts: [{name: data, mountPath: /data}]
  containers:
  - name: main
    image: localhost/busybox:latest
    command: [sh, -c, 'trap "exit 0" TERM; sleep 1000 & wait']
    env: [{name: GREETING, value: hello}]
    resources: {limits: {memory: 64Mi, cpu: 500m}}
    securityContext: {runAsUser: 123, readOnlyRootFilesystem: true, capabilities: {drop: [all]}}
    livenessProbe: {exec: {command: ["true"]}, initialDelaySeconds: 1000}
    volumeMounts: [{name: data, mountPath: /data}]
  volumes:
  - name: data
    emptyDir: {}
"""


def test_a_kubernetes_file_is_played(pods, image, tmp_path):
    (tmp_path / "pod.yaml").write_text(KUBE)
    pods.ok("kube", "play", tmp_path / "pod.yaml")
    said = pods.ok("exec", "played-main", "sh", "-c", "id -u; echo $GREETING; cat /data/first; "
                   "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max; (>/x) 2>/dev/null || echo ro; "
                   "grep CapBnd /proc/self/status")
    assert said.split() == ["123", "hello", "prepared", "67108864", "50000", "100000", "ro", "CapBnd:", "0" * 16]
    pods.ok("kube", "down", tmp_path / "pod.yaml")
    assert pods.containers() == []
