"""kenro inside of a container, and in the user namespace that an engine of an ordinary
user makes for it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kenrotest
from kenrotest import KENRO, config, make_rootfs, user_namespace, without, write_config
from rootless import SUBIDS, UID, User, mapped
from test_rootless import needs_uidmap

ALL_CAPS = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE "
    "NET_ADMIN NET_RAW IPC_LOCK SYS_CHROOT SYS_PTRACE SYS_ADMIN SYS_RESOURCE SYS_TIME MKNOD "
    "AUDIT_WRITE SETFCAP").split()]


def filter_without(*names, errno=1):
    """Nearly everything is allowed, as engines do it for containers in containers."""
    return {"defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": list(names), "action": "SCMP_ACT_ERRNO", "errnoRet": errno}]}


def outer(*args):
    """Without masks: a new procfs would uncover what they cover."""
    c = config(*args, capabilities={k: ALL_CAPS for k in ("bounding", "effective", "permitted")})
    c["linux"]["seccomp"] = filter_without("keyctl", "add_key", "request_key", "bpf")
    c["linux"]["maskedPaths"] = c["linux"]["readonlyPaths"] = []
    c["mounts"] += [
        {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["ro"]},
        {"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}]
    return c


def install(rootfs):
    """kenro, and the libraries of a build that is not static."""
    shutil.copy2(KENRO, rootfs / "bin/kenro")
    libraries = subprocess.run(["ldd", KENRO], capture_output=True, text=True).stdout
    for path in re.findall(r"(/\S+) \(0x", libraries):
        (rootfs / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, rootfs / path[1:])


class Outer:
    """A running container with kenro in it, and a bundle for an inner one."""

    def __init__(self, kenro, bundle, c):
        self.kenro = kenro
        self.inner = bundle / "rootfs/inner"
        if not self.inner.exists():
            self.inner.mkdir()
            make_rootfs(self.inner / "rootfs")
            install(bundle / "rootfs")
            subprocess.run(["chown", "-R", "--no-dereference", "100000:100000",
                            bundle / "rootfs"], check=True)
        c["process"]["args"] = ["/bin/sleep", "1000"]
        write_config(bundle, c)
        kenro.ok("run", "-d", "-b", bundle, "outer")

    def run(self, *args, options=(), status=0):
        r = self.kenro.run("exec", *options, "outer", "/bin/kenro", *args)
        assert r.returncode == status, (r.stdout, r.stderr)
        return r.stdout if status == 0 else r.stderr.strip()

    def write(self, c):
        write_config(self.inner, c)

    def inside(self, c, **kw):
        c["process"]["args"] = ["/bin/inside"]
        self.write(c)
        return json.loads(self.run("run", "-b", "/inner", "c", **kw))


@pytest.fixture
def nested(kenro, bundle):
    return Outer(kenro, bundle, user_namespace(outer()))


def inner_one(c, uid):
    """With one mapping, of the user UID."""
    c = mapped(c, uid=uid)
    c["mounts"] = [m for m in c["mounts"] if m["type"] != "cgroup"]
    return c


def test_a_container_in_an_unprivileged_container(nested):
    c = config()
    seen = nested.inside(c)
    assert seen["pid"] == 1 and seen["root"]
    assert seen["uid_map"][0].split() == ["0", "100000", "65536"]  # the outer one's
    assert seen["dev"]["null"].split()[2] == "1:3"
    assert seen["hostname"] == "inner"
    assert seen["status"]["Seccomp"] == "2"
    assert seen["keyring_errno"] == 1  # as outside: it has no key of anybody's


def test_a_user_namespace_in_a_user_namespace(nested):
    c = user_namespace(config(user={"uid": 7, "gid": 8, "additionalGids": [9]}), base=1000,
                       size=1000)
    seen = nested.inside(c)
    assert seen["uid_map"][0].split() == ["0", "1000", "1000"]
    assert seen["status"]["Groups"].split() == ["9"]


def test_the_life_of_a_container_in_a_container(nested):
    nested.write(config("/bin/sleep", "1000"))
    nested.run("create", "-b", "/inner", "c")
    nested.run("start", "c")
    assert nested.run("exec", "c", "/bin/id", "-u") == "0\n"
    assert json.loads(nested.run("state", "c"))["status"] == "running"
    assert nested.run("list", "-q") == "c\n"
    nested.run("kill", "--all", "c", "KILL")
    kenrotest.wait_until(lambda: kenrotest.reap_orphans() is not None and
                         json.loads(nested.run("state", "c"))["status"] == "stopped")
    nested.run("delete", "c")
    nested.run("run", "-d", "-b", "/inner", "c")
    nested.run("delete", "--force", "c")
    assert nested.run("list", "-q") == ""


def test_an_ordinary_user_of_a_container(nested):
    c = inner_one(config(), 1000)
    options = ("--user", "1000:1000", "--env", "XDG_RUNTIME_DIR=/tmp/mine")
    nested.kenro.ok("exec", "--user", "1000:1000", "outer", "/bin/mkdir", "-m", "700", "/tmp/mine")
    seen = nested.inside(c, options=options)
    assert seen["uid_map"][0].split() == ["0", "1000", "1"]
    assert seen["dev"]["null"].split()[2] == "1:3"


def test_a_covered_proc_is_explained(kenro, bundle):
    c = user_namespace(outer())
    c["linux"]["maskedPaths"] = ["/proc/interrupts"]
    nested = Outer(kenro, bundle, c)
    nested.write(user_namespace(config(), base=1000, size=1000))
    assert nested.run("run", "-b", "/inner", "c", status=1) == \
        "kenro: run c: mounts[0] (/proc): proc cannot be mounted (VFS: Mount too revealing): EPERM (where parts of /proc " \
        "are covered, as in most containers, no new one can be mounted in a user namespace)"
    c = without(user_namespace(config("/bin/readlink", "/proc/self/ns/pid"), base=1000,
                               size=1000), "pid")
    c["mounts"][0] = {"destination": "/proc", "type": "bind", "source": "/proc",
                      "options": ["rbind"]}
    nested.write(c)
    outside = kenro.ok("exec", "outer", "/bin/readlink", "/proc/self/ns/pid")
    assert nested.run("run", "-b", "/inner", "c") == outside


@pytest.mark.parametrize("names,works", [
    (("keyctl", "add_key", "request_key"), True), (("keyctl",), False)])
def test_a_keyring_that_cannot_be_made(kenro, bundle, names, works):
    """If nothing can be done with keys in there either, nothing is lost."""
    c = user_namespace(outer())
    c["linux"]["seccomp"] = filter_without(*names)
    nested = Outer(kenro, bundle, c)
    nested.write(config("/bin/true"))
    said = nested.run("run", "-b", "/inner", "c", status=0 if works else 1)
    if not works:
        assert said == "kenro: run c: cannot make a session keyring: EPERM (--no-new-keyring " \
                       "keeps the caller's)"
    nested.run("run", "--no-new-keyring", "-b", "/inner", "c")


def test_a_container_in_a_privileged_one(kenro, bundle):
    c = outer()
    c["linux"]["seccomp"] = filter_without("keyctl", "add_key", "request_key")
    c["linux"]["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
    c["mounts"][-2]["options"] = ["rw"]
    nested = Outer(kenro, bundle, c)
    nested.write(user_namespace(config("/bin/sleep", "1000"), base=200000))
    nested.run("run", "-d", "-b", "/inner", "c")
    assert "kenro/c" in kenro.ok("exec", "outer", "/bin/ls", "/sys/fs/cgroup/kenro/c/..", "-d")
    assert nested.run("exec", "c", "/bin/cat", "/proc/self/cgroup").splitlines()[-1] == "0::/"
    nested.run("delete", "--force", "c")
    seen = nested.inside(config())
    assert seen["dev"]["null"].split()[1] == "0:0"  # a node of its own


# ---- what an ordinary user's engine makes ----------------------------------------------


class Engine(User):
    """Root of a user namespace with all of the user's ids, as Podman makes it and keeps it."""

    def __init__(self):
        super().__init__()
        ids = [f"0:{self.uid}:1", f"1:{SUBIDS[0]}:{SUBIDS[1]}"]
        self.pause = subprocess.Popen([*super().prefix(), sys.executable, "-c", NAMESPACE, *ids],
                                      stdout=subprocess.PIPE, stdin=subprocess.PIPE)
        assert self.pause.stdout.readline() == b"ready\n"
        stat = Path("/proc", str(self.pause.pid), "stat")
        kenrotest.wait_until(lambda: stat.read_text().split()[2] == "S")  # as in the snapshots

    def prefix(self):
        return ["nsenter", "-t", str(self.pause.pid), "-U", "-m", "--"]

    def close(self):
        for f in (self.pause.stdin, self.pause.stdout):
            f.close()
        self.pause.wait()
        super().close()


# unshare(1) of Debian 12 maps one range only. The maps must be written from outside.
NAMESPACE = """
import ctypes, os, sys
ranges = [n for a in sys.argv[1:3] for n in a.split(":")]
r, w = os.pipe()
me = str(os.getpid())
helper = os.fork()
if helper == 0:
    os.close(w)
    os.read(r, 1)
    for p in ("newuidmap", "newgidmap"):
        if os.spawnv(os.P_WAIT, "/usr/bin/" + p, [p, me, *ranges]) != 0:
            os._exit(1)
    os._exit(0)
assert ctypes.CDLL(None).unshare(0x10000000 | 0x20000) == 0  # CLONE_NEWUSER | CLONE_NEWNS
os.write(w, b"x")
assert os.waitpid(helper, 0)[1] == 0
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def engine():
    e = Engine()
    try:
        with kenrotest.leaves_nothing(e):
            yield e
    finally:
        e.close()


@needs_uidmap
def test_root_of_an_engines_user_namespace(engine):
    c = config("/bin/sleep", "1000", user={"uid": 1000, "gid": 0, "additionalGids": [0, 7]})
    c["mounts"][5] = {"destination": "/sys", "type": "bind", "source": "/sys",
                      "options": ["rprivate", "nosuid", "noexec", "nodev", "ro", "rbind"]}
    bundle = engine.bundle(without(c, "network"))
    engine.ok("create", "--no-new-keyring", "-b", bundle, "c")
    assert os.listdir(engine.run_dir / "kenro") == ["c"]
    assert engine.status("c") == "created"
    engine.ok("start", "c")
    assert engine.ok("exec", "c", "/bin/id") == "uid=1000(user) gid=0(root) groups=0(root),7\n"
    assert engine.ok("exec", "-u", "0", "c", "/bin/cat", "/proc/self/uid_map").split() == \
        ["0", str(UID), "1", "1", *map(str, SUBIDS)]
    engine.ok("kill", "c", "KILL")
    engine.wait_for("c", "stopped")
    engine.ok("delete", "c")


@needs_uidmap
def test_an_engine_without_a_runtime_directory_is_told_so(engine):
    line = engine.fails("run", "-b", engine.bundle(config()), "c", env={"PATH": "/usr/bin:/bin"})
    assert "the directory /run/kenro: EACCES (set XDG_RUNTIME_DIR to" in line


@needs_uidmap
def test_a_user_namespace_within_an_engines(engine):
    """As Podman's --userns=keep-id has it."""
    c = config("/bin/cat", "/proc/self/uid_map", user={"uid": 1000, "gid": 1000})
    c["linux"]["namespaces"].append({"type": "user"})
    c["linux"]["uidMappings"] = c["linux"]["gidMappings"] = [
        {"containerID": 0, "hostID": 1, "size": 1000},
        {"containerID": 1000, "hostID": 0, "size": 1},
        {"containerID": 1001, "hostID": 1001, "size": 64000}]
    out = engine.ok("run", "-b", engine.bundle(c), "c").splitlines()
    assert [line.split() for line in out] == [["0", "1", "1000"], ["1000", "0", "1"],
                                              ["1001", "1001", "64000"]]


@needs_uidmap
def test_no_more_user_namespaces(engine):
    subprocess.run([*engine.prefix(), "sh", "-c", "echo 0 >/proc/sys/user/max_user_namespaces"],
                   check=True)
    line = engine.fails("run", "-b", engine.bundle(user_namespace(config(), base=1, size=9)), "c")
    assert line == "run c: cannot make the container's process: ENOSPC (too many namespaces: see " \
                   "/proc/sys/user/max_*_namespaces)"


@needs_uidmap
def test_a_pod_of_an_engine(engine):
    """A new user namespace beside a network that exists already belongs to the engine."""
    engine.ok("run", "-d", "-b", engine.bundle(config("/bin/sleep", "1000"), "one"), "one")
    pid = engine.pid("one")
    c = without(config("/bin/readlink", "/proc/self/ns/net"), "network")
    c["linux"]["namespaces"].append({"type": "network", "path": f"/proc/{pid}/ns/net"})
    assert engine.ok("run", "-b", engine.bundle(c, "two"), "two").strip() == \
        os.readlink(f"/proc/{pid}/ns/net")


@needs_uidmap
def test_devices_are_bound_for_an_engine_too(engine):
    c = config("/bin/sh", "-c", "ls -ln /dev/null /dev/mine; echo x >/dev/null && echo ok")
    c["linux"]["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3}]
    assert "cannot open the host's /dev/mine: ENOENT" in \
        engine.fails("run", "-b", engine.bundle(c), "c")
    c["linux"]["devices"] = []
    c["process"]["args"][2] = "ls -ln /dev/null; echo x >/dev/null && echo ok"
    write_config(engine.home / "bundle", c)
    out = engine.ok("run", "-b", engine.home / "bundle", "c")
    assert "1,   3" in out and out.endswith("ok\n")
