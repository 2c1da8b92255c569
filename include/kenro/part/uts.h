/* Host and domain name: sethostname(2). */
#pragma once

#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

struct uts_plan {
        const char *hostname, *domainname; /* NULL: left as the namespace has it */
};

void uts_plan(const struct spec *s, struct uts_plan *ret);
int uts_child(const struct uts_plan *p, struct err *e);
