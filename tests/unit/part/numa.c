#include "child.h"

#include "kenro/part/numa.h"

#include <linux/mempolicy.h>

static struct err error;

static int plan(const char *members, struct numa_plan *ret)
{
        char text[512];

        snprintf(text, sizeof(text), "'linux': {'memoryPolicy': {%s}}", members);
        return numa_plan(test_spec(text)->linux_->memory_policy, ret, &error);
}

#define REFUSES(members, says)                                                                     \
        do {                                                                                       \
                struct numa_plan r_;                                                               \
                assert_int_equal(plan(members, &r_), -1);                                          \
                assert_string_equal(error.text, "linux.memoryPolicy." says);                       \
        } while (0)

static void silence_changes_nothing(void **state)
{
        struct numa_plan r;

        (void)state;
        assert_int_equal(numa_plan(NULL, &r, &error), 0);
        assert_false(r.wanted);
        assert_int_equal(numa_child(&r, &error) | numa_child_check(&r, &error), 0);
}

static void a_mode_its_nodes_and_flags(void **state)
{
        struct numa_plan r;

        (void)state;
        assert_int_equal(plan("'mode': 'MPOL_WEIGHTED_INTERLEAVE', 'nodes': '0,2-3',"
                              "'flags': ['MPOL_F_STATIC_NODES']",
                              &r),
                         0);
        assert_true(r.wanted);
        assert_int_equal(r.mode, 6 | MPOL_F_STATIC_NODES);
        assert_int_equal(r.nodes.v[0], 0xd);
        assert_int_equal(plan("'mode': 'MPOL_PREFERRED_MANY', 'nodes': '1',"
                              "'flags': ['MPOL_F_NUMA_BALANCING', 'MPOL_F_RELATIVE_NODES']",
                              &r),
                         0);
        assert_int_equal(r.mode, 5 | MPOL_F_NUMA_BALANCING | MPOL_F_RELATIVE_NODES);
}

static void each_mode_knows_whether_it_needs_nodes(void **state)
{
        struct numa_plan r;

        (void)state;
        assert_int_equal(plan("'mode': 'MPOL_DEFAULT', 'nodes': ''", &r), 0);
        assert_int_equal(plan("'mode': 'MPOL_PREFERRED'", &r), 0);
        assert_int_equal(plan("'mode': 'MPOL_PREFERRED', 'nodes': '0'", &r), 0);
        REFUSES("'mode': 'MPOL_DEFAULT', 'nodes': '0'", "nodes: MPOL_DEFAULT takes none");
        REFUSES("'mode': 'MPOL_LOCAL', 'nodes': '0'", "nodes: MPOL_LOCAL takes none");
        REFUSES("'mode': 'MPOL_BIND'", "nodes: MPOL_BIND needs some");
        REFUSES("'mode': 'MPOL_INTERLEAVE', 'nodes': ''", "nodes: MPOL_INTERLEAVE needs some");
        REFUSES("'mode': 'MPOL_WEIGHTED_INTERLEAVE'", "nodes: MPOL_WEIGHTED_INTERLEAVE needs some");
        REFUSES("'mode': 'MPOL_PREFERRED_MANY'", "nodes: MPOL_PREFERRED_MANY needs some");
        REFUSES("'mode': 'MPOL_BIND', 'nodes': '1-0'",
                "nodes: '1-0' is not a list like 0-3,7 of numbers below 8192");
}

static void flags_fit_each_other_and_the_mode(void **state)
{
        (void)state;
        REFUSES("'mode': 'MPOL_BIND', 'nodes': '0',"
                "'flags': ['MPOL_F_STATIC_NODES', 'MPOL_F_RELATIVE_NODES']",
                "flags: MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other");
        REFUSES("'mode': 'MPOL_LOCAL', 'flags': ['MPOL_F_RELATIVE_NODES']",
                "flags: MPOL_F_RELATIVE_NODES says how nodes are meant, and there are none");
        REFUSES("'mode': 'MPOL_PREFERRED', 'nodes': '0', 'flags': ['MPOL_F_NUMA_BALANCING']",
                "flags: MPOL_F_NUMA_BALANCING is for MPOL_BIND and MPOL_PREFERRED_MANY");
}

static void set(void *arg)
{
        struct numa_plan r;
        int mode = 0;

        (void)arg;
        if (sys_get_mempolicy(&mode) == -ENOSYS)
                _exit(CHILD_SKIPPED);
        assert_int_equal(plan("'mode': 'MPOL_INTERLEAVE', 'nodes': '0',"
                              "'flags': ['MPOL_F_STATIC_NODES']",
                              &r),
                         0);
        assert_int_equal(numa_child(&r, &error), 0);
        assert_int_equal(numa_child_check(&r, &error), 0);
        assert_true(sys_get_mempolicy(&mode) >= 0);
        assert_int_equal(mode, MPOL_INTERLEAVE | MPOL_F_STATIC_NODES);

        assert_int_equal(plan("'mode': 'MPOL_DEFAULT'", &r), 0);
        assert_int_equal(numa_child_check(&r, &error), -1);
        assert_string_equal(error.text, "read-back: the memory policy is 0x8003, planned 0");
        assert_int_equal(numa_child(&r, &error), 0);
        assert_int_equal(numa_child_check(&r, &error), 0);

        /* "local" by another name */
        assert_int_equal(plan("'mode': 'MPOL_PREFERRED'", &r), 0);
        assert_int_equal(numa_child(&r, &error), 0);
        assert_int_equal(numa_child_check(&r, &error), 0);

        assert_int_equal(plan("'mode': 'MPOL_BIND', 'nodes': '8191'", &r), 0);
        assert_int_equal(numa_child(&r, &error), -1);
        assert_string_equal(error.text, "linux.memoryPolicy: cannot be set: EINVAL");
        assert_non_null(strstr(error.hint, "a node that is not there"));
}

static void a_process_has_it(void **state)
{
        (void)state;
        IN_CHILD(set, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(silence_changes_nothing),
                cmocka_unit_test(a_mode_its_nodes_and_flags),
                cmocka_unit_test(each_mode_knows_whether_it_needs_nodes),
                cmocka_unit_test(flags_fit_each_other_and_the_mode),
                cmocka_unit_test(a_process_has_it),
        };

        return RUN(tests);
}
