"""What Podman shows of a container that cannot be, as root: kenro's own sentence, with the
exit status that tells whose fault it is."""

import json
import re
import subprocess

import pytest

from engines import RUNTIMES

pytestmark = pytest.mark.slow
only_kenro = pytest.mark.parametrize("runtime", ["kenro"])

# Podman says the reason in its own line; what `start` says it leaves where it was said.
SAID = re.compile(r"(?:Error: (?:OCI runtime error: )?/usr/local/sbin/)?kenro: (\w+) [0-9a-f]{64}: "
                  r"(?:config\.json:\d+:\d+: )?(.*?)"
                  r"(?:: OCI (?:permission denied|runtime attempted to invoke a command that was not found))?")


def sentence(said):
    """The command and its reason, from what Podman shows, which has nothing else of kenro in it."""
    found = [m.groups() for line in said.splitlines() if (m := SAID.fullmatch(line))]
    assert len(found) == 1, said
    return found[0]


@pytest.fixture
def files(tmp_path):
    """A directory that the containers have as /x."""
    for name, text in {"script": "#!/nosuch/sh\n", "crlf": "#!/bin/sh\r\ntrue\n", "elf": "\x7fELF\2\1\1\0junk",
                       "text": "just text"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "dir").mkdir()
    return tmp_path


COMMANDS = {
    "not in PATH": ("nosuch", 127, "create", 'exec "nosuch": executable file not found in $PATH'),
    "not there": ("/nosuch/x", 127, "create", 'exec "/nosuch/x": no such file or directory'),
    "not executable": ("/etc/passwd", 126, "create", 'exec "/etc/passwd": permission denied'),
    "a directory": ("/etc", 126, "create", 'exec "/etc": is a directory: permission denied'),
    "without its interpreter": ("/x/script", 126, "start", 'exec "/x/script": no such file or directory '
                                "(its interpreter /nosuch/sh is not there)"),
    "written for Windows": ("/x/crlf", 126, "start", 'exec "/x/crlf": no such file or directory '
                            "(its first line ends with a carriage return)"),
    "not a program": ("/x/elf", 126, "start", 'exec "/x/elf": exec format error'),
}


@only_kenro
@pytest.mark.parametrize("case", COMMANDS)
def test_a_program_cannot_be_run_that_is(podman, image, files, case):
    program, status, command, reason = COMMANDS[case]
    said = podman.fails("run", "--rm", "--volume", f"{files}:/x:ro", image, program, status=status)
    assert sentence(said) == (command, reason)


@only_kenro
@pytest.mark.parametrize("case", [c for c in COMMANDS if COMMANDS[c][2] == "create"])
def test_an_exec_cannot_be_of_a_program_that_is(podman, image, case):
    program, status, _, reason = COMMANDS[case]
    podman.ok("run", "--detach", "--name", "box", image, "sleep", "1000")
    assert sentence(podman.fails("exec", "box", program, status=status)) == ("exec", reason)
    podman.ok("exec", "box", "true")


@only_kenro
@pytest.mark.parametrize("directory, reason", [("/nosuch", "ENOENT"), ("/etc/passwd", "ENOTDIR")])
def test_an_exec_cannot_be_in_a_directory_that_is_none(podman, image, directory, reason):
    podman.ok("run", "--detach", "--name", "box", image, "sleep", "1000")
    said = podman.fails("exec", "--workdir", directory, "box", "true")
    assert sentence(said) == ("exec", f"process.cwd: cannot open {directory}: {reason}")


# What is asked for, and why it cannot be. FILES stands for the directory of the test.
OPTIONS = {
    "a file over a directory": (
        ["--volume", "FILES/text:/etc"],
        "mounts[0] (/etc): not a directory: a file and a directory cannot be mounted on each other"),
    "a directory over a file": (
        ["--mount", "type=tmpfs,destination=/bin/busybox"],
        "mounts[3] (/bin/busybox): not a directory: a file and a directory cannot be mounted on each other"),
    "a mount in proc": (
        ["--volume", "FILES/text:/proc/version"],
        "mounts[3] (/proc/version): nothing can be mounted below /proc but over a few files like /proc/cpuinfo"),
    "a mount at proc": (
        ["--volume", "FILES:/proc"], "mounts[0] (/proc): only a proc file system can be mounted at /proc"),
    "an option that the file system does not know": (
        ["--tmpfs", "/y:size=xyz"], "mounts[0] (/y): tmpfs does not take the option 'size=xyz': EINVAL"),
    "a device over a file": (
        ["--device", "/dev/null:/etc/passwd"], "linux.devices (/etc/passwd): is another file already"),
    "a limit that is no number": (
        ["--cgroup-conf", "memory.high=nonsense"],
        "memory.high: 'nonsense' is not a value that systemd could keep"),
    "less swap than memory": (
        ["--memory", "7m", "--memory-swap", "6m"],
        "linux.resources.memory.swap: 6291456 is less than memory.limit, 7340032, which is a part of it"),
    "a weight beyond its range": (
        ["--blkio-weight", "1"], "linux.resources.blockIO.weight: 1 is not between 10 and 1000"),
    "a controller that the host has not": (
        ["--cgroup-conf", "nosuch.max=1"],
        "linux.resources.unified.nosuch.max: the cgroup2 tree at /sys/fs/cgroup lacks the controller 'nosuch' "
        "(it may be in use by a version 1 tree: boot with cgroup_no_v1=all)"),
    "a sysctl that is not there": (
        ["--sysctl", "net.nosuch.x=1"], "linux.sysctl.net.nosuch.x: cannot open it: ENOENT"),
    "a value that a sysctl does not take": (
        ["--sysctl", "kernel.shmmax=x"], "linux.sysctl.kernel.shmmax: cannot set 'x': EINVAL"),
    "a ulimit beyond the kernel's": (
        ["--ulimit", "nofile=2000000000:2000000000"],
        "process.rlimits[0]: cannot set RLIMIT_NOFILE: EPERM (only the host's CAP_SYS_RESOURCE can raise it)"),
    "a score beyond its range": (
        ["--oom-score-adj", "5000"], "process.oomScoreAdj: 5000 is not a whole number -1000..1000"),
    "a name that is too long": (
        ["--hostname", "a" * 65], "hostname: 65 bytes, the kernel allows 64"),
    "a pid namespace that is a file": (
        ["--pid", "ns:/etc/passwd"], "linux.namespaces[0].path: /etc/passwd is not a namespace"),
    "a property that is not for containers": (
        ["--annotation", "org.systemd.property.BindsTo='x.service'"],
        "annotations: org.systemd.property.BindsTo: not a property that a container may set (those are After, Before, "
        "CollectMode, DefaultDependencies, Description, KillSignal, RuntimeMaxUSec, SendSIGHUP, TimeoutStopUSec)"),
}


@only_kenro
@pytest.mark.parametrize("case", OPTIONS)
def test_a_container_cannot_have(podman, image, files, case):
    options, reason = OPTIONS[case]
    options = [word.replace("FILES", str(files)) for word in options]
    said = podman.fails("run", "--rm", *options, image, "true", status=126)
    assert sentence(said) == ("create", reason)


def profile(action="SCMP_ACT_ALLOW", **more):
    return {"defaultAction": action, **more}


PROFILES = {
    "an action that is none": (
        profile("SCMP_ACT_NOSUCH"), r"linux\.seccomp\.defaultAction: 'SCMP_ACT_NOSUCH' is not one of: .*"),
    "an architecture that is none": (
        profile(architectures=["SCMP_ARCH_NOSUCH"]),
        r"linux\.seccomp\.architectures\[0\]: 'SCMP_ARCH_NOSUCH' is not one of: .*"),
    "no way to start": (
        profile(syscalls=[{"names": ["execve"], "action": "SCMP_ACT_ERRNO"}]),
        r"linux\.seccomp: execve must be allowed, or no program can start"),
    "a question that hangs": (
        profile(syscalls=[{"names": ["write"], "action": "SCMP_ACT_NOTIFY"}]),
        r"linux\.seccomp\.syscalls\[0\]\.action: SCMP_ACT_NOTIFY cannot be used for the write syscall"),
}


@only_kenro
@pytest.mark.parametrize("case", PROFILES)
def test_a_seccomp_profile_cannot_have(podman, image, tmp_path, case):
    content, reason = PROFILES[case]
    (tmp_path / "profile").write_text(json.dumps(content))
    said = podman.fails("run", "--rm", "--security-opt", f"seccomp={tmp_path}/profile", image, "true", status=126)
    command, shown = sentence(said)
    assert command == "create" and re.fullmatch(reason, shown)


@only_kenro
@pytest.mark.parametrize("stage, command", [("createRuntime", "create"), ("createContainer", "create"),
                                            ("poststart", "start")])
def test_a_hook_that_fails_is_heard(podman, image, tmp_path, stage, command):
    (tmp_path / "hook.json").write_text(json.dumps({
        "version": "1.0.0", "when": {"always": True}, "stages": [stage],
        "hook": {"path": "/bin/sh", "args": ["sh", "-c", "echo cannot >&2; exit 4"]}}))
    said = podman.fails("--hooks-dir", tmp_path, "run", "--rm", image, "true", status=126)
    assert sentence(said) == (command, f"error running {stage} hook #1: /bin/sh: exit status 4: cannot")


@only_kenro
@pytest.mark.parametrize("manager", ["cgroupfs"])
def test_a_limit_that_the_kernel_does_not_take_is_named(podman, image):
    said = podman.fails("run", "--rm", "--cgroup-conf", "memory.high=nonsense", image, "true", status=126)
    command, reason = sentence(said)
    assert command == "create" and re.fullmatch(
        r"linux\.resources\.unified\.memory\.high: cannot write 'nonsense' to "
        r"/sys/fs/cgroup/libpod_parent/libpod-[0-9a-f]{64}/memory\.high: EINVAL", reason)


@only_kenro
def test_an_update_that_cannot_be_changes_nothing(podman, image):
    podman.ok("run", "--detach", "--name", "box", "--memory", "64m", image, "sleep", "1000")
    said = podman.fails("update", "--memory", "48m", "--memory-swap", "40m", "box", status=125)
    assert sentence(said)[0] == "update"
    assert (podman.group("box") / "memory.max").read_text() == f"{64 << 20}\n"


def test_the_exit_status_tells_podmans_faults_from_the_programs(podman, image):
    """As podman-run(1) has it, whichever the runtime."""
    podman.fails("run", "--rm", "--nosuch", image, "true", status=125)
    podman.fails("run", "--rm", image, "sh", "-c", "exit 3", status=3)
    podman.fails("run", "--rm", "--init", image, "sh", "-c", "kill -TERM $$", status=143)
    podman.fails("exec", "nosuch", "true", status=125)
    podman.ok("run", "--detach", "--name", "box", image, "sleep", "1000")
    podman.fails("exec", "--nosuch", "box", "true", status=125)
    podman.fails("exec", "box", "sh", "-c", "exit 4", status=4)
    podman.fails("exec", "box", "sh", "-c", "kill -9 $$", status=137)


def test_the_runtime_that_failed_is_named(podman, image):
    """And a runtime that is not there is Podman's own to tell."""
    assert RUNTIMES[podman.runtime] in podman.fails("run", "--rm", image, "/etc/passwd", status=126)
    r = subprocess.run(["podman", "--runtime", "/nosuch/runtime", "run", "--rm", image, "true"], text=True,
                       stderr=subprocess.PIPE)
    assert r.returncode == 125 and "no valid executable found" in r.stderr
