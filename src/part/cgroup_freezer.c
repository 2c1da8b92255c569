#include "kenro/part/cgroup_freezer.h"

#include "kenro/base/file.h"
#include "kenro/part/cgroup.h"

#include <errno.h>

/* The group itself may be thawed and yet stand still, with one above it. */
static bool is_frozen_from_above(int cgroup_fd)
{
        char text[8];

        return file_peek(cgroup_fd, "cgroup.freeze", text, sizeof(text)) > 0 && text[0] == '0' &&
               cgroup_is_frozen(cgroup_fd);
}

int cgroup_freeze(int cgroup_fd, bool frozen, int ms, struct err *e)
{
        int r;

        if (!frozen && is_frozen_from_above(cgroup_fd))
                return err_set(e, "the cgroup is frozen together with one above it");
        r = file_poke(cgroup_fd, "cgroup.freeze", frozen ? "1" : "0");
        if (r < 0)
                return err_sys(e, -r, "cannot write cgroup.freeze");
        r = cgroup_wait(cgroup_fd, frozen ? "frozen 1" : "frozen 0", -1, ms);
        if (r == 0)
                return 0;
        if (frozen)
                (void)file_poke(cgroup_fd, "cgroup.freeze", "0"); /* as it was before */
        if (r == -ETIMEDOUT)
                return err_set(e, "the cgroup is not %s after %d ms", frozen ? "frozen" : "thawed",
                               ms);
        return err_sys(e, -r, "cannot read cgroup.events");
}
