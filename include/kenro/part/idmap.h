/* The id mappings of a new user namespace: user_namespaces(7). */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/spec/spec.h"

#include <sys/types.h>

struct idmap_plan {
        bool wanted;                     /* a new user namespace is made */
        bool become_root;                /* id 0 is mapped: the set-up runs as it */
        const char *uid_text, *gid_text; /* for uid_map and gid_map */

        /* Of a caller who may write no more than its own id. */
        bool uid_helper, gid_helper; /* the host's programs write them */
        bool deny_groups;            /* the kernel's price for an own gid: setgroups(2) */
        bool no_groups;              /* setgroups(2) is denied, or the caller's groups stay */
        struct id_mappings uids, gids;
};

int idmap_plan(const struct spec *s, struct arena *a, struct idmap_plan *ret, struct err *e);

/* How the caller that H is of can have them written. */
void idmap_plan_writer(const struct host *h, struct idmap_plan *p);

/* The mappings of the user namespace FD, which exists already, as the host sees
 * them. Returns 0, 1 if setgroups(2) is denied in it, -1. */
int idmap_read(int fd, int proc_fd, struct arena *a, struct id_mappings *uids,
               struct id_mappings *gids, struct err *e);

/* A user namespace with these mappings and nobody in it, for mount_setattr(2). A
 * new descriptor, or -1. */
int idmap_make(const struct id_mappings *uids, const struct id_mappings *gids, int proc_fd,
               struct err *e);

bool idmap_is_same(const struct id_mappings *a, const struct id_mappings *b);

/* Write the maps of the process PID, which waits. */
int idmap_parent(const struct idmap_plan *p, int proc_fd, pid_t pid, struct err *e);

/* Become the namespace's root, as which mounts and files are made. */
int idmap_child(const struct idmap_plan *p, struct err *e);
