"""linux.resources, with controllers: what a kernel makes of every limit."""

import concurrent.futures
import itertools
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from kenrotest import make_bundle, shell, user_namespace, wait_until, write_config

TOP = Path("/sys/fs/cgroup")
GROUP = TOP / "kenro/c"
MIB = 1 << 20
SLEEP = "sleep 1000"


def limited(script=SLEEP, **resources):
    c = shell(script)
    c["linux"]["resources"].update(resources)
    return c


def controllers():
    return (TOP / "cgroup.controllers").read_text().split()


def needs(controller):
    if controller not in controllers():
        pytest.skip(f"the guest's kernel has no controller {controller}")


def value(file, group=GROUP):
    return (group / file).read_text().strip()


def values(*files):
    return [value(f) for f in files]


@pytest.fixture
def run(kenro, bundle):
    """Starts c with these resources, detached."""
    def start(script=SLEEP, **resources):
        write_config(bundle, limited(script, **resources))
        kenro.ok("run", "-d", "-b", bundle, "c")
        return kenro
    return start


@pytest.fixture
def disk():
    """A block device that nobody uses: (path, "MAJOR:MINOR")."""
    image = Path("/tmp/kenro-disk")
    with open(image, "wb") as f:
        f.truncate(64 * MIB)
    try:
        loop = subprocess.run(["losetup", "--find", "--show", image], check=True,
                              capture_output=True, text=True).stdout.strip()
    except subprocess.CalledProcessError as e:
        image.unlink()
        pytest.skip(f"no loop device: {e.stderr.strip()}")
    number = os.stat(loop).st_rdev
    yield loop, f"{os.major(number)}:{os.minor(number)}"
    subprocess.run(["losetup", "--detach", loop], check=True)
    image.unlink()


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


@pytest.mark.parametrize("command", [["create"], ["run"], ["run", "-d"]])
def test_a_limit_that_is_too_low_for_init_is_named(kenro, bundle, command):
    write_config(bundle, limited(memory={"limit": 4096}))
    assert kenro.fails(*command, "-b", bundle, "c") == (
        f"{command[0]} c: memory limit too low: init was OOM-killed (raise "
        "linux.resources.memory.limit)")
    assert not GROUP.exists() and not (kenro.root / "c").exists()


BUSY = "while :; do :; done"


def used(group=GROUP):
    return int(value("cpu.stat", group).split()[1])


def share(seconds):
    """How much of one CPU the container has had."""
    begin, before = time.monotonic(), used()
    time.sleep(seconds)  # nothing but time is to pass
    return (used() - before) / 1e6 / (time.monotonic() - begin)


@pytest.mark.parametrize("quota, period", [(20000, 100000), (5000, 20000)])
def test_a_quota_holds_within_a_tenth(run, quota, period):
    run(BUSY, cpu={"quota": quota, "period": period})
    asked = quota / period
    assert share(3) == pytest.approx(asked, rel=0.1)
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


# ---- update --------------------------------------------------------------------------------

def update(kenro, **resources):
    kenro.ok("update", "-r", "-", "c", input=json.dumps(resources))


CHANGED = [
    (["--memory", "32m"], "memory.max", str(32 * MIB)),
    (["--memory", "32m", "--memory-swap", "48m"], "memory.swap.max", str(16 * MIB)),
    (["--memory-reservation", "1m"], "memory.low", str(MIB)),
    (["--memory", "-1"], "memory.max", "max"),
    (["--cpu-share", "1024"], "cpu.weight", "100"),
    (["--cpu-quota", "30000"], "cpu.max", "30000 50000"),
    (["--cpu-period", "200000"], "cpu.max", "20000 200000"),
    (["--cpu-quota", "-1"], "cpu.max", "max 50000"),
    (["--cpu-burst", "10000"], "cpu.max.burst", "10000"),
    (["--cpu-quota", "90000", "--cpu-burst", "80000"], "cpu.max.burst", "80000"),
    (["--cpu-quota", "4000", "--cpu-burst", "3000"], "cpu.max", "4000 50000"),
    (["--cpu-idle", "1"], "cpu.idle", "1"),
    (["--pids-limit", "9"], "pids.max", "9"),
    (["--pids-limit", "-1"], "pids.max", "max"),
    (["--pids-limit", "0"], "pids.max", "1"),
]


@pytest.mark.parametrize("options, file, text", CHANGED, ids=[" ".join(o) for o, _, _ in CHANGED])
def test_an_option_changes_its_limit_live(run, options, file, text):
    kenro = run(memory={"limit": 64 * MIB, "swap": 128 * MIB}, pids={"limit": 64},
                cpu={"shares": 512, "quota": 20000, "period": 50000, "burst": 5000})
    kenro.ok("update", *options, "c")
    assert value(file) == text


def test_swap_stays_what_is_left_of_it(run):
    kenro = run(memory={"limit": 64 * MIB, "swap": 128 * MIB})
    update(kenro, memory={"limit": 32 * MIB})
    assert values("memory.max", "memory.swap.max") == [str(32 * MIB), str(96 * MIB)]
    update(kenro, memory={"swap": 64 * MIB})
    assert values("memory.max", "memory.swap.max") == [str(32 * MIB), str(32 * MIB)]
    update(kenro, memory={"limit": -1})
    assert values("memory.max", "memory.swap.max") == ["max", "max"]


def test_idle_and_back_keeps_the_weight(run):
    kenro = run(cpu={"shares": 512})
    update(kenro, cpu={"idle": 1})
    update(kenro, cpu={"shares": 2048})  # waits
    assert value("cpu.idle") == "1"
    update(kenro, cpu={"idle": 0})
    assert values("cpu.idle", "cpu.weight") == ["0", "174"]


def test_only_what_is_asked_for_is_touched(run):
    """Somebody else has changed the other."""
    kenro = run(memory={"limit": 64 * MIB}, pids={"limit": 64})
    (GROUP / "pids.max").write_text("50")
    update(kenro, memory={"limit": 32 * MIB}, cpu={"shares": 0, "cpus": ""}, blockIO={})
    assert values("memory.max", "pids.max") == [str(32 * MIB), "50"]
    update(kenro, pids={"limit": 64})
    assert value("pids.max") == "64"
    update(kenro)
    assert value("pids.max") == "64"


def test_what_containerd_sends_is_fine(run):
    """All of the container's resources, devices too."""
    kenro = run(memory={"limit": 64 * MIB}, cpu={"shares": 512})
    update(kenro, devices=[{"allow": True, "access": "rwm"}],
           memory={"limit": 48 * MIB, "swap": 48 * MIB},
           cpu={"shares": 256, "quota": 0, "period": 100000, "cpus": "", "mems": ""},
           hugepageLimits=[], unified={"memory.oom.group": "1"})
    assert values("memory.max", "memory.swap.max", "cpu.weight", "cpu.max", "memory.oom.group") == \
        [str(48 * MIB), "0", "35", "max 100000", "1"]


def test_a_failed_update_leaves_all_as_it_was(run, disk):
    _, number = disk
    kenro = run(memory={"limit": 64 * MIB, "swap": 128 * MIB}, pids={"limit": 64},
                cpu={"quota": 20000, "period": 50000, "burst": 5000},
                unified={"io.max": f"{number} rbps=1000000"})
    files = ["memory.max", "memory.swap.max", "pids.max", "cpu.max", "cpu.max.burst", "io.max"]
    before = values(*files), (kenro.root / "c/state.json").read_text()
    line = kenro.fails("update", "-r", "-", "c", input=json.dumps({
        "memory": {"limit": 32 * MIB}, "pids": {"limit": 3},
        "cpu": {"quota": 90000, "burst": 70000},
        "unified": {"io.max": f"{number} rbps=5 wiops=7", "memory.high": "much"}}))
    assert line == ("update c: unified.memory.high: cannot write 'much' to "
                    f"{GROUP}/memory.high: EINVAL")
    assert (values(*files), (kenro.root / "c/state.json").read_text()) == before


def test_a_limit_below_what_is_used_is_refused_if_that_is_asked(run):
    kenro = run("head -c 30000000 /dev/zero >/dev/shm/x; sleep 1000", memory={"limit": 64 * MIB})
    wait_until(lambda: int(value("memory.current")) > 30000000)
    text = json.dumps({"memory": {"limit": 16 * MIB, "checkBeforeUpdate": True}})
    assert f"memory.limit: rejecting {16 * MIB} for memory.max, it uses 3" in \
        kenro.fails("update", "-r", "-", "c", input=text)
    assert value("memory.max") == str(64 * MIB)
    assert kenro.status("c") == "running"


def test_a_quota_changes_under_a_running_program(run):
    kenro = run(BUSY, cpu={"quota": 50000})
    assert share(1) > 0.3
    update(kenro, cpu={"quota": 10000})
    assert share(3) == pytest.approx(0.1, rel=0.1)


@pytest.mark.full("cpuset")
def test_cpus_change_under_a_running_program(run):
    needs("cpuset")
    kenro = run(BUSY, cpu={"cpus": "0-1"})
    for cpus in ("1", "0"):
        update(kenro, cpu={"cpus": cpus})
        assert value("cpuset.cpus.effective") == cpus
        allowed = subprocess.run(["taskset", "-pc", str(kenro.pid("c"))], capture_output=True,
                                 text=True, check=True).stdout
        assert allowed.strip().endswith(f": {cpus}")


def test_io_changes_under_a_running_program(run, disk):
    _, number = disk
    major, minor = map(int, number.split(":"))
    kenro = run(blockIO={"throttleReadBpsDevice": [{"major": major, "minor": minor,
                                                    "rate": MIB}]})
    update(kenro, blockIO={"throttleWriteBpsDevice": [{"major": major, "minor": minor, "rate": 5}]})
    assert value("io.max") == f"{number} rbps={MIB} wbps=5 riops=max wiops=max"
    update(kenro, blockIO={"throttleReadBpsDevice": [{"major": major, "minor": minor, "rate": 0}]})
    assert value("io.max") == f"{number} rbps=max wbps=5 riops=max wiops=max"


# ---- delegation, many at once ----------------------------------------------------------------

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
