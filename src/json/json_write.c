#include "kenro/json/json_write.h"

#include "json_mem.h"

#include "kenro/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_gen.h>

enum { GEN_BYTES_MAX = 64 << 20 };

int json_out_init(struct json_out *o, bool pretty, struct err *e)
{
        yajl_alloc_funcs afs;

        *o = (struct json_out){ 0 };
        if (arena_init(&o->memory, GEN_BYTES_MAX, e) < 0)
                return -1;
        afs = json_mem(&o->memory);
        o->gen = yajl_gen_alloc(&afs);
        if (!o->gen) {
                arena_release(&o->memory);
                return err_sys(e, ENOMEM, "cannot write JSON");
        }
        yajl_gen_config(o->gen, yajl_gen_beautify, (int)pretty);
        yajl_gen_config(o->gen, yajl_gen_indent_string, "  ");
        return 0;
}

void json_out_release(struct json_out *o)
{
        arena_release(&o->memory);
}

static void check(struct json_out *o, yajl_gen_status status)
{
        if (status != yajl_gen_status_ok && status != yajl_gen_generation_complete)
                o->failed = true;
}

void json_map(struct json_out *o)
{
        check(o, yajl_gen_map_open(o->gen));
}

void json_map_end(struct json_out *o)
{
        check(o, yajl_gen_map_close(o->gen));
}

void json_list(struct json_out *o)
{
        check(o, yajl_gen_array_open(o->gen));
}

void json_list_end(struct json_out *o)
{
        check(o, yajl_gen_array_close(o->gen));
}

void json_key(struct json_out *o, const char *key)
{
        json_str(o, key);
}

void json_str(struct json_out *o, const char *s)
{
        char *clean;
        struct err e;
        size_t n = 0;

        if (!s) {
                check(o, yajl_gen_null(o->gen));
                return;
        }
        clean = arena_alloc(&o->memory, strlen(s) * 3 + 1, 1, &e);
        if (!clean) {
                o->failed = true;
                return;
        }
        while (*s) {
                size_t len = log_utf8(s);

                memcpy(clean + n, len ? s : "\xef\xbf\xbd", len ? len : 3);
                n += len ? len : 3;
                s += len ? len : 1;
        }
        check(o, yajl_gen_string(o->gen, (const unsigned char *)clean, n));
}

void json_uint(struct json_out *o, uint64_t n)
{
        char text[24];
        int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)n);

        check(o, yajl_gen_number(o->gen, text, (size_t)len));
}

void json_int(struct json_out *o, int64_t n)
{
        check(o, yajl_gen_integer(o->gen, n));
}

void json_bool(struct json_out *o, bool b)
{
        check(o, yajl_gen_bool(o->gen, b));
}

void json_key_str(struct json_out *o, const char *key, const char *s)
{
        json_key(o, key);
        json_str(o, s);
}

void json_key_uint(struct json_out *o, const char *key, uint64_t n)
{
        json_key(o, key);
        json_uint(o, n);
}

void json_key_bool(struct json_out *o, const char *key, bool b)
{
        json_key(o, key);
        json_bool(o, b);
}

const char *json_text(struct json_out *o, size_t *ret_len, struct err *e)
{
        const unsigned char *text;

        if (o->failed || yajl_gen_get_buf(o->gen, &text, ret_len) != yajl_gen_status_ok) {
                err_set(e, "cannot write JSON: the document is too large");
                return NULL;
        }
        return (const char *)text;
}
