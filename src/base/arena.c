#include "kenro/base/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int arena_init(struct arena *a, size_t limit, struct err *e)
{
        void *p = mmap(NULL, limit, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

        if (p == MAP_FAILED)
                return err_sys(e, errno, "cannot reserve %zu bytes of memory", limit);
        *a = (struct arena){ .base = p, .limit = limit };
        return 0;
}

void arena_release(struct arena *a)
{
        if (a->base)
                munmap(a->base, a->limit);
        *a = (struct arena){ 0 };
}

static void *take(struct arena *a, size_t bytes, struct err *e)
{
        size_t at = (a->used + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);

        if (at > a->limit || bytes > a->limit - at) {
                err_set(e, "more than %zu MiB of memory would be needed", a->limit >> 20);
                return NULL;
        }
        a->used = at + bytes;
        return a->base + at;
}

void *arena_alloc(struct arena *a, size_t n, size_t size, struct err *e)
{
        size_t bytes;

        if (__builtin_mul_overflow(n, size, &bytes))
                bytes = SIZE_MAX;
        return take(a, bytes, e); /* fresh anonymous pages are zero, and used only once */
}

char *arena_strndup(struct arena *a, const char *s, size_t n, struct err *e)
{
        char *p;

        /* Text needs no alignment: keeping it dense keeps page faults few. */
        if (n >= a->limit - a->used) {
                take(a, a->limit, e);
                return NULL;
        }
        p = a->base + a->used;
        memcpy(p, s, n);
        a->used += n + 1;
        return p;
}

char *arena_printf(struct arena *a, struct err *e, const char *fmt, ...)
{
        char *p = a->base + a->used;
        size_t room = a->limit - a->used;
        va_list ap;
        int n;

        va_start(ap, fmt);
        n = vsnprintf(p, room, fmt, ap);
        va_end(ap);
        if (n < 0 || (size_t)n >= room) {
                memset(p, 0, room);
                take(a, a->limit, e);
                return NULL;
        }
        a->used += (size_t)n + 1;
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

int arena_seal(struct arena *a, struct err *e)
{
        size_t page = (size_t)sysconf(_SC_PAGESIZE);

        a->used = (a->used + page - 1) & ~(page - 1);
        if (a->used > a->limit)
                a->used = a->limit;
        if (mprotect(a->base, a->used, PROT_READ) < 0)
                return err_sys(e, errno, "cannot seal the plan");
        return 0;
}
