#include "child.h"

#include "kenro/base/tree.h"

static struct err error;

static bool is_tree(int fd)
{
        struct statx stx;

        /* A detached mount has an id that mountinfo does not list; O_PATH of the host's
         * shares its file system's. */
        return fd >= 0 && statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &stx) == 0 &&
               (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static void without_a_list_a_source_is_cloned_at_once(void **state)
{
        int fd;

        (void)state;
        NEEDS_ROOT();
        fd = tree_source(NULL, AT_FDCWD, "/usr", true, test_arena());
        assert_true(is_tree(fd));
        close(fd);
}

static void clone_later(void *arg)
{
        const struct tree_list *later = arg;

        child_unshare(CLONE_NEWNS);
        assert_true(tree_list_child(later, &error) == 0);
        for (size_t i = 0; i < later->n; i++)
                assert_true(is_tree(later->v[i].fd));
}

static void a_source_that_is_put_off_is_cloned_in_its_descriptors_place(void **state)
{
        struct tree_list later = { 0 };
        char dir[PATH_MAX], link[PATH_MAX + 8];
        int fd, status;

        (void)state;
        NEEDS_ROOT();
        test_dir_make(dir);
        snprintf(link, sizeof(link), "%s/link", dir);
        assert_int_equal(symlink("/usr/share", link), 0);
        fd = tree_source(&later, AT_FDCWD, link, false, test_arena());
        assert_true(fd >= 0 && !is_tree(fd));
        assert_int_equal(later.n, 1);
        assert_string_equal(later.v[0].path, "/usr/share");
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(tree_source(&later, AT_FDCWD, "/nosuch", false, test_arena()), -ENOENT);
        assert_int_equal(later.n, 1);
        status = child_run(clone_later, &later);
        close(fd);
        test_dir_remove(dir);
        CHILD_DONE(status);
}

static void find_another(void *arg)
{
        child_unshare(CLONE_NEWNS);
        assert_true(tree_list_child(arg, &error) == -1);
        assert_true(strstr(error.text, "/a: was replaced in the meantime"));
}

static void what_was_replaced_is_refused(void **state)
{
        struct tree_list later = { 0 };
        char dir[PATH_MAX], a[PATH_MAX + 8], b[PATH_MAX + 8];
        int fd, status;

        (void)state;
        NEEDS_ROOT();
        test_dir_make(dir);
        snprintf(a, sizeof(a), "%s/a", dir);
        snprintf(b, sizeof(b), "%s/b", dir);
        assert_int_equal(mkdir(a, 0700) | mkdir(b, 0700), 0);
        fd = tree_source(&later, AT_FDCWD, a, true, test_arena());
        assert_true(fd >= 0);
        assert_int_equal(rmdir(a) | rename(b, a), 0);
        status = child_run(find_another, &later);
        close(fd);
        test_dir_remove(dir);
        CHILD_DONE(status);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_a_list_a_source_is_cloned_at_once),
                cmocka_unit_test(a_source_that_is_put_off_is_cloned_in_its_descriptors_place),
                cmocka_unit_test(what_was_replaced_is_refused),
        };

        return RUN(tests);
}
