/* A profile's rules as they are written. */
#include "differential.h"

#include <linux/seccomp.h>
#include <string.h>

static bool holds(const struct spec_syscall_arg *a, uint64_t v, bool wide)
{
        uint64_t value = wide ? a->value : a->value & UINT32_MAX;
        uint64_t two = wide ? a->value_two : a->value_two & UINT32_MAX;

        switch ((enum spec_compare)a->op.v) {
        case CMP_NE:
                return v != value;
        case CMP_LT:
                return v < value;
        case CMP_LE:
                return v <= value;
        case CMP_EQ:
                return v == value;
        case CMP_GE:
                return v >= value;
        case CMP_GT:
                return v > value;
        case CMP_MASKED_EQ:
        default:
                return (v & value) == (two & value);
        }
}

static bool names_it(const struct spec_syscall *s, const char *name)
{
        for (size_t i = 0; i < s->names.n; i++)
                if (strcmp(s->names.v[i], name) == 0)
                        return true;
        return false;
}

/* A multiplexer's first argument is the call itself, so a rule's condition on the
 * first argument is not looked at there. */
static bool matches(const struct spec_syscall *s, const uint64_t *args, bool wide, bool mux)
{
        bool all = true;

        for (size_t k = 0; k < s->args.n; k++)
                all &= (mux && s->args.v[k].index == 0) ||
                       holds(&s->args.v[k],
                             wide ? args[s->args.v[k].index]
                                  : args[s->args.v[k].index] & UINT32_MAX,
                             wide);
        return all;
}

/* True if the condition can never fail, so that it is none. */
static bool is_idle(const struct spec_syscall_arg *a, bool wide)
{
        return a->op.v == CMP_MASKED_EQ && (wide ? a->value : a->value & UINT32_MAX) == 0;
}

struct verdict judge(const struct spec_seccomp *f, const char *name, const uint64_t *args,
                     bool wide, bool mux)
{
        uint32_t fallback = scmp_action(f->default_action.v, f->default_errno_ret);
        struct verdict v = { .known = true, .clear = true, .answer = fallback };
        unsigned rules = 0, orders = 0;
        bool any = false;

        for (size_t i = 0; i < f->syscalls.n; i++) {
                const struct spec_syscall *s = &f->syscalls.v[i];
                uint32_t action = scmp_action(s->action.v, s->errno_ret);
                bool idle = true;

                if (!names_it(s, name) || action == fallback)
                        continue;
                for (size_t k = 0; k < s->args.n; k++) {
                        idle &= !mux && is_idle(&s->args.v[k], wide);
                        orders += s->args.v[k].op.v != CMP_EQ && s->args.v[k].op.v != CMP_MASKED_EQ;
                }
                if (idle && !mux)
                        return (struct verdict){ true, true, false, action };
                rules++;
                if (!matches(s, args, wide, mux))
                        continue;
                if (any && v.answer != action)
                        v.clear = false;
                if (!any)
                        v.answer = action;
                any = true;
        }
        v.ordered = rules > 1 && orders > 0;
        return v;
}

/* The multiplexer may have rules of its own; then only libseccomp is asked. */
struct verdict judge_mux(const struct spec_seccomp *f, const char *name, const uint64_t *args,
                         bool wide)
{
        struct verdict v = judge(f, name, args, wide, true);

        for (size_t i = 0; i < f->syscalls.n; i++) {
                if (!names_it(&f->syscalls.v[i], "socketcall") &&
                    !names_it(&f->syscalls.v[i], "ipc"))
                        continue;
                v.known = false;
                v.ordered |= f->syscalls.v[i].args.n > 0;
        }
        return v;
}
