/* linux.maskedPaths and linux.readonlyPaths. A path that is not there is
 * skipped; one that is there and cannot be covered is an error. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

struct mask_plan {
        struct strings masked, readonly; /* without repetitions, links resolve in the root */
};

int mask_plan(const struct spec *s, struct arena *a, struct mask_plan *ret, struct err *e);

/* STASH_FD: what part/stash made. */
int mask_child(const struct mask_plan *p, int root_fd, int stash_fd, struct err *e);
