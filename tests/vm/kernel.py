"""The kernels of Debian's suites: qemu boots one, with the image of the other tiers, and no
engine is started. It is for the runtime alone."""

import image
import qemu

HERE = qemu.HERE
SUITES = ("bookworm", "trixie", "sid")
# What tests/vm/kernels and tests/run run with each: more would take too long in a machine that
# is emulated.
FILES = ("test_host.py", "test_kernel.py", "cli/test_notify.py", "cli/test_pause.py")


def kernel(made, suite):
    """The directory of vmlinuz, modules.ext4 and initrd, and of a disk of the image MADE."""
    inputs = [suite, made / "id", HERE / "kernel", HERE / "machine/init"]
    return image.cached(f"kernel-{suite}", inputs, lambda d: make(made, suite, d))


def make(made, suite, directory):
    image.build([HERE / "kernel/make", suite, directory])
    qemu.pack_initrd(directory)
    qemu.make_disk(made, directory)


class Kernel(qemu.Machine):
    suite = None

    def __init__(self, made, payload, directory):
        super().__init__(made, payload, directory)
        qemu.version()
        self.accelerator = qemu.accelerator(made)
        self.kernel = kernel(made, self.suite)

    def start(self):
        boots = self.kernel / "vmlinuz", self.kernel / "initrd"
        modules = f"file={self.kernel}/modules.ext4,if=none,id=modules,format=raw,readonly=on"
        try:
            self.run([*qemu.machine(boots, self.accelerator, "kenro.bare"), *qemu.memory(None, None)],
                     self.kernel / "disk.qcow2", "on",
                     ["-drive", modules, "-device", "virtio-blk-pci,drive=modules"])
            self.stage()
        except qemu.Dead as e:
            raise qemu.Dead(f"{e}\n{self.tail()}") from e
        self.go()


class Bookworm(Kernel):
    suite = "bookworm"


class Trixie(Kernel):
    suite = "trixie"


class Sid(Kernel):
    suite = "sid"
