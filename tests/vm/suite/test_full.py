"""The full tier's guest has what the fast one's kernel lacks."""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

import kenrotest

CGROUPS = Path("/sys/fs/cgroup")
full = pytest.mark.full("User Mode Linux has one processor, four controllers and no nf_tables")


def succeeds(*command, **kw):
    r = subprocess.run(command, text=True, capture_output=True, **kw)
    assert r.returncode == 0, r.stdout + r.stderr
    return r.stdout


@contextlib.contextmanager
def cgroup(name, *controllers):
    """A cgroup below the root, with CONTROLLERS."""
    for controller in controllers:
        (CGROUPS / "cgroup.subtree_control").write_text(f"+{controller}")
    path = CGROUPS / name
    path.mkdir()
    yield path
    path.rmdir()


@full
def test_every_controller_is_there():
    found = (CGROUPS / "cgroup.controllers").read_text().split()
    assert set(found) == {"cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"}


@full
@pytest.mark.parametrize("controller, file", [
    ("cpuset", "cpuset.cpus"), ("hugetlb", "hugetlb.2MB.max"), ("hugetlb", "hugetlb.2MB.rsvd.max"),
    ("rdma", "rdma.max"), ("misc", "misc.max"), ("cpu", "cpu.pressure")])
def test_a_cgroup_has_the_file(controller, file):
    with cgroup("kenro-test-file", controller) as path:
        assert (path / file).exists()


@full
def test_there_are_two_processors():
    assert os.sched_getaffinity(0) == {0, 1}
    for cpu in (0, 1):
        where = "import os; os.sched_setaffinity(0, {%d}); print(open('/proc/self/stat').read().split()[38])" % cpu
        assert succeeds("python3", "-c", where) == f"{cpu}\n"


@full
def test_nothing_has_failed_before_the_snapshot():
    assert succeeds("systemctl", "is-system-running") == "running\n"


@full
def test_pressure_is_counted():
    assert Path("/proc/pressure/cpu").read_text().startswith("some avg10=")


@full
def test_huge_pages_can_be_reserved():
    reserved = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    assert reserved.read_text() == "0\n"
    reserved.write_text("4")
    assert reserved.read_text() == "4\n"
    reserved.write_text("0")
    assert reserved.read_text() == "0\n"


@full
def test_nftables_take_a_rule():
    rules = "table inet kenro-test {\n\tchain c {\n\t\ttype filter hook input priority filter; policy accept;\n" \
            "\t\ttcp dport 1234 counter packets 0 bytes 0 drop\n\t}\n}\n"
    succeeds("nft", "-f", "-", input=rules)
    assert succeeds("nft", "list", "table", "inet", "kenro-test") == rules
    succeeds("nft", "delete", "table", "inet", "kenro-test")


@full
def test_criu_finds_what_it_needs():
    assert "Looks good." in succeeds("criu", "check")


@full
def test_criu_saves_a_process_and_restores_it(tmp_path):
    sleep = subprocess.Popen(["sleep", "1000"], start_new_session=True, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    succeeds("criu", "dump", "--tree", str(sleep.pid), "--images-dir", str(tmp_path))
    assert sleep.wait() != 0
    succeeds("criu", "restore", "--images-dir", str(tmp_path), "--restore-detached", "--pidfile", str(tmp_path / "pid"))
    pid = int((tmp_path / "pid").read_text())
    assert pid == sleep.pid
    assert Path(f"/proc/{pid}/cmdline").read_text() == "sleep\x001000\x00"
    os.kill(pid, 9)
    os.waitpid(pid, 0)  # orphans are ours


def fuse(access):
    return {"allow": True, "type": "c", "major": 10, "minor": 229, "access": access}


@pytest.mark.parametrize("rules, opens", [([], False), ([fuse("r")], False), ([fuse("rw")], True),
                                          ([fuse("rw"), {"allow": False, "access": "w"}], False)])
def test_a_device_that_has_a_driver_is_open_to_whom_the_rules_allow_it(kenro, bundle, rules, opens):
    c = kenrotest.shell("exec 3<>/dev/fuse && echo opened")
    c["linux"]["devices"] = [{"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o666}]
    c["linux"]["resources"]["devices"] = [{"allow": False, "access": "rwm"}, *rules]
    kenrotest.write_config(bundle, c)
    r = kenro.run("run", "--bundle", bundle, "c")
    assert r.stdout == ("opened\n" if opens else "")
    assert ("Operation not permitted" in r.stderr) != opens


# A network of an engine, and what its firewall asks of the kernel.
ADDRESS = ("ip", "-4", "address", "show", "eth0")


@full
@pytest.mark.parametrize("runtime", ["kenro"])
def test_podman_has_a_bridge(podman, image):
    assert "inet 10.88." in podman.ok(*podman.container("--rm", "--network", "podman", image, *ADDRESS))


@full
@pytest.mark.parametrize("runtime", ["kenro"])
def test_docker_has_a_bridge(docker, image):
    assert "inet 172.17." in docker.ok(*docker.container("--rm", image, *ADDRESS))
