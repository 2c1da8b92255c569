"""The examples of configs/engines: each is a document of its kind, says what the others
say, and is installed with the place that kenro is installed at."""

import configparser
import json
import os
import subprocess
import tomllib
from pathlib import Path

from kenrotest import BUILD

ROOT = Path(__file__).parents[2]
ENGINES = ROOT / "configs/engines"
PLACE = "/usr/local/sbin/kenro"


def toml(name):
    return tomllib.loads((ENGINES / name).read_text())


def unit(name):
    parser = configparser.ConfigParser(interpolation=None, delimiters="=")
    parser.optionxform = str
    parser.read_string((ENGINES / name).read_text())
    return parser


def test_podman_is_told_name_and_abilities():
    engine = toml("podman.conf")["engine"]
    assert engine["runtimes"] == {"kenro": [PLACE]}
    # What Podman has by itself stays.
    assert {"crun", "runc", "youki", "krun", "kenro"} <= set(engine["runtime_supports_json"])
    assert {"crun", "krun", "kenro"} <= set(engine["runtime_supports_nocgroup"])
    assert toml("podman-default.conf") == {"engine": {"runtime": "kenro"}}


def test_docker_is_told_name_and_default():
    plain, default = (json.loads((ENGINES / name).read_text()) for name in ("docker.json", "docker-default.json"))
    assert plain == {"runtimes": {"kenro": {"path": PLACE}}}
    assert default == {**plain, "default-runtime": "kenro"}


def test_containerd_has_the_same_in_both_versions():
    old, new = toml("containerd-1.7.toml"), toml("containerd-2.toml")
    assert (old["version"], new["version"]) == (2, 3)
    assert old["plugins"]["io.containerd.grpc.v1.cri"] == new["plugins"]["io.containerd.cri.v1.runtime"]
    settings = new["plugins"]["io.containerd.cri.v1.runtime"]["containerd"]
    assert settings["default_runtime_name"] in settings["runtimes"]
    assert settings["runtimes"]["kenro"] == {
        "runtime_type": "io.containerd.runc.v2",
        "options": {"BinaryName": PLACE, "SystemdCgroup": True}}


def test_crio_has_a_handler():
    assert toml("crio.conf")["crio"]["runtime"]["runtimes"]["kenro"] == {
        "runtime_path": PLACE, "runtime_type": "oci", "runtime_root": "/run/kenro"}


def test_the_runtime_class_names_the_handler():
    lines = [line for line in (ENGINES / "runtimeclass.yaml").read_text().splitlines()
             if not line.startswith("#")]
    assert lines == ["apiVersion: node.k8s.io/v1", "kind: RuntimeClass", "metadata:", "  name: kenro",
                     "handler: kenro"]


def test_units_run_kenro():
    service = unit("kenro@.service")["Service"]
    assert service["Type"] == "notify"
    assert service["ExecStart"] == f"{PLACE} run --bundle /srv/containers/%i %i"
    assert service["ExecStopPost"] == f"{PLACE} delete --force %i"
    assert (service["Restart"], service["SuccessExitStatus"]) == ("on-failure", "143")
    assert unit("quadlet.container")["Container"]["GlobalArgs"] == "--runtime=kenro"


def test_the_document_names_every_file():
    text = (ROOT / "docs/engines.md").read_text()
    for path in ENGINES.iterdir():
        assert f"`{path.name}`" in text


def test_every_file_is_installed(tmp_path):
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], check=True,
                   env={**os.environ, "DESTDIR": str(tmp_path)}, stdout=subprocess.DEVNULL)
    installed = tmp_path / "usr/local/share/kenro/engines"
    assert {p.name: p.read_text() for p in installed.iterdir()} == \
        {p.name: p.read_text() for p in ENGINES.iterdir()}


def test_another_prefix_is_another_place(tmp_path):
    subprocess.run(["meson", "setup", tmp_path / "build", ROOT, "--prefix", "/opt/k", "--sbindir", "bin"],
                   check=True, stdout=subprocess.DEVNULL)
    made = json.loads((tmp_path / "build/configs/docker.json").read_text())
    assert made["runtimes"]["kenro"]["path"] == "/opt/k/bin/kenro"
