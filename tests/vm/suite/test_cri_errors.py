"""What a kubelet is told of a container that cannot be made is kenro's own sentence."""

import re

import pytest

from cri import CONTAINER, HOST, POD

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("runtime", ["kenro"])]


def mount(source, at, **options):
    return {"mounts": [{"host_path": source, "container_path": at, **options}]}


def limits(**resources):
    return {"linux": {"resources": resources}}


# name: (what the container asks for, sentence)
CASES = {
    "a program that is not in PATH": ({"command": ["nosuch"]}, 'exec "nosuch": executable file not found in $PATH'),
    "a program that is not there": ({"command": ["/nosuch"]}, 'exec "/nosuch": no such file or directory'),
    "a program that is not executable": ({"command": ["/etc/passwd"]}, 'exec "/etc/passwd": permission denied'),
    "a program that is a directory": ({"command": ["/etc"]}, 'exec "/etc": is a directory: permission denied'),
    "a working directory that is a file": ({"working_dir": "/etc/passwd"}, "process.cwd: cannot open /etc/passwd: ENOTDIR"),
    "a file over a directory": (
        mount("/etc/passwd", "/etc"), "(/etc): not a directory: a file and a directory cannot be mounted on each other"),
    "too little memory": (
        limits(memory_limit_in_bytes=4096), "memory limit too low: init was OOM-killed (raise linux.resources.memory.limit)"),
    "too little of a processor": (
        limits(cpu_quota=1, cpu_period=1), "linux.resources.cpu.quota: 1 us, the kernel's least is 1000"),
    "a file of a limit that is not there": (
        limits(unified={"nosuch.max": "1"}), "linux.resources.unified.nosuch.max: the cgroup2 tree at /sys/fs/cgroup lacks the controller 'nosuch'"),
    "a value that is no limit": (limits(unified={"pids.max": "many"}), "pids.max"),
}


def told(service, id):
    return re.sub(r"config\.json:\d+:\d+: ", "", service.fails("StartContainer", container_id=id))


@pytest.mark.parametrize("case", CASES)
def test_what_cannot_be_made_is_told_in_kenros_words(pod, case):
    web = pod(**HOST)
    asked, sentence = CASES[case]
    asked = dict(asked)
    id = web.container(*asked.pop("command", ["true"]), start=False, **asked)
    said = told(web.service, id)
    assert f"OCI runtime create failed: create {id}: " in said and sentence in said
    state = web.status(id)
    assert (state.exit_code, state.reason) == (128, "StartError") and sentence in re.sub(r"config\.json:\d+:\d+: ", "", state.message)


def test_a_profile_without_execve_is_told_in_kenros_words(pod, tmp_path):
    (tmp_path / "profile").write_text('{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["execve"], "action": "SCMP_ACT_ERRNO"}]}')
    web = pod(**HOST)
    id = web.container(start=False, linux={"security_context": {"seccomp": {
        "profile_type": "Localhost", "localhost_ref": str(tmp_path / "profile")}}})
    assert f"create {id}: linux.seccomp: execve must be allowed, or no program can start" in told(web.service, id)


def test_a_kernel_parameter_that_is_not_there_is_told_in_kenros_words(pod):
    own = {"namespace_options": {"network": POD, "pid": CONTAINER}}
    web = pod(**own)
    config = {**web.config, "metadata": {"name": "bad", "uid": "bad", "namespace": "default"}}
    config["linux"] = {**web.config["linux"], "sysctls": {"net.ipv4.nosuch": "1"}}
    said = web.service.fails("RunPodSandbox", config=config, runtime_handler=web.handler)
    assert "OCI runtime create failed: create " in said and "net.ipv4.nosuch" in said
    config["linux"]["sysctls"] = {"kernel.hostname": "x"}
    said = web.service.fails("RunPodSandbox", config=config, runtime_handler=web.handler)
    assert "OCI runtime create failed: create " in said and "kernel.hostname" in said


def test_what_an_exec_cannot_do_is_told_in_kenros_words(pod):
    web = pod(**HOST)
    id = web.container()
    for command, sentence in (("nosuch", "executable file not found in $PATH"), ("/nosuch", "no such file or directory"),
                              ("/etc/passwd", "permission denied"), ("/etc", "is a directory: permission denied")):
        said = web.service.fails("ExecSync", container_id=id, cmd=[command])
        assert f'OCI runtime exec failed: exec {id}: exec "{command}": {sentence}' in said


def test_a_limit_that_cannot_be_changed_is_told_in_kenros_words(pod):
    web = pod(**HOST)
    id = web.container()
    said = web.service.fails("UpdateContainerResources", container_id=id, linux={"cpu_quota": 1})
    assert "the kernel's least is 1000" in said
    assert (web.group(id) / "cpu.max").read_text().startswith("max ")
