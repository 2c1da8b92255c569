"""The plugin of the host's pytest: what it collects here, a guest runs.

    tests/vm/run [fast|full] [--suite sid] [FILE ...] [options of pytest]

One guest serves the session; it is sent the tests of a file at a time, and what it says
becomes reports as it comes. A guest that dies fails the rest of its file, with the end of
its console; the next file has a new one."""

import contextlib
import itertools
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

import pytest
from _pytest._code.code import ReprFileLocation, TerminalRepr

import guest
import image

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
THERE = "/kenro"  # what is ROOT in the guest
BUILD = Path(os.environ.get("BUILD") or ROOT / "build").resolve()
BOOT = 300   # seconds for the agent's first words
LIMIT = 120  # seconds for a test, times what the guest found; the agent's is the same
BOOTS = 3    # guests for one session
GRACE = 60   # more seconds, after which not only the test has failed, but the guest
PIECE = 1000  # characters of a command, of which a terminal's line has no more than 4095


def pytest_addoption(parser):
    parser.addoption("--tier", choices=list(guest.TIERS), default="fast",
                     help="fast: User Mode Linux; full: qemu; linux-SUITE: qemu with the kernel of that suite")
    parser.addoption("--suite", choices=list(image.SUITES), default=image.SUITES[0],
                     help="Debian's, of which the guest is made; sid has the newest engines")
    parser.addoption("--runtimes", default="kenro", type=lambda names: names.split(","), metavar="NAME,...",
                     help="whose tests to run, of those that are one for each runtime (kenro,crun,runc)")


def pytest_configure(config):
    config.pluginmanager.register(Host(config.getoption("tier"), config.getoption("suite")), "vmhost-host")


def payload(directory):
    """An archive of what the guest needs of this tree and its build."""
    made = directory / "payload"
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--strip", "--quiet",
                    "--destdir", made / "root"], check=True, stdout=subprocess.DEVNULL)
    (made / "root/usr/local/bin").mkdir(parents=True, exist_ok=True)
    (made / "root/usr/local/bin/kenro").symlink_to("../sbin/kenro")
    (made / "build/src").mkdir(parents=True)
    (made / "build/src/kenro").symlink_to("/usr/local/sbin/kenro")
    (made / "build/tests/helpers").mkdir(parents=True)
    for helper in (BUILD / "tests/helpers").iterdir():
        if helper.is_file() and os.access(helper, os.X_OK):
            shutil.copy2(helper, made / "build/tests/helpers")
    shutil.copytree(ROOT / "tests", made / "tests", symlinks=True,
                    ignore=shutil.ignore_patterns("__pycache__", "fuzz"))
    archive = directory / "payload.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(made, arcname=".", filter=root_owned)
    shutil.rmtree(made)
    return archive


def root_owned(member):
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member


class Failure(TerminalRepr):
    """A failure that has been put into words in the guest."""

    def __init__(self, text, message, path):
        self.text = text
        self.reprcrash = ReprFileLocation(path, 0, message or text.strip().rpartition("\n")[2])

    def toterminal(self, tw):
        for line in self.text.splitlines():
            tw.line(line, red=line.startswith("E "))


class Machine:
    """A guest and the tests that it has been sent."""

    def __init__(self, tier, directory, suite=image.SUITES[0]):
        self.directory = Path(tempfile.mkdtemp(prefix="guest-", dir=directory))
        self.guest = guest.tier(tier)(image.image(suite), payload(self.directory), self.directory)
        self.sent, self.heard, self.ended = [], {}, set()
        self.done, self.output = True, ""  # with what was sent; what pytest printed
        self.scale = 1.0

    def boot(self):
        """Returns how long it took."""
        begin = time.monotonic()
        self.guest.start()
        self.hear(BOOT)
        self.guest.payload.unlink()  # unpacked: whoever kills us should find nothing to clear away
        return time.monotonic() - begin

    def hear(self, seconds):
        """Take in the next thing that the guest says."""
        what = json.loads(self.guest.line(seconds))
        if "report" in what:
            self.heard.setdefault(what["report"]["nodeid"], []).append(what["report"])
        self.ended.add(what.get("end"))
        self.scale = what.get("scale", self.scale)
        if "done" in what:
            self.done, self.output = True, f"{what['output']}\nexit status {what['done']}"
        return what

    def send(self, ids):
        while not self.done:
            self.hear(GRACE * self.scale)
        self.sent, self.heard, self.ended, self.done = ids, {}, set(), False
        self.tell({"run": ids})

    def tell(self, command):
        """Send it in pieces, as the agent takes them."""
        text = json.dumps(command)
        for at in range(0, len(text), PIECE):
            last = at + PIECE >= len(text)
            self.guest.send(json.dumps({"part": text[at:at + PIECE], "last": last}))
            while not last and "more" not in self.hear(GRACE):
                pass

    def reports(self, id, limit):
        """What the guest reports of a test, as it comes."""
        given = 0
        while True:
            for report in self.heard.get(id, [])[given:]:
                given += 1
                yield report
            if id in self.ended or self.done:
                return
            self.hear(limit * self.scale + GRACE)

    def stop(self):
        self.guest.stop()
        shutil.rmtree(self.directory)


def runtime(item):
    """The one that a test is about, if it is one of a test for each."""
    return item.callspec.params.get("runtime") if hasattr(item, "callspec") else None


class Host:
    def __init__(self, tier, suite):
        self.tier, self.suite = tier, suite
        self.machine = None
        self.boots = 0
        self.shown = 0
        self.failed_file = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config, items):
        wanted = config.getoption("runtimes")
        others = [i for i in items if runtime(i) not in (None, *wanted)]
        if others:
            config.hook.pytest_deselected(items=others)
            items[:] = [i for i in items if i not in others]
        for item in items:
            mark = item.get_closest_marker("full")
            if self.tier == "fast" and mark:
                reason = mark.args[0] if mark.args else "User Mode Linux cannot do it"
                item.add_marker(pytest.mark.skip(reason=f"the full tier's: {reason}"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        """Whoever looks on is told what takes so long before the first test."""
        if session.testsfailed or session.config.option.collectonly:
            return
        if any(remote(item) for item in session.items):
            with contextlib.suppress(guest.Dead):  # the first test will say so
                self.boot(session.config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item):
        if not remote(item):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self.reports(item):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def pytest_sessionfinish(self):
        self.stop()

    def boot(self, config):
        if self.boots == BOOTS:
            raise guest.Dead(f"{BOOTS} guests have died: there will be no more")
        self.boots += 1
        try:
            self.machine = Machine(self.tier, config._tmp_path_factory.getbasetemp(), self.suite)
        except (OSError, subprocess.CalledProcessError) as e:
            pytest.exit(f"no guest: {e}", 1)
        seconds = self.machine.boot()
        config.get_terminal_writer().line(f"guest: {self.suite}, {self.tier} tier, up in {seconds:.1f} s")

    def stop(self):
        if self.machine:
            self.machine.stop()
            self.machine = None

    def send(self, item):
        """See to it that there is a guest, and that it has been sent the tests of ITEM's file."""
        if item.path == self.failed_file:
            raise guest.Dead("the guest died in an earlier test of this file")
        if self.machine is None:
            self.boot(item.config)
        if item.nodeid not in self.machine.sent:
            items = item.session.items
            same = itertools.takewhile(lambda i: i.path == item.path, items[items.index(item):])
            self.machine.send([i.nodeid for i in same if remote(i)])

    def reports(self, item):
        """The reports of a test; of one that the guest cannot run, that it failed."""
        heard = False
        self.shown = 0  # by the console, before this test
        try:
            self.send(item)
            self.shown = self.machine.guest.shown()
            mark = item.get_closest_marker("limit")
            for said in self.machine.reports(item.nodeid, mark.args[0] if mark else LIMIT):
                heard = True
                yield self.report(item, said)
            if not heard:
                yield self.failure(item, f"the guest has not run it:\n{self.machine.output}")
        except guest.Dead as e:
            self.failed_file, self.shown = item.path, 0
            yield self.failure(item, str(e))
            self.stop()

    def report(self, item, said):
        longrepr = None
        if "skip" in said:
            path, line, reason = said["skip"]
            longrepr = (path.replace(THERE, str(ROOT)), int(line), reason)
        elif "text" in said:
            longrepr = Failure(said["text"], said["message"], str(item.path))
        sections = [tuple(s) for s in said["sections"]]
        if said["outcome"] == "failed" and self.machine:
            sections.append(("the guest's console", self.machine.guest.tail(self.shown)))
        report = pytest.TestReport(item.nodeid, item.location, dict.fromkeys(item.keywords, 1),
                                   said["outcome"], longrepr, said["when"], sections, said["duration"])
        if "xfail" in said:
            report.wasxfail = said["xfail"]
        return report

    def failure(self, item, why):
        return self.report(item, {"outcome": "failed", "text": why, "message": why.splitlines()[0],
                                  "when": "call", "sections": [], "duration": 0})


def remote(item):
    """Whether the guest runs it. What is skipped anyway need not go there, and the tests of
    this plugin cannot."""
    return not item.get_closest_marker("skip") and item.path.parent != HERE
