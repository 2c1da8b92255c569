/* The container's root: pivot_root(2), mount_namespaces(7). */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec_load.h"

struct rootfs_plan {
        const char *path; /* absolute on the host */
        int tree_fd;      /* a detached clone of the root file system's tree */
        bool readonly;
        bool nodev;           /* nobody opens a device node that the image brings */
        uint64_t propagation; /* MS_*, for the root mount; 0: private */
        bool joined;          /* the mount namespace exists already: chroot(2) in it */
        bool in_place;        /* hooks look for it, with its mounts, at its path on the host */
};

/* JOINED: the mount namespace exists already. */
int rootfs_plan(const struct spec *s, const struct bundle *b, bool joined, struct arena *a,
                struct rootfs_plan *ret, struct err *e);

/* Open the directory that the root lies at, for in_place, while this process is still
 * the host's user: a user of the container may not come that far. A new descriptor, or
 * -1: then hooks must do without. */
int rootfs_place_child(const struct rootfs_plan *p);

/* Cut the namespace's copy of the host's mounts off from the host, put the
 * stash (or -1) and then the root on top of "/", or of PLACE_FD unless that is -1.
 * Returns the root's descriptor, borrowed from the plan or, where the namespace was
 * joined, a new one. */
int rootfs_child(const struct rootfs_plan *p, int stash_fd, int place_fd, struct err *e);

/* Make it "/" and let go of everything else. */
int rootfs_enter_child(const struct rootfs_plan *p, int root_fd, struct err *e);
