/* pause and resume. */
#include "kenro/run/pause.h"

#include "kenro/cmd/cmd.h"

int cmd_pause(struct cli *c, struct err *e)
{
        struct container container;
        struct cmd_host facts;

        if (cmd_lock(c, &container, &facts, e) < 0)
                return -1;
        return container_pause(&container, facts.host.proc_fd, &facts.cgroup, e);
}

int cmd_resume(struct cli *c, struct err *e)
{
        struct container container;
        struct cmd_host facts;

        if (cmd_lock(c, &container, &facts, e) < 0)
                return -1;
        return container_resume(&container, facts.host.proc_fd, &facts.cgroup, e);
}
