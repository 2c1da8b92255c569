#include "unit.h"

#include "kenro/base/sys.h"
#include "kenro/part/seccomp.h"

#include "seccomp_interpret.h"
#include "seccomp_rule.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#define ALLOW SECCOMP_RET_ALLOW
#define KILL SECCOMP_RET_KILL_PROCESS
#define FAILS(num) (SECCOMP_RET_ERRNO | (num))

static struct err error;
static struct seccomp_plan plan;

/* A profile with the members HEAD and these rules. */
static const struct spec_seccomp *profile(const char *head, const char *const *rules)
{
        char text[4096];
        size_t at = 0;

        at += (size_t)snprintf(text, sizeof(text), "'linux': {'seccomp': {%s, 'syscalls': [", head);
        for (size_t i = 0; rules[i]; i++)
                at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s", i ? "," : "",
                                       rules[i]);
        snprintf(text + at, sizeof(text) - at, "]}}");
        return test_spec(text)->linux_->seccomp;
}

static int make_plan(const char *head, const char *const *rules)
{
        memset(&error, 0, sizeof(error));
        return seccomp_plan(profile(head, rules), test_arena(), &plan, &error);
}

#define RULES(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define TRY(head, ...) make_plan(head, RULES(__VA_ARGS__))
#define PLAN(head, ...)                                                                            \
        do {                                                                                       \
                if (TRY(head, __VA_ARGS__) < 0)                                                    \
                        fail_msg("%s", error.text);                                                \
        } while (0)

#define DEFAULT(action) "'defaultAction': 'SCMP_ACT_" action "'"
#define DENY DEFAULT("ERRNO")
#define RULE(action, names) "{'names': [" names "], 'action': 'SCMP_ACT_" action "'}"
#define RULE_ERRNO(num, action, names)                                                             \
        "{'names': [" names "], 'action': 'SCMP_ACT_" action "', 'errnoRet': " #num "}"
#define RULE_IF(conditions, action, names)                                                         \
        "{'names': [" names "], 'action': 'SCMP_ACT_" action "', 'args': [" conditions "]}"
#define ARG(index, op, value) "{'index': " #index ", 'op': 'SCMP_CMP_" op "', 'value': " value "}"
#define TWO(one, other) one ", " other
#define EXECVE RULE("ALLOW", "'execve'")

static uint32_t call(int nr, uint64_t a0, uint64_t a1)
{
        struct seccomp_data d = { .nr = nr,
                                  .arch = seccomp_arch_find(seccomp_arch_native())->audit,
                                  .args = { a0, a1 } };

        return seccomp_interpret(plan.v, plan.n, &d);
}

static void no_profile_is_no_filter(void **state)
{
        (void)state;
        assert_int_equal(seccomp_plan(NULL, test_arena(), &plan, &error), 0);
        assert_null(plan.v);
        assert_int_equal(seccomp_answer(&plan, SYS_mount), ALLOW);
}

static void a_call_has_the_action_of_its_rule(void **state)
{
        (void)state;
        PLAN(DEFAULT("ALLOW"), RULE_ERRNO(13, "ERRNO", "'mount', 'umount2'"),
             RULE("KILL_PROCESS", "'ptrace'"), RULE("LOG", "'getppid'"), RULE("KILL", "'reboot'"),
             RULE("TRAP", "'acct'"), RULE("ERRNO", "'swapon'"), RULE_ERRNO(7, "TRACE", "'chroot'"));
        assert_int_equal(seccomp_answer(&plan, SYS_mount), FAILS(EACCES));
        assert_int_equal(seccomp_answer(&plan, SYS_umount2), FAILS(EACCES));
        assert_int_equal(seccomp_answer(&plan, SYS_ptrace), KILL);
        assert_int_equal(seccomp_answer(&plan, SYS_getppid), SECCOMP_RET_LOG);
        assert_int_equal(seccomp_answer(&plan, SYS_reboot), SECCOMP_RET_KILL_THREAD);
        assert_int_equal(seccomp_answer(&plan, SYS_acct), SECCOMP_RET_TRAP);
        assert_int_equal(seccomp_answer(&plan, SYS_swapon), FAILS(EPERM));
        assert_int_equal(seccomp_answer(&plan, SYS_chroot), SECCOMP_RET_TRACE | 7);
        assert_int_equal(seccomp_answer(&plan, SYS_read), ALLOW);
        assert_int_equal(seccomp_answer(&plan, 100000), ALLOW);
}

static void an_errno_default_answers_eperm_and_enosys(void **state)
{
        (void)state;
        PLAN(DENY, EXECVE, RULE("ALLOW", "'openat2', 'read'"));
        assert_int_equal(seccomp_answer(&plan, SYS_read), ALLOW);
        assert_int_equal(seccomp_answer(&plan, SYS_write), FAILS(EPERM));
        /* newer than all that the profile knows */
        assert_int_equal(seccomp_answer(&plan, SYS_openat2), ALLOW);
        assert_int_equal(seccomp_answer(&plan, SYS_openat2 + 1), FAILS(ENOSYS));
        assert_int_equal(seccomp_answer(&plan, 999), FAILS(ENOSYS));
        PLAN(DENY ", 'defaultErrnoRet': 5", EXECVE);
        assert_int_equal(seccomp_answer(&plan, SYS_read), FAILS(EIO));
}

static void another_default_has_no_newer_calls(void **state)
{
        (void)state;
        PLAN(DEFAULT("KILL_PROCESS"), EXECVE);
        assert_int_equal(seccomp_answer(&plan, SYS_read), KILL);
        assert_int_equal(seccomp_answer(&plan, 999), KILL);
}

static void execve_must_be_possible(void **state)
{
        (void)state;
        assert_int_equal(TRY(DENY, RULE("ALLOW", "'read'")), -1);
        assert_string_equal(error.text, "linux.seccomp: execve must be allowed, or no program can "
                                        "start");
        assert_int_equal(TRY(DEFAULT("ALLOW"), RULE("KILL", "'execve'")), -1);
        PLAN(DEFAULT("ALLOW"), RULE("LOG", "'execve'"));
}

static void an_unknown_name_is_skipped(void **state)
{
        (void)state;
        PLAN(DENY, RULE("ALLOW", "'no_such_call', 'execve', 'read'"));
        assert_int_equal(seccomp_answer(&plan, SYS_read), ALLOW);
        assert_int_equal(seccomp_answer(&plan, SYS_write), FAILS(EPERM));
}

#define BIG (1ull << 40)

static void conditions_compare_all_64_bits(void **state)
{
        static const struct {
                const char *rule; /* comparing with 2^40 + 5 */
                bool below, equal, above;
        } rows[] = {
#define ROW(op) RULE_IF(ARG(1, op, "1099511627781"), "ALLOW", "'ioctl'")
                { ROW("NE"), true, false, true }, { ROW("LT"), true, false, false },
                { ROW("LE"), true, true, false }, { ROW("EQ"), false, true, false },
                { ROW("GE"), false, true, true }, { ROW("GT"), false, false, true },
        };

        (void)state;
        for (size_t i = 0; i < COUNT(rows); i++) {
                PLAN(DENY, EXECVE, rows[i].rule);
                assert_int_equal(call(SYS_ioctl, 0, BIG + 4) == ALLOW, rows[i].below);
                assert_int_equal(call(SYS_ioctl, 0, BIG + 5) == ALLOW, rows[i].equal);
                assert_int_equal(call(SYS_ioctl, 0, BIG + 6) == ALLOW, rows[i].above);
                /* the same lower half on either side */
                assert_int_equal(call(SYS_ioctl, 0, 5) == ALLOW, rows[i].below);
                assert_int_equal(call(SYS_ioctl, 0, 2 * BIG + 5) == ALLOW, rows[i].above);
        }
}

static void a_mask_chooses_bits(void **state)
{
        (void)state;
        /* the flags for new namespaces */
        PLAN(DENY, EXECVE, RULE_IF(ARG(0, "MASKED_EQ", "2114060288"), "ALLOW", "'clone'"));
        assert_int_equal(call(SYS_clone, SIGCHLD, 0), ALLOW);
        assert_int_equal(call(SYS_clone, BIG | SIGCHLD, 0), ALLOW);
        assert_int_equal(call(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0), FAILS(EPERM));
        assert_int_equal(call(SYS_clone, CLONE_NEWNET | CLONE_VM, 0), FAILS(EPERM));
        PLAN(DENY, EXECVE,
             RULE_IF(ARG(0, "MASKED_EQ", "255, 'valueTwo': 16"), "ALLOW", "'socket'"));
        assert_int_equal(call(SYS_socket, 16, 0), ALLOW);
        assert_int_equal(call(SYS_socket, BIG | 0x110, 0), ALLOW);
        assert_int_equal(call(SYS_socket, 17, 0), FAILS(EPERM));
}

static void conditions_on_several_arguments_must_all_hold(void **state)
{
        (void)state;
        PLAN(DENY, EXECVE,
             RULE_IF(TWO(ARG(0, "EQ", "16"), ARG(1, "EQ", "3")), "ALLOW", "'socket'"));
        assert_int_equal(call(SYS_socket, 16, 3), ALLOW);
        assert_int_equal(call(SYS_socket, 16, 2), FAILS(EPERM));
        assert_int_equal(call(SYS_socket, 2, 3), FAILS(EPERM));
}

static void conditions_on_one_argument_are_alternatives(void **state)
{
        (void)state;
        PLAN(DENY, EXECVE,
             RULE_IF(TWO(ARG(0, "EQ", "0"), ARG(0, "EQ", "8")), "ALLOW", "'personality'"));
        assert_int_equal(call(SYS_personality, 0, 0), ALLOW);
        assert_int_equal(call(SYS_personality, 8, 0), ALLOW);
        assert_int_equal(call(SYS_personality, 4, 0), FAILS(EPERM));
        /* as are several rules for a call */
        PLAN(DENY, EXECVE, RULE_IF(ARG(0, "EQ", "0"), "ALLOW", "'personality'"),
             RULE_IF(ARG(0, "EQ", "8"), "TRAP", "'personality'"));
        assert_int_equal(call(SYS_personality, 0, 0), ALLOW);
        assert_int_equal(call(SYS_personality, 8, 0), SECCOMP_RET_TRAP);
        assert_int_equal(call(SYS_personality, 4, 0), FAILS(EPERM));
}

static void rules_that_contradict_each_other_are_refused(void **state)
{
        (void)state;
        assert_int_equal(TRY(DENY, EXECVE, RULE_IF(ARG(1, "EQ", "1"), "ALLOW", "'ioctl'"),
                             RULE_IF(ARG(1, "EQ", "1"), "KILL", "'ioctl'")),
                         -1);
        assert_string_equal(error.text, "linux.seccomp.syscalls: two rules for 'ioctl' contradict "
                                        "each other");
        /* to say it twice is fine */
        PLAN(DENY, EXECVE, EXECVE, RULE_IF(ARG(1, "EQ", "1"), "ALLOW", "'ioctl'"),
             RULE_IF(ARG(1, "EQ", "1"), "ALLOW", "'ioctl', 'ioctl'"));
        assert_int_equal(call(SYS_ioctl, 0, 1), ALLOW);
        assert_int_equal(call(SYS_ioctl, 0, 2), FAILS(EPERM));
}

static void an_unconditional_rule_stands_for_all(void **state)
{
        (void)state;
        PLAN(DENY, EXECVE, RULE_IF(ARG(1, "EQ", "1"), "ALLOW", "'ioctl'"),
             RULE("ALLOW", "'ioctl'"));
        assert_int_equal(call(SYS_ioctl, 0, 1), ALLOW);
        assert_int_equal(call(SYS_ioctl, 0, 2), ALLOW);
}

static void flags_reach_the_kernel_but_tsync(void **state)
{
        (void)state;
        PLAN(DENY ", 'flags': ['SECCOMP_FILTER_FLAG_LOG', 'SECCOMP_FILTER_FLAG_TSYNC']", EXECVE);
        assert_int_equal(plan.flags, SECCOMP_FILTER_FLAG_LOG);
        /* and none is added: speculation stays mitigated */
        PLAN(DENY, EXECVE);
        assert_int_equal(plan.flags, 0);
}

/* ---- on machines that are not this one ---- */

/* A profile that lists ARCHS and allows to read, compiled on NATIVE. */
static uint32_t on(uint32_t native, const char *archs, uint32_t audit, int nr)
{
        struct seccomp_data d = { .nr = nr, .arch = audit };
        char head[256];

        snprintf(head, sizeof(head), DENY ", 'architectures': [%s]", archs);
        if (seccomp_compile(profile(head, RULES(RULE("ALLOW", "'read', 'execve', 'socket'"))),
                            native, test_arena(), &plan, &error) < 0)
                fail_msg("%s", error.text);
        return seccomp_interpret(plan.v, plan.n, &d);
}

static void an_architecture_that_is_not_listed_is_killed(void **state)
{
        static const char arm[] = "'SCMP_ARCH_ARM'";

        (void)state;
        assert_int_equal(on(SCMP_ARCH_X86_64, "", AUDIT_ARCH_X86_64, 0), ALLOW);
        assert_int_equal(on(SCMP_ARCH_X86_64, "", AUDIT_ARCH_I386, 3), KILL);
        assert_int_equal(on(SCMP_ARCH_AARCH64, "", AUDIT_ARCH_AARCH64, 63), ALLOW);
        assert_int_equal(on(SCMP_ARCH_AARCH64, "", AUDIT_ARCH_ARM, 3), KILL);
        assert_int_equal(on(SCMP_ARCH_AARCH64, arm, AUDIT_ARCH_ARM, 3), ALLOW);
        assert_int_equal(on(SCMP_ARCH_AARCH64, arm, AUDIT_ARCH_AARCH64, 63), ALLOW);
}

static void each_architecture_has_its_own_numbers(void **state)
{
        static const char both[] = "'SCMP_ARCH_X86', 'SCMP_ARCH_X86_64'";
        const int read64 = 0, close64 = 3, read32 = 3;

        (void)state;
        assert_int_equal(on(SCMP_ARCH_X86_64, both, AUDIT_ARCH_X86_64, read64), ALLOW);
        assert_int_equal(on(SCMP_ARCH_X86_64, both, AUDIT_ARCH_X86_64, close64), FAILS(EPERM));
        assert_int_equal(on(SCMP_ARCH_X86_64, both, AUDIT_ARCH_I386, read32), ALLOW);
        assert_int_equal(on(SCMP_ARCH_X86_64, both, AUDIT_ARCH_I386, read64), FAILS(EPERM));
}

static void x32_is_an_architecture_of_its_own(void **state)
{
        static const char both[] = "'SCMP_ARCH_X32'";
        const uint32_t native = SCMP_ARCH_X86_64, audit = AUDIT_ARCH_X86_64;
        const int x32 = SECCOMP_X32_BIT;

        (void)state;
        assert_int_equal(on(native, "", audit, x32), KILL);
        assert_int_equal(on(native, "", audit, x32 | 0x3fffffff), KILL);
        assert_int_equal(on(native, both, audit, x32), ALLOW);
        assert_int_equal(on(native, both, audit, 0), ALLOW);
        assert_int_equal(on(native, both, audit, x32 | 1), FAILS(EPERM));
        /* a tracer's way to skip a call: seccomp(2) */
        assert_int_equal(on(native, "", audit, -1), FAILS(EPERM));
}

static void a_multiplexed_call_is_filtered_by_both_its_numbers(void **state)
{
        struct seccomp_data d = { .nr = 102, .arch = AUDIT_ARCH_I386, .args = { 1 } };

        (void)state;
        assert_int_equal(on(SCMP_ARCH_X86, "", AUDIT_ARCH_I386, 359), ALLOW);
        assert_int_equal(seccomp_interpret(plan.v, plan.n, &d), ALLOW);
        d.args[0] = 2; /* bind */
        assert_int_equal(seccomp_interpret(plan.v, plan.n, &d), FAILS(EPERM));
}

static void a_large_profile_fits(void **state)
{
        struct spec_syscall_arg args[64];
        struct spec_syscall v[64], *s = v;
        const char *ioctl = "ioctl", *execve = "execve";
        struct spec_seccomp f = { .default_action = { true, SECCOMP_RET_ERRNO },
                                  .syscalls = { v, COUNT(v) } };

        (void)state;
        for (size_t i = 0; i < COUNT(v); i++, s++) {
                args[i] = (struct spec_syscall_arg){ .index = 1,
                                                     .value = i << 33 | i,
                                                     .op = { true, CMP_EQ } };
                *s = (struct spec_syscall){ .names = { &ioctl, 1 },
                                            .action = { true, ALLOW },
                                            .args = { &args[i], 1 } };
        }
        v[0] = (struct spec_syscall){ .names = { &execve, 1 }, .action = { true, ALLOW } };
        assert_int_equal(seccomp_plan(&f, test_arena(), &plan, &error), 0);
        assert_true(plan.n <= SECCOMP_INSN_MAX);
        for (uint64_t i = 1; i < COUNT(v); i++) {
                assert_int_equal(call(SYS_ioctl, 0, i << 33 | i), ALLOW);
                assert_int_equal(call(SYS_ioctl, 0, i << 33), FAILS(EPERM));
                assert_int_equal(call(SYS_ioctl, 0, i), FAILS(EPERM));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_profile_is_no_filter),
                cmocka_unit_test(a_call_has_the_action_of_its_rule),
                cmocka_unit_test(an_errno_default_answers_eperm_and_enosys),
                cmocka_unit_test(another_default_has_no_newer_calls),
                cmocka_unit_test(execve_must_be_possible),
                cmocka_unit_test(an_unknown_name_is_skipped),
                cmocka_unit_test(conditions_compare_all_64_bits),
                cmocka_unit_test(a_mask_chooses_bits),
                cmocka_unit_test(conditions_on_several_arguments_must_all_hold),
                cmocka_unit_test(conditions_on_one_argument_are_alternatives),
                cmocka_unit_test(rules_that_contradict_each_other_are_refused),
                cmocka_unit_test(an_unconditional_rule_stands_for_all),
                cmocka_unit_test(flags_reach_the_kernel_but_tsync),
                cmocka_unit_test(an_architecture_that_is_not_listed_is_killed),
                cmocka_unit_test(each_architecture_has_its_own_numbers),
                cmocka_unit_test(x32_is_an_architecture_of_its_own),
                cmocka_unit_test(a_multiplexed_call_is_filtered_by_both_its_numbers),
                cmocka_unit_test(a_large_profile_fits),
        };

        return RUN(tests);
}
