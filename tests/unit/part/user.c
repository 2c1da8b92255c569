#include "child.h"

#include "kenro/part/user.h"

static struct err error;

static struct id_mapping thousand[] = { { 0, 100000, 1000 } };
static const struct id_mappings none, mapped = { thousand, 1 };

static int plan(const char *user, const struct id_mappings *maps, struct user_plan *ret)
{
        char text[256];

        snprintf(text, sizeof(text), "'user': %s", user);
        return user_plan(test_process(text), maps, maps, ret, &error);
}

static void ids_are_the_containers(void **state)
{
        struct user_plan r;

        (void)state;
        assert_int_equal(plan("{'uid': 5, 'gid': 6, 'additionalGids': [7, 8]}", &mapped, &r), 0);
        assert_int_equal(r.uid, 5);
        assert_int_equal(r.gid, 6);
        assert_int_equal(r.n_groups, 2);
        assert_int_equal(r.groups[0], 7);
        assert_int_equal(r.groups[1], 8);
        assert_int_equal(plan("{'uid': 4294967294, 'gid': 4294967294}", &none, &r), 0);
        assert_int_equal(r.uid, 4294967294u);
}

static void silence_is_root_without_groups(void **state)
{
        struct user_plan r;

        (void)state;
        assert_int_equal(user_plan(test_process(""), &none, &none, &r, &error), 0);
        assert_int_equal(r.uid | r.gid, 0);
        assert_int_equal(r.n_groups, 0);
}

static void an_id_that_is_not_mapped_is_refused(void **state)
{
        struct user_plan r;

        (void)state;
        assert_int_equal(plan("{'uid': 999, 'gid': 999, 'additionalGids': [999]}", &mapped, &r), 0);
        assert_int_equal(plan("{'uid': 1000, 'gid': 0}", &mapped, &r), -1);
        assert_string_equal(error.text,
                            "process.user.uid: 1000 is not mapped by linux.uidMappings");
        assert_int_equal(plan("{'uid': 0, 'gid': 1000}", &mapped, &r), -1);
        assert_string_equal(error.text,
                            "process.user.gid: 1000 is not mapped by linux.gidMappings");
        assert_int_equal(plan("{'uid': 0, 'gid': 0, 'additionalGids': [5, 1000]}", &mapped, &r),
                         -1);
        assert_string_equal(error.text, "process.user.additionalGids[1]: 1000 is not mapped by "
                                        "linux.gidMappings");
}

static void the_umask_is_022_unless_given(void **state)
{
        struct user_plan r;

        (void)state;
        assert_int_equal(plan("{'uid': 0, 'gid': 0}", &none, &r), 0);
        assert_int_equal(r.umask, 022);
        assert_int_equal(plan("{'uid': 0, 'gid': 0, 'umask': 63}", &none, &r), 0);
        assert_int_equal(r.umask, 077);
        assert_int_equal(plan("{'uid': 0, 'gid': 0, 'umask': 0}", &none, &r), 0);
        assert_int_equal(r.umask, 0);
}

static void become_somebody(void *arg)
{
        struct user_plan r;
        gid_t groups[8];

        (void)arg;
        assert_int_equal(sys_setgroups(2, (const uint32_t[]){ 0, 4 }), 0);
        /* Podman lists the primary group again, and a group twice */
        assert_int_equal(plan("{'uid': 4321, 'gid': 8765, 'umask': 5,"
                              "'additionalGids': [30, 8765, 20, 30]}",
                              &none, &r),
                         0);
        assert_int_equal(user_child(&r, &error), 0);
        assert_int_equal(user_child_check(&r, &error), 0);
        assert_int_equal(getuid(), 4321);
        assert_int_equal(getegid(), 8765);
        assert_int_equal(getgroups(8, groups), 4);
        for (int i = 0; i < 4; i++)
                assert_true(groups[i] == 20 || groups[i] == 30 || groups[i] == 8765);
        assert_int_equal(umask(0), 5);
        assert_int_not_equal(sys_setresuid(0), 0);

        /* the read-back tells any other state */
        r.groups = (const uint32_t[]){ 30, 8765, 20, 20 };
        assert_int_equal(user_child_check(&r, &error), -1);
        assert_string_equal(error.text, "read-back: the groups are not the planned ones");
        r.n_groups = 3;
        assert_int_equal(user_child_check(&r, &error), -1);
        assert_string_equal(error.text, "read-back: 4 groups, planned 3");
        r.uid = 0;
        assert_int_equal(user_child_check(&r, &error), -1);
        assert_string_equal(error.text, "read-back: ids are 4321:8765, planned 0:8765");
}

static void keep_the_callers_groups(void *arg)
{
        struct user_plan r;
        gid_t groups[8];

        (void)arg;
        assert_int_equal(sys_setgroups(2, (const uint32_t[]){ 4, 27 }), 0);
        assert_int_equal(plan("{'uid': 4321, 'gid': 8765, 'additionalGids': [30]}", &none, &r), 0);
        r.keep_groups = true;
        assert_int_equal(user_child(&r, &error), 0);
        assert_int_equal(user_child_check(&r, &error), 0);
        assert_int_equal(getgroups(8, groups), 2);
        assert_true(groups[0] == 4 && groups[1] == 27);
        r.gid = 0;
        assert_int_equal(user_child_check(&r, &error), -1);
}

static void groups_can_be_kept(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(keep_the_callers_groups, NULL);
}

static void a_process_has_exactly_these_ids_and_groups(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(become_somebody, NULL);
}

static void where_setgroups_is_denied_only_the_gid_can_be_listed(void **state)
{
        struct user_plan r;

        (void)state;
        assert_int_equal(plan("{'uid': 5, 'gid': 6, 'additionalGids': [6, 6]}", &mapped, &r), 0);
        assert_int_equal(user_plan_no_setgroups(&r, &error), 0);
        assert_true(r.keep_groups);
        assert_int_equal(plan("{'uid': 5, 'gid': 6, 'additionalGids': [6, 7]}", &mapped, &r), 0);
        assert_int_equal(user_plan_no_setgroups(&r, &error), -1);
        assert_string_equal(error.text, "process.user.additionalGids[1]: group 7 cannot be set "
                                        "where setgroups is denied");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ids_are_the_containers),
                cmocka_unit_test(silence_is_root_without_groups),
                cmocka_unit_test(an_id_that_is_not_mapped_is_refused),
                cmocka_unit_test(the_umask_is_022_unless_given),
                cmocka_unit_test(groups_can_be_kept),
                cmocka_unit_test(a_process_has_exactly_these_ids_and_groups),
                cmocka_unit_test(where_setgroups_is_denied_only_the_gid_can_be_listed),
        };

        return RUN(tests);
}
