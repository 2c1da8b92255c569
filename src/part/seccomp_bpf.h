/* Sorted rules to BPF instructions. Private to the seccomp part. */
#pragma once

#include "seccomp_rule.h"

#include <linux/filter.h>

/* All architectures that share one AUDIT_ARCH value: one, or x86_64 and x32. */
struct seccomp_group {
        uint32_t audit;
        bool big;
        const struct seccomp_rules *rules[2]; /* ascending numbers, the second may be NULL */
};

struct seccomp_actions {
        uint32_t fallback; /* the profile's default */
        uint32_t bad_arch; /* an architecture, or x32, that is not listed */
        uint32_t newer;    /* numbers newer than the profile */
};

/* Write the program for GROUPS into V, which has room for SECCOMP_INSN_MAX,
 * and point RET at its first instruction. Returns its length; 0 with E. */
size_t seccomp_bpf(const struct seccomp_group *groups, size_t n_groups,
                   const struct seccomp_actions *actions, struct arena *a,
                   const struct sock_filter **ret, struct err *e);
