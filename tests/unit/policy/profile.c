#include "unit.h"

#include "kenro/base/sys.h"
#include "kenro/part/seccomp.h"
#include "kenro/policy/profile.h"

#include "seccomp_interpret.h"
#include "seccomp_rule.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/socket.h>

#define ALLOW SECCOMP_RET_ALLOW
#define FAILS(num) (SECCOMP_RET_ERRNO | (num))

static struct seccomp_plan filter;

/* The profile of a process that may gain CAPABILITY (NULL: none). */
static void build(const char *capability, bool strict)
{
        struct spec_capabilities c = { .bounding = { &capability, capability != NULL } };
        struct arena *a = test_arena();
        const struct spec_seccomp *f;
        struct err e;

        f = profile_seccomp(&c, strict, a, &e);
        assert_non_null(f);
        if (seccomp_plan(f, a, &filter, &e) < 0)
                fail_msg("%s: %s", capability ? capability : "no capability", e.text);
}

static uint32_t call(int nr, uint64_t a0, uint64_t a1, uint64_t a2)
{
        struct seccomp_data d = { .nr = nr,
                                  .arch = seccomp_arch_find(seccomp_arch_native())->audit,
                                  .args = { a0, a1, a2 } };

        return seccomp_interpret(filter.v, filter.n, &d);
}

static void ordinary_programs_run(void **state)
{
        static const int calls[] = { SYS_read,    SYS_write,      SYS_openat,       SYS_execve,
                                     SYS_mmap,    SYS_futex,      SYS_exit_group,   SYS_clone,
                                     SYS_wait4,   SYS_setresuid,  SYS_setgroups,    SYS_fchownat,
                                     SYS_kill,    SYS_prctl,      SYS_epoll_pwait,  SYS_mknodat,
                                     SYS_seccomp, SYS_newfstatat, SYS_rt_sigreturn, SYS_getrandom };

        (void)state;
        build(NULL, true);
        for (size_t i = 0; i < COUNT(calls); i++)
                assert_int_equal(call(calls[i], 0, 0, 0), ALLOW);
}

static void what_is_not_listed_seems_not_to_exist(void **state)
{
        (void)state;
        build(NULL, false);
        assert_int_equal(call(SYS_io_uring_setup, 0, 0, 0), FAILS(ENOSYS));
        assert_int_equal(call(SYS_userfaultfd, 0, 0, 0), FAILS(ENOSYS));
        /* its flags are in memory; libc falls back on clone for this errno only */
        assert_int_equal(call(SYS_clone3, 0, 0, 0), FAILS(ENOSYS));
        assert_int_equal(call(5000, 0, 0, 0), FAILS(ENOSYS));
        assert_int_equal(call(-1, 0, 0, 0), FAILS(ENOSYS));
}

static void a_privileged_call_needs_its_capability(void **state)
{
        static const struct {
                const char *capability;
                int nr;
        } rows[] = {
                { "CAP_SYS_ADMIN", SYS_mount },
                { "CAP_SYS_ADMIN", SYS_umount2 },
                { "CAP_SYS_ADMIN", SYS_move_mount },
                { "CAP_SYS_ADMIN", SYS_open_tree },
                { "CAP_SYS_ADMIN", SYS_pivot_root },
                { "CAP_SYS_ADMIN", SYS_unshare },
                { "CAP_SYS_ADMIN", SYS_setns },
                { "CAP_SYS_ADMIN", SYS_sethostname },
                { "CAP_SYS_ADMIN", SYS_bpf },
                { "CAP_SYS_CHROOT", SYS_chroot },
                { "CAP_SYS_TIME", SYS_clock_settime },
                { "CAP_SYS_MODULE", SYS_init_module },
                { "CAP_SYS_MODULE", SYS_finit_module },
                { "CAP_SYS_BOOT", SYS_reboot },
                { "CAP_SYS_BOOT", SYS_kexec_load },
                { "CAP_SYS_PACCT", SYS_acct },
                { "CAP_SYS_NICE", SYS_move_pages },
                { "CAP_SYS_TTY_CONFIG", SYS_vhangup },
                { "CAP_SYSLOG", SYS_syslog },
                { "CAP_DAC_READ_SEARCH", SYS_open_by_handle_at },
                { "CAP_BPF", SYS_bpf },
                { "CAP_PERFMON", SYS_perf_event_open },
        };

        (void)state;
        for (size_t i = 0; i < COUNT(rows); i++) {
                build(rows[i].capability, false);
                assert_int_equal(call(rows[i].nr, 0, 0, 0), ALLOW);
                build("CAP_CHOWN", false);
                assert_int_equal(call(rows[i].nr, 0, 0, 0), FAILS(EPERM));
        }
}

static void nobody_gets_keys(void **state)
{
        (void)state;
        build("CAP_SYS_ADMIN", false);
        assert_int_equal(call(SYS_keyctl, 0, 0, 0), FAILS(EPERM));
        assert_int_equal(call(SYS_add_key, 0, 0, 0), FAILS(EPERM));
        assert_int_equal(call(SYS_request_key, 0, 0, 0), FAILS(EPERM));
}

static void a_new_namespace_needs_the_capability(void **state)
{
        static const uint64_t flags[] = { CLONE_NEWNS,  CLONE_NEWUTS, CLONE_NEWIPC,   CLONE_NEWUSER,
                                          CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP };

        (void)state;
        for (size_t i = 0; i < COUNT(flags); i++) {
                build(NULL, false);
                assert_int_equal(call(SYS_clone, flags[i] | SIGCHLD, 0, 0), FAILS(EPERM));
                build("CAP_SYS_ADMIN", false);
                assert_int_equal(call(SYS_clone, flags[i] | SIGCHLD, 0, 0), ALLOW);
        }
        build(NULL, false);
        assert_int_equal(call(SYS_clone, CLONE_VM | CLONE_THREAD | CLONE_SETTLS, 0, 0), ALLOW);
        assert_int_equal(call(SYS_clone, SIGCHLD, 0, 0), ALLOW);
}

/* The kernel takes 32 bits of these arguments, whatever the upper half holds. */
#define DIRTY (1ull << 32)

static void nobody_types_into_a_terminal_of_the_host(void **state)
{
        (void)state;
        build("CAP_SYS_ADMIN", false);
        assert_int_equal(call(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, 0), FAILS(EPERM));
        assert_int_equal(call(SYS_ioctl, 0, 0x5412 | DIRTY, 0), FAILS(EPERM));
        assert_int_equal(call(SYS_ioctl, 0, 0x541c /* TIOCLINUX */, 0), FAILS(EPERM));
        assert_int_equal(call(SYS_ioctl, 0, 0x541c | DIRTY, 0), FAILS(EPERM));
        assert_int_equal(call(SYS_ioctl, 0, 0x5401 /* TCGETS */, 0), ALLOW);
}

static void sockets_are_of_known_families(void **state)
{
        (void)state;
        build(NULL, false);
        assert_int_equal(call(SYS_socket, AF_UNIX, SOCK_STREAM, 0), ALLOW);
        assert_int_equal(call(SYS_socket, AF_INET, SOCK_DGRAM, 0), ALLOW);
        assert_int_equal(call(SYS_socket, AF_INET6, SOCK_STREAM, 0), ALLOW);
        assert_int_equal(call(SYS_socket, AF_NETLINK, SOCK_RAW, 0), ALLOW);
        assert_int_equal(call(SYS_socket, AF_ALG, SOCK_SEQPACKET, 0), FAILS(EAFNOSUPPORT));
        assert_int_equal(call(SYS_socket, AF_ALG | DIRTY, SOCK_SEQPACKET, 0), FAILS(EAFNOSUPPORT));
        assert_int_equal(call(SYS_socket, AF_VSOCK, SOCK_STREAM, 0), FAILS(EAFNOSUPPORT));
        assert_int_equal(call(SYS_socket, AF_PACKET, SOCK_RAW, 0), FAILS(EAFNOSUPPORT));
        assert_int_equal(call(SYS_socket, AF_NETLINK, SOCK_RAW, 12), FAILS(EAFNOSUPPORT));
        build("CAP_NET_RAW", false);
        assert_int_equal(call(SYS_socket, AF_PACKET, SOCK_RAW, 0), ALLOW);
        assert_int_equal(call(SYS_socket, AF_NETLINK, SOCK_RAW, 12), FAILS(EAFNOSUPPORT));
        build("CAP_NET_ADMIN", false);
        assert_int_equal(call(SYS_socket, AF_NETLINK, SOCK_RAW, 12), ALLOW);
        build("CAP_AUDIT_WRITE", false);
        assert_int_equal(call(SYS_socket, AF_NETLINK, SOCK_RAW, 9), ALLOW);
}

static void protocols_are_not_stacked_on_sockets(void **state)
{
        (void)state;
        build("CAP_NET_ADMIN", false);
        assert_int_equal(call(SYS_setsockopt, 3, 6, 31 /* TCP_ULP */), FAILS(EPERM));
        assert_int_equal(call(SYS_setsockopt, 3, 6 | DIRTY, 31 | DIRTY), FAILS(EPERM));
        assert_int_equal(call(SYS_setsockopt, 3, 0, 17 /* IP_XFRM_POLICY */), FAILS(EPERM));
        assert_int_equal(call(SYS_setsockopt, 3, SOL_SOCKET, SO_REUSEADDR), ALLOW);
        assert_int_equal(call(SYS_setsockopt, 3, 6, 1 /* TCP_NODELAY */), ALLOW);
}

static void address_randomisation_stays(void **state)
{
        (void)state;
        build("CAP_SYS_ADMIN", false);
        assert_int_equal(call(SYS_personality, 0, 0, 0), ALLOW);
        assert_int_equal(call(SYS_personality, 0xffffffff, 0, 0), ALLOW);
        assert_int_not_equal(call(SYS_personality, 0x0040000 /* ADDR_NO_RANDOMIZE */, 0, 0), ALLOW);
        assert_int_not_equal(call(SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */, 0, 0), ALLOW);
}

static void strict_is_without_debuggers(void **state)
{
        (void)state;
        build(NULL, false);
        assert_int_equal(call(SYS_ptrace, 0, 0, 0), ALLOW);
        assert_int_equal(call(SYS_process_vm_writev, 0, 0, 0), ALLOW);
        build(NULL, true);
        assert_int_not_equal(call(SYS_ptrace, 0, 0, 0), ALLOW);
        assert_int_not_equal(call(SYS_process_vm_writev, 0, 0, 0), ALLOW);
}

static void calls_of_another_architecture_are_killed(void **state)
{
        struct seccomp_data d = { .nr = 1, .arch = AUDIT_ARCH_I386 };

        (void)state;
        build("CAP_SYS_ADMIN", false);
        assert_int_equal(seccomp_interpret(filter.v, filter.n, &d), SECCOMP_RET_KILL_PROCESS);
        d.arch = AUDIT_ARCH_ARM;
        assert_int_equal(seccomp_interpret(filter.v, filter.n, &d), SECCOMP_RET_KILL_PROCESS);
#ifdef __x86_64__
        assert_int_equal(call(SYS_read | SECCOMP_X32_BIT, 0, 0, 0), SECCOMP_RET_KILL_PROCESS);
#endif
}

/* True if an entry without conditions has NAME and ACTION. */
static bool says(const struct spec_seccomp *f, const char *name, uint64_t action)
{
        for (size_t i = 0; i < f->syscalls.n; i++) {
                const struct spec_syscall *s = &f->syscalls.v[i];

                for (size_t k = 0; s->args.n == 0 && s->action.v == action && k < s->names.n; k++)
                        if (strcmp(s->names.v[k], name) == 0)
                                return true;
        }
        return false;
}

static void no_rule_contradicts_another(void **state)
{
        static const char *sets[][4] = {
                { 0 },
                { "CAP_SYS_ADMIN" },
                { "CAP_SYSLOG" },
                { "CAP_SYS_ADMIN", "CAP_SYSLOG", "CAP_BPF", "CAP_PERFMON" },
                { "CAP_SYS_TIME", "CAP_SYS_MODULE", "CAP_SYS_BOOT", "CAP_SYS_RAWIO" },
                { "CAP_SYS_PACCT", "CAP_SYS_NICE", "CAP_SYS_TTY_CONFIG", "CAP_DAC_READ_SEARCH" },
        };
        struct err e;

        (void)state;
        for (size_t i = 0; i < COUNT(sets); i++) {
                struct spec_capabilities c = { .bounding = { sets[i], 0 } };
                struct arena *a = test_arena();
                const struct spec_seccomp *f;

                while (c.bounding.n < 4 && sets[i][c.bounding.n])
                        c.bounding.n++;
                f = profile_seccomp(&c, false, a, &e);
                assert_non_null(f);
                assert_int_equal(seccomp_plan(f, a, &filter, &e), 0);
                for (size_t k = 0; k < f->syscalls.n; k++)
                        for (size_t n = 0; n < f->syscalls.v[k].names.n; n++)
                                assert_false(
                                        says(f, f->syscalls.v[k].names.v[n], ALLOW) &&
                                        says(f, f->syscalls.v[k].names.v[n], SECCOMP_RET_ERRNO));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ordinary_programs_run),
                cmocka_unit_test(what_is_not_listed_seems_not_to_exist),
                cmocka_unit_test(a_privileged_call_needs_its_capability),
                cmocka_unit_test(nobody_gets_keys),
                cmocka_unit_test(a_new_namespace_needs_the_capability),
                cmocka_unit_test(nobody_types_into_a_terminal_of_the_host),
                cmocka_unit_test(sockets_are_of_known_families),
                cmocka_unit_test(protocols_are_not_stacked_on_sockets),
                cmocka_unit_test(address_randomisation_stays),
                cmocka_unit_test(strict_is_without_debuggers),
                cmocka_unit_test(calls_of_another_architecture_are_killed),
                cmocka_unit_test(no_rule_contradicts_another),
        };

        return RUN(tests);
}
