"""What callers of a runtime write on its command line: the rules P1-P10, the
global options, and --version. docs/callers.md lists each rule with its test;
the spellings of options are in test_options.py."""

import json
import os
import re
import subprocess

import pytest

from kenrotest import (KENRO, Runtime, config, our_processes, reap_orphans, wait_until,
                       write_config)

SLEEP = ("/bin/sleep", "1000")


def run(*args, **kw):
    return subprocess.run([KENRO, *map(str, args)], capture_output=True, text=True, timeout=60, **kw)


def test_p2_a_single_dash_before_a_long_name(kenro, bundle):
    """go-runc writes -no-subreaper."""
    kenro.ok("run", "-no-subreaper", "-bundle", bundle, "c")
    kenro.ok("run", "-no-new-keyring=true", "-bundle=" + str(bundle), "c")


def test_p3_what_is_said_twice_holds_as_said_last(kenro, bundle):
    """conmon-rs writes its global options twice."""
    write_config(bundle, config(*SLEEP))
    again = ("--root=/nosuch", "--systemd-cgroup=false", f"--root={kenro.root}",
             "--systemd-cgroup=false", "--debug", "--debug=false")
    kenro.ok(*again, "run", "-d", "--detach", "--bundle=/nosuch", f"--bundle={bundle}", "c")
    assert kenro.status("c") == "running"


@pytest.mark.parametrize("value,meant", [("true", True), ("false", False), ("1", True), ("0", False)])
def test_p4_flags_have_values_too(kenro, bundle, value, meant):
    kenro.ok("run", f"--keep={value}", "-b", bundle, "c")
    assert kenro.ids() == (["c"] if meant else [])
    if meant:
        kenro.ok("delete", "c")


def test_p5_options_may_follow_the_id(kenro, bundle, tmp_path):
    write_config(bundle, config(*SLEEP))
    kenro.ok("create", "c", "--bundle", bundle, "--pid-file", tmp_path / "pid")
    assert (tmp_path / "pid").read_text() == str(kenro.pid("c"))
    kenro.ok("update", "c", "--resources", "-", input="{}")
    json.loads(kenro.ok("events", "c", "--stats"))
    assert kenro.ok("list", "--quiet") == "c\n"
    kenro.ok("delete", "c", "--force")
    kenro.ok("run", "c", "-b", bundle, "-d")
    kenro.ok("delete", "c", "-f")


def test_p6_options_end_at_the_id_for_exec_kill_and_ps(running):
    assert running.ok("exec", "c", "/bin/echo", "--tty", "--", "-d") == "--tty -- -d\n"
    assert running.ok("exec", "--", "c", "/bin/echo", "-d") == "-d\n"
    assert running.ok("ps", "c", "-o", "pid").split()[0] == "PID"
    assert running.ok("ps", "--", "c", "-o", "pid").split()[0] == "PID"
    running.ok("kill", "--", "c", "CONT")
    assert "unknown signal '--all'" in running.fails("kill", "c", "--all")


@pytest.mark.parametrize("args", [["nosuch"], ["--nosuch", "list"], ["create", "--nosuch", "c"],
                                  ["checkpoint", "c"], ["restore", "c"]])
def test_p7_what_is_unknown_fails_and_touches_nothing(kenro, args):
    r = run("--root", kenro.root, *args)
    assert r.returncode != 0 and r.stdout == "" and r.stderr.count("\n") == 1
    assert not kenro.root.exists()


def test_p7_what_checkpoint_can_do_is_found_out_by_its_help(kenro):
    """Podman and CRI-O take status 0 for support."""
    assert run("checkpoint", "--help").returncode != 0
    r = run("restore", "--lsm-mount-context")
    assert r.returncode != 0
    assert "requires an argument" not in r.stderr and "needs an argument" not in r.stderr


COMMANDS = ["create", "start", "state", "kill", "delete", "exec", "run", "list", "ps", "pause",
            "resume", "update", "events", "spec", "features", "check"]


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["help"], ["-help"], ["--version"], ["-v"],
                                  ["-V"], *[[c, h] for c in COMMANDS for h in ("--help", "-h")],
                                  ["exec", "-d", "--help"], ["create", "c", "--help"]])
def test_p8_help_needs_no_rights_and_makes_nothing(args, tmp_path):
    """Not even where the container is: a directory for it is not made."""
    r = run(*args, env={}, cwd="/", user="nobody", group="nogroup")
    assert (r.returncode, r.stderr) == (0, "")
    assert r.stdout.startswith(("Usage: kenro ", "kenro version "))
    root = tmp_path / "root"
    assert run("--root", root, *args).returncode == 0 and not root.exists()


@pytest.mark.parametrize("command", [["state", "c"], ["kill", "c"], ["list", "-q"], ["delete", "c"],
                                     ["exec", "c", "x"], ["ps", "c"], ["pause", "c"],
                                     ["update", "-r", "/dev/null", "c"], ["events", "c"]])
def test_p8_only_create_and_run_make_the_directory_of_containers(tmp_path, command):
    assert run("--root", tmp_path / "root", *command).returncode != 0
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("env", [{}, {"XDG_RUNTIME_DIR": ""}, {"XDG_RUNTIME_DIR": "/tmp"},
                                 {"XDG_RUNTIME_DIR": "", "PATH": "", "HOME": ""}])
def test_p9_an_empty_variable_is_one_that_is_not_set(bundle, env):
    """Every call for one container finds it."""
    def kenro(*args):
        return subprocess.run([KENRO, *args], env=env, timeout=60, stdin=subprocess.DEVNULL,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    id = "kenro-test-environment"
    was_there = os.path.exists("/run/kenro")
    write_config(bundle, config(*SLEEP))
    try:
        assert kenro("create", "-b", bundle, id) == 0
        assert run("--root", "/run/kenro", "state", id).returncode == 0
        assert kenro("start", id) == 0
        assert kenro("kill", id, "9") == 0
    finally:
        assert kenro("delete", "--force", id) == 0
        wait_until(lambda: reap_orphans() or our_processes() == set())
        if not was_there:
            os.rmdir("/run/kenro")  # others look at how it comes to be


def test_p10_a_wrapper_of_the_shell_may_stand_in_between(kenro, bundle, tmp_path):
    """Without exec and without quotes, as moby writes it: the shell is the parent."""
    write_config(bundle, config(*SLEEP))
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f"#!/bin/sh\n{KENRO} --root {kenro.root} $@\n")
    wrapper.chmod(0o755)
    r = subprocess.run([wrapper, "create", "--pid-file", tmp_path / "pid", "--bundle", bundle, "c"],
                       timeout=60, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert r.returncode == 0
    assert kenro.pid("c") == int((tmp_path / "pid").read_text())
    assert subprocess.run([wrapper, "state", "nosuch"], capture_output=True).returncode == 1


# ---- global options ---------------------------------------------------------------

def test_root_is_made_absolute(kenro, bundle, tmp_path):
    write_config(bundle, config(*SLEEP))
    here = Runtime("state")
    here.ok("create", "-b", bundle, "c", cwd=tmp_path)
    assert kenro.status("c") == "created"
    Runtime("./x/../state/").ok("delete", "-f", "c", cwd=tmp_path)
    assert kenro.ids() == []


@pytest.mark.parametrize("name", ["with:colon", "journald:name", "syslog:name", "file:name",
                                  "with space", "ünicode"])
def test_any_name_is_a_log(tmp_path, name):
    """None of them is a kind of log."""
    r = run("--log", tmp_path / name, "--log-format", "json", "state", "nosuch-kenro-test")
    assert r.returncode == 1
    assert json.loads((tmp_path / name).read_text())["level"] == "error"
    r = run("--log=" + name, "--log-format=json", "state", "nosuch-kenro-test", cwd=tmp_path)
    assert r.returncode == 1
    assert len((tmp_path / name).read_text().splitlines()) == 2


@pytest.mark.parametrize("args", [["features"], ["--log-level", "loud", "list"],
                                  ["--log-format", "xml", "list"], ["--rootless=maybe", "list"],
                                  ["nosuch"], ["create", "--nosuch"], ["--root", "/", "list"],
                                  ["state", "nosuch-kenro-test"]])
def test_the_log_is_there_whatever_happens(tmp_path, args):
    """containerd takes a missing file for a failure of its own."""
    r = run("--log", tmp_path / "log", *args)
    text = (tmp_path / "log").read_text()
    assert (r.returncode == 0) == (text == "")
    assert text.count("level=error") == (r.returncode != 0)


@pytest.mark.parametrize("level", ["error", "warning", "warn", "info", "debug"])
def test_levels_of_the_log(kenro, level):
    kenro.root.mkdir()
    assert kenro.ok("--log-level", level, "list", "-q") == ""


@pytest.mark.parametrize("value", ["true", "false", "auto"])
def test_rootless_is_accepted(kenro, bundle, value):
    kenro.ok(f"--rootless={value}", "run", "-b", bundle, "c")


def test_criu_is_ignored(kenro, bundle):
    kenro.ok("--criu", "/nosuch", "run", "-b", bundle, "c")


@pytest.mark.parametrize("format", ["text", "json"])
def test_debug_goes_to_the_log_in_its_format(kenro, bundle, tmp_path, format):
    """And standard error is the program's then."""
    r = kenro.run("--debug", "--log", tmp_path / "log", "--log-format", format, "run", "-b", bundle,
                  "c")
    assert (r.returncode, r.stderr) == (0, "")
    lines = (tmp_path / "log").read_text().splitlines()
    if format == "json":
        lines = [json.loads(line) for line in lines]
        assert {tuple(sorted(entry)) for entry in lines} == {("level", "msg", "time")}
        lines = [f"{entry['level']}: {entry['msg']}" for entry in lines]
    assert any("debug" in line and "step 'mounts'" in line for line in lines), lines


def test_debug_tells_what_each_step_took(kenro, bundle):
    r = kenro.run("--debug", "run", "-b", bundle, "c")
    assert r.returncode == 0
    steps = re.findall(r"^kenro: step '(.*)': \d+ us$", r.stderr, re.M)
    assert {"shelter", "root", "mounts", "enter root", "privileges", "read-back", "commit"} <= \
        set(steps)
    # and how far a create that fails has come
    write_config(bundle, config("nosuch"))
    r = kenro.run("--debug", "create", "-b", bundle, "c")
    steps = re.findall(r"^kenro: step '(.*)': \d+ us$", r.stderr, re.M)
    assert "privileges" in steps and "commit" not in steps


# ---- names and versions -----------------------------------------------------------

@pytest.mark.parametrize("name", ["runc", "crun", "kenro", "docker-runc"])
def test_messages_name_the_program_as_it_was_called(tmp_path, name):
    (tmp_path / name).symlink_to(KENRO)
    def call(*args):
        return subprocess.run([tmp_path / name, *args], capture_output=True, text=True, timeout=60)
    assert call("state", "nosuch-kenro-test").stderr == \
        f'{name}: state nosuch-kenro-test: container "nosuch-kenro-test" does not exist\n'
    assert f"see '{name} --help'" in call("nosuch").stderr
    assert f"see '{name} create --help'" in call("create", "--nosuch").stderr
    assert f"usage: {name} create" in call("create").stderr
    assert call("--help").stdout.startswith(f"Usage: {name} ")
    assert call("kill", "--help").stdout.startswith(f"Usage: {name} kill ")
    assert call("--version").stdout.startswith(f"{name} version ")


@pytest.mark.parametrize("name", ["runc", "crun", "kenro"])
def test_version_is_what_callers_parse(tmp_path, name):
    """Docker takes every line with the word; go-runc wants "runc version " first."""
    (tmp_path / name).symlink_to(KENRO)
    for option in ("--version", "-v", "-V"):
        r = subprocess.run([tmp_path / name, option], capture_output=True, text=True, timeout=60,
                           env={})
        lines = r.stdout.splitlines()
        assert (r.returncode, r.stderr) == (0, "")
        assert re.fullmatch(rf"{name} version \d+\.\d+\.\d+", lines[0])
        assert [line for line in lines if "version" in line] == lines[:1]
        assert any(re.fullmatch(r"commit: \w+", line) for line in lines)
        assert "spec: 1.3.0" in lines
        assert ("program: kenro" in lines) == (name != "kenro")
