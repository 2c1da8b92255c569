"""Terminals: the console socket, and run and exec at a terminal."""

import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import termios

import pytest

from console import ConsoleSocket, read_until
from kenrotest import config, shell, user_namespace, wait_until, write_config


TTY = {"terminal": True}


def test_create_sends_the_master(kenro, bundle, console):
    write_config(bundle, config("/bin/sh", **TTY))
    kenro.ok("create", "--console-socket", console.path, "-b", bundle, "c")
    master = console.receive()
    kenro.ok("start", "c")
    os.write(master, b"tty; ls -l /proc/self/fd/0; test -t 2 && echo it is; stty size\n")
    out = read_until(master, "it is\r\n")
    assert "/dev/pts/0" in out
    os.write(master, b"echo $((6 * 7)); exit 3\n")
    assert "42" in read_until(master, None)
    kenro.wait_for("c", "stopped")
    os.close(master)


def test_the_terminal_is_the_containers_own(kenro, bundle, console):
    c = config("/bin/inside", user={"uid": 1000, "gid": 1000},
               consoleSize={"height": 33, "width": 101}, **TTY)
    write_config(bundle, c)
    kenro.ok("create", "--console-socket", console.path, "-b", bundle, "c")
    master = console.receive()
    size = struct.unpack("HHHH", fcntl.ioctl(master, termios.TIOCGWINSZ, b"\0" * 8))
    assert size[:2] == (33, 101)
    # a client's terminal leaves it to this one that lines begin at the left
    assert termios.tcgetattr(master)[1] & termios.ONLCR
    kenro.ok("start", "c")
    seen = json.loads(read_until(master, None))
    assert seen["tty"] == 1 and seen["controlling_tty"] == seen["sid"] == seen["pid"]
    assert {seen["fds"][str(fd)] for fd in range(3)} == {"/dev/pts/0"}
    assert seen["dev"]["console"].startswith("20620 1000:5 136:0")  # a character device, 0620
    os.close(master)


@pytest.mark.parametrize("user", [0, 7])
def test_a_terminal_in_a_user_namespace(kenro, bundle, console, user):
    write_config(bundle, user_namespace(config("/bin/tty", user={"uid": user, "gid": user}, **TTY)))
    kenro.ok("create", "--console-socket", console.path, "-b", bundle, "c")
    master = console.receive()
    kenro.ok("start", "c")
    assert read_until(master, None) == "/dev/pts/0\r\n"
    os.close(master)


def test_exec_sends_the_master(kenro, bundle, console):
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("run", "-d", "-b", bundle, "c")
    p = kenro.popen("exec", "-t", "-d", "--console-socket", console.path, "c", "/bin/sh", "-c",
                    "tty; echo done")
    master = console.receive()
    assert p.wait() == 0
    assert read_until(master, None) == "/dev/pts/0\r\ndone\r\n"
    os.close(master)


def test_a_terminal_that_nobody_takes_is_an_error(kenro, bundle):
    write_config(bundle, config(**TTY))
    for command in (["create"], ["run", "-d"]):
        line = kenro.fails(*command, "-b", bundle, "c")
        assert "cannot allocate tty if kenro will detach without setting console socket" in line
    assert kenro.ids() == []


def test_a_console_socket_without_a_terminal_is_an_error(kenro, bundle, console):
    assert "--console-socket needs a terminal" in \
        kenro.fails("create", "--console-socket", console.path, "-b", bundle, "c")


def test_a_console_socket_that_is_not_there_is_an_error(kenro, bundle, tmp_path):
    write_config(bundle, config(**TTY))
    line = kenro.fails("create", "--console-socket", tmp_path / "nosuch", "-b", bundle, "c")
    assert "--console-socket: cannot open the socket" in line and "ENOENT" in line


def test_a_long_path_of_a_console_socket(kenro, bundle, tmp_path):
    long = tmp_path / ("d" * 100) / ("e" * 100)
    long.mkdir(parents=True)
    console = ConsoleSocket(long / "console")
    write_config(bundle, config(**TTY))
    kenro.ok("create", "--console-socket", console.path, "-b", bundle, "c")
    os.close(console.receive())
    console.close()


def test_a_failing_create_says_why_before_the_console_closes(kenro, bundle, console):
    write_config(bundle, config("nosuch", **TTY))
    assert "executable file not found in $PATH" in \
        kenro.fails("create", "--console-socket", console.path, "-b", bundle, "c")


class Terminal:
    """A terminal of ours at which kenro runs in the foreground."""

    def __init__(self, command, size=(11, 22)):
        self.master, slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def write(self, text):
        os.write(self.master, text.encode())

    def read_until(self, text):
        return read_until(self.master, text)

    def end(self):
        status = self.process.wait(timeout=60)
        restored = termios.tcgetattr(self.slave) == self.before
        os.close(self.slave)
        os.close(self.master)
        return status, restored


def test_run_at_a_terminal(kenro, bundle):
    write_config(bundle, config("/bin/sh", env=["PATH=/bin", "PS1=prompt "], **TTY))
    t = Terminal(kenro.command("run", "-b", bundle, "c"))
    t.read_until("prompt ")
    t.write("stty size; tty\r")
    out = t.read_until("/dev/pts/0")
    assert "11 22" in out
    # a new size of ours reaches the container
    fcntl.ioctl(t.master, termios.TIOCSWINSZ, struct.pack("HHHH", 44, 55, 0, 0))
    os.kill(t.process.pid, signal.SIGWINCH)
    wait_until(lambda: "44 55" in kenro.ok("exec", "c", "/bin/sh", "-c",
                                           "stty size </dev/console"))
    # Ctrl-C is the container's, not ours
    t.write("sleep 1000\r")
    t.read_until("sleep 1000")
    wait_until(lambda: "sleep 1000" in kenro.ok("exec", "c", "/bin/ps").replace("sh -c", ""))
    t.write("\x03")
    t.read_until("prompt ")
    t.write("exit 5\r")
    assert t.end() == (5, True)


def test_exec_at_a_terminal(kenro, bundle):
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("run", "-d", "-b", bundle, "c")
    t = Terminal(kenro.command("exec", "--tty", "c", "/bin/sh", "-c", "tty; read x; echo =$x="))
    t.read_until("/dev/pts/0")
    t.write("typed\r")
    t.read_until("=typed=")
    assert t.end() == (0, True)


def foreground(kenro, bundle, command, script, tmp_path, **process):
    """The command line that runs SCRIPT with a terminal, in a new container or another."""
    if command == "run":
        write_config(bundle, shell(script, **TTY, **process))
        return kenro.command("run", "-b", bundle, "c")
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("run", "-d", "-b", bundle, "c")
    c = shell(script, **TTY, **process)["process"]
    (tmp_path / "process.json").write_text(json.dumps(c))
    return kenro.command("exec", "--process", tmp_path / "process.json", "c")


@pytest.mark.parametrize("command", ["run", "exec"])
def test_lines_at_a_terminal_begin_at_the_left(kenro, bundle, tmp_path, command):
    """Nobody else would return the carriage: the caller's terminal is raw."""
    t = Terminal(foreground(kenro, bundle, command, "printf 'a\\nb\\n'; stty size", tmp_path))
    assert t.read_until("11 22\r\n") == "a\r\nb\r\n11 22\r\n"
    assert t.end() == (0, True)


@pytest.mark.parametrize("stdin", ["/dev/null", "closed", "file", "pipe"])
@pytest.mark.parametrize("command", ["run", "exec"])
def test_output_that_goes_elsewhere_has_plain_newlines(kenro, bundle, tmp_path, command, stdin):
    """Whatever standard input is."""
    line = foreground(kenro, bundle, command, "printf 'a\\nb\\n'; test -t 0 && echo c", tmp_path)
    if stdin == "closed":
        line = ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *line]
    (tmp_path / "empty").touch()
    given = {"pipe": {"input": b""}, "file": {"stdin": (tmp_path / "empty").open()}}
    p = subprocess.run(line, capture_output=True, timeout=60,
                       **given.get(stdin, {"stdin": subprocess.DEVNULL}))
    assert (p.returncode, p.stdout, p.stderr) == (0, b"a\nb\nc\n", b"")


def test_only_output_elsewhere_has_plain_newlines(kenro, bundle, tmp_path):
    """Standard input is a terminal, which is as it was afterwards."""
    master, slave = pty.openpty()
    before = termios.tcgetattr(slave)
    p = subprocess.run(foreground(kenro, bundle, "run", "printf 'a\\nb\\n'", tmp_path),
                       stdin=slave, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
    assert (p.returncode, p.stdout) == (0, b"a\nb\n")
    assert termios.tcgetattr(slave) == before
    os.close(slave)
    os.close(master)


@pytest.mark.parametrize("command", ["run", "exec"])
def test_the_size_is_the_configured_one_if_nobody_has_another(kenro, bundle, tmp_path, command):
    size = {"consoleSize": {"height": 33, "width": 101}}
    line = foreground(kenro, bundle, command, "stty size", tmp_path, **size)
    p = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                       start_new_session=True)
    assert p.stdout == b"33 101\n", p.stderr
    kenro.ok("delete", "--force", "c")
    t = Terminal(foreground(kenro, bundle, command, "stty size", tmp_path, **size))
    assert t.read_until("\n") == "11 22\r\n"
    t.end()
    kenro.ok("delete", "--force", "c")
    # a terminal that does not know its own
    t = Terminal(foreground(kenro, bundle, command, "echo ready; read x; stty size", tmp_path,
                            **size), size=(0, 0))
    t.read_until("ready\r\n")
    t.write("go\r")
    assert t.read_until("101\r\n") == "go\r\n33 101\r\n"
    t.end()


@pytest.mark.parametrize("uid", [0, 1000])
@pytest.mark.parametrize("command", ["run", "exec"])
def test_the_terminal_is_named_and_belongs_to_the_programs_user(kenro, bundle, tmp_path, command,
                                                                uid):
    line = foreground(kenro, bundle, command, "tty; stat -c '%u %a' $(tty); : <>$(tty) && echo mine",
                      tmp_path, user={"uid": uid, "gid": uid})
    p = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert p.stdout == f"/dev/pts/0\n{uid} 620\nmine\n", p.stderr


@pytest.mark.parametrize("command", [["run"], ["run", "-d"], ["create"]])
def test_without_a_terminal_there_is_none(kenro, bundle, tmp_path, command):
    write_config(bundle, shell("tty; ls /dev/console /dev/pts", terminal=False))
    with open(tmp_path / "out", "w+") as out:
        p = subprocess.run(kenro.command(*command, "-b", bundle, "c"), stdin=subprocess.DEVNULL,
                           stdout=out, stderr=out, timeout=60)
        assert p.returncode == (1 if command == ["run"] else 0)  # ls's
        if command == ["create"]:
            kenro.ok("start", "c")
        if command != ["run"]:
            kenro.wait_for("c", "stopped")
        out.seek(0)
        assert out.read() == "not a tty\nls: /dev/console: No such file or directory\n" \
            "/dev/pts:\nptmx\n"


def test_the_terminal_is_restored_when_the_program_is_killed(kenro, bundle):
    write_config(bundle, config("/bin/sleep", "1000", **TTY))
    t = Terminal(kenro.command("run", "-b", bundle, "c"))
    wait_until(lambda: "c" in kenro.ids() and kenro.status("c") == "running")
    kenro.ok("kill", "c", "KILL")
    assert t.end() == (137, True)


def test_a_fake_ptmx_in_the_image_is_not_opened(kenro, bundle, console):
    """CVE-2025-52565: only a devpts of the container's own will do."""
    c = config(**TTY)
    c["mounts"] = [m for m in c["mounts"] if m["destination"] != "/dev/pts"]
    (bundle / "fake").mkdir()
    os.symlink("/etc/passwd", bundle / "fake/ptmx")
    c["mounts"].append({"destination": "/dev/pts", "type": "bind", "source": "fake",
                        "options": ["bind"]})
    write_config(bundle, c)
    assert "/dev/pts/ptmx" in \
        kenro.fails("create", "--console-socket", console.path, "-b", bundle, "c")


def test_without_a_devpts_the_way_out_is_named(kenro, bundle, console):
    c = config(**TTY)
    c["mounts"] = [m for m in c["mounts"] if m["destination"] != "/dev/pts"]
    write_config(bundle, c)
    assert "(mount a devpts at /dev/pts)" in \
        kenro.fails("create", "--console-socket", console.path, "-b", bundle, "c")


def test_stdin_end_is_passed_on(kenro, bundle):
    write_config(bundle, shell("cat; echo end"))
    assert kenro.ok("run", "-b", bundle, "c", input="text") == "textend\n"


def run_piped(kenro, bundle, args, data, seconds=30):
    """kenro in the foreground with a terminal of its own making, fed with DATA."""
    write_config(bundle, config(*args, **TTY))
    return subprocess.run(kenro.command("run", "-b", bundle, "c"), input=data,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds)


def test_input_that_nobody_reads_holds_nothing_up(kenro, bundle):
    r = run_piped(kenro, bundle, ["/bin/sleep", "0.2"], b"x" * 300_000)
    assert (r.returncode, r.stderr) == (0, b"")


def test_much_input_and_output_at_once(kenro, bundle):
    lines = b"".join(b"%06d\n" % i for i in range(60_000))
    r = run_piped(kenro, bundle, ["/bin/sh", "-c", "stty raw -echo; echo go; head -c 420000"], lines)
    assert r.stdout.split(b"go", 1)[1].lstrip(b"\r\n") == lines


def test_output_that_would_block_is_kept(kenro, bundle):
    """Standard output is a pipe in non-blocking mode, as Node.js and others leave it."""
    write_config(bundle, config("/bin/sh", "-c", "seq 60000", **TTY))
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    p = kenro.popen("run", "-b", bundle, "c", stdin=subprocess.DEVNULL, stdout=writer)
    os.close(writer)
    with open(reader, "rb") as f:
        got = f.read()
    assert p.wait(30) == 0
    assert got.split() == [b"%d" % i for i in range(1, 60001)]


def test_a_reader_that_goes_away_does_not_hold_the_program_up(kenro, bundle):
    write_config(bundle, config("/bin/sh", "-c", "seq 60000; exit 7", **TTY))
    reader, writer = os.pipe()
    p = kenro.popen("run", "-b", bundle, "c", stdin=subprocess.DEVNULL, stdout=writer)
    os.close(writer)
    os.close(reader)
    assert p.wait(30) == 7


def test_an_exec_with_a_terminal_in_a_user_namespace(kenro, bundle, console):
    write_config(bundle, user_namespace(config("/bin/sleep", "1000")))
    kenro.ok("run", "-d", "-b", bundle, "c")
    kenro.ok("exec", "-t", "-d", "-u", "1000", "--console-socket", console.path, "c", "/bin/sh",
             "-c", "stat -c %u /dev/pts/0; tty")
    master = console.receive()
    assert read_until(master, None).split() == ["1000", "/dev/pts/0"]
    os.close(master)


def test_what_is_left_behind_does_not_keep_the_caller(kenro, bundle):
    """Two processes that write to the terminal for ever."""
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("run", "-d", "-b", bundle, "c")
    reader, writer = os.pipe()
    p = kenro.popen("exec", "-t", "c", "/bin/sh", "-c", 'trap "" HUP; yes & yes & exit 3',
                    stdin=subprocess.DEVNULL, stdout=writer)
    os.close(writer)
    with open(reader, "rb") as f:
        f.read()
    assert p.wait(30) == 3
    kenro.ok("delete", "-f", "c")
