"""linux.resources, with controllers: what a kernel makes of every limit."""

import json
import subprocess
import time

import pytest

from kenrotest import only_integers, wait_until, write_config
from limits import (BUSY, GROUP, MIB, TOP, controllers, disk, had_about, limited, needs, run,  # noqa: F401
                    value, values)

# ---- each field, its file --------------------------------------------------------------

WRITTEN = [
    ({"memory": {"limit": 64 * MIB}}, "memory.max", str(64 * MIB)),
    ({"memory": {"reservation": 4 * MIB}}, "memory.low", str(4 * MIB)),
    ({"memory": {"limit": 64 * MIB, "swap": 96 * MIB}}, "memory.swap.max", str(32 * MIB)),
    ({"memory": {"limit": 64 * MIB, "swap": 64 * MIB}}, "memory.swap.max", "0"),
    ({"memory": {"limit": 64 * MIB, "swap": -1}}, "memory.swap.max", "max"),
    ({"memory": {"limit": -1}}, "memory.max", "max"),
    ({"cpu": {"shares": 2}}, "cpu.weight", "1"),
    ({"cpu": {"shares": 512}}, "cpu.weight", "59"),
    ({"cpu": {"shares": 1024}}, "cpu.weight", "100"),
    ({"cpu": {"shares": 1 << 40}}, "cpu.weight", "10000"),
    ({"cpu": {"idle": 1}}, "cpu.idle", "1"),
    ({"cpu": {"idle": 1, "shares": 512}}, "cpu.idle", "1"),
    ({"cpu": {"idle": 0, "shares": 512}}, "cpu.weight", "59"),
    ({"cpu": {"quota": 50000}}, "cpu.max", "50000 100000"),
    ({"cpu": {"quota": 50000, "period": 200000}}, "cpu.max", "50000 200000"),
    ({"cpu": {"quota": -1, "period": 200000}}, "cpu.max", "max 200000"),
    ({"cpu": {"quota": 50000, "burst": 50000}}, "cpu.max.burst", "50000"),
    ({"pids": {"limit": 64}}, "pids.max", "64"),
    ({"pids": {"limit": 0}}, "pids.max", "1"),
    ({"pids": {"limit": -1}}, "pids.max", "max"),
    ({"unified": {"memory.high": str(32 * MIB)}}, "memory.high", str(32 * MIB)),
    ({"unified": {"memory.oom.group": "1"}}, "memory.oom.group", "1"),
    ({"unified": {"pids.max": "7"}, "pids": {"limit": 64}}, "pids.max", "7"),
    ({"unified": {"cgroup.max.descendants": "3"}}, "cgroup.max.descendants", "3"),
]


@pytest.mark.parametrize("resources, file, text", WRITTEN,
                         ids=[f"{json.dumps(r)}" for r, _, _ in WRITTEN])
def test_a_limit_reads_back(run, resources, file, text):
    run(**resources)
    assert value(file) == text


def test_limits_of_a_device_read_back(run, disk):
    _, number = disk
    major, minor = map(int, number.split(":"))
    device = {"major": major, "minor": minor}
    run(blockIO={"throttleReadBpsDevice": [{**device, "rate": MIB}],
                 "throttleWriteBpsDevice": [{**device, "rate": 2 * MIB}],
                 "throttleReadIOPSDevice": [{**device, "rate": 30}],
                 "throttleWriteIOPSDevice": [{**device, "rate": 40}]})
    assert value("io.max") == f"{number} rbps={MIB} wbps={2 * MIB} riops=30 wiops=40"


def test_lines_of_unified_are_written_one_by_one(run, disk):
    _, number = disk
    run(unified={"io.max": f"{number} rbps=1000000\n{number} wiops=5\n"})
    assert value("io.max") == f"{number} rbps=1000000 wbps=max riops=max wiops=5"


@pytest.mark.full("weights of I/O need bfq or blk-iocost")
def test_a_weight_of_io_reads_back(run):
    run(blockIO={"weight": 500})
    if (GROUP / "io.bfq.weight").exists():
        assert value("io.bfq.weight").split("\n")[0] in ("500", "default 500")
    else:
        assert value("io.weight") == "default 4950"


@pytest.mark.full("huge pages")
def test_limits_of_huge_pages_read_back(run):
    needs("hugetlb")
    run(hugepageLimits=[{"pageSize": "2MB", "limit": 4 * MIB}])
    assert values("hugetlb.2MB.max", "hugetlb.2MB.rsvd.max") == [str(4 * MIB)] * 2


@pytest.mark.full("cpuset")
def test_cpus_and_memory_nodes_read_back(run):
    needs("cpuset")
    run(cpu={"cpus": "1", "mems": "0"})
    assert values("cpuset.cpus", "cpuset.mems", "cpuset.cpus.effective") == ["1", "0", "1"]


def test_every_container_has_all_controllers(run):
    """Without a limit too: engines watch memory.events, and there are statistics."""
    kenro = run()
    assert value("cgroup.controllers").split() == controllers()
    assert (GROUP / "memory.events").exists()
    data = json.loads(kenro.ok("events", "--stats", "c"))["data"]
    assert {"cpu", "memory", "pids", "blkio"} <= set(data)


# ---- what cannot be ------------------------------------------------------------------------

REFUSED = [
    ({"blockIO": {"throttleReadBpsDevice": [{"major": 240, "minor": 99, "rate": 1000}]}},
     "linux.resources.blockIO.throttleReadBpsDevice[0]", "io.max", "240:99 rbps=1000", "ENODEV"),
    ({"hugepageLimits": [{"pageSize": "3MB", "limit": 0}]}, "linux.resources.hugepageLimits[0]",
     "hugetlb.3MB.max", "0", "ENOENT"),
    ({"pids": {"limit": 1 << 40}}, "linux.resources.pids.limit", "pids.max", str(1 << 40), "EINVAL"),
    ({"cpu": {"burst": 1 << 62}}, "linux.resources.cpu.burst", "cpu.max.burst", str(1 << 62),
     "EINVAL"),
    ({"unified": {"memory.high": "much"}}, "linux.resources.unified.memory.high", "memory.high",
     "much", "EINVAL"),
    ({"unified": {"memory.nosuch": "1"}}, "linux.resources.unified.memory.nosuch", "memory.nosuch",
     "1", "ENOENT"),
    ({"unified": {"cpu.weight": "0"}}, "linux.resources.unified.cpu.weight", "cpu.weight", "0",
     "ERANGE"),
    ({"unified": {"memory.current": "1"}}, "linux.resources.unified.memory.current",
     "memory.current", "1", "EINVAL"),
]


@pytest.mark.parametrize("resources, field, file, text, num", REFUSED,
                         ids=[row[1] for row in REFUSED])
def test_a_limit_that_cannot_be_is_named_and_nothing_is_left(kenro, bundle, resources, field, file,
                                                             text, num):
    if file.split(".")[0] not in controllers():
        pytest.skip(f"the guest's kernel has no controller {file.split('.')[0]}")
    write_config(bundle, limited(pids={"limit": 5}, **{k: v for k, v in resources.items()
                                                      if k != "pids"})
                 if "pids" not in resources else limited(**resources))
    line = kenro.fails("create", "-b", bundle, "c")
    assert f"{field}: cannot write '{text}' to {GROUP}/{file}: {num}" in line
    assert not GROUP.exists()
    assert not (kenro.root / "c").exists()


def test_a_controller_that_is_nowhere_is_named(kenro, bundle):
    write_config(bundle, limited(unified={"magic.max": "1"}))
    assert kenro.fails("create", "-b", bundle, "c").startswith(
        f"create c: linux.resources.unified.magic.max: the cgroup2 tree at {TOP} lacks the "
        "controller 'magic'")
    assert not GROUP.exists()


def test_a_group_above_with_processes_is_named(kenro, bundle):
    """It cannot hand on a controller: no group with processes has both."""
    above = TOP / "busy"
    above.mkdir()
    sleeper = subprocess.Popen(["sleep", "1000"])
    try:
        (above / "cgroup.procs").write_text(str(sleeper.pid))
        c = limited(memory={"limit": MIB})
        c["linux"]["cgroupsPath"] = "/busy/c"
        write_config(bundle, c)
        line = kenro.fails("create", "-b", bundle, "c")
        assert line.startswith("create c: linux.resources.memory.limit: cannot enable the controller "
                               f"'memory' for the groups in {TOP}/busy: EBUSY")
        assert not (above / "c").exists()
        # without a limit nothing is missed
        del c["linux"]["resources"]["memory"]
        write_config(bundle, c)
        kenro.ok("run", "-d", "-b", bundle, "c")
        kenro.ok("delete", "-f", "c")
    finally:
        sleeper.kill()
        sleeper.wait()
        wait_until(lambda: value("cgroup.procs", above) == "")
        above.rmdir()


def test_a_group_that_was_there_keeps_its_values_after_a_failure(kenro, bundle):
    group = TOP / "theirs"
    (TOP / "cgroup.subtree_control").write_text("+memory +pids")
    group.mkdir()
    try:
        (group / "memory.max").write_text(str(500 * MIB))
        (group / "pids.max").write_text("77")
        for resources in ({"unified": {"memory.nosuch": "1"}}, {}):
            c = limited(memory={"limit": 64 * MIB}, pids={"limit": 5}, **resources)
            c["linux"]["cgroupsPath"] = "/theirs"
            if not resources:
                c["process"]["args"] = ["/bin/nosuch"]  # fails later
            write_config(bundle, c)
            kenro.fails("create", "-b", bundle, "c")
            assert (value("memory.max", group), value("pids.max", group)) == (str(500 * MIB), "77")
    finally:
        group.rmdir()


# ---- what limits do ------------------------------------------------------------------------

def test_a_fork_bomb_is_stopped(run):
    kenro = run("sh -c 'bomb() { sleep 1000 & bomb | bomb & }; bomb' & exec sleep 1000",
                pids={"limit": 32})
    wait_until(lambda: int(value("pids.events").split()[1]) > 0)
    assert int(value("pids.peak")) == 32
    assert int(value("pids.current")) <= 32
    assert kenro.status("c") == "running"
    kenro.ok("delete", "-f", "c")
    assert not GROUP.exists()


def test_a_memory_hog_is_killed_inside_its_limit(kenro, bundle):
    write_config(bundle, limited("tail /dev/zero; echo $?", memory={"limit": 16 * MIB,
                                                                   "swap": 16 * MIB}))
    kenro.ok("create", "-b", bundle, "c")
    events = GROUP / "memory.events"
    kenro.ok("start", "c")
    kenro.wait_for("c", "stopped")
    found = dict(line.split() for line in events.read_text().splitlines())
    assert int(found["oom_kill"]) == 1
    assert int(value("memory.peak")) <= 16 * MIB


def test_all_of_a_container_is_killed_if_that_is_asked(kenro, bundle):
    write_config(bundle, limited("tail /dev/zero; echo not here", memory={"limit": 16 * MIB},
                                 unified={"memory.oom.group": "1"}))
    r = kenro.run("run", "-b", bundle, "c")
    assert (r.returncode, r.stdout) == (137, "")


def test_an_oom_kill_is_an_event(kenro, bundle):
    write_config(bundle, limited("while [ ! -e /go ]; do sleep 0.1; done; tail /dev/zero; sleep 1000",
                                 memory={"limit": 16 * MIB, "swap": 16 * MIB}))
    kenro.ok("run", "-d", "-b", bundle, "c")
    p = kenro.popen("events", "--interval", "1h", "c", stdout=subprocess.PIPE)
    first = json.loads(p.stdout.readline())
    assert first["data"]["memory"]["usage"]["limit"] == 16 * MIB
    (bundle / "rootfs/go").touch()
    assert json.loads(p.stdout.readline()) == {"type": "oom", "id": "c"}
    kenro.ok("kill", "c", "KILL")
    assert p.wait(30) == 0
    p.stdout.close()


def test_with_controllers_all_they_say_is_told(run):
    kenro = run(memory={"limit": 1 << 30}, pids={"limit": -1})
    data = json.loads(kenro.ok("events", "--stats", "c"))["data"]
    assert only_integers(data)
    assert {"cpu", "memory", "pids", "blkio", "network_interfaces"} <= set(data)
    assert data["pids"]["limit"] == (1 << 64) - 1 and data["pids"]["current"] >= 1
    memory = data["memory"]
    assert memory["usage"]["limit"] == 1 << 30 and 0 < memory["usage"]["usage"] < 1 << 30
    assert memory["usage"]["max"] >= memory["usage"]["usage"]
    assert memory["swap"]["usage"] >= memory["usage"]["usage"] // 2
    assert len(memory["raw"]) == len(value("memory.stat").splitlines())
    assert set(data["blkio"]) == {"ioServiceBytesRecursive", "ioServicedRecursive"}


@pytest.mark.parametrize("command", [["create"], ["run"], ["run", "-d"]])
def test_a_limit_that_is_too_low_for_init_is_named(kenro, bundle, command):
    write_config(bundle, limited(memory={"limit": 4096}))
    assert kenro.fails(*command, "-b", bundle, "c") == (
        f"{command[0]} c: memory limit too low: init was OOM-killed (raise "
        "linux.resources.memory.limit)")
    assert not GROUP.exists() and not (kenro.root / "c").exists()


def unkillable(kenro, *args):
    """Called by who the OOM killer must not touch, which is inherited."""
    return subprocess.run(["sh", "-c", 'echo -1000 >/proc/self/oom_score_adj && exec "$@"', "sh",
                           *kenro.command(*args)], capture_output=True, text=True, timeout=60)


def test_an_unkillable_caller_does_not_make_init_wait_for_ever(kenro, bundle):
    """The kernel retries a page fault that it cannot serve, without an end."""
    write_config(bundle, limited(memory={"limit": 4096}))
    r = unkillable(kenro, "run", "-b", bundle, "c")
    assert (r.returncode, r.stderr) == (
        1, "kenro: run c: memory limit too low: init was OOM-killed (raise "
           "linux.resources.memory.limit)\n")


@pytest.mark.parametrize("adj, seen", [(None, "-1000"), (100, "100")])
def test_the_program_of_an_unkillable_caller_has_its_score(kenro, bundle, adj, seen):
    c = limited("cat /proc/self/oom_score_adj")
    if adj is not None:
        c["process"]["oomScoreAdj"] = adj
    write_config(bundle, c)
    r = unkillable(kenro, "run", "-b", bundle, "c")
    assert (r.returncode, r.stdout) == (0, f"{seen}\n"), r.stderr


@pytest.mark.parametrize("quota, period", [(20000, 100000), (5000, 20000)])
def test_a_quota_holds_within_a_tenth(run, quota, period):
    run(BUSY, cpu={"quota": quota, "period": period})
    had_about(quota / period)
    assert int(dict(line.split() for line in value("cpu.stat").splitlines())["nr_throttled"]) > 0


@pytest.mark.full("CPUs of which one is not there")
def test_the_container_sees_its_cpus(kenro, bundle):
    needs("cpuset")
    write_config(bundle, limited("grep Cpus_allowed_list /proc/self/status; nproc", cpu={"cpus": "1"}))
    assert kenro.ok("run", "-b", bundle, "c") == "Cpus_allowed_list:\t1\n1\n"


@pytest.mark.full("cpuset")
def test_cpus_that_are_not_there_are_refused(kenro, bundle):
    needs("cpuset")
    write_config(bundle, limited(cpu={"cpus": "1000"}))
    line = kenro.fails("create", "-b", bundle, "c")
    assert "linux.resources.cpu.cpus: " in line and "1000" in line
    assert not GROUP.exists()


def throttled(kenro, bundle, disk, key, rate, script):
    """Seconds that SCRIPT takes with the device at /dev/disk."""
    path, number = disk
    major, minor = map(int, number.split(":"))
    c = limited(script, blockIO={key: [{"major": major, "minor": minor, "rate": rate}]})
    c["linux"]["devices"] = [{"path": "/dev/disk", "type": "b", "major": major, "minor": minor,
                              "fileMode": 0o600}]
    c["linux"]["resources"]["devices"] += [{"allow": True, "type": "b", "major": major,
                                            "minor": minor, "access": "rw"}]
    write_config(bundle, c)
    begin = time.monotonic()
    kenro.ok("run", "-b", bundle, "c")
    return time.monotonic() - begin


def test_reading_is_throttled(kenro, bundle, disk):
    """4 MiB at 2 MiB/s, past the page cache or not."""
    seconds = throttled(kenro, bundle, disk, "throttleReadBpsDevice", 2 * MIB,
                        "dd if=/dev/disk of=/dev/null bs=64k count=64 iflag=direct 2>/dev/null")
    assert seconds >= 1.8


def test_writing_is_throttled(kenro, bundle, disk):
    seconds = throttled(kenro, bundle, disk, "throttleWriteBpsDevice", 2 * MIB,
                        "dd if=/dev/zero of=/dev/disk bs=64k count=64 oflag=direct 2>/dev/null")
    assert seconds >= 1.8


def test_operations_are_throttled(kenro, bundle, disk):
    seconds = throttled(kenro, bundle, disk, "throttleReadIOPSDevice", 20,
                        "dd if=/dev/disk of=/dev/null bs=4k count=40 iflag=direct 2>/dev/null")
    assert seconds >= 1.8
