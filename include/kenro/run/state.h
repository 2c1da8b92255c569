/* A container's state file: what later commands need to know. Written whole or
 * not at all; versioned, so that a newer binary reads an older one's. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/json/json_write.h"
#include "kenro/spec/spec.h"

#include <stdint.h>
#include <sys/types.h>

enum { STATE_VERSION = 1, STATE_BYTES_MAX = 8 << 20 };

struct state {
        uint64_t version;
        const char *oci_version, *id, *bundle, *rootfs;
        const char *cgroup;    /* below the cgroup2 mount; "": none of its own */
        uint64_t cgroup_made;  /* how many groups at the end of that path are ours */
        bool cgroup_claimed;   /* it carries our claim: see cgroup_owner */
        const char *unit;      /* systemd's scope that the group is, or NULL; ... */
        bool user_manager;     /* ... of the user's manager, not the system's; ... */
        uint64_t cgroup_inode; /* ... and its group's number, once there is one */
        const char *created;   /* RFC 3339 */
        uint64_t pid;          /* of init; 0 while it is being created */
        uint64_t start_time;   /* of that pid, clock ticks: proc_pid_stat(5), field 22 */
        uint64_t namespaces;   /* CLONE_NEW* that are not the host's */
        bool chroot;           /* the root is not the mount namespace's */
        bool no_process;       /* there is nothing to start */
        bool filtered;         /* seccomp.bpf holds its filter, ... */
        uint64_t filter_flags; /* ... loaded with these SECCOMP_FILTER_FLAG_* */
        bool own_user;         /* a user namespace of its own */
        bool no_keyring;       /* processes keep the session keyring of who makes them */
        bool own_pid;          /* a new pid namespace: it ends with init */
        bool notifies;         /* it has a socket to say that it is ready */
        uint64_t hooks;        /* a bit for each enum hook_point that has some */
        const char *resctrl, *resctrl_monitor; /* groups, absolute; or "" */
        bool resctrl_own;                      /* the first is removed with the container */
        struct pairs annotations;
        struct spec_resources *resources; /* as update has left them; NULL: as in config.json */
};

/* The members of the specification's state (runtime.md, State), into an object that
 * is open. PID as the reader sees it. */
void state_describe(struct json_out *o, const struct state *s, const char *status, uint64_t pid);

int state_store(int dir_fd, const struct state *s, struct err *e);

/* Returns 0; 1 if there is no state file; -1. */
int state_load(int dir_fd, struct arena *a, struct state *ret, struct err *e);

/* Start time of PID, 0 if there is no such process. */
uint64_t state_start_time(int proc_fd, pid_t pid);

/* Whether PID is on its way out, or gone: it runs no more code, but the kernel may
 * keep it until others of its pid namespace have been reaped. */
bool state_is_exiting(int proc_fd, pid_t pid);

/* The number of PIDFD's process in the innermost pid namespace that it is in; 0 if it
 * is gone. */
pid_t state_inner_pid(int proc_fd, int pidfd);

/* Whether PID has executed a program since it was forked; true if it is gone, because
 * nobody can tell any more. */
bool state_has_executed(int proc_fd, pid_t pid);

/* Now, as RFC 3339 with nanoseconds. */
const char *state_now(struct arena *a, struct err *e);
