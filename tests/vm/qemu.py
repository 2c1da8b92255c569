"""The full tier: qemu, resumed from a snapshot of a guest that is up and has its engines
running.

A snapshot is the file of the machine's memory, which sessions map for themselves alone,
the state of its devices, and what it has written to its disk. Nothing of a session is in
a file that has a name: what it writes is qemu's own and gone with it."""

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import image
from guest import Dead, Guest
from mortal import mortal

HERE = Path(__file__).resolve().parent
QEMU = "qemu-system-x86_64"
NEEDED = (QEMU, "qemu-img", "debugfs", "cpio", "setpriv", "busybox")
MEMORY = "2048M"
RUNS = b"kenro runs"  # machine/init says so to who probes
PROBE = 5    # seconds for a kernel to come up with KVM, or KVM is none
WARM = 600   # seconds for each step that precedes the snapshot
RESUME = 180  # for what qemu does itself

# Without cx16=off kernels panic early on a loaded machine: qemu 7.2 emulates it badly.
ACCELERATORS = {
    "kvm": ["-accel", "kvm", "-cpu", "host"],
    "tcg": ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off,cx16=off"],
}
KERNEL = ("console=ttyS0 quiet panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check audit=0 "
          "nowatchdog rcupdate.rcu_expedited=1 random.trust_cpu=on systemd.show_status=0 "
          "systemd.journald.forward_to_console=1 systemd.journald.max_level_console=warning")


def version():
    missing = [p for p in NEEDED if shutil.which(p) is None]
    if missing:
        raise FileNotFoundError(f"no {' '.join(missing)}: tests/lib/packages installs what make test-vm needs")
    return subprocess.run([QEMU, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout


# ---- what a machine is made of ----------------------------------------------------

def initrd(made):
    """The directory of an initrd for the image MADE: with busybox and the driver of its disk."""
    return image.cached("initrd", [made / "id", HERE / "machine/init"], lambda d: make_initrd(made, d))


def make_initrd(made, directory):
    def debugfs(command):
        return subprocess.run(["debugfs", "-R", command, made / "root.ext4"], check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout

    kernel = re.search(r"/([^/]*-cloud-[^/]*)/", debugfs("ls -p /usr/lib/modules"))[1]
    drivers = directory / "drivers"
    drivers.mkdir()
    driver = drivers / "virtio_blk.ko.xz"
    debugfs(f"dump /usr/lib/modules/{kernel}/kernel/drivers/block/virtio_blk.ko.xz {driver}")
    subprocess.run(["xz", "-d", driver], check=True)
    pack_initrd(directory)


def pack_initrd(directory):
    """DIRECTORY/initrd: with busybox and DIRECTORY/drivers, to be loaded in the order of their names."""
    tree = directory / "tree"
    for d in ("bin", "dev", "proc", "root"):
        (tree / d).mkdir(parents=True)
    (directory / "drivers").rename(tree / "drivers")
    shutil.copy(shutil.which("busybox"), tree / "bin/busybox")
    for name in ("mount", "umount", "grep", "poweroff", "insmod", "switch_root"):
        (tree / "bin" / name).symlink_to("busybox")
    shutil.copy(HERE / "machine/init", tree / "init")
    subprocess.run("find . | cpio -o -H newc -R 0:0 --quiet >../initrd", shell=True, cwd=tree, check=True)
    shutil.rmtree(tree)


def own(made):
    """The kernel of the image MADE, and the initrd for it."""
    return made / "vmlinuz", initrd(made) / "initrd"


def machine(boots, accelerator, append=""):
    """Of qemu's arguments, what all machines have; BOOTS is a kernel and its initrd."""
    vmlinuz, first = boots
    return [QEMU, *ACCELERATORS[accelerator], "-smp", "2", "-m", MEMORY, "-machine", "q35,memory-backend=ram",
            "-nodefaults", "-display", "none", "-no-reboot", "-serial", "stdio", "-device", "virtio-rng-pci",
            "-kernel", vmlinuz, "-initrd", first, "-append", f"{KERNEL} {append}"]


def memory(path, shared):
    """The machine's, in the file PATH, or in none."""
    kind = f"memory-backend-file,mem-path={path},share={shared}" if path else "memory-backend-ram"
    return ["-object", f"{kind},id=ram,size={MEMORY}"]


# ---- may it be KVM? ----------------------------------------------------------------

def accelerator(made):
    """kvm if a kernel comes up with it in time: asked once after each boot of this host."""
    def probe(directory):
        (directory / ("kvm" if kvm_works(machine(own(made), "kvm", "kenro.probe")) else "tcg")).touch()

    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    asked = image.cached("kvm", [boot, version(), made / "id", HERE / "machine"], probe)
    return next(asked.iterdir()).name


def kvm_works(command, seconds=PROBE):
    """Whether a machine boots within SECONDS. Some have a /dev/kvm with which all hangs, so
    nothing here waits without a limit."""
    with tempfile.TemporaryFile() as console, tempfile.TemporaryDirectory() as directory:
        p = subprocess.Popen(mortal([*command, *memory(f"{directory}/ram", "on")]), stdin=subprocess.DEVNULL,
                             stdout=console, stderr=subprocess.DEVNULL)
        try:
            p.wait(seconds)
        except subprocess.TimeoutExpired:
            p.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                p.wait(seconds)
        console.seek(0)
        return RUNS in console.read()


# ---- a machine that runs -----------------------------------------------------------

class Monitor:
    """qemu's, by its protocol of JSON lines."""

    def __init__(self, connection):
        connection.settimeout(RESUME)
        with connection:
            self.lines = connection.makefile("rw")
        self.hear()
        self("qmp_capabilities")
        self("migrate-set-capabilities", capabilities=[
            {"capability": name, "state": True} for name in ("events", "x-ignore-shared")])

    def hear(self):
        try:
            line = self.lines.readline()
        except OSError as e:
            raise Dead(f"qemu says nothing: {e}") from e
        if not line:
            raise Dead("qemu has ended")
        return json.loads(line)

    def __call__(self, command, **arguments):
        self.lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.lines.flush()
        while "event" in (answer := self.hear()):
            pass
        if "error" in answer:
            raise Dead(f"qemu refuses {command}: {answer['error']['desc']}")

    def migrated(self):
        """Wait until the state of the machine is where it was told to go."""
        while True:
            status = self.hear().get("data", {}).get("status")
            if status == "failed":
                raise Dead("qemu can neither save nor resume this machine")
            if status == "completed":
                return


class Machine(Guest):
    """One with a monitor."""

    monitor = None

    def run(self, command, disk, throwaway, more=()):
        """DISK is the first, what MORE arguments say comes behind it."""
        ours, theirs = socket.socketpair()
        monitor, its = socket.socketpair()
        # Nobody writes to the image, but User Mode Linux locks it for reading as a whole.
        command = [
            *command, "-drive", f"file={disk},if=none,id=root,format=qcow2,cache=unsafe,"
            f"snapshot={throwaway},backing.file.locking=off", "-device", "virtio-blk-pci,drive=root", *more,
            "-chardev", f"socket,id=channel,fd={theirs.fileno()}", "-device", "virtio-serial-pci",
            "-device", "virtserialport,chardev=channel,nr=1",
            "-chardev", f"socket,id=monitor,fd={its.fileno()}", "-mon", "chardev=monitor,mode=control",
        ]
        self.channel = ours
        self.channel.settimeout(WARM)
        with theirs, its, open(self.console, "wb") as console:
            self.process = subprocess.Popen(
                mortal(command), stdin=subprocess.DEVNULL, stdout=console, stderr=console,
                pass_fds=[theirs.fileno(), its.fileno()], start_new_session=True)
        self.monitor = Monitor(monitor)

    def stage(self):
        """Have the guest run machine/stage.py, until it waits for the payload."""
        stage = (HERE / "machine/stage.py").read_text()
        self.send(f"{len(stage.encode())}\n{stage.removesuffix(chr(10))}")
        while (line := self.line(WARM)).startswith("step "):
            pass
        if line != "warm":
            raise Dead(f"the guest says {line!r}")

    def go(self):
        """Send it the payload: the agent is in there."""
        with open(self.payload, "rb") as payload:
            self.send(f"go {time.time()} {os.fstat(payload.fileno()).st_size}")
            try:
                self.channel.sendfile(payload)
            except OSError as e:
                raise Dead(f"the guest does not take its payload: {e}") from e

    def stop(self):
        super().stop()
        if self.monitor is not None:
            self.monitor.lines.close()


class Qemu(Machine):
    """One that is resumed from the snapshot."""

    def __init__(self, made, payload, directory):
        super().__init__(made, payload, directory)
        self.accelerator = accelerator(made)
        self.saved = snapshot(made, self.accelerator)

    def start(self):
        try:
            self.run([*machine(own(self.image), self.accelerator), *memory(self.saved / "ram", "off"),
                      "-incoming", "defer"], self.saved / "disk.qcow2", "on")
            self.monitor("migrate-incoming", uri=f"exec:cat {shlex.quote(str(self.saved / 'state'))}")
            self.monitor.migrated()
        except Dead as e:
            raise Dead(f"{e}; if that stays so, remove {self.saved}\n{self.tail()}") from e
        self.go()


# ---- the snapshot ------------------------------------------------------------------

def snapshot(made, accel):
    """The directory of ram, state and disk.qcow2, the snapshot of a machine that is warm."""
    inputs = [version(), made / "id", HERE / "machine", HERE / "qemu.py", accel]
    if accel == "kvm":  # whose machines know the host's processor
        inputs += sorted(set(re.findall(r"^(?:model name|microcode|flags).*", Path("/proc/cpuinfo").read_text(), re.M)))
    return image.cached("snapshot", inputs, lambda d: save(made, accel, d))


def make_disk(made, directory):
    """A disk of the image MADE, for what is written to it."""
    disk = directory / "disk.qcow2"
    # By a relative path: both are in the same cache, wherever that is.
    base = os.path.relpath(made, directory)
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", f"{base}/root.ext4", disk],
                   check=True)
    return disk


def save(made, accel, directory):
    """Boot a machine, have it made warm, and stop it for good."""
    disk = make_disk(made, directory)
    warm = Machine(made, None, directory)
    try:
        warm.run([*machine(own(made), accel), *memory(directory / "ram", "on")], disk, "off")
        warm.stage()
        # It must be running now: one that has been stopped would resume stopped.
        warm.monitor("migrate", uri=f"exec:cat >{shlex.quote(str(directory / 'state'))}")
        warm.monitor.migrated()
        warm.monitor("quit")
        warm.process.wait(RESUME)
    except Dead as e:
        raise Dead(f"{e}\n{warm.tail()}") from e
    finally:
        warm.stop()
