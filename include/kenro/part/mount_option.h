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
        uint64_t set, clear;   /* MOUNT_ATTR_*, of the mount itself */
        uint64_t rset, rclear; /* of it and everything below: the r... options */
        bool bind, recursive, remount;
        const char *not_for_bind; /* an option that a bind mount cannot apply, or NULL */
        uint64_t propagation[MOUNT_PROPAGATIONS_MAX]; /* MS_*, in order */
        size_t n_propagation;
        struct mount_param *param; /* what only the file system knows */
        size_t n_param;
};

/* Every option string that is known by name, for `kenro features`. */
extern const struct name mount_option_names[];

/* Unknown strings become parameters, "" is skipped, the last of two that
 * contradict each other wins. */
int mount_options_parse(const struct strings *options, struct arena *a, struct mount_options *ret,
                        struct err *e);
