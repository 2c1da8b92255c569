/* One memory pool per command: nothing is freed one by one, the process ends.
 *
 * The pool has a hard limit, so that a hostile configuration meets a message
 * and not the OOM killer, and it can be sealed: a write after that is SIGSEGV,
 * so a plan cannot change between the decision and the act. */
#pragma once

#include "kenro/base/err.h"

#include <stddef.h>

struct arena {
        char *base;
        size_t used, limit; /* bytes */
};

/* Reserve LIMIT bytes of address space; pages cost memory when first used. */
int arena_init(struct arena *a, size_t limit, struct err *e);

/* Give the whole pool back. */
void arena_release(struct arena *a);

/* N zeroed objects of SIZE bytes, aligned for any type, or NULL with E set. */
void *arena_alloc(struct arena *a, size_t n, size_t size, struct err *e);

/* Copies, always NUL-terminated. NULL with E set when the pool is full. */
char *arena_strndup(struct arena *a, const char *s, size_t n, struct err *e);
char *arena_printf(struct arena *a, struct err *e, const char *fmt, ...) ERR_PRINTF(3, 4);

/* Make room for one more element in a list that grows by doubling. *V has N
 * elements of SIZE bytes. Returns the address of the new, zeroed element. */
void *arena_push(struct arena *a, void *v, size_t *n, size_t size, struct err *e);

/* Everything allocated so far becomes read-only; later calls open new pages. */
int arena_seal(struct arena *a, struct err *e);

#define ARENA_NEW(a, type, n, e) ((type *)arena_alloc((a), (n), sizeof(type), (e)))
