/* The readiness of a service in the container, told to the service manager outside:
 * sd_notify(3). The container's program writes to a socket of the runtime's own, of
 * whose messages only READY=1 goes any further. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/base/tree.h"

#include <stdbool.h>
#include <sys/types.h>

#define SDNOTIFY_DIR "/run/notify" /* in the container */
#define SDNOTIFY_ENV "NOTIFY_SOCKET=" SDNOTIFY_DIR "/notify.sock"

enum { SDNOTIFY_STATE_MAX = 512 };

/* Make the directory for the socket in DIR_FD, a container's: a detached mount of it, as
 * by tree_source, or -1. */
int sdnotify_parent(int dir_fd, struct tree_list *later, struct arena *a, struct err *e);

/* Attach it below the container's root, read-only. */
int sdnotify_child(int tree_fd, int root_fd, struct err *e);

/* Remove it from DIR_FD again. */
void sdnotify_undo(int dir_fd);

/* Listen in the directory made before: a new socket or -1. Anybody in the container
 * may write to it. */
int sdnotify_listen(int dir_fd, struct err *e);

/* What may go on of MESSAGE, of a service that nobody trusts: the lines of its state, in
 * RET; "" if there are none. MESSAGE is changed. */
void sdnotify_filter(char *message, char ret[SDNOTIFY_STATE_MAX]);

/* SOCK can be read. Whether the message says anything that may go on: RET. */
bool sdnotify_receive(int sock, char ret[SDNOTIFY_STATE_MAX]);

/* Whether the lines of STATE say that the service is ready. */
bool sdnotify_is_ready(const char *state);

/* Tell the manager at HOST_SOCKET, as in NOTIFY_SOCKET, STATE: of the process that says
 * so. Never waits: EAGAIN if the manager has too much to read. */
int sdnotify_tell(const char *host_socket, const char *state, struct err *e);

/* The same before this process ends: the service is ready, and is PID. It waits until
 * the manager has read that, at most 30 s: it must ask who sent it. */
int sdnotify_hand_over(const char *host_socket, pid_t pid, struct err *e);
