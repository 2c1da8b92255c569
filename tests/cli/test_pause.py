"""pause and resume: the freezer, and what other commands make of a paused container."""

import json
import time

import pytest

from kenrotest import cgroup_mount, config, shell, wait_until, write_config


@pytest.fixture
def paused(running):
    running.ok("pause", "c")
    return running


def frozen(group="kenro/c"):
    return "frozen 1" in (cgroup_mount() / group / "cgroup.events").read_text()


def test_a_paused_container_stands_still_when_pause_returns(kenro, bundle, tmp_path):
    """Engines go on at once, with a snapshot for example."""
    out = tmp_path / "out"
    out.touch()
    c = shell("while :; do echo x; done >/out")
    c["mounts"].append({"destination": "/out", "type": "bind", "source": str(out),
                        "options": ["bind"]})
    write_config(bundle, c)
    kenro.ok("run", "-d", "-b", bundle, "c")
    wait_until(lambda: out.stat().st_size > 0)
    for _ in range(10):
        kenro.ok("pause", "c")
        assert frozen()
        size = out.stat().st_size
        time.sleep(0.01)  # long enough for thousands of lines
        assert out.stat().st_size == size
        kenro.ok("resume", "c")
        assert not frozen()
        wait_until(lambda: out.stat().st_size > size)


def test_the_status_follows(running):
    for status, command in (("paused", "pause"), ("running", "resume")):
        running.ok(command, "c")
        assert running.status("c") == status
        [listed] = json.loads(running.ok("list", "--format", "json"))
        assert listed["status"] == status


def test_a_created_container_can_be_paused_and_is_created_again(created):
    created.ok("pause", "c")
    assert created.status("c") == "paused"
    assert created.fails("start", "c") == "start c: cannot start a paused container: resume it first"
    created.ok("resume", "c")
    assert created.status("c") == "created"
    created.ok("start", "c")


def test_pause_of_a_paused_container_is_an_error(paused):
    assert "container not running" in paused.fails("pause", "c")
    assert paused.status("c") == "paused"


def test_resume_of_a_running_container_is_an_error(running):
    assert running.fails("resume", "c") == "resume c: container not paused"


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_a_stopped_container_is_not_running(stopped, command):
    assert stopped.fails(command, "c") == f"{command} c: container not running: no such process"


def test_what_is_below_the_group_stands_still_too(running):
    """A container may have groups of its own."""
    group = cgroup_mount() / "kenro/c"
    (group / "inner").mkdir()
    (group / "inner/cgroup.procs").write_text(str(running.pid("c")))
    running.ok("pause", "c")
    assert frozen("kenro/c/inner")
    running.ok("resume", "c")


def test_delete_of_a_paused_container_needs_force(paused):
    assert paused.fails("delete", "c") == \
        "delete c: cannot delete container c that is not stopped: paused"
    assert paused.status("c") == "paused"
    paused.ok("delete", "--force", "c")
    assert paused.ids() == []


def test_sigkill_ends_a_paused_container(paused):
    paused.ok("kill", "c", "KILL")
    paused.wait_for("c", "stopped")
    paused.ok("delete", "c")


def test_other_signals_wait_until_it_is_resumed(kenro, bundle):
    write_config(bundle, shell("trap 'exit 5' TERM; echo ready; while :; do sleep 1000 & wait $!; done"))
    p = kenro.popen("run", "-b", bundle, "c", stdout=-1)
    assert p.stdout.readline() == "ready\n"
    kenro.ok("pause", "c")
    kenro.ok("kill", "c", "TERM")
    kenro.ok("kill", "--all", "c", "USR1")
    assert kenro.status("c") == "paused"
    kenro.ok("resume", "c")
    p.wait(30)
    p.stdout.close()


def test_exec_in_a_paused_container_is_refused(paused):
    assert paused.fails("exec", "c", "/bin/true", status=255) == \
        "exec c: cannot exec in a paused container (use --ignore-paused to override)"


def test_exec_can_ignore_that_and_waits(paused):
    p = paused.popen("exec", "--ignore-paused", "c", "/bin/sh", "-c", "exit 6")
    procs = cgroup_mount() / "kenro/c/cgroup.procs"
    wait_until(lambda: len(procs.read_text().split()) == 2)
    assert p.poll() is None
    paused.ok("resume", "c")
    assert p.wait(30) == 6


def test_a_group_that_stays_is_not_left_frozen(kenro, bundle):
    """The next container in it could not be created."""
    group = cgroup_mount() / "kenro-test-frozen"
    c = config("/bin/sleep", "1000")
    c["linux"]["cgroupsPath"] = "/kenro-test-frozen"
    write_config(bundle, c)
    group.mkdir()
    try:
        for _ in range(2):
            kenro.ok("run", "-d", "-b", bundle, "c")
            kenro.ok("pause", "c")
            kenro.ok("delete", "-f", "c")
    finally:
        group.rmdir()


def test_a_group_above_that_is_frozen_is_named_as_the_reason(kenro, bundle):
    above = cgroup_mount() / "kenro-test-above"
    c = config("/bin/sleep", "1000")
    c["linux"]["cgroupsPath"] = "/kenro-test-above/c"
    write_config(bundle, c)
    above.mkdir()
    try:
        kenro.ok("run", "-d", "-b", bundle, "c")
        (above / "cgroup.freeze").write_text("1")
        wait_until(lambda: frozen("kenro-test-above/c"))
        assert kenro.status("c") == "paused"
        assert kenro.fails("resume", "c") == \
            "resume c: the cgroup is frozen together with one above it"
        (above / "cgroup.freeze").write_text("0")
        kenro.ok("delete", "-f", "c")
    finally:
        above.rmdir()
