/* A message of text fields, each with a NUL behind it: how kenro and a helper program
 * of its own talk. Bounded by its buffer, and no field by another. */
#pragma once

#include "kenro/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { FIELDS_BYTES_MAX = 64 << 10 };

struct fields {
        char *text;
        size_t len, size;
        bool full; /* something did not fit: the message must not be sent */
};

/* What is left of a message to be read. */
struct fields_left {
        const char *at, *end;
};

/* Append one field. */
void fields_add(struct fields *f, const char *fmt, ...) ERR_PRINTF(2, 3);

/* Begin to read; a message without a NUL at its end is none, and has no fields. */
void fields_read(struct fields_left *f, const char *text, size_t len);

/* The next field, or NULL when there is no more. */
const char *fields_next(struct fields_left *f);

/* The next field as a number of at most MAX: digits only. 0, or -1. */
int fields_next_number(struct fields_left *f, unsigned long long max, unsigned long long *ret);
