"""Attributes that a process has from its runtime: scheduling, I/O priority, CPUs, memory
policy, personality, groups, labels; for run and for exec."""

import ctypes
import json
import os
import subprocess
from pathlib import Path

import pytest

from kenrotest import config, inside, shell, user_namespace, write_config
from rootless import mapped

SLEEP = ("/bin/sleep", "1000")
BATCH, IDLE, DEADLINE, RESET_ON_FORK = 3, 5, 6, 0x40000000
LINUX32, ADDR_NO_RANDOMIZE = 8, 0x0040000
SYS_IOPRIO_GET = {"x86_64": 252, "aarch64": 31}


def process(tmp_path, **fields):
    """The file of a process document that runs `inside`, or what FIELDS says."""
    path = tmp_path / "process.json"
    path.write_text(json.dumps({"args": ["/bin/inside"], "cwd": "/", "env": ["PATH=/bin"]} | fields))
    return path


def start(kenro, bundle, c, **kw):
    c["process"]["args"] = list(SLEEP)
    write_config(bundle, c)
    kenro.ok("run", "-d", "-b", bundle, "c", **kw)
    return kenro.pid("c")


def exec_pid(kenro, tmp_path, *args):
    kenro.ok("exec", "-d", "--pid-file", tmp_path / "pid", *args)
    return int((tmp_path / "pid").read_text())


def pinned(*cpus):
    """For a caller that is pinned to CPUS."""
    return {"preexec_fn": lambda: os.sched_setaffinity(0, cpus)}


def status(pid, key):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return line.split(":")[1].strip()


def may_schedule(*policy):
    """Whether this machine lets anybody have POLICY: needs CAP_SYS_NICE and, with group
    scheduling, run time."""
    r = subprocess.run(["chrt", *policy, "true"], capture_output=True)
    if r.returncode != 0:
        pytest.skip(f"{' '.join(policy)} is refused here")


DEADLINES = ("--deadline", "--sched-runtime", "1000000", "--sched-deadline", "10000000",
             "--sched-period", "20000000", "0")


# ---- scheduler -------------------------------------------------------------------------

def test_a_policy_and_a_nice_value(kenro, bundle):
    seen = inside(kenro, bundle, config(scheduler={"policy": "SCHED_BATCH", "nice": 19}))
    assert (seen["scheduler"], seen["nice"]) == (BATCH, 19)


def test_a_nice_value_that_is_not_given_is_0(kenro, bundle):
    seen = inside(kenro, bundle, config(scheduler={"policy": "SCHED_OTHER"}),
                  preexec_fn=lambda: os.nice(5))
    assert (seen["scheduler"], seen["nice"]) == (0, 0)


def test_without_a_scheduler_the_callers_stays(kenro, bundle):
    seen = inside(kenro, bundle, config(), preexec_fn=lambda: os.nice(5))
    assert (seen["scheduler"], seen["nice"]) == (0, 5)


def test_an_exec_is_scheduled_as_its_container(kenro, bundle):
    # SCHED_IDLE makes nothing of the caller's nice value, and leaves it
    start(kenro, bundle, config(scheduler={"policy": "SCHED_IDLE"}), preexec_fn=lambda: os.nice(5))
    assert json.loads(kenro.ok("exec", "c", "/bin/inside"))["scheduler"] == IDLE


def test_a_document_has_a_scheduler_of_its_own(kenro, bundle, tmp_path):
    start(kenro, bundle, config(scheduler={"policy": "SCHED_IDLE"}))
    own = process(tmp_path, scheduler={"policy": "SCHED_BATCH", "nice": 3,
                                       "flags": ["SCHED_FLAG_RESET_ON_FORK"]})
    seen = json.loads(kenro.ok("exec", "-p", own, "c"))
    # the flag would be gone if anything had been forked after it was set
    assert (seen["scheduler"], seen["nice"]) == (BATCH | RESET_ON_FORK, 3)


def test_a_scheduler_where_a_pid_namespace_is_joined(kenro, bundle):
    """The program's process is made last there, by a fork."""
    pid = start(kenro, bundle, config())
    c = config(scheduler={"policy": "SCHED_BATCH", "nice": 3,
                          "flags": ["SCHED_FLAG_RESET_ON_FORK"]})
    for ns in c["linux"]["namespaces"]:
        if ns["type"] == "pid":
            ns["path"] = f"/proc/{pid}/ns/pid"
    seen = inside(kenro, bundle, c)
    assert (seen["scheduler"], seen["nice"]) == (BATCH | RESET_ON_FORK, 3)


@pytest.mark.parametrize("user", [False, True], ids=["host", "user namespace"])
def test_a_real_time_policy(kenro, bundle, tmp_path, user):
    may_schedule("--rr", "7")
    c = config(scheduler={"policy": "SCHED_RR", "priority": 7})
    pid = start(kenro, bundle, user_namespace(c) if user else c)
    other = exec_pid(kenro, tmp_path, "c", *SLEEP)
    for p in (pid, other):
        assert os.sched_getscheduler(p) == os.SCHED_RR
        assert os.sched_getparam(p).sched_priority == 7


def test_a_deadline(kenro, bundle, tmp_path):
    may_schedule(*DEADLINES)
    deadline = {"policy": "SCHED_DEADLINE", "nice": 19, "runtime": 1000000, "deadline": 10000000,
                "period": 20000000}
    pid = start(kenro, bundle, config(scheduler=deadline))
    other = exec_pid(kenro, tmp_path, "c", *SLEEP)
    for p in (pid, other):
        assert os.sched_getscheduler(p) == DEADLINE


def test_a_deadline_on_some_cpus_is_refused(kenro, bundle, tmp_path):
    may_schedule(*DEADLINES)
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")
    start(kenro, bundle, config())
    p = process(tmp_path, execCPUAffinity={"final": "0"},
                scheduler={"policy": "SCHED_DEADLINE", "runtime": 1000000, "deadline": 10000000})
    assert kenro.fails("exec", "-p", p, "c", status=255) == \
        "exec c: process.scheduler: process scheduler can't be used together with " \
        "AllowedCPUs: SCHED_DEADLINE needs them all: EPERM"


def test_what_a_document_asks_for_in_vain_is_an_error(kenro, bundle, tmp_path):
    start(kenro, bundle, config())
    bad = process(tmp_path, scheduler={"policy": "SCHED_OTHER", "priority": 5})
    assert "process.scheduler.priority: SCHED_OTHER has none" in \
        kenro.fails("exec", "-p", bad, "c", status=255)


# ---- I/O priority ----------------------------------------------------------------------

def ioprio(pid):
    return ctypes.CDLL(None).syscall(SYS_IOPRIO_GET[os.uname().machine], 1, pid)


@pytest.mark.parametrize("name,number", [("RT", 1), ("BE", 2), ("IDLE", 3)])
def test_the_io_priority(kenro, bundle, tmp_path, name, number):
    pid = start(kenro, bundle, config(ioPriority={"class": f"IOPRIO_CLASS_{name}", "priority": 4}))
    assert ioprio(pid) == number << 13 | 4
    assert ioprio(exec_pid(kenro, tmp_path, "c", *SLEEP)) == number << 13 | 4
    own = process(tmp_path, args=list(SLEEP),
                  ioPriority={"class": "IOPRIO_CLASS_BE", "priority": 6})
    assert ioprio(exec_pid(kenro, tmp_path, "-p", own, "c")) == 2 << 13 | 6


def test_the_io_priority_in_a_user_namespace(kenro, bundle):
    c = user_namespace(config(ioPriority={"class": "IOPRIO_CLASS_RT", "priority": 0}))
    assert ioprio(start(kenro, bundle, c)) == 1 << 13


# ---- CPUs ------------------------------------------------------------------------------

@pytest.fixture
def cpus():
    """The CPUs of this test, as /proc/PID/status writes them: at least two."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")
    return status("self", "Cpus_allowed_list")


def test_the_callers_pinning_is_not_the_containers(kenro, bundle, cpus):
    assert inside(kenro, bundle, config(), **pinned(0))["status"]["Cpus_allowed_list"] == cpus


def test_the_callers_pinning_is_not_an_execs(kenro, bundle, cpus):
    start(kenro, bundle, config())
    seen = json.loads(kenro.ok("exec", "c", "/bin/inside", **pinned(1)))
    assert seen["status"]["Cpus_allowed_list"] == cpus


@pytest.mark.parametrize("affinity,expected", [
    ({"initial": "0", "final": "1"}, "1"), ({"final": "1"}, "1"), ({"initial": "1"}, "1"),
    ({"initial": "", "final": ""}, None), ({"final": "0-8191"}, None),
])
def test_the_cpus_of_an_exec(kenro, bundle, tmp_path, cpus, affinity, expected):
    pid = start(kenro, bundle, config(execCPUAffinity=affinity))
    assert status(pid, "Cpus_allowed_list") == cpus, "it is for execs only"
    for args in (["c", "/bin/inside"], ["-p", process(tmp_path), "c"],
                 ["-p", process(tmp_path, execCPUAffinity=affinity), "c"]):
        seen = json.loads(kenro.ok("exec", *args))
        assert seen["status"]["Cpus_allowed_list"] == (expected or cpus)


def test_the_runtime_itself_begins_on_the_initial_cpus(kenro, bundle, cpus):
    start(kenro, bundle, config(execCPUAffinity={"initial": "1"}))
    p = kenro.popen("exec", "c", "/bin/sh", "-c", "echo up; sleep 1000", stdout=subprocess.PIPE)
    assert p.stdout.readline() == "up\n"
    assert status(p.pid, "Cpus_allowed_list") == "1"
    p.kill()
    p.wait()
    p.stdout.close()


@pytest.mark.parametrize("affinity,text", [
    ({"initial": "8191"}, "initial: none of these CPUs is allowed: EINVAL"),
    ({"final": "8191"}, "final: none of these CPUs is allowed by the container's cgroup: EINVAL"),
])
def test_cpus_that_are_not_there_are_an_error(kenro, bundle, affinity, text):
    start(kenro, bundle, config(execCPUAffinity=affinity))
    assert kenro.fails("exec", "c", "/bin/true", status=255) == \
        f"exec c: process.execCPUAffinity.{text}"


# ---- personality -----------------------------------------------------------------------

def test_a_personality_is_that_of_run_and_exec(kenro, bundle):
    c = config()
    c["linux"]["personality"] = {"domain": "LINUX32"}
    assert inside(kenro, bundle, c)["personality"] == LINUX32
    start(kenro, bundle, c)
    assert json.loads(kenro.ok("exec", "c", "/bin/inside"))["personality"] == LINUX32
    if os.uname().machine == "x86_64":
        assert kenro.ok("exec", "c", "/bin/uname", "-m") == "i686\n"


def personality(persona):
    return {"preexec_fn": lambda: ctypes.CDLL(None).personality(ctypes.c_ulong(persona))}


def test_a_personality_that_is_given_replaces_the_callers(kenro, bundle):
    c = config()
    c["linux"]["personality"] = {"domain": "LINUX", "flags": []}
    seen = inside(kenro, bundle, c, **personality(LINUX32 | ADDR_NO_RANDOMIZE))
    assert seen["personality"] == 0


def test_without_one_the_callers_domain_stays_and_no_weakness_of_it(kenro, bundle):
    seen = inside(kenro, bundle, config(), **personality(LINUX32 | ADDR_NO_RANDOMIZE))
    assert seen["personality"] == LINUX32
    start(kenro, bundle, config())
    seen = json.loads(kenro.ok("exec", "c", "/bin/inside", **personality(ADDR_NO_RANDOMIZE)))
    assert seen["personality"] == 0


# ---- memory policy ---------------------------------------------------------------------

def memory_policy(pid):
    """Of what is not mapped otherwise: the stack, say."""
    try:
        maps = Path(f"/proc/{pid}/numa_maps").read_text()
    except FileNotFoundError:
        pytest.skip("the kernel knows no NUMA")
    return next(line.split()[1] for line in maps.splitlines() if " stack" in line)


@pytest.mark.parametrize("policy,shown", [
    ({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"),
    ({"mode": "MPOL_INTERLEAVE", "nodes": "0"}, "interleave:0"),
    ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "prefer:0"),
    ({"mode": "MPOL_PREFERRED_MANY", "nodes": "0"}, "prefer (many):0"),
    ({"mode": "MPOL_PREFERRED"}, "local"),
    ({"mode": "MPOL_LOCAL"}, "local"),
    ({"mode": "MPOL_DEFAULT"}, "default"),
    ({"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "bind=static:0"),
    ({"mode": "MPOL_BIND", "nodes": "0-0", "flags": ["MPOL_F_RELATIVE_NODES"]},
     "bind=relative:0"),
])
def test_a_memory_policy_is_that_of_run_and_exec(kenro, bundle, tmp_path, policy, shown):
    c = config()
    c["linux"]["memoryPolicy"] = policy
    pid = start(kenro, bundle, c)
    for p in (pid, exec_pid(kenro, tmp_path, "c", *SLEEP)):
        assert memory_policy(p) == shown.split()[0]


def test_a_node_that_is_not_there_is_an_error(kenro, bundle):
    c = config()
    c["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "8191"}
    write_config(bundle, c)
    memory_policy("self")
    line = kenro.fails("run", "-b", bundle, "c")
    assert line.startswith("run c: linux.memoryPolicy: cannot be set: EINVAL")


# ---- the OOM killer, groups, the environment -------------------------------------------

@pytest.mark.parametrize("asked,expected", [(None, "77"), (0, "0"), (78, "78")])
def test_the_oom_score_is_touched_only_if_asked_for(kenro, bundle, tmp_path, asked, expected):
    caller = {"preexec_fn": lambda: Path("/proc/self/oom_score_adj").write_text("77")}
    own = {} if asked is None else {"oomScoreAdj": asked}
    assert inside(kenro, bundle, config(**own), **caller)["oom_score_adj"] == [expected]
    start(kenro, bundle, config())
    seen = json.loads(kenro.ok("exec", "-p", process(tmp_path, **own), "c", **caller))
    assert seen["oom_score_adj"] == [expected]


def with_annotation(c, key, value="1"):
    c["annotations"] = {key: value}
    return c


KEEP = "run.oci.keep_original_groups"


@pytest.mark.parametrize("value", [None, "0", "false", "1", "true"])
def test_the_callers_groups_are_not_kept_whatever_an_annotation_says(kenro, bundle, value):
    """They are those of the host's root."""
    c = config(user={"uid": 5, "gid": 6, "additionalGids": [9]})
    if value:
        with_annotation(c, KEEP, value)
    assert inside(kenro, bundle, c, extra_groups=[4, 27])["status"]["Groups"].split() == ["9"]
    r = kenro.run("--log-level", "warning", "run", "-b", bundle, "c", extra_groups=[4, 27])
    assert ("ignored, the caller is root" in r.stderr) == (value in ("1", "true"))


@pytest.mark.parametrize("value", ["1", "true"])
def test_an_ordinary_users_are_kept_if_the_annotation_says_so(user, value):
    """As nobody's, and they open what they open all the same."""
    user.groups = "--groups 4321"
    c = mapped(shell("cat /secret", capabilities={}), size=1000)
    bundle = user.bundle(c)
    secret = bundle / "rootfs/secret"
    secret.write_text("open\n")
    os.chown(secret, 0, 4321)
    secret.chmod(0o040)
    assert user.run("run", "-b", bundle, "c").returncode != 0
    write_config(bundle, with_annotation(c, KEEP, value))
    assert user.ok("run", "-b", bundle, "c") == "open\n"
    c["process"]["args"] = ["/bin/sleep", "1000"]
    write_config(bundle, c)
    user.ok("run", "-d", "-b", bundle, "c")
    assert user.ok("exec", "c", "/bin/cat", "/secret") == "open\n"


def test_groups_may_be_listed_twice_and_with_the_primary_one(kenro, bundle, tmp_path):
    user = {"uid": 5, "gid": 6, "additionalGids": [6, 7, 7]}
    assert inside(kenro, bundle, config(user=user))["status"]["Groups"].split() == ["6", "7", "7"]
    start(kenro, bundle, config(user=user))
    seen = json.loads(kenro.ok("exec", "-g", "7", "-g", "8", "c", "/bin/inside"))
    assert seen["status"]["Groups"].split() == ["6", "7", "7", "7", "8"]
    seen = json.loads(kenro.ok("exec", "-p", process(tmp_path, user=user), "c"))
    assert seen["status"]["Groups"].split() == ["6", "7", "7"]


def test_an_execs_environment_adds_to_the_containers_and_overrides_it(kenro, bundle):
    start(kenro, bundle, config(env=["PATH=/bin", "A=1", "B=2", "HOME=/x"]))
    seen = json.loads(kenro.ok("exec", "-e", "A=3", "-e", "C=4\n5", "-e", "A=6", "-e", "HOME=",
                               "-u", "0", "c", "/bin/inside"))
    assert sorted(seen["env"]) == ["A=6", "B=2", "C=4\n5", "HOME=/root", "PATH=/bin"]


def test_an_exec_has_the_umask_of_its_user(kenro, bundle, tmp_path):
    start(kenro, bundle, config(user={"uid": 0, "gid": 0, "umask": 0o27}))
    seen = json.loads(kenro.ok("exec", "c", "/bin/inside", preexec_fn=lambda: os.umask(0)))
    assert seen["umask"] == 0o27
    seen = json.loads(kenro.ok("exec", "-p", process(tmp_path), "c",
                               preexec_fn=lambda: os.umask(0)))
    assert seen["umask"] == 0o22


# ---- capabilities of an exec -----------------------------------------------------------

def test_a_documents_ambient_set_reaches_a_user(kenro, bundle, tmp_path):
    start(kenro, bundle, config())
    sets = {s: ["CAP_KILL"] for s in ("bounding", "permitted", "effective", "inheritable",
                                      "ambient")}
    p = process(tmp_path, user={"uid": 5, "gid": 5}, capabilities=sets)
    seen = json.loads(kenro.ok("exec", "-p", p, "c"))
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(seen["status"][name], 16) == 1 << 5, name
    del sets["inheritable"]
    seen = json.loads(kenro.ok("exec", "-p", process(tmp_path, user={"uid": 5, "gid": 5},
                                                     capabilities=sets), "c"))
    assert int(seen["status"]["CapAmb"], 16) == 0


def test_what_cannot_be_granted_is_a_warning(kenro, bundle, tmp_path):
    start(kenro, bundle, config())
    p = process(tmp_path, args=["/bin/true"], capabilities={
        "bounding": ["CAP_KILL"], "permitted": ["CAP_KILL", "CAP_NO_SUCH"],
        "ambient": ["CAP_KILL"]})
    r = kenro.run("--log-level", "warning", "exec", "-p", p, "c")
    assert r.returncode == 0
    assert "process.capabilities.ambient[0]: 'CAP_KILL' cannot be granted here" in r.stderr
    kenro.fails("exec", "--cap", "CAP_NO_SUCH", "c", "/bin/true", status=255)


def test_no_new_privs_can_be_asked_for(kenro, bundle):
    start(kenro, bundle, config(noNewPrivileges=False))
    for args, expected in (([], "0"), (["--no-new-privs"], "1")):
        seen = json.loads(kenro.ok("exec", *args, "c", "/bin/inside"))
        assert seen["status"]["NoNewPrivs"] == expected


# ---- the group of an exec --------------------------------------------------------------

# ---- labels ----------------------------------------------------------------------------

def enabled(lsm):
    if lsm == "SELinux":
        return os.path.exists("/sys/fs/selinux/enforce")
    path = Path("/sys/module/apparmor/parameters/enabled")
    return path.exists() and path.read_text().startswith("Y")


LABELS = [("apparmorProfile", "AppArmor", "--apparmor"),
          ("selinuxLabel", "SELinux", "--process-label")]


@pytest.mark.parametrize("field,lsm,option", LABELS)
def test_a_label_of_an_lsm_that_is_off_is_an_error(kenro, bundle, tmp_path, field, lsm, option):
    if enabled(lsm):
        pytest.skip(f"{lsm} is enabled")
    write_config(bundle, config(**{field: "container_t"}))
    text = f"process.{field}: {lsm} is not enabled on this host"
    assert kenro.fails("run", "-b", bundle, "c") == f"run c: {text}"
    assert kenro.fails("check", bundle).endswith(text)
    start(kenro, bundle, config(**{field: ""}))
    assert kenro.fails("exec", option, "container_t", "c", "/bin/true", status=255) == \
        f"exec c: {text}"
    assert kenro.fails("exec", "-p", process(tmp_path, **{field: "x"}), "c", status=255) == \
        f"exec c: {text}"


def test_a_label_of_mounts_without_selinux_is_an_error(kenro, bundle):
    if enabled("SELinux"):
        pytest.skip("SELinux is enabled")
    c = config()
    c["linux"]["mountLabel"] = "system_u:object_r:container_file_t:s0"
    write_config(bundle, c)
    assert kenro.fails("run", "-b", bundle, "c") == \
        "run c: linux.mountLabel: SELinux is not enabled on this host"


@pytest.mark.parametrize("field,lsm,option", LABELS)
def test_a_label_that_the_kernel_does_not_know_is_an_error(kenro, bundle, field, lsm, option):
    if not enabled(lsm):
        pytest.skip(f"{lsm} is not enabled")
    write_config(bundle, config(**{field: "kenro-no-such-label"}))
    assert "/exec`: E" in kenro.fails("run", "-b", bundle, "c")


MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18


def in_place_of(path, other):
    """For a caller that sees OTHER at PATH."""
    def preexec():
        libc = ctypes.CDLL(None, use_errno=True)
        os.unshare(os.CLONE_NEWNS) if hasattr(os, "unshare") else libc.unshare(0x20000)
        assert libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) == 0
        assert libc.mount(str(other).encode(), path.encode(), None, MS_BIND, None) == 0, \
            os.strerror(ctypes.get_errno())
    return {"preexec_fn": preexec}


def test_a_label_is_written_to_the_kernel_itself(kenro, bundle, tmp_path):
    """A host that says it has AppArmor, and a kernel that refuses what is written."""
    if enabled("AppArmor") or enabled("SELinux"):
        pytest.skip("a kernel without AppArmor is needed")
    parameters = tmp_path / "module/apparmor/parameters"
    parameters.mkdir(parents=True)
    (parameters / "enabled").write_text("Y\n")
    write_config(bundle, config(apparmorProfile="docker-default"))
    text = "process.apparmorProfile: cannot set 'docker-default' by " \
        "`/proc/thread-self/attr/exec`: EINVAL"
    has_it = in_place_of("/sys/module", tmp_path / "module")
    assert kenro.fails("run", "-b", bundle, "c", **has_it) == f"run c: {text}"
    start(kenro, bundle, user_namespace(config()))
    assert kenro.fails("exec", "--apparmor", "docker-default", "c", "/bin/true", status=255,
                       **has_it) == f"exec c: {text}"


# ---- resctrl ---------------------------------------------------------------------------

def test_cache_shares_without_resctrl_are_an_error(kenro, bundle):
    if " - resctrl " in Path("/proc/self/mountinfo").read_text():
        pytest.skip("resctrl is mounted")
    for rdt in ({}, {"closID": "x"}, {"l3CacheSchema": "L3:0=f"}, {"enableMonitoring": True}):
        c = config()
        c["linux"]["intelRdt"] = rdt
        write_config(bundle, c)
        assert kenro.fails("run", "-b", bundle, "c") == \
            "run c: linux.intelRdt: no resctrl file system is mounted " \
            "(mount -t resctrl resctrl /sys/fs/resctrl)"


@pytest.fixture
def resctrl(tmp_path):
    """A directory that the caller takes for the file system, and how to call then."""
    (tmp_path / "resctrl").mkdir()
    (tmp_path / "mountinfo").write_text(
        Path("/proc/self/mountinfo").read_text() +
        f"9999 1 0:99 / {tmp_path}/resctrl rw - resctrl resctrl rw\n")
    return tmp_path / "resctrl", in_place_of("/proc/self/mountinfo", tmp_path / "mountinfo")


def test_a_group_of_cache_shares_is_entered_and_stays(kenro, bundle, tmp_path, resctrl):
    top, mounted = resctrl
    (top / "gold").mkdir()
    (top / "gold/tasks").write_text("")
    c = config()
    c["linux"]["intelRdt"] = {"closID": "gold"}
    pid = start(kenro, bundle, c, **mounted)
    assert (top / "gold/tasks").read_text() == str(pid)
    (top / "gold/tasks").write_text("")
    # written once, for the process that makes the one which is seen
    exec_pid(kenro, tmp_path, "c", *SLEEP)
    assert (top / "gold/tasks").read_text().isdigit()
    kenro.ok("delete", "-f", "c")
    assert os.listdir(top) == ["gold"]


def test_a_group_that_cannot_be_entered_is_taken_back(kenro, bundle, resctrl):
    top, mounted = resctrl
    c = config()
    c["linux"]["intelRdt"] = {}
    write_config(bundle, c)
    assert kenro.fails("run", "-b", bundle, "c", **mounted) == \
        f"run c: linux.intelRdt: cannot write to {top}/c/tasks: ENOENT"
    assert os.listdir(top) == []
    c["linux"]["intelRdt"] = {"closID": "silver"}
    write_config(bundle, c)
    assert kenro.fails("run", "-b", bundle, "c", **mounted) == \
        f"run c: linux.intelRdt.closID: there is no group {top}/silver"


def test_a_group_of_the_container_goes_with_it(kenro, bundle, resctrl):
    """A plain directory has no files of its own: they come as soon as the group does."""
    top, mounted = resctrl
    c = config()
    c["linux"]["intelRdt"] = {"closID": "gold", "enableMonitoring": True}
    (top / "gold/mon_groups/c").mkdir(parents=True)
    (top / "gold/tasks").write_text("")
    write_config(bundle, c)
    assert kenro.fails("run", "-b", bundle, "c", **mounted) == \
        f"run c: linux.intelRdt: the group {top}/gold/mon_groups/c is there already " \
        "(remove it, or share it by linux.intelRdt.closID)"
    assert os.listdir(top / "gold/mon_groups") == ["c"]


# ---- what is said of all that ----------------------------------------------------------

def test_features_say_it(kenro):
    f = json.loads(kenro.ok("features"))
    linux = f["linux"]
    assert linux["apparmor"] == linux["selinux"] == {"enabled": True}
    assert linux["intelRdt"] == {"enabled": True, "schemata": True, "monitoring": True}
    assert linux["memoryPolicy"]["modes"] == [
        "MPOL_DEFAULT", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE",
        "MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_LOCAL"]
    assert linux["memoryPolicy"]["flags"] == [
        "MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"]
    assert {KEEP, "run.oci.mount_context_type"} <= set(f["potentiallyUnsafeConfigAnnotations"])
