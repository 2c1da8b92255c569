/* What a group uses, from the files of the controllers that are there: cgroups(7),
 * Documentation/admin-guide/cgroup-v2.rst of the kernel. */
#pragma once

#include "kenro/json/json_write.h"

#include <stdint.h>

/* Write the object that `events` calls data: times in nanoseconds, sizes in bytes,
 * UINT64_MAX where there is no limit. What cannot be read is left out. */
void cgroup_stats_write(int cgroup_fd, struct json_out *o);

/* How often the OOM killer has ended a process of the group; 0 if nobody counts. */
uint64_t cgroup_stats_oom_kills(int cgroup_fd);

/* Whether memory.max has ever been in the way. */
bool cgroup_stats_memory_refused(int cgroup_fd);
