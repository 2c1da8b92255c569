/* One more process in a container that is there. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/plan/plan.h"
#include "kenro/run/container.h"

struct exec_input {
        struct container *container;
        const struct process_plan *process;
        const struct host *host;
        const struct host_cgroup *cgroup;
        const char *pidfd_socket;  /* where a descriptor of the process goes, or NULL */
        const char *group;         /* below the container's cgroup, which is "/"; or NULL */
        struct console_to console; /* where the terminal's master goes */
};

/* Run it, and return when its program has been executed: RET_PID is this
 * process's child, RET_PIDFD its descriptor. */
int container_exec(const struct exec_input *in, pid_t *ret_pid, int *ret_pidfd, struct err *e);

/* The filter that the container was created with; F is linux.seccomp of its
 * configuration, or NULL. */
int exec_filter(const struct container *c, const struct spec_seccomp *f, struct arena *a,
                struct seccomp_plan *ret, struct err *e);
