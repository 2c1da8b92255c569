"""Networks of Podman, as root: bridges, names, addresses, and ports of the host."""

import json
import urllib.request
from pathlib import Path

import pytest

import kenrotest
from engines import HELPERS
from kenrotest import wait_until

pytestmark = pytest.mark.slow

SERVE = ("sh", "-c", "mkdir /w; echo this is $0 >/w/name; exec httpd -f -p 80 -h /w")


@pytest.fixture
def networks(podman):
    """networks(NAME, OPTIONS) makes one, and gives NAME back."""
    made = []

    def make(name, *options):
        podman.ok("network", "create", *options, name)
        made.append(name)
        return name

    yield make
    podman.clean()
    if made:
        podman.ok("network", "rm", "--force", *made)


def serves(podman, image, name, *options):
    podman.ok("run", "--detach", "--name", name, *options, image, *SERVE, name)
    return podman.inspect(name)


def fetch(podman, image, address, *options):
    return podman.run("run", "--rm", *options, image, "wget", "-q", "-T", "20", "-O", "-", f"http://{address}/name")


def test_containers_of_a_network_find_each_other_by_name(podman, image, networks):
    net = networks("inner", "--subnet", "10.71.0.0/24")
    seen = serves(podman, image, "web", "--network", net, "--network-alias", "shop")
    address = seen["NetworkSettings"]["Networks"][net]["IPAddress"]
    assert address.startswith("10.71.0.")
    for name in ("web", "shop", address):
        assert fetch(podman, image, name, "--network", net).stdout == "this is web\n", name
    assert fetch(podman, image, address, "--network", networks("outer", "--internal")).returncode != 0


def test_an_address_is_the_one_that_was_asked_for(podman, image, networks):
    net = networks("inner", "--subnet", "10.72.0.0/24", "--gateway", "10.72.0.7")
    said = podman.ok("run", "--rm", "--network", f"{net}:ip=10.72.0.99,mac=92:d0:c6:0a:29:33,interface_name=lan",
                     "--dns", "10.72.0.3", "--dns-search", "example.org", "--add-host", "box:10.72.0.4", image,
                     "sh", "-c", "cat /sys/class/net/lan/address; ip -4 -o address show lan; ip route; "
                     "cat /etc/resolv.conf /etc/hosts")
    for text in ("92:d0:c6:0a:29:33", "10.72.0.99/24", "default via 10.72.0.7", "search example.org", "10.72.0.4\tbox"):
        assert text in said, text


def test_a_running_container_is_given_a_network_and_loses_it(podman, image, networks):
    first, second = networks("first"), networks("second")
    podman.ok("run", "--detach", "--name", "box", "--network", first, image, "sleep", "1000")
    interfaces = ("exec", "box", "ls", "/sys/class/net")
    assert podman.ok(*interfaces).split() == ["eth0", "lo"]
    podman.ok("network", "connect", second, "box")
    assert podman.ok(*interfaces).split() == ["eth0", "eth1", "lo"]
    podman.ok("network", "disconnect", first, "box")
    assert podman.ok(*interfaces).split() == ["eth1", "lo"]


def test_containers_of_a_pod_have_one_address(podman, image, networks):
    net = networks("inner")
    podman.ok("pod", "create", "--name", "p", "--network", net)
    try:
        serves(podman, image, "web", "--pod", "p")
        assert fetch(podman, image, "127.0.0.1", "--pod", "p").stdout == "this is web\n"
        assert fetch(podman, image, "p", "--network", net).stdout == "this is web\n"
    finally:
        podman.ok("pod", "rm", "--force", "--time", "0", "p")


def test_a_network_of_its_own_can_be_empty(podman, image):
    seen = json.loads(podman.ok("run", "--rm", "--network", "none", *HELPERS, image, "/helpers/inside"))
    assert seen["ns"]["net"] != str(Path("/proc/self/ns/net").readlink())
    assert podman.ok("run", "--rm", "--network", "none", image, "ip", "-o", "link").count("\n") == 0


@pytest.mark.full("User Mode Linux has no nf_tables, which ports of the host are made with")
@pytest.mark.limit(300)
def test_a_port_of_the_host_is_the_containers(podman, image, networks):
    net = networks("inner")
    serves(podman, image, "web", "--network", net, "--publish", "127.0.0.1:8071:80", "--publish", "8072:80/tcp")
    assert podman.ok("port", "web", "80/tcp").splitlines() == ["127.0.0.1:8071", "0.0.0.0:8072"]
    for port in (8071, 8072):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/name", timeout=kenrotest.TIMEOUT) as answer:
            assert answer.read() == b"this is web\n"
    podman.ok("rm", "--force", "--time", "0", "web")
    wait_until(lambda: not answers(8071))


def answers(port):
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/name", timeout=kenrotest.TIMEOUT)
        return True
    except OSError:
        return False
