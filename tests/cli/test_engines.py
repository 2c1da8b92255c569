"""Every configuration in tests/fixtures/engine, as Podman, Docker and containerd
wrote it, starts with a matching root file system; so do the exec documents.

What this machine cannot have is adapted by adapt(), and nothing else:

root.path, mounts[].source   the engine's own files: ours in their place
linux.resources.pids         where the cgroup2 tree has no such controller
linux.resources.cpu          likewise
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from kenrotest import cgroup_mount, make_bundle, make_rootfs, write_config

FIXTURES = Path(__file__).parents[1] / "fixtures/engine"
ENGINES = sorted(p.stem for p in FIXTURES.glob("*.json") if "-exec" not in p.stem)
LIMITS = {"pids", "cpu"}
ADAPTED = {
    "ctr": {"root.path", "linux.resources.cpu"},
    "docker": {"root.path", "mounts[].source"},
    "podman": {"root.path", "mounts[].source", "linux.resources.pids"},
}


def lacking():
    """What of LIMITS cannot be had here."""
    return LIMITS - set((cgroup_mount() / "cgroup.controllers").read_text().split())


# bits of /proc/self/status, in the order of linux/capability.h
CAPABILITIES = """CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP
LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE
SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME
SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG
WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE""".split()


def load(name):
    return json.loads((FIXTURES / f"{name}.json").read_text())


def adapt(c, directory):
    """Returns what was changed."""
    changed = {"root.path"}
    c["root"]["path"] = "rootfs"
    for mount in c["mounts"]:
        if mount["type"] != "bind":
            continue
        source = directory / "engine" / Path(mount["source"]).name
        source.parent.mkdir(exist_ok=True)
        if mount["destination"] == "/dev/shm":
            source.mkdir(exist_ok=True)
        else:
            source.write_text(mount["destination"])
        mount["source"] = str(source)
        changed.add("mounts[].source")
    for limit in lacking() & set(c["linux"]["resources"]):
        del c["linux"]["resources"][limit]
        changed.add(f"linux.resources.{limit}")
    return changed


@pytest.fixture
def adapted(tmp_path):
    """Makes a bundle of a fixture, with ARGS if any; and removes the engine's
    parent group, which a runtime leaves to the engine."""
    def make(name, *args):
        c = load(name)
        there = {f"linux.resources.{limit}" for limit in LIMITS - lacking()}
        assert adapt(c, tmp_path) == ADAPTED[name.split("-")[0]] - there
        if args:
            c["process"]["args"] = list(args)
        make_bundle(tmp_path / "bundle", c)
        return tmp_path / "bundle", c
    yield make
    shutil.rmtree(tmp_path / "bundle", ignore_errors=True)
    for parent in ("default", "docker", "libpod_parent"):
        assert not (cgroup_mount() / parent).exists()


def create_args(c, console):
    return ["--console-socket", console.path] if c["process"].get("terminal") else []


def bits(names):
    return sum(1 << CAPABILITIES.index(name.removeprefix("CAP_")) for name in names)


@pytest.mark.parametrize("name", ENGINES)
def test_it_starts_as_it_is(kenro, adapted, console, name):
    bundle, c = adapted(name)
    kenro.ok("create", *create_args(c, console), "-b", bundle, "c")
    if c["process"].get("terminal"):
        os.close(console.receive())
    group = cgroup_mount() / c["linux"]["cgroupsPath"].lstrip("/")
    assert (group / "cgroup.procs").read_text().split() == [str(kenro.pid("c"))]
    kenro.ok("start", "c")
    kenro.wait_for("c", "stopped")
    kenro.ok("delete", "c")
    assert not group.exists()


def hidden(c, seen):
    """Paths of the configuration's lists that are in the image or in procfs."""
    mounted = {line.split()[4]: line.split()[5].split(",") for line in seen["mountinfo"]}
    return ([p for p in c["linux"].get("maskedPaths", []) if p in mounted],
            [p for p in c["linux"].get("readonlyPaths", []) if "ro" in mounted.get(p, [])])


@pytest.mark.parametrize("name", [e for e in ENGINES if "tty" not in e])
def test_the_program_finds_what_was_asked_for(kenro, adapted, name):
    bundle, c = adapted(name, "/bin/inside")
    seen = json.loads(kenro.ok("run", "-b", bundle, "c"))
    process, status, linux = c["process"], seen["status"], c["linux"]
    asked = process["capabilities"]
    user = process["user"]
    held = bits(asked.get("effective", [])) if user["uid"] == 0 else bits(asked.get("ambient", []))
    here = int(Path("/proc/self/status").read_text().split("CapBnd:")[1].split()[0], 16)
    assert int(status["CapEff"], 16) == held & here
    assert int(status["CapBnd"], 16) == bits(asked["bounding"]) & here
    assert status["NoNewPrivs"] == str(int(process.get("noNewPrivileges", False)))
    # who does not ask gets kenro's own filter, but for --privileged
    assert status["Seccomp"] == ("0" if "privileged" in name else "2")
    assert status["Uid"].split() == [str(user["uid"])] * 4
    assert status["Gid"].split() == [str(user["gid"])] * 4
    assert status["Groups"].split() == [str(g) for g in user.get("additionalGids", [])]
    assert seen["hostname"] == c.get("hostname", "(none)") or "hostname" not in c
    env = process.get("env", [])
    assert seen["env"][:len(env)] == env
    assert seen["cwd"] == process["cwd"]
    host = {n: os.readlink(f"/proc/self/ns/{n}") for n in seen["ns"]}
    new = {n["type"] for n in linux["namespaces"]}
    for ours, theirs in (("pid", "pid"), ("net", "network"), ("ipc", "ipc"), ("uts", "uts"),
                         ("mnt", "mount"), ("cgroup", "cgroup"), ("user", "user")):
        assert (seen["ns"][ours] != host[ours]) == (theirs in new), ours
    masked, readonly = hidden(c, seen)
    there = set(os.listdir("/proc"))
    for path in linux.get("maskedPaths", []):
        if path.startswith("/proc/") and path.split("/")[2] in there and path.count("/") == 2:
            assert path in masked
    for path in linux.get("readonlyPaths", []):
        if path.startswith("/proc/") and path.split("/")[2] in there and path.count("/") == 2:
            assert path in readonly
    for mount in c["mounts"]:
        if mount["type"] == "bind":
            assert any(line.split()[4] == mount["destination"] for line in seen["mountinfo"])


@pytest.mark.parametrize("name", [e for e in ENGINES if "sysctl" in load(e)["linux"]])
def test_the_sysctls_are_set(kenro, adapted, name):
    asked = load(name)["linux"]["sysctl"]
    files = ["/proc/sys/" + key.replace(".", "/") for key in asked]
    bundle, c = adapted(name, "/bin/cat", *files)
    c["process"]["terminal"] = False
    write_config(bundle, c)
    seen = kenro.ok("run", "-b", bundle, "c").splitlines()
    assert [line.split() for line in seen] == [value.split() for value in asked.values()]


@pytest.mark.parametrize("name", ["docker-exec", "docker-exec-privileged"])
def test_an_exec_document_works(kenro, adapted, name):
    base = "docker-privileged" if "privileged" in name else "docker-default"
    bundle, _ = adapted(base, "/bin/sleep", "1000")
    document = load(name)
    kenro.ok("create", "-b", bundle, "c")
    kenro.ok("start", "c")
    out = kenro.ok("exec", "--process", FIXTURES / f"{name}.json", "c")
    seen = dict(line.split(":") for line in out.splitlines())
    here = int(Path("/proc/self/status").read_text().split("CapBnd:")[1].split()[0], 16)
    assert int(seen["CapEff"], 16) == bits(document["capabilities"]["effective"]) & here
    kenro.ok("delete", "-f", "c")


def test_a_root_file_system_like_the_fixtures(tmp_path):
    """What the exec documents call is there."""
    make_rootfs(tmp_path / "rootfs")
    for program in ("true", "grep", "sleep", "inside"):
        assert os.access(tmp_path / "rootfs/bin" / program, os.X_OK)
