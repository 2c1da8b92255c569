/* Facts as a host that is ready has them, for a test to change one. */
#pragma once

#include "unit.h"

#include "kenro/cmd/doctor.h"

struct patient {
        struct survey survey;
        struct survey_in in;
        struct host host;
        struct doctor doctor;
};

static inline void patient_make(struct patient *p)
{
        static char controllers[] = "cpuset cpu io memory pids", none[] = "", release[] = "6.1.0",
                    actions[] = "kill_process kill_thread trap errno user_notif trace log allow";
        static const struct survey_group delegated = { controllers, true };

        *p = (struct patient){
                .survey = {
                        .release = release,
                        .controllers = controllers,
                        .enabled = controllers,
                        .v1 = none,
                        .own = delegated,
                        .systemd = true,
                        .system_bus = true,
                        .user_bus = true,
                        .helper = true,
                        .apparmor = true,
                        .seccomp = actions,
                        .max_user_namespaces = 1000,
                        .users_may_unshare = -1,
                        .apparmor_restricts = -1,
                        .user = "u",
                        .subuids = 65536,
                        .subgids = 65536,
                        .newuidmap = true,
                        .newgidmap = true,
                        .state = { .there = true, .directory = true, .tmpfs = true,
                                   .uid = 1000, .mode = 01700 },
                },
                .in = { .uid = 1000, .cgroup = "/sys/fs/cgroup", .group = "/g",
                        .state = "/run/user/1000/kenro", .helper = "/usr/libexec/helper" },
                .host = { .uid = 1000, .rootless = true, .all_ids = true },
        };
        p->doctor = (struct doctor){ &p->survey, &p->in, &p->host, NULL };
}

static inline void patient_is_root(struct patient *p)
{
        p->in.uid = p->host.uid = p->survey.state.uid = 0;
        p->host.rootless = false;
}

/* What the check NAME finds. */
static inline const struct finding *judged(const struct patient *p, const char *name)
{
        static struct finding f;

        for (const struct doctor_check *c = doctor_checks; c->name; c++)
                if (strcmp(c->name, name) == 0) {
                        doctor_judge(&p->doctor, c, &f);
                        return &f;
                }
        fail_msg("there is no check %s", name);
        return NULL;
}

/* The check NAME has this status, and these words among what it found and what to do;
 * what is not well has something to do, and nothing else has. */
static inline void finds(const struct patient *p, const char *name, const char *status,
                         const char *const words[2], int line)
{
        const struct finding *f = judged(p, name);

        if (strcmp(finding_status_name(f->status), status) != 0 || !strstr(f->text, words[0]) ||
            !strstr(f->fix, words[1]) || (f->fix[0] != '\0') != (f->status >= FINDING_WARN))
                fail_msg("line %d: %s: %s -> %s", line, finding_status_name(f->status), f->text,
                         f->fix);
}

#define FINDS(p, name, status, words, way_out)                                                     \
        finds(p, name, status, (const char *const[]){ words, way_out }, __LINE__)
