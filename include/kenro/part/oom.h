/* The OOM killer's adjustment: proc_pid_oom_score_adj(5). */
#pragma once

#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

#include <sys/types.h>

struct oom_plan {
        bool wanted; /* absent leaves the value alone (config.md, Linux Process) */
        int score_adj;
};

void oom_plan(const struct spec_process *p, struct oom_plan *ret);

/* A process that must not be killed waits for ever in the kernel where its group has too
 * little memory to run at all. If this one is such a process: for its next child it is not,
 * true is returned, and P, unless something is wanted already, is to make the child like
 * this one later. */
bool oom_make_killable(int proc_fd, struct oom_plan *p);
void oom_make_unkillable(int proc_fd);

/* By the parent: lowering it needs the host's CAP_SYS_RESOURCE, and /proc/self is not
 * the child's while it is not dumpable. For a parent without privileges the child does it
 * first of all. */
int oom_child(const struct oom_plan *p, int proc_fd, struct err *e);
int oom_parent(const struct oom_plan *p, int proc_fd, pid_t pid, struct err *e);
