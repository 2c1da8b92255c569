/* Detached mount trees: what open_tree(2) and fsmount(2) return. A tree gets
 * its flags first and is attached last, onto a descriptor. */
#pragma once

#include "kenro/base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* A detached clone of PATH below DIR ("" for DIR itself), with everything
 * mounted below it if RECURSIVE. A new descriptor, or -errno. */
int tree_clone(int dir, const char *path, bool recursive);

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
