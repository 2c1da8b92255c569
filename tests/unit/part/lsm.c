#include "child.h"

#include "kenro/base/file.h"
#include "kenro/part/lsm.h"

/* A directory in procfs's place: what is written to its files is what the kernel would
 * have got. */
static char proc[PATH_MAX];
static int proc_fd;

static struct err error;

static int make_proc(void **state)
{
        (void)state;
        test_dir_make(proc);
        proc_fd = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(proc_fd >= 0);
        assert_int_equal(mkdirat(proc_fd, "thread-self", 0755), 0);
        assert_int_equal(mkdirat(proc_fd, "thread-self/attr", 0755), 0);
        assert_int_equal(mkdirat(proc_fd, "thread-self/attr/apparmor", 0755), 0);
        return 0;
}

static int remove_proc(void **state)
{
        (void)state;
        close(proc_fd);
        test_dir_remove(proc);
        return 0;
}

static const char *content(const char *name)
{
        static char text[256];

        return file_peek(proc_fd, name, text, sizeof(text)) < 0 ? NULL : text;
}

#define APPARMOR "thread-self/attr/apparmor/exec"
#define EXEC "thread-self/attr/exec"
#define KEY "thread-self/attr/keycreate"

static int plan(const char *members, bool apparmor, bool selinux, struct lsm_plan *ret)
{
        const struct host h = { .apparmor = apparmor, .selinux = selinux };

        return lsm_plan(test_process(members), &h, test_arena(), ret, &error);
}

static void a_label_needs_its_lsm(void **state)
{
        struct lsm_plan r;

        (void)state;
        assert_int_equal(plan("'apparmorProfile': 'p'", false, true, &r), -1);
        assert_string_equal(error.text, "process.apparmorProfile: AppArmor is not enabled on this "
                                        "host");
        assert_int_equal(plan("'selinuxLabel': 'a:b:c:s0'", true, false, &r), -1);
        assert_string_equal(error.text, "process.selinuxLabel: SELinux is not enabled on this "
                                        "host");
        assert_int_equal(plan("'apparmorProfile': '', 'selinuxLabel': ''", false, false, &r), 0);
        assert_null(r.apparmor);
        assert_null(r.selinux);
        assert_int_equal(plan("'apparmorProfile': 'p', 'selinuxLabel': 'a:b:c'", true, true, &r),
                         0);
        assert_string_equal(r.apparmor, "p");
        assert_string_equal(r.command, "exec p");
        assert_string_equal(r.selinux, "a:b:c");
}

static void a_label_has_no_control_characters(void **state)
{
        struct lsm_plan r;

        (void)state;
        assert_int_equal(plan("'apparmorProfile': 'p\\nq'", true, true, &r), -1);
        assert_string_equal(error.text, "process.apparmorProfile: has a control character");
        assert_int_equal(plan("'selinuxLabel': '\\u007f'", true, true, &r), -1);
        assert_string_equal(error.text, "process.selinuxLabel: has a control character");
}

static void without_a_label_nothing_is_written(void **state)
{
        const struct lsm_plan none = { 0 };

        (void)state;
        assert_int_equal(lsm_child(&none, -1, &error), 0);
        assert_int_equal(lsm_key_child(&none, -1, &error), 0);
        assert_int_equal(lsm_key_done_child(&none, -1, &error), 0);
}

static void a_profile_goes_to_apparmors_own_file(void **state)
{
        struct lsm_plan r;

        (void)state;
        assert_int_equal(plan("'apparmorProfile': 'docker-default'", true, false, &r), 0);
        test_file(proc_fd, APPARMOR, "", 0600);
        test_file(proc_fd, EXEC, "", 0600);
        /* a plain file answers with the command, a kernel with the profile */
        assert_int_equal(lsm_child(&r, proc_fd, &error), -1);
        assert_string_equal(error.text, "read-back: the AppArmor profile is not the planned one");
        assert_string_equal(content(APPARMOR), "exec docker-default");
        assert_string_equal(content(EXEC), "");
        assert_int_equal(unlinkat(proc_fd, APPARMOR, 0), 0);
        assert_int_equal(unlinkat(proc_fd, EXEC, 0), 0);
}

/* With a FIFO for FILE: what is written to it, ANSWER, is what is read from it. */
static int child_with_answer(const char *members, const char *file, const char *answer)
{
        struct lsm_plan r;
        int fd, n;

        assert_int_equal(plan(members, true, true, &r), 0);
        assert_int_equal(mkfifoat(proc_fd, file, 0600), 0);
        fd = openat(proc_fd, file, O_RDWR | O_CLOEXEC); /* keeps both ends open */
        assert_true(fd >= 0);
        r.command = answer;
        n = lsm_child(&r, proc_fd, &error);
        close(fd);
        assert_int_equal(unlinkat(proc_fd, file, 0), 0);
        return n;
}

static void the_old_file_will_do_where_there_is_no_other(void **state)
{
        (void)state;
        assert_int_equal(child_with_answer("'apparmorProfile': 'p'", EXEC, "p (enforce)\n"), 0);
}

static void the_profile_is_read_back(void **state)
{
        static const struct {
                const char *profile, *answer;
                int expected;
        } rows[] = {
                { "p", "p (enforce)\n", 0 },
                { "unconfined", "unconfined\n", 0 },
                { "p", "p", 0 },
                { "p", "pq (enforce)\n", -1 },
                { "pq", "p (enforce)\n", -1 },
                { "p", "unconfined\n", -1 },
                { "b//&a", "a//&b (mixed)\n", 0 },
                { ":ns:p", "p (enforce)\n", 0 },
                { "a b", "a b (complain)\n", 0 },
        };
        char members[128];

        (void)state;
        for (size_t i = 0; i < COUNT(rows); i++) {
                snprintf(members, sizeof(members), "'apparmorProfile': '%s'", rows[i].profile);
                if (child_with_answer(members, APPARMOR, rows[i].answer) != rows[i].expected)
                        fail_msg("'%s' is read as '%s'", rows[i].profile, rows[i].answer);
        }
}

static void a_failure_names_the_file_in_backquotes(void **state)
{
        struct lsm_plan r;

        (void)state;
        assert_int_equal(plan("'apparmorProfile': 'p'", true, true, &r), 0);
        assert_int_equal(lsm_child(&r, proc_fd, &error), -1);
        assert_string_equal(error.text, "process.apparmorProfile: cannot set 'p' by "
                                        "`/proc/thread-self/attr/exec`: ENOENT");
        assert_string_equal(error.hint, "");
        assert_int_equal(mkdirat(proc_fd, APPARMOR, 0700), 0);
        assert_int_equal(lsm_child(&r, proc_fd, &error), -1);
        assert_string_equal(error.text, "process.apparmorProfile: cannot set 'p' by "
                                        "`/proc/thread-self/attr/apparmor/exec`: EISDIR");
        assert_int_equal(unlinkat(proc_fd, APPARMOR, AT_REMOVEDIR), 0);

        assert_int_equal(plan("'selinuxLabel': 'a:b:c:s0'", true, true, &r), 0);
        assert_int_equal(lsm_child(&r, proc_fd, &error), -1);
        assert_string_equal(error.text, "process.selinuxLabel: cannot set 'a:b:c:s0' by "
                                        "`/proc/thread-self/attr/exec`: ENOENT");
}

static void a_label_is_written_and_read_back(void **state)
{
        struct lsm_plan r;

        (void)state;
        test_file(proc_fd, EXEC, "", 0600);
        assert_int_equal(plan("'selinuxLabel': 'u:r:t:s0:c1,c2'", false, true, &r), 0);
        assert_int_equal(lsm_child(&r, proc_fd, &error), 0);
        assert_string_equal(content(EXEC), "u:r:t:s0:c1,c2");

        /* the kernel's own spelling of the categories will do, another type will not: what
         * is longer stays behind what is written here */
        assert_int_equal(plan("'selinuxLabel': 'u:r:t'", false, true, &r), 0);
        assert_int_equal(lsm_child(&r, proc_fd, &error), 0);
        assert_string_equal(content(EXEC), "u:r:t:s0:c1,c2");
        test_file(proc_fd, EXEC, "u:r:tt:s0", 0600);
        assert_int_equal(lsm_child(&r, proc_fd, &error), -1);
        assert_string_equal(error.text, "read-back: the SELinux label is not the planned one");
        assert_int_equal(unlinkat(proc_fd, EXEC, 0), 0);
}

static void the_keyring_is_labelled_and_no_other_is(void **state)
{
        struct lsm_plan r;
        struct stat st;

        (void)state;
        assert_int_equal(plan("'selinuxLabel': 'u:r:t:s0'", false, true, &r), 0);
        /* a kernel without keyrings */
        assert_int_equal(lsm_key_child(&r, proc_fd, &error), 0);
        assert_int_equal(lsm_key_done_child(&r, proc_fd, &error), 0);

        test_file(proc_fd, KEY, "", 0600);
        assert_int_equal(lsm_key_child(&r, proc_fd, &error), 0);
        assert_string_equal(content(KEY), "u:r:t:s0");
        test_file(proc_fd, KEY, "", 0600);
        assert_int_equal(lsm_key_done_child(&r, proc_fd, &error), 0);
        assert_int_equal(fstatat(proc_fd, KEY, &st, 0), 0);
        assert_int_equal(st.st_size, 1); /* one NUL */
        assert_int_equal(unlinkat(proc_fd, KEY, 0), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_label_needs_its_lsm),
                cmocka_unit_test(a_label_has_no_control_characters),
                cmocka_unit_test(without_a_label_nothing_is_written),
                cmocka_unit_test(a_profile_goes_to_apparmors_own_file),
                cmocka_unit_test(the_old_file_will_do_where_there_is_no_other),
                cmocka_unit_test(the_profile_is_read_back),
                cmocka_unit_test(a_failure_names_the_file_in_backquotes),
                cmocka_unit_test(a_label_is_written_and_read_back),
                cmocka_unit_test(the_keyring_is_labelled_and_no_other_is),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, make_proc, remove_proc);
}
