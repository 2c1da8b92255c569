"""Each example of configs/engines, as it is installed, makes its engine run kenro; and
`kenro doctor` sees the same."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

import cri
import engines
from engines import systemctl
from kenrotest import config, make_bundle, wait_until

EXAMPLES = Path("/usr/local/share/kenro/engines")
KENRO = engines.RUNTIMES["kenro"]
DROP_INS = Path("/etc/containers/containers.conf.d")
DAEMON = Path("/etc/docker/daemon.json")
CONTAINERD = Path("/etc/containerd/config.toml")
UNITS = Path("/etc/systemd/system")

pytestmark = pytest.mark.limit(300)


def finding(name):
    """The check of that name, and the engine if it is one."""
    p = subprocess.run([KENRO, "doctor", "--json"], capture_output=True, text=True)
    found = json.loads(p.stdout)
    return ({c["name"]: c for c in found["checks"]}[name],
            {e["name"]: e for e in found["engines"]}.get(name))


def knows_kenro(name, default):
    """doctor is content with the engine."""
    check, engine = finding(name)
    assert check["status"] == "ok", check
    assert (engine["default"] == "kenro") == default
    assert [r["path"] for r in engine["runtimes"] if r["name"] == "kenro"] == [KENRO]


def command(*args, **how):
    p = subprocess.run([*map(str, args)], capture_output=True, text=True, timeout=engines.TIMEOUT,
                       stdin=subprocess.DEVNULL, **how)
    assert p.returncode == 0, engines.told(p)
    return p.stdout.strip()


@pytest.fixture
def place():
    """place(PATH, TEXT) writes a file for the time of the test; place(PATH) removes it."""
    before = {}

    def write(path, text=None):
        before.setdefault(path, path.read_bytes() if path.exists() else None)
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink(missing_ok=True)
        else:
            path.write_text(text)

    yield write
    for path, data in before.items():
        if data is None:
            path.unlink(missing_ok=True)
        else:
            path.write_bytes(data)


def example(name):
    return (EXAMPLES / name).read_text()


# ---- Podman -----------------------------------------------------------------------------

@pytest.fixture
def podman(place, image):
    """A Podman that has not heard of kenro."""
    warm = engines.Podman("kenro").warm()
    place(Path("/etc/containers/containers.conf"), '[containers]\nnetns = "none"\nlog_driver = "k8s-file"\n'
                                                   '[engine]\nevents_logger = "file"\n')
    yield lambda *args: command("podman", *args)
    warm.clean()


def test_podman_takes_its_example(podman, place, image):
    check, _ = finding("podman")
    assert (check["status"], "kenro is not registered" in check["found"]) == ("warn", True)
    place(DROP_INS / "kenro.conf", example("podman.conf"))
    knows_kenro("podman", False)
    assert podman("--runtime", "kenro", "run", "--rm", image, "echo", "here") == "here"
    podman("--runtime", "kenro", "run", "--detach", "--name", "web", "--cgroups=disabled", image, "sleep", "1000")
    assert podman("inspect", "--format", "{{.OCIRuntime}}", "web") == "kenro"


def test_podman_has_kenros_own_words_by_its_example(podman, place, image):
    place(DROP_INS / "kenro.conf", example("podman.conf"))
    p = subprocess.run(["podman", "--runtime", "kenro", "run", "--rm", image, "/nosuch"], capture_output=True,
                       text=True, stdin=subprocess.DEVNULL, timeout=engines.TIMEOUT)
    assert p.returncode == 127
    assert 'exec "/nosuch": no such file or directory' in p.stderr


def test_podman_runs_kenro_unasked_by_its_example(podman, place, image):
    place(DROP_INS / "kenro.conf", example("podman.conf"))
    place(DROP_INS / "kenro-default.conf", example("podman-default.conf"))
    knows_kenro("podman", True)
    podman("run", "--detach", "--name", "web", image, "sleep", "1000")
    assert podman("inspect", "--format", "{{.OCIRuntime}}", "web") == "kenro"
    assert podman("exec", "web", "echo", "here") == "here"


def test_a_quadlet_runs_kenro(podman, place, image):
    place(DROP_INS / "kenro.conf", example("podman.conf"))
    podman("create", "--name", "made", image)
    podman("commit", "--change", 'CMD ["sleep", "1000"]', "made", "localhost/web:latest")
    place(Path("/etc/containers/systemd/web.container"), example("quadlet.container"))
    systemctl("daemon-reload")
    try:
        systemctl("start", "web")
        assert podman("inspect", "--format", "{{.OCIRuntime}}", "systemd-web") == "kenro"
    finally:
        systemctl("stop", "web")
        systemctl("reset-failed", "web")  # its sleep has ended by a signal


# ---- Docker -----------------------------------------------------------------------------

@pytest.fixture
def docker(place, image):
    """A Docker that has not heard of kenro, and whose file is not needed for this kernel."""
    place(Path("/etc/default/docker"),
          'DOCKER_OPTS="--storage-driver=overlay2 --iptables=false --ip6tables=false"\n')
    place(DAEMON, "{}")
    systemctl("stop", "docker.service", "docker.socket")
    engine = engines.Docker("kenro")
    systemctl("start", "docker.service")
    if not engine.has_image():
        engine.load()
    yield lambda *args: command("docker", *args)
    engine.clean()
    systemctl("stop", "docker.service", "docker.socket")


def reload_docker(docker, about):
    """The daemon takes its time."""
    systemctl("reload", "docker")
    wait_until(lambda: "kenro" in docker("info", "--format", about).split(), engines.TIMEOUT)


def test_docker_takes_its_example_on_reload(docker, place, image):
    assert finding("docker")[0]["status"] == "warn"
    place(DAEMON, example("docker.json"))
    reload_docker(docker, "{{range $name, $_ := .Runtimes}}{{$name}} {{end}}")
    knows_kenro("docker", False)
    assert docker("run", "--rm", "--runtime", "kenro", image, "echo", "here") == "here"
    assert docker("info", "--format", "{{.DefaultRuntime}}") == "runc"


def test_docker_runs_kenro_unasked_on_reload(docker, place, image):
    place(DAEMON, example("docker-default.json"))
    reload_docker(docker, "{{.DefaultRuntime}}")
    knows_kenro("docker", True)
    docker("run", "--detach", "--name", "web", image, "sleep", "1000")
    assert docker("inspect", "--format", "{{.HostConfig.Runtime}}", "web") == "kenro"
    assert docker("exec", "web", "echo", "here") == "here"


def test_a_docker_that_nobody_has_configured_runs_kenro_by_the_name_runc(docker, image, tmp_path):
    """And its BuildKit. Both look for it where they look for every program."""
    link = Path(KENRO).with_name("runc")
    link.symlink_to(KENRO)
    try:
        docker("run", "--detach", "--name", "web", image, "sleep", "1000")
        assert docker("inspect", "--format", "{{.HostConfig.Runtime}}", "web") == "runc"
        ours = command(KENRO, "--root", "/run/docker/runtime-runc/moby", "list", "--quiet").split()
        assert ours == [docker("inspect", "--format", "{{.Id}}", "web")]
        assert docker("exec", "web", "echo", "here") == "here"
        docker("update", "--pids-limit", "50", "web")
        docker("stop", "--time", "0", "web")
        (tmp_path / "Dockerfile").write_text('FROM localhost/busybox\nRUN ["/nosuch"]\n')
        for failing in (["build", "--network", "none", tmp_path], ["run", "--rm", image, "/nosuch"]):
            p = subprocess.run(["docker", *failing], capture_output=True, text=True)
            assert p.returncode != 0 and 'exec "/nosuch": no such file or directory' in p.stderr
    finally:
        docker("rm", "--force", "web")
        link.unlink()


# ---- containerd -------------------------------------------------------------------------

@pytest.fixture
def containerd(place, image):
    """A containerd with the example of its version."""
    major = command("containerd", "--version").split()[2].split(".")[0]
    place(CONTAINERD, example("containerd-1.7.toml" if major == "1" else "containerd-2.toml"))
    systemctl("stop", "docker.service", "docker.socket")
    systemctl("restart", "containerd.service")
    yield
    place(CONTAINERD)
    systemctl("stop", "containerd.service")


def test_containerd_loads_its_example(containerd, image):
    plugins = [line.split() for line in command("ctr", "plugins", "ls").splitlines()]
    assert [p[-1] for p in plugins if "cri" in p[:2]] == ["ok"]
    knows_kenro("containerd", False)
    engine = engines.Ctr("kenro").warm()
    assert engine.ok(*engine.container("--rm", image, "c", "echo", "here")) == "here"
    engine.clean()


def sandbox_image(path):
    """Give the name that containerd looks for to an image that stays."""
    name = re.search(r"sandbox(?:_image)? = ['\"](.*)['\"]", command("containerd", "config", "dump"))[1]
    cri.pause_archive(path)
    command("ctr", "--namespace", "k8s.io", "images", "import", path)
    command("ctr", "--namespace", "k8s.io", "images", "tag", "--force", cri.PAUSE, name)


def test_a_pod_of_the_handler_kenro_is_kenros(containerd, tmp_path):
    """As a RuntimeClass asks for it."""
    sandbox_image(tmp_path / "image.tar")
    service = cri.Service("/run/containerd/containerd.sock")
    pod = cri.Pod(service, "kenro", **cri.HOST)
    try:
        c = pod.container()
        assert pod.exec(c, "echo", "here") == (0, "here\n")
        root = ("--root", "/run/containerd/runc/k8s.io")
        assert set(command(KENRO, *root, "list", "--quiet").split()) == {pod.id, c}
        assert json.loads(command(KENRO, *root, "state", c))["status"] == "running"
    finally:
        pod.stop()
        service.close()


# ---- systemd ----------------------------------------------------------------------------

@pytest.fixture
def web(place):
    """web(SCRIPT, LINE ...): kenro@web, whose container runs SCRIPT; LINEs are more of its settings."""
    bundle = Path("/srv/containers/web")
    directory = UNITS / "kenro@web.service.d"

    def web(script, *lines):
        make_bundle(bundle, config("/bin/sh", "-c", script))
        directory.mkdir()
        (directory / "test.conf").write_text("\n".join(["[Service]", "RestartSec=0", *lines]) + "\n")
        systemctl("daemon-reload")
        return "kenro@web"

    place(UNITS / "kenro@.service", example("kenro@.service"))
    yield web
    command("systemctl", "stop", "kenro@web")
    subprocess.run(["systemctl", "reset-failed", "kenro@web"], capture_output=True)  # it may not have
    command("rm", "-r", bundle, directory)


def shown(unit, name):
    return command("systemctl", "show", "--property", name, "--value", unit)


def trapping(status, before="say READY=1"):
    return f"trap 'exit {status}' TERM; {before}; while :; do sleep 1000 & wait; done"


def state():
    return json.loads(command(KENRO, "state", "web"))


def test_a_unit_is_up_when_its_container_is_ready(web):
    unit = web(trapping(0, "say 'READY=1\nSTATUS=all is well'"))
    systemctl("start", unit)
    assert state()["status"] == "running"
    assert shown(unit, "StatusText") == "all is well"
    main = int(shown(unit, "MainPID"))
    assert main != state()["pid"]
    assert os.readlink(f"/proc/{main}/exe").startswith("/memfd:")
    assert command("ps", "-o", "ppid=", "-p", state()["pid"]).strip() == str(main)
    systemctl("stop", unit)
    assert command(KENRO, "list", "--quiet") == ""
    assert shown(unit, "Result") == "success"


# systemd forgets the status of one that has ended well.
@pytest.mark.parametrize("status, result, active, kept", [
    (7, "exit-code", "failed", "7"), (143, "success", "inactive", "0")])
def test_a_unit_ends_as_its_container_does(web, status, result, active, kept):
    unit = web(trapping(status))
    systemctl("start", unit)
    systemctl("stop", unit)
    assert (shown(unit, "ActiveState"), shown(unit, "Result")) == (active, result)
    assert shown(unit, "ExecMainStatus") == kept
    assert command(KENRO, "list", "--quiet") == ""


def restarts(unit):
    return int(shown(unit, "NRestarts"))


def test_a_unit_that_fails_is_restarted(web):
    unit = web(trapping(0))
    systemctl("start", unit)
    for i in range(2):
        old = state()["pid"]
        command(KENRO, "kill", "web", "KILL")
        wait_until(lambda: restarts(unit) == i + 1 and shown(unit, "ActiveState") == "active", engines.TIMEOUT)
        assert state()["pid"] != old


def test_a_unit_that_ends_well_is_not_restarted(web):
    unit = web("say READY=1; exit 0")
    systemctl("start", unit)
    wait_until(lambda: shown(unit, "ActiveState") == "inactive", engines.TIMEOUT)
    assert (shown(unit, "Result"), restarts(unit)) == ("success", 0)


def test_a_unit_may_name_the_statuses_that_are_good(web):
    unit = web("say READY=1; exit 42", "SuccessExitStatus=42")
    systemctl("start", unit)
    wait_until(lambda: shown(unit, "ActiveState") == "inactive", engines.TIMEOUT)
    assert (shown(unit, "Result"), restarts(unit)) == ("success", 0)


def test_a_unit_whose_kenro_is_killed_leaves_no_container(web):
    unit = web(trapping(0), "Restart=no")
    systemctl("start", unit)
    systemctl("kill", "--kill-whom", "main", "--signal", "KILL", unit)
    wait_until(lambda: shown(unit, "ActiveState") == "failed", engines.TIMEOUT)
    assert command(KENRO, "list", "--quiet") == ""


def test_a_detached_container_is_the_units_process(web):
    """Its status nobody hears of."""
    unit = web(trapping(0), "ExecStart=", "ExecStart=/usr/local/sbin/kenro run --detach "
               "--bundle /srv/containers/web web", "Restart=no")
    systemctl("start", unit)
    assert shown(unit, "MainPID") == str(state()["pid"])
    systemctl("stop", unit)
    assert command(KENRO, "list", "--quiet") == ""


# ---- an ordinary user -------------------------------------------------------------------

@pytest.fixture
def tester():
    """tester(SCRIPT) runs it as the user, who has a manager of systemd's."""
    systemctl("start", "user@1000.service")
    environment = ("XDG_RUNTIME_DIR=/run/user/1000 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus "
                   "HOME=/home/tester")
    return lambda script: command("su", "tester", "-c", f"export {environment}; cd; {script}")


def checks_of(text):
    return {c["name"]: c for c in json.loads(text)["checks"]}


def test_a_user_is_told_of_the_manager_that_is_delegated(tester):
    checks = checks_of(tester(f"{KENRO} doctor --json || :"))
    assert "user@.service is delegated" in checks["delegation"]["found"]
    assert checks["subids"]["status"] == "ok"
    assert checks["state"]["found"].startswith("/run/user/1000/kenro; ")


def test_podmans_example_is_enough_for_one_user(podman, place, tester, image):
    own = Path("/home/tester/.config/containers/containers.conf.d/kenro.conf")
    tester(f"mkdir -p {own.parent}; rm -f {own}")
    assert "kenro is not registered" in checks_of(tester(f"{KENRO} doctor --json || :"))["podman"]["found"]
    tester(f"cp {EXAMPLES}/podman.conf {own}")
    try:
        assert checks_of(tester(f"{KENRO} doctor --json || :"))["podman"]["status"] == "ok"
        assert "kenro is not registered" in finding("podman")[0]["found"]  # to root
        tester(f"podman load --quiet --input {engines.ARCHIVE}")
        tester(f"podman --runtime kenro run --detach --name web {image} sleep 1000")
        assert tester("podman inspect --format '{{.OCIRuntime}}' web") == "kenro"
        assert tester("podman exec web echo here") == "here"
    finally:
        tester("podman rm --force --time 0 web")
        own.unlink()
