"""`kenro features` says exactly what works: every name is tried, and so are names that
it does not print."""

import functools
import itertools
import json
import subprocess

import pytest

from kenrotest import KENRO, config, user_namespace, write_config
from test_notify import Agent

MORE_OPTIONS = """
    acl noacl async atime bind copy-symlink defaults dev diratime dirsync exec group idmap iversion
    lazytime loud mand noatime nodev nodiratime noexec noiversion nolazytime nomand norelatime
    nostrictatime nosuid nosymfollow nouser private ratime rbind rdev rdiratime relatime remount
    rexec ridmap rnoatime rnodev rnodiratime rnoexec rnorelatime rnostrictatime rnosuid
    rnosymfollow ro rprivate rrelatime rro rrw rshared rslave rstrictatime rsuid rsymfollow
    runbindable rw shared silent slave src-nofollow strictatime suid symfollow sync tmpcopyup
    unbindable user users _netdev rsync rmand nobind Ro""".split()

UNTRIED = "iversion"  # only file systems on disks take it

MAPPING = [{"containerID": 0, "hostID": 100000, "size": 65536}]


@functools.cache
def features():
    p = subprocess.run([KENRO, "features"], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(p.stdout)


@pytest.fixture
def works(kenro, bundle):
    """Whether a container of this configuration runs."""
    numbers = itertools.count()

    def run(c):
        write_config(bundle, c)
        return kenro.run("run", "--bundle", bundle, f"c{next(numbers)}").returncode == 0

    return run


def printed(*path):
    value = features()
    for key in path:
        value = value[key]
    return sorted(value)


def mounted(option):
    """Configurations that give OPTION to a mount that can take it."""
    bind = {"destination": "/tried", "source": "source", "options": ["rbind", option]}
    special = {
        "remount": {"destination": "/dev/shm", "source": "shm",
                    "options": ["bind", "remount", "ro"]},
        "idmap": {**bind, "uidMappings": MAPPING, "gidMappings": MAPPING},
        "ridmap": {**bind, "uidMappings": MAPPING, "gidMappings": MAPPING},
    }
    own = {"destination": "/tried", "type": "tmpfs", "source": "tmpfs", "options": [option]}
    for mount in [special[option]] if option in special else [bind, own]:
        c = config("/bin/true")
        c["mounts"].append(mount)
        yield c


def test_mount_options(works, bundle):
    (bundle / "source").mkdir()
    names = sorted({*MORE_OPTIONS, *features()["mountOptions"]} - {UNTRIED})
    found = [n for n in names if any(works(c) for c in mounted(n))]
    assert sorted([*found, UNTRIED]) == printed("mountOptions")


def test_hooks(works, tmp_path):
    names = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart",
             "poststop", "preStart", "postcreate")

    def is_called(name):
        at = tmp_path / name
        c = config("/bin/true")
        # In the image there is no such directory, so that the hook fails instead.
        c["hooks"] = {name: [{"path": "/bin/sh", "args": ["sh", "-c", f": >{at}"]}]}
        return not works(c) or at.exists()

    assert sorted(n for n in names if is_called(n)) == printed("hooks")


def test_namespaces(works):
    names = ("cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts", "net", "mnt", "Pid")

    def is_made(name):
        c = config("/bin/true")
        if name == "user":
            return works(user_namespace(c))
        c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != name]
        c["linux"]["namespaces"].append({"type": name})
        return works(c)

    assert sorted(n for n in names if is_made(n)) == printed("linux", "namespaces")


def test_capabilities(kenro, bundle):
    last = int(open("/proc/sys/kernel/cap_last_cap").read())
    names = [*features()["linux"]["capabilities"], "CAP_NOSUCH", "cap_chown", "CHOWN"]
    known = []
    for name in names:
        write_config(bundle, config("/bin/true", capabilities={"bounding": [name]}))
        r = kenro.run("--log-level", "warning", "run", "--bundle", bundle, "c")
        assert r.returncode == 0
        if "is no capability" not in r.stderr:
            known.append(name)
    assert sorted(known) == printed("linux", "capabilities")
    assert len(known) == last + 1


def filtered(**members):
    c = config("/bin/true")
    c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", **members}
    return c


def test_seccomp_actions(works, tmp_path):
    agent = Agent(tmp_path / "agent")
    names = ["SCMP_ACT_" + n for n in ("ALLOW", "ERRNO", "KILL", "KILL_PROCESS", "KILL_THREAD",
                                       "LOG", "NOTIFY", "TRACE", "TRAP", "DENY", "allow")]
    found = [n for n in names if works(filtered(
        listenerPath=str(agent.path), syscalls=[{"names": ["kexec_load"], "action": n}]))]
    agent.close()
    assert sorted(found) == printed("linux", "seccomp", "actions")


def test_seccomp_operators(works):
    names = ["SCMP_CMP_" + n for n in ("NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ", "IN")]
    found = [n for n in names if works(filtered(syscalls=[{
        "names": ["kexec_load"], "action": "SCMP_ACT_ERRNO",
        "args": [{"index": 0, "value": 1, "valueTwo": 1, "op": n}]}]))]
    assert sorted(found) == printed("linux", "seccomp", "operators")


def test_seccomp_architectures(works):
    names = {*features()["linux"]["seccomp"]["archs"],
             *("SCMP_ARCH_" + n for n in ("X86", "X86_64", "X32", "ARM", "AARCH64", "MIPS", "PPC64LE",
                                          "S390X", "RISCV64", "LOONGARCH64", "M68K", "SH", "SHEB",
                                          "PARISC", "PARISC64", "Z80", "NATIVE"))}
    found = [n for n in names if works(filtered(
        architectures=[n], syscalls=[{"names": ["kexec_load"], "action": "SCMP_ACT_ERRNO"}]))]
    assert sorted(found) == printed("linux", "seccomp", "archs")


def test_seccomp_flags(works, tmp_path):
    agent = Agent(tmp_path / "agent")
    names = ["SECCOMP_FILTER_FLAG_" + n for n in ("TSYNC", "LOG", "SPEC_ALLOW",
                                                  "WAIT_KILLABLE_RECV", "NEW_LISTENER",
                                                  "TSYNC_ESRCH", "NOSUCH")]
    found = [n for n in names if works(filtered(
        flags=[n], listenerPath=str(agent.path),
        syscalls=[{"names": ["kexec_load"], "action": "SCMP_ACT_NOTIFY"}]))]
    agent.close()
    assert sorted(found) == printed("linux", "seccomp", "supportedFlags")
    assert sorted(found) == printed("linux", "seccomp", "knownFlags")


def is_supported(kenro, bundle, c, *args):
    """Not refused as something that is not there."""
    write_config(bundle, c)
    r = kenro.run(*args, "run", "--bundle", bundle, "c")
    return r.returncode == 0 or "not supported" not in r.stderr


def test_what_is_enabled_is_there(kenro, bundle):
    linux = features()["linux"]

    def tried(key, value, where="linux"):
        c = config("/bin/true")
        c[where][key] = value
        return is_supported(kenro, bundle, c)

    assert linux["apparmor"]["enabled"] == tried("apparmorProfile", "nosuch", "process")
    assert linux["selinux"]["enabled"] == tried("selinuxLabel", "a:b:c:d", "process")
    assert linux["intelRdt"]["enabled"] == tried("intelRdt", {"closID": "x"})
    assert linux["netDevices"]["enabled"] == tried("netDevices", {"kenro-none0": {}})
    c = config("/bin/true")
    c["linux"]["resources"]["rdma"] = {"mlx5_1": {"hcaHandles": 1}}
    assert linux["cgroup"]["rdma"] == is_supported(kenro, bundle, c)
    c = config("/bin/true")
    c["linux"]["cgroupsPath"] = "system.slice:kenro-test:c"
    assert linux["cgroup"]["systemd"] == is_supported(kenro, bundle, c, "--systemd-cgroup")
    assert linux["cgroup"]["v1"] is False and linux["cgroup"]["v2"] is True
    assert linux["seccomp"]["enabled"] is True


def test_memory_policies(works):
    """The modes and flags, where there are any."""
    policy = features()["linux"].get("memoryPolicy", {"modes": [], "flags": []})
    modes = ["MPOL_" + n for n in ("DEFAULT", "BIND", "INTERLEAVE", "WEIGHTED_INTERLEAVE",
                                   "PREFERRED", "PREFERRED_MANY", "LOCAL", "NOSUCH")]
    flags = ["MPOL_F_" + n for n in ("NUMA_BALANCING", "RELATIVE_NODES", "STATIC_NODES", "NOSUCH")]

    def tried(mode, *flags):
        c = config("/bin/true")
        c["linux"]["memoryPolicy"] = {"mode": mode, "flags": [*flags]}
        if mode not in ("MPOL_DEFAULT", "MPOL_LOCAL"):
            c["linux"]["memoryPolicy"]["nodes"] = "0"
        return works(c)

    assert [m for m in modes if tried(m)] == sorted(policy["modes"], key=modes.index)
    assert [f for f in flags if tried("MPOL_BIND", f)] == sorted(policy["flags"], key=flags.index)


def test_it_is_the_document_that_callers_parse():
    f = features()
    p = subprocess.run([KENRO, "features"], capture_output=True, text=True, timeout=60, env={},
                       user="nobody", group="nogroup")
    assert (p.returncode, p.stderr) == (0, "")
    assert json.loads(p.stdout) == f
    assert (f["ociVersionMin"], f["ociVersionMax"]) == ("1.0.0", "1.3.0")
    # What containerd, Docker and CRI-O look for.
    assert "rro" in f["mountOptions"] and "user" in f["linux"]["namespaces"]
    assert f["linux"]["mountExtensions"]["idmap"]["enabled"] is True
    assert isinstance(f["potentiallyUnsafeConfigAnnotations"], list)
