#include "kenro/part/ioprio.h"

#include "kenro/base/sys.h"

#include <linux/ioprio.h>

enum { LEVEL_MAX = 7 };

int ioprio_plan(const struct spec_process *p, struct ioprio_plan *ret, struct err *e)
{
        const struct spec_io_priority *s = p->io_priority;

        *ret = (struct ioprio_plan){ 0 };
        if (!s)
                return 0;
        if (s->priority.v < 0 || s->priority.v > LEVEL_MAX)
                return err_set(e, "process.ioPriority.priority: %lld is not 0..%d",
                               (long long)s->priority.v, LEVEL_MAX);
        *ret = (struct ioprio_plan){
                .wanted = true,
                .value = (int)(s->class.v << IOPRIO_CLASS_SHIFT | (uint64_t)s->priority.v),
        };
        return 0;
}

int ioprio_parent(const struct ioprio_plan *p, pid_t pid, struct err *e)
{
        int r;

        if (!p->wanted)
                return 0;
        r = sys_ioprio_set(IOPRIO_WHO_PROCESS, pid, p->value);
        if (r < 0) {
                err_sys(e, -r, "process.ioPriority: cannot be set");
                return r == -EPERM ? err_hint(e, "IOPRIO_CLASS_RT needs CAP_SYS_NICE on the host")
                                   : -1;
        }
        r = sys_ioprio_get(IOPRIO_WHO_PROCESS, pid);
        if (r != p->value)
                return err_set(e, "read-back: the I/O priority is %#x, planned %#x", (unsigned)r,
                               (unsigned)p->value);
        return 0;
}
