"""linux.netDevices: devices of the host's network namespace, which is a private one
here, move into the container's."""

import json
import subprocess

import pytest

import kenrotest
from kenrotest import config, shell, user_namespace, wait_until, without, write_config
from rootless import User, rootless


class Host:
    """A network namespace that stands for the host's."""

    def __init__(self):
        self.keeper = subprocess.Popen(["unshare", "--net", "sh", "-c",
                                        "echo ready; exec sleep 1000"], stdout=subprocess.PIPE)
        assert self.keeper.stdout.readline() == b"ready\n"
        self.enter = ["nsenter", f"--net=/proc/{self.keeper.pid}/ns/net"]

    def close(self):
        self.keeper.kill()
        self.keeper.wait()
        self.keeper.stdout.close()

    def ip(self, *args):
        p = subprocess.run([*self.enter, "ip", *args], capture_output=True, text=True, timeout=60)
        assert p.returncode == 0, p.stderr
        return p.stdout

    def links(self):
        return [link["ifname"] for link in json.loads(self.ip("-j", "link"))]

    def state(self):
        """All that should be as it was."""
        links = json.loads(self.ip("-j", "-d", "addr"))
        for link in links:
            for key in ("operstate", "flags", "linkinfo"):  # of a carrier that comes and goes
                link.pop(key, None)
            link["addr_info"] = sorted(
                (a["local"], a["prefixlen"], a["scope"], a.get("broadcast"), a.get("label"),
                 a.get("dynamic")) for a in link["addr_info"] if not a["local"].startswith("fe80"))
        routes = sorted(route.replace(" linkdown", "").strip() for route in
                        self.ip("route", "show", "table", "all").splitlines()
                        if "fe80" not in route and "ff00::/8" not in route)
        return links, routes


@pytest.fixture
def host(kenro):
    h = Host()
    made = subprocess.run([*h.enter, "ip", "link", "add", "k0", "type", "veth", "peer", "name", "k1"],
                          capture_output=True, text=True, timeout=60)
    if made.returncode != 0:
        h.close()
        pytest.skip("the kernel has no veth devices: " + made.stderr.strip())
    command = kenro.command
    kenro.command = lambda *args: [*h.enter, *command(*args)]
    yield h
    for id in kenro.ids():
        kenro.ok("delete", "--force", id)
    del kenro.command
    h.close()


def devices(c, **names):
    c["linux"]["netDevices"] = {name: ({"name": new} if new else {}) for name, new in names.items()}
    return c


def test_a_device_moves_and_is_up(kenro, bundle, host):
    write_config(bundle, devices(shell("cat /sys/class/net/k0/flags; ls /sys/class/net"), k0=None))
    flags, *names = kenro.ok("run", "-b", bundle, "c").split()
    assert int(flags, 16) & 1
    assert names == ["k0", "lo"]


def test_a_device_has_its_new_name(kenro, bundle, host):
    write_config(bundle, devices(shell("ls /sys/class/net"), k0="eth0"))
    assert kenro.ok("run", "-b", bundle, "c").split() == ["eth0", "lo"]


def test_a_template_is_numbered_by_the_kernel(kenro, bundle, host):
    write_config(bundle, devices(shell("ls /sys/class/net"), k0="net%d", k1="net%d"))
    assert kenro.ok("run", "-b", bundle, "c").split() == ["lo", "net0", "net1"]


def test_two_devices_may_swap_their_names(kenro, bundle, host):
    host.ip("link", "set", "k0", "mtu", "1400")
    write_config(bundle, devices(shell("cat /sys/class/net/k1/mtu /sys/class/net/k0/mtu"),
                                 k0="k1", k1="k0"))
    r = kenro.run("run", "-b", bundle, "c")
    assert (r.returncode, r.stdout) == (0, "1400\n1500\n"), r.stderr


def test_permanent_addresses_of_global_scope_are_kept(kenro, bundle, host):
    host.ip("link", "set", "k0", "up")
    for address in ("10.1.2.3/24", "fd00::3/64"):
        host.ip("address", "add", address, "dev", "k0")
    host.ip("address", "add", "10.1.2.4/32", "broadcast", "10.9.9.9", "dev", "k0", "label", "k0:web")
    host.ip("address", "add", "10.5.0.1/16", "dev", "k0", "scope", "link")
    host.ip("address", "add", "10.6.0.1/16", "dev", "k0", "valid_lft", "1000", "preferred_lft",
            "1000")
    write_config(bundle, devices(shell("ip -o addr show dev eth0"), k0="eth0"))
    out = kenro.ok("run", "-b", bundle, "c")
    assert "inet 10.1.2.3/24 scope global eth0" in out
    assert "inet6 fd00::3/64 scope global" in out
    assert "inet 10.1.2.4/32 brd 10.9.9.9 scope global k0:web" in out
    assert "10.5.0.1" not in out and "10.6.0.1" not in out


def test_attributes_and_routes_are_kept(kenro, bundle, host):
    host.ip("link", "set", "k0", "up", "mtu", "1400", "address", "02:00:00:00:00:07")
    host.ip("link", "set", "k1", "up")
    host.ip("address", "add", "10.1.2.3/24", "dev", "k0")
    host.ip("route", "add", "10.7.0.0/16", "via", "10.8.0.1", "dev", "k0", "onlink", "metric", "5")
    host.ip("route", "add", "default", "via", "10.1.2.1")
    host.ip("route", "add", "10.8.0.0/16", "dev", "k0")
    host.ip("-6", "route", "add", "fd01::/64", "dev", "k0")
    write_config(bundle, devices(shell("ip -o link show eth0; ip route; ip -6 route"), k0="eth0"))
    out = kenro.ok("run", "-b", bundle, "c")
    assert "mtu 1400" in out and "02:00:00:00:00:07" in out
    for route in ("default via 10.1.2.1 dev eth0", "10.7.0.0/16 via 10.8.0.1 dev eth0  metric 5",
                  "10.8.0.0/16 dev eth0", "10.1.2.0/24 dev eth0 scope link  src 10.1.2.3",
                  "fd01::/64 dev eth0"):
        assert route in out, out


def test_kernel_parameters_of_the_device_can_be_set(kenro, bundle, host):
    c = devices(shell("cat /proc/sys/net/ipv4/conf/eth0/rp_filter"), k0="eth0")
    c["linux"]["sysctl"] = {"net.ipv4.conf.eth0.rp_filter": "2"}
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "2\n"


def test_a_container_with_a_user_namespace_gets_its_device(kenro, bundle, host):
    host.ip("address", "add", "10.1.2.3/24", "dev", "k0")
    write_config(bundle, devices(user_namespace(shell("ip -o addr show dev eth0")), k0="eth0"))
    assert "10.1.2.3/24" in kenro.ok("run", "-b", bundle, "c")


def joined(kenro, bundle, c):
    """C, in the network namespace of a container that runs."""
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("run", "-d", "-b", bundle, "other")
    c = without(c, "network")
    c["linux"]["namespaces"].append({"type": "network",
                                     "path": f"/proc/{kenro.pid('other')}/ns/net"})
    return c


def test_a_joined_namespace_gets_the_device_and_keeps_it(kenro, bundle, host):
    host.ip("address", "add", "10.1.2.3/24", "dev", "k0")
    c = joined(kenro, bundle, devices(shell("ip -o addr show dev eth0"), k0="eth0"))
    write_config(bundle, c)
    assert "10.1.2.3/24" in kenro.ok("run", "-b", bundle, "c")
    assert "10.1.2.3/24" in kenro.ok("exec", "other", "/bin/ip", "addr", "show", "dev", "eth0")
    assert host.links() == ["lo", "k1"]


def test_a_device_gets_another_number_where_its_own_is_taken(kenro, bundle, host):
    index = json.loads(host.ip("-j", "link", "show", "k0"))[0]["ifindex"]
    c = joined(kenro, bundle, devices(shell("ip -o link show eth0"), k0="eth0"))
    subprocess.run(["nsenter", f"--net=/proc/{kenro.pid('other')}/ns/net", "ip", "link", "add", "x0",
                    "index", str(index), "type", "veth", "peer", "name", "x1"], check=True)
    write_config(bundle, c)
    assert not kenro.ok("run", "-b", bundle, "c").startswith(f"{index}:")


@pytest.mark.parametrize("name", ["eth0", "lo"])
def test_a_name_that_the_container_has_already_is_refused(kenro, bundle, host, name):
    """And nothing has changed."""
    host.ip("link", "set", "k1", "up")
    c = joined(kenro, bundle, devices(config(), k0="eth0"))
    write_config(bundle, c)
    kenro.ok("run", "-b", bundle, "c")
    before = host.state()
    write_config(bundle, devices(c, k1=name))
    assert kenro.fails("create", "-b", bundle, "c") == \
        f"create c: linux.netDevices.k1: the container has a network device {name} already"
    assert host.state() == before


def test_a_device_goes_with_its_container(kenro, bundle, host):
    write_config(bundle, devices(config("/bin/sleep", "1000"), k0="eth0"))
    kenro.ok("run", "-d", "-b", bundle, "c")
    assert host.links() == ["lo", "k1"]
    kenro.ok("delete", "--force", "c")
    # a veth ends with its namespace, and its peer with it: the kernel's own pace
    wait_until(lambda: host.links() == ["lo"])


def furnish(host):
    """Everything that a move takes from a device."""
    host.ip("link", "add", "br0", "type", "bridge")
    host.ip("link", "set", "br0", "up")
    host.ip("link", "add", "k2", "type", "veth", "peer", "name", "k3")
    host.ip("link", "set", "k2", "master", "br0")
    for name in ("k0", "k1", "k2"):
        host.ip("link", "set", name, "up")
    host.ip("address", "add", "10.1.2.3/24", "dev", "k0", "label", "k0:web")
    host.ip("address", "add", "10.5.0.1/16", "dev", "k0", "scope", "link")
    host.ip("address", "add", "fd00::3/64", "dev", "k0", "nodad")
    host.ip("address", "add", "10.3.0.1/16", "dev", "k3")  # which is down
    host.ip("route", "add", "default", "via", "10.1.2.1")
    host.ip("route", "add", "10.7.0.0/16", "dev", "k0", "table", "100")
    host.ip("-6", "route", "add", "fd01::/64", "dev", "k0")


def bad_value(c):
    c["linux"]["sysctl"] = {"net.ipv4.ip_forward": "maybe"}


def no_mount(c):
    c["mounts"].append({"destination": "/data", "type": "tmpfs", "options": ["size=many"]})


def no_program(c):
    c["process"]["args"] = ["/nosuch"]


@pytest.mark.parametrize("break_it", [bad_value, no_mount, no_program])
@pytest.mark.parametrize("kind", ["new", "joined", "user"])
def test_after_a_failure_the_devices_are_back_as_they_were(kenro, bundle, host, break_it, kind):
    furnish(host)
    c = devices(config(), k0="eth0", k2="eth1", k3=None)
    if kind == "joined":
        c = joined(kenro, bundle, c)
    if kind == "user":
        user_namespace(c)
    break_it(c)
    write_config(bundle, c)
    before = host.state()
    assert "linux.netDevices" not in kenro.fails("run", "-b", bundle, "c")
    assert host.state() == before
    assert kenro.ids() == (["other"] if kind == "joined" else [])


@pytest.mark.parametrize("taken", ["name", "index"])
def test_what_was_taken_meanwhile_does_not_keep_a_device_from_its_way_back(kenro, bundle, host,
                                                                           taken):
    host.ip("address", "add", "10.1.2.3/24", "dev", "k0")
    before = json.loads(host.ip("-j", "addr", "show", "k0"))[0]
    take = "name k0" if taken == "name" else f"name x0 index {before['ifindex']}"
    c = devices(config(), k0="eth0")
    c["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": [
        "sh", "-c", f"ip link add {take} type veth peer name x1 && exit 9"]}]}
    c["hooks"]["createRuntime"][0]["env"] = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    write_config(bundle, c)
    r = kenro.run("--log-level", "warning", "create", "-b", bundle, "c")
    assert r.returncode == 1 and "createRuntime" in r.stderr
    back = next(link for link in json.loads(host.ip("-j", "addr"))
                if link["address"] == before["address"])
    assert back["addr_info"][0]["local"] == "10.1.2.3"
    assert (back["ifname"] == "k0") == (taken == "index")
    assert (back["ifindex"] == before["ifindex"]) == (taken == "name")
    warned = "network device k0: comes back with another name: EEXIST" in r.stderr
    assert warned == (taken == "name")


def test_after_a_failure_of_one_device_all_are_back(kenro, bundle, host):
    """The second is looked up when the first has moved."""
    furnish(host)
    before = host.state()
    c = joined(kenro, bundle, devices(config(), k0="eth0", k2="lo"))
    write_config(bundle, c)
    assert "linux.netDevices.k2" in kenro.fails("create", "-b", bundle, "c")
    assert host.state() == before


def test_the_plan_says_which_devices_move(kenro, bundle, host):
    write_config(bundle, devices(config(), k0="eth0"))
    assert "network device: k0 as eth0\n" in kenro.ok("check", "--plan", bundle)
    assert "k0" in host.links()


@pytest.mark.parametrize("name,text", [
    ("nosuch", "linux.netDevices.nosuch: the host has no such network device"),
    ("lo", "linux.netDevices.lo: a loopback device cannot be moved"),
])
def test_a_dry_run_says_so_too(kenro, bundle, host, name, text):
    write_config(bundle, devices(config(), **{name: "eth0"}))
    assert text in kenro.fails("check", bundle)


def test_the_hosts_own_namespace_by_path_is_none_of_the_containers(kenro, bundle, host):
    c = devices(without(config(), "network"), k0="eth0")
    c["linux"]["namespaces"].append({"type": "network", "path": "/proc/self/ns/net"})
    c["mounts"] = [m for m in c["mounts"] if m["type"] != "sysfs"]
    write_config(bundle, c)
    assert "linux.netDevices: needs a network namespace of the container's own" in \
        kenro.fails("create", "-b", bundle, "c")
    assert host.links() == ["lo", "k1", "k0"]


def test_an_ordinary_user_cannot_move_the_hosts_devices():
    user = User()
    try:
        with kenrotest.leaves_nothing(user):
            b = user.bundle(devices(rootless("/bin/true"), lo="eth0"))
            for command in (("create", "-b", b, "c"), ("check", b)):
                assert "linux.netDevices: needs CAP_NET_ADMIN on the host" in user.fails(*command)
    finally:
        user.close()
