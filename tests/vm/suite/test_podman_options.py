"""What a container is given by Podman's options, as root: every option is asked for, and
looked at from inside."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from engines import HELPERS
from kenrotest import wait_until

pytestmark = pytest.mark.slow


def inside(podman, image, *options):
    return json.loads(podman.ok("run", "--rm", *HELPERS, *options, image, "/helpers/inside"))


def shell(podman, image, script, *options):
    return podman.ok("run", "--rm", *options, image, "sh", "-c", script)


def mounted(seen, path):
    """The options of the mount and of its file system."""
    found = [line.split() for line in seen["mountinfo"]]
    last = [m for m in found if m[4] == path][-1]
    return set(last[5].split(",")), last[last.index("-") + 1], set(last[-1].split(","))


def test_a_process_is_as_the_options_say(podman, image):
    seen = inside(podman, image, "--user", "1234:2345", "--group-add", "77", "--workdir", "/tmp", "--env", "A=b c",
                  "--hostname", "named", "--umask", "0027", "--oom-score-adj", "100", "--ulimit", "nofile=100:200",
                  "--ulimit", "core=0", "--cap-drop", "all", "--cap-add", "net_bind_service",
                  "--security-opt", "no-new-privileges", "--tz", "Etc/UTC")
    assert (seen["cwd"], seen["hostname"], seen["umask"]) == ("/tmp", "named", 0o027)
    assert seen["status"]["Uid"].split() == ["1234"] * 4 and seen["status"]["Gid"].split() == ["2345"] * 4
    assert "77" in seen["status"]["Groups"].split()
    assert {"A=b c", "HOSTNAME=named", "container=podman"} <= set(seen["env"])
    assert seen["limits"]["NOFILE"] == [100, 200] and seen["limits"]["CORE"] == [0, 0]
    assert seen["status"]["CapBnd"] == "0000000000000400"
    assert (seen["status"]["NoNewPrivs"], seen["status"]["Seccomp"]) == ("1", "2")
    assert seen["oom_score_adj"] == ["100"]
    assert seen["pid"] == 1 and seen["cgroup"] == ["0::/"]


def test_its_files_are_as_the_options_say(podman, image, tmp_path):
    (tmp_path / "file").write_text("of the host")
    (tmp_path / "env").write_text("FROM=a file\n")
    podman.ok("secret", "create", "--replace", "whisper", "-", input="psst")
    said = shell(podman, image, "cat /bound; echo; cat /run/secrets/whisper; echo; echo $TOLD $FROM; "
                 "df /dev/shm /scratch | awk 'NR>1{print $2}'; ls -ld /scratch; "
                 "cat /etc/hosts | grep -c 10.9.8.7; cat /proc/sys/kernel/shmmax; (>/ro/x) 2>/dev/null || echo ro",
                 "--volume", f"{tmp_path}/file:/bound:ro", "--env-file", f"{tmp_path}/env",
                 "--shm-size", "3m", "--tmpfs", "/scratch:size=2m,mode=0711", "--add-host", "away:10.9.8.7",
                 "--sysctl", "kernel.shmmax=12345678",
                 "--mount", f"type=bind,source={tmp_path},destination=/ro,ro=true",
                 "--secret", "whisper", "--secret", "whisper,type=env,target=TOLD")
    podman.ok("secret", "rm", "whisper")
    assert said.splitlines()[:5] == ["of the host", "psst", "psst a file", "3072", "2048"]
    assert "drwx--x--x" in said and said.endswith("1\n12345678\nro")


def test_a_read_only_container_writes_where_it_may(podman, image):
    said = shell(podman, image, "for d in / /etc /proc/sys/kernel /sys /tmp /run /var/tmp /dev/shm /dev; do "
                 "(>$d/hostname2) 2>/dev/null && echo $d; done", "--read-only")
    assert [d for d in said.split() if d != "/dev"] == ["/tmp", "/run", "/var/tmp", "/dev/shm"]


def test_a_privileged_container_has_everything(podman, image):
    seen = inside(podman, image, "--privileged")
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    assert int(seen["status"]["CapEff"], 16) == (2 << last) - 1
    assert seen["status"]["Seccomp"] == "0"
    assert "rw" in mounted(seen, "/sys")[0] and "rw" in mounted(seen, "/sys/fs/cgroup")[0]
    assert not [m for m in seen["mountinfo"] if m.split()[4].startswith("/proc/")]
    assert {"kmsg", "fuse"} & set(seen["dev"])
    assert shell(podman, image, "mkdir /m && mount -t tmpfs none /m && mknod /m/n c 1 3 && echo x >/m/n && echo ok",
                 "--privileged") == "ok"


def test_devices_are_those_that_were_asked_for(podman, image):
    nodes = ("--cap-add", "mknod,sys_rawio", "--device-cgroup-rule", "c *:* m")
    asked = "(: </dev/mine) && echo read; (: >/dev/mine) 2>&1; mknod /tmp/full c 1 7; (echo >/tmp/full) 2>&1; "
    said = shell(podman, image, asked + "mknod /tmp/mem c 1 1; head -c 0 /tmp/mem 2>&1; true",
                 "--device", "/dev/kmsg:/dev/mine:r", *nodes)
    assert said.startswith("read\n") and "can't create /dev/mine: Operation not permitted" in said
    assert "No space left on device" in said  # /dev/full is everybody's
    assert "/tmp/mem: Operation not permitted" in said
    said = shell(podman, image, "mknod /tmp/kmsg c 1 11; (: </tmp/kmsg) && echo read; (: >/tmp/kmsg) 2>&1; true",
                 "--device-cgroup-rule", "c 1:11 r", *nodes)
    assert said.startswith("read\n") and "can't create /tmp/kmsg: Operation not permitted" in said


def test_namespaces_of_the_host_are_shared(podman, image):
    seen = inside(podman, image, "--pid", "host", "--network", "host", "--ipc", "host", "--uts", "host",
                  "--cgroupns", "host")
    for name in ("pid", "net", "ipc", "uts", "cgroup", "user"):
        assert seen["ns"][name] == os.readlink(f"/proc/self/ns/{name}"), name
    assert seen["hostname"] == os.uname().nodename and "libpod" in seen["cgroup"][0]
    podman.ok("run", "--detach", "--name", "box", "--pid", "host", image, "sh", "-c", "sleep 54321 & wait")
    podman.ok("rm", "--force", "--time", "0", "box")
    wait_until(lambda: subprocess.run(["pgrep", "-f", "sleep 54321"], stdout=subprocess.DEVNULL).returncode == 1)


def test_namespaces_of_another_container_are_shared(podman, image):
    podman.ok("run", "--detach", "--name", "first", "--ipc", "shareable", *HELPERS, image, "sleep", "1000")
    first = json.loads(podman.ok("exec", "first", "/helpers/inside"))
    seen = inside(podman, image, *(f"--{what}=container:first" for what in ("pid", "network", "ipc", "uts")))
    for name in ("pid", "net", "ipc", "uts"):
        assert seen["ns"][name] == first["ns"][name], name
    assert seen["ns"]["mnt"] != first["ns"]["mnt"] and seen["pid"] > 1


def test_a_user_namespace_has_the_ids_that_were_asked_for(podman, image, tmp_path):
    seen = inside(podman, image, "--uidmap", "0:100000:5000", "--gidmap", "0:200000:5000", "--user", "7:8")
    assert [line.split() for line in seen["uid_map"] + seen["gid_map"]] == [
        ["0", "100000", "5000"], ["0", "200000", "5000"]]
    assert seen["status"]["Uid"].split()[0] == "7"
    tmp_path.chmod(0o755)
    (tmp_path / "mine").write_text("")
    os.chown(tmp_path / "mine", 100001, 200001)
    said = shell(podman, image, "stat -c %u:%g /v/mine; id -u; touch /new; stat -c %u /new",
                 "--uidmap", "0:100000:5000", "--gidmap", "0:200000:5000", "--volume", f"{tmp_path}:/v")
    assert said.split() == ["1:1", "0", "0"]


def test_podman_finds_ids_for_a_user_namespace(podman, image):
    for name in ("/etc/subuid", "/etc/subgid"):
        if "containers:" not in Path(name).read_text():
            Path(name).write_text(Path(name).read_text() + "containers:2147483647:2147483648\n")
    seen = inside(podman, image, "--userns", "auto:size=4096")
    first, host, size = seen["uid_map"][0].split()
    assert first == "0" and int(host) >= 2147483647 and size == "4096"


def test_volumes_are_as_the_options_say(podman, image, tmp_path):
    lower = tmp_path / "lower"
    (lower / "sub").mkdir(parents=True)
    lower.chmod(0o755)
    (lower / "file").write_text("lower")
    podman.ok("volume", "create", "--ignore", "kept")
    assert shell(podman, image, "echo here >/v/x; echo changed >/o/file; cat /o/file; stat -c %u /u; "
                 "(>/ro/x) 2>/dev/null || echo ro; grep -o ' /x rw,nosuid,nodev,noexec' /proc/self/mountinfo",
                 "--volume", "kept:/v", "--volume", f"{lower}:/o:O",
                 "--volume", f"{lower}/sub:/u:U", "--volume", f"{lower}:/ro:ro",
                 "--volume", f"{lower}:/x:nosuid,nodev,noexec").splitlines() == [
        "changed", "0", "ro", " /x rw,nosuid,nodev,noexec"]
    assert (lower / "file").read_text() == "lower"
    assert shell(podman, image, "cat /v/x", "--volume", "kept:/v:ro") == "here"
    podman.ok("volume", "rm", "kept")


def test_mounts_propagate_as_the_options_say(podman, image, tmp_path):
    top = tmp_path / "top"
    (top / "in").mkdir(parents=True)
    subprocess.run(["mount", "--bind", top, top], check=True)
    try:
        subprocess.run(["mount", "--make-shared", top], check=True)
        podman.ok("run", "--detach", "--name", "box", "--privileged", "--volume", f"{top}:/shared:rshared",
                  "--volume", f"{top}:/slave:rslave", "--volume", f"{top}:/private:rprivate", image, "sleep", "1000")
        subprocess.run(["mount", "-t", "tmpfs", "from-the-host", top / "in"], check=True)
        seen = podman.ok("exec", "box", "sh", "-c", "grep from-the-host /proc/mounts | cut -d' ' -f2")
        assert sorted(seen.split()) == ["/shared/in", "/slave/in"]
        subprocess.run(["umount", top / "in"], check=True)
        podman.ok("exec", "box", "mount", "-t", "tmpfs", "from-within", "/shared/in")
        assert f"from-within {top}/in" in Path("/proc/mounts").read_text()
        podman.ok("exec", "box", "umount", "/shared/in")
    finally:
        podman.run("rm", "--force", "--time", "0", "box")
        subprocess.run(["umount", "--recursive", top], check=True)


def test_systemd_finds_what_it_needs(podman, image):
    seen = inside(podman, image, "--systemd", "always")
    assert "rw" in mounted(seen, "/sys/fs/cgroup")[0]
    for path in ("/run", "/run/lock", "/tmp", "/var/log/journal"):
        assert mounted(seen, path)[1] == "tmpfs", path
    assert [e for e in seen["env"] if e.startswith("container_uuid=")]
    assert shell(podman, image, "mkdir /sys/fs/cgroup/sub && rmdir /sys/fs/cgroup/sub && echo ok",
                 "--systemd", "always") == "ok"


def test_without_a_cgroup_of_its_own_it_is_in_its_callers(podman, image, tmp_path):
    """Podman has a list of runtimes that can do it."""
    if podman.runtime == "runc":
        pytest.skip("runc has no --cgroup-manager")
    (tmp_path / "can").write_text(f'[engine]\nruntime_supports_nocgroup = ["{podman.runtime}"]\n')
    said = podman.ok("run", "--rm", *HELPERS, "--cgroups", "disabled", "--cgroupns", "host", image, "/helpers/inside",
                     env={**os.environ, "CONTAINERS_CONF_OVERRIDE": str(tmp_path / "can")})
    seen = json.loads(said)
    assert "libpod-" not in seen["cgroup"][0]


def test_seccomp_is_what_was_asked_for(podman, image, tmp_path):
    none = "2" if podman.runtime == "kenro" else "0"  # its own for who is not privileged: docs/differences.md
    assert inside(podman, image, "--security-opt", "seccomp=unconfined")["status"]["Seccomp"] == none
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
    (tmp_path / "profile").write_text(json.dumps(profile))
    assert "No space left" in shell(podman, image, "mkdir /x 2>&1; true", "--security-opt",
                                    f"seccomp={tmp_path}/profile")


def test_masks_are_opened_and_added(podman, image):
    said = shell(podman, image, "ls -d /proc/kcore /etc/passwd >/dev/null; stat -c %s /proc/keys /proc/timer_list; "
                 "grep -c . /proc/keys; ls -A /etc | wc -l; (>/proc/sys/kernel/hostname) 2>/dev/null || echo ro",
                 "--security-opt", "unmask=/proc/keys", "--security-opt", "mask=/etc")
    assert said.splitlines()[-2:] == ["0", "ro"]
