"""The process object: ids, capabilities, limits, environment, attributes."""

import json
import os
import re
import signal
import subprocess

import pytest

from kenrotest import CAPS, KENRO, config, inside, shell, user_namespace, write_config

ALL_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def bits(seen, name):
    return int(seen["status"][name], 16)


def mask(*numbers):
    return sum(1 << n for n in numbers)


CHOWN, KILL, NET_BIND = 0, 5, 10


def test_without_capabilities_there_are_none(kenro, bundle):
    c = config()
    del c["process"]["capabilities"]
    seen = inside(kenro, bundle, c)
    assert [bits(seen, s) for s in ALL_SETS] == [0] * 5


def test_without_any_capability_none_can_be_gained_by_being_root(kenro, bundle):
    c = config()
    c["process"]["capabilities"] = {}
    c["process"]["noNewPrivileges"] = False
    seen = inside(kenro, bundle, c)
    # NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE and every lock: capabilities(7)
    assert seen["securebits"] == 0b11101111
    assert [bits(seen, s) for s in ALL_SETS] == [0] * 5


def test_capabilities_of_root_are_those_that_were_asked_for(kenro, bundle):
    c = config()
    c["process"]["capabilities"] = {s: ["CAP_CHOWN", "CAP_KILL"]
                                    for s in ("bounding", "permitted", "effective")}
    seen = inside(kenro, bundle, c)
    assert [bits(seen, s) for s in ALL_SETS] == [0, mask(CHOWN, KILL), mask(CHOWN, KILL),
                                                 mask(CHOWN, KILL), 0]


def test_ambient_capabilities_reach_a_user(kenro, bundle):
    c = config(user={"uid": 5, "gid": 5})
    c["process"]["capabilities"] = {s: ["CAP_NET_BIND_SERVICE"] for s in
                                    ("bounding", "permitted", "effective", "inheritable", "ambient")}
    seen = inside(kenro, bundle, c)
    assert [bits(seen, s) for s in ALL_SETS] == [mask(NET_BIND)] * 5


def test_ambient_without_inheritable_is_a_warning_and_not_granted(kenro, bundle):
    c = config("/bin/inside", user={"uid": 5, "gid": 5})
    c["process"]["capabilities"] = {s: ["CAP_KILL"] for s in
                                    ("bounding", "permitted", "effective", "ambient")}
    write_config(bundle, c)
    r = kenro.run("--log-level", "warning", "run", "-b", bundle, "c")
    assert r.stderr == ("kenro: warning: process.capabilities.ambient[0]: 'CAP_KILL' cannot be "
                        "granted here\n")
    assert [bits(json.loads(r.stdout), s) for s in ALL_SETS] == [0, 0, 0, mask(KILL), 0]


@pytest.mark.parametrize("bounding", [{}, {"bounding": []}])
@pytest.mark.parametrize("command", ["run", "exec"])
def test_an_absent_bounding_set_is_an_empty_one(kenro, bundle, tmp_path, command, bounding):
    """And what is not in it no execution gives."""
    c = config("/bin/inside")
    c["process"]["capabilities"] = {"permitted": ["CAP_KILL"], "effective": ["CAP_KILL"], **bounding}
    if command == "run":
        seen = inside(kenro, bundle, c)
    else:
        (tmp_path / "process.json").write_text(json.dumps(c["process"]))
        write_config(bundle, config("/bin/sleep", "1000"))
        kenro.ok("run", "-d", "-b", bundle, "c")
        seen = json.loads(kenro.ok("exec", "--process", tmp_path / "process.json", "c"))
    assert [bits(seen, s) for s in ALL_SETS] == [0] * 5


def test_inheritable_alone_is_not_given(kenro, bundle):
    """It would only arm files that carry capabilities (CVE-2022-24769)."""
    c = config(user={"uid": 5, "gid": 5})
    c["process"]["capabilities"] = {"bounding": ["CAP_KILL"], "inheritable": ["CAP_KILL"],
                                    "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"]}
    seen = inside(kenro, bundle, c)
    assert [bits(seen, s) for s in ALL_SETS] == [0, 0, 0, mask(KILL), 0]


def test_an_unknown_capability_is_a_warning(kenro, bundle):
    """config.md: must not fail, must log."""
    c = config()
    c["process"]["capabilities"]["bounding"] = CAPS + ["CAP_FROM_THE_FUTURE"]
    c["process"]["capabilities"]["permitted"] = CAPS + ["CAP_FROM_THE_FUTURE"]
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == ""  # standard error may be the program's
    r = kenro.run("--log-level", "warning", "run", "-b", bundle, "c")
    assert r.returncode == 0
    assert r.stderr == ("kenro: warning: process.capabilities.bounding[11]: "
                        "'CAP_FROM_THE_FUTURE' is no capability known here\n")


@pytest.mark.parametrize("wanted", [True, False])
def test_no_new_privs_is_what_was_asked_for(kenro, bundle, wanted):
    assert inside(kenro, bundle, config(noNewPrivileges=wanted))["status"]["NoNewPrivs"] == \
        str(int(wanted))


@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("command", ["run", "exec"])
def test_a_set_user_id_program_gains_only_without_no_new_privs(kenro, bundle, command, allowed):
    program = bundle / "rootfs/bin/gain"
    program.write_bytes((bundle / "rootfs/bin/inside").read_bytes())
    program.chmod(0o4755)
    c = config("/bin/gain", user={"uid": 1000, "gid": 1000}, noNewPrivileges=not allowed)
    if command == "run":
        write_config(bundle, c)
        seen = json.loads(kenro.ok("run", "-b", bundle, "c"))
    else:
        c["process"]["args"] = ["/bin/sleep", "1000"]
        write_config(bundle, c)
        kenro.ok("run", "-d", "-b", bundle, "c")
        seen = json.loads(kenro.ok("exec", "c", "/bin/gain"))
    assert seen["status"]["Uid"].split() == ["1000"] + ["0" if allowed else "1000"] * 3
    assert bool(bits(seen, "CapEff")) == allowed
    assert bits(seen, "CapEff") & ~bits(seen, "CapBnd") == 0


def test_no_new_privs_is_off_by_default_as_the_specification_says(kenro, bundle):
    c = config()
    del c["process"]["noNewPrivileges"]
    assert inside(kenro, bundle, c)["status"]["NoNewPrivs"] == "0"


def test_ids_and_groups(kenro, bundle):
    seen = inside(kenro, bundle, config(user={"uid": 1000, "gid": 1001, "umask": 0o27,
                                              "additionalGids": [5, 1, 5]}))
    assert seen["status"]["Uid"].split() == ["1000"] * 4
    assert seen["status"]["Gid"].split() == ["1001"] * 4
    assert seen["status"]["Groups"].split() == ["1", "5", "5"]
    assert seen["umask"] == 0o27


def test_the_callers_groups_and_umask_stay_outside(kenro, bundle):
    write_config(bundle, config("/bin/inside"))
    p = subprocess.run(kenro.command("run", "-b", bundle, "c"), capture_output=True, text=True,
                       umask=0o77, extra_groups=[33, 44], timeout=60)
    seen = json.loads(p.stdout)
    assert seen["status"]["Groups"].split() == []
    assert seen["umask"] == 0o22


@pytest.mark.parametrize("where", ["uid", "gid"])
@pytest.mark.parametrize("value", [4294967295, 4294967296, -1, 1.5, "0"])
def test_an_id_that_is_no_id_is_refused(kenro, bundle, where, value):
    write_config(bundle, config(user={"uid": 0, "gid": 0, where: value}))
    assert f"process.user.{where}" in kenro.fails("create", "-b", bundle, "c")


def test_the_largest_id_works(kenro, bundle):
    seen = inside(kenro, bundle, config(user={"uid": 4294967294, "gid": 4294967294}))
    assert seen["status"]["Uid"].split() == ["4294967294"] * 4


def test_limits(kenro, bundle):
    seen = inside(kenro, bundle, config(rlimits=[
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_STACK", "soft": 1 << 20, "hard": 18446744073709551615}]))
    assert seen["limits"]["NOFILE"] == [100, 200]
    assert seen["limits"]["CORE"] == [0, 0]
    assert seen["limits"]["STACK"] == [1 << 20, -1]


def test_the_environment_is_the_configurations(kenro, bundle):
    """Nothing of the caller's; of duplicates the last."""
    write_config(bundle, config("/bin/inside", env=["A=1", "PATH=/bin", "A=2", "EMPTY=", "X=a=b"]))
    p = subprocess.run(kenro.command("run", "-b", bundle, "c"), capture_output=True, text=True,
                       env={"SECRET": "1", "LD_PRELOAD": "/nosuch"}, timeout=60)
    assert json.loads(p.stdout)["env"] == ["PATH=/bin", "A=2", "EMPTY=", "X=a=b", "HOME=/root"]


def test_a_value_may_have_newlines_and_anything_else(kenro, bundle):
    env = ["A=one\ntwo\n", "B=\ttab \"quotes\" \\ = $A", "C=\u00fc\u2603", "lower=1", "HOME=/"]
    assert inside(kenro, bundle, config(env=env))["env"] == env


@pytest.mark.parametrize("uid,home", [(0, "/root"), (1000, "/home"), (77, "/")])
def test_home_comes_from_the_images_passwd(kenro, bundle, uid, home):
    seen = inside(kenro, bundle, config(user={"uid": uid, "gid": 0}))
    assert f"HOME={home}" in seen["env"]


def test_home_that_is_set_stays(kenro, bundle):
    seen = inside(kenro, bundle, config(env=["HOME=/elsewhere"]))
    assert seen["env"] == ["HOME=/elsewhere"]


def test_a_fifo_for_passwd_does_not_hold_the_start(kenro, bundle):
    os.unlink(bundle / "rootfs/etc/passwd")
    os.mkfifo(bundle / "rootfs/etc/passwd")
    assert "HOME=/" in inside(kenro, bundle, config())["env"]


def test_the_working_directory_is_made(kenro, bundle):
    assert inside(kenro, bundle, config(cwd="/made/for/it"))["cwd"] == "/made/for/it"
    assert (bundle / "rootfs/made/for/it").is_dir()


def test_a_working_directory_on_a_read_only_root_must_be_there(kenro, bundle):
    c = config(cwd="/nosuch")
    c["root"]["readonly"] = True
    write_config(bundle, c)
    # it is made before the root becomes read-only, as callers expect
    kenro.ok("run", "-b", bundle, "c")
    c["process"]["cwd"] = "/proc/nosuch"
    write_config(bundle, c)
    assert "process.cwd: cannot open /proc/nosuch: ENOENT" in kenro.fails("run", "-b", bundle, "c")


def test_a_working_directory_through_a_descriptor_is_refused(kenro, bundle):
    """CVE-2024-21626"""
    for cwd in ("/proc/self/fd/7", "/proc/self/fd/8/etc", "/proc/1/cwd"):
        write_config(bundle, config("/bin/pwd", cwd=cwd))
        assert "process.cwd" in kenro.fails("run", "-b", bundle, "c")


def test_signals_are_all_in_their_default_state(kenro, bundle):
    write_config(bundle, config("/bin/inside"))
    script = ("import os, signal, sys\n"
              "for s in (signal.SIGPIPE, signal.SIGINT, signal.SIGUSR1, 40):\n"
              "    signal.signal(s, signal.SIG_IGN)\n"
              "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM, 41])\n"
              "os.execv(sys.argv[1], sys.argv[1:])\n")
    p = subprocess.run(["/usr/bin/python3", "-c", script, *kenro.command("run", "-b", bundle, "c")],
                       capture_output=True, text=True, timeout=60)
    check_signals(p)


def test_signals_that_libc_keeps_to_itself_too(kenro, bundle):
    """posix_spawn(3), which make uses, ignores 32 and 33."""
    write_config(bundle, config("/bin/inside"))
    script = ("import os, sys\n"
              "pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, setsigdef=[2])\n"
              "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n")
    check_signals(subprocess.run(
        ["/usr/bin/python3", "-c", script, *kenro.command("run", "-b", bundle, "c")],
        capture_output=True, text=True, timeout=60))


def check_signals(p):
    status = json.loads(p.stdout)["status"]
    assert [int(status[k], 16) for k in ("SigBlk", "SigIgn", "SigCgt", "SigPnd")] == [0] * 4


def test_attributes_of_the_runtime_do_not_reach_the_program(kenro, bundle):
    seen = inside(kenro, bundle, config())
    assert seen["pdeathsig"] == 0
    assert seen["subreaper"] == 0
    assert seen["dumpable"] == 1
    assert seen["personality"] == 0
    assert (seen["pid"], seen["sid"], seen["pgrp"]) == (1, 1, 1)
    assert seen["argv"] == ["/bin/inside"]
    assert sorted(seen["fds"]) == ["0", "1", "2"]


def test_the_oom_score_is_set(kenro, bundle):
    assert inside(kenro, bundle, config(oomScoreAdj=555))["oom_score_adj"] == ["555"]


def test_the_io_priority_is_that_of_all_of_the_programs_processes(kenro, bundle):
    write_config(bundle, shell("sh -c 'ionice -p $$; true' & wait; ionice -p $$",
                               ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 6}))
    assert kenro.ok("run", "-b", bundle, "c") == "best-effort: prio 6\n" * 2


def test_the_session_keyring_is_the_containers_own(kenro, bundle):
    c = config()
    c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    first = inside(kenro, bundle, c)["keyring"]
    second = inside(kenro, bundle, c, "--log-level", "error")["keyring"]
    ours = subprocess.run([kenro.binary.replace("src/kenro", "tests/helpers/inside")],
                          capture_output=True, text=True, check=True)
    assert first > 0 and second > 0
    ours = json.loads(ours.stdout)["keyring"]
    assert len({first, second, ours}) == 3
    # unless the caller asks for its own, for every process of the container
    c["process"]["args"] = ["/bin/sleep", "1000"]
    write_config(bundle, c)
    kenro.ok("run", "-d", "--no-new-keyring", "-b", bundle, "c")
    assert json.loads(kenro.ok("exec", "c", "/bin/inside"))["keyring"] == ours


def test_a_program_on_a_noexec_mount_says_so(kenro, bundle):
    c = config("/tmp/true")
    c["mounts"].append({"destination": "/tmp", "type": "bind", "source": str(bundle / "tmp"),
                        "options": ["bind", "noexec"]})
    (bundle / "tmp").mkdir()
    (bundle / "tmp/true").write_bytes((bundle / "rootfs/bin/busybox").read_bytes())
    (bundle / "tmp/true").chmod(0o755)
    write_config(bundle, c)
    assert kenro.fails("run", "-b", bundle, "c") == \
        'run c: exec "/tmp/true": permission denied (it is on a noexec mount)'


def test_a_script_with_a_carriage_return_says_so(kenro, bundle):
    script = bundle / "rootfs/bin/dos"
    script.write_text("#!/bin/sh\r\necho hello\r\n")
    script.chmod(0o755)
    write_config(bundle, config("/bin/dos"))
    assert kenro.fails("run", "-b", bundle, "c") == \
        'run c: exec "/bin/dos": no such file or directory ' \
        '(its first line ends with a carriage return)'


def test_a_file_of_no_format_says_so(kenro, bundle):
    (bundle / "rootfs/bin/junk").write_bytes(b"\0\1\2\3")
    (bundle / "rootfs/bin/junk").chmod(0o755)
    write_config(bundle, config("/bin/junk"))
    assert kenro.fails("run", "-b", bundle, "c") == 'run c: exec "/bin/junk": exec format error'


def test_the_program_is_searched_in_the_containers_path(kenro, bundle):
    (bundle / "rootfs/own").mkdir()
    (bundle / "rootfs/own/prog").symlink_to("/bin/busybox")
    (bundle / "rootfs/own/echo").symlink_to("/bin/busybox")
    write_config(bundle, config("echo", "hello", env=["PATH=/nosuch:/own"]))
    assert kenro.ok("run", "-b", bundle, "c") == "hello\n"
    write_config(bundle, config("sh", "-c", "echo $PATH", env=[]))
    assert kenro.ok("run", "-b", bundle, "c").startswith("/")


def test_the_runtime_itself_is_no_program(kenro, bundle):
    """CVE-2019-5736: an image that asks to execute what runs it."""
    for path in ("/proc/self/exe", "/link"):
        if path == "/link":
            (bundle / "rootfs/link").symlink_to("/proc/self/exe")
        write_config(bundle, config(path))
        line = kenro.fails("run", "-b", bundle, "c")
        assert "permission denied" in line, line


def test_two_containers_do_not_see_each_other(kenro, bundle):
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("run", "-d", "-b", bundle, "a")
    kenro.ok("run", "-d", "-b", bundle, "b")
    assert kenro.ok("exec", "a", "/bin/ps").count("sleep") == 1


def test_pipes_belong_to_the_programs_user(kenro, bundle):
    """A program that is not root must be able to open /dev/stderr."""
    write_config(bundle, shell("echo hello >/dev/stderr; echo out >/dev/stdout",
                               user={"uid": 1000, "gid": 1000}))
    p = subprocess.run(kenro.command("run", "-b", bundle, "c"), stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (p.returncode, p.stdout, p.stderr) == (0, "out\n", "hello\n")


def test_version_says_what_callers_parse():
    p = subprocess.run([KENRO, "--version"], capture_output=True, text=True, timeout=60)
    lines = p.stdout.splitlines()
    assert p.returncode == 0 and p.stderr == ""
    assert re.fullmatch(r"kenro version \d+\.\d+\.\d+", lines[0])
    assert lines[1].startswith("commit: ") and lines[2] == "spec: 1.3.0"
    assert sum("version" in line for line in lines) == 1


def test_inside_a_user_namespace_the_ids_are_mapped(kenro, bundle):
    seen = inside(kenro, bundle, user_namespace(config(user={"uid": 3, "gid": 4})))
    assert seen["uid_map"][0].split() == ["0", "100000", "65536"]
    assert seen["gid_map"][0].split() == ["0", "100000", "65536"]
    assert seen["status"]["Uid"].split() == ["3"] * 4
    assert seen["ns"]["user"] != os.readlink("/proc/self/ns/user")


def test_low_limits_do_not_hinder_the_runtime(kenro, bundle):
    """Fewer descriptors than the mounts need, and no process but the program."""
    c = config("/bin/sh", "-c", "ulimit -n; ulimit -Hn", rlimits=[
        {"type": "RLIMIT_NOFILE", "soft": 6, "hard": 7}])
    (bundle / "files").mkdir()
    c["mounts"] += [{"destination": f"/files/{i}", "type": "bind", "source": "files",
                     "options": ["bind"]} for i in range(40)]
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c").split() == ["6", "7"]


def test_an_exec_is_the_one_process_that_a_limit_allows(kenro, bundle):
    c = config("/bin/sleep", "1000", user={"uid": 4321, "gid": 4321}, rlimits=[
        {"type": "RLIMIT_NPROC", "soft": 2, "hard": 2}])
    write_config(bundle, c)
    kenro.ok("run", "-d", "-b", bundle, "c")
    assert kenro.ok("exec", "c", "/bin/echo", "there") == "there\n"


@pytest.mark.parametrize("adjust", [0, 250])
def test_the_oom_score_in_a_user_namespace(kenro, bundle, adjust):
    seen = inside(kenro, bundle, user_namespace(config(oomScoreAdj=adjust)))
    assert seen["oom_score_adj"] == [str(adjust)]


def test_a_caller_that_ignores_its_children_learns_the_status(kenro, bundle):
    write_config(bundle, config("/bin/sh", "-c", "exit 5"))
    p = subprocess.run(["sh", "-c", 'trap "" CHLD; exec "$@"', "sh",
                        *kenro.command("run", "-b", bundle, "c")], timeout=60)
    assert p.returncode == 5


def test_children_that_an_earlier_program_has_left_are_not_waited_for(kenro, bundle):
    write_config(bundle, config("nosuch"))
    p = subprocess.Popen(["sh", "-c", 'sleep 30 & exec "$@"', "sh",
                          *kenro.command("run", "-b", bundle, "c")], stderr=subprocess.DEVNULL,
                         start_new_session=True)
    try:
        assert p.wait(10) == 1
    finally:
        os.killpg(p.pid, signal.SIGKILL)
