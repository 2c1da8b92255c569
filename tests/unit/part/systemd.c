#include "unit.h"

#include "kenro/part/systemd.h"

static struct err error;
static struct systemd_plan plan;

static int planned_with(const char *path, const char *id, bool user, struct pairs *limits)
{
        const struct systemd_input in = {
                .cgroups_path = path, .id = id, .user = user, .limits = limits
        };

        error = (struct err){ 0 };
        return systemd_plan(&in, test_arena(), &plan, &error);
}

static int planned(const char *path)
{
        return planned_with(path, "c1", false, NULL);
}

static const char *value(const struct systemd_properties *p, const char *name)
{
        for (size_t i = 0; i < p->n; i++)
                if (strcmp(p->v[i].name, name) == 0)
                        return p->v[i].list.v[0];
        return NULL;
}

static void slice_prefix_and_name_are_a_unit_in_a_slice(void **state)
{
        (void)state;
        assert_int_equal(planned("machine.slice:libpod:0a1b"), 0);
        assert_string_equal(plan.unit, "libpod-0a1b.scope");
        assert_string_equal(plan.path, "/machine.slice/libpod-0a1b.scope");
        assert_string_equal(value(&plan.start, "Slice"), "machine.slice");
        assert_int_equal(planned("machine.slice::alone"), 0);
        assert_string_equal(plan.unit, "alone.scope");
}

static void a_dash_in_a_slice_is_a_slice_above(void **state)
{
        (void)state;
        assert_int_equal(planned("a-b-c.slice:p:n"), 0);
        assert_string_equal(plan.path, "/a.slice/a-b.slice/a-b-c.slice/p-n.scope");
        assert_int_equal(planned("-.slice:p:n"), 0);
        assert_string_equal(plan.path, "/p-n.scope");
        assert_string_equal(value(&plan.start, "Slice"), "-.slice");
}

static void what_is_left_out_is_filled_in(void **state)
{
        (void)state;
        assert_int_equal(planned(""), 0);
        assert_string_equal(plan.path, "/system.slice/kenro-c1.scope");
        assert_int_equal(planned(NULL), 0);
        assert_string_equal(plan.unit, "kenro-c1.scope");
        assert_int_equal(planned(":crun:123"), 0);
        assert_string_equal(plan.path, "/system.slice/crun-123.scope");
        assert_int_equal(planned_with(":crun:123", "c1", true, NULL), 0);
        assert_string_equal(plan.path, "/user.slice/crun-123.scope");
        assert_true(plan.user);
}

static void every_scope_is_delegated_and_goes_with_its_last_process(void **state)
{
        (void)state;
        assert_int_equal(planned(""), 0);
        assert_string_equal(value(&plan.start, "Description"), "container c1");
        assert_string_equal(value(&plan.start, "Delegate"), "1");
        assert_string_equal(value(&plan.start, "DefaultDependencies"), "0");
        assert_string_equal(value(&plan.start, "CollectMode"), "inactive-or-failed");
        assert_string_equal(value(&plan.start, "MemoryAccounting"), "1");
        assert_null(value(&plan.start, "DevicePolicy")); /* the program of our own decides */
        assert_int_equal(plan.settle.n, 0);
}

static void the_form_is_shown_when_it_is_another(void **state)
{
        static const char *const bad[] = { "/kenro/c1",     "c1", "a.slice:x",
                                           "a.slice:b:c:d", "::", "a.slice:b:" };

        (void)state;
        for (size_t i = 0; i < COUNT(bad); i++) {
                assert_int_equal(planned(bad[i]), -1);
                assert_true(strstr(error.hint, "slice:prefix:name, like system.slice:kenro:c1"));
        }
        assert_int_equal(planned("/kenro/c1"), -1);
        assert_string_equal(error.text, "linux.cgroupsPath: '/kenro/c1' has less than two colons");
}

static void a_slice_that_systemd_would_not_take_is_refused(void **state)
{
        static const char *const bad[] = { "user",     "a.service", ".slice",         "a--b.slice",
                                           "-a.slice", "a-.slice",  "a/b.slice",      "a b.slice",
                                           "..slice",  "a@b.slice", "\xc3\xa4.slice", "a+b.slice" };

        (void)state;
        for (size_t i = 0; i < COUNT(bad); i++) {
                char path[64];

                snprintf(path, sizeof(path), "%s:p:n", bad[i]);
                if (planned(path) == 0)
                        fail_msg("'%s' is a slice", bad[i]);
                assert_true(strstr(error.text, "linux.cgroupsPath: "));
        }
}

static void a_container_is_no_slice(void **state)
{
        (void)state;
        assert_int_equal(planned("a.slice:p:pod.slice"), -1);
        assert_true(
                strstr(error.text, "'pod.slice' is a slice, which holds units and no processes"));
}

static void systemds_own_scope_is_refused(void **state)
{
        (void)state;
        assert_int_equal(planned("-.slice::init"), -1);
        assert_string_equal(error.text, "linux.cgroupsPath: 'init.scope' is systemd's own");
        assert_int_equal(planned("-.slice:x:init"), 0);
}

static void what_a_units_name_cannot_have_is_escaped_or_refused(void **state)
{
        static const char *const bad[] = { "a/b", "a b", "a\nb", "\xc3\xa4", "a\x7f" };

        (void)state;
        assert_int_equal(planned_with(NULL, "a+b_c.d", false, NULL), 0);
        assert_string_equal(plan.unit, "kenro-a\\x2bb_c.d.scope");
        assert_int_equal(planned("a.slice:p:x@y\\x2d"), 0);
        assert_string_equal(plan.unit, "p-x\\x40y\\x2d.scope");
        for (size_t i = 0; i < COUNT(bad); i++) {
                char path[64];

                snprintf(path, sizeof(path), "a.slice:p:%s", bad[i]);
                if (planned(path) == 0)
                        fail_msg("'%s' is a name", bad[i]);
        }
}

static void a_name_that_systemd_could_not_keep_is_refused(void **state)
{
        char id[300];

        (void)state;
        memset(id, 'x', sizeof(id));
        id[255 - strlen("kenro-.scope")] = '\0';
        assert_int_equal(planned_with(NULL, id, false, NULL), 0);
        assert_int_equal(strlen(plan.unit), 255);
        id[0] = '+'; /* three bytes more */
        assert_int_equal(planned_with(NULL, id, false, NULL), -1);
        assert_true(strstr(error.text, "would have 258 bytes"));
        memset(id, 'x', sizeof(id));
        id[255 - strlen("kenro-.scope") + 1] = '\0';
        assert_int_equal(planned_with(NULL, id, false, NULL), -1);
        memset(id, '+', sizeof(id));
        id[299] = '\0';
        assert_int_equal(planned_with(NULL, id, false, NULL), -1);
        assert_true(strstr(error.text, "longer than the 255 bytes"));
}

static void a_limit_of_few_processes_leaves_room_for_making_init(void **state)
{
        static struct json_pair one = { "pids.max", "1" };
        struct pairs limits = { &one, 1 };

        (void)state;
        assert_int_equal(planned_with(NULL, "c1", false, &limits), 0);
        assert_string_equal(value(&plan.start, "TasksMax"), "4");
        assert_string_equal(value(&plan.settle, "TasksMax"), "1");
        one.value = "4";
        assert_int_equal(planned_with(NULL, "c1", false, &limits), 0);
        assert_string_equal(value(&plan.start, "TasksMax"), "4");
        assert_int_equal(plan.settle.n, 0);
        one.value = "max";
        assert_int_equal(planned_with(NULL, "c1", false, &limits), 0);
        assert_string_equal(value(&plan.start, "TasksMax"), "18446744073709551615");
        assert_int_equal(plan.settle.n, 0);
}

static void a_group_is_known_by_the_end_of_its_path(void **state)
{
        const char *path = "/a.slice/a-b.slice/p-n.scope";

        (void)state;
        assert_true(systemd_is_below("/a.slice/a-b.slice/p-n.scope", path));
        assert_true(
                systemd_is_below("/user.slice/user@1.service/a.slice/a-b.slice/p-n.scope", path));
        assert_true(systemd_is_below("/_a.slice/a-b.slice/_p-n.scope", path)); /* its escapes */
        assert_true(systemd_is_below("/p.scope", "/p.scope"));
        assert_false(systemd_is_below("/a-b.slice/p-n.scope", path));
        assert_false(systemd_is_below("/a.slice/x/p-n.scope", path));
        assert_false(systemd_is_below("/a.slice/a-b.slice/p-n.scope/x", path));
        assert_false(systemd_is_below("/xa.slice/a-b.slice/p-n.scope", path));
        assert_false(systemd_is_below("/system.slice/sshd.service", path));
        assert_false(systemd_is_below("/", path));
        assert_false(systemd_is_below("", path));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(slice_prefix_and_name_are_a_unit_in_a_slice),
                cmocka_unit_test(a_dash_in_a_slice_is_a_slice_above),
                cmocka_unit_test(what_is_left_out_is_filled_in),
                cmocka_unit_test(every_scope_is_delegated_and_goes_with_its_last_process),
                cmocka_unit_test(the_form_is_shown_when_it_is_another),
                cmocka_unit_test(a_slice_that_systemd_would_not_take_is_refused),
                cmocka_unit_test(a_container_is_no_slice),
                cmocka_unit_test(systemds_own_scope_is_refused),
                cmocka_unit_test(what_a_units_name_cannot_have_is_escaped_or_refused),
                cmocka_unit_test(a_name_that_systemd_could_not_keep_is_refused),
                cmocka_unit_test(a_limit_of_few_processes_leaves_room_for_making_init),
                cmocka_unit_test(a_group_is_known_by_the_end_of_its_path),
        };

        return RUN(tests);
}
