#include "kenro/run/pause.h"

#include "kenro/base/fd.h"
#include "kenro/part/cgroup_freezer.h"

enum { FREEZE_WAIT_MS = 10000 };

static int freeze(const struct container *c, const struct host_cgroup *cg, bool frozen,
                  struct err *e)
{
        autoclose int fd = container_cgroup(c, cg, e);

        return fd < 0 ? -1 : cgroup_freeze(fd, frozen, FREEZE_WAIT_MS, e);
}

int container_pause(struct container *c, int proc_fd, const struct host_cgroup *cg, struct err *e)
{
        enum container_status s = container_status(c, proc_fd, cg);

        if (s == CONTAINER_PAUSED)
                return err_set(e, "container not running: it is paused already");
        return container_is_there(s, e) < 0 ? -1 : freeze(c, cg, true, e);
}

int container_resume(struct container *c, int proc_fd, const struct host_cgroup *cg, struct err *e)
{
        enum container_status s = container_status(c, proc_fd, cg);

        if (container_is_there(s, e) < 0)
                return -1;
        return s == CONTAINER_PAUSED ? freeze(c, cg, false, e) : err_set(e, "container not paused");
}
