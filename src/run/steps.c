/* Each cell is a one-line adaptor, so that no part learns about the job, and a
 * reader of the tables at the end sees exactly what each step is given. */
#include "kenro/run/steps.h"

#include "cells.h"

#include "kenro/base/fd.h"
#include "kenro/base/path.h"
#include "kenro/base/sys.h"
#include "kenro/part/loopback.h"
#include "kenro/part/procfs.h"
#include "kenro/part/sdnotify.h"
#include "kenro/part/stash.h"
#include "kenro/run/hooks.h"
#include "kenro/run/notify.h"
#include "kenro/run/scope.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

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
        if (idmap_child(&j->plan->idmap, e) < 0)
                return -1;
        give_stdio(j);
        return 0;
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
        if (j->root_fd < 0 || stash_put_child(j->stash_fd, "dev", j->dev_fd, e) < 0 ||
            stash_put_child(j->stash_fd, "proc", j->proc_fd, e) < 0)
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
                              state_inner_pid(j->host->proc_fd, j->pidfd), e);
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
        if (j->plan->systemd.wanted && scope_settle(j, e) < 0)
                return -1;
        if (notify_agent(j, "creating", e) < 0)
                return -1;
        if (j->created_fd >= 0 &&
            hooks_document(j->created_fd, &j->container->state, "created",
                           state_inner_pid(j->host->proc_fd, j->pidfd), e) < 0)
                return -1;
        j->hooked = true; /* it is a container from here on, and will be deleted */
        if (container_commit(j->container, j->host->proc_fd, j->pid, j->pid_file, e) < 0)
                return -1;
        j->committed = true;
        return 0;
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
                give_stdio(j);
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
