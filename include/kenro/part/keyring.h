/* The session keyring: session-keyring(7). */
#pragma once

#include "kenro/base/err.h"

/* Join a new, empty, anonymous one, so that the container has no key of the
 * caller's and two containers share none. A kernel without keys is fine. */
int keyring_child(struct err *e);
