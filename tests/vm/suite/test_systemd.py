"""The systemd cgroup manager, with the system's systemd: the container is a scope."""

import json
import os
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kenrotest import (Runtime, cgroup_mount, config, leaves_nothing, reap_orphans, user_namespace,
                       wait_until, write_config)

SLEEP = ("/bin/sleep", "1000")
UNIT = "kt-c.scope"
MB = 1 << 20

LIMITS = {
    "memory": {"limit": 64 * MB, "reservation": 16 * MB, "swap": 96 * MB},
    "cpu": {"shares": 512, "quota": 50001, "period": 100000},
    "pids": {"limit": 50},
    "unified": {"memory.high": str(48 * MB), "memory.oom.group": "1", "memory.min": "4096"},
}
FILES = {
    "memory.max": str(64 * MB), "memory.low": str(16 * MB), "memory.swap.max": str(32 * MB),
    "memory.high": str(48 * MB), "memory.min": "4096", "memory.oom.group": "1",
    "cpu.weight": "59", "cpu.max": "51000 100000", "pids.max": "50",
}
PROPERTIES = {
    "MemoryMax": str(64 * MB), "MemoryLow": str(16 * MB), "MemorySwapMax": str(32 * MB),
    "MemoryHigh": str(48 * MB), "MemoryMin": "4096", "OOMPolicy": "kill", "CPUWeight": "59",
    "CPUQuotaPerSecUSec": "510ms", "CPUQuotaPeriodUSec": "100ms", "TasksMax": "50",
}


def systemctl(*args, check=True):
    return subprocess.run(["systemctl", *args], capture_output=True, text=True, check=check).stdout


def show(unit, *names):
    """{property: text}"""
    out = systemctl("show", unit, *(f"--property={n}" for n in names))
    return dict(line.split("=", 1) for line in out.splitlines())


def units(pattern="kt-*"):
    out = systemctl("list-units", "--all", "--plain", "--no-legend", "--type=scope", pattern)
    return sorted(line.split()[0] for line in out.splitlines())


def group(name=UNIT, slice="system.slice"):
    return cgroup_mount() / slice / name


def read(path):
    return path.read_text().strip()


def files(names=FILES, path=None):
    return {name: read((path or group()) / name) for name in names}


class Systemd(Runtime):
    def create(self, bundle, c=None, id="c", name=None, slice="system.slice"):
        c = c or config(*SLEEP)
        c["linux"]["cgroupsPath"] = f"{slice}:kt:{name or id}"
        write_config(bundle, c)
        self.ok("--systemd-cgroup", "create", "--bundle", bundle, id)
        return self.pid(id)


@pytest.fixture
def kenro(tmp_path):
    assert units() == []
    with leaves_nothing(Systemd(tmp_path / "state")) as runtime:
        yield runtime
    assert units() == []


def limited(*args, **resources):
    c = config(*(args or SLEEP))
    c["linux"]["resources"].update(resources or LIMITS)
    return c


def proc_cgroup(pid):
    return read(Path(f"/proc/{pid}/cgroup"))


def test_it_is_a_scope_in_the_slice_that_was_asked_for(kenro, bundle):
    pid = kenro.create(bundle, slice="kt-a-b.slice")
    try:
        assert proc_cgroup(pid) == f"0::/kt.slice/kt-a.slice/kt-a-b.slice/{UNIT}"
        assert show(UNIT, "Slice", "Delegate", "Description", "CollectMode") == {
            "Slice": "kt-a-b.slice", "Delegate": "yes", "Description": "container c",
            "CollectMode": "inactive-or-failed"}
        kenro.ok("delete", "--force", "c")
        assert show(UNIT, "LoadState") == {"LoadState": "not-found"}
        assert not group(slice="kt.slice/kt-a.slice/kt-a-b.slice").exists()
    finally:
        kenro.ok("delete", "--force", "c")
        systemctl("stop", "kt.slice")


def test_without_a_path_it_is_in_the_system_slice(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    kenro.ok("--cgroup-manager", "systemd", "run", "--detach", "--bundle", bundle, "odd+id")
    assert proc_cgroup(kenro.pid("odd+id")) == r"0::/system.slice/kenro-odd\x2bid.scope"
    kenro.ok("delete", "--force", "odd+id")
    assert units("kenro-odd*") == []


def test_limits_are_properties_and_files_alike(kenro, bundle):
    kenro.create(bundle, limited())
    assert files() == FILES
    assert show(UNIT, *PROPERTIES) == PROPERTIES


def test_a_property_that_is_set_changes_no_other_limit(kenro, bundle):
    others = {"cpu.weight.nice": "5", "memory.swap.high": str(MB)}
    kenro.create(bundle, limited(cpu={"quota": 50000, "burst": 20000}, unified=others))
    others |= {"cpu.max": "50000 100000", "cpu.max.burst": "20000"}
    systemctl("set-property", "--runtime", UNIT, "MemoryHigh=40M")
    assert files(others) == others and files(["memory.high"]) == {"memory.high": str(40 * MB)}


def test_a_reload_of_systemd_changes_no_limit(kenro, bundle):
    kenro.create(bundle, limited())
    systemctl("daemon-reload")
    assert files() == FILES
    # These have it write all files of a controller again.
    systemctl("set-property", "--runtime", UNIT, "CPUWeight=60", "MemoryLow=1M", "TasksMax=51")
    wait_until(lambda: files() == {**FILES, "cpu.weight": "60", "memory.low": str(MB), "pids.max": "51"})
    systemctl("daemon-reexec")
    assert files() == {**FILES, "cpu.weight": "60", "memory.low": str(MB), "pids.max": "51"}


@pytest.mark.full("cpuset and bfq are not in User Mode Linux")
def test_cpus_and_nodes_are_properties_too(kenro, bundle):
    kenro.create(bundle, limited(cpu={"cpus": "0-1", "mems": "0"}))
    wanted = {"cpuset.cpus": "0-1", "cpuset.mems": "0"}
    assert files(wanted) == wanted
    assert show(UNIT, "AllowedCPUs", "AllowedMemoryNodes") == {
        "AllowedCPUs": "0-1", "AllowedMemoryNodes": "0"}
    systemctl("daemon-reload")
    systemctl("set-property", "--runtime", UNIT, "AllowedMemoryNodes=0")
    assert files(wanted) == wanted
    kenro.ok("update", "--cpuset-cpus", "1", "c")
    assert read(group() / "cpuset.cpus") == "1"
    assert show(UNIT, "AllowedCPUs") == {"AllowedCPUs": "1"}


def test_idle_is_known_to_systemd(kenro, bundle):
    kenro.create(bundle, limited(cpu={"idle": 1}))
    assert read(group() / "cpu.idle") == "1"
    assert show(UNIT, "CPUWeight") == {"CPUWeight": "idle"}
    systemctl("daemon-reload")
    assert read(group() / "cpu.idle") == "1"
    kenro.ok("update", "--cpu-idle", "0", "c")
    assert read(group() / "cpu.idle") == "0"
    systemctl("daemon-reload")
    assert read(group() / "cpu.idle") == "0"


def test_exactly_the_asked_devices_also_after_a_reload(kenro, bundle):
    c = config(*SLEEP)
    for names in c["process"]["capabilities"].values():
        names.append("CAP_MKNOD")
    c["linux"]["resources"]["devices"].append(
        {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "m"})
    kenro.create(bundle, c)
    kenro.ok("start", "c")
    for name in ("first", "again"):
        kenro.ok("exec", "c", "mknod", f"/dev/{name}", "c", "1", "11")
        assert "Operation not permitted" in kenro.run("exec", "c", "mknod", "/dev/x", "c", "1", "1").stderr
        systemctl("daemon-reload")


def test_init_is_in_the_scope_and_its_limits_from_the_beginning(kenro, bundle, tmp_path):
    """A hook looks, long before the program is executed."""
    c = limited()
    script = f"""pid=$(sed 's/.*"pid": *//; s/[^0-9].*//')
        cat /proc/$pid/cgroup {group()}/memory.max {group()}/cgroup.procs >{tmp_path}/seen
        echo $pid >>{tmp_path}/seen"""
    c["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", script],
                                     "env": ["PATH=/usr/bin:/bin"]}]}
    pid = kenro.create(bundle, c)
    seen = (tmp_path / "seen").read_text().split("\n")
    assert seen[0] == f"0::/system.slice/{UNIT}" and seen[1] == str(64 * MB)
    assert str(pid) in seen[2:]
    assert read(group() / "cgroup.procs") == str(pid)  # what held the scope is gone


@pytest.mark.parametrize("limit", [0, 1, 2])
def test_few_processes_are_enough(kenro, bundle, limit):
    kenro.create(bundle, limited(pids={"limit": limit}))
    wanted = str(limit or 1)
    assert read(group() / "pids.max") == wanted
    assert show(UNIT, "TasksMax") == {"TasksMax": wanted}
    systemctl("daemon-reload")
    assert read(group() / "pids.max") == wanted
    kenro.ok("start", "c")
    assert kenro.status("c") == "running"


def test_an_update_changes_both(kenro, bundle):
    kenro.create(bundle, limited())
    kenro.ok("update", "--memory", "80m", "--memory-swap", "-1", "--cpu-quota", "20001",
             "--pids-limit", "7", "c")
    changed = {"memory.max": str(80 * MB), "memory.swap.max": "max", "cpu.max": "21000 100000",
               "pids.max": "7"}
    systemctl("daemon-reload")
    assert files() == {**FILES, **changed}
    assert show(UNIT, "MemoryMax", "MemorySwapMax", "CPUQuotaPerSecUSec", "TasksMax") == {
        "MemoryMax": str(80 * MB), "MemorySwapMax": "infinity", "CPUQuotaPerSecUSec": "210ms",
        "TasksMax": "7"}


def test_an_update_that_systemd_does_not_take_changes_nothing(kenro, bundle):
    kenro.create(bundle, limited())
    kenro.fails("update", "--memory", "80m", "--resources", "/nosuch", "c")
    resources = json.dumps({"unified": {"memory.high": "1G", "cpu.weight": "10001"}})
    kenro.fails("update", "--resources", "-", "c", input=resources)
    assert files() == FILES
    assert show(UNIT, *PROPERTIES) == PROPERTIES


def test_annotations_set_what_they_may(kenro, bundle):
    c = config(*SLEEP)
    c["annotations"] = {
        "org.systemd.property.KillSignal": "9",
        "org.systemd.property.TimeoutStopUSec": "uint64 7000000",
        "org.systemd.property.DefaultDependencies": "true",
        "org.systemd.property.After": "['dbus.service']",
        "org.systemd.property.CollectMode": "'inactive'",
        "org.systemd.property.RuntimeMaxSec": "1000",
        "org.systemd.property.SendSIGHUP": "true",
        "org.systemd.property.Description": "'it\\'s mine'",
        "org.systemd.property.Before": "['shutdown.target', \"umount.target\"]",
    }
    kenro.create(bundle, c)
    found = show(UNIT, "KillSignal", "TimeoutStopUSec", "DefaultDependencies", "CollectMode",
                 "RuntimeMaxUSec", "SendSIGHUP", "Description")
    assert found == {"KillSignal": "9", "TimeoutStopUSec": "7s", "DefaultDependencies": "yes",
                     "CollectMode": "inactive", "RuntimeMaxUSec": "16min 40s", "SendSIGHUP": "yes",
                     "Description": "it's mine"}
    order = show(UNIT, "After", "Before")
    assert "dbus.service" in order["After"]
    assert {"shutdown.target", "umount.target"} <= set(order["Before"].split())


def test_a_property_that_is_not_on_the_list_is_refused(kenro, bundle):
    c = config(*SLEEP)
    c["annotations"] = {"org.systemd.property.Wants": "['poweroff.target']"}
    write_config(bundle, c)
    line = kenro.fails("--systemd-cgroup", "create", "--bundle", bundle, "c")
    assert "org.systemd.property.Wants: not a property that a container may set" in line
    kenro.ok("create", "--bundle", bundle, "c")  # by the other manager it means nothing


def test_all_commands_go_by_the_state(kenro, bundle):
    pid = kenro.create(bundle, limited())
    kenro.ok("start", "c")
    assert kenro.ok("exec", "c", "cat", "/proc/self/cgroup") == "0::/\n"
    kenro.ok("exec", "--detach", "c", *SLEEP)
    procs = read(group() / "cgroup.procs").split()
    assert len(procs) == 2 and json.loads(kenro.ok("ps", "-f", "json", "c")) == sorted(map(int, procs))
    kenro.ok("pause", "c")
    assert kenro.status("c") == "paused" and read(group() / "cgroup.freeze") == "1"
    kenro.ok("resume", "c")
    stats = json.loads(kenro.ok("events", "--stats", "c"))["data"]
    assert stats["memory"]["usage"]["limit"] == 64 * MB and stats["pids"]["current"] == 2
    kenro.ok("kill", "--all", "c", "KILL")
    wait_until(lambda: reap_orphans() == [] and kenro.status("c") == "stopped")
    assert pid not in (int(p) for p in os.listdir("/proc") if p.isdigit())
    kenro.ok("delete", "c")


def test_a_scope_that_has_gone_is_a_stopped_container(kenro, bundle):
    c = config(*SLEEP)
    c["annotations"] = {"org.systemd.property.KillSignal": "9"}
    kenro.create(bundle, c)
    kenro.ok("start", "c")
    systemctl("stop", UNIT)
    kenro.wait_for("c", "stopped")
    for command in (["kill", "c", "KILL"], ["pause", "c"], ["update", "--memory", "64m", "c"]):
        assert "not running" in kenro.fails(*command)
    kenro.ok("kill", "--all", "c", "KILL")
    kenro.ok("delete", "c")
    kenro.create(bundle)
    kenro.ok("delete", "--force", "c")


def test_a_container_does_not_touch_its_successor_of_the_same_name(kenro, bundle):
    kenro.create(bundle, id="first", name="c")
    kenro.ok("kill", "first", "KILL")
    wait_until(lambda: units() == [])
    kenro.create(bundle, id="second", name="c")
    kenro.ok("kill", "--all", "first", "KILL")
    kenro.ok("delete", "--force", "first")
    assert kenro.status("second") == "created" and units() == [UNIT]


def test_exec_does_not_go_into_the_successor_of_its_scope(kenro, bundle):
    """Somebody has moved init, and so the scope has gone."""
    pid = kenro.create(bundle, id="first", name="c")
    kenro.ok("start", "first")
    other = cgroup_mount() / "kt-other"
    other.mkdir()
    (other / "cgroup.procs").write_text(str(pid))
    wait_until(lambda: units() == [])
    kenro.create(bundle, id="second", name="c")
    out = kenro.ok("exec", "first", "/bin/cat", "/proc/self/cgroup")
    assert "--cgroup: " in kenro.fails("exec", "--cgroup", "/", "first", "/bin/true",
                                       status=255)
    kenro.ok("delete", "--force", "first")
    other.rmdir()
    assert out == "0::/../../kt-other\n" and kenro.status("second") == "created"


def test_without_a_pid_namespace_of_its_own_all_of_it_ends(kenro, bundle):
    """Also when init is gone, with groups below, frozen."""
    c = config("/bin/sh", "-c", "sleep 1000 & exec sleep 1001")
    c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != "pid"]
    kenro.create(bundle, c)
    kenro.ok("start", "c")
    wait_until(lambda: len(read(group() / "cgroup.procs").split()) == 2)
    kenro.ok("kill", "c", "KILL")
    kenro.wait_for("c", "stopped")
    kenro.ok("delete", "c")
    pid = kenro.create(bundle, c)
    kenro.ok("start", "c")
    wait_until(lambda: len(read(group() / "cgroup.procs").split()) == 2)
    os.kill(pid, signal.SIGKILL)
    kenro.wait_for("c", "stopped")
    (group() / "below/further").mkdir(parents=True)
    (group() / "below/further/cgroup.procs").write_text(read(group() / "cgroup.procs").split()[-1])
    (group() / "cgroup.freeze").write_text("1")
    assert units() == [UNIT]
    kenro.ok("delete", "c")
    assert units() == [] and not group().exists()


def test_what_has_failed_and_stayed_is_reset(kenro, bundle):
    c = config(*SLEEP)
    c["annotations"] = {"org.systemd.property.CollectMode": "'inactive'",
                        "org.systemd.property.KillSignal": "9",
                        "org.systemd.property.RuntimeMaxUSec": "uint64 200000"}
    kenro.create(bundle, c)
    kenro.wait_for("c", "stopped")
    wait_until(lambda: show(UNIT, "ActiveState") == {"ActiveState": "failed"})
    kenro.ok("delete", "c")
    kenro.create(bundle)
    assert show(UNIT, "ActiveState", "CollectMode") == {
        "ActiveState": "active", "CollectMode": "inactive-or-failed"}


def test_after_an_oom_kill_there_is_room_for_the_next(kenro, bundle):
    hog = ("/bin/sh", "-c", "x=a; while :; do x=$x$x; done")
    for _ in range(2):
        kenro.create(bundle, limited(*hog, memory={"limit": 16 * MB, "swap": 16 * MB}))
        kenro.ok("start", "c")
        kenro.wait_for("c", "stopped")
        kenro.ok("delete", "c")


def test_a_name_that_is_in_use_is_refused(kenro, bundle):
    pid = kenro.create(bundle)
    assert kenro.fails("--systemd-cgroup", "create", "--bundle", bundle, "d") == (
        f"create d: container's cgroup is not empty: /system.slice/{UNIT} (another container uses "
        "linux.cgroupsPath)")
    assert kenro.ids() == ["c"] and read(group() / "cgroup.procs") == str(pid)


def test_a_name_that_is_in_use_in_another_slice_is_refused(kenro, bundle):
    pid = kenro.create(bundle)
    c = config(*SLEEP)
    c["linux"]["cgroupsPath"] = "user.slice:kt:c"
    write_config(bundle, c)
    assert kenro.fails("--systemd-cgroup", "create", "--bundle", bundle, "d") == (
        f"create d: systemd: cannot start {UNIT}: Unit {UNIT} was already loaded or has a fragment "
        "file. (another container uses linux.cgroupsPath)")
    assert kenro.ids() == ["c"] and read(group() / "cgroup.procs") == str(pid)


@pytest.mark.parametrize("slice", ["-.slice", "system.slice"])
def test_the_scope_of_systemd_itself_is_refused(kenro, bundle, slice):
    """It has no file, and so systemd takes it for one that can be made."""
    properties = ("Description", "MemoryMax", "TasksMax", "Slice", "Transient")
    before = show("init.scope", *properties)
    c = limited()
    c["linux"]["cgroupsPath"] = f"{slice}::init"
    write_config(bundle, c)
    assert "'init.scope' is systemd's own" in kenro.fails("--systemd-cgroup", "create", "--bundle",
                                                         bundle, "c")
    assert show("init.scope", *properties) == before


def test_a_group_with_processes_is_not_made_a_scope(kenro, bundle):
    """systemd would take it, put the limits on its processes, and end them with the unit."""
    c = config(*SLEEP)
    c["linux"]["cgroupsPath"] = f"/system.slice/{UNIT}"
    write_config(bundle, c)
    kenro.ok("create", "--bundle", bundle, "other")
    c["linux"]["cgroupsPath"] = "system.slice:kt:c"
    c["linux"]["resources"]["memory"] = {"limit": 64 * MB}
    write_config(bundle, c)
    assert kenro.fails("--systemd-cgroup", "create", "--bundle", bundle, "c") == (
        f"create c: container's cgroup is not empty: /system.slice/{UNIT} (another container uses "
        "linux.cgroupsPath)")
    assert kenro.ids() == ["other"] and units() == []
    assert read(group() / "cgroup.procs") == str(kenro.pid("other"))
    assert read(group() / "memory.max") == "max"


def test_a_create_that_fails_leaves_no_unit(kenro, bundle):
    c = limited("/bin/nosuch")
    c["linux"]["cgroupsPath"] = "system.slice:kt:c"
    write_config(bundle, c)
    kenro.fails("--systemd-cgroup", "create", "--bundle", bundle, "c")
    assert units() == [] and not group().exists()
    c = limited(unified={"memory.high": "x"})
    c["linux"]["cgroupsPath"] = "system.slice:kt:c"
    write_config(bundle, c)
    kenro.fails("--systemd-cgroup", "create", "--bundle", bundle, "c")
    assert units() == [] and kenro.ids() == []


def test_a_limit_that_the_kernel_refuses_is_an_error_and_leaves_no_unit(kenro, bundle):
    c = limited(unified={"io.latency": "nonsense"})
    c["linux"]["cgroupsPath"] = "system.slice:kt:c"
    write_config(bundle, c)
    line = kenro.fails("--systemd-cgroup", "create", "--bundle", bundle, "c")
    assert "io.latency" in line and units() == [] and not group().exists()


def hooked(c, script):
    c["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", script],
                                     "env": ["PATH=/usr/bin:/bin"]}]}
    c["linux"]["cgroupsPath"] = "system.slice:kt:c"
    return c


def test_a_kenro_that_is_killed_leaves_no_unit(kenro, bundle, tmp_path):
    """While a hook runs: init is in the scope, and so is what holds it."""
    write_config(bundle, hooked(limited(), f"echo $$ >{tmp_path}/hook; exec sleep 1000"))
    p = kenro.popen("--systemd-cgroup", "create", "--bundle", bundle, "c")
    wait_until(lambda: (tmp_path / "hook").exists() and read(tmp_path / "hook"))
    assert units() == [UNIT]
    p.send_signal(signal.SIGKILL)
    p.wait()
    os.kill(int(read(tmp_path / "hook")), signal.SIGKILL)
    wait_until(lambda: units() == [] and not group().exists())
    kenro.ok("delete", "--force", "c")


def test_a_kenro_that_is_killed_as_soon_as_there_is_a_unit_leaves_none(kenro, bundle):
    for i in range(10):
        c = limited()
        c["linux"]["cgroupsPath"] = f"system.slice:kt:c{i}"
        write_config(bundle, c)
        p = kenro.popen("--systemd-cgroup", "create", "--bundle", bundle, "c")
        wait_until(lambda: group(f"kt-c{i}.scope").exists() or p.poll() is not None)
        p.send_signal(signal.SIGKILL)
        p.wait()
        kenro.ok("delete", "--force", "c")
        wait_until(lambda: units() == [] and not group(f"kt-c{i}.scope").exists())


def test_no_helper_is_left_and_no_zombie(kenro, bundle):
    kenro.create(bundle, limited(pids={"limit": 1}))
    for pid in (p for p in os.listdir("/proc") if p.isdigit()):
        try:
            assert "kenro-systemd" not in read(Path(f"/proc/{pid}/stat"))
        except (FileNotFoundError, ProcessLookupError):
            pass


def test_twenty_at_once(kenro, bundle):
    def one(i):
        kenro.ok("--systemd-cgroup", "run", "--detach", "--bundle", bundle, f"n{i}")
        return kenro.pid(f"n{i}")

    write_config(bundle, limited())
    with ThreadPoolExecutor(20) as pool:
        pids = list(pool.map(one, range(20)))
    for i, pid in enumerate(pids):
        assert proc_cgroup(pid) == f"0::/system.slice/kenro-n{i}.scope"
        assert files(path=group(f"kenro-n{i}.scope")) == FILES
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda i: kenro.ok("delete", "--force", f"n{i}"), range(20)))
    assert units("kenro-n*") == []


@pytest.mark.limit(180)
def test_a_bus_that_does_not_answer_is_not_waited_for(kenro, bundle, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind(str(tmp_path / "bus"))
        bus.listen()
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
        kenro.create(bundle, limited())
        assert files() == FILES
        monkeypatch.delenv("DBUS_SYSTEM_BUS_ADDRESS")
        kenro.ok("delete", "--force", "c")


def test_without_dbus_systemd_is_asked_directly(kenro, bundle):
    env = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nosuch"}
    write_config(bundle, config(*SLEEP))
    kenro.ok("--systemd-cgroup", "create", "--bundle", bundle, "c", env=env)
    assert units("kenro-c*") == ["kenro-c.scope"]
    kenro.ok("delete", "--force", "c", env=env)
    assert units("kenro-c*") == []


def test_without_systemd_the_error_says_so(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    command = kenro.command("--systemd-cgroup", "create", "--bundle", bundle, "c")
    hidden = "mount -t tmpfs none /run/systemd && mount -t tmpfs none /run/dbus && exec \"$@\""
    r = subprocess.run(["unshare", "--mount", "sh", "-c", hidden, "sh", *command],
                       capture_output=True, text=True, timeout=60)
    assert r.returncode == 1
    assert "create c: systemd: the system's manager does not answer: its bus: ENOENT, its own " \
           "socket: ENOENT (if systemd is not this host's init" in r.stderr
    assert kenro.ids() == []


def cgroup_writable(c):
    c["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                        "options": ["nosuid", "noexec", "nodev"]})
    return c


def test_groups_are_delegated_into_a_user_namespace(kenro, bundle):
    subprocess.run(["chown", "-R", "100000:100000", bundle / "rootfs"], check=True)
    kenro.create(bundle, cgroup_writable(user_namespace(limited())))
    assert os.stat(group()).st_uid == 100000
    assert os.stat(group() / "memory.max").st_uid == 0
    kenro.ok("start", "c")
    script = "cd /sys/fs/cgroup && mkdir init x && echo 1 >init/cgroup.procs && " \
             "echo $$ >x/cgroup.procs && echo +memory >cgroup.subtree_control && cat x/memory.max"
    assert kenro.ok("exec", "c", "/bin/sh", "-c", script) == "max\n"
    systemctl("daemon-reload")
    assert os.stat(group()).st_uid == 100000
    assert kenro.ok("exec", "c", "cat", "/proc/self/cgroup") == "0::/init\n"
    kenro.ok("delete", "--force", "c")
    assert not group().exists()


@pytest.fixture
def tree(tmp_path):
    """The guest's own, once more."""
    path = tmp_path / "tree"
    path.mkdir()
    subprocess.run(["mount", "--bind", "/", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


@pytest.mark.limit(240)
def test_systemd_is_the_containers_init(tree, kenro, bundle):
    """From a tree that is read-only; what systemd writes to is the container's."""
    c = cgroup_writable(limited("/usr/lib/systemd/systemd", "--unit=basic.target",
                                memory={"limit": 256 * MB}, pids={"limit": 200}))
    c["root"] = {"path": str(tree), "readonly": True}
    c["process"]["env"].append("container=oci")
    for where in ("/run", "/run/lock", "/tmp", "/var/log", "/var/lib/systemd", "/var/tmp"):
        c["mounts"].append({"destination": where, "type": "tmpfs", "source": "tmpfs",
                            "options": ["nosuid", "nodev", "mode=755"]})
    kenro.create(bundle, c)
    kenro.ok("start", "c")

    def inside(*args):
        return kenro.run("exec", "c", *args).stdout

    # An exec before that is in the top group, and keeps systemd from handing controllers on.
    wait_until(lambda: "memory" in read(group() / "cgroup.subtree_control"), 120)
    wait_until(lambda: inside("systemctl", "is-active", "basic.target") == "active\n", 120)
    assert inside("cat", "/proc/1/cgroup") == "0::/init.scope\n"
    assert kenro.ok("exec", "c", "systemd-run", "--wait", "--pipe", "--quiet", "-p", "MemoryMax=32M", "sh", "-c",
                    "cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/memory.max") == f"{32 * MB}\n"
    systemctl("daemon-reload")
    assert read(group() / "memory.max") == str(256 * MB)
    assert inside("systemctl", "is-active", "basic.target") == "active\n"
    kenro.ok("delete", "--force", "c")
    assert not group().exists()
