"""What the runtime shows of itself: a program in the container looks at every
process in its pid namespace and never finds one that holds more than it does
itself, neither an exec nor a container that joins the namespace."""

import json
import subprocess
import time

import pytest

from kenrotest import CAPS, config, make_bundle, user_namespace, wait_until, write_config

SECONDS = 3
PTRACE = [*CAPS, "CAP_SYS_PTRACE"]
FILTER = {"defaultAction": "SCMP_ACT_ALLOW",
          "syscalls": [{"names": ["kexec_load"], "action": "SCMP_ACT_ERRNO"}]}


def powerful(*args, **process):
    c = config(*args, capabilities={k: PTRACE for k in ("bounding", "effective", "permitted")},
               **process)
    c["linux"]["seccomp"] = FILTER
    return c


class Watch:
    """A container that looks until it is told to stop."""

    def __init__(self, kenro, bundle, c, log):
        self.kenro = kenro
        self.log = log
        write_config(bundle, c)
        with open(log, "w") as out:
            assert kenro.run("run", "-d", "-b", bundle, "c", stdout=out, stderr=out).returncode == 0
        wait_until(lambda: "watching" in log.read_text())

    def result(self):
        self.kenro.ok("kill", "c", "TERM")
        self.kenro.wait_for("c", "stopped")
        return json.loads(self.log.read_text().splitlines()[-1])


def for_some_seconds(fn):
    end = time.monotonic() + SECONDS
    times = 0
    while time.monotonic() < end:
        fn()
        times += 1
    assert times > 10
    return times


CONTAINERS = {
    "nnp": powerful("/bin/watcher"),
    "no nnp": powerful("/bin/watcher", noNewPrivileges=False),
    "user namespace": user_namespace(powerful("/bin/watcher")),
    "other user": powerful("/bin/watcher"),
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_an_exec_never_shows_more_than_the_container(kenro, bundle, tmp_path, kind):
    watch = Watch(kenro, bundle, CONTAINERS[kind], tmp_path / "log")
    user = ["-u", "1000:1000"] if kind == "other user" else []
    times = for_some_seconds(lambda: kenro.ok("exec", *user, "c", "/bin/true"))
    found = watch.result()
    assert found["seen"] > times, found
    assert (found["more"], found["seized"]) == (0, 0), found


def test_a_container_that_joins_never_shows_more(kenro, bundle, tmp_path):
    watch = Watch(kenro, bundle, powerful("/bin/watcher"), tmp_path / "log")
    c = powerful("/bin/true")
    for n in c["linux"]["namespaces"]:
        if n["type"] == "pid":
            n["path"] = f"/proc/{kenro.pid('c')}/ns/pid"
    guest = make_bundle(tmp_path / "guest", c)
    times = for_some_seconds(lambda: kenro.ok("run", "-b", guest, "guest"))
    found = watch.result()
    assert found["seen"] > times, found
    assert (found["more"], found["seized"]) == (0, 0), found


def test_the_watcher_sees_what_is_not_careful(kenro, bundle, tmp_path):
    """nsenter(1) is in the namespace with all that the host's root has."""
    watch = Watch(kenro, bundle, powerful("/bin/watcher"), tmp_path / "log")
    command = ["nsenter", "-t", str(kenro.pid("c")), "-p", "true"]
    for_some_seconds(lambda: subprocess.run(command, check=True))
    found = watch.result()
    assert found["more"] > 0 and found["seized"] > 0, found
