"""tmpcopyup: a tmpfs that begins with what the image has there."""

import ctypes
import multiprocessing
import os
import random
import shutil
import socket
import stat
import subprocess
import time

import pytest

from kenrotest import config, shell, user_namespace, write_config


def copy_up(dest, *options):
    return {"destination": dest, "type": "tmpfs", "source": "tmpfs",
            "options": ["tmpcopyup", *options]}


@pytest.fixture
def image(bundle):
    """/data in the image: empty, to be filled."""
    d = bundle / "rootfs/data"
    d.mkdir()
    return d


def run(kenro, bundle, script, *options, userns=False):
    c = shell(script)
    if userns:
        user_namespace(c)
    c["mounts"].append(copy_up("/data", *options))
    write_config(bundle, c)
    return kenro.run("run", "-b", bundle, "c")


def out(*args, **kw):
    r = run(*args, **kw)
    assert (r.returncode, r.stderr) == (0, "")
    return r.stdout


def test_files_keep_their_owners_modes_times_and_content(kenro, bundle, image):
    (image / "dir").mkdir()
    (image / "dir/file").write_text("content\n")
    (image / "link").symlink_to("/etc/passwd")
    os.mkfifo(image / "pipe")
    for path, owner, mode in (("dir/file", (5, 6), 0o4751), ("pipe", (9, 9), 0o606),
                              ("dir", (7, 8), 0o2750)):
        os.chown(image / path, *owner)
        os.chmod(image / path, mode)
        os.utime(image / path, (1000, 2000))
    os.lchown(image / "link", 3, 4)
    text = out(kenro, bundle, "cd /data; stat -c '%n %A %u:%g %Y' * */*; cat dir/file; "
               "readlink link; echo more >>dir/file")
    assert text.splitlines() == [
        "dir drwxr-s--- 7:8 2000", "link lrwxrwxrwx 3:4 " +
        str(int(os.lstat(image / "link").st_mtime)), "pipe prw----rw- 9:9 2000",
        "dir/file -rwsr-x--x 5:6 2000", "content", "/etc/passwd"]
    assert (image / "dir/file").read_text() == "content\n"  # the image stays as it was


def test_the_tmpfs_looks_like_the_directory_that_it_covers(kenro, bundle, image):
    image.chmod(0o1733)
    os.chown(image, 5, 6)
    see = "stat -c '%a %u:%g' /data"
    assert out(kenro, bundle, see) == "1733 5:6\n"
    assert out(kenro, bundle, see, "mode=700", "uid=1") == "700 1:6\n"


@pytest.mark.parametrize("options,expected", [([], "1733 0:0"), (["mode=711"], "711 0:0"),
                                              (["ro"], "1733 0:0")])
def test_a_tmpfs_without_a_copy_has_the_mode_of_what_it_covers(kenro, bundle, image, options,
                                                               expected):
    """As under runc: a /tmp stays sticky, a private directory private."""
    image.chmod(0o1733)
    os.chown(image, 5, 6)
    (image / "file").write_text("")
    c = shell("stat -c '%a %u:%g' /data; ls /data; stat -c %a /made")
    c["mounts"] += [{"destination": d, "type": "tmpfs", "source": "t", "options": options}
                    for d in ("/data", "/made")]
    write_config(bundle, c)
    made = options[0].removeprefix("mode=") if "mode" in str(options) else "1777"
    assert kenro.ok("run", "-b", bundle, "c") == f"{expected}\n{made}\n"


def test_a_copy_can_be_read_only(kenro, bundle, image):
    (image / "file").write_text("content\n")
    text = out(kenro, bundle, "cat /data/file; touch /data/x 2>&1; : ", "ro")
    assert text.startswith("content\n") and "Read-only file system" in text


def test_a_copy_in_a_user_namespace_has_the_containers_owners(kenro, bundle, image):
    (image / "dir").mkdir()
    (image / "dir/file").write_text("content\n")
    for path in (image, image / "dir", image / "dir/file"):
        os.chown(path, 100007, 100008)
    text = out(kenro, bundle, "stat -c '%u:%g' /data /data/dir /data/dir/file", userns=True)
    assert text == "7:8\n" * 3


def test_what_the_containers_root_may_not_read_is_an_error(kenro, bundle, image):
    (image / "secret").write_text("the host's")
    (image / "secret").chmod(0o600)  # owned by an id that is not in the namespace
    r = run(kenro, bundle, "true", userns=True)
    assert r.returncode == 1
    assert "mounts[6] (/data): tmpcopyup: cannot copy secret up: EACCES" in r.stderr


def test_a_directory_of_nobody_in_the_namespace_is_an_error_that_says_so(kenro, bundle, image):
    c = user_namespace(config(), size=1000)  # and the directory is the host's root's
    c["mounts"].append(copy_up("/data"))
    write_config(bundle, c)
    assert kenro.fails("create", "-b", bundle, "c").endswith(
        "(the directory in the image belongs to an id that the user namespace does not map)")
    os.chown(image, 100000, 100000)
    kenro.ok("run", "-b", bundle, "c")


def test_extended_attributes_are_copied(kenro, bundle, image):
    (image / "tool").write_text("")
    capability = bytes.fromhex("0100000200040000000000000000000000000000")  # net_bind_service
    os.setxattr(image / "tool", "security.capability", capability)
    os.setxattr(image / "tool", "trusted.overlay.redirect", b"not for a container")
    write_config(bundle, config())
    c = shell("sleep 1000")
    c["mounts"].append(copy_up("/data"))
    write_config(bundle, c)
    kenro.ok("run", "-d", "-b", bundle, "c")
    path = f"/proc/{kenro.pid('c')}/root/data/tool"
    assert os.getxattr(path, "security.capability") == capability
    assert "trusted.overlay.redirect" not in os.listxattr(path)


def test_devices_and_sockets_are_left_out(kenro, bundle, image):
    os.mknod(image / "disk", stat.S_IFBLK | 0o666, os.makedev(7, 0))
    os.mknod(image / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as s:
        os.chdir(image)
        s.bind("socket")
        os.chdir("/")
    (image / "file").write_text("")
    assert out(kenro, bundle, "ls /data") == "file\n"


@pytest.mark.parametrize("target", ["/etc", "../../../../../../etc", "/proc/self/root/etc"])
def test_links_are_copied_and_never_followed(kenro, bundle, image, target):
    (image / "link").symlink_to(target)
    assert out(kenro, bundle, "readlink /data/link; ls -A /data") == f"{target}\nlink\n"


def test_a_mount_point_in_the_image_may_be_a_link(kenro, bundle, image):
    """/var/run leads to /run, in the image."""
    (image / "file").write_text("")
    (bundle / "rootfs/alias").symlink_to("/data")
    c = shell("ls /data; grep -c ' /data ' /proc/mounts")
    c["mounts"].append(copy_up("/alias"))
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "file\n1\n"


def test_what_is_mounted_below_is_not_the_images(kenro, bundle, image, tmp_path):
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume/secret").write_text("")
    (image / "below").mkdir()
    c = shell("find /data")
    c["mounts"] += [{"destination": "/data/below", "type": "bind", "options": ["bind"],
                     "source": str(tmp_path / "volume")}, copy_up("/data")]
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "/data\n"


def test_holes_cost_nothing_and_stay(kenro, bundle, image):
    with open(image / "sparse", "wb") as f:
        f.truncate(1 << 40)
        f.seek(1 << 39)
        f.write(b"middle")
    text = out(kenro, bundle, "stat -c '%s %b' /data/sparse; "
               "dd if=/data/sparse bs=4096 skip=134217728 count=1 2>/dev/null | head -c6",
               "size=1m")
    size, blocks = text.splitlines()[0].split()
    assert int(size) == 1 << 40 and int(blocks) <= 16
    assert text.splitlines()[1] == "middle"


def test_a_tmpfs_that_is_too_small_is_an_error_that_says_so(kenro, bundle, image):
    (image / "file").write_bytes(b"x" * 100000)
    r = run(kenro, bundle, "true", "size=64k")
    assert r.returncode == 1
    assert "mounts[6] (/data): tmpcopyup: cannot copy file up: ENOSPC " \
           "(the tmpfs is too small: see its size=)" in r.stderr


def test_depth_is_limited(kenro, bundle, image):
    """An image nests directories as deep as it likes, without a path to name them."""
    def nest(depth):
        at = os.open(image, os.O_RDONLY | os.O_DIRECTORY)
        for _ in range(depth):
            os.mkdir("d", dir_fd=at)
            deeper = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
            os.close(at)
            at = deeper
        os.close(at)

    nest(127)
    assert out(kenro, bundle, "find /data | wc -l") == "128\n"
    shutil.rmtree(image / "d")
    nest(3000)
    r = run(kenro, bundle, "true")
    assert r.returncode == 1
    assert "tmpcopyup: directories are nested deeper than 128" in r.stderr
    subprocess.run(["rm", "-rf", image / "d"], check=True)


def test_many_files_and_a_large_directory(kenro, bundle, image):
    for i in range(3000):
        (image / f"a-name-of-some-length-{i}").write_text(str(i))
    assert out(kenro, bundle, "ls /data | wc -l; cat /data/*-2999") == "3000\n2999"


def test_control_characters_in_a_name_do_not_reach_the_log(kenro, bundle, image):
    name = "evil\n\x1b[2Jkenro: all is well"
    (image / name).write_bytes(b"x" * 100000)
    r = run(kenro, bundle, "true", "size=4k")
    assert r.returncode == 1 and r.stderr.count("\n") == 1 and "\x1b" not in r.stderr


RENAME_EXCHANGE = 2


def swap(image, *pairs):
    """Exchange the names of each pair until killed: who shares the root file system can. The
    pauses are of all lengths, so that some copies meet an exchange and some do not."""
    libc = ctypes.CDLL(None)
    at = os.open(image, os.O_RDONLY | os.O_DIRECTORY)
    while True:
        for a, b in pairs:
            libc.renameat2(at, a, at, b, RENAME_EXCHANGE)
        time.sleep(random.uniform(0, 0.004))


def test_a_neighbour_that_swaps_names_shows_nothing_of_the_host(kenro, bundle, image, tmp_path):
    canary = tmp_path / "canary"
    canary.mkdir()
    (canary / "secret").write_text("secret")
    (image / "dir").mkdir()
    (image / "dir/file").write_text("")
    (image / "link").symlink_to(canary)
    (image / "plain").write_text("plain")
    (image / "to-file").symlink_to(canary / "secret")
    (image / "calm").write_text("calm")
    os.mkfifo(image / "pipe")  # must not be waited for
    swapper = multiprocessing.Process(target=swap, args=(
        image, (b"dir", b"link"), (b"plain", b"to-file"), (b"calm", b"pipe")))
    swapper.start()
    started = rounds = 0
    try:
        while rounds < 25 or (not started and rounds < 200):
            rounds += 1
            r = run(kenro, bundle, "cd /data; find . | grep secret; for f in *; do "
                    "[ -f $f -a ! -L $f ] && cat $f; done")
            assert "secret" not in r.stdout
            started += r.returncode == 0
            assert r.stderr == "" or "tmpcopyup: cannot" in r.stderr, r.stderr
    finally:
        swapper.kill()
        swapper.join()
        swapper.close()
    assert (canary / "secret").read_text() == "secret" and os.listdir(canary) == ["secret"]
    assert started > 0
