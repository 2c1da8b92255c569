/* The seccomp filter: linux.seccomp as a BPF program of our own, seccomp(2).
 *
 * libseccomp only resolves names and architectures. Per architecture the
 * syscall numbers are sorted, merged into ranges and searched by halving;
 * rules with argument conditions are chains at the leaves. The meaning is
 * libseccomp's, held equal by a differential test; docs/decisions says where
 * rules of one syscall contradict each other.
 *
 * Where the default action is an errno, numbers above all that the profile
 * names answer ENOSYS: programs probe for newer calls and fall back on that
 * errno only. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

#include <linux/filter.h>
#include <stdbool.h>

struct seccomp_plan {
        const struct sock_filter *v; /* NULL: no filter */
        size_t n;
        unsigned flags;               /* SECCOMP_FILTER_FLAG_* for seccomp(2) */
        bool shows;                   /* under it prctl(2) still tells that a filter is loaded */
        bool notifies;                /* seccomp_unotify(2): an agent decides some calls */
        const char *agent, *metadata; /* its socket, and what it is told besides */
};

enum { SECCOMP_INSN_MAX = 4096 }; /* BPF_MAXINSNS */

/* F may be NULL: no filter. */
int seccomp_plan(const struct spec_seccomp *f, struct arena *a, struct seccomp_plan *ret,
                 struct err *e);

/* Compile for the architectures in NATIVE's stead when it is not 0: tests look
 * at programs for other machines. */
int seccomp_compile(const struct spec_seccomp *f, uint32_t native, struct arena *a,
                    struct seccomp_plan *ret, struct err *e);

/* What the filter answers to the native syscall NR with all arguments 0: a
 * SECCOMP_RET_ value. SECCOMP_RET_ALLOW without a filter. */
uint32_t seccomp_answer(const struct seccomp_plan *p, int nr);

/* Load it; needs no_new_privs or CAP_SYS_ADMIN. Returns the agent's descriptor if
 * the filter notifies, else 0; -1. */
int seccomp_child(const struct seccomp_plan *p, struct err *e);
