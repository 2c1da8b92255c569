"""Runs in the guest: takes commands from the host's vmhost.py, runs pytest, and says one
line of JSON for each thing that happens.

    {"run": [NODE ID, ...]}  ->  {"scale": NUMBER}, then for each test {"start": NODE ID},
                                 {"report": {...}} for each phase and {"end": NODE ID};
                                 {"done": STATUS, "output": TEXT} at last
    {"sh": COMMAND}          ->  {"done": STATUS, "output": TEXT}

A command comes as {"part": TEXT, "last": BOOLEAN} in pieces, and the next piece when
{"more": true} has been said: serial lines lose what they have no room for.
"""

import json
import os
import signal
import subprocess
import sys
import time
import tty
from pathlib import Path

KENRO = Path("/kenro")
TESTS = KENRO / "tests"
LIMIT = 120  # seconds for a test on a quiet machine, unless it is marked with another limit
OUTPUT = "/run/kenro-pytest"  # what pytest prints, for when it did not run the tests
CALIBRATION = 0.30  # seconds that calibrate() takes on one


class Channel:
    """Lines to and from the host, by a device."""

    def __init__(self, device):
        self.fd = os.open(device, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        if os.isatty(self.fd):
            tty.setraw(self.fd)
        self.buffer = b""

    def say(self, **what):
        data = json.dumps(what).encode() + b"\n"
        while data:
            data = data[os.write(self.fd, data):]

    def command(self):
        text = ""
        while True:
            piece = json.loads(self.line())
            text += piece["part"]
            if piece["last"]:
                return json.loads(text)
            self.say(more=True)

    def line(self):
        while b"\n" not in self.buffer:
            self.buffer += os.read(self.fd, 1 << 16)
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line


class Reporter:
    """The plugin of pytest that tells the host."""

    def __init__(self, channel, scale):
        self.channel, self.scale = channel, scale

    def pytest_runtest_logstart(self, nodeid):
        self.channel.say(start=nodeid)

    def pytest_runtest_setup(self, item):
        """Once for the test and all that it is the first to need."""
        mark = item.get_closest_marker("limit")
        seconds = (mark.args[0] if mark else LIMIT) * self.scale
        signal.signal(signal.SIGALRM, lambda *_: too_long(seconds))
        signal.setitimer(signal.ITIMER_REAL, seconds)

    def pytest_runtest_logreport(self, report):
        if report.when == "teardown":
            signal.setitimer(signal.ITIMER_REAL, 0)
        self.channel.say(report={
            "nodeid": report.nodeid, "when": report.when, "outcome": report.outcome,
            "duration": report.duration, "sections": report.sections, **failure(report)})

    def pytest_runtest_logfinish(self, nodeid):
        self.channel.say(end=nodeid)


def too_long(seconds):
    raise TimeoutError(f"no end after {seconds:.0f} s")


def failure(report):
    """What the report says of a failure, or why there was a skip, as text."""
    if report.passed:
        return {}
    if isinstance(report.longrepr, tuple):
        return {"skip": [str(part) for part in report.longrepr]}
    crash = getattr(report.longrepr, "reprcrash", None)
    found = {"text": report.longreprtext, "message": crash.message if crash else ""}
    if hasattr(report, "wasxfail"):
        found["xfail"] = report.wasxfail
    return found


def install():
    """What `make install` would have installed, and settings for this kernel."""
    subprocess.run(["cp", "-a", "--no-preserve=ownership", f"{KENRO}/root/.", "/"], check=True)
    if "user_mode" in Path("/proc/cmdline").read_text() or "UML" in Path("/proc/cpuinfo").read_text():
        # No families of nftables for engines to make their rules with.
        Path("/etc/containers/containers.conf.d").mkdir(exist_ok=True)
        Path("/etc/containers/containers.conf.d/uml.conf").write_text('[network]\nfirewall_driver = "none"\n')
        settings = json.loads(Path("/etc/docker/daemon.json").read_text())
        settings.update({"iptables": False, "ip6tables": False})
        Path("/etc/docker/daemon.json").write_text(json.dumps(settings))


def calibrate():
    """How many times slower than a quiet machine this one is now: programs and computing."""
    begin = time.monotonic()
    for _ in range(20):
        subprocess.run(["/bin/true"], check=True)
    sum(i * i for i in range(500000))
    return max(1.0, (time.monotonic() - begin) / CALIBRATION)


def run(channel, ids):
    scale = calibrate()
    channel.say(scale=scale)
    with open(OUTPUT, "w+") as output:
        pid = os.fork()
        if pid == 0:
            os.environ["KENRO_SCALE"] = str(scale)
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            os._exit(int(pytest.main(["-vv", *ids], plugins=[Reporter(channel, scale)])))
        _, status = os.waitpid(pid, 0)
        output.seek(0)
        channel.say(done=os.waitstatus_to_exitcode(status), output=output.read()[-4000:])


def main():
    global pytest
    channel = Channel(sys.argv[1])
    sys.path[:] = [d for d in sys.path if Path(d).resolve() != TESTS / "vm"]  # whose names are the harness's own
    install()
    os.environ.update({"BUILD": str(KENRO / "build"), "KENRO_GUEST": "1", "HOME": "/root",
                       "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"})
    os.chdir(TESTS)
    import pytest
    channel.say(hello=time.clock_gettime(time.CLOCK_BOOTTIME))
    while True:
        command = channel.command()
        if "run" in command:
            run(channel, command["run"])
        elif "sh" in command:
            done = subprocess.run(command["sh"], shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace")
            channel.say(done=done.returncode, output=done.stdout)


if __name__ == "__main__":
    main()
