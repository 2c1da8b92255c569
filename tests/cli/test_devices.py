"""Devices: nodes, links, and the rules of the device program."""

import os
import stat

import pytest

from kenrotest import config, inside, shell, user_namespace, write_config

DEFAULTS = {"null": "1:3", "zero": "1:5", "full": "1:7", "random": "1:8", "urandom": "1:9",
            "tty": "5:0"}
LINKS = {"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
         "stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx"}

# Tries to use devices for reading, writing and making, and prints what worked.
TRY = r"""
try() { "$@" 2>/dev/null && echo "$*"; }
for d in /dev/*; do try head -c0 $d; done
"""


def test_default_devices_and_links(kenro, bundle):
    dev = inside(kenro, bundle, config())["dev"]
    for name, number in DEFAULTS.items():
        assert dev[name] == f"{stat.S_IFCHR | 0o666:o} 0:0 {number} "
    for name, target in LINKS.items():
        mode, _, _, link = dev[name].split()
        assert stat.S_ISLNK(int(mode, 8)) and link == target
    assert set(dev) == set(DEFAULTS) | set(LINKS) | {"pts", "shm", "mqueue"}


def test_devices_belong_to_the_containers_root_in_a_user_namespace(kenro, bundle):
    dev = inside(kenro, bundle, user_namespace(config()))["dev"]
    for name in (*DEFAULTS, *LINKS):
        assert dev[name].split()[1] == "0:0", name


def test_dev_is_ours_even_if_nothing_was_asked_for(kenro, bundle):
    """No node and no link is ever made in the image."""
    c = config()
    c["mounts"] = [m for m in c["mounts"] if not m["destination"].startswith("/dev")]
    dev = inside(kenro, bundle, c)["dev"]
    assert set(DEFAULTS) <= set(dev)
    assert os.listdir(bundle / "rootfs/dev") == []


def test_dev_that_is_the_hosts_is_left_alone(kenro, bundle):
    c = config()
    c["mounts"] = [m for m in c["mounts"] if not m["destination"].startswith("/dev")]
    c["mounts"].append({"destination": "/dev", "type": "bind", "source": "/dev",
                        "options": ["rbind"]})
    before = sorted(os.listdir("/dev"))
    assert sorted(inside(kenro, bundle, c)["dev"]) == before
    assert sorted(os.listdir("/dev")) == before


def test_devices_of_every_type(kenro, bundle):
    c = config()
    c["linux"]["devices"] = [
        {"path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200, "fileMode": 0o600,
         "uid": 1, "gid": 2},
        {"path": "/dev/blk", "type": "b", "major": 7, "minor": 99},
        {"path": "/dev/pipe", "type": "p", "fileMode": 0o622},
        {"path": "/dev/unbuffered", "type": "u", "major": 1, "minor": 3},
        {"path": "/dev/null", "type": "c", "major": 1, "minor": 3},  # again is fine
    ]
    seen = inside(kenro, bundle, c)["dev"]
    assert seen["blk"] == f"{stat.S_IFBLK | 0o666:o} 0:0 7:99 "
    assert seen["pipe"] == f"{stat.S_IFIFO | 0o622:o} 0:0 0:0 "
    assert seen["unbuffered"] == f"{stat.S_IFCHR | 0o666:o} 0:0 1:3 "
    c["process"]["args"] = ["/bin/stat", "-c", "%a %u:%g %t:%T", "/dev/net/tun"]
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "600 1:2 a:c8\n"


def test_a_device_outside_of_dev(kenro, bundle):
    c = shell("stat -c '%F %t:%T %a' /srv/null; echo x >/srv/null && echo written")
    c["linux"]["devices"] = [{"path": "/srv/null", "type": "c", "major": 1, "minor": 3}]
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "character special file 1:3 666\nwritten\n"
    # what stays in the image is an empty file, no node
    assert stat.S_ISREG(os.stat(bundle / "rootfs/srv/null").st_mode)


OF_EVERY_TYPE = [("c", 1, 3, "character special file"), ("u", 1, 3, "character special file"),
                 ("b", 7, 99, "block special file"), ("p", None, None, "fifo")]


@pytest.mark.parametrize("type,major,minor,text", OF_EVERY_TYPE, ids=lambda x: str(x))
@pytest.mark.parametrize("path", ["/dev/node", "/dev/deep/er/node", "/srv/node", "/srv/deep/node",
                                  "/dev/shm/node"])
@pytest.mark.parametrize("userns", [False, True], ids=["", "userns"])
def test_a_device_of_every_type_everywhere(kenro, bundle, type, major, minor, text, path, userns):
    """In a user namespace too, where the container could not make one."""
    c = shell(f"stat -c '%F %t:%T %a %u:%g' {path}")
    if userns:
        user_namespace(c)
        for d in ("", "deep"):  # the container's root may not make them in ours
            (bundle / "rootfs/srv" / d).mkdir(exist_ok=True)
            os.chown(bundle / "rootfs/srv" / d, 100000, 100000)
    device = {"path": path, "type": type, "fileMode": 0o640, "uid": 4, "gid": 5}
    if major is not None:
        device.update(major=major, minor=minor)
    c["linux"]["devices"] = [device]
    write_config(bundle, c)
    number = f"{major or 0:x}:{minor or 0:x}"
    assert kenro.ok("run", "-b", bundle, "c") == f"{text} {number} 640 4:5\n"


@pytest.mark.parametrize("what", ["file", "directory", "link", "fifo", "number", "type"])
def test_a_clash_with_another_file_names_it(kenro, bundle, what):
    path = bundle / "rootfs/node"
    if what == "file":
        path.write_text("")
    elif what == "directory":
        path.mkdir()
    elif what == "link":
        path.symlink_to("/dev/null")
    elif what == "fifo":
        os.mkfifo(path)
    else:
        os.mknod(path, (stat.S_IFBLK if what == "type" else stat.S_IFCHR) | 0o666,
                 os.makedev(1, 3 if what == "type" else 5))
    c = config()
    c["linux"]["devices"] = [{"path": "/node", "type": "c", "major": 1, "minor": 3}]
    write_config(bundle, c)
    assert kenro.fails("create", "-b", bundle, "c") == \
        "create c: linux.devices (/node): is another file already"


def test_a_device_that_the_image_has_already_is_fine(kenro, bundle):
    os.mknod(bundle / "rootfs/node", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    c = shell("stat -c %t:%T /node")
    c["linux"]["devices"] = [{"path": "/node", "type": "c", "major": 1, "minor": 3}]
    write_config(bundle, c)
    assert kenro.ok("run", "-b", bundle, "c") == "1:3\n"


@pytest.mark.parametrize("path", ["/dev/null", "/dev/stdin"])
def test_a_device_in_place_of_what_is_always_there(kenro, bundle, path):
    """Another device for a default one is a clash; what would be a link gives way."""
    c = shell(f"stat -c %t:%T {path}")
    c["linux"]["devices"] = [{"path": path, "type": "c", "major": 1, "minor": 5}]
    write_config(bundle, c)
    if path == "/dev/null":
        assert "null is another file already" in kenro.fails("create", "-b", bundle, "c")
    else:
        assert kenro.ok("run", "-b", bundle, "c") == "1:5\n"


def test_a_device_where_something_else_is_already_is_refused(kenro, bundle):
    """config-linux.md: an error, not what happens to be there."""
    c = config()
    c["linux"]["devices"] = [{"path": "/etc/passwd", "type": "c", "major": 1, "minor": 3}]
    write_config(bundle, c)
    assert "linux.devices (/etc/passwd): is another file already" in \
        kenro.fails("create", "-b", bundle, "c")
    c["linux"]["devices"] = [{"path": "/dev/zero", "type": "c", "major": 1, "minor": 5},
                             {"path": "/dev/zero", "type": "c", "major": 1, "minor": 9}]
    write_config(bundle, c)
    assert "zero is another file already" in kenro.fails("create", "-b", bundle, "c")


def works(kenro, bundle, rules, action, devices=()):
    """Whether ACTION (a shell command) works under RULES, with every right to make nodes."""
    c = shell(f"mknod /tmp/full c 1 7; {action}")
    for caps in c["process"]["capabilities"]:
        c["process"]["capabilities"][caps] = [*c["process"]["capabilities"][caps], "CAP_MKNOD"]
    c["process"]["noNewPrivileges"] = False
    c["linux"]["resources"]["devices"] = rules
    c["linux"]["devices"] = list(devices)
    write_config(bundle, c)
    return kenro.run("run", "-b", bundle, "c").returncode == 0


DENY = {"allow": False, "access": "rwm"}
LOOP = {"path": "/dev/loop", "type": "b", "major": 7, "minor": 0}


def rule(type, major, minor, access, allow=True):
    r = {"allow": allow, "type": type, "access": access}
    if major is not None:
        r["major"] = major
    if minor is not None:
        r["minor"] = minor
    return r


@pytest.mark.parametrize("rules", [[], [DENY], None])
@pytest.mark.parametrize("action", ["mknod /tmp/tun c 10 200", "mknod /tmp/x c 1 3",
                                    "mknod /tmp/x b 7 0", "cat /dev/loop", "echo >/dev/loop"])
def test_nothing_is_allowed_that_was_not_asked_for(kenro, bundle, rules, action):
    assert not works(kenro, bundle, rules if rules is not None else [], action, [LOOP])


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_default_devices_can_always_be_used(kenro, bundle, name):
    action = f"head -c1 /dev/{name} && echo >/dev/{name}"
    if name == "full":
        action = "head -c1 /dev/full"
    if name == "tty":
        action = "sh -c ': </dev/tty' 2>&1 | grep 'No such device or address'"  # no terminal
    assert works(kenro, bundle, [DENY], action)


@pytest.mark.parametrize("rules,action,expected", [
    ([DENY, rule("c", 1, 11, "m")], "mknod /tmp/kmsg c 1 11", True),
    ([DENY, rule("c", 1, 11, "m")], "mknod /tmp/x c 1 12", False),
    ([DENY, rule("c", 1, None, "m")], "mknod /tmp/x c 1 12", True),
    ([DENY, rule("c", 1, -1, "m")], "mknod /tmp/x c 1 12", True),
    ([DENY, rule("b", 1, None, "m")], "mknod /tmp/x c 1 12", False),
    ([DENY, rule("a", None, None, "m")], "mknod /tmp/x b 9 9", True),
    ([DENY, rule("c", 1, 7, "m"), rule("c", 1, 7, "m", False)], "mknod /tmp/x c 1 7", False),
    ([rule("c", 1, 7, "m", False), rule("c", 1, 7, "m")], "mknod /tmp/x c 1 7", True),
    ([rule("c", 1, 7, "m"), DENY], "mknod /tmp/x c 1 7", False),
    ([{"allow": True, "access": "rwm"}], "mknod /tmp/x b 9 9", True),
    ([DENY, rule("b", 7, 0, "r")], "echo >/dev/loop", False),
])
def test_rules_hold_exactly_and_the_last_decides(kenro, bundle, rules, action, expected):
    assert works(kenro, bundle, rules, action, [LOOP]) == expected


def test_exec_is_under_the_same_rules(kenro, bundle):
    c = config("/bin/sleep", "1000")
    for caps in c["process"]["capabilities"]:
        c["process"]["capabilities"][caps] = [*c["process"]["capabilities"][caps], "CAP_MKNOD"]
    write_config(bundle, c)
    kenro.ok("run", "-d", "-b", bundle, "c")
    r = kenro.run("exec", "c", "/bin/mknod", "/tmp/x", "c", "1", "3")
    assert r.returncode == 1 and "Operation not permitted" in r.stderr


def test_a_rule_without_access_is_refused(kenro, bundle):
    """It would allow nothing, and deny nothing."""
    c = config()
    c["linux"]["resources"]["devices"] = [{"allow": False}]
    write_config(bundle, c)
    assert "linux.resources.devices[0].access: is missing" in kenro.fails("create", "-b", bundle, "c")
