/* The limits as properties: systemd.resource-control(5). */
#include "kenro/part/systemd.h"

#include "kenro/base/bits.h"
#include "kenro/base/size.h"
#include "kenro/spec/spec_load.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
        IDLE_SINCE = 252,
        OOM_POLICY_SINCE = 253,
        ZSWAP_SINCE = 253,
        QUOTA_STEP = 10000, /* of a second's microseconds: 1 % */
};

#define SECOND 1000000ull
#define INFINITY_TEXT "18446744073709551615"

struct conversion {
        const struct systemd_input *in;
        struct systemd_properties *to;
        struct arena *a;
        bool running;
        const char *file, *value;
};

int systemd_property_set(struct systemd_properties *p, const struct systemd_property *like,
                         const char *value, struct arena *a, struct err *e)
{
        bool list = like->type[0] == 'a' && strcmp(like->type, "ay") != 0;
        struct systemd_property *found = NULL;

        for (size_t i = 0; i < p->n; i++)
                if (strcmp(p->v[i].name, like->name) == 0)
                        found = &p->v[i];
        if (!found) {
                found = arena_push(a, &p->v, &p->n, sizeof(*p->v), e);
                if (!found)
                        return -1;
                *found = *like;
        }
        if (!list)
                found->list = (struct strings){ 0 };
        return spec_strings_add(&found->list, value, a, e);
}

static int set(const struct conversion *c, const struct systemd_property *like, const char *value,
               struct err *e)
{
        return value ? systemd_property_set(c->to, like, value, c->a, e) : -1;
}

static int set_number(const struct conversion *c, const struct systemd_property *like,
                      uint64_t value, struct err *e)
{
        return set(c, like, arena_printf(c->a, e, "%" PRIu64, value), e);
}

static int no_number(const struct conversion *c, const char *text, struct err *e)
{
        return err_set(e, "%s: '%.60s' is not a value that systemd could keep", c->file, text);
}

/* As the kernel reads it, cpu.max without units; "max" is UINT64_MAX. LEN bytes. */
static int parse_number(const struct conversion *c, const char *text, size_t len, uint64_t *ret,
                        struct err *e)
{
        enum size_kind kind = strcmp(c->file, "cpu.max") == 0 ? SIZE_NUMBER : SIZE_KERNEL;

        if (len == strlen("max") && memcmp(text, "max", len) == 0) {
                *ret = UINT64_MAX;
                return 0;
        }
        return size_parse(text, len, kind, ret) < 0 ? no_number(c, text, e) : 0;
}

/* 0 is no value of these to systemd; the kernel makes a whole page of 1, that is none. */
static int bytes_not_0(const struct conversion *c, const struct systemd_property *like,
                       struct err *e)
{
        uint64_t n;

        if (parse_number(c, c->value, strlen(c->value), &n, e) < 0)
                return -1;
        return set_number(c, like, n ? n : 1, e);
}

static int number(const struct conversion *c, const struct systemd_property *like, struct err *e)
{
        uint64_t n;

        if (parse_number(c, c->value, strlen(c->value), &n, e) < 0)
                return -1;
        return set_number(c, like, n, e);
}

/* Idle is a weight of 0 to systemd. Going back is to the weight that is in the same list,
 * or to the usual one. */
static int idle(const struct conversion *c, const struct systemd_property *like, struct err *e)
{
        static const struct systemd_property weight = { "CPUWeight", "t", 0, { 0 } };

        if (strcmp(c->value, "1") == 0)
                return set(c, like, "0", e);
        for (size_t i = 0; i < c->in->limits->n; i++)
                if (strcmp(c->in->limits->v[i].key, "cpu.weight") == 0)
                        return 0;
        return c->running ? set(c, &weight, INFINITY_TEXT, e) : 0;
}

/* Another file for the weight: what it says after this one is written. */
static int niceness(const struct conversion *c, const struct systemd_property *like, struct err *e)
{
        static const uint16_t weights[] = { 8668, 7007, 5516, 4519, 3544, 2847, 2271, 1827,
                                            1460, 1164, 932,  744,  596,  479,  381,  305,
                                            244,  194,  155,  125,  100,  80,   64,   51,
                                            41,   33,   27,   21,   17,   13,   11,   8,
                                            7,    5,    4,    4,    3,    2,    2,    1 };
        static const int least = -20;
        char *end;
        long n = strtol(c->value, &end, 10);

        if (end == c->value || *end || n < least ||
            n - least >= (long)(sizeof(weights) / sizeof(weights[0])))
                return no_number(c, c->value, e);
        return set_number(c, like, weights[n - least], e);
}

/* "QUOTA PERIOD", "QUOTA" or "max": microseconds of CPU in a second. */
static int quota(const struct conversion *c, const struct systemd_property *like, struct err *e)
{
        static const struct systemd_property period_like = { "CPUQuotaPeriodUSec", "t", 0, { 0 } };
        size_t len = strcspn(c->value, " ");
        const char *rest = c->value + len + strspn(c->value + len, " ");
        uint64_t n, period = 100000;

        if (parse_number(c, c->value, len, &n, e) < 0 ||
            (*rest && parse_number(c, rest, strlen(rest), &period, e) < 0))
                return -1;
        if (period == 0 || (n != UINT64_MAX && n > UINT64_MAX / SECOND - QUOTA_STEP))
                return no_number(c, c->value, e);
        if (*rest && set_number(c, &period_like, period, e) < 0)
                return -1;
        if (n == UINT64_MAX)
                return set_number(c, like, n, e);
        n = (n * SECOND + period - 1) / period;
        return set_number(c, like, (n + QUOTA_STEP - 1) / QUOTA_STEP * QUOTA_STEP, e);
}

/* "0-3,7" as bits, the lowest first. */
static int list(const struct conversion *c, const struct systemd_property *like, struct err *e)
{
        char hex[BITS_MAX / 4 + 1];
        struct bits b = { 0 };
        size_t n = 0;

        if (*c->value && bits_parse(c->value, &b, e) < 0)
                return err_in(e, "%s", c->file);
        for (size_t i = 0; i < BITS_MAX / 8; i++) {
                unsigned byte = b.v[i / sizeof(long)] >> i % sizeof(long) * 8 & 0xff;

                snprintf(hex + 2 * i, 3, "%02x", byte);
                if (byte)
                        n = i + 1;
        }
        return set(c, like, arena_printf(c->a, e, "%.*s", (int)(2 * n), hex), e);
}

static const char *device_path(const struct conversion *c, size_t len, struct err *e)
{
        return arena_printf(c->a, e, "/dev/block/%.*s", (int)len, c->value);
}

/* "500", "default 500" or "8:0 500", in IO's scale. */
static int io_weight(const struct conversion *c, const struct systemd_property *like, struct err *e)
{
        static const struct systemd_property device = { "IODeviceWeight", "a(st)", 0, { 0 } };
        const char *blank = strchr(c->value, ' '), *weight = blank ? blank + 1 : c->value;
        size_t len = blank ? (size_t)(blank - c->value) : 0;
        uint64_t n;

        if (blank && strcmp(weight, "default") == 0)
                return 0;
        if (parse_number(c, weight, strlen(weight), &n, e) < 0)
                return -1;
        /* What systemd writes into io.bfq.weight is this one in BFQ's scale. */
        if (c->in->bfq && strcmp(c->file, "io.bfq.weight") == 0 && n > 100)
                n = 100 + (n - 100) * 11;
        if (!blank || strncmp(c->value, "default ", len + 1) == 0)
                return set_number(c, like, n, e);
        return set(c, &device, device_path(c, len, e), e) < 0 ? -1 : set_number(c, &device, n, e);
}

/* Of the two files of weights only one is there. */
static int bfq_weight(const struct conversion *c, const struct systemd_property *like,
                      struct err *e)
{
        return c->in->bfq ? io_weight(c, like, e) : 0;
}

static int other_weight(const struct conversion *c, const struct systemd_property *like,
                        struct err *e)
{
        return c->in->bfq ? 0 : io_weight(c, like, e);
}

/* "8:0 rbps=1048576 wiops=max" */
static int io_max(const struct conversion *c, const struct systemd_property *like, struct err *e)
{
        static const struct {
                const char *key;
                struct systemd_property p;
        } rows[] = {
                { "rbps=", { "IOReadBandwidthMax", "a(st)", 0, { 0 } } },
                { "wbps=", { "IOWriteBandwidthMax", "a(st)", 0, { 0 } } },
                { "riops=", { "IOReadIOPSMax", "a(st)", 0, { 0 } } },
                { "wiops=", { "IOWriteIOPSMax", "a(st)", 0, { 0 } } },
        };
        size_t device = strcspn(c->value, " ");

        (void)like;
        for (const char *at = c->value + device; *(at += strspn(at, " ")); at += strcspn(at, " ")) {
                for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                        size_t key = strlen(rows[i].key);
                        uint64_t n;

                        if (strncmp(at, rows[i].key, key) != 0)
                                continue;
                        if (parse_number(c, at + key, strcspn(at + key, " "), &n, e) < 0 ||
                            set(c, &rows[i].p, device_path(c, device, e), e) < 0 ||
                            set_number(c, &rows[i].p, n, e) < 0)
                                return -1;
                }
        }
        return 0;
}

/* systemd takes it when a unit is made, and later no more. */
static int oom(const struct conversion *c, const struct systemd_property *like, struct err *e)
{
        if (c->running)
                return 0;
        return set(c, like, strcmp(c->value, "1") == 0 ? "kill" : "continue", e);
}

static const struct row {
        const char *file;
        int (*convert)(const struct conversion *c, const struct systemd_property *like,
                       struct err *e);
        struct systemd_property like;
} rows[] = {
        { "memory.min", number, { "MemoryMin", "t", 0, { 0 } } },
        { "memory.low", number, { "MemoryLow", "t", 0, { 0 } } },
        { "memory.high", bytes_not_0, { "MemoryHigh", "t", 0, { 0 } } },
        { "memory.max", bytes_not_0, { "MemoryMax", "t", 0, { 0 } } },
        { "memory.swap.max", number, { "MemorySwapMax", "t", 0, { 0 } } },
        { "memory.zswap.max", number, { "MemoryZSwapMax", "t", ZSWAP_SINCE, { 0 } } },
        { "memory.oom.group", oom, { "OOMPolicy", "s", OOM_POLICY_SINCE, { 0 } } },
        { "pids.max", bytes_not_0, { "TasksMax", "t", 0, { 0 } } },
        { "cpu.weight", number, { "CPUWeight", "t", 0, { 0 } } },
        { "cpu.weight.nice", niceness, { "CPUWeight", "t", 0, { 0 } } },
        { "cpu.idle", idle, { "CPUWeight", "t", IDLE_SINCE, { 0 } } },
        { "cpu.max", quota, { "CPUQuotaPerSecUSec", "t", 0, { 0 } } },
        { "cpuset.cpus", list, { "AllowedCPUs", "ay", 0, { 0 } } },
        { "cpuset.mems", list, { "AllowedMemoryNodes", "ay", 0, { 0 } } },
        { "io.weight", other_weight, { "IOWeight", "t", 0, { 0 } } },
        { "io.bfq.weight", bfq_weight, { "IOWeight", "t", 0, { 0 } } },
        { "io.max", io_max, { "IOReadBandwidthMax", "a(st)", 0, { 0 } } },
};

int systemd_limits(const struct systemd_input *in, bool running, struct arena *a,
                   struct systemd_properties *ret, struct err *e)
{
        struct conversion c = { .in = in, .to = ret, .a = a, .running = running };

        for (size_t i = 0; in->limits && i < in->limits->n; i++) {
                c.file = in->limits->v[i].key;
                c.value = in->limits->v[i].value;
                for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
                        if (strcmp(rows[k].file, c.file) == 0 &&
                            rows[k].convert(&c, &rows[k].like, e) < 0)
                                return -1;
        }
        return 0;
}
