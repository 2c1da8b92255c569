/* Our filters against libseccomp's: the same answer to every call.
 *
 * Usage: seccomp PROFILES [SEED] [PROFILE.json ...]
 *
 * Each profile is compiled by both, and both programs run in an interpreter over
 * every number known for each architecture, with arguments around every value
 * that the profile compares with. Random profiles cover all architectures that
 * libseccomp has, big-endian ones among themselves.
 *
 * A third judge evaluates the rules as they are written. Where they leave no
 * doubt (all rules that match say the same), it must agree with us. libseccomp
 * itself does not always agree with it when one argument has several rules with
 * < <= >= > or !=: such cases are counted, and allowed for no other call. */
#include "differential.h"

#include "kenro/base/arena.h"
#include "kenro/base/file.h"
#include "kenro/json/json_read.h"
#include "kenro/part/seccomp.h"
#include "kenro/spec/spec.h"
#include "kenro/spec/spec_fields.h"

#include "seccomp_interpret.h"
#include "seccomp_rule.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { NAMES_MAX = 1024, INSN_MAX = 65536, VALUES_MAX = 64, ENTRIES_MAX = 40 };

static const char *all_names[NAMES_MAX];
static size_t n_names;
static uint64_t seed = 1;
static unsigned long theirs_wrong;

static const uint32_t little[] = {
        SCMP_ARCH_X86_64,      SCMP_ARCH_X86,     SCMP_ARCH_X32,      SCMP_ARCH_AARCH64,
        SCMP_ARCH_ARM,         SCMP_ARCH_MIPSEL,  SCMP_ARCH_MIPSEL64, SCMP_ARCH_MIPSEL64N32,
        SCMP_ARCH_PPC64LE,     SCMP_ARCH_RISCV64,
#ifdef SCMP_ARCH_LOONGARCH64
        SCMP_ARCH_LOONGARCH64,
#endif
};
static const uint32_t big[] = {
        SCMP_ARCH_MIPS, SCMP_ARCH_MIPS64, SCMP_ARCH_MIPS64N32, SCMP_ARCH_PPC,      SCMP_ARCH_PPC64,
        SCMP_ARCH_S390, SCMP_ARCH_S390X,  SCMP_ARCH_PARISC,    SCMP_ARCH_PARISC64,
#ifdef SCMP_ARCH_M68K
        SCMP_ARCH_M68K,
#endif
};

static uint64_t rnd(uint64_t n)
{
        seed ^= seed << 13; /* xorshift64 */
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return n ? (seed >> 11) % n : 0;
}

void die(const char *what)
{
        fprintf(stderr, "seccomp differential: %s\n", what);
        exit(1);
}

/* seccomp_rule_add takes a call by its native number, real or made up; two calls
 * of other machines share a made-up one and cannot be told apart by it. */
static bool is_ambiguous(const char *name)
{
        char *back = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE,
                                                      seccomp_syscall_resolve_name(name));
        bool differs = !back || strcmp(back, name) != 0;

        free(back);
        return differs;
}

static void collect_names(void)
{
        for (size_t a = 0; a < COUNT(little); a++) {
                for (int nr = 0; nr < 6500; nr++) {
                        char *name = seccomp_syscall_resolve_num_arch(little[a], nr);
                        size_t i = 0;

                        if (!name)
                                continue;
                        while (i < n_names && strcmp(all_names[i], name) != 0)
                                i++;
                        if (i == n_names && n_names < NAMES_MAX && !is_ambiguous(name))
                                all_names[n_names++] = name;
                        else
                                free(name);
                }
        }
}

/* ---- the comparison -------------------------------------------------------- */

struct pair {
        const struct sock_filter *ours, *theirs;
        size_t n_ours, n_theirs;
        const struct spec_seccomp *f;
        unsigned long cases, differences, theirs_wrong;
};

/* seccomp_data as a machine of the architecture's byte order would fill it. */
static struct seccomp_data make_data(const struct seccomp_arch *arch, uint32_t nr,
                                     const uint64_t *args)
{
        struct seccomp_data d = { .nr = (int)nr, .arch = arch->audit };

        for (int i = 0; i < 6; i++) {
                uint64_t v = arch->wide ? args[i] : args[i] & UINT32_MAX;

                d.args[i] = arch->big ? v << 32 | v >> 32 : v;
        }
        return d;
}

/* The one intended difference: calls that the profile's author did not know. */
static bool is_newer(const struct spec_seccomp *f, uint32_t nr, uint32_t newest)
{
        return f->default_action.v == SECCOMP_RET_ERRNO && newest && nr > newest &&
               nr != UINT32_MAX;
}

static void compare(struct pair *p, const struct seccomp_arch *arch, uint32_t nr,
                    const uint64_t *args, uint32_t newest, struct verdict verdict)
{
        struct seccomp_data d = make_data(arch, nr, args);
        uint32_t ours = seccomp_interpret(p->ours, p->n_ours, &d);
        uint32_t theirs = seccomp_interpret(p->theirs, p->n_theirs, &d);

        if (is_newer(p->f, nr, newest) && theirs != SECCOMP_RET_KILL_PROCESS)
                theirs = SECCOMP_RET_ERRNO | ENOSYS;
        p->cases++;
        if (ours == theirs && !(verdict.known && verdict.clear && ours != verdict.answer))
                return;
        if (verdict.ordered && (!verdict.clear || ours == verdict.answer)) {
                p->theirs_wrong++;
                return;
        }
        if (p->differences++ < 5)
                fprintf(stderr,
                        "DIFFERS arch %#x nr %u (%s) args %#llx %#llx %#llx %#llx: ours %#x, "
                        "libseccomp %#x, as written %#x%s\n",
                        arch->token, nr, seccomp_syscall_resolve_num_arch(arch->token, (int)nr),
                        (unsigned long long)args[0], (unsigned long long)args[1],
                        (unsigned long long)args[2], (unsigned long long)args[3], ours, theirs,
                        verdict.answer, verdict.known && verdict.clear ? "" : " (unclear)");
}

/* Values around everything that entry I compares argument ARG with. */
static size_t interesting(const struct spec_seccomp *f, size_t entry, uint32_t arg, uint64_t *v)
{
        size_t n = 0;

        v[n++] = 0;
        v[n++] = rnd(UINT64_MAX);
        for (size_t i = 0; i < f->syscalls.n; i++) {
                const struct spec_syscall *s = &f->syscalls.v[i];

                if (i != entry && strcmp(s->names.v[0], f->syscalls.v[entry].names.v[0]) != 0)
                        continue;
                for (size_t k = 0; k < s->args.n && n + 6 < VALUES_MAX; k++) {
                        uint64_t x = s->args.v[k].op.v == CMP_MASKED_EQ ? s->args.v[k].value_two
                                                                        : s->args.v[k].value;

                        if (s->args.v[k].index != arg)
                                continue;
                        v[n++] = x;
                        v[n++] = x + 1;
                        v[n++] = x - 1;
                        v[n++] = x + (1ull << 32);
                        v[n++] = x ^ (1ull << 63);
                        v[n++] = x ^ s->args.v[k].value;
                }
        }
        return n;
}

static void compare_args(struct pair *p, const struct seccomp_arch *arch, size_t entry,
                         uint32_t newest)
{
        const struct spec_syscall *s = &p->f->syscalls.v[entry];
        uint64_t values[6][VALUES_MAX], args[6];
        struct verdict verdict;
        size_t n[6];

        for (uint32_t k = 0; k < 6; k++)
                n[k] = interesting(p->f, entry, k, values[k]);
        for (size_t i = 0; i < s->names.n; i++) {
                int nr = seccomp_syscall_resolve_name_arch(arch->token, s->names.v[i]);
                int direct = nr < 0 ? seccomp_arch_direct(arch, nr) : nr;

                for (int round = 0; round < 120; round++) {
                        for (int k = 0; k < 6; k++)
                                args[k] = values[k][rnd(n[k])];
                        verdict = judge(p->f, s->names.v[i], args, arch->wide, false);
                        if (arch->socketcall && (direct == arch->socketcall || direct == arch->ipc))
                                verdict =
                                        (struct verdict){ .ordered = true }; /* others' rules too */
                        if (direct >= 0)
                                compare(p, arch, (uint32_t)direct, args, newest, verdict);
                        if (nr < -100 && nr >= -224 && arch->socketcall) {
                                bool socket = nr >= -120;

                                args[0] = (uint64_t)(-nr % (socket ? 100 : 200));
                                compare(p, arch, (uint32_t)(socket ? arch->socketcall : arch->ipc),
                                        args, newest,
                                        judge_mux(p->f, s->names.v[i], args, arch->wide));
                        }
                }
        }
}

static void compare_arch(struct pair *p, const struct seccomp_arch *arch, struct arena *a)
{
        static const uint32_t odd[] = { 999,        4999,       6999,       0x3fffffff,
                                        0x40000000, 0x7fffffff, 0xfffffffe, 0xffffffff };
        const struct verdict unknown = { 0 };
        uint32_t base = arch->token == SCMP_ARCH_X32 ? SECCOMP_X32_BIT : 0;
        struct seccomp_rules rules;
        uint64_t args[6] = { 0 };
        struct err e;

        if (seccomp_rules(p->f, arch, a, &rules, &e) < 0)
                die(e.text);
        for (uint32_t nr = 0; nr < 6500; nr++)
                if (nr < 700 || (nr >= 4000 && nr % 1000 < 500)) {
                        size_t i = 0;

                        while (i < rules.n && rules.v[i].nr != base + nr)
                                i++;
                        if (i < rules.n && rules.v[i].conds->n > 0)
                                continue; /* compared below, with arguments */
                        compare(p, arch, base + nr, args, rules.newest, unknown);
                }
        /* beside x32 these numbers belong to the other of the two */
        for (size_t i = 0; i < COUNT(odd); i++)
                if (arch->audit != seccomp_arch_find(SCMP_ARCH_X86_64)->audit || i < 3)
                        compare(p, arch, base + odd[i], args, rules.newest, unknown);
        for (size_t i = 0; i < p->f->syscalls.n; i++)
                compare_args(p, arch, i, rules.newest);
}

/* Returns 1 if compared, 0 if libseccomp refused the profile; dies on a difference. */
static int check(const struct spec_seccomp *f, const uint32_t *archs, size_t n_archs, bool swap,
                 unsigned long *cases)
{
        static struct sock_filter theirs[INSN_MAX];
        struct seccomp_plan plan;
        struct pair p = { .f = f, .theirs = theirs };
        struct arena a;
        struct err e;
        int r;

        if (arena_init(&a, 64 << 20, &e) < 0)
                die(e.text);
        p.n_theirs = scmp_program(f, archs, n_archs, swap, theirs, INSN_MAX);
        r = seccomp_compile(f, swap ? archs[0] : 0, &a, &plan, &e);
        if (p.n_theirs == 0 || (r < 0 && strstr(e.text, "longer than"))) {
                arena_release(&a);
                return 0;
        }
        if (r < 0)
                die(e.text);
        p.ours = plan.v;
        p.n_ours = plan.n;
        for (size_t i = 0; i < n_archs; i++)
                compare_arch(&p, seccomp_arch_find(archs[i]), &a);
        *cases += p.cases;
        theirs_wrong += p.theirs_wrong;
        arena_release(&a);
        if (p.differences) {
                fprintf(stderr, "%lu of %lu cases differ\n", p.differences, p.cases);
                return -1;
        }
        return 1;
}

/* ---- random profiles ------------------------------------------------------- */

static const uint64_t actions[] = {
        SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_LOG,
        SECCOMP_RET_TRAP,  SECCOMP_RET_TRACE, SECCOMP_RET_KILL_PROCESS
};

static struct opt_uint random_action(struct opt_uint *errno_ret)
{
        uint64_t action = actions[rnd(COUNT(actions))];

        if ((action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_TRACE) && rnd(2))
                *errno_ret = (struct opt_uint){ true, 1 + rnd(120) };
        return (struct opt_uint){ true, action };
}

static struct spec_syscall_arg random_arg(uint32_t index, bool equality)
{
        static const enum spec_compare ops[] = { CMP_EQ, CMP_NE, CMP_MASKED_EQ, CMP_LT,
                                                 CMP_LE, CMP_GE, CMP_GT };
        uint64_t values[] = { rnd(20), rnd(5) << 31, rnd(UINT64_MAX), rnd(3) << 32 | rnd(9),
                              UINT64_MAX };
        struct spec_syscall_arg a = { .index = index };

        a.op = (struct opt_uint){ true, ops[rnd(equality ? 1 : COUNT(ops))] };
        a.value = values[rnd(COUNT(values))];
        a.value_two = a.op.v == CMP_MASKED_EQ ? a.value & values[rnd(COUNT(values))] : 0;
        return a;
}

static void *grab(size_t n, size_t size)
{
        void *p = calloc(n, size);

        if (!p)
                die("memory");
        return p;
}

static struct spec_syscall *add_entry(struct spec_seccomp *f, const char *name)
{
        struct spec_syscall *s = &f->syscalls.v[f->syscalls.n++];

        s->names.v = grab(1, sizeof(*s->names.v));
        s->names.v[s->names.n++] = name;
        s->args.v = grab(6, sizeof(*s->args.v));
        s->action = random_action(&s->errno_ret);
        return s;
}

/* What engines write, and beyond: calls without conditions, one rule with many
 * conditions, alternatives, and rules of different actions on one argument. */
static void add_random(struct spec_seccomp *f)
{
        const char *name = all_names[rnd(n_names)];
        struct spec_syscall *first, *s;
        unsigned kind = (unsigned)rnd(10), more = 1 + (unsigned)rnd(4);
        uint32_t arg = (uint32_t)rnd(6);

        for (size_t i = 0; i < f->syscalls.n; i++)
                if (strcmp(f->syscalls.v[i].names.v[0], name) == 0)
                        return; /* one kind a name */
        first = add_entry(f, name);
        if (kind < 4)
                return;
        first->args.v[first->args.n++] = random_arg(arg, kind == 9);
        if (kind < 6) { /* one rule, all conditions must hold */
                for (uint32_t i = arg + 1; i < 6 && rnd(3); i++)
                        first->args.v[first->args.n++] = random_arg(i, false);
                return;
        }
        for (unsigned i = 0; i < more && f->syscalls.n < ENTRIES_MAX * 6; i++) {
                s = add_entry(f, name);
                if (kind < 9) { /* alternatives with one action */
                        s->action = first->action;
                        s->errno_ret = first->errno_ret;
                }
                s->args.v[s->args.n++] = random_arg(kind == 8 ? (uint32_t)rnd(6) : arg, kind == 9);
        }
}

static void free_profile(struct spec_seccomp *f)
{
        for (size_t i = 0; i < f->syscalls.n; i++) {
                free(f->syscalls.v[i].names.v);
                free(f->syscalls.v[i].args.v);
        }
        free(f->syscalls.v);
        free(f->architectures.v);
}

static int random_profile(unsigned long *cases)
{
        struct spec_seccomp f = { 0 };
        bool swap = rnd(4) == 0;
        const uint32_t *from = swap ? big : little;
        uint32_t archs[32];
        size_t entries = 1 + rnd(ENTRIES_MAX), n_archs = 0;
        int r;

        f.syscalls.v = grab(ENTRIES_MAX * 6 + 8, sizeof(*f.syscalls.v));
        f.architectures.v = grab(32, sizeof(*f.architectures.v));
        f.default_action = random_action(&f.default_errno_ret);
        for (size_t i = 0; i < (swap ? COUNT(big) : COUNT(little)); i++)
                if ((i == 0 && !swap) || rnd(3) == 0)
                        archs[n_archs++] = from[i];
        if (n_archs == 0)
                archs[n_archs++] = from[0];
        for (size_t i = 0; i < n_archs; i++)
                f.architectures.v[f.architectures.n++] = archs[i];
        for (size_t i = 0; i < entries; i++)
                add_random(&f);
        r = check(&f, archs, n_archs, swap, cases);
        if (r < 0) {
                for (size_t i = 0; i < n_archs; i++)
                        fprintf(stderr, "arch %#x\n", archs[i]);
                for (size_t i = 0; i < f.syscalls.n; i++) {
                        struct spec_syscall *s = &f.syscalls.v[i];

                        fprintf(stderr, "%s -> %#llx", s->names.v[0],
                                (unsigned long long)s->action.v);
                        for (size_t k = 0; k < s->args.n; k++)
                                fprintf(stderr, " [%u op %llu %#llx %#llx]", s->args.v[k].index,
                                        (unsigned long long)s->args.v[k].op.v,
                                        (unsigned long long)s->args.v[k].value,
                                        (unsigned long long)s->args.v[k].value_two);
                        fprintf(stderr, "\n");
                }
        }
        free_profile(&f);
        return r;
}

static bool is_big(uint32_t arch)
{
        for (size_t i = 0; i < COUNT(big); i++)
                if (big[i] == arch)
                        return true;
        return false;
}

/* ---- profiles from files ---------------------------------------------------- */

static int file_profile(const char *path, unsigned long *cases)
{
        struct json_source src = { .name = path };
        struct spec spec = { 0 };
        struct arena a;
        struct err e;
        const struct spec_seccomp *f;
        uint32_t archs[32];
        size_t n = 0;
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || arena_init(&a, 64 << 20, &e) < 0)
                die(path);
        src.arena = &a;
        src.text = file_read_fd(fd, &a, JSON_BYTES_MAX, &src.len, &e);
        close(fd);
        if (!src.text || json_decode(&src, &spec_shape, &spec, &e) < 0)
                die(e.text);
        if (!spec.linux_ || !spec.linux_->seccomp)
                die("no linux.seccomp in the file");
        f = spec.linux_->seccomp;
        for (size_t i = 0; i < f->architectures.n; i++)
                archs[n++] = (uint32_t)f->architectures.v[i];
        if (n == 0)
                archs[n++] = seccomp_arch_native();
        return check(f, archs, n, is_big(archs[0]), cases);
}

int main(int argc, char **argv)
{
        unsigned long profiles = argc > 1 ? strtoul(argv[1], NULL, 10) : 100, cases = 0, done = 0;
        unsigned long refused = 0;

        if (argc > 2)
                seed = strtoull(argv[2], NULL, 10) * 2654435761u + 1;
        collect_names();
        for (int i = 3; i < argc; i++) {
                unsigned long before = cases;

                if (file_profile(argv[i], &cases) != 1)
                        return 1;
                printf("%s: %lu cases equal\n", argv[i], cases - before);
        }
        while (done < profiles) {
                int r = random_profile(&cases);

                if (r < 0)
                        return 1;
                refused += r == 0;
                done += r == 1;
        }
        printf("%lu random profiles, %lu cases in all equal but %lu of several ordered rules, where "
               "libseccomp differs from the rules as written; %lu more profiles were refused by "
               "libseccomp or too long\n",
               profiles, cases, theirs_wrong, refused);
        return 0;
}
