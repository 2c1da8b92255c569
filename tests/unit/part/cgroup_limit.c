/* In a tree of plain files: a write goes over what is there, from its beginning, and the
 * rest stays. What the kernel makes of it is told by tests/vm. */
#include "unit.h"

#include "kenro/part/cgroup_limit.h"

static char path[PATH_MAX];
static struct host_cgroup host = { .fd = -1 };
static struct cgroup_limit_group group = { .host = &host, .path = "/a/c", .fd = -1 };
static struct err error;

static void at(const char *name, const char *text)
{
        test_file(host.fd, name, text, 0600);
}

static const char *now(const char *name)
{
        static char text[128];
        int fd = openat(host.fd, name, O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, text, sizeof(text) - 1);

        assert_true(n >= 0);
        close(fd);
        text[n] = '\0';
        return text;
}

/* The mount, /a, and the container's group /a/c. */
static int set_up(void **state)
{
        (void)state;
        test_dir_make(path);
        snprintf(host.mount, sizeof(host.mount), "%s", path);
        host.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(mkdirat(host.fd, "a", 0700) | mkdirat(host.fd, "a/c", 0700), 0);
        group.fd = openat(host.fd, "a/c", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        group.arena = NULL;
        at("cgroup.controllers", "cpuset cpu io memory hugetlb\n");
        at("a/c/cgroup.controllers", "cpuset cpu io memory hugetlb\n");
        return group.fd < 0;
}

static int tear_down(void **state)
{
        (void)state;
        close(group.fd);
        close(host.fd);
        test_dir_remove(path);
        return 0;
}

#define PUT(...) put_list((struct cgroup_limit[]){ __VA_ARGS__, { 0 } }, false)
#define PUT_CHECKED(...) put_list((struct cgroup_limit[]){ __VA_ARGS__, { 0 } }, true)

static int put_list(struct cgroup_limit *v, bool check)
{
        struct cgroup_limit_plan p = { .v = v, .check_usage = check };

        while (v[p.n].file)
                p.n++;
        return cgroup_limit_parent(&p, &group, &error);
}

static void values_are_written(void **state)
{
        (void)state;
        at("a/c/memory.max", "");
        at("a/c/cpuset.mems", "");
        assert_int_equal(PUT({ "f", "memory.max", "4096", NULL, NULL, 0 },
                             { "f", "cpuset.mems", "", NULL, NULL, 0 }),
                         0);
        assert_string_equal(now("a/c/memory.max"), "4096");
        assert_string_equal(now("a/c/cpuset.mems"), "\n"); /* nothing at all would do nothing */
}

static void what_cannot_be_written_is_an_error(void **state)
{
        char text[PATH_MAX + 128];

        (void)state;
        assert_int_equal(PUT({ "memory.limit", "memory.max", "4096", NULL, NULL, 0 }), -1);
        snprintf(text, sizeof(text),
                 "memory.limit: cannot write '4096' to %s/a/c/memory.max: ENOENT", path);
        assert_string_equal(error.text, text);
        assert_string_equal(error.hint, "this kernel has no such file");
        assert_int_equal(PUT({ "f", "hugetlb.3MB.max", "1", NULL, NULL, 0 }), -1);
        assert_string_equal(error.hint, "this kernel has no huge pages of that size");
}

static void a_limit_that_is_lifted_needs_no_file(void **state)
{
        (void)state;
        assert_int_equal(PUT({ "f", "memory.max", "max", NULL, NULL, LIMIT_LIFTED },
                             { "f", "pids.max", "max", NULL, NULL, LIMIT_LIFTED }),
                         0);
}

static void a_weight_goes_where_one_can_be(void **state)
{
        (void)state;
        assert_int_equal(PUT({ "f", "io.bfq.weight", "500", "io.weight", "4950", 0 }), -1);
        assert_non_null(strstr(error.text, "cannot write '4950' to "));
        assert_non_null(strstr(error.hint, "nor is there io.weight"));
        at("a/c/io.weight", "");
        assert_int_equal(PUT({ "f", "io.bfq.weight", "500", "io.weight", "4950", 0 }), 0);
        assert_string_equal(now("a/c/io.weight"), "4950");
        at("a/c/io.bfq.weight", "");
        assert_int_equal(PUT({ "f", "io.bfq.weight", "500", "io.weight", "4950", 0 }), 0);
        assert_string_equal(now("a/c/io.bfq.weight"), "500");
}

static void a_missing_controller_is_named(void **state)
{
        char text[PATH_MAX + 128];

        (void)state;
        at("cgroup.controllers", "misc cpusets xmemory\n");
        at("a/c/cgroup.controllers", "");
        assert_int_equal(PUT({ "f", "pids.max", "max", NULL, NULL, LIMIT_LIFTED },
                             { "cpu.cpus", "cpuset.cpus", "1", NULL, NULL, 0 }),
                         -1);
        snprintf(text, sizeof(text),
                 "cpu.cpus: the cgroup2 tree at %s lacks the controller 'cpuset'", path);
        assert_string_equal(error.text, text);
        assert_non_null(strstr(error.hint, "cgroup_no_v1=all"));
}

static void files_of_every_group_need_no_controller(void **state)
{
        (void)state;
        at("cgroup.controllers", "\n");
        at("a/c/cgroup.controllers", "\n");
        at("a/c/cgroup.max.depth", "");
        assert_int_equal(PUT({ "f", "cgroup.max.depth", "3", NULL, NULL, 0 }), 0);
        assert_string_equal(now("a/c/cgroup.max.depth"), "3");
}

static void controllers_are_enabled_from_the_top(void **state)
{
        const struct cgroup_limit_plan none = { 0 };

        (void)state;
        at("a/c/cgroup.controllers", "\n");
        at("cgroup.subtree_control", "cpu\n");
        at("a/cgroup.controllers", "cpu memory\n");
        at("a/cgroup.subtree_control", "memory cpu\n");
        assert_int_equal(cgroup_limit_parent(&none, &group, &error), 0);
        assert_string_equal(now("cgroup.subtree_control"), "+cpuset +io +memory +hugetlb");
        assert_string_equal(now("a/cgroup.subtree_control"), "memory cpu\n");
}

static void a_group_with_processes_hands_nothing_on(void **state)
{
        const struct cgroup_limit_plan none = { 0 };

        (void)state;
        at("a/c/cgroup.controllers", "\n");
        at("a/cgroup.controllers", "cpu memory\n");
        at("a/cgroup.subtree_control", "\n");
        at("a/cgroup.procs", "1\n");
        at("a/cgroup.type", "domain\n");
        assert_int_equal(cgroup_limit_parent(&none, &group, &error), 0);
        assert_string_equal(now("a/cgroup.subtree_control"), "\n");
        at("cgroup.procs", "1\n"); /* the root of all groups */
        at("cgroup.subtree_control", "cpuset cpu io memory hugetlb\n");
        assert_int_equal(PUT({ "f", "cpu.max", "1", NULL, NULL, 0 }), -1);
        assert_non_null(strstr(error.text, "f: cannot enable the controller 'cpu' for the groups"));
        assert_non_null(strstr(error.text, "/a: EBUSY"));
}

static void none_is_enabled_where_all_are(void **state)
{
        const struct cgroup_limit_plan none = { 0 };

        (void)state;
        at("cgroup.subtree_control", "\n");
        assert_int_equal(cgroup_limit_parent(&none, &group, &error), 0);
        assert_string_equal(now("cgroup.subtree_control"), "\n");
}

static void one_that_is_needed_and_cannot_be_enabled_is_an_error(void **state)
{
        char text[PATH_MAX + 128];

        (void)state;
        at("a/c/cgroup.controllers", "\n");
        at("a/c/memory.max", "");
        at("a/cgroup.controllers", "cpu memory\n");
        /* what nothing needs is not missed */
        assert_int_equal(PUT({ "f", "memory.max", "max", NULL, NULL, LIMIT_LIFTED }), 0);
        at("cgroup.subtree_control", "cpuset cpu io memory\n");
        assert_int_equal(PUT({ "memory.limit", "memory.max", "1", NULL, NULL, 0 }), -1);
        snprintf(text, sizeof(text),
                 "memory.limit: cannot enable the controller 'memory' for the groups in %s/a: "
                 "ENOENT",
                 path);
        assert_string_equal(error.text, text);
}

static void cpus_that_nobody_has_are_refused(void **state)
{
        (void)state;
        at("a/c/cpuset.cpus", "");
        at("a/c/cpuset.cpus.effective", "0-1\n");
        assert_int_equal(PUT({ "cpu.cpus", "cpuset.cpus", "0-3", NULL, NULL, LIMIT_EFFECTIVE }), 0);
        assert_int_equal(PUT({ "cpu.cpus", "cpuset.cpus", "5,6", NULL, NULL, LIMIT_EFFECTIVE }),
                         -1);
        assert_string_equal(error.text, "cpu.cpus: none of '5,6' can be used in the cgroup /a/c: "
                                        "cpuset.cpus.effective has 0-1");
}

static void a_group_in_use_is_as_before_after_a_failure(void **state)
{
        (void)state;
        group.arena = test_arena();
        at("a/c/memory.max", "8192\n");
        at("a/c/io.max", "8:16 rbps=7 wbps=max riops=max wiops=max\n"
                         "8:0 rbps=9 wbps=max riops=max wiops=max\n");
        at("a/c/io.weight", "default 100\n8:0 200\n");
        at("a/c/cpu.max", "max 100000\n");
        assert_int_equal(PUT({ "f", "memory.max", "4096", NULL, NULL, 0 },
                             { "f", "io.max", "8:0 rbps=1", NULL, NULL, 0 },
                             { "f", "io.max", "7:0 rbps=1", NULL, NULL, 0 },
                             { "f", "io.bfq.weight", "8:0 5", "io.weight", "8:0 50", 0 },
                             { "f", "io.bfq.weight", "7:0 5", "io.weight", "7:0 50", 0 },
                             { "f", "cpu.max", "5000 20000", NULL, NULL, 0 },
                             { "f", "memory.nosuch", "1", NULL, NULL, 0 }),
                         -1);
        assert_string_equal(now("a/c/memory.max"), "8192\n");
        assert_string_equal(now("a/c/cpu.max"), "max 100000\n");
        assert_int_equal(group.undo.n, 6);
        assert_string_equal(group.undo.v[1].value, "8:0 rbps=9 wbps=max riops=max wiops=max");
        assert_string_equal(group.undo.v[2].value, "7:0 rbps=max wbps=max riops=max wiops=max");
        assert_string_equal(group.undo.v[3].file, "io.weight");
        /* the file is "8:0 50..." by then: plain files have no lines */
        assert_string_equal(group.undo.v[5].value, "max 100000");
}

static void what_was_there_can_be_put_back_later(void **state)
{
        (void)state;
        group.arena = test_arena();
        at("a/c/memory.max", "8192\n");
        assert_int_equal(PUT({ "f", "memory.max", "4096", NULL, NULL, 0 }), 0);
        assert_string_equal(now("a/c/memory.max"), "4096\n");
        cgroup_limit_undo(&group);
        assert_string_equal(now("a/c/memory.max"), "8192\n");
}

static void a_group_that_was_not_idle_has_its_weight_again(void **state)
{
        (void)state;
        group.arena = test_arena();
        at("a/c/cpu.idle", "0\n");
        at("a/c/cpu.weight", "59\n");
        assert_int_equal(PUT({ "f", "cpu.idle", "1", NULL, NULL, 0 },
                             { "f", "memory.max", "1", NULL, NULL, 0 }),
                         -1);
        assert_int_equal(group.undo.n, 2); /* the last of them is put back first */
        assert_string_equal(group.undo.v[0].file, "cpu.weight");
        assert_string_equal(group.undo.v[0].value, "59");
        assert_string_equal(group.undo.v[1].file, "cpu.idle");
        at("a/c/cpu.idle", "1\n");
        assert_int_equal(PUT({ "f", "cpu.weight", "7", NULL, NULL, 0 }), 0);
        assert_int_equal(group.undo.n, 0);
}

static void less_memory_needs_room_in_swap_first(void **state)
{
        (void)state;
        group.arena = test_arena();
        at("a/c/memory.max", "8192\n");
        /* what is missing fails first */
        assert_int_equal(PUT({ "f", "memory.max", "4096", NULL, NULL, 0 },
                             { "f", "memory.swap.max", "1", NULL, NULL, 0 }),
                         -1);
        assert_int_equal(group.undo.n, 0);
        assert_int_equal(PUT({ "f", "memory.max", "9999", NULL, NULL, 0 },
                             { "f", "memory.swap.max", "1", NULL, NULL, 0 }),
                         -1);
        assert_int_equal(group.undo.n, 1);
}

static void a_burst_is_written_while_the_quota_holds_it(void **state)
{
        (void)state;
        group.arena = test_arena();
        at("a/c/cpu.max.burst", "5000\n");
        assert_int_equal(PUT({ "f", "cpu.max.burst", "6000", NULL, NULL, 0 },
                             { "f", "cpu.max", "9000", NULL, NULL, 0 }),
                         -1);
        assert_int_equal(group.undo.n, 0); /* more burst, after the quota */
        assert_int_equal(PUT({ "f", "cpu.max.burst", "4000", NULL, NULL, 0 },
                             { "f", "cpu.max", "9000", NULL, NULL, 0 }),
                         -1);
        assert_int_equal(group.undo.n, 1); /* less, before it */
        assert_string_equal(now("a/c/cpu.max.burst"), "5000\n");
}

static void a_limit_below_what_is_used_is_refused_if_that_is_asked(void **state)
{
        (void)state;
        at("a/c/memory.max", "max\n");
        at("a/c/memory.swap.max", "max\n");
        at("a/c/memory.current", "5000\n");
        at("a/c/memory.swap.current", "100\n");
        group.arena = test_arena();
        assert_int_equal(PUT_CHECKED({ "memory.limit", "memory.max", "4999", NULL, NULL, 0 }), -1);
        assert_string_equal(error.text, "memory.limit: rejecting 4999 for memory.max, it uses 5000 "
                                        "now (memory.checkBeforeUpdate)");
        assert_int_equal(PUT_CHECKED({ "memory.limit", "memory.max", "5000", NULL, NULL, 0 },
                                     { "memory.swap", "memory.swap.max", "99", NULL, NULL, 0 }),
                         -1);
        assert_string_equal(error.text,
                            "memory.swap: rejecting 99 for memory.swap.max, it uses 100 "
                            "now (memory.checkBeforeUpdate)");
        assert_string_equal(now("a/c/memory.max"), "max\n");
        assert_int_equal(PUT_CHECKED({ "unified", "memory.max", "4K", NULL, NULL, 0 }), -1);
        assert_int_equal(PUT_CHECKED({ "unified", "memory.max", "5K", NULL, NULL, 0 }), 0);
        assert_int_equal(PUT({ "memory.limit", "memory.max", "4999", NULL, NULL, 0 }), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(values_are_written),
                TEST(what_cannot_be_written_is_an_error),
                TEST(a_limit_that_is_lifted_needs_no_file),
                TEST(a_weight_goes_where_one_can_be),
                TEST(a_missing_controller_is_named),
                TEST(files_of_every_group_need_no_controller),
                TEST(controllers_are_enabled_from_the_top),
                TEST(a_group_with_processes_hands_nothing_on),
                TEST(none_is_enabled_where_all_are),
                TEST(one_that_is_needed_and_cannot_be_enabled_is_an_error),
                TEST(cpus_that_nobody_has_are_refused),
                TEST(a_group_in_use_is_as_before_after_a_failure),
                TEST(what_was_there_can_be_put_back_later),
                TEST(a_group_that_was_not_idle_has_its_weight_again),
                TEST(less_memory_needs_room_in_swap_first),
                TEST(a_burst_is_written_while_the_quota_holds_it),
                TEST(a_limit_below_what_is_used_is_refused_if_that_is_asked),
        };

        return RUN(tests);
}
