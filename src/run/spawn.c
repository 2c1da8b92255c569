#include "kenro/run/spawn.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/log.h"
#include "kenro/base/sys.h"
#include "kenro/part/cgroup_stats.h"
#include "kenro/run/scope.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
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
static void pass_through(struct job *j, const struct spawn *how)
{
        struct err e;
        pid_t pid;
        char moved;
        int r;

        /* It may join where others could trace it. An ordinary user's must be able to
         * have its mappings written, and then joins nothing. */
        r = j->host->no_mounts && how->between ? oom_child(&j->oom, j->host->proc_fd, &e) : 0;
        if (r < 0) {
                report(j->sock, &e);
                _exit(1);
        }
        if (how->between || !j->host->no_mounts)
                prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        r = j->by_write ? file_poke(j->cgroup.fd, "cgroup.procs", "0") : 0;
        if (j->by_manager && read(j->sock, &moved, 1) != 1)
                _exit(1); /* the error is the parent's */

        if (r < 0)
                err_sys(&e, -r, "cannot enter the container's cgroup");
        if (r == 0 && how->between)
                r = namespace_join_child(&j->plan->ns, &e);
        if (r < 0) {
                report(j->sock, &e);
                _exit(1);
        }
        pid = clone_into(how->flags | CLONE_PARENT, 0, -1, NULL, &j->shared->through);
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
                return err_hint(e,
                                "a limit of processes is reached: pids.limit, or one of its user");
        if (num == EPERM)
                return err_hint(e, "a host may deny user namespaces to users: see "
                                   "/proc/sys/kernel/unprivileged_userns_clone");
        return -1;
}

/* Killed before its first instruction: by the kernel, see spawn. */
static bool never_ran(const struct job *j, const siginfo_t *end)
{
        return !j->shared->ran && end->si_code != CLD_EXITED && end->si_status == SIGKILL;
}

/* The kernel has killed it for want of memory, of which its group has too little. E is
 * what is said then. */
static bool was_oom_killed(const struct job *j, struct err *e)
{
        if (j->cgroup.fd < 0 || cgroup_stats_oom_kills(j->cgroup.fd) <= j->oom_kills)
                return false;
        err_set(e, "memory limit too low: %s was OOM-killed", j->plan ? "init" : "the process");
        (void)err_hint(e, "%s",
                       j->plan ? "raise linux.resources.memory.limit"
                               : "raise it by kenro update --memory");
        return true;
}

/* So little that it was not killed, but had a call fail. */
static int hint_memory(const struct job *j, struct err *e)
{
        return e->num == ENOMEM && j->cgroup.fd >= 0 && cgroup_stats_memory_refused(j->cgroup.fd)
                       ? err_hint(e, "the memory limit is too low")
                       : -1;
}

/* Put what the other process died of in place of "died". Returns 1 if it never
 * ran, else -1. */
static int explain(struct job *j, struct err *e)
{
        static const char *const died = "the other process died";
        char *at = strstr(e->text, died);
        siginfo_t end = { 0 };

        if (!at)
                return hint_memory(j, e);
        if (was_oom_killed(j, e))
                return -1;

        if (j->pidfd < 0 || waitid(P_PIDFD, (id_t)j->pidfd, &end, WEXITED | WNOWAIT) < 0)
                return -1;
        snprintf(at, sizeof(e->text) - (size_t)(at - e->text), "the container's process %s %d",
                 end.si_code == CLD_EXITED ? "exited with status" : "was killed by signal",
                 end.si_status);
        return never_ran(j, &end) ? 1 : -1;
}

/* The group is entered by a process in between, and not by the clone. */
static bool is_moved(const struct job *j)
{
        return j->by_write || j->by_manager;
}

/* What the process in between makes is then where it is. */
static int move_by_manager(struct job *j, struct err *e)
{
        if (scope_attach(j, j->pid, e) < 0)
                return -1;
        return fd_send(j->sock, "", 1, -1, e) < 0 ? -1 : 0;
}

/* Returns 0, 1 if it never ran, -1. */
static int reap_between(struct job *j, struct err *e)
{
        siginfo_t end = { 0 };
        struct baton b;
        ssize_t n;

        if (j->by_manager && move_by_manager(j, e) < 0)
                return -1;
        if (waitid(P_PIDFD, (id_t)j->pidfd, &end, WEXITED) < 0)
                return err_sys(e, errno, "cannot wait for the process in between");
        fd_close(&j->pidfd);
        j->pid = j->shared->through;
        if (j->pid == 0) {
                n = read(j->sock, &b, sizeof(b));
                if (n != 0)
                        return baton_error(&b, n, e);
                if (was_oom_killed(j, e))
                        return -1;
                err_set(e, "the process in between was killed by signal %d", end.si_status);
                return never_ran(j, &end) ? 1 : -1;
        }
        j->pidfd = sys_pidfd_open(j->pid);
        return j->pidfd < 0 ? err_sys(e, -j->pidfd, "cannot open the container's process") : 0;
}

static int prepare(struct job *j, int pair[2], struct err *e)
{
        j->timed = log_tells(LOG_DEBUG);
        if (!j->shared) {
                j->shared = mmap(NULL, sizeof(*j->shared), PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
                if (j->shared == MAP_FAILED)
                        return err_sys(e, errno, "cannot make memory for two processes");
        }
        *j->shared = (struct shared){ 0 };
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return err_sys(e, errno, "cannot make the socket for the container's process");
        return 0;
}

/* Pipes of callers belong to root; a program that is not must be able to open
 * /dev/stderr. Other files are the caller's own. */
static void give_stdio(const struct process_plan *p)
{
        struct stat st;

        for (int fd = 0; p->stdio_owner && fd <= 2; fd++)
                if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
                    fchown(fd, p->stdio_uid, (gid_t)-1) < 0)
                        log_debug("cannot give descriptor %d to uid %u", fd, p->stdio_uid);
}

/* The times are the other process's word, and go nowhere else. */
static void tell_times(const struct step *steps, const struct job *j, uint64_t since)
{
        for (size_t i = 0; j->timed && i < STEPS_MAX && steps[i].name; i++) {
                uint64_t end = j->shared->ended[i];

                if (end == 0)
                        continue;
                log_debug("step '%s': %llu us", steps[i].name,
                          end > since ? (unsigned long long)(end - since) / 1000 : 0);
                since = end;
        }
}

/* Where the group's memory is too little for it, it can be killed, whoever has called. */
static pid_t make_first(struct job *j, uint64_t flags, bool moves)
{
        bool killable;
        pid_t pid;

        j->oom = j->process->oom;
        killable = j->cgroup.fd >= 0 && oom_make_killable(j->host->proc_fd, &j->oom);
        pid = clone_into(flags, SIGCHLD, moves ? -1 : j->cgroup.fd, &j->pidfd, NULL);
        if (killable && pid != 0)
                oom_make_unkillable(j->host->proc_fd);
        return pid;
}

/* Returns 0, 1 if the child never ran, -1. */
static int try_once(struct job *j, const struct spawn *how, struct err *e)
{
        bool moves = is_moved(j), between = how->between || moves;
        uint64_t since;
        int pair[2], r;
        pid_t pid;

        if (prepare(j, pair, e) < 0)
                return -1;
        since = relay_now();
        pid = make_first(j, between ? 0 : how->flags, moves);
        j->sock = j->report = pid == 0 ? pair[1] : pair[0];
        close(pid == 0 ? pair[0] : pair[1]);
        if (pid < 0)
                return clone_error(-pid, e);
        if (pid == 0) {
                j->shared->ran = true;
                if (between)
                        pass_through(j, how);
                (void)relay(how->steps, CHILD, &j->report, j, e);
                _exit(1);
        }
        j->pid = pid;
        log_debug("made process %d%s", pid, between ? ", which makes another" : "");
        r = between ? reap_between(j, e) : 0;
        if (r != 0)
                return r;
        r = relay(how->steps, PARENT, &j->report, j, e);
        tell_times(how->steps, j, since);
        if (r < 0)
                return explain(j, e);
        log_debug("process %d is set up", j->pid);
        return 0;
}

int spawn(struct job *j, const struct spawn *how, struct err *e)
{
        int r;

        give_stdio(j->process);
        /* Of a new group nothing has been killed yet. */
        if (j->cgroup.fd >= 0 && j->cgroup.made == 0)
                j->oom_kills = cgroup_stats_oom_kills(j->cgroup.fd);
        r = try_once(j, how, e);
        if (r < 0 && j->pid == 0 && e->num == EACCES && j->container->state.unit) {
                /* A user may not move processes from one part of the tree that is the
                 * user's to another, where what is above both is root's. */
                fd_close(&j->sock);
                j->by_manager = true;
                r = try_once(j, how, e);
        }
        if (r != 1)
                return r;
        /* Since Linux 6.14 a clone into another cgroup dies at once if one of the
         * two groups, this process's or that one, has ever been cgroup.kill'ed and
         * the other has not as often. Then the slow way in. */
        spawn_undo(j);
        fd_close(&j->sock);
        log_debug("%s; entering the cgroup by cgroup.procs", e->text);
        j->by_write = true;
        return try_once(j, how, e) == 0 ? 0 : -1;
}

int spawn_wait_execve(struct job *j, struct err *e)
{
        struct baton b;
        ssize_t n;

        do
                n = read(j->sock, &b, sizeof(b));
        while (n < 0 && errno == EINTR);
        if (n != 0)
                return baton_error(&b, n, e);
        /* The end of file comes with the execve, or with an end before that. */
        if (state_has_executed(j->host->proc_fd, j->pid))
                return 0;
        return was_oom_killed(j, e)
                       ? -1
                       : err_set(e, "the process was killed before it could execute the program");
}

/* Only a child: what an earlier program of this process has left is not ours to wait
 * for, and a number may be anybody's. */
static void end_child(pid_t pid)
{
        siginfo_t end;

        if (pid <= 0 || waitid(P_PID, (id_t)pid, &end, WEXITED | WNOHANG | WNOWAIT) < 0)
                return;
        (void)kill(pid, SIGKILL); /* not reaped, so nobody else has the number */
        (void)waitpid(pid, NULL, 0);
}

void spawn_undo(struct job *j)
{
        if (!j->shared)
                return;
        end_child(j->pid);
        /* The numbers are what a visible process may have written there. */
        end_child(j->shared->through);
        end_child(j->shared->final);
        j->pid = 0;
        fd_close(&j->pidfd);
}
