"""A guest, whatever runs it: a process, its console, and a channel of lines to the agent."""

import importlib
import os
import re
import select
import signal
import socket
import subprocess
import time

from mortal import mortal

TIERS = {"fast": ("uml", "Uml"), "full": ("qemu", "Qemu"),
         "linux-bookworm": ("kernel", "Bookworm"), "linux-trixie": ("kernel", "Trixie"),
         "linux-sid": ("kernel", "Sid")}


def tier(name):
    """The class of the guests of a tier."""
    module, cls = TIERS[name]
    return getattr(importlib.import_module(module), cls)


class Dead(Exception):
    """The guest has ended, or says nothing any more."""


class Guest:
    """What a tier adds: _command(), or another _launch()."""

    def __init__(self, image, payload, directory):
        self.image, self.payload, self.directory = image, payload, directory
        self.console = directory / "console"
        self.process = None
        self.channel = None
        self._buffer = b""

    def _command(self, channel):
        """The program of the machine and its arguments; CHANNEL is the descriptor that is
        to be the agent's device, the console is standard output."""
        raise NotImplementedError

    def _launch(self, channel):
        with open(self.console, "wb") as console:
            return subprocess.Popen(mortal(self._command(channel)), stdin=subprocess.DEVNULL, stdout=console,
                                    stderr=console, pass_fds=[channel],
                                    start_new_session=True)

    def start(self):
        ours, theirs = socket.socketpair()
        with theirs:
            self.channel = ours
            self.process = self._launch(theirs.fileno())

    def send(self, line):
        try:
            self.channel.sendall(line.encode() + b"\n")
        except OSError as e:
            raise Dead(f"the guest takes no commands: {e}") from e

    def line(self, seconds):
        """The next line that the agent says; Dead if it takes longer than SECONDS."""
        end = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.channel], [], [], left)[0]:
                raise Dead(f"the guest said nothing for {seconds:.0f} s")
            try:
                data = self.channel.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                raise Dead(f"the guest has ended, status {self.process.wait()}")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace").rstrip("\r")

    def shown(self):
        """How much the console has shown."""
        return self.console.stat().st_size if self.console.exists() else 0

    def tail(self, since=0, lines=80):
        """The end of what the console has shown, since it had shown so much."""
        if not self.console.exists():
            return ""
        text = self.console.read_bytes()[since:][-16384:].decode(errors="replace")
        return "\n".join(re.sub(r"\x1b\[[0-9;:?!]*[a-zA-Z]|\r", "", text).splitlines()[-lines:])

    def stop(self):
        """End the guest at once: nothing in it is worth keeping."""
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.channel is not None:
            self.channel.close()
