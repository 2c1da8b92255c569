/* What is executed: process.args, env and cwd; execve(2). */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct program_plan {
        char *const *argv; /* NULL: the configuration has no process */
        char **envp;       /* in memory that stays writable, for HOME's sake */
        char **home;       /* the slot of HOME in envp, NULL if HOME is set */
        const char *path;  /* value of PATH in envp */
        const char *cwd;   /* cleaned */
        uint32_t uid;      /* whose home is looked up */
        dev_t self_dev;    /* the runtime's own image, which is never executed */
        ino_t self_ino;
};

enum { PROGRAM_HOME_MAX = 256, PROGRAM_PASSWD_MAX = 1 << 20 };

/* The last of several values of one variable counts, and stands once. SCRATCH
 * is an arena that is not sealed. */
int program_plan(const struct spec_process *p, struct arena *a, struct arena *scratch,
                 struct program_plan *ret, struct err *e);

/* Change to cwd below ROOT_FD, as root: the process's user need not have access
 * to it. Returns 1 if that was denied and is to be tried again as the user. */
int program_cwd_child(const struct program_plan *p, int root_fd, struct err *e);

/* Fill HOME from the container's /etc/passwd, "/" if it is of no help. */
void program_home_child(const struct program_plan *p, int root_fd);

/* Find args[0] as execvp(3) would, with the credentials it will run with. */
int program_find_child(const struct program_plan *p, char found[PATH_MAX], struct err *e);

/* Execute; returns -1 with E if that failed. */
int program_exec_child(const struct program_plan *p, const char *found, struct err *e);
