/* Waiting for a program as if it were ours: signals are handed on, a terminal is
 * relayed, and its status becomes ours. */
#pragma once

#include "kenro/base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Block all signals from here on, so that none is lost before foreground_wait;
 * with SUBREAPER, orphans of the container become our children. */
int foreground_begin(bool subreaper, struct err *e);

/* What is waited for: a child. */
struct foreground {
        pid_t pid;
        int pidfd;
        int master;          /* its terminal's, or -1 */
        int ready_fd;        /* where it says what state it is in, or -1 */
        const char *manager; /* who is told then, as in NOTIFY_SOCKET */
};

/* Relay until it ends. Returns its exit status, or 128 + the signal, or -1. */
int foreground_wait(const struct foreground *f, struct err *e);

/* The terminal the caller sits at: standard error, output or input, or the
 * controlling one. A new descriptor, or -1. */
int foreground_terminal(void);
