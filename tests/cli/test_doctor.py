"""`kenro doctor`: on this host as it is, and on one whose /etc and engines are made up."""

import json
import os
import re
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from kenrotest import KENRO

ENGINES = Path(__file__).parents[2] / "configs/engines"
CHECKS = ["kernel", "caller", "cgroup", "controllers", "delegation", "systemd", "lsm", "seccomp",
          "userns", "subids", "state", "podman", "buildah", "docker", "containerd", "crio", "runtimes"]
LINE = re.compile(r"(ok|info|warn|fail) {2,4}(\w+) {2,}(\S.*)")


def doctor(*args, **how):
    how.setdefault("env", {"PATH": "/usr/bin:/bin"})
    return subprocess.run([KENRO, *args], capture_output=True, text=True, timeout=60, **how)


def examine(*args, **how):
    """The object of --json and {name: check}."""
    p = doctor(*args, "doctor", "--json", **how)
    assert p.stderr == ""
    found = json.loads(p.stdout)
    assert p.returncode == (1 if found["failures"] else 0)
    return found, {c["name"]: c for c in found["checks"]}


def shown(text):
    """{name: (status, what was found, what to do)}"""
    found = {}
    *lines, last = text.splitlines()
    for line in lines:
        if line.strip().startswith("-> "):
            found[name] = (*found[name][:2], line.strip()[3:])
        else:
            status, name, what = LINE.fullmatch(line).groups()
            found[name] = (status, what, None)
    return found, last


def test_text_and_json_say_the_same():
    found, checks = examine()
    assert [c["name"] for c in found["checks"]] == CHECKS
    text, last = shown(doctor("doctor").stdout)
    assert text == {name: (c["status"], c["found"], c.get("fix")) for name, c in checks.items()}
    assert last == (f"{'not ready' if found['failures'] else 'ready'}: failures: {found['failures']}, "
                    f"warnings: {found['warnings']}")


def test_what_is_not_well_has_a_way_out():
    for c in examine()[0]["checks"]:
        assert ("fix" in c) == (c["status"] in ("warn", "fail")), c


def test_the_object_has_the_members_that_stay():
    found, _ = examine()
    assert set(found) == {"version", "commit", "checks", "failures", "warnings", "engines"}
    assert found["warnings"] == sum(c["status"] == "warn" for c in found["checks"])
    manual = (Path(__file__).parents[2] / "docs/man/kenro-doctor.md").read_text()
    for name in [*CHECKS, *found, "program", "files", "default", "runtimes", "path", "file", "kenro"]:
        assert f"`{name}`" in manual


def test_the_kernel_is_this_one():
    _, checks = examine()
    assert checks["kernel"]["found"] == f"Linux {os.uname().release}"
    assert checks["kernel"]["status"] == "ok"
    assert checks["caller"]["found"].startswith("root")


def test_an_ordinary_user_is_told_what_matters_to_users():
    found, checks = examine(user="nobody", group="nogroup", extra_groups=[])
    assert checks["caller"]["found"] == "an ordinary user, uid 65534, nobody"
    assert checks["subids"]["status"] == "warn" and "usermod" in checks["subids"]["fix"]
    assert checks["state"]["status"] == "fail"  # /run/kenro is root's
    assert checks["delegation"]["status"] == "warn"
    with tempfile.TemporaryDirectory() as own:
        os.chown(own, 65534, 65534)
        _, checks = examine(user="nobody", group="nogroup", extra_groups=[], env={"XDG_RUNTIME_DIR": own})
        assert checks["state"]["found"] == f"{own}/kenro; will be made by the first container"


def test_the_state_directory_must_be_safe(tmp_path):
    root = tmp_path / "open/kenro"
    root.mkdir(parents=True, mode=0o700)
    assert examine("--root", root)[1]["state"]["status"] in ("ok", "warn")
    root.chmod(0o770)
    p = doctor("--root", root, "doctor")
    assert p.returncode == 1 and "mode 0770: others may write" in p.stdout
    root.chmod(0o700)
    root.parent.chmod(0o777)
    state = examine("--root", root)[1]["state"]
    assert state["status"] == "fail" and f"others may rename what is in {root.parent}" in state["found"]
    root.parent.chmod(0o755)
    os.chown(root, 1000, 1000)
    assert "belongs to uid 1000" in examine("--root", root)[1]["state"]["found"]


def test_nothing_is_made(tmp_path):
    before = sorted(os.listdir("/run"))
    assert examine("--root", tmp_path / "none/kenro")[1]["state"]["status"] == "ok"
    assert list(tmp_path.iterdir()) == []
    assert sorted(os.listdir("/run")) == before


def test_without_a_procfs_it_says_that_and_guesses_nothing():
    p = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c",
                        'mount -t tmpfs none /proc && exec "$0" doctor', KENRO],
                       capture_output=True, text=True, timeout=60)
    found, last = shown(p.stdout)
    assert p.returncode == 1  # what is on standard error then is the sanitizers'
    assert found.pop("kernel")[:2] == ("fail", "/proc is not a procfs")
    assert {status for status, _, _ in found.values()} == {"info"}
    assert last == "not ready: failures: 1, warnings: 0"


def test_an_argument_is_refused():
    p = doctor("doctor", "x")
    assert p.returncode == 1 and "unexpected argument 'x'" in p.stderr


# ---- another host ------------------------------------------------------------------------

class Host:
    """This one with an /etc, and programs of the administrator's, of its own."""

    def __init__(self, path):
        self.etc, self.programs = path / "etc", path / "programs"
        self.etc.mkdir()
        self.programs.mkdir()
        (self.programs / "kenro").symlink_to(KENRO)
        for name in ("podman", "buildah", "dockerd", "containerd", "crio"):
            self.program(name)

    def program(self, name):
        (self.programs / name).touch(mode=0o755)

    def file(self, path, text):
        path = self.etc / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def install(self, example, path):
        self.file(path, (ENGINES / example).read_text())

    def command(self, *args):
        script = ('mount --bind "$1" /etc && mount --bind "$2" /usr/local/sbin && shift 2 && '
                  'exec "$@"')
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh",
                self.etc, self.programs, KENRO, *args]

    def run(self, *args):
        return subprocess.run(self.command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=60, env={"PATH": "/usr/bin:/bin"})

    def examine(self):
        p = self.run("doctor", "--json")
        found = json.loads(p.stdout)
        return ({c["name"]: c for c in found["checks"]}, {e["name"]: e for e in found["engines"]})


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_an_engine_that_does_not_know_kenro_gets_a_file_that_is_there(host):
    checks, engines = host.examine()
    for name in ("podman", "buildah", "docker", "containerd", "crio"):
        assert checks[name]["status"] == "warn"
        assert "kenro is not registered" in checks[name]["found"]
        named = re.findall(r"engines/([\w.-]+)|: ([\w.-]+\.toml)\)", checks[name]["fix"])
        assert named and all((ENGINES / (a or b)).is_file() for a, b in named)
        assert engines[name]["files"] == []


@pytest.mark.parametrize("engine, files, default", [
    ("podman", {"podman.conf": "containers/containers.conf.d/kenro.conf"}, False),
    ("buildah", {"podman.conf": "containers/containers.conf.d/kenro.conf"}, False),
    ("podman", {"podman.conf": "containers/containers.conf.d/kenro.conf",
                "podman-default.conf": "containers/containers.conf.d/kenro-default.conf"}, True),
    ("docker", {"docker.json": "docker/daemon.json"}, False),
    ("docker", {"docker-default.json": "docker/daemon.json"}, True),
    ("containerd", {"containerd-1.7.toml": "containerd/config.toml"}, False),
    ("containerd", {"containerd-2.toml": "containerd/config.toml"}, False),
    ("crio", {"crio.conf": "crio/crio.conf.d/10-kenro.conf"}, False),
])
def test_each_example_makes_its_engine_know_kenro(host, engine, files, default):
    for example, path in files.items():
        host.install(example, path)
    checks, engines = host.examine()
    assert (checks[engine]["status"], checks[engine].get("fix")) == ("ok", None)
    assert ("kenro is the default, as kenro" in checks[engine]["found"]) == default
    assert ("kenro can be asked for, as kenro" in checks[engine]["found"]) != default
    found = engines[engine]
    assert found["files"] == sorted(f"/etc/{path}" for path in files.values())
    assert (found["default"] == "kenro") == default
    assert [r for r in found["runtimes"] if r["kenro"]] == [{
        "name": "kenro", "path": "/usr/local/sbin/kenro", "kenro": True,
        "file": f"/etc/{list(files.values())[0]}"}]


def test_a_link_named_runc_is_kenro(host):
    (host.programs / "runc").symlink_to("kenro")
    checks, engines = host.examine()
    assert "kenro is the default, as runc" in checks["docker"]["found"]
    assert engines["docker"]["runtimes"] == [
        {"name": "runc", "path": "/usr/local/sbin/runc", "file": None, "kenro": True}]
    assert "kenro itself: /usr/local/sbin/runc" in checks["runtimes"]["found"]


def test_a_program_that_is_gone_is_a_failure(host):
    host.install("podman.conf", "containers/containers.conf.d/kenro.conf")
    (host.programs / "kenro").unlink()
    p = host.run("doctor")
    assert p.returncode == 1
    assert b"fail  podman" in p.stdout and b"its program is not there" in p.stdout


def hostile(host, kind):
    for path in ("docker/daemon.json", "containerd/config.toml", "crio/crio.conf", "passwd", "subuid",
                 "containers/containers.conf"):
        path = host.etc / path
        path.parent.mkdir(exist_ok=True)
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "device":
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))
        elif kind == "link to a device":
            path.symlink_to("/dev/zero")
        elif kind == "endless link":
            path.symlink_to(path.name)
        elif kind == "huge":
            path.touch()
            os.truncate(path, 1 << 40)
        elif kind == "directory":
            path.mkdir()
        elif kind == "binary":
            path.write_bytes(bytes(range(256)) * 100)
        elif kind == "deep":
            path.write_text("a = " + "[" * 100000)
        elif kind == "control characters":
            path.write_text("runtimes\033[2J\033]0;x\007\u009b31m = [\n" + "\033[2J" * 50)


@pytest.mark.parametrize("kind", ["fifo", "device", "link to a device", "endless link", "huge",
                                  "directory", "binary", "deep", "control characters"])
def test_files_that_are_none_are_told_and_do_no_harm(host, kind):
    hostile(host, kind)
    text, data = host.run("doctor"), host.run("doctor", "--json")
    assert (text.returncode, data.returncode) == (1, 1)
    assert text.stderr == data.stderr == b""
    for output in (text.stdout, data.stdout):
        shown = output.decode()  # it is UTF-8
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown)
    checks = {c["name"]: c for c in json.loads(data.stdout)["checks"]}
    for name in ("podman", "docker", "containerd", "crio"):
        assert checks[name]["status"] == "fail" and checks[name]["fix"] == "correct that file"


def test_a_name_in_a_file_does_not_reach_the_terminal_as_it_is(host):
    host.file("docker/daemon.json", json.dumps(
        {"default-runtime": "a\u001b[2Jb", "runtimes": {"a\u001b[2Jb": {"path": "/x\u009b31m"}}}))
    p = host.run("doctor")
    assert b"a?[2Jb" in p.stdout and b"\033" not in p.stdout
    p = host.run("doctor", "--json")
    assert b"a?[2Jb" in p.stdout and b"/x??31m" not in p.stdout.replace(b"\\u", b"")
    assert "\u009b" not in p.stdout.decode() and "\\u001b" not in p.stdout.decode()


def test_a_table_of_another_version_is_told(host):
    text = (ENGINES / "containerd-1.7.toml").read_text().replace("version = 2", "version = 3")
    host.file("containerd/config.toml", text)
    checks, engines = host.examine()
    assert checks["containerd"]["status"] == "warn"
    assert "says version 3 and has a table of version 2" in checks["containerd"]["found"]
    assert not any(r["kenro"] for r in engines["containerd"]["runtimes"])
