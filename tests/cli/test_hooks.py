"""Hooks: when they run, where, with what, and what becomes of the container when one
fails."""

import json
import os
import sys
import time

import pytest

import kenrotest
from kenrotest import config, shell, write_config
from rootless import rootless

POINTS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart",
          "poststop")
IN_CREATE = ("prestart", "createRuntime", "createContainer")
ON_HOST = ("prestart", "createRuntime", "poststart", "poststop")
MESSAGE = "error running {} hook #1: /bin/sh: "


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def hook(script, **kw):
    return {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/usr/bin:/bin"], **kw}


def add(c, point, *hooks):
    c.setdefault("hooks", {}).setdefault(point, []).extend(hooks)
    return c


def note(bundle, c, point, log, script=""):
    """Let a hook of POINT write its point and its state: in the container into the image,
    which every stage of the life can reach."""
    at = "/log" if point == "startContainer" else bundle / "rootfs/log"
    return add(c, point, hook(f"echo {point} $(cat) >>{at}; {script}"))


def notes(bundle):
    lines = (bundle / "rootfs/log").read_text().splitlines()
    return [(point, json.loads(state)) for point, state in (line.split(" ", 1) for line in lines)]


def life(kenro, bundle):
    kenro.ok("create", "--bundle", bundle, "c")
    kenro.ok("start", "c")
    kenro.wait_for("c", "stopped")
    kenro.ok("delete", "c")


def test_they_run_in_the_order_of_the_life(kenro, bundle, log):
    c = shell("echo program >>/log")
    for point in POINTS:
        note(bundle, c, point, log)
    c["hooks"]["prestart"].append(hook(f"echo second >>{bundle}/rootfs/log"))
    write_config(bundle, c)
    life(kenro, bundle)
    words = [line.split()[0] for line in (bundle / "rootfs/log").read_text().splitlines()]
    assert words[:5] == ["prestart", "second", "createRuntime", "createContainer",
                         "startContainer"]
    assert sorted(words[5:7]) == ["poststart", "program"]  # both after the execve
    assert words[7:] == ["poststop"]


def test_each_gets_the_state_of_its_moment(kenro, bundle, log):
    c = config("/bin/true")
    c["annotations"] = {"org.example.a": "1"}
    for point in POINTS:
        note(bundle, c, point, log)
    write_config(bundle, c)
    kenro.ok("create", "--bundle", bundle, "c")
    pid = kenro.pid("c")
    kenro.ok("start", "c")
    kenro.wait_for("c", "stopped")
    kenro.ok("delete", "c")
    found = dict(notes(bundle))
    assert {p: s["status"] for p, s in found.items()} == {
        "prestart": "creating", "createRuntime": "creating", "createContainer": "creating",
        "startContainer": "created", "poststart": "running", "poststop": "stopped"}
    for point, state in found.items():
        assert state["id"] == "c" and state["bundle"] == str(bundle)
        assert state["ociVersion"] == c["ociVersion"]
        assert state["annotations"] == c["annotations"]
        # As the reader sees it: in the container's pid namespace it is the first.
        expected = 0 if point == "poststop" else pid if point in ON_HOST else 1
        assert state["pid"] == expected, point


def test_run_calls_all_of_them(kenro, bundle, log):
    c = config("/bin/true")
    for point in POINTS:
        note(bundle, c, point, log)
    write_config(bundle, c)
    kenro.ok("run", "--bundle", bundle, "c")
    assert [p for p, _ in notes(bundle)] == list(POINTS)


def test_those_of_the_host_see_the_host_and_start_in_the_bundle(kenro, bundle, log):
    c = config("/bin/true")
    for point in ON_HOST:
        add(c, point, hook(f"echo $(readlink /proc/self/ns/mnt) $(readlink /proc/self/ns/pid) "
                           f"$PWD >>{log}"))
    write_config(bundle, c)
    life(kenro, bundle)
    own = [os.readlink("/proc/self/ns/" + ns) for ns in ("mnt", "pid")]
    assert log.read_text().splitlines() == [" ".join([*own, str(bundle)])] * len(ON_HOST)


def test_before_the_root_is_entered_its_mounts_are_seen_at_its_path(kenro, bundle, log):
    """As engines' hooks expect, which reach into the mount namespace by the pid."""
    c = shell("exec 2>&1; cat /from-runtime/x /from-container/x; ls /etc/hostname-of-host")
    for name in ("from-runtime", "from-container"):
        (bundle / "rootfs" / name).mkdir()
    root = bundle / "rootfs"
    add(c, "createRuntime", hook(
        "pid=$(sed -n 's/.*\"pid\":\\([0-9]*\\).*/\\1/p'); "
        f"nsenter -t $pid -m sh -c 'mount -t tmpfs t {root}/from-runtime && "
        f"echo runtime >{root}/from-runtime/x && stat -f -c %T {root}/dev {root}/proc >{log}'"))
    add(c, "createContainer", hook(
        f"mount -t tmpfs t {root}/from-container && echo container >{root}/from-container/x"))
    write_config(bundle, c)
    r = kenro.run("run", "--bundle", bundle, "c")
    assert r.stdout.splitlines()[:2] == ["runtime", "container"], (r.stdout, r.stderr)
    assert log.read_text().split() == ["tmpfs", "proc"]
    assert not (root / "from-runtime/x").exists()


def test_the_root_of_a_user_namespace_is_seen_at_its_path_too(kenro, bundle, log):
    """Also where only the host's root can go."""
    c = kenrotest.user_namespace(shell("cat /there/x"))
    (bundle / "rootfs/there").mkdir()
    os.chown(bundle / "rootfs", 100000, 100000)
    bundle.chmod(0o700)
    add(c, "createContainer", hook(f"grep -c ' {bundle}/rootfs ' /proc/self/mountinfo; exit 3"))
    write_config(bundle, c)
    # The stash of the runtime, and the root on top of it.
    assert MESSAGE.format("createContainer") + "exit status 3: 2" in \
        kenro.fails("run", "--bundle", bundle, "c")


def test_start_container_runs_as_the_program_will(kenro, bundle):
    c = shell("grep -E '^(Cap|Uid|Seccomp:|NoNewPrivs)' /proc/self/status >/tmp/program; "
              "cmp /tmp/hook /tmp/program && echo same")
    (bundle / "rootfs/tmp").mkdir(exist_ok=True)
    (bundle / "rootfs/tmp").chmod(0o777)
    c["process"]["user"] = {"uid": 1000, "gid": 1000}
    c["process"]["cwd"] = "/tmp"
    add(c, "startContainer",
        hook("grep -E '^(Cap|Uid|Seccomp:|NoNewPrivs)' /proc/self/status >/tmp/hook"))
    write_config(bundle, c)
    assert kenro.ok("run", "--bundle", bundle, "c") == "same\n"


@pytest.mark.parametrize("point", POINTS)
def test_it_gets_the_environment_of_its_entry_and_three_descriptors(kenro, bundle, point):
    c = config("/bin/true")
    at = "/log" if point == "startContainer" else bundle / "rootfs/log"
    # Descriptor 3 is the directory itself.
    script = f"ls /proc/self/fd >{at}; tr '\\0' '\\n' </proc/self/environ >>{at}; true"
    add(c, point, {"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["A=1", "B=2"]})
    write_config(bundle, c)
    with open("/dev/null") as f:
        os.set_inheritable(f.fileno(), True)
        kenro.ok("run", "--bundle", bundle, "c", env={"LEAK": "1"}, close_fds=False)
    assert (bundle / "rootfs/log").read_text().split() == ["0", "1", "2", "3", "A=1", "B=2"]


@pytest.mark.parametrize("entry", [{}, {"env": []}])
@pytest.mark.parametrize("point", POINTS)
def test_without_an_environment_of_its_entry_it_has_none(kenro, bundle, point, entry):
    c = config("/bin/true")
    at = "/log" if point == "startContainer" else bundle / "rootfs/log"
    script = f"tr '\\0' '\\n' </proc/self/environ >{at}; true"
    add(c, point, {"path": "/bin/sh", "args": ["sh", "-c", script], **entry})
    write_config(bundle, c)
    kenro.ok("run", "--bundle", bundle, "c", env={"LEAK": "1", "PATH": "/bin"})
    assert (bundle / "rootfs/log").read_text() == ""


@pytest.mark.parametrize("point", IN_CREATE)
def test_a_failure_ends_create_and_runs_poststop(kenro, bundle, log, point):
    c = config("/bin/true")
    add(c, point, hook("echo it is broken >&2; exit 4"), hook(f"echo not me >>{log}"))
    add(c, "startContainer", hook("echo not me >/log"))
    add(c, "poststop", hook(f"echo poststop >>{log}"))
    write_config(bundle, c)
    assert kenro.fails("create", "--bundle", bundle, "c") == \
        "create c: " + MESSAGE.format(point) + "exit status 4: it is broken"
    assert log.read_text() == "poststop\n"
    assert kenro.ids() == []


@pytest.mark.parametrize("point", ("startContainer", "poststart"))
def test_a_failure_ends_start_and_the_container(kenro, bundle, log, point):
    c = config("/bin/sleep", "1000")
    add(c, point, hook("exit 5"))
    add(c, "poststop", hook(f"echo poststop >>{log}"))
    write_config(bundle, c)
    kenro.ok("create", "--bundle", bundle, "c")
    assert kenro.fails("start", "c") == "start c: " + MESSAGE.format(point) + "exit status 5"
    assert log.read_text() == "poststop\n"
    assert "does not exist" in kenro.fails("state", "c")


@pytest.mark.parametrize("point", POINTS[:-1])
def test_a_failure_ends_run(kenro, bundle, log, point):
    c = config("/bin/sleep", "1000")
    add(c, point, hook("exit 6"))
    add(c, "poststop", hook(f"echo poststop >>{log}"))
    write_config(bundle, c)
    assert MESSAGE.format(point) + "exit status 6" in \
        kenro.fails("run", "--bundle", bundle, "--pid-file", log.parent / "pid", "c")
    assert log.read_text() == "poststop\n"
    assert not (log.parent / "pid").exists()


def test_a_failing_poststop_only_warns_and_the_next_runs(kenro, bundle, log):
    c = config("/bin/true")
    add(c, "poststop", hook("exit 7"), hook(f"echo next >>{log}"))
    write_config(bundle, c)
    kenro.ok("create", "--bundle", bundle, "c")
    r = kenro.run("--log-level", "warning", "delete", "c")
    assert r.returncode == 0
    assert "error running poststop hook #1: /bin/sh: exit status 7" in r.stderr
    assert log.read_text() == "next\n"
    assert kenro.ids() == []


def test_delete_force_runs_poststop(kenro, bundle, log):
    c = add(config("/bin/sleep", "1000"), "poststop", hook(f"echo poststop >>{log}"))
    write_config(bundle, c)
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    kenro.ok("delete", "--force", "c")
    assert log.read_text() == "poststop\n"


@pytest.mark.parametrize("point", ("createRuntime", "createContainer", "startContainer"))
def test_one_that_takes_too_long_is_killed_with_its_children(kenro, bundle, point):
    c = config("/bin/true")
    add(c, point, hook("sleep 1000 & sleep 1000", timeout=1))
    write_config(bundle, c)
    began = time.monotonic()
    assert MESSAGE.format(point) + "did not end within its 1 s, and was killed" in \
        kenro.fails("run", "--bundle", bundle, "c")
    assert 0.9 < time.monotonic() - began < 20


def test_one_that_has_changed_its_process_group_is_killed_in_time(kenro, bundle):
    script = ("import os, time; pid = os.fork(); pid or time.sleep(30); os.setpgid(pid, pid); "
              "os.setpgid(0, pid); os.kill(pid, 9); time.sleep(30)")
    h = {"path": sys.executable, "args": ["python3", "-c", script], "timeout": 1}
    write_config(bundle, add(config(), "createRuntime", h))
    began = time.monotonic()
    assert "did not end within its 1 s" in kenro.fails("create", "--bundle", bundle, "c")
    assert time.monotonic() - began < 20


def test_one_in_the_container_gets_its_number_there_with_any_groups(kenro, bundle, log):
    c = config("/bin/true")
    c["process"]["user"]["additionalGids"] = [4000000000 + i for i in range(600)]
    write_config(bundle, note(bundle, c, "startContainer", log))
    kenro.ok("run", "--bundle", bundle, "c")
    assert notes(bundle)[0][1]["pid"] == 1


def test_a_program_that_cannot_be_executed_is_no_hooks_failure(kenro, bundle, log):
    program = bundle / "rootfs/bin/bad"
    program.write_bytes(b"\x7fELF" + bytes(200))
    program.chmod(0o755)
    write_config(bundle, note(bundle, config("/bin/bad"), "startContainer", log))
    kenro.ok("create", "--bundle", bundle, "c")
    assert kenro.fails("start", "c") == 'start c: exec "/bin/bad": exec format error'
    assert kenro.status("c") == "stopped"
    kenro.ok("delete", "c")


def test_the_last_ones_run_without_the_bundle(kenro, bundle, log):
    write_config(bundle, add(config(), "poststop", hook(f"pwd >{log}")))
    kenro.ok("create", "--bundle", bundle, "c")
    aside = bundle.rename(bundle.with_name("aside"))
    kenro.ok("delete", "--force", "c")
    aside.rename(bundle)
    assert log.read_text() == "/\n"


def test_one_that_is_killed_is_a_failure(kenro, bundle):
    write_config(bundle, add(config(), "createRuntime", hook("kill -9 $$")))
    assert "was killed by signal 9" in kenro.fails("create", "--bundle", bundle, "c")


def test_one_that_is_not_there_is_named(kenro, bundle):
    write_config(bundle, add(config(), "createRuntime", {"path": "/no/such"}))
    assert kenro.fails("create", "--bundle", bundle, "c") == \
        "create c: error running createRuntime hook #1: /no/such: cannot execute it: ENOENT"


def test_start_container_is_looked_up_in_the_image(kenro, bundle):
    """/bin/inside is there, and not on the host."""
    write_config(bundle, add(config(), "startContainer", {"path": "/bin/inside"}))
    kenro.ok("run", "--bundle", bundle, "c")
    write_config(bundle, add(config(), "createContainer", {"path": "/bin/inside"}))
    assert "cannot execute it: ENOENT" in kenro.fails("run", "--bundle", bundle, "c")


def test_output_without_end_neither_blocks_nor_fills_memory(kenro, bundle):
    write_config(bundle, add(config(), "createRuntime",
                             hook("head -c 3000000 /dev/zero; echo >&2; exit 1")))
    assert len(kenro.fails("create", "--bundle", bundle, "c")) < 600


def test_a_child_that_keeps_the_output_open_is_not_waited_for(kenro, bundle, tmp_path):
    pid_file = tmp_path / "daemon"
    write_config(bundle, add(config(), "createRuntime",
                             hook(f"setsid sleep 1000 & echo $! >{pid_file}")))
    kenro.ok("run", "--bundle", bundle, "c")
    pid = int(pid_file.read_text())
    os.kill(pid, 9)
    kenrotest.wait_until(lambda: not os.path.exists(f"/proc/{pid}") or
                         pid in kenrotest.reap_orphans())


def test_a_hook_cannot_change_what_the_next_is_told(kenro, bundle, log):
    c = config()
    add(c, "createContainer",
        hook("(echo x >/proc/self/fd/0); (: >/proc/self/fd/0); true"),
        hook(f"cat >{log}"))
    write_config(bundle, c)
    kenro.ok("run", "--bundle", bundle, "c")
    assert json.loads(log.read_text())["id"] == "c"


def test_a_create_that_dies_takes_its_hook_along(kenro, bundle, tmp_path):
    at = tmp_path / "pid"
    write_config(bundle, add(config(), "createRuntime", hook(f"echo $$ >{at}; exec sleep 1000")))
    p = kenro.popen("create", "--bundle", bundle, "c")
    kenrotest.wait_until(lambda: at.exists() and at.read_text().endswith("\n"))
    kenrotest.kill_and_reap(p)
    pid = int(at.read_text())
    kenrotest.wait_until(lambda: not os.path.exists(f"/proc/{pid}") or
                         pid in kenrotest.reap_orphans())
    kenro.ok("delete", "--force", "c")


def test_state_can_be_asked_from_a_hook(kenro, bundle, log):
    c = config("/bin/sleep", "1000")
    for point in ("createRuntime", "poststart"):
        add(c, point, hook(f"{kenro.binary} --root {kenro.root} state c | grep status >>{log}"))
    write_config(bundle, c)
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    assert [line.split('"')[3] for line in log.read_text().splitlines()] == ["creating", "running"]


def test_they_run_for_an_ordinary_user_too(user):
    c = rootless("/bin/true")
    bundle = user.bundle(c)
    log = bundle / "rootfs/log"
    in_root = f"grep -c ' {bundle}/rootfs ' /proc/self/mountinfo >/dev/null || exit 3; "
    c["hooks"] = {point: [{"path": "/bin/sh", "env": ["PATH=/usr/bin:/bin"], "args": [
        "sh", "-c", (in_root if point == "createContainer" else "") +
        f"echo {point} >>{'/log' if point == 'startContainer' else log}"]}]
        for point in ("prestart", "createRuntime", "createContainer", "startContainer",
                      "poststart", "poststop")}
    write_config(bundle, c)
    user.ok("run", "-b", bundle, "c")
    assert log.read_text().split() == list(c["hooks"])
