/* The container's scope of systemd, from its start to its end: see part/systemd. */
#pragma once

#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/run/state.h"

#include <sys/types.h>

struct job;

/* Make the scope of J's plan, open its group for the clone, and have it in the container's
 * state, also on disk. */
int scope_make(struct job *j, const struct host_cgroup *cg, struct err *e);

/* Init is there: the scope is held by nothing else from here on. */
int scope_settle(struct job *j, struct err *e);

/* Nothing is left of it. */
void scope_undo(struct job *j);

/* Move the process PID into the scope: for a user who may not move it. */
int scope_attach(struct job *j, pid_t pid, struct err *e);

/* Open the group of S's scope, and not one with the same name: a descriptor, or -ENOENT. */
int scope_open(const struct state *s, const struct host_cgroup *cg);

/* End the scope of S, whose processes have ended. Mostly it has gone with them. */
int scope_end(const struct state *s, const struct host_cgroup *cg, struct err *e);
