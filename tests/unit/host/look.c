#include "unit.h"

#include "kenro/host/look.h"

#include <errno.h>
#include <sys/sysmacros.h>

static struct err error;
static char dir[PATH_MAX];
static int root = -1;

static int make(void **state)
{
        (void)state;
        test_dir_make(dir);
        root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return root < 0 || mkdirat(root, "etc", 0755) < 0 ? -1 : 0;
}

static int drop(void **state)
{
        (void)state;
        close(root);
        test_dir_remove(dir);
        return 0;
}

static void a_file_is_read_below_the_root(void **state)
{
        char text[16];
        size_t len;

        (void)state;
        test_file(root, "etc/a", "12 x\n", 0644);
        assert_int_equal(symlinkat("/etc/a", root, "etc/link"), 0);
        assert_int_equal(symlinkat("../../../etc/a", root, "etc/up"), 0);
        assert_int_equal(look_peek(root, "/etc/a", text, sizeof(text)), 4);
        assert_string_equal(text, "12 x");
        assert_int_equal(look_peek(root, "/etc/link", text, 3), 2);
        assert_string_equal(text, "12");
        assert_int_equal(look_number(root, "/etc/up"), 12);
        assert_string_equal(look_read(root, "etc/link", test_arena(), &len, &error), "12 x\n");
        assert_int_equal(len, 5);
        assert_int_equal(look_number(root, "/etc/none"), -1);
        assert_int_equal(look_peek(root, "/etc/none", text, sizeof(text)), -ENOENT);
}

static void what_is_no_regular_file_is_not_opened(void **state)
{
        char text[16];
        size_t len;

        (void)state;
        assert_int_equal(mkfifoat(root, "etc/fifo", 0644), 0);
        assert_int_equal(look_peek(root, "/etc/fifo", text, sizeof(text)), -EINVAL);
        assert_null(look_read(root, "/etc/fifo", test_arena(), &len, &error));
        assert_string_equal(error.text, "/etc/fifo is no regular file");
        assert_null(look_read(root, "/etc", test_arena(), &len, &error));
        assert_string_equal(error.text, "/etc is no regular file");
        assert_int_equal(symlinkat("loop", root, "etc/loop"), 0);
        assert_null(look_read(root, "/etc/loop", test_arena(), &len, &error));
        assert_string_equal(error.text, "cannot open /etc/loop: ELOOP");
}

static void a_device_is_not_opened(void **state)
{
        char text[16];

        (void)state;
        NEEDS_ROOT();
        /* a number that nothing has: to open it would be ENXIO */
        assert_int_equal(mknodat(root, "etc/device", S_IFCHR | 0600, makedev(511, 7)), 0);
        assert_int_equal(symlinkat("device", root, "etc/to-device"), 0);
        assert_int_equal(look_peek(root, "/etc/to-device", text, sizeof(text)), -EINVAL);
}

static void a_huge_file_is_an_error(void **state)
{
        int fd = openat(root, "etc/huge", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        size_t len;

        (void)state;
        assert_int_equal(ftruncate(fd, 1ll << 40), 0);
        close(fd);
        assert_null(look_read(root, "/etc/huge", test_arena(), &len, &error));
        assert_string_equal(error.text, "/etc/huge: the file is larger than 1048575 bytes");
}

static void a_listing_is_sorted_and_has_the_suffix_only(void **state)
{
        struct strings names = { 0 };

        (void)state;
        assert_int_equal(mkdirat(root, "etc/d", 0755), 0);
        test_file(root, "etc/d/b.conf", "", 0644);
        test_file(root, "etc/d/a.conf", "", 0644);
        test_file(root, "etc/d/c.conf~", "", 0644);
        test_file(root, "etc/d/.d.conf", "", 0644);
        assert_int_equal(look_list(root, "/etc/d", ".conf", test_arena(), &names, &error), 0);
        assert_int_equal(names.n, 2);
        assert_string_equal(names.v[0], "/etc/d/a.conf");
        assert_string_equal(names.v[1], "/etc/d/b.conf");
        assert_int_equal(look_list(root, "/etc/none", "", test_arena(), &names, &error), 0);
        assert_int_equal(look_list(root, "/etc/d/b.conf", "", test_arena(), &names, &error), 0);
        assert_int_equal(names.n, 2);
}

static void rights_and_names_are_the_kernels(void **state)
{
        char path[PATH_MAX], expected[PATH_MAX + 16];
        int fd;

        (void)state;
        test_file(root, "etc/program", "", 0755);
        test_file(root, "etc/text", "", 0644);
        assert_true(look_may(root, "/etc/program", X_OK));
        assert_false(look_may(root, "/etc/text", X_OK));
        assert_false(look_may(root, "/etc/none", F_OK));
        assert_int_equal(symlinkat("program", root, "etc/name"), 0);
        fd = look_at(root, "/etc/name", NULL);
        assert_true(fd >= 0);
        assert_int_equal(look_name(fd, path), 0);
        close(fd);
        snprintf(expected, sizeof(expected), "%s/etc/program", dir);
        assert_string_equal(path, expected);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_file_is_read_below_the_root, make, drop),
                cmocka_unit_test_setup_teardown(what_is_no_regular_file_is_not_opened, make, drop),
                cmocka_unit_test_setup_teardown(a_device_is_not_opened, make, drop),
                cmocka_unit_test_setup_teardown(a_huge_file_is_an_error, make, drop),
                cmocka_unit_test_setup_teardown(a_listing_is_sorted_and_has_the_suffix_only, make,
                                                drop),
                cmocka_unit_test_setup_teardown(rights_and_names_are_the_kernels, make, drop),
        };

        return RUN(tests);
}
