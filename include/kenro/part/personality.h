/* Execution domain: personality(2). */
#pragma once

#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

struct personality_plan {
        bool wanted;
        unsigned domain; /* PER_* */
};

/* P is linux.personality or NULL. */
int personality_plan(const struct spec_personality *p, struct personality_plan *ret, struct err *e);

/* Without one the caller's domain stays, but none of the flags that the kernel itself
 * takes from a set-user-ID program, such as an address space that is not randomized. */
int personality_child(const struct personality_plan *p, struct err *e);

int personality_child_check(const struct personality_plan *p, struct err *e);
