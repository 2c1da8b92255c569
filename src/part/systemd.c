#include "kenro/part/systemd.h"

#include <stdio.h>
#include <string.h>

enum { UNIT_BYTES_MAX = 255, COLONS = 2 };

#define FORM "systemd's manager takes slice:prefix:name, like system.slice:kenro:c1"
#define UNIT_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.\\-"

static bool ends_with(const char *s, const char *end)
{
        size_t len = strlen(s), tail = strlen(end);

        return len >= tail && strcmp(s + len - tail, end) == 0;
}

/* A dash stands for a slice above; "-.slice" is the one above all. */
static int check_slice(const char *slice, struct err *e)
{
        size_t len = strlen(slice);

        if (!ends_with(slice, ".slice"))
                return err_set(e,
                               "linux.cgroupsPath: '%.80s' is no slice: it does not end in "
                               "'.slice'",
                               slice);
        if (len > UNIT_BYTES_MAX)
                return err_set(e,
                               "linux.cgroupsPath: a slice's name of %zu bytes; systemd takes "
                               "%d",
                               len, UNIT_BYTES_MAX);
        if (strcmp(slice, "-.slice") == 0)
                return 0;
        if (strspn(slice, UNIT_CHARS) != len || slice[0] == '-' || slice[0] == '.' ||
            strstr(slice, "--") || strstr(slice, "-.slice"))
                return err_set(e, "linux.cgroupsPath: '%.80s' is not the name of a slice", slice);
        return 0;
}

/* "a-b.slice" is in "a.slice". */
static const char *path_of(const char *slice, const char *unit, struct arena *a, struct err *e)
{
        const char *path = "", *end = slice + strlen(slice) - strlen(".slice");

        for (const char *at = slice; path && at <= end && strcmp(slice, "-.slice") != 0; at++)
                if (*at == '-' || at == end)
                        path = arena_printf(a, e, "%s/%.*s.slice", path, (int)(at - slice), slice);
        return path ? arena_printf(a, e, "%s/%s", path, unit) : NULL;
}

/* PREFIX-NAME.scope; what a unit's name cannot have is written as systemd-escape(1)
 * does. */
static const char *unit_of(const char *prefix, const char *name, struct arena *a, struct err *e)
{
        char unit[4 * UNIT_BYTES_MAX + 16], all[UNIT_BYTES_MAX + 1];
        size_t len = 0;

        if ((size_t)snprintf(all, sizeof(all), "%s%s%s", prefix, *prefix ? "-" : "", name) >=
            sizeof(all)) {
                err_set(e,
                        "linux.cgroupsPath: the unit's name is longer than the %d bytes that "
                        "systemd takes",
                        UNIT_BYTES_MAX);
                return NULL;
        }
        for (const char *s = all; *s; s++) {
                unsigned char c = (unsigned char)*s;

                if (c == '/' || c <= ' ' || c >= 0x7f) {
                        err_set(e, "linux.cgroupsPath: '%.80s' cannot be a unit's name", all);
                        return NULL;
                }
                len += (size_t)snprintf(unit + len, sizeof(unit) - len,
                                        strchr(UNIT_CHARS, c) ? "%c" : "\\x%02x", c);
        }
        if (strcmp(unit, "init") == 0) {
                /* It has no file, so systemd would take it for one that can be made. */
                err_set(e, "linux.cgroupsPath: 'init.scope' is systemd's own");
                return NULL;
        }
        if (len + strlen(".scope") <= UNIT_BYTES_MAX)
                return arena_printf(a, e, "%s.scope", unit);
        err_set(e, "linux.cgroupsPath: the unit's name would have %zu bytes; systemd takes %d",
                len + strlen(".scope"), UNIT_BYTES_MAX);
        return NULL;
}

static int parse(const struct systemd_input *in, struct arena *a, struct systemd_plan *r,
                 struct err *e)
{
        const char *fallback = in->user ? "user.slice" : "system.slice";
        char *slice, *prefix, *name;
        unsigned colons = 0;

        if (!in->cgroups_path || !*in->cgroups_path) {
                r->slice = fallback;
                r->unit = unit_of("kenro", in->id, a, e);
                return r->unit ? 0 : -1;
        }
        for (const char *s = in->cgroups_path; *s; s++)
                colons += *s == ':';
        if (colons != COLONS) {
                err_set(e, "linux.cgroupsPath: '%.200s' has %s two colons", in->cgroups_path,
                        colons < COLONS ? "less than" : "more than");
                return err_hint(e, FORM);
        }
        slice = arena_strndup(a, in->cgroups_path, strlen(in->cgroups_path), e);
        if (!slice)
                return -1;
        prefix = strchr(slice, ':');
        *prefix++ = '\0';
        name = strchr(prefix, ':');
        *name++ = '\0';
        if (!*name) {
                err_set(e, "linux.cgroupsPath: '%.200s' names no unit", in->cgroups_path);
                return err_hint(e, FORM);
        }
        if (ends_with(name, ".slice"))
                return err_set(e,
                               "linux.cgroupsPath: '%.80s' is a slice, which holds units and "
                               "no processes",
                               name);
        r->slice = *slice ? slice : fallback;
        r->unit = unit_of(prefix, name, a, e);
        return r->unit ? check_slice(r->slice, e) : -1;
}

/* What every scope of ours is. It goes with its last process, also after a failure, so
 * that nothing is left when the runtime is killed. */
static int describe(const struct systemd_input *in, struct arena *a, struct systemd_plan *r,
                    struct err *e)
{
        const struct {
                struct systemd_property p;
                const char *value;
        } rows[] = {
                { { "Description", "s", 0, { 0 } }, arena_printf(a, e, "container %s", in->id) },
                { { "Slice", "s", 0, { 0 } }, r->slice },
                { { "Delegate", "b", 0, { 0 } }, "1" },
                { { "DefaultDependencies", "b", 0, { 0 } }, "0" },
                { { "CollectMode", "s", 0, { 0 } }, "inactive-or-failed" },
                { { "CPUAccounting", "b", 0, { 0 } }, "1" },
                { { "MemoryAccounting", "b", 0, { 0 } }, "1" },
                { { "IOAccounting", "b", 0, { 0 } }, "1" },
                { { "TasksAccounting", "b", 0, { 0 } }, "1" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (!rows[i].value ||
                    systemd_property_set(&r->start, &rows[i].p, rows[i].value, a, e) < 0)
                        return -1;
        return systemd_annotations(in->annotations, a, &r->start, e);
}

/* While init is made there are more than init in the scope: the helper's process that
 * holds it, and what makes init. A limit that leaves no room for them comes later. */
static int make_room(struct arena *a, struct systemd_plan *r, struct err *e)
{
        static const struct systemd_property tasks = { "TasksMax", "t", 0, { 0 } };

        for (size_t i = 0; i < r->start.n; i++) {
                const struct systemd_property *p = &r->start.v[i];
                const char *limit;

                if (strcmp(p->name, tasks.name) != 0)
                        continue;
                limit = p->list.v[0];
                if (strlen(limit) > 1 || limit[0] > '3')
                        return 0;
                return systemd_property_set(&r->settle, &tasks, limit, a, e) < 0
                               ? -1
                               : systemd_property_set(&r->start, &tasks, "4", a, e);
        }
        return 0;
}

int systemd_plan(const struct systemd_input *in, struct arena *a, struct systemd_plan *ret,
                 struct err *e)
{
        struct systemd_plan r = { .wanted = true, .user = in->user };

        if (parse(in, a, &r, e) < 0)
                return -1;
        r.path = path_of(r.slice, r.unit, a, e);
        if (!r.path || describe(in, a, &r, e) < 0 ||
            systemd_limits(in, false, a, &r.start, e) < 0 || make_room(a, &r, e) < 0)
                return -1;
        *ret = r;
        return 0;
}

/* systemd puts "_" before a name that a file of the kernel's could have. */
static bool is_same_part(const char *group, size_t group_len, const char *part, size_t len)
{
        if (group_len == len + 1 && *group == '_')
                return strncmp(group + 1, part, len) == 0;
        return group_len == len && strncmp(group, part, len) == 0;
}

bool systemd_is_below(const char *group, const char *path)
{
        size_t at = strlen(group), end = strlen(path);

        while (end > 0) {
                size_t from = end, group_from = at;

                while (path[from - 1] != '/')
                        from--;
                while (group_from > 0 && group[group_from - 1] != '/')
                        group_from--;
                if (group_from == 0 ||
                    !is_same_part(group + group_from, at - group_from, path + from, end - from))
                        return false;
                end = from - 1;
                at = group_from - 1;
        }
        return true;
}
