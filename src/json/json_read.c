#include "kenro/json/json_read.h"

#include "json_locate.h"
#include "json_mem.h"
#include "json_value.h"

#include "kenro/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yajl/yajl_parse.h>

enum { YAJL_BYTES_MAX = 64 << 20, PATH_BYTES = 200, NAMES_BYTES = 200, WARNINGS_MAX = 16 };

/* One open object, list or map. */
struct frame {
        const struct json_shape *shape; /* of an object */
        const struct json_field *field; /* object: of the current key; else: its own */
        char *at;                       /* object: the structure; else: the {v, n} pair */
        const char *key;                /* current key, for paths and map entries */
        size_t index;                   /* of the next list element */
        uint64_t seen;                  /* object: fields met, null included */
        uint64_t given;                 /* object: fields with a value */
        enum json_kind kind;            /* J_OBJ, J_LIST or J_MAP */
};

/* A growing list as it lies in the decoded structure. */
struct list {
        void *v;
        size_t n;
};

struct decoder {
        const struct json_source *src;
        struct err *e;
        yajl_handle yajl;
        const struct json_shape *shape; /* of the document */
        void *ret;
        struct frame stack[JSON_DEPTH_MAX];
        unsigned depth;   /* frames in use */
        unsigned ignored; /* open containers inside an ignored value */
        bool skip;        /* the next value is ignored */
        unsigned warnings;
        size_t items;
};

/* Where the value at hand goes. */
struct slot {
        const struct json_field *field;
        enum json_kind kind;
        void *at;
};

static void path_of(const struct decoder *d, char *buf, size_t size)
{
        size_t n = 0;

        buf[0] = '\0';
        for (unsigned i = 0; i < d->depth && n < size; i++) {
                const struct frame *f = &d->stack[i];

                if (f->kind == J_LIST)
                        n += (size_t)snprintf(buf + n, size - n, "[%zu]",
                                              f->index ? f->index - 1 : 0);
                else if (f->key)
                        n += (size_t)snprintf(buf + n, size - n, "%s%s", n ? "." : "", f->key);
        }
}

static void place_of(const struct decoder *d, unsigned *line, unsigned *column)
{
        size_t end = yajl_get_bytes_consumed(d->yajl);

        json_line_column(d->src->text, json_token_start(d->src->text, end), line, column);
}

/* Prefix E's text with file, line, column and path. Returns 0, which tells
 * yajl to stop. */
static int stop_here(struct decoder *d)
{
        char path[PATH_BYTES];
        unsigned line, column;

        path_of(d, path, sizeof(path));
        place_of(d, &line, &column);
        if (path[0])
                err_in(d->e, "%s", path);
        err_in(d->e, "%s:%u:%u", d->src->name, line, column);
        return 0;
}

static int stop(struct decoder *d, const char *text)
{
        err_set(d->e, "%s", text);
        return stop_here(d);
}

static const char *type_text(const struct slot *s, char buf[64])
{
        switch ((int)s->kind) {
        case J_BOOL:
                return "true or false";
        case J_U32:
                snprintf(buf, 64, "a whole number 0..%llu",
                         (unsigned long long)(s->field->max ? s->field->max : UINT32_MAX));
                return buf;
        case J_U64:
        case J_UINT:
                snprintf(buf, 64, "a whole number 0..%llu",
                         (unsigned long long)(s->field->max ? s->field->max : UINT64_MAX));
                return buf;
        case J_INT:
                snprintf(buf, 64, "a whole number %lld..%llu", (long long)s->field->min,
                         (unsigned long long)s->field->max);
                return buf;
        case J_STR:
        case J_ENUM:
                return "a string";
        case J_LIST:
                return "an array";
        default:
                return "an object";
        }
}

static int wrong_type(struct decoder *d, const struct slot *s)
{
        char buf[64];

        err_set(d->e, "expected %s", type_text(s, buf));
        return stop_here(d);
}

/* Bytes of one element of the list that FIELD describes. */
static size_t element_size(const struct json_field *field)
{
        switch ((int)field->elem) {
        case J_U32:
                return sizeof(uint32_t);
        case J_ENUM:
                return sizeof(uint64_t);
        case J_OBJ:
                return field->shape->size;
        default:
                return field->kind == J_MAP ? sizeof(struct json_pair) : sizeof(const char *);
        }
}

static int map_key_twice(struct decoder *d, const struct frame *f)
{
        const struct list *l = (void *)f->at;
        size_t size = element_size(f->field);

        if (l->n >= JSON_MAP_MAX)
                return stop(d, "more than 4096 members");
        for (size_t i = 0; i < l->n; i++) {
                const char *key;

                memcpy(&key, (char *)l->v + i * size, sizeof(key));
                if (strcmp(key, f->key) == 0)
                        return stop(d, "given twice");
        }
        return 1;
}

/* Find the place of the value at hand. Returns 1; 0 to stop; -1 if the value
 * is ignored. A new element is pushed for a list or map. */
static int next_slot(struct decoder *d, struct slot *s)
{
        struct frame *f = d->depth ? &d->stack[d->depth - 1] : NULL;
        struct list *l;
        char *p;

        if (++d->items > JSON_ITEMS_MAX)
                return stop(d, "more than 65536 values in one file");
        if (d->ignored || d->skip) {
                d->skip = false;
                return -1;
        }
        if (!f) {
                *s = (struct slot){ .kind = J_OBJ, .at = NULL };
                return 1;
        }
        if (f->kind == J_OBJ) {
                *s = (struct slot){ f->field, f->field->kind, f->at + f->field->offset };
                return 1;
        }
        if (f->kind == J_MAP && !map_key_twice(d, f))
                return 0;
        l = (struct list *)(void *)f->at;
        f->index++;
        p = arena_push(d->src->arena, &l->v, &l->n, element_size(f->field), d->e);
        if (!p)
                return stop_here(d);
        if (f->kind == J_MAP) {
                memcpy(p, &f->key, sizeof(f->key));
                if (f->field->elem == J_STR)
                        p += offsetof(struct json_pair, value);
        }
        *s = (struct slot){ f->field, f->field->elem, p };
        return 1;
}

/* The current object's field has a value, and not null. */
static void mark_given(struct decoder *d)
{
        struct frame *f = d->depth ? &d->stack[d->depth - 1] : NULL;

        if (f && f->kind == J_OBJ)
                f->given |= 1ull << (f->field - f->shape->fields);
}

static int on_null(void *ctx)
{
        struct decoder *d = ctx;

        if (++d->items > JSON_ITEMS_MAX)
                return stop(d, "more than 65536 values in one file");
        if (!d->ignored && !d->skip) {
                if (d->depth == 0)
                        return stop(d, "expected an object");
                if (d->stack[d->depth - 1].kind == J_LIST) {
                        d->stack[d->depth - 1].index++;
                        return stop(d, "null in an array");
                }
        }
        d->skip = false;
        return 1;
}

static int on_boolean(void *ctx, int value)
{
        struct decoder *d = ctx;
        struct slot s;
        int r = next_slot(d, &s);

        if (r <= 0)
                return r < 0;
        if (s.kind != J_BOOL)
                return wrong_type(d, &s);
        *(bool *)s.at = value;
        mark_given(d);
        return 1;
}

static bool store_signed(const struct slot *s, bool minus, uint64_t value)
{
        struct opt_int *out = s->at;

        if (minus ? value > (uint64_t)INT64_MAX + 1 || (int64_t)-value < s->field->min
                  : value > s->field->max)
                return false;
        *out = (struct opt_int){ true, minus ? (int64_t)-value : (int64_t)value };
        return true;
}

static bool store_unsigned(const struct slot *s, bool minus, uint64_t value)
{
        uint64_t max = s->field->max ? s->field->max : s->kind == J_U32 ? UINT32_MAX : UINT64_MAX;

        if ((minus && value != 0) || value > max)
                return false;
        if (s->kind == J_U32)
                *(uint32_t *)s->at = (uint32_t)value;
        else if (s->kind == J_U64)
                *(uint64_t *)s->at = value;
        else
                *(struct opt_uint *)s->at = (struct opt_uint){ true, value };
        return true;
}

static int on_number(void *ctx, const char *text, size_t len)
{
        struct decoder *d = ctx;
        struct slot s;
        uint64_t value;
        bool minus, ok;
        int r = next_slot(d, &s);

        if (r <= 0)
                return r < 0;
        if (s.kind != J_U32 && s.kind != J_U64 && s.kind != J_UINT && s.kind != J_INT)
                return wrong_type(d, &s);
        ok = json_whole_number(text, len, &minus, &value) &&
             (s.kind == J_INT ? store_signed(&s, minus, value) : store_unsigned(&s, minus, value));
        if (!ok) {
                char buf[64];

                err_set(d->e, "%.*s is not %s", len > 40 ? 40 : (int)len, text, type_text(&s, buf));
                return stop_here(d);
        }
        mark_given(d);
        return 1;
}

static char *take_string(struct decoder *d, const unsigned char *s, size_t len)
{
        size_t end = yajl_get_bytes_consumed(d->yajl);
        const char *flaw = json_string_flaw(d->src->text, end, (const char *)s, len);
        char *copy;

        if (flaw) {
                stop(d, flaw);
                return NULL;
        }
        copy = arena_strndup(d->src->arena, (const char *)s, len, d->e);
        if (!copy)
                stop_here(d);
        return copy;
}

static int unknown_name(struct decoder *d, const struct slot *s, const char *text)
{
        const struct name *near = name_near(s->field->names, text);
        char names[NAMES_BYTES];

        name_list(s->field->names, names, sizeof(names));
        err_set(d->e, "'%.60s' is not one of: %s", text, names);
        if (near)
                err_hint(d->e, "did you mean '%s'?", near->name);
        return stop_here(d);
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
        struct decoder *d = ctx;
        const struct name *name;
        struct slot s;
        char *copy;
        int r = next_slot(d, &s);

        if (r <= 0)
                return r < 0;
        if (s.kind != J_STR && s.kind != J_ENUM)
                return wrong_type(d, &s);
        copy = take_string(d, text, len);
        if (!copy)
                return 0;
        mark_given(d);
        if (s.kind == J_STR) {
                *(const char **)s.at = copy;
                return 1;
        }
        name = name_find(s.field->names, copy);
        if (!name)
                return unknown_name(d, &s, copy);
        if (s.field->kind == J_LIST)
                *(uint64_t *)s.at = name->value;
        else
                *(struct opt_uint *)s.at = (struct opt_uint){ true, name->value };
        return 1;
}

/* Open a container of KIND. */
static int enter(struct decoder *d, bool array)
{
        struct frame f = { 0 };
        struct slot s;
        int r = next_slot(d, &s);

        if (r == 0)
                return 0;
        if (d->depth + d->ignored >= JSON_DEPTH_MAX)
                return stop(d, "nested deeper than 24 levels");
        if (r < 0) {
                d->ignored++;
                return 1;
        }
        if (array != (s.kind == J_LIST) || (!array && s.kind != J_OBJ && s.kind != J_MAP))
                return wrong_type(d, &s);
        f.kind = s.kind;
        f.field = s.field;
        f.at = s.at;
        if (s.kind == J_OBJ) {
                f.shape = s.field ? s.field->shape : d->shape;
                if (!s.field) {
                        f.at = d->ret;
                } else if (s.field->kind == J_OBJ) {
                        f.at = arena_alloc(d->src->arena, 1, f.shape->size, d->e);
                        if (!f.at)
                                return stop_here(d);
                        *(void **)s.at = f.at;
                }
                f.field = NULL;
        }
        mark_given(d);
        d->stack[d->depth++] = f;
        return 1;
}

static int on_start_map(void *ctx)
{
        return enter(ctx, false);
}

static int on_start_array(void *ctx)
{
        return enter(ctx, true);
}

static void warn_unknown(struct decoder *d, const char *key)
{
        const struct frame *f = &d->stack[d->depth - 1];
        const struct json_field *near = f->shape->fields;
        char path[PATH_BYTES];
        unsigned line, column;

        if (!d->src->warn || ++d->warnings > WARNINGS_MAX)
                return;
        while (near->kind != J_END && !name_is_near(near->key, key))
                near++;
        path_of(d, path, sizeof(path));
        place_of(d, &line, &column);
        log_warn("%s:%u:%u: %s: unknown key, ignored%s%s%s", d->src->name, line, column, path,
                 near->kind != J_END ? " (did you mean '" : "",
                 near->kind != J_END ? near->key : "", near->kind != J_END ? "'?)" : "");
}

static int object_key(struct decoder *d, struct frame *f, const char *key)
{
        const struct json_field *field = f->shape->fields;

        while (field->kind != J_END && strcmp(field->key, key) != 0)
                field++;
        f->field = field;
        if (field->kind == J_END) {
                warn_unknown(d, key);
                d->skip = true;
                return 1;
        }
        if (f->seen & 1ull << (field - f->shape->fields))
                return stop(d, "given twice");
        f->seen |= 1ull << (field - f->shape->fields);
        d->skip = field->kind == J_SKIP;
        return 1;
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
        struct decoder *d = ctx;
        struct frame *f;
        char *copy;

        if (d->ignored)
                return 1;
        f = &d->stack[d->depth - 1];
        copy = take_string(d, text, len);
        if (!copy)
                return 0;
        f->key = copy;
        return f->kind == J_OBJ ? object_key(d, f, copy) : 1;
}

static int on_end_map(void *ctx)
{
        struct decoder *d = ctx;
        struct frame *f;

        if (d->ignored) {
                d->ignored--;
                return 1;
        }
        f = &d->stack[d->depth - 1];
        f->key = NULL;
        if (f->kind == J_OBJ) {
                for (const struct json_field *r = f->shape->fields; r->kind != J_END; r++) {
                        if (!r->required || (f->given & 1ull << (r - f->shape->fields)))
                                continue;
                        err_set(d->e, "'%s' is required", r->key);
                        return stop_here(d);
                }
        }
        d->depth--;
        return 1;
}

static int on_end_array(void *ctx)
{
        struct decoder *d = ctx;

        if (d->ignored)
                d->ignored--;
        else
                d->depth--;
        return 1;
}

/* The text is not JSON: say what yajl says, where it says it. */
static void not_json(struct decoder *d, bool complete)
{
        unsigned char *text = yajl_get_error(d->yajl, 0, NULL, 0);
        size_t at = complete ? d->src->len : yajl_get_bytes_consumed(d->yajl);
        const char *what = text ? strchr((char *)text, ':') : NULL;
        unsigned line, column;

        json_line_column(d->src->text, at < d->src->len ? at : d->src->len, &line, &column);
        err_set(d->e, "%s:%u:%u: not JSON: %s", d->src->name, line, column, what ? what + 2 : "?");
        d->e->text[strcspn(d->e->text, "\n")] = '\0';
}

static int parse(struct decoder *d, struct arena *memory)
{
        static const yajl_callbacks callbacks = {
                .yajl_null = on_null,
                .yajl_boolean = on_boolean,
                .yajl_number = on_number,
                .yajl_string = on_string,
                .yajl_start_map = on_start_map,
                .yajl_map_key = on_key,
                .yajl_end_map = on_end_map,
                .yajl_start_array = on_start_array,
                .yajl_end_array = on_end_array,
        };
        yajl_alloc_funcs afs = json_mem(memory);
        yajl_status status;

        d->yajl = yajl_alloc(&callbacks, &afs, d);
        if (!d->yajl)
                return err_sys(d->e, ENOMEM, "cannot read %s", d->src->name);
        status = yajl_parse(d->yajl, (const unsigned char *)d->src->text, d->src->len);
        if (status == yajl_status_error)
                not_json(d, false);
        if (status != yajl_status_ok)
                return -1;
        status = yajl_complete_parse(d->yajl); /* a number ends where the text ends */
        if (status == yajl_status_error)
                not_json(d, true);
        return status == yajl_status_ok ? 0 : -1;
}

int json_decode(const struct json_source *src, const struct json_shape *shape, void *ret,
                struct err *e)
{
        struct decoder d = { .src = src, .e = e, .shape = shape, .ret = ret };
        struct arena memory;
        int r;

        if (src->len > JSON_BYTES_MAX)
                return err_set(e, "%s: larger than 4 MiB", src->name);
        /* yajl does not check its allocations. Its buffers grow by doubling up
         * to the longest string, so this much can never be used up. */
        if (arena_init(&memory, YAJL_BYTES_MAX, e) < 0)
                return -1;
        r = parse(&d, &memory);
        arena_release(&memory);
        return r;
}

int json_fail(const struct json_source *src, struct err *e, const char *path, const char *fmt, ...)
{
        char text[ERR_TEXT_MAX];
        unsigned line, column;
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        err_set(e, "%s", text);
        (void)json_locate(src, path, &line, &column); /* the file's start is a place too */
        if (path[0])
                err_in(e, "%s", path);
        return err_in(e, "%s:%u:%u", src->name, line, column);
}

int json_place(const struct json_source *src, struct err *e)
{
        char path[PATH_BYTES];
        unsigned line, column;

        snprintf(path, sizeof(path), "%.*s", (int)strcspn(e->text, ": "), e->text);
        if (json_locate(src, path, &line, &column))
                err_in(e, "%s:%u:%u", src->name, line, column);
        return -1;
}
