/* Resource limits: setrlimit(2). */
#pragma once

#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

struct rlimit_plan {
        const struct spec_rlimit *v;
        size_t n;
};

void rlimit_plan(const struct spec_process *p, struct rlimit_plan *ret);

/* Before the capabilities go: raising a hard limit needs CAP_SYS_RESOURCE. */
int rlimit_child(const struct rlimit_plan *p, struct err *e);
