/* The limits of linux.resources on a group that exists. */
#pragma once

#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/spec/spec.h"

/* Put R in force. What needs a controller that the cgroup2 tree does not have is an
 * error that names it; that there is to be no limit needs none. */
int cgroup_limit_parent(const struct spec_resources *r, const struct host_cgroup *h, struct err *e);
