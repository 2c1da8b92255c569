/* Shares of caches and memory bandwidth: linux.intelRdt, the kernel's resctrl file
 * system. A control group is called closID or as the container, a monitoring group
 * below it as the container. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/spec/spec.h"

#include <sys/types.h>

struct resctrl_plan {
        const char *group;   /* its directory, absolute; NULL: nothing is wanted */
        const char *monitor; /* that of the monitoring group, or NULL */
        enum { RESCTRL_OWN, RESCTRL_NAMED, RESCTRL_GIVEN } kind;
        const char *lines[64]; /* of its schemata file, in this order */
        size_t n_lines;
};

/* What this process has made, which it takes back after a failure. */
struct resctrl {
        bool made, made_monitor;
};

/* RDT is linux.intelRdt or NULL. */
int resctrl_plan(const struct spec_intel_rdt *rdt, const char *id, const struct host *h,
                 struct arena *a, struct resctrl_plan *ret, struct err *e);

/* The groups, then what they get; a group that is there must have it already. */
int resctrl_make_parent(const struct resctrl_plan *p, struct resctrl *ret, struct err *e);
int resctrl_set_parent(const struct resctrl_plan *p, const struct resctrl *made, struct err *e);

void resctrl_undo(const struct resctrl_plan *p, const struct resctrl *made);

/* Other shares of the GROUP of one container alone, or NULL: a line each. OLD is what was
 * there, and is there again after a failure. */
enum { RESCTRL_CHANGES = 2 };
int resctrl_change(const char *group, const char *const lines[RESCTRL_CHANGES], struct arena *a,
                   const char *old[RESCTRL_CHANGES], struct err *e);

/* Put PID in; what it forks follows. GROUP or MONITOR "" or NULL: none. */
int resctrl_enter_parent(const char *group, const char *monitor, pid_t pid, struct err *e);

/* Remove the directory of a group of the container's; "" or NULL: none. */
int resctrl_remove(const char *group, struct err *e);
