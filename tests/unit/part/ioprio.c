#include "child.h"

#include "kenro/part/ioprio.h"

#include <linux/ioprio.h>

static struct err error;

static int plan(const char *members, struct ioprio_plan *ret)
{
        char text[256];

        snprintf(text, sizeof(text), "'ioPriority': {%s}", members);
        return ioprio_plan(test_process(text), ret, &error);
}

static void silence_changes_nothing(void **state)
{
        struct ioprio_plan r;

        (void)state;
        assert_int_equal(ioprio_plan(test_process(""), &r, &error), 0);
        assert_false(r.wanted);
        assert_int_equal(ioprio_parent(&r, -1, &error), 0);
}

static void levels_are_0_to_7(void **state)
{
        struct ioprio_plan r;

        (void)state;
        assert_int_equal(plan("'class': 'IOPRIO_CLASS_BE', 'priority': 0", &r), 0);
        assert_int_equal(r.value, 2 << 13);
        assert_int_equal(plan("'class': 'IOPRIO_CLASS_IDLE', 'priority': 7", &r), 0);
        assert_int_equal(r.value, 3 << 13 | 7);
        assert_int_equal(plan("'class': 'IOPRIO_CLASS_RT', 'priority': 8", &r), -1);
        assert_string_equal(error.text, "process.ioPriority.priority: 8 is not 0..7");
        assert_int_equal(plan("'class': 'IOPRIO_CLASS_RT', 'priority': -1", &r), -1);
        assert_string_equal(error.text, "process.ioPriority.priority: -1 is not 0..7");
}

static void another_process_gets_it(void **state)
{
        struct ioprio_plan r;
        pid_t pid = child_idle();

        (void)state;
        assert_int_equal(plan("'class': 'IOPRIO_CLASS_BE', 'priority': 5", &r), 0);
        assert_int_equal(ioprio_parent(&r, pid, &error), 0);
        assert_int_equal(sys_ioprio_get(IOPRIO_WHO_PROCESS, pid), 2 << 13 | 5);
        child_kill(pid);
        assert_int_equal(ioprio_parent(&r, pid, &error), -1);
        assert_string_equal(error.text, "process.ioPriority: cannot be set: ESRCH");
}

static void without_the_right(void *arg)
{
        struct ioprio_plan r;

        (void)arg;
        assert_int_equal(sys_setresuid(4321), 0);
        assert_int_equal(plan("'class': 'IOPRIO_CLASS_RT', 'priority': 5", &r), 0);
        assert_int_equal(ioprio_parent(&r, 0, &error), -1);
        assert_string_equal(error.text, "process.ioPriority: cannot be set: EPERM");
        assert_string_equal(error.hint, "IOPRIO_CLASS_RT needs CAP_SYS_NICE on the host");
}

static void what_is_denied_says_why(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(without_the_right, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(silence_changes_nothing),
                cmocka_unit_test(levels_are_0_to_7),
                cmocka_unit_test(another_process_gets_it),
                cmocka_unit_test(what_is_denied_says_why),
        };

        return RUN(tests);
}
