/* Whole small files: read with a limit, write, replace atomically. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"

#include <stddef.h>
#include <sys/types.h>

/* Read all of FD, also if that takes waiting for a pipe's other end, into the arena,
 * NUL-terminated; RET_LEN gets its length.
 * More than MAX bytes is an error. NULL with E set on failure. */
char *file_read_fd(int fd, struct arena *a, size_t max, size_t *ret_len, struct err *e);

/* Read a small file of procfs or cgroupfs into BUF, NUL-terminated. Returns
 * its length or -errno; what does not fit is cut. Allocates nothing. */
ssize_t file_peek(int dir, const char *name, char *buf, size_t size);

/* Write TEXT into the existing file NAME with one write(2), as procfs and
 * cgroupfs need it. Returns 0 or -errno. */
int file_poke(int dir, const char *name, const char *text);

/* Put LEN bytes into NAME so that a reader sees the old file or the new one
 * and never a part: a temporary name, then rename(2). */
int file_replace(int dir, const char *name, const void *data, size_t len, mode_t mode,
                 struct err *e);

/* Write all of DATA to FD, over short writes and EINTR. Returns 0 or -errno. */
int file_write_all(int fd, const void *data, size_t len);
