"""What a caller hands to a container, and a container to a caller: descriptors of the
process, sockets to listen on, and the word that a service is ready."""

import os
import select
import signal
import socket
import subprocess
import time

import pytest

from kenrotest import config, shell, user_namespace, wait_until, write_config
from rootless import rootless


def is_process(fd, pid):
    return f"Pid:\t{pid}\n" in open(f"/proc/self/fdinfo/{fd}").read()


@pytest.fixture
def receiver(console):
    yield console


def test_create_sends_a_descriptor_of_init(kenro, bundle, receiver):
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("create", "--bundle", bundle, "--pidfd-socket", receiver.path, "c")
    fd = receiver.receive()
    assert is_process(fd, kenro.pid("c"))
    kenro.ok("start", "c")
    signal.pidfd_send_signal(fd, signal.SIGKILL)
    assert select.select([fd], [], [], 20)[0]
    os.close(fd)


def test_run_and_exec_send_one_too(kenro, bundle, receiver, tmp_path):
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("run", "-d", "--bundle", bundle, "--pidfd-socket", receiver.path, "c")
    fd = receiver.receive()
    assert is_process(fd, kenro.pid("c"))
    os.close(fd)
    pid_file = tmp_path / "pid"
    kenro.ok("exec", "-d", "--pid-file", pid_file, "--pidfd-socket", receiver.path, "c",
             "/bin/sleep", "1000")
    fd = receiver.receive()
    assert is_process(fd, int(pid_file.read_text()))
    os.close(fd)


def test_a_socket_that_is_not_there_ends_what_was_begun(kenro, bundle, tmp_path):
    write_config(bundle, config("/bin/sleep", "1000"))
    error = f"--pidfd-socket: cannot open the socket {tmp_path}/no: ENOENT"
    assert kenro.fails("create", "--bundle", bundle, "--pidfd-socket", tmp_path / "no",
                       "--pid-file", tmp_path / "pid", "c") == "create c: " + error
    assert not (tmp_path / "pid").exists()
    assert kenro.ids() == []
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    assert kenro.fails("exec", "--pidfd-socket", tmp_path / "no", "c", "/bin/sleep", "1000",
                       status=255) == "exec c: " + error


def listening(kenro, bundle, environment, *args, fds=1):
    """Run with FDS pipes from descriptor 3 on; the shell's own pid is then kenro's."""
    pipes = [os.pipe() for _ in range(fds)]
    moves = " ".join(f"{3 + i}<&{r}" for i, (r, _) in enumerate(pipes))
    command = " ".join(kenro.command(*args, "--bundle", bundle, "c"))
    try:
        for i, (_, w) in enumerate(pipes):
            os.write(w, f"pipe {i}".encode())
            os.close(w)
        r = subprocess.run(["bash", "-c", f"{environment} exec {command} {moves}"], text=True,
                           capture_output=True, pass_fds=[r for r, _ in pipes], timeout=60)
    finally:
        for read, _ in pipes:
            os.close(read)
    assert (r.returncode, r.stderr) == (0, "")
    return r.stdout


SHOW = "env | grep ^LISTEN | sort; cat <&3; ls /proc/self/fd"


def test_sockets_of_a_service_manager_go_to_the_program(kenro, bundle):
    write_config(bundle, shell(SHOW + "; cat <&4"))
    out = listening(kenro, bundle, "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=a:b", "run", fds=2)
    assert out.startswith("LISTEN_FDNAMES=a:b\nLISTEN_FDS=2\nLISTEN_PID=1\npipe 0")
    assert out.endswith("pipe 1")


def test_those_for_another_process_do_not(kenro, bundle):
    write_config(bundle, shell("env; ls /proc/self/fd"))
    out = listening(kenro, bundle, "LISTEN_PID=1 LISTEN_FDS=1", "run")
    assert "LISTEN" not in out
    assert out.split()[-4:] == ["0", "1", "2", "3"]  # 3 is the directory


def test_preserved_descriptors_come_after_them(kenro, bundle):
    write_config(bundle, shell("cat <&3; cat <&4; echo $LISTEN_FDS"))
    out = listening(kenro, bundle, "LISTEN_PID=$$ LISTEN_FDS=1", "run", "--preserve-fds", "1",
                    fds=2)
    assert out == "pipe 0pipe 11\n"


def test_no_number_wraps_around_with_them(kenro, bundle):
    command = " ".join(kenro.command("run", "--preserve-fds", 2 ** 32 - 1, "-b", bundle, "c"))
    r = subprocess.run(["bash", "-c", f"LISTEN_PID=$$ LISTEN_FDS=1 exec {command} 3</dev/null"],
                       text=True, capture_output=True, timeout=60)
    assert (r.returncode, r.stderr) == (1, "kenro: run c: --preserve-fds: more than 4096\n")


def test_an_engine_that_passes_them_itself_is_left_alone(kenro, bundle):
    """Podman puts the variables into the configuration and preserves the descriptors."""
    c = shell("echo $LISTEN_FDS $LISTEN_PID; cat <&3")
    c["process"]["env"] += ["LISTEN_FDS=1", "LISTEN_PID=1"]
    write_config(bundle, c)
    out = listening(kenro, bundle, "LISTEN_PID=99999 LISTEN_FDS=1", "run", "--preserve-fds", "1")
    assert out == "1 1\npipe 0"


class Manager:
    """What systemd is to a service of Type=notify."""

    def __init__(self, path):
        self.address = str(path)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.address[1:] if self.address[0] == "@" else self.address)
        self.socket.settimeout(20)

    def receive(self):
        data, fds, _, _ = socket.recv_fds(self.socket, 4096, 4)
        return data.decode(), fds

    def silent(self):
        return not select.select([self.socket], [], [], 0)[0]


@pytest.fixture
def manager(tmp_path):
    m = Manager(tmp_path / "manager")
    yield m
    m.socket.close()


def service(script):
    return shell(f"test -S $NOTIFY_SOCKET || exit 9; {script}")


def test_start_returns_when_the_service_is_ready(kenro, bundle, manager):
    write_config(bundle, service("read word </go; say STATUS=x \"$word\"; exec sleep 1000"))
    os.mkfifo(bundle / "rootfs/go")
    environment = {**os.environ, "NOTIFY_SOCKET": manager.address}
    kenro.ok("create", "--bundle", bundle, "c", env=environment)
    p = kenro.popen("start", "c", env=environment)
    with open(bundle / "rootfs/go", "w") as go:
        assert manager.silent() and p.poll() is None
        go.write("READY=1\n")
    message, fds = manager.receive()
    assert message == f"READY=1\nMAINPID={kenro.pid('c')}" and fds == []
    message, fds = manager.receive()
    assert message == "BARRIER=1" and len(fds) == 1
    assert p.poll() is None  # the manager may still want to know who sent it
    os.close(fds[0])
    assert p.wait(20) == 0
    assert kenro.status("c") == "running"


def test_create_does_not_wait(kenro, bundle, manager):
    write_config(bundle, service("sleep 1000"))
    kenro.ok("create", "--bundle", bundle, "c",
             env={**os.environ, "NOTIFY_SOCKET": manager.address})
    assert kenro.status("c") == "created"


def test_start_returns_when_the_service_ends_first(kenro, bundle, manager):
    write_config(bundle, service("exit 3"))
    environment = {**os.environ, "NOTIFY_SOCKET": manager.address}
    kenro.ok("create", "--bundle", bundle, "c", env=environment)
    kenro.ok("start", "c", env=environment)
    assert manager.silent()


def test_a_waiting_start_does_not_keep_others_away(kenro, bundle, manager):
    write_config(bundle, service("sleep 1000"))
    environment = {**os.environ, "NOTIFY_SOCKET": manager.address}
    kenro.ok("create", "--bundle", bundle, "c", env=environment)
    p = kenro.popen("start", "c", env=environment)
    kenro.wait_for("c", "running")
    kenro.ok("exec", "c", "/bin/true")
    kenro.ok("delete", "--force", "c")
    assert p.wait(20) == 0


def test_a_second_start_goes_on_where_the_first_was_killed(kenro, bundle, manager):
    c = service("say READY=1; exec sleep 1000")
    wait = {"path": "/bin/sh", "args": ["sh", "-c", "echo x >/at; read word </go"],
            "env": ["PATH=/bin"]}
    c["hooks"] = {"startContainer": [wait]}
    write_config(bundle, c)
    for name in ("at", "go"):
        os.mkfifo(bundle / "rootfs" / name)
    environment = {**os.environ, "NOTIFY_SOCKET": manager.address}
    kenro.ok("create", "--bundle", bundle, "c", env=environment)
    p = kenro.popen("start", "c", env=environment)
    assert (bundle / "rootfs/at").read_text() == "x\n"
    p.kill()
    p.wait(20)
    assert kenro.status("c") == "created"
    sock = kenro.root / "c/notify/notify.sock"
    before = sock.stat().st_ctime_ns
    with kenro.popen("start", "c", env=environment) as p:
        wait_until(lambda: p.poll() is not None or
                   sock.exists() and sock.stat().st_ctime_ns != before)
        assert p.poll() is None
        (bundle / "rootfs/go").write_text("word\n")
        assert manager.receive()[0].startswith("READY=1\n")
        os.close(manager.receive()[1][0])
    assert p.returncode == 0


@pytest.mark.parametrize("abstract", (False, True))
def test_run_tells_it_while_it_waits(kenro, bundle, tmp_path, abstract):
    """It stays the service's process, so that the manager sees what becomes of it."""
    manager = Manager(f"@{tmp_path.name}-manager" if abstract else tmp_path / "manager")
    write_config(bundle, service("say READY=1; exec sleep 1000"))
    p = kenro.popen("run", "--bundle", bundle, "c",
                    env={**os.environ, "NOTIFY_SOCKET": manager.address})
    assert manager.receive() == ("READY=1", [])
    kenro.ok("kill", "c", "KILL")
    assert p.wait(20) == 137
    manager.socket.close()


def test_a_detached_run_waits_for_it(kenro, bundle, manager):
    write_config(bundle, service("say READY=1; exec sleep 1000"))
    p = kenro.popen("run", "-d", "--bundle", bundle, "c",
                    env={**os.environ, "NOTIFY_SOCKET": manager.address})
    assert manager.receive()[0].startswith("READY=1\n")
    os.close(manager.receive()[1][0])
    assert p.wait(20) == 0


def run_service(kenro, bundle, manager, script, *options):
    write_config(bundle, service(script))
    return kenro.popen("run", *options, "--bundle", bundle, "c", env={**os.environ, "NOTIFY_SOCKET": manager.address})


@pytest.mark.parametrize("message", (
    "READY=0", "XREADY=1", "READY=12", "MAINPID=1", "NOTIFYACCESS=all", "FDSTORE=1", "BARRIER=1",
    "EXTEND_TIMEOUT_USEC=1", "WATCHDOG=trigger", "WATCHDOG_USEC=1", "MONOTONIC_USEC=1x", "MONOTONIC_USEC=",
    "MONOTONIC_USEC=123456789012345678901", "X" * 5000 + "\nREADY=1", "STATUS=" + "x" * 600))
@pytest.mark.parametrize("options", ([], ["--detach"]), ids=("foreground", "detached"))
def test_nothing_else_of_a_service_reaches_the_manager(kenro, bundle, manager, message, options):
    p = run_service(kenro, bundle, manager, f"say '{message}'; say 'A=b\nREADY=1'; exec sleep 1000", *options)
    ready, fds = manager.receive()
    assert ready == (f"READY=1\nMAINPID={kenro.pid('c')}" if options else "READY=1") and fds == []
    if options:
        os.close(manager.receive()[1][0])
    assert manager.silent()
    kenro.ok("kill", "c", "KILL")
    p.wait(20)


def test_a_service_may_speak_of_itself(kenro, bundle, manager):
    p = run_service(kenro, bundle, manager, "say 'READY=1\nMAINPID=1\nSTATUS=größer'; say WATCHDOG=1; "
                    "say 'RELOADING=1\nMONOTONIC_USEC=12'; say STOPPING=1; exec sleep 1000")
    said = [manager.receive()[0] for _ in range(4)]
    assert said == ["READY=1\nSTATUS=größer", "WATCHDOG=1", "RELOADING=1\nMONOTONIC_USEC=12", "STOPPING=1"]
    kenro.ok("kill", "c", "KILL")
    p.wait(20)


def test_a_service_cannot_write_to_terminals(kenro, bundle, manager):
    p = run_service(kenro, bundle, manager, "say 'STATUS=\033[31mred\u009b0m\nREADY=1'; exec sleep 1000")
    assert manager.receive()[0] == "STATUS=?[31mred??0m\nREADY=1"
    kenro.ok("kill", "c", "KILL")
    p.wait(20)


def test_a_detached_service_says_no_more_than_that_it_is_ready(kenro, bundle, manager):
    """Whoever could hand it on has ended by then."""
    p = run_service(kenro, bundle, manager, "say STATUS=x; say 'READY=1\nSTATUS=y'; exec sleep 1000", "--detach")
    assert manager.receive()[0] == f"READY=1\nMAINPID={kenro.pid('c')}"
    os.close(manager.receive()[1][0])
    assert p.wait(20) == 0


def test_what_a_service_says_last_is_heard(kenro, bundle, manager):
    p = run_service(kenro, bundle, manager, "say STATUS=1; say STATUS=2; say READY=1; exit 3")
    assert [manager.receive()[0] for _ in range(3)] == ["STATUS=1", "STATUS=2", "READY=1"]
    assert p.wait(20) == 3


def test_a_manager_that_does_not_read_holds_nothing_up(kenro, bundle, manager):
    """Signals, and the end."""
    p = run_service(kenro, bundle, manager, "trap 'exit 5' TERM; i=0; while [ $i -lt 2000 ]; do say STATUS=$i; "
                    "i=$((i + 1)); [ $i != 5 ] || echo 5 >/five; done & wait")
    wait_until(lambda: (bundle / "rootfs/five").exists())
    p.terminate()
    assert p.wait(20) == 5


def test_a_service_that_says_much_is_heard_now_and_then(kenro, bundle, manager):
    begin = time.monotonic()
    p = run_service(kenro, bundle, manager, "while :; do say STATUS=x; done")
    for _ in range(31):
        manager.receive()
    assert time.monotonic() - begin > 30 * 0.05
    kenro.ok("kill", "c", "KILL")
    p.wait(20)


def test_a_user_of_the_container_can_say_it(kenro, bundle, manager):
    c = user_namespace(service("say READY=1; exec sleep 1000"))
    c["process"]["user"] = {"uid": 1000, "gid": 1000}
    subprocess.run(["chown", "-R", "100000:100000", bundle / "rootfs"], check=True)
    write_config(bundle, c)
    p = kenro.popen("run", "--bundle", bundle, "c",
                    env={**os.environ, "NOTIFY_SOCKET": manager.address})
    assert manager.receive()[0] == "READY=1"
    kenro.ok("kill", "c", "KILL")
    p.wait(20)


def test_the_program_cannot_change_what_lies_around_the_socket(kenro, bundle, manager):
    write_config(bundle, service("rm $NOTIFY_SOCKET; touch /run/notify/x; say READY=1; "
                                 "exec sleep 1000"))
    p = kenro.popen("run", "--bundle", bundle, "c", stderr=subprocess.PIPE,
                    env={**os.environ, "NOTIFY_SOCKET": manager.address})
    assert manager.receive()[0] == "READY=1"
    kenro.ok("kill", "c", "KILL")
    assert p.communicate()[1].count("Read-only file system") == 2


@pytest.mark.parametrize("target", ("/proc", "/proc/self/attr"))
def test_a_link_of_the_image_does_not_lead_it_into_procfs(kenro, bundle, manager, target):
    (bundle / "rootfs/run").mkdir(exist_ok=True)
    (bundle / "rootfs/run/notify").symlink_to(target)
    assert "NOTIFY_SOCKET: /run/notify leads into procfs" in \
        kenro.fails("run", "--bundle", bundle, "c",
                    env={**os.environ, "NOTIFY_SOCKET": manager.address})


def test_without_a_manager_there_is_no_socket(kenro, bundle):
    write_config(bundle, shell("echo \"<$NOTIFY_SOCKET>\"; ls /run"))
    assert kenro.ok("run", "--bundle", bundle, "c", env={"NOTIFY_SOCKET": ""}) == "<>\n"


def test_a_service_of_an_ordinary_user(user):
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.settimeout(20)
    manager.bind(str(user.home / "manager"))
    os.chmod(user.home / "manager", 0o777)
    bundle = user.bundle(rootless("/bin/sh", "-c", "say READY=1; exec sleep 1000"))
    environment = {**user.env, "NOTIFY_SOCKET": str(user.home / "manager")}
    p = user.popen("run", "-b", bundle, "c", env=environment, cwd=user.home)
    assert manager.recv(4096) == b"READY=1"
    user.ok("kill", "c", "KILL")
    assert p.wait(20) == 137
    manager.close()
