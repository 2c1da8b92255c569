#include "child.h"

#include "kenro/part/rlimit.h"

#include <sys/resource.h>

static struct err error;

static struct rlimit_plan plan(const char *rlimits)
{
        char text[1024];
        struct rlimit_plan r;

        snprintf(text, sizeof(text), "'rlimits': [%s]", rlimits);
        rlimit_plan(test_process(text), &r);
        return r;
}

static void set_two(void *arg)
{
        struct rlimit_plan p = plan("{'type': 'RLIMIT_NOFILE', 'soft': 50, 'hard': 60},"
                                    "{'type': 'RLIMIT_CORE', 'soft': 0, 'hard': 0}");
        struct rlimit files, core, before, after;

        (void)arg;
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(rlimit_child(&p, &error), 0);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
        assert_int_equal(files.rlim_cur, 50);
        assert_int_equal(files.rlim_max, 60);
        assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
        assert_int_equal(core.rlim_max, 0);
        /* what is not listed stays */
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &after), 0);
        assert_memory_equal(&before, &after, sizeof(before));
}

/* The limit itself stays until the child sets it. */
static void make_room(void *arg)
{
        struct rlimit_plan p = plan("{'type': 'RLIMIT_CORE', 'soft': 0, 'hard': 0}");
        struct rlimit before, after;

        (void)arg;
        assert_int_equal(getrlimit(RLIMIT_CORE, &before), 0);
        assert_int_equal(rlimit_parent(&p, getpid(), &error), 0);
        assert_int_equal(getrlimit(RLIMIT_CORE, &after), 0);
        assert_memory_equal(&before, &after, sizeof(before));
}

static void what_needs_no_room_is_left_alone(void **state)
{
        (void)state;
        IN_CHILD(make_room, NULL);
}

static void limits_are_set_as_listed(void **state)
{
        (void)state;
        IN_CHILD(set_two, NULL);
}

static void raise_as_nobody(void *arg)
{
        struct rlimit_plan low = plan("{'type': 'RLIMIT_FSIZE', 'soft': 4096, 'hard': 4096}");
        struct rlimit_plan p = plan("{'type': 'RLIMIT_CORE', 'soft': 0, 'hard': 0},"
                                    "{'type': 'RLIMIT_FSIZE', 'soft': 1, 'hard': 4097}");

        (void)arg;
        assert_int_equal(rlimit_child(&low, &error), 0);
        if (geteuid() == 0)
                assert_int_equal(sys_setresuid(65534), 0);
        assert_int_equal(rlimit_child(&p, &error), -1);
        assert_string_equal(error.text, "process.rlimits[1]: cannot set RLIMIT_FSIZE: EPERM");
}

static void a_limit_that_cannot_be_set_is_named(void **state)
{
        (void)state;
        IN_CHILD(raise_as_nobody, NULL);
}

static void infinity_is_a_limit(void **state)
{
        struct rlimit_plan p = plan("{'type': 'RLIMIT_AS', 'soft': 18446744073709551615,"
                                    "'hard': 18446744073709551615}");

        (void)state;
        assert_int_equal(p.n, 1);
        assert_true(p.v[0].soft == RLIM_INFINITY && p.v[0].hard == RLIM_INFINITY);
        assert_int_equal(plan("").n, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_needs_no_room_is_left_alone),
                cmocka_unit_test(limits_are_set_as_listed),
                cmocka_unit_test(a_limit_that_cannot_be_set_is_named),
                cmocka_unit_test(infinity_is_a_limit),
        };

        return RUN(tests);
}
