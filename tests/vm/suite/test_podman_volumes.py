"""What Podman's containers have of files that are not their image's, as root: volumes and
mounts with every option, mapped ids, secrets."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

# A user namespace of a container.
MAPPED = ("--uidmap", "0:100000:5000", "--gidmap", "0:200000:5000")
TRIES = """
/v/program || echo no-exec
(: >/v/null) || echo no-dev
(: >/v/new) || echo no-write
(: >/v/below/new) || echo no-write-below
cat /v/below/file || echo nothing-below
grep -q ' /v r[ow],nosuid' /proc/self/mountinfo && echo no-suid
:
"""


def shell(podman, image, script, *options):
    return podman.ok("run", "--rm", *options, image, "sh", "-c", script)


def mount_of(podman, image, path, *options):
    """Options, type and super block's options of a container's mount."""
    found = [line.split() for line in shell(podman, image, "cat /proc/self/mountinfo", *options).splitlines()]
    last = [m for m in found if m[4] == path][-1]
    return set(last[5].split(",")), last[last.index("-") + 1], set(last[-1].split(","))


@pytest.fixture
def tree():
    """A directory with a program, a device and a file system below, on one that forbids
    nothing, as /tmp does."""
    top = Path(tempfile.mkdtemp(dir="/srv"))
    top.chmod(0o755)
    (top / "below").mkdir()
    (top / "file").write_text("of the host")
    (top / "program").write_text("#!/bin/sh\necho ran\n")
    (top / "program").chmod(0o755)
    os.mknod(top / "null", 0o020666, os.makedev(1, 3))
    subprocess.run(["mount", "-t", "tmpfs", "below", top / "below"], check=True)
    (top / "below/file").write_text("further below\n")
    yield top
    subprocess.run(["umount", top / "below"], check=True)
    shutil.rmtree(top)


@pytest.fixture
def volumes(podman):
    """No volume stays."""
    yield podman
    podman.clean()
    podman.ok("volume", "rm", "--all")
    assert podman.ok("volume", "ls", "--quiet") == ""


@pytest.mark.parametrize("options, missing", [
    ("rw", []),
    ("ro", ["no-write"]),
    ("bind", ["nothing-below"]),
    ("rbind,dev,suid,exec,copy", []),
    ("nodev,nosuid,noexec", ["no-dev", "no-exec", "no-suid"]),
    ("z,rslave", []),
    ("private,Z,nocopy", []),
])
def test_a_bound_directory_is_as_its_options_say(podman, image, tree, options, missing):
    said = shell(podman, image, TRIES, "--volume", f"{tree}:/v:{options}").split("\n")
    lost = sorted(line for line in said if line.startswith("no") and line != "no-write-below")
    assert lost == missing
    assert ("ran" in said) != ("no-exec" in missing)
    assert ("further below" in said) != ("nothing-below" in missing)


def test_a_mount_is_as_its_options_say(podman, image, tree):
    bind = f"type=bind,source={tree},destination=/v"
    assert "nothing-below" in shell(podman, image, TRIES, "--mount", f"{bind},bind-nonrecursive=true").split()
    assert "ro" in mount_of(podman, image, "/v", "--mount", f"{bind},ro=true,bind-propagation=rslave")[0]
    assert shell(podman, image, "ls /v", "--mount", f"type=glob,source={tree}/f*,destination=/v") == "file"


def test_temporary_file_systems_are_as_their_options_say(podman, image):
    options, kind, block = mount_of(podman, image, "/v", "--tmpfs", "/v:size=1m,mode=1770,noexec,nosuid,nodev")
    assert kind == "tmpfs" and {"rw", "nosuid", "nodev", "noexec"} <= options and {"size=1024k", "mode=1770"} <= block
    options, _, _ = mount_of(podman, image, "/v", "--tmpfs", "/v:rw,exec,dev,suid")
    assert not {"nosuid", "nodev", "noexec"} & options
    _, _, block = mount_of(podman, image, "/v", "--mount", "type=tmpfs,destination=/v,tmpfs-size=1m,tmpfs-mode=0711")
    assert {"size=1024k", "mode=711"} <= block
    assert shell(podman, image, "test -e /etc/passwd && echo copied", "--mount", "type=tmpfs,destination=/etc") == "copied"
    assert shell(podman, image, "test -e /etc/passwd || echo empty", "--mount",
                 "type=tmpfs,destination=/etc,notmpcopyup") == "empty"
    assert mount_of(podman, image, "/v", "--mount", "type=ramfs,destination=/v")[1] == "ramfs"
    _, kind, block = mount_of(podman, image, "/v", "--mount", "type=devpts,destination=/v,uid=5,gid=7,mode=0620,max=9")
    assert kind == "devpts" and {"uid=5", "gid=7", "mode=620", "max=9"} <= block


def test_an_image_is_mounted(podman, image):
    write = "ls -d /v/bin; (: >/v/new) 2>/dev/null && echo written; true"
    assert shell(podman, image, write, "--mount", f"type=image,source={image},destination=/v") == "/v/bin"
    assert shell(podman, image, write, "--mount", f"type=image,source={image},destination=/v,rw=true") == "/v/bin\nwritten"


def test_a_volume_keeps_what_containers_and_the_image_put_there(volumes, image):
    assert shell(volumes, image, "test -e /etc/passwd && echo x >/etc/new; ls /etc | grep -c passwd",
                 "--volume", "kept:/etc") == "1"
    assert shell(volumes, image, "cat /v/new; ls /v/passwd", "--volume", "kept:/v:ro") == "x\n/v/passwd"
    assert shell(volumes, image, "ls /etc/passwd 2>/dev/null || echo empty", "--volume", "bare:/etc:nocopy") == "empty"
    options, _, _ = mount_of(volumes, image, "/v", "--volume", "kept:/v:noexec")
    assert {"rw", "nosuid", "nodev", "noexec"} <= options
    assert shell(volumes, image, "stat -c %u /v", "--user", "5", "--volume", "owned:/v:U") == "5"


def test_a_volume_is_what_it_was_created_as(volumes, image, tree):
    volumes.ok("volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=2m,uid=7", "scratch")
    volumes.ok("volume", "create", "--opt", "type=none", "--opt", f"device={tree}", "--opt", "o=bind", "bound")
    _, kind, block = mount_of(volumes, image, "/v", "--volume", "scratch:/v")
    assert kind == "tmpfs" and {"size=2048k", "uid=7"} <= block
    assert shell(volumes, image, "cat /v/file", "--volume", "bound:/v") == "of the host"


def test_volumes_of_another_container_are_shared(volumes, image):
    volumes.ok("run", "--detach", "--name", "first", "--volume", "/anonymous", "--volume", "named:/named", image,
               "sh", "-c", "echo x >/anonymous/y; exec sleep 1000")
    assert shell(volumes, image, "until test -s /anonymous/y; do sleep 0.1; done; (: >/anonymous/z) 2>/dev/null || echo ro;"
                 "grep -c ' /named ro' /proc/self/mountinfo", "--volumes-from", "first:ro") == "ro\n1"
    volumes.ok("rm", "--force", "--time", "0", "--volumes", "first")
    assert volumes.ok("volume", "ls", "--quiet") == "named"


def test_changes_over_a_directory_are_kept_elsewhere(podman, image, tmp_path):
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower/file").write_text("lower")
    shell(podman, image, "echo changed >/v/file; echo new >/v/new",
          "--volume", f"{tmp_path}/lower:/v:O,upperdir={tmp_path}/upper,workdir={tmp_path}/work")
    assert (tmp_path / "lower/file").read_text() == "lower"
    assert sorted(os.listdir(tmp_path / "upper")) == ["file", "new"]


def test_ids_of_a_directory_are_mapped(volumes, image, tmp_path):
    if volumes.runtime == "runc":
        pytest.skip("this runc knows no mapped mounts, and ignores it")
    tmp_path.chmod(0o755)
    (tmp_path / "mine").write_text("")
    os.chown(tmp_path / "mine", 3, 4)
    said = shell(volumes, image, "stat -c %u:%g /v/mine /v; touch /v/new; chown 5:6 /v/new; (: >/ro/new) 2>/dev/null || echo ro; "
                 "touch /i/new; stat -c %u /i", *MAPPED, "--volume", f"{tmp_path}:/v:idmap",
                 "--volume", f"{tmp_path}:/ro:idmap,ro", "--mount", "type=volume,source=mapped,destination=/i,idmap")
    assert said.split() == ["3:4", "0:0", "ro", "0"]
    new = (tmp_path / "new").stat()
    assert (new.st_uid, new.st_gid) == (5, 6)
    there = Path(volumes.ok("volume", "inspect", "--format", "{{.Mountpoint}}", "mapped"), "new")
    assert there.stat().st_uid == 0


def test_ids_are_mapped_as_the_option_says(podman, image, tmp_path):
    if podman.runtime == "runc":
        pytest.skip("this runc knows no mapped mounts, and ignores it")
    tmp_path.chmod(0o755)
    said = shell(podman, image, "stat -c %u:%g /v; touch /v/new; stat -c %u:%g /v/new", "--user", "1007:1008",
                 "--volume", f"{tmp_path}:/v:idmap=uids=0-1007-10;gids=0-1008-10")
    assert said.split() == ["1007:1008", "1007:1008"]
    assert (tmp_path / "new").stat().st_uid == 0


def test_secrets_are_files_and_variables(podman, image):
    podman.ok("secret", "create", "--replace", "whisper", "-", input="psst")
    try:
        said = shell(podman, image, "stat -c %u:%g:%a /etc/told; cat /etc/told; echo; echo $TOLD", "--user", "5",
                     "--secret", "whisper,target=/etc/told,uid=5,gid=6,mode=0400",
                     "--secret", "whisper,type=env,target=TOLD")
        assert said.splitlines() == ["5:6:400", "psst", "psst"]
        podman.ok("run", "--name", "box", "--secret", "whisper", image, "grep", "psst", "/run/secrets/whisper")
        podman.ok("commit", "--quiet", "box", "localhost/new")
        assert shell(podman, "localhost/new", "cat /run/secrets/whisper 2>/dev/null || echo nothing") == "nothing"
        podman.ok("rmi", "--force", "localhost/new")
    finally:
        podman.ok("secret", "rm", "whisper")


def test_the_copy_of_a_secret_does_not_outlive_its_container(podman, image):
    podman.ok("secret", "create", "--replace", "whisper", "-", input="kenro-test-secret")
    podman.ok("run", "--rm", "--secret", "whisper", image, "true")
    podman.ok("secret", "rm", "whisper")
    assert subprocess.run(["grep", "-rslq", "kenro-test-secret", "/run/containers", "/var/lib/containers/storage"],
                          stdout=subprocess.DEVNULL).returncode == 1
