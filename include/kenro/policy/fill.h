/* Silence is safe: what an engine leaves out takes the safe value, and an exec
 * gets no more than its container. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

/* Complete S in place. An absent seccomp profile becomes the built-in one,
 * unless the container is privileged. */
int fill_spec(struct spec *s, struct arena *a, struct err *e);

/* True for what engines call privileged: all devices, and the power to mount. */
bool fill_is_privileged(const struct spec *s);

/* Bound P, an exec's process, by its container's: no capability beyond the
 * bounding set (CIS Docker 5.23), and no_new_privs stays once it was set. */
int fill_exec(struct spec_process *p, const struct spec_process *container, struct arena *a,
              struct err *e);
