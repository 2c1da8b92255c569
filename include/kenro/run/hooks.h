/* A container's hooks: what they are told about it, and what the commands after its
 * creation need to run theirs. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/part/hook.h"
#include "kenro/run/state.h"

/* An empty memory file for hooks_document; the container's process inherits it. A
 * new descriptor or -1. */
int hooks_memory(struct err *e);

/* Write the state into FD, and seal it: a hook cannot change what the next reads. */
int hooks_document(int fd, const struct state *s, const char *status, pid_t pid, struct err *e);

/* Run those of POINT on the host, in the bundle. PID 0: there is no process. */
int hooks_run(const struct hook_plan *p, enum hook_point point, const struct state *s,
              const char *status, struct err *e);

/* Run poststop; failures are warnings. */
void hooks_poststop(const struct hook_plan *p, const struct state *s);

/* A bit for each point that has hooks. */
uint64_t hooks_points(const struct hook_plan *p);

/* The hooks of the container whose directory is DIR_FD, as it was created. */
int hooks_load(int dir_fd, struct arena *a, struct hook_plan *ret, struct err *e);
