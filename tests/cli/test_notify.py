"""The seccomp agent: it gets the descriptor and the state, and decides what the filter
leaves to it."""

import array
import errno
import fcntl
import json
import os
import re
import select
import socket
import struct
import threading

import pytest

import kenrotest
from kenrotest import config, shell, write_config
from rootless import rootless

RECV, SEND = 0xC0502100, 0xC0182101  # SECCOMP_IOCTL_NOTIF_*
MKDIR = (83, 258)  # mkdir, mkdirat of x86-64


class Agent:
    """Answers mkdir with an errno that nothing else gives, all else as usual."""

    def __init__(self, path, answer=errno.EDOM):
        self.path, self.answer = path, answer
        self.documents, self.calls, self.fds, self.firsts = [], [], [], []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(str(path))
        self.socket.listen()
        self.wake, self.stop = os.pipe()
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while True:
            ready = select.select([self.socket, self.wake, *self.fds], [], [])[0]
            if self.wake in ready:
                return
            if self.socket in ready:
                self.accept()
            for fd in [fd for fd in ready if fd in self.fds]:
                self.decide(fd)

    def accept(self):
        connection, _ = self.socket.accept()
        with connection:
            data, control, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(4 * 8))
            first = len(data)
            fds = array.array("i")
            for level, kind, payload in control:
                assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
                fds.frombytes(payload)
            while more := connection.recv(65536):
                data += more
        self.firsts.append(first == len(data))
        if not data:
            return  # the runtime has failed
        self.documents.append((json.loads(data), len(fds)))
        self.fds += fds

    def decide(self, fd):
        """Before Linux 6.11 receiving waits for ever if nobody is under the filter any more."""
        request = bytearray(80)
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        try:
            if not any(events & select.POLLIN for _, events in poll.poll(0)):
                raise OSError(errno.ENOENT, "nobody asks")
            fcntl.ioctl(fd, RECV, request)
        except OSError:
            self.fds.remove(fd)
            os.close(fd)
            return
        id, pid, _, nr = struct.unpack_from("<QIIi", request)
        self.calls.append((nr, pid))
        fail = nr in MKDIR
        reply = struct.pack("<QqiI", id, 0, -self.answer if fail else 0, 0 if fail else 1)
        fcntl.ioctl(fd, SEND, reply)

    def close(self):
        os.write(self.stop, b"x")
        self.thread.join()
        for fd in (*self.fds, self.wake, self.stop):
            os.close(fd)
        self.socket.close()


@pytest.fixture
def agent(tmp_path):
    a = Agent(tmp_path / "agent")
    yield a
    a.close()


def notifying(c, agent, *names, **kw):
    c["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": str(agent.path),
        "syscalls": [{"names": [*names] or ["mkdir", "mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
        **kw}
    return c


SCRIPT = "mkdir /tmp/x 2>&1; true"
# busybox is static glibc, which knows the words
REFUSED = os.strerror(errno.EDOM)


@pytest.mark.parametrize("new_privileges", (False, True))
def test_the_agent_decides(kenro, bundle, agent, new_privileges):
    c = notifying(shell(SCRIPT, noNewPrivileges=not new_privileges), agent)
    write_config(bundle, c)
    assert REFUSED in kenro.ok("run", "--bundle", bundle, "c")


def test_it_is_told_which_container_this_is(kenro, bundle, agent):
    c = notifying(config("/bin/sleep", "1000"), agent, listenerMetadata="a=b")
    c["annotations"] = {"org.example.a": "1"}
    write_config(bundle, c)
    kenro.ok("create", "--bundle", bundle, "c")
    pid = kenro.pid("c")
    kenrotest.wait_until(lambda: agent.documents)
    document, fds = agent.documents[0]
    assert fds == 1 and document["fds"] == ["seccompFd"]
    assert document["pid"] == pid and document["metadata"] == "a=b"
    assert document["ociVersion"] == c["ociVersion"]
    assert document["state"] == {"ociVersion": c["ociVersion"], "id": "c", "pid": pid,
                                 "status": "creating", "bundle": str(bundle),
                                 "annotations": c["annotations"]}
    kenro.ok("start", "c")
    assert len(agent.documents) == 1
    assert agent.firsts == [True]  # there are agents that receive once


@pytest.mark.parametrize("new_privileges", (False, True))
def test_an_exec_has_a_descriptor_of_its_own(kenro, bundle, agent, new_privileges):
    c = notifying(config("/bin/sleep", "1000", noNewPrivileges=not new_privileges), agent)
    write_config(bundle, c)
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    assert REFUSED in kenro.ok("exec", "c", "/bin/sh", "-c", SCRIPT)
    document, fds = agent.documents[1]
    assert fds == 1
    assert document["state"]["status"] == "running"
    assert document["state"]["pid"] == kenro.pid("c") != document["pid"]


def test_it_may_decide_about_the_execution_itself(kenro, bundle, agent):
    write_config(bundle, notifying(shell("echo hello"), agent, "execve"))
    assert kenro.ok("run", "--bundle", bundle, "c") == "hello\n"
    assert 59 in [nr for nr, _ in agent.calls]


def test_it_works_in_a_joined_pid_namespace(kenro, bundle, agent):
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("run", "-d", "--bundle", bundle, "first")
    c = notifying(shell(SCRIPT), agent)
    c["linux"]["namespaces"] = [
        {**n, "path": f"/proc/{kenro.pid('first')}/ns/pid"} if n["type"] == "pid" else n
        for n in c["linux"]["namespaces"]]
    write_config(bundle, c)
    assert REFUSED in kenro.ok("run", "--bundle", bundle, "second")


def test_a_program_sees_nothing_of_the_descriptor(kenro, bundle, agent):
    c = notifying(config("/bin/ls", "/proc/self/fd"), agent)
    write_config(bundle, c)
    assert kenro.ok("run", "--bundle", bundle, "c").split() == ["0", "1", "2", "3"]


def test_the_flag_for_killable_waiting_is_taken(kenro, bundle, agent):
    c = notifying(shell(SCRIPT), agent, flags=["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"])
    write_config(bundle, c)
    assert REFUSED in kenro.ok("run", "--bundle", bundle, "c")


def test_without_an_agent_nothing_is_made(kenro, bundle, tmp_path):
    class Nobody:
        path = tmp_path / "nobody"

    write_config(bundle, notifying(config(), Nobody))
    assert kenro.fails("run", "--bundle", bundle, "c") == \
        "run c: failed to connect with seccomp agent: cannot open the socket " \
        f"{Nobody.path}: ENOENT"


def test_an_agent_that_hangs_up_is_an_error(kenro, bundle, tmp_path):
    path = tmp_path / "rude"
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.bind(str(path))
    s.listen()

    class Rude:
        pass

    Rude.path = path
    c = notifying(config("/bin/sleep", "1000"), Rude)
    # More than a socket holds, so that the writer is there when the reader goes.
    c["annotations"] = {f"org.example.{i}": "x" * 1000 for i in range(1000)}
    write_config(bundle, c)
    p = kenro.popen("create", "--bundle", bundle, "c", stderr=-1)
    s.accept()[0].close()
    assert re.search("cannot send to the (seccomp agent|other process): E(PIPE|CONNRESET)",
                     p.communicate(timeout=30)[1])
    assert p.returncode == 1
    assert kenro.ids() == []
    s.close()


@pytest.mark.parametrize("name", ("read", "write"))
def test_what_the_runtime_needs_itself_is_refused(kenro, bundle, agent, name):
    write_config(bundle, notifying(config(), agent, name))
    assert kenro.fails("run", "--bundle", bundle, "c") == \
        "run c: linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY cannot be used for the " \
        f"{name} syscall"
    assert agent.documents == []


def test_an_ordinary_users_runtime_cannot_hand_it_over(user):
    """The descriptor is taken out of a process that cannot be dumped."""
    agent = Agent(user.home / "agent")
    os.chmod(user.home / "agent", 0o777)
    bundle = user.bundle(notifying(rootless("/bin/sleep", "1000"), agent))
    assert "cannot fetch the seccomp agent's descriptor: EPERM" in \
        user.fails("run", "-b", bundle, "c")
    agent.close()
