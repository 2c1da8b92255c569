"""ps: the processes of a container, as numbers and as ps(1) shows them."""

import fcntl
import json
import os
import subprocess

import pytest

from kenrotest import HELPERS, cgroup_mount, config, wait_until, write_config


def pids(kenro, id="c"):
    return json.loads(kenro.ok("ps", "--format", "json", id))


def test_json_is_an_array_of_the_hosts_numbers(running):
    assert pids(running) == [running.pid("c")]


def test_execs_and_what_lies_below_any_depth_are_in_it(running):
    running.ok("exec", "-d", "c", "/bin/sleep", "1000")
    assert len(pids(running)) == 2
    fd = os.open(cgroup_mount() / "kenro/c", os.O_DIRECTORY)
    for _ in range(150):  # deeper than a path of the kernel's can be written in one go
        os.mkdir("x" * 40, dir_fd=fd)
        next_ = os.open("x" * 40, os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = next_
    p = subprocess.Popen(["sleep", "1000"])
    procs = os.open("cgroup.procs", os.O_WRONLY, dir_fd=fd)
    os.write(procs, str(p.pid).encode())
    os.close(procs)
    os.close(fd)
    found = pids(running)
    assert len(found) == 3 and found == sorted(found)
    assert {running.pid("c"), p.pid} < set(found)
    # and a signal to all reaches it
    running.ok("kill", "--all", "c", "TERM")
    assert p.wait(30) == -15
    running.ok("delete", "-f", "c")


def test_threaded_groups_do_not_hide_processes(running):
    """Their own cgroup.procs cannot be read: EOPNOTSUPP."""
    group = cgroup_mount() / "kenro/c"
    (group / "t").mkdir()
    (group / "t/cgroup.type").write_text("threaded")
    (group / "t/cgroup.threads").write_text(str(running.pid("c")))
    (group / "t/below").mkdir()
    assert pids(running) == [running.pid("c")]
    running.ok("kill", "--all", "c", "CONT")
    running.ok("delete", "-f", "c")


def test_a_stopped_container_has_none(stopped):
    assert pids(stopped) == []
    assert stopped.ok("ps", "c").split()[0] == "UID"


def test_the_table_is_that_of_ps_without_the_others(running):
    table = running.ok("ps", "c").splitlines()
    assert table[0].split() == "UID PID PPID C STIME TTY TIME CMD".split()
    assert [line.split()[1] for line in table[1:]] == [str(running.pid("c"))]
    assert table[1].endswith("/bin/sleep 1000")


@pytest.mark.parametrize("args", [["c", "-e", "-o", "pid,comm"], ["c", "-eo pid,comm"],
                                  ["c", "-e", "-o", "comm,pid"], ["c", "  -e  -o  pid,comm "],
                                  ["--", "c", "-e", "-o", "pid,comm"]])
def test_options_of_ps_stand_after_the_id_in_one_or_many(running, args):
    """go-runc gives all of them in one."""
    table = running.ok("ps", *args).splitlines()
    assert sorted(table[0].split()) == ["COMMAND", "PID"]
    assert [sorted(line.split()) for line in table[1:]] == [[str(running.pid("c")), "sleep"]]


def test_options_of_ps_are_not_ours(running):
    """-f is ps's own after the id, and ours before it."""
    assert "PID" in running.ok("ps", "c", "-f")
    assert running.ok("ps", "-f", "table", "c", "-ef").startswith("UID")
    assert "neither table nor json" in running.fails("ps", "-f", "xml", "c")


def test_what_ps_does_not_understand_is_one_line(running):
    assert running.fails("ps", "c", "--nosuch").startswith("ps c: ps: error: ")
    assert running.fails("ps", "c", "-eo", "comm") == \
        "ps c: ps: with these options it shows no column PID"


def test_options_that_show_none_of_them_show_the_header(running):
    assert running.ok("ps", "c", "-p", "1").split() == ["PID", "TTY", "TIME", "CMD"]
    assert running.ok("ps", "c", "-p", "4194304").split() == ["PID", "TTY", "TIME", "CMD"]


def test_ps_needs_no_environment(running):
    assert running.ok("ps", "c", env={}).startswith("UID")
    assert running.ok("ps", "c", env={"PATH": str(HELPERS)}).startswith("UID")


def test_a_program_called_ps_in_the_callers_path_is_not_run(running, tmp_path):
    (tmp_path / "ps").write_text("#!/bin/sh\necho PID\necho evil\n")
    (tmp_path / "ps").chmod(0o755)
    assert running.ok("ps", "c", env={"PATH": f"{tmp_path}:/usr/bin:/bin"}).startswith("UID")


def test_a_container_that_is_being_created_has_none(kenro, bundle):
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("create", "-b", bundle, "c")
    state = kenro.root / "c/state.json"
    whole = state.read_text()
    recorded = json.loads(whole)
    recorded["pid"] = 0
    state.write_text(json.dumps(recorded))
    fd = os.open(kenro.root / "c", os.O_DIRECTORY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert kenro.status("c") == "creating"
    assert pids(kenro) == []
    os.close(fd)
    state.write_text(whole)
    wait_until(lambda: kenro.status("c") == "created")
