"""update, with controllers: every limit changes live, or all stay as they are."""

import json
import subprocess

import pytest

from kenrotest import wait_until
from limits import BUSY, GROUP, MIB, disk, had_about, needs, run, value, values  # noqa: F401


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


def test_a_period_alone_keeps_a_quota_that_was_not_a_field(run):
    """It came with unified, or by somebody who is allowed to write there."""
    kenro = run(unified={"cpu.max": "20000 50000"})
    kenro.ok("update", "--cpu-period", "200000", "c")
    assert value("cpu.max") == "20000 200000"
    (GROUP / "cpu.max").write_text("30000 200000")
    update(kenro, cpu={"quota": 40000})
    update(kenro, cpu={"period": 100000})
    assert value("cpu.max") == "40000 100000"


def test_a_period_alone_keeps_a_quota_of_somebody_elses(run):
    kenro = run()
    (GROUP / "cpu.max").write_text("30000 100000")
    kenro.ok("update", "--cpu-period", "50000", "c")
    assert value("cpu.max") == "30000 50000"
    kenro.ok("update", "--cpu-quota", "-1", "c")
    assert value("cpu.max") == "max 50000"


def test_swap_stays_what_is_left_of_it(run):
    kenro = run(memory={"limit": 64 * MIB, "swap": 128 * MIB})
    update(kenro, memory={"limit": 32 * MIB})
    assert values("memory.max", "memory.swap.max") == [str(32 * MIB), str(96 * MIB)]
    update(kenro, memory={"swap": 64 * MIB})
    assert values("memory.max", "memory.swap.max") == [str(32 * MIB), str(32 * MIB)]
    update(kenro, memory={"limit": -1, "swap": 0})
    assert values("memory.max", "memory.swap.max") == ["max", "max"]


def test_idle_and_back_keeps_the_weight(run):
    kenro = run(cpu={"shares": 512})
    update(kenro, cpu={"idle": 1})
    update(kenro, cpu={"shares": 2048})  # waits
    assert value("cpu.idle") == "1"
    update(kenro, cpu={"idle": 0})
    assert values("cpu.idle", "cpu.weight") == ["0", "174"]


def test_what_is_asked_for_replaces_an_older_unified(run):
    kenro = run(pids={"limit": 90}, unified={"pids.max": "50", "memory.high": str(64 * MIB)})
    assert value("pids.max") == "50"
    update(kenro, pids={"limit": 40})
    update(kenro, cpu={"shares": 512})
    assert values("pids.max", "memory.high") == ["40", str(64 * MIB)]
    update(kenro, pids={"limit": 30}, unified={"pids.max": "20"})
    assert value("pids.max") == "20"
    update(kenro, memory={"limit": 96 * MIB})
    assert values("pids.max", "memory.high") == ["20", str(64 * MIB)]


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


def test_a_failed_update_to_idle_leaves_the_weight(run):
    kenro = run(cpu={"shares": 512})
    kenro.fails("update", "-r", "-", "c", input=json.dumps({
        "cpu": {"idle": 1}, "unified": {"pids.max": "much"}}))
    assert values("cpu.idle", "cpu.weight") == ["0", "59"]


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
    had_about(0.5)
    update(kenro, cpu={"quota": 10000})
    had_about(0.1)


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
