/* Looks at the host's files, which may be anything: below a root, so that a test can
 * have its own, and opened only if they are regular ones. To open a device can be an act,
 * and a FIFO has no end. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

/* More is no configuration that a person has written. */
enum { LOOK_BYTES_MAX = 1 << 20, LOOK_NAMES_MAX = 1024 };

/* What PATH is, links followed below ROOT: an O_PATH descriptor, or -errno. ST may be
 * NULL. */
int look_at(int root, const char *path, struct stat *st);

/* The text of a small file, without its last newline. Returns its length, or -errno;
 * what does not fit is cut. */
ssize_t look_peek(int root, const char *path, char *buf, size_t size);

/* The number that the file begins with, or -1. */
long look_number(int root, const char *path);

/* All of the file, NUL-terminated. NULL with E. */
char *look_read(int root, const char *path, struct arena *a, size_t *ret_len, struct err *e);

/* Append TEXT, which is borrowed; the list grows by doubling. */
int look_add(struct arena *a, struct strings *list, const char *text, struct err *e);

/* Append DIR/NAME for each file of DIR whose name ends with SUFFIX, in the order of the
 * names. A directory that is not there has none. */
int look_list(int root, const char *dir, const char *suffix, struct arena *a, struct strings *ret,
              struct err *e);

/* Whether this process may: R_OK, W_OK, X_OK, by its effective ids. */
bool look_may(int root, const char *path, int how);

/* Where FD's file is, without links. Returns 0 or -errno. */
int look_name(int fd, char buf[PATH_MAX]);
