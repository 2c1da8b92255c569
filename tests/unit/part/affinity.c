#include "child.h"

#include "kenro/part/affinity.h"

static struct err error;
static struct host host;

static bool has(const struct bits *b, unsigned n)
{
        return b->v[n / BITS_PER_WORD] >> n % BITS_PER_WORD & 1;
}

/* MEMBERS of execCPUAffinity, or NULL: there is none. */
static int plan(const char *members, bool exec, const char *cpus, struct affinity_plan *ret)
{
        char text[256] = "";
        struct affinity_input in = { .host = &host, .cpus = cpus, .exec = exec };

        if (members)
                snprintf(text, sizeof(text), "'execCPUAffinity': {%s}", members);
        in.process = test_process(text);
        return affinity_plan(&in, ret, &error);
}

static void without_a_wish_every_cpu_will_do(void **state)
{
        struct affinity_plan r;

        (void)state;
        for (int exec = 0; exec <= 1; exec++) {
                assert_int_equal(plan(NULL, exec, NULL, &r), 0);
                assert_int_equal(r.how, AFFINITY_RESET);
                assert_false(r.has_first);
                assert_true(has(&r.cpus, 0) && has(&r.cpus, BITS_MAX - 1));
        }
}

static void isolated_cpus_are_left_alone_unless_a_cpuset_names_cpus(void **state)
{
        struct affinity_plan r;

        (void)state;
        assert_int_equal(bits_parse("2-3", &host.cpus_isolated, &error), 0);
        assert_int_equal(plan(NULL, false, "", &r), 0);
        assert_true(has(&r.cpus, 1) && !has(&r.cpus, 2) && !has(&r.cpus, 3) && has(&r.cpus, 4));
        assert_int_equal(plan(NULL, true, "2,4", &r), 0);
        assert_true(has(&r.cpus, 2));
        assert_int_equal(plan("'final': '2'", true, NULL, &r), 0);
        assert_true(has(&r.cpus, 2));
        host.cpus_isolated = (struct bits){ 0 };
}

static void an_exec_begins_and_ends_where_it_is_told(void **state)
{
        struct affinity_plan r;

        (void)state;
        assert_int_equal(plan("'initial': '3', 'final': '4-5'", true, NULL, &r), 0);
        assert_true(r.has_first && has(&r.first, 3) && !has(&r.first, 4));
        assert_int_equal(r.how, AFFINITY_SET);
        assert_true(has(&r.cpus, 4) && has(&r.cpus, 5) && !has(&r.cpus, 3));

        assert_int_equal(plan("'final': '4'", true, NULL, &r), 0);
        assert_false(r.has_first);
        assert_int_equal(r.how, AFFINITY_SET);

        /* then the kernel decides, as the specification wants it */
        assert_int_equal(plan("'initial': '3', 'final': ''", true, NULL, &r), 0);
        assert_true(r.has_first);
        assert_int_equal(r.how, AFFINITY_LEAVE);

        assert_int_equal(plan("'initial': '', 'final': ''", true, NULL, &r), 0);
        assert_false(r.has_first);
        assert_int_equal(r.how, AFFINITY_RESET);
}

static void the_first_process_is_not_meant_but_the_lists_are_read(void **state)
{
        struct affinity_plan r;

        (void)state;
        assert_int_equal(plan("'initial': '3', 'final': '4'", false, NULL, &r), 0);
        assert_false(r.has_first);
        assert_int_equal(r.how, AFFINITY_RESET);
        assert_true(has(&r.cpus, 0));
        assert_int_equal(plan("'initial': 'all'", false, NULL, &r), -1);
        assert_string_equal(error.text, "process.execCPUAffinity.initial: 'all' is not a list like "
                                        "0-3,7 of numbers below 8192");
}

static int first_cpu(void)
{
        struct bits now = { 0 };
        int n = 0;

        assert_true(sys_sched_getaffinity(&now, sizeof(now)) > 0);
        while (!has(&now, (unsigned)n))
                n++;
        return n;
}

static void move(void *arg)
{
        int cpu = *(int *)arg;
        struct affinity_plan r = { .how = AFFINITY_SET };
        struct bits now = { 0 };

        r.has_first = true;
        r.first.v[cpu / BITS_PER_WORD] = r.cpus.v[cpu / BITS_PER_WORD] = 1ul << cpu % BITS_PER_WORD;
        assert_int_equal(affinity_parent(&r, &error), 0);
        assert_true(sys_sched_getaffinity(&now, sizeof(now)) > 0);
        bits_remove(&now, &r.first);
        assert_true(bits_is_empty(&now));
        assert_int_equal(affinity_child(&r, &error), 0);
        assert_int_equal(affinity_child_check(&r, &error), 0);

        /* the read-back tells another state */
        r.cpus = (struct bits){ 0 };
        assert_int_equal(affinity_child_check(&r, &error), -1);
        assert_string_equal(error.text, "read-back: the CPU affinity is not the planned one");

        /* no such CPU: an error, but not for what nobody has asked for */
        assert_int_equal(affinity_child(&r, &error), -1);
        assert_string_equal(error.text, "process.execCPUAffinity.final: none of these CPUs is "
                                        "allowed by the container's cgroup: EINVAL");
        r.first = r.cpus;
        assert_int_equal(affinity_parent(&r, &error), -1);
        assert_string_equal(error.text, "process.execCPUAffinity.initial: none of these CPUs is "
                                        "allowed: EINVAL");
        r.how = AFFINITY_RESET;
        assert_int_equal(affinity_child(&r, &error), 0);
        assert_int_equal(affinity_child_check(&r, &error), 0);
}

static void a_process_moves(void **state)
{
        int cpu = first_cpu();

        (void)state;
        IN_CHILD(move, &cpu);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_a_wish_every_cpu_will_do),
                cmocka_unit_test(isolated_cpus_are_left_alone_unless_a_cpuset_names_cpus),
                cmocka_unit_test(an_exec_begins_and_ends_where_it_is_told),
                cmocka_unit_test(the_first_process_is_not_meant_but_the_lists_are_read),
                cmocka_unit_test(a_process_moves),
        };

        return RUN(tests);
}
