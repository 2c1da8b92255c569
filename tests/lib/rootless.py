"""An ordinary user of this machine, who exists only in the private mount namespace of
each command: its files of users and ids lie over the machine's there."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from kenrotest import KENRO, Runtime, config, make_bundle

UID = 4711
SUBIDS = (200000, 65536)

# $1 is the directory of those files, $2 a cgroup to be in, or empty.
AS_USER = """
for f in passwd group subuid subgid; do
    [ ! -e /etc/$f ] || mount --bind "$1/$f" /etc/$f || exit 99
done
[ -z "$2" ] || echo $$ >"$2/cgroup.procs" || exit 99
shift 2
exec setpriv --reuid {uid} --regid {uid} {groups} --inh-caps=-all -- "$@"
"""


class User(Runtime):
    """kenro as this user calls it, with the default directory of containers."""

    def __init__(self, uid=UID):
        self.uid = uid
        self.home = Path(tempfile.mkdtemp(prefix="kenro-test-user-", dir="/tmp"))
        self.home.chmod(0o755)
        self.etc, self.run_dir = self.home / "etc", self.own("run", 0o700)
        self.etc.mkdir()
        for name, line in (("passwd", f"tester:x:{uid}:{uid}::/:/bin/sh"),
                           ("group", f"tester:x:{uid}:")):
            (self.etc / name).write_text(Path("/etc", name).read_text() + line + "\n")
        for name in ("subuid", "subgid"):
            (self.etc / name).write_text("tester:%d:%d\n" % SUBIDS)
        self.env = {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(self.run_dir)}
        self.cgroup = ""
        self.groups = "--clear-groups"
        shutil.copy2(KENRO, self.home / "kenro")
        super().__init__(self.run_dir / "kenro", str(self.home / "kenro"))

    def own(self, name, mode=0o755):
        path = self.home / name
        path.mkdir()
        os.chown(path, self.uid, self.uid)
        path.chmod(mode)
        return path

    def give(self, path):
        subprocess.run(["chown", "-R", f"{self.uid}:{self.uid}", path], check=True)

    def bundle(self, c, name="bundle"):
        path = self.home / name
        make_bundle(path, c)
        self.give(path)
        return path

    def prefix(self):
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                AS_USER.format(uid=self.uid, groups=self.groups), "sh", str(self.etc), str(self.cgroup)]

    def command(self, *args):
        return [*self.prefix(), self.binary, *map(str, args)]

    def run(self, *args, **kw):
        kw.setdefault("env", self.env)
        kw.setdefault("cwd", self.home)
        return super().run(*args, **kw)

    def close(self):
        shutil.rmtree(self.home)


def mapped(c, *, size=1, uid=UID):
    """A user namespace of the caller's own id, and SIZE - 1 of those in /etc/subuid."""
    c["linux"]["namespaces"].append({"type": "user"})
    mapping = [{"containerID": 0, "hostID": uid, "size": 1}]
    if size > 1:
        mapping.append({"containerID": 1, "hostID": SUBIDS[0], "size": size - 1})
    else:
        for m in c["mounts"]:
            m["options"] = [o for o in m["options"] if o != "gid=5"]
    c["linux"]["uidMappings"] = mapping
    c["linux"]["gidMappings"] = mapping
    return c


def rootless(*args, **process):
    return mapped(config(*args, **process))
