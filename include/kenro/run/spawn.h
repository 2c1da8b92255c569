/* The second process: cloned straight into the container's cgroup and namespaces,
 * and led through the steps. */
#pragma once

#include "kenro/run/job.h"
#include "kenro/run/relay.h"

/* What the clone is to be. */
struct spawn {
        const struct step *steps; /* for both processes */
        uint64_t flags;           /* CLONE_NEW* */
        bool between;             /* by way of a process that joins namespaces first */
};

/* Clone, and run the steps in both processes; the child does not return. On
 * failure the child may still be there: spawn_undo. */
int spawn(struct job *j, const struct spawn *how, struct err *e);

/* Wait for the child's execve: E is its own error if that failed. */
int spawn_wait_execve(struct job *j, struct err *e);

/* Kill what spawn has made, and reap it. */
void spawn_undo(struct job *j);
