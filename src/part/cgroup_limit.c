#include "kenro/part/cgroup_limit.h"

#include "kenro/base/file.h"

#include <stdio.h>
#include <string.h>

/* What a value asks of its controller. */
enum asked { NOTHING, NO_LIMIT, LIMIT };

struct row {
        enum asked asked;
        const char *path, *controller;
};

static enum asked ask_int(struct opt_int n)
{
        return !n.set || n.v == 0 ? NOTHING : n.v == -1 ? NO_LIMIT : LIMIT;
}

static enum asked ask_uint(struct opt_uint n)
{
        return n.set && n.v != 0 ? LIMIT : NOTHING;
}

static enum asked ask_text(const char *s)
{
        return s && *s ? LIMIT : NOTHING;
}

static enum asked ask_list(size_t n)
{
        return n ? LIMIT : NOTHING;
}

static bool has_controller(const struct host_cgroup *h, const char *name)
{
        char text[256], *at = text;
        size_t len = strlen(name);

        if (file_peek(h->fd, "cgroup.controllers", text, sizeof(text)) < 0)
                return false;
        while ((at = strstr(at, name))) {
                if ((at == text || at[-1] == ' ') && strchr(" \n", at[len]))
                        return true;
                at += len;
        }
        return false;
}

/* The values themselves are written when the controllers' part is built. */
static int refuse(const struct row *r, const struct host_cgroup *h, struct err *e)
{
        bool there = r->controller && has_controller(h, r->controller);

        if (r->asked == NOTHING || (r->asked == NO_LIMIT && !there))
                return 0;
        if (!r->controller)
                return err_set(e, "%s: cgroup version 2 has nothing like it", r->path);
        if (there)
                return err_set(e, "%s: not supported yet", r->path);
        err_set(e, "%s: the cgroup2 tree at %s lacks the controller '%s'", r->path, h->mount,
                r->controller);
        return err_hint(e, "it may be in use by a version 1 tree: boot with cgroup_no_v1=all");
}

static int refuse_all(const struct row *rows, size_t n, const struct host_cgroup *h, struct err *e)
{
        for (size_t i = 0; i < n; i++)
                if (refuse(&rows[i], h, e) < 0)
                        return -1;
        return 0;
}

#define REFUSE(rows, h, e) refuse_all(rows, sizeof(rows) / sizeof((rows)[0]), h, e)

static int limit_memory(const struct spec_memory *m, const struct host_cgroup *h, struct err *e)
{
        const struct row rows[] = {
                { ask_int(m->limit), "memory.limit", "memory" },
                { ask_int(m->reservation), "memory.reservation", "memory" },
                { ask_int(m->swap), "memory.swap", "memory" },
                { ask_uint(m->swappiness), "memory.swappiness", NULL },
                { m->disable_oom_killer ? LIMIT : NOTHING, "memory.disableOOMKiller", NULL },
        };

        return REFUSE(rows, h, e);
}

static int limit_cpu(const struct spec_cpu *c, const struct host_cgroup *h, struct err *e)
{
        const struct row rows[] = {
                { ask_uint(c->shares), "cpu.shares", "cpu" },
                { ask_int(c->quota), "cpu.quota", "cpu" },
                { ask_uint(c->period), "cpu.period", "cpu" },
                { ask_uint(c->burst), "cpu.burst", "cpu" },
                { ask_int(c->idle), "cpu.idle", "cpu" },
                { ask_text(c->cpus), "cpu.cpus", "cpuset" },
                { ask_text(c->mems), "cpu.mems", "cpuset" },
                { ask_int(c->realtime_runtime), "cpu.realtimeRuntime", NULL },
                { ask_uint(c->realtime_period), "cpu.realtimePeriod", NULL },
        };

        return REFUSE(rows, h, e);
}

static int limit_block_io(const struct spec_block_io *b, const struct host_cgroup *h, struct err *e)
{
        const struct row rows[] = {
                { ask_uint(b->weight), "blockIO.weight", "io" },
                { ask_uint(b->leaf_weight), "blockIO.leafWeight", NULL },
                { ask_list(b->weight_device.n), "blockIO.weightDevice", "io" },
                { ask_list(b->read_bps.n), "blockIO.throttleReadBpsDevice", "io" },
                { ask_list(b->write_bps.n), "blockIO.throttleWriteBpsDevice", "io" },
                { ask_list(b->read_iops.n), "blockIO.throttleReadIOPSDevice", "io" },
                { ask_list(b->write_iops.n), "blockIO.throttleWriteIOPSDevice", "io" },
        };

        return REFUSE(rows, h, e);
}

/* The controller is the file's name up to the first dot; "cgroup" is not one. */
static int limit_unified(const struct pairs *u, const struct host_cgroup *h, struct err *e)
{
        for (size_t i = 0; i < u->n; i++) {
                char path[128], controller[32];
                struct row row = { LIMIT, path, controller };

                snprintf(path, sizeof(path), "unified.%.100s", u->v[i].key);
                snprintf(controller, sizeof(controller), "%.*s", (int)strcspn(u->v[i].key, "."),
                         u->v[i].key);
                if (strcmp(controller, "cgroup") == 0)
                        return err_set(e, "%s: not supported yet", path);
                if (refuse(&row, h, e) < 0)
                        return -1;
        }
        return 0;
}

int cgroup_limit_parent(const struct spec_resources *r, const struct host_cgroup *h, struct err *e)
{
        const struct spec_network *n = r->network;
        const struct row rows[] = {
                { !r->pids               ? NOTHING
                  : r->pids->limit.v < 0 ? NO_LIMIT
                                         : LIMIT,
                  "pids.limit", "pids" },
                { ask_list(r->hugepage_limits.n), "hugepageLimits", "hugetlb" },
                { ask_list(r->rdma.n), "rdma", "rdma" },
                { n ? ask_uint(n->class_id) : NOTHING, "network.classID", NULL },
                { n ? ask_list(n->priorities.n) : NOTHING, "network.priorities", NULL },
        };

        if (r->memory && limit_memory(r->memory, h, e) < 0)
                return -1;
        if (r->cpu && limit_cpu(r->cpu, h, e) < 0)
                return -1;
        if (r->block_io && limit_block_io(r->block_io, h, e) < 0)
                return -1;
        return REFUSE(rows, h, e) < 0 ? -1 : limit_unified(&r->unified, h, e);
}
