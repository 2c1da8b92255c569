/* Detached mount trees: what open_tree(2) and fsmount(2) return. A tree gets
 * its flags first and is attached last, onto a descriptor. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* A detached clone of PATH below DIR ("" for DIR itself), with everything
 * mounted below it if RECURSIVE. A new descriptor, or -errno. */
int tree_clone(int dir, const char *path, bool recursive);

/* Trees that only the container's process can clone, in its own copy of the mount
 * namespace: without privileges nobody can in the caller's. Until then FD, O_PATH, says
 * which file is meant. */
struct tree_later {
        int fd;
        const char *path; /* where it was found, without links */
        bool recursive;
};

struct tree_list {
        struct tree_later *v;
        size_t n;
};

/* As tree_clone; with LATER (else NULL) the clone is put off, and the descriptor
 * becomes the tree's by tree_list_child. */
int tree_source(struct tree_list *later, int dir, const char *path, bool recursive,
                struct arena *a);

/* Clone all of them, each in its descriptor's place, and only if the path still leads
 * to the file that was found. */
int tree_list_child(const struct tree_list *later, struct err *e);

/* Change attributes (MOUNT_ATTR_*) of the mount at FD, and of everything below
 * it if RECURSIVE. Nothing to change is fine. Returns 0 or -errno. */
int tree_attr(int fd, uint64_t set, uint64_t clear, bool recursive);

/* Set the propagation of the mount at FD: one MS_* value, with MS_REC if of
 * everything below too. Returns 0 or -errno. */
int tree_propagation(int fd, uint64_t how);

/* Show the ids of the mount at FD, which no one has attached yet, by the mapping of
 * the user namespace USERNS. Returns 0 or -errno. */
int tree_idmap(int fd, int userns, bool recursive);

/* Attach TREE on what TARGET is a descriptor of. Returns 0 or -errno. */
int tree_attach(int tree, int target);
