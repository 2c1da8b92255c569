#include "kenro/part/oom.h"

#include "kenro/base/file.h"

#include <errno.h>
#include <stdio.h>

void oom_plan(const struct spec_process *p, struct oom_plan *ret)
{
        *ret = (struct oom_plan){ p->oom_score_adj.set, (int)p->oom_score_adj.v };
}

static int set(const struct oom_plan *p, int proc_fd, const char *pid, struct err *e)
{
        char text[16], name[40];
        int r;

        if (!p->wanted)
                return 0;
        snprintf(text, sizeof(text), "%d", p->score_adj);
        snprintf(name, sizeof(name), "%s/oom_score_adj", pid);
        r = file_poke(proc_fd, name, text);
        if (r == 0)
                return 0;
        err_sys(e, -r, "process.oomScoreAdj: cannot set %d", p->score_adj);
        return r == -EACCES ? err_hint(e, "only the host's CAP_SYS_RESOURCE can lower it") : -1;
}

int oom_child(const struct oom_plan *p, int proc_fd, struct err *e)
{
        return set(p, proc_fd, "self", e);
}

int oom_parent(const struct oom_plan *p, int proc_fd, pid_t pid, struct err *e)
{
        char number[16];

        snprintf(number, sizeof(number), "%d", pid);
        return set(p, proc_fd, number, e);
}
