"""update: what callers send, what is kept, and what this tree cannot do."""

import json
import os
import shlex
import subprocess
import time

import pytest

from kenrotest import cgroup_mount

# What containerd sends for a container without limits.
WHOLE = {
    "devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1,
                                                    "minor": 3, "access": "rwm"}],
    "memory": {"limit": 0}, "cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": "", "mems": ""},
    "blockIO": {"weight": 0}, "hugepageLimits": [], "unified": {},
}


def lacks(*controllers):
    there = (cgroup_mount() / "cgroup.controllers").read_text().split()
    if set(controllers) & set(there):
        pytest.skip(f"the cgroup2 tree has {', '.join(controllers)}")


def resources(kenro):
    return json.loads((kenro.root / "c/state.json").read_text()).get("resources")


@pytest.mark.parametrize("text", ["{}", json.dumps(WHOLE), '{"memory":{"limit":-1,"swap":-1}}',
                                  '{"cpu":{"quota":-1},"pids":{"limit":-1}}', '{"unknown":1}',
                                  '{"cpu":{"quota":0,"period":100000},"pids":{}}'])
@pytest.mark.parametrize("option", [["--resources", "-"], ["--resources=-"], ["-r", "-"]])
def test_no_limits_are_fine_on_standard_input(running, text, option):
    lacks("memory", "pids", "cpu")
    running.ok("update", *option, "c", input=text)
    running.ok("update", "c", *option, input=text)


def test_a_file_does_too(running, tmp_path):
    (tmp_path / "r").write_text("{}")
    running.ok("update", "--resources", tmp_path / "r", "c")
    assert running.fails("update", "-r", tmp_path / "nosuch", "c") == \
        f"update c: cannot open {tmp_path}/nosuch: ENOENT"


def test_a_document_may_come_slowly_and_by_a_pipe(running, tmp_path):
    """Also through one in non-blocking mode, and one that the shell has made."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    p = running.popen("update", "-r", "-", "c", stdin=reader, stderr=subprocess.PIPE)
    for part in ('{"memory"', ':{"limit"', ":-1}}"):
        time.sleep(0.02)  # it has to wait for the next part
        os.write(writer, part.encode())
    os.close(writer)
    os.close(reader)
    assert (p.communicate(timeout=30)[1], p.returncode) == ("", 0)
    command = shlex.join(running.command("update")) + ' -r <(sleep 0.05; echo "{}") c'
    r = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30)
    assert (r.returncode, r.stderr) == (0, "")


@pytest.mark.parametrize("text,place", [
    ("", "standard input:1:1: "), ("[]", "standard input:1:1: "),
    ('{"memory":{"limit":"1"}}', "standard input:1:20: memory.limit: "),
    ('{"hugepageLimits":[{}]}', "standard input:1:21: hugepageLimits[0]: 'pageSize' is required"),
    ("{} {}", "standard input:1:5: "),
])
def test_what_is_no_such_document_is_placed(running, text, place):
    assert running.fails("update", "-r", "-", "c", input=text).startswith("update c: " + place)


@pytest.mark.parametrize("text,value,controller", [
    ('{"memory":{"limit":268435456}}', "memory.limit", "memory"),
    ('{"cpu":{"shares":512}}', "cpu.shares", "cpu"),
    ('{"cpu":{"cpus":"0"}}', "cpu.cpus", "cpuset"),
    ('{"pids":{"limit":64}}', "pids.limit", "pids"),
    ('{"unified":{"memory.high":"200000000"}}', "unified.memory.high", "memory"),
    ('{"blockIO":{"weight":100}}', "blockIO.weight", "io"),
])
def test_a_controller_that_is_not_there_is_named(running, text, value, controller):
    lacks(controller)
    line = running.fails("update", "-r", "-", "c", input=text)
    assert line == (f"update c: {value}: the cgroup2 tree at {cgroup_mount()} lacks the controller "
                    f"'{controller}' (it may be in use by a version 1 tree: boot with "
                    "cgroup_no_v1=all)")
    assert resources(running) is None  # nothing is recorded that is not in force


@pytest.mark.parametrize("option,value", [
    ("--memory=512m", "memory.limit"), ("--memory=1gb", "memory.limit"),
    ("--memory=1GiB", "memory.limit"), ("--memory=5000", "memory.limit"),
    ("--memory=5000B", "memory.limit"), ("--memory-reservation=1k", "memory.reservation"),
    ("--cpu-share=5", "cpu.shares"), ("--cpu-quota=5000", "cpu.quota"),
    ("--cpu-burst=5", "cpu.burst"),
    ("--cpu-idle=1", "cpu.idle"), ("--cpuset-cpus=0", "cpu.cpus"), ("--cpuset-mems=0", "cpu.mems"),
    ("--pids-limit=0", "pids.limit"), ("--blkio-weight=10", "blockIO.weight"),
])
def test_single_options_reach_their_value(running, option, value):
    lacks("memory", "cpu", "cpuset", "pids", "io")
    assert running.fails("update", option, "c").startswith(f"update c: {value}: ")


@pytest.mark.parametrize("option", [
    "--memory=", "--memory=x", "--memory=5x", "--memory=-2", "--memory=5mm", "--memory=5bb",
    "--memory=99999999999g", "--memory=-1m", "--memory= 5", "--memory=0x5", "--cpu-quota=5k",
    "--cpu-share=-1", "--pids-limit=many", "--cpu-period=1.5",
])
def test_values_that_are_no_values_are_refused(running, option):
    name, text = option.split("=")
    line = running.fails("update", option, "c")
    assert line.startswith(f"update c: option '{name}': '{text}' is ")


def test_no_limit_is_spelled_minus_one(running):
    lacks("memory", "cpu", "pids")
    running.ok("update", "--memory", "-1", "--memory-swap=-1", "--cpu-quota", "-1", "--pids-limit",
               "-1", "c")


def test_what_is_in_force_is_kept(running):
    lacks("memory", "pids")
    running.ok("update", "--memory=-1", "c")
    running.ok("update", "--pids-limit=-1", "c")
    kept = resources(running)
    assert kept["memory"]["limit"] == -1 and kept["memory"]["swap"] == -1
    assert kept["pids"]["limit"] == -1
    assert "devices" not in kept
    assert running.status("c") == "running"


def test_resources_make_the_other_options_void(running):
    running.ok("update", "-r", "-", "--memory", "512m", "c", input="{}")


@pytest.mark.parametrize("option", ["--cpu-rt-period=5", "--cpu-rt-runtime=5"])
def test_what_version_2_does_not_have_is_said(running, option):
    assert "cgroup version 2 has nothing like it" in running.fails("update", option, "c")


@pytest.mark.parametrize("option", ["--l3-cache-schema", "--mem-bw-schema"])
def test_shares_are_those_of_a_resctrl_group(running, option):
    assert running.fails("update", f"{option}=L3:0=f", "c") == \
        f"update c: option '{option}': the container has no resctrl group of its own"


def test_limits_of_kernel_memory_are_ignored(running):
    """The kernel has given them up; callers still send them."""
    running.ok("update", "--kernel-memory=1g", "--kernel-memory-tcp=1g", "c")


@pytest.mark.parametrize("args,text", [
    (["--memory-swap=1g"], "memory.swap: 1073741824 without memory.limit"),
    (["--memory=2g", "--memory-swap=1g"], "memory.swap: 1073741824 is less than memory.limit"),
])
def test_swap_holds_memory(running, args, text):
    assert text in running.fails("update", *args, "c")


def test_a_stopped_container_is_not_running(stopped):
    assert stopped.fails("update", "-r", "-", "c", input="{}") == \
        "update c: container not running: no such process"


def test_created_and_paused_ones_can_be_updated(created):
    created.ok("update", "-r", "-", "c", input="{}")
    created.ok("pause", "c")
    created.ok("update", "-r", "-", "c", input="{}")
    assert created.status("c") == "paused"
