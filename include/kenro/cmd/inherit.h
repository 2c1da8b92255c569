/* What a service manager hands to the runtime and means for the container:
 * sd_listen_fds(3), sd_notify(3). */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

#include <stdbool.h>

/* How many descriptors, from 3 on, are sockets to listen on: LISTEN_FDS, if
 * LISTEN_PID says that this process is meant. */
unsigned inherit_listen_fds(void);

/* NOTIFY_SOCKET, or NULL. */
const char *inherit_notify_socket(void);

/* Tell the program in S, whose process is a copy, of LISTEN of them, and where to say
 * that it is ready if NOTIFY. */
int inherit_environment(struct spec *s, unsigned listen, bool notify, struct arena *a,
                        struct err *e);
