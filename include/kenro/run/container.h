/* A container in the runtime's records: its directory, its state, its life. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/part/cgroup.h"
#include "kenro/run/state.h"

#include <stdbool.h>

enum container_status {
        CONTAINER_CREATING,
        CONTAINER_CREATED,
        CONTAINER_RUNNING,
        CONTAINER_PAUSED,
        CONTAINER_STOPPED,
};

struct container {
        const char *id;
        int root_fd; /* the directory of all containers; -1 if there is none yet */
        int dir_fd;  /* this one's */
        struct state state;
        int pidfd;   /* of init, -1 unless it is alive */
        bool locked; /* by this process */
};

#define CONTAINER_INIT                                                                             \
        {                                                                                          \
                .root_fd = -1, .dir_fd = -1, .pidfd = -1                                           \
        }

/* The default directory of all containers, for this user. */
const char *container_root(struct arena *a, struct err *e);

/* Letters, digits, "_", "+", ".", "-"; not "." nor "..", and no leading "-". */
int container_check_id(const char *id, struct err *e);

/* Make the directory of a new container below ROOT (made too) and lock it. */
int container_new(const char *root, const char *id, struct container *ret, struct err *e);

/* Remove its directory, with all that is in it. */
int container_forget(struct container *c, struct err *e);

/* Open the container ID. Returns 0, 1 if there is no such container (E says so
 * as callers expect it), or -1. A half-made one, without a state file, opens with
 * state.version 0; after -1 too RET holds the directory if there is one. */
int container_open(const char *root, const char *id, struct arena *a, struct container *ret,
                   struct err *e);

/* As above with a directory of all containers that is open already. */
int container_open_at(int root_fd, const char *id, struct arena *a, struct container *ret,
                      struct err *e);

/* Keep other commands away until this process ends or unlocks it; waits for its
 * turn, at most 10 s. Then read the state again. Returns 0, 1 if the container is
 * gone by then (E says so), -1. */
int container_lock(struct container *c, struct arena *a, struct err *e);
void container_unlock(struct container *c);

/* The container as the owner of its group, without path. */
int container_owner(const struct container *c, struct cgroup_owner *ret, struct err *e);

/* The container's group, as long as it is the container's: a new descriptor, or -1. */
int container_cgroup(const struct container *c, const struct host_cgroup *cg, struct err *e);

/* -1 with the words that callers look for unless a process of it may be alive. */
int container_is_there(enum container_status s, struct err *e);

/* What is true now: from the process and its cgroup, not from a record. Fills
 * pidfd. */
enum container_status container_status(struct container *c, int proc_fd,
                                       const struct host_cgroup *cg);
const char *container_status_name(enum container_status s);

/* Send SIG to init; to the whole cgroup if ALL, or for SIGKILL where init's end
 * would not take the others with it. */
int container_kill(struct container *c, int proc_fd, const struct host_cgroup *cg, int sig,
                   bool all, struct err *e);

/* Kill what lives, remove the cgroup and the directory. Stopped containers only,
 * unless FORCE. */
int container_delete(struct container *c, int proc_fd, const struct host_cgroup *cg, bool force,
                     struct arena *a, struct err *e);

/* Remove the directory of a container whose state cannot be read. */
int container_discard(struct container *c, struct err *e);

/* Record PID as init, with the time it started at; then write PID_FILE (NULL:
 * none), digits only, which tells callers that the container is there. */
int container_commit(struct container *c, int proc_fd, pid_t pid, const char *pid_file,
                     struct err *e);

/* Write PID into the file PATH, atomically and without a line's end: callers
 * parse whatever they read. */
int container_write_pid(const char *path, pid_t pid, struct err *e);

/* Send PIDFD over the unix socket PATH, framed as a terminal is. */
int container_send_pidfd(const char *path, int pidfd, struct err *e);

void container_close(struct container *c);
