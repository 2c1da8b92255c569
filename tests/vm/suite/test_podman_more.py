"""More of the life of containers under Podman, as root: what goes in and comes out, what
becomes of changes, where groups are, and kenro in the place of others."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

import engines
from engines import HELPERS
from kenrotest import wait_until

pytestmark = pytest.mark.slow


def started(podman, image, *options, args=("sleep", "1000"), name="box"):
    podman.ok("run", "--detach", "--name", name, *options, image, *args)
    return name


def begun(podman, *args, **kw):
    return subprocess.Popen([*podman.command, *map(str, args)], text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, **kw)


# ---- what goes in and comes out ---------------------------------------------------------

def test_what_is_typed_at_an_attached_container_reaches_it(podman, image):
    started(podman, image, "--interactive", args=("sh", "-c", "while read line; do echo got $line; done; echo end; exit 5"))
    with begun(podman, "attach", "box", stdin=subprocess.PIPE) as client:
        for word in ("first", "second"):
            client.stdin.write(f"{word}\n")
            client.stdin.flush()
            assert client.stdout.readline() == f"got {word}\n"
        client.stdin.close()
        assert client.stdout.read().split() == ["end"]
    assert podman.ok("wait", "box") == "5"


def test_much_goes_through_unchanged(podman, image, tmp_path):
    data = os.urandom(1 << 20)
    (tmp_path / "in").write_bytes(data)
    for verb in (["run", "--rm", "--interactive", image], ["exec", "--interactive", "box"]):
        if verb[0] == "exec":
            started(podman, image)
        with open(tmp_path / "in", "rb") as stdin, open(tmp_path / "out", "wb") as stdout:
            subprocess.run([*podman.command, *verb, "cat"], stdin=stdin, stdout=stdout, check=True, timeout=engines.TIMEOUT)
        assert hashlib.sha256((tmp_path / "out").read_bytes()).digest() == hashlib.sha256(data).digest()


def test_logs_are_followed_and_cut(podman, image):
    started(podman, image, args=("sh", "-c", "for i in 1 2 3; do echo $i; done; until [ -e /go ]; do sleep 0.1; done; echo 4"))
    with begun(podman, "logs", "--follow", "box") as client:
        assert [client.stdout.readline() for _ in range(3)] == ["1\n", "2\n", "3\n"]
        podman.ok("exec", "box", "touch", "/go")
        assert client.stdout.read() == "4\n" and client.wait() == 0
    assert podman.ok("logs", "--tail", "2", "box") == "3\n4"
    assert podman.ok("logs", "--timestamps", "--tail", "1", "box").split()[1:] == ["4"]


def test_signals_of_the_client_are_the_programs(podman, image):
    script = "trap 'echo term; exit 9' TERM; echo ready; while :; do sleep 1000 & wait $!; done"
    with begun(podman, "run", "--rm", image, "sh", "-c", script, stdin=subprocess.DEVNULL) as client:
        assert client.stdout.readline() == "ready\n"
        client.send_signal(signal.SIGTERM)
        assert client.stdout.read() == "term\n" and client.wait() == 9


def test_outputs_can_be_chosen_and_thrown_away(podman, image):
    both = (image, "sh", "-c", "echo out; echo err >&2")
    r = podman.run("run", "--rm", "--attach", "stdout", *both)
    assert (r.stdout, r.stderr) == ("out\n", "")
    r = podman.run("run", "--rm", "--log-driver", "passthrough", *both)
    assert (r.stdout, r.stderr) == ("out\n", "err\n")
    podman.ok("run", "--name", "box", "--log-driver", "none", *both)
    podman.fails("logs", "box")


def test_standard_output_can_be_opened_again_by_anyone(podman, image):
    assert podman.ok("run", "--rm", "--user", "1234", image, "sh", "-c", "echo out >/dev/stdout; echo err >/dev/stderr") == "out"


# ---- how it begins and ends -------------------------------------------------------------

def test_it_is_created_made_ready_and_started_by_steps(podman, image):
    podman.ok("create", "--name", "box", image, "sh", "-c", "exit 7")
    assert podman.inspect("box")["State"]["Status"] == "created"
    podman.ok("init", "box")
    assert podman.inspect("box")["State"]["Status"] == "initialized"
    podman.fails("start", "--attach", "box", status=7)
    podman.fails("start", "--attach", "box", status=7)  # and once more
    podman.ok("rename", "box", "other")
    assert podman.inspect("other")["State"]["ExitCode"] == 7
    podman.ok("init", "other")
    podman.ok("rm", "other")


def test_who_waits_is_told_the_status(podman, image):
    started(podman, image, args=("sh", "-c", "until [ -e /go ]; do sleep 0.1; done; exit 8"))
    with begun(podman, "wait", "box", stdin=subprocess.DEVNULL) as client:
        podman.ok("wait", "--condition", "running", "box")
        podman.ok("exec", "box", "touch", "/go")
        assert client.stdout.read() == "8\n"


def test_a_container_is_removed_with_its_last_use(podman, image):
    started(podman, image, "--rm")
    podman.ok("kill", "box")
    wait_until(lambda: podman.containers() == [])


def test_a_timeout_ends_a_container(podman, image):
    podman.fails("run", "--rm", "--timeout", "1", image, "sleep", "1000", status=255)


def test_all_of_an_exec_ends_with_its_container(podman, image):
    started(podman, image)
    with begun(podman, "exec", "box", "sh", "-c", "echo ready; sleep 1000", stdin=subprocess.DEVNULL) as client:
        assert client.stdout.readline() == "ready\n"
        podman.ok("kill", "box")
        assert client.wait() != 0


def test_descriptors_are_handed_to_an_exec(podman, image):
    started(podman, image)
    r, w = os.pipe()
    os.write(w, b"through the descriptor")
    os.close(w)
    assert podman.ok("exec", "--preserve-fds", "1", "box", "cat", "/proc/self/fd/3", pass_fds=(3,),
                     preexec_fn=lambda: os.dup2(r, 3)) == "through the descriptor"
    os.close(r)


# ---- what becomes of changes ------------------------------------------------------------

def test_changes_are_listed_and_exported(podman, image, tmp_path):
    podman.ok("run", "--name", "box", image, "sh", "-c", "echo new >/etc/new; rm /etc/group; echo x >>/etc/passwd; mkdir /made")
    assert set(podman.ok("diff", "box").splitlines()) == {"C /etc", "A /etc/new", "D /etc/group", "C /etc/passwd", "A /made"}
    podman.ok("export", "--output", tmp_path / "tree.tar", "box")
    with tarfile.open(tmp_path / "tree.tar") as tar:
        assert tar.extractfile("etc/new").read() == b"new\n" and "etc/group" not in tar.getnames()
    podman.ok("import", "--change", "CMD cat /etc/new", tmp_path / "tree.tar", "localhost/again")
    assert podman.ok("run", "--rm", "localhost/again") == "new"
    podman.ok("rmi", "--force", "localhost/again")


def test_files_are_copied_into_and_out_of_any_container(podman, image, tmp_path):
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "in/sub/file").write_text("carried")
    podman.ok("create", "--name", "box", "--volume", "/data", image, "sleep", "1000")
    podman.ok("cp", f"{tmp_path}/in/.", "box:/data")
    podman.ok("start", "box")
    assert podman.ok("exec", "box", "cat", "/data/sub/file") == "carried"
    podman.ok("pause", "box")
    podman.ok("cp", "box:/data/sub", tmp_path / "out")
    podman.ok("unpause", "box")
    assert (tmp_path / "out/file").read_text() == "carried"
    podman.ok("kill", "box")
    podman.ok("cp", "box:/data/sub/file", tmp_path / "late")
    assert (tmp_path / "late").read_text() == "carried"
    podman.ok("rm", "--volumes", "box")


# ---- limits and groups ------------------------------------------------------------------

def values(group, *files):
    return [(group / f).read_text().strip() for f in files]


def test_every_limit_can_be_updated(podman, image):
    started(podman, image)
    podman.ok("update", "--memory", "64m", "--memory-reservation", "32m", "--memory-swap", "96m", "--cpu-quota", "30000",
              "--cpu-period", "60000", "--cpu-shares", "2048", "--pids-limit", "44", "box")
    group = podman.group("box")
    assert values(group, "memory.max", "memory.low", "cpu.max", "pids.max") == [
        "67108864", "33554432", "30000 60000", "44"]
    assert int(values(group, "cpu.weight")[0]) > 60  # runtimes convert it by two formulas
    podman.ok("update", "--pids-limit", "-1", "box")
    assert values(group, "pids.max") == ["max"]
    podman.ok("restart", "--time", "0", "box")  # as updated
    assert values(podman.group("box"), "memory.max", "cpu.max") == ["67108864", "30000 60000"]


def in_a_unit(podman, *args):
    return subprocess.run(["systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--unit", "kenro-test-split",
                           "--property", "Delegate=yes", "/usr/bin/podman", *podman.command[1:], *map(str, args)],
                          text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=engines.TIMEOUT)


def test_a_groups_place_can_be_its_units(podman, image):
    r = in_a_unit(podman, "run", "--rm", "--cgroups", "split", "--cgroupns", "host", "--memory", "64m", *HELPERS, image,
                  "sh", "-c", "cat /proc/self/cgroup; cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/memory.max; "
                  "cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/../memory.max")
    assert r.returncode == 0, engines.told(r)
    assert "/system.slice/kenro-test-split.service/libpod-payload-" in r.stdout and "67108864" in r.stdout


@pytest.mark.parametrize("manager", ["systemd", "cgroupfs"])
def test_the_monitor_can_be_left_out(podman, image):
    started(podman, image, "--cgroups", "no-conmon", "--memory", "64m")
    monitor = Path(podman.inspect("box")["ConmonPidFile"]).read_text()
    assert Path(f"/proc/{monitor}/cgroup").read_text() == Path("/proc/self/cgroup").read_text()
    assert values(podman.group("box"), "memory.max") == ["67108864"]


@pytest.mark.parametrize("manager, parent", [("systemd", "kenrotest.slice"), ("cgroupfs", "/kenrotest")])
def test_a_groups_place_is_where_it_was_asked_for(podman, image, parent):
    started(podman, image, "--cgroup-parent", parent)
    assert f"/{parent.strip('/')}/libpod-" in str(podman.group("box"))
    podman.ok("rm", "--force", "--time", "0", "box")
    if podman.manager == "systemd":
        engines.systemctl("stop", parent)
    else:
        with contextlib.suppress(FileNotFoundError):
            Path("/sys/fs/cgroup", parent.strip("/")).rmdir()


# ---- Kubernetes files -------------------------------------------------------------------

def test_a_file_for_kubernetes_makes_the_same_container_again(podman, image, tmp_path):
    started(podman, image, "--memory", "64m", "--env", "GREETING=hello", "--user", "123", "--cap-drop", "all",
            "--read-only", "--network", "host", args=("sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait"))
    text = podman.ok("kube", "generate", "box")
    podman.ok("rm", "--force", "--time", "0", "box")
    (tmp_path / "pod.yaml").write_text(text)
    podman.ok("kube", "play", tmp_path / "pod.yaml")
    try:
        said = podman.ok("exec", "box-pod-box", "sh", "-c", "id -u; echo $GREETING; cat /sys/fs/cgroup/memory.max; "
                         "(>/x) 2>/dev/null || echo ro; grep CapBnd /proc/self/status")
        assert said.split() == ["123", "hello", "67108864", "ro", "CapBnd:", "0" * 16]
    finally:
        podman.ok("kube", "down", tmp_path / "pod.yaml")


KUBE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: told}
data: {GREETING: from the map}
---
apiVersion: v1
kind: Secret
metadata: {name: hidden}
data: {word: cHNzdA==}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: many}
spec:
  replicas: 1
  selector: {matchLabels: {app: many}}
  template:
    metadata: {labels: {app: many}, annotations: {io.podman.annotations.userns: "auto:size=4096"}}
    spec:
      hostNetwork: false
      restartPolicy: Always
      shareProcessNamespace: true
      containers:
      - name: main
        image: localhost/busybox:latest
        command: [sh, -c, 'sleep 1000 & wait']
        env:
        - {name: GREETING, valueFrom: {configMapKeyRef: {name: told, key: GREETING}}}
        securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false}
        volumeMounts:
        - {name: secret, mountPath: /hidden}
        - {name: memory, mountPath: /scratch}
      - name: beside
        image: localhost/busybox:latest
        command: [sh, -c, 'sleep 1000 & wait']
      volumes:
      - {name: secret, secret: {secretName: hidden}}
      - {name: memory, emptyDir: {medium: Memory}}
"""


def test_a_deployment_with_what_it_is_told_is_played(podman, image, tmp_path):
    (tmp_path / "many.yaml").write_text(KUBE)
    podman.ok("kube", "play", tmp_path / "many.yaml")
    try:
        said = podman.ok("exec", "many-pod-main", "sh", "-c", "cat /hidden/word; echo; echo $GREETING; "
                         "grep NoNewPrivs /proc/self/status; grep -c ' /scratch .* tmpfs ' /proc/self/mountinfo; "
                         "ps | grep -c '[s]leep 1000'")
        assert said.splitlines() == ["psst", "from the map", "NoNewPrivs:\t1", "1", "4"]
    finally:
        podman.ok("kube", "down", "--force", tmp_path / "many.yaml")
    assert podman.containers() == []


# ---- kenro in the place of others -------------------------------------------------------

@pytest.fixture
def instead(podman):
    """instead(PATH) makes PATH a link to kenro for the time of the test."""
    replaced = []

    def link(path):
        path.rename(path.with_suffix(".before"))
        replaced.append(path)
        path.symlink_to(engines.RUNTIMES["kenro"])

    yield link
    podman.clean()
    for path in replaced:
        path.with_suffix(".before").rename(path)


@pytest.mark.parametrize("runtime", ["kenro"])
@pytest.mark.parametrize("name", ["crun", "runc"])
def test_kenro_is_taken_for_another_by_its_name(podman, image, instead, name):
    path = Path(shutil.which(name))
    instead(path)
    podman.command = ("podman", "--runtime", name)
    about = json.loads(podman.ok("info", "--format", "json"))["host"]["ociRuntime"]
    assert about["name"] == name and about["version"].endswith("program: kenro")
    started(podman, image, "--memory", "64m")
    id = podman.inspect("box")["Id"]
    assert podman.inspect("box")["OCIRuntime"] == name
    assert Path("/run/kenro", id).is_dir() and not Path("/run", name, id).exists()
    podman.fails("exec", "box", "sh", "-c", "exit 9", status=9)
    podman.ok("update", "--memory", "48m", "box")
    podman.ok("pause", "box")
    podman.ok("unpause", "box")
    said = podman.fails("run", "--rm", image, "nosuch", status=127)
    assert 'exec "nosuch": executable file not found in $PATH' in said
    if name == "crun":  # of which Podman thinks that it can do without
        podman.ok("run", "--rm", "--cgroups", "disabled", image, "true")
    podman.run("stop", "--time", "0", "box")
    podman.ok("rm", "box")
    assert not Path("/run/kenro", id).exists()
