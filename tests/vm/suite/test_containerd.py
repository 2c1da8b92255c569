"""The life of a container under containerd's shim, by its own command."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

import engines
from console import Terminal
from kenrotest import HELPERS, config, make_bundle, shell, wait_until, write_config

pytestmark = pytest.mark.slow

INSIDE = ("--mount", f"type=bind,src={HELPERS / 'inside'},dst=/usr/bin/inside,options=rbind:ro")
TOP = Path("/sys/fs/cgroup")
KERNELS = {"network": "net"}  # names of namespaces


@pytest.fixture
def manager():
    """What ctr asks for unless it is told another."""
    return "cgroupfs"


def started(ctr, image, *options, args=("sleep", "1000"), name="box"):
    ctr.ok(*ctr.container("--detach", *options, image, name, *args))


def once(ctr, image, *args, options=()):
    return ctr.ok(*ctr.container("--rm", *options, image, "once", *args))


def inside(ctr, image, *options):
    return json.loads(once(ctr, image, "inside", options=(*INSIDE, *options)))


def tasks(ctr):
    """The state of each task."""
    lines = [line.split() for line in ctr.ok("tasks", "list").splitlines()[1:]]
    return {line[0]: (int(line[1]), line[2]) for line in lines}


def exec_in(ctr, *args, id="e", options=()):
    return ctr.run("tasks", "exec", "--exec-id", id, *options, "box", *args)


def group_of(ctr):
    return TOP / Path(f"/proc/{tasks(ctr)['box'][0]}/cgroup").read_text().strip().removeprefix("0::/")


def test_the_exit_status_is_the_programs(ctr, image):
    ctr.fails(*ctr.container("--rm", image, "c", "sh", "-c", "exit 7"), status=7)


def test_what_cannot_be_started_says_why_and_leaves_nothing(ctr, image):
    said = ctr.fails(*ctr.container("--rm", image, "c", "nosuch"))
    assert "executable file" in said and "nosuch" in said
    said = ctr.fails(*ctr.container("--rm", image, "c", "/etc/passwd"))
    assert "/etc/passwd" in said
    said = ctr.fails(*ctr.container("--rm", "--mount", "type=bind,src=/nosuch,dst=/v,options=rbind", image, "c", "true"))
    assert "/nosuch" in said
    wait_until(lambda: ctr.containers() == [])


def test_what_its_program_sees(ctr, image):
    seen = inside(ctr, image, "--env", "A=b", "--user", "7:8", "--cwd", "/usr/bin", "--hostname", "inner", "--read-only")
    assert "A=b" in seen["env"] and (seen["cwd"], seen["hostname"]) == ("/usr/bin", "inner")
    assert [seen["status"][k].split()[0] for k in ("Uid", "Gid", "CapEff", "NoNewPrivs")] == ["7", "8", "0" * 16, "1"]
    root = next(line for line in seen["mountinfo"] if line.split()[4] == "/")
    assert root.split()[5].startswith("ro,")


def test_its_privileges_are_those_asked_for(ctr, image):
    seen = inside(ctr, image, "--cap-drop", "CAP_CHOWN", "--cap-add", "CAP_NET_ADMIN", "--seccomp", "--allow-new-privs")
    caps = int(seen["status"]["CapEff"], 16)
    assert not caps & 1 and caps >> 12 & 1
    assert (seen["status"]["Seccomp"], seen["status"]["NoNewPrivs"]) == ("2", "0")
    every = Path("/proc/self/status").read_text().partition("CapBnd:")[2].split()[0]
    assert inside(ctr, image, "--privileged")["status"]["CapEff"] == every


def specified(ctr, tmp_path, c, name="box"):
    """The arguments that run the container C, a configuration, instead of an image's."""
    c["root"]["path"] = str(make_bundle(tmp_path / name, c) / "rootfs")
    c["linux"]["cgroupsPath"] = f"/ctr-{name}"
    write_config(tmp_path / name, c)
    return ctr.container("--config", str(tmp_path / name / "config.json"))


@pytest.fixture
def called_runc(runtime):
    """The runtime by the name that containerd looks for unasked, in the first directory of its
    PATH. With a user namespace ctr forgets which runtime it has been told to take."""
    link = Path("/usr/local/sbin/runc")
    link.symlink_to(engines.RUNTIMES[runtime])
    yield
    link.unlink()


def test_a_user_namespace_of_its_own(called_runc, ctr, image, runtime):
    mapped = ("--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536")
    seen = inside(ctr, image, *mapped)
    assert seen["uid_map"][0].split() == seen["gid_map"][0].split() == ["0", "100000", "65536"]
    assert seen["status"]["Uid"].split()[0] == "0" and seen["root"]["bin"].split()[1] == "0:0"
    said = ctr.fails(*ctr.container("--rm", *mapped, image, "once", "nosuch"))
    assert ("create once: exec" in said) == (runtime == "kenro")


def test_kernel_parameters_and_limits_of_a_process(ctr, tmp_path):
    c = shell("ulimit -n; ulimit -Hc; cat /proc/sys/kernel/shmmni /proc/self/oom_score_adj", oomScoreAdj=77,
              rlimits=[{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}, {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}])
    c["linux"]["sysctl"] = {"kernel.shmmni": "99"}
    assert ctr.ok(*specified(ctr, tmp_path, c), "--rm", "box").split() == ["100", "0", "99", "77"]


def test_hooks_of_a_configuration(ctr, tmp_path):
    c = config("/bin/true")
    c["hooks"] = {hook: [{"path": "/bin/sh", "args": ["sh", "-c", f"cat >{tmp_path}/{hook}"]}]
                  for hook in ("createRuntime", "poststart", "poststop")}
    ctr.ok(*specified(ctr, tmp_path, c), "--rm", "box")
    for hook in c["hooks"]:
        assert json.loads((tmp_path / hook).read_text())["id"] == "box"


def test_standard_input_reaches_it(ctr, image):
    assert ctr.ok(*ctr.container("--rm", image, "once", "sh", "-c", "read line; echo got $line"), input="text\n") == "got text"


def test_its_output_may_go_to_a_file(ctr, image, tmp_path):
    started(ctr, image, "--log-uri", f"file://{tmp_path}/log", args=("sh", "-c", "echo out; echo err >&2; exec sleep 1000"))
    wait_until(lambda: (tmp_path / "log").exists() and sorted((tmp_path / "log").read_text().split()) == ["err", "out"])


def test_a_namespace_of_anothers_is_joined(ctr, image):
    started(ctr, image)
    pid = tasks(ctr)["box"][0]
    joined = [word for n in ("network", "ipc", "uts", "pid") for word in ("--with-ns", f"{n}:/proc/{pid}/ns/{KERNELS.get(n, n)}")]
    seen = inside(ctr, image, *joined)["ns"]
    assert [seen[n] for n in ("net", "ipc", "uts", "pid")] == [os.readlink(f"/proc/{pid}/ns/{n}") for n in ("net", "ipc", "uts", "pid")]


def test_the_hosts_process_namespace(ctr, image):
    started(ctr, image, "--with-ns", "pid:/proc/1/ns/pid", args=("sh", "-c", "sleep 1000 & sleep 1000 & wait"))
    procs = group_of(ctr) / "cgroup.procs"
    wait_until(lambda: len(procs.read_text().split()) == 3)
    os.kill(tasks(ctr)["box"][0], signal.SIGKILL)
    wait_until(lambda: tasks(ctr)["box"][1] == "STOPPED")
    wait_until(lambda: not procs.exists() or procs.read_text() == "")  # the shim has had the rest killed


def test_a_device_of_the_hosts(ctr, image):
    assert once(ctr, image, "sh", "-c", "exec 3<>/dev/fuse && echo opened", options=("--device", "/dev/fuse")) == "opened"


@pytest.mark.parametrize("options, writes", [("rbind:rw", True), ("rbind:ro", False)])
def test_a_volume(ctr, image, tmp_path, options, writes):
    r = ctr.run(*ctr.container("--rm", "--mount", f"type=bind,src={tmp_path},dst=/v,options={options}", image, "once", "touch", "/v/new"))
    assert (r.returncode == 0, (tmp_path / "new").exists()) == (writes, writes)


def test_a_task_may_be_attached_to(ctr, image):
    with Terminal([*ctr.command, *ctr.container("--detach", "--tty", image, "box", "sh")]) as t:
        assert t.wait() == 0
    with Terminal([*ctr.command, "tasks", "attach", "box"]) as t:
        t.type("echo a''b; exit 6\n")
        t.until("ab")
        assert t.wait() == 6


def test_a_network_of_the_host(ctr, image):
    assert inside(ctr, image, "--net-host")["ns"]["net"] == os.readlink("/proc/self/ns/net")


@pytest.mark.parametrize("manager", ["systemd", "cgroupfs"])
def test_limits_and_metrics(ctr, image):
    started(ctr, image, "--memory-limit", str(64 << 20), "--cpus", "0.5", "--cpu-shares", "512")
    group = group_of(ctr)
    assert [(group / f).read_text().strip() for f in ("memory.max", "cpu.max")] == ["67108864", "50000 100000"]
    assert (group / "cpu.weight").read_text().strip() in ("20", "59")
    metrics = json.loads(ctr.ok("tasks", "metrics", "--format", "json", "box"))
    assert metrics["memory"]["usage_limit"] in (67108864, "67108864")
    assert int(metrics["pids"]["current"]) == 1


def test_an_exec_runs_a_program_in_it(ctr, image):
    started(ctr, image, "--env", "FROM=config", *INSIDE)
    assert exec_in(ctr, "sh", "-c", "exit 9").returncode == 9
    seen = json.loads(exec_in(ctr, "inside", options=("--user", "7:8", "--cwd", "/tmp")).stdout)
    assert "FROM=config" in seen["env"] and seen["cwd"] == "/tmp"
    assert [seen["status"][k].split()[0] for k in ("Uid", "Gid", "CapEff")] == ["7", "8", "0" * 16]
    r = exec_in(ctr, "nosuch")
    assert r.returncode != 0 and "executable file" in r.stderr and "nosuch" in r.stderr
    assert exec_in(ctr, "true").returncode == 0  # the id is free again


def test_a_terminal_is_the_callers(ctr, image):
    argv = [*ctr.command, *ctr.container("--rm", "--tty", image, "box", "sh")]
    with Terminal(argv, rows=31, columns=97) as t:
        t.type("until stty size | grep '31 97'; do sleep 0.1; done; tty\n")
        t.until("/dev/pts/0")
        t.type("exit 5\n")
        assert t.wait() == 5
    started(ctr, image)
    with Terminal([*ctr.command, "tasks", "exec", "--exec-id", "e", "--tty", "box", "sh"]) as t:
        t.type("tty; exit 4\n")
        t.until("/dev/pts/0")
        assert t.wait() == 4


@pytest.mark.parametrize("manager", ["systemd", "cgroupfs"])
def test_signals_pause_and_processes(ctr, image):
    started(ctr, image, args=("sh", "-c", "trap 'exit 3' TERM; while :; do sleep 1000 & wait; done"))
    pids = ctr.ok("tasks", "ps", "box").split()
    assert str(tasks(ctr)["box"][0]) in pids
    ctr.ok("tasks", "pause", "box")
    assert tasks(ctr)["box"][1] == "PAUSED"
    ctr.ok("tasks", "resume", "box")
    ctr.ok("tasks", "kill", "--signal", "TERM", "box")
    wait_until(lambda: tasks(ctr)["box"][1] == "STOPPED")
    assert "exit code 3" in ctr.run("tasks", "delete", "box").stderr
    assert tasks(ctr) == {}


def test_kill_all_reaches_every_process(ctr, image):
    started(ctr, image, args=("sh", "-c", "sleep 1000 & sleep 1000 & wait"))
    ctr.ok("tasks", "kill", "--all", "--signal", "KILL", "box")
    wait_until(lambda: tasks(ctr)["box"][1] == "STOPPED")


def test_events_tell_its_life(ctr, image):
    with subprocess.Popen([*ctr.command, "events"], stdout=subprocess.PIPE, text=True) as events:
        try:
            started(ctr, image, name="first")
            told = iter(events.stdout.readline, "")
            ctr.run("tasks", "exec", "--exec-id", "e", "first", "true")
            ctr.ok("tasks", "pause", "first")
            ctr.ok("tasks", "resume", "first")
            ctr.run("tasks", "delete", "--force", "first")
            seen = []
            for line in told:
                seen += [word for word in line.split() if word.startswith("/tasks/")]
                if seen[-1:] == ["/tasks/delete"]:
                    break
        finally:
            events.kill()
    assert seen == ["/tasks/create", "/tasks/start", "/tasks/exec-added", "/tasks/exec-started", "/tasks/exit",
                    "/tasks/paused", "/tasks/resumed", "/tasks/exit", "/tasks/delete"]


def test_containers_outlive_a_restart_of_containerd(ctr, image):
    started(ctr, image)
    before = tasks(ctr)
    engines.systemctl("reset-failed", "containerd")  # systemd counts its starts
    engines.systemctl("restart", "containerd")
    assert tasks(ctr) == before
    assert exec_in(ctr, "true").returncode == 0


def test_containers_outlive_a_containerd_that_is_killed(ctr, image):
    started(ctr, image)
    before = tasks(ctr)
    engines.systemctl("reset-failed", "containerd")
    engines.systemctl("kill", "--signal", "KILL", "--kill-whom", "main", "containerd")
    engines.systemctl("start", "containerd")
    wait_until(lambda: ctr.run("version").returncode == 0)
    assert tasks(ctr) == before
    assert exec_in(ctr, "true").returncode == 0


def test_a_shim_that_is_killed_leaves_nothing(ctr, image):
    started(ctr, image)
    pid = tasks(ctr)["box"][0]
    shim = int(Path(f"/proc/{pid}/status").read_text().partition("PPid:")[2].split()[0])
    assert Path(f"/proc/{shim}/comm").read_text().startswith("containerd-shim")
    os.kill(shim, signal.SIGKILL)
    wait_until(lambda: "box" not in tasks(ctr) or tasks(ctr)["box"][1] in ("STOPPED", "UNKNOWN"))
    ctr.clean()
    assert not Path(f"/proc/{pid}").exists()


def test_twenty_at_once_leave_nothing(ctr, image):
    clients = [subprocess.Popen([*ctr.command, *ctr.container("--rm", image, f"c{i}", "sh", "-c", f"exit {i}")],
                                stdin=subprocess.DEVNULL) for i in range(20)]
    assert [c.wait() for c in clients] == list(range(20))
    wait_until(lambda: ctr.containers() == [])
