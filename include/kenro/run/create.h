/* From a sealed plan to a container that waits to be started, or runs. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/plan/plan.h"
#include "kenro/run/container.h"
#include "kenro/spec/spec_load.h"

struct create_input {
        const char *root; /* directory of all containers */
        const char *id;
        const char *bundle;       /* absolute */
        const char *pid_file;     /* or NULL */
        const char *pidfd_socket; /* where a descriptor of init goes, or NULL */
        const struct plan *plan;
        const struct host *host;
        const struct host_cgroup *cgroup;
        const struct spec_file *file; /* its text is kept for exec */
        struct console_to console;    /* where the terminal's master goes */
        bool notifies;                /* the program says when it is ready: sdnotify */
        bool no_keyring;              /* the caller's session keyring is kept */
        bool waits;                   /* for `start`; else the program runs at once */
};

/* What is left to the caller of a `run`. */
struct created {
        struct container container;
        pid_t pid;
        int pidfd;
        int ready_fd; /* where a service says that it is ready, or -1 */
};

/* On failure nothing is left behind. */
int container_create(const struct create_input *in, struct created *ret, struct err *e);

/* The namespaces of S that will not be the host's: CLONE_NEW* bits. */
uint64_t create_namespaces(const struct spec *s, const struct namespace_plan *ns);
