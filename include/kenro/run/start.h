/* From created to running. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/run/container.h"

/* C is a service that says when it is ready: wait for that, or for its end, and tell
 * the manager at HOST_SOCKET. SOCK is sdnotify_listen's. */
int container_wait_ready(const struct container *c, int sock, const char *host_socket,
                         struct err *e);

/* C is locked. Release init, wait until its program runs, then run the poststart
 * hooks. A hook that fails ends the container, which is then gone (runtime.md,
 * Lifecycle, 7 and 9); a program that cannot be executed leaves it stopped.
 * With HOST_SOCKET (else NULL) it returns when the service is ready. */
int container_start(struct container *c, const struct host *host, const struct host_cgroup *cg,
                    const char *host_socket, struct arena *a, struct err *e);
