/* The mounts of config.json: mount(8), by the new mount API.
 *
 * Every mount is made detached, gets its flags and its propagation, and only
 * then is attached, onto a descriptor that was resolved below the container's
 * root: no path reaches the kernel, and no mount is visible half done. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/part/mount_option.h"
#include "kenro/spec/spec_load.h"

enum mount_kind {
        MOUNT_FS,          /* a file system of its own */
        MOUNT_DEV,         /* the same, at /dev, filled before it is attached */
        MOUNT_BIND,        /* a tree of the host, opened by the plan */
        MOUNT_INSIDE,      /* a tree of the container, opened when its turn comes */
        MOUNT_CHANGE,      /* "remount,bind": new flags for what is there */
        MOUNT_RECONFIGURE, /* "remount": new options for a file system of the container's */
};

struct mount_entry {
        enum mount_kind kind;
        const char *dest; /* cleaned, absolute in the container */
        const char *type, *source;
        struct mount_options o;
        bool is_file;       /* what is bound is no directory */
        bool late_readonly; /* when the tmpfs has been filled */
        bool both_ways;     /* MOUNT_BIND: what the container mounts there is seen on the host */
        int tree_fd; /* MOUNT_BIND: the detached clone; a file system and what remounts it: kept
                      * free for its mount; else -1 */
        struct id_mappings uids, gids; /* MOUNT_BIND: as which its ids are seen, or empty */
        size_t index;                  /* in mounts[], for messages; SIZE_MAX if kenro added it */

        const char *label; /* of SELinux, for a file system that has no option for it */
};

struct mount_plan {
        struct mount_entry *v;
        size_t n;
        int dev;           /* index of the MOUNT_DEV entry, -1: /dev is not ours to fill */
        bool dev_readonly; /* to be set at the end, its mount points are made in it */
};

/* ROOTFS is the root's absolute path on the host: a bind source below it means
 * the container's own tree. Relative sources start from the bundle. */
int mount_plan(const struct spec *s, const struct bundle *b, const char *rootfs, struct arena *a,
               struct mount_plan *ret, struct err *e);

/* Give the source of M, which has mappings, those of the user namespace USERNS. */
int mount_idmap_parent(const struct mount_entry *m, int userns, struct err *e);

/* No device node of what is bound can be opened, unless the node itself is bound. */
void mount_plan_no_devices(struct mount_plan *p);

/* The uid= and gid= of file systems must be mapped by the container's user namespace. */
int mount_plan_check_ids(const struct mount_plan *p, const struct spec *s, struct err *e);

/* One instance serves many mounts, the host's too. */
bool mount_is_shared_type(const char *type);

/* A detached mount of the file system that M describes: a new descriptor. MORE
 * parameters (ended by a NULL key, or NULL) come before its own. */
int mount_make(const struct mount_entry *m, const struct mount_param *more, struct err *e);

/* Mounts that were made elsewhere, or -1, of which the container's are clones: /dev,
 * which is in the stash, and the procfs of a joined pid namespace. */
struct mount_made {
        int dev_fd, proc_fd;
};

/* Attach everything in order. ROOT_FD is the container's root, in this mount
 * namespace. */
int mount_child(const struct mount_plan *p, int root_fd, const struct mount_made *made,
                struct err *e);
