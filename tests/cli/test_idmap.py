"""Id-mapped mounts: who owns what, seen from either side."""

import os
import subprocess

import pytest

import kenrotest
from kenrotest import config, shell, user_namespace, write_config
from rootless import User, rootless

SEEN = "stat -c '%n %u:%g' /data/* /data/sub/*; : >/data/new; : >/data/sub/new"
FILES = {"root": (0, 0), "user": (7, 8), "other": (5000, 5001)}


def mapping(container, host, size=1):
    return [{"containerID": container, "hostID": host, "size": size}]


@pytest.fixture
def source(tmp_path):
    """Files of several owners, and the same again on a file system mounted below."""
    d = tmp_path / "source"
    (d / "sub").mkdir(parents=True)
    for name, owner in FILES.items():
        (d / name).write_text("")
        os.chown(d / name, *owner)
    d.chmod(0o777)
    return d


def owners(text):
    """{path below /data: "uid:gid"}"""
    return dict(line.removeprefix("/data/").split() for line in text.splitlines())


def mount(source, *options, **mappings):
    return {"destination": "/data", "type": "bind", "source": str(source),
            "options": [*options], **mappings}


def run(kenro, bundle, c, source):
    """Run C where SOURCE/sub is a tmpfs with the same files in it; the test's view of
    what was made there follows."""
    write_config(bundle, c)
    script = (f"mount -t tmpfs -o mode=777 t {source}/sub && cd {source}/sub && : >root && : >user "
              f"&& chown 7:8 user && cd / && \"$@\" && stat -c '%n %u:%g' {source}/sub/new")
    p = subprocess.run(["unshare", "-m", "sh", "-ec", script, "sh",
                        *kenro.command("run", "-b", bundle, "c")],
                       capture_output=True, text=True, timeout=60)
    assert p.returncode == 0, p.stderr
    lines = p.stdout.splitlines()
    return owners("\n".join(lines[:-1])), lines[-1].split()[1]


@pytest.mark.parametrize("option", ["idmap", "ridmap"])
def test_the_containers_mapping_is_taken_where_a_mount_has_none(kenro, bundle, source, option):
    (bundle / "rootfs/data").mkdir()
    c = user_namespace(shell(SEEN))
    c["mounts"].append(mount(source, "rbind", option))
    seen, made = run(kenro, bundle, c, source)
    assert [seen[name] for name in FILES] == ["0:0", "7:8", "5000:5001"]
    st = os.stat(source / "new")
    assert (st.st_uid, st.st_gid) == (0, 0)  # as if the container's root were the host's
    deep = option == "ridmap"
    assert seen["sub/user"] == ("7:8" if deep else "65534:65534")
    assert made == ("0:0" if deep else "100000:100000")


def test_a_mount_has_a_mapping_of_its_own_without_a_user_namespace(kenro, bundle, source):
    c = shell(SEEN)
    c["mounts"].append(mount(source, "rbind", "ridmap", uidMappings=mapping(0, 3000, 6000),
                             gidMappings=mapping(0, 4000, 6000)))
    c["process"]["user"] = {"uid": 3007, "gid": 4008}
    seen, made = run(kenro, bundle, c, source)
    assert [seen[name] for name in FILES] == ["3000:4000", "3007:4008", "8000:9001"]
    assert (os.stat(source / "new").st_uid, os.stat(source / "new").st_gid) == (7, 8)
    assert seen["sub/user"] == "3007:4008" and made == "7:8"


def test_the_mappings_of_a_mount_come_before_the_containers(kenro, bundle, source):
    (bundle / "rootfs/data").mkdir()
    c = user_namespace(shell(SEEN))
    c["mounts"].append(mount(source, "rbind", "ridmap", uidMappings=mapping(7, 100000),
                             gidMappings=mapping(8, 100001)))
    os.chown(source, 7, 8)
    c["process"]["args"][2] = "stat -c '%n %u:%g' /data/*; : >/data/new"
    write_config(bundle, c)
    seen = owners(kenro.run("run", "-b", bundle, "c").stdout)
    assert seen["user"] == "0:1"
    assert seen["root"] == "65534:65534"  # no id of the host's is for it


def test_mappings_without_the_option_are_applied_to_the_mount(kenro, bundle, source):
    c = shell(SEEN)
    c["mounts"].append(mount(source, "rbind", uidMappings=mapping(0, 3000, 9),
                             gidMappings=mapping(0, 4000, 9)))
    c["process"]["user"] = {"uid": 3000, "gid": 4000}
    seen, _ = run(kenro, bundle, c, source)
    assert (seen["user"], seen["sub/user"]) == ("3007:4008", "7:8")


def test_a_relative_source_can_be_mapped(kenro, bundle):
    (bundle / "vol").mkdir()
    (bundle / "vol/file").write_text("")
    (bundle / "rootfs/data").mkdir()
    c = user_namespace(shell("stat -c %u:%g /data/file"))
    c["mounts"].append(mount("vol", "bind", "idmap"))
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c", cwd="/") == "0:0\n"


def test_a_file_can_be_mapped_and_many_mounts_share_a_mapping(kenro, bundle, source):
    c = shell("stat -c %u:%g /a /b /c")
    for name, host in (("/a", 3000), ("/b", 3000), ("/c", 4000)):
        c["mounts"].append({**mount(source / "user", "bind", "idmap",
                                    uidMappings=mapping(0, host, 9),
                                    gidMappings=mapping(0, host, 9)), "destination": name})
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "3007:3008\n3007:3008\n4007:4008\n"


def test_a_source_with_a_read_only_mapping_stays_read_only(kenro, bundle, source):
    c = shell("touch /data/x 2>&1; grep ' /data ' /proc/mounts")
    c["mounts"].append(mount(source, "bind", "ro", "nosuid", "idmap", uidMappings=mapping(0, 0, 9),
                             gidMappings=mapping(0, 0, 9)))
    write_config(bundle, c)
    out = kenro.run("run", "-b", bundle, "c").stdout
    assert "Read-only file system" in out and "ro,nosuid" in out and "idmapped" in out


def test_a_joined_user_namespaces_mapping_is_taken(kenro, bundle, source):
    (bundle / "rootfs/data").mkdir()
    c = user_namespace(config("/bin/sleep", "1000"))
    write_config(bundle, c)
    kenro.ok("run", "-d", "-b", bundle, "other")
    c = shell("stat -c %u:%g /data/user")
    c["linux"]["namespaces"].append({"type": "user", "path": f"/proc/{kenro.pid('other')}/ns/user"})
    c["mounts"].append(mount(source, "bind", "idmap"))
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "7:8\n"


def test_a_file_system_that_cannot_be_mapped_is_named_and_nothing_stays(kenro, bundle):
    c = config()
    c["mounts"].append(mount("/sys/kernel", "bind", "idmap", uidMappings=mapping(0, 3000),
                             gidMappings=mapping(0, 3000)))
    write_config(bundle, c)
    assert kenro.fails("create", "-b", bundle, "c") == \
        "create c: mounts[6] (/data): cannot map the ids of the source /sys/kernel: EINVAL " \
        "(its file system cannot do that with this kernel)"
    assert "ok" in kenro.ok("check", bundle)  # only the kernel can tell


def test_an_ordinary_user_hears_that_it_takes_root():
    user = User()
    try:
        with kenrotest.leaves_nothing(user):
            c = rootless("/bin/true")
            c["mounts"].append(mount("/etc", "bind", "idmap"))
            b = user.bundle(c)
            for command in (("create", "-b", b, "c"), ("check", b)):
                assert "(/data): ids of a mount are mapped with the rights of the host's root only" \
                    in user.fails(*command)
    finally:
        user.close()
