"""Engines in a guest, each with one runtime below it: podman, buildah, docker, and
containerd's ctr."""

import contextlib
import json
import os
import re
import secrets
import subprocess
from pathlib import Path

import kenrotest

IMAGE = "localhost/busybox:latest"
ARCHIVE = "/usr/local/lib/kenro-vm/busybox.tar"
HELPERS = ("--volume", f"{kenrotest.HELPERS}:/helpers:ro")  # tests/helpers in a container
RUNTIMES = {"kenro": "/usr/local/sbin/kenro", "crun": "/usr/bin/crun", "runc": "/usr/sbin/runc"}
# As user 1000 does, after a login.
AS_TESTER = (
    "setpriv", "--reuid", "1000", "--regid", "1000", "--init-groups", "--inh-caps=-all", "env", "--chdir=/",
    "--ignore-environment", "HOME=/home/tester", "USER=tester", "XDG_RUNTIME_DIR=/run/user/1000",
    "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus", "PATH=/usr/local/bin:/usr/bin:/bin")
TIMEOUT = 120 * float(os.environ.get("KENRO_SCALE", "1"))  # seconds, for one command


# A memory hog whose shell goes on until SIGTERM, and then ends as the hog did. systemd
# removes the group of who has ended, often before the engine has looked into it,
# whichever the runtime.
HOG = ("dd if=/dev/zero of=/dev/null bs=200M count=1; s=$?; sleep 1000 & "
       "trap \"kill $!; exit $s\" TERM; wait")
# The same, once there is /go: conmon watches its container's memory only a moment after it
# has been started, and never hears of a kill before that.
HOG_WHEN_TOLD = f"until [ -e /go ]; do sleep 0.1; done; {HOG}"


class Engine:
    """The command line of an engine whose containers RUNTIME makes."""

    command = ()  # what every command line begins with

    def __init__(self, runtime, manager="systemd"):
        self.runtime, self.manager = runtime, manager

    def run(self, *args, **kw):
        """The finished command."""
        kw.setdefault("stdin", subprocess.DEVNULL if "input" not in kw else None)
        kw.setdefault("timeout", TIMEOUT)
        return subprocess.run([*self.command, *map(str, args)], text=True, capture_output=True, **kw)

    def ok(self, *args, **kw):
        """What a command that must succeed prints, without the last line's end."""
        r = self.run(*args, **kw)
        assert r.returncode == 0, told(r)
        return r.stdout.removesuffix("\n")

    def fails(self, *args, status=None, **kw):
        """What a command that must fail says."""
        r = self.run(*args, **kw)
        assert r.returncode != 0 and status in (None, r.returncode), told(r)
        return r.stderr

    def container(self, *args, verb="run"):
        """The command that runs a container: the options, the image and its arguments are
        the caller's."""
        return (verb, *args)

    def has_image(self):
        return self.run("image", "inspect", IMAGE).returncode == 0

    def load(self):
        self.ok("load", "--input", ARCHIVE)

    def containers(self):
        return self.ok("ps", "--all", "--quiet").split()

    def remove(self, *names):
        self.ok("rm", "--force", *names)

    def inspect(self, name):
        """What the engine knows of a container."""
        return json.loads(self.ok("container", "inspect", name))[0]

    def warm(self):
        """Up, with the image."""
        if not self.has_image():
            self.load()
        return self

    def clean(self):
        """No containers; those that a test has left are gone."""
        if names := self.containers():
            self.remove(*names)


class Podman(Engine):
    def __init__(self, runtime, manager="systemd"):
        super().__init__(runtime, manager)
        self.command = ("podman", "--runtime", RUNTIMES[runtime], "--cgroup-manager", manager)

    def remove(self, *names):
        self.ok("rm", "--force", "--time", "0", *names)

    def group(self, name):
        """The cgroup that has the limits of a running container. crun has one more below."""
        path = Path(f"/proc/{self.inspect(name)['State']['Pid']}/cgroup").read_text().strip().removeprefix("0::/")
        return Path("/sys/fs/cgroup", path.removesuffix("/container"))


class RootlessPodman(Podman):
    """An ordinary user's, whose manager is the user's instance of systemd."""

    def __init__(self, runtime, manager="systemd"):
        super().__init__(runtime, manager)
        self.command = (*AS_TESTER, *self.command)

    def warm(self):
        systemctl("start", "user@1000.service")
        return super().warm()


class Buildah(Engine):
    """Builds images, and has Podman's store of them."""

    command = ("buildah",)

    def container(self, *args, verb="run"):
        """Without --isolation the user decides who makes containers."""
        return (verb, "--isolation", "oci", "--runtime", RUNTIMES[self.runtime], *args)

    def has_image(self):
        return self.run("inspect", "--type", "image", IMAGE).returncode == 0

    def load(self):
        self.ok("pull", "--quiet", f"docker-archive:{ARCHIVE}")

    def containers(self):
        return self.ok("containers", "--quiet").split()

    def remove(self, *names):
        self.ok("rm", *names)


class RootlessBuildah(Buildah):
    """An ordinary user's."""

    command = (*AS_TESTER, *Buildah.command)

    def warm(self):
        systemctl("start", "user@1000.service")
        return super().warm()


class Docker(Engine):
    command = ("docker",)
    settings = Path("/etc/docker/daemon.json")

    def container(self, *args, verb="run"):
        return (verb, "--runtime", self.runtime, *args)

    def warm(self):
        """The daemon takes its cgroup manager when it starts."""
        settings = json.loads(self.settings.read_text())
        options = [f"native.cgroupdriver={self.manager}"]
        if settings.get("exec-opts", ["native.cgroupdriver=systemd"]) != options:
            self.settings.write_text(json.dumps({**settings, "exec-opts": options}))
            systemctl("stop", "docker.service", "docker.socket")
        systemctl("start", "docker.service")
        return super().warm()

    def answers(self):
        """Returns when the daemon is up."""
        kenrotest.wait_until(lambda: self.run("version").returncode == 0, TIMEOUT)

    def restart(self):
        systemctl("reset-failed", "docker")  # systemd counts its starts
        systemctl("restart", "docker")
        self.answers()


class Ctr(Engine):
    """containerd, by its own command and the shim for runtimes."""

    command = ("ctr",)

    def container(self, *args, verb="run"):
        """The image is followed by an id that is the caller's too."""
        systemd = ()
        if self.manager == "systemd":
            systemd = ("--runc-systemd-cgroup", "--cgroup", f"system.slice:ctr:{secrets.token_hex(4)}")
        return (verb, "--runtime", "io.containerd.runc.v2", "--runc-binary", RUNTIMES[self.runtime],
                *systemd, *args)

    def has_image(self):
        return IMAGE in self.ok("images", "list", "--quiet").split()

    def load(self):
        self.ok("images", "import", ARCHIVE)

    def containers(self):
        return self.ok("containers", "list", "--quiet").split()

    def remove(self, *names):
        for name in names:
            self.run("tasks", "delete", "--force", name)  # it may have none
            self.ok("containers", "delete", name)

    def warm(self):
        systemctl("start", "containerd.service")
        return super().warm()


ENGINES = {"podman": Podman, "docker": Docker, "ctr": Ctr}
OURS = r"[0-9a-f]{64}|libpod-|buildah|/ctr-"  # what containers' groups and mounts are called by
MONITORS = "conmon containerd-shim docker-proxy pasta slirp4netns kenro crun runc".split()
# Where runtimes and shims keep what they know of containers.
STATE = ("/run/docker/runtime-runc/moby", "/run/containerd/runc/default", "/run/containerd/io.containerd.runtime.v2.task/moby",
         "/run/containerd/io.containerd.runtime.v2.task/default", "/run/kenro", "/run/crun", "/run/runc")


def traces():
    """What containers are seen by on the host: groups, mounts, their monitors, and what is kept of them."""
    groups = [os.path.join(path, d) for path, dirs, _ in os.walk("/sys/fs/cgroup") for d in dirs]
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    monitors = [f"{p.name} {name}" for p in Path("/proc").glob("[0-9]*")
                if (name := name_of(p)).startswith(tuple(MONITORS))]
    return {
        "groups": sorted(g for g in groups if re.search(OURS, g)),
        "mounts": sorted(m for m in mounts if re.search(OURS, m)),
        "monitors": sorted(monitors),
        "state": sorted(str(entry) for path in STATE for entry in Path(path).glob("[!.]*")),
    }


def everything():
    """All groups, mounts, network interfaces and programs of the host, and what runtimes keep."""
    programs = sorted(name for p in Path("/proc").glob("[0-9]*")
                      if (name := name_of(p)) and os.path.exists(p / "exe") and not name.startswith(("systemd-", "(")))
    return {
        "groups": sorted(path for path, _, _ in os.walk("/sys/fs/cgroup")),
        "mounts": sorted(line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()),
        "network": sorted(os.listdir("/sys/class/net")),
        "programs": programs,
        "state": traces()["state"],
    }


def name_of(process):
    try:
        return (process / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""  # has ended


def at_work(runtime, verb, who):
    """The pid of a process of RUNTIME that does VERB, as soon as there is one; None once WHO,
    who has asked for it, has an answer."""
    while not who():
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                args = (process / "cmdline").read_bytes().split(b"\0")
                if args[0].decode().rpartition("/")[2] == runtime and verb.encode() in args:
                    return int(process.name)
    return None


def parent(pid):
    """Of a process; None if it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return int(Path(f"/proc/{pid}/status").read_text().partition("PPid:")[2].split()[0])


def state(pid):
    """Of a process, in one letter; None if it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


# Processes that come and go with the host's own services.
DAEMONS = {"dockerd", "containerd", "dbus-daemon", "agetty"}


def host():
    """All that the host has of containers: their traces, every unit, and every process that is
    not the kernel's."""
    units = subprocess.run(["systemctl", "list-units", "--all", "--plain", "--no-legend", "--type", "scope,slice,mount"],
                           text=True, capture_output=True, check=True).stdout
    return {
        **traces(),
        "units": sorted(line.split()[0] for line in units.splitlines() if re.search(OURS, line)),
        "processes": sorted(f"{p.name} {name_of(p)}" for p in Path("/proc").glob("[0-9]*")
                            if program_of(p) and name_of(p) not in DAEMONS
                            and not name_of(p).startswith(("systemd", "(sd-"))),
    }


def program_of(process):
    try:
        return (process / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""  # has ended


def left(before, look=traces):
    """What LOOK finds now and did not BEFORE. What was may have gone."""
    now = look()
    return {what: new for what in now if (new := sorted(set(now[what]) - set(before[what])))}


def told(r):
    return f"{' '.join(r.args)}\nexit status {r.returncode}\n{r.stdout}{r.stderr}"


def show(unit, what):
    """A property of a unit."""
    return subprocess.run(["systemctl", "show", "--value", "--property", what, unit], check=True, capture_output=True,
                          text=True).stdout.strip()


def systemctl(*args):
    """Returns when the units say that they are there."""
    r = subprocess.run(["systemctl", *args], text=True, capture_output=True)
    assert r.returncode == 0, r.stderr + subprocess.run(
        ["journalctl", "--no-pager", "--lines", "30", "--output", "cat"], text=True, capture_output=True).stdout
