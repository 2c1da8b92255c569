"""--cgroup-manager disabled: a container in the cgroup of its caller."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from kenrotest import (cgroup_mount, config, our_cgroups, reap_orphans, shell, user_namespace,
                       wait_until, without, write_config)

DISABLED = ("--cgroup-manager", "disabled")
NONE = "the container has no cgroup of its own (it was created with --cgroup-manager disabled, " \
       "or by a user without the right to one)"


@pytest.fixture
def free(kenro, bundle):
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok(*DISABLED, "run", "-d", "-b", bundle, "c")
    return kenro


def group_of(pid):
    return next(line for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()
                if line.startswith("0::"))


def test_it_stays_where_its_caller_is(free):
    assert group_of(free.pid("c")) == group_of("self")
    assert not any(g.endswith("/c") for g in our_cgroups())


def test_a_limit_needs_a_cgroup(kenro, bundle):
    c = config("/bin/true")
    c["linux"]["resources"].update({"memory": {"limit": -1}, "pids": {"limit": 5}})
    write_config(bundle, c)
    assert kenro.fails(*DISABLED, "run", "-b", bundle, "c").endswith(
        "linux.resources.pids.limit: cannot be in force without a cgroup")
    c["linux"]["resources"]["pids"]["limit"] = -1
    write_config(bundle, c)
    kenro.ok(*DISABLED, "run", "-b", bundle, "c")


def test_an_exec_goes_to_where_init_is(free):
    group = cgroup_mount() / "kenro-test-moved"
    group.mkdir()
    try:
        (group / "cgroup.procs").write_text(str(free.pid("c")))
        free.ok("exec", "-d", "c", "/bin/sleep", "1000")
        assert len((group / "cgroup.procs").read_text().split()) == 2
        free.ok("delete", "-f", "c")
        wait_until(lambda: reap_orphans() is not None and not (group / "cgroup.procs").read_text())
    finally:
        group.rmdir()


@pytest.mark.parametrize("resources", ["{}", '{"devices":[{"allow":false}],"memory":{"limit":0},"pids":{}}'])
def test_an_update_of_nothing_needs_no_group(free, resources):
    free.ok("update", "-r", "-", "c", input=resources)


def test_later_commands_know_it_without_the_option(free):
    for args in (["pause", "c"], ["events", "--stats", "c"]):
        assert free.fails(*args) == f"{args[0]} c: {NONE}"
    assert free.fails("update", "--pids-limit", "5", "c") == f"update c: {NONE}"
    assert free.fails("resume", "c") == "resume c: container not paused"
    assert free.status("c") == "running"
    free.ok("exec", "c", "/bin/true")


def test_its_processes_are_those_of_its_pid_namespace(free):
    free.ok("exec", "-d", "--pid-file", free.root / "pid", "c", "/bin/sh", "-c",
            "trap exit USR1; echo $$ >/dev/null; sleep 1000 & wait")
    pid = int((free.root / "pid").read_text())
    (free.root / "pid").unlink()
    wait_until(lambda: len(json.loads(free.ok("ps", "-f", "json", "c"))) == 3)
    assert {free.pid("c"), pid} < set(json.loads(free.ok("ps", "-f", "json", "c")))
    free.ok("kill", "--all", "c", "USR1")  # init ignores it: it has no handler
    wait_until(lambda: reap_orphans() is not None and
               json.loads(free.ok("ps", "-f", "json", "c")) == [free.pid("c")])


def test_sigkill_to_all_ends_all_with_init(free):
    free.ok("exec", "-d", "c", "/bin/sleep", "1000")
    free.ok("kill", "--all", "c", "KILL")
    # init ends when the exec's parent, which is this process, has reaped it
    wait_until(lambda: reap_orphans() is not None and free.status("c") == "stopped")
    free.ok("kill", "--all", "c", "KILL")
    assert json.loads(free.ok("ps", "-f", "json", "c")) == []
    free.ok("delete", "c")


def test_the_state_is_the_same(free):
    assert free.state("c")["status"] == "running"
    assert json.loads((free.root / "c/state.json").read_text())["cgroup"] == ""


@pytest.mark.parametrize("joined", [False, True])
def test_without_a_pid_namespace_of_its_own_it_is_refused(kenro, bundle, joined):
    """Nothing else would end all of its processes."""
    c = config("/bin/sleep", "1000")
    write_config(bundle, c)
    kenro.ok("run", "-d", "-b", bundle, "other")
    if joined:
        c["linux"]["namespaces"][0]["path"] = f"/proc/{kenro.pid('other')}/ns/pid"
        c["mounts"][0]["options"] = []
    else:
        c = without(c, "pid")
        c["mounts"][0] = {"destination": "/proc", "type": "bind", "source": "/proc",
                          "options": ["rbind"]}
    write_config(bundle, c)
    assert kenro.fails(*DISABLED, "create", "-b", bundle, "c") == (
        "create c: linux.namespaces: without a cgroup nothing would end all processes "
        "(give the container a pid namespace of its own)")


def make_node(directory):
    directory.mkdir(parents=True, exist_ok=True)
    os.mknod(directory / "node", 0o20666, os.makedev(1, 3))
    os.chmod(directory / "node", 0o666)


@pytest.mark.parametrize("user", [False, True])
def test_a_device_that_the_image_brings_cannot_be_opened(kenro, bundle, user):
    """No device program: the nodes are of no use instead, whatever the options say."""
    (bundle / "tree/below").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "below", bundle / "tree/below"], check=True)
    try:
        for name in ("rootfs", "volume", "tree", "tree/below"):
            make_node(bundle / name)
        for name in ("volume", "tree"):
            (bundle / "rootfs" / name).mkdir()
        c = shell("for f in /node /volume/node /tree/node /tree/below/node; do "
                  "echo x >$f || echo $f; done; echo x >/dev/null && echo fine")
        for name, options in (("volume", ["bind", "dev"]), ("tree", ["rbind", "rdev"])):
            c["mounts"].append({"destination": f"/{name}", "type": "bind", "options": options,
                                "source": str(bundle / name)})
        write_config(bundle, user_namespace(c) if user else c)
        r = kenro.run(*DISABLED, "run", "-b", bundle, "c")
        assert r.stdout.split() == ["/node", "/volume/node", "/tree/node", "/tree/below/node",
                                    "fine"], r.stderr
    finally:
        subprocess.run(["umount", bundle / "tree/below"], check=True)


@pytest.mark.parametrize("cap", ["CAP_MKNOD", "CAP_SYS_ADMIN"])
def test_who_could_undo_that_is_refused(kenro, bundle, cap):
    c = config()
    c["process"]["capabilities"]["bounding"] = [cap]
    c["process"]["capabilities"]["permitted"] = []
    c["process"]["capabilities"]["effective"] = []
    write_config(bundle, c)
    assert kenro.fails(*DISABLED, "run", "-b", bundle, "c") == (
        "run c: linux.resources.devices: cannot be enforced without a cgroup on a process with "
        "CAP_MKNOD or CAP_SYS_ADMIN")
    c["linux"]["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
    write_config(bundle, c)
    kenro.ok(*DISABLED, "run", "-b", bundle, "c")


def test_a_device_of_the_configuration_is_refused(kenro, bundle):
    c = config()
    c["linux"]["devices"] = [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3}]
    write_config(bundle, c)
    assert "linux.devices: access to them cannot be restricted without a cgroup" in \
        kenro.fails(*DISABLED, "run", "-b", bundle, "c")


def test_a_create_that_fails_leaves_nothing(kenro, bundle):
    write_config(bundle, config("nosuch"))
    kenro.fails(*DISABLED, "create", "-b", bundle, "c")
    assert kenro.ids() == []


def test_check_says_so(kenro, bundle):
    assert "cgroup: none of its own\n" in kenro.ok(*DISABLED, "check", "--plan", bundle)
