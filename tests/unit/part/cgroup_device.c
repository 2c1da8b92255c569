#include "group.h"

#include "kenro/base/file.h"
#include "kenro/part/cgroup_device.h"

#include <sys/sysmacros.h>

enum { R = BPF_DEVCG_ACC_READ, W = BPF_DEVCG_ACC_WRITE, M = BPF_DEVCG_ACC_MKNOD };
enum { INSN_MAX = 4096, STEPS_MAX = 100000 };

static struct err error;
static struct cgroup_device_plan plan;
static struct test_group group;

static int make_plan(struct spec_device_rule *v, size_t n)
{
        struct spec_resources r = { .devices = { v, n } };
        struct spec_linux l = { .resources = &r };
        struct spec s = { .linux_ = &l };

        return cgroup_device_plan(&s, test_arena(), &plan, &error);
}

static void rules(const char *json)
{
        char text[2048];
        const struct spec *s;

        snprintf(text, sizeof(text), "'linux': {'resources': {'devices': [%s]}}", json);
        s = test_spec(text);
        assert_int_equal(cgroup_device_plan(s, test_arena(), &plan, &error), 0);
}

/* What an instruction of the class ALU64 leaves in its register. */
static uint64_t compute(const struct bpf_insn *i, uint64_t dst, uint64_t src)
{
        uint64_t by = BPF_SRC(i->code) == BPF_X ? src : (uint64_t)(int64_t)i->imm;

        switch (BPF_OP(i->code)) {
        case BPF_MOV:
                return by;
        case BPF_AND:
                return dst & by;
        case BPF_RSH:
                return dst >> (by & 63);
        default:
                fail_msg("operation %#x is not known to this test", i->code);
                return 0;
        }
}

static bool jumps(const struct bpf_insn *i, uint32_t dst)
{
        uint32_t imm = (uint32_t)i->imm;

        assert_int_equal(BPF_SRC(i->code), BPF_K);
        switch (BPF_OP(i->code)) {
        case BPF_JEQ:
                return dst == imm;
        case BPF_JNE:
                return dst != imm;
        case BPF_JLT:
                return dst < imm;
        case BPF_JLE:
                return dst <= imm;
        default:
                fail_msg("jump %#x is not known to this test", i->code);
                return false;
        }
}

/* The program's answer, by the instruction set in the kernel's documentation. */
static bool allows(char type, unsigned major, unsigned minor, unsigned access)
{
        const struct bpf_cgroup_dev_ctx ctx = {
                .access_type = access << 16 |
                               (type == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK),
                .major = major,
                .minor = minor,
        };
        uint64_t reg[11] = { 0 };
        uint32_t word;
        size_t at = 0;

        for (int step = 0; step < STEPS_MAX; step++) {
                const struct bpf_insn *i = &plan.v[at++];

                assert_true(at <= plan.n);
                switch (BPF_CLASS(i->code)) {
                case BPF_LDX:
                        assert_int_equal(i->code, BPF_LDX | BPF_MEM | BPF_W);
                        assert_int_equal(i->src_reg, BPF_REG_1);
                        assert_true(i->off >= 0 && (size_t)i->off + 4 <= sizeof(ctx));
                        memcpy(&word, (const char *)&ctx + i->off, sizeof(word));
                        reg[i->dst_reg] = word;
                        break;
                case BPF_ALU64:
                        reg[i->dst_reg] = compute(i, reg[i->dst_reg], reg[i->src_reg]);
                        break;
                case BPF_JMP32:
                        at += jumps(i, (uint32_t)reg[i->dst_reg]) ? (size_t)i->off : 0;
                        break;
                default:
                        if (i->code == (BPF_JMP | BPF_JA)) {
                                at += (size_t)i->off;
                                break;
                        }
                        assert_int_equal(i->code, BPF_JMP | BPF_EXIT);
                        return reg[0] != 0;
                }
        }
        fail_msg("the program does not end");
        return false;
}

static const unsigned defaults[][2] = { { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 },   { 1, 9 },
                                        { 5, 0 }, { 5, 1 }, { 5, 2 }, { 136, 0 }, { 136, 77 } };

static void only_defaults(void)
{
        for (size_t i = 0; i < COUNT(defaults); i++) {
                assert_true(allows('c', defaults[i][0], defaults[i][1], R | W));
                assert_true(allows('c', defaults[i][0], defaults[i][1], R));
                assert_true(allows('c', defaults[i][0], defaults[i][1], W));
                assert_false(allows('c', defaults[i][0], defaults[i][1], M));
                assert_false(allows('b', defaults[i][0], defaults[i][1], R));
        }
        assert_false(allows('c', 1, 1, R));
        assert_false(allows('c', 1, 11, R | W));
        assert_false(allows('c', 10, 200, R | W)); /* no tun */
        assert_false(allows('c', 0, 0, M));        /* and no overlay whiteout */
        assert_false(allows('b', 8, 0, R));
}

static void without_rules_there_are_the_default_devices(void **state)
{
        (void)state;
        rules("");
        only_defaults();
        assert_int_equal(cgroup_device_plan(test_spec("'linux': {}"), test_arena(), &plan, &error),
                         0);
        only_defaults();
}

static void denying_all_leaves_the_default_devices(void **state)
{
        (void)state;
        rules("{'allow': false, 'access': 'rwm'}");
        only_defaults();
        rules("{'allow': true, 'access': 'rwm'}, {'allow': false, 'type': 'a', 'access': 'rwm'}");
        only_defaults();
}

static void allowing_all_at_the_end_needs_no_program(void **state)
{
        (void)state;
        rules("{'allow': false, 'access': 'rwm'}, {'allow': true, 'access': 'rwm'}");
        assert_null(plan.v);
        assert_int_equal(plan.n, 0);
        assert_int_equal(cgroup_device_parent(&plan, -1, &error), 0);
}

static void the_last_match_decides_for_each_access(void **state)
{
        (void)state;
        rules("{'allow': true, 'type': 'c', 'major': 10, 'minor': 229, 'access': 'rwm'},"
              "{'allow': false, 'type': 'c', 'major': 10, 'minor': 229, 'access': 'w'}");
        assert_true(allows('c', 10, 229, R));
        assert_true(allows('c', 10, 229, M));
        assert_true(allows('c', 10, 229, R | M));
        assert_false(allows('c', 10, 229, W));
        assert_false(allows('c', 10, 229, R | W));
        /* two rules together allow what neither does alone */
        rules("{'allow': true, 'type': 'c', 'major': 10, 'access': 'r'},"
              "{'allow': true, 'type': 'c', 'minor': 229, 'access': 'w'}");
        assert_true(allows('c', 10, 229, R | W));
        assert_false(allows('c', 10, 1, R | W));
        assert_false(allows('c', 11, 229, R | W));
        assert_false(allows('c', 10, 229, R | W | M));
        rules("{'allow': true, 'access': 'rwm'},"
              "{'allow': false, 'type': 'b', 'major': 8, 'access': 'rwm'},"
              "{'allow': true, 'type': 'b', 'major': 8, 'minor': 3, 'access': 'r'}");
        assert_true(allows('b', 7, 0, R | W | M));
        assert_false(allows('b', 8, 0, R));
        assert_true(allows('b', 8, 3, R));
        assert_false(allows('b', 8, 3, R | W));
        assert_true(allows('c', 8, 0, R | W));
}

static void absent_and_minus_one_are_any(void **state)
{
        static const char *const any[] = {
                "{'allow': true, 'type': 'b', 'major': 8, 'access': 'rw'}",
                "{'allow': true, 'type': 'b', 'major': 8, 'minor': -1, 'access': 'wr'}",
        };

        (void)state;
        for (size_t i = 0; i < COUNT(any); i++) {
                rules(any[i]);
                assert_true(allows('b', 8, 0, R | W));
                assert_true(allows('b', 8, 1048575, R | W));
                assert_false(allows('b', 9, 0, R));
                assert_false(allows('c', 8, 0, R));
                assert_false(allows('b', 8, 0, M));
        }
        rules("{'allow': true, 'type': 'a', 'major': 4, 'minor': 64, 'access': 'm'}");
        assert_true(allows('b', 4, 64, M));
        assert_true(allows('c', 4, 64, M));
        assert_false(allows('c', 4, 64, R));
        rules("{'allow': true, 'minor': 5, 'access': 'r'}");
        assert_true(allows('b', 123, 5, R));
        assert_false(allows('b', 123, 6, R));
}

static void allowing_without_an_access_allows_nothing(void **state)
{
        struct spec_device_rule v[] = {
                { .allow = true },
                { .allow = true, .type = { true, 'c' }, .major = { true, 10 }, .access = "" }
        };

        (void)state;
        assert_int_equal(make_plan(v, COUNT(v)), 0);
        only_defaults();
}

static bool is_default(char type, unsigned major, unsigned minor)
{
        for (size_t i = 0; i < COUNT(defaults) - 1; i++)
                if (type == 'c' && major == defaults[i][0] &&
                    (minor == defaults[i][1] || major == 136))
                        return true;
        return false;
}

/* The definition: each access has the answer of its last match. */
static bool should_allow(const struct spec_device_rule *v, size_t n, char type, unsigned major,
                         unsigned minor, unsigned access)
{
        if (is_default(type, major, minor))
                access &= ~(unsigned)(R | W);
        for (unsigned bit = 1; bit <= W; bit <<= 1) {
                const char letter = bit == R ? 'r' : bit == W ? 'w' : 'm';
                bool allow = false;

                for (size_t i = 0; i < n; i++)
                        if ((v[i].type.v == 'a' || v[i].type.v == (uint64_t)type) &&
                            (v[i].major.v < 0 || v[i].major.v == major) &&
                            (v[i].minor.v < 0 || v[i].minor.v == minor) &&
                            strchr(v[i].access, letter))
                                allow = v[i].allow;
                if (access & bit && !allow)
                        return false;
        }
        return true;
}

static uint64_t seed = 88172645463325252ull;

static unsigned rnd(unsigned n)
{
        seed ^= seed << 13; /* xorshift64 */
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return (unsigned)(seed >> 33) % n;
}

static void any_rules_mean_what_their_last_matches_say(void **state)
{
        static const char *const accesses[] = { "r", "w", "m", "rw", "rm", "wm", "rwm" };
        struct spec_device_rule v[8];

        (void)state;
        for (int round = 0; round < 2000; round++) {
                size_t n = rnd(COUNT(v) + 1);

                for (size_t i = 0; i < n; i++)
                        v[i] = (struct spec_device_rule){
                                .allow = rnd(2),
                                .type = { true, (uint64_t) "abc"[rnd(3)] },
                                .major = { true, (int)rnd(4) - 1 },
                                .minor = { true, (int)rnd(4) - 1 },
                                .access = accesses[rnd(COUNT(accesses))],
                        };
                assert_int_equal(make_plan(v, n), 0);
                for (unsigned i = 0; i < 2 * 3 * 4 * 7; i++) {
                        char type = i % 2 ? 'b' : 'c';
                        unsigned major = i / 2 % 3, minor = i / 6 % 4, access = 1 + i / 24;

                        if ((!plan.v || allows(type, major, minor, access)) !=
                            should_allow(v, n, type, major, minor, access))
                                fail_msg("round %d: %c %u:%u access %u", round, type, major, minor,
                                         access);
                }
        }
}

static struct spec_device_rule many[CGROUP_DEVICE_RULES_MAX + 1];

static void fill_many(void)
{
        for (size_t i = 0; i < COUNT(many); i++)
                many[i] = (struct spec_device_rule){ .allow = i % 2,
                                                     .type = { true, 'b' },
                                                     .major = { true, (int64_t)i },
                                                     .minor = { true, 1 },
                                                     .access = "r" };
}

static void the_number_of_rules_is_limited(void **state)
{
        (void)state;
        fill_many();
        assert_int_equal(make_plan(many, CGROUP_DEVICE_RULES_MAX), 0);
        assert_true(plan.n <= INSN_MAX);
        assert_true(allows('b', 399, 1, R));
        assert_false(allows('b', 398, 1, R));
        assert_int_equal(make_plan(many, CGROUP_DEVICE_RULES_MAX + 1), -1);
        assert_string_equal(error.text, "linux.resources.devices: more than 400 rules");
}

/* ---- by the kernel ---- */

/* In the group, once the byte has come. */
static void try_devices(int go, int group_fd, const char *dir)
{
        int at = open(dir, O_PATH | O_CLOEXEC), fd;
        char c;

        assert_int_equal(read(go, &c, 1), 1);
        for (const char *const *name = (const char *const[]){ "/dev/null", "/dev/zero", NULL };
             *name; name++) {
                fd = open(*name, O_RDWR | O_CLOEXEC);
                assert_true(fd >= 0);
                close(fd);
        }
        assert_true(open("/dev/kmsg", O_RDONLY | O_CLOEXEC) < 0 && errno == EPERM);
        assert_true(mknodat(at, "null", S_IFCHR, makedev(1, 3)) < 0 && errno == EPERM);
        assert_true(mknodat(at, "disk", S_IFBLK, makedev(240, 1)) < 0 && errno == EPERM);
        assert_int_equal(mknodat(at, "allowed", S_IFBLK, makedev(241, 1)), 0);
        assert_int_equal(mkfifoat(at, "fifo", 0600), 0); /* no device */

        cgroup_device_undo(group_fd);
        assert_int_equal(mknodat(at, "disk", S_IFBLK, makedev(240, 1)), 0);
        assert_true(open("/dev/kmsg", O_RDONLY | O_CLOEXEC | O_NONBLOCK) >= 0);
}

static int run_in_group(int group_fd, const char *dir)
{
        int pair[2];
        char text[16];
        pid_t pid;

        assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
        pid = child_fork();
        if (pid == 0) {
                close(pair[1]);
                try_devices(pair[0], group_fd, dir);
                _exit(0);
        }
        close(pair[0]);
        snprintf(text, sizeof(text), "%d", pid);
        if (file_poke(group_fd, "cgroup.procs", text) == 0)
                (void)!write(pair[1], "", 1); /* else the child sees the end and fails */
        close(pair[1]);
        return child_wait(pid);
}

static void the_kernel_takes_and_obeys_it(void **state)
{
        char dir[PATH_MAX];
        int fd, status;

        (void)state;
        NEEDS_GROUP(group);
        if (access("/dev/kmsg", F_OK) < 0)
                SKIP("there is no /dev/kmsg to be denied");
        fd = cgroup_open(&group.host, group.path);
        rules("{'allow': true, 'type': 'b', 'major': 241, 'access': 'm'}");
        assert_int_equal(cgroup_device_parent(&plan, fd, &error), 0);
        test_dir_make(dir);
        status = run_in_group(fd, dir);
        test_dir_remove(dir);
        assert_int_equal(status, 0);
        close(fd);
}

static void the_kernel_takes_the_longest_program(void **state)
{
        int fd;

        (void)state;
        NEEDS_GROUP(group);
        fd = cgroup_open(&group.host, group.path);
        fill_many();
        assert_int_equal(make_plan(many, CGROUP_DEVICE_RULES_MAX), 0);
        if (cgroup_device_parent(&plan, fd, &error) < 0)
                fail_msg("%s", error.text);
        close(fd);
}

static int set_up(void **state)
{
        (void)state;
        return test_group_make(&group);
}

static int tear_down(void **state)
{
        (void)state;
        return test_group_remove(&group);
}

static int check_listed(const char *device, const char *rules_json)
{
        char text[1024];

        snprintf(text, sizeof(text), "'linux': {'devices': [%s], 'resources': {'devices': [%s]}}",
                 device, rules_json);
        return cgroup_device_check_listed(test_spec(text), &error);
}

#define KVM "{'path': '/dev/kvm', 'type': 'c', 'major': 10, 'minor': 232}"
#define DENY "{'allow': false, 'access': 'rwm'}"
#define ALLOW(members) "{'allow': true, 'type': 'c'" members "}"

static void without_a_program_a_listed_device_must_be_allowed(void **state)
{
        (void)state;
        assert_int_equal(check_listed(KVM, DENY), -1);
        assert_string_equal(error.text, "linux.devices[0] (/dev/kvm): linux.resources.devices "
                                        "does not allow to read and write it, which cannot be "
                                        "enforced without privileges");
        assert_int_equal(check_listed(KVM, ""), -1);
        assert_int_equal(check_listed(KVM, DENY "," ALLOW(", 'major': 10, 'access': 'rw'")), 0);
        assert_int_equal(check_listed(KVM, DENY "," ALLOW(", 'major': 10, 'access': 'r'")), -1);
        assert_int_equal(check_listed(KVM, DENY "," ALLOW(", 'major': 10, 'access': 'r'") "," ALLOW(
                                                   ", 'minor': 232, 'access': 'wm'")),
                         0);
        assert_int_equal(check_listed(KVM, DENY "," ALLOW(", 'major': 11, 'access': 'rw'")), -1);
        assert_int_equal(check_listed(KVM, ALLOW(", 'access': 'rwm'") "," DENY), -1);
        assert_int_equal(check_listed("{'path': '/b', 'type': 'b', 'major': 10, 'minor': 232}",
                                      ALLOW(", 'access': 'rwm'")),
                         -1);
        /* these are always allowed, or no devices */
        assert_int_equal(check_listed("{'path': '/n', 'type': 'c', 'major': 1, 'minor': 3}", DENY),
                         0);
        assert_int_equal(
                check_listed("{'path': '/n', 'type': 'c', 'major': 136, 'minor': 9}", DENY), 0);
        assert_int_equal(check_listed("{'path': '/p', 'type': 'p'}", DENY), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_rules_there_are_the_default_devices),
                cmocka_unit_test(denying_all_leaves_the_default_devices),
                cmocka_unit_test(allowing_all_at_the_end_needs_no_program),
                cmocka_unit_test(the_last_match_decides_for_each_access),
                cmocka_unit_test(absent_and_minus_one_are_any),
                cmocka_unit_test(allowing_without_an_access_allows_nothing),
                cmocka_unit_test(any_rules_mean_what_their_last_matches_say),
                cmocka_unit_test(the_number_of_rules_is_limited),
                cmocka_unit_test(the_kernel_takes_and_obeys_it),
                cmocka_unit_test(the_kernel_takes_the_longest_program),
                cmocka_unit_test(without_a_program_a_listed_device_must_be_allowed),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
