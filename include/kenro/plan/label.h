/* SELinux labels of the container's own file systems: linux.mountLabel. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/part/mount.h"
#include "kenro/spec/spec.h"

/* The label, or NULL. */
const char *label_of_mounts(const struct spec *s);

/* Add it to the options of each file system that takes it so, unless the entry has one
 * of its own; what is bound keeps what it has. An annotation names another option for
 * it: run.oci.mount_context_type. */
int label_mounts(const struct spec *s, const struct host *h, struct mount_plan *mounts,
                 struct arena *a, struct err *e);
