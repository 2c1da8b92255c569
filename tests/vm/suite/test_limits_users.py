"""Limits of others: delegated groups, users, many at once, and how little is enough."""

import concurrent.futures
import itertools
import json
import os
import subprocess

import pytest

import kenrotest
from kenrotest import make_bundle, shell, user_namespace, wait_until, write_config
from limits import GROUP, MIB, TOP, limited, value
from rootless import UID, User, mapped


def test_a_group_is_delegated_into_a_user_namespace(kenro, bundle):
    """The container's root makes groups below its own and limits them, but not its own."""
    script = """
        cd /sys/fs/cgroup && mkdir below init && echo 1 >init/cgroup.procs &&
        echo +memory +pids >cgroup.subtree_control && echo 5 >below/pids.max &&
        cat below/pids.max && ! echo 99 >pids.max && ! echo max >memory.max && cat pids.max"""
    c = user_namespace(limited(script, pids={"limit": 50}, memory={"limit": 64 * MIB}))
    c["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                        "options": ["nosuid", "noexec", "nodev", "rw"]})
    write_config(bundle, c)
    r = kenro.run("run", "-b", bundle, "c")
    assert (r.returncode, r.stdout.split()) == (0, ["5", "50"]), r.stderr
    assert not GROUP.exists()


@pytest.fixture
def user():
    """One who sits in a group below another of its own, as a user's systemd makes them."""
    u = User()
    above = TOP / "users"
    u.cgroup = above / "caller"
    u.cgroup.mkdir(parents=True)
    (TOP / "cgroup.subtree_control").write_text("+cpu +memory +pids")
    for group in (above, u.cgroup):
        for name in (".", "cgroup.procs", "cgroup.subtree_control"):
            os.chown(group / name, UID, UID)
    yield u
    for id in u.ids():
        u.ok("delete", "--force", id)
    wait_until(lambda: kenrotest.reap_orphans() == [] and
               "populated 0" in value("cgroup.events", above))
    u.cgroup.rmdir()
    above.rmdir()  # nothing else is left in it
    u.close()


def test_a_user_limits_its_own_containers(user):
    bundle = user.bundle(mapped(limited(memory={"limit": 64 * MIB}, pids={"limit": 20})))
    group = user.cgroup.parent / "kenro-c"
    user.ok("run", "-d", "-b", bundle, "c")
    assert (value("memory.max", group), value("pids.max", group)) == (str(64 * MIB), "20")
    user.ok("update", "--memory", "32m", "--cpu-quota", "50000", "c")
    assert (value("memory.max", group), value("cpu.max", group)) == (str(32 * MIB), "50000 100000")
    assert "unified.memory.high: cannot write 'x'" in user.fails(
        "update", "-r", "-", "c", input='{"pids":{"limit":3},"unified":{"memory.high":"x"}}')
    assert value("pids.max", group) == "20"


def test_a_controller_that_the_user_was_not_given_is_named(user):
    above = user.cgroup.parent
    os.chown(above / "cgroup.subtree_control", 0, 0)
    bundle = user.bundle(mapped(limited(memory={"limit": 64 * MIB})))
    line = user.fails("run", "-d", "-b", bundle, "c")
    assert line.startswith("run c: linux.resources.memory.limit: cannot enable the controller "
                           f"'memory' for the groups in {above}: EACCES (it has to be delegated")
    assert not (above / "kenro-c").exists()
    # what nothing needs is not missed
    user.ok("run", "-d", "-b", user.bundle(mapped(limited()), "free"), "c")
    assert user.status("c") == "running"


@pytest.mark.limit(300)
def test_a_hundred_containers_are_made_at_once(kenro, tmp_path):
    ids = [f"c{i}" for i in range(100)]
    make_bundle(tmp_path / "b", limited())

    def make(number):
        bundle = tmp_path / f"b{number}"
        bundle.mkdir()
        (bundle / "rootfs").symlink_to(tmp_path / "b/rootfs")
        c = limited(memory={"limit": (16 + number) * MIB}, pids={"limit": 10 + number},
                    cpu={"quota": 10000 + number})
        c["root"] = {"path": str(tmp_path / "b/rootfs"), "readonly": True}
        write_config(bundle, c)
        return kenro.run("create", "-b", bundle, f"c{number}")

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        failed = [r.stderr for r in pool.map(make, range(100)) if r.returncode]
    assert failed == []
    for i, name in enumerate(ids):
        group = TOP / "kenro" / name
        assert value("memory.max", group) == str((16 + i) * MIB)
        assert value("pids.max", group) == str(10 + i)
        assert value("cpu.max", group) == f"{10000 + i} 100000"
        assert value("cgroup.procs", group) == str(kenro.pid(name))
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: kenro.ok("delete", "-f", name), ids))
    assert not (TOP / "kenro").exists()


# ---- how little memory is enough ---------------------------------------------------------------

PEERS = {"kenro": "kenro", "crun": "crun", "runc": "runc"}


def starts(binary, bundle, limit, number):
    write_config(bundle, {**limited(memory={"limit": limit, "swap": limit}),
                          "process": {**shell("")["process"], "args": ["/bin/true"]}})
    return subprocess.run([binary, "run", "--bundle", bundle, f"low{number}"], capture_output=True,
                          stdin=subprocess.DEVNULL).returncode == 0


def smallest(binary, bundle):
    """The least of memory.max, in KiB, in which true has run three times of three."""
    numbers = itertools.count()
    low, high = 0, 64 << 10
    while high - low > max(4, high // 16):
        middle = (low + high) // 2
        if all(starts(binary, bundle, middle << 10, next(numbers)) for _ in range(3)):
            high = middle
        else:
            low = middle
    return high


@pytest.mark.limit(400)
def test_less_memory_is_enough_than_for_others(bundle):
    found = {name: smallest(binary, bundle) for name, binary in PEERS.items()}
    print("smallest memory.max in which true runs, KiB:", json.dumps(found))
    assert found["kenro"] <= min(found["crun"], found["runc"]) * 1.1
