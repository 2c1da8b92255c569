"""Engines for the tests that run in a guest.

A test that takes `podman`, `docker`, `ctr` or `engine` runs once with each runtime;
`@pytest.mark.parametrize("runtime", ["kenro"])` asks for one of them, and the same with
`manager` for "systemd", which is what it is without, or "cgroupfs"."""

import pytest

import engines


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


def ready(name, runtime, manager):
    """An engine that is up; what the test leaves in it is removed."""
    engine = engines.ENGINES[name](runtime, manager).warm()
    engine.clean()
    yield engine
    engine.clean()


@pytest.fixture
def podman(runtime, manager, image):
    yield from ready("podman", runtime, manager)


@pytest.fixture
def docker(runtime, manager, image):
    yield from ready("docker", runtime, manager)


@pytest.fixture
def ctr(runtime, manager, image):
    yield from ready("ctr", runtime, manager)


@pytest.fixture(params=list(engines.ENGINES))
def engine(request, runtime, manager, image):
    yield from ready(request.param, runtime, manager)
