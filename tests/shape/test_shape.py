"""The shape of the tree: who may know whom, how large things may get, and what
the container's process may call. Every exception stands in shape_rules.py; a
violation is printed as file:line, the rule, and the way out.

Each check is a function from texts to problems, so that test_notices.py can show
it a violation and see it noticed."""

import ast
import functools
import graphlib
import json
import os
import re
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import shape_rules as rules

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()

# ---- the tree --------------------------------------------------------------------

def listed(*patterns):
    """What a commit of everything would hold."""
    out = subprocess.run(["git", "-C", ROOT, "ls-files", "-coz", "--exclude-standard", "--",
                          *patterns], check=True, stdout=subprocess.PIPE, text=True).stdout
    return sorted({p for p in out.split("\0") if p and (ROOT / p).is_file()})


@functools.cache
def tree():
    """Every file of C, by its path."""
    files = {p: (ROOT / p).read_text() for p in listed("*.c", "*.h")}
    assert len(files) > 100
    return files


def program():
    return {p: t for p, t in tree().items() if p.startswith(("src/", "include/"))}


def check(problems):
    problems = set(problems)
    if problems:
        pytest.fail("\n".join(sorted(problems)), pytrace=False)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def bare(text):
    """C with blanks for its comments and strings; everything stays where it is."""
    return re.sub(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'""",
                  lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S)


def closing(text, at):
    """Where the bracket that opens at AT is closed."""
    depth = 0
    for m in re.compile(r"[()]").finditer(text, at):
        depth += 1 if m[0] == "(" else -1
        if depth == 0:
            return m.start()
    return len(text)


# ---- who may include whom --------------------------------------------------------

def layer(path):
    m = re.match(r"(?:src|include/kenro)/([^/]+)/", path)
    return m and m[1]


def includes(files, path):
    """(line, path in the tree) of what a file includes of ours."""
    for m in re.finditer(r'^\s*#\s*include\s*["<](.*?)[">]', files[path], re.M):
        beside = os.path.normpath(os.path.join(os.path.dirname(path), m[1]))
        target = beside if beside in files else f"include/{m[1]}"
        if target in files:
            yield line_of(files[path], m.start(1)), target


def layer_problems(files):
    for path in files:
        me = layer(path)
        if me is None:
            continue
        if me in rules.PROGRAMS:
            for line, target in includes(files, path):
                if layer(target) not in (me, *rules.PROGRAMS[me].split()):
                    yield (f"{path}:{line}: {target} is not for a program that knows only "
                           f"{rules.PROGRAMS[me]}")
            continue
        if me not in rules.LAYERS:
            yield f"{path}:1: {me} is no layer; there are {' '.join(rules.LAYERS)}"
            continue
        for line, target in includes(files, path):
            its, place = layer(target), f"{path}:{line}: {target}"
            if its in rules.LAYERS[rules.LAYERS.index(me) + 1:]:
                yield (f"{place} is of a later layer; take what is needed as a parameter, or move "
                       "it to the left")
            elif its != me and target.startswith("src/"):
                yield f"{place} is private to its layer; use or make a public header"
            elif its == me == "part" and facility(path) != facility(target):
                yield (f"{place} is another part; what two parts need is a fact of spec or host, "
                       "or belongs to base")


def facility(path):
    """Files that share the name up to the first _ are one part: mount, mount_plan."""
    return Path(path).stem.split("_")[0]


def test_a_file_includes_only_its_own_layer_and_those_before():
    check(layer_problems(program()))


def cycle_problems(files):
    graph = {p: [t for _, t in includes(files, p)] for p in files if p.endswith(".h")}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as e:
        yield f"{e.args[1][0]}:1: headers include one another: {' < '.join(e.args[1])}; split one"


def test_headers_do_not_include_one_another():
    check(cycle_problems(tree()))


def header_problems(files):
    for path, text in files.items():
        if path.endswith(".h"):
            if not text.startswith("/* "):
                yield f"{path}:1: begin a header with a comment that says what it is for"
            if "\n#pragma once\n" not in text:
                yield f"{path}:1: no #pragma once"
        elif layer(path):
            mine = {f"include/kenro/{path[4:-2]}.h", f"{path[:-2]}.h"} & files.keys()
            first = re.search(r'#include ["<](.*)[">]', text)
            if mine and not any(first and m.endswith(f"/{first[1]}") for m in mine):
                yield (f"{path}:{line_of(text, first.start()) if first else 1}: include the "
                       "module's own header first, which shows that it stands alone")


def test_a_header_stands_alone():
    check(header_problems(tree()))


def mirror_problems(paths):
    sources = {p[4:-2] for p in paths if re.fullmatch(r"src/\w+/\w+\.c", p)}
    headers = {p[14:-2] for p in paths if re.fullmatch(r"include/kenro/\w+/\w+\.h", p)}
    units = {p[11:-2] for p in paths if re.fullmatch(r"tests/unit/\w+/\w+\.c", p)}
    without = {m for names in rules.NO_UNIT_TEST.values() for m in names.split()}

    for m in headers - sources - rules.HEADER_ONLY:
        yield f"include/kenro/{m}.h:1: there is no src/{m}.c; or name it in HEADER_ONLY"
    for m in units - sources:
        yield f"tests/unit/{m}.c:1: there is no src/{m}.c; name a test after its module"
    for m in sources - units - without:
        yield f"src/{m}.c:1: no tests/unit/{m}.c; write it, or give a reason in NO_UNIT_TEST"
    for m in without - (sources - units):
        yield f"tests/shape/shape_rules.py:1: NO_UNIT_TEST has {m}, which is tested now, or gone"


def test_a_module_its_header_and_its_test_have_one_name():
    check(mirror_problems(listed("*.c", "*.h")))


def test_every_source_file_is_built():
    commands = json.loads((BUILD / "compile_commands.json").read_text())
    built = {str((Path(c["directory"]) / c["file"]).resolve()) for c in commands}
    for p in (p for p in listed("*.c") if p.startswith(rules.BUILT_ON_REQUEST)):
        if f"'{Path(p).stem}" in (ROOT / p).with_name("meson.build").read_text():
            built.add(str(ROOT / p))
    check(f"{p}:1: not in {BUILD.name}; name it in a meson.build" for p in listed("*.c")
          if str(ROOT / p) not in built)


# ---- budgets ---------------------------------------------------------------------

def parameters(text, name, line):
    """How many the function has that is defined at LINE."""
    start = sum(map(len, text.splitlines(True)[:line - 1]))
    begin = re.compile(rf"\b{name}\s*\(").search(text, start).end() - 1
    return re.sub(r"\([^()]*\)", "", text[begin + 1:closing(text, begin)]).count(",") + 1


def function_problems(root, paths):
    out = subprocess.run(["pmccabe", *paths], cwd=root, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True).stdout
    found = Counter()
    texts = {p: bare((Path(root) / p).read_text()) for p in paths}
    for row in out.splitlines():
        complexity, _, _, first, lines, where = row.split(None, 5)
        path, line, name = re.fullmatch(r"(.*)\((\d+)\): (?:\w+::)*(\w+)", where).groups()
        found[path] += 1
        size = {"lines": int(lines), "complexity": int(complexity),
                "parameters": parameters(texts[path], name, int(first))}
        for what, (most, way) in rules.FUNCTION.items():
            if size[what] > most:
                yield f"{path}:{line}: {name}: {what} {size[what]}, at most {most}; {way}"
    for path, text in texts.items():
        there = len(re.findall(r"^\{$", text, re.M))
        if there != found[path]:
            yield f"{path}:1: pmccabe sees {found[path]} of {there} functions; simplify the macros"
        for m in re.finditer(r"^( +)(?:if|for|while|switch|do)\b", text, re.M):
            if len(m[1]) > 8 * rules.NESTING:
                yield (f"{path}:{line_of(text, m.end(1))}: nested deeper than {rules.NESTING}; "
                       "return early, or make a function of the inside")


def test_functions_are_small_and_simple():
    check(function_problems(ROOT, list(tree())))


def file_problems(files):
    for path, text in files.items():
        most = rules.FILE_LINES
        if path.endswith(".h") and path not in rules.LONG_HEADERS:
            most = rules.HEADER_LINES
        n = text.count("\n")
        if n > most:
            yield f"{path}:{most}: {n} lines, at most {most}; split it where a name suggests itself"
        most, way = rules.FUNCTION["lines"]
        for f in ast.walk(ast.parse(text)) if path.endswith(".py") else []:
            if isinstance(f, ast.FunctionDef) and f.end_lineno - f.lineno >= most:
                yield f"{path}:{f.lineno}: {f.name} has more than {most} lines; {way}"


def test_files_are_small():
    check(file_problems({**tree(), **{p: (ROOT / p).read_text() for p in listed("*.py")}}))


# ---- what stands in the text -----------------------------------------------------

def format_problems(root, paths):
    p = subprocess.run(["clang-format-14", "--dry-run", "-Werror", *paths], cwd=root,
                       stderr=subprocess.PIPE, text=True)
    places = set(re.findall(r"^\S+?:\d+(?=:\d+: error)", p.stderr, re.M))
    assert (p.returncode != 0) == bool(places), p.stderr
    return [f"{place}: not as clang-format-14 has it; run make fmt" for place in places]


def test_source_is_formatted():
    try:
        check(format_problems(ROOT, list(tree())))
    except FileNotFoundError:
        pytest.skip("no clang-format-14, and other versions format otherwise")


def call_problems(files):
    banned = {name: why for names, why in rules.BANNED.items() for name in names.split()}
    for path, text in files.items():
        code = bare(text)
        for m in re.finditer(r"(?<![.>\w])(\w+)\(", code):
            place = f"{path}:{line_of(code, m.start())}: {m[1]}"
            call = " ".join(text[m.start():closing(code, m.end() - 1) + 1].split())
            if m[1] in banned:
                yield f"{place} {banned[m[1]]}"
            elif m[1] in rules.OPENERS and "CLOEXEC" not in call and \
                    f"{path}: {call}" not in rules.NOT_CLOEXEC:
                yield f"{place} without CLOEXEC; every descriptor is close-on-exec from its birth"


def test_no_call_is_one_of_the_dangerous():
    check(call_problems(program()))


def word_problems(files):
    for path, text in files.items():
        for pattern, why in rules.UNWANTED.items():
            for m in re.finditer(pattern, text):
                if m[0] not in {os.path.basename(p) for p in files}:
                    yield f"{path}:{line_of(text, m.start())}: {m[0]} is {why}"


def test_no_text_names_what_is_not_here():
    texts = {p: (ROOT / p).read_bytes() for p in listed()}
    check(word_problems({p: t.decode(errors="replace") for p, t in texts.items()}))


# ---- what is compiled ------------------------------------------------------------

def compile_plainly(root, sources, out):
    """Without optimisation, however BUILD is: every function and object stays, and
    every call is where the source has it. Beside X.o lies X.ci, its calls."""
    flags = "-std=gnu17 -O0 -fPIC -fcallgraph-info -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 " \
            f"-Iinclude -I{BUILD}/src -c".split()
    flags += subprocess.run(["pkg-config", "--cflags", "yajl", "libseccomp", "libcap"], check=True,
                            stdout=subprocess.PIPE, text=True).stdout.split()

    def one(path):
        subprocess.run(["gcc", *flags, path, "-o", out / (path.replace("/", ",") + ".o")],
                       cwd=root, check=True)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(one, sources))
    return out


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return compile_plainly(ROOT, [p for p in program() if p.endswith(".c")],
                           tmp_path_factory.mktemp("compiled"))


def mutable_problems(root, out):
    for obj in sorted(out.glob("*.o")):
        path = obj.name[:-2].replace(",", "/")
        text = (Path(root) / path).read_text()
        symbols = subprocess.run(["objdump", "-t", obj], check=True, stdout=subprocess.PIPE,
                                 text=True).stdout
        for section, name in re.findall(r" O (\S+)\s+\w+ (?:\.hidden )?(\S+)$", symbols, re.M):
            if not re.match(r"\.t?(data|bss)|\*COM\*", section) or "rel.ro" in section:
                continue
            name = name.split(".")[0]  # static in a function: name.1
            where = re.search(rf"\b{name}\b(\[.*?\])*\s*[=;]", text)
            if (path, name) not in rules.MUTABLE:
                yield (f"{path}:{line_of(text, where.start()) if where else 1}: {name} can change; "
                       "make it const, or hand it on as a parameter")


def test_nothing_global_changes(compiled):
    assert len(rules.MUTABLE) <= 2, "the log's target and the program's name, and no third"
    check(mutable_problems(ROOT, compiled))


def call_graph(out):
    """{function: [(callee, "file:line")]}, and the names of libc's. What is static
    is named file:function."""
    calls, foreign = {}, {}
    for text in (ci.read_text() for ci in out.glob("*.ci")):
        for title, name, shape in re.findall(
                r'^node: \{ title: "(.*?)" label: "(.*?)(?:\\n.*?)?"( shape)?', text, re.M):
            if shape:
                foreign[title] = name
            else:
                calls.setdefault(title, [])
        for caller, callee, place in re.findall(
                r'^edge: .*?: "(.*?)" targetname: "(.*?)" label: "(.*?):\d+"', text, re.M):
            calls[caller].append((callee, place))
    return calls, foreign


def child_roots(files, calls):
    """What runs in the container's process, as (function, where it is said): every
    cell of a step table but the host's, every X_child, and what a fork leads to."""
    roots = [(f, "its name") for f in calls if re.search(r"^\w+_child(_|$)", f)]
    for path in (p for p in files if p.startswith("src/")):
        text = bare(files[path])
        for table in re.finditer(r"const struct step (\w+)\[\] = \{(.*?)\n\};", text, re.S):
            for row in re.findall(r"\{([^{}]*)\}", table[2]):
                cells = [c.strip() for c in row.split(",")]
                assert len(cells) == 4 or cells == ["0"], f"{path}: {table[1]}: a row is {row}"
                roots += [(f, f"{path} {table[1]}") for f in cells[1::2] if f != "NULL"]
        blocks = list(re.finditer(r"^( *)if \(pid == 0\)(?: \{\n(.*?)\n\1\}|\n(.*?;))", text,
                                  re.M | re.S))
        roots += [(f, f"{path}:{line_of(text, b.start())}") for b in blocks
                  for f in re.findall(r"\b(?!(?:if|for|while|switch|sizeof)\b)(\w+) ?\(", b[0])]
        if path != rules.FORKER and re.search(r"\b(v?fork|fd_fork|sys_clone3)\(", text):
            assert blocks, f'{path}: where is "if (pid == 0)" after the fork?'
    known = {}
    for f, why in roots:
        path = why.split(":")[0].split(" ")[0]
        known.setdefault(f"{path}:{f}" if f"{path}:{f}" in calls else f, why)
    return known


def child_problems(roots, calls, foreign):
    came = {root: [f"{root} ({why})"] for root, why in roots.items()}
    todo = [(r, r, roots[r]) for r in roots]
    seen = set()
    while todo:
        caller, f, place = todo.pop()
        if f in calls and f not in seen:
            seen.add(f)
            for callee, where in calls[f]:
                came.setdefault(callee, came[f] + [callee.split(":")[-1]])
                todo.append((f, callee, where))
        elif f == "__indirect_call":
            if caller not in rules.CELLS_CALLED_BY:
                yield (f"{place}: a call by pointer in the container's process cannot be followed; "
                       f"call by name: {' > '.join(came[caller])}")
        elif f not in calls and foreign.get(f, f) not in rules.HARMLESS:
            yield (f"{place}: {foreign.get(f, f)} is called in the container's process, where "
                   "nothing is allocated and no library called; do it in X_plan, or read what libc "
                   f"does and add it to HARMLESS: {' > '.join(came[caller])}")


def test_nothing_is_allocated_in_the_child(compiled):
    calls, foreign = call_graph(compiled)
    roots = child_roots(program(), calls)
    assert {"relay", "execute_cell", "seccomp_child"} <= roots.keys()
    check(child_problems(roots, calls, foreign))


def binary_problems(text):
    """TEXT is what readelf says of the program."""
    for lib in re.findall(r"\(NEEDED\).*\[(\w+)", text):
        if lib not in rules.LIBRARIES:
            yield f"meson.build:1: the program needs {lib}; what it may need is in LIBRARIES"
    for what, there in {
            "position-independent": r"Type:\s+DYN", "relocated read-only": r"\bGNU_RELRO\b",
            "bound at once": r"\bNOW\b|BIND_NOW", "without executable stack": r"GNU_STACK .* RW ",
            "guarded on its stack": r"\b__stack_chk_fail\b"}.items():
        if not re.search(there, text):
            yield f"meson.build:1: the program is not {what}; see the hardening flags"


def test_the_program_is_hardened_and_needs_few_libraries():
    options = json.loads((BUILD / "meson-info/intro-buildoptions.json").read_text())
    if any(o["name"] == "b_sanitize" and o["value"] != "none" for o in options):
        pytest.skip("a build with sanitizers needs their libraries")
    check(binary_problems(subprocess.run(
        ["readelf", "-hlWd", "--symbols", BUILD / "src/kenro"], check=True, stdout=subprocess.PIPE,
        text=True).stdout))
