#include "kenro/part/seccomp.h"

#include "kenro/base/sys.h"
#include "kenro/spec/spec_fields.h"

#include "seccomp_bpf.h"
#include "seccomp_interpret.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>

enum { ARCHS_MAX = 24, WAIT_KILLABLE_RECV = 1 << 5 };

/* The architectures that the filter is for: the native one, and those listed. */
static size_t list_archs(const struct spec_seccomp *f, uint32_t native,
                         const struct seccomp_arch **v, struct err *e)
{
        size_t n = 0;

        v[n++] = seccomp_arch_find(native);
        for (size_t i = 0; i < f->architectures.n; i++) {
                const struct seccomp_arch *arch = seccomp_arch_find(
                        (uint32_t)f->architectures.v[i]);
                size_t k = 0;

                if (!arch) {
                        err_set(e,
                                "linux.seccomp.architectures[%zu]: this build's libseccomp does "
                                "not know %s",
                                i, name_of(spec_seccomp_arch_names, f->architectures.v[i]));
                        return 0;
                }
                while (k < n && v[k] != arch)
                        k++;
                if (k == n && n < ARCHS_MAX)
                        v[n++] = arch;
        }
        return n;
}

/* x32's rules go into x86_64's group: they share the AUDIT_ARCH value. */
static int add_to_group(struct seccomp_group *groups, size_t *n, const struct seccomp_rules *rules)
{
        for (size_t i = 0; i < *n; i++) {
                if (groups[i].audit != rules->arch->audit)
                        continue;
                groups[i].rules[1] = rules;
                if (rules->arch->token == SCMP_ARCH_X86_64) {
                        groups[i].rules[1] = groups[i].rules[0];
                        groups[i].rules[0] = rules;
                }
                return 0;
        }
        groups[(*n)++] = (struct seccomp_group){ .audit = rules->arch->audit, .rules = { rules } };
        return 0;
}

int seccomp_compile(const struct spec_seccomp *f, uint32_t native, struct arena *a,
                    struct seccomp_plan *ret, struct err *e)
{
        const struct seccomp_arch *archs[ARCHS_MAX];
        struct seccomp_rules rules[ARCHS_MAX];
        struct seccomp_group groups[ARCHS_MAX];
        struct seccomp_actions actions = {
                .fallback = seccomp_action(f->default_action.v, f->default_errno_ret),
                .bad_arch = SECCOMP_RET_KILL_PROCESS,
        };
        size_t n, n_groups = 0;

        actions.newer = f->default_action.v == SECCOMP_RET_ERRNO ? SECCOMP_RET_ERRNO | ENOSYS
                                                                 : actions.fallback;
        n = list_archs(f, native ? native : seccomp_arch_native(), archs, e);
        if (n == 0)
                return -1;
        for (size_t i = 0; i < n; i++) {
                if (seccomp_rules(f, archs[i], a, &rules[i], e) < 0)
                        return -1;
                add_to_group(groups, &n_groups, &rules[i]);
        }
        *ret = (struct seccomp_plan){ 0 };
        ret->n = seccomp_bpf(groups, n_groups, &actions, a, &ret->v, e);
        for (size_t i = 0; i < f->flags.n; i++)
                ret->flags |= (unsigned)f->flags.v[i];
        /* One thread has nobody to synchronise with, and the flag would turn
         * the result into a thread's id. */
        ret->flags &= ~(unsigned)SECCOMP_FILTER_FLAG_TSYNC;
        for (size_t i = 0; i < f->syscalls.n; i++)
                ret->notifies |= f->syscalls.v[i].action.v == SECCOMP_RET_USER_NOTIF;
        if (ret->notifies) {
                ret->flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
                ret->agent = f->listener_path;
                ret->metadata = f->listener_metadata;
        }
        return ret->n > 0 ? 0 : -1;
}

int seccomp_plan(const struct spec_seccomp *f, struct arena *a, struct seccomp_plan *ret,
                 struct err *e)
{
        *ret = (struct seccomp_plan){ 0 };
        if (!f)
                return 0;
        if (seccomp_compile(f, 0, a, ret, e) < 0)
                return -1;
        /* It would be loaded and then nothing could be executed, not even an
         * error reported. An agent, though, is there by then. */
        if (seccomp_answer(ret, SYS_execve) != SECCOMP_RET_ALLOW &&
            seccomp_answer(ret, SYS_execve) != SECCOMP_RET_LOG &&
            seccomp_answer(ret, SYS_execve) != SECCOMP_RET_USER_NOTIF)
                return err_set(e, "linux.seccomp: execve must be allowed, or no program can start");
        ret->shows = seccomp_answer(ret, SYS_prctl) == SECCOMP_RET_ALLOW;
        return 0;
}

uint32_t seccomp_answer(const struct seccomp_plan *p, int nr)
{
        struct seccomp_data data = { .nr = nr,
                                     .arch = seccomp_arch_find(seccomp_arch_native())->audit };

        return p->v ? seccomp_interpret(p->v, p->n, &data) : SECCOMP_RET_ALLOW;
}

int seccomp_child(const struct seccomp_plan *p, struct err *e)
{
        struct sock_fprog prog = { .len = (unsigned short)p->n,
                                   .filter = (struct sock_filter *)(uintptr_t)p->v };
        int r;

        if (!p->v)
                return 0;
        r = sys_seccomp(SECCOMP_SET_MODE_FILTER, p->flags, &prog);
        if (r == -EINVAL && p->flags) {
                err_sys(e, -r, "linux.seccomp.flags: this kernel does not know them all");
                return p->flags & WAIT_KILLABLE_RECV
                               ? err_hint(e, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV came with "
                                             "Linux 5.19")
                               : -1;
        }
        return r < 0 ? err_sys(e, -r, "linux.seccomp: cannot load the filter") : r;
}
