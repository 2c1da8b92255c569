/* Where a JSON path stands in a text: read only once something has failed. */
#include "json_locate.h"

#include "json_mem.h"

#include "kenro/json/json_read.h"

#include <stdio.h>
#include <string.h>
#include <yajl/yajl_parse.h>

enum { PATH_BYTES = 512, YAJL_BYTES_MAX = 64 << 20 };

struct locate {
        yajl_handle yajl;
        const struct json_source *src;
        const char *wanted;
        char path[PATH_BYTES];
        size_t ends[JSON_DEPTH_MAX + 1]; /* length of the path at each level */
        long index[JSON_DEPTH_MAX + 1];  /* in a list the next index, else -1 */
        unsigned depth;
        size_t best, best_len; /* offset and path length of the nearest parent */
};

/* The token that ends before END: its first byte. A string token is walked
 * back to its opening quote, the first one that no backslash escapes. */
size_t json_token_start(const char *text, size_t end)
{
        size_t at = end ? end - 1 : 0;

        if (end && text[at] == '"') {
                while (at > 0) {
                        size_t slashes = 0;

                        if (text[--at] != '"')
                                continue;
                        while (slashes < at && text[at - 1 - slashes] == '\\')
                                slashes++;
                        if (slashes % 2 == 0)
                                break;
                }
                return at;
        }
        while (at > 0 && strchr("+-.eE0123456789truefalsn", text[at]) && text[at] &&
               strchr("+-.eE0123456789truefalsn", text[at - 1]) && text[at - 1])
                at--;
        return at;
}

void json_line_column(const char *text, size_t offset, unsigned *line, unsigned *column)
{
        *line = *column = 1;
        for (size_t i = 0; i < offset; i++) {
                *column += 1;
                if (text[i] == '\n') {
                        *line += 1;
                        *column = 1;
                }
        }
}

/* A value begins or stands here: put its index on the path, and compare. */
static int value(struct locate *l)
{
        size_t len;

        if (l->depth && l->index[l->depth] >= 0)
                snprintf(l->path + l->ends[l->depth], PATH_BYTES - l->ends[l->depth], "[%ld]",
                         l->index[l->depth]++);
        len = strlen(l->path);
        if (strncmp(l->path, l->wanted, len) == 0 &&
            (len == 0 || l->wanted[len] == '\0' || l->wanted[len] == '.' ||
             l->wanted[len] == '[') &&
            len >= l->best_len) {
                l->best = json_token_start(l->src->text, yajl_get_bytes_consumed(l->yajl));
                l->best_len = len;
                return l->wanted[len] != '\0'; /* found: stop */
        }
        return 1;
}

static int enter(struct locate *l, long index)
{
        if (!value(l) || l->depth == JSON_DEPTH_MAX)
                return 0;
        l->depth++;
        l->ends[l->depth] = strlen(l->path);
        l->index[l->depth] = index;
        return 1;
}

static int on_null(void *ctx)
{
        return value(ctx);
}

static int on_boolean(void *ctx, int b)
{
        (void)b;
        return value(ctx);
}

static int on_text(void *ctx, const char *s, size_t len)
{
        (void)s;
        (void)len;
        return value(ctx);
}

static int on_string(void *ctx, const unsigned char *s, size_t len)
{
        (void)s;
        (void)len;
        return value(ctx);
}

static int on_start_map(void *ctx)
{
        return enter(ctx, -1);
}

static int on_start_array(void *ctx)
{
        return enter(ctx, 0);
}

static int on_key(void *ctx, const unsigned char *s, size_t len)
{
        struct locate *l = ctx;

        snprintf(l->path + l->ends[l->depth], PATH_BYTES - l->ends[l->depth], "%s%.*s",
                 l->ends[l->depth] ? "." : "", (int)len, (const char *)s);
        return 1;
}

static int on_end(void *ctx)
{
        struct locate *l = ctx;

        l->path[l->ends[l->depth--]] = '\0';
        return 1;
}

bool json_locate(const struct json_source *src, const char *path, unsigned *line, unsigned *column)
{
        static const yajl_callbacks callbacks = {
                .yajl_null = on_null,
                .yajl_boolean = on_boolean,
                .yajl_number = on_text,
                .yajl_string = on_string,
                .yajl_start_map = on_start_map,
                .yajl_map_key = on_key,
                .yajl_end_map = on_end,
                .yajl_start_array = on_start_array,
                .yajl_end_array = on_end,
        };
        struct locate l = { .src = src, .wanted = path };
        struct arena memory;
        yajl_alloc_funcs afs;
        struct err e;

        *line = *column = 1;
        if (arena_init(&memory, YAJL_BYTES_MAX, &e) < 0)
                return false;
        afs = json_mem(&memory);
        l.yajl = yajl_alloc(&callbacks, &afs, &l);
        if (l.yajl) {
                yajl_parse(l.yajl, (const unsigned char *)src->text, src->len);
                json_line_column(src->text, l.best, line, column);
        }
        arena_release(&memory);
        return l.best_len > 0;
}
