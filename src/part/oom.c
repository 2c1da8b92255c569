#include "kenro/part/oom.h"

#include "kenro/base/file.h"
#include "kenro/base/log.h"

#include <errno.h>
#include <linux/oom.h>
#include <stdio.h>
#include <string.h>

#define OWN "self/oom_score_adj"
#define UNKILLABLE "-1000"

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

bool oom_make_killable(int proc_fd, struct oom_plan *p)
{
        char text[16];

        if (file_peek(proc_fd, OWN, text, sizeof(text)) < 0 || strcmp(text, UNKILLABLE "\n") != 0 ||
            file_poke(proc_fd, OWN, "-999") < 0)
                return false;
        if (!p->wanted)
                *p = (struct oom_plan){ true, OOM_SCORE_ADJ_MIN };
        return true;
}

void oom_make_unkillable(int proc_fd)
{
        int r = file_poke(proc_fd, OWN, UNKILLABLE);

        if (r < 0)
                log_debug("cannot set the own oom_score_adj back: %d", -r);
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
