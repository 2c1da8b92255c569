"""Help, the manual and completion: all from the tables that parse the command line.
Here help is the yardstick, as it is what the program itself says."""

import os
import pty
import re
import select
import subprocess
import time
from pathlib import Path

import pytest

from kenrotest import BUILD, KENRO, config, write_config

ROOT = Path(__file__).parents[2]
PROSE = ROOT / "docs/man"
PAGES = BUILD / "docs/man8"
BASH, ZSH, FISH = (BUILD / "docs" / name for name in ("kenro", "_kenro", "kenro.fish"))


def out(*command, **how):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60,
                          **how).stdout


def commands():
    listing = re.search(r"^Commands:\n((?:  \S.*\n)+)", out(KENRO, "--help"), re.M)[1]
    return dict(line.strip().split(None, 1) for line in listing.splitlines())


def options(*command):
    """{name: (letter, value, help)} by --help."""
    found = re.findall(r"^  (?:-(\w), |    )--([\w-]+)(?: (\S+))?\s+(.*)$",
                       out(KENRO, *command, "--help"), re.M)
    return {name: (letter, value, help) for letter, name, value, help in found} | \
        {"help": ("h", "", "print this help")}


COMMANDS = list(commands())


def roff(text):
    """Without what makes letters bold."""
    return re.sub(r"\\f[BIR]", "", text).replace(r"\-", "-").replace(r"\(aq", "'")


def test_help_by_name_and_by_option_agree():
    for command in COMMANDS:
        assert out(KENRO, "help", command) == out(KENRO, command, "--help")
    assert out(KENRO, "help") == out(KENRO, "--help")


def test_help_about_nothing_is_an_error():
    p = subprocess.run([KENRO, "help", "nosuch"], capture_output=True, text=True, timeout=60)
    assert (p.returncode, p.stdout) == (1, "")
    assert p.stderr == "kenro: No help topic for 'nosuch' (see 'kenro --help')\n"


# ---- the manual ------------------------------------------------------------------

def test_there_is_prose_for_every_command():
    missing = [f"docs/man/kenro-{c}.md" for c in COMMANDS
               if not (PROSE / f"kenro-{c}.md").is_file()]
    assert missing == [], "write it: what the command does, and what its user should know"


def test_there_is_a_page_for_every_command_and_no_other():
    assert {p.name for p in PAGES.iterdir()} == {"kenro.8", *(f"kenro-{c}.8" for c in COMMANDS)}
    assert {p.stem for p in PROSE.glob("*.md")} <= {"kenro", *(f"kenro-{c}" for c in COMMANDS)}


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_a_page_has_the_options_that_help_has(command):
    page = roff((PAGES / f"kenro{'-' * bool(command)}{command}.8").read_text())
    section = re.search(r"^\.SH OPTIONS\n(.*?)^\.SH ", page, re.M | re.S)[1]
    found = re.findall(r"^\.TP\n(?:-(\w), )?--([\w-]+)(?: (\S+))?\n(.*)$", section, re.M)
    assert {name: (letter, value, help) for letter, name, value, help in found} == \
        options(*command.split())


def test_the_first_page_has_the_commands_that_help_has():
    page = roff((PAGES / "kenro.8").read_text())
    section = re.search(r"^\.SH COMMANDS\n(.*?)^\.SH ", page, re.M | re.S)[1]
    assert dict(re.findall(r"^\.BR kenro-(\w+) \(8\)\n(.*)$", section, re.M)) == commands()


def test_the_prose_names_no_option_that_there_is_not():
    known = {name for c in ["", *COMMANDS] for name in options(*c.split())} | {"version"}
    named = {(p.name, name) for p in PROSE.glob("*.md")
             for name in re.findall(r"--([a-z][\w-]*)", re.sub("`systemd-run.*?`", "", p.read_text()))}
    assert {(page, name) for page, name in named if name not in known} == set()


@pytest.mark.parametrize("page", ["kenro", *(f"kenro-{c}" for c in COMMANDS)])
def test_a_page_is_rendered_without_a_warning(page):
    for device in ("utf8", "ascii"):
        p = subprocess.run(["groff", "-man", "-ww", f"-T{device}", PAGES / f"{page}.8"],
                           capture_output=True, text=True, timeout=60)
        assert (p.returncode, p.stderr) == (0, "")
    shown = out("man", "-l", PAGES / f"{page}.8", env={"PATH": "/usr/bin:/bin", "LC_ALL": "C",
                                                      "MANWIDTH": "80", "MANPAGER": "cat"})
    assert f"{page} - " in shown and "SYNOPSIS" in shown


def test_a_warning_of_groff_would_be_seen():
    p = subprocess.run(["groff", "-man", "-ww", "-z", "-Tutf8"], input=".TH X 8\n.NOSUCH\n",
                       capture_output=True, text=True, timeout=60)
    assert p.stderr


def test_pages_and_completion_are_those_of_this_tree(tmp_path):
    version = out(KENRO, "--version").split()[2]
    subprocess.run([BUILD / "docs/page", PROSE, tmp_path / "man8", version], check=True)
    for page in PAGES.iterdir():
        assert (tmp_path / "man8" / page.name).read_text() == page.read_text()
    for shell, script in (("bash", BASH), ("zsh", ZSH), ("fish", FISH)):
        assert out(BUILD / "docs/script", shell) == script.read_text()


def sentences():
    """The terms of the error glossary, without what stands for something else."""
    glossary = (PROSE / "kenro.md").read_text().split("\n# ERRORS\n")[1]
    for term in re.findall(r"^(`.*)\n: ", glossary, re.M):
        yield from re.findall(r"`([^`]{6,})`", term)


def test_every_error_of_the_glossary_is_one_that_kenro_has():
    source = " ".join(p.read_text() for p in (ROOT / "src").rglob("*.c"))
    source = re.sub(r'"\s+"', "", source).replace('\\"', '"')
    # What is put together shows in what tests expect.
    shown = [*(ROOT / "tests/refuse").glob("*.txt"), *(ROOT / "tests").glob("[cr]*/*.py")]
    source += " ".join(p.read_text() for p in shown)
    listed = list(sentences())
    assert len(listed) > 40
    assert [s for s in listed if s not in source] == []


# ---- completion ------------------------------------------------------------------

def bash(line, *directory):
    """What bash makes of the line, by the function that it calls."""
    words = line.split(" ")
    script = f"""
        . {BASH}
        compopt() {{ :; }}  # there is no line that could be completed
        COMP_WORDS=({' '.join(repr(w) for w in re.sub('=', ' = ', line).split(' '))})
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _kenro
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    assert words[0] == "kenro"
    return set(out("bash", "--norc", "-c", script.replace("'kenro'", f"'{KENRO}'"),
                   env={"PATH": "/usr/bin:/bin"}, cwd=directory[0] if directory else None).split())


def long(*command):
    return {f"--{name}" for name in options(*command)}


@pytest.mark.parametrize("line, words", [
    ("kenro ", {*COMMANDS, "help"}), ("kenro cr", {"create"}), ("kenro --root /x cr", {"create"}),
    ("kenro --debug cr", {"create"}), ("kenro --root=/x cr", {"create"}), ("kenro nosuch", set()),
    ("kenro help sta", {"start", "state"}), ("kenro --log-f", {"--log-format"}),
    ("kenro --log-format ", {"text", "json"}), ("kenro --log-format=j", {"json"}),
    ("kenro list -f t", {"table"}), ("kenro create new", set()), ("kenro exec c prog --t", set()),
    ("kenro kill c SIGST", {"SIGSTOP", "SIGSTKFLT"}),
])
def test_bash_completes_a_line(line, words):
    assert bash(line) == words


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_bash_completes_every_option_and_no_other(command):
    assert bash(f"kenro {command} --".replace("  ", " ")) == long(*command.split())


def test_bash_completes_ids_and_files(kenro, bundle):
    write_config(bundle, config("/bin/sleep", "1000"))
    kenro.ok("create", "-b", bundle, "web")
    kenro.ok("create", "-b", bundle, "other")
    assert bash(f"kenro --root {kenro.root} start ") == {"web", "other"}
    assert bash(f"kenro --root={kenro.root} delete --force w") == {"web"}
    assert bash("kenro create --bundle ", bundle) == {"rootfs"}
    assert bash("kenro create --pid-file ", bundle) == {"rootfs", "config.json"}
    assert bash("kenro check ", bundle) == {"rootfs"}


def test_a_line_is_completed_at_a_terminal():
    """By bash itself, with nothing between."""
    pid, master = pty.fork()
    if pid == 0:
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"],
                  {"PATH": "/usr/bin:/bin", "PS1": "> ", "TERM": "dumb", "HOME": "/nonexistent"})
    seen = b""
    try:
        os.write(master, f". {BASH}; kenro() {{ echo got-$1; }}\nkenro cr\t\n".encode())
        end = time.monotonic() + 30
        while b"got-create" not in seen and time.monotonic() < end:
            if select.select([master], [], [], 1)[0]:
                seen += os.read(master, 4096)
    finally:
        os.close(master)
        os.waitpid(pid, 0)
    assert b"got-create" in seen, seen


def test_the_scripts_are_what_their_shells_take(tmp_path):
    for command in (["bash", "-n", BASH], ["zsh", "-f", "-n", ZSH], ["fish", "-n", FISH]):
        p = subprocess.run(command, capture_output=True, text=True, timeout=60,
                           env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
        assert (p.returncode, p.stderr) == (0, "")


def fish(line, home):
    listing = out("fish", "--no-config", "-c", f"source {FISH}; complete -C '{line}'",
                  env={"PATH": "/usr/bin:/bin", "HOME": str(home)})
    return {row.split("\t")[0] for row in listing.splitlines()}


def test_fish_completes_commands_and_options(tmp_path):
    assert fish("kenro cr", tmp_path) == {"create"}
    assert fish("kenro help sta", tmp_path) == {"start", "state"}
    for command in ["", *COMMANDS]:
        assert fish(f"kenro {command} --".replace("  ", " "), tmp_path) == long(*command.split())


def test_zsh_has_every_command_and_option():
    script = ZSH.read_text()
    for command in COMMANDS:
        part = re.search(rf"^        {command}\)\n(.*?);;$", script, re.M | re.S)[1]
        assert set(re.findall(r"[{,']\*?(--[\w-]+)", part)) == long(command)
    names = re.search(r"commands=\(\n(.*?)    \)", script, re.S)[1]
    assert set(re.findall(r"^        '(\w+):", names, re.M)) == {*COMMANDS, "help"}


def test_everything_is_installed_where_it_belongs(tmp_path):
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], check=True,
                   env={**os.environ, "DESTDIR": str(tmp_path)}, stdout=subprocess.DEVNULL)
    prefix = tmp_path / "usr/local"
    for path in ("sbin/kenro", "share/man/man8/kenro.8", "share/man/man8/kenro-create.8",
                 "share/bash-completion/completions/kenro", "share/zsh/site-functions/_kenro",
                 "share/fish/vendor_completions.d/kenro.fish"):
        assert (prefix / path).is_file()
