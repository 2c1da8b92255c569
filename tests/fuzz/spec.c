/* config.json, from the bytes to the plan. */
#include "fuzz.h"

#include "kenro/policy/fill.h"
#include "kenro/spec/spec_fields.h"
#include "kenro/spec/spec_load.h"

#include <string.h>

/* How far a text got. */
enum reached { NOTHING, PARSED, FILLED, PLANNED };

struct outcome {
        enum reached reached;
        struct arena arena, scratch;
        struct json_source src;
        struct spec spec;
        struct plan plan;
        struct err e;
};

/* As `kenro check` goes about it, with LIMIT bytes of memory. */
static void decode(const uint8_t *data, size_t size, size_t limit, struct outcome *o)
{
        *o = (struct outcome){ 0 };
        HOLDS(arena_init(&o->arena, limit, &o->e) == 0, o->e.text);
        HOLDS(arena_init(&o->scratch, FUZZ_SCRATCH_BYTES_MAX, &o->e) == 0, o->e.text);
        o->src = (struct json_source){ "config.json", (const char *)data, size, &o->arena, true };
        if (spec_parse(&o->src, &o->spec, &o->e) < 0)
                return;
        o->reached = PARSED;
        if (fill_spec(&o->spec, &o->arena, &o->e) < 0)
                return;
        o->reached = FILLED;
        if (fuzz_plan(&o->spec, &o->arena, &o->scratch, &o->plan, &o->e) < 0)
                json_place(&o->src, &o->e);
        else
                o->reached = PLANNED;
}

static void check(const struct outcome *o)
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

static void check_same(const struct outcome *a, const struct outcome *b)
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

static void release(struct outcome *o)
{
        arena_release(&o->arena);
        arena_release(&o->scratch);
}

/* With too little memory, whose end may come anywhere, there is a message too. */
static void check_short(const uint8_t *data, size_t size, const struct outcome *enough)
{
        static struct outcome o;
        size_t limit = size;

        for (size_t i = 0; i < size; i++)
                limit = limit * 31 + data[i];
        decode(data, size, limit % (enough->arena.used + 1), &o);
        HOLDS(o.reached <= enough->reached, o.e.text);
        if (o.reached < PLANNED)
                fuzz_check_error(&o.e);
        HOLDS(o.reached == PLANNED || o.e.text[0], NULL);
        release(&o);
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
        static struct outcome first, second;

        decode(data, size, PLAN_BYTES_MAX, &first);
        check(&first);
        decode(data, size, PLAN_BYTES_MAX, &second);
        check_same(&first, &second);
        check_short(data, size, &first);
        release(&first);
        release(&second);
        return 0;
}
