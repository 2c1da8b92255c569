"""What of the runtime's own binary a container can come near to."""

import fcntl
import os

import pytest

from kenrotest import config, write_config

F_GET_SEALS = 1034
F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_FUTURE_WRITE = 1, 2, 4, 16


def test_init_waits_as_a_sealed_copy(kenro, bundle):
    write_config(bundle, config("/bin/true"))
    kenro.ok("create", "-b", bundle, "c")
    exe = f"/proc/{kenro.pid('c')}/exe"
    assert os.readlink(exe).startswith("/memfd:")
    fd = os.open(exe, os.O_RDONLY)
    seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE
    assert fcntl.fcntl(fd, F_GET_SEALS) & seals == seals
    os.close(fd)
    with pytest.raises(OSError):
        fd = os.open(exe, os.O_RDWR)  # as long as it runs: ETXTBSY
        os.write(fd, b"#!")
    assert os.stat(exe).st_ino != os.stat(kenro.binary).st_ino


def test_the_image_may_not_be_executed_again_by_a_link(kenro, bundle):
    """CVE-2019-5736: the program is a link to /proc/self/exe."""
    os.symlink("/proc/self/exe", bundle / "rootfs/bin/self")
    write_config(bundle, config("/bin/self"))
    line = kenro.fails("create", "-b", bundle, "c")
    assert 'exec "/bin/self": permission denied' in line
    write_config(bundle, config("/bin/sleep", "100"))
    kenro.ok("run", "-d", "-b", bundle, "c")
    # who looks for the program of an exec is not in the container's /proc
    assert 'exec "/bin/self": no such file or directory' in \
        kenro.fails("exec", "c", "/bin/self", status=255)
