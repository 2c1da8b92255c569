/* What a host has of all that containers can want: facts for people, read and never
 * judged here. Nothing is refused: what cannot be found out is NULL, 0, false or -1. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/host/engine.h"
#include "kenro/spec/spec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct survey_in {
        int root;                           /* of all paths, O_PATH: "/" but for tests */
        uint32_t uid;                       /* the caller's */
        const char *cgroup;                 /* where cgroup2 is mounted, or NULL */
        const char *group;                  /* the caller's, below that; "" if unknown */
        const char *state;                  /* the directory of all containers */
        const char *run;                    /* XDG_RUNTIME_DIR, or NULL */
        const char *path;                   /* PATH, or NULL */
        const char *helper;                 /* the program that talks to systemd */
        const char *const *map_directories; /* where newuidmap is looked for; ends with NULL */
        dev_t self_dev;                     /* this program */
        ino_t self_ino;
        struct arena *arena;
};

struct survey_group {
        char *controllers; /* what it may use; NULL: there is no such group */
        bool ours;         /* the caller may make groups in it */
};

/* The directory of all containers, or what is in its place. */
struct survey_state {
        bool there, directory, tmpfs;
        bool can_be_made;
        uint32_t uid;
        mode_t mode;
        const char *weak; /* a directory above it in which others can put another; or NULL */
};

struct survey {
        bool blind;    /* nothing can be read: it takes a procfs, and calls of Linux 5.6 */
        char *release; /* of the kernel */
        struct strings no_calls, no_namespaces;

        char *controllers, *enabled;      /* of the cgroup2 tree's root */
        char *v1;                         /* controllers that are in version 1's trees; "" */
        struct survey_group own, manager; /* the caller's group, and its user@.service's */

        bool systemd, system_bus, user_bus, helper;
        bool apparmor, selinux, enforcing;
        char *seccomp;                                                   /* its actions */
        long max_user_namespaces, users_may_unshare, apparmor_restricts; /* -1: no such file */

        const char *user, *home;   /* in /etc/passwd */
        uint64_t subuids, subgids; /* how many ids are the caller's */
        bool newuidmap, newgidmap; /* are there, and may do what they are for */
        struct survey_state state;
        SPEC_LIST(struct engine_runtime) runtimes; /* programs that can be called as one */
        struct engine engines[ENGINE_KINDS];
};

int survey(const struct survey_in *in, struct survey *ret, struct err *e);
