/* How a process is scheduled: sched(7), sched_setattr(2). */
#pragma once

#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

#include <sys/types.h>

/* The kernel's struct sched_attr, which libc and its own header both define. */
struct sched_request {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
        uint32_t util_min, util_max;
};

struct sched_plan {
        bool wanted;
        bool few_cpus; /* the configuration narrows the CPUs: not for SCHED_DEADLINE */
        struct sched_request request;
};

int sched_plan(const struct spec_process *p, bool few_cpus, struct sched_plan *ret, struct err *e);

/* By the parent, because real-time policies need the host's CAP_SYS_NICE; and for the
 * process that will execute the program, because SCHED_DEADLINE cannot fork and
 * SCHED_FLAG_RESET_ON_FORK would not outlive it. */
int sched_parent(const struct sched_plan *p, pid_t pid, struct err *e);
