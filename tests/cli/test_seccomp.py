"""seccomp as the kernel enforces it; that the compiler is right about every call
and architecture is the differential test's business."""

import errno
import signal

import pytest

from kenrotest import config, inside, shell, write_config

SIGSYS = 128 + signal.SIGSYS


def profile(default="SCMP_ACT_ALLOW", *rules, **fields):
    return {"defaultAction": default, "syscalls": list(rules), **fields}


def rule(action, *names, args=(), **fields):
    return {"names": list(names), "action": action, "args": list(args), **fields}


def call(kenro, bundle, seccomp, *args, caps=None):
    """(status, errno) of one system call under the profile; None: the built-in."""
    c = config("/bin/call", *map(str, args))
    if seccomp:
        c["linux"]["seccomp"] = seccomp
    if caps is not None:
        c["process"]["capabilities"] = {s: caps for s in ("bounding", "permitted", "effective")}
    write_config(bundle, c)
    r = kenro.run("run", "-b", bundle, "c")
    assert "kenro:" not in r.stderr, r.stderr
    return r.returncode, int(r.stdout) if r.stdout else None


def test_without_a_profile_there_is_the_built_in_one(kenro, bundle):
    status = inside(kenro, bundle, config())["status"]
    assert (status["Seccomp"], status["Seccomp_filters"]) == ("2", "1")


def test_a_privileged_container_has_none_unless_asked_for(kenro, bundle):
    c = config()
    caps = [*c["process"]["capabilities"]["bounding"], "CAP_SYS_ADMIN"]
    c["process"]["capabilities"] = {s: caps for s in ("bounding", "permitted", "effective")}
    c["linux"]["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
    assert inside(kenro, bundle, c)["status"]["Seccomp"] == "0"
    c["linux"]["seccomp"] = profile()
    assert inside(kenro, bundle, c)["status"]["Seccomp"] == "2"


@pytest.mark.parametrize("args,expected", [
    (("getpid",), 0),
    (("socket", 1, 1, 0), 0),           # AF_UNIX
    (("socket", 2, 1, 0), 0),           # AF_INET
    (("socket", 40, 1, 0), errno.EAFNOSUPPORT),  # AF_VSOCK
    (("socket", 38, 5, 0), errno.EAFNOSUPPORT),  # AF_ALG
    (("socket", 17, 3, 0), errno.EAFNOSUPPORT),  # AF_PACKET, without CAP_NET_RAW
    (("unshare", 0x10000000), errno.EPERM),      # CLONE_NEWUSER
    (("clone3", 0, 0), errno.ENOSYS),   # so that libc falls back to clone
    (("mount", 0, 0, 0, 0, 0), errno.EPERM),
    (("keyctl", 0), errno.EPERM),
    (("bpf", 0, 0, 0), errno.EPERM),
    (("reboot", 0, 0, 0, 0), errno.EPERM),
    (("io_uring_setup", 1, 0), errno.ENOSYS),
    (("userfaultfd", 0), errno.ENOSYS),
    (("ioctl", 0, 0x5412, 0), errno.EPERM),      # TIOCSTI
    (("ioctl", 0, 0x100005412, 0), errno.EPERM),  # the same to the kernel
    (("personality", 0xffffffff), 0),
    (("personality", 0x40000), errno.ENOSYS),    # ADDR_NO_RANDOMIZE
    ((100000,), errno.ENOSYS),
])
def test_the_built_in_profile(kenro, bundle, args, expected):
    assert call(kenro, bundle, None, *args) == (0, expected)


def test_the_built_in_profile_knows_the_native_abi_only(kenro, bundle):
    """Docker's profile was bypassed by int 0x80."""
    assert call(kenro, bundle, None, "-32", 20)[0] == SIGSYS  # getpid


@pytest.mark.parametrize("cap,args", [("CAP_SYS_ADMIN", ("unshare", 0)), ("CAP_BPF", ("bpf", 99, 0, 0)),
                                      ("CAP_NET_RAW", ("socket", 17, 3, 0))])
def test_a_capability_opens_the_calls_it_is_for(kenro, bundle, cap, args):
    denied = call(kenro, bundle, None, *args, caps=["CAP_CHOWN"])
    allowed = call(kenro, bundle, None, *args, caps=["CAP_CHOWN", cap])
    assert denied[1] in (errno.EPERM, errno.EAFNOSUPPORT)
    assert allowed != denied


@pytest.mark.parametrize("action,expected", [
    ("SCMP_ACT_ALLOW", (0, 0)), ("SCMP_ACT_LOG", (0, 0)), ("SCMP_ACT_ERRNO", (0, errno.EPERM)),
    ("SCMP_ACT_KILL", (SIGSYS, None)), ("SCMP_ACT_KILL_THREAD", (SIGSYS, None)),
    ("SCMP_ACT_KILL_PROCESS", (SIGSYS, None)), ("SCMP_ACT_TRAP", (SIGSYS, None)),
    ("SCMP_ACT_TRACE", (0, errno.ENOSYS)),  # there is no tracer
])
def test_every_action(kenro, bundle, action, expected):
    assert call(kenro, bundle, profile("SCMP_ACT_ALLOW", rule(action, "keyctl")),
                "keyctl", 0, -3 & 0xffffffffffffffff)[0] == expected[0]
    if expected[1] is not None:
        got = call(kenro, bundle, profile("SCMP_ACT_ALLOW", rule(action, "getpid")), "getpid")
        assert got == expected


def test_errno_is_the_one_that_was_asked_for(kenro, bundle):
    p = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "getpid", errnoRet=99))
    assert call(kenro, bundle, p, "getpid") == (0, 99)


@pytest.mark.parametrize("op,value,two,hits", [
    ("SCMP_CMP_EQ", 5, 0, [5]), ("SCMP_CMP_NE", 5, 0, [4, 6]), ("SCMP_CMP_LT", 5, 0, [4]),
    ("SCMP_CMP_LE", 5, 0, [4, 5]), ("SCMP_CMP_GT", 5, 0, [6]), ("SCMP_CMP_GE", 5, 0, [5, 6]),
    ("SCMP_CMP_MASKED_EQ", 6, 4, [4, 5]),
])
def test_every_comparison(kenro, bundle, op, value, two, hits):
    p = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "personality", errnoRet=77, args=[
        {"index": 0, "value": value, "valueTwo": two, "op": op}]))
    for n in (4, 5, 6):
        assert (call(kenro, bundle, p, "personality", n)[1] == 77) == (n in hits), n


def test_a_call_newer_than_the_profile_is_unknown_not_forbidden(kenro, bundle):
    p = profile("SCMP_ACT_ERRNO", rule("SCMP_ACT_ALLOW", "execve", "write", "exit_group", "brk",
                                       "arch_prctl", "set_tid_address", "set_robust_list", "rseq",
                                       "prlimit64", "readlink", "getrandom", "mprotect", "fstat",
                                       "newfstatat", "read", "exit", "ioctl", "readlinkat",
                                       "capset", "uname", "mmap", "openat", "close"))
    assert call(kenro, bundle, p, 100000) == (0, errno.ENOSYS)
    assert call(kenro, bundle, p, "getpid") == (0, errno.EPERM)


def test_an_architecture_that_is_listed_works(kenro, bundle):
    p = profile("SCMP_ACT_ALLOW", architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"])
    status, _ = call(kenro, bundle, p, "-32", 20)
    if status != 0:
        pytest.skip("the kernel has no 32-bit entry")
    assert call(kenro, bundle, profile("SCMP_ACT_ALLOW", architectures=["SCMP_ARCH_X86_64"]),
                "-32", 20)[0] == SIGSYS


def test_a_profile_that_leaves_nothing_to_the_runtime_is_explained(kenro, bundle):
    """Without no_new_privs the filter comes before the last steps."""
    c = config(noNewPrivileges=False)
    c["linux"]["seccomp"] = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "capset"))
    write_config(bundle, c)
    line = kenro.fails("create", "-b", bundle, "c")
    assert "'capset' is denied" in line and "set process.noNewPrivileges, or allow capset" in line
    c["process"]["noNewPrivileges"] = True
    write_config(bundle, c)
    kenro.ok("run", "-b", bundle, "c")


@pytest.mark.parametrize("action", ["SCMP_ACT_ERRNO", "SCMP_ACT_KILL"])
def test_a_profile_under_which_no_program_can_start_is_refused(kenro, bundle, action):
    c = config()
    c["linux"]["seccomp"] = profile("SCMP_ACT_ALLOW", rule(action, "execve"))
    write_config(bundle, c)
    assert kenro.fails("create", "-b", bundle, "c") == \
        "create c: linux.seccomp: execve must be allowed, or no program can start"


@pytest.mark.parametrize("command", ["create", "run"])
def test_a_filter_that_kills_instead_of_an_error_is_no_success(kenro, bundle, command):
    """The interpreter is not there, and the filter does not let us say so."""
    (bundle / "rootfs/bin/script").write_text("#!/no/such/shell\n")
    (bundle / "rootfs/bin/script").chmod(0o755)
    c = config("/bin/script")
    c["linux"]["seccomp"] = profile("SCMP_ACT_KILL_PROCESS",
                                    rule("SCMP_ACT_ALLOW", "execve", "read", "exit_group"))
    write_config(bundle, c)
    if command == "create":
        kenro.ok("create", "-b", bundle, "c")
        assert "was killed before it could execute" in kenro.fails("start", "c")
        kenro.ok("delete", "c")
    else:
        assert "was killed before it could execute" in kenro.fails("run", "-b", bundle, "c")


@pytest.mark.parametrize("nnp", [True, False])
def test_the_filter_is_loaded_with_and_without_no_new_privs(kenro, bundle, nnp):
    c = config(noNewPrivileges=nnp)
    seen = inside(kenro, bundle, c)
    assert (seen["status"]["Seccomp"], seen["status"]["NoNewPrivs"]) == ("2", str(int(nnp)))
    assert int(seen["status"]["CapBnd"], 16) & 1 << 21 == 0  # CAP_SYS_ADMIN did not stay


def test_a_user_gets_the_filter_too(kenro, bundle):
    for nnp in (True, False):
        seen = inside(kenro, bundle, config(noNewPrivileges=nnp, user={"uid": 9, "gid": 9}))
        assert seen["status"]["Seccomp"] == "2" and int(seen["status"]["CapEff"], 16) == 0


def test_names_of_other_architectures_and_unknown_ones_are_skipped(kenro, bundle):
    p = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "nosuchcall", "s390_pci_mmio_read",
                                       "getpid"))
    assert call(kenro, bundle, p, "getpid") == (0, errno.EPERM)


def test_an_unknown_name_is_told_by_debug_only(kenro, bundle):
    c = config()
    c["linux"]["seccomp"] = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "nosuchcall"))
    write_config(bundle, c)
    assert kenro.run("--log-level", "warning", "run", "-b", bundle, "c").stderr == ""
    assert "nosuchcall" in kenro.run("--debug", "run", "-b", bundle, "c").stderr


@pytest.mark.parametrize("redundant", [
    [rule("SCMP_ACT_ALLOW", "getppid")],  # which is the default
    [rule("SCMP_ACT_ERRNO", "getpid", errnoRet=99)],  # the same again
    [rule("SCMP_ACT_ERRNO", "getpid", "getpid", errnoRet=99)],
    [rule("SCMP_ACT_ERRNO", "getpid", errnoRet=99,
          args=[{"index": 0, "value": 5, "op": "SCMP_CMP_EQ"}])],  # less than all
    [rule("SCMP_ACT_ALLOW", "getppid", args=[{"index": 0, "value": 5, "op": "SCMP_CMP_EQ"}])] * 2,
])
def test_redundant_rules_are_fine(kenro, bundle, redundant):
    p = profile("SCMP_ACT_ALLOW", rule("SCMP_ACT_ERRNO", "getpid", errnoRet=99), *redundant)
    assert call(kenro, bundle, p, "getpid") == (0, 99)
    assert call(kenro, bundle, p, "getppid") == (0, 0)
    p["syscalls"].reverse()
    assert call(kenro, bundle, p, "getpid") == (0, 99)


def test_exec_of_a_shell_works_under_the_built_in_profile(kenro, bundle):
    write_config(bundle, shell("for i in 1 2 3; do (echo $i) | cat; done; ls / >/dev/null && "
                               "sleep 0.01 && date +%Y >/dev/null && echo done"))
    assert kenro.ok("run", "-b", bundle, "c").split() == ["1", "2", "3", "done"]
