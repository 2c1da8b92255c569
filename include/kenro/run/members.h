/* Which processes are a container's where it has no cgroup of its own: those in a
 * namespace that nobody else is in. Less than a group can tell: who unshares that
 * namespace is no longer seen, and it is known only as long as init lives. */
#pragma once

#include "kenro/base/err.h"
#include "kenro/run/state.h"

#include <sys/types.h>

struct members {
        const char *ns; /* "ns/pid" or "ns/mnt", below /proc/PID */
        dev_t dev;
        ino_t ino;
};

/* Init must live. */
int members_of(const struct state *s, int proc_fd, struct members *ret, struct err *e);

/* Call FN for each of them, with a descriptor that is closed afterwards. Returns 0, or
 * the first result of FN that is not 0, or -errno. */
int members_each(const struct members *m, int proc_fd, int (*fn)(pid_t pid, int pidfd, void *arg),
                 void *arg);

/* SIG to each of them; SIGKILL until there are none. Returns 0 or -errno. */
int members_signal(const struct members *m, int proc_fd, int sig);
