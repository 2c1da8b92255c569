/* The two tables: when is what set up, and by which process. */
#pragma once

#include "kenro/run/relay.h"

extern const struct step create_steps[];
extern const struct step exec_steps[];

/* Make /dev and the stash as the plan says, detached. By the parent before the clone,
 * or by a child whose parent has no power over mounts. */
int steps_make_trees(struct job *j, struct err *e);
