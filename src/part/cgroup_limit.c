#include "kenro/part/cgroup_limit.h"

#include "kenro/base/bits.h"
#include "kenro/base/file.h"
#include "kenro/base/log.h"
#include "kenro/base/size.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_BYTES = 256, VALUE_BYTES = 4096 };

/* ---- controllers -------------------------------------------------------------------- */

static bool has_word(const char *text, const char *word, size_t len)
{
        for (const char *at = text; *(at += strspn(at, " \n")); at += strcspn(at, " \n"))
                if (strcspn(at, " \n") == len && strncmp(at, word, len) == 0)
                        return true;
        return false;
}

/* The name up to the first dot; NULL for what every group has. */
static const char *controller_of(const struct cgroup_limit *l, char ret[32])
{
        snprintf(ret, 32, "%.*s", (int)strcspn(l->file, "."), l->file);
        return strcmp(ret, "cgroup") == 0 ? NULL : ret;
}

/* The first that cannot do without CONTROLLER, or NULL. */
static const struct cgroup_limit *who_needs(const struct cgroup_limit_plan *p,
                                            const char *controller)
{
        char name[32];

        for (size_t i = 0; i < p->n; i++)
                if (!(p->v[i].flags & LIMIT_LIFTED) && controller_of(&p->v[i], name) &&
                    strcmp(name, controller) == 0)
                        return &p->v[i];
        return NULL;
}

static int cannot_enable(const struct cgroup_limit *l, const char *controller, const char *where,
                         int num, struct err *e)
{
        err_sys(e, num, "%s: cannot enable the controller '%s' for the groups in %s", l->field,
                controller, where);
        if (num == EBUSY)
                return err_hint(e,
                                "a group with processes of its own can have no limits for groups "
                                "in it: move them into a group below it");
        if (num == EACCES || num == EPERM || num == EROFS)
                return err_hint(e,
                                "it has to be delegated to this user: in systemd's units by "
                                "Delegate=%s",
                                controller);
        return -1;
}

/* "+NAME" for each that is in HAS and not in ON. */
static void missing(const char *has, const char *on, char ret[2 * LIST_BYTES])
{
        size_t len = 0, n;

        ret[0] = '\0';
        for (const char *name = has; *(name += strspn(name, " \n")); name += n) {
                n = strcspn(name, " \n");
                if (!has_word(on, name, n))
                        len += (size_t)snprintf(ret + len, 2 * LIST_BYTES - len, " +%.*s", (int)n,
                                                name);
        }
}

/* A group with processes can hand on some controllers, and becomes threaded by that: no
 * container could be below it. The root of all groups can do both; it has no type. */
static bool has_processes(const struct cgroup_limit_group *g, const char *dir)
{
        char path[PATH_MAX + 32], text[32];

        snprintf(path, sizeof(path), "%s%scgroup.type", dir, *dir ? "/" : "");
        if (file_peek(g->host->fd, path, text, sizeof(text)) < 0)
                return false;
        snprintf(path, sizeof(path), "%s%scgroup.procs", dir, *dir ? "/" : "");
        return file_peek(g->host->fd, path, text, sizeof(text)) != 0;
}

/* All of WORDS at once, or if one cannot be, each; what a limit needs must be. */
static int enable_words(const struct cgroup_limit_plan *p, const struct cgroup_limit_group *g,
                        const char *dir, char *words, struct err *e)
{
        char path[PATH_MAX + 32], where[PATH_MAX + 32], *word;
        bool busy = has_processes(g, dir);

        snprintf(path, sizeof(path), "%s%scgroup.subtree_control", dir, *dir ? "/" : "");
        if (!busy && file_poke(g->host->fd, path, words + 1) == 0)
                return 0;
        while ((word = strsep(&words, " ")) != NULL) {
                const struct cgroup_limit *l = *word ? who_needs(p, word + 1) : NULL;
                int r = busy ? -EBUSY : *word ? file_poke(g->host->fd, path, word) : 0;

                if (r < 0 && l) {
                        snprintf(where, sizeof(where), "%s/%s", g->host->mount, dir);
                        return cannot_enable(l, word + 1, where, -r, e);
                }
        }
        log_debug("cannot enable all controllers for the groups in /%s", dir);
        return 0;
}

/* What the group at DIR ("" is the mount) has and does not hand on, it hands on: beside
 * what is asked for that is statistics and events. */
static int enable_in(const struct cgroup_limit_plan *p, const struct cgroup_limit_group *g,
                     const char *dir, struct err *e)
{
        char path[PATH_MAX + 32], has[LIST_BYTES], on[LIST_BYTES], words[2 * LIST_BYTES];

        snprintf(path, sizeof(path), "%s%scgroup.controllers", dir, *dir ? "/" : "");
        if (file_peek(g->host->fd, path, has, sizeof(has)) < 0)
                return 0; /* what is missing then, is so in the group itself */
        snprintf(path, sizeof(path), "%s%scgroup.subtree_control", dir, *dir ? "/" : "");
        if (file_peek(g->host->fd, path, on, sizeof(on)) < 0)
                on[0] = '\0';
        missing(has, on, words);
        return words[0] ? enable_words(p, g, dir, words, e) : 0;
}

/* Top down: a group can hand on only what it has. Most often all is there already. */
static int enable(const struct cgroup_limit_plan *p, const struct cgroup_limit_group *g,
                  struct err *e)
{
        char has[LIST_BYTES], own[LIST_BYTES], name[32], dir[PATH_MAX] = "";
        const char *slash = g->path, *controller;

        if (file_peek(g->host->fd, "cgroup.controllers", has, sizeof(has)) < 0 ||
            file_peek(g->fd, "cgroup.controllers", own, sizeof(own)) < 0)
                return p->n == 0 ? 0 : err_set(e, "cannot read the cgroup's controllers");
        for (; strcmp(has, own) != 0 && slash; slash = strchr(slash + 1, '/')) {
                snprintf(dir, sizeof(dir), "%.*s", slash > g->path ? (int)(slash - g->path - 1) : 0,
                         g->path + 1);
                if (enable_in(p, g, dir, e) < 0)
                        return -1;
        }
        for (size_t i = 0; i < p->n; i++) {
                const struct cgroup_limit *l = &p->v[i];

                controller = controller_of(l, name);
                if ((l->flags & LIMIT_LIFTED) || !controller ||
                    has_word(has, controller, strlen(controller)))
                        continue;
                err_set(e, "%s: the cgroup2 tree at %s lacks the controller '%s'", l->field,
                        g->host->mount, controller);
                return err_hint(e, "it may be in use by a version 1 tree: boot with "
                                   "cgroup_no_v1=all");
        }
        return 0;
}

/* ---- values ------------------------------------------------------------------------- */

static int explain(const struct cgroup_limit *l, int num, struct err *e)
{
        if (num == ENOENT && strncmp(l->file, "hugetlb.", 8) == 0)
                return err_hint(e, "this kernel has no huge pages of that size");
        if (num == ENOENT && l->or_file)
                return err_hint(e,
                                "nor is there %s: weights need the I/O scheduler bfq, or a "
                                "kernel with blk-iocost",
                                l->or_file);
        if (num == ENOENT)
                return err_hint(e, "this kernel has no such file");
        if (num == ENODEV || num == ENXIO)
                return err_hint(e, "there is no such device");
        if (num == EACCES || num == EPERM)
                return err_hint(e, "the file is not this user's");
        return -1;
}

/* What a group above does not have, or is not online, the kernel leaves out: and if nothing
 * is left, it silently takes all that there is. */
static int check_effective(const struct cgroup_limit *l, const struct cgroup_limit_group *g,
                           struct err *e)
{
        char file[64], text[VALUE_BYTES];
        struct bits asked, effective;

        snprintf(file, sizeof(file), "%s.effective", l->file);
        if (file_peek(g->fd, file, text, sizeof(text)) <= 0)
                return 0;
        text[strcspn(text, "\n")] = '\0';
        if (!text[0] || bits_parse(text, &effective, e) < 0 || bits_parse(l->value, &asked, e) < 0)
                return 0;
        bits_remove(&effective, &asked);
        if (bits_is_empty(&effective))
                return 0;
        return err_set(e, "%s: none of '%.60s' can be used in the cgroup %s: %s has %.60s",
                       l->field, l->value, g->path, file, text);
}

static int put(const struct cgroup_limit *l, const struct cgroup_limit_group *g, struct err *e)
{
        const char *file = l->file, *value = l->value;
        int r = file_poke(g->fd, file, value[0] ? value : "\n");

        if (r == -ENOENT && l->or_file) {
                file = l->or_file;
                value = l->or_value;
                r = file_poke(g->fd, file, value);
        }
        if (r == -ENOENT && (l->flags & LIMIT_LIFTED))
                return 0;
        if (r < 0) {
                err_sys(e, -r, "%s: cannot write '%.80s' to %s%s/%s", l->field, value,
                        g->host->mount, g->path, file);
                return explain(l, -r, e);
        }
        return l->flags & LIMIT_EFFECTIVE ? check_effective(l, g, e) : 0;
}

/* ---- groups that are in use --------------------------------------------------------- */

/* A file with a line for each device, or each of another kind. */
static bool is_keyed(const struct cgroup_limit *l)
{
        return strchr(l->value, ' ') &&
               (strncmp(l->file, "io.", 3) == 0 || strcmp(l->file, "rdma.max") == 0);
}

/* Of a device without a line. */
static const char *no_line(const char *file)
{
        if (strcmp(file, "io.max") == 0)
                return "rbps=max wbps=max riops=max wiops=max";
        return strcmp(file, "rdma.max") == 0 ? "hca_handle=max hca_object=max" : "default";
}

/* The part of TEXT that is in the place of VALUE. */
static char *old_value(struct arena *a, const struct cgroup_limit *l, const char *text,
                       struct err *e)
{
        size_t len = strcspn(l->value, " ") + 1;

        if (!is_keyed(l))
                return arena_strndup(a, text, strcspn(text, "\n"), e);
        for (const char *line = text; *line; line += line[0] == '\n') {
                if (strncmp(line, l->value, len) == 0)
                        return arena_strndup(a, line, strcspn(line, "\n"), e);
                line += strcspn(line, "\n");
        }
        return arena_printf(a, e, "%.*s%s", (int)len, l->value, no_line(l->file));
}

/* As the kernel reads it: values of unified may have a unit. */
static uint64_t number(const char *text)
{
        uint64_t n;
        int r = size_parse(text, strcspn(text, " \n"), SIZE_KERNEL, &n);

        if (r == 0)
                return n;
        return r == -ERANGE || strncmp(text, "max", 3) == 0 ? UINT64_MAX : 0;
}

/* What FILE says now, 0 if that is nothing. */
static uint64_t current(const struct cgroup_limit_group *g, const char *file)
{
        char text[32];

        return file_peek(g->fd, file, text, sizeof(text)) > 0 ? number(text) : 0;
}

/* Note what stands where L goes. */
static int note_one(struct cgroup_limit_group *g, const struct cgroup_limit *l, struct err *e)
{
        char text[VALUE_BYTES];
        struct cgroup_limit old = *l, *at;

        if (file_peek(g->fd, old.file, text, sizeof(text)) < 0) {
                if (!old.or_file || file_peek(g->fd, old.or_file, text, sizeof(text)) < 0)
                        return 0;
                old.file = old.or_file;
                old.value = old.or_value;
        }
        old.or_file = NULL;
        old.flags = 0;
        old.value = old_value(g->arena, &old, text, e);
        at = old.value ? arena_push(g->arena, &g->undo.v, &g->undo.n, sizeof(*at), e) : NULL;
        if (!at)
                return -1;
        *at = old;
        return 0;
}

/* A group that is idle no more has the usual weight, and one that is has none. */
static int note(struct cgroup_limit_group *g, const struct cgroup_limit *l, struct err *e)
{
        static const char idle[] = "cpu.idle", file[] = "cpu.weight";
        const struct cgroup_limit weight = { .field = l->field, .file = file, .value = "" };

        if (strcmp(l->file, file) == 0 && current(g, idle) == 1)
                return 0;
        if (strcmp(l->file, idle) == 0 && current(g, idle) == 0 && note_one(g, &weight, e) < 0)
                return -1;
        return note_one(g, l, e);
}

void cgroup_limit_undo(const struct cgroup_limit_group *g)
{
        struct err e;

        for (size_t i = g->undo.n; i > 0; i--)
                if (put(&g->undo.v[i - 1], g, &e) < 0)
                        log_warn("%s", e.text);
}

static int check_usage(const struct cgroup_limit_plan *p, const struct cgroup_limit_group *g,
                       struct err *e)
{
        static const char *const rows[][2] = {
                { "memory.max", "memory.current" },
                { "memory.swap.max", "memory.swap.current" },
        };

        for (size_t i = 0; p->check_usage && i < p->n * 2; i++) {
                const struct cgroup_limit *l = &p->v[i / 2];
                uint64_t used = current(g, rows[i % 2][1]);

                if (strcmp(l->file, rows[i % 2][0]) == 0 && number(l->value) < used)
                        return err_set(e,
                                       "%s: rejecting %s for %s, it uses %llu now "
                                       "(memory.checkBeforeUpdate)",
                                       l->field, l->value, l->file, (unsigned long long)used);
        }
        return 0;
}

/* Whether the entry behind L goes first. The kernel takes no burst above the quota; and
 * what no longer fits into memory needs room in swap, or the OOM killer comes. */
static bool is_after_next(const struct cgroup_limit *l, const struct cgroup_limit *next,
                          const struct cgroup_limit_group *g)
{
        if (strcmp(l->file, "cpu.max.burst") == 0 && strcmp(next->file, "cpu.max") == 0)
                return !g->arena || number(l->value) > current(g, l->file);
        return g->arena && strcmp(l->file, "memory.max") == 0 &&
               strcmp(next->file, "memory.swap.max") == 0 && number(l->value) < current(g, l->file);
}

static int put_all(const struct cgroup_limit_plan *p, struct cgroup_limit_group *g, struct err *e)
{
        for (size_t i = 0; i < p->n; i++) {
                const struct cgroup_limit *l = &p->v[i];
                bool swap = i + 1 < p->n && is_after_next(l, l + 1, g);

                for (size_t k = 0; k <= swap; k++) {
                        const struct cgroup_limit *it = &l[swap ? 1 - k : 0];

                        if ((g->arena && note(g, it, e) < 0) || put(it, g, e) < 0)
                                return -1;
                }
                i += swap;
        }
        return 0;
}

int cgroup_limit_parent(const struct cgroup_limit_plan *p, struct cgroup_limit_group *g,
                        struct err *e)
{
        g->undo = (struct cgroup_limit_plan){ 0 };
        if (enable(p, g, e) < 0 || (g->arena && check_usage(p, g, e) < 0))
                return -1;
        if (put_all(p, g, e) == 0)
                return 0;
        cgroup_limit_undo(g);
        return -1;
}
