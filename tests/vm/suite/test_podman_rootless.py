"""An ordinary user's Podman, whose containers are below the user's own systemd."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from console import Terminal
from engines import HELPERS, HOG_WHEN_TOLD
from kenrotest import wait_until

pytestmark = pytest.mark.slow

UID = 1000
PARENT = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/"


@pytest.fixture
def podman(rootless_podman):
    return rootless_podman


@pytest.fixture
def home():
    """A directory that is the user's, and visible to that user."""
    path = Path(tempfile.mkdtemp(dir="/home/tester"))
    (path / "file").write_text("mine")
    for p in (path, path / "file"):
        os.chown(p, UID, UID)
    yield path
    shutil.rmtree(path)


def inside(podman, image, *options):
    return json.loads(podman.ok("run", "--rm", *HELPERS, *options, image, "/helpers/inside"))


def values(group, *files):
    return [(group / f).read_text().strip() for f in files]


def test_the_user_is_root_in_there(podman, image, home):
    seen = inside(podman, image)
    (first, *own), (second, *subordinate) = (line.split() for line in seen["uid_map"])
    assert (first, own) == ("0", [str(UID), "1"]) and second == "1" and int(subordinate[0]) >= 100000
    assert seen["status"]["Uid"].split() == ["0"] * 4 and seen["cgroup"] == ["0::/"]
    podman.ok("run", "--rm", "--volume", f"{home}:/v", image, "sh", "-c", "cat /v/file; echo >/v/new; chown 7 /v/new")
    assert (home / "new").stat().st_uid == int(subordinate[0]) + 6


def test_the_user_is_itself_with_keep_id(podman, image, home):
    said = podman.ok("run", "--rm", "--userns", "keep-id", "--volume", f"{home}:/v", image, "sh", "-c",
                     "id -u; stat -c %u /v/file; echo >/v/new; stat -c %u /bin")
    assert said.split() == ["1000", "1000", "0"]
    assert (home / "new").stat().st_uid == UID


def test_mappings_are_those_that_were_asked_for(podman, image):
    seen = inside(podman, image, "--uidmap", "0:1:100", "--gidmap", "0:1:100", "--user", "5:6")
    assert [line.split()[::2] for line in seen["uid_map"]] == [["0", "100"]]
    assert seen["status"]["Uid"].split()[0] == "5" and seen["status"]["Gid"].split()[0] == "6"


def test_groups_of_the_user_can_be_kept(podman, image, home):
    if podman.runtime == "runc":
        pytest.skip("runc does not know the annotation that asks for it")
    os.chown(home / "file", 0, 50)
    (home / "file").chmod(0o640)
    podman.command = ("setpriv", "--reuid", "1000", "--regid", "1000", "--groups", "1000,50",
                      *podman.command[podman.command.index("--inh-caps=-all"):])
    assert podman.ok("run", "--rm", "--group-add", "keep-groups", "--volume", f"{home}:/v", image,
                     "cat", "/v/file") == "mine"
    podman.fails("run", "--rm", "--volume", f"{home}:/v", image, "cat", "/v/file", status=1)


def test_limits_hold_and_change(podman, image):
    podman.ok("run", "--detach", "--name", "box", "--memory", "64m", "--pids-limit", "77", image, "sleep", "1000")
    group = podman.group("box")
    assert str(group).startswith(PARENT)
    assert values(group, "memory.max", "pids.max") == ["67108864", "77"]
    podman.ok("update", "--memory", "48m", "--pids-limit", "33", "box")
    assert values(group, "memory.max", "pids.max") == ["50331648", "33"]
    podman.ok("pause", "box")
    assert podman.inspect("box")["State"]["Status"] == "paused"
    podman.ok("unpause", "box")
    assert podman.ok("top", "box", "args").splitlines()[1].strip() == "sleep 1000"


def test_a_memory_hog_is_killed_and_reported(podman, image):
    podman.ok("run", "--detach", "--name", "box", "--memory", "16m", image, "sh", "-c", HOG_WHEN_TOLD)
    events = podman.group("box") / "memory.events"
    podman.ok("exec", "box", "touch", "/go")
    wait_until(lambda: "oom_kill 1\n" in events.read_text())
    podman.ok("stop", "box")
    state = podman.inspect("box")["State"]
    assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)


def test_a_container_is_entered_signalled_and_left(podman, image):
    podman.ok("run", "--detach", "--name", "box", image, "sh", "-c",
              "trap 'echo term; exit 3' TERM; echo ready; while :; do sleep 1000 & wait $!; done")
    wait_until(lambda: podman.ok("logs", "box") == "ready")
    podman.fails("exec", "box", "sh", "-c", "exit 9", status=9)
    podman.fails("exec", "box", "nosuch", status=127)
    with Terminal([*podman.command, "exec", "--interactive", "--tty", "box", "sh", "-c",
                   "tty; read x; echo $x; exit 4"]) as t:
        t.until("/dev/pts/")
        t.type("line\n")
        t.until("line")
        assert t.wait() == 4
    podman.ok("stop", "--time", "20", "box")
    assert podman.inspect("box")["State"]["ExitCode"] == 3


def test_a_privileged_container_is_so_in_its_user_namespace(podman, image):
    assert podman.ok("run", "--rm", "--privileged", image, "sh", "-c",
                     "mkdir /m && mount -t tmpfs none /m && hostname renamed && hostname") == "renamed"


def test_namespaces_of_the_host_are_shared(podman, image):
    seen = inside(podman, image, "--network", "host", "--ipc", "host", "--uts", "host", "--pid", "host")
    for name in ("net", "ipc", "uts", "pid"):
        assert seen["ns"][name] == os.readlink(f"/proc/self/ns/{name}"), name


def test_a_container_can_be_without_a_user_manager(podman, image):
    podman.command = tuple("cgroupfs" if word == "systemd" else word for word in podman.command)
    assert podman.ok("run", "--rm", image, "echo", "here") == "here"


def test_pods_and_their_files_are_played(podman, image, home):
    (home / "pod.yaml").write_text(json.dumps({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "played"},
        "spec": {"hostNetwork": True, "containers": [{
            "name": "main", "image": image, "command": ["sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait"],
            "resources": {"limits": {"memory": "64Mi"}}}]}}))
    podman.ok("kube", "play", home / "pod.yaml")
    assert podman.ok("exec", "played-main", "cat", "/sys/fs/cgroup/memory.max") == "67108864"
    podman.ok("kube", "down", home / "pod.yaml")


def test_many_start_at_once(podman, image):
    running = [subprocess.Popen([*podman.command, "run", "--rm", image, "sh", "-c", f"exit {i}"],
                                stdin=subprocess.DEVNULL) for i in range(4)]
    assert [p.wait() for p in running] == list(range(4))
