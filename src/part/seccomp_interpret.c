#include "seccomp_interpret.h"

#include <string.h>

static int jumps(const struct sock_filter *i, uint32_t acc)
{
        switch (BPF_OP(i->code)) {
        case BPF_JEQ:
                return acc == i->k;
        case BPF_JGT:
                return acc > i->k;
        case BPF_JGE:
                return acc >= i->k;
        case BPF_JSET:
                return (acc & i->k) != 0;
        default:
                return -1;
        }
}

uint32_t seccomp_interpret(const struct sock_filter *v, size_t n, const struct seccomp_data *data)
{
        uint32_t acc = 0;

        for (size_t at = 0; at < n; at++) {
                const struct sock_filter *i = &v[at];
                int yes;

                switch (BPF_CLASS(i->code)) {
                case BPF_RET:
                        return i->k;
                case BPF_LD:
                        if (i->k % 4 != 0 || i->k >= sizeof(*data))
                                return SECCOMP_RET_KILL_PROCESS;
                        memcpy(&acc, (const char *)data + i->k, sizeof(acc));
                        break;
                case BPF_ALU:
                        acc &= i->k; /* the only operation filters use */
                        break;
                case BPF_JMP:
                        if (BPF_OP(i->code) == BPF_JA) {
                                at += i->k;
                                break;
                        }
                        yes = jumps(i, acc);
                        if (yes < 0)
                                return SECCOMP_RET_KILL_PROCESS;
                        at += yes ? i->jt : i->jf;
                        break;
                default:
                        return SECCOMP_RET_KILL_PROCESS;
                }
        }
        return SECCOMP_RET_KILL_PROCESS;
}
