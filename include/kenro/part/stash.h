/* A small tmpfs of the runtime's own, never attached where the image could
 * reach it: what masks and device nodes outside /dev are bound from. Their
 * sources are so never a file that the image chose (CVE-2025-31133).
 *
 * Made by the parent, which may make nodes whatever the container's device
 * rules say, and before the child exists; by the child where the parent has no power
 * over mounts. */
#pragma once

#include "kenro/base/err.h"

/* A detached tmpfs with "dir", an empty directory, and "file", an empty file,
 * both readable by everybody; LABEL is SELinux's for all of it, or NULL. A new descriptor, or -1.
 * It can be cloned from once it is attached in the cloner's mount namespace (before Linux 6.15 a
 * detached mount cannot be a source). */
int stash_make(const char *label, struct err *e);

/* Put the detached mount DEV_FD into the stash, which is attached by now, so that
 * it can be cloned when the turn of /dev comes. */
int stash_dev_child(int stash_fd, int dev_fd, struct err *e);
