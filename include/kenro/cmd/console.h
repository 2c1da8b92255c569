/* Where a terminal's master goes: to the caller's socket, or to ourselves. */
#pragma once

#include "kenro/part/console.h"

#include <stdbool.h>

struct cmd_console {
        struct console_to to; /* the container's process sends it there */
        int ours;             /* the other end, if that is not the caller's */
};

/* PATH is --console-socket's or NULL; DETACHED callers must give one. */
int cmd_console_open(const char *path, bool terminal, bool detached, struct cmd_console *ret,
                     struct err *e);

/* The master, if it was for us and has been sent; else -1. */
int cmd_console_master(struct cmd_console *c);
