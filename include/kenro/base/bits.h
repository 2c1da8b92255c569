/* Sets of small numbers, CPUs or memory nodes, as the kernel takes them; and
 * "0-3,7" as people write them: the list format of cpuset(7). */
#pragma once

#include "kenro/base/err.h"

#include <stdbool.h>

/* As many CPUs as the kernel can be built for. */
enum { BITS_MAX = 8192, BITS_PER_WORD = 8 * sizeof(long), BITS_TEXT_MAX = 80 };

struct bits {
        unsigned long v[BITS_MAX / BITS_PER_WORD];
};

/* TEXT must not be empty. */
int bits_parse(const char *text, struct bits *ret, struct err *e);

void bits_fill(struct bits *b);
bool bits_is_empty(const struct bits *b);

/* Take out of A what is in B. */
void bits_remove(struct bits *a, const struct bits *b);
