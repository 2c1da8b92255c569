"""What a program sees under kenro, crun and runc for the same bundle, field by
field: /proc/self/status, mounts, descriptors, cgroup, limits, devices and more,
as tests/helpers/inside.c prints it. Each difference that is meant stands in
MEANT with its reason; any other fails, and so does one that is no more.

All three run in one tree of Debian's sid suite, with nothing but cgroup2 in view."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import kenrotest
from kenrotest import CAPS, config, debian_tree, make_bundle, user_namespace

PACKAGES = ["crun", "runc", "libcap2", "libseccomp2", "libyajl2"]
ENTER = Path(__file__).parents[1] / "lib/enter-tree"
FIXTURES = Path(__file__).parents[1] / "fixtures/engine"
# Of no meaning to the program, or never twice the same; what is ignored depends on the
# caller with the peers, and test_process tests that with kenro it does not. The caller's
# mount namespace is gone with each enter-tree, and its number may be given to the next.
# SigQ counts the signals that are queued for all processes of the user.
VOLATILE = re.compile(r"status\.(Vm|Rss|.*ctxt_switches|Mems|Cpus|SigIgn|SigQ)|keyring$|ns\.(time|mnt)")

# What kenro does otherwise than both, by key, and why.
MEANT = {
    r"status\.Seccomp(_filters)?": "a configuration without seccomp gets kenro's own filter",
    r"keyring_errno": "which does not allow keyctl; the session keyring is the container's own",
    r"mount /(proc|sys)/(acpi|keys|timer_list|interrupts|firmware.*)":
        "masks lie on a tmpfs of the container's own: nosuid, nodev, noexec, and nothing of the "
        "host's /dev",
    r"dev\.(full|null|random|tty|urandom|zero)":
        "in a user namespace devices belong to its root, not to nobody",
    r"mount /dev/(full|null|random|tty|urandom|zero)":
        "and are nodes, not binds of the host's /dev, which the container could see change",
}


def plain():
    return config("/bin/inside")


def unprivileged():
    c = config("/bin/inside", user={"uid": 1000, "gid": 100, "additionalGids": [5, 20, 3]},
               cwd="/tmp", oomScoreAdj=300, noNewPrivileges=False,
               capabilities={k: CAPS[:4] for k in ("bounding", "permitted")},
               rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
                        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}])
    c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1"}
    c["linux"]["devices"] = [{"path": "/dev/mine", "type": "c", "major": 1, "minor": 3,
                              "fileMode": 0o640, "uid": 1, "gid": 2}]
    c["root"]["readonly"] = True
    return c


def mapped():
    return user_namespace(config("/bin/inside"))


def engine(name):
    c = json.loads((FIXTURES / f"{name}.json").read_text())
    c["process"]["args"] = ["/bin/inside"]
    c["linux"]["cgroupsPath"] = "/kenro-test-peer"
    c["root"]["path"] = "rootfs"
    c["mounts"] = [m for m in c["mounts"] if m["type"] != "bind"]  # the engine's files
    for limit in ("pids", "cpu", "blockIO"):
        c["linux"]["resources"].pop(limit, None)
    return c


CASES = {"plain": plain, "unprivileged": unprivileged, "user namespace": mapped,
         **{name: lambda name=name: engine(name) for name in (
             "podman-default", "podman-user", "docker-default", "docker-privileged",
             "ctr-default")}}


def mount_fields(line):
    """Mount point, and what is told of the mount: not its ids, nor where it lies."""
    before, after = (part.split() for part in line.split(" - "))
    shared = [re.sub(r":\d+", "", tag) for tag in before[6:]]
    options = sorted(before[5].split(","))
    return before[4], f"{after[0]} {','.join(options)} {' '.join(shared)}".strip()


def flat(seen, host):
    """One level of keys, with what can be compared."""
    found = {}
    for key, value in seen.items():
        if key == "mountinfo":
            found.update({f"mount {at}": text for at, text in map(mount_fields, value)})
        elif key == "fds":
            found.update({f"fds.{n}": re.sub(r"\[\d+\]", "", to) for n, to in value.items()})
        elif key == "ns":
            found.update({f"ns.{n}": "the host's" if to == host["ns"][n] else "its own"
                          for n, to in value.items()})
        elif isinstance(value, dict):
            found.update({f"{key}.{k}": v for k, v in value.items()})
        else:
            found[key] = value
    return {k: v for k, v in found.items() if not VOLATILE.match(k)}


class Peers:
    def __init__(self, tree):
        self.tree = tree
        self.used = set()
        self.bundle = tree / "srv/bundle"
        shutil.copy2(kenrotest.KENRO, tree / "usr/local/bin/kenro")
        shutil.copy2(kenrotest.HELPERS / "inside", tree / "usr/local/bin/inside")
        self.host = json.loads(self.enter("inside"))

    def enter(self, *command):
        p = subprocess.run([ENTER, self.tree, *command], capture_output=True, text=True,
                           stdin=subprocess.DEVNULL, timeout=60)
        assert p.returncode == 0, (command, p.stderr)
        return p.stdout

    def see(self, c):
        shutil.rmtree(self.bundle, ignore_errors=True)
        make_bundle(self.bundle, c)
        try:
            return {peer: flat(json.loads(self.enter(
                peer, "--root", "/run/peer", "run", "-b", "/srv/bundle", "kenro-test-peer")),
                self.host) for peer in ("kenro", "crun", "runc")}
        finally:
            shutil.rmtree(self.bundle)


@pytest.fixture(scope="module")
def peers():
    if "asan" in kenrotest.BUILD.name:
        pytest.skip("a sanitizer's library is not in the tree")
    return Peers(debian_tree("sid", *PACKAGES))


@pytest.mark.parametrize("case", CASES)
def test_what_is_different_is_meant(peers, case):
    seen = peers.see(CASES[case]())
    different = {}
    for key in sorted(set().union(*seen.values())):
        values = {peer: seen[peer].get(key) for peer in seen}
        if values["kenro"] not in (values["crun"], values["runc"]):
            different[key] = values
    for key, values in different.items():
        print(key, *values.items(), sep="\n    ")  # pytest shows it if this fails
    assert [key for key in different if not any(re.fullmatch(m, key) for m in MEANT)] == []
    peers.used |= {m for m in MEANT for key in different if re.fullmatch(m, key)}


def test_every_meant_difference_is_one(peers):
    """Runs last: what is no difference any more is to be struck from the list."""
    assert set(MEANT) - peers.used == set()
