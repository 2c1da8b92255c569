/* Standing still, and going on. */
#pragma once

#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/run/container.h"

/* The container is locked. Return when all of its processes stand still, or may go on
 * again. */
int container_pause(struct container *c, int proc_fd, const struct host_cgroup *cg, struct err *e);
int container_resume(struct container *c, int proc_fd, const struct host_cgroup *cg, struct err *e);
