/* What of linux.resources goes into which file: no system call is made here. */
#include "kenro/part/cgroup_limit.h"

#include "kenro/base/bits.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "linux.resources."

enum {
        BLOCK_WEIGHT_MIN = 10, /* of blockIO.weight: Block IO controller, version 1 */
        BLOCK_WEIGHT_MAX = 1000,
        IO_WEIGHT_MAX = 10000,   /* of io.weight and cpu.weight: cgroup-v2.rst */
        CPU_SHARES_MIN = 2,      /* of cpu.shares: cgroups(7) */
        CPU_SHARES_MAX = 262144, /* 1 << 18 */
        BANDWIDTH_MIN = 1000,    /* of quota and period, microseconds: sched-bwc.rst */
        PERIOD_MAX = 1000000,
        PERIOD_DEFAULT = 100000,
};

struct build {
        const struct cgroup_limit_input *in;
        const struct spec_resources *r;
        struct arena *arena;
        struct cgroup_limit_plan plan;
        struct err *e;
};

/* ---- weights ------------------------------------------------------------------------ */

/* 2's logarithm of N > 0, 40 bits of it behind the point, rounded down: no floating
 * point, whose libraries differ in their last digits. */
static uint64_t log2_fixed(uint64_t n)
{
        unsigned whole = 63 - (unsigned)__builtin_clzll(n);
        uint64_t m = n << (63 - whole), r = whole; /* m: 1 <= n / 2^whole < 2, times 2^63 */

        for (int i = 0; i < 40; i++) {
                __extension__ unsigned __int128 square = (unsigned __int128)m * m;
                bool carry = square >> 127;

                m = (uint64_t)(square >> (carry ? 64 : 63));
                r = r << 1 | carry;
        }
        return r;
}

/* Whether WEIGHT is at least 10^((l^2 + 125 l) / 612 - 7 / 34), l being SHARES'
 * logarithm: both sides' own logarithms are compared. What is closer than the last
 * bits of the fixed point is equal, like 100 and the 1024 shares it is for. */
static bool reaches(unsigned weight, uint64_t shares)
{
        __extension__ typedef unsigned __int128 wide;
        const uint64_t one = 1ull << 40, ten = log2_fixed(10), l = log2_fixed(shares);
        wide asked = ((wide)l * l / one + 125 * (wide)l - 126 * (wide)one) * ten / one;

        return asked <= (wide)612 * log2_fixed(weight) + (one >> 26);
}

unsigned cgroup_limit_cpu_weight(uint64_t shares)
{
        unsigned low = 1, high = IO_WEIGHT_MAX;

        if (shares <= CPU_SHARES_MIN)
                return low;
        while (low < high) {
                unsigned middle = (low + high) / 2;

                if (shares < CPU_SHARES_MAX && reaches(middle, shares))
                        high = middle;
                else
                        low = middle + 1;
        }
        return low;
}

unsigned cgroup_limit_io_weight(uint64_t weight)
{
        return (unsigned)(1 + (weight - BLOCK_WEIGHT_MIN) * (IO_WEIGHT_MAX - 1) /
                                      (BLOCK_WEIGHT_MAX - BLOCK_WEIGHT_MIN));
}

/* ---- the list ----------------------------------------------------------------------- */

/* PATH as the reader of a message finds it in what was given. */
static const char *field(const struct build *b, const char *path)
{
        return b->in->update ? path + strlen(PREFIX) : path;
}

#define FAIL(b, path, fmt, ...) err_set((b)->e, "%s: " fmt, field(b, path), __VA_ARGS__)

/* VALUE is NULL if there was no room for it. */
static int add(struct build *b, const char *path, const char *file, const char *value,
               unsigned flags)
{
        struct cgroup_limit *l = value ? arena_push(b->arena, &b->plan.v, &b->plan.n, sizeof(*l),
                                                    b->e)
                                       : NULL;

        if (!l)
                return -1;
        *l = (struct cgroup_limit){
                .field = field(b, path), .file = file, .value = value, .flags = flags
        };
        return 0;
}

#define TEXT(b, ...) arena_printf((b)->arena, (b)->e, __VA_ARGS__)

/* In signed fields 0 is nothing, and -1 that there is no limit. */
static int add_size(struct build *b, const char *path, const char *file, struct opt_int n)
{
        if (!n.set || n.v == 0)
                return 0;
        if (n.v < -1)
                return FAIL(b, path, "%lld is neither a number of bytes nor -1", (long long)n.v);
        if (n.v == -1)
                return add(b, path, file, "max", LIMIT_LIFTED);
        return add(b, path, file, TEXT(b, "%lld", (long long)n.v), 0);
}

/* ---- memory ------------------------------------------------------------------------- */

/* The specification's is memory and swap together. */
static int add_swap(struct build *b, const struct spec_memory *m)
{
        static const char path[] = PREFIX "memory.swap", file[] = "memory.swap.max";
        long long swap = m->swap.v, limit = m->limit.v;

        if (swap <= 0 || b->in->partial)
                return add_size(b, path, file, m->swap);
        if (limit <= 0)
                return FAIL(b, path, "%lld without memory.limit, which is a part of it", swap);
        if (swap < limit)
                return FAIL(b, path, "%lld is less than memory.limit, %lld, which is a part of it",
                            swap, limit);
        /* None at all: so it is too where the kernel counts no swap. */
        if (swap == limit)
                return add(b, path, file, "0", LIMIT_LIFTED);
        return add(b, path, file, TEXT(b, "%lld", swap - limit), 0);
}

static int plan_memory(struct build *b)
{
        const struct spec_memory *m = b->r->memory;

        if (!m)
                return 0;
        b->plan.check_usage = m->check_before_update;
        if (add_size(b, PREFIX "memory.limit", "memory.max", m->limit) < 0 || add_swap(b, m) < 0)
                return -1;
        return add_size(b, PREFIX "memory.reservation", "memory.low", m->reservation);
}

/* ---- cpu ---------------------------------------------------------------------------- */

/* An idle group has no other weight: the kernel refuses to give it one. */
static int add_weight(struct build *b, const struct spec_cpu *c)
{
        if (c->idle.set && c->idle.v != 0 && c->idle.v != 1)
                return FAIL(b, PREFIX "cpu.idle", "%lld is neither 0 nor 1", (long long)c->idle.v);
        if (c->idle.set && add(b, PREFIX "cpu.idle", "cpu.idle", c->idle.v ? "1" : "0",
                               c->idle.v ? 0 : LIMIT_LIFTED) < 0)
                return -1;
        if (!c->shares.set || c->shares.v == 0 || (c->idle.set && c->idle.v == 1))
                return 0;
        return add(b, PREFIX "cpu.shares", "cpu.weight",
                   TEXT(b, "%u", cgroup_limit_cpu_weight(c->shares.v)), 0);
}

static int check_bandwidth(const struct build *b, const struct spec_cpu *c)
{
        if (c->quota.v > 0 && c->quota.v < BANDWIDTH_MIN)
                return FAIL(b, PREFIX "cpu.quota", "%lld us, the kernel's least is %d",
                            (long long)c->quota.v, BANDWIDTH_MIN);
        if (c->quota.v > INT64_MAX / PERIOD_MAX)
                return FAIL(b, PREFIX "cpu.quota", "%lld us is too long", (long long)c->quota.v);
        if (c->period.v != 0 && (c->period.v < BANDWIDTH_MIN || c->period.v > PERIOD_MAX))
                return FAIL(b, PREFIX "cpu.period", "%llu us is not between %d and %d",
                            (unsigned long long)c->period.v, BANDWIDTH_MIN, PERIOD_MAX);
        if (c->quota.v > 0 && c->burst.v > (uint64_t)c->quota.v)
                return FAIL(b, PREFIX "cpu.burst", "%llu us is more than cpu.quota, %lld",
                            (unsigned long long)c->burst.v, (long long)c->quota.v);
        return 0;
}

/* Up to the next hundredth of a CPU. */
static uint64_t round_up(uint64_t quota, uint64_t period)
{
        const uint64_t step = PERIOD_MAX / 100;
        uint64_t in_second = quota * PERIOD_MAX / period + (quota * PERIOD_MAX % period != 0);

        return (in_second + step - 1) / step * step * period / PERIOD_MAX;
}

/* The period alone limits nothing; without one the kernel keeps its own. */
static int add_bandwidth(struct build *b, const struct spec_cpu *c)
{
        static const char file[] = "cpu.max";
        const char *path = c->quota.v != 0 ? PREFIX "cpu.quota" : PREFIX "cpu.period";
        uint64_t period = c->period.v, quota = c->quota.v > 0 ? (uint64_t)c->quota.v : 0;

        if (b->in->whole_percent && quota > 0) {
                period = period ? period : PERIOD_DEFAULT;
                quota = round_up(quota, period);
        }
        if (quota > 0 && period > 0)
                return add(b, path, file,
                           TEXT(b, "%llu %llu", (unsigned long long)quota,
                                (unsigned long long)period),
                           0);
        if (quota > 0)
                return add(b, path, file, TEXT(b, "%llu", (unsigned long long)quota), 0);
        if (period > 0)
                return add(b, path, file, TEXT(b, "max %llu", (unsigned long long)period),
                           LIMIT_LIFTED);
        return c->quota.v < 0 ? add(b, path, file, "max", LIMIT_LIFTED) : 0;
}

static int add_set(struct build *b, const char *path, const char *file, const char *list)
{
        struct bits ignored;

        if (!list || !*list)
                return 0;
        if (bits_parse(list, &ignored, b->e) < 0)
                return err_in(b->e, "%s", field(b, path));
        return add(b, path, file, list, LIMIT_EFFECTIVE);
}

static int plan_cpu(struct build *b)
{
        const struct spec_cpu *c = b->r->cpu;

        if (!c)
                return 0;
        if (check_bandwidth(b, c) < 0 || add_weight(b, c) < 0)
                return -1;
        if (c->burst.v != 0 && add(b, PREFIX "cpu.burst", "cpu.max.burst",
                                   TEXT(b, "%llu", (unsigned long long)c->burst.v), 0) < 0)
                return -1;
        if (add_bandwidth(b, c) < 0)
                return -1;
        if (add_set(b, PREFIX "cpu.cpus", "cpuset.cpus", c->cpus) < 0)
                return -1;
        return add_set(b, PREFIX "cpu.mems", "cpuset.mems", c->mems);
}

/* ---- pids, blockIO, hugepageLimits, rdma -------------------------------------------- */

/* 0 is a limit: nothing but the container's first process, which is there before it
 * could count. So is 1, which lets that process be made inside. */
static int plan_pids(struct build *b)
{
        static const char path[] = PREFIX "pids.limit", file[] = "pids.max";
        struct opt_int n = b->r->pids ? b->r->pids->limit : (struct opt_int){ 0 };

        if (!n.set)
                return 0;
        if (n.v < 0)
                return add(b, path, file, "max", LIMIT_LIFTED);
        return add(b, path, file, TEXT(b, "%lld", n.v ? (long long)n.v : 1), 0);
}

/* One that the scheduler bfq has as it is; else that of the whole tree. DEVICE is
 * "8:0 ", or empty. */
static int add_io_weight(struct build *b, const char *path, const char *device, uint64_t weight)
{
        struct cgroup_limit *l;

        if (weight < BLOCK_WEIGHT_MIN || weight > BLOCK_WEIGHT_MAX)
                return FAIL(b, path, "%llu is not between %d and %d", (unsigned long long)weight,
                            BLOCK_WEIGHT_MIN, BLOCK_WEIGHT_MAX);
        if (add(b, path, "io.bfq.weight", TEXT(b, "%s%llu", device, (unsigned long long)weight),
                0) < 0)
                return -1;
        l = &b->plan.v[b->plan.n - 1];
        l->or_file = "io.weight";
        l->or_value = TEXT(b, "%s%u", device, cgroup_limit_io_weight(weight));
        return l->or_value ? 0 : -1;
}

static int device_text(struct build *b, const char *path, const struct opt_int number[2],
                       char ret[32])
{
        if (number[0].v < 0 || number[1].v < 0 || number[0].v > INT_MAX || number[1].v > INT_MAX)
                return FAIL(b, path, "%lld:%lld is no device", (long long)number[0].v,
                            (long long)number[1].v);
        snprintf(ret, 32, "%lld:%lld ", (long long)number[0].v, (long long)number[1].v);
        return 0;
}

static int plan_device_weights(struct build *b, const struct spec_block_io *io)
{
        char device[32];

        for (size_t i = 0; i < io->weight_device.n; i++) {
                const struct spec_weight *w = &io->weight_device.v[i];
                const struct opt_int number[2] = { w->major, w->minor };
                const char *path = TEXT(b, PREFIX "blockIO.weightDevice[%zu]", i);

                if (!path || device_text(b, path, number, device) < 0)
                        return -1;
                if (w->leaf_weight.v != 0)
                        return FAIL(b, path, "cgroup version 2 has nothing like %s", "leafWeight");
                if (!w->weight.set)
                        return FAIL(b, path, "'%s' is required", "weight");
                if (add_io_weight(b, path, device, w->weight.v) < 0)
                        return -1;
        }
        return 0;
}

/* 0 lifts a limit, as in version 1. */
static int plan_throttle(struct build *b, const char *path, const char *key,
                         const struct spec_throttles *list)
{
        char device[32];

        for (size_t i = 0; i < list->n; i++) {
                const struct spec_throttle *t = &list->v[i];
                const struct opt_int number[2] = { t->major, t->minor };
                const char *item = TEXT(b, "%s[%zu]", path, i);
                const char *value;

                if (!item || device_text(b, item, number, device) < 0)
                        return -1;
                value = t->rate ? TEXT(b, "%s%s=%llu", device, key, (unsigned long long)t->rate)
                                : TEXT(b, "%s%s=max", device, key);
                if (add(b, item, "io.max", value, t->rate ? 0 : LIMIT_LIFTED) < 0)
                        return -1;
        }
        return 0;
}

static int plan_block_io(struct build *b)
{
        const struct spec_block_io *io = b->r->block_io;

        if (!io)
                return 0;
        if (io->weight.v != 0 && add_io_weight(b, PREFIX "blockIO.weight", "", io->weight.v) < 0)
                return -1;
        if (plan_device_weights(b, io) < 0 ||
            plan_throttle(b, PREFIX "blockIO.throttleReadBpsDevice", "rbps", &io->read_bps) < 0 ||
            plan_throttle(b, PREFIX "blockIO.throttleWriteBpsDevice", "wbps", &io->write_bps) < 0)
                return -1;
        if (plan_throttle(b, PREFIX "blockIO.throttleReadIOPSDevice", "riops", &io->read_iops) < 0)
                return -1;
        return plan_throttle(b, PREFIX "blockIO.throttleWriteIOPSDevice", "wiops", &io->write_iops);
}

/* "64KB", "2MB", "1GB" */
static bool is_page_size(const char *s)
{
        size_t digits = strspn(s, "0123456789");

        return digits > 0 && digits < 8 && s[0] != '0' && s[digits] && strchr("KMG", s[digits]) &&
               strcmp(s + digits + 1, "B") == 0;
}

/* Both what is used and, in kernels that count it, what is reserved. */
static int plan_hugepages(struct build *b)
{
        for (size_t i = 0; i < b->r->hugepage_limits.n; i++) {
                const struct spec_hugepage *h = &b->r->hugepage_limits.v[i];
                const char *path = TEXT(b, PREFIX "hugepageLimits[%zu]", i);
                const char *value = TEXT(b, "%llu", (unsigned long long)h->limit);
                const char *file, *reserved;

                if (!path)
                        return -1;
                if (!is_page_size(h->page_size))
                        return FAIL(b, path, "'%.40s' is no page size like 2MB", h->page_size);
                file = TEXT(b, "hugetlb.%s.max", h->page_size);
                reserved = TEXT(b, "hugetlb.%s.rsvd.max", h->page_size);
                if (!file || !reserved || add(b, path, file, value, 0) < 0 ||
                    add(b, path, reserved, value, LIMIT_LIFTED) < 0)
                        return -1;
        }
        return 0;
}

static int plan_rdma(struct build *b)
{
        for (size_t i = 0; i < b->r->rdma.n; i++) {
                const struct spec_rdma *d = &b->r->rdma.v[i];
                const char *path = TEXT(b, PREFIX "rdma.%s", d->key);
                char handles[32] = "", objects[32] = "";

                if (!path)
                        return -1;
                if (!d->key[0] || strpbrk(d->key, " \t\n"))
                        return FAIL(b, PREFIX "rdma", "'%.60s' is no name of a device", d->key);
                if (!d->hca_handles.set && !d->hca_objects.set)
                        return FAIL(b, path, "%s is required", "'hcaHandles' or 'hcaObjects'");
                if (d->hca_handles.set)
                        snprintf(handles, sizeof(handles), " hca_handle=%llu",
                                 (unsigned long long)d->hca_handles.v);
                if (d->hca_objects.set)
                        snprintf(objects, sizeof(objects), " hca_object=%llu",
                                 (unsigned long long)d->hca_objects.v);
                if (add(b, path, "rdma.max", TEXT(b, "%s%s%s", d->key, handles, objects), 0) < 0)
                        return -1;
        }
        return 0;
}

/* ---- unified ------------------------------------------------------------------------ */

/* What is not a controller's is the runtime's business: its processes, its type, what
 * is enabled below, whether it is frozen or killed. */
static bool is_harmless(const char *file)
{
        return strcmp(file, "cgroup.max.depth") == 0 ||
               strcmp(file, "cgroup.max.descendants") == 0 || strcmp(file, "cgroup.pressure") == 0;
}

static int check_unified(const struct build *b, const char *path, const char *file)
{
        if (strchr(file, '/') || file[0] == '.' || strlen(file) > NAME_MAX || !strchr(file, '.'))
                return FAIL(b, path, "'%.60s' is not the name of a controller's file", file);
        if (strncmp(file, "cgroup.", 7) == 0 && !is_harmless(file))
                return FAIL(b, path, "%.60s is not for a configuration to write", file);
        return 0;
}

/* The kernel takes one line at a time. */
static int plan_unified(struct build *b)
{
        for (size_t i = 0; i < b->r->unified.n; i++) {
                const char *file = b->r->unified.v[i].key, *line = b->r->unified.v[i].value;
                const char *path = TEXT(b, PREFIX "unified.%s", file);
                bool any = false;

                if (!path || check_unified(b, path, file) < 0)
                        return -1;
                while (*line || !any) {
                        size_t len = strcspn(line, "\n");

                        if ((len > 0 || !line[len]) &&
                            add(b, path, file, arena_strndup(b->arena, line, len, b->e), 0) < 0)
                                return -1;
                        any = true;
                        line += len + (line[len] == '\n');
                }
        }
        return 0;
}

/* ---- all ---------------------------------------------------------------------------- */

struct gone {
        bool asked;
        const char *path;
};

static bool is_limit(struct opt_int n)
{
        return n.set && n.v != 0 && n.v != -1;
}

/* What only version 1 had. Updates may still speak of the kernel's memory: callers send
 * it along, and the kernel has given it up. */
static int check_gone(struct build *b)
{
        static const struct spec_memory no_memory;
        static const struct spec_cpu no_cpu;
        static const struct spec_block_io no_io;
        static const struct spec_network no_network;
        const struct spec_memory *m = b->r->memory ? b->r->memory : &no_memory;
        const struct spec_cpu *c = b->r->cpu ? b->r->cpu : &no_cpu;
        const struct spec_block_io *io = b->r->block_io ? b->r->block_io : &no_io;
        const struct spec_network *n = b->r->network ? b->r->network : &no_network;
        const struct gone rows[] = {
                { !b->in->update && is_limit(m->kernel), PREFIX "memory.kernel" },
                { !b->in->update && is_limit(m->kernel_tcp), PREFIX "memory.kernelTCP" },
                { m->swappiness.v != 0, PREFIX "memory.swappiness" },
                { m->disable_oom_killer, PREFIX "memory.disableOOMKiller" },
                { m->use_hierarchy, PREFIX "memory.useHierarchy" },
                { is_limit(c->realtime_runtime), PREFIX "cpu.realtimeRuntime" },
                { c->realtime_period.v != 0, PREFIX "cpu.realtimePeriod" },
                { io->leaf_weight.v != 0, PREFIX "blockIO.leafWeight" },
                { n->class_id.v != 0, PREFIX "network.classID" },
                { n->priorities.n > 0, PREFIX "network.priorities" },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (rows[i].asked)
                        return FAIL(b, rows[i].path, "cgroup version 2 has nothing like %s", "it");
        return 0;
}

int cgroup_limit_plan(const struct cgroup_limit_input *in, struct arena *a,
                      struct cgroup_limit_plan *ret, struct err *e)
{
        static int (*const parts[])(struct build *) = {
                check_gone,    plan_memory,    plan_cpu,  plan_pids,
                plan_block_io, plan_hugepages, plan_rdma, plan_unified,
        };
        struct build b = { .in = in, .r = in->resources, .arena = a, .e = e };

        for (size_t i = 0; b.r && i < sizeof(parts) / sizeof(parts[0]); i++)
                if (parts[i](&b) < 0)
                        return -1;
        *ret = b.plan;
        return 0;
}

const struct cgroup_limit *cgroup_limit_first(const struct cgroup_limit_plan *p)
{
        for (size_t i = 0; i < p->n; i++)
                if (!(p->v[i].flags & LIMIT_LIFTED))
                        return &p->v[i];
        return NULL;
}

static bool has(const struct cgroup_limit_plan *p, const struct cgroup_limit *l, bool value)
{
        for (size_t i = 0; i < p->n; i++)
                if (strcmp(p->v[i].file, l->file) == 0 &&
                    (!value || strcmp(p->v[i].value, l->value) == 0))
                        return true;
        return false;
}

static bool is_keyed(const char *file)
{
        return strncmp(file, "io.", 3) == 0 || strcmp(file, "rdma.max") == 0;
}

bool cgroup_limit_replaces(const struct cgroup_limit_plan *p, const char *file)
{
        for (size_t i = 0; i < p->n && !is_keyed(file); i++)
                if (strcmp(p->v[i].file, file) == 0)
                        return true;
        return false;
}

/* A group that is idle no more has the usual weight, whatever it had before. */
static bool wakes(const struct cgroup_limit_plan *p)
{
        for (size_t i = 0; i < p->n; i++)
                if (strcmp(p->v[i].file, "cpu.idle") == 0 && strcmp(p->v[i].value, "0") == 0)
                        return true;
        return false;
}

int cgroup_limit_changes(const struct cgroup_limit_plan *old, const struct cgroup_limit_plan *asked,
                         const struct cgroup_limit_plan *now, struct arena *a,
                         struct cgroup_limit_plan *ret, struct err *e)
{
        struct cgroup_limit_plan r = { .check_usage = now->check_usage };

        for (size_t i = 0; i < now->n; i++) {
                struct cgroup_limit *l;

                if (!has(asked, &now->v[i], false) && has(old, &now->v[i], true) &&
                    !(strcmp(now->v[i].file, "cpu.weight") == 0 && wakes(asked)))
                        continue;
                l = arena_push(a, &r.v, &r.n, sizeof(*l), e);
                if (!l)
                        return -1;
                *l = now->v[i];
        }
        *ret = r;
        return 0;
}
