#include "child.h"

#include "kenro/part/sched.h"

#include <sys/resource.h>

static struct err error;

static int plan(const char *members, struct sched_plan *ret)
{
        char text[512];

        snprintf(text, sizeof(text), "'scheduler': {%s}", members);
        return sched_plan(test_process(text), false, ret, &error);
}

#define REFUSES(members, says)                                                                     \
        do {                                                                                       \
                struct sched_plan r_;                                                              \
                assert_int_equal(plan(members, &r_), -1);                                          \
                assert_string_equal(error.text, says);                                             \
        } while (0)

static void silence_changes_nothing(void **state)
{
        struct sched_plan r;

        (void)state;
        assert_int_equal(sched_plan(test_process(""), true, &r, &error), 0);
        assert_false(r.wanted);
        assert_int_equal(sched_parent(&r, -1, &error), 0);
}

static void what_is_not_given_is_0(void **state)
{
        struct sched_plan r;

        (void)state;
        assert_int_equal(plan("'policy': 'SCHED_BATCH'", &r), 0);
        assert_true(r.wanted);
        assert_int_equal(r.request.policy, SCHED_BATCH);
        assert_int_equal(r.request.nice, 0);
        assert_int_equal(r.request.priority | r.request.flags | r.request.runtime, 0);
}

static void everything_is_handed_on(void **state)
{
        struct sched_plan r;

        (void)state;
        assert_int_equal(plan("'policy': 'SCHED_DEADLINE', 'nice': -20, 'runtime': 1024,"
                              "'deadline': 1024, 'period': 1025, 'flags': ["
                              "'SCHED_FLAG_RESET_ON_FORK', 'SCHED_FLAG_RECLAIM']",
                              &r),
                         0);
        assert_int_equal(r.request.policy, 6);
        assert_int_equal(r.request.nice, -20);
        assert_int_equal(r.request.runtime, 1024);
        assert_int_equal(r.request.deadline, 1024);
        assert_int_equal(r.request.period, 1025);
        assert_int_equal(r.request.flags, SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_RECLAIM);
}

static void priorities_have_a_range_for_each_policy(void **state)
{
        struct sched_plan r;

        (void)state;
        assert_int_equal(plan("'policy': 'SCHED_FIFO', 'priority': 1", &r), 0);
        assert_int_equal(plan("'policy': 'SCHED_RR', 'priority': 99", &r), 0);
        assert_int_equal(r.request.priority, 99);
        assert_int_equal(plan("'policy': 'SCHED_IDLE', 'priority': 0", &r), 0);
        REFUSES("'policy': 'SCHED_FIFO', 'priority': 0",
                "process.scheduler.priority: 0 is not 1..99, which SCHED_FIFO needs");
        REFUSES("'policy': 'SCHED_RR', 'priority': 100",
                "process.scheduler.priority: 100 is not 1..99, which SCHED_RR needs");
        REFUSES("'policy': 'SCHED_OTHER', 'priority': 5",
                "process.scheduler.priority: SCHED_OTHER has none, only SCHED_FIFO and "
                "SCHED_RR do");
        REFUSES("'policy': 'SCHED_DEADLINE', 'priority': -1, 'runtime': 2000, 'deadline': 2000",
                "process.scheduler.priority: SCHED_DEADLINE has none, only SCHED_FIFO and "
                "SCHED_RR do");
}

static void nice_values_have_a_range(void **state)
{
        struct sched_plan r;

        (void)state;
        assert_int_equal(plan("'policy': 'SCHED_OTHER', 'nice': 19", &r), 0);
        REFUSES("'policy': 'SCHED_OTHER', 'nice': 20", "process.scheduler.nice: 20 is not -20..19");
        REFUSES("'policy': 'SCHED_OTHER', 'nice': -21",
                "process.scheduler.nice: -21 is not -20..19");
}

static void a_deadline_holds_its_run_time_and_a_period_its_deadline(void **state)
{
        struct sched_plan r;

        (void)state;
        assert_int_equal(plan("'policy': 'SCHED_DEADLINE', 'runtime': 1024, 'deadline': 1024", &r),
                         0);
        REFUSES("'policy': 'SCHED_DEADLINE', 'runtime': 1023, 'deadline': 2000",
                "process.scheduler.runtime: SCHED_DEADLINE needs at least 1024 ns");
        REFUSES("'policy': 'SCHED_DEADLINE', 'runtime': 2000, 'deadline': 1999",
                "process.scheduler.deadline: SCHED_DEADLINE needs at least the runtime, 2000 ns");
        REFUSES("'policy': 'SCHED_DEADLINE', 'runtime': 2000, 'deadline': 9223372036854775808",
                "process.scheduler.deadline: SCHED_DEADLINE needs at least the runtime, 2000 ns");
        REFUSES("'policy': 'SCHED_DEADLINE', 'runtime': 2000, 'deadline': 3000, 'period': 2999",
                "process.scheduler.period: SCHED_DEADLINE needs at least the deadline, 3000 ns");
        REFUSES("'policy': 'SCHED_OTHER', 'period': 1",
                "process.scheduler.period: only SCHED_DEADLINE has it");
        REFUSES("'policy': 'SCHED_FIFO', 'priority': 3, 'deadline': 1, 'period': 1",
                "process.scheduler.deadline: only SCHED_DEADLINE has it");
}

static void a_policy_that_linux_never_had_is_refused(void **state)
{
        (void)state;
        REFUSES("'policy': 'SCHED_ISO'",
                "process.scheduler.policy: SCHED_ISO is a name only, Linux has no such policy");
}

static void another_process_gets_it(void **state)
{
        struct sched_plan r;
        pid_t pid = child_idle();

        (void)state;
        assert_int_equal(plan("'policy': 'SCHED_BATCH', 'nice': 7", &r), 0);
        assert_int_equal(sched_parent(&r, pid, &error), 0);
        assert_int_equal(sched_getscheduler(pid), SCHED_BATCH);
        assert_int_equal(getpriority(PRIO_PROCESS, (id_t)pid), 7);

        /* what is kept cannot be compared */
        assert_int_equal(plan("'policy': 'SCHED_OTHER', 'flags': ['SCHED_FLAG_KEEP_POLICY']", &r),
                         0);
        assert_int_equal(sched_parent(&r, pid, &error), 0);
        assert_int_equal(sched_getscheduler(pid), SCHED_BATCH);
        child_kill(pid);
        assert_int_equal(sched_parent(&r, pid, &error), -1);
        assert_string_equal(error.text, "process.scheduler: cannot set SCHED_OTHER: ESRCH");
}

static void without_the_right(void *arg)
{
        struct sched_plan r;

        (void)arg;
        assert_int_equal(sys_setresuid(4321), 0);
        assert_int_equal(plan("'policy': 'SCHED_FIFO', 'priority': 1", &r), 0);
        assert_int_equal(sched_parent(&r, 0, &error), -1);
        assert_string_equal(error.text, "process.scheduler: cannot set SCHED_FIFO: EPERM");
        assert_non_null(strstr(error.hint, "CAP_SYS_NICE"));
        assert_int_equal(plan("'policy': 'SCHED_DEADLINE', 'runtime': 2000, 'deadline': 3000", &r),
                         0);
        assert_int_equal(sched_parent(&r, 0, &error), -1);
        assert_string_equal(error.text, "process.scheduler: cannot set SCHED_DEADLINE: EINVAL");
        assert_non_null(strstr(error.hint, "kernel.sched_deadline_period_min_us"));
        r.request.deadline = 1000000;
        assert_int_equal(sched_parent(&r, 0, &error), -1);
        assert_string_equal(error.hint, "it needs CAP_SYS_NICE on the host, and all CPUs");
        r.few_cpus = true;
        assert_int_equal(sched_parent(&r, 0, &error), -1);
        assert_string_equal(error.text, "process.scheduler: process scheduler can't be used "
                                        "together with AllowedCPUs: SCHED_DEADLINE needs them "
                                        "all: EPERM");
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
                cmocka_unit_test(what_is_not_given_is_0),
                cmocka_unit_test(everything_is_handed_on),
                cmocka_unit_test(priorities_have_a_range_for_each_policy),
                cmocka_unit_test(nice_values_have_a_range),
                cmocka_unit_test(a_deadline_holds_its_run_time_and_a_period_its_deadline),
                cmocka_unit_test(a_policy_that_linux_never_had_is_refused),
                cmocka_unit_test(another_process_gets_it),
                cmocka_unit_test(what_is_denied_says_why),
        };

        return RUN(tests);
}
