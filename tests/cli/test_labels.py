"""AppArmor and SELinux by kernels that have them: each is booted once, and does
everything; a test looks at one thing that was done."""

import copy
import json

import pytest

import guest
from kenrotest import make_bundle, shell, user_namespace

pytestmark = pytest.mark.slow

ATTR = "/proc/self/attr/current"
RUN = "kenro run -b . c"


def mapped(c):
    """What a user namespace changes."""
    own = user_namespace(copy.deepcopy(c))["linux"]
    return {}, {key: own[key] for key in ("namespaces", "uidMappings", "gidMappings")}


def variants(directory, c, **changes):
    """NAME.json beside config.json for each NAME: changes of the process, of linux."""
    for name, (process, linux) in changes.items():
        other = copy.deepcopy(c)
        other["process"].update(process)
        other["linux"].update(linux)
        (directory / f"{name}.json").write_text(json.dumps(other))


def with_config(name, command):
    return f"cp {name}.json config.json; {command}"


DETACHED = with_config("sleep", "kenro run -d -b . d")
DOCUMENT = {"args": ["/bin/cat", ATTR], "cwd": "/", "noNewPrivileges": True}

# ---- AppArmor ---------------------------------------------------------------------------

PROFILES = """
profile kenro-test flags=(attach_disconnected,mediate_deleted) {
  capability, file, mount, umount, network, signal, ptrace, unix,
  deny /etc/passwd r,
}
profile "two words" flags=(attach_disconnected) { file, capability, }
"""


@pytest.fixture(scope="module")
def apparmor(tmp_path_factory):
    directory = tmp_path_factory.mktemp("apparmor")
    c = shell(f"cat {ATTR}; cat /etc/passwd >/dev/null", apparmorProfile="kenro-test")
    bundle = make_bundle(directory / "bundle", c)
    variants(bundle, c, plain=({}, {}), sleep=({"args": ["/bin/sleep", "1000"]}, {}),
             privileged=({"noNewPrivileges": False}, {}), user=mapped(c),
             words=({"apparmorProfile": "two words"}, {}),
             stack=({"apparmorProfile": "kenro-test//&unconfined"}, {}),
             unconfined=({"apparmorProfile": "unconfined"}, {}),
             unknown=({"apparmorProfile": "no-such-profile"}, {}))
    (directory / "profiles").write_text(PROFILES)
    (bundle / "p.json").write_text(json.dumps(DOCUMENT))
    return guest.boot(directory, "security=apparmor apparmor=1",
                      "apparmor_parser -r /mnt/profiles", {
        **{name: with_config(name, RUN) for name in
           ("plain", "privileged", "user", "words", "stack", "unconfined", "unknown")},
        "detached": DETACHED,
        "exec": f"kenro exec d cat {ATTR}",
        "exec-document": "kenro exec -p p.json d",
        "exec-other": f"kenro exec --apparmor 'two words' d cat {ATTR}",
        "exec-unknown": f"kenro exec --apparmor no-such-profile d cat {ATTR}",
        "check": "kenro check --plan . | grep AppArmor",
        "left": "kenro delete -f d; kenro list -q",
    })


@pytest.mark.parametrize("name", ["plain", "privileged", "user"])
def test_a_profile_holds_the_program(apparmor, name):
    """With no_new_privs, without, and in a user namespace."""
    output, status = apparmor[name]
    assert (output.splitlines(), status) == (
        ["kenro-test (enforce)", "cat: can't open '/etc/passwd': Permission denied"], 1)


@pytest.mark.parametrize("name,shown", [
    ("words", "two words (enforce)"), ("unconfined", "unconfined"),
    ("stack", "kenro-test//&unconfined (enforce)\n"
              "cat: can't open '/etc/passwd': Permission denied"),
])
def test_profiles_that_are_written_in_other_ways(apparmor, name, shown):
    assert apparmor[name][0] == shown


@pytest.mark.parametrize("name,status", [("unknown", 1), ("exec-unknown", 255)])
def test_a_profile_that_is_not_loaded_is_an_error(apparmor, name, status):
    what = "run c" if name == "unknown" else "exec d"
    assert apparmor[name] == (
        f"kenro: {what}: process.apparmorProfile: cannot set 'no-such-profile' by "
        "`/proc/thread-self/attr/apparmor/exec`: ENOENT "
        "(no such profile is loaded: see apparmor_parser(8))", status)


def test_an_exec_has_its_containers_profile_or_another(apparmor):
    assert apparmor["detached"] == ("", 0)
    assert apparmor["exec"] == apparmor["exec-document"] == ("kenro-test (enforce)", 0)
    assert apparmor["exec-other"] == ("two words (enforce)", 0)
    assert apparmor["check"][0] == "AppArmor: kenro-test"
    assert apparmor["left"] == ("", 0)


# ---- SELinux ----------------------------------------------------------------------------

# The initial ids in the kernel's order: what it knows before it has seen a policy.
INITIAL = """kernel security unlabeled fs file file_labels init any_socket port netif netmsg node
igmp_packet icmp_socket tcp_socket sysctl_modprobe sysctl sysctl_fs sysctl_kernel sysctl_net
sysctl_net_unix sysctl_vm sysctl_dev kmod policy scmp_packet devnull""".split()

FILE = """ioctl read write create getattr setattr lock relabelfrom relabelto append map unlink
link rename execute quotaon mounton audit_access open execmod watch watch_mount watch_sb
watch_with_perm watch_reads"""

# What is decided by type; all else is allowed.
CLASSES = {
    "process": """fork transition sigchld sigkill sigstop signull signal ptrace getsched setsched
        getsession getpgid setpgid getcap setcap share getattr setexec setfscreate noatsecure
        siginh setrlimit rlimitinh dyntransition setcurrent execmem execstack execheap
        setkeycreate setsockcreate getrlimit""",
    "process2": "nnp_transition nosuid_transition",
    "file": FILE + " execute_no_trans entrypoint",
    "dir": FILE + " add_name remove_name reparent search rmdir",
}
TYPES = "base_t container_t other_t secret_t container_file_t".split()


def policy():
    """Everybody may do everything, but container_t may not read what is secret_t."""
    lines = [f"class {c}" for c in CLASSES] + [f"sid {s}" for s in INITIAL]
    lines += [f"class {c} {{ {p} }}" for c, p in CLASSES.items()]
    lines += ["policycap nnp_nosuid_transition;"] + [f"type {t};" for t in TYPES]
    lines += ["role r;"] + [f"role r types {t};" for t in TYPES]
    everybody = " ".join(TYPES)
    lines += [f"allow {{ {everybody} }} {{ {everybody.replace('secret_t', '')} }}:{c} *;"
              for c in CLASSES]
    lines += [f"allow {{ base_t other_t }} secret_t:{c} *;" for c in CLASSES]
    lines += ["user u roles r;"] + [f"sid {s} u:r:base_t" for s in INITIAL]
    lines += [f"fs_use_trans {fs} u:r:base_t;" for fs in ("devpts", "tmpfs", "mqueue", "devtmpfs")]
    lines += [f"fs_use_task {fs} u:r:base_t;" for fs in ("pipefs", "sockfs")]
    lines += [f"genfscon {fs} / u:r:base_t" for fs in ("proc", "sysfs", "hostfs", "cgroup2")]
    return "\n".join(lines) + "\n"


LOAD = """
mount -t selinuxfs selinuxfs /sys/fs/selinux
checkpolicy -U allow -o /tmp/policy /mnt/policy
dd if=/tmp/policy of=/sys/fs/selinux/load bs=1M
echo 1 >/sys/fs/selinux/enforce
"""

LABEL, MOUNTS = "u:r:container_t", "u:r:container_file_t"
LABELLED = "/dev /dev/mqueue /dev/shm /dev/pts /dev/null /proc/keys"


@pytest.fixture(scope="module")
def selinux(tmp_path_factory):
    directory = tmp_path_factory.mktemp("selinux")
    c = shell(f"cat {ATTR}; echo; labels {LABELLED}; cat /secret/file; ls /sys/firmware",
              selinuxLabel=LABEL)
    c["linux"] |= {"mountLabel": MOUNTS, "seccomp": {"defaultAction": "SCMP_ACT_ALLOW"}}
    c["mounts"].append({"destination": "/secret", "type": "tmpfs", "source": "tmpfs",
                        "options": ["context=u:r:secret_t", "mode=755"]})
    bundle = make_bundle(directory / "bundle", c)
    variants(bundle, c, plain=({}, {}), sleep=({"args": ["/bin/sleep", "1000"]}, {}),
             privileged=({"noNewPrivileges": False}, {}), user=mapped(c),
             unknown=({"selinuxLabel": "u:r:nosuch_t"}, {}),
             mounts=({}, {"mountLabel": "u:r:nosuch_t"}))
    (directory / "policy").write_text(policy())
    (bundle / "p.json").write_text(json.dumps(DOCUMENT))
    return guest.boot(directory, "lsm=selinux selinux=1", LOAD, {
        "enforce": "cat /sys/fs/selinux/enforce; echo",
        **{name: with_config(name, RUN) for name in
           ("plain", "privileged", "user", "unknown", "mounts")},
        "detached": DETACHED,
        "exec": f"kenro exec d sh -c 'cat {ATTR}; echo; ls /secret'",
        "exec-document": "kenro exec -p p.json d; echo",
        "exec-other": "kenro exec --process-label u:r:other_t d sh -c "
                      f"'cat {ATTR}; echo; labels; ls /secret'",
        "left": "kenro delete -f d; kenro list -q",
    })


def lines(result):
    return result[0].replace("\0", "").splitlines()


@pytest.mark.parametrize("name", ["plain", "privileged", "user"])
def test_a_label_is_that_of_program_keyring_and_mounts(selinux, name):
    assert lines(selinux["enforce"]) == ["1"]
    seen = lines(selinux[name])
    assert seen[:2] == [LABEL, f"keyring {LABEL}"]
    assert seen[2:8] == [f"{path} {MOUNTS}" for path in LABELLED.split()]
    # the entry's own context, and a masked directory that can be read, and is empty
    assert seen[8:] == ["cat: can't open '/secret/file': Permission denied"]


def test_a_label_that_the_policy_does_not_know_is_an_error(selinux):
    assert selinux["unknown"] == (
        "kenro: run c: process.selinuxLabel: cannot set 'u:r:nosuch_t' by "
        "`/proc/thread-self/attr/keycreate`: EINVAL (the loaded policy has no such context)", 1)
    assert selinux["mounts"] == (
        "kenro: run c: linux.mountLabel: cannot make a tmpfs with 'u:r:nosuch_t': EINVAL", 1)


def test_an_exec_has_its_containers_label_or_another(selinux):
    assert selinux["detached"] == ("", 0)
    assert lines(selinux["exec"]) == [LABEL, "ls: /secret: Permission denied"]
    assert lines(selinux["exec-document"]) == [LABEL]
    assert lines(selinux["exec-other"]) == ["u:r:other_t", "keyring u:r:other_t"]
    assert selinux["exec-other"][1] == 0
    assert selinux["left"] == ("", 0)
