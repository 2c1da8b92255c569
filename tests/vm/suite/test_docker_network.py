"""Containers in Docker's networks: bridges, names, ports that are published, and the networks
of a swarm."""

import urllib.request

import pytest

import engines
from kenrotest import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.full("User Mode Linux has no nf_tables")]

SERVE = ("sh", "-c", "hostname >/tmp/index.html; exec httpd -f -h /tmp -p 80")


@pytest.fixture
def network(docker):
    """A bridge network of its own."""
    docker.ok("network", "create", "pair")
    yield "pair"
    docker.clean()
    docker.ok("network", "rm", "pair")


def started(docker, image, name, *options, args=SERVE):
    docker.ok(*docker.container("--detach", "--name", name, "--hostname", name, *options, image, *args))


def fetch(docker, name, where):
    """What a container gets from the server at WHERE, or nothing."""
    return docker.run("exec", name, "wget", "-q", "-T", "5", "-O", "-", f"http://{where}/index.html").stdout.strip()


def got(address):
    """What the host gets."""
    try:
        with urllib.request.urlopen(f"http://{address}/index.html", timeout=5) as answer:
            return answer.read().decode().strip()
    except OSError:
        return None


def test_names_and_aliases_are_found(docker, image, network):
    started(docker, image, "server", "--network", network, "--network-alias", "nick")
    started(docker, image, "client", "--network", network, args=("sleep", "1000"))
    wait_until(lambda: fetch(docker, "client", "server") == "server")
    assert fetch(docker, "client", "nick") == "server"
    assert "127.0.0.11" in docker.ok("exec", "client", "cat", "/etc/resolv.conf")
    docker.ok("network", "disconnect", network, "server")
    assert fetch(docker, "client", "server") == ""
    docker.ok("network", "connect", "--alias", "again", network, "server")
    assert fetch(docker, "client", "again") == "server"


def test_a_port_is_published(docker, image):
    started(docker, image, "server", "--publish", "127.0.0.1:8080:80", "--publish", "8081:80")
    wait_until(lambda: got("127.0.0.1:8080") == "server")
    address = docker.inspect("server")["NetworkSettings"]["Networks"]["bridge"]["Gateway"]
    assert got(f"{address}:8081") == "server" and got(f"{address}:8080") is None
    docker.ok("stop", "--time", "0", "server")
    assert got("127.0.0.1:8080") is None
    docker.ok("start", "server")
    wait_until(lambda: got("127.0.0.1:8080") == "server")


def test_an_internal_network_leads_nowhere(docker, image):
    docker.ok("network", "create", "--internal", "inner")
    try:
        started(docker, image, "box", "--network", "inner", args=("sleep", "1000"))
        assert "default" not in docker.ok("exec", "box", "ip", "route")
        assert "default" in docker.ok(*docker.container("--rm", image, "ip", "route"))
    finally:
        docker.clean()
        docker.ok("network", "rm", "inner")


def test_an_address_is_the_one_that_was_asked_for(docker, image):
    docker.ok("network", "create", "--subnet", "10.66.0.0/24", "--ipv6", "--subnet", "fd66::/64", "plan")
    try:
        said = docker.ok(*docker.container("--rm", "--network", "plan", "--ip", "10.66.0.77", "--ip6", "fd66::77",
                                           "--mac-address", "02:42:0a:42:00:4d", image, "ip", "address", "show", "eth0"))
        assert "10.66.0.77/24" in said and "fd66::77/64" in said and "02:42:0a:42:00:4d" in said
    finally:
        docker.ok("network", "rm", "plan")


# ---- of a swarm ------------------------------------------------------------------------

@pytest.fixture
def swarm(docker):
    """A swarm of one, whose services have the runtime, and a network of it."""
    before = docker.settings.read_text()
    default = '"default-runtime": "%s",'
    docker.settings.write_text(before.replace("{", "{" + default % docker.runtime, 1))
    engines.systemctl("reload", "docker")
    wait_until(lambda: docker.ok("info", "--format", "{{.DefaultRuntime}}") == docker.runtime)
    docker.ok("swarm", "init", "--advertise-addr", "127.0.0.1")
    docker.ok("network", "create", "--driver", "overlay", "--attachable", "wide")
    yield docker
    docker.clean()
    docker.ok("swarm", "leave", "--force")
    docker.settings.write_text(before.replace("{", "{" + default % "runc", 1))
    engines.systemctl("reload", "docker")
    wait_until(lambda: docker.ok("info", "--format", "{{.DefaultRuntime}}") == "runc")
    docker.settings.write_text(before)


@pytest.mark.limit(240)
def test_a_service_is_reached_by_its_name_and_its_port(swarm, image):
    swarm.ok("service", "create", "--name", "web", "--network", "wide", "--replicas", "2", "--publish", "8082:80",
             "--no-resolve-image", image, *SERVE)
    tasks = swarm.ok("ps", "--quiet", "--filter", "label=com.docker.swarm.service.name=web").split()
    names = {task[:12] for task in tasks}
    assert len(names) == 2 and {swarm.inspect(t)["HostConfig"]["Runtime"] for t in tasks} == {swarm.runtime}
    started(swarm, image, "client", "--network", "wide", args=("sleep", "1000"))
    # Its own address is shared out to all of its tasks.
    seen = set()
    wait_until(lambda: seen.add(fetch(swarm, "client", "web")) or names <= seen, 60)
    said = swarm.ok("exec", "client", "nslookup", "tasks.web")
    addresses = {swarm.inspect(t)["NetworkSettings"]["Networks"]["wide"]["IPAddress"] for t in tasks}
    assert len(addresses) == 2 and all(a in said for a in addresses)
    wait_until(lambda: got("127.0.0.1:8082") in names, 60)
    swarm.ok("service", "rm", "web")
    swarm.ok("rm", "--force", "client")
    wait_until(lambda: swarm.containers() == [])
