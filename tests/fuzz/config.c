#include "fuzz.h"

#include "kenro/policy/fill.h"
#include "kenro/spec/spec_load.h"

void fuzz_config_read(const uint8_t *data, size_t size, size_t refused, struct fuzz_config *ret)
{
        struct fuzz_config *c = ret;

        *c = (struct fuzz_config){ 0 };
        HOLDS(arena_init(&c->arena, PLAN_BYTES_MAX, &c->e) == 0, c->e.text);
        HOLDS(arena_init(&c->scratch, FUZZ_SCRATCH_BYTES_MAX, &c->e) == 0, c->e.text);
        fuzz_arena_refuse(&c->arena, refused);
        c->src = (struct json_source){ "config.json", (const char *)data, size, &c->arena, true };
        if (spec_parse(&c->src, &c->spec, &c->e) < 0)
                return;
        c->reached = PARSED;
        if (fill_spec(&c->spec, &c->arena, &c->e) < 0)
                return;
        c->reached = FILLED;
        if (fuzz_plan(&c->spec, &c->arena, &c->scratch, &c->plan, &c->e) < 0)
                json_place(&c->src, &c->e);
        else
                c->reached = PLANNED;
}

void fuzz_config_release(struct fuzz_config *c)
{
        arena_release(&c->arena);
        arena_release(&c->scratch);
}
