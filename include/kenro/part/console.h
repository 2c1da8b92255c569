/* The terminal: pty(7), and the console socket protocol of runc's callers. */
#pragma once

#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

struct console_plan {
        bool wanted;
        uint16_t rows, columns; /* 0: as it is */
        uint32_t uid;           /* of the process, who owns the terminal */
};

/* Where a terminal's master goes, and what is there. */
struct console_to {
        int sock;               /* connected; -1: nobody wants a terminal */
        bool plain;             /* no terminal: the output is kept as the program wrote it */
        uint16_t rows, columns; /* a terminal of this size, before the configured one; 0: unknown */
};

int console_plan(const struct spec_process *p, struct console_plan *ret, struct err *e);

/* Make a pty on the container's own devpts, send its master to TO, and make its
 * other end standard input, output, error and, if BIND, /dev/console. ROOT_FD is
 * the container's root. */
int console_child(const struct console_plan *p, int root_fd, const struct console_to *to, bool bind,
                  struct err *e);

/* Lead a session of one's own, and with a terminal make it the controlling one. */
int console_session_child(const struct console_plan *p, struct err *e);
