/* Each cell is a one-line adaptor, so that no part learns about the job, and a
 * reader of the tables at the end sees exactly what each step is given. */
#include "kenro/run/steps.h"

#include "kenro/base/fd.h"
#include "kenro/base/path.h"
#include "kenro/base/sys.h"
#include "kenro/part/descriptor.h"
#include "kenro/part/keyring.h"
#include "kenro/part/loopback.h"
#include "kenro/part/procfs.h"
#include "kenro/part/sdnotify.h"
#include "kenro/part/stash.h"
#include "kenro/run/hooks.h"
#include "kenro/run/job.h"
#include "kenro/run/notify.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- what both tables use ------------------------------------------------------ */

#define PROCESS_NAME "kenro:init"

/* The runtime's command line names paths of the host; anybody in the pid
 * namespace may read it. */
static void hide_args(const struct host *h)
{
        memset(h->args, 0, h->args_len);
        if (h->args_len >= sizeof(PROCESS_NAME))
                memcpy(h->args, PROCESS_NAME, sizeof(PROCESS_NAME));
}

/* Nobody may read or trace this process while it is the runtime's, and it does
 * not outlive the runtime: at first by a signal, and from the read-back on by the
 * end of the baton's socket. */
static bool is_ordinary(const struct job *j)
{
        return j->host->no_mounts;
}

/* Still the caller's process, with the caller's ids: it can open what the caller can,
 * and what is in /proc of itself, which will belong to the host's root soon. */
static int callers_cell(struct job *j, struct err *e)
{
        bool between = j->plan && j->plan->ns.middle; /* has done it */

        if (!between && oom_child(&j->process->oom, j->host->proc_fd, e) < 0)
                return -1;
        if (!j->plan)
                return 0;
        if (j->plan->ns.time_new &&
            (namespace_time_child(e) < 0 ||
             namespace_time_self_child(&j->plan->ns, j->host->proc_fd, e) < 0 ||
             namespace_time_enter_child(j->host->proc_fd, e) < 0))
                return -1;
        return tree_list_child(&j->plan->later, e);
}

static int shelter_cell(struct job *j, struct err *e)
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

static int console_cell(struct job *j, struct err *e)
{
        return console_child(&j->process->console, j->root_fd, j->console_fd, j->plan != NULL, e);
}

static int session_cell(struct job *j, struct err *e)
{
        return console_session_child(&j->process->console, e);
}

static int cwd_cell(struct job *j, struct err *e)
{
        int r = program_cwd_child(&j->process->program, j->root_fd, e);

        j->denied_cwd = r == 1;
        return r < 0 ? -1 : 0;
}

static int limits_parent_cell(struct job *j, struct err *e)
{
        const struct state *s = &j->container->state;

        if (resctrl_enter_parent(s->resctrl, s->resctrl_monitor, j->pid, e) < 0 ||
            rlimit_parent(&j->process->rlimit, j->pid, e) < 0)
                return -1;
        return j->host->no_mounts ? 0 : oom_parent(&j->process->oom, j->host->proc_fd, j->pid, e);
}

/* What the process has from now on and hands on to what it makes and executes. */
static int attributes_cell(struct job *j, struct err *e)
{
        const struct process_plan *p = j->process;

        if (affinity_child(&p->affinity, e) < 0 || numa_child(&p->numa, e) < 0 ||
            personality_child(&p->personality, e) < 0)
                return -1;
        return lsm_child(&p->lsm, j->host->proc_fd, e);
}

/* What only the process may have that executes the program. */
static int attributes_parent(struct job *j, struct err *e)
{
        if (ioprio_parent(&j->process->ioprio, j->pid, e) < 0)
                return -1;
        return sched_parent(&j->process->sched, j->pid, e);
}

static int limits_cell(struct job *j, struct err *e)
{
        return rlimit_child(&j->process->rlimit, e);
}

static int privileges_cell(struct job *j, struct err *e)
{
        if (caps_child_before(&j->process->caps, e) < 0 || user_child(&j->process->user, e) < 0 ||
            caps_child_after(&j->process->caps, e) < 0)
                return -1;
        if (j->denied_cwd && program_cwd_child(&j->process->program, j->root_fd, e) != 0)
                return err_sys(e, EACCES, "process.cwd: no access to %s", j->process->program.cwd);
        return 0;
}

static bool has_program(const struct job *j)
{
        return j->process->program.argv != NULL;
}

static int program_cell(struct job *j, struct err *e)
{
        program_home_child(&j->process->program, j->root_fd);
        return program_find_child(&j->process->program, j->found, e);
}

static int descriptors_cell(struct job *j, struct err *e)
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

static int mount_id(int fd, const char *path, uint64_t *ret)
{
        struct statx stx;

        if (statx(fd, path, *path ? 0 : AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
                return -errno;
        *ret = stx.stx_mnt_id;
        return 0;
}

/* The last look before the point of no return: is everything as planned? What
 * is not yet is CAP_SYS_ADMIN, kept for the filter, which goes with it. */
static int read_back_cell(struct job *j, struct err *e)
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

static bool filters_early(const struct job *j)
{
        return j->process->caps.keep_admin;
}

/* As late as the filter allows: the last fork counts for RLIMIT_NPROC. */
static bool limits_late(const struct job *j)
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

static int early_filter_cell(struct job *j, struct err *e)
{
        if (load_filter(j, e) < 0)
                return -1;
        return caps_child_last(&j->process->caps, e);
}

static bool filters_late(const struct job *j)
{
        const struct seccomp_plan *f = &j->process->seccomp;

        return f->v && !f->notifies && !filters_early(j);
}

/* As long as there is somebody to take the descriptor to the agent. */
static bool notifies_late(const struct job *j)
{
        return j->process->seccomp.notifies && !filters_early(j);
}

static int late_filter_cell(struct job *j, struct err *e)
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
static int final_process_cell(struct job *j, struct err *e)
{
        long pid = syscall(SYS_clone, CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD, NULL,
                           &j->shared->final, NULL, 0);

        if (pid < 0)
                return err_sys(e, errno, "cannot make the process in the pid namespace");
        if (pid > 0)
                _exit(0);
        return console_session_child(&j->process->console, e);
}

static int execute_cell(struct job *j, struct err *e)
{
        return program_exec_child(&j->process->program, j->found, e);
}

/* In the parent: the process in between has done its work. */
static int adopt(struct job *j, struct err *e)
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

/* ---- create ---------------------------------------------------------------------- */

static bool has_place(const struct job *j)
{
        return j->plan->rootfs.in_place;
}

static int place_cell(struct job *j, struct err *e)
{
        (void)e;
        j->place_fd = rootfs_place_child(&j->plan->rootfs);
        return 0;
}

static bool maps_ids(const struct job *j)
{
        return j->plan->idmap.wanted || j->plan->idmap.become_root;
}

static int idmap_parent_cell(struct job *j, struct err *e)
{
        if (!j->plan->idmap.wanted)
                return 0;
        return idmap_parent(&j->plan->idmap, j->host->proc_fd, j->pid, e);
}

static int idmap_child_cell(struct job *j, struct err *e)
{
        return idmap_child(&j->plan->idmap, e);
}

static bool moves_devices(const struct job *j)
{
        return j->plan->netdev.n > 0;
}

/* Devices are moved for a process that has come to run: see spawn. */
static int alive_cell(struct job *j, struct err *e)
{
        (void)j;
        (void)e;
        return 0;
}

static int netdev_cell(struct job *j, struct err *e)
{
        return netdev_parent(&j->plan->netdev, j->host->proc_fd, j->pid, &j->netdev, e);
}

static int namespaces_cell(struct job *j, struct err *e)
{
        if (namespace_child(&j->plan->ns, e) < 0)
                return -1;
        if (j->plan->loopback && loopback_child(e) < 0)
                return -1;
        return uts_child(&j->plan->uts, e);
}

static bool makes_time(const struct job *j)
{
        return j->plan->ns.time_new && !j->host->no_mounts;
}

static int time_cell(struct job *j, struct err *e)
{
        (void)j;
        return namespace_time_child(e);
}

static int time_parent_cell(struct job *j, struct err *e)
{
        return namespace_time_parent(&j->plan->ns, j->host->proc_fd, j->pid, e);
}

static int time_enter_cell(struct job *j, struct err *e)
{
        return namespace_time_enter_child(j->host->proc_fd, e);
}

static bool joins_procfs(const struct job *j)
{
        return j->plan->procfs;
}

static int procfs_cell(struct job *j, struct err *e)
{
        j->proc_fd = procfs_child(namespace_join_fd(&j->plan->ns, CLONE_NEWPID),
                                  j->process->user.uid, j->process->user.gid, e);
        return j->proc_fd < 0 ? -1 : 0;
}

static int sysctl_cell(struct job *j, struct err *e)
{
        return sysctl_child(&j->plan->sysctl, j->host->proc_fd, e);
}

int steps_make_trees(struct job *j, struct err *e)
{
        const struct plan *p = j->plan;

        if (p->stash) {
                j->stash_fd = stash_make(j->plan->mount_label, e);
                if (j->stash_fd < 0 || device_fill_stash(&p->device, j->stash_fd, e) < 0)
                        return -1;
        }
        if (p->mount.n > 0 && p->mount.dev >= 0) {
                j->dev_fd = mount_make(&p->mount.v[p->mount.dev], NULL, e);
                if (j->dev_fd < 0 || device_fill_dev(&p->device, j->dev_fd, e) < 0)
                        return -1;
        }
        return 0;
}

static int root_cell(struct job *j, struct err *e)
{
        int r;

        umask(0); /* what is made below has the mode that was asked for */
        j->root_fd = rootfs_child(&j->plan->rootfs, j->stash_fd, j->place_fd, e);
        if (j->root_fd < 0 || (j->dev_fd >= 0 && stash_dev_child(j->stash_fd, j->dev_fd, e) < 0))
                return -1;
        r = mount_id(j->root_fd, "", &j->root_mount);
        return r < 0 ? err_sys(e, -r, "cannot tell the root's mount") : 0;
}

static int mounts_cell(struct job *j, struct err *e)
{
        const struct mount_made made = { j->dev_fd, j->proc_fd };

        if (mount_child(&j->plan->mount, j->root_fd, &made, e) < 0)
                return -1;
        if (j->notify_fd >= 0 && sdnotify_child(j->notify_fd, j->root_fd, e) < 0)
                return -1;
        return device_child(&j->plan->device, j->root_fd, j->stash_fd, e);
}

static bool has_hooks(const struct job *j)
{
        const struct hook_plan *h = &j->plan->hook;

        return h->at[HOOK_PRESTART].n || h->at[HOOK_CREATE_RUNTIME].n ||
               h->at[HOOK_CREATE_CONTAINER].n;
}

static int hooks_parent_cell(struct job *j, struct err *e)
{
        const struct hook_plan *h = &j->plan->hook;
        struct state s = j->container->state;

        s.pid = (uint64_t)j->pid;
        j->hooked = true;
        if (hooks_run(h, HOOK_PRESTART, &s, "creating", e) < 0 ||
            hooks_run(h, HOOK_CREATE_RUNTIME, &s, "creating", e) < 0)
                return -1;
        if (j->creating_fd < 0)
                return 0;
        return hooks_document(j->creating_fd, &s, "creating",
                              state_inner_pid(j->host->proc_fd, j->pid), e);
}

static int hooks_child_cell(struct job *j, struct err *e)
{
        return hook_run(&j->plan->hook, HOOK_CREATE_CONTAINER, j->creating_fd, NULL, e);
}

/* As long as the root is writable; that it cannot be made shows later, if it
 * matters at all. */
static int make_cwd_cell(struct job *j, struct err *e)
{
        struct err ignored;
        int fd = path_make_in(j->root_fd, j->process->program.cwd, false, &ignored);

        (void)e;
        fd_close(&fd);
        return 0;
}

static int masks_cell(struct job *j, struct err *e)
{
        return mask_child(&j->plan->mask, j->root_fd, j->stash_fd, e);
}

static int enter_root_cell(struct job *j, struct err *e)
{
        return rootfs_enter_child(&j->plan->rootfs, j->root_fd, e);
}

static bool joins_pid(const struct job *j)
{
        return j->plan->ns.pid_joined;
}

static bool joins_no_pid(const struct job *j)
{
        return !j->plan->ns.pid_joined;
}

static int join_pid_cell(struct job *j, struct err *e)
{
        return namespace_pid_child(&j->plan->ns, e);
}

static int commit_cell(struct job *j, struct err *e)
{
        if ((j->plan->ns.pid_joined && adopt(j, e) < 0) || attributes_parent(j, e) < 0)
                return -1;
        if (notify_agent(j, "creating", e) < 0)
                return -1;
        if (j->created_fd >= 0 && hooks_document(j->created_fd, &j->container->state, "created",
                                                 state_inner_pid(j->host->proc_fd, j->pid), e) < 0)
                return -1;
        j->hooked = true; /* it is a container from here on, and will be deleted */
        return container_commit(j->container, j->host->proc_fd, j->pid, j->pid_file, e);
}

static bool waits(const struct job *j)
{
        return j->waits;
}

/* From here on `start` listens, and not the process that has made us. */
static int gate_cell(struct job *j, struct err *e)
{
        j->report = j->gate.out;
        if (gate_wait_child(&j->gate, e) < 0)
                return -1;
        return has_program(j) ? 0 : err_set(e, "the configuration has no process to start");
}

static bool has_start_hooks(const struct job *j)
{
        return j->plan->hook.at[HOOK_START_CONTAINER].n > 0;
}

/* With what the program will have, and no more: they are the image's own programs. */
static int start_hooks_cell(struct job *j, struct err *e)
{
        return hook_run(&j->plan->hook, HOOK_START_CONTAINER, j->created_fd, NULL, e);
}

/* clang-format off */
const struct step create_steps[] = {
        /* name                wanted         on the host          in the container */
        { "caller's own",      is_ordinary,   NULL,                callers_cell },
        { "place of the root", has_place,     NULL,                place_cell },
        { "id mappings",       maps_ids,      idmap_parent_cell,   idmap_child_cell },
        { "alive",             moves_devices, NULL,                alive_cell },
        { "network devices",   moves_devices, netdev_cell,         NULL },
        { "shelter",           NULL,          NULL,                shelter_cell },
        { "namespaces",        NULL,          NULL,                namespaces_cell },
        { "time namespace",    makes_time,    NULL,                time_cell },
        { "time offsets",      makes_time,    time_parent_cell,    time_enter_cell },
        { "procfs",            joins_procfs,  NULL,                procfs_cell },
        { "kernel parameters", NULL,          NULL,                sysctl_cell },
        { "own trees",         is_ordinary,   NULL,                steps_make_trees },
        { "root",              NULL,          NULL,                root_cell },
        { "mounts",            NULL,          NULL,                mounts_cell },
        { "hooks",             has_hooks,     hooks_parent_cell,   hooks_child_cell },
        { "working directory", NULL,          NULL,                make_cwd_cell },
        { "masks",             NULL,          NULL,                masks_cell },
        { "enter root",        NULL,          NULL,                enter_root_cell },
        { "console",           NULL,          NULL,                console_cell },
        { "room for limits",   NULL,          limits_parent_cell,  NULL },
        { "attributes",        NULL,          NULL,                attributes_cell },
        { "session",           joins_no_pid,  NULL,                session_cell },
        { "pid namespace",     joins_pid,     NULL,                join_pid_cell },
        { "cwd",               NULL,          NULL,                cwd_cell },
        { "privileges",        NULL,          NULL,                privileges_cell },
        { "program",           has_program,   NULL,                program_cell },
        { "descriptors",       NULL,          NULL,                descriptors_cell },
        { "read-back",         NULL,          NULL,                read_back_cell },
        { "limits",            filters_early, NULL,                limits_cell },
        { "early filter",      filters_early, NULL,                early_filter_cell },
        { "final process",     joins_pid,     NULL,                final_process_cell },
        { "limits",            limits_late,   NULL,                limits_cell },
        { "notifying filter",  notifies_late, NULL,                late_filter_cell },
        { "commit",            NULL,          commit_cell,         NULL },
        { "start gate",        waits,         NULL,                gate_cell },
        { "filter",            filters_late,  NULL,                late_filter_cell },
        { "start hooks",       has_start_hooks, NULL,              start_hooks_cell },
        { "execute",           has_program,   NULL,                execute_cell },
        { 0 },
};
/* clang-format on */

/* ---- exec ---------------------------------------------------------------------------- */

/* Join everything at once, by init's descriptor. The pid namespace is for
 * children only: this process stays invisible in it. */
static int join_cell(struct job *j, struct err *e)
{
        const struct state *s = &j->container->state;
        int r;

        if (s->namespaces && setns(j->init_pidfd, (int)s->namespaces) < 0) {
                err_sys(e, errno, "cannot join the container's namespaces");
                return j->host->no_mounts && e->num == EPERM
                               ? err_hint(e, "without privileges a container that only was created "
                                             "is out of reach: start it first")
                               : -1;
        }
        if (s->chroot && (fchdir(j->root_fd) < 0 || chroot(".") < 0))
                return err_sys(e, errno, "cannot enter the container's root");
        fd_close(&j->root_fd);
        /* Not unmapped, or the terminal would belong to an id that nobody has. */
        if (s->own_user) {
                (void)sys_setresgid(0); /* 0 may have no mapping */
                (void)sys_setresuid(0);
        }
        umask(0);
        j->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (j->root_fd < 0)
                return err_sys(e, errno, "cannot open the container's root");
        r = mount_id(j->root_fd, "", &j->root_mount);
        return r < 0 ? err_sys(e, -r, "cannot tell the root's mount") : 0;
}

static int adopt_cell(struct job *j, struct err *e)
{
        if (adopt(j, e) < 0 || attributes_parent(j, e) < 0)
                return -1;
        return notify_agent(j, "running", e);
}

/* clang-format off */
const struct step exec_steps[] = {
        { "caller's own",      is_ordinary,   NULL,                callers_cell },
        { "shelter",           NULL,          NULL,                shelter_cell },
        { "namespaces",        NULL,          NULL,                join_cell },
        { "console",           NULL,          NULL,                console_cell },
        { "room for limits",   NULL,          limits_parent_cell,  NULL },
        { "attributes",        NULL,          NULL,                attributes_cell },
        { "cwd",               NULL,          NULL,                cwd_cell },
        { "privileges",        NULL,          NULL,                privileges_cell },
        { "program",           NULL,          NULL,                program_cell },
        { "descriptors",       NULL,          NULL,                descriptors_cell },
        { "read-back",         NULL,          NULL,                read_back_cell },
        { "limits",            filters_early, NULL,                limits_cell },
        { "early filter",      filters_early, NULL,                early_filter_cell },
        { "final process",     NULL,          NULL,                final_process_cell },
        { "limits",            limits_late,   NULL,                limits_cell },
        { "notifying filter",  notifies_late, NULL,                late_filter_cell },
        { "adopt",             NULL,          adopt_cell,          NULL },
        { "filter",            filters_late,  NULL,                late_filter_cell },
        { "execute",           NULL,          NULL,                execute_cell },
        { 0 },
};
/* clang-format on */
