/* Between the stages of the compiler: names -> rules -> BPF. Private to the
 * seccomp part. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

#include <seccomp.h>
#include <stdbool.h>
#include <stdint.h>

enum { SECCOMP_ARGS = 6, SECCOMP_X32_BIT = 0x40000000 };

/* One architecture that libseccomp tells apart. */
struct seccomp_arch {
        uint32_t token;      /* SCMP_ARCH_* */
        uint32_t audit;      /* AUDIT_ARCH_*: what seccomp_data holds; x32 shares x86_64's */
        bool wide;           /* arguments are compared with 64 bits */
        bool big;            /* big-endian: where an argument's halves lie */
        int socketcall, ipc; /* numbers of the multiplexers, 0: none */
};

/* NULL if the architecture is not known here. */
const struct seccomp_arch *seccomp_arch_find(uint32_t token);

/* The direct number on ARCH of the multiplexed call PSEUDO (libseccomp's -101
 * for socket ...), or -1. */
int seccomp_arch_direct(const struct seccomp_arch *arch, int pseudo);

/* (argument & mask) OP datum */
struct seccomp_cond {
        uint32_t arg;
        enum spec_compare op;
        uint64_t mask, datum;
};

/* All must hold. n == 0: unconditional. */
struct seccomp_conds {
        size_t n;
        struct seccomp_cond v[SECCOMP_ARGS];
};

struct seccomp_rule {
        uint32_t nr;
        uint32_t action; /* SECCOMP_RET_* with its data */
        const struct seccomp_conds *conds;
        bool derived; /* made for a multiplexer: it may repeat another */
        const char *name;
};

/* The rules of one architecture, sorted by number; within a number they are in
 * the order in which they are tried, and an unconditional one stands alone. */
struct seccomp_rules {
        const struct seccomp_arch *arch;
        struct seccomp_rule *v;
        size_t n;
        uint32_t newest; /* the largest number that the profile names */
};

int seccomp_rules(const struct spec_seccomp *f, const struct seccomp_arch *arch, struct arena *a,
                  struct seccomp_rules *ret, struct err *e);

/* The kernel's value for an action and its errnoRet. */
uint32_t seccomp_action(uint64_t action, struct opt_uint errno_ret);
