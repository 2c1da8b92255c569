#include "kenro/part/oom.h"

#include "kenro/base/file.h"

#include <stdio.h>

void oom_plan(const struct spec_process *p, struct oom_plan *ret)
{
        *ret = (struct oom_plan){ p->oom_score_adj.set, (int)p->oom_score_adj.v };
}

int oom_parent(const struct oom_plan *p, int proc_fd, pid_t pid, struct err *e)
{
        char text[16], name[40];
        int r;

        if (!p->wanted)
                return 0;
        snprintf(text, sizeof(text), "%d", p->score_adj);
        snprintf(name, sizeof(name), "%d/oom_score_adj", pid);
        r = file_poke(proc_fd, name, text);
        if (r < 0)
                return err_sys(e, -r, "process.oomScoreAdj: cannot set %d", p->score_adj);
        return 0;
}
