/* Hooks: programs of the host's administrator at six points of a container's
 * life (config.md, POSIX-platform Hooks; runtime.md, Lifecycle).
 *
 * A hook leads a process group of its own, has the environment of its entry and
 * nothing else, the container's state on standard input, and a pipe to us as
 * output, which is quoted if it fails. It does not outlive the runtime; when its
 * time is over its whole group is killed. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

/* In the order of spec_hook_names. */
enum hook_point {
        HOOK_PRESTART,
        HOOK_CREATE_RUNTIME,
        HOOK_CREATE_CONTAINER,
        HOOK_START_CONTAINER,
        HOOK_POSTSTART,
        HOOK_POSTSTOP,
        HOOK_POINTS,
};

/* What the error of a failing hook begins with; callers look for it, too. */
#define HOOK_FAILED "error running %s hook"

struct hook {
        const char *path;
        char *const *argv, *const *envp;
        int timeout; /* seconds; 0: none */
};

struct hook_plan {
        struct {
                const struct hook *v;
                size_t n;
        } at[HOOK_POINTS];
};

/* H may be NULL: no hooks. */
int hook_plan(const struct spec_hooks *h, struct arena *a, struct hook_plan *ret, struct err *e);

/* Run those of POINT, in order, until one fails. STATE_FD is a file with the
 * container's state; DIR is where they start, NULL: here. Allocates nothing. */
int hook_run(const struct hook_plan *p, enum hook_point point, int state_fd, const char *dir,
             struct err *e);

/* Run those of POSTSTOP, whose failure stops nothing: each is told to FAILED. */
void hook_run_poststop(const struct hook_plan *p, int state_fd, const char *dir,
                       void (*failed)(const struct err *e));
