#include "unit.h"

#include "kenro/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int dir = -1;
static char name[] = "/tmp/kenro-unit-XXXXXX";

static void a_file_is_replaced_whole(void **state)
{
        struct arena *a = test_arena();
        struct stat st;
        struct err e;
        size_t len;
        int fd;

        (void)state;
        assert_int_equal(file_replace(dir, "f", "one", 3, 0600, &e), 0);
        assert_int_equal(file_replace(dir, "f", "second", 6, 0600, &e), 0);
        fd = openat(dir, "f", O_RDONLY | O_CLOEXEC);
        assert_string_equal(file_read_fd(fd, a, 100, &len, &e), "second");
        assert_int_equal(len, 6);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        close(fd);
        assert_int_equal(file_replace(dir, "no/f", "x", 1, 0600, &e), -1);
}

static void a_file_over_the_limit_is_refused(void **state)
{
        struct arena *a = test_arena();
        struct err e;
        size_t len;
        int fd, pipes[2];

        (void)state;
        assert_int_equal(file_replace(dir, "g", "0123456789", 10, 0600, &e), 0);
        fd = openat(dir, "g", O_RDONLY | O_CLOEXEC);
        assert_null(file_read_fd(fd, a, 10, &len, &e));
        assert_string_equal(e.text, "the file is larger than 9 bytes");
        lseek(fd, 0, SEEK_SET);
        assert_non_null(file_read_fd(fd, a, 11, &len, &e));
        close(fd);

        /* what is not a regular file tells no size beforehand */
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        assert_int_equal(write(pipes[1], "abc", 3), 3);
        close(pipes[1]);
        assert_string_equal(file_read_fd(pipes[0], a, 100, &len, &e), "abc");
        close(pipes[0]);
}

static void peek_and_poke_return_errno(void **state)
{
        char buf[4];

        (void)state;
        assert_int_equal(file_peek(dir, "none", buf, sizeof(buf)), -ENOENT);
        assert_int_equal(file_poke(dir, "none", "x"), -ENOENT);
        assert_int_equal(file_poke(dir, "g", "abcd"), 0);
        assert_int_equal(file_peek(dir, "g", buf, sizeof(buf)), 3);
        assert_string_equal(buf, "abc");
}

static int set_up(void **state)
{
        (void)state;
        assert_non_null(mkdtemp(name));
        dir = open(name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return dir < 0;
}

static int tear_down(void **state)
{
        (void)state;
        unlinkat(dir, "f", 0);
        unlinkat(dir, "g", 0);
        return rmdir(name);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_is_replaced_whole),
                cmocka_unit_test(a_file_over_the_limit_is_refused),
                cmocka_unit_test(peek_and_poke_return_errno),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
