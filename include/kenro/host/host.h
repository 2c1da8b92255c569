/* Facts about the host: read, never changed. A test can fill the structure by
 * hand. Descriptors are close-on-exec and live as long as the process. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/bits.h"
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
        uint32_t uid, gid;      /* this process's, effective */

        /* What it lacks that the host's root has. */
        bool rootless;     /* no power over the host: no BPF program for devices */
        bool no_nodes;     /* device nodes cannot be made */
        bool no_mounts;    /* no power over its own mounts: an ordinary user */
        bool no_mappings;  /* of its user namespace, but that of its own ids */
        bool no_setgroups; /* denied in its user namespace */

        char cgroup[PATH_MAX]; /* its own, below the cgroup2 mount; "" if that is unknown */
        char *args;            /* where this process's arguments and environment lie, */
        size_t args_len;       /* for proc_pid_cmdline(5) to show something else */

        bool apparmor, selinux;    /* are enabled */
        const char *resctrl;       /* where that is mounted; NULL, unless host_resctrl finds it */
        struct bits cpus_isolated; /* kept free by the administrator: isolcpus=, cpuset(7) */
};

struct host_cgroup {
        int fd;               /* O_PATH of the cgroup2 mount */
        char mount[PATH_MAX]; /* where it is */
};

/* Whether this is not in a user namespace that lacks ids, by uid_map alone. */
bool host_has_all_ids(void);

/* Whether setgroups(2) is denied for good in the user namespace of PID (a number, or
 * "self"): user_namespaces(7). */
bool host_denies_groups(int proc_fd, const char *pid);

/* Refuses kernels before 5.15: every path-free system call kenro is built on
 * is there since then, and there is no fallback that would take paths. */
int host_probe(struct host *h, struct err *e);

/* The procfs alone, for commands that make no process in a container: what the caller
 * may do is not their question. */
int host_probe_proc(struct host *h, struct err *e);

/* Find the resctrl file system, which hardly any container needs; none is no error. */
int host_resctrl(struct host *h, struct arena *a, struct err *e);

/* Find the cgroup2 mount: /sys/fs/cgroup, the unified tree of a hybrid host,
 * or whatever mountinfo(5) lists. */
int host_cgroup(struct host_cgroup *c, struct arena *a, struct err *e);
