/* update: other limits for a container that is there. */
#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/log.h"
#include "kenro/base/size.h"
#include "kenro/cmd/cmd.h"
#include "kenro/part/cgroup_limit.h"
#include "kenro/part/resctrl.h"
#include "kenro/plan/scope.h"
#include "kenro/spec/spec_load.h"
#include "kenro/spec/spec_resources.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct update_options {
        const char *resources;
        const char *memory, *reservation, *swap, *kernel, *kernel_tcp;
        const char *period, *quota, *burst, *shares, *idle, *rt_period, *rt_runtime, *cpus, *mems;
        const char *pids, *weight;
        const char *l3_cache, *mem_bw;
};

#define AT(member) offsetof(struct update_options, member)

/* clang-format off */
const struct option_row update_rows[] = {
        { "resources", 'r', OPTION_TEXT, AT(resources), "FILE",
          "linux.resources as JSON, - for standard input; the rest is ignored then" },
        { "memory", 0, OPTION_TEXT, AT(memory), "BYTES", "like 512m; -1: no limit" },
        { "memory-reservation", 0, OPTION_TEXT, AT(reservation), "BYTES", "what is kept for it" },
        { "memory-swap", 0, OPTION_TEXT, AT(swap), "BYTES", "memory and swap together" },
        { "cpu-share", 0, OPTION_TEXT, AT(shares), "N", "its part when others want the CPU too" },
        { "cpu-quota", 0, OPTION_TEXT, AT(quota), "USEC", "of CPU time in a period" },
        { "cpu-period", 0, OPTION_TEXT, AT(period), "USEC", "the period" },
        { "cpu-burst", 0, OPTION_TEXT, AT(burst), "USEC", "what may be saved for later" },
        { "cpu-idle", 0, OPTION_TEXT, AT(idle), "0|1", "only when nobody else wants the CPU" },
        { "cpuset-cpus", 0, OPTION_TEXT, AT(cpus), "LIST", "which CPUs, like 0-3,7" },
        { "cpuset-mems", 0, OPTION_TEXT, AT(mems), "LIST", "which memory nodes" },
        { "pids-limit", 0, OPTION_TEXT, AT(pids), "N", "how many processes and threads" },
        { "blkio-weight", 0, OPTION_TEXT, AT(weight), "N", "its part of input and output" },
        { "cpu-rt-period", 0, OPTION_TEXT, AT(rt_period), "USEC", NULL },
        { "cpu-rt-runtime", 0, OPTION_TEXT, AT(rt_runtime), "USEC", NULL },
        { "kernel-memory", 0, OPTION_TEXT, AT(kernel), "BYTES", NULL },
        { "kernel-memory-tcp", 0, OPTION_TEXT, AT(kernel_tcp), "BYTES", NULL },
        { "l3-cache-schema", 0, OPTION_TEXT, AT(l3_cache), "LINE", "like L3:0=f, of its resctrl group" },
        { "mem-bw-schema", 0, OPTION_TEXT, AT(mem_bw), "LINE", "like MB:0=50, of its resctrl group" },
        { 0 },
};
/* clang-format on */

static int parse(const char *text, const char *option, bool size, struct opt_int *ret,
                 struct err *e)
{
        uint64_t n = 0;
        bool unlimited = strcmp(text, "-1") == 0;

        if (!unlimited &&
            (size_parse(text, strlen(text), size ? SIZE_HUMAN : SIZE_NUMBER, &n) < 0 ||
             n > INT64_MAX))
                return err_set(e, "option '--%s': '%.40s' is neither -1 nor a %s", option, text,
                               size ? "size like 512m" : "number");
        *ret = (struct opt_int){ true, unlimited ? -1 : (int64_t)n };
        return 0;
}

/* Options whose value is a number, and where it goes. */
static int parse_numbers(const struct update_options *o, struct spec_memory *m, struct spec_cpu *c,
                         struct spec_pids *p, struct err *e)
{
        const struct {
                const char *text, *option;
                bool size;
                struct opt_int *to;
        } rows[] = {
                { o->memory, "memory", true, &m->limit },
                { o->reservation, "memory-reservation", true, &m->reservation },
                { o->swap, "memory-swap", true, &m->swap },
                { o->kernel, "kernel-memory", true, &m->kernel },
                { o->kernel_tcp, "kernel-memory-tcp", true, &m->kernel_tcp },
                { o->quota, "cpu-quota", false, &c->quota },
                { o->idle, "cpu-idle", false, &c->idle },
                { o->rt_runtime, "cpu-rt-runtime", false, &c->realtime_runtime },
                { o->pids, "pids-limit", false, &p->limit },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (rows[i].text &&
                    parse(rows[i].text, rows[i].option, rows[i].size, rows[i].to, e) < 0)
                        return -1;
        return 0;
}

/* The same for those that cannot be -1. */
static int parse_unsigned(const struct update_options *o, struct spec_cpu *c,
                          struct spec_block_io *b, struct err *e)
{
        const struct {
                const char *text, *option;
                struct opt_uint *to;
        } rows[] = {
                { o->shares, "cpu-share", &c->shares },
                { o->period, "cpu-period", &c->period },
                { o->burst, "cpu-burst", &c->burst },
                { o->rt_period, "cpu-rt-period", &c->realtime_period },
                { o->weight, "blkio-weight", &b->weight },
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct opt_int n;

                if (!rows[i].text)
                        continue;
                if (parse(rows[i].text, rows[i].option, false, &n, e) < 0)
                        return -1;
                if (n.v < 0)
                        return err_set(e, "option '--%s': '-1' is not a number", rows[i].option);
                *rows[i].to = (struct opt_uint){ true, (uint64_t)n.v };
        }
        return 0;
}

static int from_options(const struct update_options *o, struct arena *a, struct spec_resources *r,
                        struct err *e)
{
        r->memory = ARENA_NEW(a, struct spec_memory, 1, e);
        r->cpu = ARENA_NEW(a, struct spec_cpu, 1, e);
        r->pids = ARENA_NEW(a, struct spec_pids, 1, e);
        r->block_io = ARENA_NEW(a, struct spec_block_io, 1, e);
        if (!r->memory || !r->cpu || !r->pids || !r->block_io)
                return -1;
        r->cpu->cpus = o->cpus;
        r->cpu->mems = o->mems;
        if (parse_numbers(o, r->memory, r->cpu, r->pids, e) < 0 ||
            parse_unsigned(o, r->cpu, r->block_io, e) < 0)
                return -1;
        if (!o->pids)
                r->pids = NULL;
        return 0;
}

/* What is in force until now. */
static int in_force(const struct container *c, struct arena *a, const struct spec_resources **ret,
                    struct err *e)
{
        struct spec_file file;

        *ret = c->state.resources;
        if (*ret)
                return 0;
        if (spec_load(c->dir_fd, "config.json", false, a, &file, e) < 0)
                return err_in(e, "the container's record");
        *ret = file.spec.linux_->resources;
        return 0;
}

/* The kernel has given these up, and callers still send them. */
static void warn_of_kernel(const struct spec_memory *m)
{
        if (m && (m->kernel.v != 0 || m->kernel_tcp.v != 0))
                log_warn("memory.kernel: ignored, the kernel has given it up");
}

/* What unified says is written last. A field that is asked for now takes the place of an
 * older unified for the same file; it would be lost without a word. */
static int drop_unified(const struct spec_resources *old, const struct cgroup_limit_plan *asked,
                        struct arena *a, struct spec_resources *ret, struct err *e)
{
        struct spec_resources r = *old;

        r.unified = (struct pairs){ 0 };
        for (size_t i = 0; i < old->unified.n; i++) {
                struct json_pair *to;

                if (cgroup_limit_replaces(asked, old->unified.v[i].key))
                        continue;
                to = arena_push(a, &r.unified.v, &r.unified.n, sizeof(*to), e);
                if (!to)
                        return -1;
                *to = old->unified.v[i];
        }
        *ret = r;
        return 0;
}

/* CHANGE on top of OLD. */
static int merge(const struct spec_resources *old, const struct spec_resources *change,
                 struct arena *a, struct spec_resources *now, struct err *e)
{
        const struct cgroup_limit_input in = { .resources = change,
                                               .update = true,
                                               .partial = true };
        struct cgroup_limit_plan asked;
        struct spec_resources kept = { 0 };

        if (cgroup_limit_plan(&in, a, &asked, e) < 0 ||
            (old && drop_unified(old, &asked, a, &kept, e) < 0))
                return -1;
        return spec_merge_resources(&kept, change, a, now, e);
}

/* What CHANGE asks for, on top of OLD: NOW. The rules are those of create. */
static int plan_changes(const struct spec_resources *const r[3], bool scope, struct arena *a,
                        struct cgroup_limit_plan *ret, struct err *e)
{
        struct cgroup_limit_plan plans[3];

        for (size_t i = 0; i < 3; i++) {
                const struct cgroup_limit_input in = {
                        .resources = r[i], .update = true, .partial = i == 1, .whole_percent = scope
                };

                if (cgroup_limit_plan(&in, a, &plans[i], e) < 0)
                        return -1;
        }
        return cgroup_limit_changes(&plans[0], &plans[1], &plans[2], a, ret, e);
}

/* The shares of the container's resctrl group: LINES, or those that were there. */
static int change_shares(const struct state *s, const char *const lines[RESCTRL_CHANGES],
                         struct arena *a, const char *old[RESCTRL_CHANGES], struct err *e)
{
        const char *option = lines[0] ? "l3-cache-schema" : "mem-bw-schema";

        if (!lines[0] && !lines[1])
                return 0;
        if (!s->resctrl_own)
                return err_set(e, "option '--%s': the container has no resctrl group of its own",
                               option);
        return resctrl_change(s->resctrl, lines, a, old, e) < 0 ? err_in(e, "option '--%s'", option)
                                                                : 0;
}

/* In the unit, if the group is one. */
static int tell_systemd(const struct container *c, const struct cgroup_limit_plan *p,
                        const struct cgroup_limit_group *g, struct err *e)
{
        struct systemd_properties properties;
        bool bfq = faccessat(g->fd, "io.bfq.weight", F_OK, 0) == 0;

        if (!c->state.unit)
                return 0;
        if (scope_plan_changes(p, bfq, g->arena, &properties, e) < 0)
                return -1;
        return systemd_set(c->state.unit, c->state.user_manager, &properties, e);
}

/* A period alone leaves the quota as it is, also one that the records do not know: it may
 * have come with "unified", or by somebody else. */
static int keep_quota(int cgroup_fd, struct spec_resources *now, struct arena *a, struct err *e)
{
        const struct spec_cpu *cpu = now->cpu;
        struct spec_cpu *kept;
        char text[64];
        uint64_t quota;

        if (!cpu || cpu->quota.v != 0 || cpu->period.v == 0 || cgroup_fd < 0 ||
            file_peek(cgroup_fd, "cpu.max", text, sizeof(text)) <= 0 ||
            size_parse(text, strcspn(text, " "), SIZE_NUMBER, &quota) < 0 || quota > INT64_MAX)
                return 0;
        kept = ARENA_NEW(a, struct spec_cpu, 1, e);
        if (!kept)
                return -1;
        *kept = *cpu;
        kept->quota = (struct opt_int){ true, (int64_t)quota };
        now->cpu = kept;
        return 0;
}

/* The container is locked, and OLD in force. What cannot be leaves all as it was. */
static int put_in_force(struct container *c, const struct host_cgroup *cg,
                        const struct spec_resources *old, const struct spec_resources *change,
                        struct arena *a, struct err *e)
{
        struct cgroup_limit_group group = { .host = cg, .path = c->state.cgroup, .arena = a };
        autoclose int fd = c->state.cgroup[0] ? container_cgroup(c, cg, e) : -1;
        struct spec_resources *now = ARENA_NEW(a, struct spec_resources, 1, e);
        const struct spec_resources *const r[] = { old, change, now };
        struct cgroup_limit_plan plan;
        struct err ignored;

        group.fd = fd;
        if ((fd < 0 && c->state.cgroup[0]) || !now || merge(old, change, a, now, e) < 0 ||
            keep_quota(fd, now, a, e) < 0 ||
            plan_changes(r, c->state.unit != NULL, a, &plan, e) < 0)
                return -1;
        if (fd < 0)
                return plan.n == 0 ? 0 : container_cgroup(c, cg, e); /* it says why there is none */
        if (cgroup_limit_parent(&plan, &group, e) < 0)
                return -1;
        /* Files first: what the kernel does not take must not stand in the unit. */
        c->state.resources = now;
        if (tell_systemd(c, &plan, &group, e) == 0) {
                if (state_store(c->dir_fd, &c->state, e) == 0)
                        return 0;
                (void)tell_systemd(c, &group.undo, &group, &ignored);
        }
        cgroup_limit_undo(&group);
        return -1;
}

int cmd_update(struct cli *c, struct err *e)
{
        const struct update_options *o = c->options;
        const char *lines[RESCTRL_CHANGES] = { NULL }, *shares[RESCTRL_CHANGES] = { NULL };
        const struct spec_resources *old = NULL;
        struct spec_resources change = { 0 };
        struct container container;
        struct cmd_host facts;
        struct err ignored;

        if (o->resources ? spec_load_resources(o->resources, c->arena, &change, e) < 0
                         : from_options(o, c->arena, &change, e) < 0)
                return -1;
        if (!o->resources) {
                lines[0] = o->l3_cache;
                lines[1] = o->mem_bw;
        }
        warn_of_kernel(change.memory);
        if (cmd_lock(c, &container, &facts, e) < 0 ||
            container_is_there(container_status(&container, facts.host.proc_fd, &facts.cgroup), e) <
                    0 ||
            in_force(&container, c->arena, &old, e) < 0 ||
            change_shares(&container.state, lines, c->arena, shares, e) < 0)
                return -1;
        if (put_in_force(&container, &facts.cgroup, old, &change, c->arena, e) == 0)
                return 0;
        (void)change_shares(&container.state, shares, c->arena, lines, &ignored);
        return -1;
}
