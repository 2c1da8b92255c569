/* From created to running. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/run/container.h"

/* C is locked. Release init, wait until its program runs, then run the poststart
 * hooks. A hook that fails ends the container, which is then gone (runtime.md,
 * Lifecycle, 7 and 9); a program that cannot be executed leaves it stopped. */
int container_start(struct container *c, const struct host *host, const struct host_cgroup *cg,
                    struct arena *a, struct err *e);
