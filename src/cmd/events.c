/* events: what a container uses, one JSON object a line, until it ends. */
#include "kenro/base/fd.h"
#include "kenro/cmd/cmd.h"
#include "kenro/json/json_write.h"
#include "kenro/part/cgroup_stats.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { INTERVAL_MS = 5000 };

struct events_options {
        const char *interval;
        bool stats;
};

/* clang-format off */
const struct option_row events_rows[] = {
        { "interval", 0, OPTION_TEXT, offsetof(struct events_options, interval), "TIME",
          "between two lines, like 1m30s or 500ms (default: 5s)" },
        { "stats", 0, OPTION_FLAG, offsetof(struct events_options, stats), NULL,
          "print one line and end" },
        { 0 },
};

static const struct name units[] = { /* in microseconds */
        { "us", 1 }, { "ms", 1000 }, { "s", 1000000 }, { "m", 60000000 }, { "h", 3600000000 },
        { NULL, 0 },
};
/* clang-format on */

/* One "90s" or "1.5m" of a duration, as microseconds; its end, or NULL. */
static const char *parse_part(const char *text, double *ret)
{
        const struct name *u;
        const char *unit = text + strspn(text, "0123456789.");
        char name[8];

        snprintf(name, sizeof(name), "%.*s", (int)strspn(unit, "umsh"), unit);
        u = name_find(units, name);
        if (!u || unit == text)
                return NULL;
        *ret = strtod(text, NULL) * (double)u->value;
        return unit + strlen(name);
}

/* A duration as Go writes it: "1h2m3s", "500ms". Milliseconds, at least 1. */
static int parse_interval(const char *text, int *ret, struct err *e)
{
        const char *at = text;
        double sum = 0, part = 0;

        do
                at = parse_part(at, &part);
        while (at && (sum += part) >= 0 && *at);
        if (!at || sum < 1000 || sum / 1000 > INT_MAX) {
                err_set(e, "option '--interval': '%.40s' is no duration of 1ms or more", text);
                return err_hint(e, "write it like 5s, 1m30s or 500ms");
        }
        *ret = (int)(sum / 1000);
        return 0;
}

/* A container that is watched. */
struct watch {
        const char *id;
        int cgroup_fd;
        int memory_fd; /* memory.events, or -1 */
        int pidfd;
        uint64_t oom_kills;
};

static int print_line(const struct watch *w, const char *type, struct err *e)
{
        struct json_out o;
        const char *text;
        size_t len;
        int r;

        if (json_out_init(&o, false, e) < 0)
                return -1;
        json_map(&o);
        json_key_str(&o, "type", type);
        json_key_str(&o, "id", w->id);
        if (strcmp(type, "stats") == 0) {
                json_key(&o, "data");
                cgroup_stats_write(w->cgroup_fd, &o);
        }
        json_map_end(&o);
        text = json_text(&o, &len, e);
        r = text ? cmd_print(text, len, e) : -1;
        json_out_release(&o);
        return r;
}

/* What happens after a read makes poll return. */
static uint64_t arm(struct watch *w)
{
        char byte;

        if (w->memory_fd >= 0 && pread(w->memory_fd, &byte, 1, 0) < 0)
                fd_close(&w->memory_fd); /* the group is gone */
        return cgroup_stats_oom_kills(w->cgroup_fd);
}

/* One line for every process that the OOM killer has ended. */
static int tell_oom(struct watch *w, struct err *e)
{
        uint64_t now = arm(w);

        for (; w->oom_kills < now; w->oom_kills++)
                if (print_line(w, "oom", e) < 0)
                        return -1;
        return 0;
}

static int64_t now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until DUE, or the container's end. Returns 1 in the second case. */
static int wait_until(struct watch *w, int64_t due, struct err *e)
{
        for (int64_t left; (left = due - now_ms()) > 0;) {
                struct pollfd p[3] = { { .fd = w->pidfd, .events = POLLIN },
                                       { .fd = w->memory_fd, .events = POLLPRI },
                                       { .fd = STDOUT_FILENO } };
                int n = poll(p, 3, (int)left);

                if (n < 0 && errno != EINTR)
                        return err_sys(e, errno, "cannot wait for the container");
                if (n <= 0)
                        continue;
                if (p[1].revents && tell_oom(w, e) < 0)
                        return -1;
                if (p[0].revents)
                        return 1;
                if (p[2].revents & (POLLERR | POLLHUP | POLLNVAL))
                        return err_sys(e, EPIPE, "cannot write to standard output");
        }
        return 0;
}

static int watch(struct watch *w, int interval, struct err *e)
{
        int64_t due = now_ms();

        for (;;) {
                int r = print_line(w, "stats", e);

                if (r == 0)
                        r = wait_until(w, due += interval, e);
                if (r != 0)
                        return r > 0 ? 0 : -1;
        }
}

int cmd_events(struct cli *c, struct err *e)
{
        const struct events_options *o = c->options;
        struct container container;
        struct cmd_host facts;
        struct watch w = { .memory_fd = -1 };
        int interval = INTERVAL_MS;

        if ((o->interval && parse_interval(o->interval, &interval, e) < 0) ||
            cmd_open(c, &container, e) < 0 || cmd_probe(c, &facts, e) < 0 ||
            container_is_there(container_status(&container, facts.host.proc_fd, &facts.cgroup), e) <
                    0)
                return -1;
        w.id = container.id;
        w.pidfd = container.pidfd;
        w.cgroup_fd = container_cgroup(&container, &facts.cgroup, e);
        if (w.cgroup_fd < 0)
                return -1;
        if (o->stats)
                return print_line(&w, "stats", e);
        w.memory_fd = openat(w.cgroup_fd, "memory.events", O_RDONLY | O_CLOEXEC);
        w.oom_kills = arm(&w);
        return watch(&w, interval, e);
}
