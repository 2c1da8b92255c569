"""A Linux of Debian's, User Mode Linux: what this machine's kernel does not have."""

import shutil
import subprocess
from pathlib import Path

import pytest

import kenrotest

PACKAGES = ("user-mode-linux", "apparmor", "checkpolicy")
BOOT = 120  # seconds for all that is done in one guest

# The tree is read-only here; what comes from the host, and goes back, is at /mnt.
INIT = """#!/bin/bash
export PATH=/mnt/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc; mount -t sysfs sys /sys
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs /tmp
mount -t securityfs sec /sys/kernel/security; mount -t cgroup2 none /sys/fs/cgroup
mount -t hostfs -o hostfs=/mnt none /mnt
cp -a /mnt/bundle /tmp; cd /tmp/bundle
. /mnt/prepare >/mnt/prepared 2>&1
for step in /mnt/steps/*; do
    sh "$step" >"/mnt/results/${step##*/}" 2>&1
    echo $? >>"/mnt/results/${step##*/}"
done
echo o >/proc/sysrq-trigger; sleep 5
"""


def boot(directory, kernel, prepare, steps):
    """Run PREPARE and the shell commands STEPS, {name: command}, in a guest whose kernel
    has the arguments KERNEL; they begin in a copy of DIRECTORY/bundle, and see DIRECTORY
    at /mnt. Returns {name: (output, status)}."""
    binary = Path(kenrotest.KENRO)
    if b"statically linked" not in subprocess.run(["ldd", binary], capture_output=True).stdout:
        pytest.skip("the guest needs a kenro that is linked statically")
    tree = kenrotest.debian_tree("sid", *PACKAGES, name="uml")
    for d in ("bin", "steps", "results"):
        (directory / d).mkdir()
    shutil.copy(binary, directory / "bin/kenro")
    (directory / "init").write_text(INIT)
    (directory / "init").chmod(0o755)
    (directory / "prepare").write_text(prepare)
    for i, (name, command) in enumerate(steps.items()):
        (directory / f"steps/{i:02}-{name}").write_text(command)
    # The process of the kernel needs a place for its memory, and /proc.
    script = (f"mount --bind {directory} {tree}/mnt && mount -t tmpfs tmpfs {tree}/tmp && "
              f"mount -t tmpfs tmpfs {tree}/dev/shm && mount -t proc proc {tree}/proc && "
              f"exec chroot {tree} /usr/bin/linux.uml mem=512M rootfstype=hostfs ro "
              f"root=/dev/root rootflags=/ init=/mnt/init con=null con0=fd:0,fd:1 quiet {kernel}")
    p = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script],
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=BOOT)
    found = {}
    for path in sorted((directory / "results").iterdir()):
        output, _, status = path.read_text().rstrip("\n").rpartition("\n")
        found[path.name[3:]] = (output, int(status))
    assert found.keys() == steps.keys(), p.stdout.decode(errors="replace")[-2000:]
    return found
