"""What kenro uses of the kernel, and what it does without: docs/kernels.md. For any kernel
from Linux 5.15 on."""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from kenrotest import config, make_bundle, reap_orphans, shell, user_namespace, wait_until, without, write_config
from limits import GROUP, MIB, limited
from rootless import rootless

RELEASE = os.uname().release
VERSION = tuple(map(int, re.match(r"(\d+)\.(\d+)", RELEASE).groups()))
ENOSYS = 38


def run(kenro, bundle, c):
    write_config(bundle, c)
    return kenro.ok("run", "-b", bundle, "c")


def answer(kenro, bundle, c, since, error):
    """What C prints with a kernel that has what it needs, since Linux SINCE; None where
    the one sentence about that is ERROR."""
    if VERSION >= since:
        return run(kenro, bundle, c)
    write_config(bundle, c)
    assert kenro.fails("run", "-b", bundle, "c") == error
    return None


@pytest.fixture
def sleeping(kenro, bundle):
    """The container c, in namespaces of its own of every kind."""
    c = user_namespace(config("/bin/sleep", "1000"))
    c["linux"]["namespaces"].append({"type": "time"})
    write_config(bundle, c)
    kenro.ok("run", "-d", "-b", bundle, "c")
    return kenro


# ---- processes --------------------------------------------------------------------------

def test_a_container_runs_and_ends_with_its_status(kenro, bundle):
    write_config(bundle, shell("echo out; exit 7"))
    p = kenro.run("run", "-b", bundle, "c")
    assert (p.returncode, p.stdout, p.stderr) == (7, "out\n", "")


def test_a_program_that_is_not_there_is_the_starts_error(kenro, bundle):
    write_config(bundle, config("/no/such"))
    assert "/no/such" in kenro.fails("run", "-b", bundle, "c")


def test_an_exec_is_in_all_namespaces(sleeping):
    kinds = ("pid", "net", "ipc", "uts", "mnt", "cgroup", "user", "time")
    shown = sleeping.ok("exec", "c", "/bin/sh", "-c", f"cd /proc/self/ns; for k in {' '.join(kinds)}; do readlink $k; done").split()
    assert shown == [os.readlink(f"/proc/{sleeping.pid('c')}/ns/{kind}") for kind in kinds]


def test_an_exec_has_a_terminal(sleeping, console):
    sleeping.ok("exec", "-d", "-t", "--console-socket", console.path, "c", "/bin/sh", "-c", "tty; sleep 1000")
    master = console.receive()
    assert os.read(master, 100).startswith(b"/dev/pts/")
    os.close(master)


def test_all_is_frozen_thawed_and_killed(sleeping):
    sleeping.ok("exec", "-d", "c", "/bin/sleep", "1000")
    sleeping.ok("pause", "c")
    assert sleeping.status("c") == "paused"
    sleeping.ok("resume", "c")
    assert len(json.loads(sleeping.ok("ps", "--format", "json", "c"))) == 2
    sleeping.ok("kill", "--all", "c", "KILL")
    wait_until(lambda: reap_orphans() is not None and sleeping.status("c") == "stopped")  # the exec is our orphan


def test_an_exec_that_nobody_has_reaped_does_not_hold_up_a_delete(sleeping, tmp_path):
    """Init has to wait for it; Linux 7.2 says that its group is populated so long."""
    pid = tmp_path / "pid"
    sleeping.ok("exec", "-d", "--pid-file", pid, "c", "/bin/sleep", "1000")
    sleeping.ok("delete", "--force", "c")
    assert Path("/proc", pid.read_text(), "stat").read_text().split()[2] == "Z"  # ours
    assert sleeping.ids() == [] and not GROUP.exists()


def test_a_killed_group_can_be_cloned_into_from_another(kenro, bundle):
    """Linux 6.14 counts how often; see src/run/spawn.c."""
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("run", "-d", "-b", bundle, "c")
    (GROUP / "below").mkdir()
    (GROUP / "below/cgroup.kill").write_text("1")
    assert kenro.ok("exec", "--cgroup", "below", "c", "/bin/grep", "^0:", "/proc/self/cgroup") == "0::/below\n"


def test_an_ordinary_users_container_runs(user):
    assert user.ok("run", "-b", user.bundle(rootless("/bin/id", "-u")), "c") == "0\n"


# ---- seccomp ----------------------------------------------------------------------------

def test_the_built_in_filter_is_in_force(kenro, bundle):
    out = run(kenro, bundle, shell("grep ^Seccomp /proc/self/status; call reboot; call 9999"))
    assert out.split() == ["Seccomp:", "2", "Seccomp_filters:", "1", "1", str(ENOSYS)]


def test_every_flag_of_a_filter_is_taken(kenro, bundle):
    c = shell("grep ^Seccomp: /proc/self/status; call keyctl")
    c["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
                                                     "SECCOMP_FILTER_FLAG_TSYNC"],
        "syscalls": [{"names": ["keyctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": 33}]}
    assert run(kenro, bundle, c).split() == ["Seccomp:", "2", "33"]


# ---- namespaces -------------------------------------------------------------------------

def test_a_procfs_of_a_joined_pid_namespace_shows_that(sleeping, bundle):
    """Before Linux 6.18 by way of a process that is in there."""
    pid = sleeping.pid("c")
    c = without(shell("readlink /proc/self/ns/pid; tr '\\0' ' ' </proc/1/cmdline"), "pid")
    c["linux"]["namespaces"] += [{"type": "pid", "path": f"/proc/{pid}/ns/pid"},
                                 {"type": "user", "path": f"/proc/{pid}/ns/user"}]
    for m in ("uidMappings", "gidMappings"):
        c["linux"].pop(m, None)
    write_config(bundle, c)
    out = sleeping.ok("run", "-b", bundle, "second").splitlines()
    assert out == [os.readlink(f"/proc/{pid}/ns/pid"), "/bin/sleep 1000 "]


def test_a_time_namespace_has_its_offsets(kenro, bundle):
    c = shell("cut -d. -f1 /proc/uptime")
    c["linux"]["namespaces"].append({"type": "time"})
    c["linux"]["timeOffsets"] = {"boottime": {"secs": 1000000}}
    assert int(run(kenro, bundle, c)) > 1000000


# ---- mounts -----------------------------------------------------------------------------

def mounted(kenro, bundle, script, *mounts, private=""):
    """What SCRIPT prints, with these mounts, after PRIVATE has changed those of the host."""
    c = user_namespace(shell(script)) if any("idmap" in m["options"] for m in mounts) else shell(script)
    c["mounts"] += mounts
    (bundle / "rootfs/data").mkdir()
    write_config(bundle, c)
    return subprocess.run(["unshare", "-m", "sh", "-ec", private + '\nexec "$@"', "sh",
                           *kenro.command("run", "-b", bundle, "c")], capture_output=True, text=True, timeout=60)


def bind(source, *options):
    return {"destination": "/data", "type": "bind", "source": str(source), "options": [*options]}


@pytest.fixture
def disk():
    """A directory on the disk; those of tests are on a tmpfs."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as path:
        yield Path(path)


@pytest.fixture
def source(disk):
    path = disk / "source"
    (path / "sub").mkdir(parents=True)
    (path / "file").write_text("text\n")
    return path


SHOW = "stat -c %u:%g /data/file"


def test_ids_of_a_mount_of_the_disk_are_mapped(kenro, bundle, source):
    p = mounted(kenro, bundle, SHOW, bind(source, "bind", "idmap"))
    assert (p.stdout, p.stderr) == ("0:0\n", "")


def test_ids_of_a_tmpfs_are_mapped_since_linux_6_3(kenro, bundle, source):
    p = mounted(kenro, bundle, SHOW, bind(source, "bind", "idmap"),
                private=f"mount -t tmpfs t {source}; echo text >{source}/file")
    if VERSION >= (6, 3):
        assert (p.stdout, p.stderr) == ("0:0\n", "")
    else:
        assert (p.returncode, p.stdout) == (1, "")
        assert p.stderr == (
            f"kenro: run c: mounts[6] (/data): cannot map the ids of the source {source}: EINVAL (its file system "
            "cannot do that with this kernel: a tmpfs can since Linux 6.3)\n")


def test_ids_of_a_file_system_that_cannot_do_it_are_an_error(kenro, bundle, source):
    p = mounted(kenro, bundle, SHOW, bind("/proc", "bind", "idmap"))
    assert (p.returncode, p.stdout) == (1, "")
    assert "cannot map the ids of the source /proc: EINVAL (" in p.stderr


def test_what_is_mounted_below_is_made_read_only_too(kenro, bundle, source):
    p = mounted(kenro, bundle, "touch /data/new /data/sub/new; cat /data/sub/there",
                bind(source, "rbind", "rro"), private=f"mount -t tmpfs t {source}/sub; echo x >{source}/sub/there")
    assert p.stdout == "x\n"
    assert p.stderr.count("Read-only file system") == 2


def test_a_tmpfs_begins_with_what_the_image_has(kenro, disk):
    """Attributes of users only since Linux 6.6."""
    bundle = make_bundle(disk / "bundle", config())
    data = bundle / "rootfs/data"
    data.mkdir()
    (data / "file").write_text("text\n")
    os.setxattr(data / "file", "user.kenro", b"yes")
    c = shell("cat /data/file; sleep 1000")
    c["mounts"].append({"destination": "/data", "type": "tmpfs", "source": "tmpfs",
                        "options": ["tmpcopyup", "size=1m", "mode=700"]})
    write_config(bundle, c)
    kenro.ok("run", "-d", "-b", bundle, "c")
    there = f"/proc/{kenro.pid('c')}/root/data"
    assert Path(there, "file").read_text() == "text\n"
    assert os.listxattr(f"{there}/file") == (["user.kenro"] if VERSION >= (6, 6) else [])
    assert os.statvfs(there).f_blocks * os.statvfs(there).f_frsize == MIB


def test_an_overlay_is_mounted(kenro, bundle, tmp_path):
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower/file").write_text("text\n")
    p = mounted(kenro, bundle, "cat /data/file; echo new >/data/new", {
        "destination": "/data", "type": "overlay", "source": "overlay", "options": [
            f"lowerdir={tmp_path}/lower", f"upperdir={tmp_path}/upper", f"workdir={tmp_path}/work"]})
    assert (p.stdout, p.stderr) == ("text\n", "")
    assert (tmp_path / "upper/new").read_text() == "new\n"


def test_an_option_that_the_file_system_does_not_know_is_an_error(kenro, bundle):
    p = mounted(kenro, bundle, "true", {"destination": "/data", "type": "tmpfs", "source": "tmpfs",
                                        "options": ["nosuchoption=1"]})
    assert p.returncode == 1 and "nosuchoption" in p.stderr and "tmpfs" in p.stderr


def test_devices_and_masks_are_the_containers(kenro, bundle):
    out = run(kenro, bundle, shell("ls /dev; stat -fc %T /dev /proc/kcore; cat /proc/kcore | wc -c"))
    assert {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm"} <= set(out.split())
    assert out.split()[-3:] == ["tmpfs", "tmpfs", "0"]


# ---- groups -----------------------------------------------------------------------------

def test_a_device_program_decides(kenro, bundle):
    c = shell("mknod /tmp/d c 1 7; mknod /tmp/e c 1 8; echo x >/dev/null && echo ok")
    for kind in c["process"]["capabilities"]:
        c["process"]["capabilities"][kind] = ["CAP_MKNOD"]
    c["linux"]["resources"]["devices"] = [{"allow": False, "access": "rwm"},
                                          {"allow": True, "type": "c", "major": 1, "minor": 7, "access": "m"}]
    write_config(bundle, c)
    p = kenro.run("run", "-b", bundle, "c")
    assert (p.stdout, p.stderr) == ("ok\n", "mknod: /tmp/e: Operation not permitted\n")


def test_limits_are_in_force_before_the_program(kenro, bundle):
    write_config(bundle, limited("sleep 1000", memory={"limit": 32 * MIB, "swap": 48 * MIB}, pids={"limit": 20},
                                 cpu={"quota": 20000, "period": 50000, "shares": 512, "idle": 0, "burst": 10000}))
    kenro.ok("run", "-d", "-b", bundle, "c")
    found = {f: (GROUP / f).read_text().strip() for f in (
        "memory.max", "memory.swap.max", "pids.max", "cpu.max", "cpu.weight", "cpu.max.burst")}
    assert found == {"memory.max": str(32 * MIB), "memory.swap.max": str(16 * MIB), "pids.max": "20",
                     "cpu.max": "20000 50000", "cpu.weight": "59", "cpu.max.burst": "10000"}
    kenro.ok("update", "--memory", "40m", "--pids-limit", "30", "c")
    assert (GROUP / "memory.max").read_text() == f"{40 * MIB}\n"


def test_memory_that_is_not_there_is_a_sentence(kenro, bundle):
    write_config(bundle, limited("true", memory={"limit": 1}))
    assert "memory" in kenro.fails("run", "-b", bundle, "c")


def test_a_file_of_a_newer_kernel_is_an_error_that_names_it(kenro, bundle):
    write_config(bundle, limited("true", unified={"memory.from_the_future": "1"}))
    assert kenro.fails("run", "-b", bundle, "c") == (
        "run c: linux.resources.unified.memory.from_the_future: cannot write '1' to "
        f"{GROUP}/memory.from_the_future: ENOENT (this kernel has no such file)")


def test_events_are_what_this_kernel_counts(sleeping):
    found = json.loads(sleeping.ok("events", "--stats", "c"))
    assert found["type"] == "stats" and found["data"]["pids"]["current"] == 1
    assert found["data"]["memory"]["usage"]["usage"] > 0


# ---- attributes -------------------------------------------------------------------------

def numa():
    return Path("/proc/self/numa_maps").exists()


def test_a_memory_policy_of_a_newer_kernel_is_an_error(kenro, bundle):
    if not numa():
        pytest.skip("the kernel has no memory policies")
    c = shell("echo runs")
    c["linux"]["memoryPolicy"] = {"mode": "MPOL_WEIGHTED_INTERLEAVE", "nodes": "0"}
    out = answer(kenro, bundle, c, (6, 9), "run c: linux.memoryPolicy: cannot be set: EINVAL (a node "
                 "that is not there or not allowed, or a kernel before Linux 6.9, with which MPOL_WEIGHTED_INTERLEAVE came)")
    assert out in ("runs\n", None)


# ---- what is said of it -----------------------------------------------------------------

def test_features_are_those_of_the_binary(kenro):
    found = json.loads(kenro.ok("features"))
    assert found["linux"]["mountExtensions"]["idmap"]["enabled"]
    assert "rro" in found["mountOptions"]


def test_doctor_finds_nothing_that_fails():
    p = subprocess.run(["kenro", "doctor", "--json"], capture_output=True, text=True)
    checks = {c["name"]: c for c in json.loads(p.stdout)["checks"]}
    assert p.returncode == 0, p.stdout
    assert checks["kernel"]["found"] == f"Linux {RELEASE}"
    assert {c["status"] for name, c in checks.items() if name in ("kernel", "cgroup", "seccomp", "userns")} == {"ok"}
