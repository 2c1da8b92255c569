"""Docker's daemon with containers below it: its settings, its restarts and its ends; what it
builds, and what it does as a swarm of one."""

import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

import engines
from kenrotest import HELPERS, wait_until

pytestmark = pytest.mark.slow


def started(docker, image, *options, args=("sleep", "1000"), name="box"):
    docker.ok(*docker.container("--network", "none", "--detach", "--name", name, *options, image, *args))


def state(docker, name="box"):
    return docker.inspect(name)["State"]


@pytest.fixture
def settings(docker):
    """Changes the daemon's settings; they are as they were after the test."""
    before = docker.settings.read_text()

    def change(**values):
        docker.settings.write_text(json.dumps({**json.loads(before), **values}))
        engines.systemctl("kill", "--signal", "HUP", "--kill-whom", "main", "docker")
        info = {"default-runtime": "DefaultRuntime", "live-restore": "LiveRestoreEnabled"}
        for key, value in values.items():
            if key in info:
                wait_until(lambda: json.loads(docker.ok("info", "--format", "json"))[info[key]] == value)
    yield change
    docker.clean()
    change(**{"default-runtime": "runc", "live-restore": False})
    docker.settings.write_text(before)


@pytest.fixture
def default(docker, settings):
    """The runtime is what Docker takes unless it is told another."""
    settings(**{"default-runtime": docker.runtime})


# ---- settings --------------------------------------------------------------------------

def test_a_reload_takes_a_runtime_over(docker, image, settings):
    started(docker, image)
    runtimes = {name: {"path": engines.RUNTIMES[name]} for name in ("kenro", "crun")}
    settings(runtimes={**runtimes, "another": {"path": engines.RUNTIMES[docker.runtime]}}, **{"default-runtime": "another"})
    docker.ok("run", "--network", "none", "--detach", "--name", "second", image, "sleep", "1000")
    assert docker.inspect("second")["HostConfig"]["Runtime"] == "another"
    assert docker.ok("exec", "second", "echo", "here") == docker.ok("exec", "box", "echo", "here") == "here"


# ---- restarts and ends -----------------------------------------------------------------

def test_containers_outlive_a_restart_of_the_daemon(docker, image, settings):
    settings(**{"live-restore": True})
    started(docker, image, args=("sh", "-c", "trap 'echo term; exit 3' TERM; while :; do sleep 1000 & wait; done"))
    pid = state(docker)["Pid"]
    docker.restart()
    assert (state(docker)["Running"], state(docker)["Pid"]) == (True, pid)
    docker.ok("exec", "box", "true")
    docker.ok("update", "--pids-limit", "50", "box")
    docker.ok("pause", "box")
    docker.ok("unpause", "box")
    docker.ok("stop", "--time", "60", "box")
    assert (state(docker)["ExitCode"], docker.ok("logs", "box")) == (3, "term")


def test_a_daemon_that_restarts_starts_what_is_to_run_always(docker, image):
    started(docker, image, "--restart", "always")
    pid = state(docker)["Pid"]
    docker.restart()
    wait_until(lambda: state(docker)["Running"])
    assert state(docker)["Pid"] != pid and not Path(f"/proc/{pid}").exists()


def mess(docker, image):
    """Clients that make, run, enter and remove containers, all at once."""
    script = (f"for i in 1 2 3; do {' '.join(docker.command)} {' '.join(docker.container('--rm', '--network', 'none', image))} "
              "sh -c 'exit 3'; done")
    return [subprocess.Popen(["sh", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for _ in range(4)]


@pytest.mark.limit(240)
@pytest.mark.parametrize("victim", ["docker", "containerd"])
def test_a_daemon_that_is_killed_in_mid_operation_cleans_up_later(docker, image, victim):
    started(docker, image, "--restart", "always")
    clients = mess(docker, image)
    wait_until(lambda: len(docker.containers()) > 2)
    engines.systemctl("reset-failed", victim)
    engines.systemctl("kill", "--signal", "KILL", "--kill-whom", "main", victim)
    for client in clients:
        client.wait()
    engines.systemctl("start", victim)
    docker.answers()
    wait_until(lambda: docker.run("exec", "box", "true").returncode == 0)


def test_a_shim_that_is_killed_leaves_nothing(docker, image):
    started(docker, image)
    seen = state(docker)["Pid"]
    status = Path(f"/proc/{seen}/status").read_text()
    shim = int(status.partition("PPid:")[2].split()[0])
    assert Path(f"/proc/{shim}/comm").read_text().startswith("containerd-shim")
    os.kill(shim, signal.SIGKILL)
    wait_until(lambda: not state(docker)["Running"])
    assert not Path(f"/proc/{seen}").exists()
    docker.ok("start", "box")
    docker.ok("exec", "box", "true")


# ---- build -----------------------------------------------------------------------------

STEPS = """FROM localhost/busybox
RUN echo built >/etc/built && adduser -D -H builder || true
USER 1000:1000
WORKDIR /tmp/work
RUN id -u >/tmp/work-id; test "$(id -u)" = 1000
CMD ["cat", "/etc/built"]
"""


@pytest.fixture
def context(tmp_path):
    def write(steps):
        (tmp_path / "Dockerfile").write_text(steps)
        return tmp_path
    return write


def test_the_classic_build_runs_its_steps(docker, image, default, context):
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    docker.ok("build", "--network", "none", "--tag", "localhost/built", context(STEPS), env=environment)
    assert docker.ok("run", "--rm", "--network", "none", "localhost/built") == "built"
    said = docker.fails("build", "--network", "none", context("FROM localhost/busybox\nRUN exit 5\n"), env=environment)
    assert "returned a non-zero code: 5" in said
    docker.ok("rmi", "--force", "localhost/built")


def test_buildkit_runs_its_steps(docker, image, buildkit, context):
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    more = ("RUN --mount=type=tmpfs,target=/mnt --mount=type=cache,target=/home,uid=1000 touch /mnt/x /home/x\n"
            "RUN --network=none test $(ls /sys/class/net | wc -l) = 1\n")
    docker.ok("build", "--tag", "localhost/built", context(STEPS.replace("USER", more + "USER")), env=environment)
    assert docker.ok("run", "--rm", "--network", "none", "localhost/built") == "built"
    said = docker.fails("build", context("FROM localhost/busybox\nRUN echo words; exit 5\n"), env=environment)
    assert "exit code: 5" in said and "words" in said
    docker.ok("rmi", "--force", "localhost/built")
    docker.ok("builder", "prune", "--all", "--force")
    wait_until(lambda: docker.containers() == [])


def test_a_step_may_have_a_secret_and_the_context(docker, image, buildkit, context, tmp_path):
    (tmp_path / "word").write_text("secret")
    steps = ("FROM localhost/busybox\n"
             "RUN --mount=type=secret,id=word --mount=type=bind,target=/ctx test $(cat /run/secrets/word) = secret && "
             "test -f /ctx/Dockerfile && ! touch /ctx/new\n"
             "RUN test ! -e /run/secrets/word && test ! -e /ctx/Dockerfile && test $(ulimit -n) = 77\n")
    docker.ok("build", "--secret", f"id=word,src={tmp_path}/word", "--ulimit", "nofile=77:77", "--tag", "localhost/built", context(steps),
              env={**os.environ, "DOCKER_BUILDKIT": "1"})
    docker.ok("rmi", "--force", "localhost/built")
    docker.ok("builder", "prune", "--all", "--force")


def test_a_build_that_is_interrupted_ends_its_step(docker, image, buildkit, context):
    argv = [*docker.command, "build", context("FROM localhost/busybox\nRUN trap '' TERM INT; sleep 54321; sleep 54321\n")]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          env={**os.environ, "DOCKER_BUILDKIT": "1"}) as client:
        wait_until(lambda: asleep("54321"))
        client.send_signal(signal.SIGINT)
        assert client.wait() != 0
    wait_until(lambda: not asleep("54321"))


def asleep(seconds):
    return subprocess.run(["pgrep", "--full", "--exact", f"sleep {seconds}"], stdout=subprocess.DEVNULL).returncode == 0


# ---- users of its own ------------------------------------------------------------------

@pytest.fixture
def remapped(docker, image):
    """The daemon's containers have the subordinate ids of the user tester."""
    before = docker.settings.read_text()
    docker.settings.write_text(json.dumps({**json.loads(before), "userns-remap": "tester"}))
    docker.restart()
    docker.warm()
    yield docker
    docker.clean()
    docker.ok("image", "rm", "--force", image)
    docker.settings.write_text(before)
    docker.restart()


def test_ids_of_containers_are_a_users(remapped, image, tmp_path):
    docker = remapped
    first = next(int(line.split(":")[1]) for line in Path("/etc/subuid").read_text().splitlines() if line.startswith("tester:"))
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", first, first)
    tmp_path.chmod(0o755)
    started(docker, image, "--volume", f"{tmp_path}:/v", "--volume", f"{HELPERS / 'inside'}:/usr/bin/inside:ro",
            "--memory", "64m", "--sysctl", "net.ipv4.ip_forward=1", args=("sh", "-c", "trap 'exit 3' TERM; sleep 1000 & wait"))
    pid = state(docker)["Pid"]
    assert Path(f"/proc/{pid}/uid_map").read_text().split() == ["0", str(first), "65536"]
    seen = json.loads(docker.ok("exec", "box", "inside"))
    assert seen["status"]["Uid"].split()[0] == "0" and seen["uid_map"][0].split() == ["0", str(first), "65536"]
    docker.ok("exec", "--user", "7:8", "box", "sh", "-c", "test $(id -u) = 7; test $(id -g) = 8")
    docker.ok("exec", "box", "sh", "-c", "echo >/v/theirs/new; chown 7 /v/theirs/new; touch /new /etc/new")
    assert (tmp_path / "theirs/new").stat().st_uid == first + 7
    docker.fails("exec", "box", "touch", "/v/new", status=1)
    group = Path("/sys/fs/cgroup", Path(f"/proc/{pid}/cgroup").read_text().strip().removeprefix("0::/"))
    assert (group / "memory.max").read_text() == "67108864\n"
    docker.ok("update", "--memory", "48m", "--memory-swap", "48m", "box")
    assert (group / "memory.max").read_text() == "50331648\n"
    docker.ok("pause", "box")
    docker.ok("unpause", "box")
    docker.ok("stop", "--time", "60", "box")
    assert state(docker)["ExitCode"] == 3


def test_the_hosts_ids_have_to_be_asked_for(remapped, image):
    docker = remapped
    refused = docker.fails(*docker.container("--rm", "--network", "none", "--privileged", image, "true"), status=125)
    assert "privileged mode is incompatible with user namespaces" in refused
    said = docker.ok(*docker.container("--rm", "--network", "none", "--userns", "host", "--privileged", image,
                                       "cat", "/proc/self/uid_map"))
    assert said.split() == ["0", "0", "4294967295"]


# ---- a swarm of one --------------------------------------------------------------------

@pytest.fixture
def swarm(docker, default):
    docker.ok("swarm", "init", "--advertise-addr", "127.0.0.1")
    yield docker
    docker.ok("swarm", "leave", "--force")
    wait_until(lambda: docker.containers() == [])


def tasks(docker):
    """The containers of the service that are to run and do."""
    return docker.ok("ps", "--quiet", "--filter", "label=com.docker.swarm.service.name=web").split()


@pytest.mark.limit(240)
def test_a_swarm_keeps_its_service_as_it_was_asked_for(swarm, image):
    subprocess.run([*swarm.command, "secret", "create", "word", "-"], input="secret", text=True, check=True,
                   stdout=subprocess.DEVNULL)
    swarm.ok("service", "create", "--name", "web", "--network", "host", "--replicas", "2", "--secret", "word",
             "--limit-memory", "64m", "--limit-cpu", "0.5", "--limit-pids", "50", "--restart-delay", "0s", "--stop-grace-period", "1s", "--no-resolve-image",
             image, "sleep", "1000")
    first = tasks(swarm)
    assert len(first) == 2
    info = swarm.inspect(first[0])
    assert info["HostConfig"]["Runtime"] == swarm.runtime
    assert swarm.ok("exec", first[0], "cat", "/run/secrets/word") == "secret"
    group = Path(f"/proc/{info['State']['Pid']}/cgroup").read_text().strip().removeprefix("0::")
    group = Path("/sys/fs/cgroup" + group)
    assert [(group / f).read_text().strip() for f in ("memory.max", "cpu.max", "pids.max")] == ["67108864", "50000 100000", "50"]

    swarm.ok("service", "scale", "web=3")
    swarm.ok("kill", first[0])
    wait_until(lambda: len(tasks(swarm)) == 3 and first[0] not in tasks(swarm))

    before = set(tasks(swarm))
    swarm.ok("service", "update", "--env-add", "VERSION=2", "--update-delay", "0s", "--update-parallelism", "2", "web")
    wait_until(lambda: len(tasks(swarm)) == 3 and not before & set(tasks(swarm)))
    assert swarm.ok("exec", tasks(swarm)[0], "sh", "-c", "echo $VERSION") == "2"

    # A version that cannot be started goes back by itself.
    swarm.run("service", "update", "--args", "/nosuch", "--update-failure-action", "rollback", "--update-monitor", "1s",
              "--rollback-monitor", "1s", "web")
    assert json.loads(swarm.ok("service", "inspect", "web"))[0]["UpdateStatus"]["State"] == "rollback_completed"
    errors = swarm.ok("service", "ps", "--no-trunc", "--format", "{{.Error}}", "web")
    assert swarm.runtime != "kenro" or re.search('exec "/nosuch": no such file or directory', errors), errors
    wait_until(lambda: len(tasks(swarm)) == 3)
    swarm.ok("service", "rm", "web")
    wait_until(lambda: tasks(swarm) == [])
