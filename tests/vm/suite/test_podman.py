"""The life of a container under Podman, as root: what it is started with, what is done to
it while it runs, and how it ends."""

import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from console import Terminal
from engines import HELPERS, HOG_WHEN_TOLD
from kenrotest import wait_until

pytestmark = pytest.mark.slow

# Serves as a container's program: does as it is told by signals, and says so.
LISTEN = """
trap 'echo hup' HUP
trap 'echo term; exit 3' TERM
echo ready
while :; do sleep 1000 & wait $!; done
"""


def logs_say(podman, name, text):
    wait_until(lambda: text in podman.ok("logs", name))


def started(podman, image, *options, args=("sleep", "1000"), name="box"):
    podman.ok("run", "--detach", "--name", name, *options, image, *args)
    return name


def test_the_exit_status_is_the_programs(podman, image):
    podman.fails("run", "--rm", image, "sh", "-c", "exit 7", status=7)
    started(podman, image, name="killed")
    podman.ok("kill", "killed")
    assert podman.ok("wait", "killed") == "137"


def test_a_program_that_is_not_there_is_127(podman, image):
    said = podman.fails("run", "--rm", image, "nosuch", status=127)
    assert "executable file `nosuch` not found" in said or 'exec "nosuch"' in said
    podman.fails("run", "--rm", image, "/nosuch/program", status=127)


def test_a_program_that_cannot_be_executed_is_126(podman, image):
    podman.fails("run", "--rm", image, "/etc/passwd", status=126)
    podman.fails("run", "--rm", image, "/etc", status=126)


def test_what_the_engine_refuses_is_125(podman, image):
    podman.fails("run", "--rm", "--nosuch", image, "true", status=125)


def test_standard_input_and_both_outputs_are_the_callers(podman, image):
    r = podman.run("run", "--rm", "--interactive", image, "sh", "-c", "cat; echo err >&2", input="from the caller\n")
    assert (r.stdout, r.stderr, r.returncode) == ("from the caller\n", "err\n", 0)


# What a terminal shows is awaited, so that nothing is typed at the wrong time.
ASK = """
trap 'echo interrupted' INT
trap 'echo now $(stty size)' WINCH
tty; stty size; echo ready
while ! read line; do :; done
echo got $line; exit 5
"""


def test_a_terminal_has_the_callers_size_and_keys(podman, image):
    with Terminal([*podman.command, "run", "--rm", "--interactive", "--tty", image, "sh", "-c", ASK],
                  rows=31, columns=97) as t:
        t.until("/dev/pts/0")
        if "31 97" not in t.until("ready"):  # Podman may tell the size after the start
            t.until("now 31 97")
        t.resize(20, 60)
        t.until("now 20 60")
        t.type("\x03")
        t.until("interrupted")
        t.type("line\n")
        t.until("got line")
        assert t.wait() == 5


def test_logs_keep_what_was_written(podman, image):
    podman.ok("run", "--name", "box", image, "sh", "-c", "echo out; echo err >&2")
    r = podman.run("logs", "box")
    assert (r.stdout, r.stderr) == ("out\n", "err\n")


def test_attach_shows_a_running_container_and_leaves_it_running(podman, image):
    podman.ok("run", "--detach", "--interactive", "--tty", "--name", "box", image,
              "sh", "-c", "while read line; do echo got $line; done")
    with Terminal([*podman.command, "attach", "box"]) as t:
        t.type("line\n")
        t.until("got line")
        t.keys("\x10", "\x11")  # Ctrl-P Ctrl-Q
        assert t.wait() == 0
    assert podman.inspect("box")["State"]["Status"] == "running"


def test_exec_runs_a_program_in_the_container(podman, image):
    started(podman, image, "--env", "FROM=config", "--user", "1000:1001", "--cap-add", "net_admin", *HELPERS)
    assert podman.ok("exec", "box", "hostname") == podman.inspect("box")["Id"][:12]
    podman.fails("exec", "box", "sh", "-c", "exit 9", status=9)
    podman.fails("exec", "box", "nosuch", status=127)
    podman.fails("exec", "box", "/etc/passwd", status=126)
    assert podman.ok("exec", "--interactive", "box", "cat", input="typed") == "typed"
    seen = json.loads(podman.ok("exec", "--env", "A=b", "--workdir", "/tmp", "--user", "7:8", "box", "/helpers/inside"))
    assert seen["cwd"] == "/tmp" and {"A=b", "FROM=config"} <= set(seen["env"])
    assert seen["status"]["Uid"].split()[0] == "7" and seen["status"]["Gid"].split()[0] == "8"
    assert seen["status"]["CapEff"] == "0" * 16
    seen = json.loads(podman.ok("exec", "--privileged", "--user", "0", "box", "/helpers/inside"))
    everything = own_capabilities()
    if podman.runtime == "kenro":  # an exec has no more than its container: docs/differences.md
        everything = seen["status"]["CapBnd"]
    assert seen["status"]["CapEff"] == everything
    with Terminal([*podman.command, "exec", "--interactive", "--tty", "box", "sh"]) as t:
        t.until("$ ")
        t.type("tty; exit 4\n")
        t.until("/dev/pts/0")
        assert t.wait() == 4


def own_capabilities():
    status = Path("/proc/self/status").read_text()
    return status[status.index("CapEff:"):].split()[1]


def test_a_detached_exec_goes_on_alone(podman, image):
    started(podman, image)
    podman.ok("exec", "--detach", "box", "sh", "-c", "echo done >/tmp/done; sleep 1000")
    wait_until(lambda: podman.run("exec", "box", "cat", "/tmp/done").stdout == "done\n")


def test_stop_and_kill_signal_the_program(podman, image):
    started(podman, image, args=("sh", "-c", LISTEN))
    logs_say(podman, "box", "ready")
    podman.ok("kill", "--signal", "HUP", "box")
    logs_say(podman, "box", "hup")
    podman.ok("stop", "--time", "20", "box")
    assert podman.inspect("box")["State"]["ExitCode"] == 3
    assert podman.ok("logs", "box") == "ready\nhup\nterm"
    podman.ok("start", "box")
    wait_until(lambda: podman.ok("logs", "box").endswith("ready"))
    podman.ok("restart", "--time", "20", "box")
    wait_until(lambda: podman.ok("logs", "box").endswith("term\nready"))


def test_who_does_not_stop_is_killed(podman, image):
    started(podman, image)
    podman.run("stop", "--time", "1", "box")
    assert podman.inspect("box")["State"]["ExitCode"] == 137


def test_a_paused_container_stands_still(podman, image):
    started(podman, image)
    podman.ok("pause", "box")
    assert podman.inspect("box")["State"]["Status"] == "paused"
    podman.fails("exec", "box", "true")
    podman.ok("unpause", "box")
    podman.ok("exec", "box", "true")
    podman.ok("pause", "box")
    podman.ok("rm", "--force", "--time", "0", "box")


def test_top_and_stats_show_its_processes(podman, image):
    started(podman, image, "--memory", "64m")
    assert podman.ok("top", "box", "pid", "args").splitlines()[1].split() == ["1", "sleep", "1000"]
    stats = json.loads(podman.ok("stats", "--no-stream", "--format", "json", "box"))[0]
    assert stats["pids"] == "1"
    assert "/ 67.11MB" in stats["mem_usage"]


def values(group, *files):
    return [(group / f).read_text().strip() for f in files]


def test_limits_are_those_of_its_cgroup(podman, image):
    started(podman, image, "--memory", "64m", "--memory-reservation", "32m", "--cpus", "0.5", "--pids-limit", "77",
            "--cgroup-conf", "memory.high=50000000")
    group = podman.group("box")
    assert values(group, "memory.max", "memory.low", "cpu.max", "pids.max", "memory.high") == [
        "67108864", "33554432", "50000 100000", "77", "49999872"]


def test_update_changes_limits_of_a_running_container(podman, image):
    started(podman, image, "--memory", "64m", "--pids-limit", "77")
    group = podman.group("box")
    podman.ok("update", "--memory", "48m", "--cpus", "0.25", "box")
    assert values(group, "memory.max", "cpu.max", "pids.max") == ["50331648", "25000 100000", "77"]
    podman.ok("update", "--pids-limit", "33", "box")
    assert values(group, "memory.max", "cpu.max", "pids.max") == ["50331648", "25000 100000", "33"]


def test_a_memory_hog_of_a_scope_is_killed_and_reported(podman, image):
    """Not always: conmon may miss the kill, whichever the runtime, and systemd takes the
    group away before it can look again. With the manager cgroupfs it can: test_oom.py."""
    started(podman, image, "--memory", "16m", args=("sh", "-c", HOG_WHEN_TOLD))
    events = podman.group("box") / "memory.events"
    podman.ok("exec", "box", "touch", "/go")
    wait_until(lambda: "oom_kill 1\n" in events.read_text())
    podman.ok("stop", "box")
    state = podman.inspect("box")["State"]
    assert (state["OOMKilled"], state["ExitCode"]) == (True, 137)


def test_a_fork_bomb_meets_its_limit(podman, image):
    said = podman.run("run", "--rm", "--pids-limit", "20", image, "sh", "-c",
                      "i=0; while [ $i -lt 40 ]; do sleep 1000 & i=$((i + 1)); done")
    assert said.returncode != 0 and "can't fork" in said.stderr


def test_a_health_check_tells_how_it_is(podman, image):
    started(podman, image, "--health-cmd", "test ! -e /tmp/ill", "--health-interval", "disable",
            "--health-retries", "1")
    podman.ok("healthcheck", "run", "box")
    assert podman.inspect("box")["State"]["Health"]["Status"] == "healthy"
    podman.ok("exec", "box", "touch", "/tmp/ill")
    podman.fails("healthcheck", "run", "box", status=1)
    assert podman.inspect("box")["State"]["Health"]["Status"] == "unhealthy"


def test_a_restart_policy_starts_it_again(podman, image):
    podman.run("run", "--name", "box", "--restart", "on-failure:2", image, "sh", "-c", "echo again; exit 3")
    wait_until(lambda: podman.inspect("box")["State"]["Status"] == "exited"
               and podman.inspect("box")["RestartCount"] == 2)
    assert podman.ok("logs", "box") == "again\nagain\nagain"


def test_an_init_reaps_and_passes_signals_on(podman, image):
    started(podman, image, "--init",
            args=("sh", "-c", "trap 'exit 6' TERM; (sleep 0 &); echo ready; sleep 1000 & wait"))
    logs_say(podman, "box", "ready")
    listed = [line.split() for line in podman.ok("exec", "box", "ps", "-o", "pid,stat,comm").splitlines()]
    assert [p[2] for p in listed if p[0] == "1"] in (["podman-init"], ["catatonit"])
    assert not [p for p in listed if p[1].startswith("Z")]
    podman.ok("stop", "--time", "20", "box")
    assert podman.inspect("box")["State"]["ExitCode"] == 6


def test_many_start_at_once(podman, image):
    running = [subprocess.Popen([*podman.command, "run", "--rm", image, "sh", "-c", f"exit {i}"],
                                stdin=subprocess.DEVNULL) for i in range(8)]
    assert [p.wait() for p in running] == list(range(8))


def test_files_are_copied_and_committed(podman, image, tmp_path):
    started(podman, image)
    (tmp_path / "there").write_text("carried")
    podman.ok("cp", tmp_path / "there", "box:/tmp/there")
    assert podman.ok("exec", "box", "cat", "/tmp/there") == "carried"
    podman.ok("cp", "box:/tmp/there", tmp_path / "back")
    assert (tmp_path / "back").read_text() == "carried"
    podman.ok("exec", "box", "sh", "-c", "echo new >/etc/new")
    assert "A /etc/new" in podman.ok("diff", "box").splitlines()
    podman.ok("commit", "--quiet", "box", "localhost/new")
    assert podman.ok("run", "--rm", "localhost/new", "cat", "/etc/new") == "new"
    podman.ok("rmi", "--force", "localhost/new")


def test_readiness_goes_to_the_manager(podman, image, tmp_path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(tmp_path / "notify"))
    sock.settimeout(60)
    podman.ok("run", "--detach", "--name", "box", "--sdnotify", "container", *HELPERS, image, "sh", "-c",
              "/helpers/say READY=1 && sleep 1000", env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")})
    got = ""
    while "READY=1" not in got:
        got += sock.recv(4096).decode()
    assert "MAINPID=" in got


def test_sockets_of_a_unit_are_handed_in(podman, image):
    r, w = os.pipe()
    os.write(w, b"through the descriptor")
    os.close(w)
    assert podman.ok("run", "--rm", "--preserve-fds", "1", image, "sh", "-c", "cat <&3", pass_fds=(3,),
                     preexec_fn=lambda: os.dup2(r, 3)) == "through the descriptor"
    os.close(r)


def test_an_image_is_built(podman, image, tmp_path):
    build = ("build", "--pull=never", "--network", "none", "--tag", "localhost/built", tmp_path)
    (tmp_path / "Containerfile").write_text(
        f"FROM {image}\nRUN echo built >/built && id -u >>/built\nUSER 5\nWORKDIR /tmp\n"
        "RUN id -u >mine && ! test -w /etc\nCMD cat /built /tmp/mine\n")
    podman.ok(*build)
    assert podman.ok("run", "--rm", "localhost/built").split() == ["built", "0", "5"]
    podman.ok("rmi", "--force", "localhost/built")
    (tmp_path / "Containerfile").write_text(f"FROM {image}\nRUN exit 7\n")
    assert "exit status 7" in podman.fails(*build)


def test_nothing_is_left_of_who_lost_its_monitor(podman, image):
    started(podman, image)
    known = podman.inspect("box")
    monitor = int(Path(known["ConmonPidFile"]).read_text())
    os.kill(monitor, signal.SIGKILL)
    os.waitpid(monitor, 0)
    reaper = threading.Thread(target=os.waitpid, args=(known["State"]["Pid"], 0))  # it is our orphan now
    reaper.start()
    podman.run("rm", "--force", "--time", "0", "box")  # says that there is no exit status
    reaper.join()
    podman.ok("rm", "--force", "--time", "0", "box")  # and the fixture looks
