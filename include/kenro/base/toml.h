/* TOML, as engines are configured by it: a scan that tells the values one by one, in
 * their order, and keeps none. It is no judge of documents: what is given twice, dates
 * and numbers are told as they stand. What it cannot read it refuses, with the line. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum { TOML_PATH_MAX = 16 };

enum toml_kind {
        TOML_STRING,
        TOML_WORD, /* a number, a boolean, a date: as it is written */
        TOML_LIST, /* begins; its values follow, each with in_list */
};

struct toml_value {
        const char *const *path; /* of its table, then its own key */
        size_t depth;            /* how many parts that has */
        enum toml_kind kind;
        bool in_list;
        const char *text; /* in the arena; "" for a list */
};

/* Anything but 0 ends the scan, which returns it. */
typedef int toml_told(const struct toml_value *v, void *arg, struct err *e);

struct toml_source {
        const char *name; /* for messages */
        const char *text; /* NUL-terminated */
        size_t len;
        struct arena *arena;
};

int toml_scan(const struct toml_source *src, toml_told *told, void *arg, struct err *e);

/* Whether the path is PATTERN, "a.*.c": a star stands for any one part. */
bool toml_is_at(const struct toml_value *v, const char *pattern);
