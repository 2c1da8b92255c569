/* The container's group as a transient scope of systemd: systemd.scope(5),
 * org.freedesktop.systemd1(5). What is asked of the manager is decided here, and said
 * by a helper program, so that neither D-Bus nor its library is part of the runtime. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/base/fields.h"
#include "kenro/spec/spec.h"

#include <stdbool.h>
#include <sys/types.h>

/* A property of the unit. */
struct systemd_property {
        const char *name;
        const char *type;    /* its D-Bus signature */
        unsigned since;      /* the first systemd that has it, or 0; an older one goes without */
        struct strings list; /* "ay": one text of hexadecimal digits; "a(st)": in pairs */
};

struct systemd_properties {
        struct systemd_property *v;
        size_t n;
};

struct systemd_plan {
        bool wanted;
        bool user;         /* the caller's own manager, not the system's */
        const char *unit;  /* "kenro-c1.scope" */
        const char *slice; /* "a-b.slice" */
        const char
                *path; /* of the group, below the manager's: "/a.slice/a-b.slice/kenro-c1.scope" */
        struct systemd_properties start;  /* of the new unit */
        struct systemd_properties settle; /* what can only be set when nobody but init is there */
};

struct systemd_input {
        const char *cgroups_path; /* "slice:prefix:name"; or NULL */
        const char *id;
        bool user;
        bool bfq;                        /* weights of input and output are BFQ's here */
        const struct pairs *annotations; /* org.systemd.property.* */
        const struct pairs *limits;      /* file of cgroups(7) and value, in their order */
};

int systemd_plan(const struct systemd_input *in, struct arena *a, struct systemd_plan *ret,
                 struct err *e);

/* The properties that stand for LIMITS, so that systemd writes the same when it writes.
 * A file that systemd does not know is left alone by it, and has none. RUNNING: the unit
 * is there already. */
int systemd_limits(const struct systemd_input *in, bool running, struct arena *a,
                   struct systemd_properties *ret, struct err *e);

/* Those that annotations ask for: few, and with values of the right type. */
int systemd_annotations(const struct pairs *annotations, struct arena *a,
                        struct systemd_properties *ret, struct err *e);

/* Have VALUE stand for NAME, or be one more of its values if its type is a list. */
int systemd_property_set(struct systemd_properties *p, const struct systemd_property *like,
                         const char *value, struct arena *a, struct err *e);

/* What is at work on a scope: the helper, and a process of ours that holds a scope which
 * has no other yet. */
struct systemd_helper {
        pid_t pid, holder;
        int sock, holder_sock;
};

#define SYSTEMD_HELPER_INIT                                                                        \
        {                                                                                          \
                .sock = -1, .holder_sock = -1                                                      \
        }

/* Whether the program is there; the error says what is missing. */
int systemd_is_installed(struct err *e);

/* Make the scope, with a holder in it. */
int systemd_start(struct systemd_helper *h, const struct systemd_plan *p, struct err *e);

/* Take the holder out, so that the scope lasts as long as the processes that are in it
 * now, and end the helper. */
int systemd_release(struct systemd_helper *h, const struct systemd_plan *p, struct err *e);

/* Move the process PID into the scope UNIT, where the caller may not. */
int systemd_attach(struct systemd_helper *h, const char *unit, bool user, pid_t pid, struct err *e);

/* Change properties of the scope UNIT. */
int systemd_set(const char *unit, bool user, const struct systemd_properties *p, struct err *e);

/* End the scope UNIT, wait until it is gone, and forget a failure. It being gone already
 * is fine. */
int systemd_stop(struct systemd_helper *h, const char *unit, bool user, struct err *e);

/* End helper and holder, whatever they do. */
void systemd_close(struct systemd_helper *h);

/* Whether GROUP, of /proc/PID/cgroup, is PATH below a manager's own group. */
bool systemd_is_below(const char *group, const char *path);
