/* The limits of linux.resources: config-linux.md, as files of cgroups(7), version 2.
 *
 * A plan is a list of writes, in their order; what the configuration says wrongly, or
 * what only version 1 had, is an error while it is made. docs/limits.md has the rules. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/spec/spec.h"

#include <stdbool.h>

enum cgroup_limit_flag {
        LIMIT_LIFTED = 1,    /* there is to be no limit: nothing is lost where FILE is missing */
        LIMIT_EFFECTIVE = 2, /* the kernel may put others in its place: see FILE.effective */
};

/* One write(2). More than one may be for the same file, like those of io.max. */
struct cgroup_limit {
        const char *field;              /* what asks for it: "linux.resources.memory.limit" */
        const char *file;               /* "memory.max": its controller stands before the dot */
        const char *value;              /* without a newline at the end */
        const char *or_file, *or_value; /* what is written where FILE is not there, or NULL */
        unsigned flags;
};

struct cgroup_limit_plan {
        struct cgroup_limit *v;
        size_t n;
        bool check_usage; /* a limit below what is used is an error: checkBeforeUpdate */
};

struct cgroup_limit_input {
        const struct spec_resources *resources; /* or NULL: an empty plan */
        bool update;        /* fields without "linux.resources.", as `update` gets them; old
                             * values that engines still send along are left out */
        bool partial;       /* a change by itself: what it is a part of is not there */
        bool whole_percent; /* cpu.max in steps of 1 %, rounded up, with its period: what
                             * systemd can say */
};

/* The order is that of a new group. Those of unified are the last. */
int cgroup_limit_plan(const struct cgroup_limit_input *in, struct arena *a,
                      struct cgroup_limit_plan *ret, struct err *e);

/* The first limit, which needs a group; NULL if there is only what lifts some. */
const struct cgroup_limit *cgroup_limit_first(const struct cgroup_limit_plan *p);

/* Whether P says all of FILE, so that an older value in unified is not in force any more;
 * files with a line for each device are never said whole. */
bool cgroup_limit_replaces(const struct cgroup_limit_plan *p, const char *file);

/* What an update has to write: of NOW, the plan of all that is to be in force, what
 * ASKED writes too, and what is otherwise in OLD. */
int cgroup_limit_changes(const struct cgroup_limit_plan *old, const struct cgroup_limit_plan *asked,
                         const struct cgroup_limit_plan *now, struct arena *a,
                         struct cgroup_limit_plan *ret, struct err *e);

/* cpu.weight of cpu.shares, 1...10000, and io.weight of blockIO.weight. */
unsigned cgroup_limit_cpu_weight(uint64_t shares);
unsigned cgroup_limit_io_weight(uint64_t weight);

struct cgroup_limit_group {
        const struct host_cgroup *host;
        const char *path; /* below the mount */
        int fd;
        struct arena *arena;           /* NULL for a new group; else what was there ... */
        struct cgroup_limit_plan undo; /* ... is noted here */
};

/* Give the group all controllers that there are, and put P in force. A limit that
 * cannot be is an error with its field, file and value; what was written to a group
 * that is not new is as before then. */
int cgroup_limit_parent(const struct cgroup_limit_plan *p, struct cgroup_limit_group *g,
                        struct err *e);

/* Put back what cgroup_limit_parent has noted. */
void cgroup_limit_undo(const struct cgroup_limit_group *g);
