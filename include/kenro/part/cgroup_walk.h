/* All processes of a group and of those below it, however deep they lie: a
 * container may nest its groups as it likes. */
#pragma once

#include <sys/types.h>

/* Call FN for each. One that moves meanwhile may be met twice or not at all; the
 * number of one that this pid namespace does not have is 0. Returns 0, the first
 * result of FN that is not 0, or -errno: -EOPNOTSUPP for a threaded group, whose
 * processes only a group above it lists. */
int cgroup_each_process(int cgroup_fd, int (*fn)(pid_t pid, void *arg), void *arg);
