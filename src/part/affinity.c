#include "kenro/part/affinity.h"

#include "kenro/base/sys.h"

static int parse(const char *text, const char *member, struct bits *ret, struct err *e)
{
        if (bits_parse(text, ret, e) < 0)
                return err_in(e, "process.execCPUAffinity.%s", member);
        return 0;
}

/* All but those that the administrator keeps free of what has not been put there: such
 * a process would not be moved away from them. A cpuset that names CPUs has put it. */
static void any_cpu(const struct affinity_input *in, struct bits *ret)
{
        bits_fill(ret);
        if (!in->cpus || !*in->cpus)
                bits_remove(ret, &in->host->cpus_isolated);
}

int affinity_plan(const struct affinity_input *in, struct affinity_plan *ret, struct err *e)
{
        static const struct spec_cpu_affinity none;
        const struct spec_cpu_affinity *s = in->process->exec_cpu_affinity
                                                    ? in->process->exec_cpu_affinity
                                                    : &none;
        struct affinity_plan r = { .how = AFFINITY_RESET };
        bool last = s->final && *s->final;

        r.has_first = s->initial && *s->initial;
        if ((r.has_first && parse(s->initial, "initial", &r.first, e) < 0) ||
            (last && parse(s->final, "final", &r.cpus, e) < 0))
                return -1;
        if (in->exec && last)
                r.how = AFFINITY_SET;
        else if (in->exec && r.has_first)
                r.how = AFFINITY_LEAVE; /* what then holds is the kernel's choice */
        else
                any_cpu(in, &r.cpus);
        r.has_first &= in->exec;
        *ret = r;
        return 0;
}

int affinity_parent(const struct affinity_plan *p, struct err *e)
{
        int r = p->has_first ? sys_sched_setaffinity(&p->first, sizeof(p->first)) : 0;

        if (r == -EINVAL)
                return err_sys(e, EINVAL,
                               "process.execCPUAffinity.initial: none of these CPUs is allowed");
        return r < 0 ? err_sys(e, -r, "process.execCPUAffinity.initial: cannot be set") : 0;
}

int affinity_child(const struct affinity_plan *p, struct err *e)
{
        struct bits all;
        int r;

        if (p->how == AFFINITY_LEAVE)
                return 0;
        r = sys_sched_setaffinity(&p->cpus, sizeof(p->cpus));
        if (r >= 0)
                return 0;
        if (p->how == AFFINITY_RESET) {
                bits_fill(&all); /* its cgroup has isolated CPUs only */
                (void)sys_sched_setaffinity(&all, sizeof(all)); /* nobody has asked for it */
                return 0;
        }
        if (r == -EINVAL)
                return err_sys(e, EINVAL,
                               "process.execCPUAffinity.final: none of these CPUs is allowed "
                               "by the container's cgroup");
        return err_sys(e, -r, "process.execCPUAffinity.final: cannot be set");
}

int affinity_child_check(const struct affinity_plan *p, struct err *e)
{
        struct bits now = { 0 };
        int r;

        if (p->how != AFFINITY_SET)
                return 0;
        r = sys_sched_getaffinity(&now, sizeof(now));
        if (r < 0)
                return err_sys(e, -r, "read-back: cannot read the CPU affinity");
        bits_remove(&now, &p->cpus);
        if (!bits_is_empty(&now))
                return err_set(e, "read-back: the CPU affinity is not the planned one");
        return 0;
}
