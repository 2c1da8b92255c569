/* The OOM killer's adjustment: proc_pid_oom_score_adj(5). */
#pragma once

#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

struct oom_plan {
        bool wanted; /* absent leaves the value alone (config.md, Linux Process) */
        int score_adj;
};

void oom_plan(const struct spec_process *p, struct oom_plan *ret);

/* Lowering it needs CAP_SYS_RESOURCE, so before the capabilities go. */
int oom_child(const struct oom_plan *p, int proc_fd, struct err *e);
