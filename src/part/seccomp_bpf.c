/* The program is written from its end: jumps of BPF only go forward, so every
 * target is there, and its distance known, before the jump is. */
#include "seccomp_bpf.h"

#include "kenro/part/seccomp.h"

#include <linux/seccomp.h>
#include <stddef.h>

enum { JUMP_MAX = 255, RETURNS_MAX = 64 };

/* A place to go on: the number of instructions from there to the end. */
typedef unsigned label;

struct builder {
        struct sock_filter *v; /* SECCOMP_INSN_MAX of them, filled from the end */
        label here;            /* instructions so far */
        bool full;
        struct {
                uint32_t action;
                label at;
        } returns[RETURNS_MAX]; /* the newest of each action */
        size_t n_returns;
        const struct seccomp_arch *arch; /* of the rules at hand */
};

/* A range of numbers, from START to the next one's, and where it leads. */
struct segment {
        uint32_t start;
        bool chain; /* to the code at `at`, else to an answer */
        uint32_t action;
        label at;
};

static label emit(struct builder *b, unsigned code, uint32_t k, unsigned jt, unsigned jf)
{
        if (b->here == SECCOMP_INSN_MAX) {
                b->full = true;
                return b->here;
        }
        b->here++;
        b->v[SECCOMP_INSN_MAX - b->here] = (struct sock_filter){ (uint16_t)code, (uint8_t)jt,
                                                                 (uint8_t)jf, k };
        return b->here;
}

/* Instructions between the next one to be written and TO. */
static unsigned distance(const struct builder *b, label to)
{
        return b->here - to;
}

/* TO itself, or a long jump to it where a conditional one would not reach. Two
 * more instructions may still come in between. */
static label reach(struct builder *b, label to)
{
        if (distance(b, to) + 2 > JUMP_MAX)
                return emit(b, BPF_JMP | BPF_JA, distance(b, to), 0, 0);
        return to;
}

/* A return of ACTION within reach: one instruction, so it is rather repeated
 * than jumped to. */
static label answer(struct builder *b, uint32_t action)
{
        size_t i = 0;

        while (i < b->n_returns && b->returns[i].action != action)
                i++;
        if (i < b->n_returns && distance(b, b->returns[i].at) + 4 <= JUMP_MAX)
                return b->returns[i].at;
        if (i == RETURNS_MAX)
                i = 0; /* any other will be written again when it is needed */
        if (i == b->n_returns)
                b->n_returns++;
        b->returns[i].action = action;
        b->returns[i].at = emit(b, BPF_RET | BPF_K, action, 0, 0);
        return b->returns[i].at;
}

/* If the accumulator OP k, go to YES, else to NO. */
static label test(struct builder *b, unsigned op, uint32_t k, label yes, label no)
{
        yes = reach(b, yes);
        no = reach(b, no);
        if (yes == no)
                return yes;
        return emit(b, BPF_JMP | op | BPF_K, k, distance(b, yes), distance(b, no));
}

/* What is written next goes on at TO. */
static void go_on_at(struct builder *b, label to)
{
        if (to != b->here)
                emit(b, BPF_JMP | BPF_JA, distance(b, to), 0, 0);
}

static label load(struct builder *b, unsigned arg, bool high)
{
        size_t offset = offsetof(struct seccomp_data, args) + arg * 8;

        if (high != b->arch->big)
                offset += 4;
        return emit(b, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static label mask(struct builder *b, uint32_t bits)
{
        if (bits == UINT32_MAX)
                return b->here;
        return emit(b, BPF_ALU | BPF_AND | BPF_K, bits, 0, 0);
}

static bool is_negated(enum spec_compare op)
{
        return op == CMP_NE || op == CMP_LT || op == CMP_LE;
}

/* How a condition's lower half is compared; the negated ones swap the exits. */
static unsigned low_test(enum spec_compare op)
{
        switch (op) {
        case CMP_GT:
        case CMP_LE:
                return BPF_JGT;
        case CMP_GE:
        case CMP_LT:
                return BPF_JGE;
        case CMP_NE:
        case CMP_EQ:
        case CMP_MASKED_EQ:
        default:
                return BPF_JEQ;
        }
}

/* One condition: where it holds go to HIT, else to MISS. */
static label condition(struct builder *b, const struct seccomp_cond *c, label hit, label miss)
{
        uint32_t high = (uint32_t)(c->datum >> 32), low = (uint32_t)c->datum;
        label yes = is_negated(c->op) ? miss : hit, no = is_negated(c->op) ? hit : miss;
        label low_half, equal;

        go_on_at(b, test(b, low_test(c->op), low, yes, no));
        mask(b, (uint32_t)c->mask);
        low_half = load(b, c->arg, false);
        if (!b->arch->wide || c->mask >> 32 == 0)
                return low_half;
        equal = test(b, BPF_JEQ, high, low_half, no);
        if (low_test(c->op) != BPF_JEQ)
                equal = test(b, BPF_JGT, high, yes, equal);
        go_on_at(b, equal);
        mask(b, (uint32_t)(c->mask >> 32));
        return load(b, c->arg, true);
}

/* The rules of one number, tried in order. */
static label chain(struct builder *b, const struct seccomp_rule *v, size_t n, uint32_t fallback)
{
        label next = answer(b, fallback);

        for (size_t i = n; i > 0; i--) {
                const struct seccomp_conds *c = v[i - 1].conds;
                label at = answer(b, v[i - 1].action);

                for (size_t k = c->n; k > 0; k--)
                        at = condition(b, &c->v[k - 1], at, next);
                next = at;
        }
        return next;
}

static void add_segment(struct segment *v, size_t *n, struct segment s)
{
        struct segment *last = *n ? &v[*n - 1] : NULL;

        if (last && last->start == s.start)
                *n -= 1; /* an empty range */
        last = *n ? &v[*n - 1] : NULL;
        if (last && !last->chain && !s.chain && last->action == s.action)
                return;
        v[(*n)++] = s;
}

/* Where the accumulator's number leads, by halving. */
static label search(struct builder *b, const struct segment *v, size_t n)
{
        size_t half = n / 2;
        label low, high;

        if (n == 1)
                return v->chain ? v->at : answer(b, v->action);
        high = search(b, v + half, n - half);
        low = search(b, v, half);
        return test(b, BPF_JGE, v[half].start, high, low);
}

/* The ranges of one architecture, from BASE on. */
static void add_rules(struct builder *b, const struct seccomp_rules *r, uint32_t base,
                      const struct seccomp_actions *actions, struct segment *v, size_t *n)
{
        add_segment(v, n, (struct segment){ .start = base, .action = actions->fallback });
        b->arch = r->arch;
        for (size_t i = 0, end; i < r->n; i = end) {
                struct segment s = { .start = r->v[i].nr, .action = r->v[i].action };

                for (end = i + 1; end < r->n && r->v[end].nr == s.start; end++)
                        ;
                if (r->v[i].conds->n > 0) {
                        s.chain = true;
                        s.at = chain(b, &r->v[i], end - i, actions->fallback);
                }
                add_segment(v, n, s);
                add_segment(v, n,
                            (struct segment){ .start = s.start + 1, .action = actions->fallback });
        }
        if (r->newest > 0)
                add_segment(v, n,
                            (struct segment){ .start = r->newest + 1, .action = actions->newer });
}

/* x86_64 and x32 share one architecture value, and a bit of the number tells
 * them apart. -1 is no x32 call: a tracer writes it to skip a call, seccomp(2). */
static void add_group(struct builder *b, const struct seccomp_group *g,
                      const struct seccomp_actions *actions, struct segment *v, size_t *n)
{
        bool only_x32 = g->rules[0]->arch->token == SCMP_ARCH_X32;
        bool only_64 = g->rules[0]->arch->token == SCMP_ARCH_X86_64 && !g->rules[1];

        if (only_x32)
                add_segment(v, n, (struct segment){ .action = actions->bad_arch });
        add_rules(b, g->rules[0], only_x32 ? SECCOMP_X32_BIT : 0, actions, v, n);
        if (g->rules[1])
                add_rules(b, g->rules[1], SECCOMP_X32_BIT, actions, v, n);
        if (only_64)
                add_segment(v, n,
                            (struct segment){ .start = SECCOMP_X32_BIT,
                                              .action = actions->bad_arch });
        add_segment(v, n, (struct segment){ .start = UINT32_MAX, .action = actions->fallback });
}

size_t seccomp_bpf(const struct seccomp_group *groups, size_t n_groups,
                   const struct seccomp_actions *actions, struct arena *a,
                   const struct sock_filter **ret, struct err *e)
{
        struct builder b = { .v = ARENA_NEW(a, struct sock_filter, SECCOMP_INSN_MAX, e) };
        label next;

        if (!b.v)
                return 0;
        next = answer(&b, actions->bad_arch);
        for (size_t i = n_groups; i > 0; i--) {
                const struct seccomp_group *g = &groups[i - 1];
                size_t rules = g->rules[0]->n + (g->rules[1] ? g->rules[1]->n : 0), n = 0;
                struct segment *v = ARENA_NEW(a, struct segment, rules * 2 + 8, e);
                label entry;

                if (!v)
                        return 0;
                add_group(&b, g, actions, v, &n);
                go_on_at(&b, search(&b, v, n));
                entry = emit(&b, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
                next = test(&b, BPF_JEQ, g->audit, entry, next);
        }
        go_on_at(&b, next);
        emit(&b, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
        if (b.full) {
                err_set(e, "linux.seccomp: the filter is longer than %d instructions",
                        SECCOMP_INSN_MAX);
                return 0;
        }
        *ret = b.v + SECCOMP_INSN_MAX - b.here;
        return b.here;
}
