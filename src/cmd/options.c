#include "kenro/cmd/options.h"

#include "kenro/base/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An option as it stands on the command line. */
struct given {
        const char *name;  /* without dashes */
        size_t len;        /* of the name */
        const char *value; /* after "=", or NULL */
        bool two_dashes;   /* before it */
};

static struct given look_at(const char *arg)
{
        struct given g = { .name = arg + 1 };
        const char *equals;

        g.two_dashes = *g.name == '-';
        if (g.two_dashes)
                g.name++;
        equals = strchr(g.name, '=');
        g.len = equals ? (size_t)(equals - g.name) : strlen(g.name);
        g.value = equals ? equals + 1 : NULL;
        return g;
}

/* "-bDIR": a letter with its value attached; only where no long name fits. */
static const struct option_row *find(const struct option_row *rows, struct given *g)
{
        for (const struct option_row *r = rows; r->kind != OPTION_END; r++)
                if (strlen(r->name) == g->len && strncmp(r->name, g->name, g->len) == 0)
                        return r;
        for (const struct option_row *r = rows; r->kind != OPTION_END; r++) {
                if (!r->letter || r->letter != g->name[0])
                        continue;
                if (g->len == 1)
                        return r;
                if (!g->two_dashes && r->kind != OPTION_FLAG) {
                        g->value = g->name + 1;
                        return r;
                }
        }
        return NULL;
}

static int unknown(const struct option_row *rows, const struct given *g, struct err *e)
{
        char name[64];

        snprintf(name, sizeof(name), "%.*s", (int)g->len, g->name);
        err_set(e, "unknown option '%s%s'", g->two_dashes || g->len > 1 ? "--" : "-", name);
        for (; rows->kind != OPTION_END; rows++)
                if (name_is_near(rows->name, name))
                        return err_hint(e, "did you mean '--%s'?", rows->name);
        return -1;
}

static int store_flag(const char *text, const char *name, bool *ret, struct err *e)
{
        if (!text || strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
                *ret = true;
        else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
                *ret = false;
        else
                return err_set(e, "option '--%s': '%.60s' is neither true nor false", name, text);
        return 0;
}

static int store_number(const char *text, const char *name, unsigned *ret, struct err *e)
{
        char *end;
        unsigned long n = strtoul(text, &end, 10);

        if (text[0] < '0' || text[0] > '9' || *end || n > UINT32_MAX)
                return err_set(e, "option '--%s': '%.60s' is not a number", name, text);
        *ret = (unsigned)n;
        return 0;
}

static int store(const struct option_row *r, const char *text, void *values, struct arena *a,
                 struct err *e)
{
        void *at = (char *)values + r->offset;
        struct strings *list = at;
        const char **item;

        switch (r->kind) {
        case OPTION_FLAG:
                return store_flag(text, r->name, at, e);
        case OPTION_NUMBER:
                return store_number(text, r->name, at, e);
        case OPTION_TEXT:
                *(const char **)at = text;
                return 0;
        case OPTION_LIST:
                item = arena_push(a, &list->v, &list->n, sizeof(*list->v), e);
                if (!item)
                        return -1;
                *item = text;
                return 0;
        case OPTION_END:
        default:
                return 0;
        }
}

int options_parse(const struct options *o, int argc, char **argv, int *at, struct arena *a,
                  struct err *e)
{
        int out = *at, i = *at;

        for (; i < argc; i++) {
                const struct option_row *r;
                struct given g;

                if (strcmp(argv[i], "--") == 0) {
                        i++;
                        break;
                }
                if (argv[i][0] != '-' || argv[i][1] == '\0') {
                        if (!o->permute)
                                break;
                        argv[out++] = argv[i];
                        continue;
                }
                g = look_at(argv[i]);
                r = find(o->rows, &g);
                if (!r)
                        return unknown(o->rows, &g, e);
                if (r->kind != OPTION_FLAG && !g.value) {
                        if (i + 1 == argc)
                                return err_set(e, "option '--%s' requires an argument", r->name);
                        g.value = argv[++i];
                }
                if (store(r, g.value, o->values, a, e) < 0)
                        return -1;
        }
        /* Operands that came before options, then the rest: close the gap, so that
         * they end where the array does. */
        memmove(argv + argc - (argc - i) - (out - *at), argv + *at,
                (size_t)(out - *at) * sizeof(*argv));
        *at = i - (out - *at);
        return 0;
}

void options_help(const struct option_row *rows)
{
        for (; rows->kind != OPTION_END; rows++) {
                char left[64];
                bool value = rows->kind != OPTION_FLAG;

                if (!rows->help)
                        continue;
                snprintf(left, sizeof(left), "%s%c%s--%s%s%s", rows->letter ? "-" : " ",
                         rows->letter ? rows->letter : ' ', rows->letter ? ", " : "  ", rows->name,
                         value ? " " : "", value ? rows->arg : "");
                printf("  %-32s %s\n", left, rows->help);
        }
}
