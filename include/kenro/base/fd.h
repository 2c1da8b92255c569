/* Owned descriptors. A parameter named ..._fd is borrowed unless its comment
 * says "takes"; every descriptor is close-on-exec from the moment it exists. */
#pragma once

#include "kenro/base/err.h"

#include <stddef.h>

/* Close *FD if it is open, and forget it. errno is kept. */
void fd_close(int *fd);

#define autoclose __attribute__((cleanup(fd_close)))

/* Move the descriptor out of *FD; the caller owns it from here on. */
static inline int fd_take(int *fd)
{
        int n = *fd;

        *fd = -1;
        return n;
}

/* fork(2) with a sequenced-packet socket between the two, SOCK on either side.
 * Returns the child's pid, 0 in the child, -1. */
int fd_fork(int *sock, struct err *e);

/* Send LEN bytes (at least 1) and, unless it is -1, one descriptor. SIGPIPE is
 * not raised. Returns how many bytes a stream has taken, or -1. */
int fd_send(int sock, const void *data, size_t len, int fd, struct err *e);

/* Receive one message of at most LEN bytes. Returns its length, 0 when the peer
 * is gone, -1 on error. RET_FD receives the descriptor that came along or -1;
 * more than one is an error. */
int fd_recv(int sock, void *data, size_t len, int *ret_fd, struct err *e);

/* Make sure that 0, 1 and 2 are open, on /dev/null where they were not. */
int fd_fill_stdio(struct err *e);

/* Connect to the unix socket at PATH, of any length. A new descriptor or -1. */
int fd_connect(const char *path, struct err *e);
