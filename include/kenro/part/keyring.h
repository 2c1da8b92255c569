/* The session keyring: session-keyring(7). */
#pragma once

#include "kenro/base/err.h"

/* Join a new, empty, anonymous one, so that the container has no key of the
 * caller's and two containers share none. A kernel without keys is fine, and so is a
 * filter around this process that denies every call for keys: it is the container's
 * too. */
int keyring_child(struct err *e);
