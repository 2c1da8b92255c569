/* Resource limits: setrlimit(2). */
#pragma once

#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

#include <sys/types.h>

struct rlimit_plan {
        const struct spec_rlimit *v;
        size_t n;
};

void rlimit_plan(const struct spec_process *p, struct rlimit_plan *ret);

/* Make room for PID's: raising a hard limit needs the host's CAP_SYS_RESOURCE. */
int rlimit_parent(const struct rlimit_plan *p, pid_t pid, struct err *e);

/* Set them, as late as can be: what is low must not hinder the runtime. */
int rlimit_child(const struct rlimit_plan *p, struct err *e);
