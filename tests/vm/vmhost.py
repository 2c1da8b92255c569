"""The plugin of the host's pytest: what it collects here, a guest runs.

    tests/vm/run [fast|full] [FILE ...] [options of pytest]

One guest serves the session; it is sent the tests of a file at a time, and what it says
becomes reports as it comes. A guest that dies fails the rest of its file, with the end of
its console; the next file has a new one."""

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from _pytest._code.code import ReprFileLocation, TerminalRepr

import guest
import image

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD") or ROOT / "build").resolve()
BOOT = 300   # seconds for the agent's first words
LIMIT = 120  # seconds for a test, times what the guest found; the agent's is the same
GRACE = 60   # more seconds, after which not only the test has failed, but the guest


def pytest_addoption(parser):
    parser.addoption("--tier", choices=list(guest.TIERS), default="fast",
                     help="fast: User Mode Linux; full: qemu")


def pytest_configure(config):
    config.pluginmanager.register(Host(config.getoption("tier")), "vmhost-host")


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

    def __init__(self, tier, directory):
        self.directory = Path(tempfile.mkdtemp(prefix="guest-", dir=directory))
        self.guest = guest.tier(tier)(image.image(), payload(self.directory), self.directory)
        self.sent, self.heard, self.ended = [], {}, set()
        self.done, self.output = True, ""  # with what was sent; what pytest printed
        self.scale = 1.0

    def boot(self):
        self.guest.start()
        return self.hear(BOOT)["hello"]

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
        self.guest.send(json.dumps({"run": ids}))

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


class Host:
    def __init__(self, tier):
        self.tier = tier
        self.machine = None
        self.failed_file = None

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items):
        for item in items:
            mark = item.get_closest_marker("full")
            if self.tier == "fast" and mark:
                reason = mark.args[0] if mark.args else "User Mode Linux cannot do it"
                item.add_marker(pytest.mark.skip(reason=f"the full tier's: {reason}"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item):
        if item.get_closest_marker("skip"):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self.reports(item):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def reports(self, item):
        """The reports of a test; of one that the guest cannot run, that it failed."""
        given = False
        try:
            self.send(item)
            mark = item.get_closest_marker("limit")
            for report in self.machine.reports(item.nodeid, mark.args[0] if mark else LIMIT):
                given = True
                yield self.report(item, report)
            if not given:
                yield self.failure(item, f"the guest has not run it:\n{self.machine.output}")
        except guest.Dead as e:
            self.failed_file = item.path
            yield self.failure(item, str(e))
            if self.machine:
                self.machine.stop()
                self.machine = None

    def send(self, item):
        """See to it that the guest has been sent ITEM's file, and whoever boots it."""
        if item.path == self.failed_file:
            raise guest.Dead("the guest died in a test of this file before")
        if self.machine is None:
            self.machine = self.boot(item.config)
        if item.nodeid not in self.machine.sent:
            self.machine.send([i.nodeid for i in item.session.items
                               if i.path == item.path and not i.get_closest_marker("skip")])

    def boot(self, config):
        machine = Machine(self.tier, config._tmp_path_factory.getbasetemp())
        try:
            machine.boot()
        except BaseException:
            machine.stop()
            raise
        return machine

    def report(self, item, said):
        longrepr = None
        if "skip" in said:
            longrepr = (said["skip"][0], int(said["skip"][1]), said["skip"][2])
        elif "text" in said:
            longrepr = Failure(said["text"], said["message"], str(item.path))
        sections = [tuple(s) for s in said["sections"]]
        if said["outcome"] == "failed":
            sections.append(("the guest's console", self.machine.guest.tail()))
        report = pytest.TestReport(item.nodeid, item.location, dict.fromkeys(item.keywords, 1),
                                   said["outcome"], longrepr, said["when"], sections, said["duration"])
        if "xfail" in said:
            report.wasxfail = said["xfail"]
        return report

    def failure(self, item, why):
        said = {"outcome": "failed", "text": why, "message": "", "when": "call", "sections": [], "duration": 0}
        return self.report(item, said)

    def pytest_sessionfinish(self):
        if self.machine:
            self.machine.stop()
            self.machine = None
