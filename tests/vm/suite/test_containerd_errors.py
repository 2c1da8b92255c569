"""What ctr shows of a container that cannot be made is kenro's own sentence."""

import json
import re

import pytest

from kenrotest import wait_until

pytestmark = pytest.mark.slow
SYSTEMD = ("--runc-systemd-cgroup", "--cgroup")

# name: (options, arguments, sentence)
CASES = {
    "a program that is not in PATH": ((), ["nosuch"], 'exec "nosuch": executable file not found in $PATH'),
    "a program that is not there": ((), ["/nosuch"], 'exec "/nosuch": no such file or directory'),
    "a program that is not executable": ((), ["/etc/passwd"], 'exec "/etc/passwd": permission denied'),
    "a program that is a directory": ((), ["/etc"], 'exec "/etc": is a directory: permission denied'),
    "a working directory that is a file": (("--cwd", "/etc/passwd"), ["true"], "process.cwd: cannot open /etc/passwd: ENOTDIR"),
    "a volume that is not there": (
        ("--mount", "type=bind,src=/nosuch,dst=/v,options=rbind"), ["true"], "mounts[7] (/v): cannot open the source /nosuch: ENOENT"),
    "a file over a directory": (
        ("--mount", "type=bind,src=/etc/passwd,dst=/etc,options=rbind"), ["true"],
        "mounts[7] (/etc): not a directory: a file and a directory cannot be mounted on each other"),
    "a file system that the kernel does not know": (
        ("--mount", "type=nosuch,src=x,dst=/v"), ["true"], "mounts[7] (/v): the kernel has no file system nosuch: ENODEV"),
    "an option that is misspelt": (
        ("--mount", "type=bind,src=/tmp,dst=/v,options=rbind:nosuidd"), ["true"],
        "mounts[7] (/v): a bind mount has no option 'nosuidd' (did you mean 'nosuid'?)"),
    "too little memory": (
        ("--memory-limit", "4096"), ["true"], "memory limit too low: init was OOM-killed (raise linux.resources.memory.limit)"),
    "too little of a processor": (
        ("--cpu-quota", "1", "--cpu-period", "1"), ["true"], "linux.resources.cpu.quota: 1 us, the kernel's least is 1000"),
    "a profile without execve": (
        ("--seccomp", "--seccomp-profile", "PROFILE"), ["true"], "linux.seccomp: execve must be allowed, or no program can start"),
    "a namespace that is not there": (
        ("--with-ns", "network:/proc/1/ns/nosuch"), ["true"], "linux.namespaces[4].path: cannot open /proc/1/ns/nosuch: ENOENT"),
    "a namespace that is none": (
        ("--with-ns", "network:/etc/passwd"), ["true"], "linux.namespaces[4].path: /etc/passwd is not a namespace"),
    "a profile of AppArmor that is not loaded": (
        ("--apparmor-profile", "nosuch"), ["true"], "process.apparmorProfile: cannot set 'nosuch' by "
        "`/proc/thread-self/attr/apparmor/exec`: ENOENT (no such profile is loaded: see apparmor_parser(8))"),
    "a group that is not systemd's": (
        (*SYSTEMD, "nosuch"), ["true"], "linux.cgroupsPath: 'nosuch' has less than two colons "
        "(systemd's manager takes slice:prefix:name, like system.slice:kenro:c1)"),
    "a propagation that is none": (
        ("--rootfs-propagation", "nosuch"), ["true"], "linux.rootfsPropagation: 'nosuch' is not one of: private, shared, slave, "
        "unbindable, rprivate, rshared, rslave, runbindable"),
    "a unit's property that is not a container's": (
        (*SYSTEMD, "system.slice:ctr:box", "--annotation", "org.systemd.property.ExecStart=1"), ["true"],
        "annotations: org.systemd.property.ExecStart: not a property that a container may set"),
    "a class that nothing manages": (
        ("--rdt-class", "nosuch"), ["true"], "linux.intelRdt: no resctrl file system is mounted (mount -t resctrl resctrl /sys/fs/resctrl)"),
}


@pytest.fixture
def manager():
    return "cgroupfs"


def sentences(said):
    """Without the place in config.json, of which the user of an engine knows nothing."""
    return re.sub(r"config\.json:\d+:\d+: ", "", said)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("runtime", ["kenro"])
def test_what_cannot_be_made_is_told_in_kenros_words(ctr, image, tmp_path, case):
    (tmp_path / "profile").write_text(json.dumps({
        "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["execve"], "action": "SCMP_ACT_ERRNO"}]}))
    options, args, sentence = CASES[case]
    options = [str(tmp_path / "profile") if option == "PROFILE" else option for option in options]
    said = ctr.fails(*ctr.container("--rm", *options, image, "box", *args), status=1)
    assert f"OCI runtime create failed: create box: {sentence}" in sentences(said)
    assert "\n" not in said.strip()
    wait_until(lambda: ctr.containers() == [])


@pytest.mark.parametrize("runtime", ["kenro"])
def test_what_an_exec_cannot_do_is_told_in_kenros_words(ctr, image):
    ctr.ok(*ctr.container("--detach", image, "box", "sleep", "1000"))
    for args, sentence in ((["nosuch"], 'exec "nosuch": executable file not found in $PATH'),
                           (["/etc"], 'exec "/etc": is a directory: permission denied'),
                           (["--cwd", "/nosuch", "box", "true"], "process.cwd: cannot open /nosuch: ENOENT")):
        args = args if "box" in args else ["box", *args]
        said = ctr.fails("tasks", "exec", "--exec-id", "e", *args)
        assert f"OCI runtime exec failed: exec box: {sentence}" in said


@pytest.mark.parametrize("runtime", ["kenro"])
def test_a_checkpoint_is_refused_in_kenros_words(ctr, image):
    ctr.ok(*ctr.container("--detach", image, "box", "sleep", "1000"))
    assert "checkpoint" in ctr.fails("tasks", "checkpoint", "box")
    ctr.ok("tasks", "exec", "--exec-id", "e", "box", "true")  # nothing has happened to it
