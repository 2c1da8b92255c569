/* state and list. */
#include "kenro/base/fd.h"
#include "kenro/base/log.h"
#include "kenro/base/sys.h"
#include "kenro/cmd/cmd.h"
#include "kenro/json/json_write.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct list_options {
        const char *format;
        bool quiet;
};

/* clang-format off */
const struct option_row list_rows[] = {
        { "format", 'f', OPTION_TEXT, offsetof(struct list_options, format), "table|json",
          "how to print (default: table)" },
        { "quiet", 'q', OPTION_FLAG, offsetof(struct list_options, quiet), NULL, "ids only" },
        { 0 },
};
/* clang-format on */

static void owner_of(const struct container *c, char buf[16])
{
        struct stat st;

        if (fstat(c->dir_fd, &st) == 0 && st.st_uid != 0)
                snprintf(buf, 16, "%u", st.st_uid);
        else
                snprintf(buf, 16, "root");
}

static void write_state(struct json_out *o, const struct container *c, enum container_status s)
{
        const struct state *st = &c->state;
        char owner[16];

        owner_of(c, owner);
        json_map(o);
        state_describe(o, st, container_status_name(s), s == CONTAINER_STOPPED ? 0 : st->pid);
        json_key_str(o, "rootfs", st->rootfs);
        json_key_str(o, "created", st->created);
        json_key_str(o, "owner", owner);
        json_map_end(o);
}

int cmd_state(struct cli *c, struct err *e)
{
        struct container container;
        struct cmd_host facts;
        struct json_out o;
        const char *text;
        size_t len;

        if (cmd_open(c, &container, e) < 0 || cmd_probe(c, &facts, e) < 0 ||
            json_out_init(&o, true, e) < 0)
                return -1;
        write_state(&o, &container,
                    container_status(&container, facts.host.proc_fd, &facts.cgroup));
        text = json_text(&o, &len, e);
        return text ? cmd_print(text, len, e) : -1;
}

/* What a listing goes to. */
struct listing {
        struct json_out json;
        bool as_json, quiet;
};

static void list_one(struct listing *l, const struct container *c, enum container_status s)
{
        char owner[16];

        if (l->quiet) {
                printf("%s\n", c->id);
                return;
        }
        if (l->as_json) {
                write_state(&l->json, c, s);
                return;
        }
        owner_of(c, owner);
        printf("%-24s %-10llu %-10s %-32s %-32s %s\n", c->id,
               s == CONTAINER_STOPPED ? 0ull : (unsigned long long)c->state.pid,
               container_status_name(s), c->state.bundle, c->state.created, owner);
}

/* The arena is reused for each container: a thousand need no more than one. */
static void list_entry(struct cli *c, int root_fd, const char *id, const struct cmd_host *facts,
                       struct listing *l)
{
        struct container container;
        size_t mark = c->arena->used;
        struct err e;
        int r = container_open_at(root_fd, id, c->arena, &container, &e);

        if (r == 0 && container.state.version != 0)
                list_one(l, &container,
                         container_status(&container, facts->host.proc_fd, &facts->cgroup));
        else if (r < 0)
                log_warn("%s: %s", id, e.text);
        container.root_fd = -1; /* it is ours */
        container_close(&container);
        memset(c->arena->base + mark, 0, c->arena->used - mark);
        c->arena->used = mark;
}

static int list_all(struct cli *c, int root_fd, struct listing *l, struct err *e)
{
        struct cmd_host facts;
        char entries[8192];
        long n;

        if (cmd_probe(c, &facts, e) < 0)
                return -1;
        while ((n = syscall(SYS_getdents64, root_fd, entries, sizeof(entries))) > 0) {
                for (long at = 0; at < n;) {
                        const struct dirent64 *d = (const void *)(entries + at);

                        at += d->d_reclen;
                        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
                                list_entry(c, root_fd, d->d_name, &facts, l);
                }
        }
        return n < 0 ? err_sys(e, errno, "cannot read the directory %s", c->root) : 0;
}

static int list_begin(const struct list_options *o, struct listing *l, struct err *e)
{
        l->quiet = o->quiet;
        l->as_json = o->format && strcmp(o->format, "json") == 0;
        if (o->format && !l->as_json && strcmp(o->format, "table") != 0)
                return err_set(e, "option '--format': '%.40s' is neither table nor json",
                               o->format);
        if (json_out_init(&l->json, false, e) < 0)
                return -1;
        if (l->as_json)
                json_list(&l->json);
        else if (!l->quiet)
                printf("%-24s %-10s %-10s %-32s %-32s %s\n", "ID", "PID", "STATUS", "BUNDLE",
                       "CREATED", "OWNER");
        return 0;
}

int cmd_list(struct cli *c, struct err *e)
{
        struct listing l = { 0 };
        autoclose int root_fd = open(c->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const char *text;
        size_t len;

        if (root_fd < 0 && (errno != ENOENT || c->explicit_root))
                return err_sys(e, errno, "cannot open the directory %s", c->root);
        if (list_begin(c->options, &l, e) < 0)
                return -1;
        if (root_fd >= 0 && list_all(c, root_fd, &l, e) < 0)
                return -1;
        if (!l.as_json || l.quiet)
                return fflush(stdout) == 0 ? 0 : err_sys(e, errno, "cannot write");
        json_list_end(&l.json);
        text = json_text(&l.json, &len, e);
        return text ? cmd_print(text, len, e) : -1;
}
