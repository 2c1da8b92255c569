"""mounts, the root, masked and read-only paths."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from kenrotest import CAPS, config, inside, shell, user_namespace, write_config


def mount_at(seen, dest):
    """The last mountinfo line at DEST: (options, type, source, super options)."""
    for line in reversed(seen["mountinfo"]):
        left, right = line.split(" - ")
        if left.split()[4] == dest:
            fs, source, superblock = right.split()[:3]
            return set(left.split()[5].split(",")), fs, source, set(superblock.split(",")), \
                left.split()[6:]
    raise AssertionError(f"nothing is mounted at {dest}")


def bind(source, dest, *options):
    return {"destination": dest, "type": "bind", "source": str(source),
            "options": ["bind", *options]}


@pytest.fixture
def source(tmp_path):
    d = tmp_path / "source"
    (d / "sub").mkdir(parents=True)
    (d / "file").write_text("content\n")
    return d


def test_every_mount_is_as_asked_for(kenro, bundle):
    seen = inside(kenro, bundle, config())
    assert mount_at(seen, "/proc")[:2] == ({"rw", "nosuid", "nodev", "noexec", "relatime"}, "proc")
    options, fs, source, superblock, _ = mount_at(seen, "/dev")
    assert options == {"rw", "nosuid"} and fs == "tmpfs"  # strictatime shows as neither
    assert {"size=65536k", "mode=755"} <= superblock
    assert {"gid=5", "mode=620", "ptmxmode=666"} <= mount_at(seen, "/dev/pts")[3]
    assert mount_at(seen, "/sys")[0] == {"ro", "nosuid", "nodev", "noexec", "relatime"}


def test_mounts_are_made_in_order_and_may_cover_each_other(kenro, bundle):
    c = shell("ls /mnt /mnt/a")
    c["mounts"] += [
        {"destination": "/mnt", "type": "tmpfs", "source": "t"},
        {"destination": "/mnt/a/b", "type": "tmpfs", "source": "t"},
    ]
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c").split() == ["/mnt:", "a", "/mnt/a:", "b"]
    assert os.listdir(bundle / "rootfs/mnt") == []  # what is made is made in the tmpfs


def test_a_directory_and_a_file_are_bound(kenro, bundle, source):
    c = shell("cat /data/file /one; ls /data; echo new >/data/new; readlink /proc/self/fd/0")
    c["mounts"] += [bind(source, "/data"), bind(source / "file", "/one")]
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c").split() == \
        ["content", "content", "file", "sub", "/dev/null"]
    assert (source / "new").read_text() == "new\n"


def test_a_relative_source_is_the_bundles(kenro, bundle):
    (bundle / "vol").mkdir()
    (bundle / "vol/x").write_text("from the bundle\n")
    c = shell("cat /v/x")
    c["mounts"].append(bind("vol", "/v"))
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c", cwd="/") == "from the bundle\n"


@pytest.mark.parametrize("options,expected", [
    (["ro"], {"ro"}), (["nosuid", "nodev", "noexec"], {"rw", "nosuid", "nodev", "noexec"}),
    (["ro", "rw"], {"rw"}), (["noexec", "exec"], {"rw"}), (["noatime"], {"rw", "noatime"}),
    (["nosymfollow"], {"rw", "nosymfollow"}), (["nodiratime"], {"rw", "nodiratime"}),
])
def test_flags_of_a_bind_mount(kenro, bundle, source, options, expected):
    c = config()
    c["mounts"].append(bind(source, "/data", *options))
    assert mount_at(inside(kenro, bundle, c), "/data")[0] - {"relatime"} == expected


def test_flags_of_the_source_mount_are_kept(kenro, bundle, tmp_path):
    """A bind without "ro" of a read-only mount must not become writable."""
    script = ("mount -t tmpfs -o nosuid,nodev,noexec,ro t $0 && "
              "exec \"$@\"")
    (tmp_path / "src").mkdir()
    c = config("/bin/grep", " /data ", "/proc/self/mountinfo")
    c["mounts"].append(bind(tmp_path / "src", "/data"))
    write_config(bundle, c)
    p = subprocess.run(["unshare", "-m", "sh", "-c", script, tmp_path / "src",
                        *kenro.command("run", "-b", bundle, "c")],
                       capture_output=True, text=True, timeout=60)
    assert p.returncode == 0, p.stderr
    assert set(p.stdout.split()[5].split(",")) >= {"ro", "nosuid", "nodev", "noexec"}


def in_private_mounts(kenro, script, *args):
    """Run SCRIPT, then kenro, in a mount namespace that the test may change."""
    return subprocess.run(["unshare", "-m", "sh", "-ec", script + '; exec "$@"', "sh",
                           *kenro.command(*args)], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("options,top,below", [
    (["rbind"], "rw", "rw"), (["rbind", "ro"], "ro", "rw"), (["rbind", "rro"], "ro", "ro"),
    (["rbind", "rro", "rw"], "rw", "ro"), (["rbind", "rrw", "ro"], "ro", "rw"), (["bind"], "rw", None),
])
def test_what_is_mounted_below_a_source(kenro, bundle, source, options, top, below):
    c = config("/bin/cat", "/proc/self/mountinfo")
    c["mounts"].append({"destination": "/data", "type": "bind", "source": str(source),
                        "options": options})
    write_config(bundle, c)
    p = in_private_mounts(kenro, f"mount -t tmpfs t {source}/sub", "run", "-b", bundle, "c")
    found = {line.split()[4]: line.split()[5].split(",")[0] for line in p.stdout.splitlines()}
    assert p.returncode == 0, p.stderr
    assert found["/data"] == top
    assert found.get("/data/sub") == below


@pytest.mark.parametrize("option,field", [
    ("private", []), ("rprivate", []), ("shared", ["shared"]), ("rshared", ["shared"]),
    ("slave", ["master"]), ("rslave", ["master"]), ("unbindable", ["unbindable"]), (None, ["master"]),
])
def test_propagation_of_a_bind_mount(kenro, bundle, source, option, field):
    c = config("/bin/cat", "/proc/self/mountinfo")
    c["mounts"].append(bind(source, "/data", *([option] if option else [])))
    write_config(bundle, c)
    p = in_private_mounts(kenro, f"mount --bind {source} {source}; mount --make-shared {source}",
                          "run", "-b", bundle, "c")
    assert p.returncode == 0, p.stderr
    line = next(line for line in p.stdout.splitlines() if line.split()[4] == "/data")
    tags = [t.split(":")[0] for t in line.split(" - ")[0].split()[6:]]
    if option in ("shared", "rshared"):
        assert "shared" in tags
    else:
        assert tags == field


@pytest.mark.parametrize("option,top,below", [
    ("private", [], ["master"]), ("rprivate", [], []), ("slave", ["master"], ["master"]),
    ("rslave", ["master"], ["master"]), ("shared", ["shared"], ["master"]),
    ("rshared", ["shared"], ["shared"]), ("unbindable", ["unbindable"], ["master"]),
    ("runbindable", ["unbindable"], ["unbindable"]),
])
def test_propagation_of_what_is_mounted_below(kenro, bundle, source, option, top, below):
    c = config("/bin/cat", "/proc/self/mountinfo")
    c["mounts"].append({"destination": "/data", "type": "bind", "source": str(source),
                        "options": ["rbind", option]})
    write_config(bundle, c)
    p = in_private_mounts(kenro, f"mount --bind {source} {source}; mount -t tmpfs t {source}/sub; "
                          f"mount --make-rshared {source}", "run", "-b", bundle, "c")
    assert p.returncode == 0, p.stderr
    for at, expected in (("/data", top), ("/data/sub", below)):
        line = next(line for line in p.stdout.splitlines() if line.split()[4] == at)
        tags = [t.split(":")[0] for t in line.split(" - ")[0].split()[6:]]
        assert tags[:1] == expected, at


@pytest.mark.parametrize("root,option,user,reaches", [
    ("rshared", "rshared", False, True), ("shared", "shared", False, True),
    ("rshared", "rslave", False, False), ("rshared", None, False, False), (None, "rshared", False, False),
    ("rslave", "rshared", False, False), ("rshared", "rshared", True, False),
])
def test_a_mount_reaches_the_host_where_root_and_bind_are_shared(kenro, bundle, source, root, option, user, reaches):
    c = shell("mount -t tmpfs from-within /data/sub && grep -c from-within /proc/self/mounts")
    c["process"]["capabilities"] = {s: CAPS + ["CAP_SYS_ADMIN"] for s in ("bounding", "effective", "permitted")}
    c["mounts"].append(bind(source, "/data", *([option] if option else [])))
    if root:
        c["linux"]["rootfsPropagation"] = root
    c["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    if user:
        user_namespace(c)
        subprocess.run(["chown", "-R", "100000:100000", bundle / "rootfs"], check=True)
    write_config(bundle, c)
    script = (f"mount --bind {source} {source}; mount --make-shared {source}; \"$@\"; "
              "grep -c from-within /proc/self/mounts || true; exit; :")
    p = in_private_mounts(kenro, script, "run", "-b", bundle, "c")
    assert p.stdout == f"1\n{int(reaches)}\n", p.stderr


def test_a_mount_inside_never_reaches_the_host(kenro, bundle, source):
    before = open("/proc/self/mountinfo").read()
    c = config()
    c["mounts"].append(bind(source, "/data", "rslave"))
    c["mounts"].append({"destination": "/data/sub", "type": "tmpfs", "source": "t"})
    write_config(bundle, c)
    kenro.ok("run", "-b", bundle, "c")
    assert open("/proc/self/mountinfo").read() == before


def test_a_bind_from_the_root_file_system_sees_what_is_mounted_there(kenro, bundle):
    c = shell("ls /mnt")
    c["mounts"] += [{"destination": "/tmp", "type": "tmpfs", "source": "t"},
                    {"destination": "/tmp/x", "type": "tmpfs", "source": "t"},
                    bind(bundle / "rootfs/tmp", "/mnt")]
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "x\n"


@pytest.mark.parametrize("mount,text", [
    ({"destination": "/data", "type": "bind", "source": "/nosuch", "options": ["bind"]},
     "cannot open the source /nosuch: ENOENT"),
    ({"destination": "/data", "type": "nosuchfs", "source": "x"},
     "the kernel has no file system nosuchfs"),
    ({"destination": "/data", "type": "tmpfs", "source": "x", "options": ["nosuidd"]},
     "(did you mean 'nosuid'?)"),
    ({"destination": "/data", "type": "tmpfs", "source": "x", "options": ["size=many"]},
     "tmpfs does not take the option 'size=many': EINVAL"),
    ({"destination": "/data", "type": "bind", "source": "/etc", "options": ["bind", "size=1k"]},
     "a bind mount has no option 'size'"),
    ({"destination": "/", "type": "tmpfs", "source": "x"}, "would hide the root file system"),
    ({"destination": "/proc", "type": "tmpfs", "source": "x"},
     "only a proc file system can be mounted at /proc"),
    ({"destination": "/proc", "type": "bind", "source": "/etc", "options": ["bind"]},
     "only a proc file system can be mounted at /proc"),
    ({"destination": "/proc/self", "type": "tmpfs", "source": "x"}, "nothing can be mounted below"),
    ({"destination": "/proc/sys/kernel", "type": "bind", "source": "/etc", "options": ["bind"]},
     "nothing can be mounted below"),
    ({"destination": "/sys", "type": "ext4", "source": "x"}, "only a sysfs"),
    ({"destination": "/data", "type": "tmpfs", "source": "x", "options": ["remount"]},
     "only a file system of the container's own can be remounted"),
    ({"destination": "/data", "type": "bind", "options": ["bind"]}, "a bind mount needs a source"),
])
def test_a_mount_that_cannot_be_is_refused(kenro, bundle, mount, text):
    c = config()
    c["mounts"].append(mount)
    write_config(bundle, c)
    line = kenro.fails("create", "-b", bundle, "c")
    assert line.startswith(f"create c: mounts[6] ({mount['destination']}): "), line
    assert text in line


def test_a_file_on_a_directory_is_not_a_directory(kenro, bundle, source):
    """Docker turns these words into its own hint."""
    for mount in (bind(source / "file", "/tmp"), bind(source, "/etc/passwd")):
        c = config()
        c["mounts"].append(mount)
        write_config(bundle, c)
        assert "not a directory" in kenro.fails("create", "-b", bundle, "c")


def test_a_lxcfs_like_file_may_lie_over_procfs(kenro, bundle, source):
    c = shell("cat /proc/uptime /proc/meminfo")
    c["mounts"] += [bind(source / "file", "/proc/uptime"), bind(source / "file", "/proc/meminfo")]
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "content\n" * 2


@pytest.mark.parametrize("path", """/proc/cpuinfo /proc/diskstats /proc/loadavg /proc/meminfo
/proc/slabinfo /proc/stat /proc/swaps /proc/uptime /proc/sys/kernel/ns_last_pid
/proc/sys/crypto/fips_enabled""".split())
def test_each_file_that_lxcfs_and_others_replace_can_be(kenro, bundle, source, path):
    c = config("/bin/cat", path)
    c["mounts"].append(bind(source / "file", path))
    write_config(bundle, c)
    if not os.path.exists(path):
        pytest.skip(f"the kernel has no {path}")
    assert kenro.ok("run", "-b", bundle, "c") == "content\n"


@pytest.mark.parametrize("path", ["/proc/version", "/proc/self/status", "/proc/1/net/dev",
                                  "/proc/net/tcp", "/proc/sys/kernel/core_pattern", "/proc/sys",
                                  "/proc/self/attr/exec", "/proc/sysrq-trigger", "/proc/net",
                                  "/proc/net/dev"])
def test_no_other_file_of_procfs_can_be_replaced(kenro, bundle, source, path):
    c = config()
    c["mounts"].append(bind(source / "file", path))
    write_config(bundle, c)
    assert "nothing can be mounted below /proc but over a few files" in \
        kenro.fails("create", "-b", bundle, "c")


def test_a_relative_destination_is_deprecated_and_works(kenro, bundle, source):
    c = shell("cat /data/file")
    c["mounts"].append(bind(source, "data"))
    write_config(bundle, c)
    r = kenro.run("--log-level", "warning", "run", "-b", bundle, "c")
    assert (r.returncode, r.stdout) == (0, "content\n")
    assert r.stderr == "kenro: warning: mounts[6].destination: 'data' is deprecated, " \
                       "write '/data'\n"


@pytest.mark.parametrize("userns", [False, True], ids=["", "userns"])
def test_a_source_that_the_containers_root_cannot_reach_is_bound(kenro, bundle, tmp_path, userns):
    """It is opened before there is a container."""
    private = tmp_path / "private"
    (private / "volume").mkdir(parents=True)
    (private / "volume/file").write_text("content\n")
    private.chmod(0o700)
    (bundle / "rootfs/data").mkdir()
    c = shell("cat /data/file")
    if userns:
        user_namespace(c)
    c["mounts"].append(bind(private / "volume", "/data"))
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "content\n"


@pytest.mark.parametrize("name", ["dir", "file"])
def test_a_mount_point_that_is_made_inherits_the_group_of_its_directory(kenro, bundle, source, name):
    parent = bundle / "rootfs/shared"
    parent.mkdir()
    os.chown(parent, 0, 1234)
    parent.chmod(0o2775)
    c = config()
    c["mounts"].append(bind(source if name == "dir" else source / "file", f"/shared/sub/{name}"))
    write_config(bundle, c)
    kenro.ok("run", "-b", bundle, "c")
    for path in (parent / "sub", parent / "sub" / name):
        assert path.stat().st_gid == 1234
    assert (parent / "sub").stat().st_mode & 0o2000
    assert name == "file" or (parent / "sub/dir").stat().st_mode & 0o2000


def test_mount_points_are_made(kenro, bundle, source):
    c = shell("cat /new/file /new/deep/file2")
    c["mounts"] += [bind(source, "/new"), bind(source / "file", "/new/deep/file2")]
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "content\n" * 2
    assert (bundle / "rootfs/new").is_dir()


@pytest.mark.parametrize("link", ["/etc", "/../../../../../../etc", "../../../../../../../etc",
                                  "/proc/self/root/etc", "/proc/1/root/etc"])
def test_a_link_in_the_image_stays_in_the_image(kenro, bundle, source, link):
    """P3: path resolution in a root file system that belongs to an attacker."""
    before = sorted(os.listdir("/etc"))
    os.symlink(link, bundle / "rootfs/evil")
    c = shell("cat /etc/kenro-test-mark/file 2>/dev/null")
    c["mounts"].append(bind(source, "/evil/kenro-test-mark"))
    write_config(bundle, c)
    r = kenro.run("run", "-b", bundle, "c")
    assert sorted(os.listdir("/etc")) == before
    if r.returncode == 0:
        assert r.stdout == "content\n"
    else:
        assert "mounts[6]" in r.stderr


def test_a_dangling_link_is_made_inside(kenro, bundle, source):
    os.symlink("/kenro-test-target", bundle / "rootfs/evil")
    c = shell("cat /kenro-test-target/file")
    c["mounts"].append(bind(source, "/evil"))
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "content\n"
    assert (bundle / "rootfs/kenro-test-target").is_dir()
    assert not os.path.exists("/kenro-test-target")


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_a_link_where_the_runtimes_file_systems_go_is_refused(kenro, bundle, name):
    os.rmdir(bundle / f"rootfs/{name}")
    os.symlink("/tmp", bundle / f"rootfs/{name}")
    write_config(bundle, config())
    assert f"/{name} is not a real directory" in kenro.fails("create", "-b", bundle, "c")
    assert os.listdir(bundle / "rootfs/tmp") == []


def test_masked_paths_are_empty_and_read_only(kenro, bundle):
    c = shell("cat /proc/keys; ls /proc/acpi /sys/firmware; "
              "echo x 2>/dev/null >/proc/keys || echo refused; touch /sys/firmware/x 2>&1")
    write_config(bundle, c)
    out = kenro.run("run", "-b", bundle, "c").stdout.splitlines()
    assert "refused" in out
    assert [line for line in out if line and not line.endswith(":") and line != "refused" and
            "Read-only file system" not in line and "No such file" not in line] == []


def test_masks_do_not_come_from_the_image(kenro, bundle):
    """CVE-2025-31133: /dev/null in the image is not what it seems."""
    (bundle / "rootfs/secret").write_text("secret")
    c = shell("cat /secret")
    c["linux"]["maskedPaths"] = ["/secret"]
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == ""
    c["mounts"] = [m for m in c["mounts"] if not m["destination"].startswith("/dev")]
    os.symlink("/etc/passwd", bundle / "rootfs/dev/null")
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == ""


def test_read_only_paths_are_read_only_and_keep_their_flags(kenro, bundle):
    seen = inside(kenro, bundle, config())
    assert mount_at(seen, "/proc/sys")[0] == {"ro", "nosuid", "nodev", "noexec", "relatime"}


@pytest.mark.parametrize("key", ["maskedPaths", "readonlyPaths"])
def test_a_path_to_cover_that_is_missing_is_fine_and_relative_is_not(kenro, bundle, key):
    c = config()
    c["linux"][key] = ["/nosuch", "/proc/nosuch/deeper", "/etc/passwd/below"]
    write_config(bundle, c)
    kenro.ok("run", "-b", bundle, "c")
    c["linux"][key] = ["etc"]
    write_config(bundle, c)
    assert f"linux.{key}[0]" in kenro.fails("create", "-b", bundle, "c")


def test_a_read_only_root(kenro, bundle):
    c = shell("touch /x 2>&1; touch /dev/shm/ok && echo writable")
    c["root"]["readonly"] = True
    write_config(bundle, c)
    r = kenro.run("run", "-b", bundle, "c")
    assert "Read-only file system" in r.stdout and "writable" in r.stdout


def test_a_read_only_root_in_a_user_namespace(kenro, bundle):
    subprocess.run(["chown", "-R", "100000:100000", bundle / "rootfs"], check=True)
    c = user_namespace(shell("touch /x 2>&1; touch /dev/shm/ok /data/ok && echo writable; "
                             "grep ' / / ' /proc/self/mountinfo"))
    c["root"]["readonly"] = True
    c["mounts"].append({"destination": "/data", "type": "tmpfs", "source": "t"})
    write_config(bundle, c)
    r = kenro.run("run", "-b", bundle, "c")
    assert "Read-only file system" in r.stdout and "writable" in r.stdout
    assert (bundle / "rootfs/data").is_dir()  # a mount point can still be made


def test_a_dev_that_is_read_only_is_filled_all_the_same(kenro, bundle):
    c = shell("ls /dev/null; touch /dev/x 2>&1")
    c["mounts"][1]["options"].append("ro")
    write_config(bundle, c)
    r = kenro.run("run", "-b", bundle, "c")
    assert "/dev/null" in r.stdout and "Read-only file system" in r.stdout


@pytest.mark.parametrize("value,tags", [("private", []), ("rprivate", []), ("slave", ["master"]),
                                        ("rslave", ["master"]), ("shared", ["shared"]),
                                        ("rshared", ["shared"]), ("unbindable", ["unbindable"]),
                                        ("runbindable", ["unbindable"]), ("", [])])
def test_propagation_of_the_root(kenro, bundle, value, tags):
    c = config("/bin/cat", "/proc/self/mountinfo")
    c["linux"]["rootfsPropagation"] = value
    write_config(bundle, c)
    root = bundle / "rootfs"
    p = in_private_mounts(kenro, f"mount --bind {root} {root}; mount --make-shared {root}",
                          "run", "-b", bundle, "c")
    assert p.returncode == 0, p.stderr
    line = next(line for line in p.stdout.splitlines() if line.split()[4] == "/")
    assert [t.split(":")[0] for t in line.split(" - ")[0].split()[6:]] == tags


def test_no_mount_of_the_host_is_left_in_sight(kenro, bundle):
    seen = inside(kenro, bundle, config())
    points = [line.split()[4] for line in seen["mountinfo"]]
    wanted = {"/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys"}
    covered = {p for p in points if p.startswith(("/proc/", "/sys/"))}
    assert set(points) == wanted | covered
    assert len(points) == len(set(points))


def test_the_root_must_be_a_directory_that_is_there(kenro, bundle):
    (bundle / "file").write_text("")
    (bundle / "link").symlink_to("rootfs")
    for path, text in (("nosuch", "cannot open nosuch: ENOENT"), ("file", "is not a directory"),
                       ("link", "is a symbolic link"), ("/", "is the host's own root"),
                       ("rootfs/../../../../../../../..", "is the host's own root")):
        c = config()
        c["root"]["path"] = path
        write_config(bundle, c)
        line = kenro.fails("create", "-b", bundle, "c")
        assert line.startswith("create c: root.path: ") and text in line


@pytest.mark.parametrize("path", [".", "./", "../rootfs", ""])
def test_the_bundle_itself_can_be_the_root(kenro, bundle, path):
    """With config.json in it."""
    c = config("/bin/ls", "/config.json")
    c["root"]["path"] = path or str(bundle / "rootfs")
    write_config(bundle / "rootfs", c)
    assert kenro.ok("run", "c", cwd=bundle / "rootfs") == "/config.json\n"


def test_mounts_in_a_user_namespace(kenro, bundle, source):
    (bundle / "rootfs/data").mkdir()  # the container's root may not make it in ours
    c = user_namespace(config())
    c["mounts"].append(bind(source, "/data", "ro"))
    c["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                        "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]})
    seen = inside(kenro, bundle, c)
    assert "ro" in mount_at(seen, "/data")[0]
    assert mount_at(seen, "/sys/fs/cgroup")[1] == "cgroup2"


def test_cgroup_is_the_second_version(kenro, bundle):
    c = shell("ls /sys/fs/cgroup/cgroup.procs; cat /sys/fs/cgroup/cgroup.procs | grep -c .")
    c["mounts"].append({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
                        "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]})
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c").splitlines()[0] == "/sys/fs/cgroup/cgroup.procs"


@pytest.mark.parametrize("spelling", ["rootfs/evil/file", "./rootfs//evil/file", "BUNDLE/rootfs/evil/file",
                                      "LINK/rootfs/evil/file", "LINK/../bundle/rootfs/evil/file"])
def test_a_source_in_the_image_is_not_followed_to_the_host(kenro, bundle, source, tmp_path, spelling):
    """However the root file system's directory is spelled."""
    os.symlink(source, bundle / "rootfs/evil")  # an absolute link, to the host's directory
    os.symlink(bundle, tmp_path / "link")
    path = spelling.replace("BUNDLE", str(bundle)).replace("LINK", str(tmp_path / "link"))
    c = shell("cat /data")
    c["mounts"].append(bind(path, "/data"))
    write_config(bundle, c)
    assert "mounts[6] (/data): cannot open the source /evil/file in the container: ENOENT" in \
        kenro.fails("run", "-b", bundle, "c")


@pytest.mark.parametrize("userns", [False, True], ids=["", "userns"])
def test_an_overlay_of_directories_of_the_host(kenro, bundle, userns):
    """Podman's volumes with :O. The container's root looks their names up."""
    base = Path(tempfile.mkdtemp(prefix="kenro-test-", dir="/tmp"))
    base.chmod(0o755)
    dirs = {name: base / name for name in ("lowerdir", "upperdir", "workdir")}
    for d in dirs.values():
        d.mkdir()
        os.chown(d, *[100000 if userns else 0] * 2)
    (dirs["lowerdir"] / "file").write_text("lower\n")
    os.chown(dirs["lowerdir"] / "file", *[100000 if userns else 0] * 2)
    (bundle / "rootfs/data").mkdir()
    c = shell("cat /data/file; echo upper >/data/file")
    if userns:
        user_namespace(c)
    c["mounts"].append({"destination": "/data", "type": "overlay", "source": "overlay",
                        "options": [*(f"{k}={v}" for k, v in dirs.items()), "private"]})
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "lower\n"
    assert (dirs["lowerdir"] / "file").read_text() == "lower\n"
    assert (dirs["upperdir"] / "file").read_text() == "upper\n"
    shutil.rmtree(base)
