/* The configuration of an engine, as `kenro doctor` scans it. */
#include "fuzz.h"

#include "kenro/base/toml.h"

#include <string.h>

struct told {
        size_t values, size;
};

static int check(const struct toml_value *v, void *arg, struct err *e)
{
        struct told *t = arg;

        (void)e;
        HOLDS(v->depth > 0 && v->depth <= TOML_PATH_MAX, NULL);
        for (size_t i = 0; i < v->depth; i++)
                HOLDS(strlen(v->path[i]) <= t->size, v->path[i]);
        HOLDS(strlen(v->text) <= t->size, v->text);
        HOLDS(v->kind != TOML_LIST || *v->text == '\0', v->text);
        HOLDS(++t->values <= t->size, NULL); /* none out of nothing */
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct toml_source src = { .name = "a.toml", .len = size };
        struct told told = { .size = size };
        struct arena arena;
        struct err e = { 0 };
        char *text;

        if (arena_init(&arena, FUZZ_SCRATCH_BYTES_MAX, &e) < 0)
                return 0;
        src.arena = &arena;
        text = arena_alloc(&arena, size + 1, 1, &e);
        if (text && size > 0)
                memcpy(text, data, size);
        src.text = text;
        if (text && toml_scan(&src, check, &told, &e) < 0)
                fuzz_check_error(&e);
        arena_release(&arena);
        return 0;
}
