/* JSON output over yajl_gen: state, list, features, spec and the state file.
 *
 * Errors are sticky: write everything, ask once at the end. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_out {
        struct arena memory;
        void *gen; /* yajl_gen */
        bool failed;
};

/* PRETTY indents for people. Release with json_out_release. */
int json_out_init(struct json_out *o, bool pretty, struct err *e);
void json_out_release(struct json_out *o);

void json_map(struct json_out *o);
void json_map_end(struct json_out *o);
void json_list(struct json_out *o);
void json_list_end(struct json_out *o);
void json_key(struct json_out *o, const char *key);

/* Bytes that are not UTF-8 are written as U+FFFD: what a container chose must
 * not make the document invalid. NULL is written as null. */
void json_str(struct json_out *o, const char *s);
void json_uint(struct json_out *o, uint64_t n);
void json_int(struct json_out *o, int64_t n);
void json_bool(struct json_out *o, bool b);

/* A key and its value in one line. */
void json_key_str(struct json_out *o, const char *key, const char *s);
void json_key_uint(struct json_out *o, const char *key, uint64_t n);
void json_key_bool(struct json_out *o, const char *key, bool b);

/* The text so far, NUL-terminated, valid until the release; or NULL with E. */
const char *json_text(struct json_out *o, size_t *ret_len, struct err *e);
