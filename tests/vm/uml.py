"""The fast tier: Debian's User Mode Linux, in a tree that has the libc which it wants."""

import shlex

from guest import Guest

MEMORY = "1536M"


class Uml(Guest):
    def _command(self, channel):
        """All that the guest writes goes to a tmpfs of its own: the image is shared. As the
        first process of a pid namespace the kernel could not abort when it panics."""
        kernel = [
            "/usr/bin/linux.uml", f"mem={MEMORY}", "uml_dir=/tmp/", "ubd0=/tmp/cow,/image/root.ext4", "ubd1r=/payload/tar",
            "root=/dev/ubda", "rw", "con=null", "con0=null,fd:1", "ssl=null", f"ssl0=fd:{channel}",
            "seccomp=auto", "lsm=capability,landlock,yama,apparmor,bpf", "quiet", "panic=-1", "systemd.show_status=0",
            "systemd.journald.forward_to_console=1", "systemd.journald.max_level_console=warning",
            "kenro.channel=/dev/ttyS0", "kenro.payload=/dev/ubdb",
        ]
        tree, image, payload = (shlex.quote(str(p)) for p in (self.image / "uml", self.image, self.payload))
        script = (f"mount --bind {image} {tree}/image && mount -t tmpfs tmpfs {tree}/payload && "
                  f"touch {tree}/payload/tar && mount --bind {payload} {tree}/payload/tar && "
                  f"mount -t tmpfs tmpfs {tree}/tmp && mount -t tmpfs tmpfs {tree}/dev/shm && "
                  f"mount -t proc proc {tree}/proc && chroot {tree} {shlex.join(kernel)}; exit $?")
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script]
