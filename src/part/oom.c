#include "kenro/part/oom.h"

#include "kenro/base/file.h"

#include <stdio.h>

void oom_plan(const struct spec_process *p, struct oom_plan *ret)
{
        *ret = (struct oom_plan){ p->oom_score_adj.set, (int)p->oom_score_adj.v };
}

int oom_child(const struct oom_plan *p, int proc_fd, struct err *e)
{
        char text[16];
        int r;

        if (!p->wanted)
                return 0;
        snprintf(text, sizeof(text), "%d", p->score_adj);
        r = file_poke(proc_fd, "self/oom_score_adj", text);
        if (r < 0)
                return err_sys(e, -r, "process.oomScoreAdj: cannot set %d", p->score_adj);
        return 0;
}
