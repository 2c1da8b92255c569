"""What guests are made of: built from Debian's packages once, and kept in a cache.

An artefact is a directory, named by a hash of all that it is made from. It is built
under another name, so that one that is there is whole."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from mortal import mortal

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("KENRO_VM_CACHE") or Path.home() / ".cache/kenro/vm")
SUITES = ("trixie", "sid")  # of Debian's; what is not said otherwise is the first
KEEP = 14 * 24 * 3600  # seconds an artefact stays that nobody uses


def digest(inputs):
    """A hash of INPUTS: strings, and paths of files and directories, which stand for what
    they contain."""
    found = hashlib.sha256()
    for given in inputs:
        if isinstance(given, str):
            found.update(f"string {len(given)} {given}\n".encode())
            continue
        files = sorted(p for p in given.rglob("*") if not p.is_dir()) if given.is_dir() else [given]
        for path in files:
            content = path.read_bytes()
            mode = path.stat().st_mode & 0o111
            name = path.relative_to(given.parent)
            found.update(f"file {name} {mode:o} {len(content)}\n".encode() + content)
    return found.hexdigest()[:16]


def cached(name, inputs, make):
    """The directory that make(DIRECTORY) fills: made once for the same INPUTS, however many
    ask at a time."""
    path = CACHE / f"{name}-{digest(inputs)}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / f"{path.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock.fileno(), True)  # a build that has lost its parent holds it still
        if not path.exists():
            begin = time.monotonic()
            print(f"building {path.name} ...", file=sys.stderr, flush=True)
            unfinished = path.with_suffix(".new")
            remove(unfinished)
            unfinished.mkdir()
            make(unfinished)
            unfinished.rename(path)
            prune(name, path)
            print(f"built in {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
        os.utime(path)  # the day of the last use
    return path


def remove(path):
    subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)


def prune(name, keep):
    """Remove the artefacts called NAME that nobody has used for long."""
    for path in CACHE.glob(f"{name}-*"):
        if path.is_dir() and path != keep and time.time() - path.stat().st_mtime > KEEP:
            remove(path)
            path.with_suffix(".lock").unlink(missing_ok=True)


def image(suite=SUITES[0]):
    """The directory of root.ext4, vmlinuz, uml and id, of a suite of Debian's: see image/make."""
    missing = [p for p in ("mmdebstrap", "mkfs.ext4", "depmod") if shutil.which(p) is None]
    if missing:
        raise FileNotFoundError(f"no {' '.join(missing)}: tests/lib/packages installs what make test-vm needs")
    return cached(f"image-{suite}", [HERE / "image", HERE.parent / "lib/busybox-rootfs", suite],
                  lambda d: build([HERE / "image/make", d, suite]))


def build(command):
    """Run COMMAND: its mounts and its processes do not outlive it, nor this process."""
    namespaces = ["unshare", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]
    subprocess.run(mortal([*namespaces, *command]), check=True, close_fds=False, stdin=subprocess.DEVNULL)
