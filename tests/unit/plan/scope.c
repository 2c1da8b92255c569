#include "unit.h"

#include "kenro/plan/scope.h"

static struct err error;
static struct plan plan;

static void planned(const char *resources, bool bfq)
{
        static const struct host host;
        const struct plan_input in = { .id = "c1", .host = &host, .systemd = true, .bfq = bfq };
        struct spec *s = test_spec(
                arena_printf(test_arena(), &error, "'linux': {'resources': {%s}}", resources));
        const struct cgroup_limit_input limits = { .resources = s->linux_->resources,
                                                   .whole_percent = true };

        plan = (struct plan){ 0 };
        if (cgroup_limit_plan(&limits, test_arena(), &plan.cgroup_limit, &error) < 0 ||
            scope_plan(s, &in, test_arena(), &plan, &error) < 0)
                fail_msg("%s", error.text);
}

static const char *property(const struct systemd_properties *p, const char *name)
{
        for (size_t i = 0; i < p->n; i++)
                if (strcmp(p->v[i].name, name) == 0)
                        return p->v[i].list.v[0];
        return "";
}

static const char *file(const struct cgroup_limit_plan *p, const char *name)
{
        for (size_t i = 0; i < p->n; i++)
                if (strcmp(p->v[i].file, name) == 0)
                        return p->v[i].value;
        return "";
}

static void a_limit_is_a_file_and_a_property(void **state)
{
        (void)state;
        planned("'memory': {'limit': 1048576, 'swap': 3145728}, 'unified': {'memory.high': '5'}",
                false);
        assert_string_equal(file(&plan.cgroup_limit, "memory.max"), "1048576");
        assert_string_equal(property(&plan.systemd.start, "MemoryMax"), "1048576");
        assert_string_equal(property(&plan.systemd.start, "MemorySwapMax"), "2097152");
        assert_string_equal(property(&plan.systemd.start, "MemoryHigh"), "5");
}

static void both_have_the_quota_that_systemd_can_say(void **state)
{
        (void)state;
        planned("'cpu': {'quota': 50001, 'period': 100000}", false);
        assert_string_equal(file(&plan.cgroup_limit, "cpu.max"), "51000 100000");
        assert_string_equal(property(&plan.systemd.start, "CPUQuotaPerSecUSec"), "510000");
        assert_string_equal(property(&plan.systemd.start, "CPUQuotaPeriodUSec"), "100000");
}

static void a_weight_is_said_for_the_scheduler_that_is_there(void **state)
{
        (void)state;
        planned("'blockIO': {'weight': 500}", false);
        assert_string_equal(property(&plan.systemd.start, "IOWeight"), "4950");
        planned("'blockIO': {'weight': 500}", true);
        assert_string_equal(property(&plan.systemd.start, "IOWeight"), "4500");
}

static void few_processes_are_a_limit_when_init_is_alone(void **state)
{
        (void)state;
        planned("'pids': {'limit': 0}, 'cpu': {'shares': 1024}", false);
        assert_string_equal(file(&plan.cgroup_limit, "pids.max"), "");
        assert_string_equal(file(&plan.cgroup_limit, "cpu.weight"), "100");
        assert_string_equal(file(&plan.cgroup_limit_late, "pids.max"), "1");
        assert_string_equal(property(&plan.systemd.settle, "TasksMax"), "1");
        planned("'pids': {'limit': 100}", false);
        assert_string_equal(file(&plan.cgroup_limit, "pids.max"), "100");
        assert_int_equal(plan.cgroup_limit_late.n, 0);
}

static void changes_are_properties_too(void **state)
{
        struct cgroup_limit one = { .file = "memory.max", .value = "max" };
        const struct cgroup_limit_plan changes = { .v = &one, .n = 1 };
        struct systemd_properties p;

        (void)state;
        assert_int_equal(scope_plan_changes(&changes, false, test_arena(), &p, &error), 0);
        assert_int_equal(p.n, 1);
        assert_string_equal(property(&p, "MemoryMax"), "18446744073709551615");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_limit_is_a_file_and_a_property),
                cmocka_unit_test(both_have_the_quota_that_systemd_can_say),
                cmocka_unit_test(a_weight_is_said_for_the_scheduler_that_is_there),
                cmocka_unit_test(few_processes_are_a_limit_when_init_is_alone),
                cmocka_unit_test(changes_are_properties_too),
        };

        return RUN(tests);
}
