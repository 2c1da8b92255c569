#include "fuzz.h"

#include "kenro/base/sys.h"

#include <linux/seccomp.h>
#include <stdlib.h>

/* What seccomp(2) demands of one instruction, I before the end. */
static void check_filter(const struct sock_filter *i, size_t left)
{
        switch (BPF_CLASS(i->code)) {
        case BPF_RET:
                HOLDS(i->code == (BPF_RET | BPF_K), NULL);
                break;
        case BPF_LD:
                HOLDS(i->code == (BPF_LD | BPF_W | BPF_ABS), NULL);
                HOLDS(i->k % 4 == 0 && i->k < sizeof(struct seccomp_data), NULL);
                break;
        case BPF_ALU:
                HOLDS(i->code == (BPF_ALU | BPF_AND | BPF_K), NULL);
                break;
        default:
                HOLDS(BPF_CLASS(i->code) == BPF_JMP && BPF_SRC(i->code) == BPF_K, NULL);
                if (BPF_OP(i->code) == BPF_JA)
                        HOLDS(i->k < left, NULL);
                else
                        HOLDS(i->jt < left && i->jf < left, NULL);
        }
}

void fuzz_check_seccomp(const struct seccomp_plan *p)
{
        if (!p->v)
                return;
        HOLDS(p->n > 0 && p->n <= SECCOMP_INSN_MAX, NULL);
        HOLDS(p->v[p->n - 1].code == (BPF_RET | BPF_K), NULL);
        for (size_t i = 0; i < p->n; i++)
                check_filter(&p->v[i], p->n - i - 1);
        HOLDS(seccomp_answer(p, SYS_execve) == SECCOMP_RET_ALLOW ||
                      seccomp_answer(p, SYS_execve) == SECCOMP_RET_LOG,
              NULL);
}

/* The verifier refuses what can never be reached; jumps only go forward, so one
 * pass in order finds all that can. */
void fuzz_check_devices(const struct cgroup_device_plan *p)
{
        bool *reached;

        if (!p->v)
                return;
        reached = calloc(p->n + 1, sizeof(*reached));
        reached[0] = true;
        for (size_t i = 0; i < p->n; i++) {
                const struct bpf_insn *insn = &p->v[i];
                bool always = insn->code == (BPF_JMP | BPF_JA);

                HOLDS(reached[i], NULL);
                if (insn->code == (BPF_JMP | BPF_EXIT))
                        continue;
                if (always || BPF_CLASS(insn->code) == BPF_JMP32) {
                        HOLDS(insn->off >= 0 && i + 1 + (size_t)insn->off < p->n, NULL);
                        reached[i + 1 + (size_t)insn->off] = true;
                }
                reached[i + 1] |= !always;
        }
        HOLDS(!reached[p->n], NULL); /* no way off the end */
        free(reached);
}
