#include "fuzz.h"

#include "kenro/base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fuzz_broken(const char *file, int line, const char *fact, const char *detail)
{
        fprintf(stderr, "%s:%d: does not hold: %s%s%s\n", file, line, fact, detail ? ": " : "",
                detail ? detail : "");
        abort();
}

/* The code point at S, at most N bytes, and its length in RET_LEN; -1 if it is no
 * UTF-8. Not log_utf8, which is on trial here. */
static long code_point(const unsigned char *s, size_t n, size_t *ret_len)
{
        size_t len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
        static const long least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        static const unsigned char bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
        long c = s[0] & bits[len];

        if ((s[0] >= 0x80 && s[0] < 0xc0) || s[0] >= 0xf8 || len > n)
                return -1;
        for (size_t i = 1; i < len; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return -1;
                c = c << 6 | (s[i] & 0x3f);
        }
        *ret_len = len;
        return c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? -1 : c;
}

static bool is_utf8(const char *s)
{
        size_t left = strlen(s), len = 0;

        for (; left > 0; s += len, left -= len)
                if (code_point((const unsigned char *)s, left, &len) < 0)
                        return false;
        return true;
}

/* C0, DEL and C1, which terminals obey too. Bytes that are no UTF-8 are shown as
 * a replacement by any terminal that reads UTF-8. */
static bool has_control(const char *s)
{
        size_t left = strlen(s), len = 1;

        for (; left > 0; s += len, left -= len) {
                long c = code_point((const unsigned char *)s, left, &len);

                if (c < 0)
                        len = 1;
                else if (c < 0x20 || (c >= 0x7f && c < 0xa0))
                        return true;
        }
        return false;
}

/* As the inside of a string of JSON. */
static bool is_escaped(const char *s)
{
        for (const char *c = s; *c; c++) {
                if (*c == '"' || (unsigned char)*c < 0x20)
                        return false;
                if (*c == '\\' && *++c != '\\' && *c != '"' && *c != 'u')
                        return false;
        }
        return is_utf8(s);
}

void fuzz_check_error(const struct err *e)
{
        char line[ERR_TEXT_MAX + ERR_HINT_MAX + 8], escaped[2048];

        HOLDS(memchr(e->text, '\0', sizeof(e->text)), NULL);
        HOLDS(memchr(e->hint, '\0', sizeof(e->hint)), NULL);
        memset(line, 'x', sizeof(line));
        err_line(e, line, sizeof(line));
        HOLDS(memchr(line, '\0', sizeof(line)), NULL);
        HOLDS(!has_control(line), line);
        log_escape(line, escaped, sizeof(escaped));
        HOLDS(is_escaped(escaped), escaped);
}

/* The number at *TEXT, which moves behind it and the colon after it. */
static size_t take_number(const char **text)
{
        char *end;
        size_t n = strtoul(*text, &end, 10);

        HOLDS(end > *text && *end == ':' && n > 0, *text);
        *text = end + 1;
        return n;
}

void fuzz_check_place(const struct json_source *src, const struct err *e)
{
        const char *rest = e->text + strlen(src->name) + 1, *end = src->text + src->len;
        const char *begin = src->text, *newline;
        size_t line, column;

        HOLDS(strncmp(e->text, src->name, strlen(src->name)) == 0 && rest[-1] == ':', e->text);
        line = take_number(&rest);
        column = take_number(&rest);
        HOLDS(rest[0] == ' ' && rest[1] != '\0', e->text);
        /* what yajl says of itself, not of the text */
        HOLDS(strcmp(rest, " not JSON: ?") != 0, e->text);
        HOLDS(strcmp(rest, " not JSON: client cancelled parse via callback return value") != 0,
              e->text);
        for (; line > 1; line--) {
                newline = memchr(begin, '\n', (size_t)(end - begin));
                HOLDS(newline, e->text);
                begin = newline + 1;
        }
        newline = memchr(begin, '\n', (size_t)(end - begin));
        HOLDS(column - 1 <= (size_t)((newline ? newline : end) - begin), e->text);
}

void fuzz_check_same_error(const struct err *a, const struct err *b)
{
        HOLDS(a->num == b->num, a->text);
        HOLDS(strcmp(a->text, b->text) == 0, a->text);
        HOLDS(strcmp(a->hint, b->hint) == 0, a->text);
}

static void check_string(const char *a, const char *b, const struct json_field *f)
{
        HOLDS(!a == !b, f->key);
        if (!a)
                return;
        HOLDS(strcmp(a, b) == 0, f->key);
        HOLDS(is_utf8(a), f->key);
}

static void check_number(uint64_t a, uint64_t b, const struct json_field *f)
{
        HOLDS(a == b, f->key);
        HOLDS(f->max == 0 || a <= f->max, f->key);
}

static void check_int(const struct opt_int *a, const struct opt_int *b, const struct json_field *f)
{
        HOLDS(a->set == b->set && a->v == b->v, f->key);
        HOLDS(!a->set || a->v >= f->min, f->key);
        HOLDS(a->v < 0 || (uint64_t)a->v <= f->max, f->key);
}

static void check_enum(uint64_t a, uint64_t b, const struct json_field *f)
{
        const struct name *n = f->names;

        HOLDS(a == b, f->key);
        while (n->name && n->value != a)
                n++;
        HOLDS(n->name, f->key);
}

static void check_opt(const struct opt_uint *a, const struct opt_uint *b,
                      const struct json_field *f)
{
        HOLDS(a->set == b->set, f->key);
        if (a->set && f->kind == J_ENUM)
                check_enum(a->v, b->v, f);
        else
                check_number(a->v, b->v, f);
}

/* As every list and map lies in its structure. */
struct list {
        const char *v;
        size_t n;
};

static size_t element_size(const struct json_field *f)
{
        switch ((int)f->elem) {
        case J_U32:
                return sizeof(uint32_t);
        case J_ENUM:
                return sizeof(uint64_t);
        case J_OBJ:
                return f->shape->size;
        default:
                return f->kind == J_MAP ? sizeof(struct json_pair) : sizeof(const char *);
        }
}

static void check_element(const char *a, const char *b, const struct json_field *f)
{
        const char *const *text = (const void *)a, *const *other = (const void *)b;

        if (f->kind == J_MAP || f->elem == J_STR) {
                HOLDS(text[0], f->key);
                check_string(text[0], other[0], f);
        }
        if (f->kind == J_MAP && f->elem == J_STR)
                check_string(text[1], other[1], f);
        else if (f->elem == J_U32)
                check_number(*(const uint32_t *)(const void *)a, *(const uint32_t *)(const void *)b,
                             f);
        else if (f->elem == J_ENUM)
                check_enum(*(const uint64_t *)(const void *)a, *(const uint64_t *)(const void *)b,
                           f);
        else if (f->elem == J_OBJ)
                fuzz_check_same(f->shape, a, b);
}

static void check_list(const struct list *a, const struct list *b, const struct json_field *f)
{
        size_t size = element_size(f);

        HOLDS(a->n == b->n, f->key);
        HOLDS(a->n <= (f->kind == J_MAP ? JSON_MAP_MAX : JSON_ITEMS_MAX), f->key);
        for (size_t i = 0; i < a->n; i++)
                check_element(a->v + i * size, b->v + i * size, f);
}

static void check_member(const char *a, const char *b, const struct json_field *f)
{
        const void *const *p = (const void *)a, *const *q = (const void *)b;

        switch (f->kind) {
        case J_BOOL:
                HOLDS(*a == *b && (*a == 0 || *a == 1), f->key);
                break;
        case J_U32:
                check_number(*(const uint32_t *)(const void *)a, *(const uint32_t *)(const void *)b,
                             f);
                break;
        case J_U64:
                check_number(*(const uint64_t *)(const void *)a, *(const uint64_t *)(const void *)b,
                             f);
                break;
        case J_UINT:
        case J_ENUM:
                check_opt((const void *)a, (const void *)b, f);
                HOLDS(!f->required || ((const struct opt_uint *)(const void *)a)->set, f->key);
                break;
        case J_INT:
                check_int((const void *)a, (const void *)b, f);
                HOLDS(!f->required || ((const struct opt_int *)(const void *)a)->set, f->key);
                break;
        case J_STR:
        case J_OBJ:
                HOLDS(!*p == !*q && (*p || !f->required), f->key);
                if (f->kind == J_STR)
                        check_string(*p, *q, f);
                else if (*p)
                        fuzz_check_same(f->shape, *p, *q);
                break;
        case J_LIST:
        case J_MAP:
                check_list((const void *)a, (const void *)b, f);
                break;
        case J_END:
        case J_SKIP:
        default:
                break;
        }
}

void fuzz_check_same(const struct json_shape *shape, const void *a, const void *b)
{
        for (const struct json_field *f = shape->fields; f->kind != J_END; f++)
                check_member((const char *)a + f->offset, (const char *)b + f->offset, f);
}

void fuzz_check_clean(const char *path)
{
        HOLDS(path[0] == '/', path);
        for (const char *c = path; c; c = strchr(c + 1, '/')) {
                size_t len = strcspn(c + 1, "/");

                HOLDS(len > 0 || strcmp(path, "/") == 0, path);
                HOLDS(len != 1 || c[1] != '.', path);
                HOLDS(len != 2 || c[1] != '.' || c[2] != '.', path);
        }
}
