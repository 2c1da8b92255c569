/* A profile as libseccomp compiles it. */
#include "differential.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

uint32_t scmp_action(uint64_t action, struct opt_uint errno_ret)
{
        uint32_t data = errno_ret.set ? (uint32_t)errno_ret.v : EPERM;

        switch (action) {
        case SECCOMP_RET_ERRNO:
                return SCMP_ACT_ERRNO(data);
        case SECCOMP_RET_TRACE:
                return SCMP_ACT_TRACE(data);
        case SECCOMP_RET_ALLOW:
                return SCMP_ACT_ALLOW;
        case SECCOMP_RET_LOG:
                return SCMP_ACT_LOG;
        case SECCOMP_RET_TRAP:
                return SCMP_ACT_TRAP;
        case SECCOMP_RET_KILL_PROCESS:
                return SCMP_ACT_KILL_PROCESS;
        default:
                return SCMP_ACT_KILL_THREAD;
        }
}

static struct scmp_arg_cmp scmp_arg(const struct spec_syscall_arg *a)
{
        static const int ops[] = { [CMP_NE] = SCMP_CMP_NE,
                                   [CMP_LT] = SCMP_CMP_LT,
                                   [CMP_LE] = SCMP_CMP_LE,
                                   [CMP_EQ] = SCMP_CMP_EQ,
                                   [CMP_GE] = SCMP_CMP_GE,
                                   [CMP_GT] = SCMP_CMP_GT,
                                   [CMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ };

        return (struct scmp_arg_cmp){ a->index, ops[a->op.v], a->value, a->value_two };
}

/* Add one entry. False if libseccomp refuses a rule that contradicts another. */
static bool scmp_entry(scmp_filter_ctx ctx, const struct spec_syscall *s, uint32_t fallback)
{
        uint32_t action = scmp_action(s->action.v, s->errno_ret);
        struct scmp_arg_cmp args[6];

        if (action == fallback)
                return true;
        for (size_t k = 0; k < s->args.n; k++)
                args[k] = scmp_arg(&s->args.v[k]);
        for (size_t i = 0; i < s->names.n; i++) {
                int nr = seccomp_syscall_resolve_name(s->names.v[i]), r;

                if (nr == __NR_SCMP_ERROR)
                        continue;
                r = seccomp_rule_add_array(ctx, action, nr, (unsigned)s->args.n, args);
                if (r == -EEXIST)
                        return false;
                if (r < 0 && r != -EDOM && r != -EFAULT)
                        die(s->names.v[i]);
        }
        return true;
}

/* libseccomp swaps the bytes of a return's value twice when it repeats the return
 * to keep a jump short, in a program for the other byte order only. */
static uint32_t plain_return(uint32_t k)
{
        static const uint16_t known[] = { 0x8000, 0x0003, 0x0005, 0x7fc0, 0x7ff0, 0x7ffc, 0x7fff };

        for (size_t i = 0; i < COUNT(known); i++)
                if (k >> 16 == known[i])
                        return k;
        return k == 0 ? k : __builtin_bswap32(k);
}

size_t scmp_program(const struct spec_seccomp *f, const uint32_t *archs, size_t n_archs, bool swap,
                    struct sock_filter *v, size_t max)
{
        uint32_t fallback = scmp_action(f->default_action.v, f->default_errno_ret);
        scmp_filter_ctx ctx = seccomp_init(fallback);
        bool ok = true;
        ssize_t n;
        int fd;

        seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
        /* Its linear programs do not load the number where the first call of an
         * architecture's list does not exist there; the binary tree does. */
        seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        if (swap && seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE) < 0)
                die("seccomp_arch_remove");
        for (size_t i = 0; i < n_archs; i++)
                if (seccomp_arch_exist(ctx, archs[i]) == -EEXIST &&
                    seccomp_arch_add(ctx, archs[i]) < 0)
                        die("seccomp_arch_add");
        for (size_t i = 0; ok && i < f->syscalls.n; i++)
                ok = scmp_entry(ctx, &f->syscalls.v[i], fallback);
        if (!ok) {
                seccomp_release(ctx);
                return 0;
        }
        fd = memfd_create("bpf", MFD_CLOEXEC);
        if (seccomp_export_bpf(ctx, fd) < 0)
                die("seccomp_export_bpf");
        lseek(fd, 0, SEEK_SET);
        n = read(fd, v, max * sizeof(*v));
        close(fd);
        seccomp_release(ctx);
        n /= (ssize_t)sizeof(*v);
        for (ssize_t i = 0; swap && i < n; i++) {
                v[i].code = __builtin_bswap16(v[i].code);
                v[i].k = __builtin_bswap32(v[i].k);
                if (v[i].code == (BPF_RET | BPF_K))
                        v[i].k = plain_return(v[i].k);
        }
        return (size_t)n;
}
