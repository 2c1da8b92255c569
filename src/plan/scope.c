#include "kenro/plan/scope.h"

#include <string.h>

static int add_pair(struct pairs *p, const char *file, const char *value, struct arena *a,
                    struct err *e)
{
        struct json_pair *one = file ? arena_push(a, &p->v, &p->n, sizeof(*one), e) : NULL;

        if (one)
                *one = (struct json_pair){ file, value };
        return one || !file ? 0 : -1;
}

/* What stands for the limits to the part of systemd. Of two files that may take a weight
 * it knows which is there. */
static int list_limits(const struct cgroup_limit_plan *p, struct arena *a, struct pairs *ret,
                       struct err *e)
{
        for (size_t i = 0; i < p->n; i++)
                if (add_pair(ret, p->v[i].file, p->v[i].value, a, e) < 0 ||
                    add_pair(ret, p->v[i].or_file, p->v[i].or_value, a, e) < 0)
                        return -1;
        return 0;
}

/* A limit of processes that is too small while init is made is written when it has been. */
static int put_off_processes(struct plan *r, struct arena *a, struct err *e)
{
        struct cgroup_limit_plan now = { .check_usage = r->cgroup_limit.check_usage };

        for (size_t i = 0; r->systemd.settle.n > 0 && i < r->cgroup_limit.n; i++) {
                const struct cgroup_limit *l = &r->cgroup_limit.v[i];
                struct cgroup_limit_plan *p = strcmp(l->file, "pids.max") == 0
                                                      ? &r->cgroup_limit_late
                                                      : &now;
                struct cgroup_limit *to = arena_push(a, &p->v, &p->n, sizeof(*to), e);

                if (!to)
                        return -1;
                *to = *l;
        }
        if (r->systemd.settle.n > 0)
                r->cgroup_limit = now;
        return 0;
}

int scope_plan(const struct spec *s, const struct plan_input *in, struct arena *a, struct plan *r,
               struct err *e)
{
        struct pairs limits = { 0 };
        const struct systemd_input scope = {
                .cgroups_path = s->linux_->cgroups_path,
                .id = in->id,
                .user = in->host->rootless,
                .bfq = in->bfq,
                .annotations = &s->annotations,
                .limits = &limits,
        };

        r->cgroup.path = "";
        if (list_limits(&r->cgroup_limit, a, &limits, e) < 0 ||
            systemd_plan(&scope, a, &r->systemd, e) < 0)
                return -1;
        return put_off_processes(r, a, e);
}

int scope_plan_changes(const struct cgroup_limit_plan *changes, bool bfq, struct arena *a,
                       struct systemd_properties *ret, struct err *e)
{
        struct pairs limits = { 0 };
        const struct systemd_input in = { .bfq = bfq, .limits = &limits };
        struct systemd_properties r = { 0 };

        if (list_limits(changes, a, &limits, e) < 0 || systemd_limits(&in, true, a, &r, e) < 0)
                return -1;
        *ret = r;
        return 0;
}
