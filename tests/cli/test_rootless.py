"""An ordinary user, without root: what works, and what the errors say."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

import kenrotest
from kenrotest import cgroup_mount, config, inside, shell, wait_until, without, write_config
from console import read_until
from rootless import SUBIDS, UID, mapped, rootless
from test_console import Terminal
from test_namespaces import pod

needs_uidmap = pytest.mark.skipif(not os.path.exists("/usr/bin/newuidmap"),
                                  reason="newuidmap is not installed")


@pytest.fixture
def sleeper(user):
    """A container of the user's that does nothing."""
    user.ok("run", "-d", "-b", user.bundle(rootless("/bin/sleep", "1000")), "c")
    return user


def wait_stopped(runtime):
    """What an exec has left is our child, and init's end waits for it to be reaped."""
    wait_until(lambda: kenrotest.reap_orphans() is not None and runtime.status("c") == "stopped")


def own_cgroup():
    return [line for line in Path("/proc/self/cgroup").read_text().splitlines()
            if line.startswith("0::")][0]


# ---- the way in ------------------------------------------------------------------


def test_what_spec_rootless_writes_runs_at_once(user):
    bundle = user.bundle(config())
    (bundle / "config.json").unlink()
    user.ok("spec", "--rootless", "-b", bundle)
    t = Terminal(["env", "-i", *(f"{k}={v}" for k, v in user.env.items()),
                  *user.command("run", "-b", bundle, "c")])
    t.read_until("# ")
    t.write("cat /proc/self/uid_map; tty; ls /sys/class/net; exit 5\r")
    out = t.read_until("\nlo")
    assert f"0 {UID:10} {1:10}" in out
    assert "/dev/pts/0" in out
    assert t.end() == (5, True)


def test_a_failing_hook_leaves_none_of_its_processes(user):
    c = without(rootless("/bin/sh", "-c", "sleep 1000 & echo >/go; sleep 1000"), "pid")
    c["mounts"] = [m for m in c["mounts"] if m["type"] != "proc"]
    bundle = user.bundle(c)
    os.mkfifo(bundle / "rootfs/go", 0o666)
    os.chown(bundle / "rootfs/go", UID, UID)
    c["hooks"] = {"poststart": [{"path": "/bin/sh", "args": [
        "sh", "-c", f"read word <{bundle}/rootfs/go; exit 3"]}]}
    write_config(bundle, c)
    assert "poststart hook #1: /bin/sh: exit status 3" in user.fails("run", "-d", "-b", bundle, "c")


def test_what_spec_rootless_writes(user):
    bundle = user.own("empty")
    user.ok("spec", "--rootless", "-b", bundle)
    ours = json.loads((bundle / "config.json").read_text())
    user.ok("spec", "-b", user.own("other"))
    plain = json.loads((user.home / "other/config.json").read_text())
    one = [{"containerID": 0, "hostID": UID, "size": 1}]
    assert ours["linux"]["uidMappings"] == ours["linux"]["gidMappings"] == one
    assert "resources" not in ours["linux"]
    assert ours["linux"]["namespaces"] == plain["linux"]["namespaces"]  # a network of its own too
    for ours, plain in zip(ours["mounts"], plain["mounts"]):
        assert ours["options"] == [o for o in plain["options"] if o != "gid=5"]


def test_spec_rootless_is_not_for_root(kenro, tmp_path):
    assert kenro.fails("spec", "--rootless", "-b", tmp_path) == \
        "spec: --rootless is for ordinary users: root's own id would be the container's root " \
        "(leave it out, or run it as the user)"


def test_without_a_user_namespace_the_way_out_is_said(user):
    line = user.fails("run", "-b", user.bundle(config()), "c")
    assert line == \
        "run c: linux.namespaces: without privileges a container needs a user namespace (add " \
        '{ "type": "user" } and mappings, as \'kenro spec --rootless\' writes them; or run kenro ' \
        "as root)"


def test_the_life_of_a_container(user):
    bundle = user.bundle(rootless("/bin/sleep", "1000"))
    user.ok("create", "-b", bundle, "--pid-file", user.run_dir / "pid", "c")
    assert user.status("c") == "created"
    assert user.pid("c") == int((user.run_dir / "pid").read_text())
    user.ok("start", "c")
    assert user.status("c") == "running"
    assert user.ok("exec", "c", "/bin/id", "-u") == "0\n"
    assert user.run("exec", "c", "/bin/sh", "-c", "exit 7").returncode == 7
    assert json.loads(user.ok("list", "--format", "json"))[0]["owner"] == str(UID)
    user.ok("kill", "c", "KILL")
    user.wait_for("c", "stopped")
    user.ok("delete", "c")
    (user.run_dir / "pid").unlink()


def test_a_terminal_by_a_console_socket(user, console):
    os.chmod(console.path, 0o666)
    os.link(console.path, user.home / "console")
    c = rootless("/bin/sh", "-c", "tty; ls -ln /dev/console", terminal=True)
    user.ok("run", "-d", "--console-socket", user.home / "console", "-b", user.bundle(c), "c")
    out = read_until(master := console.receive(), "/dev/console")
    os.close(master)
    assert out.startswith("/dev/pts/0") and " 0 " in out


def test_a_created_container_can_be_killed_and_deleted(user):
    bundle = user.bundle(rootless("/bin/sleep", "1000"))
    user.ok("create", "-b", bundle, "c")
    user.ok("kill", "--all", "c", "WINCH")
    assert user.status("c") == "created"
    user.ok("kill", "--all", "c", "KILL")
    user.wait_for("c", "stopped")
    user.ok("delete", "c")
    user.ok("create", "-b", bundle, "c")
    user.ok("delete", "c")
    user.ok("create", "-b", bundle, "c")
    assert json.loads(user.ok("ps", "-f", "json", "c")) == [user.pid("c")]
    # the runtime's own process is out of reach, for its user too
    line = user.fails("exec", "c", "/bin/true", status=255)
    assert "cannot join the container's namespaces" in line and "start it first" in line


# ---- ids ----------------------------------------------------------------------------


def test_the_one_mapping_of_an_ordinary_user(user):
    seen = inside(user, user.bundle(config()), rootless())
    assert seen["uid_map"][0].split() == ["0", str(UID), "1"]
    assert seen["gid_map"][0].split() == ["0", str(UID), "1"]
    assert seen["status"]["Uid"].split() == ["0"] * 4
    assert seen["status"]["Groups"].split() == []
    assert seen["status"]["NoNewPrivs"] == "1" and seen["status"]["Seccomp"] == "2"
    assert int(seen["status"]["CapBnd"], 16) == int(seen["status"]["CapEff"], 16) != 0
    assert sorted(seen["fds"]) == ["0", "1", "2"]


@needs_uidmap
def test_more_ids_are_mapped_by_newuidmap(user):
    c = mapped(config(user={"uid": 1000, "gid": 100, "additionalGids": [5, 20]}), size=60000)
    seen = inside(user, user.bundle(config()), c)
    assert [line.split() for line in seen["uid_map"]] == [["0", str(UID), "1"],
                                                          ["1", str(SUBIDS[0]), "59999"]]
    assert seen["status"]["Uid"].split() == ["1000"] * 4
    assert sorted(map(int, seen["status"]["Groups"].split())) == [5, 20]
    write_config(user.home / "bundle", mapped(config("/bin/sleep", "1000"), size=60000))
    user.ok("run", "-d", "-b", user.home / "bundle", "c")
    assert user.ok("exec", "-u", "7:8", "-g", "9", "c", "/bin/id").startswith("uid=7 gid=8 groups=9")


@needs_uidmap
def test_groups_of_the_caller_are_dropped_where_they_can_be(user):
    user.groups = "--groups 4712"
    seen = inside(user, user.bundle(config()), mapped(config(), size=10))
    assert seen["status"]["Groups"].split() == []
    seen = inside(user, user.home / "bundle", rootless())
    assert seen["status"]["Groups"].split() == ["65534"]  # the kernel wants it so


@needs_uidmap
def test_the_caller_need_not_be_the_containers_root(user):
    """What is bound was opened by the caller, before it gave its ids up."""
    secret = user.own("secret", 0o700)
    (secret / "file").write_text("hello")
    c = mapped(shell("cat /tmp/file; ls -ln /tmp/file", user={"uid": 3, "gid": 3}), size=10)
    c["linux"]["uidMappings"] = c["linux"]["gidMappings"] = [
        {"containerID": 0, "hostID": SUBIDS[0], "size": 10}]
    c["linux"]["maskedPaths"] = []
    for m in c["mounts"]:
        m["options"] = [o for o in m["options"] if o != "gid=5"]
    c["mounts"].append({"destination": "/tmp", "type": "bind", "source": str(secret),
                        "options": ["rbind"]})
    bundle = user.bundle(c)
    secret.chmod(0o755)
    user.home.chmod(0o700)  # for the way to it, too
    os.chown(user.home, UID, UID)
    out = user.ok("run", "-b", bundle, "c")
    assert out.startswith("hello") and "65534" in out
    user.home.chmod(0o755)


@needs_uidmap
def test_the_pipes_of_the_caller_are_the_programs(user):
    """So that it can open /dev/stderr."""
    c = mapped(shell("echo err >/dev/stderr", user={"uid": 1000, "gid": 1000}), size=2000)
    bundle = user.bundle(c)
    # the pipe must be the user's, as it is where the user calls
    run = subprocess.run([*user.prefix(), "sh", "-c", '"$@" 2>&1 | cat', "sh", user.binary,
                          "run", "-b", bundle, "c"], env=user.env, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "err\n")
    c["process"]["args"] = ["/bin/sleep", "1000"]
    write_config(bundle, c)
    user.ok("run", "-d", "-b", bundle, "c")
    run = subprocess.run([*user.prefix(), "sh", "-c", '"$@" | cat', "sh", user.binary, "exec", "c",
                          "/bin/sh", "-c", "echo out >/dev/stdout"], env=user.env,
                         capture_output=True, text=True)
    assert run.stdout == "out\n"


@needs_uidmap
def test_what_newuidmap_refuses_is_said(user):
    c = mapped(config(), size=SUBIDS[1] + 2)
    assert user.fails("run", "-b", user.bundle(c), "c") == \
        "run c: linux.uidMappings: newuidmap: uid range [1-65538) -> [200000-265537) not allowed " \
        "(the host's ids that a user may map are those in /etc/subuid)"
    c["linux"]["uidMappings"] = [{"containerID": 0, "hostID": UID, "size": 1}]
    write_config(user.home / "bundle", c)
    assert "linux.gidMappings: newgidmap: gid range" in user.fails("run", "-b", "bundle", "c")


def test_another_users_id_is_not_mapped(user):
    c = rootless()
    c["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 0, "size": 1}]
    assert "newuidmap" in user.fails("run", "-b", user.bundle(c), "c")


@pytest.mark.parametrize("process,text", [
    ({"user": {"uid": 5, "gid": 0}}, "process.user.uid: 5 is not mapped by linux.uidMappings"),
    ({"user": {"uid": 0, "gid": 5}}, "process.user.gid: 5 is not mapped by linux.gidMappings"),
    ({"user": {"uid": 0, "gid": 0, "additionalGids": [0, 7]}},
     "process.user.additionalGids[1]: 7 is not mapped by linux.gidMappings"),
    ({"oomScoreAdj": -500},
     "process.oomScoreAdj: cannot set -500: EACCES (only the host's CAP_SYS_RESOURCE can lower "
     "it)"),
    ({"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 5, "hard": 1 << 40}]},
     "process.rlimits[0]: cannot set RLIMIT_NOFILE: EPERM"),
])
def test_what_an_ordinary_user_cannot_have(user, process, text):
    assert text in user.fails("run", "-b", user.bundle(rootless(**process)), "c")


def test_a_group_cannot_be_set_where_setgroups_is_denied(user):
    c = rootless(user={"uid": 0, "gid": 0, "additionalGids": [0]})  # as engines list it
    inside(user, user.bundle(config()), c)
    c["linux"]["gidMappings"] = [{"containerID": 7, "hostID": UID, "size": 1}]
    c["process"]["user"] = {"uid": 0, "gid": 7, "additionalGids": [7]}
    assert inside(user, user.home / "bundle", c)["status"]["Gid"].split() == ["7"] * 4


def test_what_an_ordinary_user_can_set(user):
    c = rootless(oomScoreAdj=321, rlimits=[{"type": "RLIMIT_NOFILE", "soft": 33, "hard": 44}])
    seen = inside(user, user.bundle(config()), c)
    assert seen["oom_score_adj"] == ["321"]
    assert seen["limits"]["NOFILE"] == [33, 44]


# ---- the records -----------------------------------------------------------------------


def test_the_records_are_the_users_own(sleeper):
    st = sleeper.root.stat()
    assert (st.st_uid, stat.S_IMODE(st.st_mode)) == (UID, 0o1700)


def test_without_a_directory_of_its_own_the_way_out_is_said(user):
    bundle = user.bundle(rootless())
    other = user.home / "roots"
    other.mkdir()
    open_to_all = user.own("open", 0o777)
    for value in ("", "relative", str(other), str(open_to_all)):
        line = user.fails("run", "-b", bundle, "c", env={**user.env, "XDG_RUNTIME_DIR": value})
        # "make" or, if root has made it, "open"
        assert "the directory /run/kenro: EACCES (set XDG_RUNTIME_DIR to a directory of one's " \
               "own, or use --root)" in line
    user.ok("--root", user.own("chosen"), "run", "-b", bundle, "c", env={"PATH": "/bin"})


def test_xdg_runtime_dir_means_nothing_to_the_hosts_root(user):
    user.run_dir.rmdir()
    user.run_dir.mkdir(0o700)  # root's own now
    (user.run_dir / "kenro").write_text("no directory")
    r = subprocess.run([user.binary, "list", "-q"], env=user.env, capture_output=True, text=True)
    assert (r.returncode, r.stderr) == (0, "")
    (user.run_dir / "kenro").unlink()


# ---- devices ------------------------------------------------------------------------------


def test_devices_are_the_hosts(user):
    seen = inside(user, user.bundle(config()), rootless())
    for name, numbers in (("null", "1:3"), ("zero", "1:5"), ("full", "1:7"), ("random", "1:8"),
                          ("urandom", "1:9"), ("tty", "5:0")):
        assert seen["dev"][name].split()[2] == numbers, name
    write_config(user.home / "bundle", rootless("/bin/sh", "-c", "echo a >/dev/null && "
                                                "head -c 3 /dev/zero | wc -c; ls -l /dev/fd/0"))
    assert user.ok("run", "-b", "bundle", "c").startswith("3\n")


def device(path="/dev/fuse", major=10, minor=229, kind="c"):
    return {"path": path, "type": kind, "major": major, "minor": minor}


def test_a_listed_device_is_the_hosts_or_refused(user):
    c = rootless("/bin/ls", "-l", "/dev/sub/zero", "/srv/zero", "/srv/pipe")
    c["linux"]["devices"] = [device("/dev/fuse", 1, 3)]
    bundle = user.bundle(c)
    assert user.fails("run", "-b", bundle, "c") == \
        "run c: linux.devices (/dev/fuse): the host's /dev/fuse is not the character device 1:3 " \
        "(without privileges a node cannot be made, only the host's be bound)" \
        if os.path.exists("/dev/fuse") else "cannot open the host's /dev/fuse: ENOENT"
    c["linux"]["devices"] = [device("/dev/nosuch")]
    write_config(bundle, c)
    assert "linux.devices (/dev/nosuch): cannot open the host's /dev/nosuch: ENOENT" in \
        user.fails("run", "-b", bundle, "c")


def test_a_pipe_needs_no_privileges(user):
    c = rootless("/bin/ls", "-ln", "/srv/pipe", "/dev/sub/pipe")
    c["linux"]["devices"] = [{"path": "/srv/pipe", "type": "p", "fileMode": 0o640},
                             {"path": "/dev/sub/pipe", "type": "p"}]
    out = user.ok("run", "-b", user.bundle(c), "c").splitlines()
    assert out[0].startswith("prw-rw-rw-") and out[1].startswith("prw-r-----")
    assert out[1].split()[2:4] == ["0", "0"]


def test_a_device_that_is_listed_must_be_allowed(user):
    c = rootless()
    c["linux"]["devices"] = [device("/dev/kmsg", 1, 11)]
    assert user.fails("run", "-b", user.bundle(c), "c") == \
        "run c: linux.devices[0] (/dev/kmsg): linux.resources.devices does not allow to read and " \
        "write it, which cannot be enforced without privileges (allow it there, or leave the " \
        "device out)"
    c["linux"]["resources"]["devices"].append(
        {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "rw"})
    c["process"]["args"] = ["/bin/ls", "-l", "/dev/kmsg"]
    write_config(user.home / "bundle", c)
    assert "1,  11" in user.ok("run", "-b", "bundle", "c")


def test_no_other_node_can_be_opened(user):
    """There is no device program; nor is there a node in reach."""
    c = rootless("/bin/sh", "-c",
                 "mknod /tmp/made c 1 3; for f in /node /tmp/bound/node; do echo x >$f; done; "
                 "echo x >/one && echo written")
    volume = user.own("volume")
    bundle = user.bundle(c)
    for node in (bundle / "rootfs/node", volume / "node", user.home / "one"):
        os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        node.chmod(0o666)
    c["mounts"] += [
        {"destination": "/tmp/bound", "type": "bind", "source": str(volume),
         "options": ["rbind", "dev"]},
        # named by the configuration, and the user's own power anyway
        {"destination": "/one", "type": "bind", "source": str(user.home / "one"),
         "options": ["bind"]}]
    write_config(bundle, c)
    r = user.run("run", "-b", bundle, "c")
    assert r.stdout == "written\n"
    assert [line.rsplit(": ", 1)[1] for line in r.stderr.splitlines()] == [
        "Operation not permitted", "Permission denied", "Permission denied"]
    # "everything" asks for no program
    c["linux"]["resources"]["devices"] = [{"allow": True, "access": "rwm"}]
    write_config(bundle, c)
    r = user.run("run", "-b", bundle, "c")
    assert r.stderr.count("Permission denied") == 0


# ---- cgroups ------------------------------------------------------------------------------


def test_without_the_right_to_a_cgroup_there_is_none(sleeper):
    assert own_cgroup() in Path(f"/proc/{sleeper.pid('c')}/cgroup").read_text().splitlines()
    assert json.loads((sleeper.root / "c/state.json").read_text())["cgroup"] == ""


def test_the_end_of_init_is_the_end_of_all(sleeper):
    sleeper.ok("exec", "-d", "--pid-file", "run/pid", "c", "/bin/sleep", "1000")
    pid = int((sleeper.run_dir / "pid").read_text())
    (sleeper.run_dir / "pid").unlink()
    sleeper.ok("delete", "--force", "c")
    wait_until(lambda: kenrotest.reap_orphans() == [] and not os.path.exists(f"/proc/{pid}"))


def test_a_signal_for_all_finds_them_by_their_pid_namespace(sleeper):
    out = sleeper.run_dir / "out"
    with open(out, "w") as f:
        sleeper.ok("exec", "-d", "c", "/bin/sh", "-c",
                   "trap 'echo got; exit' USR1; echo ready; sleep 1000 & wait",
                   stdout=f)
    wait_until(lambda: out.read_text() == "ready\n")
    sleeper.ok("kill", "--all", "c", "USR1")  # init ignores it, for want of a handler
    wait_until(lambda: out.read_text() == "ready\ngot\n")
    assert sleeper.status("c") == "running"
    sleeper.ok("kill", "--all", "c", "KILL")
    wait_stopped(sleeper)
    sleeper.ok("kill", "--all", "c", "KILL")


def test_ps_and_pause_of_a_container_without_a_cgroup(sleeper):
    assert json.loads(sleeper.ok("ps", "-f", "json", "c")) == [sleeper.pid("c")]
    assert "the container has no cgroup of its own" in sleeper.fails("pause", "c")


def test_in_a_shared_pid_namespace_a_containers_processes_end_with_it(sleeper):
    c = pod(rootless("/bin/sh", "-c", "sleep 1001 & exec sleep 1002"), sleeper.pid("c"),
            "user", "pid")
    sleeper.ok("run", "-d", "-b", sleeper.bundle(c, "second"), "two")
    found = lambda: [line for line in sleeper.ok("exec", "c", "/bin/ps").splitlines()  # noqa: E731
                     if "sleep 100" in line]
    wait_until(lambda: len(found()) == 3)
    sleeper.ok("delete", "--force", "two")
    assert [line.split()[-1] for line in found()] == ["1000"]


def test_a_cgroup_that_is_asked_for_must_be_there(user):
    c = rootless()
    c["linux"]["cgroupsPath"] = "/kenro-test-x/c"
    line = user.fails("run", "-b", user.bundle(c), "c")
    assert "cannot make the cgroup" in line and "EACCES" in line
    assert "systemd-run --user --scope -p Delegate=yes" in line


@pytest.fixture
def delegated(user):
    """The user sits in a group whose parent is the user's own, as a user's systemd makes it."""
    parent = cgroup_mount() / "kenro-test-user"
    user.cgroup = parent / "caller"
    user.cgroup.mkdir(parents=True)
    for group in (parent, user.cgroup):
        for name in (".", "cgroup.procs", "cgroup.subtree_control"):
            os.chown(group / name, UID, UID)
    yield user
    for id in user.ids():
        user.ok("delete", "--force", id)
    wait_until(lambda: kenrotest.reap_orphans() == [] and
               "populated 0" in (parent / "cgroup.events").read_text())
    user.cgroup.rmdir()
    parent.rmdir()  # nothing else is left in it
    user.cgroup = ""


def test_a_delegated_cgroup_is_used(delegated):
    bundle = delegated.bundle(rootless("/bin/sleep", "1000"))
    delegated.ok("run", "-d", "-b", bundle, "c")
    group = delegated.cgroup.parent / "kenro-c"
    assert Path(f"/proc/{delegated.pid('c')}/cgroup").read_text().splitlines()[-1] == \
        "0::/kenro-test-user/kenro-c"
    delegated.ok("exec", "-d", "c", "/bin/sleep", "1000")
    assert len((group / "cgroup.procs").read_text().split()) == 2
    delegated.ok("kill", "--all", "c", "KILL")
    wait_stopped(delegated)
    delegated.ok("delete", "c")
    assert not group.exists()


def test_a_delegated_cgroup_whose_caller_was_killed_once(delegated):
    """Since Linux 6.14 nobody can be cloned into it then; nothing may be lost by the slow way."""
    (delegated.cgroup / "cgroup.kill").write_text("1")
    c = rootless("/bin/sleep", "1000", oomScoreAdj=99)
    delegated.ok("run", "-d", "-b", delegated.bundle(c), "c")
    pid = delegated.pid("c")
    assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "99\n"
    assert "kenro-c" in Path(f"/proc/{pid}/cgroup").read_text()
    delegated.ok("exec", "c", "/bin/true")


def test_a_cgroup_path_in_what_is_delegated(delegated):
    c = rootless("/bin/sleep", "1000")
    c["linux"]["cgroupsPath"] = "/kenro-test-user/a/b"
    delegated.ok("run", "-d", "-b", delegated.bundle(c), "c")
    assert (delegated.cgroup.parent / "a/b/cgroup.procs").read_text().split() == \
        [str(delegated.pid("c"))]
    delegated.ok("delete", "--force", "c")
    assert not (delegated.cgroup.parent / "a").exists()


# ---- mounts -------------------------------------------------------------------------------


def test_a_group_of_devpts_must_be_mapped(user):
    c = mapped(config())
    c["mounts"][2]["options"].append("gid=5")
    assert user.fails("run", "-b", user.bundle(c), "c") == \
        "run c: mounts[2] (/dev/pts): gid=5 is not mapped by linux.gidMappings (leave the option " \
        "out, or map the id)"


@pytest.mark.parametrize("kind,text", [
    ("network", "mounts[5] (/sys): cannot open the file system sysfs: EPERM (in a user namespace it needs a "
                "network namespace made with it, and a /sys that is not covered; or bind /sys "
                "with rbind)"),
    ("ipc", "mounts[4] (/dev/mqueue): mqueue cannot be mounted: EPERM (in a user namespace it "
            "needs an ipc namespace made with it)"),
])
def test_a_file_system_of_a_namespace_needs_that_namespace(user, kind, text):
    c = without(rootless(), kind)
    assert user.fails("run", "-b", user.bundle(c), "c") == "run c: " + text


def test_the_hosts_network_and_its_sys(user):
    c = without(rootless("/bin/ls", "/sys/class/net"), "network")
    c["mounts"][5] = {"destination": "/sys", "type": "bind", "source": "/sys",
                      "options": ["rbind", "nosuid", "noexec", "nodev", "rro"]}
    assert user.ok("run", "-b", user.bundle(c), "c").split() == sorted(os.listdir("/sys/class/net"))


def test_what_is_mounted_below_a_source_cannot_be_left_out(user):
    c = rootless()
    c["mounts"].append({"destination": "/mnt", "type": "bind", "source": "/sys",
                        "options": ["bind", "ro"]})
    assert user.fails("run", "-b", user.bundle(c), "c") == \
        "run c: /sys: cannot clone it without what is mounted below: EINVAL (without privileges " \
        "that would uncover files: use rbind)"


def test_relative_sources_and_files(user):
    c = rootless("/bin/cat", "/tmp/dir/f", "/tmp/f")
    bundle = user.bundle(c)
    (bundle / "dir").mkdir()
    (bundle / "dir/f").write_text("hello\n")
    (bundle / "link").symlink_to("dir/f")
    c["mounts"] += [{"destination": "/tmp/dir", "type": "bind", "source": "dir",
                     "options": ["rbind", "ro"]},
                    {"destination": "/tmp/f", "type": "bind", "source": "link",
                     "options": ["bind"]}]
    write_config(bundle, c)
    assert user.ok("run", "-b", bundle, "c") == "hello\nhello\n"


def test_a_read_only_root(user):
    c = rootless("/bin/touch", "/x")
    c["root"]["readonly"] = True
    r = user.run("run", "-b", user.bundle(c), "c")
    assert r.returncode == 1 and "Read-only file system" in r.stderr


# ---- namespaces ---------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [("user",), ("user", "network", "ipc", "uts"),
                                   ("user", "pid", "network", "ipc", "uts", "cgroup")])
def test_the_namespaces_of_another_container_are_joined(sleeper, kinds):
    pid = sleeper.pid("c")
    seen = inside(sleeper, sleeper.bundle(config(), "second"), pod(rootless(), pid, *kinds))
    for kind in kinds:
        name = {"network": "net"}.get(kind, kind)
        assert seen["ns"][name] == os.readlink(f"/proc/{pid}/ns/{name}"), kind
    assert seen["status"]["Groups"].split() == []


def test_a_joined_namespace_needs_its_user_namespace(sleeper):
    c = pod(rootless(), sleeper.pid("c"), "network")
    assert sleeper.fails("run", "-b", sleeper.bundle(c, "second"), "two") == \
        "run two: linux.namespaces: without privileges a new user namespace has no power over " \
        "the network namespace that is joined (join the user namespace that it belongs to as well)"


@pytest.mark.parametrize("offsets,seen_offsets", [
    (None, ["0", "0"]), ({}, ["0", "0"]),
    ({"monotonic": {"secs": 0}, "boottime": {"secs": 0, "nanosecs": 0}}, ["0", "0"]),
    ({"monotonic": {"secs": 60}, "boottime": {"secs": 7200}}, ["60", "7200"]),
])
def test_time_offsets(user, offsets, seen_offsets):
    c = rootless()
    c["linux"]["namespaces"].append({"type": "time"})
    if offsets is not None:
        c["linux"]["timeOffsets"] = offsets
    seen = inside(user, user.bundle(config()), c)
    assert [line.split()[1] for line in seen["timens_offsets"]] == seen_offsets
    assert seen["ns"]["time"] != os.readlink("/proc/self/ns/time")


def test_time_offsets_in_a_joined_user_namespace_are_refused(sleeper):
    c = pod(rootless(), sleeper.pid("c"), "user")
    c["linux"]["namespaces"].append({"type": "time"})
    c["linux"]["timeOffsets"] = {"boottime": {"secs": 7}}
    assert "linux.timeOffsets: without privileges they cannot be set when a user namespace is " \
        "joined" in sleeper.fails("run", "-b", sleeper.bundle(c, "second"), "two")


def test_a_failure_leaves_nothing(user):
    c = rootless("/nosuch")
    assert "/nosuch" in user.fails("run", "-b", user.bundle(c), "c")
    c["mounts"].append({"destination": "/mnt", "type": "bind", "source": "/nosuch"})
    write_config(user.home / "bundle", c)
    assert "cannot open the source /nosuch: ENOENT" in user.fails("create", "-b", "bundle", "c")
    assert os.listdir(user.root) == []
