#include "child.h"

#include "kenro/run/gate.h"
#include "kenro/run/relay.h"

#include <poll.h>
#include <signal.h>

static struct err error;
static char path[PATH_MAX];
static int dir = -1;

/* What init does once it has been released. */
enum ending { EXECUTES, FAILS, TALKS_NONSENSE };

static struct {
        pid_t pid;
        int pidfd;
} init;

static void be_init(const struct gate *g, enum ending ending)
{
        struct baton b = { .failed = true,
                           .err = { .num = ENOENT, .text = "no program", .hint = "install one" } };

        if (gate_wait_child(g, &error) < 0)
                _exit(2);
        if (ending == FAILS)
                (void)!write(g->out, &b, sizeof(b));
        if (ending == TALKS_NONSENSE)
                (void)!write(g->out, "nonsense", 8);
        if (ending == EXECUTES) {
                static char *const argv[] = { NULL, NULL };

                /* both ends are close-on-exec: that is the message */
                execve("/bin/true", argv, argv);
        }
        _exit(1);
}

static void make_init(enum ending ending)
{
        struct gate g;

        assert_int_equal(gate_make(dir, &g, &error), 0);
        assert_int_equal(fcntl(g.in, F_GETFD), FD_CLOEXEC);
        assert_int_equal(fcntl(g.out, F_GETFD), FD_CLOEXEC);
        init.pid = child_fork();
        if (init.pid == 0)
                be_init(&g, ending);
        init.pidfd = sys_pidfd_open(init.pid);
        close(g.in);
        close(g.out);
}

static int end_init(void)
{
        close(init.pidfd);
        return child_wait(init.pid);
}

static int clear(void **state)
{
        (void)state;
        (void)unlinkat(dir, "gate", 0);
        (void)unlinkat(dir, "result", 0);
        return 0;
}

static void a_released_init_executes_its_program(void **state)
{
        (void)state;
        if (access("/bin/true", X_OK) < 0)
                SKIP("there is no /bin/true");
        assert_false(gate_is_waiting(dir));
        make_init(EXECUTES);
        assert_true(gate_is_waiting(dir));
        if (gate_release(dir, init.pidfd, &error) < 0)
                fail_msg("%s", error.text);
        assert_false(gate_is_waiting(dir));
        assert_int_equal(end_init(), 0);
        /* a second start finds nobody */
        assert_int_equal(gate_release(dir, -1, &error), -1);
        assert_string_equal(error.text, "the container's process does not wait to be started");
}

static void an_error_of_init_is_the_error_of_the_start(void **state)
{
        (void)state;
        make_init(FAILS);
        assert_int_equal(gate_release(dir, init.pidfd, &error), -1);
        assert_int_equal(end_init(), 1);
        assert_string_equal(error.text, "no program");
        assert_string_equal(error.hint, "install one");
        assert_int_equal(error.num, ENOENT);
        assert_false(gate_is_waiting(dir));
}

static void anything_but_a_baton_is_an_error(void **state)
{
        (void)state;
        make_init(TALKS_NONSENSE);
        assert_int_equal(gate_release(dir, init.pidfd, &error), -1);
        assert_int_equal(end_init(), 1);
        assert_string_equal(error.text, "the container's process sent something else than its "
                                        "result");
}

static void a_dead_init_does_not_wait(void **state)
{
        (void)state;
        make_init(EXECUTES);
        assert_true(gate_is_waiting(dir));
        kill(init.pid, SIGKILL);
        assert_int_equal(end_init(), -1);
        assert_false(gate_is_waiting(dir));
        assert_int_equal(gate_release(dir, -1, &error), -1);
        assert_string_equal(error.text, "the container's process does not wait to be started");
}

static void init_stays_where_it_is_until_released(void **state)
{
        struct pollfd p = { .events = POLLIN };

        (void)state;
        make_init(FAILS);
        /* a look does not release it */
        for (int i = 0; i < 3; i++)
                assert_true(gate_is_waiting(dir));
        p.fd = init.pidfd;
        assert_int_equal(poll(&p, 1, 0), 0);
        assert_int_equal(gate_release(dir, init.pidfd, &error), -1);
        assert_int_equal(end_init(), 1);
}

static void a_gate_is_made_once(void **state)
{
        struct gate g;

        (void)state;
        assert_int_equal(mkfifoat(dir, "result", 0600), 0);
        assert_int_equal(gate_make(dir, &g, &error), -1);
        assert_string_equal(error.text, "cannot make the start gate: EEXIST");
        fd_close(&g.in);
        fd_close(&g.out);
}

static int set_up(void **state)
{
        (void)state;
        test_dir_make(path);
        dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        close(dir);
        test_dir_remove(path);
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(a_released_init_executes_its_program, clear),
                cmocka_unit_test_teardown(an_error_of_init_is_the_error_of_the_start, clear),
                cmocka_unit_test_teardown(anything_but_a_baton_is_an_error, clear),
                cmocka_unit_test_teardown(a_dead_init_does_not_wait, clear),
                cmocka_unit_test_teardown(init_stays_where_it_is_until_released, clear),
                cmocka_unit_test_teardown(a_gate_is_made_once, clear),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
