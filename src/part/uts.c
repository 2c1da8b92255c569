#include "kenro/part/uts.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void uts_plan(const struct spec *s, struct uts_plan *ret)
{
        *ret = (struct uts_plan){
                .hostname = s->hostname && *s->hostname ? s->hostname : NULL,
                .domainname = s->domainname && *s->domainname ? s->domainname : NULL,
        };
}

int uts_child(const struct uts_plan *p, struct err *e)
{
        if (p->hostname && sethostname(p->hostname, strlen(p->hostname)) < 0)
                return err_sys(e, errno, "hostname: cannot set it");
        if (p->domainname && setdomainname(p->domainname, strlen(p->domainname)) < 0)
                return err_sys(e, errno, "domainname: cannot set it");
        return 0;
}
