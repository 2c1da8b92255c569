"""What a caller hands to a container, and a container to a caller: descriptors of the
process, sockets to listen on, and the word that a service is ready."""

import os
import select
import signal

import pytest

from kenrotest import config, write_config


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
    assert kenro.fails("create", "--bundle", bundle, "--pidfd-socket", tmp_path / "no", "c") == \
        "create c: " + error
    assert kenro.ids() == []
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    assert kenro.fails("exec", "--pidfd-socket", tmp_path / "no", "c", "/bin/sleep", "1000",
                       status=255) == "exec c: " + error
