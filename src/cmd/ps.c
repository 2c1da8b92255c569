/* ps: the processes of a container, by number or as ps(1) shows them. */
#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/cmd/cmd.h"
#include "kenro/json/json_write.h"
#include "kenro/part/cgroup_walk.h"
#include "kenro/run/members.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { PS_BYTES_MAX = 16 << 20 };

#define BLANK " \t"

struct ps_options {
        const char *format;
};

/* clang-format off */
const struct option_row ps_rows[] = {
        { "format", 'f', OPTION_TEXT, offsetof(struct ps_options, format), "table|json",
          "how to print (default: table)" },
        { 0 },
};
/* clang-format on */

struct pids {
        pid_t *v;
        size_t n;
        struct arena *arena;
        struct err *e;
};

static int note_pid(pid_t pid, void *arg)
{
        struct pids *p = arg;
        pid_t *at = pid ? arena_push(p->arena, &p->v, &p->n, sizeof(*at), p->e) : &pid;

        if (!at)
                return 1;
        *at = pid;
        return 0;
}

static int compare(const void *a, const void *b)
{
        pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

        return (x > y) - (x < y);
}

static bool has(const struct pids *p, pid_t pid)
{
        return p->n > 0 && bsearch(&pid, p->v, p->n, sizeof(pid), compare);
}

static int note_member(pid_t pid, int pidfd, void *arg)
{
        (void)pidfd;
        return note_pid(pid, arg);
}

/* Of a container that has no cgroup of its own, and an init. */
static int find_members(const struct state *s, bool waits, int proc_fd, struct pids *p,
                        struct err *e)
{
        struct members m;
        int r;

        if (waits)
                return note_pid((pid_t)s->pid, p); /* init is alone until it is started */
        if (members_of(s, proc_fd, &m, e) < 0)
                return -1;
        r = members_each(&m, proc_fd, note_member, p);
        return r < 0 ? err_sys(e, -r, "cannot look for the container's processes") : r;
}

static int find_in_cgroup(struct container *c, const struct host_cgroup *cg, struct pids *p,
                          struct err *e)
{
        autoclose int fd = container_cgroup(c, cg, e);
        int r;

        if (fd < 0)
                return e->num == ENOENT ? 0 : -1; /* gone with the last process */
        r = cgroup_each_process(fd, note_pid, p);
        return r < 0 ? err_sys(e, -r, "cannot read the container's cgroup") : r;
}

/* In order, each once. */
static int find_pids(struct cli *c, struct pids *p, struct err *e)
{
        struct container container;
        struct cmd_host facts;
        enum container_status s;
        bool grouped;
        size_t n = 0;

        if (cmd_open(c, &container, e) < 0 || cmd_probe(c, &facts, e) < 0)
                return -1;
        s = container_status(&container, facts.host.proc_fd, &facts.cgroup);
        /* Without a cgroup nothing outlives init. */
        grouped = container.state.cgroup[0] != '\0';
        if (s == CONTAINER_CREATING || (s == CONTAINER_STOPPED && !grouped))
                return 0;
        if ((grouped ? find_in_cgroup(&container, &facts.cgroup, p, e)
                     : find_members(&container.state, s == CONTAINER_CREATED, facts.host.proc_fd, p,
                                    e)) != 0)
                return -1;
        if (p->n > 0)
                qsort(p->v, p->n, sizeof(*p->v), compare);
        for (size_t i = 0; i < p->n; i++)
                if (i == 0 || p->v[i] != p->v[i - 1])
                        p->v[n++] = p->v[i];
        p->n = n;
        return 0;
}

static int print_json(const struct pids *p, struct err *e)
{
        struct json_out o;
        const char *text;
        size_t len;

        if (json_out_init(&o, false, e) < 0)
                return -1;
        json_list(&o);
        for (size_t i = 0; i < p->n; i++)
                json_uint(&o, (uint64_t)p->v[i]);
        json_list_end(&o);
        text = json_text(&o, &len, e);
        return text ? cmd_print(text, len, e) : -1;
}

/* What ps is called with: the operands after the ID. go-runc gives all of them in one. */
static char **ps_args(struct cli *c, struct err *e)
{
        static const char *const standard[] = { "", "-ef" };
        const char *const *from = c->n_operands > 1 ? (const char *const *)c->operands : standard;
        int n = c->n_operands > 1 ? c->n_operands : 2;
        struct strings list = { 0 };
        const char **item = arena_push(c->arena, &list.v, &list.n, sizeof(*item), e);

        if (!item)
                return NULL;
        *item = "ps";
        for (int i = 1; i < n; i++) {
                for (const char *at = from[i]; at[strspn(at, BLANK)];) {
                        size_t len;

                        at += strspn(at, BLANK);
                        len = strcspn(at, BLANK);
                        item = arena_push(c->arena, &list.v, &list.n, sizeof(*item), e);
                        if (!item || !(*item = arena_strndup(c->arena, at, len, e)))
                                return NULL;
                        at += len;
                }
        }
        item = arena_push(c->arena, &list.v, &list.n, sizeof(*item), e); /* NULL */
        return item ? (char **)(uintptr_t)list.v : NULL;
}

/* The system's own, wherever PATH points. */
static int spawn_ps(char **argv, int out, pid_t *ret, struct err *e)
{
        static const char *const places[] = { "/usr/bin/ps", "/bin/ps", "/usr/local/bin/ps",
                                              "/run/current-system/sw/bin/ps" };
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attr;
        sigset_t pipe;
        int r = ENOENT;

        sigemptyset(&pipe);
        sigaddset(&pipe, SIGPIPE);
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, out, STDERR_FILENO);
        posix_spawnattr_init(&attr);
        posix_spawnattr_setsigdefault(&attr, &pipe);
        posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
        for (size_t i = 0; r == ENOENT && i < sizeof(places) / sizeof(places[0]); i++)
                r = posix_spawn(ret, places[i], &actions, &attr, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
        posix_spawnattr_destroy(&attr);
        if (r == 0)
                return 0;
        err_sys(e, r, "cannot execute ps");
        return err_hint(e, "--format json needs none");
}

/* All that ps prints, its complaints too, or NULL. FAILED may only mean that there is
 * nothing to show. */
static char *run_ps(struct cli *c, bool *failed, struct err *e)
{
        autoclose int in = -1, out = -1;
        char **argv = ps_args(c, e);
        int pair[2], status = 0;
        char *text;
        size_t len;
        pid_t pid;

        if (!argv)
                return NULL;
        if (pipe2(pair, O_CLOEXEC) < 0) {
                err_sys(e, errno, "cannot make a pipe");
                return NULL;
        }
        in = pair[0];
        out = pair[1];
        if (spawn_ps(argv, out, &pid, e) < 0)
                return NULL;
        fd_close(&out);
        text = file_read_fd(in, c->arena, PS_BYTES_MAX, &len, e);
        fd_close(&in); /* where it was too much, that ends it */
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        *failed = status != 0;
        return text;
}

/* Which blank-separated word of the LEN bytes at LINE is "PID", or -1. */
static int pid_column(const char *line, size_t len)
{
        for (size_t at = 0, i = 0; at < len; i++) {
                size_t word;

                at += strspn(line + at, BLANK);
                word = strcspn(line + at, BLANK "\n");
                if (word == 3 && strncmp(line + at, "PID", 3) == 0)
                        return (int)i;
                at += word ? word : 1;
        }
        return -1;
}

static pid_t number_in(const char *line, int column)
{
        line += strspn(line, BLANK);
        for (; column > 0; column--) {
                line += strcspn(line, BLANK "\n");
                line += strspn(line, BLANK);
        }
        return (pid_t)strtol(line, NULL, 10);
}

static int print_table(struct cli *c, const struct pids *p, struct err *e)
{
        bool failed;
        const char *text = run_ps(c, &failed, e), *line = text;
        int column = -1;

        if (!text)
                return -1;
        for (size_t len; *line; line += len) {
                bool header = column < 0;

                len = strcspn(line, "\n");
                len += line[len] == '\n';
                if (header)
                        column = pid_column(line, len);
                if ((header ? column >= 0 : has(p, number_in(line, column))) &&
                    fwrite(line, 1, len, stdout) != len)
                        return err_sys(e, errno, "cannot write to standard output");
        }
        text += strspn(text, "\n");
        if (column < 0 && failed)
                return err_set(e, "ps: %.*s", (int)strcspn(text, "\n"), text);
        if (column < 0)
                return err_set(e, "ps: with these options it shows no column PID");
        return fflush(stdout) == 0 ? 0 : err_sys(e, errno, "cannot write to standard output");
}

int cmd_ps(struct cli *c, struct err *e)
{
        const struct ps_options *o = c->options;
        struct pids p = { .arena = c->arena, .e = e };
        bool json = o->format && strcmp(o->format, "json") == 0;

        if (o->format && !json && strcmp(o->format, "table") != 0)
                return err_set(e, "option '--format': '%.40s' is neither table nor json",
                               o->format);
        if (find_pids(c, &p, e) < 0)
                return -1;
        return json ? print_json(&p, e) : print_table(c, &p, e);
}
