#include "kenro/part/rlimit.h"

#include "kenro/spec/spec_fields.h"

#include <errno.h>
#include <sys/resource.h>

void rlimit_plan(const struct spec_process *p, struct rlimit_plan *ret)
{
        *ret = (struct rlimit_plan){ p->rlimits.v, p->rlimits.n };
}

static int cannot_set(const struct rlimit_plan *p, size_t i, struct err *e)
{
        err_sys(e, errno, "process.rlimits[%zu]: cannot set %s", i,
                name_of(spec_rlimit_names, p->v[i].type.v));
        return e->num == EPERM ? err_hint(e, "only the host's CAP_SYS_RESOURCE can raise it") : -1;
}

int rlimit_parent(const struct rlimit_plan *p, pid_t pid, struct err *e)
{
        for (size_t i = 0; i < p->n; i++) {
                __rlimit_resource_t type = (__rlimit_resource_t)p->v[i].type.v;
                struct rlimit lim;

                if (prlimit(pid, type, NULL, &lim) < 0)
                        return cannot_set(p, i, e);
                if (lim.rlim_max >= p->v[i].hard)
                        continue;
                lim.rlim_max = p->v[i].hard;
                if (prlimit(pid, type, &lim, NULL) < 0)
                        return cannot_set(p, i, e);
        }
        return 0;
}

int rlimit_child(const struct rlimit_plan *p, struct err *e)
{
        for (size_t i = 0; i < p->n; i++) {
                struct rlimit lim = { .rlim_cur = p->v[i].soft, .rlim_max = p->v[i].hard };

                if (setrlimit((int)p->v[i].type.v, &lim) < 0)
                        return cannot_set(p, i, e);
        }
        return 0;
}
