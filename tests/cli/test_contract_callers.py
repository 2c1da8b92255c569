"""The command lines of each engine, word for word, and the JSON that it reads.
See docs/callers.md."""

import json
import os
import re
import subprocess

import pytest

from kenrotest import (KENRO, Runtime, cgroup_mount, config, kill_and_reap, reap_orphans, shell,
                       wait_until, without, write_config)

SLEEP = ("/bin/sleep", "1000")
RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"


@pytest.fixture
def call(kenro, bundle):
    """kenro as the caller writes it, without options of ours: it says its own --root."""
    write_config(bundle, config(*SLEEP))

    def call(line, status=0, **kw):
        words = [w.format(root=kenro.root, bundle=bundle, dir=bundle.parent) for w in line.split()]
        runtime = Runtime(kenro.root)
        runtime.command = lambda *args: [KENRO, *args]
        r = runtime.run(*words, **kw)
        assert r.returncode == status, r.stderr
        assert status or r.stderr == ""
        return r.stdout
    return call


def process_file(bundle, *args):
    (bundle.parent / "process").write_text(json.dumps(
        {"args": list(args), "cwd": "/", "env": ["PATH=/bin"], "user": {"uid": 0, "gid": 0}}))


# ---- command lines --------------------------------------------------------------------

def test_containerd(call, kenro, bundle):
    globals_ = "--root {root} --log {bundle}/log.json --log-format json"
    call(f"{globals_} create --bundle {{bundle}} --pid-file {{bundle}}/init.pid --no-new-keyring c")
    pid = int((bundle / "init.pid").read_text())
    call(f"{globals_} start c")
    process_file(bundle, *SLEEP)
    call(f"{globals_} exec --process {{dir}}/process --detach --pid-file {{bundle}}/e.pid c")
    exec_pid = int((bundle / "e.pid").read_text())
    assert json.loads(call(f"{globals_} ps --format json c")) == sorted([pid, exec_pid])
    assert json.loads(call(f"{globals_} state c"))["pid"] == pid
    call(f"{globals_} pause c")
    call(f"{globals_} resume c")
    call(f"{globals_} update --resources=- c", input="{}")  # 2.x
    call(f"{globals_} update --resources - c", input="{}")  # 1.7
    call(f"{globals_} kill c 15")
    call(f"{globals_} kill --all c 9")
    wait_until(lambda: pid in reap_orphans() or kenro.status("c") == "stopped")
    call(f"{globals_} delete c")
    assert (bundle / "log.json").read_text() == ""
    # the shim's cleanup, with nothing there and from another bundle
    call("--root {root} --log {bundle}/log.json --log-format json delete --force c", cwd="/tmp")
    call(f"{globals_} delete c", status=1)
    assert "does not exist" in json.loads((bundle / "log.json").read_text())["msg"]
    json.loads(call("features"))


def test_conmon_and_podman(call, kenro, bundle):
    log = "--log-format=json --log {bundle}/oci-log"
    root = "--root={root}"
    call(f"{log} {root} create --bundle {{bundle}} --pid-file {{bundle}}/pidfile --no-new-keyring "
         "--preserve-fds 0 c")
    call(f"{root} start c", env={"XDG_RUNTIME_DIR": "", "PATH": "/bin"})
    process_file(bundle, "/bin/true")
    call(f"{log} {root} exec --pid-file {{dir}}/e.pid --process {{dir}}/process --detach "
         "--preserve-fds 0 c")
    (bundle / "resources").write_text("{}")
    env = {"XDG_RUNTIME_DIR": ""}
    call(f"{root} update --resources={{bundle}}/resources c", env=env)
    call(f"{root} pause c", env=env)
    call(f"{root} resume c", env=env)
    call(f"{root} kill c 15", env=env)
    call(f"{root} kill --all c 9", env=env)
    call(f"{root} delete --force c", env=env)
    call(f"{root} --cgroup-manager disabled create --bundle {{bundle}} --pid-file {{bundle}}/pidfile c")
    call(f"{root} delete --force c", env=env)


def test_conmon_rs(call, kenro, bundle, console):
    globals_ = "--root={root} --systemd-cgroup=false --root={root} --systemd-cgroup=false"
    call(f"{globals_} create --bundle {{bundle}} --pid-file {{bundle}}/pidfile c")
    call(f"{globals_} start c")
    call(f"{globals_} exec -d --console-socket={console.path} --tty --pid-file={{dir}}/e.pid c "
         "/bin/sleep 1000")
    os.close(console.receive())
    assert (bundle.parent / "e.pid").read_text().isdigit()
    call(f"{globals_} exec -d --pid-file={{dir}}/e.pid c /bin/sleep 1000")


def test_cri_o(call, kenro, bundle):
    """Later calls carry the option of another cgroup manager along."""
    call("--root {root} create --bundle {bundle} --pid-file {bundle}/pidfile c")
    for line in ("start c", "state c", "pause c", "resume c"):
        call(f"--root {{root}} --systemd-cgroup {line}")
    process_file(bundle, "/bin/sh", "-c", "exit 3")
    call("--root {root} --systemd-cgroup exec --process {dir}/process c", status=3)
    call("--root {root} update --resources - c", input="{}")
    call("--root {root} --systemd-cgroup kill c 15")
    call("--root {root} --systemd-cgroup kill c KILL")
    kenro.wait_for("c", "stopped")
    call("--root {root} --systemd-cgroup kill -a c 9")
    call("--root {root} --systemd-cgroup delete --force c")


def test_buildkit(call, kenro, bundle):
    """It wants the group's files after the end, until it deletes."""
    write_config(bundle, shell("exit 3"))
    globals_ = "--root {root} --log {dir}/runc-log.json --log-format json"
    call(f"{globals_} run --bundle {{bundle}} --keep c", status=3)
    state = json.loads(call(f"{globals_} state c"))
    assert state["status"] == "stopped"
    assert json.loads((bundle / "config.json").read_text())  # by state["bundle"]
    assert state["bundle"] == str(bundle) and os.path.isdir(state["rootfs"])
    assert (cgroup_mount() / "kenro/c/cgroup.events").exists()
    call(f"{globals_} delete c")
    assert not (cgroup_mount() / "kenro/c").exists()
    write_config(bundle, config(*SLEEP))
    p = subprocess.Popen([KENRO, "--root", kenro.root, "run", "--bundle", bundle, "--keep", "c"])
    wait_until(lambda: "c" in kenro.ids() and kenro.status("c") == "running")
    process_file(bundle, "/bin/sh", "-c", "exit 4")
    call(f"{globals_} exec --process {{dir}}/process --pid-file {{dir}}/pidfile c", status=4)
    call(f"{globals_} kill c 9")
    assert p.wait(30) == 137
    call(f"{globals_} delete c")


def test_buildkit_under_a_docker_that_uses_systemd(kenro, bundle):
    """It does not ask for the manager, and reads the group by the name that it gave."""
    c = config(*SLEEP)
    c["linux"]["cgroupsPath"] = "kenro-test.slice:docker:c"
    write_config(bundle, c)
    kenro.ok("create", "--bundle", bundle, "c")
    group = cgroup_mount() / "kenro-test.slice:docker:c"
    assert (group / "cgroup.procs").read_text() == f"{kenro.pid('c')}\n"
    kenro.ok("delete", "--force", "c")
    assert not group.exists()


def test_buildah(call, kenro, bundle):
    call("--root {root} create --bundle {bundle} --pid-file {bundle}/pid --no-new-keyring c",
         cwd=bundle)
    call("--root {root} start c")
    assert json.loads(call("--root {root} state c"))["status"] == "running"
    call("--root {root} kill c")
    call("--root {root} kill c SIGKILL")
    pid = int((bundle / "pid").read_text())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9
    assert json.loads(call("--root {root} state c"))["status"] == "stopped"
    call("--root {root} delete c")


def test_runtime_tools(call, kenro):
    call("--root {root} create --bundle {bundle} c")
    call("--root {root} start c")
    call("--root {root} state c")
    call("--root {root} kill c KILL")
    kenro.wait_for("c", "stopped")
    call("--root {root} delete c")


# ---- rows of single commands ---------------------------------------------------------------

@pytest.mark.parametrize("version", ["1.0.0", "1.0.2-dev", "1.9.0", "1.3.0-rc.1"])
def test_any_minor_version_of_the_specification_will_do(kenro, bundle, version):
    write_config(bundle, config() | {"ociVersion": version})
    kenro.ok("run", "-b", bundle, "c")


def test_a_create_says_nothing_on_standard_output(kenro, bundle):
    write_config(bundle, config(*SLEEP))
    assert kenro.ok("create", "-b", bundle, "c") == ""
    assert kenro.ok("start", "c") == ""


@pytest.mark.parametrize("signal", ["15", "TERM", "SIGTERM", "term", "sigterm", "34", "64",
                                    "SIGRTMIN+1", "RTMAX"])
def test_kill_knows_signals_by_all_their_names(kenro, bundle, signal):
    write_config(bundle, config(*SLEEP))
    kenro.ok("create", "-b", bundle, "c")
    kenro.ok("kill", "c", signal)
    kenro.ok("kill", "--all", "c", signal)


def test_delete_does_not_need_the_cgroup(stopped):
    """Somebody else has removed it already."""
    (cgroup_mount() / "kenro/c").rmdir()
    stopped.ok("delete", "c")


def test_pid_reuse_does_not_kill_another(running, bundle):
    """Records that are older than a process with the same number."""
    running.ok("kill", "c", "KILL")
    running.wait_for("c", "stopped")
    p = subprocess.Popen(["sleep", "1000"])
    path = running.root / "c/state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps(state | {"pid": p.pid}))
    running.fails("kill", "c", "9")
    running.ok("delete", "--force", "c")
    assert p.poll() is None
    kill_and_reap(p)


def test_list_of_a_default_directory_that_is_not_there_is_empty(tmp_path):
    if os.path.exists("/run/kenro"):
        pytest.skip("/run/kenro is there")
    for args, out in ((["-q"], ""), (["--format", "json"], "[]\n")):
        p = subprocess.run([KENRO, "list", *args], capture_output=True, text=True, timeout=60)
        assert (p.returncode, p.stdout, p.stderr) == (0, out, "")


# ---- what is printed ------------------------------------------------------------------------

STATE = {"ociVersion": str, "id": str, "pid": int, "status": str, "bundle": str, "rootfs": str,
         "created": str, "annotations": dict, "owner": str}


@pytest.mark.parametrize("status", ["created", "running", "paused", "stopped"])
def test_state_has_these_members_and_types_and_no_others(running, status, request):
    """CRI-O decodes it into a structure with members of its own."""
    if status == "created":
        running.ok("delete", "-f", "c")
        running.ok("create", "-b", request.getfixturevalue("bundle"), "c")
    elif status == "paused":
        running.ok("pause", "c")
    elif status == "stopped":
        running.ok("kill", "c", "9")
        running.wait_for("c", "stopped")
    state = running.state("c")
    assert {k: type(v) for k, v in state.items()} == \
        {k: t for k, t in STATE.items() if k != "annotations"}  # none is absent
    assert state["status"] == status
    assert (state["pid"] == 0) == (status == "stopped")
    assert os.path.isabs(state["bundle"]) and os.path.isabs(state["rootfs"])
    assert re.fullmatch(RFC3339, state["created"])
    assert json.loads(running.ok("list", "--format", "json")) == [state]


ANNOTATIONS = {
    "io.podman.annotations.autoremove": "FALSE", "io.container.manager": "libpod",
    "io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri-o.TTY": "false",
    "org.opencontainers.image.stopSignal": "15", "nerdctl/platform": "linux/amd64",
    "bundle": "/not/this/one", "org.criu.config": "/nosuch", "run.oci.handler": "wasm",
    "module.wasm.image/variant": "compat", "krun.cpus": "2", "odd \u00e9\n\"": "\u2028\t\\",
    "run.oci.hooks.stdout": "/tmp/kenro-test-hooks", "run.oci.seccomp_bpf_data": "AAAA",
    "org.systemd.property.KillSignal": "15", "run.oci.systemd.subgroup": "x",
}


def test_annotations_are_carried_through_and_change_nothing(kenro, bundle):
    """None of them is acted on; each stands in the state as it was."""
    c = config(*SLEEP)
    c["annotations"] = ANNOTATIONS
    write_config(bundle, c)
    kenro.ok("run", "-d", "-b", bundle, "c")
    state = kenro.state("c")
    assert state["annotations"] == ANNOTATIONS and state["bundle"] == str(bundle)
    assert json.loads(kenro.ok("list", "-f", "json"))[0]["annotations"] == ANNOTATIONS
    pid = kenro.pid("c")
    assert "0::/kenro/c\n" in open(f"/proc/{pid}/cgroup").read()
    assert not os.path.exists("/tmp/kenro-test-hooks")
    features = json.loads(kenro.ok("features"))
    # which lists those that are acted on
    assert not set(ANNOTATIONS) & set(features["potentiallyUnsafeConfigAnnotations"])


def test_features_has_what_engines_require():
    p = subprocess.run([KENRO, "features"], capture_output=True, text=True, timeout=60)
    f = json.loads(p.stdout)
    assert p.stderr == ""
    assert f["ociVersionMin"] and f["ociVersionMax"]
    assert "rro" in f["mountOptions"]
    assert "user" in f["linux"]["namespaces"]
    assert isinstance(f["linux"]["mountExtensions"]["idmap"]["enabled"], bool)
    for key in ("apparmor", "selinux", "intelRdt", "seccomp", "netDevices"):
        assert isinstance(f["linux"][key]["enabled"], bool)
    # no statement is made of what the highest version does not know
    assert set(f) <= {"ociVersionMin", "ociVersionMax", "hooks", "mountOptions", "linux",
                      "annotations", "potentiallyUnsafeConfigAnnotations"}


def test_processes_of_a_container_with_the_hosts_pids_are_found_after_init(kenro, bundle):
    """containerd asks for them, and kills them."""
    c = without(shell("sleep 1000 >/dev/null 2>&1 & exit 0"), "pid")
    c["mounts"][0] = {"destination": "/proc", "type": "bind", "source": "/proc",
                      "options": ["rbind"]}
    write_config(bundle, c)
    kenro.ok("run", "-d", "-b", bundle, "c")
    kenro.wait_for("c", "stopped")
    [left] = json.loads(kenro.ok("ps", "--format", "json", "c"))
    assert f" {left} " in kenro.ok("ps", "c", "-eo", "ppid,pid,comm").splitlines()[1] + " "
    kenro.ok("kill", "--all", "c", "9")
    wait_until(lambda: reap_orphans() is not None and
               json.loads(kenro.ok("ps", "--format", "json", "c")) == [])
