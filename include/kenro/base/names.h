/* Tables of name <-> value. A table ends with a row whose name is NULL; it
 * stands beside the code that uses it, and help, error texts, completion and
 * `kenro features` print from it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct name {
        const char *name;
        uint64_t value;
};

/* The row called NAME, exact letter case, or NULL. */
const struct name *name_find(const struct name *table, const char *name);

/* The name of the first row with VALUE, or "?". */
const char *name_of(const struct name *table, uint64_t value);

/* The row that a person who typed WRONG may have meant: equal but for letter
 * case, or at most two edits away. NULL if none is near. */
const struct name *name_near(const struct name *table, const char *wrong);

/* True if A and B are near in the sense above, and not equal. */
bool name_is_near(const char *a, const char *b);

/* Write "a, b, c" into BUF, cut at its end with "...". */
void name_list(const struct name *table, char *buf, size_t size);
