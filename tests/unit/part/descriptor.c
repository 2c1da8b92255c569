#include "child.h"

#include "kenro/part/descriptor.h"

#include <ctype.h>
#include <dirent.h>

static struct err error;

/* As at the start of a program: 0, 1 and 2, and a procfs at 3 + PRESERVE, with
 * the preserved ones, on /dev/null, below it. Returns the procfs. */
static int tidy(unsigned preserve)
{
        int proc;

        assert_int_equal(sys_close_range(3, ~0u, 0), 0);
        for (int fd = 0; fd < (int)(3 + preserve); fd++)
                if (fcntl(fd, F_GETFD) < 0)
                        assert_int_equal(open("/dev/null", O_RDWR), fd);
        proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(proc, 3 + preserve);
        return proc;
}

/* A pipe's end with the number AT. */
static int pipe_at(int at, int *ret_other)
{
        int pair[2];

        assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
        assert_int_equal(dup3(pair[0], at, O_CLOEXEC), at);
        close(pair[0]);
        *ret_other = fcntl(pair[1], F_DUPFD_CLOEXEC, 100);
        close(pair[1]);
        return at;
}

static ino_t inode(int fd)
{
        struct stat st;

        assert_int_equal(fstat(fd, &st), 0);
        return st.st_ino;
}

/* How many are open, counted without opening one more. */
static unsigned count_open(void)
{
        unsigned n = 0;

        for (int fd = 0; fd < 1024; fd++)
                n += fcntl(fd, F_GETFD) >= 0;
        return n;
}

static void keep_two(void *arg)
{
        int proc = tidy(2), other, a = pipe_at(20, &other), b = pipe_at(30, &other);
        int *own[] = { &a, &b };
        ino_t inode_a = inode(a), inode_b = inode(b);

        (void)arg;
        assert_int_equal(dup2(2, 10), 10);
        assert_int_equal(dup2(2, 500), 500);
        for (int fd = 6; fd < 10; fd++)
                assert_int_equal(dup2(proc, fd), fd);
        if (descriptor_child(2, own, 2, proc, &error) < 0)
                fail_msg("%s", error.text);
        assert_int_equal(a, 5);
        assert_int_equal(b, 6);
        assert_int_equal(inode(5), inode_a);
        assert_int_equal(inode(6), inode_b);
        assert_int_equal(fcntl(5, F_GETFD), FD_CLOEXEC);
        assert_int_equal(fcntl(6, F_GETFD), FD_CLOEXEC);
        for (int fd = 0; fd < 5; fd++)
                assert_int_equal(fcntl(fd, F_GETFD), 0);
        assert_int_equal(count_open(), 7);
}

static void only_stdio_preserved_and_own_ones_stay(void **state)
{
        (void)state;
        IN_CHILD(keep_two, NULL);
}

static void exchange(void *arg)
{
        int proc = tidy(0), other, a, b, c;
        int *own[] = { &a, &b, &c };
        ino_t inodes[3];

        (void)arg;
        for (int fd = 4; fd < 9; fd++)
                assert_int_equal(dup2(proc, fd), fd);
        a = pipe_at(5, &other);
        b = pipe_at(3, &other); /* in place of the procfs, which is still at 4 */
        c = pipe_at(6, &other);
        inodes[0] = inode(a);
        inodes[1] = inode(b);
        inodes[2] = inode(c);
        if (descriptor_child(0, own, 3, 4, &error) < 0)
                fail_msg("%s", error.text);
        for (int i = 0; i < 3; i++)
                assert_int_equal(inode(3 + i), inodes[i]);
        assert_int_equal(a, 3);
        assert_int_equal(b, 4);
        assert_int_equal(c, 5);
        assert_int_equal(count_open(), 6);
}

static void own_ones_may_lie_in_each_others_places(void **state)
{
        (void)state;
        IN_CHILD(exchange, NULL);
}

static void nothing_own(void *arg)
{
        int proc = tidy(1);

        (void)arg;
        assert_int_equal(dup2(2, 77), 77);
        if (descriptor_child(1, NULL, 0, proc, &error) < 0)
                fail_msg("%s", error.text);
        assert_int_equal(count_open(), 4);
}

static void nothing_but_the_preserved_stays(void **state)
{
        (void)state;
        IN_CHILD(nothing_own, NULL);
}

/* The list of descriptors is opened at the lowest free number. */
static void leave_room_below(void *arg)
{
        int proc = tidy(0), other, a = pipe_at(20, &other);
        int *own[] = { &a };

        (void)arg;
        assert_int_equal(dup3(proc, 21, O_CLOEXEC), 21);
        close(proc);
        if (descriptor_child(0, own, 1, 21, &error) < 0)
                fail_msg("%s", error.text);
        assert_int_equal(a, 3);
        assert_int_equal(count_open(), 4);
}

static void the_place_of_an_own_one_may_be_free(void **state)
{
        (void)state;
        IN_CHILD(leave_room_below, NULL);
}

static void close_two(void *arg)
{
        int proc = tidy(3);

        (void)arg;
        assert_int_equal(close(4) | close(5), 0);
        assert_int_equal(descriptor_child(3, NULL, 0, proc, &error), -1);
        assert_memory_equal(error.text, "read-back: ", 11);
        assert_non_null(strstr(error.text, " descriptors are open, planned 6"));
}

static void the_census_notices_missing_ones(void **state)
{
        (void)state;
        IN_CHILD(close_two, NULL);
}

/* The list of descriptors is not a preserved one, wherever it was opened. */
static void close_one(void *arg)
{
        int proc = tidy(3);

        (void)arg;
        assert_int_equal(close(4), 0);
        assert_int_equal(descriptor_child(3, NULL, 0, proc, &error), -1);
        assert_string_equal(error.text, "read-back: 5 descriptors are open, planned 6");
}

static void the_census_notices_a_single_hole(void **state)
{
        (void)state;
        IN_CHILD(close_one, NULL);
}

static void come_with_leaks(void *arg)
{
        (void)arg;
        (void)tidy(2);
        assert_int_equal(fcntl(4, F_SETFD, FD_CLOEXEC), 0);
        assert_int_equal(dup2(2, 40), 40);
        assert_int_equal(descriptor_parent(2, &error), 0);
        /* asked for, so it reaches the program whatever its flag was */
        assert_int_equal(fcntl(4, F_GETFD), 0);
        assert_int_equal(count_open(), 5);
        assert_int_equal(close(3), 0);
        assert_int_equal(descriptor_parent(2, &error), -1);
        assert_string_equal(error.text, "--preserve-fds: descriptor 3 is not open");
}

static void the_callers_leaks_are_closed_and_holes_refused(void **state)
{
        (void)state;
        IN_CHILD(come_with_leaks, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(only_stdio_preserved_and_own_ones_stay),
                cmocka_unit_test(own_ones_may_lie_in_each_others_places),
                cmocka_unit_test(nothing_but_the_preserved_stays),
                cmocka_unit_test(the_place_of_an_own_one_may_be_free),
                cmocka_unit_test(the_census_notices_missing_ones),
                cmocka_unit_test(the_census_notices_a_single_hole),
                cmocka_unit_test(the_callers_leaks_are_closed_and_holes_refused),
        };

        return RUN(tests);
}
