/* Capabilities, securebits and no_new_privs: capabilities(7).
 *
 * Silence is safe: an absent object and an absent set are empty. */
#pragma once

#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/spec/spec.h"

struct caps_plan {
        uint64_t bounding, permitted, effective, inheritable, ambient; /* a bit each */
        uint64_t drop;       /* to be dropped from the bounding set */
        uint32_t securebits; /* final, PR_SET_SECUREBITS */
        bool no_new_privs;
        bool keep_admin; /* CAP_SYS_ADMIN stays until the seccomp filter is loaded */
};

/* OWN_USER: the container's user namespace is not the host's, so every
 * capability is there to be given. What is unknown, or cannot be granted, is
 * left out with a warning (config.md, Linux Process). */
int caps_plan(const struct spec_process *p, const struct host *h, bool own_user,
              struct caps_plan *ret, struct err *e);

/* "CAP_CHOWN", any letter case and with or without "CAP_" if LAX, to its bit.
 * Returns the bit, or 0 if the name is unknown. */
uint64_t caps_bit(const char *name, bool lax);

/* In this order, around the change of ids. caps_child_before keeps the
 * permitted set over that change; caps_child_after sets what is final, but for
 * CAP_SYS_ADMIN if keep_admin; caps_child_last takes that too. */
int caps_child_before(const struct caps_plan *p, struct err *e);
int caps_child_after(const struct caps_plan *p, struct err *e);
int caps_child_last(const struct caps_plan *p, struct err *e);

/* Read everything back and compare. */
int caps_child_check(const struct caps_plan *p, struct err *e);
