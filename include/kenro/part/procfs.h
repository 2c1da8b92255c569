/* The procfs of a pid namespace that exists already: proc(5).
 *
 * A new procfs shows the pid namespace of the process that opens it. The one
 * that sets a container up is not in the joined pid namespace, where it would be
 * seen with more privileges than the container has; Linux 6.18 takes the
 * namespace as an option, and for older kernels a process opens it that has
 * given everything up. */
#pragma once

#include "kenro/base/err.h"

#include <stdint.h>

/* Make it, detached, for the pid namespace PIDNS_FD: a new descriptor, or -1.
 * UID and GID are the container's. Called before the root changes. */
int procfs_child(int pidns_fd, uint32_t uid, uint32_t gid, struct err *e);

/* What procfs_child does before Linux 6.18: a new file system context that
 * another process has opened in the pid namespace. */
int procfs_borrow(int pidns_fd, uint32_t uid, uint32_t gid, struct err *e);
