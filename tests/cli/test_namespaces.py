"""Namespaces: new, shared with the host, or joined by path."""

import json
import os
import subprocess

import pytest

from kenrotest import config, inside, shell, user_namespace, without, write_config

LINKS = {"pid": "pid", "network": "net", "mount": "mnt", "ipc": "ipc", "uts": "uts",
         "user": "user", "cgroup": "cgroup", "time": "time"}


def host(kind):
    return os.readlink(f"/proc/self/ns/{LINKS[kind]}")


@pytest.fixture
def other(kenro, bundle):
    """A container with namespaces of every kind, to be joined."""
    c = user_namespace(config("/bin/sleep", "1000"))
    c["linux"]["namespaces"].append({"type": "time"})
    write_config(bundle, c)
    kenro.ok("run", "-d", "-b", bundle, "other")
    return kenro.pid("other")


@pytest.mark.parametrize("kind", ["pid", "network", "mount", "ipc", "uts", "cgroup"])
def test_a_namespace_that_is_asked_for_is_new(kenro, bundle, kind):
    assert inside(kenro, bundle, config())["ns"][LINKS[kind]] != host(kind)


def test_new_user_and_time_namespaces(kenro, bundle):
    c = user_namespace(config())
    c["linux"]["namespaces"].append({"type": "time"})
    seen = inside(kenro, bundle, c)
    assert seen["ns"]["user"] != host("user")
    assert seen["ns"]["time"] != host("time")
    assert seen["ns"]["time_for_children"] == seen["ns"]["time"]


@pytest.mark.parametrize("kind", ["network", "ipc", "uts", "cgroup"])
def test_a_namespace_that_is_not_asked_for_is_the_hosts(kenro, bundle, kind):
    c = without(config(), kind)
    if kind == "uts":
        del c["hostname"]
    if kind == "network":  # a sysfs shows the network namespace, which is not ours to mount then
        c["mounts"] = [m for m in c["mounts"] if m["type"] != "sysfs"]
    assert inside(kenro, bundle, c)["ns"][LINKS[kind]] == host(kind)


def test_the_hosts_pid_namespace(kenro, bundle):
    c = without(config(), "pid")
    c["mounts"][0] = {"destination": "/proc", "type": "bind", "source": "/proc",
                      "options": ["rbind"]}
    seen = inside(kenro, bundle, c)
    assert seen["ns"]["pid"] == host("pid")
    assert seen["pid"] > 1


def test_without_a_mount_namespace_the_sentence_says_why(kenro, bundle):
    write_config(bundle, without(config(), "mount"))
    assert kenro.fails("create", "-b", bundle, "c") == \
        "create c: linux.namespaces: a mount namespace is required " \
        "(without one the container's mounts would be the host's)"


@pytest.mark.parametrize("kind", ["network", "ipc", "uts", "cgroup", "time"])
def test_a_namespace_by_path_is_joined(kenro, bundle, kind):
    keeper = subprocess.Popen(["unshare", "--net", "--ipc", "--uts", "--cgroup", "--time",
                               "sh", "-c", "echo ready; exec sleep 1000"], stdout=subprocess.PIPE)
    assert keeper.stdout.readline() == b"ready\n"
    path = f"/proc/{keeper.pid}/ns/{LINKS[kind]}"
    if kind == "time":  # unshare(2) puts only children in it
        path = f"/proc/{keeper.pid}/ns/time_for_children"
    try:
        c = without(config(), kind)
        c["linux"]["namespaces"].append({"type": kind, "path": path})
        if kind == "uts":
            del c["hostname"]
        assert inside(kenro, bundle, c)["ns"][LINKS[kind]] == os.readlink(path)
    finally:
        keeper.kill()
        keeper.wait()
        keeper.stdout.close()


def test_a_joined_pid_namespace_is_seen_in_proc(kenro, bundle):
    """The process that sets the container up is not in it; its procfs is."""
    keeper = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc",
                               "sh", "-c", "echo ready; exec sleep 1000"], stdout=subprocess.PIPE)
    assert keeper.stdout.readline() == b"ready\n"
    with open(f"/proc/{keeper.pid}/task/{keeper.pid}/children") as f:
        init = f.read().split()[0]
    try:
        c = without(shell("ls -d /proc/[0-9]* | wc -l; readlink /proc/self/ns/pid; "
                          "cat /proc/1/cmdline | tr '\\0' ' '; grep ' /proc ' /proc/mounts"), "pid")
        c["linux"]["namespaces"].append({"type": "pid", "path": f"/proc/{init}/ns/pid"})
        write_config(bundle, c)
        out = kenro.ok("run", "-b", bundle, "c").splitlines()
        assert out[1] == os.readlink(f"/proc/{init}/ns/pid")
        assert out[2].startswith("sleep 1000")
        assert int(out[0]) <= 4  # sleep, the shell, and the pipe's two
        assert "proc /proc proc rw,nosuid,nodev,noexec" in out[2] + out[-1]
        seen = inside(kenro, bundle, c)
        assert seen["pid"] > 1 and seen["ppid"] == 0
        assert seen["sid"] == seen["pid"]
    finally:
        keeper.kill()
        keeper.wait()
        keeper.stdout.close()


def pod(c, pid, *kinds):
    c = without(c, *kinds)
    for kind in kinds:
        c["linux"]["namespaces"].append({"type": kind, "path": f"/proc/{pid}/ns/{LINKS[kind]}"})
    if "uts" in kinds:
        c.pop("hostname", None)
    return c


@pytest.mark.parametrize("kinds", [
    ("user",), ("user", "network"), ("user", "pid"), ("user", "ipc", "uts", "network"),
    ("user", "pid", "network", "ipc", "uts", "cgroup", "time"),
])
def test_a_pod_with_a_user_namespace_can_be_joined(kenro, bundle, other, kinds):
    seen = inside(kenro, bundle, pod(config(user={"uid": 7, "gid": 8}), other, *kinds))
    for kind in kinds:
        assert seen["ns"][LINKS[kind]] == os.readlink(f"/proc/{other}/ns/{LINKS[kind]}"), kind
    for kind in set(LINKS) - set(kinds) - {"time"}:
        assert seen["ns"][LINKS[kind]] not in (host(kind),
                                               os.readlink(f"/proc/{other}/ns/{LINKS[kind]}")), kind
    assert seen["status"]["Uid"].split() == ["7"] * 4
    assert seen["dev"]["null"].split()[1] == "0:0"  # the container's root, not an unmapped id


def test_the_message_queues_of_a_user_namespace_are_its_roots(kenro, bundle):
    c = shell("stat -c '%u %g %a' /dev/mqueue; readlink /proc/self/ns/ipc")
    write_config(bundle, user_namespace(c))
    owner, ipc = kenro.ok("run", "-b", bundle, "c").splitlines()
    assert owner == "0 0 1777"
    assert ipc != os.readlink("/proc/self/ns/ipc")


def test_a_new_user_namespace_beside_joined_ones(kenro, bundle):
    """Kubernetes without user namespaces for the pod's sandbox."""
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("run", "-d", "-b", bundle, "other")
    c = pod(user_namespace(config()), kenro.pid("other"), "network", "ipc", "uts")
    c["mounts"] = [m for m in c["mounts"] if m["type"] not in ("sysfs", "mqueue")]
    seen = inside(kenro, bundle, c)
    assert seen["ns"]["user"] != host("user")
    assert seen["ns"]["net"] == os.readlink(f"/proc/{kenro.pid('other')}/ns/net")


def test_a_new_user_namespace_cannot_go_with_a_joined_pid_namespace(kenro, bundle, other):
    write_config(bundle, pod(user_namespace(config()), other, "pid"))
    assert "no power over a pid namespace" in kenro.fails("create", "-b", bundle, "c")


def test_mappings_that_are_not_the_joined_ones_are_refused(kenro, bundle, other):
    c = pod(user_namespace(config(), base=300000), other, "user")
    write_config(bundle, c)
    assert "linux.uidMappings: are not those of the joined user namespace" in \
        kenro.fails("create", "-b", bundle, "c")
    c["linux"]["uidMappings"] = c["linux"]["gidMappings"] = [
        {"containerID": 0, "hostID": 100000, "size": 65536}]
    write_config(bundle, c)
    kenro.ok("run", "-b", bundle, "c")


def test_a_joined_mount_namespace_is_left_as_it_is(kenro, bundle):
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("run", "-d", "-b", bundle, "plain")
    pid = kenro.pid("plain")
    with open(f"/proc/{pid}/mountinfo") as f:
        before = f.read()
    c = pod(config("/bin/inside"), pid, "mount")
    c["root"]["path"] = "/"
    for key in ("maskedPaths", "readonlyPaths"):
        del c["linux"][key]
    c["mounts"] = []
    write_config(bundle, c)
    assert "root.path" in kenro.fails("create", "-b", bundle, "c")  # "/" is never meant
    c["root"]["path"] = "/bin"
    c["process"]["args"] = ["/inside"]
    c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] == "mount"]
    del c["hostname"]
    write_config(bundle, c)
    seen = json.loads(kenro.ok("run", "-b", bundle, "c"))
    assert "busybox" in seen["root"] and "proc" not in seen["root"]
    with open(f"/proc/{pid}/mountinfo") as f:
        assert f.read() == before


def test_the_path_must_lead_to_a_namespace_of_the_kind(kenro, bundle, tmp_path):
    for path, text in ((f"/proc/{os.getpid()}/ns/net", "is a network namespace"),
                       ("/etc/passwd", "is not a namespace"),
                       ("/nosuch", "cannot open /nosuch: ENOENT")):
        c = without(config(), "ipc")
        c["linux"]["namespaces"].append({"type": "ipc", "path": path})
        write_config(bundle, c)
        line = kenro.fails("create", "-b", bundle, "c")
        assert "linux.namespaces[5].path" in line and text in line
    os.mkfifo(tmp_path / "fifo")
    c["linux"]["namespaces"][5]["path"] = str(tmp_path / "fifo")
    write_config(bundle, c)
    assert "is not a namespace" in kenro.fails("create", "-b", bundle, "c")


def test_loopback_is_up_in_a_new_network_namespace(kenro, bundle):
    write_config(bundle, shell("ip -o addr show lo; ls /sys/class/net"))
    out = kenro.ok("run", "-b", bundle, "c")
    assert "127.0.0.1/8" in out and out.splitlines()[-1] == "lo"


def test_the_host_name_is_the_containers_own(kenro, bundle):
    c = config()
    c["domainname"] = "example.org"
    seen = inside(kenro, bundle, c)
    assert (seen["hostname"], seen["domainname"]) == ("inner", "example.org")


def test_a_host_name_needs_a_uts_namespace(kenro, bundle):
    write_config(bundle, without(config(), "uts"))
    assert "hostname" in kenro.fails("create", "-b", bundle, "c")


def test_the_cgroup_namespace_begins_at_the_containers_group(kenro, bundle):
    seen = inside(kenro, bundle, config())
    assert "0::/" in seen["cgroup"]


def test_time_offsets(kenro, bundle):
    c = shell("cut -d' ' -f1 /proc/uptime")
    c["linux"]["namespaces"].append({"type": "time"})
    c["linux"]["timeOffsets"] = {"boottime": {"secs": 1000000, "nanosecs": 5},
                                 "monotonic": {"secs": 20}}
    write_config(bundle, c)
    with open("/proc/uptime") as f:
        now = float(f.read().split()[0])
    assert 1000000 <= float(kenro.ok("run", "-b", bundle, "c")) - now < 1000060
    c["process"]["args"] = ["/bin/inside"]
    seen = inside(kenro, bundle, c)
    assert [line.split() for line in seen["timens_offsets"]] == [["monotonic", "20", "0"],
                                                                 ["boottime", "1000000", "5"]]


@pytest.mark.parametrize("offsets", [
    None, {}, {"boottime": {}, "monotonic": {}}, {"monotonic": {"secs": 0, "nanosecs": 0}},
    {"boottime": {"secs": 0}}])
@pytest.mark.parametrize("user", [False, True])
def test_a_time_namespace_with_offsets_of_zero_or_none_has_the_hosts_time(kenro, bundle, offsets,
                                                                          user):
    c = user_namespace(config()) if user else config()
    c["linux"]["namespaces"].append({"type": "time"})
    if offsets is not None:
        c["linux"]["timeOffsets"] = offsets
    seen = inside(kenro, bundle, c)
    assert seen["ns"]["time"] == seen["ns"]["time_for_children"] != host("time")
    assert [line.split() for line in seen["timens_offsets"]] == [["monotonic", "0", "0"],
                                                                 ["boottime", "0", "0"]]


def test_sysctls_of_own_namespaces_are_set(kenro, bundle):
    c = shell("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax "
              "/proc/sys/net/ipv4/ping_group_range")
    c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4711",
                            "net/ipv4/ping_group_range": "0 5"}
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c").split() == ["1", "4711", "0", "5"]


@pytest.mark.parametrize("key,namespace", [("net.ipv4.ip_forward", "network"),
                                           ("kernel.msgmax", "ipc"),
                                           ("fs.mqueue.msg_max", "ipc")])
def test_a_sysctl_of_the_host_is_refused(kenro, bundle, key, namespace):
    with open("/proc/sys/" + key.replace(".", "/")) as f:
        before = f.read()
    c = without(config(), namespace)
    c["linux"]["sysctl"] = {key: "1"}
    write_config(bundle, c)
    line = kenro.fails("create", "-b", bundle, "c")
    assert f"linux.sysctl.{key}" in line and "would change the host" in line
    with open("/proc/sys/" + key.replace(".", "/")) as f:
        assert f.read() == before


@pytest.mark.parametrize("key", ["kernel.core_pattern", "vm.overcommit_memory", "kernel.sysrq",
                                 "net.../../kernel/core_pattern", "kernel.shm_rmid_forced/../x",
                                 "fs.file-max"])
def test_a_sysctl_that_is_not_namespaced_is_refused(kenro, bundle, key):
    c = config()
    c["linux"]["sysctl"] = {key: "1"}
    write_config(bundle, c)
    assert "linux.sysctl." in kenro.fails("create", "-b", bundle, "c")


def test_a_value_that_the_kernel_refuses_is_named(kenro, bundle):
    c = config()
    c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "maybe"}
    write_config(bundle, c)
    assert kenro.fails("create", "-b", bundle, "c") == \
        "create c: linux.sysctl.net.ipv4.ip_forward: cannot set 'maybe': EINVAL"


def test_a_host_name_is_not_given_to_the_host(kenro, bundle):
    c = config("/bin/true")
    for n in c["linux"]["namespaces"]:
        if n["type"] == "uts":
            n["path"] = "/proc/self/ns/uts"
    write_config(bundle, c)
    assert "hostname: the uts namespace is the host's" in kenro.fails("run", "-b", bundle, "c")


def test_time_offsets_in_a_user_namespace(kenro, bundle):
    c = user_namespace(config())
    c["linux"]["namespaces"].append({"type": "time"})
    c["linux"]["timeOffsets"] = {"boottime": {"secs": 500}}
    seen = inside(kenro, bundle, c)
    assert ["boottime", "500", "0"] in [line.split() for line in seen["timens_offsets"]]
