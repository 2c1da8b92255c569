#include "kenro/plan/plan.h"

#include "kenro/base/log.h"
#include "kenro/base/sys.h"
#include "kenro/plan/label.h"
#include "kenro/plan/scope.h"
#include "kenro/spec/spec_load.h"

#include <linux/seccomp.h>
#include <string.h>

/* A container without a process can be created, and never started. */
static const struct spec_process no_process = { .cwd = "/" };

/* How the process is to run, whatever it runs. */
static int plan_attributes(const struct process_input *in, struct arena *a, struct process_plan *r,
                           struct err *e)
{
        const struct spec_linux *l = in->container->linux_;
        const struct spec_cpu *cpu = l->resources ? l->resources->cpu : NULL;
        const struct affinity_input affinity = {
                .process = in->process,
                .host = in->host,
                .cpus = cpu ? cpu->cpus : NULL,
                .exec = in->exec,
        };
        bool few;

        oom_plan(in->process, &r->oom);
        if (lsm_plan(in->process, in->host, a, &r->lsm, e) < 0 ||
            affinity_plan(&affinity, &r->affinity, e) < 0)
                return -1;
        few = (affinity.cpus && *affinity.cpus) || r->affinity.how != AFFINITY_RESET;
        if (sched_plan(in->process, few, &r->sched, e) < 0 ||
            ioprio_plan(in->process, &r->ioprio, e) < 0 ||
            personality_plan(l->personality, &r->personality, e) < 0)
                return -1;
        return numa_plan(l->memory_policy, &r->numa, e);
}

#define KEEP_GROUPS "run.oci.keep_original_groups"

/* Podman's --group-add keep-groups: the caller's groups open files that no group of
 * the container could. Of an ordinary user only: an image's annotation must not get
 * the groups of the host's root. Returns 1, 0, -1. */
static int keeps_groups(const struct spec *s, const struct host *h, struct err *e)
{
        const char *value = "0";

        for (size_t i = 0; i < s->annotations.n; i++)
                if (strcmp(s->annotations.v[i].key, KEEP_GROUPS) == 0)
                        value = s->annotations.v[i].value;
        if (strcmp(value, "1") == 0 || strcmp(value, "true") == 0) {
                if (!h->rootless)
                        log_warn("annotations: " KEEP_GROUPS ": ignored, the caller is root");
                return h->rootless;
        }
        if (strcmp(value, "0") == 0 || strcmp(value, "false") == 0)
                return 0;
        return err_set(e, "annotations: " KEEP_GROUPS ": '%.40s' is neither 1 nor 0", value);
}

int plan_process(const struct process_input *in, struct arena *a, struct arena *scratch,
                 struct process_plan *ret, struct err *e)
{
        const struct spec_process *p = in->process;
        struct process_plan r = { .preserve_fds = in->preserve_fds };
        int keeps;

        r.stdio_uid = spec_map_id(in->uids, p->user ? p->user->uid : 0);
        r.stdio_owner = r.stdio_uid != 0 && r.stdio_uid <= SPEC_ID_MAX && !p->terminal;
        rlimit_plan(in->process, &r.rlimit);
        if (caps_plan(in->process, in->host, in->own_user, &r.caps, e) < 0 ||
            user_plan(in->process, in->uids, in->gids, &r.user, e) < 0 ||
            console_plan(in->process, &r.console, e) < 0 ||
            program_plan(in->process, a, scratch, &r.program, e) < 0 ||
            plan_attributes(in, a, &r, e) < 0)
                return -1;
        keeps = keeps_groups(in->container, in->host, e);
        if (keeps < 0)
                return -1;
        if (keeps && r.user.n_groups > 0)
                log_debug("process.user.additionalGids: the caller's groups in their place");
        if (!keeps && in->no_setgroups && user_plan_no_setgroups(&r.user, e) < 0)
                return -1;
        r.user.keep_groups |= keeps;
        *ret = r;
        return 0;
}

static bool allows(const struct seccomp_plan *f, int nr)
{
        uint32_t answer = seccomp_answer(f, nr);

        return answer == SECCOMP_RET_ALLOW || answer == SECCOMP_RET_LOG;
}

int plan_filter_order(struct process_plan *p, bool visible_clone, struct err *e)
{
        static const struct {
                int nr;
                const char *name;
                bool clone; /* only for the fork */
        } needed[] = {
                { SYS_capset, "capset", false }, { SYS_read, "read", false },
                { SYS_write, "write", false },   { SYS_exit_group, "exit_group", false },
                { SYS_clone, "clone", true },    { SYS_ioctl, "ioctl", true },
        };

        if (!p->seccomp.v || p->caps.no_new_privs)
                return 0;
        /* Without no_new_privs only CAP_SYS_ADMIN may load a filter: seccomp(2). */
        p->caps.keep_admin = true;
        for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
                if ((needed[i].clone && !visible_clone) || allows(&p->seccomp, needed[i].nr) ||
                    (needed[i].nr == SYS_ioctl && !p->console.wanted))
                        continue;
                err_set(e,
                        "linux.seccomp: '%s' is denied, which is needed after the filter is "
                        "loaded when noNewPrivileges is off",
                        needed[i].name);
                return err_hint(e, "set process.noNewPrivileges, or allow %s", needed[i].name);
        }
        return 0;
}

/* CLONE_NEW* bits of the namespaces that are not the host's. */
static uint64_t own_namespaces(const struct spec *s, const struct namespace_plan *ns)
{
        static const uint64_t types[] = { CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWNET };
        uint64_t own = 0;

        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
                if (namespace_is_own(s, ns, types[i]))
                        own |= types[i];
        return own;
}

static int build_process(const struct plan_input *in, struct arena *a, struct arena *scratch,
                         struct plan *r, struct err *e)
{
        const struct spec *s = in->spec;
        const struct spec_process *p = s->process ? s->process : &no_process;
        const struct process_input pi = {
                .process = p,
                .container = s,
                .uids = &s->linux_->uid_mappings,
                .gids = &s->linux_->gid_mappings,
                .host = in->host,
                .own_user = r->ns.user_new || r->ns.user_joined,
                .no_setgroups = r->idmap.no_groups,
                .preserve_fds = in->preserve_fds,
        };

        r->has_process = s->process != NULL;
        if (plan_process(&pi, a, scratch, &r->process, e) < 0 ||
            seccomp_plan(s->linux_->seccomp, a, &r->process.seccomp, e) < 0)
                return -1;
        r->idmap.no_groups |= r->process.user.keep_groups;
        return plan_filter_order(&r->process, r->ns.pid_joined, e);
}

/* The procfs of a joined pid namespace is made once, beforehand. */
static int plan_procfs(struct plan *r, struct err *e)
{
        for (size_t i = 0; r->ns.pid_joined && i < r->mount.n; i++) {
                const struct mount_entry *m = &r->mount.v[i];

                if (m->kind != MOUNT_FS || strcmp(m->type, "proc") != 0)
                        continue;
                if (m->o.n_param > 0)
                        return err_set(e,
                                       "mounts[%zu] (%s): option '%.60s' is not possible when a "
                                       "pid namespace is joined",
                                       m->index, m->dest, m->o.param[0].key);
                r->procfs = true;
        }
        return 0;
}

/* A joined user namespace has mappings already; all that depends on ids goes by
 * these. L is a copy of the specification's. */
static int joined_mappings(const struct host *h, struct arena *a, struct spec_linux *l,
                           struct plan *r, struct err *e)
{
        struct id_mappings uids, gids;
        int fd = namespace_join_fd(&r->ns, CLONE_NEWUSER), denied;

        if (fd < 0)
                return 0;
        denied = idmap_read(fd, h->proc_fd, a, &uids, &gids, e);
        if (denied < 0)
                return err_in(e, "linux.namespaces");
        if (l->uid_mappings.n > 0 && !idmap_is_same(&l->uid_mappings, &uids))
                return err_set(e, "linux.uidMappings: are not those of the joined user namespace");
        if (l->gid_mappings.n > 0 && !idmap_is_same(&l->gid_mappings, &gids))
                return err_set(e, "linux.gidMappings: are not those of the joined user namespace");
        l->uid_mappings = uids;
        l->gid_mappings = gids;
        r->no_setgroups = denied;
        return 0;
}

static int build_ids(const struct spec *s, const struct host *h, struct arena *a, struct plan *r,
                     struct err *e)
{
        if (idmap_plan(s, a, &r->idmap, e) < 0)
                return -1;
        idmap_plan_writer(h, &r->idmap);
        r->idmap.no_groups |= r->no_setgroups;
        return 0;
}

static int build_uts(const struct spec *s, struct plan *r, struct err *e)
{
        bool named = (s->hostname && *s->hostname) || (s->domainname && *s->domainname);

        if (named && !namespace_is_own(s, &r->ns, CLONE_NEWUTS))
                return err_set(e, "hostname: the uts namespace is the host's");
        uts_plan(s, &r->uts);
        return 0;
}

/* What a child in the user namespace makes belongs to the container's ids as they are
 * seen in there. */
static int build_devices(const struct spec *s, const struct bundle *b, const struct host *h,
                         struct arena *a, struct plan *r, struct err *e)
{
        struct spec_linux l = *s->linux_;
        struct spec inside = *s;

        inside.linux_ = &l;
        if (h->no_mounts) {
                l.uid_mappings.n = 0;
                l.gid_mappings.n = 0;
        }
        if (device_plan(&inside, r->mount.dev >= 0, a, &r->device, e) < 0)
                return -1;
        if (h->no_mounts && !r->idmap.become_root)
                r->device.root_uid = r->device.root_gid = UINT32_MAX; /* as they come */
        return h->no_nodes ? device_plan_bound(&r->device, b->later, a, e) : 0;
}

static int check_mapped_mounts(const struct plan *r, const struct host *h, struct err *e)
{
        for (size_t i = 0; h->no_mounts && i < r->mount.n; i++)
                if (r->mount.v[i].uids.n > 0)
                        return err_set(e, "mounts[%zu] (%s): only root can map a mount's ids",
                                       r->mount.v[i].index, r->mount.v[i].dest);
        return 0;
}

static int build_mounts(const struct spec *s, const struct bundle *b, const struct host *h,
                        struct arena *a, struct plan *r, struct err *e)
{
        if (r->ns.mount_joined)
                return 0;
        if (mount_plan(s, b, r->rootfs.path, a, &r->mount, e) < 0 ||
            mount_plan_check_ids(&r->mount, s, e) < 0 || check_mapped_mounts(r, h, e) < 0 ||
            mask_plan(s, a, &r->mask, e) < 0 || build_devices(s, b, h, a, r, e) < 0 ||
            plan_procfs(r, e) < 0)
                return -1;
        r->stash = r->mask.masked.n > 0 || r->device.n_outside > 0 || r->mount.dev >= 0 ||
                   r->procfs;
        return 0;
}

/* Device rules are a program on a cgroup. Where there is none, the only device nodes
 * that can be opened are those that kenro puts into /dev: which is stricter than any
 * rules, as long as the container can neither make nodes nor mount. */
static int shut_out_devices(const struct spec *s, struct plan *r, struct err *e)
{
        const uint64_t makers = 1ull << CAP_MKNOD | 1ull << CAP_SYS_ADMIN;

        if (r->ns.mount_joined || (r->process.caps.bounding & makers))
                return err_set(e,
                               "linux.resources.devices: cannot be enforced without a cgroup on "
                               "%s",
                               r->ns.mount_joined ? "a mount namespace that exists already"
                                                  : "a process with CAP_MKNOD or CAP_SYS_ADMIN");
        if (s->linux_->devices.n > 0)
                return err_set(e, "linux.devices: access to them cannot be restricted without a "
                                  "cgroup");
        r->rootfs.nodev = true;
        for (size_t i = 0; i < r->mount.n; i++) {
                struct mount_entry *m = &r->mount.v[i];

                if ((int)i == r->mount.dev || (m->kind == MOUNT_FS && !strcmp(m->type, "devpts")))
                        continue;
                if (m->kind != MOUNT_FS && m->kind != MOUNT_CHANGE)
                        m->o.rset |= MOUNT_ATTR_NODEV;
                m->o.set |= MOUNT_ATTR_NODEV; /* mount_setattr(2) clears first */
        }
        return 0;
}

/* Nor can a user without power over the host load a program; but in its user namespace
 * nodes cannot be made, and what is mounted there has none. What the configuration
 * names is the user's own anyway. */
static int shut_out_unnamed_devices(const struct spec *s, struct plan *r, struct err *e)
{
        r->rootfs.nodev = !r->ns.mount_joined;
        mount_plan_no_devices(&r->mount);
        return cgroup_device_check_listed(s, e);
}

/* With --cgroup-manager disabled. */
static int build_without_cgroup(const struct spec *s, const struct host *h, struct plan *r,
                                struct err *e)
{
        const struct cgroup_limit *limit = cgroup_limit_first(&r->cgroup_limit);

        if (!spec_namespace_new(s, CLONE_NEWPID) && !h->rootless) {
                err_set(e, "linux.namespaces: without a cgroup nothing would end all processes");
                return err_hint(e, "give the container a pid namespace of its own");
        }
        if (r->cgroup_device.v && !h->rootless && shut_out_devices(s, r, e) < 0)
                return -1;
        if (limit)
                return err_set(e, "%s: cannot be in force without a cgroup", limit->field);
        r->cgroup.path = "";
        return 0;
}

/* The group's place and who makes it. */
static int build_place(const struct spec *s, const struct plan_input *in, struct arena *a,
                       struct plan *r, struct err *e)
{
        const struct spec_linux *l = s->linux_;

        if (in->systemd)
                return scope_plan(s, in, a, r, e);
        if (cgroup_plan(l->cgroups_path, in->id, a, &r->cgroup, e) < 0)
                return -1;
        return in->host->rootless ? cgroup_plan_rootless(l, in->id, in->host, a, &r->cgroup, e) : 0;
}

static int build_cgroup(const struct spec *s, const struct plan_input *in, struct arena *a,
                        struct plan *r, struct err *e)
{
        const struct cgroup_limit_input limits = {
                .resources = s->linux_->resources,
                .whole_percent = in->systemd,
        };
        const struct host *h = in->host;

        if (cgroup_limit_plan(&limits, a, &r->cgroup_limit, e) < 0)
                return -1;
        r->cgroup.optional = !cgroup_limit_first(&r->cgroup_limit);
        if (build_place(s, in, a, r, e) < 0 || cgroup_device_plan(s, a, &r->cgroup_device, e) < 0 ||
            (in->no_cgroup && build_without_cgroup(s, h, r, e) < 0))
                return -1;
        if (h->rootless && r->cgroup_device.v && shut_out_unnamed_devices(s, r, e) < 0)
                return -1;
        if (h->rootless || in->no_cgroup)
                r->cgroup_device = (struct cgroup_device_plan){ 0 };
        return 0;
}

static int build_network(const struct spec *s, const struct host *h, struct arena *a,
                         struct plan *r, struct err *e)
{
        r->loopback = spec_namespace_new(s, CLONE_NEWNET);
        if (s->linux_->net_devices.n > 0 && !(h->cap_permitted & 1ull << CAP_NET_ADMIN))
                return err_set(e, "linux.netDevices: needs CAP_NET_ADMIN on the host");
        return netdev_plan(s, namespace_is_own(s, &r->ns, CLONE_NEWNET),
                           namespace_join_fd(&r->ns, CLONE_NEWNET), a, &r->netdev, e);
}

int plan_build(const struct plan_input *in, struct arena *a, struct arena *scratch,
               struct plan *ret, struct err *e)
{
        struct spec_linux l = *in->spec->linux_;
        struct spec s = *in->spec;
        struct plan_input input = *in;
        struct bundle bundle = { in->bundle, in->bundle_fd };
        struct plan r = { 0 };

        s.linux_ = &l;
        input.spec = &s;
        if (in->host->no_mounts)
                bundle.later = &r.later;
        if (namespace_plan(&s, in->host, a, &r.ns, e) < 0 ||
            joined_mappings(in->host, a, &l, &r, e) < 0 || build_ids(&s, in->host, a, &r, e) < 0 ||
            build_process(&input, a, scratch, &r, e) < 0 ||
            sysctl_plan(&l.sysctl, own_namespaces(&s, &r.ns), a, &r.sysctl, e) < 0 ||
            rootfs_plan(&s, &bundle, r.ns.mount_joined, a, &r.rootfs, e) < 0)
                return -1;
        r.mount_label = label_of_mounts(&s);
        if (build_network(&s, in->host, a, &r, e) < 0)
                return -1;
        if (build_uts(&s, &r, e) < 0 || build_mounts(&s, &bundle, in->host, a, &r, e) < 0 ||
            label_mounts(&s, in->host, &r.mount, a, e) < 0 ||
            resctrl_plan(l.intel_rdt, in->id, in->host, a, &r.resctrl, e) < 0)
                return -1;
        if (build_cgroup(&s, in, a, &r, e) < 0 || hook_plan(s.hooks, a, &r.hook, e) < 0)
                return -1;
        cgroup_delegate_plan(&s, &r.cgroup_delegate);
        *ret = r;
        return 0;
}
