/* Known fields whose part is not built yet. A row leaves this file when its
 * part arrives; the file goes when it is empty. */
#include "spec_check.h"

#include "kenro/base/sys.h"

#include <stdio.h>
#include <string.h>

struct unbuilt {
        bool asked;
        const char *path;
};

static int refuse(const struct json_source *src, const char *prefix, const struct unbuilt *rows,
                  size_t n, struct err *e)
{
        char path[128];

        for (size_t i = 0; i < n; i++) {
                if (!rows[i].asked)
                        continue;
                snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] ? "." : "", rows[i].path);
                return json_fail(src, e, path, "not supported yet");
        }
        return 0;
}

#define REFUSE(src, prefix, rows, e) refuse(src, prefix, rows, sizeof(rows) / sizeof(rows[0]), e)

static bool text(const char *s)
{
        return s && *s;
}

/* 0 and -1 are how engines spell "no limit" in signed fields. */
static bool limit(struct opt_int n)
{
        return n.set && n.v != 0 && n.v != -1;
}

static bool number(struct opt_uint n)
{
        return n.set && n.v != 0;
}

static int check_memory(const struct json_source *src, const struct spec_memory *m, struct err *e)
{
        const struct unbuilt rows[] = {
                { limit(m->limit), "limit" },
                { limit(m->reservation), "reservation" },
                { limit(m->swap), "swap" },
                { limit(m->kernel), "kernel" },
                { limit(m->kernel_tcp), "kernelTCP" },
                { number(m->swappiness), "swappiness" },
                { m->disable_oom_killer, "disableOOMKiller" },
        };

        return REFUSE(src, "linux.resources.memory", rows, e);
}

static int check_cpu(const struct json_source *src, const struct spec_cpu *c, struct err *e)
{
        const struct unbuilt rows[] = {
                { number(c->shares), "shares" },
                { limit(c->quota), "quota" },
                { number(c->period), "period" },
                { number(c->burst), "burst" },
                { limit(c->realtime_runtime), "realtimeRuntime" },
                { number(c->realtime_period), "realtimePeriod" },
                { text(c->cpus), "cpus" },
                { text(c->mems), "mems" },
                { limit(c->idle), "idle" },
        };

        return REFUSE(src, "linux.resources.cpu", rows, e);
}

static int check_block_io(const struct json_source *src, const struct spec_block_io *b,
                          struct err *e)
{
        const struct unbuilt rows[] = {
                { number(b->weight), "weight" },
                { number(b->leaf_weight), "leafWeight" },
                { b->weight_device.n > 0, "weightDevice" },
                { b->read_bps.n > 0, "throttleReadBpsDevice" },
                { b->write_bps.n > 0, "throttleWriteBpsDevice" },
                { b->read_iops.n > 0, "throttleReadIOPSDevice" },
                { b->write_iops.n > 0, "throttleWriteIOPSDevice" },
        };

        return REFUSE(src, "linux.resources.blockIO", rows, e);
}

static int check_resources(const struct json_source *src, const struct spec_resources *r,
                           struct err *e)
{
        const struct unbuilt rows[] = {
                { r->pids && r->pids->limit.v != -1, "pids.limit" },
                { r->hugepage_limits.n > 0, "hugepageLimits" },
                { r->network && (number(r->network->class_id) || r->network->priorities.n > 0),
                  "network" },
                { r->rdma.n > 0, "rdma" },
                { r->unified.n > 0, "unified" },
        };

        if (r->memory && check_memory(src, r->memory, e) < 0)
                return -1;
        if (r->cpu && check_cpu(src, r->cpu, e) < 0)
                return -1;
        if (r->block_io && check_block_io(src, r->block_io, e) < 0)
                return -1;
        return REFUSE(src, "linux.resources", rows, e);
}

int spec_check_unbuilt(const struct json_source *src, const struct spec *s, struct err *e)
{
        const struct spec_linux *l = s->linux_;

        return l->resources ? check_resources(src, l->resources, e) : 0;
}
