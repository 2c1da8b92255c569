/* The start gate: how `start` releases a created container's init, and learns
 * whether its program could be executed.
 *
 * Two FIFOs in the state directory. Init reads one byte from "gate"; what it
 * has to say comes back through "result", whose end at execve is the success.
 * After the seccomp filter is loaded init so needs read(2) and write(2) only,
 * and where it stands is a fact that the kernel holds: while init waits, and
 * not a moment longer, the gate has a reader. docs/decisions says why no socket. */
#pragma once

#include "kenro/base/err.h"

#include <stdbool.h>

struct gate {
        int in;  /* init's end of "gate" */
        int out; /* init's end of "result" */
};

/* Make both in the state directory and open init's ends. */
int gate_make(int dir_fd, struct gate *ret, struct err *e);

/* Whether init waits at the gate. */
bool gate_is_waiting(int dir_fd);

/* Let init go, then wait until it has executed its program or failed: the error
 * is init's own. PIDFD tells when it dies instead. */
int gate_release(int dir_fd, int pidfd, struct err *e);

/* In init: wait for the release. */
int gate_wait_child(const struct gate *g, struct err *e);
