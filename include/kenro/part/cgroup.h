/* The container's control group, by the cgroupfs manager: cgroups(7). Version 2
 * only, in the tree that the host has. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/spec/spec.h"

#include <stdbool.h>
#include <sys/types.h>

struct cgroup_plan {
        const char *path; /* below the mount, cleaned: "/kenro/c1"; "": none of its own */
        bool rootless;    /* of a caller that has only what was delegated to it */
        bool optional;    /* nothing needs the group: without the right to make it the
                           * container stays in its caller's */
};

/* What cgroup_parent has made, for the clone and for the undo. */
struct cgroup {
        int fd;        /* O_DIRECTORY, for CLONE_INTO_CGROUP; -1: none of its own */
        unsigned made; /* how many components at the end of the path are ours */
        bool claimed;  /* it carries the owner's claim */
};

/* Who uses a group: a container, by its directory in the runtime's records. Paths can
 * be used again; the claim, an attribute of the group, says whose the group is now. */
struct cgroup_owner {
        dev_t dev;
        ino_t ino;
        const char *path; /* of the directory, to find a claim stale; for claiming only */
};

/* CGROUPS_PATH as in config.json, or NULL: absolute means below the mount, else
 * it is below /kenro, always the same place for the same value. */
int cgroup_plan(const char *cgroups_path, const char *id, struct arena *a, struct cgroup_plan *ret,
                struct err *e);

/* The same for a caller without power over the host: what the configuration does not
 * place goes beside the caller's own group, and is only as optional as it was before. */
int cgroup_plan_rootless(const struct spec_linux *l, const char *id, const struct host *h,
                         struct arena *a, struct cgroup_plan *ret, struct err *e);

/* Make the directories and claim the last for O. A group that another container has
 * claimed, has processes or is frozen is refused: two containers would share it. */
int cgroup_parent(const struct cgroup_plan *p, const struct host_cgroup *h,
                  const struct cgroup_owner *o, struct cgroup *ret, struct err *e);

/* Whether O has claimed the group, and how much of its path it made then. */
bool cgroup_is_claimed(int cgroup_fd, const struct cgroup_owner *o, unsigned *made);

/* Take the claim off a group that stays. */
void cgroup_release(int cgroup_fd);

/* Remove the group PATH if nobody has claimed it and it is empty: the rest of a create
 * that was killed between the two. */
void cgroup_sweep(const struct host_cgroup *h, const char *path);

/* Remove again what cgroup_parent made, as far as it is empty. */
void cgroup_undo(const struct cgroup_plan *p, const struct host_cgroup *h, unsigned made);

/* Refuse the group PATH if it has processes, also below it, or is frozen. */
int cgroup_check_unused(int cgroup_fd, const char *path, struct err *e);

/* Open the group PATH. A descriptor, or -errno. */
int cgroup_open(const struct host_cgroup *h, const char *path);

/* SIGKILL everything in the group, however it forks. Returns 0 or -errno. */
int cgroup_kill(int cgroup_fd);

/* Wait until cgroup.events says EVENT, "frozen 1", or until something can be read
 * from OR_FD (-1: nothing). Returns 0, -ETIMEDOUT after MS milliseconds, -errno. */
int cgroup_wait(int cgroup_fd, const char *event, int or_fd, int ms);

/* Wait until no process is in the group but such as only wait to be reaped, or until something can
 * be read from OR_FD (-1: nothing), at most MS milliseconds. */
int cgroup_wait_empty(int cgroup_fd, int or_fd, int ms, struct err *e);

/* If there are processes in the group, kill them and wait. A group without any
 * is not touched: since Linux 6.14 one that has been killed is hard to clone
 * into, and it may be an engine's, to be used again. */
int cgroup_end(int cgroup_fd, int ms, struct err *e);

/* Remove the group PATH and those below it, and then the MADE - 1 groups above
 * it, and /kenro, as far as they are empty. It being gone already is fine. */
int cgroup_remove(const struct host_cgroup *h, const char *path, unsigned made, struct err *e);

/* PATH itself is gone: remove the MADE - 1 groups above it, and /kenro, as above. */
void cgroup_remove_above(const struct host_cgroup *h, const char *path, unsigned made);

/* Whether the group's processes are frozen; false if it cannot be read. */
bool cgroup_is_frozen(int cgroup_fd);
