"""events: what a container uses, one JSON object a line, until it ends."""

import json
import os
import signal
import subprocess
import time

import pytest

from kenrotest import cgroup_mount, only_integers, shell, write_config


def test_stats_once_is_one_line(running):
    out = running.ok("events", "--stats", "c")
    assert out.count("\n") == 1
    event = json.loads(out)
    assert (event["type"], event["id"]) == ("stats", "c")
    assert only_integers(event) and "." not in out
    usage = event["data"]["cpu"]["usage"]
    assert usage["total"] > 0 and sorted(usage) == ["kernel", "total", "user"]
    assert sorted(event["data"]["cpu"]["throttling"]) == \
        ["periods", "throttledPeriods", "throttledTime"]
    assert event["data"]["network_interfaces"] is None


def test_what_has_no_controller_is_left_out(running):
    there = (cgroup_mount() / "kenro/c/cgroup.controllers").read_text().split()
    data = json.loads(running.ok("events", "--stats", "c"))["data"]
    for controller, key in (("memory", "memory"), ("pids", "pids"), ("io", "blkio")):
        assert (key in data) == (controller in there), key


def test_the_cpu_time_is_what_was_used(kenro, bundle):
    write_config(bundle, shell("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 1000"))
    kenro.ok("run", "-d", "-b", bundle, "c")
    before = json.loads(kenro.ok("events", "--stats", "c"))["data"]["cpu"]["usage"]["total"]
    deadline = time.monotonic() + 30
    total = before
    while total < before + 10_000_000:
        assert time.monotonic() < deadline
        total = json.loads(kenro.ok("events", "--stats", "c"))["data"]["cpu"]["usage"]["total"]
    stat = (cgroup_mount() / "kenro/c/cpu.stat").read_text()
    assert int(stat.split()[1]) * 1000 >= total


@pytest.mark.parametrize("interval", ["10ms", "0.01s", "10000us", "0m0.01s"])
def test_a_line_comes_in_every_interval_until_the_container_ends(running, interval):
    begin = time.monotonic()
    p = running.popen("events", f"--interval={interval}", "c", stdout=subprocess.PIPE)
    lines = [json.loads(p.stdout.readline()) for _ in range(5)]
    assert time.monotonic() - begin >= 0.04
    assert {line["type"] for line in lines} == {"stats"}
    running.ok("kill", "c", "KILL")
    for line in p.stdout.read().splitlines():
        json.loads(line)
    assert p.wait(30) == 0
    p.stdout.close()


def test_the_end_of_the_container_is_not_waited_for_blindly(running):
    """An hour's interval: the end comes by an event."""
    p = running.popen("events", "--interval", "1h", "c", stdout=subprocess.PIPE)
    json.loads(p.stdout.readline())
    running.ok("kill", "c", "KILL")
    assert p.stdout.read() == "" and p.wait(10) == 0
    p.stdout.close()


@pytest.mark.parametrize("interval", ["5", "s", "", "-5s", "0s", "1x", "1 s", "0x5s", "1e3s", "5s5",
                                      "9999999h"])
def test_an_interval_that_is_no_duration_is_refused(running, interval):
    assert f"option '--interval': '{interval}' is no duration" in \
        running.fails("events", "--interval", interval, "c")


def test_a_stopped_container_is_not_running(stopped):
    assert stopped.fails("events", "--stats", "c") == \
        "events c: container not running: no such process"


def test_a_paused_container_still_tells(running):
    running.ok("pause", "c")
    json.loads(running.ok("events", "--stats", "c"))


def test_a_reader_that_goes_away_ends_it(running):
    reader, writer = os.pipe()
    p = running.popen("events", "--interval", "1h", "c", stdout=writer, stderr=subprocess.DEVNULL)
    os.close(writer)
    assert os.read(reader, 4096)
    os.close(reader)
    assert p.wait(10) == 1


def test_it_can_be_interrupted(running):
    p = running.popen("events", "--interval", "1h", "c", stdout=subprocess.PIPE)
    p.stdout.readline()
    p.send_signal(signal.SIGINT)
    assert p.wait(10) == -signal.SIGINT
    p.stdout.close()
