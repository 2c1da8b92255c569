#include "child.h"

#include "kenro/part/program.h"

static struct err error;
static struct program_plan plan;
static char dir[PATH_MAX];
static int root = -1; /* the same */

static void make_plan(const char *members)
{
        static struct arena scratch;

        assert_int_equal(arena_init(&scratch, 1 << 20, &error), 0);
        if (program_plan(test_process(members), test_arena(), &scratch, &plan, &error) < 0)
                fail_msg("%s", error.text);
}

/* ---- the environment ---- */

static size_t count_env(void)
{
        size_t n = 0;

        while (plan.envp[n])
                n++;
        return n;
}

static void the_last_of_a_variables_values_stands_once(void **state)
{
        (void)state;
        make_plan("'env': ['A=1', 'HOME=/h', 'B=x=y', 'A=2', 'AA=3', 'A=', 'C=line\\nbreak']");
        assert_int_equal(count_env(), 5);
        assert_string_equal(plan.envp[0], "HOME=/h");
        assert_string_equal(plan.envp[1], "B=x=y");
        assert_string_equal(plan.envp[2], "AA=3");
        assert_string_equal(plan.envp[3], "A=");
        assert_string_equal(plan.envp[4], "C=line\nbreak");
}

static void path_is_the_containers(void **state)
{
        (void)state;
        make_plan("'env': ['PATH=/a', 'PATH=/b:/c']");
        assert_string_equal(plan.path, "/b:/c");
        make_plan("");
        assert_string_equal(plan.path, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                                       "/sbin:/bin");
        /* which is where to look, not what the program is told */
        assert_int_equal(count_env(), 1);
}

static void nothing_comes_from_the_runtimes_environment(void **state)
{
        (void)state;
        setenv("KENRO_UNIT_SECRET", "1", 1);
        make_plan("'env': ['A=1']");
        unsetenv("KENRO_UNIT_SECRET");
        assert_int_equal(count_env(), 2);
        assert_string_equal(plan.envp[0], "A=1");
        assert_string_equal(plan.envp[1], "HOME=/");
}

/* ---- HOME ---- */

/* What HOME becomes for UID with TEXT as the container's /etc/passwd. */
static const char *home_with(const char *text, unsigned uid)
{
        char members[100];

        snprintf(members, sizeof(members), "'user': {'uid': %u, 'gid': 0}", uid);
        make_plan(members);
        (void)mkdirat(root, "etc", 0755);
        if (text)
                test_file(root, "etc/passwd", text, 0644);
        program_home_child(&plan, root);
        (void)unlinkat(root, "etc/passwd", 0);
        return plan.envp[0];
}

static void home_is_looked_up_in_the_containers_passwd(void **state)
{
        static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                                     "\n"
                                     "# a remark\n"
                                     "short:x:5\n"
                                     "daemon:x:1:1::/usr/sbin:/bin/sh\n"
                                     "again:x:1:1::/other:/bin/sh\n"
                                     "last:x:1000:1000:A B,,,:/home/last:";

        (void)state;
        assert_string_equal(home_with(passwd, 0), "HOME=/root");
        assert_string_equal(home_with(passwd, 1), "HOME=/usr/sbin");
        assert_string_equal(home_with(passwd, 1000), "HOME=/home/last");
        assert_string_equal(home_with(passwd, 2), "HOME=/");
        assert_string_equal(home_with(passwd, 5), "HOME=/");
        assert_string_equal(home_with(NULL, 0), "HOME=/");
        assert_string_equal(home_with("", 0), "HOME=/");
}

static void a_home_that_is_no_path_is_none(void **state)
{
        char text[4096] = "x:x:0:0::/";

        (void)state;
        assert_string_equal(home_with("x:x:0:0::relative:/bin/sh\n", 0), "HOME=/");
        assert_string_equal(home_with("x:x:0:0:::/bin/sh\n", 0), "HOME=/");
        assert_string_equal(home_with("x:x:0:0::/a\033[31m:/bin/sh\n", 0), "HOME=/");
        assert_string_equal(home_with("x:x::0::/empty:/bin/sh\n", 0), "HOME=/");
        assert_string_equal(home_with("x:x:-0:0::/minus:/bin/sh\n", 0), "HOME=/");
        assert_string_equal(home_with("x:x:0x0:0::/hex:/bin/sh\n", 0), "HOME=/");
        assert_string_equal(home_with("x:x:4294967296:0::/wrapped:/bin/sh\n", 0), "HOME=/");
        memset(text + 10, 'a', PROGRAM_HOME_MAX);
        strcpy(text + 10 + PROGRAM_HOME_MAX, ":/bin/sh\n");
        assert_string_equal(home_with(text, 0), "HOME=/");
        /* an entry behind it still counts */
        strcat(text, "y:x:0:0::/good:/bin/sh\n");
        assert_string_equal(home_with(text, 0), "HOME=/good");
}

/* LEN bytes that are no entry, then TEXT. */
static const char *home_behind(size_t len, const char *text)
{
        char *all = malloc(len + strlen(text) + 1);
        const char *home;

        assert_non_null(all);
        memset(all, 'x', len);
        strcpy(all + len, text);
        home = home_with(all, 0);
        free(all);
        return home;
}

static void long_lines_and_long_files_are_read_through(void **state)
{
        (void)state;
        assert_string_equal(home_behind(4095, "\nr:x:0:0::/root:/bin/sh\n"), "HOME=/root");
        assert_string_equal(home_behind(4096, "\nr:x:0:0::/root:/bin/sh\n"), "HOME=/root");
        assert_string_equal(home_behind(100000, "\nr:x:0:0::/root:/bin/sh\n"), "HOME=/root");
        assert_string_equal(home_behind(4080, "\nr:x:0:0::/root:/bin/sh"), "HOME=/root");
        /* a file without an end is not read to it */
        assert_string_equal(home_behind(2 * PROGRAM_PASSWD_MAX, "\nr:x:0:0::/root:/bin/sh\n"),
                            "HOME=/");
}

static void the_tail_of_a_long_line_is_no_entry(void **state)
{
        (void)state;
        assert_string_equal(home_behind(4096, "r:x:0:0::/tail:/bin/sh\n"), "HOME=/");
}

static void a_passwd_that_is_no_file_is_not_read(void **state)
{
        (void)state;
        assert_int_equal(mkfifoat(root, "etc/passwd", 0644), 0);
        assert_string_equal(home_with(NULL, 0), "HOME=/");
        assert_int_equal(symlinkat("/dev/zero", root, "etc/passwd"), 0);
        assert_string_equal(home_with(NULL, 0), "HOME=/");
        assert_int_equal(symlinkat("/proc/self/fd/0", root, "etc/passwd"), 0);
        assert_string_equal(home_with(NULL, 0), "HOME=/");
        assert_int_equal(symlinkat("passwd", root, "etc/passwd"), 0);
        assert_string_equal(home_with(NULL, 0), "HOME=/");
        assert_int_equal(mkdirat(root, "etc/passwd", 0755), 0);
        assert_string_equal(home_with(NULL, 0), "HOME=/");
        assert_int_equal(unlinkat(root, "etc/passwd", AT_REMOVEDIR), 0);
}

static void a_link_for_passwd_leads_nowhere_outside(void **state)
{
        int inner;

        (void)state;
        assert_int_equal(mkdirat(root, "inner", 0755) | mkdirat(root, "inner/etc", 0755), 0);
        assert_int_equal(symlinkat("../../passwd", root, "inner/etc/passwd"), 0);
        test_file(root, "passwd", "r:x:0:0::/outside:/bin/sh\n", 0644);
        make_plan("");
        inner = openat(root, "inner", O_PATH | O_CLOEXEC);
        program_home_child(&plan, inner);
        assert_string_equal(plan.envp[0], "HOME=/");
        test_file(root, "inner/passwd", "r:x:0:0::/inside:/bin/sh\n", 0644);
        program_home_child(&plan, inner);
        assert_string_equal(plan.envp[0], "HOME=/inside");
        close(inner);
}

static void a_home_that_is_given_stays(void **state)
{
        (void)state;
        test_file(root, "etc/passwd", "r:x:0:0::/root:/bin/sh\n", 0644);
        make_plan("'env': ['HOME=/given']");
        program_home_child(&plan, root);
        assert_string_equal(plan.envp[0], "HOME=/given");
        /* an empty one is filled */
        make_plan("'env': ['HOME=/given', 'HOME=']");
        program_home_child(&plan, root);
        assert_int_equal(count_env(), 1);
        assert_string_equal(plan.envp[0], "HOME=/root");
        assert_int_equal(unlinkat(root, "etc/passwd", 0), 0);
}

/* ---- cwd ---- */

static void change_directory(void *arg)
{
        static const char *const outside[] = { "/proc/self/cwd", "/proc/self/fd/9" };
        int slash = open("/", O_PATH | O_CLOEXEC);
        char now[PATH_MAX], want[PATH_MAX + 8];

        (void)arg;
        make_plan("");
        plan.cwd = "/data/link";
        assert_int_equal(program_cwd_child(&plan, root, &error), 0);
        assert_non_null(getcwd(now, sizeof(now)));
        snprintf(want, sizeof(want), "%s/data", dir);
        assert_string_equal(now, want);
        plan.cwd = "/none";
        assert_int_equal(program_cwd_child(&plan, root, &error), -1);
        assert_string_equal(error.text, "process.cwd: cannot open /none: ENOENT");
        plan.cwd = "/data/file";
        assert_int_equal(program_cwd_child(&plan, root, &error), -1);
        assert_string_equal(error.text, "process.cwd: cannot open /data/file: ENOTDIR");
        /* CVE-2024-21626 */
        assert_int_equal(dup2(slash, 9), 9);
        for (size_t i = 0; i < COUNT(outside); i++) {
                plan.cwd = outside[i];
                assert_int_equal(program_cwd_child(&plan, slash, &error), -1);
                assert_non_null(strstr(error.text, ": ELOOP"));
        }
        if (geteuid() != 0)
                return;
        assert_int_equal(fchmodat(root, "data", 0700, 0), 0);
        assert_int_equal(fchmodat(root, ".", 0755, 0), 0);
        assert_int_equal(sys_setresuid(65534), 0);
        plan.cwd = "/data";
        assert_int_equal(program_cwd_child(&plan, root, &error), 1);
}

static void cwd_is_below_the_root_or_told_apart(void **state)
{
        (void)state;
        assert_int_equal(mkdirat(root, "data", 0755), 0);
        assert_int_equal(symlinkat("/data", root, "data/link"), 0);
        test_file(root, "data/file", "", 0644);
        IN_CHILD(change_directory, NULL);
}

static void cwd_is_cleaned(void **state)
{
        struct spec_process *p = test_process("");

        (void)state;
        p->cwd = "/a//b/../c/";
        assert_int_equal(program_plan(p, test_arena(), test_arena(), &plan, &error), 0);
        assert_string_equal(plan.cwd, "/a/c");
}

/* ---- which file is executed ---- */

static void look_for(const char *name, const char *path)
{
        static const char *argv[2];

        make_plan("");
        argv[0] = name;
        plan.argv = (char *const *)(uintptr_t)argv;
        plan.path = path;
}

static const char *found_in(const char *name, const char *path)
{
        static char found[PATH_MAX];

        look_for(name, path);
        return program_find_child(&plan, found, &error) < 0 ? error.text : found;
}

static void search(void *arg)
{
        (void)arg;
        assert_int_equal(fchdir(root), 0);
        assert_string_equal(found_in("tool", "none:bin:sbin"), "bin/tool");
        assert_string_equal(found_in("tool", "sbin:bin"), "bin/tool");
        assert_string_equal(found_in("tool", "folder:bin"), "bin/tool");
        assert_string_equal(found_in("here", "none::bin"), "here");
        assert_string_equal(found_in("here", ""), "here");
        assert_string_equal(found_in("bin/tool", "sbin"), "bin/tool");
        assert_string_equal(found_in("here", "bin:sbin"),
                            "exec \"here\": executable file not found in $PATH");
        assert_int_equal(error.num, ENOENT);
        assert_string_equal(found_in("tool", "sbin:none"), "exec \"tool\": permission denied");
        assert_int_equal(error.num, EACCES);
        assert_string_equal(found_in("tool", "folder"),
                            "exec \"tool\": executable file not found in $PATH");
        assert_string_equal(found_in("bin/none", ""),
                            "exec \"bin/none\": no such file or directory");
        assert_string_equal(found_in("bin/tool/x", ""),
                            "exec \"bin/tool/x\": no such file or directory");
        assert_string_equal(found_in("sbin/tool", ""), "exec \"sbin/tool\": permission denied");
        assert_string_equal(found_in("./bin", ""),
                            "exec \"./bin\": is a directory: permission denied");
        assert_string_equal(found_in("./fifo", ""), "exec \"./fifo\": permission denied");
        /* CVE-2019-5736: the runtime's image is no program of the container */
        assert_string_equal(found_in("/proc/self/exe", ""),
                            "exec \"/proc/self/exe\": permission denied");
}

static void a_program_is_found_as_execvp_would(void **state)
{
        (void)state;
        for (const char *const *name =
                     (const char *const[]){ "bin", "sbin", "folder", "folder/tool", NULL };
             *name; name++)
                assert_int_equal(mkdirat(root, *name, 0755), 0);
        test_file(root, "bin/tool", "", 0755);
        test_file(root, "sbin/tool", "", 0644);
        test_file(root, "here", "", 0755);
        assert_int_equal(mkfifoat(root, "fifo", 0755), 0);
        IN_CHILD(search, NULL);
}

static void fail_to_run(void *arg)
{
        (void)arg;
        assert_int_equal(fchdir(root), 0);
        look_for("./no-shell", "");
        assert_int_equal(program_exec_child(&plan, "./no-shell", &error), -1);
        assert_string_equal(error.text, "exec \"./no-shell\": no such file or directory");
        assert_string_equal(error.hint, "its interpreter /no/such/shell is not there");
        look_for("./dos", "");
        assert_int_equal(program_exec_child(&plan, "./dos", &error), -1);
        assert_string_equal(error.hint, "its first line ends with a carriage return");
        look_for("./text", "");
        assert_int_equal(program_exec_child(&plan, "./text", &error), -1);
        assert_string_equal(error.text, "exec \"./text\": exec format error");
        assert_int_equal(error.num, ENOEXEC);
}

static void a_failed_execve_is_explained(void **state)
{
        (void)state;
        test_file(root, "no-shell", "#! /no/such/shell -e\n", 0755);
        test_file(root, "dos", "#!/bin/sh\r\n", 0755);
        test_file(root, "text", "plain", 0755);
        IN_CHILD(fail_to_run, NULL);
}

static void look_on_a_noexec_mount(void *arg)
{
        char path[PATH_MAX + 8];
        int tree, at;

        (void)arg;
        child_unshare(CLONE_NEWNS);
        tree = child_fs("tmpfs");
        assert_int_equal(tree_attr(tree, MOUNT_ATTR_NOEXEC, 0, false), 0);
        child_attach(tree, dir);
        at = open(dir, O_PATH | O_CLOEXEC);
        test_file(at, "tool", "", 0755);
        snprintf(path, sizeof(path), "%s/tool", dir);
        assert_non_null(strstr(found_in(path, ""), ": permission denied"));
        assert_string_equal(error.hint, "it is on a noexec mount");
}

static void a_noexec_mount_is_the_explanation(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(look_on_a_noexec_mount, NULL);
}

static void run_a_shell(void *arg)
{
        static const char *const argv[] = { "name", "-c", "test \"$0 $A $KENRO_UNIT\" = 'name 2 '",
                                            NULL };

        (void)arg;
        setenv("KENRO_UNIT", "leak", 1);
        make_plan("'env': ['A=1', 'A=2']");
        plan.argv = (char *const *)(uintptr_t)argv;
        (void)program_exec_child(&plan, "/bin/sh", &error);
        fail_msg("%s", error.text);
}

static void the_program_gets_its_arguments_and_environment(void **state)
{
        (void)state;
        if (access("/bin/sh", X_OK) < 0)
                SKIP("there is no /bin/sh");
        IN_CHILD(run_a_shell, NULL);
}

static int set_up(void **state)
{
        (void)state;
        test_dir_make(dir);
        root = open(dir, O_PATH | O_CLOEXEC);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        close(root);
        test_dir_remove(dir);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_last_of_a_variables_values_stands_once),
                cmocka_unit_test(path_is_the_containers),
                cmocka_unit_test(nothing_comes_from_the_runtimes_environment),
                cmocka_unit_test(home_is_looked_up_in_the_containers_passwd),
                cmocka_unit_test(a_home_that_is_no_path_is_none),
                cmocka_unit_test(long_lines_and_long_files_are_read_through),
                cmocka_unit_test(the_tail_of_a_long_line_is_no_entry),
                cmocka_unit_test(a_passwd_that_is_no_file_is_not_read),
                cmocka_unit_test(a_link_for_passwd_leads_nowhere_outside),
                cmocka_unit_test(a_home_that_is_given_stays),
                cmocka_unit_test(cwd_is_below_the_root_or_told_apart),
                cmocka_unit_test(cwd_is_cleaned),
                cmocka_unit_test(a_program_is_found_as_execvp_would),
                cmocka_unit_test(a_failed_execve_is_explained),
                cmocka_unit_test(a_noexec_mount_is_the_explanation),
                cmocka_unit_test(the_program_gets_its_arguments_and_environment),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
