"""A root file system of Debian, made by debootstrap: interactively, detached and
through exec, what people do in such a container works."""

import json
import os
import pty
import subprocess

import pytest

from console import read_until
from kenrotest import config, debian_tree, shell, user_namespace, write_config

ENV = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm",
       "LANG=C.UTF-8"]


@pytest.fixture
def debian(tmp_path):
    """Writes a bundle of Debian for a configuration, on a writable layer."""
    tree = debian_tree("bookworm")
    root = tmp_path / "bundle/rootfs"
    root.mkdir(parents=True)
    for d in ("upper", "work"):
        (tmp_path / d).mkdir()
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o",
                    f"lowerdir={tree},upperdir={tmp_path}/upper,workdir={tmp_path}/work", root],
                   check=True)

    def write(c):
        c["process"]["env"] = ENV
        write_config(tmp_path / "bundle", c)
        return tmp_path / "bundle"
    yield write
    subprocess.run(["umount", root], check=True)


def test_a_shell_at_a_terminal(debian, kenro):
    bundle = debian(config("/bin/bash", terminal=True))
    master, slave = pty.openpty()
    p = kenro.popen("run", "-b", bundle, "c", stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    os.write(master, b"echo $((6 * 7)) $PPID $(tty)\n")
    assert "42 0 /dev/pts/0" in read_until(master, "42 0 /dev/pts/0")
    os.write(master, b"stty rows 50 cols 132; stty size; sh -c 'echo rea''dy; exec sleep 100'\n")
    assert "50 132" in read_until(master, "ready")
    os.write(master, b"\x03")  # job control: the terminal is the shell's
    os.write(master, b"exit 7\n")
    read_until(master, None)
    os.close(master)
    assert p.wait(60) == 7


def test_detached_and_exec(debian, kenro, tmp_path):
    bundle = debian(config("/usr/bin/sleep", "1000"))
    kenro.ok("run", "-d", "-b", bundle, "c")
    assert kenro.status("c") == "running"
    assert "Debian GNU/Linux 12" in kenro.ok("exec", "c", "cat", "/etc/os-release")
    assert kenro.ok("exec", "c", "dpkg-query", "-W", "-f", "${Status}", "bash") == \
        "install ok installed"
    assert kenro.ok("exec", "-u", "1000:100", "c", "id").split()[:2] == \
        ["uid=1000", "gid=100(users)"]
    out = kenro.ok("exec", "c", "bash", "-c", "su -s /bin/bash nobody -c 'id -un; echo $HOME'")
    assert out.split() == ["nobody", "/nonexistent"]
    document = {"args": ["perl", "-e", "print 6 * 7; exit 3"], "cwd": "/tmp", "env": ENV,
                "user": {"uid": 0, "gid": 0}}
    (tmp_path / "p.json").write_text(json.dumps(document))
    r = kenro.run("exec", "--process", tmp_path / "p.json", "c")
    assert (r.returncode, r.stdout, r.stderr) == (3, "42", "")
    kenro.ok("delete", "-f", "c")


LIKE_A_DOCKERFILE = """
set -e
adduser --quiet --system --group --home /srv/svc svc
install -o svc -g svc -m 2750 -d /srv/data
stat -c '%U %G %a' /srv/data
mkdir -p /tmp/p/DEBIAN
cat >/tmp/p/DEBIAN/control <<END
Package: p
Version: 1
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: an empty package
END
dpkg-deb --root-owner-group -b /tmp/p /tmp/p.deb >/dev/null
dpkg -i /tmp/p.deb >/dev/null
dpkg -s p | grep ^Status
setpriv --reuid svc --regid svc --clear-groups id -un
"""


def test_users_owners_and_packages(debian, kenro):
    out = kenro.ok("run", "-b", debian(shell(LIKE_A_DOCKERFILE)), "c")
    assert out.splitlines() == ["svc svc 2750", "Status: install ok installed", "svc"]


def test_in_a_user_namespace(debian, kenro):
    """The tree belongs to nobody there: read-only use works."""
    out = kenro.ok("run", "-b", debian(user_namespace(shell("id -u; ls -ldn / | cut -d' ' -f3;"
                                                            " perl -e 'print 6 * 7'"))), "c")
    assert out.split() == ["0", "65534", "42"]
