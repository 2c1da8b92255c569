/* Between the parts of the differential test: see seccomp.c. */
#pragma once

#include "kenro/spec/spec.h"

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT(v) (sizeof(v) / sizeof((v)[0]))

/* What a profile's rules say to a call. */
struct verdict {
        bool known;   /* the judge has looked at this call */
        bool clear;   /* all rules that match say the same */
        bool ordered; /* several rules, one of them with an order or != */
        uint32_t answer;
};

/* Of the call NAME; of one that another call multiplexes. WIDE: a 64-bit machine. */
struct verdict judge(const struct spec_seccomp *f, const char *name, const uint64_t *args,
                     bool wide, bool mux);
struct verdict judge_mux(const struct spec_seccomp *f, const char *name, const uint64_t *args,
                         bool wide);

/* A SECCOMP_RET_ value as libseccomp's action. */
uint32_t scmp_action(uint64_t action, struct opt_uint errno_ret);

/* libseccomp's program, in our byte order, of at most MAX instructions. SWAP: for
 * machines of the other one. Returns the length, 0 if it refused. */
size_t scmp_program(const struct spec_seccomp *f, const uint32_t *archs, size_t n_archs, bool swap,
                    struct sock_filter *v, size_t max);

/* End the test. */
_Noreturn void die(const char *what);
