"""The life of a container under Docker: what it is started with, what is done to it while
it runs, and how it ends."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from console import Terminal
from kenrotest import HELPERS, wait_until

pytestmark = pytest.mark.slow

INSIDE = ("--volume", f"{HELPERS / 'inside'}:/usr/bin/inside:ro")
TOP = Path("/sys/fs/cgroup")

# Serves as a container's program: does as it is told by signals, and says so.
LISTEN = """
trap 'echo hup' HUP
trap 'echo term; exit 3' TERM
echo ready
while :; do sleep 1000 & wait $!; done
"""


def command(docker, *options, verb="run", network="none"):
    return docker.container("--network", network, *options, verb=verb)


def started(docker, image, *options, args=("sleep", "1000"), name="box", **kw):
    docker.ok(*command(docker, "--detach", "--name", name, *options, **kw), image, *args)


def once(docker, image, *args, options=(), **kw):
    """What a container prints that lives for one program."""
    return docker.ok(*command(docker, "--rm", *options, **kw), image, *args)


def inside(docker, image, *options, **kw):
    return json.loads(once(docker, image, "inside", options=(*INSIDE, *options), **kw))


def logs_say(docker, text, name="box"):
    wait_until(lambda: text in docker.ok("logs", name))


def state(docker, name="box"):
    return docker.inspect(name)["State"]


def group_of(docker, name="box"):
    return TOP / Path(f"/proc/{state(docker, name)['Pid']}/cgroup").read_text().strip().removeprefix("0::/")


def values(group, *files):
    return [(group / f).read_text().strip() for f in files]


# ---- how it ends -----------------------------------------------------------------------

def test_the_exit_status_is_the_programs(docker, image):
    docker.fails(*command(docker, "--rm"), image, "sh", "-c", "exit 7", status=7)


def test_a_program_that_is_not_there_is_127(docker, image):
    said = docker.fails(*command(docker, "--rm"), image, "nosuch", status=127)
    assert re.search(r'"nosuch": executable file not found in \$PATH', said)


def test_a_program_that_cannot_be_executed_is_126(docker, image):
    said = docker.fails(*command(docker, "--rm"), image, "/etc/passwd", status=126)
    assert '"/etc/passwd": permission denied' in said
    said = docker.fails(*command(docker, "--rm"), image, "/etc", status=126)
    assert '"/etc": is a directory' in said


def test_what_the_engine_refuses_is_125(docker, image):
    docker.fails(*command(docker, "--rm", "--memory", "1k"), image, "true", status=125)


def test_a_container_that_cannot_be_made_leaves_nothing(docker, image):
    said = docker.fails(*command(docker, "--rm", "--volume", "/etc/passwd:/etc"), image, "true")
    assert "mount a directory onto a file (or vice-versa)" in said
    docker.fails(*command(docker, "--rm", "--sysctl", "net.nosuch=1"), image, "true")
    wait_until(lambda: docker.containers() == [])


def test_signals_reach_the_program_through_the_client(docker, image):
    argv = [*docker.command, *command(docker, "--rm"), image, "sh", "-c", LISTEN]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout.readline() == "ready\n"
        client.send_signal(signal.SIGHUP)
        assert client.stdout.readline() == "hup\n"
        client.terminate()
        assert client.stdout.readline() == "term\n"
        assert client.wait() == 3


def test_stop_and_kill_signal_the_program(docker, image):
    started(docker, image, args=("sh", "-c", LISTEN))
    logs_say(docker, "ready")
    docker.ok("kill", "--signal", "HUP", "box")
    logs_say(docker, "hup")
    docker.ok("stop", "--time", "60", "box")
    assert state(docker)["ExitCode"] == 3
    docker.ok("start", "box")
    logs_say(docker, "term\nready")
    docker.ok("restart", "--time", "60", "box")
    logs_say(docker, "term\nready\nterm\nready")
    docker.ok("kill", "box")
    assert docker.ok("wait", "box") == "137"


def test_who_does_not_stop_is_killed(docker, image):
    started(docker, image)
    docker.ok("stop", "--time", "1", "box")
    assert state(docker)["ExitCode"] == 137


def test_a_restart_policy_starts_it_again(docker, image):
    docker.run(*command(docker, "--name", "box", "--restart", "on-failure:2"), image, "sh", "-c", "echo again; exit 3")
    wait_until(lambda: docker.inspect("box")["RestartCount"] == 2 and state(docker)["Status"] == "exited")
    assert docker.ok("logs", "box") == "again\nagain\nagain"


# ---- what its program sees -------------------------------------------------------------

OPTIONS = (
    "--user", "7:8", "--group-add", "9",
    "--env", "A=b", "--workdir", "/usr/bin", "--hostname", "inner",
    "--cap-drop", "all", "--cap-add", "net_admin", "--cap-add", "chown",
    "--ulimit", "nofile=123:456", "--ulimit", "core=0",
    "--sysctl", "kernel.msgmax=12345", "--sysctl", "net.ipv4.ip_forward=1",
    "--security-opt", "no-new-privileges",
    "--read-only", "--tmpfs", "/run:size=3m,mode=1777", "--shm-size", "5m",
    "--oom-score-adj", "321",
)
LOOK = """
cat /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward
touch /file || touch /run/file && echo written
"""


@pytest.fixture
def sees(docker, image, seen={}):
    """What a program says of itself that is started with all of OPTIONS: one for each runtime."""
    key = docker.runtime, docker.manager
    if key not in seen:
        said = once(docker, image, "inside", "sh", "-c", LOOK, options=(*INSIDE, *OPTIONS))
        own, end = json.JSONDecoder().raw_decode(said)
        seen[key] = {**own, "did": said[end:].split("\n")[1:]}
    return seen[key]


def privileges(seen):
    return [seen["status"][k] for k in ("CapBnd", "CapPrm", "CapEff", "NoNewPrivs", "Seccomp")]


def test_its_user_groups_and_environment(sees):
    assert [sees["status"][k].split() for k in ("Uid", "Gid", "Groups")] == [["7"] * 4, ["8"] * 4, ["8", "9"]]
    assert "A=b" in sees["env"] and (sees["cwd"], sees["hostname"]) == ("/usr/bin", "inner")


def test_its_privileges_are_those_asked_for(sees):
    none = "0" * 16
    assert privileges(sees) == [f"{1 << 12 | 1 << 0:016x}", none, none, "1", "2"]


def test_its_limits_and_score(sees):
    assert (sees["limits"]["NOFILE"], sees["limits"]["CORE"], sees["oom_score_adj"]) == ([123, 456], [0, 0], ["321"])


def test_its_sysctls(sees):
    assert sees["did"][:2] == ["12345", "1"]


def test_its_file_systems(sees):
    assert sees["did"][2:] == ["written"]
    mounts = {line.split()[4]: line for line in sees["mountinfo"]}
    assert mounts["/"].split()[5].startswith("ro,")
    assert "size=3072k" in mounts["/run"] and "size=5120k" in mounts["/dev/shm"]


@pytest.fixture
def disk():
    """The block device that the guest's root is on: (path, MAJOR:MINOR)."""
    device = os.stat("/").st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    name = re.search(r"DEVNAME=(\S+)", Path(f"/sys/dev/block/{number}/uevent").read_text())[1]
    return f"/dev/{name}", number


def test_a_device_is_there_for_the_access_that_was_given(docker, image, disk):
    script = "head -c 1 /dev/other | wc -c; (: >/dev/other) || echo refused"
    assert once(docker, image, "sh", "-c", script, options=("--device", f"{disk[0]}:/dev/other:r")) == "1\nrefused"
    script = f"mknod /node b {disk[1].replace(':', ' ')} && head -c 1 /node"
    said = docker.fails(*command(docker, "--rm"), image, "sh", "-c", script)
    assert "Operation not permitted" in said


def test_a_privileged_container_is_not_confined(docker, image):
    all_of_them = Path("/proc/self/status").read_text().partition("CapBnd:")[2].split()[0]
    seen = inside(docker, image, "--privileged")
    assert privileges(seen) == [all_of_them] * 3 + ["0", "0"]
    assert set(os.listdir("/dev")) - set(seen["dev"]) <= {"log", "initctl", "console", "core"}
    sys = [line.split() for line in seen["mountinfo"] if line.split()[4] == "/sys"]
    assert sys[0][5].startswith("rw,")


def test_seccomp_is_the_profile_that_was_named(docker, image, tmp_path):
    mode = "2" if docker.runtime == "kenro" else "0"  # kenro has a filter of its own
    assert inside(docker, image, "--security-opt", "seccomp=unconfined")["status"]["Seccomp"] == mode
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
    (tmp_path / "profile").write_text(json.dumps(profile))
    said = docker.fails(*command(docker, "--rm", "--security-opt", f"seccomp={tmp_path}/profile"), image, "mkdir", "/x")
    assert "No space left on device" in said


# ---- namespaces and networks -----------------------------------------------------------

SHARED = ("cgroup", "ipc", "net", "pid", "uts")


def spaces(pid="self"):
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in SHARED}


def test_its_namespaces_are_its_own(docker, image):
    seen, ours = inside(docker, image), spaces()
    assert not [kind for kind in SHARED if seen["ns"][kind] == ours[kind]]
    assert [line.split(":")[0].strip() for line in seen["net_dev"][2:]] == ["lo"]


def test_its_namespaces_may_be_the_hosts(docker, image):
    seen = inside(docker, image, "--pid", "host", "--uts", "host", "--ipc", "host", "--cgroupns", "host", network="host")
    assert {kind: seen["ns"][kind] for kind in SHARED} == spaces()


def test_its_namespaces_may_be_anothers(docker, image):
    started(docker, image, "--ipc", "shareable")
    other = spaces(state(docker)["Pid"])
    seen = inside(docker, image, "--pid", "container:box", "--ipc", "container:box", network="container:box")
    assert [kind for kind in SHARED if seen["ns"][kind] == other[kind]] == ["ipc", "net", "pid"]


def test_containers_of_a_network_reach_each_other(docker, image):
    docker.ok("network", "create", "pair")
    try:
        started(docker, image, network="pair")
        address = docker.inspect("box")["NetworkSettings"]["Networks"]["pair"]["IPAddress"]
        once(docker, image, "ping", "-c", "1", "-W", "20", address, network="pair")
    finally:
        docker.clean()
        docker.ok("network", "rm", "pair")


# ---- volumes ---------------------------------------------------------------------------

@pytest.fixture
def tree(tmp_path):
    """A directory with another file system mounted below it."""
    (tmp_path / "sub").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tmp_path / "sub"], check=True)
    yield tmp_path
    for path in (tmp_path / "late", tmp_path / "sub"):
        subprocess.run(["umount", path], check=path.name == "sub", stderr=subprocess.DEVNULL)


WRITE = ("sh", "-c", "for d in /v /v/sub; do touch $d/file 2>/dev/null && echo $d; done; true")


@pytest.mark.parametrize(("option", "written"), [
    ("", ["/v", "/v/sub"]),
    (",readonly", []),
    (",readonly,bind-recursive=readonly,bind-propagation=rprivate", []),
    (",readonly,bind-recursive=writable", ["/v/sub"]),
    (",bind-recursive=disabled", ["/v", "/v/sub"]),
], ids=("writable", "readonly", "readonly recursively", "readonly at the top", "alone"))
def test_what_is_bound_can_be_written_as_asked(docker, image, tree, option, written):
    said = once(docker, image, *WRITE, options=("--mount", f"type=bind,src={tree},dst=/v{option}"))
    assert said.split() == written
    assert (tree / "sub/file").exists() == ("/v/sub" in written and "disabled" not in option)


def test_mounts_travel_as_propagation_says(docker, image, tree):
    (tree / "late").mkdir()
    started(docker, image, "--privileged", "--volume", f"{tree}:/slave:rslave", "--volume", f"{tree}:/shared:rshared")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tree / "late"], check=True)
    (tree / "late/file").write_text("late")
    assert docker.ok("exec", "box", "cat", "/slave/late/file", "/shared/late/file") == "latelate"
    docker.ok("exec", "box", "umount", "/shared/late")
    assert not (tree / "late/file").exists()
    docker.ok("exec", "box", "mount", "-t", "tmpfs", "tmpfs", "/slave/late")
    assert str(tree / "late") not in Path("/proc/self/mountinfo").read_text()


def test_a_named_volume_keeps_what_the_image_and_containers_put_there(docker, image):
    try:
        started(docker, image, "--volume", "vol:/etc")
        docker.ok("exec", "box", "touch", "/etc/new")
        said = once(docker, image, "ls", "/etc", options=("--volumes-from", "box:ro"))
        assert {"passwd", "new"} <= set(said.split())
    finally:
        docker.clean()
        docker.ok("volume", "rm", "vol")


# ---- limits ----------------------------------------------------------------------------

def test_limits_are_those_of_its_cgroup(docker, image):
    started(docker, image, "--memory", "64m", "--memory-reservation", "32m", "--memory-swap", "96m", "--cpus", "0.5",
            "--cpu-shares", "512", "--pids-limit", "77")
    group = group_of(docker)
    assert values(group, "memory.max", "memory.low", "memory.swap.max", "cpu.max", "pids.max") == [
        "67108864", "33554432", "33554432", "50000 100000", "77"]
    assert values(group, "cpu.weight")[0] in ("20", "59")  # as runtimes have turned 512 shares into a weight


def test_update_changes_limits_of_a_running_container(docker, image):
    started(docker, image, "--memory", "64m", "--pids-limit", "77")
    group = group_of(docker)
    docker.ok("update", "--memory", "48m", "--memory-swap", "48m", "--cpus", "0.25", "box")
    files = "memory.max", "memory.swap.max", "cpu.max", "pids.max"
    assert values(group, *files) == ["50331648", "0", "25000 100000", "77"]
    docker.ok("update", "--pids-limit", "33", "--restart", "always", "box")
    assert values(group, *files) == ["50331648", "0", "25000 100000", "33"]


def created(settings):
    """Create a container as the daemon's API has it, and return its id."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("/run/docker.sock")
        api = http.client.HTTPConnection("localhost")
        api.sock = connection
        api.request("POST", "/containers/create?name=box", json.dumps(settings), {"Content-Type": "application/json"})
        answer = api.getresponse()
        said = json.load(answer)
        assert answer.status == 201, said
        return said["Id"]


def test_block_io_is_limited(docker, image, disk):
    """By the API: the client of Docker 26 forgets these options."""
    path, number = disk
    rates = {"BlkioDeviceReadBps": 1 << 20, "BlkioDeviceWriteBps": 2 << 20, "BlkioDeviceReadIOps": 300,
             "BlkioDeviceWriteIOps": 400}
    limits = {name: [{"Path": path, "Rate": rate}] for name, rate in rates.items()}
    docker.ok("start", created({"Image": image, "Cmd": ["sleep", "1000"],
                                "HostConfig": {"Runtime": docker.runtime, "NetworkMode": "none", **limits}}))
    assert values(group_of(docker), "io.max") == [f"{number} rbps=1048576 wbps=2097152 riops=300 wiops=400"]


@pytest.mark.full("User Mode Linux has no weights for block I/O")
def test_block_io_has_a_weight(docker, image):
    started(docker, image, "--blkio-weight", "300")
    group = group_of(docker)
    files = [f for f in ("io.bfq.weight", "io.weight") if (group / f).exists()]
    assert values(group, files[0]) == ["default 300" if files[0] == "io.bfq.weight" else "default 2930"]
    docker.ok("update", "--blkio-weight", "500", "box")
    assert values(group, files[0]) == ["default 500" if files[0] == "io.bfq.weight" else "default 4950"]


def test_a_fork_bomb_meets_its_limit(docker, image):
    said = docker.fails(*command(docker, "--rm", "--pids-limit", "20"), image, "sh", "-c",
                        "i=0; while [ $i -lt 40 ]; do sleep 1000 & i=$((i + 1)); done")
    assert "can't fork" in said


# ---- while it runs ---------------------------------------------------------------------

def test_standard_input_and_both_outputs_are_the_callers(docker, image):
    r = docker.run(*command(docker, "--rm", "--interactive"), image, "sh", "-c", "cat; echo err >&2", input="typed\n")
    assert (r.stdout, r.stderr, r.returncode) == ("typed\n", "err\n", 0)


def test_a_terminal_has_the_callers_size_and_keys(docker, image):
    argv = [*docker.command, *command(docker, "--rm", "--interactive", "--tty"), image, "sh"]
    with Terminal(argv, rows=31, columns=97) as t:
        t.type("until stty size | grep '31 97'; do sleep 0.1; done; tty\n")
        t.until("/dev/pts/0")
        t.resize(20, 60)
        t.type("until stty size | grep '20 60'; do sleep 0.1; done; echo sm''all\n")
        # The client is deaf to the signal while it tells of the first size, after the start.
        wait_until(lambda: t.process.send_signal(signal.SIGWINCH) or t.shows("small", 1), 60)
        # A program that says it is there itself: the shell's own children are deaf to the key at first.
        t.type("sh -c 'echo as\"\"leep; exec sleep 1000'\n")
        t.until("asleep")
        t.type("\x03")
        t.type("exit 5\n")
        assert t.wait() == 5


def test_who_detaches_leaves_it_running_and_who_attaches_sees_it(docker, image):
    started(docker, image, "--interactive", "--tty", args=("sh",))
    with Terminal([*docker.command, "attach", "box"]) as t:
        t.type("echo $((6 * 7))\n")
        t.until("42")
        t.type("\x10\x11")  # Ctrl-P Ctrl-Q
        t.wait()
    assert state(docker)["Running"]
    assert "42" in docker.ok("logs", "box")


def test_exec_runs_programs_in_the_container(docker, image):
    started(docker, image, "--env", "FROM=config", "--user", "1000:1001", "--cap-add", "net_admin", *INSIDE)
    assert docker.ok("exec", "box", "hostname") == docker.inspect("box")["Id"][:12]
    docker.fails("exec", "box", "sh", "-c", "exit 9", status=9)
    assert docker.ok("exec", "--interactive", "box", "cat", input="typed") == "typed"
    seen = json.loads(docker.ok("exec", "--env", "A=b", "--workdir", "/tmp", "--user", "7:8", "box", "inside"))
    assert seen["cwd"] == "/tmp" and {"A=b", "FROM=config"} <= set(seen["env"])
    assert [seen["status"][k].split()[0] for k in ("Uid", "Gid", "CapEff")] == ["7", "8", "0" * 16]


@pytest.mark.parametrize(("user", "ids"), [
    ("user", ["1000", "1000", "1000"]), ("7", ["7", "0", "0"]), ("7:8", ["7", "8", "8"]), ("user:root", ["1000", "0", "0"]),
    ("1000", ["1000", "1000", "1000"]), ("root", ["0", "0", "0"])])
def test_an_exec_is_the_user_that_was_named(docker, image, user, ids):
    started(docker, image, "--user", "5:6", "--cap-add", "net_admin", *INSIDE)
    for privileged in ((), ("--privileged",)):
        status = json.loads(docker.ok("exec", *privileged, "--user", user, "box", "inside"))["status"]
        assert [status["Uid"].split()[0], status["Gid"].split()[0], status["Groups"].split()[-1]] == ids
        assert (status["CapEff"] == "0" * 16) == (ids[0] != "0")


def test_a_privileged_exec_has_what_its_runtime_gives(docker, image):
    started(docker, image, "--user", "7", *INSIDE)
    seen = json.loads(docker.ok("exec", "--privileged", "--user", "0", "box", "inside"))
    every = Path("/proc/self/status").read_text().partition("CapBnd:")[2].split()[0]
    assert seen["status"]["CapEff"] == (seen["status"]["CapBnd"] if docker.runtime == "kenro" else every)
    assert (seen["status"]["CapBnd"] == every) == (docker.runtime != "kenro")  # which has the container's bounds


def test_an_exec_that_cannot_be_says_so(docker, image):
    started(docker, image)
    for program in ("nosuch", "/etc/passwd"):
        r = docker.run("exec", "box", program)
        assert r.returncode in (126, 127) and program in r.stdout + r.stderr
    docker.fails("exec", "--workdir", "/nosuch", "box", "true")
    docker.fails("exec", "--user", "nosuch", "box", "true")


def test_an_exec_may_have_a_terminal_or_be_left_alone(docker, image):
    started(docker, image)
    with Terminal([*docker.command, "exec", "--interactive", "--tty", "box", "sh"], rows=31, columns=97) as t:
        t.type("until stty size | grep '31 97'; do sleep 0.1; done; tty; exit 4\n")
        t.until("/dev/pts/0")
        assert t.wait() == 4
    docker.ok("exec", "--detach", "box", "sh", "-c", "echo done >/tmp/done; sleep 1000")
    wait_until(lambda: docker.run("exec", "box", "cat", "/tmp/done").stdout == "done\n")


def test_a_paused_container_stands_still(docker, image):
    started(docker, image)
    docker.ok("pause", "box")
    assert state(docker)["Status"] == "paused"
    assert "frozen 1" in values(group_of(docker), "cgroup.events")[0]
    assert "is paused" in docker.fails("exec", "box", "true")
    docker.ok("unpause", "box")
    docker.ok("exec", "box", "true")
    docker.ok("pause", "box")
    docker.ok("rm", "--force", "box")


def test_top_and_stats_show_its_processes(docker, image):
    started(docker, image, "--memory", "64m")
    assert docker.ok("top", "box", "-o", "pid,args").split("\n")[1].split() == [str(state(docker)["Pid"]), "sleep", "1000"]
    stats = json.loads(docker.ok("stats", "--no-stream", "--format", "json", "box"))
    assert stats["PIDs"] == "1" and stats["MemUsage"].endswith("/ 64MiB")


def test_a_health_check_tells_how_it_is(docker, image):
    started(docker, image, "--health-cmd", "test ! -e /tmp/ill", "--health-interval", "1s", "--health-retries", "1")
    wait_until(lambda: state(docker)["Health"]["Status"] == "healthy")
    docker.ok("exec", "box", "touch", "/tmp/ill")
    wait_until(lambda: state(docker)["Health"]["Status"] == "unhealthy")


def test_an_init_reaps_and_passes_signals_on(docker, image):
    started(docker, image, "--init",
            args=("sh", "-c", "trap 'exit 6' TERM; (sleep 0 &); echo ready; sleep 1000 & wait"))
    logs_say(docker, "ready")
    assert docker.ok("exec", "box", "cat", "/proc/1/comm") == "docker-init"
    wait_until(lambda: " Z" not in docker.ok("exec", "box", "ps", "-o", "stat,comm").replace("\n", " "))
    docker.ok("stop", "--time", "60", "box")
    assert state(docker)["ExitCode"] == 6


def test_files_are_copied_compared_and_committed(docker, image, tmp_path):
    started(docker, image)
    (tmp_path / "there").write_text("carried")
    docker.ok("cp", tmp_path / "there", "box:/tmp/there")
    assert docker.ok("exec", "box", "cat", "/tmp/there") == "carried"
    docker.ok("cp", "box:/tmp/there", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "carried"
    assert "A /tmp/there" in docker.ok("diff", "box").splitlines()
    docker.ok("commit", "box", "localhost/new")
    assert once(docker, "localhost/new", "cat", "/tmp/there") == "carried"
    docker.ok("rmi", "--force", "localhost/new")


def test_events_tell_its_life(docker, image):
    begin = str(time.time())
    docker.ok(*command(docker, "--name", "box"), image, "true")
    docker.ok("rm", "box")
    said = docker.ok("events", "--since", begin, "--until", str(time.time()), "--filter", "container=box",
                     "--format", "{{.Action}}")
    assert said.split() == ["create", "attach", "start", "die", "destroy"]


# ---- many ------------------------------------------------------------------------------

def test_twenty_at_once_leave_nothing(docker, image):
    clients = [subprocess.Popen([*docker.command, *command(docker, "--rm"), image, "sh", "-c", f"exit {i}"],
                                stdin=subprocess.DEVNULL) for i in range(20)]
    assert [c.wait() for c in clients] == list(range(20))
    wait_until(lambda: docker.containers() == [])


def test_ten_in_sequence_leave_nothing(docker, image):
    for i in range(10):
        docker.fails(*command(docker, "--rm"), image, "sh", "-c", f"exit {i + 1}", status=i + 1)
    wait_until(lambda: docker.containers() == [])
