"""The engines' profiles and random ones, compiled by us and by libseccomp, must
answer every call alike: see seccomp.c."""

import json
import subprocess
from pathlib import Path

import pytest

from kenrotest import BUILD

FIXTURES = Path(__file__).parents[1] / "fixtures"
PROGRAM = BUILD / "tests/differential/differential-seccomp"
PROFILES = ["moby-default", "podman-default"]
CAPS = {"none": set(), "all": None}
# What a host of that kind is called in "includes" and "excludes".
GOARCH = {
    "SCMP_ARCH_X86_64": "amd64", "SCMP_ARCH_AARCH64": "arm64", "SCMP_ARCH_MIPS64": "mips64",
    "SCMP_ARCH_MIPS64N32": "mips64n32", "SCMP_ARCH_MIPSEL64": "mipsel64",
    "SCMP_ARCH_MIPSEL64N32": "mipsel64n32", "SCMP_ARCH_S390X": "s390x",
    "SCMP_ARCH_RISCV64": "riscv64", "SCMP_ARCH_LOONGARCH64": "loong64",
    "SCMP_ARCH_PPC64LE": "ppc64le",
}


def load(profile):
    return json.loads((FIXTURES / "seccomp" / f"{profile}.json").read_text())


def families(profile):
    """Each architecture that the profile knows, with those it comes with."""
    known = {m["architecture"]: m["subArchitectures"] or [] for m in load(profile)["archMap"]}
    return {"SCMP_ARCH_PPC64LE": [], **known}


def applies(entry, arch, caps):
    def matches(conditions):
        return ((caps is None or caps >= set(conditions.get("caps", []))) and
                GOARCH[arch] in conditions.get("arches", [GOARCH[arch]]))

    excludes = entry.get("excludes") or {}
    excluded = ((caps is None and excludes.get("caps")) or
                GOARCH[arch] in excludes.get("arches", []))
    return matches(entry.get("includes") or {}) and not excluded


def resolve(profile, arch, caps):
    """linux.seccomp as an engine on a host of that architecture writes it."""
    source = load(profile)
    keys = ("names", "action", "errnoRet", "args")
    return {
        "defaultAction": source["defaultAction"],
        "defaultErrnoRet": source.get("defaultErrnoRet", 1),
        "architectures": [arch, *families(profile)[arch]],
        "syscalls": [{k: e[k] for k in keys if e.get(k)} for e in source["syscalls"]
                     if applies(e, arch, caps)],
    }


def compare(profiles, seed, *files):
    p = subprocess.run([PROGRAM, str(profiles), str(seed), *files], capture_output=True, text=True)
    if "libseccomp does not know" in p.stderr:
        pytest.skip(p.stderr.split(": ", 2)[2].strip())
    assert p.returncode == 0, p.stdout + p.stderr
    return p.stdout


@pytest.mark.parametrize("caps", CAPS)
@pytest.mark.parametrize("profile,arch", [(p, a) for p in PROFILES for a in families(p)])
def test_an_engines_profile(tmp_path, profile, arch, caps):
    document = tmp_path / "config.json"
    document.write_text(json.dumps({"ociVersion": "1.3.0", "linux": {
        "seccomp": resolve(profile, arch, CAPS[caps])}}))
    assert " cases equal" in compare(0, 1, document)


@pytest.mark.parametrize("name", ["podman-default", "docker-default", "ctr-seccomp"])
def test_what_an_engine_wrote(name):
    assert " cases equal" in compare(0, 1, FIXTURES / "engine" / f"{name}.json")


@pytest.mark.parametrize("seed", range(1, 6))
def test_two_thousand_random_profiles(seed):
    assert "2000 random profiles" in compare(2000, seed)
