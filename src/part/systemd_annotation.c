/* org.systemd.property.NAME: what the author of a container may say about its unit. The
 * list is short on purpose: properties can start and stop other units, choose devices and
 * lift limits. */
#include "kenro/part/systemd.h"

#include "kenro/spec/spec_load.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "org.systemd.property."
#define ALLOWED                                                                                    \
        "After, Before, CollectMode, DefaultDependencies, Description, KillSignal, "               \
        "RuntimeMaxUSec, SendSIGHUP, TimeoutStopUSec"

enum { LIST_MAX = 64, TEXT_MAX = 256, UNIT_MAX = 255, NAME_MAX_ = 40 };

/* GVariant's text of an annotation, as far as it is understood. */
struct value {
        const char *at;
        char type; /* 0: none; D-Bus: b s i u x t; of a list, its elements' */
        bool list;
        struct strings v;
};

static int keep(struct value *v, char type, const char *text, size_t len, struct arena *a,
                struct err *e)
{
        const char *copy = arena_strndup(a, text, len, e);

        v->type = type;
        return copy ? spec_strings_add(&v->v, copy, a, e) : -1;
}

/* 'text' or "text"; a backslash only before itself and the quotes. Returns 1 if it is
 * none. */
static int read_string(struct value *v, struct arena *a, struct err *e)
{
        char text[TEXT_MAX], quote = *v->at;
        const char *s = v->at + 1;
        size_t n = 0;

        for (; *s && *s != quote; s++) {
                if (*s == '\\') {
                        s++;
                        if (*s != '\\' && *s != '\'' && *s != '"')
                                return 1;
                }
                if ((unsigned char)*s < ' ' || *s == 0x7f || n + 1 >= sizeof(text))
                        return 1;
                text[n++] = *s;
        }
        if (!*s)
                return 1;
        v->at = s + 1;
        return keep(v, 's', text, n, a, e);
}

/* "15", "-1", "uint64 10000000". Returns 1 if it is none. */
static int read_number(struct value *v, struct arena *a, struct err *e)
{
        static const struct {
                const char *word;
                char type;
        } types[] = { { "", 'i' },
                      { "int32 ", 'i' },
                      { "uint32 ", 'u' },
                      { "int64 ", 'x' },
                      { "uint64 ", 't' } };
        const char *s = v->at;
        size_t sign, len;
        char type = 'i';

        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
                if (strncmp(v->at, types[i].word, strlen(types[i].word)) == 0) {
                        type = types[i].type;
                        s = v->at + strlen(types[i].word);
                }
        sign = *s == '-' && (type == 'i' || type == 'x');
        len = strspn(s + sign, "0123456789");
        if (len == 0 || len > 20)
                return 1;
        v->at = s + sign + len;
        return keep(v, type, s, sign + len, a, e);
}

static int read_one(struct value *v, struct arena *a, struct err *e)
{
        static const char *const words[] = { "false", "true" };

        if (*v->at == '\'' || *v->at == '"')
                return read_string(v, a, e);
        for (int i = 0; i < 2; i++)
                if (strncmp(v->at, words[i], strlen(words[i])) == 0) {
                        v->at += strlen(words[i]);
                        return keep(v, 'b', i ? "1" : "0", 1, a, e);
                }
        return read_number(v, a, e);
}

/* Returns 0; 1 if TEXT is not understood; -1. */
static int read_value(const char *text, struct value *v, struct arena *a, struct err *e)
{
        int r;

        *v = (struct value){ .at = text, .list = *text == '[' };
        v->at += v->list;
        do {
                v->at += strspn(v->at, " ");
                r = read_one(v, a, e);
                if (r != 0 || v->v.n > LIST_MAX)
                        return r < 0 ? r : 1;
                v->at += strspn(v->at, " ");
        } while (v->list && *v->at == ',' && v->at++);
        return (v->list && *v->at++ != ']') || *v->at ? 1 : 0;
}

static int check_signal(const char *text)
{
        long n = strtol(text, NULL, 10);

        return n > 0 && n <= SIGRTMAX ? 0 : -1;
}

static int check_collect(const char *text)
{
        return strcmp(text, "inactive") == 0 || strcmp(text, "inactive-or-failed") == 0 ? 0 : -1;
}

static int check_unit(const char *text)
{
        size_t len = strlen(text);

        return len > 0 && len <= UNIT_MAX && strchr(text, '.') &&
                               strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                            "0123456789:_.\\-@") == len
                       ? 0
                       : -1;
}

static int check_number(const char *text)
{
        errno = 0;
        (void)strtoull(text, NULL, 10);
        return text[0] == '-' || errno ? -1 : 0;
}

static const struct allowed {
        struct systemd_property p;
        int (*check)(const char *text);
        const char *expected;
} allowed[] = {
        { { "After", "as", 0, { 0 } }, check_unit, "a list of units like ['crio.service']" },
        { { "Before", "as", 0, { 0 } }, check_unit, "a list of units like ['crio.service']" },
        { { "CollectMode", "s", 0, { 0 } },
          check_collect,
          "'inactive' or 'inactive-or-failed', in quotes" },
        { { "DefaultDependencies", "b", 0, { 0 } }, NULL, "true or false" },
        { { "Description", "s", 0, { 0 } }, NULL, "a text in quotes, of less than 256 bytes" },
        { { "KillSignal", "i", 0, { 0 } }, check_signal, "the number of a signal" },
        { { "RuntimeMaxUSec", "t", 0, { 0 } }, check_number, "a number like uint64 10000000" },
        { { "SendSIGHUP", "b", 0, { 0 } }, NULL, "true or false" },
        { { "TimeoutStopUSec", "t", 0, { 0 } }, check_number, "a number like uint64 10000000" },
};

/* "TimeoutStopSec" is said in seconds, and is TimeoutStopUSec. */
static bool is_seconds(const char *name)
{
        size_t len = strlen(name);

        return len > 3 && strcmp(name + len - 3, "Sec") == 0 && name[len - 4] >= 'a' &&
               name[len - 4] <= 'z';
}

static const struct allowed *find(const char *name)
{
        char in_usec[NAME_MAX_];

        if (is_seconds(name) && strlen(name) + 1 < sizeof(in_usec)) {
                snprintf(in_usec, sizeof(in_usec), "%.*sUSec", (int)strlen(name) - 3, name);
                name = in_usec;
        }
        for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
                if (strcmp(allowed[i].p.name, name) == 0)
                        return &allowed[i];
        return NULL;
}

/* Whole seconds of any type. */
static int from_seconds(struct value *v, struct arena *a, struct err *e)
{
        unsigned long long n;

        if (v->list || v->type == 's' || v->type == 'b' || check_number(v->v.v[0]) < 0)
                return 1;
        n = strtoull(v->v.v[0], NULL, 10);
        if (n > UINT64_MAX / 1000000)
                return 1;
        v->type = 't';
        v->v.v[0] = arena_printf(a, e, "%llu", n * 1000000);
        return v->v.v[0] ? 0 : -1;
}

static bool is_right(const struct allowed *p, const struct value *v)
{
        bool list = p->p.type[0] == 'a';

        if (v->list != list || v->type != p->p.type[list])
                return false;
        for (size_t i = 0; i < v->v.n; i++)
                if (p->check && p->check(v->v.v[i]) < 0)
                        return false;
        return true;
}

static int set(const char *key, const char *text, struct arena *a, struct systemd_properties *to,
               struct err *e)
{
        const char *name = key + strlen(PREFIX);
        const struct allowed *p = find(name);
        struct value v;
        int r;

        if (!p) {
                err_set(e, "annotations: %.100s: not a property that a container may set", key);
                return err_hint(e, "those are " ALLOWED);
        }
        r = read_value(text, &v, a, e);
        if (r == 0 && is_seconds(name))
                r = from_seconds(&v, a, e);
        if (r < 0)
                return -1;
        if (r > 0 || !is_right(p, &v))
                return err_set(e, "annotations: %.100s: '%.60s' is not %s", key, text,
                               is_seconds(name) ? "a number of seconds" : p->expected);
        for (size_t i = 0; i < v.v.n; i++)
                if (systemd_property_set(to, &p->p, v.v.v[i], a, e) < 0)
                        return -1;
        return 0;
}

int systemd_annotations(const struct pairs *annotations, struct arena *a,
                        struct systemd_properties *ret, struct err *e)
{
        for (size_t i = 0; annotations && i < annotations->n; i++)
                if (strncmp(annotations->v[i].key, PREFIX, strlen(PREFIX)) == 0 &&
                    set(annotations->v[i].key, annotations->v[i].value, a, ret, e) < 0)
                        return -1;
        return 0;
}
