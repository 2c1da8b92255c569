"""What Docker says when something cannot be: the runtime's own sentence, and the status that
Docker's manual promises. 127: the program is not there; 126: it cannot be executed; 125: the
rest. The sentences are kenro's; those of others only have to be there."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from kenrotest import wait_until

pytestmark = pytest.mark.slow

CREATE = "OCI runtime create failed: create [0-9a-f]{64}: "
START = "OCI runtime start failed: start [0-9a-f]{64}: "
EXEC = "OCI runtime exec failed: exec [0-9a-f]{64}: "

# Programs that a container finds in /c.
PROGRAMS = {"lost": "#!/nosuch/interpreter\n", "dos": "#!/bin/sh\r\n", "junk": "junk\n"}
# Profiles of seccomp, by the name of their file.
PROFILES = {
    "unknown": {"defaultAction": "SCMP_ACT_NOSUCH"},
    "mute": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["execve"], "action": "SCMP_ACT_ERRNO"}]},
    "agent": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["write"], "action": "SCMP_ACT_NOTIFY"}]},
}

# {what is wrong: (status, sentence, options of `docker run`, program)}; {} is a directory with
# the programs and the profiles.
RUN = {
    "no such program": (127, CREATE + r'exec "nosuch": executable file not found in \$PATH', (), "nosuch"),
    "no such path": (127, CREATE + 'exec "/no/such": no such file or directory', (), "/no/such"),
    "a directory": (126, CREATE + 'exec "/etc": is a directory', (), "/etc"),
    "not executable": (126, CREATE + 'exec "/etc/passwd": permission denied', (), "/etc/passwd"),
    "no init": (126, CREATE + 'exec "/sbin/docker-init": permission denied',
                ("--init", "--volume", "/etc/passwd:/sbin/docker-init"), "true"),
    "no interpreter": (127, START + r'exec "/c/lost": no such file or directory \(its interpreter '
                       r'/nosuch/interpreter is not there\)', ("--volume", "{}:/c"), "/c/lost"),
    "carriage return": (127, START + r'exec "/c/dos": no such file or directory \(its first line ends with a '
                        r'carriage return\)', ("--volume", "{}:/c"), "/c/dos"),
    "no program's format": (125, START + 'exec "/c/junk": exec format error', ("--volume", "{}:/c"), "/c/junk"),
    "no working directory": (125, CREATE + "process.cwd: cannot open /c/new: ENOENT",
                             ("--volume", "{}:/c:ro", "--workdir", "/c/new"), "true"),
    "a file on a directory": (125, CREATE + r"mounts\[\d\] \(/etc\): not a directory: a file and a directory cannot be "
                              "mounted on each other", ("--volume", "/etc/passwd:/etc"), "true"),
    "a directory on a file": (125, CREATE + r"mounts\[\d\] \(/etc/passwd\): not a directory: a file and a directory "
                              "cannot be mounted on each other", ("--volume", "{}:/etc/passwd"), "true"),
    "a mount in proc": (125, CREATE + r"config.json:1:\d+: mounts\[\d\] \(/proc/sys\): nothing can be mounted below /proc",
                        ("--volume", "{}:/proc/sys"), "true"),
    "a mount over proc": (125, CREATE + r"config.json:1:\d+: mounts\[\d\] \(/proc\): only a proc file system",
                          ("--volume", "{}:/proc"), "true"),
    "a device over a file": (125, CREATE + r"linux.devices \(/etc/passwd\): is another file already",
                             ("--device", "/dev/null:/etc/passwd"), "true"),
    "no such sysctl": (125, CREATE + "linux.sysctl.net.nosuch: cannot open it: ENOENT", ("--sysctl", "net.nosuch=1"), "true"),
    "a sysctl's value": (125, CREATE + "linux.sysctl.kernel.msgmax: cannot set 'x': EINVAL",
                         ("--sysctl", "kernel.msgmax=x"), "true"),
    "a resource limit": (125, CREATE + r"process.rlimits\[0\]: cannot set RLIMIT_NOFILE: EPERM",
                         ("--ulimit", "nofile=2000000000"), "true"),
    "an unknown action": (125, CREATE + r"config.json:1:\d+: linux.seccomp.defaultAction: 'SCMP_ACT_NOSUCH' is not one of: "
                          "SCMP_ACT_ALLOW, ", ("--security-opt", "seccomp={}/unknown"), "true"),
    "a profile without execve": (125, CREATE + r"config.json:1:\d+: linux.seccomp: execve must be allowed, or no program can "
                                 "start", ("--security-opt", "seccomp={}/mute"), "true"),
    "a profile that stops write": (125, CREATE + r"config.json:1:\d+: linux.seccomp.syscalls\[0\].action: SCMP_ACT_NOTIFY "
                                   "cannot be used for the write syscall", ("--security-opt", "seccomp={}/agent"), "true"),
    "a slice's name": (125, CREATE + r"config.json:1:\d+: linux.cgroupsPath: 'a--b.slice' is not the name of a slice",
                       ("--cgroup-parent", "a--b.slice"), "true"),
    "a unit's property": (125, CREATE + r"config.json:1:\d+: annotations: org.systemd.property.Nosuch: not a property that a "
                          "container may set", ("--annotation", "org.systemd.property.Nosuch=1"), "true"),
    "a property's value": (125, CREATE + r"config.json:1:\d+: annotations: org.systemd.property.TimeoutStopUSec: 'soon' is not "
                           "a number", ("--annotation", "org.systemd.property.TimeoutStopUSec=soon"), "true"),
}

# {what is wrong: (sentence, options of `docker exec`, program)}. Docker's status is 126 for all.
ENTER = {
    "no such program": (r'exec "nosuch": executable file not found in \$PATH', (), "nosuch"),
    "no such path": ('exec "/no/such": no such file or directory', (), "/no/such"),
    "a directory": ('exec "/etc": is a directory', (), "/etc"),
    "not executable": ('exec "/etc/passwd": permission denied', (), "/etc/passwd"),
    "no interpreter": (r'exec "/c/lost": no such file or directory \(its interpreter /nosuch/interpreter is not there\)', (),
                       "/c/lost"),
    "no working directory": ("process.cwd: cannot open /nosuch: ENOENT", ("--workdir", "/nosuch"), "true"),
    "a file to work in": ("process.cwd: cannot open /etc/passwd: ENOTDIR", ("--workdir", "/etc/passwd"), "true"),
}


@pytest.fixture
def there(tmp_path):
    """The directory of the programs and the profiles."""
    for name, text in PROGRAMS.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    for name, profile in PROFILES.items():
        (tmp_path / name).write_text(json.dumps(profile))
    return tmp_path


def run(docker, *options, verb="run"):
    return docker.container("--network", "none", *options, verb=verb)


def checked(docker, r, status, sentence):
    """The command has failed as it should."""
    said = r.stdout + r.stderr
    assert r.returncode == status, f"exit status {r.returncode}, not {status}: {said}"
    if docker.runtime == "kenro":
        assert re.search(sentence, said), said
    assert re.search("OCI runtime (create|start|exec) failed: .", said), said


@pytest.mark.parametrize("what", RUN)
def test_a_container_that_cannot_be(docker, image, there, what):
    status, sentence, options, program = RUN[what]
    options = [o.replace("{}", str(there)) for o in options]
    checked(docker, docker.run(*run(docker, "--rm", *options), image, program), status, sentence)
    wait_until(lambda: docker.containers() == [])


@pytest.mark.parametrize("what", ENTER)
def test_an_exec_that_cannot_be(docker, image, there, what):
    sentence, options, program = ENTER[what]
    docker.ok(*run(docker, "--detach", "--name", "box", "--volume", f"{there}:/c"), image, "sleep", "1000")
    checked(docker, docker.run("exec", *options, "box", program), 126, EXEC + sentence)
    checked(docker, docker.run("exec", "--detach", *options, "box", program), 1, EXEC + sentence)
    docker.ok("exec", "box", "true")


@pytest.fixture
def full():
    """full(PATH): whoever writes the file is told that there is no space."""
    paths = []

    def mount(path):
        subprocess.run(["mount", "--bind", "/dev/full", path], check=True)
        paths.append(path)
    yield mount
    for path in paths:
        subprocess.run(["umount", path], check=True)


# {option of docker update: (file, field)}
LIMITS = {
    "--memory 48m": ("memory.max", "memory.limit"),
    "--cpus 0.25": ("cpu.max", "cpu.quota"),
    "--pids-limit 33": ("pids.max", "pids.limit"),
}


@pytest.mark.parametrize("manager", ["cgroupfs"])
@pytest.mark.parametrize("option", LIMITS)
def test_an_update_that_cannot_be(docker, image, full, option):
    docker.ok(*run(docker, "--detach", "--name", "box", "--memory", "64m", "--memory-swap", "64m"), image, "sleep", "1000")
    file, field = LIMITS[option]
    group = Path("/sys/fs/cgroup/docker", docker.inspect("box")["Id"])
    full(group / file)
    said = docker.fails("update", *option.split(), "box", status=1)
    if docker.runtime == "kenro":
        assert re.search(rf"update [0-9a-f]{{64}}: {field}: cannot write '\d+( \d+)?' to {group / file}: ENOSPC", said), said
    docker.ok("exec", "box", "true")


def test_a_step_of_a_build_that_cannot_be(docker, image, tmp_path, buildkit):
    environment = {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}
    for step, sentence in (('["nosuch"]', r'exec "nosuch": executable file not found in \$PATH'),
                           ('["/etc"]', 'exec "/etc": is a directory')):
        (tmp_path / "Dockerfile").write_text(f"FROM localhost/busybox\nRUN {step}\n")
        said = docker.fails("build", tmp_path, env=environment)
        assert docker.runtime != "kenro" or re.search(sentence, said), said
