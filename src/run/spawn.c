#include "kenro/run/spawn.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

static pid_t clone_into(uint64_t flags, int exit_signal, int cgroup_fd, int *pidfd, pid_t *tid)
{
        struct clone_args args = {
                .flags = flags | CLONE_CLEAR_SIGHAND,
                .exit_signal = (uint64_t)exit_signal,
        };

        if (cgroup_fd >= 0) {
                args.flags |= CLONE_INTO_CGROUP;
                args.cgroup = (uint64_t)cgroup_fd;
        }
        if (pidfd) {
                args.flags |= CLONE_PIDFD;
                args.pidfd = (uintptr_t)pidfd;
        }
        if (tid) {
                args.flags |= CLONE_PARENT_SETTID;
                args.parent_tid = (uintptr_t)tid;
        }
        return sys_clone3(&args);
}

static void report(int sock, const struct err *e)
{
        struct baton b;

        memset(&b, 0, sizeof(b));
        b.failed = true;
        b.err = *e;
        if (write(sock, &b, sizeof(b)) < 0)
                _exit(2); /* nobody listens */
}

/* The process in between: joins, makes the child as its own parent's, and goes.
 * Returns in the child only. */
static void pass_through(struct job *j, uint64_t flags)
{
        struct err e;
        pid_t pid;

        if (namespace_join_child(&j->plan->ns, &e) < 0) {
                report(j->sock, &e);
                _exit(1);
        }
        pid = clone_into(flags | CLONE_PARENT, 0, -1, NULL, &j->shared->pid);
        if (pid < 0) {
                err_sys(&e, -pid, "cannot make the container's process");
                report(j->sock, &e);
        }
        if (pid != 0)
                _exit(pid < 0);
}

static int clone_error(int num, struct err *e)
{
        err_sys(e, num, "cannot make the container's process");
        if (num == ENOSPC)
                return err_hint(e, "too many namespaces: see /proc/sys/user/max_*_namespaces");
        if (num == EAGAIN)
                return err_hint(e, "a limit of processes is reached");
        return -1;
}

static int reap_between(struct job *j, pid_t between, struct err *e)
{
        struct baton b;
        ssize_t n;

        if (waitpid(between, NULL, 0) < 0)
                return err_sys(e, errno, "cannot wait for the process in between");
        fd_close(&j->pidfd);
        if (j->shared->pid == 0) {
                n = read(j->sock, &b, sizeof(b));
                return n == 0 ? err_set(e, "namespaces: the process in between died")
                              : baton_error(&b, n, e);
        }
        j->pid = j->shared->pid;
        j->pidfd = sys_pidfd_open(j->pid);
        return j->pidfd < 0 ? err_sys(e, -j->pidfd, "cannot open the container's process") : 0;
}

int spawn(struct job *j, uint64_t flags, bool between, struct err *e)
{
        int pair[2];
        pid_t pid;

        j->shared = mmap(NULL, sizeof(*j->shared), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (j->shared == MAP_FAILED ||
            socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return err_sys(e, errno, "cannot make the socket for the container's process");
        pid = clone_into(between ? 0 : flags, SIGCHLD, j->cgroup.fd, &j->pidfd, NULL);
        j->sock = j->report = pid == 0 ? pair[1] : pair[0];
        close(pid == 0 ? pair[0] : pair[1]);
        if (pid < 0)
                return clone_error(-pid, e);
        if (pid == 0) {
                if (between)
                        pass_through(j, flags);
                return 0;
        }
        j->pid = pid;
        if (between && reap_between(j, pid, e) < 0) {
                j->pid = 0;
                return -1;
        }
        return 1;
}

void spawn_undo(struct job *j)
{
        if (j->pid <= 0)
                return;
        if (j->pidfd >= 0)
                (void)sys_pidfd_send_signal(j->pidfd, SIGKILL); /* ESRCH: it is dead */
        /* More than one where a process in between has made another. */
        while (waitpid(-1, NULL, 0) > 0)
                ;
        j->pid = 0;
        fd_close(&j->pidfd);
}

void spawn_explain(struct job *j, struct err *e)
{
        static const char *const died = "the other process died";
        char *at = strstr(e->text, died);
        siginfo_t info = { 0 };

        if (!at || j->pidfd < 0 || waitid(P_PIDFD, (id_t)j->pidfd, &info, WEXITED | WNOWAIT) < 0)
                return;
        if (info.si_code == CLD_EXITED)
                snprintf(at, sizeof(e->text) - (size_t)(at - e->text),
                         "the container's process exited with status %d", info.si_status);
        else
                snprintf(at, sizeof(e->text) - (size_t)(at - e->text),
                         "the container's process was killed by signal %d", info.si_status);
}
