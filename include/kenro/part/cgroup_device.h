/* Which devices the container may use: linux.resources.devices as a BPF program
 * on its cgroup (cgroups(7), device controller of version 2).
 *
 * Exactly the rules that are asked for, in their order, the last match deciding
 * for each of read, write and mknod; then, always, read and write of the
 * specification's default devices. Nothing else is allowed behind the
 * configuration's back: no mknod, no tun. Without rules everything else is
 * denied. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

#include <linux/bpf.h>

struct cgroup_device_plan {
        const struct bpf_insn *v; /* NULL: everything is allowed, no program needed */
        size_t n;
};

enum { CGROUP_DEVICE_RULES_MAX = 400 }; /* fits the 4096 instructions of old kernels */

int cgroup_device_plan(const struct spec *s, struct arena *a, struct cgroup_device_plan *ret,
                       struct err *e);

/* Where no program can be loaded: nodes cannot be made in a user namespace, and only
 * those that linux.devices lists are there. None of these may be denied. */
int cgroup_device_check_listed(const struct spec *s, struct err *e);

/* Load the program and attach it, for as long as the cgroup lives. */
int cgroup_device_parent(const struct cgroup_device_plan *p, int cgroup_fd, struct err *e);

/* Detach kenro's programs from a group that was there before the container and
 * outlives it: the next container's rules would be added to this one's. */
void cgroup_device_undo(int cgroup_fd);
