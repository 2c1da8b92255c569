/* mounts[].options, one a line. */
#include "fuzz.h"

#include "kenro/base/sys.h"
#include "kenro/part/mount_option.h"

#include <string.h>

enum { OPTIONS_MAX = 64, FLAGS_MAX = 5 };

/* What mount_setattr(2) takes: one access time mode, and never a part of them
 * cleared. */
static void check_attrs(uint64_t set, uint64_t clear)
{
        HOLDS((set & clear & ~(uint64_t)MOUNT_ATTR__ATIME) == 0, NULL);
        HOLDS((clear & MOUNT_ATTR__ATIME) == 0 || (clear & MOUNT_ATTR__ATIME) == MOUNT_ATTR__ATIME,
              NULL);
        HOLDS((set & MOUNT_ATTR__ATIME) == 0 || (clear & MOUNT_ATTR__ATIME) != 0, NULL);
        HOLDS((set & MOUNT_ATTR__ATIME) != MOUNT_ATTR__ATIME, NULL);
}

static void check(const struct strings *options, const struct mount_options *o)
{
        check_attrs(o->set, o->clear);
        check_attrs(o->rset, o->rclear);
        HOLDS(o->n_propagation <= MOUNT_PROPAGATIONS_MAX, NULL);
        HOLDS(o->n_param <= options->n + FLAGS_MAX, NULL);
        for (size_t i = 0; i < o->n_param; i++)
                HOLDS(o->param[i].key && !strchr(o->param[i].key, '='), o->param[i].key);
}

/* The last one wins, so a list means the same when it is said twice. */
static void check_twice(const struct strings *options, const struct mount_options *once,
                        struct arena *a)
{
        const char *v[OPTIONS_MAX * 2];
        struct strings twice = { v, options->n * 2 };
        struct mount_options o;
        struct err e;

        for (size_t i = 0; i < twice.n; i++)
                v[i] = options->v[i % options->n];
        if (mount_options_parse(&twice, a, &o, &e) < 0)
                return; /* too many propagation options */
        HOLDS(o.set == once->set && o.clear == once->clear, NULL);
        HOLDS(o.rset == once->rset && o.rclear == once->rclear, NULL);
        HOLDS(o.bind == once->bind && o.recursive == once->recursive, NULL);
        HOLDS(o.remount == once->remount, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *v[OPTIONS_MAX];
        struct strings options = { v, 0 };
        struct mount_options o;
        struct err e = { 0 };
        struct arena a;
        char *text;

        HOLDS(arena_init(&a, PLAN_BYTES_MAX, &e) == 0, NULL);
        text = arena_strndup(&a, (const char *)data, size, &e);
        while (text && options.n < OPTIONS_MAX) {
                char *line = strsep(&text, "\n");

                v[options.n++] = arena_strndup(&a, line, strlen(line), &e);
        }
        if (mount_options_parse(&options, &a, &o, &e) < 0) {
                fuzz_check_error(&e);
                HOLDS(e.text[0], NULL);
        } else {
                check(&options, &o);
                check_twice(&options, &o, &a);
        }
        arena_release(&a);
        return 0;
}
