#include "kenro/part/resctrl.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SCHEMATA_BYTES = 16 << 10 };

/* Directories and files of the file system's own. */
static const char *const reserved[] = { ".", "..", "info", "mon_data", "mon_groups" };

static int check_name(const char *name, struct err *e)
{
        bool bad = strlen(name) > NAME_MAX || strpbrk(name, "/\n");

        for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
                bad |= strcmp(name, reserved[i]) == 0;
        return bad ? err_set(e, "linux.intelRdt.closID: '%.100s' is not the name of a group", name)
                   : 0;
}

static int add_line(struct resctrl_plan *r, const char *line, const char *member, struct err *e)
{
        if (!line || !*line)
                return 0;
        if (strchr(line, '\n'))
                return err_set(e, "linux.intelRdt.%s: has a line's end", member);
        if (r->n_lines == sizeof(r->lines) / sizeof(r->lines[0]))
                return err_set(e, "linux.intelRdt.%s: more than %zu lines", member, r->n_lines);
        r->lines[r->n_lines++] = line;
        return 0;
}

static int add_lines(struct resctrl_plan *r, const struct spec_intel_rdt *rdt, struct err *e)
{
        char member[32];

        if (add_line(r, rdt->l3_cache_schema, "l3CacheSchema", e) < 0)
                return -1;
        if (rdt->mem_bw_schema && *rdt->mem_bw_schema && strncmp(rdt->mem_bw_schema, "MB:", 3) != 0)
                return err_set(e, "linux.intelRdt.memBwSchema: '%.60s' does not begin with MB:",
                               rdt->mem_bw_schema);
        if (add_line(r, rdt->mem_bw_schema, "memBwSchema", e) < 0)
                return -1;
        for (size_t i = 0; i < rdt->schemata.n; i++) {
                snprintf(member, sizeof(member), "schemata[%zu]", i);
                if (add_line(r, rdt->schemata.v[i], member, e) < 0)
                        return -1;
        }
        return 0;
}

static bool is_there(const char *group)
{
        struct stat st;

        return stat(group, &st) == 0 && S_ISDIR(st.st_mode);
}

static int taken(const char *group, struct err *e)
{
        err_set(e, "linux.intelRdt: the group %s is there already", group);
        return err_hint(e, "remove it, or share it by linux.intelRdt.closID");
}

/* Before anything is written down as the container's own. */
static int check_there(const struct resctrl_plan *r, struct err *e)
{
        if (r->kind == RESCTRL_GIVEN && !is_there(r->group))
                return err_set(e, "linux.intelRdt.closID: there is no group %s", r->group);
        if (r->kind == RESCTRL_OWN && is_there(r->group))
                return taken(r->group, e);
        return r->monitor && is_there(r->monitor) ? taken(r->monitor, e) : 0;
}

int resctrl_plan(const struct spec_intel_rdt *rdt, const char *id, const struct host *h,
                 struct arena *a, struct resctrl_plan *ret, struct err *e)
{
        struct resctrl_plan r = { 0 };
        const char *name = id;

        if (!rdt) {
                *ret = r;
                return 0;
        }
        if (!h->resctrl) {
                err_set(e, "linux.intelRdt: no resctrl file system is mounted");
                return err_hint(e, "mount -t resctrl resctrl /sys/fs/resctrl");
        }
        if (add_lines(&r, rdt, e) < 0)
                return -1;
        if (rdt->clos_id && *rdt->clos_id) {
                name = strcmp(rdt->clos_id, "/") == 0 ? "" : rdt->clos_id;
                r.kind = r.n_lines > 0 && *name ? RESCTRL_NAMED : RESCTRL_GIVEN;
                if (check_name(name, e) < 0)
                        return -1;
        }
        r.group = arena_printf(a, e, "%s%s%s", h->resctrl, *name ? "/" : "", name);
        if (!r.group)
                return -1;
        if (rdt->enable_monitoring) {
                r.monitor = arena_printf(a, e, "%s/mon_groups/%s", r.group, id);
                if (!r.monitor)
                        return -1;
        }
        if (check_there(&r, e) < 0)
                return -1;
        *ret = r;
        return 0;
}

/* The kernel says more in a file at the top of the file system. */
static int cannot(const struct resctrl_plan *p, int num, const char *what, const char *where,
                  struct err *e)
{
        char path[PATH_MAX], why[ERR_HINT_MAX];
        const char *slash = p->kind == RESCTRL_GIVEN ? NULL : strrchr(p->group, '/');
        size_t len = slash ? (size_t)(slash - p->group) : strlen(p->group);

        err_sys(e, num, "linux.intelRdt: cannot %s %s", what, where);
        snprintf(path, sizeof(path), "%.*s/info/last_cmd_status", (int)len, p->group);
        if (file_peek(AT_FDCWD, path, why, sizeof(why)) <= 0)
                return -1;
        why[strcspn(why, "\n")] = '\0';
        return strcmp(why, "ok") == 0 ? -1 : err_hint(e, "%s", why);
}

static int make(const struct resctrl_plan *p, const char *path, bool *made, struct err *e)
{
        *made = mkdir(path, 0755) == 0;
        if (*made)
                return 0;
        return errno == EEXIST ? taken(path, e) : cannot(p, errno, "make the group", path, e);
}

int resctrl_make_parent(const struct resctrl_plan *p, struct resctrl *ret, struct err *e)
{
        struct resctrl r = { 0 };
        bool there;

        *ret = r;
        if (!p->group)
                return 0;
        there = p->kind == RESCTRL_GIVEN || (p->kind == RESCTRL_NAMED && is_there(p->group));
        if (!there && make(p, p->group, &r.made, e) < 0)
                return -1;
        if (p->monitor && make(p, p->monitor, &r.made_monitor, e) < 0) {
                resctrl_undo(p, &r);
                return -1;
        }
        *ret = r;
        return 0;
}

/* "3=7f0" at *AT, with blanks, which moves behind the separator. */
static bool next_share(const char **at, int base, unsigned long *domain, unsigned long long *value)
{
        char *end;

        *at += strspn(*at, " ;");
        if (**at < '0' || **at > '9')
                return false;
        *domain = strtoul(*at, &end, 10);
        if (*end != '=')
                return false;
        *value = strtoull(end + 1, &end, base);
        *at = end;
        return true;
}

/* The shares of the resource NAME, LEN bytes, in the schemata TEXT: behind its colon. */
static const char *find_resource(const char *text, const char *name, size_t len)
{
        while (text) {
                text += strspn(text, " \n");
                if (strncmp(text, name, len) == 0 && text[len] == ':')
                        return text + len + 1;
                text = strchr(text, '\n');
        }
        return NULL;
}

/* The kernel pads what it prints, so compare as numbers; a line may leave domains out. */
static bool holds(const char *text, const char *line)
{
        size_t len = strcspn(line, ":");
        int base = strncmp(line, "MB:", 3) == 0 ? 10 : 16;
        const char *have = find_resource(text, line, len), *want = line + len + 1;
        unsigned long domain, other;
        unsigned long long value, is;

        if (!have || line[len] == '\0')
                return false;
        while (next_share(&want, base, &domain, &value)) {
                const char *at = have;
                bool same = false;

                while (!same && next_share(&at, base, &other, &is))
                        same = other == domain && is == value;
                if (!same)
                        return false;
        }
        return *want == '\0';
}

static int compare(const struct resctrl_plan *p, const char *path, struct err *e)
{
        char text[SCHEMATA_BYTES];
        ssize_t n = file_peek(AT_FDCWD, path, text, sizeof(text));

        if (n < 0)
                return cannot(p, (int)-n, "read", path, e);
        for (size_t i = 0; i < p->n_lines; i++)
                if (!holds(text, p->lines[i]))
                        return err_set(e,
                                       "linux.intelRdt: the group %s is there and has not '%.100s'",
                                       p->group, p->lines[i]);
        return 0;
}

int resctrl_set_parent(const struct resctrl_plan *p, const struct resctrl *made, struct err *e)
{
        char path[PATH_MAX], line[1024];

        if (!p->group || p->n_lines == 0)
                return 0;
        snprintf(path, sizeof(path), "%s/schemata", p->group);
        if (!made->made)
                return compare(p, path, e);
        for (size_t i = 0; i < p->n_lines; i++) {
                int r = snprintf(line, sizeof(line), "%s\n", p->lines[i]);

                r = (size_t)r < sizeof(line) ? file_poke(AT_FDCWD, path, line) : -ENAMETOOLONG;
                if (r < 0)
                        return cannot(p, -r, "write to", path, e);
        }
        return 0;
}

/* What TEXT has for the resource of LINE. NULL with E set if that is nothing. */
static const char *old_line(const char *text, const char *line, struct arena *a, struct err *e)
{
        size_t len = strcspn(line, ":");
        const char *shares = line[len] && !strchr(line, '\n') ? find_resource(text, line, len)
                                                              : NULL;

        if (!shares) {
                err_set(e, "'%.60s' is no line for a resource that the group has", line);
                return NULL;
        }
        return arena_printf(a, e, "%.*s:%.*s", (int)len, line, (int)strcspn(shares, "\n"), shares);
}

int resctrl_change(const char *group, const char *const lines[RESCTRL_CHANGES], struct arena *a,
                   const char *old[RESCTRL_CHANGES], struct err *e)
{
        const struct resctrl_plan p = { .group = group };
        char path[PATH_MAX], text[SCHEMATA_BYTES], line[1024];
        ssize_t n;

        snprintf(path, sizeof(path), "%s/schemata", group);
        n = file_peek(AT_FDCWD, path, text, sizeof(text));
        if (n < 0)
                return cannot(&p, (int)-n, "read", path, e);
        for (size_t i = 0; i < RESCTRL_CHANGES; i++)
                old[i] = NULL;
        for (size_t i = 0; i < RESCTRL_CHANGES; i++)
                if (lines[i] && !(old[i] = old_line(text, lines[i], a, e)))
                        return -1;
        for (size_t i = 0; i < RESCTRL_CHANGES; i++) {
                int r = lines[i] ? snprintf(line, sizeof(line), "%s\n", lines[i]) : 0;

                if (r > 0)
                        r = (size_t)r < sizeof(line) ? file_poke(AT_FDCWD, path, line)
                                                     : -ENAMETOOLONG;
                if (r >= 0)
                        continue;
                cannot(&p, -r, "write to", path, e);
                for (size_t k = 0; k < i && old[k]; k++) {
                        snprintf(line, sizeof(line), "%s\n", old[k]);
                        (void)file_poke(AT_FDCWD, path, line);
                }
                return -1;
        }
        return 0;
}

int resctrl_enter_parent(const char *group, const char *monitor, pid_t pid, struct err *e)
{
        const char *const groups[] = { group, monitor };
        char path[PATH_MAX], text[16];

        snprintf(text, sizeof(text), "%d", pid);
        for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
                int r;

                if (!groups[i] || !*groups[i])
                        continue;
                snprintf(path, sizeof(path), "%s/tasks", groups[i]);
                r = file_poke(AT_FDCWD, path, text);
                if (r < 0)
                        return err_sys(e, -r, "linux.intelRdt: cannot write to %s", path);
        }
        return 0;
}

int resctrl_remove(const char *group, struct err *e)
{
        if (group && *group && rmdir(group) < 0 && errno != ENOENT)
                return err_sys(e, errno, "cannot remove the group %s", group);
        return 0;
}

void resctrl_undo(const struct resctrl_plan *p, const struct resctrl *made)
{
        struct err ignored;

        if (made->made_monitor)
                (void)resctrl_remove(p->monitor, &ignored);
        if (made->made)
                (void)resctrl_remove(p->group, &ignored);
}
