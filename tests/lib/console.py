"""Terminals as a caller has them: the console socket, and reading from a master."""

import array
import fcntl
import os
import select
import socket
import struct
import subprocess
import termios

from kenrotest import wait_until


class ConsoleSocket:
    """What conmon and containerd's shim do: one message, one descriptor."""

    def __init__(self, path):
        self.path = str(path)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        here = os.getcwd()
        os.chdir(os.path.dirname(self.path))
        self.sock.bind(os.path.basename(self.path))
        os.chdir(here)
        self.sock.listen(1)

    def receive(self):
        conn, _ = self.sock.accept()
        data, ancillary, flags, _ = conn.recvmsg(4096, socket.CMSG_SPACE(2 * 4))
        assert 1 <= len(data) < 4096
        assert len(ancillary) == 1
        level, kind, fds = ancillary[0]
        assert (level, kind, len(fds)) == (socket.SOL_SOCKET, socket.SCM_RIGHTS, 4)
        assert not flags & (socket.MSG_CTRUNC | socket.MSG_TRUNC)
        assert conn.recv(1) == b""  # nothing else, and closed
        conn.close()
        return array.array("i", fds)[0]

    def close(self):
        self.sock.close()


def read_until(fd, text, seconds=20):
    """What comes from a terminal until TEXT, or its end."""
    got = b""
    while text is None or text.encode() not in got:
        ready, _, _ = select.select([fd], [], [], seconds)
        assert ready, f"waited for {text!r}, got {got!r}"
        try:
            data = os.read(fd, 4096)
        except OSError:  # EIO: the other side is closed
            break
        if not data:
            break
        got += data
    return got.decode()


class Terminal:
    """A command at a terminal of its own, and who sits there."""

    def __init__(self, argv, rows=24, columns=80, **kw):
        self.master, slave = os.openpty()
        self.resize(rows, columns)
        with os.fdopen(slave, "r+b", buffering=0) as tty:
            self.process = subprocess.Popen(argv, stdin=tty, stdout=tty, stderr=tty, start_new_session=True,
                                            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), **kw)
        self.seen = ""

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def keys(self, *keys):
        """Each when the command has read what was typed before."""
        terminal = os.open(os.ptsname(self.master), os.O_RDWR | os.O_NOCTTY)
        for key in keys:
            self.type(key)
            wait_until(lambda: fcntl.ioctl(terminal, termios.FIONREAD, b"\0" * 4) == b"\0" * 4)
        os.close(terminal)

    def until(self, text, seconds=60):
        """What is shown up to TEXT."""
        while text not in self.seen:
            got = read_until(self.master, text[-1], seconds)
            assert got, f"waited for {text!r}, got {self.seen!r}"
            self.seen += got
        shown, _, self.seen = self.seen.partition(text)
        return shown + text

    def shows(self, text, seconds):
        """Whether TEXT has come; it waits so long for more."""
        if text not in self.seen and select.select([self.master], [], [], seconds)[0]:
            self.seen += os.read(self.master, 4096).decode()
        return text in self.seen

    def wait(self, seconds=60):
        """The command's exit status."""
        read_until(self.master, None, seconds)
        return self.process.wait(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.master)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
