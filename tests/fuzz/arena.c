/* base/arena for the fuzz targets: the same promises and the same limits, but
 * every block comes from malloc(3), so that the address sanitizer sees a step
 * beyond one, a use after the release, and a release that is missing. It takes
 * the real one's place at the link, because it defines all that arena.h declares. */
#include "fuzz.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What `base` points to. */
struct blocks {
        void **v;
        size_t n, room;
        size_t tried, refused; /* blocks asked for, and which of them is not given */
};

int arena_init(struct arena *a, size_t limit, struct err *e)
{
        (void)e;
        *a = (struct arena){ .base = calloc(1, sizeof(struct blocks)), .limit = limit };
        return a->base ? 0 : -1;
}

void arena_release(struct arena *a)
{
        struct blocks *b = (void *)a->base;

        for (size_t i = 0; b && i < b->n; i++)
                free(b->v[i]);
        if (b)
                free(b->v);
        free(b);
        *a = (struct arena){ 0 };
}

size_t fuzz_arena_blocks(const struct arena *a)
{
        return ((const struct blocks *)(const void *)a->base)->tried;
}

void fuzz_arena_refuse(struct arena *a, size_t nth)
{
        ((struct blocks *)(void *)a->base)->refused = nth;
}

/* Whether BYTES more from AT on are too many. */
static bool is_full(struct arena *a, size_t at, size_t bytes)
{
        struct blocks *b = (void *)a->base;

        return ++b->tried == b->refused || at > a->limit || bytes > a->limit - at;
}

static void *keep(struct arena *a, void *p)
{
        struct blocks *b = (void *)a->base;

        if (b->n == b->room) {
                b->room = b->room ? b->room * 2 : 16;
                b->v = realloc(b->v, b->room * sizeof(*b->v));
        }
        b->v[b->n++] = p;
        return p;
}

static void *full(const struct arena *a, struct err *e)
{
        err_set(e, "more than %zu MiB of memory would be needed", a->limit >> 20);
        return NULL;
}

void *arena_alloc(struct arena *a, size_t n, size_t size, struct err *e)
{
        size_t at = (a->used + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
        size_t bytes;

        if (__builtin_mul_overflow(n, size, &bytes) || is_full(a, at, bytes))
                return full(a, e);
        a->used = at + bytes;
        return keep(a, calloc(n, size));
}

char *arena_strndup(struct arena *a, const char *s, size_t n, struct err *e)
{
        char *p;

        if (n == SIZE_MAX || is_full(a, a->used, n + 1))
                return full(a, e);
        a->used += n + 1;
        p = keep(a, malloc(n + 1));
        memcpy(p, s, n);
        p[n] = '\0';
        return p;
}

char *arena_printf(struct arena *a, struct err *e, const char *fmt, ...)
{
        va_list ap;
        char *p;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(NULL, 0, fmt, ap);
        va_end(ap);
        if (n < 0 || is_full(a, a->used, (size_t)n + 1))
                return full(a, e);
        a->used += (size_t)n + 1;
        p = keep(a, malloc((size_t)n + 1));
        va_start(ap, fmt);
        vsnprintf(p, (size_t)n + 1, fmt, ap);
        va_end(ap);
        return p;
}

void *arena_push(struct arena *a, void *v, size_t *n, size_t size, struct err *e)
{
        void **list = v;
        char *p = *list;

        if (*n == 0 || (*n >= 4 && (*n & (*n - 1)) == 0)) {
                p = arena_alloc(a, *n ? *n * 2 : 4, size, e);
                if (!p)
                        return NULL;
                if (*n)
                        memcpy(p, *list, *n * size);
                *list = p;
        }
        return p + size * (*n)++;
}

/* No target has a second process, or a plan that anybody could change. */
int arena_seal(struct arena *a, struct err *e)
{
        (void)a;
        (void)e;
        return 0;
}
