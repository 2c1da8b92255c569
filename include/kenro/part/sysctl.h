/* Kernel parameters of the container's own namespaces: sysctl(8).
 *
 * A parameter that no namespace of the container owns would change the host,
 * so it is an error. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

struct sysctl_entry {
        const char *key, *path, *value; /* path is relative to procfs: "sys/net/..." */
};

struct sysctl_plan {
        const struct sysctl_entry *v;
        size_t n;
};

/* OWN has the CLONE_NEW* bits of the namespaces that are not the host's. */
int sysctl_plan(const struct pairs *sysctl, uint64_t own, struct arena *a, struct sysctl_plan *ret,
                struct err *e);

int sysctl_child(const struct sysctl_plan *p, int proc_fd, struct err *e);
