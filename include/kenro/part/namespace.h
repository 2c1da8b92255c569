/* Namespaces, new or joined by path: namespaces(7), time_namespaces(7). */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/spec/spec.h"

#include <sys/types.h>

struct namespace_join {
        uint64_t type; /* CLONE_NEW* */
        int fd;
        bool own; /* it is the one this process is in */
};

struct namespace_plan {
        uint64_t clone; /* flags of clone3: every new namespace that it can make */
        struct namespace_join joins[8];
        size_t n_joins;
        bool user_new, user_joined, pid_new, pid_joined, mount_joined;
        bool cgroup_new;          /* unshared by the child: clone3 would take the
                                   * parent's cgroup for its root */
        bool ipc_late;            /* unshared by the child, as root of its user namespace:
                                   * else the message queues would be nobody's */
        bool time_new;            /* unshared by the child, because of the offsets */
        const char *time_offsets; /* text for timens_offsets, or NULL */

        /* The joins come before the clone, in a process in between: either the
         * joined user namespace must own the new ones, or the new user namespace
         * would have no power over the joined ones. */
        bool middle;
};

/* Opens the paths and checks what they are. */
int namespace_plan(const struct spec *s, const struct host *h, struct arena *a,
                   struct namespace_plan *ret, struct err *e);

/* True if the process will have a namespace of TYPE that is not the host's. */
bool namespace_is_own(const struct spec *s, const struct namespace_plan *p, uint64_t type);

/* Join everything given by path but the pid namespace, the user namespace
 * first. In the process in between, or in the child. */
int namespace_join_child(const struct namespace_plan *p, struct err *e);

/* Join what is to be joined here, and unshare what clone3 could not. */
int namespace_child(const struct namespace_plan *p, struct err *e);

/* unshare(CLONE_NEWTIME) moves only children; the offsets must be written while the
 * namespace is empty, by the parent, because /proc/self is not the child's while it is
 * not dumpable; setns(2) then takes the child in. A child that still is writes them
 * itself. PROC_FD is the host's procfs. */
int namespace_time_child(struct err *e);
int namespace_time_parent(const struct namespace_plan *p, int proc_fd, pid_t pid, struct err *e);
int namespace_time_self_child(const struct namespace_plan *p, int proc_fd, struct err *e);
int namespace_time_enter_child(int proc_fd, struct err *e);

/* Children of the caller will be in the joined pid namespace; the caller is
 * not, and stays invisible there: setns(2). */
int namespace_pid_child(const struct namespace_plan *p, struct err *e);

/* The joined namespace of TYPE, borrowed, or -1. */
int namespace_join_fd(const struct namespace_plan *p, uint64_t type);
