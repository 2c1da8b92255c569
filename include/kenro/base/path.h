/* Paths below a root descriptor. Once the container's root is known no path is
 * handed to a privileged system call: it is resolved here, once, by openat2(2)
 * with the root as its "/", and everything else acts on the descriptor. */
#pragma once

#include "kenro/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Clean PATH lexically as an absolute path: no empty, "." or ".." component,
 * no trailing slash. "/" for the root itself. Fails if it does not fit. */
int path_clean(const char *path, char *buf, size_t size, struct err *e);

/* True if the cleaned PATH is DIR or below it. */
bool path_is_below(const char *path, const char *dir);

/* Open PATH as a process whose root directory is ROOT would, links included;
 * it never leaves ROOT and never follows a magic link of procfs. RESOLVE adds
 * RESOLVE_ flags. A new descriptor (the caller's), or -errno; no text. */
int path_open_in(int root, const char *path, int flags, uint64_t resolve);

/* As path_open_in with O_PATH, but what is missing of PATH is created with
 * mode 0755: directories, and for AS_FILE an empty file at the end. A dangling
 * link on the way is resolved inside ROOT. A new descriptor, or -1 with E. */
int path_make_in(int root, const char *path, bool as_file, struct err *e);
