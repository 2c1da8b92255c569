#include "kenro/policy/fill.h"

#include "kenro/base/log.h"
#include "kenro/base/sys.h"
#include "kenro/policy/profile.h"
#include "kenro/spec/spec_load.h"

#include <string.h>

static bool contains(const struct strings *list, const char *s)
{
        for (size_t i = 0; i < list->n; i++)
                if (strcmp(list->v[i], s) == 0)
                        return true;
        return false;
}

static bool is_for_all(const struct spec_device_rule *d)
{
        return (!d->type.set || d->type.v == 'a') && (!d->major.set || d->major.v < 0) &&
               (!d->minor.set || d->minor.v < 0);
}

static bool has_all_access(const struct spec_device_rule *d)
{
        return d->access && strchr(d->access, 'r') && strchr(d->access, 'w') &&
               strchr(d->access, 'm');
}

/* Every use of every device: the last rule for all of them decides, unless it
 * only allows again a part of what is allowed. */
static bool all_devices(const struct spec_resources *r)
{
        for (size_t i = r ? r->devices.n : 0; i > 0; i--) {
                const struct spec_device_rule *d = &r->devices.v[i - 1];

                if (is_for_all(d) && (!d->allow || has_all_access(d)))
                        return d->allow;
        }
        return false;
}

bool fill_is_privileged(const struct spec *s)
{
        const struct spec_capabilities *c = s->process ? s->process->capabilities : NULL;

        return c && contains(&c->bounding, "CAP_SYS_ADMIN") && all_devices(s->linux_->resources);
}

/* Without a cgroup namespace the whole hierarchy of the host is in such a mount. */
static int fill_cgroup_mounts(struct spec *s, struct arena *a, struct err *e)
{
        for (size_t i = 0; !spec_namespace(s, CLONE_NEWCGROUP) && i < s->mounts.n; i++) {
                struct spec_mount *m = &s->mounts.v[i];
                const char **v;

                if (!m->type || strncmp(m->type, "cgroup", 6) != 0)
                        continue;
                v = ARENA_NEW(a, const char *, m->options.n + 1, e);
                if (!v)
                        return -1;
                if (m->options.n)
                        memcpy(v, m->options.v, m->options.n * sizeof(*v));
                v[m->options.n] = "ro";
                m->options = (struct strings){ v, m->options.n + 1 };
        }
        return 0;
}

int fill_spec(struct spec *s, struct arena *a, struct err *e)
{
        const struct spec_seccomp *f;

        if (!fill_is_privileged(s) && fill_cgroup_mounts(s, a, e) < 0)
                return -1;
        if (s->linux_->seccomp || fill_is_privileged(s))
                return 0;
        f = profile_seccomp(s->process ? s->process->capabilities : NULL, false, a, e);
        if (!f)
                return -1;
        s->linux_->seccomp = (struct spec_seccomp *)(uintptr_t)f;
        return 0;
}

static int bound(struct strings *set, const char *name, const struct strings *ceiling,
                 struct arena *a, struct err *e)
{
        const char **kept = ARENA_NEW(a, const char *, set->n, e);
        size_t n = 0;

        if (!kept)
                return -1;
        for (size_t i = 0; i < set->n; i++)
                if (contains(ceiling, set->v[i]))
                        kept[n++] = set->v[i];
        if (n < set->n)
                log_warn("process.capabilities.%s: %zu beyond the container's own are left out",
                         name, set->n - n);
        *set = (struct strings){ kept, n };
        return 0;
}

int fill_exec(struct spec_process *p, const struct spec_process *container, struct arena *a,
              struct err *e)
{
        static const struct spec_capabilities none;
        const struct spec_capabilities *have = container->capabilities ? container->capabilities
                                                                       : &none;
        struct spec_capabilities *want = p->capabilities;

        p->no_new_privileges |= container->no_new_privileges;
        if (!p->apparmor_profile || !*p->apparmor_profile)
                p->apparmor_profile = container->apparmor_profile;
        if (!p->selinux_label || !*p->selinux_label)
                p->selinux_label = container->selinux_label;
        if (!p->exec_cpu_affinity)
                p->exec_cpu_affinity = container->exec_cpu_affinity;
        if (!want)
                return 0;
        if (bound(&want->bounding, "bounding", &have->bounding, a, e) < 0 ||
            bound(&want->effective, "effective", &have->bounding, a, e) < 0 ||
            bound(&want->permitted, "permitted", &have->bounding, a, e) < 0 ||
            bound(&want->inheritable, "inheritable", &have->bounding, a, e) < 0)
                return -1;
        return bound(&want->ambient, "ambient", &have->bounding, a, e);
}
