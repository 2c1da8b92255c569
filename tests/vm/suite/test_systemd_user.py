"""The systemd cgroup manager of an ordinary user: the user's own systemd."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from kenrotest import (Runtime, cgroup_mount, config, leaves_nothing, make_bundle, reap_orphans,
                       wait_until)
from rootless import mapped

UID = 1000
RUN = f"/run/user/{UID}"
SLEEP = ("/bin/sleep", "1000")
SERVICE = cgroup_mount() / f"user.slice/user-{UID}.slice/user@{UID}.service"
MB = 1 << 20

# $1 is the group to be in.
AS_USER = 'echo $$ >"$1/cgroup.procs" && shift && ' \
          f'exec setpriv --reuid {UID} --regid {UID} --init-groups --inh-caps=-all -- "$@"'


class User(Runtime):
    """kenro as tester calls it, from the group that a login session could be."""

    def __init__(self, home, group):
        super().__init__(Path(RUN) / "kenro", "/usr/local/bin/kenro")
        self.home, self.group, self.env = home, group, {"XDG_RUNTIME_DIR": RUN,
                                                        "PATH": "/usr/bin:/bin"}
        self.inside = []

    def as_user(self, *command):
        return ["sh", "-c", AS_USER, "sh", str(self.group), *command]

    def command(self, *args):
        return self.as_user(*self.inside, self.binary, *map(str, args))

    def run(self, *args, **kw):
        return super().run(*args, **{"env": self.env, "cwd": self.home, **kw})

    def systemctl(self, *args):
        return subprocess.run(self.as_user("systemctl", "--user", *args), env=self.env, check=True,
                              capture_output=True, text=True).stdout

    def units(self):
        out = self.systemctl("list-units", "--all", "--plain", "--no-legend", "k*.scope")
        return sorted(line.split()[0] for line in out.splitlines())

    def show(self, unit, *names):
        out = self.systemctl("show", unit, *(f"--property={n}" for n in names))
        return dict(line.split("=", 1) for line in out.splitlines())

    def bundle(self, c, path=None):
        if path:
            c["linux"]["cgroupsPath"] = path
        bundle = make_bundle(self.home / "bundle", c)
        subprocess.run(["chown", "-R", f"{UID}:{UID}", bundle], check=True)
        return bundle


@pytest.fixture(scope="module")
def manager():
    """The user's systemd. Its groups are below a service that belongs to the user."""
    subprocess.run(["systemctl", "start", f"user@{UID}.service"], check=True)
    assert "memory" in (SERVICE / "cgroup.controllers").read_text().split()
    yield
    subprocess.run(["systemctl", "stop", f"user@{UID}.service"], check=True)


# Where the caller is: only inside of the service may it move processes by itself.
@pytest.fixture(params=["session", "service"])
def user(request, manager):
    group = SERVICE.parent / "session-kt.scope" if request.param == "session" else \
        SERVICE / "app.slice/kt.scope"
    home = Path("/home/tester/kt")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    group.mkdir(parents=True, exist_ok=True)
    os.chown(home, UID, UID)
    u = User(home, group)
    try:
        with leaves_nothing(u):
            yield u
        wait_until(lambda: u.units() == [])
    finally:
        shutil.rmtree(home)
        group.rmdir()


def limited(*args):
    c = mapped(config(*(args or SLEEP)), uid=UID)
    c["linux"]["resources"].update({"memory": {"limit": 64 * MB}, "pids": {"limit": 20}})
    return c


def cgroup_of(pid):
    return Path(f"/proc/{pid}/cgroup").read_text().strip()


def test_it_is_a_scope_of_the_users_systemd(user):
    bundle = user.bundle(limited(), "user.slice:kt:c")
    user.ok("--systemd-cgroup", "create", "--bundle", bundle, "c")
    scope = SERVICE / "user.slice/kt-c.scope"
    assert cgroup_of(user.pid("c")) == f"0::/{scope.relative_to(cgroup_mount())}"
    assert (scope / "memory.max").read_text() == f"{64 * MB}\n"
    assert user.show("kt-c.scope", "MemoryMax", "TasksMax", "Slice") == {
        "MemoryMax": str(64 * MB), "TasksMax": "20", "Slice": "user.slice"}
    user.systemctl("daemon-reload")
    assert (scope / "memory.max").read_text() == f"{64 * MB}\n"
    user.ok("start", "c")
    user.ok("update", "--memory", "80m", "c")
    assert (scope / "memory.max").read_text() == f"{80 * MB}\n"
    assert user.show("kt-c.scope", "MemoryMax") == {"MemoryMax": str(80 * MB)}
    user.ok("pause", "c")
    assert user.status("c") == "paused"
    user.ok("resume", "c")
    assert json.loads(user.ok("events", "--stats", "c"))["data"]["pids"]["current"] == 1
    user.ok("delete", "--force", "c")
    assert not scope.exists()


def test_an_exec_is_in_the_scope(user):
    bundle = user.bundle(limited(), "user.slice:kt:c")
    user.ok("--systemd-cgroup", "run", "--detach", "--bundle", bundle, "c")
    assert user.ok("exec", "c", "cat", "/proc/self/cgroup") == "0::/\n"
    user.ok("exec", "--detach", "c", *SLEEP)
    procs = (SERVICE / "user.slice/kt-c.scope/cgroup.procs").read_text().split()
    assert len(procs) == 2
    user.ok("kill", "--all", "c", "KILL")
    wait_until(lambda: reap_orphans() == [] and user.status("c") == "stopped")


def test_without_a_path_it_is_in_the_user_slice(user):
    bundle = user.bundle(limited())
    user.ok("--systemd-cgroup", "run", "--detach", "--bundle", bundle, "c")
    assert cgroup_of(user.pid("c")).endswith("/user.slice/kenro-c.scope")


def test_without_dbus_the_users_systemd_is_asked_directly(user):
    bundle = user.bundle(limited())
    env = {**user.env, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/nosuch"}
    user.ok("--systemd-cgroup", "run", "--detach", "--bundle", bundle, "c", env=env)
    assert user.units() == ["kenro-c.scope"]
    user.ok("delete", "--force", "c", env=env)
    assert user.units() == []


def test_without_a_manager_the_error_says_so(user):
    bundle = user.bundle(limited())
    env = {"PATH": "/usr/bin:/bin"}
    line = user.fails("--root", user.home / "state", "--systemd-cgroup", "create", "--bundle", bundle,
                      "c", env=env)
    assert re.match("create c: systemd: the user's manager does not answer: its bus: E[A-Z]+, its own "
                    r"socket: ENOENT \(DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR must lead to it", line)


def test_in_a_user_namespace_of_an_engine_the_user_is_known(user):
    """As Podman without root calls it: root in there, the user out here."""
    c = config(*SLEEP)
    for m in c["mounts"]:
        m["options"] = [o for o in m["options"] if o != "gid=5"]
    bundle = user.bundle(c, "user.slice:kt:c")
    user.inside = ["unshare", "--user", "--map-root-user", "--mount"]
    user.ok("--systemd-cgroup", "run", "--detach", "--bundle", bundle, "c")
    assert user.units() == ["kt-c.scope"]
    assert cgroup_of(user.pid("c")).endswith("/user.slice/kt-c.scope")
    user.ok("delete", "--force", "c")
    assert user.units() == []
