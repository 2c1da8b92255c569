/* A classic BPF interpreter for seccomp programs: what will a filter answer?
 * Private to the seccomp part and its tests. */
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>

/* The answer to DATA, whose words lie in memory as on the filter's machine.
 * SECCOMP_RET_KILL_PROCESS for a program that is not one of ours. */
uint32_t seccomp_interpret(const struct sock_filter *v, size_t n, const struct seccomp_data *data);
