/* The CPUs that a process may run on: sched_setaffinity(2).
 *
 * A container does not inherit the pinning of the engine that has started it: what
 * its cgroup allows is what counts. */
#pragma once

#include "kenro/base/bits.h"
#include "kenro/host/host.h"
#include "kenro/spec/spec.h"

struct affinity_input {
        const struct spec_process *process;
        const struct host *host;
        const char *cpus; /* linux.resources.cpu.cpus or NULL */
        bool exec;        /* process.execCPUAffinity holds: not for a container's init */
};

struct affinity_plan {
        bool has_first;    /* the runtime itself moves there before it makes the process */
        struct bits first; /* process.execCPUAffinity.initial */
        enum { AFFINITY_LEAVE, AFFINITY_RESET, AFFINITY_SET } how;
        struct bits cpus; /* of the process, as far as its cgroup allows them */
};

int affinity_plan(const struct affinity_input *in, struct affinity_plan *ret, struct err *e);

/* Before the process is made. */
int affinity_parent(const struct affinity_plan *p, struct err *e);

/* In its cgroup. */
int affinity_child(const struct affinity_plan *p, struct err *e);

/* Read back what was asked for. */
int affinity_child_check(const struct affinity_plan *p, struct err *e);
