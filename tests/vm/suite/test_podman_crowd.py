"""Many containers under Podman, and monitors that die at the wrong moment, as root: the
host is afterwards as it was before."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

import engines
import kenrotest
from kenrotest import reap_orphans, wait_until

pytestmark = pytest.mark.slow

# Where Podman, conmon, and runtimes keep what they know of containers.
PLACES = ("/run/kenro", "/run/crun", "/run/runc", "/run/libpod", "/run/netns", "/dev/shm", "/var/lib/cni",
          "/run/libpod/exits", "/run/libpod/socket", "/run/systemd/transient",
          "/run/containers/storage/overlay-containers", "/var/lib/containers/storage/overlay-containers",
          "/var/lib/containers/storage/overlay")


def processes():
    """Who runs or is a zombie, but for the kernel's own."""
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        name, rest = stat.partition(" (")[2].rsplit(") ", 1)
        if rest.split()[1] != "2":
            found.add(f"{entry.name} {name}")
    return found


def listed(*command):
    return set(subprocess.run(command, text=True, stdout=subprocess.PIPE, check=True).stdout.splitlines())


def host():
    """All that a container could leave somewhere."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return {
        "processes": processes(),
        "mounts": {line.split()[4] for line in mounts},
        "groups": {os.path.join(path, d) for path, dirs, _ in os.walk("/sys/fs/cgroup") for d in dirs},
        "units": {line.split()[0] for line in listed("systemctl", "list-units", "--all", "--plain", "--no-legend",
                                                     "--full", "--type=scope,slice,service,timer")},
        "files": {str(entry) for place in PLACES for entry in Path(place).glob("*")},
        "links": {line.split(":")[1] for line in listed("ip", "-oneline", "link")},
    }


def new(before):
    reap_orphans()
    now = host()
    return {what: found for what in now if (found := sorted(now[what] - before[what]))}


@pytest.fixture
def untouched(podman, image):
    """As the first container has left the host, so it stays."""
    podman.ok("run", "--rm", image, "true")
    podman.ok("run", image, "true")  # what stays is listed elsewhere
    podman.clean()
    wait_until(lambda: not processes_of(engines.MONITORS))
    before = host()
    yield podman
    podman.clean()
    try:
        wait_until(lambda: not new(before), kenrotest.TIMEOUT / 2)
    except AssertionError:
        assert new(before) == {}


def processes_of(names):
    reap_orphans()
    return [p for p in processes() if p.split(" ", 1)[1].startswith(tuple(names))]


def started(podman, *args, **kw):
    return subprocess.Popen([*podman.command, *map(str, args)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, **kw)


@pytest.mark.limit(300)
def test_twenty_at_once_leave_nothing(untouched, image):
    running = [started(untouched, "run", "--rm", image, "sh", "-c", f"exit {i}") for i in range(20)]
    assert [(p.communicate()[1], p.returncode) for p in running] == [("", i) for i in range(20)]


@pytest.mark.limit(300)
def test_twenty_that_run_at_once_are_stopped_at_once(untouched, image):
    names = [f"box{i}" for i in range(20)]
    running = [started(untouched, "run", "--detach", "--name", name, "--memory", "32m", image,
                       "sh", "-c", "trap 'exit 3' TERM; sleep 1000 & wait") for name in names]
    assert [(p.communicate()[1], p.returncode) for p in running] == [("", 0)] * 20
    assert len(untouched.ok("ps", "--quiet").split()) == 20
    untouched.ok("exec", "box7", "true")
    untouched.ok("stop", "--all", "--time", "60")
    assert set(untouched.ok("ps", "--all", "--format", "{{.ExitCode}}").split()) <= {"3", "143"}


@pytest.mark.limit(600)
@pytest.mark.parametrize("runtime", ["kenro"])
def test_two_hundred_in_sequence_leave_nothing(untouched, image):
    for i in range(200):
        untouched.fails("run", "--rm", image, "sh", "-c", f"exit {i % 100 + 1}", status=i % 100 + 1)


def test_fifty_execs_in_a_container_leave_nothing(untouched, image):
    untouched.ok("run", "--detach", "--name", "box", image, "sleep", "1000")
    within = new_groups(untouched)
    for i in range(50):
        untouched.fails("exec", "box", "sh", "-c", f"exit {i + 1}", status=i + 1)
    assert untouched.ok("top", "box", "args").splitlines()[1:] == ["sleep 1000"]
    assert new_groups(untouched) == within


def new_groups(podman):
    return sorted(os.walk(podman.group("box").parent))


# ---- who dies at the wrong moment -------------------------------------------------------

def hooked(tmp_path, stage):
    """Podman's options for a hook that says that it runs, and waits."""
    (tmp_path / "hooks").mkdir()
    (tmp_path / "hooks/wait.json").write_text(json.dumps({
        "version": "1.0.0", "when": {"always": True}, "stages": [stage],
        "hook": {"path": "/bin/sh", "args": ["sh", "-c", f"touch {tmp_path}/runs; sleep 30"]}}))
    return "--hooks-dir", tmp_path / "hooks"


def one(name):
    found = processes_of([name])
    assert len(found) == 1, found
    return int(found[0].split()[0])


@pytest.mark.parametrize("victim", ["conmon", "runtime", "podman"])
@pytest.mark.parametrize("stage", ["createRuntime", "poststart"])
def test_who_is_killed_in_a_hook_leaves_nothing_that_cannot_be_removed(untouched, image, tmp_path, stage, victim):
    podman = untouched
    client = started(podman, *hooked(tmp_path, stage), "run", "--detach", "--name", "box", image, "sleep", "1000")
    wait_until(lambda: (tmp_path / "runs").exists())
    hook = next(int(p.split()[0]) for p in processes_of(["sh"]) if "runs" in arguments(p))
    pid = {"conmon": lambda: one("conmon"), "podman": lambda: client.pid,
           "runtime": lambda: parent(hook)}[victim]()
    os.kill(pid, signal.SIGKILL)
    client.communicate()
    wait_until(lambda: gone(pid))
    end(hook)
    removed(podman)
    podman.ok("run", "--rm", "--name", "box", image, "true")  # there is room again


def arguments(process):
    try:
        return Path("/proc", process.split()[0], "cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()[1])


def gone(pid):
    reap_orphans()
    return not Path(f"/proc/{pid}").exists()


def end(pid):
    """Of a hook that has lost its runtime: the kernel kills it, or nobody does."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def removed(podman):
    """Podman has forgotten the container. It may find fault with it the first time."""
    podman.run("rm", "--force", "--time", "0", "--ignore", "box")
    podman.ok("rm", "--force", "--time", "0", "--ignore", "box")
    assert podman.containers() == []
