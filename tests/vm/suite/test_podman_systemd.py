"""Podman and systemd, as root: systemd in a container, and containers that are units."""

import os
import socket
import subprocess
from pathlib import Path

import pytest

import engines
from engines import HELPERS, RUNTIMES, systemctl
from kenrotest import wait_until

pytestmark = pytest.mark.slow

UNITS = Path("/run/systemd/system")
QUADLETS = Path("/run/containers/systemd")
# Ends when it is told to, as systemd does.
SERVE = "trap 'exit 0' TERM; sleep 1000 & wait"


def show(unit, *properties):
    said = subprocess.run(["systemctl", "show", "--property", ",".join(properties), unit], text=True,
                          stdout=subprocess.PIPE, check=True).stdout
    found = dict(line.split("=", 1) for line in said.splitlines())
    return [found[p] for p in properties]


# ---- systemd as the init of a container -------------------------------------------------

@pytest.fixture
def tree(podman, tmp_path):
    """The guest's own tree as an image's: what is written to it is elsewhere."""
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path], check=True)
    for name in ("upper", "work", "root"):
        (tmp_path / name).mkdir()
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                    f"lowerdir=/,upperdir={tmp_path}/upper,workdir={tmp_path}/work", tmp_path / "root"], check=True)
    (tmp_path / "root/etc/systemd/system/own.service").write_text(
        "[Service]\nType=oneshot\nMemoryMax=32M\nRemainAfterExit=yes\n"
        "ExecStart=/bin/sh -c 'cat /sys/fs/cgroup$$(cut -d: -f3 /proc/self/cgroup)/memory.max'\n")
    (tmp_path / "root/etc/systemd/system/kenro-agent.service").write_text("")
    yield tmp_path / "root"
    podman.clean()
    subprocess.run(["umount", tmp_path / "root"], check=True)
    subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.limit(240)
@pytest.mark.parametrize("mode, program", [("always", "/usr/lib/systemd/systemd"), ("true", "/sbin/init")])
def test_systemd_is_a_containers_init(podman, tree, mode, program):
    podman.ok("run", "--detach", "--name", "box", "--systemd", mode, "--memory", "256m", "--tty", "--rootfs", tree,
              program, "systemd.unit=basic.target")

    def inside(*args):
        return podman.run("exec", "box", *args).stdout

    # An exec before that is in the top group, and keeps systemd from handing controllers on.
    group = scope(podman, "box")
    wait_until(lambda: "memory" in controllers(group), 60)
    wait_until(lambda: inside("systemctl", "is-active", "basic.target") == "active\n", 60)
    assert inside("cat", "/proc/1/cgroup").endswith("/init.scope\n")
    podman.ok("exec", "box", "systemctl", "start", "own.service")
    assert "33554432" in inside("journalctl", "--output", "cat", "--unit", "own.service")
    systemctl("daemon-reload")
    assert (group / "memory.max").read_text() == f"{256 << 20}\n"
    podman.ok("stop", "--time", "100", "box")
    state = podman.inspect("box")["State"]
    assert (state["Status"], state["ExitCode"]) in (("exited", 0), ("exited", 130))  # not 137: it shut down


def scope(podman, name):
    """The cgroup that Podman's container was given. systemd goes into one below it."""
    known = podman.inspect(name)
    path = Path(f"/proc/{known['State']['Pid']}/cgroup").read_text().strip().removeprefix("0::/")
    return Path("/sys/fs/cgroup", path.partition(".scope")[0] + ".scope")


def controllers(group):
    """That are handed on by the group, or by the one below it that crun makes."""
    return " ".join(p.read_text() for p in (*group.glob("cgroup.subtree_control"),
                                            *group.glob("container/cgroup.subtree_control")))


# ---- containers that are units ----------------------------------------------------------

@pytest.fixture
def units(podman):
    """units(DIRECTORY, NAME=TEXT, ...) makes them known to systemd until the end."""
    made = []

    def place(directory, **texts):
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            made.append(directory / name.replace("__", "@.").replace("_", "."))
            made[-1].write_text(text)
        systemctl("daemon-reload")

    yield place
    names = [p.name for p in made]
    for path in made:
        path.unlink()
    podman.ok("pod", "rm", "--all", "--force", "--time", "0")
    podman.clean()
    subprocess.run(["systemctl", "stop", *{n.partition(".")[0] + "*" for n in names}], check=True)
    systemctl("daemon-reload")
    systemctl("reset-failed")


def command(podman, *args):
    return " ".join(map(str, ("/usr/bin/podman", *podman.command[1:], *args)))


def connected(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(engines.TIMEOUT)
        s.connect(path)
        return s.makefile().read()


def test_a_socket_of_a_unit_starts_its_container(podman, image, units):
    path = "/run/kenro-test-answer"
    units(UNITS, answer_socket=f"[Socket]\nListenStream={path}\n", answer_service=f"""
[Service]
Type=notify
NotifyAccess=all
ExecStart={command(podman, "run", "--rm", "--name", "box", "--sdnotify", "conmon", *HELPERS, image,
                   "/helpers/answer")}
ExecStop={command(podman, "rm", "--force", "--time", "0", "box")}
""")
    systemctl("start", "answer.socket")
    assert show("answer.service", "ActiveState") == ["inactive"] and podman.containers() == []
    for _ in range(3):
        assert connected(path) == "1 descriptor for 1\n"
    wait_until(lambda: show("answer.service", "ActiveState") == ["active"])
    systemctl("stop", "answer.socket", "answer.service")
    Path(path).unlink(missing_ok=True)
    assert podman.containers() == []


@pytest.mark.parametrize("mode, script, states", [
    ("conmon", SERVE, {"active"}),
    ("container", "/helpers/say READY=1; " + SERVE, {"active"}),
    ("container", SERVE, {"activating"}),
    ("healthy", "touch /tmp/well; " + SERVE, {"active"}),
])
def test_a_unit_is_up_when_podman_says_so(podman, image, units, mode, script, states):
    health = ("--health-cmd", "'test -e /tmp/well'", "--health-interval", "1s") if mode == "healthy" else ()
    units(UNITS, web_service=f"""
[Service]
Type=notify
NotifyAccess=all
TimeoutStopSec=20
ExecStart={command(podman, "run", "--rm", "--name", "box", "--sdnotify", mode, *health, *HELPERS, image, "sh", "-c",
                   f'"{script}"')}
""")
    systemctl("start", "--no-block", "web.service")
    wait_until(lambda: podman.run("inspect", "--format", "{{.State.Status}}", "box").stdout == "running\n")
    if states == {"active"}:
        wait_until(lambda: show("web.service", "ActiveState") == ["active"])
        main, = show("web.service", "MainPID")
        assert Path(f"/proc/{main}/comm").read_text() == "conmon\n"
    else:
        assert show("web.service", "ActiveState") == ["activating"]
    systemctl("stop", "web.service")
    assert podman.containers() == []


CONTAINER = """
[Unit]
Description=web
[Container]
Image={image}
ContainerName=web
GlobalArgs={options}
Exec=sh -c "{serve}"
Volume=data.volume:/data
Tmpfs=/scratch:size=1m
Environment=GREETING=hello
User=5
ReadOnly=true
DropCapability=all
NoNewPrivileges=true
Ulimit=nofile=100:200
PodmanArgs=--memory=64m
Notify=true
RunInit=false
[Service]
Restart=on-failure
TimeoutStopSec=60
"""


def test_a_quadlet_is_a_container_with_its_volume(podman, image, units):
    options = " ".join(podman.command[1:])
    units(QUADLETS, data_volume="[Volume]\nVolumeName=kept\n",
          web_container=CONTAINER.format(image=image, options=options, serve="/helpers/say READY=1; " + SERVE)
          .replace("Notify", f"Volume={HELPERS[1]}\nNotify"))
    systemctl("start", "web.service")
    pid, = show("web.service", "MainPID")
    assert Path(f"/proc/{pid}/comm").read_text() == "conmon\n"
    seen = podman.ok("exec", "web", "sh", "-c", "id -u; echo $GREETING; ulimit -n; cat /sys/fs/cgroup/memory.max; "
                     "(>/x) 2>/dev/null || echo ro; grep -E 'CapBnd|NoNewPrivs' /proc/self/status; "
                     "grep -c ' /data \\| /scratch ' /proc/self/mountinfo")
    assert seen.split() == ["5", "hello", "100", "67108864", "ro", "CapBnd:", "0" * 16, "NoNewPrivs:", "1", "2"]
    podman.ok("kill", "--signal", "KILL", "web")
    wait_until(lambda: show("web.service", "NRestarts", "ActiveState") == ["1", "active"])
    systemctl("stop", "web.service")
    assert show("web.service", "Result") == ["success"] and podman.containers() == []
    podman.ok("volume", "rm", "kept")


def test_a_quadlet_is_a_pod(podman, image, units):
    options = " ".join(podman.command[1:])
    one = f"[Container]\nImage={image}\nPod=both.pod\nGlobalArgs={options}\nExec=sh -c \"{SERVE}\"\n"
    units(QUADLETS, both_pod=f"[Pod]\nPodName=both\nGlobalArgs={options}\n",
          one_container="[Unit]\n" + one + "ContainerName=one\n", two_container=one + "ContainerName=two\n")
    systemctl("start", "both-pod.service")
    wait_until(lambda: set(podman.ok("ps", "--format", "{{.Names}}").split()) >= {"one", "two"})
    spaces = [podman.ok("exec", name, "readlink", "/proc/self/ns/net") for name in ("one", "two")]
    assert spaces[0] == spaces[1]
    systemctl("stop", "both-pod.service")
    wait_until(lambda: podman.containers() == [])
    assert podman.ok("pod", "ps", "--quiet") == ""


def test_a_quadlet_plays_a_kubernetes_file(podman, image, units, tmp_path):
    (tmp_path / "pod.yaml").write_text(f"""
apiVersion: v1
kind: Pod
metadata: {{name: played}}
spec:
  hostNetwork: true
  containers:
  - {{name: main, image: {image}, command: [sh, -c, "{SERVE}"]}}
""")
    units(QUADLETS, played_kube=f"[Kube]\nYaml={tmp_path}/pod.yaml\nGlobalArgs={' '.join(podman.command[1:])}\n")
    systemctl("start", "played.service")
    assert podman.inspect("played-main")["OCIRuntime"] == RUNTIMES[podman.runtime]
    systemctl("stop", "played.service")
    assert podman.containers() == []


def test_health_is_looked_at_by_a_timer_of_systemd(podman, image):
    podman.ok("run", "--detach", "--name", "box", "--health-cmd", "test ! -e /tmp/ill", "--health-interval", "1s",
              "--health-retries", "1", "--health-on-failure", "kill", image, "sleep", "1000")
    wait_until(lambda: podman.inspect("box")["State"]["Health"]["Status"] == "healthy")
    podman.ok("exec", "box", "touch", "/tmp/ill")
    assert podman.ok("wait", "box") == "137"


def test_what_ran_always_is_started_again_as_after_a_boot(podman, image):
    for name, policy in (("always", "always"), ("no", "no"), ("unless", "unless-stopped")):
        podman.ok("run", "--detach", "--name", name, "--restart", policy, image, "sh", "-c", SERVE)
    podman.ok("stop", "--time", "60", "always", "no", "unless")
    podman.ok("start", "--all", "--filter", "restart-policy=always")
    assert podman.ok("ps", "--format", "{{.Names}}") == "always"


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_a_container_that_is_killed_is_started_again(podman, image, policy):
    podman.ok("run", "--detach", "--name", "box", "--restart", policy, image, "sleep", "1000")
    first = podman.inspect("box")["State"]["Pid"]
    os.kill(first, 9)
    wait_until(lambda: podman.inspect("box")["State"]["Pid"] not in (0, first))
    podman.ok("stop", "--time", "0", "box")
    assert podman.inspect("box")["State"]["Status"] == "exited"


def test_a_generated_unit_runs_a_container_anew(podman, image, units):
    podman.ok("create", "--name", "box", image, "sh", "-c", SERVE)
    text = podman.ok("generate", "systemd", "--new", "--name", "box")
    podman.ok("rm", "box")
    units(UNITS, box_service=text)
    systemctl("start", "box.service")
    assert podman.inspect("box")["OCIRuntime"] == RUNTIMES[podman.runtime]
    systemctl("stop", "box.service")
    assert podman.containers() == []
