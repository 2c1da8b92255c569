#include "kenro/part/cgroup_stats.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BYTES = 1 << 16, USEC = 1000 };

/* The whole of a file, which may come in pieces. False if there is none. */
static bool read_text(int dir, const char *name, char *text)
{
        autoclose int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
        size_t len = 0;
        ssize_t n = -1;

        text[0] = '\0';
        if (fd < 0)
                return false;
        while (len < TEXT_BYTES - 1 && (n = read(fd, text + len, TEXT_BYTES - 1 - len)) > 0)
                len += (size_t)n;
        text[len] = '\0';
        return n >= 0;
}

/* A number, or "max". */
static bool read_number(int dir, const char *name, uint64_t *ret)
{
        char text[TEXT_BYTES];

        *ret = 0;
        if (!read_text(dir, name, text) || !text[0])
                return false;
        *ret = strncmp(text, "max", 3) == 0 ? UINT64_MAX : strtoull(text, NULL, 10);
        return true;
}

static uint64_t number(int dir, const char *name)
{
        uint64_t n;

        (void)read_number(dir, name, &n); /* what is not there is 0 */
        return n;
}

/* The N of the line "KEY N", 0 if there is none. */
static uint64_t value(const char *text, const char *key)
{
        size_t len = strlen(key);

        for (const char *line = text; *line; line += line[0] == '\n') {
                if (strncmp(line, key, len) == 0 && line[len] == ' ')
                        return strtoull(line + len, NULL, 10);
                line += strcspn(line, "\n");
        }
        return 0;
}

static uint64_t value_in(int dir, const char *name, const char *key)
{
        char text[TEXT_BYTES];

        return read_text(dir, name, text) ? value(text, key) : 0;
}

static void begin(struct json_out *o, const char *key)
{
        json_key(o, key);
        json_map(o);
}

static void write_cpu(int dir, struct json_out *o)
{
        char text[TEXT_BYTES];

        if (!read_text(dir, "cpu.stat", text))
                return;
        begin(o, "cpu");
        begin(o, "usage");
        json_key_uint(o, "total", value(text, "usage_usec") * USEC);
        json_key_uint(o, "kernel", value(text, "system_usec") * USEC);
        json_key_uint(o, "user", value(text, "user_usec") * USEC);
        json_map_end(o);
        begin(o, "throttling");
        json_key_uint(o, "periods", value(text, "nr_periods"));
        json_key_uint(o, "throttledPeriods", value(text, "nr_throttled"));
        json_key_uint(o, "throttledTime", value(text, "throttled_usec") * USEC);
        json_map_end(o);
        json_map_end(o);
}

/* Every line "KEY N" as a member. */
static void write_raw(char *text, struct json_out *o)
{
        begin(o, "raw");
        for (char *end; *text; text = end) {
                char *blank = strchr(text, ' ');

                end = text + strcspn(text, "\n");
                if (blank && blank < end) {
                        *blank = '\0';
                        json_key_uint(o, text, strtoull(blank + 1, NULL, 10));
                }
                end += *end == '\n';
        }
        json_map_end(o);
}

struct amount {
        uint64_t limit, usage, failures;
};

static void write_amount(struct json_out *o, const char *key, const struct amount *a)
{
        begin(o, key);
        json_key_uint(o, "limit", a->limit);
        json_key_uint(o, "usage", a->usage);
        json_key_uint(o, "failcnt", a->failures);
        json_map_end(o);
}

/* Callers know swap as memory and swap together. */
static struct amount with_swap(int dir, const struct amount *memory)
{
        struct amount a = { .usage = memory->usage + number(dir, "memory.swap.current"),
                            .failures = value_in(dir, "memory.swap.events", "max") };

        if (!read_number(dir, "memory.swap.max", &a.limit))
                return a;
        if (a.limit == UINT64_MAX || memory->limit == UINT64_MAX)
                a.limit = UINT64_MAX;
        else
                a.limit += memory->limit;
        return a;
}

static void write_memory(int dir, struct json_out *o)
{
        static const struct amount unknown;
        struct amount m = { 0 }, swap;
        char text[TEXT_BYTES];

        if (!read_number(dir, "memory.current", &m.usage))
                return;
        m.limit = number(dir, "memory.max");
        m.failures = value_in(dir, "memory.events", "max");
        swap = with_swap(dir, &m);
        (void)read_text(dir, "memory.stat", text);
        begin(o, "memory");
        json_key_uint(o, "cache", value(text, "file"));
        begin(o, "usage");
        json_key_uint(o, "limit", m.limit);
        json_key_uint(o, "usage", m.usage);
        json_key_uint(o, "max", number(dir, "memory.peak"));
        json_key_uint(o, "failcnt", m.failures);
        json_map_end(o);
        write_amount(o, "swap", &swap);
        write_amount(o, "kernel", &unknown);
        write_amount(o, "kernelTCP", &unknown);
        write_raw(text, o);
        json_map_end(o);
}

static void write_pids(int dir, struct json_out *o)
{
        uint64_t current;

        if (!read_number(dir, "pids.current", &current))
                return;
        begin(o, "pids");
        json_key_uint(o, "current", current);
        json_key_uint(o, "limit", number(dir, "pids.max"));
        json_map_end(o);
}

/* "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...": one member for reads and one for writes
 * of every device. */
static void write_io(const char *text, const char *key, const char *const names[2],
                     struct json_out *o)
{
        static const char *const ops[] = { "Read", "Write" };

        json_key(o, key);
        json_list(o);
        for (const char *line = text; *line; line += *line == '\n') {
                const char *end = line + strcspn(line, "\n");
                unsigned major, minor;

                for (size_t i = 0; i < 2; i++) {
                        const char *at = strstr(line, names[i]);

                        if (!at || at > end || sscanf(line, "%u:%u", &major, &minor) != 2)
                                continue;
                        json_map(o);
                        json_key_uint(o, "major", major);
                        json_key_uint(o, "minor", minor);
                        json_key_str(o, "op", ops[i]);
                        json_key_uint(o, "value", strtoull(at + strlen(names[i]), NULL, 10));
                        json_map_end(o);
                }
                line = end;
        }
        json_list_end(o);
}

static void write_block_io(int dir, struct json_out *o)
{
        static const char *const bytes[] = { " rbytes=", " wbytes=" };
        static const char *const calls[] = { " rios=", " wios=" };
        char text[TEXT_BYTES];

        if (!read_text(dir, "io.stat", text))
                return;
        begin(o, "blkio");
        write_io(text, "ioServiceBytesRecursive", bytes, o);
        write_io(text, "ioServicedRecursive", calls, o);
        json_map_end(o);
}

/* NAME is "hugetlb.SIZE.current". */
static void write_page_size(int dir, const char *name, struct json_out *o)
{
        int len = (int)strcspn(name + strlen("hugetlb."), ".");
        const char *size = name + strlen("hugetlb.");
        char key[64], file[96];

        snprintf(key, sizeof(key), "%.*s", len, size);
        begin(o, key);
        json_key_uint(o, "usage", number(dir, name));
        snprintf(file, sizeof(file), "hugetlb.%s.max", key);
        json_key_uint(o, "max", number(dir, file));
        snprintf(file, sizeof(file), "hugetlb.%s.events", key);
        json_key_uint(o, "failcnt", value_in(dir, file, "max"));
        json_map_end(o);
}

static void write_hugetlb(int dir, struct json_out *o)
{
        autoclose int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char entries[4096];
        bool any = false;
        long n;

        while (fd >= 0 && (n = syscall(SYS_getdents64, fd, entries, sizeof(entries))) > 0) {
                for (long at = 0; at < n;) {
                        const struct dirent64 *d = (const void *)(entries + at);
                        size_t len = strlen(d->d_name);

                        at += d->d_reclen;
                        if (strncmp(d->d_name, "hugetlb.", 8) != 0 || len < 16 ||
                            strcmp(d->d_name + len - 8, ".current") != 0 ||
                            strstr(d->d_name, ".rsvd."))
                                continue;
                        if (!any)
                                begin(o, "hugetlb");
                        any = true;
                        write_page_size(dir, d->d_name, o);
                }
        }
        if (any)
                json_map_end(o);
}

void cgroup_stats_write(int cgroup_fd, struct json_out *o)
{
        json_map(o);
        write_cpu(cgroup_fd, o);
        write_memory(cgroup_fd, o);
        write_pids(cgroup_fd, o);
        write_block_io(cgroup_fd, o);
        write_hugetlb(cgroup_fd, o);
        json_key(o, "network_interfaces");
        json_str(o, NULL);
        json_map_end(o);
}

bool cgroup_stats_memory_refused(int cgroup_fd)
{
        return value_in(cgroup_fd, "memory.events", "max") > 0;
}

uint64_t cgroup_stats_oom_kills(int cgroup_fd)
{
        return value_in(cgroup_fd, "memory.events", "oom_kill");
}
