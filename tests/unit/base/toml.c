#include "unit.h"

#include "kenro/base/toml.h"

static struct err error;
static char told[4096];

/* "a/b/c=text; " for each value, with what kind it is. */
static int note(const struct toml_value *v, void *arg, struct err *e)
{
        static const char *const kinds[] = {
                [TOML_STRING] = "'", [TOML_WORD] = "", [TOML_LIST] = "["
        };
        size_t at = strlen(told);

        (void)arg;
        (void)e;
        for (size_t i = 0; i < v->depth; i++)
                at += (size_t)snprintf(told + at, sizeof(told) - at, "%s%s", i ? "/" : "",
                                       v->path[i]);
        snprintf(told + at, sizeof(told) - at, "=%s%s%s; ", v->in_list ? "+" : "", kinds[v->kind],
                 v->text);
        return strcmp(v->text, "stop") == 0 ? 7 : 0;
}

static int scan_bytes(const char *text, size_t len)
{
        const struct toml_source src = { "a.toml", text, len, test_arena() };

        told[0] = '\0';
        memset(&error, 0, sizeof(error));
        return toml_scan(&src, note, NULL, &error);
}

static int scan(const char *text)
{
        return scan_bytes(text, strlen(text));
}

#define TELLS(toml, expected)                                                                      \
        do {                                                                                       \
                if (scan(toml) != 0)                                                               \
                        fail_msg("%s", error.text);                                                \
                assert_string_equal(told, expected);                                               \
        } while (0)

#define REFUSES(toml, expected)                                                                    \
        do {                                                                                       \
                assert_int_equal(scan(toml), -1);                                                  \
                assert_string_equal(error.text, expected);                                         \
        } while (0)

static void values_are_told_with_the_path_of_their_table(void **state)
{
        (void)state;
        TELLS("a = 1\n[t.u]\nb = true # so\n[t]\nc.d = 'x'\n[[l]]\ne=1979-05-27T07:32:00Z\n",
              "a=1; t/u/b=true; t/c/d='x; l/e=1979-05-27T07:32:00Z; ");
        TELLS("[plugins.\"io.containerd.cri\" . 'x']\r\n\"a b\" = 2\r\n",
              "plugins/io.containerd.cri/x/a b=2; ");
        TELLS("", "");
        TELLS("\xef\xbb\xbf# nothing", "");
}

static void all_four_kinds_of_strings_are_read(void **state)
{
        (void)state;
        TELLS("a = \"x\\t\\\"\\\\\\u00e9\\U0001F600\"", "a='x\t\"\\\xc3\xa9\xf0\x9f\x98\x80; ");
        TELLS("a = 'C:\\x'", "a='C:\\x; ");
        TELLS("a = \"\"\"\nx\n  \\\n   y\"\"\"\"\"\nb=1", "a='x\n  y\"\"; b=1; ");
        TELLS("a = '''x'y''z'''", "a='x'y''z; ");
        TELLS("a = \"\"", "a='; ");
        TELLS("a = \"\"\"\"\"\"", "a='; ");
}

static void lists_and_tables_may_be_in_one_another(void **state)
{
        (void)state;
        TELLS("a = [ 'x', # one\n 'y',\n]\n", "a=[; a=+'x; a=+'y; ");
        TELLS("a = []", "a=[; ");
        TELLS("a = [['x'], 1]", "a=[; a=+[; a=+'x; a=+1; ");
        TELLS("a = { b = 'x', c.d = [1] }", "a/b='x; a/c/d=[; a/c/d=+1; ");
        TELLS("a = ['x', {append=true}]\nb = 1", "a=[; a=+'x; a/append=+true; b=1; ");
}

static void what_cannot_be_read_is_refused_with_its_line(void **state)
{
        (void)state;
        REFUSES("a", "a.toml:1: expected = behind the key");
        REFUSES("\na =", "a.toml:2: expected a value");
        REFUSES("a = 'x", "a.toml:1: a string without an end");
        REFUSES("a = \"x\\", "a.toml:1: an escape that is none");
        REFUSES("a = \"\\q\"", "a.toml:1: an escape that is none");
        REFUSES("a = \"\\u12\"", "a.toml:1: an escape without its digits");
        REFUSES("a = \"\\ud800\"", "a.toml:1: an escape that is no character");
        REFUSES("a = \"\\u0000\"", "a.toml:1: an escape that is no character");
        REFUSES("a = '''\n\n", "a.toml:3: a string without an end");
        REFUSES("a = [1 2]", "a.toml:1: expected a comma or ] in a list");
        REFUSES("a = [1", "a.toml:1: expected a comma or ] in a list");
        REFUSES("a = {b=1 c=2}", "a.toml:1: expected a comma or } in a table");
        REFUSES("[a", "a.toml:1: expected ] behind the name of a table");
        REFUSES("[[a]", "a.toml:1: expected ] behind the name of a table");
        REFUSES("a = 1 b = 2", "a.toml:1: expected the end of the line");
        REFUSES("a = '''x''''''", "a.toml:1: expected the end of the line");
        REFUSES("= 1", "a.toml:1: expected a key");
        REFUSES("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q = 1", "a.toml:1: a key of too many parts");
        REFUSES("a = [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
                "a.toml:1: lists and tables in one another, too many");
        assert_int_equal(scan_bytes("a = 1\0", 6), -1);
        assert_string_equal(error.text, "a.toml:1: this is no text");
}

static int ignore(const struct toml_value *v, void *arg, struct err *e)
{
        (void)v;
        (void)arg;
        (void)e;
        return 0;
}

/* What is asked for of memory must not be more than what was given. */
static void many_strings_take_no_more_room_than_the_document(void **state)
{
        enum { LINES = 20000, LINE = sizeof("a=''''''\n") - 1 };
        struct arena *a = test_arena();
        char *text = arena_alloc(a, LINES * LINE + 1, 1, &error);
        struct toml_source src = { "a.toml", text, LINES * LINE, a };
        size_t before;

        (void)state;
        for (size_t i = 0; i < LINES; i++)
                memcpy(text + i * LINE, "a=''''''\n", LINE);
        before = a->used;
        assert_int_equal(toml_scan(&src, ignore, NULL, &error), 0);
        assert_in_range(a->used - before, 1, 32 * LINES);
}

static void the_scan_ends_when_it_is_told_to(void **state)
{
        (void)state;
        assert_int_equal(scan("a = ['stop', 'x']\nb = 1"), 7);
        assert_string_equal(told, "a=[; a=+'stop; ");
}

static void a_pattern_matches_whole_paths(void **state)
{
        static const char *const path[] = { "engine", "runtimes", "kenro" };
        const struct toml_value v = { path, 3, TOML_WORD, false, "" };

        (void)state;
        assert_true(toml_is_at(&v, "engine.runtimes.kenro"));
        assert_true(toml_is_at(&v, "engine.runtimes.*"));
        assert_true(toml_is_at(&v, "*.*.*"));
        assert_false(toml_is_at(&v, "engine.runtimes"));
        assert_false(toml_is_at(&v, "engine.runtimes.*.x"));
        assert_false(toml_is_at(&v, "engine.runtime.*"));
        assert_false(toml_is_at(&v, "engine.runtimes.kenr"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_are_told_with_the_path_of_their_table),
                cmocka_unit_test(all_four_kinds_of_strings_are_read),
                cmocka_unit_test(lists_and_tables_may_be_in_one_another),
                cmocka_unit_test(what_cannot_be_read_is_refused_with_its_line),
                cmocka_unit_test(many_strings_take_no_more_room_than_the_document),
                cmocka_unit_test(the_scan_ends_when_it_is_told_to),
                cmocka_unit_test(a_pattern_matches_whole_paths),
        };

        return RUN(tests);
}
