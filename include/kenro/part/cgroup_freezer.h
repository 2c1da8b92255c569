/* Pausing a group: cgroup.freeze of cgroups(7). */
#pragma once

#include "kenro/base/err.h"

#include <stdbool.h>

/* Freeze or thaw all processes of the group and those below it, and wait until they
 * are; after MS milliseconds, they are as before and that is an error. */
int cgroup_freeze(int cgroup_fd, bool frozen, int ms, struct err *e);
