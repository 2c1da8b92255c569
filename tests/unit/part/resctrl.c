#include "unit.h"

#include "kenro/base/file.h"
#include "kenro/part/resctrl.h"

#include <errno.h>

/* A directory in the file system's place. Its groups get their files from the test,
 * as the kernel would make them. */
static char top[PATH_MAX];
static struct host host = { .resctrl = top };

static struct err error;

static int make_top(void **state)
{
        (void)state;
        test_dir_make(top);
        return 0;
}

static int remove_top(void **state)
{
        (void)state;
        test_dir_remove(top);
        return 0;
}

static const char *at(const char *name)
{
        static char path[2][PATH_MAX + 64];
        static int turn;

        turn = !turn;
        snprintf(path[turn], sizeof(path[turn]), "%s/%s", top, name);
        return path[turn];
}

static void put(const char *name, const char *text)
{
        test_file(AT_FDCWD, at(name), text, 0600);
}

static const char *content(const char *name)
{
        static char text[1024];

        return file_peek(AT_FDCWD, at(name), text, sizeof(text)) < 0 ? NULL : text;
}

static bool exists(const char *name)
{
        return access(at(name), F_OK) == 0;
}

static int plan(const char *members, struct resctrl_plan *ret)
{
        char text[1024];

        snprintf(text, sizeof(text), "'linux': {'intelRdt': {%s}}", members);
        return resctrl_plan(test_spec(text)->linux_->intel_rdt, "c1", &host, test_arena(), ret,
                            &error);
}

#define REFUSES(members, says)                                                                     \
        do {                                                                                       \
                struct resctrl_plan r_;                                                            \
                assert_int_equal(plan(members, &r_), -1);                                          \
                assert_string_equal(error.text, "linux.intelRdt" says);                            \
        } while (0)

static void silence_needs_no_resctrl(void **state)
{
        const struct host without = { 0 };
        const struct spec_intel_rdt empty = { 0 };
        struct resctrl_plan r;
        struct resctrl made;

        (void)state;
        assert_int_equal(resctrl_plan(NULL, "c1", &without, test_arena(), &r, &error), 0);
        assert_null(r.group);
        assert_int_equal(resctrl_make_parent(&r, &made, &error), 0);
        assert_int_equal(resctrl_set_parent(&r, &made, &error), 0);
        assert_int_equal(resctrl_enter_parent(r.group, r.monitor, 1, &error), 0);
        assert_int_equal(resctrl_remove(r.group, &error), 0);

        assert_int_equal(resctrl_plan(&empty, "c1", &without, test_arena(), &r, &error), -1);
        assert_string_equal(error.text, "linux.intelRdt: no resctrl file system is mounted");
        assert_string_equal(error.hint, "mount -t resctrl resctrl /sys/fs/resctrl");
}

static void a_group_is_called_as_it_says_or_as_the_container(void **state)
{
        struct resctrl_plan r;

        (void)state;
        assert_int_equal(plan("", &r), 0);
        assert_string_equal(r.group, at("c1"));
        assert_int_equal(r.kind, RESCTRL_OWN);
        assert_null(r.monitor);
        assert_int_equal(plan("'closID': '', 'enableMonitoring': true", &r), 0);
        assert_int_equal(r.kind, RESCTRL_OWN);
        assert_string_equal(r.monitor, at("c1/mon_groups/c1"));
        assert_int_equal(mkdir(at("gold"), 0755), 0);
        assert_int_equal(plan("'closID': 'gold', 'enableMonitoring': true", &r), 0);
        assert_int_equal(rmdir(at("gold")), 0);
        assert_string_equal(r.group, at("gold"));
        assert_int_equal(r.kind, RESCTRL_GIVEN);
        assert_string_equal(r.monitor, at("gold/mon_groups/c1"));
        assert_int_equal(plan("'closID': 'gold', 'schemata': ['L3:0=f']", &r), 0);
        assert_int_equal(r.kind, RESCTRL_NAMED);
        /* the default group is never made, nor written to */
        assert_int_equal(plan("'closID': '/', 'schemata': ['L3:0=f']", &r), 0);
        assert_string_equal(r.group, top);
        assert_int_equal(r.kind, RESCTRL_GIVEN);
}

static void lines_come_in_the_specifications_order(void **state)
{
        struct resctrl_plan r;

        (void)state;
        assert_int_equal(plan("'schemata': ['L2:0=1', 'L2:1=1'], 'memBwSchema': 'MB:0=20',"
                              "'l3CacheSchema': 'L3:0=f'",
                              &r),
                         0);
        assert_int_equal(r.n_lines, 4);
        assert_string_equal(r.lines[0], "L3:0=f");
        assert_string_equal(r.lines[1], "MB:0=20");
        assert_string_equal(r.lines[2], "L2:0=1");
        assert_string_equal(r.lines[3], "L2:1=1");
}

static void what_is_no_line_and_no_name_is_refused(void **state)
{
        (void)state;
        REFUSES("'l3CacheSchema': 'L3:0=f\\nMB:0=10'", ".l3CacheSchema: has a line's end");
        REFUSES("'memBwSchema': 'L3:0=f'", ".memBwSchema: 'L3:0=f' does not begin with MB:");
        REFUSES("'memBwSchema': 'MB:0=1\\n'", ".memBwSchema: has a line's end");
        REFUSES("'schemata': ['L3:0=f', 'x\\ny']", ".schemata[1]: has a line's end");
        REFUSES("'closID': '..'", ".closID: '..' is not the name of a group");
        REFUSES("'closID': 'a/b'", ".closID: 'a/b' is not the name of a group");
        REFUSES("'closID': '/etc'", ".closID: '/etc' is not the name of a group");
        REFUSES("'closID': 'info'", ".closID: 'info' is not the name of a group");
        REFUSES("'closID': 'mon_groups'", ".closID: 'mon_groups' is not the name of a group");
}

static void an_own_group_is_made_filled_entered_and_removed(void **state)
{
        struct resctrl_plan r;
        struct resctrl made;

        (void)state;
        assert_int_equal(plan("'l3CacheSchema': 'L3:0=f', 'schemata': ['L3:0=3']", &r), 0);
        assert_int_equal(resctrl_make_parent(&r, &made, &error), 0);
        assert_true(made.made && !made.made_monitor);
        put("c1/schemata", "");
        assert_int_equal(resctrl_set_parent(&r, &made, &error), 0);
        /* each line by a write of its own, which for a plain file is at the same place */
        assert_string_equal(content("c1/schemata"), "L3:0=3\n");
        put("c1/tasks", "");
        assert_int_equal(resctrl_enter_parent(r.group, r.monitor, 4711, &error), 0);
        assert_string_equal(content("c1/tasks"), "4711");

        /* another container of that name */
        assert_int_equal(plan("", &r), -1);
        assert_non_null(strstr(error.text, "/c1 is there already"));
        assert_string_equal(error.hint, "remove it, or share it by linux.intelRdt.closID");
        assert_int_equal(resctrl_make_parent(&r, &made, &error), -1);
        assert_non_null(strstr(error.text, "/c1 is there already"));
        assert_false(made.made);
        resctrl_undo(&r, &made);
        assert_true(exists("c1"));

        assert_int_equal(unlink(at("c1/schemata")) | unlink(at("c1/tasks")), 0);
        assert_int_equal(resctrl_remove(r.group, &error), 0);
        assert_false(exists("c1"));
        assert_int_equal(resctrl_remove(r.group, &error), 0); /* gone is what is wanted */
}

static void a_monitoring_group_is_made_below(void **state)
{
        struct resctrl_plan r;
        struct resctrl made;

        (void)state;
        assert_int_equal(plan("'closID': '/', 'enableMonitoring': true", &r), 0);
        assert_int_equal(resctrl_make_parent(&r, &made, &error), -1);
        assert_non_null(strstr(error.text, "linux.intelRdt: cannot make the group"));
        assert_non_null(strstr(error.text, "/mon_groups/c1: ENOENT"));
        assert_int_equal(mkdir(at("mon_groups"), 0755), 0);
        assert_int_equal(resctrl_make_parent(&r, &made, &error), 0);
        assert_true(!made.made && made.made_monitor && exists("mon_groups/c1"));
        put("tasks", "");
        put("mon_groups/c1/tasks", "");
        assert_int_equal(resctrl_enter_parent(r.group, r.monitor, 1, &error), 0);
        assert_string_equal(content("tasks"), "1");
        assert_string_equal(content("mon_groups/c1/tasks"), "1");
        assert_int_equal(plan("'closID': '/', 'enableMonitoring': true", &r), -1);
        assert_non_null(strstr(error.text, "/mon_groups/c1 is there already"));
        assert_int_equal(unlink(at("mon_groups/c1/tasks")) | unlink(at("tasks")), 0);
        resctrl_undo(&r, &made);
        assert_false(exists("mon_groups/c1"));
        assert_int_equal(rmdir(at("mon_groups")), 0);
}

static void the_monitoring_group_failing_takes_the_other_back(void **state)
{
        struct resctrl_plan r;
        struct resctrl made;

        (void)state;
        assert_int_equal(plan("'enableMonitoring': true", &r), 0);
        assert_int_equal(resctrl_make_parent(&r, &made, &error), -1);
        assert_false(exists("c1"));
}

static void what_the_kernel_says_is_handed_on(void **state)
{
        struct resctrl_plan r;
        struct resctrl made;

        (void)state;
        assert_int_equal(mkdir(at("info"), 0755), 0);
        put("info/last_cmd_status", "out of CLOSIDs\n");
        assert_int_equal(plan("'schemata': ['L3:0=f']", &r), 0);
        assert_int_equal(resctrl_make_parent(&r, &made, &error), 0);
        assert_int_equal(resctrl_set_parent(&r, &made, &error), -1);
        assert_non_null(strstr(error.text, "linux.intelRdt: cannot write to"));
        assert_non_null(strstr(error.text, "/c1/schemata: ENOENT"));
        assert_string_equal(error.hint, "out of CLOSIDs");
        resctrl_undo(&r, &made);
        assert_false(exists("c1"));
        assert_int_equal(unlink(at("info/last_cmd_status")) | rmdir(at("info")), 0);
}

static void a_given_group_must_be_there_and_stays(void **state)
{
        struct resctrl_plan r;
        struct resctrl made;

        (void)state;
        assert_int_equal(plan("'closID': 'gold'", &r), -1);
        assert_non_null(strstr(error.text, "linux.intelRdt.closID: there is no group"));
        assert_int_equal(mkdir(at("gold"), 0755), 0);
        assert_int_equal(plan("'closID': 'gold'", &r), 0);
        assert_int_equal(resctrl_make_parent(&r, &made, &error), 0);
        assert_int_equal(resctrl_set_parent(&r, &made, &error), 0);
        resctrl_undo(&r, &made);
        assert_true(exists("gold"));
        assert_int_equal(rmdir(at("gold")), 0);
}

static void a_named_group_is_made_where_it_is_missing(void **state)
{
        struct resctrl_plan r;
        struct resctrl made;

        (void)state;
        assert_int_equal(plan("'closID': 'gold', 'schemata': ['L3:0=f']", &r), 0);
        assert_int_equal(resctrl_make_parent(&r, &made, &error), 0);
        assert_true(made.made && exists("gold"));
        put("gold/schemata", "");
        assert_int_equal(resctrl_set_parent(&r, &made, &error), 0);
        assert_string_equal(content("gold/schemata"), "L3:0=f\n");
        assert_int_equal(unlink(at("gold/schemata")), 0);
        resctrl_undo(&r, &made);
        assert_false(exists("gold"));
}

#define KERNELS "    MB:0=100;1= 70\n    L3:0=007f0;1=0001f\nL2:0=ff;1=f;10=3\n"

static void a_group_that_is_there_must_have_what_is_asked_for(void **state)
{
        static const struct {
                const char *line;
                bool same;
        } rows[] = {
                { "L3:0=7f0;1=1f", true }, { "L3:1=1F", true },     { "L3: 0 =7f0", false },
                { "MB:1=70;0=100", true }, { "MB:0=64", false },    { "L3:0=7f1", false },
                { "L3:0=7f0;2=1", false }, { "L2:10=3", true },     { "L2:1=3", false },
                { "L4:0=f", false },       { "L3:0=7f0;x", false }, { "L3:0=7f0;1=1f;", true },
                { "L3CODE:0=7f0", false }, { "L3", false },
        };
        struct resctrl_plan r;
        struct resctrl made;
        char members[128];

        (void)state;
        assert_int_equal(mkdir(at("gold"), 0755), 0);
        put("gold/schemata", KERNELS);
        for (size_t i = 0; i < COUNT(rows); i++) {
                snprintf(members, sizeof(members), "'closID': 'gold', 'schemata': ['%s']",
                         rows[i].line);
                assert_int_equal(plan(members, &r), 0);
                assert_int_equal(resctrl_make_parent(&r, &made, &error), 0);
                if ((resctrl_set_parent(&r, &made, &error) == 0) != rows[i].same)
                        fail_msg("'%s'", rows[i].line);
                if (!rows[i].same)
                        assert_non_null(strstr(error.text, "/gold is there and has not '"));
        }
        assert_string_equal(content("gold/schemata"), KERNELS);
        assert_int_equal(unlink(at("gold/schemata")) | rmdir(at("gold")), 0);
}

static int change(const char *l3, const char *mb, const char *old[RESCTRL_CHANGES])
{
        const char *lines[RESCTRL_CHANGES] = { l3, mb };

        return resctrl_change(top, lines, test_arena(), old, &error);
}

static void other_shares_can_be_taken_back(void **state)
{
        const char *old[RESCTRL_CHANGES], *later[RESCTRL_CHANGES];

        (void)state;
        put("schemata", "    L3:0=f0;1=f\n    MB:0= 50\n");
        assert_int_equal(change(NULL, "MB:0=20", old), 0);
        assert_null(old[0]);
        assert_string_equal(old[1], "MB:0= 50");
        /* a plain file: the line goes over what was at the beginning */
        assert_string_equal(content("schemata"), "MB:0=20\n=f0;1=f\n    MB:0= 50\n");
        put("schemata", "L3:0=f0;1=f\nMB:0=20\n");
        assert_int_equal(change("L3:0=1", "MB:0=10", old), 0);
        assert_string_equal(old[0], "L3:0=f0;1=f");
        assert_string_equal(old[1], "MB:0=20");
        put("schemata", "L3:0=1\nMB:0=10\n");
        assert_int_equal(resctrl_change(top, old, test_arena(), later, &error), 0);
        assert_string_equal(later[0], "L3:0=1");
}

static void shares_of_what_the_group_has_not_are_refused(void **state)
{
        const char *old[RESCTRL_CHANGES];

        (void)state;
        put("schemata", "    L3:0=f0;1=f\n");
        assert_int_equal(change("L3:0=1", "MB:0=20", old), -1);
        assert_string_equal(error.text, "'MB:0=20' is no line for a resource that the group has");
        assert_int_equal(change("x", NULL, old), -1);
        assert_int_equal(change("L3:0=1\nL3:1=1", NULL, old), -1);
        assert_string_equal(content("schemata"), "    L3:0=f0;1=f\n");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(other_shares_can_be_taken_back),
                cmocka_unit_test(shares_of_what_the_group_has_not_are_refused),
                cmocka_unit_test(silence_needs_no_resctrl),
                cmocka_unit_test(a_group_is_called_as_it_says_or_as_the_container),
                cmocka_unit_test(lines_come_in_the_specifications_order),
                cmocka_unit_test(what_is_no_line_and_no_name_is_refused),
                cmocka_unit_test(an_own_group_is_made_filled_entered_and_removed),
                cmocka_unit_test(a_monitoring_group_is_made_below),
                cmocka_unit_test(the_monitoring_group_failing_takes_the_other_back),
                cmocka_unit_test(what_the_kernel_says_is_handed_on),
                cmocka_unit_test(a_given_group_must_be_there_and_stays),
                cmocka_unit_test(a_named_group_is_made_where_it_is_missing),
                cmocka_unit_test(a_group_that_is_there_must_have_what_is_asked_for),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, make_top, remove_top);
}
