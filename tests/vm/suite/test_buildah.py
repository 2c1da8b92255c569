"""Buildah with each runtime: containers that are worked in, and images that are built, by
root and by an ordinary user."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from console import Terminal
from engines import HELPERS, IMAGE
from kenrotest import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def context():
    """A directory to build from, of who builds."""
    path = Path(tempfile.mkdtemp(dir="/srv"))
    path.chmod(0o755)
    (path / "given").write_text("from the context\n")
    yield path
    shutil.rmtree(path)


@pytest.fixture
def box(builder, image):
    """A container to work in. What it has of networks is the host's: pasta wants /dev/net/tun."""
    return builder.ok("from", "--pull-never", "--name", "box", image)


def run(builder, *args, options=()):
    return builder.container("--network", "host", *options, "box", "--", *args)


def build(builder, context, text, *options):
    (context / "Containerfile").write_text(text)
    return builder.container("--network", "host", "--pull-never", *options, context, verb="build")


def test_a_program_is_run_in_a_container(builder, box):
    assert builder.ok(*run(builder, "cat", options=["--env", "A=b"]), input="typed") == "typed"
    r = builder.run(*run(builder, "sh", "-c", "echo out; echo err >&2; exit 7"))
    assert r.stdout == "out\n" and r.stderr.startswith("err\n") and r.returncode == 7
    builder.ok(*run(builder, "sh", "-c", "echo kept >/kept"))
    assert builder.ok(*run(builder, "cat", "/kept")) == "kept"


def test_it_sees_what_was_asked_for(builder, box, by):
    builder.ok("config", "--env", "FROM=config", "--workingdir", "/tmp", "box")
    seen = json.loads(builder.ok(*run(builder, "/helpers/inside", options=[
        *HELPERS, "--user", "7:8", "--env", "A=b", "--hostname", "named", "--cap-drop", "all"])))
    assert seen["cwd"] == "/tmp" and {"A=b", "FROM=config"} <= set(seen["env"])
    assert seen["status"]["Uid"].split()[0] == "7" and seen["status"]["Gid"].split()[0] == "8"
    assert seen["status"]["CapBnd"] == "0" * 16 and seen["hostname"] == "named"
    assert (seen["uid_map"][0].split()[1] == "0") == (by == "root")
    for name in ("pid", "ipc", "uts", "mnt"):
        assert seen["ns"][name] != os.readlink(f"/proc/self/ns/{name}"), name


def test_namespaces_can_be_the_hosts(buildah, image):
    buildah.ok("from", "--pull-never", "--name", "box", image)
    seen = json.loads(buildah.ok(*run(buildah, "/helpers/inside", options=[
        *HELPERS, "--pid", "host", "--ipc", "host", "--uts", "host"])))
    for name in ("pid", "ipc", "uts", "net"):
        assert seen["ns"][name] == os.readlink(f"/proc/self/ns/{name}"), name


def test_a_terminal_is_the_callers(builder, box):
    with Terminal([*builder.command, *run(builder, "sh", "-c", "tty; stty size; read x; echo got $x; exit 4",
                                          options=["--terminal"])], rows=31, columns=97) as t:
        t.until("/dev/pts/0")
        t.until("31 97")
        t.type("line\n")
        t.until("got line")
        assert t.wait() == 4


REASONS = {"nosuch": "executable file not found in $PATH", "/nosuch/x": "no such file or directory",
           "/etc/passwd": "permission denied"}


@pytest.mark.parametrize("program", REASONS)
def test_what_cannot_be_run_says_why(builder, box, program):
    said = builder.fails(*run(builder, program))
    assert program in said
    if builder.runtime == "kenro":
        assert f'exec "{program}": {REASONS[program]}' in said.splitlines()[0]


def test_volumes_are_as_the_options_say(builder, box, context):
    assert builder.ok(*run(builder, "sh", "-c", "cat /v/given; (: >/v/new) 2>/dev/null || echo ro; "
                           "echo x >/t/x && grep -c ' /t ' /proc/self/mountinfo", options=[
                               "--volume", f"{context}:/v:ro", "--mount", "type=tmpfs,destination=/t,tmpfs-size=1m"])
                      ) == "from the context\nro\n1"


def test_an_image_is_built_step_by_step(builder, image, context):
    text = f"""
FROM {image} AS first
ARG WORD=none
RUN echo $WORD >/built && id -u >>/built
FROM {image}
COPY --from=first /built /built
COPY given /
USER 5
WORKDIR /tmp
RUN id -u >mine && ! test -w /etc
RUN --mount=type=tmpfs,target=/scratch --mount=type=bind,source=given,target=/there \\
    touch /scratch/x && cat /there >>mine
SHELL ["/bin/sh", "-ec"]
RUN cat /given >>mine
CMD cat /built /tmp/mine
"""
    builder.ok(*build(builder, context, text, "--build-arg", "WORD=built", "--tag", "localhost/built"))
    builder.ok("from", "--pull-never", "--name", "again", "localhost/built")
    assert builder.ok(*builder.container("--network", "host", "again", "--", "cat", "/built", "/tmp/mine")
                      ).split("\n") == ["built", "0", "5", "from the context", "from the context"]
    builder.ok("rm", "again")
    builder.ok("rmi", "--force", "localhost/built")


def test_a_cache_and_a_secret_are_there_for_a_step(builder, image, context):
    text = f"""
FROM {image}
RUN --mount=type=cache,target=/cache,id=kenro-test echo cached >/cache/x
RUN --mount=type=cache,target=/cache,id=kenro-test cat /cache/x >/seen
RUN --mount=type=secret,id=word cat /run/secrets/word >>/seen
RUN ! ls /run/secrets/word 2>/dev/null && cat /seen
"""
    (context / "word").write_text("psst\n")
    said = builder.ok(*build(builder, context, text, "--secret", f"id=word,src={context}/word", "--tag", "localhost/built"))
    assert "cached\npsst" in said
    builder.ok("rmi", "--force", "localhost/built")


def test_a_step_that_fails_ends_the_build(builder, image, context):
    said = builder.run(*build(builder, context, f"FROM {image}\nRUN exit 7\nRUN echo never\n"))
    assert said.returncode == 7 and "never" not in said.stdout and "exit status 7" in said.stderr
    said = builder.run(*build(builder, context, f'FROM {image}\nRUN ["/nosuch/x"]\n'))
    assert said.returncode != 0
    if builder.runtime == "kenro":
        assert 'exec "/nosuch/x": no such file or directory' in said.stderr


def test_a_step_has_the_limits_of_the_build(builder, image, context):
    said = builder.ok(*build(builder, context, f"FROM {image}\nRUN ulimit -n; df /dev/shm | tail -1; grep CapBnd /proc/self/status\n",
                             "--ulimit", "nofile=100:200", "--shm-size", "3m", "--cap-drop", "all", "--tag", "localhost/built"))
    assert "\n100\n" in said and " 3072 " in said and "CapBnd:\t" + "0" * 16 in said
    builder.ok("rmi", "--force", "localhost/built")


def test_several_build_at_once(builder, image, context):
    (context / "Containerfile").write_text(f"FROM {image}\nARG N\nRUN exit $N\n")
    running = [subprocess.Popen([*builder.command, *map(str, builder.container(
        "--network", "host", "--pull-never", "--build-arg", f"N={i + 1}", context, verb="build"))],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for i in range(4)]
    assert [p.wait() for p in running] == [1, 2, 3, 4]


@pytest.mark.parametrize("by", ["root"])
def test_who_interrupts_the_build_ends_the_step(builder, image, context):
    command = build(builder, context, f"FROM {image}\nRUN echo at it; sleep 54321\n")
    with subprocess.Popen([*builder.command, *map(str, command)], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        assert any("at it" == line.strip() for line in iter(client.stdout.readline, ""))
        client.send_signal(signal.SIGINT)
        client.wait()
    wait_until(lambda: subprocess.run(["pgrep", "-f", "sleep 54321"], stdout=subprocess.DEVNULL).returncode == 1)


def test_the_image_that_is_built_is_podmans(buildah, podman, image, context):
    buildah.ok(*build(buildah, context, f"FROM {IMAGE}\nRUN echo built >/built\nCMD cat /built\n", "--tag", "localhost/built"))
    assert podman.ok("run", "--rm", "localhost/built") == "built"
    podman.ok("rmi", "--force", "localhost/built")
