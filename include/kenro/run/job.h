/* What the steps of a create or an exec act on. Both processes have a copy; only
 * `shared` is seen by both. */
#pragma once

#include "kenro/host/host.h"
#include "kenro/part/cgroup.h"
#include "kenro/part/cgroup_limit.h"
#include "kenro/plan/plan.h"
#include "kenro/run/container.h"
#include "kenro/run/gate.h"
#include "kenro/run/relay.h"

#include <sys/types.h>

enum { STEPS_MAX = 64 };

/* A page that a cloned process's clones write to. */
struct shared {
        bool ran;                  /* the first one has come to run */
        pid_t through;             /* what the process in between has made, as the host sees it */
        pid_t final;               /* what executes the program, where that is made last */
        int listener;              /* its descriptor for seccomp's agent */
        uint64_t ended[STEPS_MAX]; /* --debug: when a step was done, in nanoseconds */
};

struct job {
        const struct plan *plan;            /* create; NULL for an exec */
        const struct process_plan *process; /* of either */
        const struct host *host;
        struct container *container;
        const char *pid_file; /* to be written at the end, or NULL */
        bool waits;           /* init waits at the gate */

        struct cgroup cgroup; /* what the clone goes into */
        struct cgroup_limit_group limits;
        uint64_t oom_kills;  /* in it, before */
        struct oom_plan oom; /* the process's, or what the caller's is again */
        struct systemd_helper systemd;
        bool started; /* the scope has been */
        struct resctrl resctrl;
        struct gate gate;
        int stash_fd, dev_fd, proc_fd; /* detached mounts, or -1 */
        struct tree_list later;        /* what is made by then, and the child clones */
        int notify_fd;                 /* the directory of sdnotify's socket, or -1 */
        struct console_to console;     /* where the terminal's master goes */
        int root_fd;                   /* the container's root, in the child */
        int place_fd;                  /* where it lies on the host, for hooks, or -1 */
        int creating_fd, created_fd;   /* the state, for the hooks in the container, or -1 */
        int ready_fd;                  /* parent: where a service says that it is ready, or -1 */
        int agent_fd;                  /* parent: the connection to seccomp's agent, or -1 */
        bool committed;                /* parent: state and pid file are written */
        bool hooked;                   /* parent: hooks have run, so poststop's have to */
        uint64_t root_mount;           /* its mount id */
        struct netdev_moved netdev;    /* parent: to be moved back if all fails */
        int init_pidfd;                /* exec: the container's init */
        bool denied_cwd;               /* cwd is to be tried again as the process's user */
        char found[PATH_MAX];          /* args[0] as found */

        int sock;   /* this side's end of the baton's socket */
        int report; /* where this side reports a failure */
        pid_t pid;  /* parent: the process that will execute the program */
        int pidfd;  /* parent: of it */
        struct shared *shared;
        bool timed;      /* note when steps are done; no more once a filter is loaded */
        bool by_write;   /* the cgroup is entered by cgroup.procs, not by the clone; ... */
        bool by_manager; /* ... or by systemd, for a user who may do neither */
};

#define JOB_INIT                                                                                   \
        {                                                                                          \
                .cgroup = { .fd = -1 }, .systemd = SYSTEMD_HELPER_INIT, .gate = { -1, -1 },        \
                .stash_fd = -1, .dev_fd = -1, .proc_fd = -1, .console = { .sock = -1 },            \
                .root_fd = -1, .place_fd = -1, .creating_fd = -1, .created_fd = -1,                \
                .init_pidfd = -1, .sock = -1, .report = -1, .notify_fd = -1, .ready_fd = -1,       \
                .agent_fd = -1, .pidfd = -1, .netdev = NETDEV_MOVED_INIT                           \
        }
