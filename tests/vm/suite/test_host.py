"""The guest is what the other tests take it for."""

import os
import subprocess
from pathlib import Path


def test_cgroups_are_version_2_alone():
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    assert [(m[1], m[2]) for m in mounts if m[2].startswith("cgroup")] == [("/sys/fs/cgroup", "cgroup2")]


def test_the_limits_have_their_controllers():
    found = Path("/sys/fs/cgroup/cgroup.controllers").read_text().split()
    assert {"cpu", "io", "memory", "pids"} <= set(found)


def test_systemd_runs_the_machine():
    assert Path("/proc/1/comm").read_text() == "systemd\n"


def test_every_unit_has_come_up():
    failed = subprocess.run(["systemctl", "list-units", "--failed", "--plain", "--no-legend"],
                            capture_output=True, text=True, check=True)
    assert failed.stdout == ""


def test_kenro_is_where_make_install_puts_it():
    for path in ("/usr/local/sbin/kenro", "/usr/local/bin/kenro"):
        assert os.access(path, os.X_OK)


def test_kenro_runs_a_container(kenro, bundle):
    assert kenro.ok("run", "--bundle", bundle, "c") == ""
