#include "group.h"

#include "kenro/base/file.h"

#include <signal.h>

static struct err error;
static struct test_group top; /* all groups of these tests are below it */

static const char *planned(const char *path)
{
        static struct cgroup_plan r;

        return cgroup_plan(path, "c1", test_arena(), &r, &error) < 0 ? NULL : r.path;
}

static void a_relative_path_is_below_kenro(void **state)
{
        (void)state;
        assert_string_equal(planned(NULL), "/kenro/c1");
        assert_string_equal(planned(""), "/kenro/c1");
        assert_string_equal(planned("pod/box"), "/kenro/pod/box");
        assert_string_equal(planned("./pod//box/"), "/kenro/pod/box");
        assert_string_equal(planned("/machine.slice/box"), "/machine.slice/box");
        assert_string_equal(planned("/machine.slice//./box/"), "/machine.slice/box");
        assert_string_equal(planned("/..pod/box.."), "/..pod/box..");
        assert_string_equal(planned("a:b"), "/kenro/a:b");
}

static void a_path_that_climbs_is_refused(void **state)
{
        static const char *const paths[] = { "..",        "../x",   "x/..",      "x/../y",
                                             "/x/../../", "/../..", "/kenro/..", "a/b/../.." };

        (void)state;
        for (size_t i = 0; i < COUNT(paths); i++)
                if (planned(paths[i]))
                        fail_msg("'%s' is accepted", paths[i]);
        assert_null(planned("x/../y"));
        assert_string_equal(error.text, "linux.cgroupsPath: 'x/../y' contains '..'");
}

static void the_hosts_own_group_is_refused(void **state)
{
        (void)state;
        assert_null(planned("/"));
        assert_string_equal(error.text, "linux.cgroupsPath: '/' is the host's own group");
        assert_null(planned("//./"));
        assert_null(planned("."));
}

static void systemds_form_without_its_manager_is_a_name_at_the_top(void **state)
{
        (void)state;
        assert_string_equal(planned("system.slice:kenro:c1"), "/system.slice:kenro:c1");
        assert_string_equal(planned("one:colon"), "/kenro/one:colon");
        assert_null(planned("a:b:c/../../d"));
}

static void a_path_too_long_to_be_opened_is_refused(void **state)
{
        char path[PATH_MAX + 2];

        (void)state;
        memset(path, 'x', sizeof(path));
        for (size_t i = 0; i < sizeof(path); i += 200)
                path[i] = '/';
        path[PATH_MAX + 1] = '\0';
        assert_null(planned(path));
        /* relative, it fits until "/kenro" is put in front of it */
        path[PATH_MAX - 2] = '\0';
        assert_null(planned(path + 1));
}

/* ---- with groups of our own ---- */

static struct cgroup_plan below(const char *path)
{
        static struct arena *a;

        a = test_arena();
        return (struct cgroup_plan){ arena_printf(a, &error, "%s%s", top.path, path) };
}

static struct cgroup make(const char *path)
{
        struct cgroup_plan p = below(path);
        struct cgroup c;

        if (cgroup_parent(&p, &top.host, &(struct cgroup_owner){ 1, 2, "/" }, &c, &error) < 0)
                fail_msg("%s", error.text);
        return c;
}

static bool exists(const char *path)
{
        struct cgroup_plan p = below(path);

        return faccessat(top.host.fd, p.path + 1, F_OK, 0) == 0;
}

/* A process that waits in the group until it is killed. */
static pid_t inhabit(int cgroup_fd)
{
        pid_t pid = child_idle();
        char text[16];

        snprintf(text, sizeof(text), "%d", pid);
        assert_int_equal(file_poke(cgroup_fd, "cgroup.procs", text), 0);
        return pid;
}

static int set_up(void **state)
{
        (void)state;
        return test_group_make(&top);
}

static int tear_down(void **state)
{
        (void)state;
        return test_group_remove(&top);
}

static void only_what_was_missing_is_made_and_taken_back(void **state)
{
        struct cgroup_plan p = below("/a/b");
        struct cgroup c;

        (void)state;
        NEEDS_GROUP(top);
        c = make("/a/b");
        assert_int_equal(c.made, 2);
        assert_int_equal(fcntl(c.fd, F_GETFD), FD_CLOEXEC);
        close(c.fd);
        c = make("/a/b");
        assert_int_equal(c.made, 0);
        close(c.fd);
        cgroup_undo(&p, &top.host, 2);
        assert_false(exists("/a"));
        assert_true(exists(""));
}

/* No cgroup's name holds a line's end. */
static void what_was_made_of_an_impossible_path_is_taken_back(void **state)
{
        struct cgroup_plan p = below("/half/way/a\nb/c");
        struct cgroup c;

        (void)state;
        NEEDS_GROUP(top);
        assert_int_equal(
                cgroup_parent(&p, &top.host, &(struct cgroup_owner){ 1, 2, "/" }, &c, &error), -1);
        assert_false(exists("/half/way"));
        assert_false(exists("/half"));
}

static void a_group_that_is_in_use_is_refused(void **state)
{
        struct cgroup_plan p = below("/used"), *plan = &p;
        struct cgroup c, inner, other;
        pid_t pid;

        (void)state;
        NEEDS_GROUP(top);
        c = make("/used");
        pid = inhabit(c.fd);
        assert_int_equal(cgroup_parent(plan, &top.host, &(struct cgroup_owner){ 1, 2, "/" }, &other,
                                       &error),
                         -1);
        child_kill(pid);
        assert_memory_equal(error.text, "container's cgroup is not empty: /kenro-unit-", 45);
        assert_string_not_equal(error.hint, "");
        assert_int_equal(cgroup_wait_empty(c.fd, -1, 5000, &error), 0);
        /* a group below counts too */
        inner = make("/used/inner");
        pid = inhabit(inner.fd);
        assert_int_equal(cgroup_parent(plan, &top.host, &(struct cgroup_owner){ 1, 2, "/" }, &other,
                                       &error),
                         -1);
        child_kill(pid);
        assert_memory_equal(error.text, "container's cgroup is not empty: ", 33);
        assert_true(exists("/used"));
        close(inner.fd);
        close(c.fd);
}

static void a_frozen_group_is_refused(void **state)
{
        struct cgroup_plan p = below("/ice");
        struct cgroup c, other;

        (void)state;
        NEEDS_GROUP(top);
        c = make("/ice");
        assert_false(cgroup_is_frozen(c.fd));
        assert_int_equal(file_poke(c.fd, "cgroup.freeze", "1"), 0);
        assert_true(cgroup_is_frozen(c.fd));
        assert_int_equal(cgroup_parent(&p, &top.host, &(struct cgroup_owner){ 1, 2, "/" }, &other,
                                       &error),
                         -1);
        assert_memory_equal(error.text, "container's cgroup unexpectedly frozen: /kenro-unit-", 52);
        assert_true(exists("/ice"));
        assert_int_equal(file_poke(c.fd, "cgroup.freeze", "0"), 0);
        close(c.fd);
}

static void a_missing_group_cannot_be_opened(void **state)
{
        (void)state;
        NEEDS_GROUP(top);
        assert_int_equal(cgroup_open(&top.host, below("/none").path), -ENOENT);
        assert_int_equal(cgroup_open(&top.host, below("/none/x").path), -ENOENT);
}

static void killing_empties_the_group_and_those_below(void **state)
{
        struct cgroup outer, inner;
        pid_t pid[2];

        (void)state;
        NEEDS_GROUP(top);
        outer = make("/kill");
        inner = make("/kill/inner");
        pid[0] = inhabit(outer.fd);
        pid[1] = inhabit(inner.fd);
        assert_int_equal(cgroup_wait_empty(outer.fd, -1, 1, &error), -1);
        assert_string_equal(error.text, "processes are left in the cgroup after 1 ms");
        assert_int_equal(cgroup_kill(outer.fd), 0);
        assert_int_equal(cgroup_wait_empty(outer.fd, -1, 5000, &error), 0);
        for (int i = 0; i < 2; i++)
                assert_int_equal(child_wait(pid[i]), -1);
        close(outer.fd);
        close(inner.fd);
}

/* A process that ends tells by its descriptor, whoever else stays. */
static void waiting_ends_with_the_other_event_too(void **state)
{
        struct cgroup c;
        int pair[2];
        pid_t pid;

        (void)state;
        NEEDS_GROUP(top);
        assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
        c = make("/two");
        pid = inhabit(c.fd);
        assert_int_equal(write(pair[1], "", 1), 1);
        assert_int_equal(cgroup_wait_empty(c.fd, pair[0], 5000, &error), 0);
        assert_int_equal(kill(pid, 0), 0);
        child_kill(pid);
        close(pair[0]);
        close(pair[1]);
        close(c.fd);
}

static void ending_kills_and_waits_but_leaves_an_empty_group_alone(void **state)
{
        struct cgroup c;
        pid_t pid;

        (void)state;
        NEEDS_GROUP(top);
        c = make("/end");
        assert_int_equal(cgroup_end(c.fd, 5000, &error), 0);
        pid = inhabit(c.fd);
        assert_int_equal(cgroup_end(c.fd, 5000, &error), 0);
        assert_int_equal(child_wait(pid), -1);
        close(c.fd);
}

static void ending_a_group_that_is_gone_is_fine(void **state)
{
        struct cgroup_plan p = below("/late");
        struct cgroup c;

        (void)state;
        NEEDS_GROUP(top);
        c = make("/late");
        cgroup_undo(&p, &top.host, 1);
        assert_false(exists("/late"));
        assert_int_equal(cgroup_wait_empty(c.fd, -1, 5000, &error), 0);
        assert_int_equal(cgroup_end(c.fd, 5000, &error), 0);
        close(c.fd);
}

static void removing_takes_what_is_below_and_made_above(void **state)
{
        char path[800] = "/gone/deep";

        (void)state;
        NEEDS_GROUP(top);
        for (int i = 0; i < 40; i++)
                strcat(path, "/level");
        close(make("/gone/box").fd);
        close(make(path).fd);
        close(make("/gone/box/x/y").fd);
        close(make("/gone/box/x/z").fd);
        close(make("/gone/box/w").fd);
        /* a neighbour is in the way of the group above */
        assert_int_equal(cgroup_remove(&top.host, below("/gone/box").path, 2, &error), 0);
        assert_false(exists("/gone/box"));
        assert_true(exists("/gone/deep"));
        assert_int_equal(cgroup_remove(&top.host, below("/gone/deep").path, 2, &error), 0);
        assert_false(exists("/gone"));
        assert_true(exists(""));
        /* and once more */
        assert_int_equal(cgroup_remove(&top.host, below("/gone/deep").path, 2, &error), 0);
}

static void what_is_above_a_group_that_is_gone_is_removed(void **state)
{
        struct cgroup_plan p = below("/up/and/away");
        struct cgroup c;

        (void)state;
        NEEDS_GROUP(top);
        c = make("/up/and/away");
        assert_int_equal(c.made, 3);
        close(c.fd);
        assert_int_equal(unlinkat(top.host.fd, p.path + 1, AT_REMOVEDIR), 0);
        cgroup_remove_above(&top.host, p.path, 2);
        assert_false(exists("/up/and"));
        assert_true(exists("/up")); /* that was there before */
        cgroup_remove_above(&top.host, p.path, 3);
        assert_false(exists("/up"));
}

static void a_group_of_somebody_else_stays(void **state)
{
        (void)state;
        NEEDS_GROUP(top);
        close(make("/theirs").fd);
        assert_int_equal(cgroup_remove(&top.host, below("/theirs").path, 0, &error), 0);
        assert_true(exists("/theirs"));
}

static struct cgroup_plan rootless(const char *own, const char *linux_members)
{
        struct host h = { .rootless = true };
        struct cgroup_plan r = { .path = "/kenro/c1", .optional = true };
        char text[512];

        snprintf(h.cgroup, sizeof(h.cgroup), "%s", own);
        snprintf(text, sizeof(text), "'linux': {%s}", linux_members);
        assert_int_equal(cgroup_plan_rootless(test_spec(text)->linux_, "c1", &h, test_arena(), &r,
                                              &error),
                         0);
        assert_true(r.rootless);
        return r;
}

static void a_users_group_is_beside_the_callers(void **state)
{
        (void)state;
        assert_string_equal(rootless("/user.slice/app/x", "").path, "/user.slice/app/kenro-c1");
        assert_string_equal(rootless("/x", "").path, "/kenro-c1");
        assert_string_equal(rootless("/", "").path, "/kenro/c1");
        assert_string_equal(rootless("", "").path, "/kenro/c1");
        assert_string_equal(rootless("/a/b", "'cgroupsPath': '/p'").path,
                            "/kenro/c1"); /* as it was */
}

static void a_users_group_is_optional_only_if_it_is_not_placed(void **state)
{
        (void)state;
        assert_true(rootless("/a/b", "").optional);
        assert_true(rootless("/a/b", "'cgroupsPath': ''").optional);
        assert_false(rootless("/a/b", "'cgroupsPath': '/p'").optional);
}

static void without_a_cgroup_tree_only_an_optional_group_is_left_out(void **state)
{
        const struct host_cgroup nothing = { .fd = -1 };
        struct cgroup_plan p = { .path = "/x", .optional = true };
        struct cgroup r;

        (void)state;
        assert_int_equal(cgroup_parent(&p, &nothing, NULL, &r, &error), 0);
        assert_int_equal(r.fd, -1);
        p.optional = false;
        assert_int_equal(cgroup_parent(&p, &nothing, NULL, &r, &error), -1);
        assert_string_equal(error.text, "no cgroup2 file system is mounted");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_relative_path_is_below_kenro),
                cmocka_unit_test(a_path_that_climbs_is_refused),
                cmocka_unit_test(the_hosts_own_group_is_refused),
                cmocka_unit_test(systemds_form_without_its_manager_is_a_name_at_the_top),
                cmocka_unit_test(a_path_too_long_to_be_opened_is_refused),
                cmocka_unit_test(only_what_was_missing_is_made_and_taken_back),
                cmocka_unit_test(what_was_made_of_an_impossible_path_is_taken_back),
                cmocka_unit_test(a_group_that_is_in_use_is_refused),
                cmocka_unit_test(a_frozen_group_is_refused),
                cmocka_unit_test(a_missing_group_cannot_be_opened),
                cmocka_unit_test(killing_empties_the_group_and_those_below),
                cmocka_unit_test(waiting_ends_with_the_other_event_too),
                cmocka_unit_test(ending_kills_and_waits_but_leaves_an_empty_group_alone),
                cmocka_unit_test(ending_a_group_that_is_gone_is_fine),
                cmocka_unit_test(removing_takes_what_is_below_and_made_above),
                cmocka_unit_test(what_is_above_a_group_that_is_gone_is_removed),
                cmocka_unit_test(a_group_of_somebody_else_stays),
                cmocka_unit_test(a_users_group_is_beside_the_callers),
                cmocka_unit_test(a_users_group_is_optional_only_if_it_is_not_placed),
                cmocka_unit_test(without_a_cgroup_tree_only_an_optional_group_is_left_out),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
