"""create, start, state, kill, delete, list: runtime.md, Lifecycle and Operations."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from kenrotest import (Runtime, cgroup_mount, config, our_cgroups, our_processes, reap_orphans,
                       shell, user_namespace, wait_until, without, write_config)

SLEEP = ("/bin/sleep", "1000")


def state_of(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[0]


def command_line(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        return f.read()


def test_created_waits_and_started_runs(created):
    assert created.status("c") == "created"
    pid = created.pid("c")
    assert b"sleep" not in command_line(pid)
    created.ok("start", "c")
    assert created.status("c") == "running"
    assert created.pid("c") == pid
    assert command_line(pid) == b"/bin/sleep\x001000\x00"


def test_the_state_is_what_the_specification_says(kenro, bundle):
    c = config(*SLEEP)
    c["annotations"] = {"org.example.a": "1", "empty": ""}
    write_config(bundle, c)
    kenro.ok("create", "--bundle", bundle, "c")
    state = kenro.state("c")
    created = state.pop("created")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", created)
    assert state.pop("pid") > 1
    assert state == {
        "ociVersion": "1.2.0", "id": "c", "status": "created", "bundle": str(bundle),
        "rootfs": str(bundle / "rootfs"), "owner": "root",
        "annotations": {"org.example.a": "1", "empty": ""},
    }


def test_a_stopped_container_has_no_pid(stopped):
    state = stopped.state("c")
    assert (state["status"], state["pid"]) == ("stopped", 0)


def test_an_init_that_nobody_has_reaped_yet_is_stopped(kenro, bundle):
    """CRI-O and Buildah ask before they reap."""
    write_config(bundle, config(*SLEEP))
    p = kenro.popen("run", "-b", bundle, "c")
    wait_until(lambda: "c" in kenro.ids() and kenro.status("c") == "running")
    os.kill(p.pid, signal.SIGSTOP)  # its parent cannot reap it
    kenro.ok("kill", "c", "KILL")
    kenro.wait_for("c", "stopped")
    os.kill(p.pid, signal.SIGCONT)
    assert p.wait() == 137


@pytest.mark.parametrize("command", ["state", "start", "kill", "delete"])
def test_an_unknown_container_does_not_exist(kenro, command):
    assert kenro.fails(command, "nosuch") == f'{command} nosuch: container "nosuch" does not exist'
    assert not kenro.root.exists()


def test_delete_force_of_an_unknown_container_is_silent(kenro):
    assert kenro.ok("delete", "--force", "nosuch") == ""
    assert kenro.ok("delete", "-f", "nosuch") == ""


@pytest.mark.parametrize("command", ["state", "start", "kill", "delete", "create"])
@pytest.mark.parametrize("id", ["..", ".", "a/b", "a b", "", "ü", "a\nb", "x" * 1025, "a%b"])
def test_an_id_that_is_no_id_is_refused(kenro, bundle, command, id):
    args = ["--bundle", bundle] if command == "create" else []
    assert "invalid container ID format" in kenro.fails(command, *args, id)


def test_ids_of_every_allowed_letter_work(kenro, bundle):
    id = "aZ09_+.-" + "x" * 68
    kenro.ok("run", "--keep", "--bundle", bundle, id)
    assert kenro.status(id) == "stopped"


def test_an_id_is_used_once(created, bundle):
    assert created.fails("create", "--bundle", bundle, "c") == \
        "create c: container with given ID already exists: c"
    assert created.status("c") == "created"


def test_start_twice_is_refused(running):
    assert running.fails("start", "c") == "start c: cannot start an already running container"


def test_start_of_a_stopped_container_is_refused(stopped):
    assert stopped.fails("start", "c") == "start c: cannot start a container that has stopped"


def test_start_tells_why_the_program_cannot_be_executed(kenro, bundle):
    script = bundle / "rootfs/bin/bad"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    write_config(bundle, config("/bin/bad"))
    kenro.ok("create", "--bundle", bundle, "c")
    assert kenro.fails("start", "c") == \
        'start c: exec "/bin/bad": no such file or directory ' \
        '(its interpreter /no/such/interpreter is not there)'
    kenro.wait_for("c", "stopped")


def test_what_changes_in_the_bundle_after_create_changes_nothing(kenro, bundle):
    write_config(bundle, shell("echo first"))
    out = bundle / "out"
    with open(out, "w") as f:
        kenro.ok("create", "--bundle", bundle, "c", stdout=f)
    write_config(bundle, shell("echo second"))
    kenro.ok("start", "c")
    kenro.wait_for("c", "stopped")
    assert out.read_text() == "first\n"


def test_delete_of_a_running_container_is_refused(running):
    assert running.fails("delete", "c") == \
        "delete c: cannot delete container c that is not stopped: running"
    assert running.status("c") == "running"


def test_delete_of_a_created_container_kills_it(created):
    pid = created.pid("c")
    created.ok("delete", "c")
    assert created.ids() == []
    assert not os.path.exists(f"/proc/{pid}/root") or "Z" in open(f"/proc/{pid}/stat").read()


def test_delete_force_ends_what_runs(running):
    running.ok("delete", "--force", "c")
    assert running.ids() == []


@pytest.mark.parametrize("signal", ["9", "KILL", "SIGKILL", "kill", "sigkill"])
def test_signals_have_many_spellings(running, signal):
    running.ok("kill", "c", signal)
    running.wait_for("c", "stopped")


@pytest.mark.parametrize("name,number", [("SIGRTMIN+3", 37), ("RTMAX-1", 63), ("WINCH", 28),
                                         ("34", 34), ("64", 64)])
def test_realtime_signals_arrive_as_programs_number_them(kenro, bundle, name, number):
    out = bundle / "out"
    write_config(bundle, shell(f"trap 'echo got' {number}; echo ready; "
                               "while :; do sleep 1000 & wait $!; done"))
    with open(out, "w") as f:
        kenro.ok("run", "-d", "--bundle", bundle, "c", stdout=f)
    wait_until(lambda: out.read_text() == "ready\n")
    kenro.ok("kill", "c", name)
    wait_until(lambda: out.read_text() == "ready\ngot\n")


@pytest.mark.parametrize("signal", ["NOPE", "65", "-1", "0x9", "SIG", "RTMIN+31", "9 "])
def test_an_unknown_signal_is_refused(running, signal):
    assert f"'{signal}'" in running.fails("kill", "c", signal)
    assert running.status("c") == "running"


def test_kill_without_a_signal_is_term(kenro, bundle):
    write_config(bundle, shell("trap 'exit 4' TERM; while :; do sleep 1000 & wait $!; done"))
    p = kenro.popen("run", "-b", bundle, "c")
    wait_until(lambda: "c" in kenro.ids() and kenro.status("c") == "running")
    while p.poll() is None:  # until the shell has set its trap, process 1 ignores the signal
        kenro.run("kill", "c")
    assert p.wait() == 4


def test_kill_of_a_stopped_container_says_so(stopped):
    line = stopped.fails("kill", "c", "TERM")
    assert "container not running" in line and "no such process" in line


def test_kill_all_of_a_stopped_container_is_fine(stopped):
    stopped.ok("kill", "--all", "c", "KILL")
    stopped.ok("kill", "-a", "c", "9")


def test_kill_all_reaches_what_a_dead_init_has_left(kenro, bundle):
    """Without a pid namespace nothing dies with init: engines send kill --all."""
    c = without(shell("sleep 1000 >/dev/null 2>&1 & exit 0"), "pid")
    c["mounts"][0] = {"destination": "/proc", "type": "bind", "source": "/proc",
                      "options": ["rbind"]}
    write_config(bundle, c)
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    kenro.wait_for("c", "stopped")
    kenro.ok("kill", "--all", "c", "KILL")
    kenro.ok("delete", "c")


def test_kill_all_reaches_what_is_left_in_a_joined_pid_namespace(kenro, bundle):
    """Those of the namespace's own container go on."""
    write_config(bundle, config(*SLEEP))
    kenro.ok("run", "-d", "--bundle", bundle, "pod")
    c = shell("sleep 1000 >/dev/null 2>&1 & exit 0")
    for n in c["linux"]["namespaces"]:
        if n["type"] == "pid":
            n["path"] = f"/proc/{kenro.pid('pod')}/ns/pid"
    write_config(bundle, c)
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    kenro.wait_for("c", "stopped")
    procs = cgroup_mount() / "kenro/c/cgroup.procs"
    assert len(procs.read_text().split()) == 1
    assert "container not running" in kenro.fails("kill", "c", "KILL")
    kenro.ok("kill", "--all", "c", "KILL")
    wait_until(lambda: procs.read_text() == "")
    kenro.ok("delete", "c")
    assert kenro.status("pod") == "running"


def test_delete_ends_what_is_left_in_a_joined_pid_namespace(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    kenro.ok("run", "-d", "--bundle", bundle, "pod")
    c = shell("sleep 1000 >/dev/null 2>&1 & exit 0")
    for n in c["linux"]["namespaces"]:
        if n["type"] == "pid":
            n["path"] = f"/proc/{kenro.pid('pod')}/ns/pid"
    write_config(bundle, c)
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    kenro.wait_for("c", "stopped")
    [left] = (cgroup_mount() / "kenro/c/cgroup.procs").read_text().split()
    kenro.ok("delete", "c")
    assert not (cgroup_mount() / "kenro/c").exists()
    assert not os.path.exists(f"/proc/{left}") or state_of(left) == "Z"  # the pod's to reap
    assert kenro.status("pod") == "running"


def test_sigkill_without_a_pid_namespace_kills_everything(kenro, bundle):
    c = without(shell("sleep 1000 & sleep 1000 & wait"), "pid")
    c["mounts"][0] = {"destination": "/proc", "type": "bind", "source": "/proc",
                      "options": ["rbind"]}
    c["linux"]["cgroupsPath"] = "/kenro-test-kill"
    write_config(bundle, c)
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    procs = cgroup_mount() / "kenro-test-kill/cgroup.procs"
    wait_until(lambda: len(procs.read_text().split()) == 3)
    kenro.ok("kill", "c", "KILL")
    wait_until(lambda: procs.read_text() == "")


def test_a_half_made_container_can_be_deleted(kenro):
    (kenro.root / "half").mkdir(parents=True)
    assert "does not exist" in kenro.fails("state", "half")
    assert "does not exist" in kenro.fails("delete", "half")
    assert not (kenro.root / "half").exists()
    (kenro.root / "half").mkdir()
    kenro.ok("delete", "--force", "half")
    assert not (kenro.root / "half").exists()


def test_a_container_without_a_process_can_be_created_and_not_started(kenro, bundle):
    c = config()
    del c["process"]
    write_config(bundle, c)
    kenro.ok("create", "--bundle", bundle, "c")
    assert kenro.status("c") == "created"
    assert "no process" in kenro.fails("start", "c")


def test_list_shows_every_container(kenro, bundle, tmp_path):
    write_config(bundle, config(*SLEEP))
    for id in ("a", "b"):
        kenro.ok("create", "--bundle", bundle, id)
    kenro.ok("start", "b")
    assert sorted(kenro.ok("list", "--quiet").split()) == ["a", "b"]
    listed = {c["id"]: c for c in json.loads(kenro.ok("list", "--format", "json"))}
    assert listed == {"a": kenro.state("a"), "b": kenro.state("b")}
    table = kenro.ok("list").splitlines()
    assert table[0].split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    row = next(line.split() for line in table[1:] if line.startswith("b "))
    assert row[:4] == ["b", str(kenro.pid("b")), "running", str(bundle)]


def test_list_of_nothing_is_empty(kenro, bundle):
    assert Runtime(kenro.root).run("list").returncode == 1  # an explicit root must be there
    kenro.ok("run", "--bundle", bundle, "c")
    assert kenro.ok("list", "-q") == ""
    assert json.loads(kenro.ok("list", "-f", "json")) == []


def test_list_survives_a_damaged_neighbour(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    kenro.ok("create", "--bundle", bundle, "good")
    (kenro.root / "bad").mkdir()
    (kenro.root / "bad/state.json").write_text("{ not json")
    r = kenro.run("--log-level", "warning", "list", "-q")
    assert (r.returncode, r.stdout) == (0, "good\n")
    assert r.stderr.startswith("kenro: warning: bad: state.json:1:") and r.stderr.count("\n") == 1
    (kenro.root / "bad/state.json").unlink()
    (kenro.root / "bad").rmdir()


def test_the_state_survives_only_for_its_process(kenro, bundle):
    """A recorded pid that another process has now is not the container."""
    write_config(bundle, config(*SLEEP))
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    kenro.ok("kill", "c", "KILL")
    kenro.wait_for("c", "stopped")
    path = kenro.root / "c/state.json"
    state = json.loads(path.read_text())
    state["pid"] = os.getpid()  # alive, but started at another time
    path.write_text(json.dumps(state))
    assert kenro.status("c") == "stopped"
    assert "container not running" in kenro.fails("kill", "c", "KILL")
    kenro.ok("delete", "--force", "c")


def test_records_are_for_root_only(created):
    assert os.stat(created.root).st_mode & 0o777 == 0o700
    assert os.stat(created.root / "c").st_mode & 0o777 == 0o700
    for name in os.listdir(created.root / "c"):
        assert os.stat(created.root / "c" / name).st_mode & 0o777 == 0o600, name


@pytest.mark.slow
def test_a_thousand_lives_leave_nothing_behind(kenro, bundle):
    """The fixture compares processes, mounts, cgroups, descriptors and state."""
    write_config(bundle, config(*SLEEP))
    for i in range(1000):
        id = f"c{i}"
        kenro.ok("create", "--bundle", bundle, id)
        kenro.ok("start", id)
        kenro.ok("kill", id, "KILL")
        kenro.wait_for(id, "stopped")
        kenro.ok("delete", id)
    assert os.listdir(kenro.root) == []


def test_many_containers_at_once(kenro, bundle, tmp_path):
    write_config(bundle, config(*SLEEP))
    waiting = [kenro.popen("run", "-d", "--bundle", bundle, f"c{i}") for i in range(20)]
    assert [p.wait() for p in waiting] == [0] * 20
    assert sorted(kenro.ids()) == sorted(f"c{i}" for i in range(20))
    waiting = [kenro.popen("delete", "-f", f"c{i}") for i in range(20)]
    assert [p.wait() for p in waiting] == [0] * 20
    assert kenro.ids() == []


def test_a_group_that_was_there_before_stays_and_stays_clean(kenro, bundle):
    """Engines may make the group; each container would add a device program."""
    group = cgroup_mount() / "kenro-test-reuse"
    c = config()
    c["linux"]["cgroupsPath"] = "/kenro-test-reuse"
    write_config(bundle, c)
    group.mkdir()
    try:
        for _ in range(70):  # the kernel holds 64 programs
            kenro.ok("run", "--bundle", bundle, "c")
        write_config(bundle, {**c, "process": {**c["process"], "args": ["nosuch"]}})
        for _ in range(70):
            kenro.fails("run", "--bundle", bundle, "c")
        assert group.exists()
    finally:
        group.rmdir()


@pytest.mark.parametrize("joined", [False, True])
def test_a_group_that_was_killed_before_can_be_used(kenro, bundle, joined):
    """Since Linux 6.14 a clone into such a group dies at once."""
    group = cgroup_mount() / "kenro-test-killed"
    c = user_namespace(config(*SLEEP))
    c["linux"]["cgroupsPath"] = "/kenro-test-killed"
    write_config(bundle, c)
    group.mkdir()
    try:
        (group / "cgroup.kill").write_text("1")
        kenro.ok("run", "-d", "--bundle", bundle, "c")
        if joined:  # by way of a process in between, which is to go into the group too
            pid = kenro.pid("c")
            for n in c["linux"]["namespaces"]:
                if n["type"] in ("user", "pid"):
                    n["path"] = f"/proc/{pid}/ns/{n['type']}"
            del c["linux"]["uidMappings"], c["linux"]["gidMappings"]
            c["linux"]["cgroupsPath"] = "/kenro-test-killed/other"
            write_config(bundle, c)
            (group / "other").mkdir()
            (group / "other/cgroup.kill").write_text("1")
            kenro.ok("run", "-d", "--bundle", bundle, "d")
            assert kenro.ok("exec", "d", "/bin/echo", "there") == "there\n"
            kenro.ok("delete", "-f", "d")
            (group / "other").rmdir()
        assert kenro.ok("exec", "c", "/bin/echo", "there") == "there\n"
        waiting = [kenro.popen("exec", "c", "/bin/sh", "-c", f"exit {i}") for i in range(20)]
        assert [p.wait() for p in waiting] == list(range(20))
        kenro.ok("delete", "-f", "c")
    finally:
        group.rmdir()


@pytest.mark.parametrize("command", [["create"], ["run", "-d"]])
def test_a_create_that_is_killed_leaves_what_delete_can_remove(kenro, bundle, command):
    """At 60 moments from its first instruction to after its last."""
    write_config(bundle, config(*SLEEP))
    begin = time.monotonic()
    kenro.ok(*command, "-b", bundle, "c")
    step = 2 * (time.monotonic() - begin) / 60
    kenro.ok("delete", "--force", "c")
    ended = 0
    for i in range(60):
        p = kenro.popen(*command, "-b", bundle, "c", stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(i * step)  # the moment is what is tested
        p.kill()
        ended += p.wait() == 0
        if "c" in kenro.ids():
            assert kenro.status("c") in ("creating", "created", "running", "stopped")
        kenro.ok("delete", "--force", "c")
        assert kenro.ids() == []
        wait_until(lambda: reap_orphans() == [] and our_processes() == set(), 10)
        assert our_cgroups() == set()
    assert 0 < ended < 60


@pytest.mark.parametrize("bytes", [0, 4096, 8192, 12288, 16384])
def test_a_full_disk_is_an_error_that_leaves_nothing(kenro, bundle, bytes):
    """The state's file system has room for some of the files, or for none."""
    write_config(bundle, config(*SLEEP, env=["FILLER=" + "x" * 6000]))
    kenro.root.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "state", kenro.root], check=True)
    try:
        (kenro.root / ".ballast").write_bytes(b"x" * (32768 - bytes))
        line = kenro.fails("create", "-b", bundle, "c")
        assert "ENOSPC" in line
        assert kenro.ids() == []
        (kenro.root / ".ballast").unlink()
        kenro.ok("create", "-b", bundle, "c")
        kenro.ok("delete", "-f", "c")
    finally:
        subprocess.run(["umount", kenro.root], check=True)


def shared_group(kenro, bundle, *args):
    c = config(*args)
    c["linux"]["cgroupsPath"] = "/kenro-test-shared"
    write_config(bundle, c)
    return bundle


def test_a_group_belongs_to_one_container_until_it_is_deleted(kenro, bundle):
    """Also when nothing runs in it: deleting the one must not end the other."""
    shared_group(kenro, bundle, "/bin/true")
    kenro.ok("run", "-d", "-b", bundle, "a")
    kenro.wait_for("a", "stopped")
    line = kenro.fails("create", "-b", bundle, "b")
    assert line.startswith("create b: container's cgroup is not empty: it is that of ")
    kenro.ok("delete", "a")
    kenro.ok("create", "-b", bundle, "b")
    kenro.ok("delete", "b")


def test_of_two_creates_in_one_group_one_succeeds(kenro, bundle):
    shared_group(kenro, bundle, *SLEEP)
    for _ in range(20):
        both = {id: kenro.popen("create", "-b", bundle, id, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                for id in ("a", "b")}
        status = {id: p.wait(30) for id, p in both.items()}
        assert sorted(status.values()) in ([0, 1], [1, 1])
        for id in kenro.ids():
            assert kenro.status(id) == "created"
            kenro.ok("delete", "-f", id)
        # one has made it, the other got it as what had been there before
        if (cgroup_mount() / "kenro-test-shared").exists():
            (cgroup_mount() / "kenro-test-shared").rmdir()


def test_a_claim_ends_with_the_records(kenro, bundle):
    """/run was emptied, and the processes are gone; the groups are still there."""
    group = cgroup_mount() / "kenro-test-shared"
    shared_group(kenro, bundle, "/bin/true")
    kenro.ok("run", "-d", "-b", bundle, "a")
    kenro.wait_for("a", "stopped")
    shutil.rmtree(kenro.root)
    assert group.exists()
    kenro.ok("create", "-b", bundle, "b")
    kenro.ok("delete", "b")
    group.rmdir()  # it was there before b


def test_groups_with_odd_names_go_too(kenro, bundle):
    """A container that its group is delegated to has made one."""
    write_config(bundle, config(*SLEEP))
    kenro.ok("run", "-d", "-b", bundle, "c")
    (cgroup_mount() / "kenro/c/.hidden").mkdir()
    kenro.ok("delete", "-f", "c")


@pytest.mark.parametrize("state", ["running", "paused", "stopped", "created"])
def test_delete_takes_the_groups_below_and_all_in_them(kenro, bundle, state):
    """At any depth, and with processes that have a pid namespace of the host's."""
    c = without(config(*SLEEP), "pid")
    c["mounts"][0] = {"destination": "/proc", "type": "bind", "source": "/proc",
                      "options": ["rbind"]}
    write_config(bundle, c)
    kenro.ok("create", "-b", bundle, "c")
    group = cgroup_mount() / "kenro/c"
    (group / "a/b").mkdir(parents=True)
    (group / "empty").mkdir()
    kenro.ok("exec", "-d", "--cgroup", "a/b", "c", *SLEEP)
    kenro.ok("exec", "-d", "--cgroup", "a", "c", *SLEEP)
    if state != "created":
        kenro.ok("start", "c")
    if state == "paused":
        kenro.ok("pause", "c")
    if state == "stopped":
        os.kill(kenro.pid("c"), signal.SIGKILL)
        kenro.wait_for("c", "stopped")
    assert len((group / "a/b/cgroup.procs").read_text().split()) == 1
    kenro.ok("delete", *(["--force"] if state in ("running", "paused") else []), "c")
    assert not group.exists()


def test_a_group_whose_container_is_paused_takes_no_other(kenro, bundle):
    shared_group(kenro, bundle, *SLEEP)
    kenro.ok("run", "-d", "-b", bundle, "a")
    kenro.ok("pause", "a")
    assert "container's cgroup is not empty" in kenro.fails("create", "-b", bundle, "b")
    assert kenro.ids() == ["a"] and kenro.status("a") == "paused"
    kenro.ok("resume", "a")


def test_delete_waits_for_a_create_and_does_not_break_it(kenro, bundle):
    """A create that another command finds at work: stopped here, at any moment."""
    write_config(bundle, config("/bin/true"))
    for i in range(1, 20):
        p = kenro.popen("create", "-b", bundle, "c", stdin=subprocess.DEVNULL,
                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(i * 0.0005)  # the moment is what is tested
        p.send_signal(signal.SIGSTOP)
        if "c" in kenro.ids() and kenro.status("c") == "creating":
            assert "that is not stopped: creating" in kenro.fails("delete", "c")
        p.send_signal(signal.SIGCONT)
        assert p.wait(30) == 0
        assert kenro.status("c") == "created"
        kenro.ok("delete", "c")


def test_a_damaged_record_can_be_removed(kenro, bundle):
    write_config(bundle, config("/bin/true"))
    kenro.ok("run", "-d", "-b", bundle, "c")
    kenro.wait_for("c", "stopped")
    state = kenro.root / "c/state.json"
    whole = state.read_text()
    state.write_text("{")
    assert "state.json" in kenro.fails("delete", "c")
    assert (kenro.root / "c").exists()
    state.write_text(whole)
    kenro.ok("delete", "c")
    (kenro.root / "d").mkdir()
    (kenro.root / "d/state.json").write_text("")
    r = kenro.run("delete", "--force", "d")
    assert r.returncode == 0 and not (kenro.root / "d").exists()


def test_ids_that_begin_with_a_dot_are_listed(kenro, bundle):
    write_config(bundle, config("/bin/true"))
    kenro.ok("create", "-b", bundle, ".hidden")
    assert kenro.ids() == [".hidden"]
    kenro.ok("delete", ".hidden")


def test_sigkill_with_a_joined_pid_namespace_kills_everything(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    kenro.ok("run", "-d", "-b", bundle, "a")
    c = shell("sleep 1001 & sleep 1002")
    for n in c["linux"]["namespaces"]:
        if n["type"] == "pid":
            n["path"] = f"/proc/{kenro.pid('a')}/ns/pid"
    write_config(bundle, c)
    kenro.ok("run", "-d", "-b", bundle, "b")
    group = cgroup_mount() / "kenro/b/cgroup.procs"
    wait_until(lambda: len(group.read_text().split()) >= 2)
    kenro.ok("kill", "b", "KILL")
    wait_until(lambda: group.read_text() == "")
    for id in ("b", "a"):
        kenro.ok("delete", "-f", id)
