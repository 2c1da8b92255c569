#include "child.h"

#include "kenro/part/rootfs.h"

#include <sys/statvfs.h>

static struct err error;
static struct rootfs_plan plan;
static char bundle[PATH_MAX];
static int bundle_fd = -1;

static int make_plan(const char *path, bool joined)
{
        struct spec *s = test_spec("'linux': {}");

        s->root->path = path;
        memset(&error, 0, sizeof(error));
        return rootfs_plan(s, &(struct bundle){ bundle, bundle_fd }, joined, test_arena(), &plan,
                           &error);
}

#define REFUSES(path, message)                                                                     \
        do {                                                                                       \
                assert_int_equal(make_plan(path, false), -1);                                      \
                assert_string_equal(error.text, "root.path: " message);                            \
        } while (0)

static void the_root_is_a_directory(void **state)
{
        (void)state;
        REFUSES("nowhere", "cannot open nowhere: ENOENT");
        REFUSES("file", "file is not a directory");
        REFUSES("file/x", "cannot open file/x: ENOTDIR");
        REFUSES("link", "link is a symbolic link");
        REFUSES("dangling", "dangling is a symbolic link");
}

static void a_slash_behind_a_link_is_no_way_round(void **state)
{
        (void)state;
        REFUSES("link/", "link/ is a symbolic link");
}

static void the_hosts_root_is_refused(void **state)
{
        (void)state;
        REFUSES("/", "is the host's own root");
        REFUSES("//./", "is the host's own root");
        REFUSES("/usr/..", "is the host's own root");
        REFUSES("../../../../../../../../../../../../../..", "is the host's own root");
}

static void a_joined_mount_namespace_is_not_changed(void **state)
{
        static const struct {
                const char *members, *text;
        } rows[] = {
                { "'linux': {}, 'mounts': [{'destination': '/x', 'type': 'tmpfs'}]",
                  "mounts: a mount namespace that exists already is not changed" },
                { "'linux': {'maskedPaths': ['/x']}",
                  "linux.maskedPaths: a mount namespace that exists already is not changed" },
                { "'linux': {'readonlyPaths': ['/x']}", NULL },
        };
        struct spec *s;

        (void)state;
        for (size_t i = 0; i < COUNT(rows); i++) {
                s = test_spec(rows[i].members);
                assert_int_equal(rootfs_plan(s, &(struct bundle){ bundle, bundle_fd }, true,
                                             test_arena(), &plan, &error),
                                 -1);
                if (rows[i].text)
                        assert_string_equal(error.text, rows[i].text);
        }
        s = test_spec("'linux': {}");
        s->root->readonly = true;
        assert_int_equal(rootfs_plan(s, &(struct bundle){ bundle, bundle_fd }, true, test_arena(),
                                     &plan, &error),
                         -1);
        assert_string_equal(error.text, "root.readonly: a mount namespace that exists already is "
                                        "not changed");
}

static void a_joined_root_is_a_path_there(void **state)
{
        char want[PATH_MAX + 16];

        (void)state;
        assert_int_equal(make_plan("nowhere", true), 0);
        snprintf(want, sizeof(want), "%s/nowhere", bundle);
        assert_string_equal(plan.path, want);
        assert_true(plan.joined);
        assert_int_equal(plan.tree_fd, -1);
}

static void enter_namespace(void)
{
        child_unshare(CLONE_NEWNS);
        bundle_fd = open(bundle, O_PATH | O_CLOEXEC);
        assert_true(bundle_fd >= 0);
}

static void plan_some(void *arg)
{
        char want[PATH_MAX + 16];
        struct stat tree, plain;
        struct spec *s;

        (void)arg;
        enter_namespace();
        snprintf(want, sizeof(want), "%s/rootfs", bundle);
        for (const char *const *path = (const char *const[]){ "rootfs", "./rootfs/", want, NULL };
             *path; path++) {
                assert_int_equal(make_plan(*path, false), 0);
                assert_string_equal(plan.path, want);
                assert_int_equal(fcntl(plan.tree_fd, F_GETFD), FD_CLOEXEC);
                assert_int_equal(fstat(plan.tree_fd, &tree), 0);
                assert_int_equal(stat(want, &plain), 0);
                assert_int_equal(tree.st_ino, plain.st_ino);
                assert_false(plan.readonly || plan.joined);
        }
        assert_int_equal(make_plan(".", false), 0);
        assert_string_equal(plan.path, bundle);
        s = test_spec("'linux': {'rootfsPropagation': 'rslave'}");
        s->root->readonly = true;
        assert_int_equal(rootfs_plan(s, &(struct bundle){ bundle, bundle_fd }, false, test_arena(),
                                     &plan, &error),
                         0);
        assert_true(plan.readonly);
        assert_int_equal(plan.propagation, MS_SLAVE | MS_REC);
}

static void a_root_is_opened_once_and_for_all(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(plan_some, NULL);
}

static void enter(void *arg)
{
        struct statvfs fs;
        int fd;

        (void)arg;
        enter_namespace();
        assert_int_equal(make_plan("rootfs", false), 0);
        plan.readonly = true;
        fd = rootfs_child(&plan, -1, -1, &error);
        if (fd < 0 || rootfs_enter_child(&plan, fd, &error) < 0)
                fail_msg("%s", error.text);
        assert_int_equal(access("/inside", F_OK), 0);
        assert_int_equal(access("/../inside", F_OK), 0);
        assert_true(access("/proc/self", F_OK) < 0);
        assert_true(access(bundle, F_OK) < 0);
        assert_int_equal(statvfs("/", &fs), 0);
        assert_true(fs.f_flag & ST_RDONLY);
        assert_true(mkdir("/new", 0755) < 0 && errno == EROFS);
}

static void inside_there_is_nothing_of_the_host(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(enter, NULL);
}

static int set_up(void **state)
{
        (void)state;
        test_dir_make(bundle);
        bundle_fd = open(bundle, O_PATH | O_CLOEXEC);
        assert_int_equal(mkdirat(bundle_fd, "rootfs", 0755), 0);
        test_file(bundle_fd, "rootfs/inside", "", 0644);
        test_file(bundle_fd, "file", "", 0644);
        assert_int_equal(symlinkat("rootfs", bundle_fd, "link"), 0);
        assert_int_equal(symlinkat("nowhere", bundle_fd, "dangling"), 0);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        close(bundle_fd);
        test_dir_remove(bundle);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_root_is_a_directory),
                cmocka_unit_test(a_slash_behind_a_link_is_no_way_round),
                cmocka_unit_test(the_hosts_root_is_refused),
                cmocka_unit_test(a_joined_mount_namespace_is_not_changed),
                cmocka_unit_test(a_joined_root_is_a_path_there),
                cmocka_unit_test(a_root_is_opened_once_and_for_all),
                cmocka_unit_test(inside_there_is_nothing_of_the_host),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
