/* Table-driven JSON decoder over yajl's streaming callbacks.
 *
 * A shape is a table of fields; decoding writes into the C structure that the
 * table describes. It is strict where a runtime must be: exact types, exact
 * letter case, no duplicate key, no NUL in a string, no lone surrogate, no
 * trailing data, bounded in bytes, depth and items. Unknown keys are ignored
 * with a warning, as the OCI runtime specification demands (config.md,
 * Extensibility). null counts as absent. An error says FILE:LINE:COLUMN and
 * the JSON path, both of the offending value. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/base/names.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_BYTES_MAX = 4 << 20, JSON_DEPTH_MAX = 24, JSON_ITEMS_MAX = 65536, JSON_MAP_MAX = 4096 };

/* What a number or an enum member that may be absent decodes to. */
struct opt_uint {
        bool set;
        uint64_t v;
};

struct opt_int {
        bool set;
        int64_t v;
};

/* The C member's type stands behind each kind. */
enum json_kind {
        J_END,  /* closes a table */
        J_BOOL, /* bool */
        J_U32,  /* uint32_t, absent is 0 */
        J_U64,  /* uint64_t, absent is 0 */
        J_UINT, /* struct opt_uint */
        J_INT,  /* struct opt_int */
        J_STR,  /* const char *, absent is NULL */
        J_ENUM, /* struct opt_uint; in a list uint64_t */
        J_OBJ,  /* pointer to the shape's structure, absent is NULL */
        J_LIST, /* struct { T *v; size_t n; }, elements of kind .elem */
        J_MAP,  /* the same; T begins with const char *key */
        J_SKIP, /* known, not ours: ignored without a warning */
};

struct json_shape;

struct json_field {
        const char *key;
        enum json_kind kind;
        enum json_kind elem;            /* J_LIST: STR U32 ENUM OBJ; J_MAP: STR OBJ */
        bool required;                  /* absent or null is an error */
        size_t offset;                  /* of the member */
        int64_t min;                    /* J_INT: smallest value */
        uint64_t max;                   /* numbers: largest value; 0: the type's own */
        const struct json_shape *shape; /* J_OBJ, and elements that are objects */
        const struct name *names;       /* J_ENUM */
};

struct json_shape {
        size_t size; /* of the C structure */
        const struct json_field *fields;
};

/* A member of a J_MAP of strings. */
struct json_pair {
        const char *key, *value;
};

/* A text and where its decoded form goes. */
struct json_source {
        const char *name; /* for messages: "config.json" */
        const char *text;
        size_t len;
        struct arena *arena;
        bool warn; /* tell about unknown keys */
};

/* Decode SRC into RET, SHAPE's structure, zeroed by the caller. Strings and
 * lists are in the arena. */
int json_decode(const struct json_source *src, const struct json_shape *shape, void *ret,
                struct err *e);

/* An error about a value that decoded well: "FILE:LINE:COLUMN: PATH: text".
 * The text is read again to find PATH, which only a failing command pays for;
 * a path that is not there is located at its nearest parent. Returns -1. */
int json_fail(const struct json_source *src, struct err *e, const char *path, const char *fmt, ...)
        ERR_PRINTF(4, 5);

/* E begins with a JSON path of SRC: put "FILE:LINE:COLUMN: " in front of it. An
 * error that does not stays as it is. Returns -1. */
int json_place(const struct json_source *src, struct err *e);
