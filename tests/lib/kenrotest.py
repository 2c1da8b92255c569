"""What the tests of the command line have in common: bundles, the runtime as a
caller sees it, and the look at the host before and after."""

import contextlib
import copy
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

BUILD = Path(os.environ.get("BUILD", Path(__file__).parents[2] / "build")).resolve()
KENRO = str(BUILD / "src/kenro")
HELPERS = BUILD / "tests/helpers"
# Seconds; nothing here takes more than a few, but in a guest.
TIMEOUT = 60 * float(os.environ.get("KENRO_SCALE", "1"))

CAPS = ["CAP_" + name for name in (
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT")]

# Like what engines send, short enough to be read.
CONFIG = {
    "ociVersion": "1.2.0",
    "process": {
        "user": {"uid": 0, "gid": 0},
        "args": ["/bin/true"],
        "env": ["PATH=/usr/bin:/bin", "TERM=xterm"],
        "cwd": "/",
        "capabilities": {"bounding": CAPS, "effective": CAPS, "permitted": CAPS},
        "noNewPrivileges": True,
    },
    "root": {"path": "rootfs"},
    "hostname": "inner",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc",
         "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
         "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
         "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
        {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
         "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
        {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
         "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/sys", "type": "sysfs", "source": "sysfs",
         "options": ["nosuid", "noexec", "nodev", "ro"]},
    ],
    "linux": {
        "namespaces": [{"type": t} for t in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
        "resources": {"devices": [{"allow": False, "access": "rwm"}]},
        "maskedPaths": ["/proc/acpi", "/proc/kcore", "/proc/keys", "/sys/firmware"],
        "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                          "/proc/sysrq-trigger"],
    },
}


def config(*args, **process):
    """A fresh configuration that runs ARGS."""
    c = copy.deepcopy(CONFIG)
    if args:
        c["process"]["args"] = list(args)
    c["process"].update(process)
    return c


def user_namespace(c, base=100000, size=65536):
    """Give the configuration a user namespace of its own."""
    c["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": base, "size": size}]
    c["linux"]["uidMappings"] = mapping
    c["linux"]["gidMappings"] = mapping
    return c


def without(c, *types):
    c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] not in types]
    return c


def shell(script, **process):
    return config("/bin/sh", "-c", script, **process)


_template = None


def make_rootfs(path):
    """A root file system of busybox and the helpers, the caller's own copy."""
    global _template
    if _template is None:
        _template = BUILD / "tests/rootfs"
        if not (_template / "bin/inside").exists():
            shutil.rmtree(_template, ignore_errors=True)
            subprocess.run([Path(__file__).parent / "busybox-rootfs", _template], check=True)
        for helper in HELPERS.iterdir():
            if helper.is_file() and os.access(helper, os.X_OK):
                assert not (_template / "bin" / helper.name).is_symlink()  # to busybox
                shutil.copy2(helper, _template / "bin")
    subprocess.run(["cp", "-a", _template, path], check=True)


def debian_tree(suite, *packages, name=None):
    """Debian by debootstrap: made once for all builds, not to be changed."""
    path = Path(__file__).parents[2] / "build/trees" / (name or suite)
    subprocess.run([Path(__file__).parent / "debian-tree", suite, path, *packages], check=True,
                   timeout=900)
    return path


def make_bundle(path, c):
    path.mkdir(parents=True, exist_ok=True)
    if not (path / "rootfs").exists():
        make_rootfs(path / "rootfs")
    write_config(path, c)
    return path


def write_config(path, c):
    (path / "config.json").write_text(json.dumps(c, indent=1))


class Runtime:
    """kenro with a directory of containers of its own."""

    def __init__(self, root, binary=KENRO):
        self.root = root
        self.binary = binary

    def command(self, *args):
        return [self.binary, "--root", str(self.root), *map(str, args)]

    def run(self, *args, stdout=None, stderr=None, **kw):
        """The finished command. Its output goes through files: a pipe would stay
        open as long as what a detached container runs."""
        if "input" not in kw:
            kw.setdefault("stdin", subprocess.DEVNULL)
        kw.setdefault("timeout", TIMEOUT)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            r = subprocess.run(self.command(*args), text=True, stdout=stdout or out,
                               stderr=stderr or err, **kw)
            for f in (out, err):
                f.seek(0)
            r.stdout, r.stderr = (f.read().decode(errors="replace") for f in (out, err))
        return r

    def popen(self, *args, **kw):
        return subprocess.Popen(self.command(*args), text=True, **kw)

    def ok(self, *args, **kw):
        """Standard output of a command that must succeed and say nothing else."""
        r = self.run(*args, **kw)
        assert r.returncode == 0, r.stderr
        assert r.stderr == "", r.stderr
        return r.stdout

    def fails(self, *args, status=1, placed=False, **kw):
        """The one line that a command which must fail says why, without the
        place in config.json unless PLACED."""
        r = self.run(*args, **kw)
        assert r.returncode == status, (r.returncode, r.stdout, r.stderr)
        assert r.stdout == "", r.stdout
        assert r.stderr.count("\n") == 1 and r.stderr.startswith("kenro: "), r.stderr
        line = r.stderr[len("kenro: "):-1]
        return line if placed else re.sub(r"config\.json:\d+:\d+: ", "", line)

    def state(self, id):
        return json.loads(self.ok("state", id))

    def status(self, id):
        return self.state(id)["status"]

    def pid(self, id):
        return self.state(id)["pid"]

    def ids(self):
        return self.ok("list", "-q").split() if Path(self.root).exists() else []

    def wait_for(self, id, status):
        """Wait until the init of ID has ended (or whatever leads to STATUS)."""
        wait_until(lambda: self.status(id) == status)


def wait_until(true, seconds=TIMEOUT):
    """For what has no event to wait on from outside: a bounded poll."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def only_integers(value):
    """What a decoder of JSON makes of events: numbers that are exact."""
    if isinstance(value, dict):
        return all(only_integers(v) for v in value.values())
    if isinstance(value, list):
        return all(only_integers(v) for v in value)
    return value is None or isinstance(value, (int, str))


def inside(runtime, path, c, *args, **kw):
    """What the program `inside` says when it is run from C."""
    c["process"]["args"] = ["/bin/inside"]
    write_config(path, c)
    return json.loads(runtime.ok(*args, "run", "--bundle", path, "inside", **kw))


def cgroup_mount():
    for mount in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        if os.path.exists(mount + "/cgroup.procs") and os.path.exists(mount + "/cgroup.controllers"):
            return Path(mount)
    raise AssertionError("no cgroup2 mount")


def our_cgroups():
    """Groups that kenro or a test has made, all of which are called so."""
    ours = re.compile(rf"{cgroup_mount()}/kenro(-test[^/]*)?(/|$)")
    found = (os.path.join(path, d) for path, dirs, _ in os.walk(cgroup_mount()) for d in dirs)
    return {group for group in found if ours.match(group)}


def our_processes():
    """Children of this process, zombies too, and everything in our cgroups."""
    found = set()
    me = os.getpid()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path("/proc", entry, "stat").read_text()
            cgroup = Path("/proc", entry, "cgroup").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        name, rest = re.match(r"\d+ \((.*)\) (.*)", stat, re.S).groups()
        if int(rest.split()[1]) == me or re.search(r"^0::/kenro(/|-test)", cgroup, re.M):
            found.add((int(entry), name, rest.split()[0]))
    return found


def become_subreaper():
    """Orphans of containers become our children, as they become an engine's."""
    PR_SET_CHILD_SUBREAPER = 36
    assert ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def reap_orphans():
    """The pids of all children that have ended, reaped."""
    found = []
    try:
        while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            found.append(pid)
    except ChildProcessError:
        pass
    return found


def snapshot():
    return {
        "processes": our_processes(),
        "mounts": Path("/proc/self/mountinfo").read_text().splitlines(),
        "cgroups": our_cgroups(),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
        "run": sorted(os.listdir("/run")),
        "hostname": os.uname().nodename,
    }


@contextlib.contextmanager
def leaves_nothing(runtime):
    """After RUNTIME's containers are deleted the host is as it was before."""
    before = snapshot()
    yield runtime
    for id in runtime.ids():
        runtime.ok("delete", "--force", id)
    wait_until(lambda: reap_orphans() == [] and our_processes() <= before["processes"], 10)
    after = snapshot()
    new = set(after["mounts"]) - set(before["mounts"])
    assert not new, f"left behind: mounts: {new}"
    if os.environ.get("KENRO_GUEST"):
        before["mounts"] = after["mounts"]  # systemd and daemons take theirs away when they like
    for what, was in before.items():
        assert after[what] == was, f"left behind: {what}: {was}, {after[what]}"
    if runtime.root.exists():
        assert os.listdir(runtime.root) == []


def kill_and_reap(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
