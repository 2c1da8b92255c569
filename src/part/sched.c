#include "kenro/part/sched.h"

#include "kenro/base/sys.h"
#include "kenro/spec/spec_fields.h"

#include <linux/sched.h>

enum {
        NICE_MIN = -20,
        NICE_MAX = 19,
        PRIORITY_MIN = 1, /* sched_get_priority_min(2) */
        PRIORITY_MAX = 99,
        RUNTIME_MIN = 1024, /* ns, sched_setattr(2) */
        ISO = 4,            /* a number that is reserved, and nothing more */
};

#define KEEPS (SCHED_FLAG_KEEP_POLICY | SCHED_FLAG_KEEP_PARAMS)
#define UNIT "process.scheduler."

static bool is_realtime(uint64_t policy)
{
        return policy == SCHED_FIFO || policy == SCHED_RR;
}

static int check_priority(const struct spec_scheduler *s, struct err *e)
{
        const char *name = name_of(spec_scheduler_names, s->policy.v);

        if (!is_realtime(s->policy.v) && s->priority.v != 0)
                return err_set(e, UNIT "priority: %s has none, only SCHED_FIFO and SCHED_RR do",
                               name);
        if (is_realtime(s->policy.v) &&
            (s->priority.v < PRIORITY_MIN || s->priority.v > PRIORITY_MAX))
                return err_set(e, UNIT "priority: %lld is not %d..%d, which %s needs",
                               (long long)s->priority.v, PRIORITY_MIN, PRIORITY_MAX, name);
        return 0;
}

static int check_deadline(const struct spec_scheduler *s, struct err *e)
{
        if (s->policy.v != SCHED_DEADLINE) {
                if (s->runtime || s->deadline || s->period)
                        return err_set(e, UNIT "%s: only SCHED_DEADLINE has it",
                                       s->runtime    ? "runtime"
                                       : s->deadline ? "deadline"
                                                     : "period");
                return 0;
        }
        if (s->runtime < RUNTIME_MIN)
                return err_set(e, UNIT "runtime: SCHED_DEADLINE needs at least %d ns", RUNTIME_MIN);
        if (s->deadline < s->runtime || s->deadline > INT64_MAX)
                return err_set(e,
                               UNIT "deadline: SCHED_DEADLINE needs at least the runtime, "
                                    "%llu ns",
                               (unsigned long long)s->runtime);
        /* 0 is the deadline again. */
        if (s->period != 0 && (s->period < s->deadline || s->period > INT64_MAX))
                return err_set(e,
                               UNIT "period: SCHED_DEADLINE needs at least the deadline, "
                                    "%llu ns",
                               (unsigned long long)s->deadline);
        return 0;
}

int sched_plan(const struct spec_process *p, bool few_cpus, struct sched_plan *ret, struct err *e)
{
        const struct spec_scheduler *s = p->scheduler;
        struct sched_plan r = { .few_cpus = few_cpus };

        if (!s) {
                *ret = r;
                return 0;
        }
        if (s->policy.v == ISO)
                return err_set(e,
                               UNIT "policy: SCHED_ISO is a name only, Linux has no such policy");
        if (s->nice.v < NICE_MIN || s->nice.v > NICE_MAX)
                return err_set(e, UNIT "nice: %lld is not %d..%d", (long long)s->nice.v, NICE_MIN,
                               NICE_MAX);
        if (check_priority(s, e) < 0 || check_deadline(s, e) < 0)
                return -1;
        r.wanted = true;
        r.request = (struct sched_request){
                .size = sizeof(r.request),
                .policy = (uint32_t)s->policy.v,
                .nice = (int32_t)s->nice.v,
                .priority = (uint32_t)s->priority.v,
                .runtime = s->runtime,
                .deadline = s->deadline,
                .period = s->period,
        };
        for (size_t i = 0; i < s->flags.n; i++)
                r.request.flags |= s->flags.v[i];
        *ret = r;
        return 0;
}

static int cannot_set(const struct sched_plan *p, int num, struct err *e)
{
        const char *name = name_of(spec_scheduler_names, p->request.policy);

        if (num == EPERM && p->request.policy == SCHED_DEADLINE && p->few_cpus)
                return err_sys(e, num,
                               "process.scheduler: process scheduler can't be used "
                               "together with AllowedCPUs: SCHED_DEADLINE needs them all");
        err_sys(e, num, "process.scheduler: cannot set %s", name);
        if (num == EBUSY)
                return err_hint(e, "SCHED_DEADLINE has no room left for so much run time");
        if (num == EINVAL && p->request.policy == SCHED_DEADLINE)
                return err_hint(e, "a period is not shorter than kernel.sched_deadline_period_"
                                   "min_us, nor longer than ..._max_us");
        if (num == EPERM && p->request.policy == SCHED_DEADLINE)
                return err_hint(e, "it needs CAP_SYS_NICE on the host, and all CPUs");
        if (num == EPERM)
                return err_hint(e, "it needs CAP_SYS_NICE on the host, and real-time run time "
                                   "in the cgroup where that is shared out");
        return -1;
}

/* What the kernel has rounded or ignored without a word is not what was asked for. */
static bool is_same(const struct sched_request *now, const struct sched_request *asked)
{
        if (now->policy != asked->policy || now->priority != asked->priority ||
            (now->flags ^ asked->flags) & SCHED_FLAG_RESET_ON_FORK)
                return false;
        if (asked->policy == SCHED_DEADLINE)
                return now->runtime == asked->runtime && now->deadline == asked->deadline;
        /* SCHED_IDLE leaves the caller's as it is, and makes nothing of it. */
        return is_realtime(asked->policy) || now->nice == asked->nice ||
               (asked->policy == SCHED_IDLE && asked->nice == 0);
}

int sched_parent(const struct sched_plan *p, pid_t pid, struct err *e)
{
        struct sched_request now = { 0 };
        int r;

        if (!p->wanted)
                return 0;
        r = sys_sched_setattr(pid, &p->request);
        if (r < 0)
                return cannot_set(p, -r, e);
        r = sys_sched_getattr(pid, &now, sizeof(now));
        if (r < 0)
                return err_sys(e, -r, "read-back: cannot read the scheduler");
        if (!(p->request.flags & KEEPS) && !is_same(&now, &p->request))
                return err_set(e, "read-back: the scheduler is not the planned one");
        return 0;
}
