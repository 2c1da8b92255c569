"""What a program inherits from a caller of the runtime, and what it does not; what
is true when create returns; terminals, standard streams, signals. See
docs/callers.md; test_process.py has what the configuration says."""

import array
import json
import os
import select
import signal
import socket
import subprocess
import threading

import pytest

from console import ConsoleSocket
from kenrotest import (cgroup_mount, config, inside, our_processes, shell, wait_until,
                       write_config)

SLEEP = ("/bin/sleep", "1000")


def from_caller(script, command, **kw):
    """COMMAND, executed by a caller that has run the Python SCRIPT before."""
    return subprocess.run(["/usr/bin/python3", "-c", "import ctypes, os, resource, signal, sys\n" +
                           script + "\nos.execv(sys.argv[1], sys.argv[1:])\n", *command],
                          capture_output=True, text=True, timeout=60, **kw)


@pytest.fixture(params=["run", "exec"])
def seen_by(request, kenro, bundle):
    """What `inside` sees of itself, by either way in, when a caller had run SCRIPT."""
    def look(script="", *options, **kw):
        if request.param == "run":
            write_config(bundle, config("/bin/inside"))
            command = kenro.command("run", *options, "-b", bundle, "seen")
        else:
            write_config(bundle, config(*SLEEP))
            if "c" not in kenro.ids():
                kenro.ok("run", "-d", "-b", bundle, "c")
            command = kenro.command("exec", *options, "c", "/bin/inside")
        p = from_caller(script, command, **kw)
        assert (p.returncode, p.stderr) == (0, "")
        return json.loads(p.stdout)
    return look


# ---- attributes that a caller hands over ----------------------------------------------

def test_signals_are_default_and_unblocked(seen_by):
    """conmon ignores SIGPIPE; a mask may come from anywhere."""
    status = seen_by("for s in (signal.SIGPIPE, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):\n"
                     "    signal.signal(s, signal.SIG_IGN)\n"
                     "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())")["status"]
    assert [int(status[k], 16) for k in ("SigBlk", "SigIgn", "SigCgt", "SigPnd")] == [0] * 4


@pytest.mark.parametrize("mask", [0o077, 0o000, 0o777])
def test_the_umask_is_022(seen_by, mask):
    assert seen_by(f"os.umask({mask})")["umask"] == 0o22


def test_the_death_signal_of_the_runtime_is_its_own(seen_by):
    """The shim, conmon, BuildKit and Buildah set it."""
    assert seen_by("ctypes.CDLL(None).prctl(1, signal.SIGKILL)")["pdeathsig"] == 0


def test_the_program_leads_a_session_of_its_own(seen_by):
    """conmon kills the group of a process that takes too long."""
    seen = seen_by("os.setpgid(0, 0)")
    assert seen["pid"] == seen["sid"] == seen["pgrp"]


def test_descriptors_do_not_leak(seen_by):
    """Podman leaks sockets and pipes into conmon, and conmon into us."""
    seen = seen_by("for i in range(50): os.dup2(1, 3 + i * 7)")
    assert sorted(seen["fds"]) == ["0", "1", "2"]


def test_preserved_descriptors_keep_their_numbers(seen_by, tmp_path):
    script = "".join(f"os.dup2(os.open({str(tmp_path)!r} + '/{n}', os.O_CREAT | os.O_RDWR), {n})\n"
                     for n in range(20, 31)) + "\n".join(f"os.dup2({20 + i}, {3 + i})"
                                                         for i in range(8))
    seen = seen_by(script, "--preserve-fds", "2")
    assert sorted(seen["fds"]) == ["0", "1", "2", "3", "4"]
    assert [os.path.basename(seen["fds"][n]) for n in "34"] == ["20", "21"]


def test_limits_are_the_callers(seen_by):
    seen = seen_by("resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))")
    assert seen["limits"]["NOFILE"] == [200, 300]


def test_nothing_of_the_runtimes_environment_leaks(seen_by):
    seen = seen_by(env={"SECRET": "x", "_OCI_SYNCPIPE": "3", "_OCI_STARTPIPE": "4", "TZ": "UTC",
                        "INVOCATION_ID": "x", "CRI_O_EXTERNAL": "1", "LANG": "xx", "HOME": "/x",
                        "_CONTAINERS_USERNS_CONFIGURED": "done", "NOTIFY_SOCKET": "",
                        "PATH": "/x", "XDG_RUNTIME_DIR": ""})
    assert sorted(seen["env"]) == ["HOME=/root", "PATH=/usr/bin:/bin", "TERM=xterm"]


def test_every_command_does_without_path_and_home(kenro, bundle):
    """Podman gives some of them XDG_RUNTIME_DIR only."""
    write_config(bundle, config(*SLEEP))
    env = {"XDG_RUNTIME_DIR": ""}
    for args in (["create", "-b", bundle, "c"], ["start", "c"], ["state", "c"], ["pause", "c"],
                 ["resume", "c"], ["exec", "c", "sh", "-c", "exit 0"], ["ps", "-f", "json", "c"],
                 ["ps", "c"], ["list"], ["kill", "c", "9"], ["delete", "-f", "c"]):
        kenro.ok(*args, env=env)


def test_a_variable_that_is_set_twice_has_the_last_value(kenro, bundle):
    """Podman appends to what the image has."""
    seen = inside(kenro, bundle, config(env=["A=1", "HOME=", "B=2", "A=3"]))
    assert sorted(seen["env"]) == ["A=3", "B=2", "HOME=/root"]


# ---- what is true when create returns ---------------------------------------------------

def test_1_pid_file_and_state_are_there(kenro, bundle, tmp_path):
    write_config(bundle, config(*SLEEP))
    kenro.ok("create", "--pid-file", tmp_path / "pid", "-b", bundle, "c")
    assert kenro.status("c") == "created"
    text = (tmp_path / "pid").read_text()
    assert text.isdigit() and int(text) == kenro.pid("c")


def test_2_init_is_a_child_of_the_callers_reaper(kenro, bundle):
    """Buildah waits for it at once; no process in between is left."""
    before = {pid for pid, _, _ in our_processes()}
    write_config(bundle, config("/bin/sh", "-c", "exit 9"))
    kenro.ok("create", "-b", bundle, "c")
    pid = kenro.pid("c")
    assert {p for p, _, _ in our_processes()} - before == {pid}
    kenro.ok("start", "c")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
    assert kenro.status("c") == "stopped"


def test_4_init_is_in_its_final_group(kenro, bundle):
    """conmon looks for memory.events there right away."""
    c = config(*SLEEP)
    c["linux"]["cgroupsPath"] = "/kenro-test-final/deep/c"
    write_config(bundle, c)
    kenro.ok("create", "-b", bundle, "c")
    pid = kenro.pid("c")
    place = next(line[3:] for line in open(f"/proc/{pid}/cgroup").read().splitlines()
                 if line.startswith("0::"))
    assert place == "/kenro-test-final/deep/c"
    assert (cgroup_mount() / place[1:] / "cgroup.procs").read_text().split() == [str(pid)]
    kenro.ok("start", "c")
    assert place in open(f"/proc/{pid}/cgroup").read()


def test_5_standard_streams_are_the_callers_or_the_terminal(kenro, bundle, console, tmp_path):
    write_config(bundle, config(*SLEEP))
    kenro.ok("create", "-b", bundle, "c")
    assert os.readlink(f"/proc/{kenro.pid('c')}/fd/0") == "/dev/null"
    write_config(bundle, config(*SLEEP, terminal=True))
    kenro.ok("create", "--console-socket", console.path, "-b", bundle, "d")
    master = console.receive()
    links = {os.readlink(f"/proc/{kenro.pid('d')}/fd/{fd}") for fd in range(3)}
    os.close(master)
    assert links == {"/dev/pts/0"}


def test_6_nobody_else_holds_the_callers_pipes(kenro, bundle, console):
    """With a terminal engines read until the end of file; it comes with create's end."""
    write_config(bundle, config(*SLEEP, terminal=True))
    p = kenro.popen("create", "--console-socket", console.path, "-b", bundle, "c",
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    os.close(console.receive())
    out, err = p.communicate(timeout=30)
    assert (p.returncode, out, err) == (0, "", "")
    p = kenro.popen("exec", "-d", "-t", "--console-socket", console.path, "c", *SLEEP,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    os.close(console.receive())
    assert p.communicate(timeout=30) == ("", "") and p.returncode == 0


def test_6_without_a_terminal_only_init_holds_them(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    reader, writer = os.pipe()
    kenro.ok("create", "-b", bundle, "c", stderr=writer)
    os.close(writer)
    assert select.select([reader], [], [], 0)[0] == []
    kenro.ok("kill", "c", "KILL")
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_7_all_that_can_fail_is_done(kenro, bundle):
    write_config(bundle, config("sleep", "1000"))
    kenro.ok("create", "-b", bundle, "c")
    pid = kenro.pid("c")
    assert os.listdir(f"/proc/{pid}/root") == os.listdir(bundle / "rootfs")
    assert (kenro.root / "c/seccomp.bpf").stat().st_size > 0
    (bundle / "config.json").unlink()  # nothing is read again
    kenro.ok("start", "c")


def test_a_create_that_fails_leaves_no_file(kenro, bundle, tmp_path):
    (tmp_path / "pid").write_text("before")
    write_config(bundle, config("nosuch"))
    kenro.fails("create", "--pid-file", tmp_path / "pid", "-b", bundle, "c")
    assert (tmp_path / "pid").read_text() == "before"
    kenro.fails("create", "--pid-file", tmp_path / "none", "-b", bundle, "c")
    assert not (tmp_path / "none").exists() and kenro.ids() == []


def test_the_pid_file_appears_whole(kenro, bundle, tmp_path):
    """BuildKit reads it again and again and takes what is there."""
    write_config(bundle, config(*SLEEP))
    kenro.ok("run", "-d", "-b", bundle, "c")
    seen, stop = set(), threading.Event()

    def watch():
        while not stop.is_set():
            try:
                seen.add((tmp_path / "pid").read_text())
            except FileNotFoundError:
                pass
    thread = threading.Thread(target=watch)
    thread.start()
    wanted = set()
    for _ in range(30):
        kenro.ok("exec", "-d", "--pid-file", tmp_path / "pid", "c", "/bin/true")
        wanted.add((tmp_path / "pid").read_text())
    stop.set()
    thread.join()
    assert seen and seen <= wanted and all(text.isdigit() for text in wanted)


@pytest.mark.parametrize("cwd", ["/", "/tmp", "/made/for/it"])
def test_a_relative_pid_file_is_the_callers(kenro, bundle, tmp_path, cwd):
    """Wherever the program begins."""
    write_config(bundle, config(*SLEEP, cwd=cwd))
    for id, command in (("c", ["create"]), ("d", ["run", "-d"])):
        kenro.ok(*command, "--pid-file", "here", "-b", bundle, id, cwd=tmp_path)
        assert (tmp_path / "here").read_text() == str(kenro.pid(id))
    kenro.ok("exec", "-d", "--pid-file", "there", "--cwd", "/etc", "d", *SLEEP, cwd=tmp_path)
    with open(f"/proc/{(tmp_path / 'there').read_text()}/cmdline") as f:
        assert f.read() == "/bin/sleep\0" "1000\0"
    assert not list(bundle.glob("**/here")) and not list(bundle.glob("**/there"))


def test_every_other_relative_path_is_the_callers_too(kenro, bundle, tmp_path, console):
    write_config(bundle, config(*SLEEP, terminal=True, cwd="/tmp"))
    kenro.ok("--log", "log", "--debug", "create", "--console-socket", "console", "-b", "bundle", "c",
             cwd=tmp_path)
    os.close(console.receive())
    assert (tmp_path / "log").stat().st_size > 0
    assert kenro.state("c")["bundle"] == str(bundle)
    (tmp_path / "p.json").write_text(json.dumps(config("/bin/pwd", cwd="/etc")["process"]))
    assert kenro.ok("exec", "--process", "p.json", "c", cwd=tmp_path) == "/etc\n"
    (tmp_path / "r.json").write_text("{}")
    kenro.ok("update", "--resources", "r.json", "c", cwd=tmp_path)
    receiver = ConsoleSocket(tmp_path / "pidfd")  # the same protocol
    p = kenro.popen("exec", "--pidfd-socket", "pidfd", "c", "/bin/true", cwd=tmp_path)
    os.close(receiver.receive())
    assert p.wait(30) == 0
    receiver.close()


def test_an_init_outlives_a_runtime_with_a_death_signal(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    r = from_caller("ctypes.CDLL(None).prctl(1, signal.SIGKILL)",
                    ["/bin/sh", "-c", '"$@" </dev/null >/dev/null 2>&1', "sh",
                     *kenro.command("run", "-d", "-b", bundle, "c")])
    assert r.returncode == 0
    assert kenro.status("c") == "running"


# ---- console socket --------------------------------------------------------------------

@pytest.mark.parametrize("command", ["create", "exec"])
def test_the_console_message_is_one_with_one_descriptor(kenro, bundle, tmp_path, command):
    """Receivers refuse other counts and sizes."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(tmp_path / "s"))
    listener.listen(2)
    if command == "create":
        write_config(bundle, config(*SLEEP, terminal=True))
        kenro.ok("create", "--console-socket", tmp_path / "s", "-b", bundle, "c")
    else:
        write_config(bundle, config(*SLEEP))
        kenro.ok("run", "-d", "-b", bundle, "c")
        kenro.ok("exec", "-d", "-t", "--console-socket", tmp_path / "s", "c", *SLEEP)
    listener.settimeout(20)
    conn, _ = listener.accept()
    data, ancillary, flags, _ = conn.recvmsg(8192, socket.CMSG_SPACE(64))
    assert 1 <= len(data) < 4096 and b"\0" not in data.rstrip(b"\0")
    [(level, kind, fds)] = ancillary
    assert (level, kind, len(fds)) == (socket.SOL_SOCKET, socket.SCM_RIGHTS, 4)
    assert not flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC)
    master = array.array("i", fds)[0]
    assert os.isatty(master)
    assert conn.recv(1) == b""  # and it is closed
    listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        listener.accept()  # one connection only
    os.close(master)
    conn.close()
    listener.close()


@pytest.mark.parametrize("length", [100, 107, 108, 200])
def test_any_length_of_the_sockets_path_will_do(kenro, bundle, tmp_path, length):
    room = length - len(str(tmp_path)) - 2
    directory = tmp_path / ("d" * max(room - 8, 1))
    if room < 2:
        pytest.skip("the directory for tests has a longer path already")
    directory.mkdir()
    name = "s" * max(length - len(str(directory)) - 1, 1)
    console = ConsoleSocket(directory / name)
    write_config(bundle, config(*SLEEP, terminal=True))
    kenro.ok("create", "--console-socket", directory / name, "-b", bundle, "c")
    os.close(console.receive())
    console.close()


# ---- in the foreground -------------------------------------------------------------------

@pytest.mark.parametrize("how", ["run", "exec"])
def test_every_signal_that_can_be_caught_is_handed_on(kenro, bundle, how):
    trap = ("for s in $(seq 1 64); do case $s in 9|17|19|28|32|33) ;; "
            "*) trap \"echo $s\" $s 2>/dev/null;; esac; done; echo ready; "
            "while :; do sleep 0.05; done")
    if how == "run":
        write_config(bundle, config("/bin/sh", "-c", trap))
        p = kenro.popen("run", "-b", bundle, "c", stdout=subprocess.PIPE)
    else:
        write_config(bundle, config(*SLEEP))
        kenro.ok("run", "-d", "-b", bundle, "c")
        p = kenro.popen("exec", "c", "/bin/sh", "-c", trap, stdout=subprocess.PIPE)
    assert p.stdout.readline() == "ready\n"
    # not CHLD, and WINCH has a meaning of its own; libc's 32 and 33 no shell can trap
    for s in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD,
                                       signal.SIGWINCH}:
        os.kill(p.pid, s)
        assert p.stdout.readline() == f"{int(s)}\n"
    kenro.ok("delete", "-f", "c")
    assert p.wait(30) == 137
    p.stdout.close()


@pytest.mark.parametrize("command", ["run", "exec"])
def test_the_end_of_standard_input_is_passed_on(kenro, bundle, command):
    if command == "run":
        write_config(bundle, config("/bin/cat"))
        assert kenro.ok("run", "-b", bundle, "c", input="all of it\n") == "all of it\n"
    else:
        write_config(bundle, config(*SLEEP))
        kenro.ok("run", "-d", "-b", bundle, "c")
        assert kenro.ok("exec", "c", "/bin/cat", input="all of it\n") == "all of it\n"


def test_grandchildren_that_keep_a_pipe_are_not_waited_for(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    kenro.ok("run", "-d", "-b", bundle, "c")
    p = kenro.popen("exec", "c", "/bin/sh", "-c", "sleep 1000 & echo done; exit 4",
                    stdout=subprocess.PIPE)
    assert p.stdout.readline() == "done\n"
    assert p.wait(30) == 4  # the sleep still holds the pipe
    p.stdout.close()


def test_a_run_whose_runtime_is_killed_leaves_a_container_that_can_be_removed(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    p = kenro.popen("run", "-b", bundle, "c")
    wait_until(lambda: kenro.ids() == ["c"] and kenro.status("c") == "running")
    p.kill()
    p.wait()
    assert kenro.status("c") in ("running", "stopped")
    kenro.ok("delete", "--force", "c")


def test_pipes_of_a_detached_container_belong_to_its_user(kenro, bundle):
    write_config(bundle, shell("echo x >/dev/stderr; sleep 1000", user={"uid": 7, "gid": 7}))
    reader, writer = os.pipe()
    kenro.ok("create", "-b", bundle, "c", stderr=writer)
    assert os.fstat(writer).st_uid == 7
    os.close(writer)
    kenro.ok("start", "c")
    assert os.read(reader, 10) == b"x\n"
    os.close(reader)


# ---- the directory of a container -------------------------------------------------------

def test_records_are_whole_and_for_root_only(created):
    directory = created.root / "c"
    assert directory.stat().st_mode & 0o777 == 0o700
    assert created.root.stat().st_mode & 0o777 == 0o700
    json.loads((directory / "state.json").read_text())
    assert not [name for name in os.listdir(directory) if "tmp" in name]


def test_a_directory_appears_once_for_two_creates(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    for _ in range(10):
        both = [kenro.popen("create", "-b", bundle, "c", stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in "12"]
        assert sorted(p.wait(30) for p in both) == [0, 1]
        assert kenro.status("c") == "created"
        kenro.ok("delete", "--force", "c")
