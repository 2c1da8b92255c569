"""Pods as a kubelet asks containerd for them, by its service for Kubernetes; each runtime is
the handler of its name."""

import io
import json
import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

import engines
from kenrotest import HELPERS, wait_until

pytestmark = pytest.mark.slow

PROTO = Path("/usr/local/lib/kenro-vm/cri.proto")
SOCKET = "/run/cri/containerd.sock"
PAUSE = "localhost/pause:latest"
NODE, POD, CONTAINER = 2, 0, 1  # whose namespace it is

HANDLER = """
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.{name}.options]
BinaryName = "{path}"
SystemdCgroup = true
"""
CONFIG = """
version = 2
root = "/var/lib/cri"
state = "/run/cri"
[grpc]
address = "/run/cri/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/pause:latest"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/run/cri-net"
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "kenro"
""" + "".join(HANDLER.format(name=name, path=path) for name, path in engines.RUNTIMES.items())
NETWORK = {"cniVersion": "1.0.0", "name": "pods", "plugins": [
    {"type": "bridge", "bridge": "pods0", "isGateway": True,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/24"}]]}}]}


class Service:
    """The service, with messages made of the file that defines them."""

    def __init__(self, directory):
        import grpc
        from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
        # Options of fields, and what a generator for Go wants, are nothing to Python.
        proto = re.sub(r'^(import "github|option \(gogo).*|\s\[[^\]]*\](?=;)', "", PROTO.read_text(), flags=re.M)
        (directory / "cri.proto").write_text(proto)
        subprocess.run(["protoc", f"-I{directory}", f"--descriptor_set_out={directory}/set", f"{directory}/cri.proto"], check=True)
        pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString((directory / "set").read_bytes()).file:
            pool.Add(file)
        self.types, self.pool = message_factory.MessageFactory(pool), pool
        self.json, self.failure = json_format, grpc.RpcError
        self.channel = grpc.insecure_channel(f"unix:{SOCKET}")

    def message(self, name):
        return self.types.GetPrototype(self.pool.FindMessageTypeByName(f"runtime.v1.{name}"))

    def call(self, name, **fields):
        call = self.channel.unary_unary(f"/runtime.v1.RuntimeService/{name}",
                                        request_serializer=lambda m: m.SerializeToString(),
                                        response_deserializer=self.message(f"{name}Response").FromString)
        return call(self.json.ParseDict(fields, self.message(f"{name}Request")()), timeout=engines.TIMEOUT)

    def fails(self, name, **fields):
        with pytest.raises(self.failure) as told:
            self.call(name, **fields)
        return told.value.details()


def pause_archive(path):
    """The image of busybox, that sleeps."""
    with tarfile.open(engines.ARCHIVE) as old, tarfile.open(path, "w") as new:
        for member in old:
            data = old.extractfile(member).read()
            if member.name == "config.json":
                config = json.loads(data)
                config["config"]["Cmd"] = ["sleep", "100000"]
                data = json.dumps(config).encode()
            if member.name == "manifest.json":
                data = json.dumps([{**json.loads(data)[0], "RepoTags": [PAUSE]}]).encode()
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cri")
    (directory / "config.toml").write_text(CONFIG)
    Path("/run/cri-net").mkdir()
    Path("/run/cri-net/10-pods.conflist").write_text(json.dumps(NETWORK))
    pause_archive(directory / "pause.tar")
    subprocess.run(["systemd-run", "--quiet", "--unit", "cri", "--property", "Delegate=yes", "--property", "KillMode=process",
                    "containerd", "--config", directory / "config.toml"], check=True)
    ctr = ("ctr", "--address", SOCKET, "--namespace", "k8s.io")
    wait_until(lambda: subprocess.run([*ctr, "version"], capture_output=True).returncode == 0)
    subprocess.run([*ctr, "images", "import", directory / "pause.tar"], check=True, stdout=subprocess.DEVNULL)
    made = Service(directory)
    wait_until(lambda: all(c.status for c in made.call("Status").status.conditions))
    yield made
    made.channel.close()
    engines.systemctl("stop", "cri")


class Pod:
    def __init__(self, service, handler, **security):
        self.service = service
        self.config = {"metadata": {"name": "web", "uid": "uid-web", "namespace": "default"},
                       "linux": {"cgroup_parent": "system.slice", "security_context": security}}
        self.id = service.call("RunPodSandbox", config=self.config, runtime_handler=handler).pod_sandbox_id

    def container(self, *command, name="web", start=True, **config):
        id = self.service.call("CreateContainer", pod_sandbox_id=self.id, sandbox_config=self.config, config={
            "metadata": {"name": name}, "image": {"image": PAUSE}, "command": list(command) or ["sleep", "1000"],
            "mounts": [{"container_path": "/usr/bin/inside", "host_path": str(HELPERS / "inside"), "readonly": True}],
            **config}).container_id
        if start:
            self.service.call("StartContainer", container_id=id)
        return id

    def exec(self, id, *command, **fields):
        r = self.service.call("ExecSync", container_id=id, cmd=list(command), **fields)
        return r.exit_code, r.stdout.decode()

    def inside(self, id):
        return json.loads(self.exec(id, "inside")[1])

    def status(self, id):
        return self.service.call("ContainerStatus", container_id=id).status

    def ended(self, id):
        wait_until(lambda: self.status(id).state == 2)
        return self.status(id).exit_code, self.status(id).reason

    def group(self, id):
        info = self.service.call("ContainerStatus", container_id=id, verbose=True).info["info"]
        return Path("/sys/fs/cgroup" + Path(f"/proc/{json.loads(info)['pid']}/cgroup").read_text().strip().removeprefix("0::"))


def left():
    return {**engines.traces(), "kept": [str(p) for p in Path("/run/cri/runc/k8s.io").glob("*")]}


@pytest.fixture
def pod(service, runtime):
    """pod(...) runs a pod; none is left after the test, nor anything of it."""
    made, before = [], left()

    def run(**security):
        made.append(Pod(service, runtime, **security))
        return made[-1]
    yield run
    for one in made:
        service.call("StopPodSandbox", pod_sandbox_id=one.id)
        service.call("RemovePodSandbox", pod_sandbox_id=one.id)
    wait_until(lambda: left() == before)


HOST = {"namespace_options": {"network": NODE, "pid": CONTAINER}}


def test_the_life_of_a_container_in_a_pod(pod):
    web = pod(**HOST)
    id = web.container("sh", "-c", "trap 'exit 3' TERM; while :; do sleep 1000 & wait; done", envs=[{"key": "A", "value": "b"}],
                       working_dir="/tmp")
    assert web.exec(id, "echo", "here") == (0, "here\n")
    assert web.exec(id, "sh", "-c", "exit 9")[0] == 9
    seen = web.inside(id)
    assert "A=b" in seen["env"] and seen["cwd"] == "/tmp"
    stats = web.service.call("ContainerStats", container_id=id).stats
    assert stats.memory.working_set_bytes.value > 0
    web.service.call("StopContainer", container_id=id, timeout=60)
    assert web.ended(id)[0] == 3
    web.service.call("RemoveContainer", container_id=id)


def test_an_exec_ends_when_its_time_is_over(pod):
    web = pod(**HOST)
    id = web.container()
    assert "timeout" in web.service.fails("ExecSync", container_id=id, cmd=["sleep", "2000"], timeout=1)
    assert "sleep 2000" not in web.exec(id, "ps", "-o", "args")[1]


def test_what_cannot_be_started_says_why(pod):
    web = pod(**HOST)
    id = web.container("nosuch", start=False)
    said = web.service.fails("StartContainer", container_id=id)
    assert "executable file" in said and "nosuch" in said
    id = web.container(name="other")
    said = web.service.fails("ExecSync", container_id=id, cmd=["nosuch"])
    assert "executable file" in said and "nosuch" in said


def test_a_memory_hog_is_oom_killed(pod):
    web = pod(**HOST)
    # The shim looks once the container has been started, and only at what happens then.
    id = web.container("sh", "-c", "sleep 2; dd if=/dev/zero of=/dev/null bs=200M count=1; status=$?; sleep 3; exit $status",
                       linux={"resources": {"memory_limit_in_bytes": 16 << 20}})
    assert web.ended(id) == (137, "OOMKilled")


def test_limits_are_changed_while_it_runs(pod):
    web = pod(**HOST)
    id = web.container(linux={"resources": {"memory_limit_in_bytes": 64 << 20, "cpu_quota": 50000, "cpu_period": 100000}})
    files = [web.group(id) / f for f in ("memory.max", "cpu.max")]
    assert [f.read_text().strip() for f in files] == [str(64 << 20), "50000 100000"]
    web.service.call("UpdateContainerResources", container_id=id, linux={"memory_limit_in_bytes": 48 << 20, "cpu_quota": 20000})
    assert [f.read_text().strip() for f in files] == [str(48 << 20), "20000 100000"]


def test_a_pod_may_share_its_pid_namespace(pod):
    web = pod(namespace_options={"network": NODE, "pid": POD})
    one, two = web.container(name="one"), web.container(name="two")
    assert web.inside(one)["ns"]["pid"] == web.inside(two)["ns"]["pid"] != os.readlink("/proc/self/ns/pid")
    assert web.exec(one, "ps", "-o", "args")[1].count("sleep 1000\n") == 2


def test_a_privileged_pod_is_not_confined(pod):
    web = pod(privileged=True, **HOST)
    seen = web.inside(web.container(linux={"security_context": {"privileged": True, **HOST}}))
    assert seen["status"]["CapEff"] == Path("/proc/self/status").read_text().partition("CapBnd:")[2].split()[0]


def test_its_security_context_is_the_containers(pod):
    web = pod(**HOST)
    context = {"run_as_user": {"value": 7}, "run_as_group": {"value": 8}, "supplemental_groups": [9], "readonly_rootfs": True,
               "no_new_privs": True, "capabilities": {"drop_capabilities": ["ALL"], "add_capabilities": ["NET_ADMIN"]}, **HOST}
    seen = web.inside(web.container(linux={"security_context": context}))
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
    seen = web.inside(web.container(linux={"security_context": {"namespace_options": namespaces}}))
    assert seen["uid_map"][0].split() == seen["gid_map"][0].split() == ["0", "100000", "65536"]
