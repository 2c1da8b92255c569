#include "kenro/run/create.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/sys.h"
#include "kenro/part/sdnotify.h"
#include "kenro/run/hooks.h"
#include "kenro/run/job.h"
#include "kenro/run/notify.h"
#include "kenro/run/scope.h"
#include "kenro/run/spawn.h"
#include "kenro/run/steps.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

enum { UNDO_WAIT_MS = 1000 };

uint64_t create_namespaces(const struct spec *s, const struct namespace_plan *ns)
{
        static const uint64_t types[] = { CLONE_NEWNS,   CLONE_NEWUTS,   CLONE_NEWIPC,
                                          CLONE_NEWNET,  CLONE_NEWPID,   CLONE_NEWUSER,
                                          CLONE_NEWTIME, CLONE_NEWCGROUP };
        uint64_t own = 0;

        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
                if (namespace_is_own(s, ns, types[i]))
                        own |= types[i];
        return own;
}

/* What a delete needs stands in the state before anything else is made. */
static int record(const struct create_input *in, struct container *c, struct err *e)
{
        const struct plan *p = in->plan;
        const struct spec *s = &in->file->spec;
        struct arena a;

        if (arena_init(&a, 1 << 16, e) < 0)
                return -1;
        c->state = (struct state){
                .version = STATE_VERSION,
                .oci_version = s->oci_version,
                .id = in->id,
                .bundle = in->bundle,
                .rootfs = p->rootfs.path,
                .cgroup = p->cgroup.path,
                .unit = p->systemd.unit,
                .user_manager = p->systemd.user,
                .created = state_now(&a, e),
                .namespaces = create_namespaces(s, &p->ns),
                .chroot = p->ns.mount_joined,
                .no_process = !p->has_process,
                .own_user = p->ns.user_new || p->ns.user_joined,
                .filtered = p->process.seccomp.v != NULL,
                .filter_flags = p->process.seccomp.flags,
                .no_keyring = in->no_keyring,
                .own_pid = spec_namespace_new(s, CLONE_NEWPID),
                .hooks = hooks_points(&p->hook),
                .notifies = in->notifies,
                .resctrl = p->resctrl.group,
                .resctrl_monitor = p->resctrl.monitor,
                .resctrl_own = p->resctrl.group && p->resctrl.kind == RESCTRL_OWN,
                .annotations = s->annotations,
        };
        if (!c->state.created || state_store(c->dir_fd, &c->state, e) < 0)
                return -1;
        if (file_replace(c->dir_fd, "config.json", in->file->src.text, in->file->src.len, 0600, e) <
            0)
                return -1;
        if (!p->process.seccomp.v)
                return 0;
        return file_replace(c->dir_fd, "seccomp.bpf", p->process.seccomp.v,
                            p->process.seccomp.n * sizeof(*p->process.seccomp.v), 0600, e);
}

/* What the child inherits and is filled later, and what a later step talks to. */
static int prepare_descriptors(struct job *j, const struct hook_plan *h, struct err *e)
{
        /* What the hooks in the container read is written when its process is known. */
        if (h->at[HOOK_CREATE_CONTAINER].n && (j->creating_fd = hooks_memory(e)) < 0)
                return -1;
        if (h->at[HOOK_START_CONTAINER].n && (j->created_fd = hooks_memory(e)) < 0)
                return -1;
        if (j->waits && gate_make(j->container->dir_fd, &j->gate, e) < 0)
                return -1;
        return notify_connect(j, e);
}

/* Who starts it listens: here that is us, unless it waits. */
static int prepare_readiness(struct job *j, struct err *e)
{
        struct arena a; /* it ends with the process, as the list does */

        if (arena_init(&a, 1 << 16, e) < 0)
                return -1;
        j->notify_fd = sdnotify_parent(j->container->dir_fd, j->host->no_mounts ? &j->later : NULL,
                                       &a, e);
        if (j->notify_fd < 0)
                return -1;
        if (!j->waits)
                j->ready_fd = sdnotify_listen(j->container->dir_fd, e);
        return j->waits || j->ready_fd >= 0 ? 0 : -1;
}

/* Sources whose ids are seen otherwise. Engines give many the same mappings. */
static int map_mounts(const struct mount_plan *p, int proc_fd, struct err *e)
{
        const struct mount_entry *last = NULL;
        autoclose int userns = -1;

        for (size_t i = 0; i < p->n; i++) {
                const struct mount_entry *m = &p->v[i];

                if (m->uids.n == 0)
                        continue;
                if (!last || !idmap_is_same(&m->uids, &last->uids) ||
                    !idmap_is_same(&m->gids, &last->gids)) {
                        fd_close(&userns);
                        userns = idmap_make(&m->uids, &m->gids, proc_fd, e);
                }
                last = m;
                if (userns < 0 || mount_idmap_parent(m, userns, e) < 0)
                        return err_in(e, "mounts[%zu] (%s)", m->index, m->dest);
        }
        return 0;
}

/* It goes again if there will be no container. */
static bool is_new(const struct job *j)
{
        return j->cgroup.made > 0 || j->plan->systemd.wanted;
}

/* Before anything runs in it. A group that was there before gets its old ones back if
 * there will be no container. */
static int set_limits(struct job *j, const struct create_input *in, struct err *e)
{
        struct arena a; /* it ends with the process, as the list of the old ones does */
        int r;

        if (j->cgroup.fd < 0)
                return 0;
        j->limits.host = in->cgroup;
        j->limits.path = j->container->state.cgroup;
        j->limits.fd = j->cgroup.fd;
        if (!is_new(j) && arena_init(&a, 1 << 20, e) < 0)
                return -1;
        j->limits.arena = is_new(j) ? NULL : &a;
        r = cgroup_limit_parent(&in->plan->cgroup_limit, &j->limits, e);
        j->limits.arena = NULL;
        return r;
}

static int make_directories(struct job *j, const struct create_input *in, struct err *e)
{
        const struct plan *p = in->plan;
        struct cgroup_owner owner;
        char directory[PATH_MAX];

        if (container_owner(j->container, &owner, e) < 0)
                return -1;
        snprintf(directory, sizeof(directory), "%s/%s", in->root, in->id);
        owner.path = directory;
        if (cgroup_parent(&p->cgroup, in->cgroup, &owner, &j->cgroup, e) < 0)
                return -1;
        if (j->cgroup.fd < 0)
                j->container->state.cgroup = "";
        j->container->state.cgroup_made = j->cgroup.made;
        j->container->state.cgroup_claimed = j->cgroup.claimed;
        return 0;
}

static int make_cgroup(struct job *j, const struct create_input *in, struct err *e)
{
        const struct plan *p = in->plan;

        if (!p->cgroup.path[0] && !p->systemd.wanted)
                return 0;
        if (p->systemd.wanted ? scope_make(j, in->cgroup, e) < 0 : make_directories(j, in, e) < 0)
                return -1;
        if (set_limits(j, in, e) < 0)
                return -1;
        /* A group that was there before stays its owner's. After the limits: they make files
         * that can be delegated. */
        if (p->cgroup_delegate.wanted && is_new(j) &&
            cgroup_delegate_parent(&p->cgroup_delegate, j->cgroup.fd, e) < 0)
                return -1;
        return cgroup_device_parent(&p->cgroup_device, j->cgroup.fd, e);
}

/* All that is made on the host, in the order in which undo takes it back. */
static int prepare(struct job *j, const struct create_input *in, struct err *e)
{
        const struct plan *p = in->plan;

        if (record(in, j->container, e) < 0 || prepare_descriptors(j, &p->hook, e) < 0 ||
            make_cgroup(j, in, e) < 0 || resctrl_make_parent(&p->resctrl, &j->resctrl, e) < 0 ||
            resctrl_set_parent(&p->resctrl, &j->resctrl, e) < 0)
                return -1;
        if (map_mounts(&p->mount, in->host->proc_fd, e) < 0 ||
            (in->notifies && prepare_readiness(j, e) < 0))
                return -1;
        return in->host->no_mounts ? 0 : steps_make_trees(j, e);
}

static void undo(struct job *j, const struct create_input *in)
{
        struct container *c = j->container;
        struct err ignored;

        /* Where it runs already, and has no cgroup, there may be more than init. */
        if (c->state.pid != 0 && !c->state.cgroup[0])
                (void)container_kill(c, in->host->proc_fd, in->cgroup, SIGKILL, true, &ignored);
        spawn_undo(j);
        resctrl_undo(&in->plan->resctrl, &j->resctrl);
        netdev_undo(&j->netdev); /* nobody is left there who could hold them */
        if (in->plan->systemd.wanted) {
                scope_undo(j);
        } else if (j->cgroup.fd >= 0) {
                (void)cgroup_end(j->cgroup.fd, UNDO_WAIT_MS, &ignored);
                if (j->cgroup.made == 0) {
                        cgroup_limit_undo(&j->limits);
                        cgroup_device_undo(j->cgroup.fd);
                        cgroup_release(j->cgroup.fd);
                }
                cgroup_undo(&in->plan->cgroup, in->cgroup, j->cgroup.made);
        }
        if (j->committed && j->pid_file)
                (void)unlink(j->pid_file); /* it would tell callers of a container */
        (void)container_forget(c, &ignored);
        if (j->hooked)
                hooks_poststop(&in->plan->hook, &c->state);
}

static int started(struct job *j, struct err *e)
{
        if (spawn_wait_execve(j, e) < 0)
                return -1;
        return hooks_run(&j->plan->hook, HOOK_POSTSTART, &j->container->state, "running", e);
}

int container_create(const struct create_input *in, struct created *ret, struct err *e)
{
        struct created r = { .container = CONTAINER_INIT, .pidfd = -1, .ready_fd = -1 };
        struct job j = JOB_INIT;
        const struct spawn how = { create_steps, in->plan->ns.clone, in->plan->ns.middle };

        if (container_new(in->root, in->id, &r.container, e) < 0)
                return -1;
        j.plan = in->plan;
        j.process = &in->plan->process;
        j.host = in->host;
        j.container = &r.container;
        j.pid_file = in->pid_file;
        j.console = in->console;
        j.waits = in->waits;
        if (prepare(&j, in, e) < 0 || spawn(&j, &how, e) < 0 ||
            (in->pidfd_socket && container_send_pidfd(in->pidfd_socket, j.pidfd, e) < 0) ||
            (!in->waits && started(&j, e) < 0)) {
                undo(&j, in);
                return -1;
        }
        r.pid = j.pid;
        r.pidfd = j.pidfd;
        r.ready_fd = j.ready_fd;
        fd_close(&j.sock);
        netdev_done(&j.netdev);
        container_unlock(&r.container);
        *ret = r;
        return 0;
}
