#include "json_mem.h"

#include <string.h>

/* What stands in front of each block; the size keeps realloc possible. */
struct block {
        _Alignas(max_align_t) size_t size;
};

static void *block_malloc(void *ctx, size_t size)
{
        struct err e;
        struct block *b = arena_alloc(ctx, 1, sizeof(*b) + size, &e);

        if (!b)
                return NULL; /* yajl checks, and so fails the parse */
        b->size = size;
        return b + 1;
}

static void block_free(void *ctx, void *p)
{
        (void)ctx;
        (void)p;
}

static void *block_realloc(void *ctx, void *p, size_t size)
{
        struct block *old = p;
        void *fresh;

        if (p && old[-1].size >= size)
                return p;
        fresh = block_malloc(ctx, size);
        if (fresh && p)
                memcpy(fresh, p, old[-1].size);
        return fresh;
}

yajl_alloc_funcs json_mem(struct arena *a)
{
        return (yajl_alloc_funcs){ block_malloc, block_realloc, block_free, a };
}
