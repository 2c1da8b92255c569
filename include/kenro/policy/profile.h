/* The built-in seccomp profile: what a container gets whose engine sends none,
 * and what `kenro spec` writes. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

/* A profile for a process that may gain the capabilities of C (NULL: none): a
 * call that needs one is listed only if the capability is there. STRICT leaves
 * out what only debuggers use. It is for the native architecture only: a 32-bit
 * call is killed, because its arguments cannot be looked at. */
const struct spec_seccomp *profile_seccomp(const struct spec_capabilities *c, bool strict,
                                           struct arena *a, struct err *e);
