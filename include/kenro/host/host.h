/* Facts about the host: read, never changed. A test can fill the structure by
 * hand. Descriptors are close-on-exec and live as long as the process. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct host {
        int proc_fd;            /* the host's procfs, verified to be one */
        uint64_t cap_bounding;  /* what this process could hand on, a bit per capability */
        uint64_t cap_permitted; /* what it holds */
        unsigned cap_last;      /* largest capability of this kernel */
        bool all_ids;           /* not in a user namespace that lacks ids */
        char *args;             /* where this process's arguments and environment lie, */
        size_t args_len;        /* for proc_pid_cmdline(5) to show something else */
};

struct host_cgroup {
        int fd;               /* O_PATH of the cgroup2 mount */
        char mount[PATH_MAX]; /* where it is */
};

/* Refuses kernels before 5.15: every path-free system call kenro is built on
 * is there since then, and there is no fallback that would take paths. */
int host_probe(struct host *h, struct err *e);

/* Find the cgroup2 mount: /sys/fs/cgroup, the unified tree of a hybrid host,
 * or whatever mountinfo(5) lists. */
int host_cgroup(struct host_cgroup *c, struct arena *a, struct err *e);
