"""Terminals as a caller has them: the console socket, and reading from a master."""

import array
import os
import select
import socket


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
