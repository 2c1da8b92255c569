"""Run kenro and its peers in one tree, turn and turn about, and take the time."""

import json
import os
import resource
import select
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
CONFIG = TESTS / "fixtures/engine/podman-default.json"
RUNTIMES = {
    "kenro": "/usr/local/sbin/kenro",
    "crun": "/usr/bin/crun",
    "runc": "/usr/sbin/runc",
}
FLOOR = "spawn alone"  # a program without any runtime
WORKERS = 2
SLEEP = ["/bin/sleep", "1000000"]
TRUE = ["/bin/true"]


class Sample:
    """What one command took."""

    def __init__(self, ns, rss_kb, faults):
        self.ms, self.rss_kb, self.faults = ns / 1e6, rss_kb, faults


class Timer:
    """The process inside of the tree that runs the commands: see timer.c."""

    def __init__(self, tree, errors):
        # A session of its own: it must outlive an interruption, to clean up.
        self.process = subprocess.Popen(
            [TESTS / "lib/enter-tree", tree, "/bench/timer"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=errors, text=True, start_new_session=True)
        self.inside = Path(f"/proc/{self.process.pid}/root")
        self.asked = 0

    def ask(self, *words):
        self.asked += 1
        self.process.stdin.write("\t".join([str(self.asked), *words]) + "\n")
        self.process.stdin.flush()
        # An interruption may have left an older answer.
        while line := self.process.stdout.readline():
            n, ns, status, rss_kb, faults = map(int, line.split())
            if n == self.asked:
                return status, Sample(ns, rss_kb, faults)
        raise RuntimeError("the timer has died")

    def run(self, *argv):
        status, sample = self.ask("run", *argv)
        if status != 0:
            raise RuntimeError(f"status {status}: {' '.join(argv)}")
        return sample

    def reap(self, pid):
        self.ask("reap", str(pid))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Runtime:
    """One of the runtimes, with bundles of its own, used through one timer."""

    def __init__(self, name, worker, timer, config, group):
        self.name, self.timer, self.group = name, timer, f"{group}/{name}-{worker}"
        self.config = json.loads(json.dumps(config))
        self.bundles = f"/bench/{name}-{worker}"
        self.made = set()  # ids that may have to be deleted
        self.write("true", TRUE)
        self.write("sleep", SLEEP)

    def write(self, bundle, args, cgroup="one"):
        path = Path(f"{self.timer.inside}{self.bundles}/{bundle}")
        path.mkdir(parents=True, exist_ok=True)
        self.config["process"]["args"] = args
        self.config["linux"]["cgroupsPath"] = f"{self.group}-{cgroup}"
        (path / "config.json").write_text(json.dumps(self.config, indent="\t"))

    def command(self, *args):
        return self.timer.run(RUNTIMES[self.name], "--root", f"/run/{self.name}", *args)

    def create(self, verb, id, bundle, *options):
        self.made.add(id)
        return self.command(verb, "--bundle", f"{self.bundles}/{bundle}", "--pid-file",
                            f"/run/{self.name}.pid", *options, id)

    def delete(self, id, *options):
        sample = self.command("delete", *options, id)
        self.made.discard(id)
        return sample

    def run_true(self, id="r"):
        sample = self.create("run", id, "true")
        self.made.discard(id)
        return sample

    def pid(self):
        return int(Path(f"{self.timer.inside}/run/{self.name}.pid").read_text())

    def reap(self):
        self.timer.reap(self.pid())

    def waiting_rss(self):
        """Resident kB of the process that waits to be started."""
        status = Path(f"/proc/{self.pid()}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def new_profile(self, number):
        """A rule that no profile had before: whoever caches by content compiles again."""
        rule = {"names": ["personality"], "action": "SCMP_ACT_ALLOW",
                "args": [{"index": 0, "value": 1000 + number, "op": "SCMP_CMP_EQ"}]}
        syscalls = self.config["linux"]["seccomp"]["syscalls"]
        if number > 0:
            syscalls.pop()
        syscalls.append(rule)
        self.write("true", TRUE)


class Bench:
    """The tree, what was made in it, and the samples: {operation: {runtime: [...]}}."""

    def __init__(self, tree, timer_program, kenro):
        self.tree, self.group = tree, f"/kenro-bench-{os.getpid()}"
        self.samples, self.waiting, self.rates = {}, {}, {}
        self.turn = 0
        self.errors = tempfile.TemporaryFile()
        self.timers, self.runtimes = [], []
        self.prepare_tree(timer_program, kenro)

    def prepare_tree(self, timer_program, kenro):
        """Copies: others may build while this runs. Stripped, as Debian's packages are."""
        subprocess.run(["strip", "-o", f"{self.tree}{RUNTIMES['kenro']}", kenro], check=True)
        bench = self.tree / "bench"
        shutil.rmtree(bench, ignore_errors=True)
        bench.mkdir()
        shutil.copy2(timer_program, bench / "timer")
        subprocess.run([TESTS / "lib/busybox-rootfs", bench / "rootfs"], check=True)
        files = bench / "files"
        (files / "shm").mkdir(parents=True)
        for name in ("hosts", "hostname", ".containerenv"):
            (files / name).write_text("kenro-bench\n")

    def start(self):
        config = engine_config()
        for worker in range(WORKERS):
            timer = Timer(self.tree, self.errors)
            self.timers.append(timer)
            timer.run("/bin/mkdir", "-p", f"/sys/fs/cgroup{self.group}")
            self.runtimes.append([Runtime(name, worker, timer, config, self.group)
                                  for name in RUNTIMES])

    def each(self, operation, function):
        """Let every runtime do it once; each time another one begins. OPERATION is
        where the samples go, or None."""
        runtimes = self.runtimes[0]
        self.turn += 1
        for i in range(len(runtimes)):
            runtime = runtimes[(self.turn + i) % len(runtimes)]
            sample = function(runtime)
            if operation:
                by_name = self.samples.setdefault(operation, {})
                by_name.setdefault(runtime.name, []).append(sample)

    def short(self, iterations, warm_up):
        """Every command of a container's life, and the floor: a program alone."""
        for i in range(warm_up + iterations):
            self.cycle(lambda operation: operation if i >= warm_up else None)

    def cycle(self, name):
        self.each(name(FLOOR), lambda r: r.timer.run("/bench/rootfs/bin/true"))
        self.each(name("--version"), lambda r: r.timer.run(RUNTIMES[r.name], "--version"))
        self.each(name("run"), lambda r: r.run_true())
        self.each(name("create"), lambda r: r.create("create", "c", "sleep"))
        if name("create"):
            for r in self.runtimes[0]:
                self.waiting.setdefault(r.name, []).append(r.waiting_rss())
        self.each(name("state"), lambda r: r.command("state", "c"))
        self.each(name("start"), lambda r: r.command("start", "c"))
        self.each(name("exec"), lambda r: r.command("exec", "c", "/bin/true"))
        self.each(name("kill"), lambda r: r.command("kill", "c", "KILL"))
        self.each(None, lambda r: r.reap())
        self.each(name("delete"), lambda r: r.delete("c"))
        self.each(None, lambda r: r.create("run", "f", "sleep", "--detach"))
        self.each(name("delete --force"), lambda r: r.delete("f", "--force"))
        self.each(None, lambda r: r.reap())

    def new_profiles(self, iterations):
        for i in range(iterations):
            self.each(None, lambda r: r.new_profile(i))
            self.each("run, new profile", lambda r: r.run_true())

    def throughput(self, rounds, runs):
        """Containers a second of two workers at once, by rounds of one runtime each."""
        def work(runtime):
            for i in range(runs):
                runtime.run_true(f"p{runtime.group.rpartition('-')[2]}")

        for _ in range(rounds):
            for together in zip(*self.runtimes):
                threads = [threading.Thread(target=work, args=[r]) for r in together]
                start = time.monotonic()
                for t in threads:
                    t.start()
                for t in threads:
                    t.join()
                rate = WORKERS * runs / (time.monotonic() - start)
                self.rates.setdefault(together[0].name, []).append(rate)

    def many(self, count, iterations):
        """`list` with COUNT running containers of each runtime."""
        if count == 0:
            return
        for r in self.runtimes[0]:
            for i in range(count):
                r.write("sleep", SLEEP, f"many{i}")
                r.create("run", f"m{i}", "sleep", "--detach")
        for i in range(iterations):
            self.each(f"list of {count}", lambda r: r.command("list"))
        self.kill_all()
        for r in self.runtimes[0]:
            for i in range(count):
                r.delete(f"m{i}", "--force")

    def cgroup(self):
        return Path(f"{self.timers[0].inside}/sys/fs/cgroup{self.group}")

    def kill_all(self):
        """Everything in our own group, all at once."""
        (self.cgroup() / "cgroup.kill").write_text("1")
        with open(self.cgroup() / "cgroup.events") as events:
            change = select.poll()
            change.register(events, select.POLLPRI)
            while "populated 1" in events.read():
                change.poll()
                events.seek(0)

    def close(self):
        """Take back whatever is left."""
        if self.timers and self.cgroup().exists():
            self.kill_all()
            for r in [r for of_worker in self.runtimes for r in of_worker]:
                for id in list(r.made):
                    r.timer.ask("run", RUNTIMES[r.name], "--root", f"/run/{r.name}", "delete",
                                "--force", id)
            for path, _, _ in os.walk(self.cgroup(), topdown=False):
                os.rmdir(path)
        for timer in self.timers:
            timer.close()

    def last_error(self):
        self.errors.seek(0)
        return "".join(self.errors.read().decode(errors="replace").splitlines(True)[-3:])


def engine_config():
    """What Podman sends by default, without what this machine lacks or another's paths."""
    c = json.loads(CONFIG.read_text())
    c["root"]["path"] = "/bench/rootfs"
    del c["linux"]["resources"]["pids"]  # there may be no such controller in cgroup2
    for mount in c["mounts"]:
        if mount["type"] == "bind":
            mount["source"] = "/bench/files/" + Path(mount["source"]).name
    for limit in c["process"]["rlimits"]:
        hard = resource.getrlimit(getattr(resource, limit["type"]))[1]
        if hard != resource.RLIM_INFINITY:
            limit["hard"] = min(limit["hard"], hard)
            limit["soft"] = min(limit["soft"], hard)
    return c
