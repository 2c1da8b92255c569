#include "kenro/part/personality.h"

#include "kenro/base/sys.h"

#include <linux/personality.h>

#define QUERY 0xffffffffu

int personality_plan(const struct spec_personality *p, struct personality_plan *ret, struct err *e)
{
        *ret = (struct personality_plan){ 0 };
        if (!p)
                return 0;
        if (p->flags.n > 0)
                return err_set(
                        e, "linux.personality.flags[0]: '%.60s': the specification knows no flags",
                        p->flags.v[0]);
        *ret = (struct personality_plan){ true, (unsigned)p->domain.v };
        return 0;
}

int personality_child(const struct personality_plan *p, struct err *e)
{
        int r = p->wanted ? (int)p->domain : sys_personality(QUERY);

        if (!p->wanted && (r < 0 || !(r & PER_CLEAR_ON_SETID)))
                return 0;
        r = sys_personality((unsigned)r & ~(unsigned)PER_CLEAR_ON_SETID);
        return r < 0 ? err_sys(e, -r, "linux.personality.domain: cannot be set") : 0;
}

int personality_child_check(const struct personality_plan *p, struct err *e)
{
        int r = sys_personality(QUERY);

        if (r < 0 || (!p->wanted && !(r & PER_CLEAR_ON_SETID)) ||
            (p->wanted && (unsigned)r == p->domain))
                return r < 0 ? err_sys(e, -r, "read-back: cannot read the personality") : 0;
        return err_set(e, "read-back: the personality is %#x", (unsigned)r);
}
