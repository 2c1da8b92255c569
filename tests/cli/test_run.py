"""run: from a bundle to an exit status."""

import os
import signal
import subprocess

import pytest

from kenrotest import config, shell, wait_until, write_config


def test_output_and_status_are_the_programs(kenro, bundle):
    write_config(bundle, shell("echo out; echo err >&2; exit 7"))
    r = kenro.run("run", "--bundle", bundle, "c")
    assert (r.returncode, r.stdout, r.stderr) == (7, "out\n", "err\n")


def test_a_killed_program_gives_128_and_the_signal(kenro, bundle):
    write_config(bundle, config("/bin/sh", "-c", "kill -KILL $$; sleep 100", ))
    c = shell("sh -c 'kill -TERM $$'; exit $?")
    write_config(bundle, c)
    assert kenro.run("run", "-b", bundle, "c").returncode == 128 + signal.SIGTERM


def test_an_init_that_is_killed_gives_137(kenro, bundle):
    write_config(bundle, config("/bin/sleep", "1000"))
    p = kenro.popen("run", "-b", bundle, "c")
    wait_until(lambda: "c" in kenro.ids() and kenro.status("c") == "running")
    kenro.ok("kill", "c", "KILL")
    assert p.wait() == 137


def test_standard_input_reaches_the_program(kenro, bundle):
    write_config(bundle, config("/bin/cat"))
    assert kenro.ok("run", "-b", bundle, "c", input="hello\n") == "hello\n"


def test_the_bundle_is_the_working_directory_by_default(kenro, bundle):
    assert kenro.ok("run", "c", cwd=bundle) == ""


def test_a_relative_bundle_is_made_absolute(kenro, bundle):
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("run", "-d", "-b", "../bundle", "c", cwd=bundle)
    assert kenro.state("c")["bundle"] == str(bundle)
    assert kenro.state("c")["rootfs"] == str(bundle / "rootfs")


def test_detached_returns_while_the_program_runs(kenro, bundle):
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("run", "--detach", "--bundle", bundle, "c")
    assert kenro.status("c") == "running"
    kenro.ok("kill", "c", "KILL")
    kenro.wait_for("c", "stopped")
    kenro.ok("delete", "c")
    assert kenro.ids() == []


def test_a_finished_run_is_forgotten_unless_kept(kenro, bundle):
    kenro.ok("run", "-b", bundle, "c")
    assert kenro.ids() == []
    kenro.ok("run", "--keep", "-b", bundle, "c")
    assert kenro.status("c") == "stopped"
    kenro.ok("delete", "c")


def test_the_pid_file_holds_digits_only(kenro, bundle, tmp_path):
    write_config(bundle, config("/bin/sleep", "1000"))
    pid_file = tmp_path / "pid"
    kenro.ok("run", "-d", "--pid-file", pid_file, "-b", bundle, "c")
    assert pid_file.read_text() == str(kenro.pid("c"))


def test_signals_are_handed_on(kenro, bundle):
    write_config(bundle, shell("trap 'echo got; exit 3' TERM; echo ready; "
                               "while :; do sleep 1000 & wait $!; done"))
    p = kenro.popen("run", "-b", bundle, "c", stdout=subprocess.PIPE)
    assert p.stdout.readline() == "ready\n"
    p.terminate()
    assert p.stdout.readline() == "got\n"
    assert p.wait() == 3
    p.stdout.close()


def test_processes_left_behind_die_with_init(kenro, bundle):
    write_config(bundle, shell("sleep 1000 & sleep 1000 & exit 0"))
    kenro.ok("run", "-b", bundle, "c")


def test_processes_left_behind_without_a_pid_namespace_die_too(kenro, bundle):
    c = shell("sleep 1000 >/dev/null 2>&1 & exit 5")
    c["linux"]["namespaces"] = [n for n in c["linux"]["namespaces"] if n["type"] != "pid"]
    c["mounts"] = [m for m in c["mounts"] if m["destination"] != "/proc"]
    c["mounts"].insert(0, {"destination": "/proc", "type": "bind", "source": "/proc",
                           "options": ["rbind", "nosuid", "noexec", "nodev"]})
    write_config(bundle, c)
    assert kenro.run("run", "-b", bundle, "c").returncode == 5


def test_init_is_process_1_and_alone(kenro, bundle):
    write_config(bundle, shell("echo $$; ls -d /proc/[0-9]*"))
    out = kenro.ok("run", "-b", bundle, "c").split()
    assert out[0] == "1"
    assert out[1] == "/proc/1"
    assert len(out) <= 3  # and ls itself


def test_a_program_that_cannot_be_found_fails_the_run(kenro, bundle):
    write_config(bundle, config("nosuch"))
    assert kenro.fails("run", "-b", bundle, "c") == \
        'run c: exec "nosuch": executable file not found in $PATH'


def test_stdio_that_is_closed_becomes_dev_null(kenro, bundle):
    write_config(bundle, shell("readlink /proc/self/fd/0 >&3; readlink /proc/self/fd/2 >&3"))
    r, w = os.pipe()
    p = subprocess.run(["bash", "-c", 'exec 3>&$0; exec "$@" <&- >&- 2>&-', str(w),
                        *kenro.command("run", "--preserve-fds", "1", "-b", bundle, "c")],
                       pass_fds=[w], timeout=60)
    os.close(w)
    with os.fdopen(r) as f:
        assert f.read() == "/dev/null\n/dev/null\n"
    assert p.returncode == 0


@pytest.mark.parametrize("n", [0, 1, 3])
def test_preserved_descriptors_arrive_and_no_others(kenro, bundle, n):
    write_config(bundle, shell("ls /proc/self/fd"))
    fds = []
    for _ in range(5):
        fds.extend(os.pipe())
    script = "".join(f"exec {3 + i}<&{fds[i]}; " for i in range(n)) if n else ""
    # numbers 3.. are given; leaks above them are closed
    p = subprocess.run(["bash", "-c", script + 'exec "$@"', "sh",
                        *kenro.command("run", "--preserve-fds", n, "-b", bundle, "c")],
                       pass_fds=fds, capture_output=True, text=True, timeout=60)
    for fd in fds:
        os.close(fd)
    assert p.returncode == 0, p.stderr
    # ls has one more open: the directory itself
    assert p.stdout.split() == [str(i) for i in range(3 + n + 1)]


def test_a_preserved_descriptor_that_is_closed_is_an_error(kenro, bundle):
    line = kenro.fails("run", "--preserve-fds", "2", "-b", bundle, "c")
    assert line == "run c: --preserve-fds: descriptor 3 is not open"
