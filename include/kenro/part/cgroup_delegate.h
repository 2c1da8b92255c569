/* The owner of the container's group: cgroups(7), "Delegating a hierarchy". A container
 * that mounts its groups writable, like one that runs systemd, can only use them if
 * they are its own: config-linux.md, "Cgroup ownership". */
#pragma once

#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

#include <stdbool.h>
#include <sys/types.h>

struct cgroup_delegate_plan {
        bool wanted;
        uid_t uid; /* on the host, of the container's program */
};

/* Wanted with a new cgroup namespace and a writable mount of the groups, if the program's
 * user is not the host's root. */
void cgroup_delegate_plan(const struct spec *s, struct cgroup_delegate_plan *ret);

/* Give the group, which this create has made, and the files in it that the kernel says
 * can be delegated, to the user. */
int cgroup_delegate_parent(const struct cgroup_delegate_plan *p, int cgroup_fd, struct err *e);
