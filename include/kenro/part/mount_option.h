/* The strings of mounts[].options: config.md, Linux mount options. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/base/names.h"
#include "kenro/spec/spec.h"

enum { MOUNT_PROPAGATIONS_MAX = 4 };

/* A parameter for fsconfig(2): a flag if value is NULL. */
struct mount_param {
        const char *key, *value;
};

struct mount_options {
        uint64_t rset, rclear; /* MOUNT_ATTR_* for all of the tree: the r... options */
        uint64_t set, clear;   /* for the mount itself, after that: all options in order */
        bool bind, recursive, remount;
        bool copy_up;       /* into a tmpfs what it covers */
        bool idmap, ridmap; /* ids as mapped, of this mount, and of those below too */
        uint64_t propagation[MOUNT_PROPAGATIONS_MAX]; /* MS_*, in order */
        size_t n_propagation;
        struct mount_param *param; /* what only the file system knows: not for a bind */
        size_t n_param;
};

/* Every option string that is known by name, for `kenro features`. */
extern const struct name mount_option_names[];

/* Unknown strings become parameters, "" is skipped, the last of two that
 * contradict each other wins. */
int mount_options_parse(const struct strings *options, struct arena *a, struct mount_options *ret,
                        struct err *e);
