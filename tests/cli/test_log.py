"""Errors: once to standard error, once to the log, the same text."""

import json
import re
import subprocess

import pytest

from kenrotest import CAPS, KENRO, config, write_config


def entries(path):
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def test_an_error_is_one_object_in_a_json_log(kenro, bundle, tmp_path):
    log = tmp_path / "log.json"
    write_config(bundle, config("nosuch"))
    r = kenro.run("--log", log, "--log-format", "json", "create", "-b", bundle, "c")
    assert r.returncode == 1
    [entry] = entries(log)
    assert sorted(entry) == ["level", "msg", "time"]
    assert entry["level"] == "error"
    assert r.stderr == f"kenro: {entry['msg']}\n"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", entry["time"])


def test_the_log_is_there_even_if_all_is_well(kenro, bundle, tmp_path):
    log = tmp_path / "log.json"
    kenro.ok("--log", log, "--log-format=json", "run", "-b", bundle, "c")
    assert log.read_text() == ""


def test_the_log_grows(kenro, tmp_path):
    log = tmp_path / "log.json"
    for _ in range(3):
        kenro.run("--log", log, "--log-format", "json", "state", "nosuch")
    assert len(entries(log)) == 3


def test_a_text_log(kenro, tmp_path):
    log = tmp_path / "log"
    kenro.run("--log", log, "state", "nosuch")
    assert re.fullmatch(r'time="[^"]+" level=error msg="state nosuch: '
                        r'container \\"nosuch\\" does not exist"\n', log.read_text())


def test_warnings_reach_a_json_log_only_when_asked_for(kenro, bundle, tmp_path):
    """Podman reads the whole file as one object."""
    c = config()
    c["process"]["capabilities"]["bounding"] = [*CAPS, "CAP_NOSUCH"]
    write_config(bundle, c)
    log = tmp_path / "log.json"
    kenro.run("--log", log, "--log-format", "json", "run", "-b", bundle, "c")
    assert log.read_text() == ""
    kenro.run("--log", log, "--log-format", "json", "--debug", "run", "-b", bundle, "c")
    assert "warning" in {e["level"] for e in entries(log)}


def test_what_a_configuration_says_cannot_break_the_log(kenro, bundle, tmp_path):
    log = tmp_path / "log.json"
    write_config(bundle, config('a"\\\n\t\x1b[31m\u2028é'))
    r = kenro.run("--log", log, "--log-format", "json", "create", "-b", bundle, "c")
    [entry] = entries(log)
    assert r.stderr.count("\n") == 1
    assert "\x1b" not in r.stderr and "\x1b" not in entry["msg"]


def test_a_log_that_cannot_be_written_is_an_error(kenro, bundle, tmp_path):
    r = kenro.run("--log", tmp_path / "no/such/dir", "run", "-b", bundle, "c")
    assert r.returncode == 1 and "cannot open the log" in r.stderr and "ENOENT" in r.stderr


@pytest.mark.parametrize("command", ["state", "list", "features"])
def test_successful_commands_say_nothing_on_standard_error(kenro, bundle, command):
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("create", "-b", bundle, "c")
    kenro.ok(command, *(["c"] if command == "state" else []))


def test_setup_errors_do_not_use_the_words_that_engines_take_for_the_users_fault(kenro, bundle):
    """Docker and Podman turn "permission denied" into 126, "no such file" into 127."""
    c = config()
    c["mounts"].append({"destination": "/x", "type": "bind", "source": "/nosuch",
                        "options": ["bind"]})
    write_config(bundle, c)
    line = kenro.fails("create", "-b", bundle, "c").lower()
    assert "no such file" not in line and "permission denied" not in line
    assert "enoent" in line


def test_a_full_standard_output_is_an_error(kenro, bundle):
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("create", "-b", bundle, "c")
    for command in (["state", "c"], ["list"], ["features"]):
        with open("/dev/full", "w") as full:
            p = subprocess.run([KENRO, "--root", kenro.root, *command], stdout=full,
                               stderr=subprocess.PIPE, text=True, timeout=60)
        assert p.returncode == 1 and "ENOSPC" in p.stderr, command


def test_debug_tells_what_is_done(kenro, bundle, tmp_path):
    write_config(bundle, config())
    kenro.run("--log", tmp_path / "log", "--log-format", "json", "--debug", "run", "-b", bundle, "c")
    said = [e["msg"] for e in entries(tmp_path / "log") if e["level"] == "debug"]
    assert any(str(bundle) in line for line in said)
    assert any("is set up" in line for line in said)
