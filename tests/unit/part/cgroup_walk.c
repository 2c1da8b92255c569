#include "group.h"

#include "kenro/base/file.h"
#include "kenro/part/cgroup_walk.h"

enum { DEEP = 300, CHURNS = 20000 };

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

/* A new group NAME in PARENT. */
static int make(int parent, const char *name)
{
        int fd;

        assert_int_equal(mkdirat(parent, name, 0755), 0);
        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        return fd;
}

static int make_top(const char *name)
{
        int parent = cgroup_open(&top.host, top.path), fd = make(parent, name);

        close(parent);
        return fd;
}

/* A process that waits in the group until it is killed. */
static pid_t inhabit(int cgroup_fd)
{
        pid_t pid = child_idle();
        char text[16];

        snprintf(text, sizeof(text), "%d", pid);
        assert_int_equal(file_poke(cgroup_fd, "cgroup.procs", text), 0);
        return pid;
}

struct seen {
        pid_t v[8];
        size_t n, stop_at;
};

static int see(pid_t pid, void *arg)
{
        struct seen *s = arg;

        s->v[s->n++] = pid;
        return s->n == s->stop_at ? 7 : 0;
}

static bool has(const struct seen *s, pid_t pid)
{
        for (size_t i = 0; i < s->n; i++)
                if (s->v[i] == pid)
                        return true;
        return false;
}

static void every_process_is_visited_however_deep(void **state)
{
        struct seen all = { 0 }, first = { .stop_at = 1 }, later = { .stop_at = 3 };
        int outer, deep, side;
        pid_t pid[4];

        (void)state;
        NEEDS_GROUP(top);
        outer = make_top("walk");
        side = make(outer, "side");
        deep = make(outer, "deep");
        for (int i = 0; i < DEEP; i++) {
                int next = make(deep, "d");

                close(make(deep, "beside"));
                close(deep);
                deep = next;
        }
        pid[0] = inhabit(outer);
        pid[1] = inhabit(deep);
        pid[2] = inhabit(deep);
        pid[3] = inhabit(side);
        assert_int_equal(cgroup_each_process(outer, see, &all), 0);
        assert_int_equal(cgroup_each_process(outer, see, &first), 7);
        assert_int_equal(cgroup_each_process(outer, see, &later), 7);
        for (int i = 0; i < 4; i++)
                child_kill(pid[i]);
        assert_int_equal(all.n, 4);
        for (int i = 0; i < 4; i++)
                assert_true(has(&all, pid[i]));
        assert_int_equal(first.n, 1);
        assert_int_equal(later.n, 3);
        close(outer);
        close(deep);
        close(side);
}

/* Makes and removes groups below FD until it is killed. */
static pid_t churn(int fd)
{
        pid_t pid = child_fork();

        while (pid == 0) {
                (void)!mkdirat(fd, "x", 0755);
                (void)!unlinkat(fd, "x", AT_REMOVEDIR);
        }
        return pid;
}

static void groups_may_come_and_go_meanwhile(void **state)
{
        struct seen none = { 0 };
        int outer;
        pid_t pid;

        (void)state;
        NEEDS_GROUP(top);
        outer = make_top("churn");
        pid = churn(outer);
        for (int i = 0; i < CHURNS; i++)
                assert_int_equal(cgroup_each_process(outer, see, &none), 0);
        child_kill(pid);
        (void)unlinkat(outer, "x", AT_REMOVEDIR); /* it may be there, or not */
        close(outer);
}

/* They have no list of processes, and those below them neither. */
static void threaded_groups_are_no_obstacle(void **state)
{
        struct seen all = { 0 }, none = { 0 };
        int outer, threaded, inner, plain;
        pid_t pid[2];

        (void)state;
        NEEDS_GROUP(top);
        outer = make_top("threads");
        threaded = make(outer, "a");
        assert_int_equal(file_poke(threaded, "cgroup.type", "threaded"), 0);
        inner = make(threaded, "b");
        assert_int_equal(file_poke(inner, "cgroup.type", "threaded"), 0);
        plain = make(outer, "z");
        pid[0] = inhabit(outer);
        pid[1] = inhabit(outer);
        {
                char text[16];

                snprintf(text, sizeof(text), "%d", pid[1]);
                assert_int_equal(file_poke(inner, "cgroup.threads", text), 0);
        }
        assert_int_equal(cgroup_each_process(outer, see, &all), 0);
        assert_int_equal(cgroup_each_process(threaded, see, &none), -EOPNOTSUPP);
        child_kill(pid[0]);
        child_kill(pid[1]);
        assert_int_equal(all.n, 2);
        assert_true(has(&all, pid[0]) && has(&all, pid[1]));
        assert_int_equal(none.n, 0);
        close(outer);
        close(threaded);
        close(inner);
        close(plain);
}

static void a_group_that_is_gone_has_none(void **state)
{
        struct seen all = { 0 };
        int parent, fd;

        (void)state;
        NEEDS_GROUP(top);
        parent = cgroup_open(&top.host, top.path);
        fd = make(parent, "gone");
        assert_int_equal(unlinkat(parent, "gone", AT_REMOVEDIR), 0);
        assert_true(cgroup_each_process(fd, see, &all) < 0);
        assert_int_equal(all.n, 0);
        close(parent);
        close(fd);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_process_is_visited_however_deep),
                cmocka_unit_test(groups_may_come_and_go_meanwhile),
                cmocka_unit_test(threaded_groups_are_no_obstacle),
                cmocka_unit_test(a_group_that_is_gone_has_none),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
