#include "child.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"
#include "kenro/run/members.h"

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static struct err error;
static int proc_fd = -1;

static int count(pid_t pid, int pidfd, void *arg)
{
        (void)pid;
        assert_true(pidfd >= 0);
        ++*(int *)arg;
        return 0;
}

/* Two processes in a mount namespace of their own; both wait for the end of SOCK. */
static pid_t make_pair(int *sock)
{
        pid_t pid = fd_fork(sock, &error);
        char c = 0;

        assert_true(pid >= 0);
        if (pid == 0) {
                if (unshare(CLONE_NEWNS) < 0 || fork() < 0 || write(*sock, &c, 1) != 1)
                        _exit(1);
                (void)!read(*sock, &c, 1);
                _exit(0);
        }
        assert_int_equal(read(*sock, &c, 1), 1); /* one from each */
        assert_int_equal(read(*sock, &c, 1), 1);
        return pid;
}

static void those_in_the_mount_namespace_are_found_and_killed(void **state)
{
        struct state s = { .namespaces = CLONE_NEWNS };
        struct members m;
        int sock, n = 0, status;

        (void)state;
        NEEDS_ROOT();
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0); /* of both */
        s.pid = (uint64_t)make_pair(&sock);
        assert_int_equal(members_of(&s, proc_fd, &m, &error), 0);
        assert_int_equal(members_each(&m, proc_fd, count, &n), 0);
        assert_int_equal(n, 2);
        assert_int_equal(members_signal(&m, proc_fd, 0), 0);
        assert_int_equal(members_signal(&m, proc_fd, SIGKILL), 0);
        for (int i = 0; i < 2; i++) {
                assert_true(waitpid(-1, &status, 0) > 0);
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        }
        n = 0;
        assert_int_equal(members_each(&m, proc_fd, count, &n), 0);
        assert_int_equal(n, 0);
        close(sock);
}

static void without_a_namespace_of_its_own_nobody_can_tell(void **state)
{
        struct state s = { .pid = (uint64_t)getpid() };
        struct members m;

        (void)state;
        assert_int_equal(members_of(&s, proc_fd, &m, &error), -1);
        assert_true(strstr(error.text, "no cgroup, no pid and no mount namespace of its own"));
        s.namespaces = CLONE_NEWNS;
        s.chroot = true; /* somebody else's mount namespace */
        assert_int_equal(members_of(&s, proc_fd, &m, &error), -1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(those_in_the_mount_namespace_are_found_and_killed),
                cmocka_unit_test(without_a_namespace_of_its_own_nobody_can_tell),
        };

        proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        return RUN(tests);
}
