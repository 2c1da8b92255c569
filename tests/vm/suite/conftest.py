"""Engines for the tests that run in a guest.

A test that takes `podman`, `buildah`, `docker`, `ctr` or `engine` runs once with each runtime;
`@pytest.mark.parametrize("runtime", ["kenro"])` asks for one of them, and the same with
`manager` for "systemd", which is what it is without, or "cgroupfs"."""

import contextlib
import shutil
from pathlib import Path

import pytest

import cri
import engines
import kenrotest


@pytest.fixture(params=list(engines.RUNTIMES))
def runtime(request):
    return request.param


@pytest.fixture
def manager():
    return "systemd"


@pytest.fixture
def image():
    """The name of an image of busybox, which the engines have."""
    return engines.IMAGE


def ready(cls, runtime, manager):
    """An engine that is up; what the test leaves in it is removed, and of that nothing stays."""
    engine = cls(runtime, manager).warm()
    engine.clean()
    before = engines.traces()
    yield engine
    engine.clean()
    with contextlib.suppress(AssertionError):
        # Monitors are our orphans.
        kenrotest.wait_until(lambda: kenrotest.reap_orphans() == [] and not engines.left(before), kenrotest.TIMEOUT / 3)
    assert engines.left(before) == {}


@pytest.fixture
def podman(runtime, manager, image):
    yield from ready(engines.Podman, runtime, manager)


@pytest.fixture
def rootless_podman(runtime, manager, image):
    """Podman as the user tester runs it."""
    yield from ready(engines.RootlessPodman, runtime, manager)


@pytest.fixture
def buildah(runtime, manager, image):
    yield from ready(engines.Buildah, runtime, manager)


@pytest.fixture(params=["root", "user"])
def by(request):
    """Who builds."""
    return request.param


@pytest.fixture
def builder(by, runtime, manager, image):
    """Buildah as root or the user tester runs it."""
    yield from ready({"root": engines.Buildah, "user": engines.RootlessBuildah}[by], runtime, manager)


@pytest.fixture
def docker(runtime, manager, image):
    yield from ready(engines.Docker, runtime, manager)


@pytest.fixture
def buildkit(docker):
    """The daemon's BuildKit runs its steps with the runtime: it takes that when it starts."""
    drop_in = Path("/run/systemd/system/docker.service.d/kenro.conf")
    drop_in.parent.mkdir(parents=True, exist_ok=True)
    drop_in.write_text(f"[Service]\nEnvironment=DOCKER_BUILDKIT_RUNC_COMMAND={engines.RUNTIMES[docker.runtime]}\n")
    engines.systemctl("daemon-reload")
    docker.restart()
    yield
    drop_in.unlink()
    engines.systemctl("daemon-reload")
    docker.restart()


@pytest.fixture
def ctr(runtime, manager, image):
    yield from ready(engines.Ctr, runtime, manager)


@pytest.fixture(params=list(engines.ENGINES))
def engine(request, runtime, manager, image):
    yield from ready(engines.ENGINES[request.param], runtime, manager)


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    """containerd's service for Kubernetes."""
    yield from cri.running(tmp_path_factory.mktemp("cri"))


@pytest.fixture
def pod(service, runtime, manager, image):
    """pod(...) runs a pod; none is left after the test, nor anything of it."""
    made, before = [], cri.left()
    handler, parent = (runtime, "system.slice") if manager == "systemd" else (f"{runtime}-cgroupfs", "/pods-of-tests")

    def run(**given):
        made.append(cri.Pod(service, handler, **{"parent": parent, **given}))
        return made[-1]
    yield run
    for one in made:
        one.stop()
    shutil.rmtree(cri.LOGS, ignore_errors=True)
    group = Path("/sys/fs/cgroup/pods-of-tests")  # a kubelet would have made it
    with contextlib.suppress(AssertionError):
        kenrotest.wait_until(lambda: kenrotest.reap_orphans() == [] and cri.left() == before)
    assert cri.left() == before
    if group.exists():
        group.rmdir()
