/* config.json, from the bytes to the plan. */
#include "fuzz.h"

#include "kenro/policy/fill.h"
#include "kenro/spec/spec_fields.h"

#include <string.h>

static void check(const struct fuzz_config *o)
{
        if (o->reached < PLANNED)
                fuzz_check_error(&o->e);
        /* That memory runs out is no place's fault. */
        if (o->reached < PLANNED && strncmp(o->e.text, "more than ", 10) != 0)
                fuzz_check_place(&o->src, &o->e);
        if (o->reached >= FILLED)
                HOLDS(!o->spec.process || o->spec.linux_->seccomp || fill_is_privileged(&o->spec),
                      NULL);
        if (o->reached == PLANNED)
                fuzz_check_plan(&o->spec, &o->plan);
}

static void check_same(const struct fuzz_config *a, const struct fuzz_config *b)
{
        const struct seccomp_plan *f = &a->plan.process.seccomp, *g = &b->plan.process.seccomp;
        const struct cgroup_device_plan *d = &a->plan.cgroup_device, *c = &b->plan.cgroup_device;

        HOLDS(a->reached == b->reached, a->e.text);
        if (a->reached < PLANNED)
                fuzz_check_same_error(&a->e, &b->e);
        if (a->reached >= PARSED)
                fuzz_check_same(&spec_shape, &a->spec, &b->spec);
        if (a->reached < PLANNED)
                return;
        HOLDS(f->n == g->n && (f->n == 0 || memcmp(f->v, g->v, f->n * sizeof(*f->v)) == 0), NULL);
        HOLDS(d->n == c->n && (d->n == 0 || memcmp(d->v, c->v, d->n * sizeof(*d->v)) == 0), NULL);
        HOLDS(strcmp(a->plan.cgroup.path, b->plan.cgroup.path) == 0, a->plan.cgroup.path);
        HOLDS(a->plan.mount.n == b->plan.mount.n, NULL);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        (void)argc;
        (void)argv;
        fuzz_quiet();
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct fuzz_config first, second;

        fuzz_config_read(data, size, 0, &first);
        check(&first);
        fuzz_config_read(data, size, 0, &second);
        check_same(&first, &second);
        fuzz_config_release(&first);
        fuzz_config_release(&second);
        return 0;
}
