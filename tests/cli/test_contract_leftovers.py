"""A command that fails, or is killed, leaves nothing that stays: no zombie under a
caller that never reaps, nothing that `delete --force` does not remove."""

import random
import subprocess
import time

import pytest

from kenrotest import (config, our_cgroups, our_processes, reap_orphans, user_namespace,
                       wait_until, write_config)

SLEEP = ("/bin/sleep", "1000")
QUIET = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


# ---- zombies: this process is a subreaper, and reaps nothing in these tests ------------------

def processes():
    """Zombies are others than those that run."""
    return {(pid, state == "Z") for pid, _, state in our_processes()}


def no_program(c):
    c["process"]["args"] = ["nosuch"]


def no_interpreter(c):
    c["process"]["args"] = ["/bad"]


def no_such_mount(c):
    c["mounts"].append({"destination": "/bin/busybox/x", "type": "tmpfs", "source": "x"})


def no_such_parameter(c):
    c["linux"]["sysctl"] = {"net.nosuch": "1"}


def no_such_value(c):
    c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "many"}


def no_such_cwd(c):
    c["process"]["cwd"] = "/bin/busybox"


def no_room_for_limits(c):
    c["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 1 << 40, "hard": 1 << 40}]


def no_terminal(c):
    c["process"]["terminal"] = True
    c["mounts"] = [m for m in c["mounts"] if m["destination"] != "/dev/pts"]


def in_a_user_namespace(c):
    user_namespace(c)
    no_program(c)


SPOILT = [no_program, no_interpreter, no_such_mount, no_such_parameter, no_such_value, no_such_cwd,
          no_room_for_limits, no_terminal, in_a_user_namespace]


def spoil(bundle, how):
    (bundle / "rootfs/bad").write_text("#!/nosuch\n")
    (bundle / "rootfs/bad").chmod(0o755)
    c = config(*SLEEP)
    how(c)
    write_config(bundle, c)


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("command", [["create"], ["run"], ["run", "-d"]])
def test_a_failing_create_leaves_no_zombie(kenro, bundle, console, how, command):
    before = processes()
    spoil(bundle, how)
    if how == no_interpreter and command == ["create"]:
        pytest.skip("that shows when it is executed: at start")
    if how == no_terminal:
        command = [*command, "--console-socket", console.path]
    kenro.fails(*command, "-b", bundle, "c")
    assert processes() == before
    assert kenro.ids() == [] and our_cgroups() == set()


@pytest.mark.parametrize("how", [no_program, no_such_cwd])
def test_a_failing_create_in_a_joined_pid_namespace_leaves_no_zombie(kenro, bundle, how):
    """There is a process in between, and one that becomes this one's child."""
    write_config(bundle, config(*SLEEP))
    kenro.ok("run", "-d", "-b", bundle, "other")
    before = processes()
    c = config(*SLEEP)
    c["linux"]["namespaces"][0]["path"] = f"/proc/{kenro.pid('other')}/ns/pid"
    c["mounts"][0]["options"] = []
    how(c)
    write_config(bundle, c)
    kenro.fails("create", "-b", bundle, "c")
    assert processes() == before


@pytest.mark.parametrize("command", [["create"], ["run", "-d"]])
def test_a_pid_file_that_cannot_be_written_leaves_no_zombie(kenro, bundle, command):
    write_config(bundle, config(*SLEEP))
    before = processes()
    kenro.fails(*command, "--pid-file", "/nosuch/pid", "-b", bundle, "c")
    assert processes() == before and kenro.ids() == []


@pytest.mark.parametrize("args", [
    ["c", "nosuch"], ["c", "/etc"], ["c", "/bad"], ["--cwd", "/nosuch", "c", "/bin/true"],
    ["-d", "c", "nosuch"], ["-d", "--pid-file", "/nosuch/pid", "c", *SLEEP],
    ["-t", "c", "nosuch"], ["--preserve-fds", "9", "c", "/bin/true"],
])
@pytest.mark.parametrize("user", [False, True])
def test_a_failing_exec_leaves_no_zombie(kenro, bundle, args, user):
    """In a pid namespace an unreaped helper would keep init from ending."""
    (bundle / "rootfs/bad").write_text("#!/nosuch\n")
    (bundle / "rootfs/bad").chmod(0o755)
    c = config(*SLEEP)
    write_config(bundle, user_namespace(c) if user else c)
    kenro.ok("run", "-d", "-b", bundle, "c")
    before = processes()
    kenro.fails("exec", *args, status=255)
    assert processes() == before
    kenro.ok("kill", "c", "KILL")
    wait_until(lambda: kenro.status("c") == "stopped", 10)


def test_a_start_that_fails_leaves_init_to_its_parent_and_nothing_else(kenro, bundle):
    spoil(bundle, no_interpreter)
    kenro.ok("create", "-b", bundle, "c")
    pid = kenro.pid("c")
    assert 'exec "/bad"' in kenro.fails("start", "c")
    assert {p for p, _, _ in our_processes()} <= {pid}
    assert kenro.status("c") == "stopped"
    kenro.ok("delete", "c")


# ---- kill -9 at any moment ----------------------------------------------------------------------

def duration(kenro, *command):
    begin = time.monotonic()
    kenro.run(*command)
    return time.monotonic() - begin


def kill_at(kenro, moment, *command):
    p = kenro.popen(*command, **QUIET)
    time.sleep(moment)  # the moment is what is tested
    p.kill()
    return p.wait()


def all_gone(kenro):
    assert kenro.ids() == []
    wait_until(lambda: reap_orphans() == [] and our_processes() == set(), 20)
    assert our_cgroups() == set()


def moments(length, n):
    """Random ones, the same in every run: a failure can be looked at again."""
    dice = random.Random(n)
    return [dice.uniform(0, 1.5 * length) for _ in range(n)]


@pytest.mark.parametrize("n", [10, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_create_that_is_killed(kenro, bundle, n, terminal, console):
    write_config(bundle, config(*SLEEP, terminal=terminal))
    console.sock.listen(1000)
    command = ["create", "-b", bundle, "c"]
    if terminal:
        command[1:1] = ["--console-socket", console.path]
    length = duration(kenro, *command)
    kenro.ok("delete", "-f", "c")
    for moment in moments(length, n):
        kill_at(kenro, moment, *command)
        if "c" in kenro.ids():
            # Whose process has not come to wait for `start` yet has nobody to wait for.
            wait_until(lambda: kenro.status("c") in ("creating", "created", "stopped"))
        kenro.ok("delete", "--force", "c")
        all_gone(kenro)
    kenro.run(*command)
    assert kenro.status("c") == "created"  # and nothing is in the way of the next


@pytest.mark.parametrize("n", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_an_exec_that_is_killed(kenro, bundle, n, tmp_path):
    write_config(bundle, config(*SLEEP))
    kenro.ok("run", "-d", "-b", bundle, "c")
    command = ["exec", "-d", "--pid-file", tmp_path / "pid", "c", "/bin/sleep", "1000"]
    length = duration(kenro, *command)
    for i, moment in enumerate(moments(length, n)):
        kill_at(kenro, moment, *command)
        reap_orphans()
        assert kenro.status("c") == "running"
        if i % 20 == 19:  # also with what has come together
            kenro.ok("exec", "c", "/bin/true")
            kenro.ok("delete", "--force", "c")
            all_gone(kenro)
            kenro.ok("run", "-d", "-b", bundle, "c")
    kenro.ok("delete", "--force", "c")
    all_gone(kenro)


@pytest.mark.parametrize("n", [10, pytest.param(200, marks=pytest.mark.slow)])
@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_delete_that_is_killed(kenro, bundle, n, force):
    write_config(bundle, config(*SLEEP))
    kenro.ok("create", "-b", bundle, "c")
    length = duration(kenro, "delete", *force, "c")
    for moment in moments(length, n):
        kenro.ok("create", "-b", bundle, "c")
        if force:
            kenro.ok("start", "c")
        kill_at(kenro, moment, "delete", *force, "c")
        kenro.ok("delete", "--force", "c")
        all_gone(kenro)
