"""As much of a kubelet as tests need: containerd's service for Kubernetes, a containerd of
its own in which each runtime is the handler of its name, and pods."""

import io
import json
import os
import re
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest

import engines
from kenrotest import HELPERS, wait_until

PROTO = Path("/usr/local/lib/kenro-vm/cri.proto")
STATE = Path("/run/cri")
KEPT = Path("/run/containerd/runc/k8s.io")  # by runtimes, whichever containerd
SOCKET = STATE / "containerd.sock"
PAUSE = "localhost/pause:latest"
NODE, POD, CONTAINER = 2, 0, 1  # whose namespace it is
EXITED = 2  # a container's state
LOGS = Path("/var/log/pods-of-tests")
# The plainest pod: the node's network, which needs no plugin for one.
HOST = {"namespace_options": {"network": NODE, "pid": CONTAINER}}

HEAD = """
version = {version}
root = "/var/lib/cri"
state = "/run/cri"
[grpc]
address = "/run/cri/containerd.sock"
"""
PLUGINS = {
    1: """
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/pause:latest"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "/run/cri-net"
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "kenro"
""",
    2: """
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "localhost/pause:latest"
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = "/run/cri-net"
[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "kenro"
""",
}
TABLE = {1: "io.containerd.grpc.v1.cri", 2: "io.containerd.cri.v1.runtime"}
HANDLER = """
[plugins."{table}".containerd.runtimes.{name}]
runtime_type = "io.containerd.runc.v2"
[plugins."{table}".containerd.runtimes.{name}.options]
BinaryName = "{path}"
SystemdCgroup = {systemd}
"""
UNIT = """
[Service]
ExecStart=containerd --config {}
Delegate=yes
KillMode=process
"""
NETWORK = {"cniVersion": "1.0.0", "name": "pods", "plugins": [
    {"type": "bridge", "bridge": "pods0", "isGateway": True,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.77.0.0/24"}]]}}]}


def major():
    """containerd's version."""
    said = subprocess.run(["containerd", "--version"], check=True, capture_output=True, text=True).stdout
    return int(said.split()[2].split(".")[0])


def configuration():
    """Handlers: kenro, crun, runc with the systemd manager; kenro-cgroupfs and so on without."""
    version = min(major(), 2)
    return HEAD.format(version=version + 1) + PLUGINS[version] + "".join(
        HANDLER.format(table=TABLE[version], name=name + suffix, path=path, systemd=systemd)
        for name, path in engines.RUNTIMES.items() for suffix, systemd in (("", "true"), ("-cgroupfs", "false")))


class Service:
    """The service, with messages made of the file that defines them."""

    def __init__(self, socket=SOCKET):
        import grpc
        from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
        # Options of fields, and what a generator for Go wants, are nothing to Python.
        proto = re.sub(r'^(import "github|option \(gogo).*|\s\[[^\]]*\](?=;)', "", PROTO.read_text(), flags=re.M)
        with tempfile.TemporaryDirectory() as d:
            Path(d, "cri.proto").write_text(proto)
            subprocess.run(["protoc", f"-I{d}", f"--descriptor_set_out={d}/set", f"{d}/cri.proto"], check=True)
            described = Path(d, "set").read_bytes()
        self.pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(described).file:
            self.pool.Add(file)
        self.types = message_factory.MessageFactory(self.pool)
        self.json, self.failure = json_format, grpc.RpcError
        self.connect = lambda: grpc.insecure_channel(f"unix:{socket}", [("grpc.max_receive_message_length", -1)])
        self.channel = self.connect()

    def message(self, name):
        return self.types.GetPrototype(self.pool.FindMessageTypeByName(f"runtime.v1.{name}"))

    def prepare(self, name, **fields):
        """What calls the method of that name, and its request."""
        call = self.channel.unary_unary(f"/runtime.v1.RuntimeService/{name}",
                                        request_serializer=lambda m: m.SerializeToString(),
                                        response_deserializer=self.message(f"{name}Response").FromString)
        return call, self.json.ParseDict(fields, self.message(f"{name}Request")())

    def call(self, name, **fields):
        call, request = self.prepare(name, **fields)
        return call(request, timeout=engines.TIMEOUT, wait_for_ready=True)

    def begin(self, name, **fields):
        """A call whose answer nobody waits for yet."""
        call, request = self.prepare(name, **fields)
        return call.future(request, timeout=engines.TIMEOUT)

    def fails(self, name, **fields):
        """What a call that must fail says."""
        with pytest.raises(self.failure) as told:
            self.call(name, **fields)
        return told.value.details()

    def reconnect(self):
        """After a restart, so that no call meets the old one's end."""
        self.channel.close()
        self.channel = self.connect()

    def close(self):
        self.channel.close()


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


class Daemon:
    """A containerd of tests' own, as the unit `cri`; its shims outlive it, as Debian's unit
    lets them."""

    service = None  # its client

    def __init__(self, directory):
        self.config = directory / "config.toml"
        self.config.write_text(configuration())
        net = Path("/run/cri-net/10-pods.conflist")
        net.parent.mkdir(exist_ok=True)
        net.write_text(json.dumps(NETWORK))
        Path("/run/systemd/system/cri.service").write_text(UNIT.format(self.config))
        engines.systemctl("daemon-reload")

    def start(self):
        subprocess.run(["systemctl", "reset-failed", "cri"], check=False, capture_output=True)  # systemd counts its starts
        engines.systemctl("start", "cri")
        wait_until(lambda: ctr("version").returncode == 0)
        if self.service:
            self.service.reconnect()

    def stop(self):
        engines.systemctl("stop", "cri")

    def kill(self):
        """At once."""
        engines.systemctl("kill", "--signal", "KILL", "--kill-whom", "main", "cri")
        wait_until(lambda: subprocess.run(["systemctl", "--quiet", "is-active", "cri"]).returncode != 0)


def ctr(*args):
    return subprocess.run(["ctr", "--address", SOCKET, "--namespace", "k8s.io", *map(str, args)], capture_output=True, text=True)


def running(directory):
    """The service of a daemon that has the image."""
    daemon = Daemon(directory)
    daemon.start()
    pause_archive(directory / "pause.tar")
    assert ctr("images", "import", directory / "pause.tar").returncode == 0
    service = Service()
    service.daemon, daemon.service = daemon, service
    wait_until(lambda: all(c.status for c in service.call("Status").status.conditions))
    yield service
    service.close()
    daemon.stop()


class Pod:
    """PARENT is its group; its logs are in LOGS."""

    def __init__(self, service, handler, name="web", parent="system.slice", sysctls=None, hostname="",
                 dns=(), **security):
        self.service, self.handler, self.name = service, handler, name
        self.config = {"metadata": {"name": name, "uid": f"uid-{name}", "namespace": "default"},
                       "log_directory": str(LOGS / name), "hostname": hostname, "dns_config": {"servers": list(dns)},
                       "linux": {"cgroup_parent": parent, "security_context": security, "sysctls": sysctls or {}}}
        self.id = service.call("RunPodSandbox", config=self.config, runtime_handler=handler).pod_sandbox_id

    def container(self, *command, name="web", start=True, mounts=(), linux=None, **config):
        """In the pod's namespaces unless its security context says otherwise."""
        security = {"namespace_options": self.config["linux"]["security_context"].get("namespace_options", {}),
                    **(linux or {}).get("security_context", {})}
        inside = {"container_path": "/usr/bin/inside", "host_path": str(HELPERS / "inside"), "readonly": True}
        id = self.service.call("CreateContainer", pod_sandbox_id=self.id, sandbox_config=self.config, config={
            "metadata": {"name": name}, "image": {"image": PAUSE}, "command": list(command) or ["sleep", "1000"],
            "log_path": f"{name}.log", "mounts": [inside, *mounts], "linux": {**(linux or {}), "security_context": security},
            **config}).container_id
        if start:
            self.service.call("StartContainer", container_id=id)
        return id

    def secured(self, *command, name="web", mounts=(), **context):
        """A container with a security context."""
        return self.container(*command, name=name, mounts=mounts, linux={"security_context": context})

    def exec(self, id, *command, **fields):
        r = self.service.call("ExecSync", container_id=id, cmd=list(command), **fields)
        return r.exit_code, r.stdout.decode()

    def inside(self, id):
        return json.loads(self.exec(id, "inside")[1])

    def log(self, name="web"):
        """[stream, whether it is a line or a part, text] of each line."""
        return [line.split(" ", 3)[1:] for line in (LOGS / self.name / f"{name}.log").read_text().splitlines()]

    def status(self, id):
        return self.service.call("ContainerStatus", container_id=id).status

    def ended(self, id):
        wait_until(lambda: self.status(id).state == EXITED)
        return self.status(id).exit_code, self.status(id).reason

    def pid(self, id):
        return json.loads(self.service.call("ContainerStatus", container_id=id, verbose=True).info["info"])["pid"]

    def group(self, id):
        """crun has one more below the one that has the limits."""
        path = Path(f"/proc/{self.pid(id)}/cgroup").read_text().strip().removeprefix("0::")
        return Path("/sys/fs/cgroup" + path.removesuffix("/container"))

    def stop(self):
        """Gone, with its containers."""
        self.service.call("StopPodSandbox", pod_sandbox_id=self.id)
        self.service.call("RemovePodSandbox", pod_sandbox_id=self.id)

    def stopped(self):
        """Whether an attempt to stop it has succeeded: a kubelet asks again and again."""
        try:
            self.stop()
        except self.service.failure:
            return False
        return True


def left():
    """What is seen of pods on the host."""
    found = engines.traces()
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    groups = [os.path.join(path, d) for path, dirs, _ in os.walk("/sys/fs/cgroup") for d in dirs]
    # containerd's mounts of images' layers come and go for a moment.
    found["mounts"] += [m for m in mounts if m.startswith("/run/cri/") or "cni" in m]
    found["groups"] += [g for g in groups if "kubepods" in g]
    found["state"] += [str(p) for d in (KEPT, STATE / "io.containerd.runtime.v2.task/k8s.io") for p in d.glob("*")]
    found["network"] = sorted(os.listdir("/var/lib/cni/networks/pods")) if Path("/var/lib/cni/networks/pods").exists() else []
    found["network"] = [n for n in found["network"] if n[0].isdigit()]
    return found
