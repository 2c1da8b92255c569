#include "unit.h"

#include "kenro/part/hook.h"

#include <sys/mman.h>
#include <time.h>

static struct err error;
static struct hook_plan plan;

static int make_plan(const char *hooks)
{
        char text[1024];

        snprintf(text, sizeof(text), "'linux': {}, 'hooks': {%s}", hooks);
        return hook_plan(test_spec(text)->hooks, test_arena(), &plan, &error);
}

static int run(const char *script, const char *more)
{
        char text[512];
        int state = memfd_create("state", MFD_CLOEXEC), r;

        snprintf(text, sizeof(text),
                 "'poststart': [{'path': '/bin/sh', 'args': ['sh', '-c', '%s']%s}]", script, more);
        assert_int_equal(make_plan(text), 0);
        assert_int_equal(write(state, "{}", 2), 2);
        r = hook_run(&plan, HOOK_POSTSTART, state, "/", &error);
        close(state);
        return r;
}

static void without_hooks_nothing_is_planned(void **state)
{
        (void)state;
        assert_int_equal(hook_plan(NULL, test_arena(), &plan, &error), 0);
        for (int point = 0; point < HOOK_POINTS; point++)
                assert_int_equal(plan.at[point].n, 0);
}

static void each_list_goes_to_its_point(void **state)
{
        static const char *const names[] = { "prestart",       "createRuntime", "createContainer",
                                             "startContainer", "poststart",     "poststop" };
        char text[64];

        (void)state;
        for (int point = 0; point < HOOK_POINTS; point++) {
                snprintf(text, sizeof(text), "'%s': [{'path': '/a'}, {'path': '/b'}]",
                         names[point]);
                assert_int_equal(make_plan(text), 0);
                for (int other = 0; other < HOOK_POINTS; other++)
                        assert_int_equal(plan.at[other].n, other == point ? 2 : 0);
                assert_string_equal(plan.at[point].v[1].path, "/b");
        }
}

static void arguments_begin_with_the_path_if_there_are_none(void **state)
{
        (void)state;
        assert_int_equal(make_plan("'prestart': [{'path': '/a'},"
                                   " {'path': '/a', 'args': ['x', 'y'], 'env': ['A=1']}]"),
                         0);
        assert_string_equal(plan.at[HOOK_PRESTART].v[0].argv[0], "/a");
        assert_null(plan.at[HOOK_PRESTART].v[0].argv[1]);
        assert_null(plan.at[HOOK_PRESTART].v[0].envp[0]);
        assert_string_equal(plan.at[HOOK_PRESTART].v[1].argv[1], "y");
        assert_null(plan.at[HOOK_PRESTART].v[1].argv[2]);
        assert_string_equal(plan.at[HOOK_PRESTART].v[1].envp[0], "A=1");
}

static void what_cannot_be_run_is_refused(void **state)
{
        (void)state;
        assert_int_equal(make_plan("'poststop': [{'path': '/a'}, {'path': 'b/c'}]"), -1);
        assert_string_equal(error.text, "hooks.poststop[1].path: 'b/c' is not an absolute path");
        assert_int_equal(make_plan("'prestart': [{'path': '/a', 'timeout': -1}]"), -1);
        assert_string_equal(error.text,
                            "hooks.prestart[0].timeout: -1 is not in 1..1048576 (seconds)");
}

static void success_is_silent_and_failure_is_quoted(void **state)
{
        (void)state;
        assert_int_equal(run("cat >/dev/null; echo much; exit 0", ""), 0);
        assert_int_equal(run("echo no; echo good >&2; exit 3", ""), -1);
        assert_string_equal(error.text, "error running poststart hook #1: /bin/sh: exit status 3: "
                                        "no\ngood");
        assert_int_equal(run("kill -15 $$", ""), -1);
        assert_string_equal(error.text,
                            "error running poststart hook #1: /bin/sh: was killed by signal 15");
}

static void the_state_is_standard_input(void **state)
{
        (void)state;
        assert_int_equal(run("cat; exit 1", ""), -1);
        assert_non_null(strstr(error.text, "exit status 1: {}"));
}

static void its_time_is_limited(void **state)
{
        time_t begin = time(NULL);

        (void)state;
        assert_int_equal(run("exec sleep 100", ", 'timeout': 1"), -1);
        assert_non_null(strstr(error.text, "did not end within its 1 s, and was killed"));
        assert_true(time(NULL) - begin < 50);
        assert_int_equal(run("exit 0", ", 'timeout': 100"), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_hooks_nothing_is_planned),
                cmocka_unit_test(each_list_goes_to_its_point),
                cmocka_unit_test(arguments_begin_with_the_path_if_there_are_none),
                cmocka_unit_test(what_cannot_be_run_is_refused),
                cmocka_unit_test(success_is_silent_and_failure_is_quoted),
                cmocka_unit_test(the_state_is_standard_input),
                cmocka_unit_test(its_time_is_limited),
        };

        return RUN(tests);
}
