/* Which descriptors the program gets: 0, 1, 2 and the preserved ones. */
#pragma once

#include "kenro/base/err.h"

#include <stddef.h>

enum { DESCRIPTOR_OWN_MAX = 4, DESCRIPTOR_PRESERVE_MAX = 4096 };

/* Keep 0 .. 2 + PRESERVE as they are. Move the N descriptors of OWN, which the
 * runtime needs until the end, to the numbers above, close-on-exec, and close
 * everything else: what another process could take from this one. Then compare
 * the list of open descriptors, read through PROC_FD, with that. */
int descriptor_child(unsigned preserve, int **own, size_t n, int proc_fd, struct err *e);

/* Before anything is opened: close what the caller leaked above the preserved
 * ones, and check that these are open. */
int descriptor_parent(unsigned preserve, struct err *e);
