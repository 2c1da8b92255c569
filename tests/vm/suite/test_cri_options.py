"""What a pod and its containers may ask for, by containerd's service for Kubernetes."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from cri import CONTAINER, HOST, KEPT, NODE, POD
from kenrotest import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.limit(300)]


def test_a_pod_may_share_its_pid_namespace(pod):
    web = pod(namespace_options={"network": NODE, "pid": POD})
    one, two = web.container(name="one"), web.container(name="two")
    assert web.inside(one)["ns"]["pid"] == web.inside(two)["ns"]["pid"] != os.readlink("/proc/self/ns/pid")
    assert web.exec(one, "ps", "-o", "args")[1].count("sleep 1000\n") == 2


def test_a_privileged_pod_is_not_confined(pod):
    web = pod(privileged=True, **HOST)
    seen = web.inside(web.secured(privileged=True))
    assert seen["status"]["CapEff"] == Path("/proc/self/status").read_text().partition("CapBnd:")[2].split()[0]


def test_its_security_context_is_the_containers(pod):
    web = pod(**HOST)
    context = {"run_as_user": {"value": 7}, "run_as_group": {"value": 8}, "supplemental_groups": [9], "readonly_rootfs": True,
               "no_new_privs": True, "capabilities": {"drop_capabilities": ["ALL"], "add_capabilities": ["NET_ADMIN"]}}
    seen = web.inside(web.secured(**context))
    assert [seen["status"][k].split()[0] for k in ("Uid", "Gid", "CapBnd", "NoNewPrivs")] == ["7", "8", f"{1 << 12:016x}", "1"]
    assert "9" in seen["status"]["Groups"].split()
    root = next(line for line in seen["mountinfo"] if line.split()[4] == "/")
    assert root.split()[5].startswith("ro,")


def test_pods_of_a_bridge_have_an_address(pod):
    web = pod(namespace_options={"network": POD, "pid": CONTAINER})
    address = web.service.call("PodSandboxStatus", pod_sandbox_id=web.id).status.network.ip
    assert address.startswith("10.77.0.")
    assert f"inet {address}/" in web.exec(web.container(), "ip", "address")[1]
    subprocess.run(["busybox", "ping", "-c", "1", "-W", "20", address], check=True, stdout=subprocess.DEVNULL)


def test_a_pod_has_a_user_namespace_of_its_own(pod):
    ids = [{"host_id": 100000, "container_id": 0, "length": 65536}]
    namespaces = {"network": POD, "pid": CONTAINER, "userns_options": {"mode": POD, "uids": ids, "gids": ids}}
    web = pod(namespace_options=namespaces)
    seen = web.inside(web.container())
    assert seen["uid_map"][0].split() == seen["gid_map"][0].split() == ["0", "100000", "65536"]


def test_a_pod_may_have_the_nodes_namespaces(pod):
    node = {"namespace_options": {"network": NODE, "pid": NODE, "ipc": NODE}}
    web = pod(**node)
    id = web.container()
    seen = web.inside(id)["ns"]
    assert [seen[n] for n in ("net", "pid", "ipc")] == [os.readlink(f"/proc/self/ns/{n}") for n in ("net", "pid", "ipc")]
    # Without a pid namespace to end, its processes are known by its group.
    web.exec(id, "sh", "-c", "sleep 4711 </dev/null >/dev/null 2>&1 &")
    procs = web.group(id) / "cgroup.procs"
    assert len(procs.read_text().split()) == 2
    web.service.call("StopContainer", container_id=id, timeout=0)
    assert web.ended(id)[0] == 137
    wait_until(lambda: not procs.exists())


def test_a_pod_has_kernel_parameters_of_its_own(pod):
    own = {"namespace_options": {"network": POD, "pid": CONTAINER}}
    web = pod(sysctls={"net.ipv4.ip_unprivileged_port_start": "77", "kernel.shm_rmid_forced": "1"}, **own)
    files = ["/proc/sys/net/ipv4/ip_unprivileged_port_start", "/proc/sys/kernel/shm_rmid_forced"]
    assert web.exec(web.container(), "cat", *files) == (0, "77\n1\n")
    assert [Path(f).read_text() for f in files] != ["77\n", "1\n"]


def test_its_users_groups_are_the_images_and_the_pods(pod):
    web = pod(supplemental_groups=[20, 21], **HOST)
    seen = web.inside(web.secured(run_as_username="root", run_as_group={"value": 8}, supplemental_groups=[30, 31]))
    assert [seen["status"][k].split()[0] for k in ("Uid", "Gid")] == ["0", "8"]
    assert {"30", "31"} <= set(seen["status"]["Groups"].split())


PROFILES = {"the runtime's default": {"profile_type": "RuntimeDefault"}, "unconfined": {"profile_type": "Unconfined"}}


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_for_system_calls(pod, runtime, profile):
    web = pod(**HOST)
    status = web.inside(web.secured(seccomp=PROFILES[profile]))["status"]
    # To kenro an absent profile is its own: docs/differences.md.
    assert status["Seccomp"] == ("0" if profile == "unconfined" and runtime != "kenro" else "2")


def test_a_profile_of_the_nodes_for_system_calls(pod, tmp_path):
    (tmp_path / "profile.json").write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"], "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}))
    web = pod(**HOST)
    id = web.secured(seccomp={"profile_type": "Localhost", "localhost_ref": str(tmp_path / "profile.json")})
    said = web.exec(id, "sh", "-c", "mkdir /tmp/made 2>&1; touch /tmp/touched && echo touched")[1]
    assert "not supported" in said and "touched\n" in said
    said = web.exec(web.secured(name="free"), "sh", "-c", "mkdir /tmp/made && echo made")[1]
    assert said == "made\n"


def test_paths_are_masked_unless_the_pod_says_no(pod):
    web = pod(**HOST)
    look = ("sh", "-c", "cat /proc/timer_list 2>&1 | head -c 100; echo; touch /tmp/x; echo 1 >/proc/sys/kernel/domainname && echo written")
    said = web.exec(web.secured(masked_paths=["/proc/timer_list"], readonly_paths=["/proc/sys"]), *look)[1]
    assert "now at" not in said and "written" not in said
    id = web.secured(name="open", masked_paths=["/proc/cmdline"], readonly_paths=["/tmp"])
    assert web.exec(id, "cat", "/proc/cmdline") == (0, "") and web.exec(id, "touch", "/tmp/x")[0] == 1


def propagates(mounts, where):
    """Whether the mount at WHERE is one whose mounts the host sees, as its mountinfo says."""
    line = next(line.split() for line in mounts if line.split()[4] == where)
    return any(field.startswith("shared:") for field in line), any(field.startswith("master:") for field in line)


@pytest.fixture
def shared(tmp_path):
    """A directory that is a mount of its own, which propagates."""
    subprocess.run(["mount", "--bind", tmp_path, tmp_path], check=True)
    subprocess.run(["mount", "--make-shared", tmp_path], check=True)
    yield tmp_path
    subprocess.run(["umount", "--recursive", tmp_path], check=True)


def test_volumes_and_their_propagation(pod, shared):
    (shared / "file").write_text("here\n")
    web = pod(**HOST)
    volume = {"host_path": str(shared)}
    id = web.secured(mounts=[{**volume, "container_path": "/private"}, {**volume, "container_path": "/ro", "readonly": True},
                             {**volume, "container_path": "/from", "propagation": "PROPAGATION_HOST_TO_CONTAINER"}])
    both = web.container(name="both", mounts=[{**volume, "container_path": "/both", "propagation": "PROPAGATION_BIDIRECTIONAL"}])
    assert web.exec(id, "cat", "/private/file", "/ro/file", "/from/file")[1] == "here\n" * 3
    assert web.exec(id, "touch", "/private/new")[0] == 0 and web.exec(id, "touch", "/ro/other")[0] == 1
    mounts = web.inside(id)["mountinfo"]
    assert [propagates(mounts, at) for at in ("/private", "/from")] == [(False, False), (False, True)]
    assert propagates(web.inside(both)["mountinfo"], "/both") == (True, False)
    (shared / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", shared / "below"], check=True)
    (shared / "below/late").write_text("late\n")
    assert web.exec(id, "cat", "/from/below/late") == (0, "late\n") == web.exec(both, "cat", "/both/below/late")
    assert web.exec(id, "ls", "/private/below") == (0, "")


def handler_features(service, name):
    """What containerd says that a handler can do; None from one that does not say."""
    handlers = {h.name: h.features for h in service.call("Status").runtime_handlers}
    return handlers.get(name)


def test_a_volume_may_be_read_only_with_all_below_it(pod, runtime, service, shared):
    features = handler_features(service, runtime)
    if features is None or not features.recursive_read_only_mounts:
        pytest.skip("this containerd knows no recursive read-only mounts")
    (shared / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", shared / "below"], check=True)
    web = pod(**HOST)
    volume = {"host_path": str(shared), "readonly": True}
    id = web.secured(mounts=[{**volume, "container_path": "/flat"}, {**volume, "container_path": "/whole", "recursive_read_only": True}])
    assert web.exec(id, "touch", "/flat/below/new") == (0, "") and web.exec(id, "touch", "/flat/new")[0] == 1
    assert web.exec(id, "touch", "/whole/below/other")[0] == 1


def test_what_a_handler_can_do_is_known(service, runtime):
    features = handler_features(service, runtime)
    if features is None:
        pytest.skip("this containerd does not say what a handler can do")
    assert (features.recursive_read_only_mounts, features.user_namespaces) == (True, True)


def test_a_handler_that_is_not_there_is_refused(service, image):
    said = service.fails("RunPodSandbox", runtime_handler="nosuch", config={
        "metadata": {"name": "web", "uid": "uid", "namespace": "default"}, "linux": {"cgroup_parent": "system.slice"}})
    assert "nosuch" in said


def test_the_handler_decides_who_runs_it(pod, runtime):
    web = pod(**HOST)
    assert web.service.call("PodSandboxStatus", pod_sandbox_id=web.id).status.runtime_handler == runtime
    if runtime == "kenro":
        id = web.container()
        listed = subprocess.run(["kenro", "--root", KEPT, "list", "--quiet"], check=True, capture_output=True, text=True)
        assert set(listed.stdout.split()) == {web.id, id}


def test_a_device_of_the_nodes(pod):
    web = pod(**HOST)
    device = {"host_path": "/dev/fuse", "container_path": "/dev/given", "permissions": "rw"}
    id = web.container(devices=[device])
    assert web.exec(id, "sh", "-c", "exec 3<>/dev/given && echo opened") == (0, "opened\n")
    id = web.container(name="other")
    assert "ermitted" in web.exec(id, "sh", "-c", "mknod /tmp/fuse c 10 229 && exec 3<>/tmp/fuse 2>&1 || echo not permitted")[1]


def test_limits_of_every_kind(pod):
    web = pod(**HOST)
    id = web.container(linux={"resources": {"memory_limit_in_bytes": 64 << 20, "cpu_shares": 512, "cpu_quota": 50000, "cpu_period": 100000,
                                            "oom_score_adj": 321, "memory_swap_limit_in_bytes": 64 << 20,
                                            "unified": {"memory.high": str(48 << 20), "pids.max": "77"}}})
    files = ("memory.max", "memory.high", "memory.swap.max", "pids.max", "cpu.max", "cpu.weight")
    assert [(web.group(id) / f).read_text().strip() for f in files][:5] == [str(64 << 20), str(48 << 20), "0", "77", "50000 100000"]
    assert (web.group(id) / "cpu.weight").read_text().strip() in ("20", "59")
    assert web.exec(id, "cat", "/proc/1/oom_score_adj") == (0, "321\n")


def test_a_pod_has_a_name_and_resolves_others(service, pod):
    own = {"namespace_options": {"network": POD, "pid": CONTAINER}}
    web = pod(hostname="inner", dns=["192.0.2.1"], **own)
    id = web.container()
    assert web.inside(id)["hostname"] == "inner"
    assert "nameserver 192.0.2.1" in web.exec(id, "cat", "/etc/resolv.conf")[1]
