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

/* Put the detached mount MOUNT_FD, if that is not -1, at NAME ("dev", "proc") in the stash,
 * which is attached by now, so that it can be cloned when its turn comes. */
int stash_put_child(int stash_fd, const char *name, int mount_fd, struct err *e);
