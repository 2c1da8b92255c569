"""What the specification asks of a runtime and no other test shows: one test for each
requirement. docs/conformance.md names the test of every requirement."""

import ctypes
import json
import os
import subprocess

import pytest

from kenrotest import KENRO, cgroup_mount, config, user_namespace, write_config, \
    without

# config.md, "Linux mount options".
OPTIONS = """
    async atime bind defaults dev diratime dirsync exec idmap iversion lazytime loud noatime nodev
    nodiratime noexec noiversion nolazytime norelatime nostrictatime nosuid nosymfollow private
    ratime rbind rdev rdiratime relatime remount rexec ridmap rnoatime rnodiratime rnoexec
    rnorelatime rnostrictatime rnosuid rnosymfollow ro rprivate rrelatime rro rrw rshared rslave
    rstrictatime rsuid rsymfollow runbindable rw shared silent slave strictatime suid symfollow
    sync unbindable
""".split()

# features.md and features-linux.md.
FEATURES = {
    "ociVersionMin", "ociVersionMax", "hooks", "mountOptions", "linux", "annotations",
    "potentiallyUnsafeConfigAnnotations"}
FEATURES_LINUX = {
    "namespaces", "capabilities", "cgroup", "seccomp", "apparmor", "selinux", "intelRdt",
    "memoryPolicy", "mountExtensions", "netDevices"}

PR_CAPBSET_DROP, CAP_SYS_TIME = 24, 25


def features(**how):
    return json.loads(subprocess.run([KENRO, "features"], stdout=subprocess.PIPE, check=True,
                                     timeout=60, **how).stdout)


# ---- runtime.md ------------------------------------------------------------------

@pytest.mark.parametrize("operation", ["create", "start", "state", "kill", "delete"])
def test_an_operation_without_an_id_is_an_error(kenro, bundle, operation):
    assert "a container id is missing" in kenro.fails(operation, cwd=bundle)


# ---- config.md -------------------------------------------------------------------

@pytest.mark.parametrize("version", [features()["ociVersionMin"], features()["ociVersionMax"]])
def test_the_versions_that_features_names_are_accepted(kenro, bundle, version):
    c = config()
    c["ociVersion"] = version
    write_config(bundle, c)
    kenro.ok("run", "-b", bundle, "c")


def mount_points(listing):
    """Without the root, in the kernel's order."""
    return [line.split()[4] for line in listing.splitlines()][1:]


def test_the_kernel_lists_mounts_in_the_order_of_the_configuration(kenro, bundle):
    c = config("/bin/cat", "/proc/self/mountinfo")
    c["mounts"].append({"destination": "/mnt", "type": "tmpfs", "source": "tmpfs"})
    del c["linux"]["maskedPaths"], c["linux"]["readonlyPaths"]
    write_config(bundle, c)
    assert mount_points(kenro.ok("run", "-b", bundle, "c")) == \
        [m["destination"] for m in c["mounts"]]


def test_a_relative_destination_is_below_the_root(kenro, bundle):
    c = config("/bin/cat", "/proc/self/mountinfo", cwd="/tmp")
    c["mounts"].append({"destination": "mnt/deep", "type": "tmpfs", "source": "tmpfs"})
    write_config(bundle, c)
    assert "/mnt/deep" in mount_points(kenro.ok("run", "-b", bundle, "c"))


def test_a_console_size_without_a_terminal_is_ignored(kenro, bundle):
    write_config(bundle, config(consoleSize={"height": 70000, "width": 70000}, terminal=False))
    kenro.ok("run", "-b", bundle, "c")


def test_a_capability_that_cannot_be_granted_is_a_warning(kenro, bundle):
    """kenro itself is started without CAP_SYS_TIME."""
    c = config("/bin/inside")
    for names in c["process"]["capabilities"].values():
        names.append("CAP_SYS_TIME")
    write_config(bundle, c)
    libc = ctypes.CDLL(None)
    r = kenro.run("--log-level", "warning", "run", "-b", bundle, "c",
                  preexec_fn=lambda: libc.prctl(PR_CAPBSET_DROP, CAP_SYS_TIME, 0, 0, 0))
    assert r.returncode == 0 and "CAP_SYS_TIME" in r.stderr
    assert not int(json.loads(r.stdout)["status"]["CapBnd"], 16) >> CAP_SYS_TIME & 1


@pytest.mark.parametrize("value", ["", "x", {"a": [1, None]}, None, 7])
def test_an_unknown_property_is_ignored(kenro, bundle, value):
    c = config()
    c["org.example"] = c["process"]["org.example"] = c["linux"]["org.example"] = value
    write_config(bundle, c)
    kenro.ok("run", "-b", bundle, "c")


def test_an_unknown_annotation_is_kept_and_changes_nothing(kenro, bundle):
    c = config()
    c["annotations"] = {"com.example.key": "", "org.opencontainers.unknown": "x"}
    write_config(bundle, c)
    kenro.ok("create", "-b", bundle, "c")
    assert kenro.state("c")["annotations"] == c["annotations"]


# ---- config-linux.md -------------------------------------------------------------

def test_a_configuration_to_begin_with_has_the_default_file_systems(kenro, tmp_path):
    kenro.ok("spec", "--bundle", tmp_path)
    mounts = json.loads((tmp_path / "config.json").read_text())["mounts"]
    assert {("/proc", "proc"), ("/sys", "sysfs"), ("/dev/pts", "devpts"),
            ("/dev/shm", "tmpfs")} <= {(m["destination"], m["type"]) for m in mounts}


@pytest.mark.parametrize("path", ["proc/1/ns/net", "./net", "../proc/1/ns/net"])
def test_a_relative_path_of_a_namespace_is_an_error(kenro, bundle, path):
    c = without(config(), "network")
    c["linux"]["namespaces"].append({"type": "network", "path": path})
    write_config(bundle, c)
    assert f"linux.namespaces[5].path: '{path}' is not an absolute path" in \
        kenro.fails("create", "-b", bundle, "c", cwd="/")


def owners(directory):
    return {path: os.lstat(os.path.join(path, name)).st_uid
            for path, _, names in os.walk(directory) for name in [".", *names]}


def test_files_keep_their_owners_in_a_user_namespace(kenro, bundle):
    write_config(bundle, user_namespace(config()))
    before = owners(bundle / "rootfs")
    kenro.ok("run", "-b", bundle, "c")
    assert owners(bundle / "rootfs") == before


@pytest.mark.parametrize("path, group", [("/kenro-test-place/x", "/kenro-test-place/x"),
                                         ("kenro-test-place", "/kenro/kenro-test-place")])
def test_a_cgroups_path_is_always_the_same_group(kenro, bundle, path, group):
    c = without(config("/bin/cat", "/proc/self/cgroup"), "cgroup")
    c["linux"]["cgroupsPath"] = path
    write_config(bundle, c)
    for id in ("a", "b"):
        assert f"0::{group}\n" in kenro.ok("run", "-b", bundle, id)


def group_owners(kenro, bundle, *options):
    """{uid: names} of a container's group and what is in it; the program is user 7."""
    c = user_namespace(config("/bin/sh", "-c", "mkdir /sys/fs/cgroup/sub && echo made",
                              user={"uid": 7, "gid": 7}))
    c["linux"]["cgroupsPath"] = "/kenro-test-owner"
    if options:
        c["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                            "options": list(options)})
    write_config(bundle, c)
    kenro.ok("create", "-b", bundle, "c")
    group = cgroup_mount() / "kenro-test-owner"
    found = {}
    for path in (group, *group.iterdir()):
        found.setdefault(path.stat().st_uid, set()).add(path.name)
    return found


def test_a_group_that_is_mounted_writable_is_the_programs(kenro, bundle):
    owned = group_owners(kenro, bundle, "nosuid")[100007]
    assert {"kenro-test-owner", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"} <= owned
    assert not {"cgroup.freeze", "cgroup.kill", "cgroup.type", "cgroup.max.depth"} & owned
    kenro.ok("start", "c")
    kenro.wait_for("c", "stopped")
    assert (cgroup_mount() / "kenro-test-owner/sub").is_dir()
    kenro.ok("delete", "c")
    assert not (cgroup_mount() / "kenro-test-owner").exists()


@pytest.mark.parametrize("options", [[], ["nosuid", "ro"]])
def test_a_group_that_is_not_mounted_writable_keeps_its_owner(kenro, bundle, options):
    assert set(group_owners(kenro, bundle, *options)) == {0}


def test_a_group_that_was_there_before_keeps_its_owner(kenro, bundle):
    group = cgroup_mount() / "kenro-test-owner"
    group.mkdir()
    try:
        assert set(group_owners(kenro, bundle, "nosuid")) == {0}
        kenro.ok("delete", "--force", "c")
    finally:
        group.rmdir()


def limited(**resources):
    c = config()
    c["linux"]["resources"].update(resources)
    return c


@pytest.mark.parametrize("path, resources", [
    ("memory.kernel", {"memory": {"kernel": 1 << 30}}),
    ("memory.kernelTCP", {"memory": {"kernelTCP": 1 << 30}}),
    ("memory.swappiness", {"memory": {"swappiness": 60}}),
    ("memory.disableOOMKiller", {"memory": {"disableOOMKiller": True}}),
    ("cpu.realtimeRuntime", {"cpu": {"realtimeRuntime": 1000}}),
    ("cpu.realtimePeriod", {"cpu": {"realtimePeriod": 1000}}),
    ("blockIO.leafWeight", {"blockIO": {"leafWeight": 100}}),
    ("network", {"network": {"classID": 5}}),
    ("network", {"network": {"priorities": [{"name": "lo", "priority": 1}]}}),
    ("rdma", {"rdma": {"mlx5_1": {"hcaHandles": 3}}}),
    ("unified", {"unified": {"nosuch.max": "1"}}),
    ("unified", {"unified": {"../kenro-test-above/cgroup.freeze": "1"}}),
    ("unified", {"unified": {"..": "1"}}),
    ("unified", {"unified": {"a/b": "1"}}),
])
def test_what_a_cgroup_cannot_limit_is_refused_by_name(kenro, bundle, path, resources):
    write_config(bundle, limited(**resources))
    assert f"linux.resources.{path}" in kenro.fails("create", "-b", bundle, "c")


MISSING = [
    ({"memory": {"limit": 1 << 30}}, "memory.limit", "memory"),
    ({"cpu": {"shares": 512}}, "cpu.shares", "cpu"),
    ({"cpu": {"cpus": "0"}}, "cpu.cpus", "cpuset"),
    ({"pids": {"limit": 0}}, "pids.limit", "pids"),
    ({"blockIO": {"weight": 100}}, "blockIO.weight", "io"),
    ({"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}, "hugepageLimits[0]", "hugetlb"),
    ({"rdma": {"mlx5_1": {"hcaHandles": 3}}}, "rdma.mlx5_1", "rdma"),
    ({"unified": {"memory.high": "1"}}, "unified.memory.high", "memory"),
    ({"unified": {"magic.max": "1"}}, "unified.magic.max", "magic"),
]


@pytest.mark.parametrize("resources, path, controller", MISSING, ids=[row[1] for row in MISSING])
def test_a_controller_that_is_missing_is_named(kenro, bundle, resources, path, controller):
    """And the way out; and nothing is left behind."""
    if controller in (cgroup_mount() / "cgroup.controllers").read_text().split():
        pytest.skip(f"the cgroup2 tree has {controller}")
    write_config(bundle, limited(**resources))
    assert kenro.fails("create", "-b", bundle, "c") == (
        f"create c: linux.resources.{path}: the cgroup2 tree at {cgroup_mount()} lacks the "
        f"controller '{controller}' (it may be in use by a version 1 tree: boot with "
        "cgroup_no_v1=all)")
    assert not (cgroup_mount() / "kenro/c").exists() and not (kenro.root / "c").exists()


@pytest.mark.parametrize("resources", [
    {"memory": {"kernel": -1, "kernelTCP": 0, "swappiness": 0, "disableOOMKiller": False}},
    {"memory": {"limit": 0, "reservation": -1, "swap": 0}},
    {"cpu": {"realtimeRuntime": 0, "realtimePeriod": 0, "shares": 0, "quota": 0, "burst": 0}},
    {"blockIO": {"leafWeight": 0, "weight": 0, "weightDevice": []}},
    {"network": {"classID": 0, "priorities": []}}, {"network": {}}, {"rdma": {}}, {"unified": {}},
    {"pids": {"limit": -1}}, {"pids": {}}, {"hugepageLimits": []},
])
def test_what_asks_for_no_limit_needs_no_controller(kenro, bundle, resources):
    write_config(bundle, limited(**resources))
    kenro.ok("run", "-b", bundle, "c")


# ---- features.md -----------------------------------------------------------------

def test_features_does_not_depend_on_who_asks():
    assert features() == features(env={}, cwd="/", user="nobody", group="nogroup")


def test_features_has_only_what_the_specification_defines():
    f = features()
    assert set(f) <= FEATURES and set(f["linux"]) <= FEATURES_LINUX
    assert tuple(map(int, f["ociVersionMin"].split("."))) <= \
        tuple(map(int, f["ociVersionMax"].split(".")))


def test_features_lists_every_mount_option_of_the_specification():
    """test_features.py shows that they work."""
    assert set(OPTIONS) <= set(features()["mountOptions"])


def test_mount_options_of_features_are_not_those_of_a_file_system():
    assert not {"size", "mode", "uid", "gid", "newinstance"} & \
        {option.split("=")[0] for option in features()["mountOptions"]}
