/* I/O priority: ioprio_set(2). */
#pragma once

#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

#include <sys/types.h>

struct ioprio_plan {
        bool wanted;
        int value; /* class and level, as the kernel packs them */
};

int ioprio_plan(const struct spec_process *p, struct ioprio_plan *ret, struct err *e);

/* By the parent: IOPRIO_CLASS_RT needs the host's CAP_SYS_NICE. PID is alone in its
 * process group, and what it forks has its priority. */
int ioprio_parent(const struct ioprio_plan *p, pid_t pid, struct err *e);
