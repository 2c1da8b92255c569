/* Device nodes and links: config-linux.md, Devices and Default Devices.
 *
 * Nodes are made by the parent, on detached file systems of the runtime's own:
 * /dev while nobody else can reach it (CVE-2026-41579), everything outside of
 * it in the stash, from where the child binds it. The container needs no right
 * to make nodes, and gets none. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/base/tree.h"
#include "kenro/spec/spec.h"

#include <sys/types.h>

struct device_node {
        const char *path; /* cleaned: below /dev without "/dev/", else absolute */
        mode_t mode;      /* S_IFCHR, S_IFBLK or S_IFIFO, and permissions */
        dev_t dev;
        uint32_t uid, gid; /* the host's */
        int tree_fd;       /* the host's node, if the nodes are bound */
};

struct device_plan {
        struct device_node *dev; /* in /dev */
        size_t n_dev;
        struct device_node *outside;
        size_t n_outside;
        uint32_t root_uid, root_gid; /* the host's ids of the container's root */
        bool console;                /* a file to bind the terminal on */
        bool bound;                  /* nodes of the host, because none can be made */
};

/* MANAGED: /dev is a tmpfs of ours. */
int device_plan(const struct spec *s, bool managed, struct arena *a, struct device_plan *ret,
                struct err *e);

/* Without the right to make nodes: take the host's. Each must be the device that is
 * asked for; its owner and mode stay what the host gave it. */
int device_plan_bound(struct device_plan *p, struct tree_list *later, struct arena *a,
                      struct err *e);

/* Fill the detached /dev, and the stash with the nodes that go elsewhere. */
int device_fill_dev(const struct device_plan *p, int dev_fd, struct err *e);
int device_fill_stash(const struct device_plan *p, int stash_fd, struct err *e);

/* Bind the nodes that go elsewhere, or are the host's. */
int device_child(const struct device_plan *p, int root_fd, int stash_fd, struct err *e);
