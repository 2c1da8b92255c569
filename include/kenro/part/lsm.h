/* Labels of AppArmor and SELinux for what is executed: proc_pid_attr(5).
 *
 * They are written through the descriptor of a verified procfs and never by a path:
 * what the image mounts at /proc has no say (CVE-2019-16884, CVE-2025-52881). */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/spec/spec.h"

struct lsm_plan {
        const char *apparmor; /* profile, or NULL */
        const char *command;  /* what is written for it */
        bool vague;          /* a stack of profiles, or a namespace's, which the kernel may write in
                              * its own way: read back is then that there is one */
        const char *selinux; /* context, or NULL */
};

int lsm_plan(const struct spec_process *p, const struct host *h, struct arena *a,
             struct lsm_plan *ret, struct err *e);

/* The label of the keyring that is made next; then that of no other. */
int lsm_key_child(const struct lsm_plan *p, int proc_fd, struct err *e);
int lsm_key_done_child(const struct lsm_plan *p, int proc_fd, struct err *e);

/* For the next execve(2), also of what is forked until then; read back at once. Before
 * no_new_privs, which would forbid a transition that the LSM's policy allows. */
int lsm_child(const struct lsm_plan *p, int proc_fd, struct err *e);
