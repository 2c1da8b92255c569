/* The NUMA memory policy: set_mempolicy(2). */
#pragma once

#include "kenro/base/bits.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

struct numa_plan {
        bool wanted;
        int mode; /* MPOL_* and MPOL_F_* */
        struct bits nodes;
};

/* P is linux.memoryPolicy or NULL. */
int numa_plan(const struct spec_memory_policy *p, struct numa_plan *ret, struct err *e);

int numa_child(const struct numa_plan *p, struct err *e);

int numa_child_check(const struct numa_plan *p, struct err *e);
