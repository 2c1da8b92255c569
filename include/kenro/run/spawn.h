/* The clone: straight into the container's cgroup and namespaces. */
#pragma once

#include "kenro/run/job.h"

/* Make the child with FLAGS (CLONE_NEW*), in the cgroup of the job. BETWEEN: by
 * way of a process that first joins the given namespaces. Both sides have their
 * end of the baton's socket. Returns 1 in the parent, 0 in the child, -1. */
int spawn(struct job *j, uint64_t flags, bool between, struct err *e);

/* Parent: kill what spawn has made, and reap it. Keeps the error. */
void spawn_undo(struct job *j);

/* Parent, after the relay has failed: if the child died without a word, say of
 * what. */
void spawn_explain(struct job *j, struct err *e);
