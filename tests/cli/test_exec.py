"""exec: one more process in a container."""

import json
import os
import signal
import subprocess

import pytest

from kenrotest import CAPS, cgroup_mount, config, user_namespace, wait_until, without, write_config

SLEEP = ("/bin/sleep", "1000")


@pytest.fixture
def running(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    return kenro


def document(tmp_path, **fields):
    p = {"args": ["/bin/true"], "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}
    p.update(fields)
    path = tmp_path / "process.json"
    path.write_text(json.dumps(p))
    return path


def test_output_and_status_are_the_programs(running):
    r = running.run("exec", "c", "/bin/sh", "-c", "echo out; echo err >&2; exit 9")
    assert (r.returncode, r.stdout, r.stderr) == (9, "out\n", "err\n")


def test_a_killed_program_gives_128_and_the_signal(running):
    assert running.run("exec", "c", "/bin/sh", "-c", "kill -KILL $$").returncode == 137


def test_a_document_says_everything(running, tmp_path):
    path = document(tmp_path, args=["/bin/inside", "x"], cwd="/tmp", env=["A=1", "B=", "A=2"],
                    user={"uid": 5, "gid": 6, "additionalGids": [7, 8], "umask": 0o77},
                    rlimits=[{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}],
                    capabilities={"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"],
                                  "effective": ["CAP_KILL"]},
                    noNewPrivileges=True, oomScoreAdj=321)
    path.write_text(path.read_text().replace('"x"', '"/bin/true"'))
    seen = json.loads(running.ok("exec", "--process", path, "c"))
    assert seen["cwd"] == "/tmp"
    assert sorted(seen["env"]) == ["A=2", "B=", "HOME=/"]
    assert seen["status"]["Uid"].split() == ["5"] * 4
    assert seen["status"]["Gid"].split() == ["6"] * 4
    assert seen["status"]["Groups"].split() == ["7", "8"]
    assert seen["umask"] == 0o77
    assert seen["limits"]["NOFILE"] == [50, 60]
    assert seen["oom_score_adj"] == ["321"]
    # a program that is not root's has them at execve(2) only by the ambient set
    assert int(seen["status"]["CapBnd"], 16) == 1 << 5
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(seen["status"][name], 16) == 0, name


def test_detached_returns_when_the_program_runs(running, tmp_path):
    pid_file = tmp_path / "pid"
    running.ok("exec", "-d", "--pid-file", pid_file, "c", *SLEEP)
    pid = int(pid_file.read_text())
    assert pid_file.read_text() == str(pid)
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        assert f.read() == b"/bin/sleep\x001000\x00"


def test_no_pid_file_after_a_failure(running, tmp_path):
    """conmon takes a missing pid file for the failure."""
    pid_file = tmp_path / "pid"
    running.fails("exec", "-d", "--pid-file", pid_file, "c", "nosuch", status=255)
    assert not pid_file.exists()


@pytest.mark.parametrize("program,text", [
    ("nosuch", 'exec "nosuch": executable file not found in $PATH'),
    ("/no/such", 'exec "/no/such": no such file or directory'),
    ("/etc", 'exec "/etc": is a directory: permission denied'),
    ("/etc/passwd", 'exec "/etc/passwd": permission denied'),
])
def test_what_cannot_be_executed_is_named(running, program, text):
    assert running.fails("exec", "c", program, status=255) == f"exec c: {text}"


def test_options_change_what_the_container_has(running):
    out = running.ok("exec", "-u", "5:6", "-g", "7", "-e", "A=b", "--cwd", "/tmp", "c",
                     "/bin/inside")
    seen = json.loads(out)
    assert seen["status"]["Uid"].split()[0] == "5"
    assert seen["status"]["Gid"].split()[0] == "6"
    assert seen["status"]["Groups"].split() == ["7"]
    assert "A=b" in seen["env"] and "PATH=/usr/bin:/bin" in seen["env"]
    assert seen["cwd"] == "/tmp"


def test_a_user_that_is_not_root_holds_no_effective_capability_by_itself(running):
    seen = json.loads(running.ok("exec", "-u", "5", "c", "/bin/inside"))
    assert int(seen["status"]["CapEff"], 16) == 0
    assert int(seen["status"]["CapPrm"], 16) == 0


@pytest.mark.parametrize("user", ["-1", "4294967295", "4294967296", "root", "", "0x0", "1:", ":1",
                                  "1:4294967295", " 1", "1:2:3"])
def test_a_user_that_is_no_number_is_refused(running, user):
    assert "--user" in running.fails("exec", "-u", user, "c", "/bin/id", status=255)


@pytest.mark.parametrize("variable", ["PATH", "", "=x"])
def test_what_is_no_variable_is_refused(running, tmp_path, variable):
    """Like that PATH would be gone."""
    assert running.fails("exec", "-e", variable, "c", "/bin/true", status=255) == \
        f"exec c: --env: '{variable}' is not NAME=VALUE"
    path = document(tmp_path, env=["A=", variable])
    assert "process.env[1]: is not NAME=VALUE" in \
        running.fails("exec", "-p", path, "c", status=255)


def test_exec_is_in_every_namespace_of_the_container(running):
    pid = running.pid("c")
    seen = json.loads(running.ok("exec", "c", "/bin/inside"))
    for name in ("pid", "net", "mnt", "ipc", "uts", "user", "cgroup", "time"):
        assert seen["ns"][name] == os.readlink(f"/proc/{pid}/ns/{name}"), name


def test_exec_is_in_the_containers_cgroup(running):
    assert running.ok("exec", "c", "/bin/sh", "-c", "grep ^0: /proc/self/cgroup") == "0::/\n"


def test_no_new_privs_stays(running, tmp_path):
    path = document(tmp_path, args=["/bin/inside"], noNewPrivileges=False)
    assert json.loads(running.ok("exec", "-p", path, "c"))["status"]["NoNewPrivs"] == "1"


def test_the_filter_is_the_containers(running):
    seen = json.loads(running.ok("exec", "c", "/bin/inside"))
    assert (seen["status"]["Seccomp"], seen["status"]["Seccomp_filters"]) == ("2", "1")


def test_no_capability_beyond_the_containers(running, tmp_path):
    path = document(tmp_path, args=["/bin/inside"], capabilities={
        name: ["CAP_SYS_ADMIN", "CAP_KILL"] for name in ("bounding", "permitted", "effective")})
    r = running.run("--log-level", "warning", "exec", "--process", path, "c")
    assert "process.capabilities.bounding: 1 beyond the container's own" in r.stderr
    seen = json.loads(r.stdout)
    assert int(seen["status"]["CapBnd"], 16) == 1 << 5
    assert int(seen["status"]["CapEff"], 16) == 1 << 5


def test_a_document_without_capabilities_has_none(running, tmp_path):
    path = document(tmp_path, args=["/bin/inside"])
    seen = json.loads(running.ok("exec", "--process", path, "c"))
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(seen["status"][name], 16) == 0, name


def test_cap_adds_what_the_container_may(running):
    seen = json.loads(running.ok("exec", "--cap", "kill", "-u", "5", "c", "/bin/inside"))
    assert int(seen["status"]["CapBnd"], 16) & 1 << 5
    assert "no capability" in running.fails("exec", "--cap", "NOPE", "c", "/bin/true", status=255)


def test_the_ambient_set_is_the_containers(kenro, bundle):
    """For a user that is not root it is what makes capabilities of any use."""
    caps = {s: ["CAP_KILL"] for s in ("bounding", "permitted", "effective", "inheritable", "ambient")}
    write_config(bundle, config(*SLEEP, capabilities=caps))
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    for user in ("0", "5"):
        seen = json.loads(kenro.ok("exec", "-u", user, "c", "/bin/inside"))
        assert {int(seen["status"][s], 16) for s in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == \
            {1 << 5}, user


def test_exec_works_before_start(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    kenro.ok("create", "--bundle", bundle, "c")
    assert kenro.ok("exec", "c", "/bin/echo", "hello") == "hello\n"
    assert kenro.status("c") == "created"


def test_a_created_init_hides_the_runtimes_command_line(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    kenro.ok("create", "--bundle", bundle, "c")
    out = kenro.ok("exec", "c", "/bin/sh", "-c", "tr -d '\\0' </proc/1/cmdline; "
                                                 "cat /proc/1/environ 2>&1 | tr -d '\\0'")
    assert out.startswith("kenro:init")
    assert str(bundle) not in out and "PATH" not in out


def test_exec_in_a_stopped_container_is_refused(running):
    running.ok("kill", "c", "KILL")
    running.wait_for("c", "stopped")
    assert running.fails("exec", "c", "/bin/true", status=255) == \
        "exec c: cannot exec in a stopped container"


def test_exec_in_a_paused_container_is_refused(running):
    freeze = cgroup_mount() / "kenro/c/cgroup.freeze"
    events = cgroup_mount() / "kenro/c/cgroup.events"
    freeze.write_text("1")
    wait_until(lambda: "frozen 1" in events.read_text())
    assert running.status("c") == "paused"
    assert "cannot exec in a paused container" in \
        running.fails("exec", "c", "/bin/true", status=255)
    freeze.write_text("0")
    wait_until(lambda: "frozen 0" in events.read_text())
    running.ok("exec", "c", "/bin/true")


def test_exec_in_an_unknown_container_gives_255(kenro):
    assert kenro.fails("exec", "nosuch", "true", status=255) == \
        'exec nosuch: container "nosuch" does not exist'


def test_options_end_at_the_container_id(running):
    assert running.ok("exec", "c", "/bin/echo", "-d", "--tty") == "-d --tty\n"
    assert running.ok("exec", "--", "c", "/bin/echo", "--", "x") == "-- x\n"


def test_signals_are_handed_on(running):
    p = running.popen("exec", "c", "/bin/sh", "-c",
                      "trap 'echo got; exit 3' TERM; echo ready; sleep 1000 & wait",
                      stdout=subprocess.PIPE)
    assert p.stdout.readline() == "ready\n"
    p.terminate()
    assert p.stdout.readline() == "got\n"
    assert p.wait() == 3
    p.stdout.close()


def test_what_the_program_leaves_behind_does_not_hold_exec(running):
    running.ok("exec", "c", "/bin/sh", "-c", "sleep 1000 >/dev/null 2>&1 </dev/null & exit 0")


def test_preserved_descriptors_arrive_and_no_others(running):
    r, w = os.pipe()
    p = subprocess.run(["bash", "-c", f'exec 3<&{r}; exec "$@"', "sh",
                        *running.command("exec", "--preserve-fds", "1", "c", "/bin/ls",
                                         "/proc/self/fd")],
                       pass_fds=[r, w], capture_output=True, text=True, timeout=60)
    os.close(r)
    os.close(w)
    assert (p.returncode, p.stdout.split()) == (0, ["0", "1", "2", "3", "4"])


def test_a_preserved_descriptor_that_is_closed_is_an_error(running):
    """Also one between two that are open."""
    r, w = os.pipe()
    p = subprocess.run(["bash", "-c", f'exec 3<&{r} 5>&{w}; exec "$@"', "sh",
                        *running.command("exec", "--preserve-fds", "3", "c", "/bin/true")],
                       capture_output=True, text=True, timeout=60, pass_fds=[r, w])
    os.close(r)
    os.close(w)
    assert (p.returncode, p.stderr) == \
        (255, "kenro: exec c: --preserve-fds: descriptor 4 is not open\n")


def test_exec_into_a_user_namespace(kenro, bundle):
    write_config(bundle, user_namespace(config(*SLEEP)))
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    seen = json.loads(kenro.ok("exec", "-u", "7:8", "c", "/bin/inside"))
    assert seen["status"]["Uid"].split() == ["7"] * 4
    assert seen["uid_map"][0].split() == ["0", "100000", "65536"]
    line = kenro.fails("exec", "-u", "70000", "c", "/bin/true", status=255)
    assert "70000 is not mapped" in line


def test_exec_where_init_shares_namespaces_with_the_host(kenro, bundle):
    write_config(bundle, without(config(*SLEEP), "ipc", "uts", "network", "cgroup") |
                 {"hostname": ""})
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    seen = json.loads(kenro.ok("exec", "c", "/bin/inside"))
    for name in ("net", "ipc", "uts", "cgroup", "user"):
        assert seen["ns"][name] == os.readlink(f"/proc/self/ns/{name}"), name


def test_the_working_directory_must_be_below_the_root(running, bundle):
    for bad in ("/proc/self/fd/7", "/nosuch"):
        assert "process.cwd" in running.fails("exec", "--cwd", bad, "c", "/bin/pwd", status=255)


def test_a_working_directory_that_the_user_may_not_enter(kenro, bundle):
    """Images with WORKDIR /root and USER 1000 are common, and expected to work."""
    os.mkdir(bundle / "rootfs/private")
    os.chown(bundle / "rootfs/private", 5, 5)
    os.chmod(bundle / "rootfs/private", 0o700)
    c = config(*SLEEP)
    caps = [cap for cap in CAPS if cap != "CAP_DAC_OVERRIDE"]
    c["process"]["capabilities"] = {"bounding": caps, "permitted": caps, "effective": caps}
    write_config(bundle, c)
    kenro.ok("run", "-d", "--bundle", bundle, "c")
    assert kenro.ok("exec", "-u", "5:5", "--cwd", "/private", "c", "/bin/pwd") == "/private\n"
    assert kenro.ok("exec", "-u", "6:6", "--cwd", "/private", "c", "/bin/pwd") == "/private\n"
    assert kenro.run("exec", "-u", "6:6", "--cwd", "/private", "c", "/bin/ls", ".").returncode == 1


def test_many_execs_at_once(running):
    waiting = [running.popen("exec", "c", "/bin/sh", "-c", f"exit {i}") for i in range(30)]
    assert [p.wait() for p in waiting] == list(range(30))


def test_an_exec_whose_runtime_is_killed_leaves_a_consistent_state(running):
    p = running.popen("exec", "c", *SLEEP)
    wait_until(lambda: running.ok("exec", "c", "/bin/ps").count("/bin/sleep 1000") == 2)
    p.send_signal(signal.SIGKILL)
    p.wait()
    assert running.status("c") == "running"
    running.ok("exec", "c", "/bin/true")


def test_an_exec_that_nobody_has_reaped_does_not_hold_delete(running, tmp_path):
    """The kernel keeps init until its pid namespace is reaped; engines may reap late."""
    running.ok("exec", "-d", "--pid-file", tmp_path / "pid", "c", "/bin/true")
    running.ok("delete", "--force", "c")
    assert running.ids() == []


def test_pipes_are_the_users(running):
    r = running.run("exec", "-u", "1000:1000", "c", "/bin/sh", "-c",
                    "echo out >/dev/stdout; echo err >/dev/stderr", stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE)
    assert r.returncode == 0


def test_a_pid_file_that_cannot_be_written_ends_the_program(running, tmp_path):
    line = running.fails("exec", "-d", "--pid-file", tmp_path / "no/such", "c", *SLEEP, status=255)
    assert "ENOENT" in line
    wait_until(lambda: running.ok("exec", "c", "/bin/pidof", "sleep").split() == ["1"])


def test_a_document_says_all(running, tmp_path):
    (tmp_path / "p.json").write_text('{"args": ["/bin/true"], "cwd": "/"}')
    for option in (["-u", "1000"], ["--cwd", "/tmp"], ["-e", "A=1"], ["--cap", "KILL"], ["-g", "5"],
                   ["--apparmor", "x"], ["--process-label", "x"]):
        assert "--process says all" in \
            running.fails("exec", "--process", tmp_path / "p.json", *option, "c", status=255)


def test_a_uid_alone_keeps_the_containers_group(kenro, bundle):
    write_config(bundle, config(*SLEEP, user={"uid": 5, "gid": 60}))
    kenro.ok("run", "-d", "-b", bundle, "c")
    assert kenro.ok("exec", "-u", "2000", "c", "/bin/id").split()[:2] == ["uid=2000", "gid=60"]


def test_exec_without_a_process_to_go_by_is_filtered(kenro, bundle):
    c = config()
    del c["process"]
    write_config(bundle, c)
    kenro.ok("create", "-b", bundle, "c")
    assert kenro.ok("exec", "--cwd", "/", "c", "/bin/grep", "^Seccomp:", "/proc/self/status") == \
        "Seccomp:\t2\n"


def test_an_exec_can_be_put_into_a_group_below_the_containers(running):
    group = cgroup_mount() / "kenro/c"
    (group / "sub/deep").mkdir(parents=True)
    for path, expected in (("sub", "/sub"), ("/sub/deep", "/sub/deep"), ("/", "/"), ("", "/")):
        assert running.ok("exec", "--cgroup", path, "c", "/bin/grep", "^0:", "/proc/self/cgroup") == \
            f"0::{expected}\n"


def own_group(kenro):
    return kenro.ok("exec", "c", "/bin/grep", "^0:", "/proc/self/cgroup")


def test_an_exec_joins_init_in_a_group_below_the_containers(running):
    """Where it went so that limits can be given to groups beside it."""
    group = cgroup_mount() / "kenro/c"
    (group / "init/deep").mkdir(parents=True)
    for path in ("init/deep", "init"):
        (group / path / "cgroup.procs").write_text(str(running.pid("c")))
        assert own_group(running) == f"0::/{path}\n"
    assert running.ok("exec", "--cgroup", "/", "c", "/bin/grep", "^0:", "/proc/self/cgroup") == "0::/\n"


def test_a_group_of_the_containers_cannot_keep_an_exec_out(running):
    """The container freezes it, or lets no process in."""
    inner = cgroup_mount() / "kenro/c/init"
    inner.mkdir()
    (inner / "cgroup.procs").write_text(str(running.pid("c")))
    (inner / "cgroup.freeze").write_text("1")
    wait_until(lambda: "frozen 1" in (inner / "cgroup.events").read_text())
    assert own_group(running) == "0::/\n"
    (inner / "cgroup.freeze").write_text("0")
    wait_until(lambda: "frozen 0" in (inner / "cgroup.events").read_text())
    assert own_group(running) == "0::/init\n"
    (inner / "below").mkdir()
    (inner / "below/cgroup.type").write_text("threaded")  # it is the domain, and invalid below
    assert own_group(running) == "0::/init\n"


@pytest.mark.parametrize("path", ["..", "../c2", "sub/../..", "/../../etc"])
def test_a_group_that_is_not_below_is_refused(running, path):
    assert running.fails("exec", "--cgroup", path, "c", "/bin/true", status=255) == \
        f"exec c: --cgroup: bad sub cgroup path '{path}': it leaves the container's cgroup"


def test_a_group_must_be_there(running):
    assert running.fails("exec", "--cgroup", "nosuch", "c", "/bin/true", status=255) == \
        "exec c: --cgroup: cannot open the group /kenro/c/nosuch: ENOENT"
    assert "unknown controller in 'cpu:/'" in \
        running.fails("exec", "--cgroup", "cpu:/", "c", "/bin/true", status=255)
