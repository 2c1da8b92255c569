#include "child.h"

#include "kenro/base/file.h"
#include "kenro/part/mask.h"
#include "kenro/part/stash.h"

static struct err error;

static struct mask_plan plan(const char *linux_members)
{
        char text[1024];
        struct mask_plan r;

        snprintf(text, sizeof(text), "'linux': {%s}", linux_members);
        assert_int_equal(mask_plan(test_spec(text), test_arena(), &r, &error), 0);
        return r;
}

static void a_path_listed_twice_is_covered_once(void **state)
{
        struct mask_plan r = plan("'maskedPaths': ['/a', '/b', '/a', '/c', '/b'],"
                                  "'readonlyPaths': ['/a', '/a']");

        (void)state;
        assert_int_equal(r.masked.n, 3);
        assert_string_equal(r.masked.v[0], "/a");
        assert_string_equal(r.masked.v[1], "/b");
        assert_string_equal(r.masked.v[2], "/c");
        /* masked and read-only are two things */
        assert_int_equal(r.readonly.n, 1);
        assert_string_equal(r.readonly.v[0], "/a");
}

static void nothing_asked_is_nothing_covered(void **state)
{
        struct mask_plan r = plan("");

        (void)state;
        assert_int_equal(r.masked.n, 0);
        assert_int_equal(r.readonly.n, 0);
}

/* A root at DIR: "file" and "dir/inner" are to be hidden, "ro" read-only. */
static int make_root(const char *dir)
{
        int root;

        child_attach(child_fs("tmpfs"), dir);
        root = open(dir, O_PATH | O_CLOEXEC);
        assert_true(mkdirat(root, "dir", 0755) == 0 && mkdirat(root, "ro", 0755) == 0 &&
                    mkdirat(root, "stash", 0755) == 0);
        test_file(root, "file", "secret", 0666);
        test_file(root, "dir/inner", "secret", 0666);
        test_file(root, "ro/file", "old", 0666);
        assert_true(symlinkat("/file", root, "link") == 0);
        return root;
}

static void cover(void *arg)
{
        const char *masked[] = { "/file", "/dir", "/missing", "/file/below" }, *ro[] = { "/ro" };
        const struct mask_plan p = { .masked = { masked, 4 }, .readonly = { ro, 1 } };
        char path[PATH_MAX + 8], text[16];
        int root, stash;

        child_unshare(CLONE_NEWNS);
        root = make_root(arg);
        snprintf(path, sizeof(path), "%s/stash", (const char *)arg);
        stash = stash_make(NULL, &error);
        assert_true(stash >= 0);
        child_attach(stash, path);
        if (mask_child(&p, root, stash, &error) < 0)
                assert_string_equal(error.text, "");
        assert_true(file_peek(root, "file", text, sizeof(text)) == 0);
        assert_true(file_poke(root, "file", "x") == -EROFS);
        assert_true(faccessat(root, "dir/inner", F_OK, 0) < 0 && errno == ENOENT);
        assert_true(mkdirat(root, "dir/new", 0755) < 0 && errno == EROFS);
        assert_true(file_peek(root, "ro/file", text, sizeof(text)) == 3);
        assert_true(file_poke(root, "ro/file", "x") == -EROFS);
        /* the way round by a link leads to the cover too */
        assert_true(file_peek(root, "link", text, sizeof(text)) <= 0);
}

static void masked_paths_are_empty_and_missing_ones_are_skipped(void **state)
{
        char dir[PATH_MAX];
        int status;

        (void)state;
        NEEDS_ROOT();
        test_dir_make(dir);
        status = child_run(cover, dir);
        test_dir_remove(dir);
        CHILD_DONE(status);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_path_listed_twice_is_covered_once),
                cmocka_unit_test(nothing_asked_is_nothing_covered),
                cmocka_unit_test(masked_paths_are_empty_and_missing_ones_are_skipped),
        };

        return RUN(tests);
}
