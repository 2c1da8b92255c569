/* Each cell is a one-line adaptor, so that no part learns about the job, and a
 * reader of the tables at the end sees exactly what each step is given. */
#include "cells.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"
#include "kenro/part/descriptor.h"
#include "kenro/part/keyring.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PROCESS_NAME "kenro:init"

/* The runtime's command line names paths of the host; anybody in the pid
 * namespace may read it. */
static void hide_args(const struct host *h)
{
        memset(h->args, 0, h->args_len);
        if (h->args_len >= sizeof(PROCESS_NAME))
                memcpy(h->args, PROCESS_NAME, sizeof(PROCESS_NAME));
}

bool is_ordinary(const struct job *j)
{
        return j->host->no_mounts;
}

/* What an ordinary user's parent could not: its pipes to the process's user. */
void give_stdio(const struct job *j)
{
        const struct process_plan *p = j->process;
        struct stat st;

        for (int fd = 0; j->host->no_mounts && p->stdio_owner && fd <= 2; fd++)
                if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
                        (void)!fchown(fd, p->user.uid, (gid_t)-1); /* it may not be mapped */
}

/* Still the caller's process, with the caller's ids: it can open what the caller can,
 * and what is in /proc of itself, which will belong to the host's root soon. */
int callers_cell(struct job *j, struct err *e)
{
        bool between = j->plan && j->plan->ns.middle; /* has done it */

        if (!between && oom_child(&j->oom, j->host->proc_fd, e) < 0)
                return -1;
        if (!j->plan)
                return 0;
        if (j->plan->ns.time_new &&
            (namespace_time_child(e) < 0 ||
             namespace_time_self_child(&j->plan->ns, j->host->proc_fd, e) < 0 ||
             namespace_time_enter_child(j->host->proc_fd, e) < 0))
                return -1;
        if (tree_list_child(&j->later, e) < 0)
                return -1;
        return tree_list_child(&j->plan->later, e);
}

/* Nobody may read or trace this process while it is the runtime's, and it does
 * not outlive the runtime: at first by a signal, and from the read-back on by the
 * end of the baton's socket. */
int shelter_cell(struct job *j, struct err *e)
{
        const struct lsm_plan *lsm = &j->process->lsm;
        int proc_fd = j->host->proc_fd;
        sigset_t none;

        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return err_sys(e, errno, "cannot shelter the container's process");
        prctl(PR_SET_NAME, PROCESS_NAME, 0, 0, 0); /* visible in ps if something hangs */
        hide_args(j->host);
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        /* clone3(2) has reset what had a handler; what was ignored stays ignored,
         * by us (SIGPIPE) or by the caller: posix_spawn(3) ignores libc's own two. */
        for (int sig = 1; sig <= SIGRTMAX; sig++)
                (void)sys_signal_default(sig); /* EINVAL for SIGKILL and SIGSTOP */
        if (j->container->state.no_keyring)
                return 0;
        if (lsm_key_child(lsm, proc_fd, e) < 0 || keyring_child(e) < 0)
                return -1;
        return lsm_key_done_child(lsm, proc_fd, e);
}

int console_cell(struct job *j, struct err *e)
{
        return console_child(&j->process->console, j->root_fd, &j->console, j->plan != NULL, e);
}

int session_cell(struct job *j, struct err *e)
{
        return console_session_child(&j->process->console, e);
}

int cwd_cell(struct job *j, struct err *e)
{
        int r = program_cwd_child(&j->process->program, j->root_fd, e);

        j->denied_cwd = r == 1;
        return r < 0 ? -1 : 0;
}

int limits_parent_cell(struct job *j, struct err *e)
{
        const struct state *s = &j->container->state;

        if (resctrl_enter_parent(s->resctrl, s->resctrl_monitor, j->pid, e) < 0 ||
            rlimit_parent(&j->process->rlimit, j->pid, e) < 0)
                return -1;
        return j->host->no_mounts ? 0 : oom_parent(&j->oom, j->host->proc_fd, j->pid, e);
}

/* What the process has from now on and hands on to what it makes and executes. */
int attributes_cell(struct job *j, struct err *e)
{
        const struct process_plan *p = j->process;

        if (affinity_child(&p->affinity, e) < 0 || numa_child(&p->numa, e) < 0 ||
            personality_child(&p->personality, e) < 0)
                return -1;
        return lsm_child(&p->lsm, j->host->proc_fd, e);
}

/* What only the process may have that executes the program. */
int attributes_parent(struct job *j, struct err *e)
{
        if (ioprio_parent(&j->process->ioprio, j->pid, e) < 0)
                return -1;
        return sched_parent(&j->process->sched, j->pid, e);
}

int limits_cell(struct job *j, struct err *e)
{
        return rlimit_child(&j->process->rlimit, e);
}

int privileges_cell(struct job *j, struct err *e)
{
        if (caps_child_before(&j->process->caps, e) < 0 || user_child(&j->process->user, e) < 0 ||
            caps_child_after(&j->process->caps, e) < 0)
                return -1;
        if (j->denied_cwd && program_cwd_child(&j->process->program, j->root_fd, e) != 0)
                return err_sys(e, EACCES, "process.cwd: no access to %s", j->process->program.cwd);
        return 0;
}

bool has_program(const struct job *j)
{
        return j->process->program.argv != NULL;
}

int program_cell(struct job *j, struct err *e)
{
        program_home_child(&j->process->program, j->root_fd);
        return program_find_child(&j->process->program, j->found, e);
}

int descriptors_cell(struct job *j, struct err *e)
{
        int *own[DESCRIPTOR_OWN_MAX] = { &j->sock };
        size_t n = 1;
        int r;

        if (j->waits) {
                own[n++] = &j->gate.in;
                own[n++] = &j->gate.out;
        }
        if (j->created_fd >= 0)
                own[n++] = &j->created_fd;
        r = descriptor_child(j->process->preserve_fds, own, n, j->host->proc_fd, e);
        j->report = j->sock;
        return r;
}

int mount_id(int fd, const char *path, uint64_t *ret)
{
        struct statx stx;

        if (statx(fd, path, *path ? 0 : AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
                return -errno;
        *ret = stx.stx_mnt_id;
        return 0;
}

/* The last look before the point of no return: is everything as planned? What
 * is not yet is CAP_SYS_ADMIN, kept for the filter, which goes with it. */
int read_back_cell(struct job *j, struct err *e)
{
        struct caps_plan caps = j->process->caps;
        uint64_t id = 0;

        if (caps.keep_admin) {
                caps.permitted |= 1ull << CAP_SYS_ADMIN;
                caps.effective |= 1ull << CAP_SYS_ADMIN;
        }
        if (user_child_check(&j->process->user, e) < 0 || caps_child_check(&caps, e) < 0 ||
            affinity_child_check(&j->process->affinity, e) < 0 ||
            numa_child_check(&j->process->numa, e) < 0 ||
            personality_child_check(&j->process->personality, e) < 0)
                return -1;
        if (mount_id(AT_FDCWD, "/", &id) < 0 || id != j->root_mount)
                return err_set(e, "read-back: the root is not the container's");
        /* A container may later mount over its own root; a new one has not. */
        if (j->plan && (mount_id(AT_FDCWD, "/..", &id) < 0 || id != j->root_mount))
                return err_set(e, "read-back: something lies on the container's root");
        if (prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) < 0)
                return err_sys(e, errno, "cannot outlive the runtime");
        return 0;
}

bool filters_early(const struct job *j)
{
        return j->process->caps.keep_admin;
}

/* As late as the filter allows: the last fork counts for RLIMIT_NPROC. */
bool limits_late(const struct job *j)
{
        return !filters_early(j);
}

static int load_filter(struct job *j, struct err *e)
{
        int r;

        j->timed = false; /* clocks may need a system call */
        r = seccomp_child(&j->process->seccomp, e);
        if (r > 0)
                j->shared->listener = r;
        return r < 0 ? -1 : 0;
}

int early_filter_cell(struct job *j, struct err *e)
{
        if (load_filter(j, e) < 0)
                return -1;
        return caps_child_last(&j->process->caps, e);
}

bool filters_late(const struct job *j)
{
        const struct seccomp_plan *f = &j->process->seccomp;

        return f->v && !f->notifies && !filters_early(j);
}

/* As long as there is somebody to take the descriptor to the agent. */
bool notifies_late(const struct job *j)
{
        return j->process->seccomp.notifies && !filters_early(j);
}

int late_filter_cell(struct job *j, struct err *e)
{
        if (load_filter(j, e) < 0)
                return -1;
        if (j->process->seccomp.shows && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != SECCOMP_MODE_FILTER)
                return err_set(e, "read-back: the seccomp filter is not there");
        return 0;
}

/* The process that will be visible in the container's pid namespace is made now,
 * with nothing in its hands that the container may not have. It becomes the
 * runtime's own child. By clone(2), which more filters allow than clone3(2). */
int final_process_cell(struct job *j, struct err *e)
{
        long pid = syscall(SYS_clone, CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD, NULL,
                           &j->shared->final, NULL, 0);

        if (pid < 0)
                return err_sys(e, errno, "cannot make the process in the pid namespace");
        if (pid > 0)
                _exit(0);
        return console_session_child(&j->process->console, e);
}

int execute_cell(struct job *j, struct err *e)
{
        return program_exec_child(&j->process->program, j->found, e);
}

/* In the parent: the process in between has done its work. */
int adopt(struct job *j, struct err *e)
{
        pid_t between = j->pid;
        siginfo_t end;

        if (waitpid(between, NULL, 0) < 0)
                return err_sys(e, errno, "cannot wait for the process in between");
        fd_close(&j->pidfd);
        j->pid = j->shared->final;
        j->pidfd = sys_pidfd_open(j->pid);
        if (j->pidfd < 0)
                return err_sys(e, -j->pidfd, "cannot open the container's process");
        /* The number comes from memory that a visible process can write to. */
        if (waitid(P_PIDFD, (id_t)j->pidfd, &end, WEXITED | WNOHANG | WNOWAIT) == 0)
                return 0;
        j->pid = 0;
        fd_close(&j->pidfd);
        return err_set(e, "the container's process is not this one's child");
}
