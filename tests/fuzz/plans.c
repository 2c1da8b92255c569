#include "fuzz.h"

#include "kenro/base/path.h"
#include "kenro/base/sys.h"
#include "kenro/plan/label.h"
#include "kenro/spec/spec_load.h"

#include <string.h>
#include <sys/capability.h>

#define WITHOUT(cap) (((1ull << (CAP_CHECKPOINT_RESTORE + 1)) - 1) & ~(1ull << (cap)))

const struct host fuzz_host = {
        .proc_fd = -1,
        .cap_bounding = WITHOUT(CAP_SYS_BOOT),
        .cap_permitted = WITHOUT(CAP_SYS_MODULE),
        .cap_last = CAP_CHECKPOINT_RESTORE,
        .all_ids = true,
        .apparmor = true,
        .selinux = true,
        .resctrl = "/nowhere",
};

/* A namespace's path would be opened, and might be a device. */
static bool joins(const struct spec *s)
{
        for (size_t i = 0; i < s->linux_->namespaces.n; i++)
                if (s->linux_->namespaces.v[i].path)
                        return true;
        return false;
}

static uint64_t own_namespaces(const struct spec *s, const struct namespace_plan *ns)
{
        static const uint64_t types[] = { CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWNET };
        uint64_t own = 0;

        for (size_t i = 0; i < 3; i++)
                if (namespace_is_own(s, ns, types[i]))
                        own |= types[i];
        return own;
}

static bool has_option(const struct spec_mount *m, const char *option)
{
        for (size_t i = 0; i < m->options.n; i++)
                if (strcmp(m->options.v[i], option) == 0)
                        return true;
        return false;
}

/* The source of a bind would be looked for, and cloned. */
static bool is_bind(const struct spec_mount *m)
{
        return ((m->type && strcmp(m->type, "bind") == 0) || has_option(m, "bind") ||
                has_option(m, "rbind")) &&
               !has_option(m, "remount");
}

static int plan_mounts(const struct spec *s, struct arena *a, struct mount_plan *ret, struct err *e)
{
        static const struct bundle nowhere = { "/nowhere", -1 };
        struct spec without = *s;

        without.mounts.n = 0;
        without.mounts.v = ARENA_NEW(a, struct spec_mount, s->mounts.n, e);
        if (!without.mounts.v)
                return -1;
        for (size_t i = 0; i < s->mounts.n; i++)
                if (!is_bind(&s->mounts.v[i]))
                        without.mounts.v[without.mounts.n++] = s->mounts.v[i];
        return mount_plan(&without, &nowhere, "/", a, ret, e);
}

static int plan_program(const struct spec *s, struct arena *a, struct arena *scratch,
                        struct plan *r, struct err *e)
{
        const struct process_input in = {
                .process = s->process,
                .container = s,
                .uids = &s->linux_->uid_mappings,
                .gids = &s->linux_->gid_mappings,
                .host = &fuzz_host,
                .own_user = r->ns.user_new,
        };

        if (plan_process(&in, a, scratch, &r->process, e) < 0 ||
            seccomp_plan(s->linux_->seccomp, a, &r->process.seccomp, e) < 0)
                return -1;
        return plan_filter_order(&r->process, false, e);
}

int fuzz_plan(const struct spec *s, struct arena *a, struct arena *scratch, struct plan *ret,
              struct err *e)
{
        const struct spec_linux *l = s->linux_;
        const struct cgroup_limit_input limits = { .resources = l->resources };

        *ret = (struct plan){ 0 };
        if (!joins(s) && namespace_plan(s, &fuzz_host, a, &ret->ns, e) < 0)
                return -1;
        if (idmap_plan(s, a, &ret->idmap, e) < 0 ||
            (s->process && plan_program(s, a, scratch, ret, e) < 0) ||
            sysctl_plan(&l->sysctl, own_namespaces(s, &ret->ns), a, &ret->sysctl, e) < 0)
                return -1;
        uts_plan(s, &ret->uts);
        if (plan_mounts(s, a, &ret->mount, e) < 0 || mask_plan(s, a, &ret->mask, e) < 0 ||
            device_plan(s, ret->mount.dev >= 0, a, &ret->device, e) < 0 ||
            label_mounts(s, &fuzz_host, &ret->mount, a, e) < 0 ||
            resctrl_plan(l->intel_rdt, "id", &fuzz_host, a, &ret->resctrl, e) < 0 ||
            cgroup_plan(l->cgroups_path, "id", a, &ret->cgroup, e) < 0 ||
            cgroup_limit_plan(&limits, a, &ret->cgroup_limit, e) < 0)
                return -1;
        return cgroup_device_plan(s, a, &ret->cgroup_device, e);
}

/* Each goes into a file of the group itself, and none of the runtime's. */
static void check_limits(const struct cgroup_limit_plan *p)
{
        for (size_t i = 0; i < p->n; i++) {
                const struct cgroup_limit *l = &p->v[i];

                HOLDS(!strchr(l->file, '/') && l->file[0] != '.' && strchr(l->file, '.'), l->file);
                HOLDS(strcmp(l->file, "cgroup.procs") != 0, l->file);
                HOLDS(!strchr(l->value, '\n'), l->value);
        }
}

static void check_caps(const struct caps_plan *p)
{
        HOLDS((p->effective & ~p->permitted) == 0, NULL);
        HOLDS((p->ambient & ~p->permitted) == 0, NULL);
        HOLDS(p->ambient == p->inheritable, NULL);
        HOLDS((p->bounding & p->drop) == 0, NULL);
        HOLDS(p->bounding >> (fuzz_host.cap_last + 1) == 0, NULL);
}

static void check_environment(const struct program_plan *p)
{
        for (char **v = p->envp; *v; v++) {
                size_t len = strcspn(*v, "=");

                for (char **w = v + 1; *w; w++)
                        HOLDS(len != strcspn(*w, "=") || strncmp(*v, *w, len) != 0, *v);
        }
}

/* What reaches the kernel is one line, and in its ranges. */
static void check_attributes(const struct process_plan *p)
{
        const struct sched_request *s = &p->sched.request;

        HOLDS(!p->lsm.command || !strchr(p->lsm.command, '\n'), p->lsm.command);
        HOLDS(!p->lsm.selinux || !strchr(p->lsm.selinux, '\n'), p->lsm.selinux);
        HOLDS(s->nice >= -20 && s->nice <= 19 && s->priority <= 99, NULL);
        HOLDS(s->runtime <= s->deadline && s->period <= INT64_MAX, NULL);
        HOLDS((p->ioprio.value & 0x1fff) <= 7 && p->ioprio.value >> 13 <= 3, NULL);
}

void fuzz_check_process(const struct spec_process *s, const struct process_plan *p)
{
        const struct program_plan *program = &p->program;

        check_caps(&p->caps);
        check_environment(program);
        check_attributes(p);
        fuzz_check_clean(program->cwd);
        HOLDS(p->user.uid <= SPEC_ID_MAX && p->user.gid <= SPEC_ID_MAX, NULL);
        HOLDS(p->user.umask <= 0777, NULL);
        for (size_t i = 0; i <= s->args.n; i++)
                HOLDS(i == s->args.n ? !program->argv[i] : program->argv[i] == s->args.v[i], NULL);
        HOLDS(!p->seccomp.v || p->caps.no_new_privs || p->caps.keep_admin, NULL);
}

static void check_mounts(const struct mount_plan *p)
{
        size_t ours = 0;

        for (size_t i = 0; i < p->n; i++) {
                const struct mount_entry *m = &p->v[i];

                fuzz_check_clean(m->dest);
                HOLDS(strcmp(m->dest, "/") != 0, NULL);
                HOLDS(m->tree_fd == -1, m->source); /* nothing has been opened */
                HOLDS(!m->o.bind || m->o.n_param == 0, m->dest);
                HOLDS((m->kind == MOUNT_DEV) == ((int)i == p->dev), m->dest);
                ours += m->index == SIZE_MAX;
        }
        HOLDS(ours <= 1, NULL);
}

static void check_devices(const struct device_plan *p)
{
        char path[PATH_MAX + 8] = "/dev/";

        for (size_t i = 0; i < p->n_dev; i++) {
                strcpy(path + 5, p->dev[i].path);
                fuzz_check_clean(path);
                /* where the container has no root, that of its default nodes is nobody */
                HOLDS(p->dev[i].uid <= SPEC_ID_MAX || p->dev[i].uid == p->root_uid, path);
                HOLDS(p->dev[i].gid <= SPEC_ID_MAX || p->dev[i].gid == p->root_gid, path);
        }
        for (size_t i = 0; i < p->n_outside; i++) {
                fuzz_check_clean(p->outside[i].path);
                HOLDS(strcmp(p->outside[i].path, "/dev") != 0, p->outside[i].path);
        }
}

void fuzz_check_plan(const struct spec *s, const struct plan *p)
{
        if (s->process)
                fuzz_check_process(s->process, &p->process);
        for (size_t i = 0; i < p->sysctl.n; i++) {
                char path[PATH_MAX] = "/";

                strncat(path, p->sysctl.v[i].path, sizeof(path) - 2);
                fuzz_check_clean(path);
                HOLDS(strncmp(path, "/sys/net/", 9) == 0 ||
                              strncmp(path, "/sys/kernel/", 12) == 0 ||
                              strncmp(path, "/sys/fs/mqueue/", 15) == 0,
                      path);
                HOLDS(!strpbrk(p->sysctl.v[i].value, "\r\n"), path);
        }
        check_mounts(&p->mount);
        check_devices(&p->device);
        fuzz_check_clean(p->cgroup.path);
        HOLDS(strcmp(p->cgroup.path, "/") != 0, NULL);
        fuzz_check_seccomp(&p->process.seccomp);
        fuzz_check_devices(&p->cgroup_device);
        check_limits(&p->cgroup_limit);
}
