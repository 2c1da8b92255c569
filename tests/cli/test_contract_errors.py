"""How errors reach callers: the log, standard error, the words that are matched
(E1-E17), and exit statuses. See docs/callers.md; test_log.py has the log itself."""

import json
import socket
import subprocess

import pytest

from kenrotest import CAPS, cgroup_mount, config, write_config

SLEEP = ("/bin/sleep", "1000")
# What Docker and Podman take for a fault of the user's command.
BLAME = ("permission denied", "no such file or directory", "operation not permitted", "not found")


def objects(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


# ---- log and standard error ---------------------------------------------------------

def test_a_failing_create_writes_one_object_and_podman_can_read_the_whole_file(kenro, bundle,
                                                                                 tmp_path):
    log = tmp_path / "oci-log"
    c = config("nosuch")
    c["process"]["capabilities"]["bounding"] = [*CAPS, "CAP_NOSUCH"]  # a warning
    c["unknown"] = 1  # another
    write_config(bundle, c)
    kenro.fails("--log-format=json", "--log", log, "create", "-b", bundle, "c")
    entry = json.loads(log.read_text())
    assert set(entry) == {"level", "msg", "time"} and entry["level"] == "error"


def test_two_failing_creates_append_to_one_log(kenro, bundle, tmp_path):
    """containerd's file holds all calls for a container; the last error is shown."""
    log = tmp_path / "log.json"
    for program in ("nosuch", "/etc"):
        write_config(bundle, config(program))
        kenro.fails("--log-format", "json", "--log", log, "create", "-b", bundle, "c")
    kenro.ok("--log-format", "json", "--log", log, "delete", "--force", "c")
    first, second = objects(log)
    assert "nosuch" in first["msg"] and "/etc" in second["msg"]
    assert {first["level"], second["level"]} == {"error"}


def test_standard_error_gets_it_in_one_write(kenro, bundle):
    """conmon reads once, at most 8191 bytes."""
    write_config(bundle, config("/" + "x" * 4000))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        p = subprocess.run(kenro.command("create", "-b", bundle, "c"), stderr=theirs.fileno(),
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=60)
        theirs.close()
        ours.setblocking(False)
        message = ours.recv(1 << 16)
        assert p.returncode == 1
        assert 0 < len(message) < 8192 and message.endswith(b"\n") and message.count(b"\n") == 1
        with pytest.raises((BlockingIOError, ConnectionResetError)):
            ours.recv(1 << 16)


@pytest.mark.parametrize("command", [["state", "c"], ["ps", "--format", "json", "c"], ["features"],
                                     ["list", "--format", "json"], ["events", "--stats", "c"]])
@pytest.mark.parametrize("globals_", [[], ["--log", "/dev/null", "--log-format", "json"]])
def test_with_standard_error_merged_it_is_still_json(running, tmp_path, command, globals_):
    """go-runc and CRI-O read both from one buffer."""
    with open(tmp_path / "out", "w+") as out:
        p = subprocess.run(running.command(*globals_, *command), stdout=out,
                           stderr=subprocess.STDOUT, timeout=60)
        out.seek(0)
        json.load(out)
    assert p.returncode == 0


def test_warnings_do_not_enter_a_json_log(kenro, bundle, tmp_path):
    log = tmp_path / "log"
    c = config()
    c["unknown"] = 1
    write_config(bundle, c)
    kenro.ok("--log", log, "--log-format", "json", "run", "-b", bundle, "c")
    assert log.read_text() == ""
    kenro.run("--log", log, "--log-format", "json", "--log-level", "warning", "run", "-b", bundle,
              "c")
    assert {e["level"] for e in objects(log)} == {"warning"}


def test_a_create_that_fails_with_a_terminal_says_why(kenro, bundle, console):
    """The reason is there before the console's socket is closed."""
    write_config(bundle, config("nosuch", terminal=True))
    p = kenro.popen("create", "--console-socket", console.path, "-b", bundle, "c",
                    stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    line = p.stderr.readline()
    assert "executable file not found in $PATH" in line
    assert p.wait(30) == 1
    p.stderr.close()


# ---- the words ------------------------------------------------------------------------

@pytest.mark.parametrize("args,status", [
    (["state"], 1), (["start"], 1), (["kill"], 1), (["kill", "--all"], 1), (["delete"], 1),
    (["exec"], 255), (["pause"], 1), (["resume"], 1), (["ps"], 1), (["ps", "-f", "json"], 1),
    (["events", "--stats"], 1), (["update", "--resources", "/dev/stdin"], 1)])
def test_e1_an_unknown_container_does_not_exist(kenro, bundle, args, status):
    tail = ["/bin/true"] if args == ["exec"] else []
    for _ in range(2):  # with and without a directory of containers
        line = kenro.fails(*args, "nosuch", *tail, status=status, input="{}")
        assert line == f'{args[0]} nosuch: container "nosuch" does not exist'
        kenro.ok("run", "-b", bundle, "other")


@pytest.mark.parametrize("args", [["kill", "c"], ["kill", "c", "9"], ["pause", "c"], ["resume", "c"],
                                  ["update", "-r", "-", "c"], ["events", "c"]])
def test_e2_a_dead_one_is_not_running(stopped, args):
    line = stopped.fails(*args, input="{}")
    assert "container not running" in line and "no such process" in line


@pytest.mark.parametrize("program,text", [
    ("foo", 'exec "foo": executable file not found in $PATH'),  # E3
    ("/x", 'exec "/x": no such file or directory'),  # E4
    ("/etc", 'exec "/etc": is a directory: permission denied'),  # E5
    ("/etc/passwd", 'exec "/etc/passwd": permission denied'),  # E5
])
@pytest.mark.parametrize("command", ["create", "run", "exec"])
def test_e3_e4_e5_what_cannot_be_executed(kenro, bundle, command, program, text):
    if command == "exec":
        write_config(bundle, config(*SLEEP))
        kenro.ok("run", "-d", "-b", bundle, "c")
        assert kenro.fails("exec", "c", program, status=255) == f"exec c: {text}"
        return
    write_config(bundle, config(program))
    assert kenro.fails(command, "-b", bundle, "c") == f"{command} c: {text}"
    assert kenro.ids() == []


@pytest.mark.parametrize("is_file", [False, True])
def test_e6_a_file_and_a_directory_cannot_be_mounted_on_each_other(kenro, bundle, is_file):
    (bundle / "rootfs/target").mkdir() if is_file else (bundle / "rootfs/target").touch()
    (bundle / "source").touch() if is_file else (bundle / "source").mkdir()
    c = config()
    c["mounts"].append({"destination": "/target", "type": "bind", "source": "source",
                        "options": ["bind"]})
    write_config(bundle, c)
    assert "not a directory" in kenro.fails("create", "-b", bundle, "c")


def test_e8_exec_in_a_paused_one(running):
    running.ok("pause", "c")
    assert "cannot exec in a paused container" in running.fails("exec", "c", "true", status=255)


def test_e9_start_twice_and_start_of_a_stopped_one(running):
    assert "cannot start an already running container" in running.fails("start", "c")
    running.ok("kill", "c", "KILL")
    running.wait_for("c", "stopped")
    assert "cannot start a container that has stopped" in running.fails("start", "c")


def test_e10_an_id_is_used_once_and_the_first_is_not_touched(running, bundle):
    pid = running.pid("c")
    for command in (["create"], ["run"], ["run", "-d"]):
        assert "container with given ID already exists" in running.fails(*command, "-b", bundle, "c")
    assert running.pid("c") == pid and running.status("c") == "running"


def test_e11_an_id_that_is_none(kenro, bundle):
    for id in ("..", "a/b", "", "a b"):
        assert "invalid container ID format" in kenro.fails("create", "-b", bundle, id)
    assert not kenro.root.exists()


def test_e12_delete_of_a_running_one(running):
    assert "cannot delete container c that is not stopped: running" in running.fails("delete", "c")


def test_e13_a_terminal_that_nobody_would_have(kenro, bundle):
    write_config(bundle, config(terminal=True))
    for command in (["create"], ["run", "-d"]):
        line = kenro.fails(*command, "-b", bundle, "c")
        assert "cannot allocate tty if" in line
        assert "will detach without setting console socket" in line


def test_e14_resume_of_a_running_one(running):
    assert "container not paused" in running.fails("resume", "c")


def test_e15_a_group_that_is_populated_or_frozen(kenro, bundle):
    group = cgroup_mount() / "kenro-test-taken"
    c = config()
    c["linux"]["cgroupsPath"] = "/kenro-test-taken"
    write_config(bundle, c)
    group.mkdir()
    p = subprocess.Popen(["sleep", "1000"])
    try:
        (group / "cgroup.procs").write_text(str(p.pid))
        assert "container's cgroup is not empty" in kenro.fails("create", "-b", bundle, "c")
        assert p.poll() is None
    finally:
        p.kill()
        p.wait()
        (group / "cgroup.freeze").write_text("1")
    assert "container's cgroup unexpectedly frozen" in kenro.fails("create", "-b", bundle, "c")
    group.rmdir()


def test_e16_no_config_json(kenro, tmp_path):
    assert "JSON specification file config.json not found" in \
        kenro.fails("create", "-b", tmp_path, "c")


def fails_in_mounts(c):
    c["mounts"].append({"destination": "/x", "type": "bind", "source": "/nosuch",
                        "options": ["bind"]})


def fails_in_mount_types(c):
    c["mounts"].append({"destination": "/x", "type": "nosuchfs", "source": "x"})


def fails_in_root(c):
    c["root"]["path"] = "nosuch"


def fails_in_namespaces(c):
    c["linux"]["namespaces"][1]["path"] = "/nosuch"


def fails_in_sysctl(c):
    c["linux"]["sysctl"] = {"net.nosuch": "1"}


def fails_in_cwd(c):
    c["process"]["cwd"] = "/bin/busybox"  # a file


@pytest.mark.parametrize("spoil", [fails_in_mounts, fails_in_mount_types, fails_in_root,
                                   fails_in_namespaces, fails_in_sysctl, fails_in_cwd])
def test_e17_a_setup_error_does_not_blame_the_users_command(kenro, bundle, spoil):
    """Else Docker and Podman make 126 or 127 of it."""
    c = config()
    spoil(c)
    write_config(bundle, c)
    line = kenro.fails("create", "-b", bundle, "c").lower()
    assert not any(words in line for words in BLAME), line
    assert kenro.ids() == []


# ---- exit statuses -------------------------------------------------------------------

def test_the_status_is_the_programs_or_128_and_the_signal(kenro, bundle):
    for script, status in (("exit 0", 0), ("exit 1", 1), ("exit 255", 255)):
        write_config(bundle, config("/bin/sh", "-c", script))
        assert kenro.run("run", "-b", bundle, "c").returncode == status
    write_config(bundle, config(*SLEEP))
    kenro.ok("run", "-d", "-b", bundle, "c")
    for script, status in (("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)):
        assert kenro.run("exec", "c", "/bin/sh", "-c", script).returncode == status


def test_a_failure_of_the_runtime_is_1_and_of_exec_255(running, bundle):
    assert running.run("exec", "c", "nosuch").returncode == 255
    assert running.run("exec", "--nosuch", "c", "true").returncode == 255
    assert running.run("exec", "nosuch", "true").returncode == 255
    assert running.run("run", "-b", "/nosuch", "d").returncode == 1
    assert running.run("create", "-b", bundle, "c").returncode == 1
