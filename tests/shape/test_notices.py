"""Each check of test_shape.py is shown a violation, and has to notice it."""

import pytest

import test_shape as shape

LATER = {"src/base/a.c": '#include "kenro/run/b.h"\n', "include/kenro/run/b.h": ""}
PART = {"src/part/caps.c": '#include "kenro/part/user.h"\n', "include/kenro/part/user.h": ""}
PRIVATE = {"src/run/a.c": '#include "../part/b.h"\n', "src/part/b.h": ""}
CYCLE = {"src/run/a.h": '#include "b.h"\n', "src/run/b.h": '#include "a.h"\n'}
SECOND = {"src/part/a.c": '#include <stdio.h>\n#include "kenro/part/a.h"\n',
          "include/kenro/part/a.h": "/* A. */\n#pragma once\n"}
HARD = "Type: DYN\nGNU_RELRO\nBIND_NOW\nGNU_STACK 0 RW 0\n__stack_chk_fail\n"


@pytest.mark.parametrize("check, sample, notice", [
    (shape.layer_problems, LATER, "src/base/a.c:1: include/kenro/run/b.h is of a later layer"),
    (shape.layer_problems, PART, "src/part/caps.c:1: include/kenro/part/user.h is another part"),
    (shape.layer_problems, PRIVATE, "src/run/a.c:1: src/part/b.h is private"),
    (shape.layer_problems, {"src/util/a.c": ""}, "util is no layer"),
    (shape.cycle_problems, CYCLE, "headers include one another"),
    (shape.header_problems, {"src/run/a.h": "int a;\n#pragma once\n"}, "with a comment"),
    (shape.header_problems, {"src/run/a.h": "/* A. */\n"}, "no #pragma once"),
    (shape.header_problems, SECOND, "src/part/a.c:1: include the module's own header first"),
    (shape.mirror_problems, ["src/part/new.c"], "src/part/new.c:1: no tests/unit/part/new.c"),
    (shape.mirror_problems, ["include/kenro/run/a.h"], "no src/run/a.c"),
    (shape.mirror_problems, ["tests/unit/run/a.c"], "no src/run/a.c"),
    (shape.mirror_problems, [], "NO_UNIT_TEST has part/oom"),
    (shape.file_problems, {"a.c": "\n" * 601}, "601 lines, at most 600"),
    (shape.file_problems, {"a.h": "\n" * 151}, "151 lines, at most 150"),
    (shape.file_problems, {"a.py": "def f():\n" + "    f()\n" * 60}, "a.py:1: f has more than 60"),
    (shape.call_problems, {"a.c": "/* x */\nstrcpy(a, b);"}, "a.c:2: strcpy knows no size"),
    (shape.call_problems, {"a.c": "openat(a, f(b), O_RDONLY);"}, "a.c:1: openat without CLOEXEC"),
    (shape.word_problems, {"a.c": "x\n" + "/wor" "k/main"}, "a.c:2: /wor" "k/main is a path"),
    (shape.word_problems, {"a.c": "TO" "DO"}, "unfinished work"),
    (shape.binary_problems, HARD + "(NEEDED) Shared library: [libz.so.1]", "needs libz"),
    (shape.binary_problems, HARD.replace("RW", "RWE"), "without executable stack"),
    (shape.binary_problems, HARD.replace("BIND_NOW", ""), "bound at once"),
])
def test_a_violation_is_noticed(check, sample, notice):
    assert notice in "\n".join(check(sample))


@pytest.mark.parametrize("check, sample", [
    (shape.layer_problems, {"src/part/a_b.c": '#include "a_c.h"\n', "src/part/a_c.h": ""}),
    (shape.call_problems, {"a.c": '/* strcpy(a) */ f("gets(b)"); p->open(c);'}),
    (shape.word_problems, {"docs/styl" "e.md": "", "README": "see styl" "e.md"}),
    (shape.binary_problems, HARD),
])
def test_what_is_right_passes(check, sample):
    assert list(check(sample)) == []


FUNCTIONS = "int many(int a, int b, int c, int d, int e, int f, int g)\n{\n" \
            "        return a && b && c && d && e && f && g ? 1 : 2;\n}\n\n" \
            "int branches(int a)\n{\n" + "        if (a)\n                a++;\n" * 15 + \
            "        return a;\n}\n\nint lines(int a)\n{\n" + "        a++;\n" * 58 + \
            "        return a;\n}\n\nint deep(int a)\n{\n" \
            "                                        if (a)\n                return a;\n}\n"


def test_what_is_too_large_or_badly_formatted_is_noticed(tmp_path):
    (tmp_path / "a.c").write_text(FUNCTIONS)
    said = "\n".join(shape.function_problems(tmp_path, ["a.c"]))
    for notice in ("a.c:1: many: parameters 7, at most 6", "a.c:6: branches: complexity 16",
                   "a.c:41: lines: lines 62, at most 60", "a.c:106: nested deeper than 4"):
        assert notice in said
    (tmp_path / "b.c").write_text("#if A\nint f(int a)\n{\n#else\nint f(void)\n{\n#endif\n}\n")
    assert "b.c:1: pmccabe sees 1 of 2" in "\n".join(shape.function_problems(tmp_path, ["b.c"]))
    (tmp_path / ".clang-format").write_text((shape.ROOT / ".clang-format").read_text())
    assert any("a.c:105:" in p for p in shape.format_problems(tmp_path, ["a.c"]))


CHILD = """
#include <stdlib.h>
struct step { const char *name; int (*wanted)(void), (*parent)(void), (*child)(void); };
extern const struct step new_steps[];
static int hidden;
static int help(void) { static int calls; return calls++ + (malloc(1) != NULL); }
static int on_host(void) { return calloc(1, 1) != NULL; }
static int cell(void) { return help(); }
const struct step new_steps[] = {
        { "row", NULL, on_host, cell },
        { 0 },
};
int by_name_child(int (*f)(void)) { return f(); }
int start(int pid)
{
        if (pid == 0)
                exit(hidden++);
        free(NULL);
        return 0;
}
"""


def test_an_allocation_and_a_mutable_object_are_noticed(tmp_path):
    path = "src/run/new.c"
    (tmp_path / "src/run").mkdir(parents=True)
    (tmp_path / path).write_text(CHILD)
    out = shape.compile_plainly(tmp_path, [path], tmp_path)
    mutable = " ".join(shape.mutable_problems(tmp_path, out))
    assert f"{path}:5: hidden can change" in mutable and f"{path}:6: calls can" in mutable

    calls, foreign = shape.call_graph(out)
    roots = shape.child_roots({path: CHILD}, calls)
    said = "\n".join(shape.child_problems(roots, calls, foreign))
    assert f"{path}:6: malloc" in said and "new_steps) > help" in said
    assert f"{path}:13: a call by pointer" in said
    assert f"{path}:16: exit" in said
    assert "free" not in said and "calloc" not in said  # those are the host's
