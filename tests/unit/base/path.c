#include "unit.h"

#include "kenro/base/fd.h"
#include "kenro/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int root = -1;
static char dir[] = "/tmp/kenro-unit-XXXXXX";

static const char *clean(const char *path)
{
        static char buf[64];
        struct err e;

        return path_clean(path, buf, sizeof(buf), &e) < 0 ? "too long" : buf;
}

static void paths_are_cleaned_lexically(void **state)
{
        (void)state;
        assert_string_equal(clean("/a/b"), "/a/b");
        assert_string_equal(clean("a//b/./c/"), "/a/b/c");
        assert_string_equal(clean("/a/../../b"), "/b");
        assert_string_equal(clean(".."), "/");
        assert_string_equal(clean(""), "/");
        assert_string_equal(clean("/a/..b/..."), "/a/..b/...");
        assert_string_equal(clean("/0123456789012345678901234567890123456789012345678901234567890"
                                  "123456789"),
                            "too long");
        assert_true(path_is_below("/a/b", "/a"));
        assert_true(path_is_below("/a", "/a"));
        assert_true(path_is_below("/a", "/"));
        assert_false(path_is_below("/ab", "/a"));
}

/* Where FD really is, below the test's directory. */
static const char *where(int fd)
{
        static char buf[300];
        char link[64];
        ssize_t n;

        assert_true(fd >= 0);
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, buf, sizeof(buf) - 1);
        assert_true(n > 0);
        buf[n] = '\0';
        close(fd);
        assert_memory_equal(buf, dir, strlen(dir));
        return buf + strlen(dir);
}

static void missing_directories_are_made_inside_the_root(void **state)
{
        struct stat st;
        struct err e;

        (void)state;
        assert_string_equal(where(path_make_in(root, "/x/y/z", false, &e)), "/x/y/z");
        assert_string_equal(where(path_make_in(root, "x/y/f", true, &e)), "/x/y/f");
        assert_int_equal(fstatat(root, "x/y/f", &st, 0), 0);
        assert_true(S_ISREG(st.st_mode));
        assert_string_equal(where(path_make_in(root, "/", false, &e)), "");
}

static void links_resolve_inside_the_root(void **state)
{
        struct err e;

        (void)state;
        assert_int_equal(symlinkat("/etc/made", root, "absolute"), 0);
        assert_int_equal(symlinkat("../../../../up", root, "relative"), 0);
        assert_int_equal(symlinkat("/absolute/deep", root, "chain"), 0);
        assert_string_equal(where(path_make_in(root, "absolute/sub", false, &e)), "/etc/made/sub");
        assert_string_equal(where(path_make_in(root, "relative/a", false, &e)), "/up/a");
        assert_string_equal(where(path_make_in(root, "chain", true, &e)), "/etc/made/deep");
}

static void loops_and_magic_links_are_refused(void **state)
{
        struct err e;

        (void)state;
        assert_int_equal(symlinkat("loop", root, "loop"), 0);
        assert_int_equal(path_make_in(root, "loop/x", false, &e), -1);
        assert_string_equal(e.text, "cannot open loop/x in the container: ELOOP");
        assert_int_equal(path_open_in(root, "absolute", O_PATH, RESOLVE_NO_SYMLINKS), -ELOOP);

        /* a proc link leads anywhere; with the host's "/" as root it must not */
        int slash = open("/", O_PATH | O_CLOEXEC);

        assert_int_equal(path_open_in(slash, "/proc/self/cwd", O_PATH | O_DIRECTORY, 0), -ELOOP);
        close(slash);
}

static void a_file_in_the_way_is_an_error(void **state)
{
        struct err e;

        (void)state;
        assert_true(path_make_in(root, "plain", true, &e) >= 0);
        assert_int_equal(path_make_in(root, "plain/sub", false, &e), -1);
        assert_string_equal(e.text, "cannot open plain/sub in the container: ENOTDIR");
}

static int set_up(void **state)
{
        (void)state;
        assert_non_null(mkdtemp(dir));
        root = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return root < 0;
}

static int tear_down(void **state)
{
        char command[100];

        (void)state;
        snprintf(command, sizeof(command), "rm -rf %s", dir);
        return system(command);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(paths_are_cleaned_lexically),
                cmocka_unit_test(missing_directories_are_made_inside_the_root),
                cmocka_unit_test(links_resolve_inside_the_root),
                cmocka_unit_test(loops_and_magic_links_are_refused),
                cmocka_unit_test(a_file_in_the_way_is_an_error),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
