#include "group.h"

#include "kenro/base/file.h"
#include "kenro/part/cgroup_freezer.h"

static struct err error;
static struct test_group top;

static int set_up(void **state)
{
        (void)state;
        return test_group_make(&top);
}

static int tear_down(void **state)
{
        (void)state;
        return test_group_remove(&top);
}

static int make(const char *name)
{
        int parent = cgroup_open(&top.host, top.path), fd;

        assert_int_equal(mkdirat(parent, name, 0755), 0);
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(parent);
        return fd;
}

static void processes_stand_still_and_go_on(void **state)
{
        pid_t pid;
        char text[16];
        int fd;

        (void)state;
        NEEDS_GROUP(top);
        fd = make("ice");
        pid = child_idle();
        snprintf(text, sizeof(text), "%d", pid);
        assert_int_equal(file_poke(fd, "cgroup.procs", text), 0);
        for (int i = 0; i < 20; i++) {
                assert_int_equal(cgroup_freeze(fd, true, 10000, &error), 0);
                assert_true(cgroup_is_frozen(fd));
                assert_int_equal(cgroup_freeze(fd, false, 10000, &error), 0);
                assert_false(cgroup_is_frozen(fd));
        }
        child_kill(pid);
        close(fd);
}

static void what_is_frozen_from_above_cannot_be_thawed(void **state)
{
        int outer, inner;

        (void)state;
        NEEDS_GROUP(top);
        outer = make("outer");
        assert_int_equal(mkdirat(outer, "inner", 0755), 0);
        inner = openat(outer, "inner", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(cgroup_freeze(outer, true, 10000, &error), 0);
        assert_int_equal(cgroup_freeze(inner, false, 10000, &error), -1);
        assert_string_equal(error.text, "the cgroup is frozen together with one above it");
        assert_int_equal(cgroup_freeze(outer, false, 10000, &error), 0);
        close(outer);
        close(inner);
}

/* A directory that only looks like a group: nothing ever happens in it. */
static void a_group_that_does_not_freeze_is_thawed_again(void **state)
{
        char path[] = "/tmp/kenro-unit-freezer-XXXXXX", text[8];
        int fd, file;

        (void)state;
        assert_non_null(mkdtemp(path));
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (int i = 0; i < 2; i++) {
                file = openat(fd, i ? "cgroup.events" : "cgroup.freeze",
                              O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                assert_int_equal(write(file, i ? "frozen 0\n" : "0\n", i ? 9 : 2), i ? 9 : 2);
                close(file);
        }
        assert_int_equal(cgroup_freeze(fd, true, 10, &error), -1);
        assert_string_equal(error.text, "the cgroup is not frozen after 10 ms");
        assert_true(file_peek(fd, "cgroup.freeze", text, sizeof(text)) > 0 && text[0] == '0');
        unlinkat(fd, "cgroup.freeze", 0);
        unlinkat(fd, "cgroup.events", 0);
        close(fd);
        rmdir(path);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(processes_stand_still_and_go_on),
                cmocka_unit_test(what_is_frozen_from_above_cannot_be_thawed),
                cmocka_unit_test(a_group_that_does_not_freeze_is_thawed_again),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
