/* The seccomp agent: config-linux.md, The Container Process State; seccomp_unotify(2).
 *
 * The descriptor is fetched from the container's process, which so needs no call for
 * it under its new filter. */
#pragma once

#include "kenro/base/err.h"
#include "kenro/run/job.h"

/* Connect to the agent, if the filter has one, before anything is made. */
int notify_connect(struct job *j, struct err *e);

/* Once the filter is loaded: hand the agent the descriptor and the state, and close the
 * connection. STATUS is the container's. */
int notify_agent(struct job *j, const char *status, struct err *e);
