/* Mutations that know where values of JSON begin and end: members are dropped,
 * repeated, exchanged and taken from the input before, so that what comes out
 * mostly parses and the checks behind the parser are reached. Half of the time
 * libFuzzer's own mutations are used, which know the dictionary and no JSON. */
#include "fuzz.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { SPANS_MAX = 4096, DEPTH_MAX = 64, GROWTH_MAX = 32, KEPT_MAX = 1 << 16 };

#define BLANKS " \t\r\n"

/* libFuzzer's side of it. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

enum kind { ELEMENT, VALUE, MEMBER }; /* of a list; of a member; key and value */

struct span {
        size_t from, to;
        enum kind kind;
};

struct document {
        char *text;
        size_t size, max;
        struct span v[SPANS_MAX];
        size_t n;
        size_t open[DEPTH_MAX + 1]; /* where each open list or object begins */
        size_t key[DEPTH_MAX + 1];  /* where the key of the next value begins, plus 1 */
        size_t depth;
};

static uint64_t state;

static size_t pick(size_t n)
{
        state ^= state << 13; /* xorshift64 */
        state ^= state >> 7;
        state ^= state << 17;
        return (size_t)(state >> 20) % n;
}

static void add(struct document *d, size_t from, size_t to)
{
        size_t key = d->key[d->depth];

        d->key[d->depth] = 0;
        if (d->n + 2 > SPANS_MAX)
                return;
        d->v[d->n++] = (struct span){ from, to, key ? VALUE : ELEMENT };
        if (key)
                d->v[d->n++] = (struct span){ key - 1, to, MEMBER };
}

/* From AT on, behind all bytes of one of these sets. */
static size_t skip(const struct document *d, size_t at, const char *chars)
{
        while (at < d->size && d->text[at] && strchr(chars, d->text[at]))
                at++;
        return at;
}

/* The string that begins at AT, a value or a key; returns where it ends. */
static size_t take_string(struct document *d, size_t at)
{
        size_t end = at + 1, next;

        for (; end < d->size && d->text[end] != '"'; end++)
                if (d->text[end] == '\\')
                        end++;
        end = end < d->size ? end + 1 : d->size;
        next = skip(d, end, BLANKS);
        if (next < d->size && d->text[next] == ':')
                d->key[d->depth] = at + 1;
        else
                add(d, at, end);
        return end;
}

/* A number, or true, false, null. */
static size_t take_word(struct document *d, size_t at)
{
        size_t end = skip(d, at, "0123456789abcdefghijklmnopqrstuvwxyzE+-.");

        if (end > at)
                add(d, at, end);
        return end > at ? end : at + 1;
}

/* One token; returns where the next one may begin. */
static size_t take(struct document *d, size_t at)
{
        switch (d->text[at]) {
        case '{':
        case '[':
                if (d->depth < DEPTH_MAX) {
                        d->open[++d->depth] = at;
                        d->key[d->depth] = 0;
                }
                return at + 1;
        case '}':
        case ']':
                if (d->depth > 0) {
                        d->depth--;
                        add(d, d->open[d->depth + 1], at + 1);
                }
                return at + 1;
        case '"':
                return take_string(d, at);
        default:
                return take_word(d, at);
        }
}

static void scan(struct document *d)
{
        d->n = d->depth = d->key[0] = 0;
        for (size_t at = 0; at < d->size;)
                at = take(d, at);
}

/* Put LEN bytes of TEXT in place of those from FROM to TO, if there is room. */
static void splice(struct document *d, size_t from, size_t to, const char *text, size_t len)
{
        if (d->size - (to - from) + len > d->max)
                return;
        memmove(d->text + from + len, d->text + to, d->size - to);
        memcpy(d->text + from, text, len);
        d->size += len - (to - from);
}

/* A span of D that could stand where A stands, or NULL. */
static const struct span *like(const struct document *d, const struct span *a)
{
        for (int i = 0; i < 20 && d->n > 0; i++) {
                const struct span *s = &d->v[pick(d->n)];

                if ((s->kind == MEMBER) == (a->kind == MEMBER))
                        return s;
        }
        return NULL;
}

/* A copy of a span of FROM, which may be D, replaces A or comes behind it. */
static void put(struct document *d, const struct span *a, const struct document *from)
{
        const struct span *b = like(from, a);
        bool insert = a->kind != VALUE && pick(2);
        size_t len = b ? b->to - b->from : 0;
        char *text;

        if (!b)
                return;
        text = malloc(len + 1); /* it may lie in the very text that moves */
        text[0] = ',';
        memcpy(text + 1, from->text + b->from, len);
        if (insert)
                splice(d, a->to, a->to, text, len + 1);
        else
                splice(d, a->from, a->to, text + 1, len);
        free(text);
}

/* With one of the commas beside it. */
static void drop(struct document *d, const struct span *a)
{
        size_t from = a->from, to = skip(d, a->to, BLANKS);

        if (to < d->size && d->text[to] == ',') {
                to++;
        } else {
                while (from > 0 && isspace((unsigned char)d->text[from - 1]))
                        from--;
                from -= from > 0 && d->text[from - 1] == ',';
        }
        splice(d, from, to, "", 0);
}

/* Another value, of any type. */
static void replace(struct document *d, const struct span *a)
{
        static const char *const values[] = {
                "null", "true",  "false",      "0",          "-1",
                "1",    "65536", "4294967295", "4294967296", "18446744073709551615",
                "\"\"", "\"/\"", "\"/dev\"",   "\"a\"",      "[]",
                "{}",   "[[]]",
        };
        const char *text = values[pick(sizeof(values) / sizeof(values[0]))];

        splice(d, a->from, a->to, text, strlen(text));
}

/* libFuzzer's mutations, but only inside of A. */
static void change(struct document *d, const struct span *a)
{
        size_t len = a->to - a->from, quotes = len >= 2 && d->text[a->from] == '"';
        uint8_t *text = malloc(len + GROWTH_MAX);

        len -= 2 * quotes;
        memcpy(text, d->text + a->from + quotes, len);
        len = LLVMFuzzerMutate(text, len, len + GROWTH_MAX);
        splice(d, a->from + quotes, a->to - quotes, (char *)text, len);
        free(text);
}

/* One of the above, with a copy of a span of BEFORE perhaps. */
static void mutate(struct document *d, const struct document *before)
{
        const struct span *a = &d->v[pick(d->n)];

        switch (pick(5)) {
        case 0:
                if (a->kind == VALUE)
                        replace(d, a);
                else
                        drop(d, a);
                break;
        case 1:
                put(d, a, d);
                break;
        case 2:
                put(d, a, before);
                break;
        default:
                if (a->kind == MEMBER)
                        put(d, a, d);
                else if (pick(3) == 0)
                        replace(d, a);
                else
                        change(d, a);
        }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
        static struct document d, before;
        static char kept[KEPT_MAX]; /* before's text: the last input */

        state = seed * 2654435761ull + 1;
        d.text = (char *)data;
        d.size = size;
        d.max = max;
        scan(&d);
        if (d.n == 0 || pick(2))
                return LLVMFuzzerMutate(data, size, max);
        scan(&before);
        mutate(&d, &before);
        if (d.size <= sizeof(kept)) {
                before.text = memcpy(kept, data, d.size);
                before.size = d.size;
        }
        return d.size;
}
