"""Every option string of config.md, and what a bind mount takes from its source."""

import json
import subprocess

import pytest

from kenrotest import KENRO, config, shell, user_namespace, write_config

ATIME = {"relatime", "noatime"}  # strictatime shows as neither

# option: (what the mounts of the source have, what the container's have instead)
RECURSIVE = {
    "rro": ("rw", {"ro"}), "rrw": ("ro", {"rw"}),
    "rnosuid": ("suid", {"nosuid"}), "rsuid": ("nosuid", set()),
    "rnodev": ("dev", {"nodev"}), "rdev": ("nodev", set()),
    "rnoexec": ("exec", {"noexec"}), "rexec": ("noexec", set()),
    "rnodiratime": ("diratime", {"nodiratime"}), "rdiratime": ("nodiratime", set()),
    "rnosymfollow": ("symfollow", {"nosymfollow"}), "rsymfollow": ("nosymfollow", set()),
    "rrelatime": ("noatime", {"relatime"}), "rnorelatime": ("noatime", {"relatime"}),
    "ratime": ("noatime", {"relatime"}), "rnoatime": ("relatime", {"noatime"}),
    "rstrictatime": ("relatime", set()), "rnostrictatime": ("strictatime", {"relatime"}),
}
FLAGS = {"ro", "nosuid", "nodev", "noexec", "nodiratime", "nosymfollow", "noatime"}


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source/sub").mkdir(parents=True)
    return tmp_path / "source"


def run(kenro, bundle, c, source, options):
    """mountinfo's flags by mount point, where SOURCE and SOURCE/sub are mounts that have
    OPTIONS. One line of mount(8) for each: 'ro' of a tmpfs would be the file system's."""
    c["process"]["args"] = ["/bin/cat", "/proc/self/mountinfo"]
    write_config(bundle, c)
    script = (f"mount -t tmpfs t {source} && mkdir {source}/sub && mount -t tmpfs t {source}/sub && "
              f"for d in {source} {source}/sub; do mount -o remount,bind,{options} $d; done && "
              'exec "$@"')
    p = subprocess.run(["unshare", "-m", "sh", "-ec", script, "sh",
                        *kenro.command("run", "-b", bundle, "c")],
                       capture_output=True, text=True, timeout=60)
    assert p.returncode == 0, p.stderr
    lines = (line.split(" - ")[0].split() for line in p.stdout.splitlines())
    return {f[4]: set(f[5].split(",")) for f in lines}


def bind(source, *options):
    return {"destination": "/data", "type": "bind", "source": str(source), "options": [*options]}


def in_namespaces(c, bundle, userns):
    if userns:
        (bundle / "rootfs/data").mkdir(exist_ok=True)
        user_namespace(c)
    return c


@pytest.mark.parametrize("option", RECURSIVE)
@pytest.mark.parametrize("userns", [False, True], ids=["", "userns"])
def test_a_recursive_option_alone_reaches_what_is_mounted_below(kenro, bundle, source, option,
                                                                userns):
    before, expected = RECURSIVE[option]
    c = in_namespaces(config(), bundle, userns)
    c["mounts"].append(bind(source, "rbind", option))
    seen = run(kenro, bundle, c, source, before)
    for at in ("/data", "/data/sub"):
        changed = seen[at] & (FLAGS | ATIME | {"rw"})
        if option in ("rro", "rrw"):
            assert expected <= changed, at
        elif "atime" in option and "diratime" not in option:
            assert changed & ATIME == expected, at
        else:
            assert changed & FLAGS == expected, at


def test_every_recursive_option_of_the_specification_is_here():
    p = subprocess.run([KENRO, "features"], capture_output=True, text=True, timeout=60)
    others = {"rbind", "remount", "ridmap", "ro", "rw", "relatime", "rprivate", "rshared",
              "rslave", "runbindable"}
    named = {o for o in json.loads(p.stdout)["mountOptions"] if o.startswith("r")}
    assert named - others == set(RECURSIVE) and len(RECURSIVE) == 18


@pytest.mark.parametrize("flag", sorted(FLAGS))
@pytest.mark.parametrize("userns", [False, True], ids=["", "userns"])
@pytest.mark.parametrize("how", ["bind", "rbind"])
def test_a_bind_keeps_the_flags_of_its_source(kenro, bundle, source, flag, userns, how):
    c = in_namespaces(config(), bundle, userns)
    c["mounts"].append(bind(source, how))
    seen = run(kenro, bundle, c, source, flag)
    assert flag in seen["/data"]
    assert ("/data/sub" in seen) == (how == "rbind")
    assert flag in seen.get("/data/sub", {flag})


@pytest.mark.parametrize("flag", sorted(FLAGS))
def test_flags_beside_the_one_that_is_asked_for_are_kept(kenro, bundle, source, flag):
    c = config()
    c["mounts"].append(bind(source, "rbind", "noexec" if flag != "noexec" else "nodev"))
    seen = run(kenro, bundle, c, source, flag)
    assert flag in seen["/data"] and {"noexec", "nodev"} & seen["/data"]


@pytest.mark.parametrize("flag,option", [("ro", "rw"), ("nosuid", "suid"), ("nodev", "dev"),
                                         ("noexec", "exec"), ("nodiratime", "diratime"),
                                         ("nosymfollow", "symfollow"), ("noatime", "relatime"),
                                         ("noatime", "strictatime"), ("noatime", "atime")])
def test_what_is_asked_for_comes_before_the_flags_of_the_source(kenro, bundle, source, flag,
                                                                option):
    c = config()
    c["mounts"].append(bind(source, "rbind", option))
    seen = run(kenro, bundle, c, source, flag)
    assert flag not in seen["/data"]
    assert flag in seen["/data/sub"]  # only the mount itself was named


# On a tmpfs: what mountinfo shows of the mount, and of the file system.
PLAIN = {
    "async": (set(), set()), "atime": ({"relatime"}, set()), "copy": (set(), set()),
    "defaults": (set(), set()), "nocopy": (set(), set()),
    "dev": (set(), set()), "diratime": (set(), set()), "dirsync": (set(), {"dirsync"}),
    "exec": (set(), set()), "lazytime": (set(), {"lazytime"}), "loud": (set(), set()),
    "mand": (set(), {"mand"}), "noatime": ({"noatime"}, set()), "nodev": ({"nodev"}, set()),
    "nodiratime": ({"nodiratime"}, set()), "noexec": ({"noexec"}, set()),
    "noiversion": (set(), set()), "nolazytime": (set(), set()), "nomand": (set(), set()),
    "norelatime": ({"relatime"}, set()), "nostrictatime": ({"relatime"}, set()),
    "nosuid": ({"nosuid"}, set()), "nosymfollow": ({"nosymfollow"}, set()),
    "relatime": ({"relatime"}, set()), "ro": ({"ro"}, {"ro"}), "rw": ({"rw"}, {"rw"}),
    "silent": (set(), set()), "strictatime": (set(), set()), "suid": (set(), set()),
    "symfollow": (set(), set()), "sync": (set(), {"sync"}), "": (set(), set()),
    "private": (set(), set()), "rprivate": (set(), set()), "slave": (set(), set()),
    "rslave": (set(), set()), "unbindable": ({"unbindable"}, set()),
    "runbindable": ({"unbindable"}, set()), "shared": ({"shared"}, set()),
    "rshared": ({"shared"}, set()), "tmpcopyup": (set(), set()), "size=64k": (set(), {"size=64k"}),
    "rro": ({"ro"}, set()), "rnosuid": ({"nosuid"}, set()), "rnodev": ({"nodev"}, set()),
    "rnoexec": ({"noexec"}, set()), "rnoatime": ({"noatime"}, set()),
    "rnodiratime": ({"nodiratime"}, set()), "rnosymfollow": ({"nosymfollow"}, set()),
    "rrw": (set(), set()), "rsuid": (set(), set()), "rdev": (set(), set()), "rexec": (set(), set()),
    "rdiratime": (set(), set()), "rsymfollow": (set(), set()), "ratime": ({"relatime"}, set()),
    "rrelatime": ({"relatime"}, set()), "rnorelatime": ({"relatime"}, set()),
    "rstrictatime": (set(), set()), "rnostrictatime": ({"relatime"}, set()),
}
REFUSED = {
    "iversion": "tmpfs does not take the option 'i_version': EINVAL",
    "remount": "only a file system of the container's own can be remounted "
               "(with 'bind' only the flags of the mount are changed)",
    "idmap": "only a bind mount can be id-mapped",
    "ridmap": "only a bind mount can be id-mapped",
}


@pytest.mark.parametrize("option", PLAIN)
def test_an_option_of_a_tmpfs_is_applied(kenro, bundle, option):
    c = shell("grep ' /data ' /proc/self/mountinfo")
    c["mounts"].append({"destination": "/data", "type": "tmpfs", "source": "t",
                        "options": [option]})
    write_config(bundle, c)
    line = kenro.ok("run", "-b", bundle, "c")
    fields, tail = (part.split() for part in line.split(" - "))
    of_mount = set(fields[5].split(",")) | {tag.split(":")[0] for tag in fields[6:]}
    of_fs = set(tail[2].split(","))
    mount, superblock = PLAIN[option]
    shown = FLAGS | ATIME | {"unbindable", "shared"}
    if mount & ATIME or "atime" in option.replace("diratime", ""):
        assert of_mount & ATIME == mount & ATIME
    assert (of_mount & shown) - ATIME == (mount & shown) - ATIME
    assert superblock <= of_fs
    assert of_fs & {"sync", "dirsync", "lazytime", "mand"} <= superblock


@pytest.mark.parametrize("option", REFUSED)
def test_an_option_that_a_tmpfs_cannot_have_is_named(kenro, bundle, option):
    c = config()
    c["mounts"].append({"destination": "/data", "type": "tmpfs", "source": "t",
                        "options": [option]})
    write_config(bundle, c)
    assert f"mounts[6] (/data): {REFUSED[option]}" in kenro.fails("create", "-b", bundle, "c")


@pytest.mark.parametrize("userns", [False, True], ids=["", "userns"])
@pytest.mark.parametrize("options,mount,superblock", [
    (["size=128k"], {"rw"}, {"rw", "size=128k"}), (["ro"], {"ro"}, {"ro", "size=64k"}),
    (["sync", "noexec"], {"rw", "noexec"}, {"rw", "sync"}),
])
def test_a_file_system_of_the_containers_own_is_remounted(kenro, bundle, userns, options, mount,
                                                          superblock):
    c = in_namespaces(shell("grep ' /data ' /proc/self/mountinfo"), bundle, userns)
    c["mounts"] += [{"destination": "/data", "type": "tmpfs", "source": "t",
                     "options": ["size=64k"]},
                    {"destination": "/data/", "options": ["remount", *options]}]
    write_config(bundle, c)
    fields, tail = (part.split() for part in kenro.ok("run", "-b", bundle, "c").split(" - "))
    assert mount <= set(fields[5].split(","))
    assert superblock <= set(tail[2].split(","))


def test_a_remount_takes_back_what_was_read_only(kenro, bundle):
    c = shell("touch /data/x && echo written")
    c["mounts"] += [{"destination": "/data", "type": "tmpfs", "source": "t", "options": ["ro"]},
                    {"destination": "/data", "type": "tmpfs", "options": ["remount", "rw"]}]
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "written\n"


@pytest.fixture
def hosts(tmp_path):
    """A file system of the host's, and its options as the host sees them."""
    path = tmp_path / "hosts"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "hosts", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


def test_a_remount_finds_its_own_where_links_lead_elsewhere(kenro, bundle, tmp_path, hosts):
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "t").symlink_to("/hosts")
    c = shell("grep -c ' /d/t .* ro,size=64k' /proc/self/mountinfo")
    c["mounts"] += [
        {"destination": "/d/t", "type": "tmpfs", "source": "t", "options": ["size=64k"]},
        {"destination": "/hosts", "source": str(hosts), "options": ["bind"]},
        {"destination": "/d", "source": str(volume), "options": ["bind"]},
        {"destination": "/d/t", "options": ["remount", "ro"]}]
    write_config(bundle, c)
    kenro.run("run", "-b", bundle, "c")
    (hosts / "x").touch()


def test_dev_is_remounted_too(kenro, bundle):
    c = shell("grep ' /dev ' /proc/self/mountinfo")
    c["mounts"].append({"destination": "/dev", "options": ["remount", "size=128k"]})
    write_config(bundle, c)
    assert "size=128k" in kenro.ok("run", "-b", bundle, "c")


@pytest.mark.parametrize("options,text", [
    (["size=many"], "tmpfs does not take the option 'size=many': EINVAL"),
    (["size=4k"], "Too small a size for current use): EINVAL"),
    (["nosuidd"], "(did you mean 'nosuid'?)"),
])
def test_what_a_remount_cannot_do_is_an_error(kenro, bundle, options, text):
    (bundle / "rootfs/data").mkdir()
    (bundle / "rootfs/data/file").write_bytes(b"x" * 20000)
    c = config()
    c["mounts"] += [{"destination": "/data", "type": "tmpfs", "source": "t",
                     "options": ["size=64k", "tmpcopyup"]},
                    {"destination": "/data", "options": ["remount", *options]}]
    write_config(bundle, c)
    line = kenro.fails("create", "-b", bundle, "c")
    assert line.startswith("create c: mounts[7] (/data): ") and text in line, line


def test_every_option_is_tried():
    p = subprocess.run([KENRO, "features"], capture_output=True, text=True, timeout=60)
    assert set(json.loads(p.stdout)["mountOptions"]) == \
        (set(PLAIN) | set(REFUSED)) - {"", "size=64k"} | {"bind", "rbind"}


@pytest.mark.parametrize("option", ["sync", "dirsync", "lazytime", "mand", "iversion", "size=1k",
                                    "mode=755", "nosuidd"])
def test_a_bind_mount_has_no_option_of_a_file_system(kenro, bundle, source, option):
    """It would change the file system for everybody, or nothing."""
    c = config()
    c["mounts"].append(bind(source, "bind", option))
    write_config(bundle, c)
    assert "mounts[6] (/data): a bind mount has no option" in \
        kenro.fails("create", "-b", bundle, "c")


@pytest.mark.parametrize("option", ["", "defaults", "async", "nolazytime", "nomand", "noiversion",
                                    "silent", "loud"])
def test_an_option_that_asks_for_nothing_is_fine_for_a_bind_mount(kenro, bundle, source, option):
    c = shell("grep -c ' /data ' /proc/self/mountinfo")
    c["mounts"].append(bind(source, "bind", option))
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "1\n"
