/* From names and conditions to sorted rules of one architecture. */
#include "seccomp_rule.h"

#include "kenro/base/log.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>

enum { PSEUDO_SOCKET = -101, PSEUDO_SOCKET_LAST = -120, PSEUDO_IPC = -201, PSEUDO_IPC_LAST = -224 };

uint32_t seccomp_action(uint64_t action, struct opt_uint errno_ret)
{
        uint32_t data = errno_ret.set ? (uint32_t)errno_ret.v : EPERM;

        if (action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_TRACE)
                return (uint32_t)action | (data & SECCOMP_RET_DATA);
        return (uint32_t)action;
}

static struct seccomp_cond to_cond(const struct spec_syscall_arg *arg)
{
        struct seccomp_cond c = { arg->index, (enum spec_compare)arg->op.v, UINT64_MAX,
                                  arg->value };

        if (c.op == CMP_MASKED_EQ) {
                c.mask = arg->value;
                c.datum = arg->value_two & arg->value;
        }
        return c;
}

/* The conditions in the order of their arguments, for one architecture's width;
 * those that always hold are left out. */
static void add_cond(struct seccomp_conds *to, struct seccomp_cond c,
                     const struct seccomp_arch *arch)
{
        size_t at = to->n;

        if (!arch->wide) {
                c.mask &= UINT32_MAX;
                c.datum &= UINT32_MAX;
        }
        if (c.mask == 0)
                return;
        while (at > 0 && to->v[at - 1].arg > c.arg) {
                to->v[at] = to->v[at - 1];
                at--;
        }
        to->v[at] = c;
        to->n++;
}

static bool same_conds(const struct seccomp_conds *a, const struct seccomp_conds *b)
{
        if (a->n != b->n)
                return false;
        for (size_t i = 0; i < a->n; i++)
                if (a->v[i].arg != b->v[i].arg || a->v[i].op != b->v[i].op ||
                    a->v[i].mask != b->v[i].mask || a->v[i].datum != b->v[i].datum)
                        return false;
        return true;
}

static int op_rank(enum spec_compare op)
{
        if (op == CMP_LT || op == CMP_LE)
                return 1;
        return op == CMP_GT || op == CMP_GE ? 2 : 0;
}

/* libseccomp's order of trying: later arguments first, equality before order,
 * and of two bounds the one that is harder to meet. Negative: A comes first;
 * 0: as they were given. */
static int compare(const struct seccomp_conds *a, const struct seccomp_conds *b)
{
        for (size_t i = 0; i < a->n && i < b->n; i++) {
                const struct seccomp_cond *x = &a->v[i], *y = &b->v[i];

                if (x->arg != y->arg)
                        return x->arg > y->arg ? -1 : 1;
                if (op_rank(x->op) != op_rank(y->op))
                        return op_rank(x->op) - op_rank(y->op);
                if (x->datum != y->datum)
                        return (x->datum > y->datum) == (op_rank(x->op) != 1) ? -1 : 1;
                if (x->op != y->op || x->mask != y->mask)
                        return 0;
        }
        return 0;
}

/* The profile names the call, whatever it says about it: it is not newer. */
static void name_known(struct seccomp_rules *r, int nr)
{
        if (nr > 0 && (uint32_t)nr > r->newest)
                r->newest = (uint32_t)nr;
}

static int push(struct seccomp_rules *r, const struct seccomp_rule *rule, struct arena *a,
                struct err *e)
{
        struct seccomp_rule *p = arena_push(a, &r->v, &r->n, sizeof(*p), e);

        if (!p)
                return -1;
        *p = *rule;
        name_known(r, (int)rule->nr);
        return 0;
}

/* socket(2) and its like have a number of their own on some architectures, and
 * are calls of a multiplexer on them too, where the first argument is the
 * call's number and the others cannot be looked at. */
static int push_multiplexed(struct seccomp_rules *r, const struct seccomp_rule *rule, int pseudo,
                            struct arena *a, struct err *e)
{
        bool socket = pseudo >= PSEUDO_SOCKET_LAST;
        struct seccomp_conds *conds = ARENA_NEW(a, struct seccomp_conds, 1, e);
        struct seccomp_rule derived = *rule;
        int nr = seccomp_arch_direct(r->arch, pseudo);

        if (!conds)
                return -1;
        conds->v[0] = (struct seccomp_cond){ 0, CMP_EQ, UINT64_MAX,
                                             (uint64_t)(-pseudo % (socket ? 100 : 200)) };
        if (!r->arch->wide)
                conds->v[0].mask = UINT32_MAX;
        conds->n = 1;
        for (size_t i = 0; i < rule->conds->n; i++)
                if (rule->conds->v[i].arg != 0)
                        conds->v[conds->n++] = rule->conds->v[i];
        derived.nr = (uint32_t)(socket ? r->arch->socketcall : r->arch->ipc);
        derived.conds = conds;
        derived.derived = true;
        if (push(r, &derived, a, e) < 0)
                return -1;
        derived = *rule;
        derived.nr = (uint32_t)nr;
        return nr < 0 ? 0 : push(r, &derived, a, e);
}

static int add_names(struct seccomp_rules *r, const struct spec_syscall *s,
                     const struct seccomp_conds *conds, uint32_t fallback, struct arena *a,
                     struct err *e)
{
        struct seccomp_rule rule = { .action = seccomp_action(s->action.v, s->errno_ret),
                                     .conds = conds };

        for (size_t i = 0; i < s->names.n; i++) {
                int nr = seccomp_syscall_resolve_name_arch(r->arch->token, s->names.v[i]);
                bool mux = r->arch->socketcall &&
                           ((nr <= PSEUDO_SOCKET && nr >= PSEUDO_SOCKET_LAST) ||
                            (nr <= PSEUDO_IPC && nr >= PSEUDO_IPC_LAST));

                rule.name = s->names.v[i];
                if (nr == __NR_SCMP_ERROR && r->arch->token == seccomp_arch_native())
                        log_debug(
                                "linux.seccomp: the system call '%.40s' is not known, and left out",
                                rule.name);
                name_known(r, mux ? seccomp_arch_direct(r->arch, nr) : nr);
                if ((nr < 0 && !mux) || rule.action == fallback)
                        continue; /* not on this architecture, or nothing new */
                rule.nr = (uint32_t)nr;
                if ((mux ? push_multiplexed(r, &rule, nr, a, e) : push(r, &rule, a, e)) < 0)
                        return -1;
        }
        return 0;
}

/* Two conditions on one argument are alternatives, as in runc; otherwise all
 * conditions must hold. */
static int add_entry(struct seccomp_rules *r, const struct spec_syscall *s, uint32_t fallback,
                     struct arena *a, struct err *e)
{
        struct seccomp_conds *conds;
        unsigned seen = 0;
        bool alternatives = false;

        for (size_t i = 0; i < s->args.n; i++) {
                alternatives |= (seen & 1u << s->args.v[i].index) != 0;
                seen |= 1u << s->args.v[i].index;
        }
        for (size_t i = 0; i == 0 || (alternatives && i < s->args.n); i++) {
                conds = ARENA_NEW(a, struct seccomp_conds, 1, e);
                if (!conds)
                        return -1;
                for (size_t k = 0; k < s->args.n; k++)
                        if (!alternatives || k == i)
                                add_cond(conds, to_cond(&s->args.v[k]), r->arch);
                if (add_names(r, s, conds, fallback, a, e) < 0)
                        return -1;
        }
        return 0;
}

/* Sort by number and keep the order within: one pass a byte that differs. */
static int sort_by_number(struct seccomp_rules *r, struct arena *a, struct err *e)
{
        struct seccomp_rule *from = r->v, *to = ARENA_NEW(a, struct seccomp_rule, r->n, e);

        if (!to)
                return -1;
        for (unsigned shift = 0; shift < 32; shift += 8) {
                size_t start[257] = { 0 };
                struct seccomp_rule *swap;

                for (size_t i = 0; i < r->n; i++)
                        start[(from[i].nr >> shift & 255) + 1]++;
                if (start[(from[0].nr >> shift & 255) + 1] == r->n)
                        continue;
                for (int i = 1; i < 257; i++)
                        start[i] += start[i - 1];
                for (size_t i = 0; i < r->n; i++)
                        to[start[from[i].nr >> shift & 255]++] = from[i];
                swap = from;
                from = to;
                to = swap;
        }
        r->v = from;
        return 0;
}

/* Put RULE among the N rules for its number that are settled already. Returns
 * their new count, or 0 with E. */
static size_t settle(struct seccomp_rule *v, size_t n, struct seccomp_rule rule, struct err *e)
{
        size_t at = 0;

        for (size_t i = 0; i < n; i++) {
                if (!same_conds(v[i].conds, rule.conds))
                        continue;
                if (v[i].action == rule.action || rule.derived || v[i].derived)
                        return n;
                err_set(e, "linux.seccomp.syscalls: two rules for '%s' contradict each other",
                        rule.name);
                return 0;
        }
        while (at < n && compare(rule.conds, v[at].conds) >= 0)
                at++;
        memmove(v + at + 1, v + at, (n - at) * sizeof(*v));
        v[at] = rule;
        return n + 1;
}

/* Order the rules of each number. One without conditions stands for all, and of
 * several such the first. */
static int settle_all(struct seccomp_rules *r, struct err *e)
{
        size_t out = 0;

        for (size_t i = 0; i < r->n;) {
                const struct seccomp_rule *only = NULL;
                size_t end = i, kept = 0;

                for (; end < r->n && r->v[end].nr == r->v[i].nr; end++)
                        if (!only && r->v[end].conds->n == 0)
                                only = &r->v[end];
                if (only) {
                        r->v[out] = *only;
                        kept = 1;
                }
                for (; !only && i < end; i++) {
                        kept = settle(r->v + out, kept, r->v[i], e);
                        if (kept == 0)
                                return -1;
                }
                i = end;
                out += kept;
        }
        r->n = out;
        return 0;
}

int seccomp_rules(const struct spec_seccomp *f, const struct seccomp_arch *arch, struct arena *a,
                  struct seccomp_rules *ret, struct err *e)
{
        struct seccomp_rules r = { .arch = arch };
        uint32_t fallback = seccomp_action(f->default_action.v, f->default_errno_ret);

        for (size_t i = 0; i < f->syscalls.n; i++)
                if (add_entry(&r, &f->syscalls.v[i], fallback, a, e) < 0)
                        return -1;
        if (r.n > 0 && (sort_by_number(&r, a, e) < 0 || settle_all(&r, e) < 0))
                return -1;
        *ret = r;
        return 0;
}
