#include "unit.h"

#include "kenro/cmd/options.h"

struct values {
        const char *bundle;
        unsigned count;
        bool detach, keep;
        struct strings env;
        const char *hidden;
};

#define AT(member) offsetof(struct values, member)
static const struct option_row rows[] = {
        { "bundle", 'b', OPTION_TEXT, AT(bundle), "DIR", "the bundle" },
        { "preserve-fds", 0, OPTION_NUMBER, AT(count), "N", "descriptors" },
        { "detach", 'd', OPTION_FLAG, AT(detach), NULL, "do not wait" },
        { "keep", 0, OPTION_FLAG, AT(keep), NULL, "do not remove" },
        { "env", 'e', OPTION_LIST, AT(env), "NAME=VALUE", "a variable" },
        { "hidden", 0, OPTION_TEXT, AT(hidden), "X", NULL },
        { 0 },
};

static struct values got;
static struct err error;
static char *args[20]; /* a copy: the parser moves what it leaves */
static int n_args, at;

static int parse_from(int start, bool permute, const char *const *argv)
{
        const struct options o = { rows, &got, permute };

        memset(&got, 0, sizeof(got));
        memset(&error, 0, sizeof(error));
        memset(args, 0, sizeof(args));
        for (n_args = 0; argv[n_args]; n_args++)
                args[n_args] = (char *)(uintptr_t)argv[n_args];
        at = start;
        return options_parse(&o, n_args, args, &at, test_arena(), &error);
}

#define TRY(permute, ...) parse_from(0, permute, (const char *const[]){ __VA_ARGS__, NULL })
#define PARSE(...)                                                                                 \
        do {                                                                                       \
                if (TRY(true, __VA_ARGS__) < 0)                                                    \
                        fail_msg("%s", error.text);                                                \
        } while (0)
#define REFUSES(message, ...)                                                                      \
        do {                                                                                       \
                assert_int_equal(TRY(true, __VA_ARGS__), -1);                                      \
                assert_string_equal(error.text, message);                                          \
        } while (0)

/* The operands, each with a "|" behind it. */
static const char *operands(void)
{
        static char text[200];

        text[0] = '\0';
        for (int i = at; i < n_args; i++) {
                strcat(text, args[i]);
                strcat(text, "|");
        }
        return text;
}

static void a_value_is_written_in_many_ways(void **state)
{
        (void)state;
        PARSE("--bundle", "/b");
        assert_string_equal(got.bundle, "/b");
        PARSE("--bundle=/b");
        assert_string_equal(got.bundle, "/b");
        PARSE("-b", "/b");
        assert_string_equal(got.bundle, "/b");
        PARSE("-b=/b");
        assert_string_equal(got.bundle, "/b");
        PARSE("-bundle", "/b");
        assert_string_equal(got.bundle, "/b");
        PARSE("-bundle=/b");
        assert_string_equal(got.bundle, "/b");
        PARSE("--preserve-fds=3");
        assert_int_equal(got.count, 3);
        PARSE("-preserve-fds", "3");
        assert_int_equal(got.count, 3);
        PARSE("--hidden", "x");
        assert_string_equal(got.hidden, "x");
}

static void a_value_may_look_like_anything(void **state)
{
        (void)state;
        PARSE("--bundle=");
        assert_string_equal(got.bundle, "");
        PARSE("--bundle", "");
        assert_string_equal(got.bundle, "");
        PARSE("--bundle=a=b");
        assert_string_equal(got.bundle, "a=b");
        PARSE("--bundle", "--detach");
        assert_string_equal(got.bundle, "--detach");
        assert_false(got.detach);
        PARSE("--bundle", "--");
        assert_string_equal(got.bundle, "--");
        PARSE("-b", "-");
        assert_string_equal(got.bundle, "-");
}

static void a_flag_may_be_told_to_be_false(void **state)
{
        (void)state;
        PARSE("--detach");
        assert_true(got.detach);
        PARSE("-d");
        assert_true(got.detach);
        PARSE("-detach");
        assert_true(got.detach);
        PARSE("--detach=true");
        assert_true(got.detach);
        PARSE("--detach=1");
        assert_true(got.detach);
        PARSE("-d=true");
        assert_true(got.detach);
        PARSE("--detach", "--detach=false");
        assert_false(got.detach);
        PARSE("--detach", "--detach=0");
        assert_false(got.detach);
        PARSE("--detach", "-d=false");
        assert_false(got.detach);
        REFUSES("option '--detach': 'maybe' is neither true nor false", "--detach=maybe");
        REFUSES("option '--detach': '' is neither true nor false", "--detach=");
        /* a flag takes no word of its own */
        PARSE("--detach", "false");
        assert_true(got.detach);
        assert_string_equal(operands(), "false|");
}

static void of_repeated_options_the_last_holds(void **state)
{
        (void)state;
        PARSE("--bundle=/a", "-b", "/b", "--detach", "--detach", "--bundle", "/c");
        assert_string_equal(got.bundle, "/c");
        assert_true(got.detach);
        PARSE("--preserve-fds=1", "--preserve-fds=0");
        assert_int_equal(got.count, 0);
}

static void a_list_keeps_all_in_order(void **state)
{
        (void)state;
        PARSE("--env", "A=1", "-e", "B=2", "--env=C=3", "x", "-e=D", "--env=A=1");
        assert_int_equal(got.env.n, 5);
        assert_string_equal(got.env.v[0], "A=1");
        assert_string_equal(got.env.v[1], "B=2");
        assert_string_equal(got.env.v[2], "C=3");
        assert_string_equal(got.env.v[3], "D");
        assert_string_equal(got.env.v[4], "A=1");
        assert_string_equal(operands(), "x|");
}

static void options_may_follow_operands_or_not(void **state)
{
        (void)state;
        PARSE("c1", "--bundle", "/b", "c2", "-d", "c3");
        assert_string_equal(got.bundle, "/b");
        assert_true(got.detach);
        assert_string_equal(operands(), "c1|c2|c3|");
        PARSE("--detach", "c1");
        assert_string_equal(operands(), "c1|");
        PARSE("c1", "c2");
        assert_string_equal(operands(), "c1|c2|");
        /* what follows belongs to the program */
        assert_int_equal(TRY(false, "-d", "c1", "ls", "--bundle", "-l"), 0);
        assert_true(got.detach);
        assert_null(got.bundle);
        assert_string_equal(operands(), "c1|ls|--bundle|-l|");
        assert_int_equal(TRY(false, "c1", "--no-such-option"), 0);
        assert_string_equal(operands(), "c1|--no-such-option|");
}

static void two_dashes_end_the_options(void **state)
{
        (void)state;
        PARSE("-d", "--", "--bundle", "x");
        assert_true(got.detach);
        assert_null(got.bundle);
        assert_string_equal(operands(), "--bundle|x|");
        PARSE("c1", "-d", "--", "c2", "--", "-d");
        assert_string_equal(operands(), "c1|c2|--|-d|");
        assert_int_equal(TRY(false, "-d", "--", "c1", "--", "x"), 0);
        assert_string_equal(operands(), "c1|--|x|");
        PARSE("--");
        assert_string_equal(operands(), "");
        /* a dash alone and nothing at all are operands */
        PARSE("-", "", "-d");
        assert_true(got.detach);
        assert_string_equal(operands(), "-||");
}

static void what_stands_before_is_not_looked_at(void **state)
{
        (void)state;
        assert_int_equal(parse_from(2, true,
                                    (const char *const[]){ "kenro", "--unknown", "c1", "-d", "c2",
                                                           NULL }),
                         0);
        assert_true(got.detach);
        assert_string_equal(args[0], "kenro");
        assert_string_equal(args[1], "--unknown");
        assert_string_equal(operands(), "c1|c2|");
}

static void an_unknown_option_is_named_with_its_neighbour(void **state)
{
        (void)state;
        REFUSES("unknown option '--bundel'", "--bundel", "/b");
        assert_string_equal(error.hint, "did you mean '--bundle'?");
        REFUSES("unknown option '--Detach'", "--Detach");
        assert_string_equal(error.hint, "did you mean '--detach'?");
        REFUSES("unknown option '--far-away'", "--far-away=1");
        assert_string_equal(error.hint, "");
        REFUSES("unknown option '-x'", "-x");
        REFUSES("unknown option '--no-such'", "-no-such");
        REFUSES("unknown option '--'", "--=x");
        /* the beginning of a name is not the name */
        REFUSES("unknown option '--bund'", "--bund=/b");
        REFUSES("unknown option '--bundles'", "--bundles=/b");
}

static void a_missing_argument_is_told(void **state)
{
        (void)state;
        REFUSES("option '--bundle' requires an argument", "--bundle");
        REFUSES("option '--bundle' requires an argument", "c1", "-b");
        REFUSES("option '--preserve-fds' requires an argument", "--preserve-fds");
        REFUSES("option '--env' requires an argument", "-e");
}

static void a_number_is_digits(void **state)
{
        static const char *const bad[] = { "",   "x",  "1x",         "-1",
                                           "+1", " 1", "4294967296", "99999999999999999999" };
        char text[64];

        (void)state;
        PARSE("--preserve-fds", "0");
        assert_int_equal(got.count, 0);
        PARSE("--preserve-fds", "4294967295");
        assert_int_equal(got.count, 4294967295u);
        for (size_t i = 0; i < COUNT(bad); i++) {
                snprintf(text, sizeof(text), "option '--preserve-fds': '%s' is not a number",
                         bad[i]);
                REFUSES(text, "--preserve-fds", bad[i]);
        }
}

/* Not in the middle of a string, so that a look before its begin is noticed. */
static char attached[] = "-b/b";
static char attached_list[] = "-eA=1";
static char attached_flag[] = "-dx";

static void a_value_may_be_attached_to_its_letter(void **state)
{
        (void)state;
        PARSE(attached);
        assert_string_equal(got.bundle, "/b");
        PARSE(attached_list, "x");
        assert_int_equal(got.env.n, 1);
        assert_string_equal(got.env.v[0], "A=1");
        assert_string_equal(operands(), "x|");
        assert_int_equal(TRY(true, attached_flag), -1);
        /* two dashes begin a name */
        assert_int_equal(TRY(true, "--b/b"), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_value_is_written_in_many_ways),
                cmocka_unit_test(a_value_may_look_like_anything),
                cmocka_unit_test(a_flag_may_be_told_to_be_false),
                cmocka_unit_test(of_repeated_options_the_last_holds),
                cmocka_unit_test(a_list_keeps_all_in_order),
                cmocka_unit_test(options_may_follow_operands_or_not),
                cmocka_unit_test(two_dashes_end_the_options),
                cmocka_unit_test(what_stands_before_is_not_looked_at),
                cmocka_unit_test(an_unknown_option_is_named_with_its_neighbour),
                cmocka_unit_test(a_missing_argument_is_told),
                cmocka_unit_test(a_number_is_digits),
                cmocka_unit_test(a_value_may_be_attached_to_its_letter),
        };

        return RUN(tests);
}
