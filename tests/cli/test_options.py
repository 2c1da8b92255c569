"""The command line: rules P1-P10 of what callers send, help, version."""

import os
import re
import subprocess

import pytest

from kenrotest import BUILD, KENRO, Runtime, config, write_config

SLEEP = ("/bin/sleep", "1000")


@pytest.mark.parametrize("spelling", [
    ["--bundle", "{}"], ["--bundle={}"], ["-b", "{}"], ["-b={}"], ["-b{}"], ["-bundle", "{}"],
    ["-bundle={}"], ["--bundle", "/nosuch", "--bundle", "{}"],
])
def test_every_spelling_of_an_option_works(kenro, bundle, spelling):
    args = [s.format(bundle) for s in spelling]
    kenro.ok("run", *args, "c")
    kenro.ok("run", "c", *args)  # options may follow the id


@pytest.mark.parametrize("globals_", [
    ["-root", "{}"], ["--root={}"], ["--root", "/nosuch", "--root={}"],
    ["--debug=false", "--root", "{}", "--debug=false"], ["--rootless=true", "--root", "{}"],
    ["--criu", "/x", "--root", "{}"], ["--systemd-cgroup=false", "--root", "{}"],
    ["--cgroup-manager", "cgroupfs", "--root", "{}"],
])
def test_global_options_stand_before_the_command(kenro, bundle, globals_):
    args = [g.format(kenro.root) for g in globals_]
    p = subprocess.run([KENRO, *args, "run", "--keep", "-b", bundle, "c"], capture_output=True,
                       text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert (p.returncode, p.stderr) == (0, "")
    assert kenro.status("c") == "stopped"


@pytest.mark.parametrize("args,text", [
    (["nosuch"], "unknown command 'nosuch'"),
    (["statee", "c"], "unknown command 'statee' (did you mean 'state'?)"),
    (["create", "--bundel", "/x", "c"], "create: unknown option '--bundel' (did you mean '--bundle'?)"),
    (["create", "-z", "c"], "create: unknown option '-z'"),
    (["create", "--bundle"], "create: option '--bundle' requires an argument"),
    (["create"], "create: a container id is missing"),
    (["state", "a", "b"], "state a: unexpected argument 'b'"),
    (["create", "--preserve-fds", "x", "c"], "option '--preserve-fds': 'x' is not a number"),
    (["run", "--detach=maybe", "c"], "option '--detach': 'maybe' is neither true nor false"),
    (["--log-format", "xml", "list"], "option '--log-format': 'xml' is neither text nor json"),
    (["--cgroup-manager", "none", "list"],
     "option '--cgroup-manager': 'none' is neither cgroupfs, systemd nor disabled"),
    (["--rootless", "maybe", "list"],
     "option '--rootless': 'maybe' is neither true, false nor auto"),
    (["--log-level", "loud", "list"], "option '--log-level': 'loud' is no level"),
    (["--root", "/", "list"], "option '--root': '/' is no directory for containers"),
    (["--root", "", "list"], "option '--root': '' is no directory"),
    (["--root=/../.", "list"], "is no directory"),
    (["list", "--format", "xml"], "option '--format': 'xml' is neither table nor json"),
])
def test_a_wrong_command_line_is_one_line(args, text):
    p = subprocess.run([KENRO, *args], capture_output=True, text=True, timeout=60)
    assert p.returncode == 1 and p.stdout == ""
    assert p.stderr.startswith("kenro: ") and p.stderr.count("\n") == 1
    assert text in p.stderr


COMMANDS = ["create", "start", "run", "exec", "kill", "delete", "state", "pause", "resume", "update",
            "ps", "events", "list", "spec", "check", "features", "doctor"]


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["help"], ["--version"], ["-v"], ["-V"], [],
                                  *[[c, "--help"] for c in COMMANDS],
                                  *[[c, "-h"] for c in COMMANDS]])
def test_help_and_version_need_nothing(args, tmp_path):
    """No root, no directory, no environment."""
    before = sorted(p.name for p in tmp_path.iterdir())
    p = subprocess.run([KENRO, *args], capture_output=True, text=True, timeout=60, env={},
                       cwd=tmp_path, user="nobody", group="nogroup")
    assert (p.returncode, p.stderr) == (0, "")
    assert p.stdout
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_help_names_every_command_and_every_option():
    out = subprocess.run([KENRO, "--help"], capture_output=True, text=True).stdout
    for command in COMMANDS:
        assert f"  {command} " in out
    out = subprocess.run([KENRO, "create", "--help"], capture_output=True, text=True).stdout
    for option in ("--bundle", "--console-socket", "--pid-file", "--preserve-fds"):
        assert option in out


@pytest.mark.parametrize("option", [["--systemd-cgroup"], ["--cgroup-manager", "systemd"]])
def test_a_missing_helper_of_the_systemd_manager_is_an_error_of_create_only(kenro, bundle, option):
    helper = re.search('KENRO_SYSTEMD_HELPER "(.*)"', (BUILD / "src/config.h").read_text())[1]
    if os.access(helper, os.X_OK):
        pytest.skip(f"{helper} is installed")
    for command in ("create", "run"):
        assert kenro.fails(*option, command, "-b", bundle, "c") == (
            f"{command} c: the systemd cgroup manager needs the program {helper}, which is not "
            "installed (install it, or use the manager cgroupfs with a path as "
            "linux.cgroupsPath)")
        assert kenro.ids() == []
    write_config(bundle, config(*SLEEP))
    kenro.ok("create", "-b", bundle, "c")
    for args in (["state", "c"], ["start", "c"], ["pause", "c"], ["resume", "c"], ["list"],
                 ["ps", "-f", "json", "c"], ["exec", "c", "/bin/true"], ["kill", "c", "9"],
                 ["delete", "-f", "c"]):
        kenro.ok(*option, *args)


def test_no_pivot_is_refused_and_says_why(kenro, bundle):
    assert "the host's mounts stay in reach" in \
        kenro.fails("create", "--no-pivot", "-b", bundle, "c")


def test_options_that_change_nothing_are_accepted(kenro, bundle):
    kenro.ok("run", "--no-new-keyring", "--no-subreaper", "-b", bundle, "c")


def test_the_binary_may_be_called_through_a_shell(kenro, bundle, tmp_path):
    """What moby writes when runtimeArgs are configured."""
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f"#!/bin/sh\n{KENRO} --root {kenro.root} $@\n")
    wrapper.chmod(0o755)
    write_config(bundle, config(*SLEEP))
    other = Runtime(kenro.root, str(wrapper))
    other.ok("create", "-b", bundle, "c")
    other.ok("start", "c")
    assert kenro.status("c") == "running"


def test_the_binary_may_be_a_link_with_another_name(kenro, bundle, tmp_path):
    (tmp_path / "runc").symlink_to(KENRO)
    runc = Runtime(kenro.root, str(tmp_path / "runc"))
    runc.ok("run", "-b", bundle, "c")
    assert runc.run("state", "nosuch").stderr == \
        'runc: state nosuch: container "nosuch" does not exist\n'


def test_an_empty_environment_is_enough(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    for args in (["create", "-b", bundle, "c"], ["start", "c"], ["state", "c"],
                 ["exec", "c", "/bin/true"], ["kill", "c", "9"], ["delete", "-f", "c"]):
        kenro.ok(*args, env={})


def test_the_runtime_directory_of_a_user_does_not_matter_to_root(kenro, bundle, tmp_path):
    for value in ("", str(tmp_path)):
        p = subprocess.run([KENRO, "state", "nosuch-kenro-test"], capture_output=True, text=True,
                           env={"XDG_RUNTIME_DIR": value}, timeout=60)
        assert p.returncode == 1 and "does not exist" in p.stderr
    assert not (tmp_path / "kenro").exists()
