#include "child.h"

#include "kenro/base/file.h"
#include "kenro/base/log.h"
#include "kenro/part/caps.h"
#include "kenro/part/user.h"

#include <linux/securebits.h>

#define BIT(cap) (1ull << (cap))

static struct err error;

/* A host with all capabilities up to 40, of which this process holds HELD. */
static struct caps_plan plan(const char *capabilities, uint64_t held, bool own_user)
{
        char text[1024];
        struct host h = { .cap_bounding = held, .cap_permitted = held, .cap_last = 40 };
        struct caps_plan r;

        snprintf(text, sizeof(text), "'capabilities': {%s}", capabilities);
        assert_int_equal(caps_plan(test_process(text), &h, own_user, &r, &error), 0);
        return r;
}

#define ALL (BIT(41) - 1)

static void names_are_exact(void **state)
{
        (void)state;
        assert_int_equal(caps_bit("CAP_CHOWN", false), BIT(CAP_CHOWN));
        assert_int_equal(caps_bit("CAP_SYS_ADMIN", false), BIT(CAP_SYS_ADMIN));
        assert_int_equal(caps_bit("CAP_CHECKPOINT_RESTORE", false), BIT(CAP_CHECKPOINT_RESTORE));
        assert_int_equal(caps_bit("cap_chown", false), 0);
        assert_int_equal(caps_bit("CAP_Chown", false), 0);
        assert_int_equal(caps_bit("CHOWN", false), 0);
        assert_int_equal(caps_bit("CAP_NET_RAWW", false), 0);
        assert_int_equal(caps_bit("CAP_", false), 0);
        assert_int_equal(caps_bit("", false), 0);
        assert_int_equal(caps_bit("0", false), 0);
        assert_int_equal(caps_bit("CAP_0", false), 0);
        assert_int_equal(caps_bit("ALL", false), 0);
        assert_int_equal(caps_bit("CAP_A_NAME_THAT_IS_LONGER_THAN_ANY_CAPABILITY_EVER", false), 0);
}

static void the_command_line_may_be_lax(void **state)
{
        static const char *const spellings[] = { "CAP_NET_RAW", "cap_net_raw", "Cap_Net_Raw",
                                                 "NET_RAW", "net_raw" };

        (void)state;
        for (size_t i = 0; i < COUNT(spellings); i++)
                assert_int_equal(caps_bit(spellings[i], true), BIT(CAP_NET_RAW));
        assert_int_equal(caps_bit("13", true), 0);
        assert_int_equal(caps_bit("", true), 0);
        assert_int_equal(caps_bit("all", true), 0);
        assert_int_equal(caps_bit("CAP_CAP_CHOWN", true), 0);
}

/* Not what libcap's text form allows behind a name. */
static void what_follows_a_name_makes_it_unknown(void **state)
{
        (void)state;
        assert_int_equal(caps_bit("CAP_CHOWN ", false), 0);
        assert_int_equal(caps_bit("CAP_CHOWN2", false), 0);
        assert_int_equal(caps_bit("CAP_CHOWN=EP", false), 0);
        assert_int_equal(caps_bit("chown,", true), 0);
}

static void silence_means_no_capability(void **state)
{
        struct host h = { .cap_bounding = ALL, .cap_permitted = ALL, .cap_last = 40 };
        struct caps_plan r;

        (void)state;
        assert_int_equal(caps_plan(test_process(""), &h, false, &r, &error), 0);
        assert_int_equal(r.bounding | r.permitted | r.effective | r.inheritable | r.ambient, 0);
        assert_int_equal(r.drop, ALL);
        r = plan("'bounding': ['CAP_CHOWN']", ALL, false);
        assert_int_equal(r.bounding, BIT(CAP_CHOWN));
        assert_int_equal(r.drop, ALL & ~BIT(CAP_CHOWN));
        assert_int_equal(r.permitted | r.effective | r.inheritable | r.ambient, 0);
}

static void an_empty_bounding_set_locks_the_ways_back(void **state)
{
        const uint32_t root_is_nobody = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
                                        SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                                        SECBIT_NO_CAP_AMBIENT_RAISE |
                                        SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

        (void)state;
        assert_int_equal(plan("", ALL, false).securebits & root_is_nobody, root_is_nobody);
        assert_int_equal(plan("'bounding': ['CAP_CHOWN']", ALL, false).securebits, 0);
}

static void sets_stay_within_each_other(void **state)
{
        struct caps_plan r = plan("'bounding': ['CAP_CHOWN', 'CAP_KILL', 'CAP_FOWNER'],"
                                  "'permitted': ['CAP_CHOWN', 'CAP_KILL'],"
                                  "'effective': ['CAP_CHOWN', 'CAP_FOWNER'],"
                                  "'inheritable': ['CAP_KILL', 'CAP_FOWNER', 'CAP_CHOWN'],"
                                  "'ambient': ['CAP_KILL', 'CAP_FOWNER', 'CAP_SYS_ADMIN']",
                                  ALL, false);

        (void)state;
        assert_int_equal(r.permitted, BIT(CAP_CHOWN) | BIT(CAP_KILL));
        assert_int_equal(r.effective, BIT(CAP_CHOWN));
        assert_int_equal(r.ambient, BIT(CAP_KILL));
        /* inheritable without ambient would arm files: CVE-2022-24769 */
        assert_int_equal(r.inheritable, BIT(CAP_KILL));
}

static void ambient_needs_inheritable(void **state)
{
        (void)state;
        assert_int_equal(
                plan("'permitted': ['CAP_KILL'], 'ambient': ['CAP_KILL']", ALL, false).ambient, 0);
}

static void only_what_is_held_is_given(void **state)
{
        const char *both = "'bounding': ['CAP_CHOWN', 'CAP_KILL'],"
                           "'permitted': ['CAP_CHOWN', 'CAP_KILL'],"
                           "'effective': ['CAP_CHOWN', 'CAP_KILL']";
        struct caps_plan r = plan(both, BIT(CAP_CHOWN), false);

        (void)state;
        assert_int_equal(r.bounding, BIT(CAP_CHOWN));
        assert_int_equal(r.permitted, BIT(CAP_CHOWN));
        assert_int_equal(r.effective, BIT(CAP_CHOWN));
        /* in a user namespace of its own every capability is there */
        r = plan(both, 0, true);
        assert_int_equal(r.permitted, BIT(CAP_CHOWN) | BIT(CAP_KILL));
        assert_int_equal(r.drop, ALL & ~r.bounding);
}

static void what_cannot_be_granted_is_warned_of(void **state)
{
        char dir[PATH_MAX], path[PATH_MAX + 8], text[1024];
        struct caps_plan r;

        (void)state;
        test_dir_make(dir);
        snprintf(path, sizeof(path), "%s/log", dir);
        assert_int_equal(log_open(path, false, LOG_WARN, &error), 0);
        r = plan("'bounding': ['CAP_CHOWN', 'CAP_NET_RAWW', 'CAP_KILL']", BIT(CAP_CHOWN), false);
        assert_int_equal(r.bounding, BIT(CAP_CHOWN));
        assert_true(file_peek(AT_FDCWD, path, text, sizeof(text)) > 0);
        test_dir_remove(dir);
        assert_non_null(strstr(text, "process.capabilities.bounding[1]: 'CAP_NET_RAWW' is no "
                                     "capability known here"));
        assert_non_null(strstr(text, "process.capabilities.bounding[2]: 'CAP_KILL' cannot be "
                                     "granted here"));
        assert_null(strstr(text, "CAP_CHOWN"));
}

static void no_new_privs_is_as_asked(void **state)
{
        struct host h = { .cap_last = 40 };
        struct caps_plan r;

        (void)state;
        assert_int_equal(caps_plan(test_process("'noNewPrivileges': true"), &h, false, &r, &error),
                         0);
        assert_true(r.no_new_privs);
        assert_false(plan("", ALL, false).no_new_privs);
}

/* Become USER with the capabilities of JSON, and let the kernel tell. */
static void apply(const char *json, const char *user)
{
        char text[1024];
        struct spec_process *p;
        struct user_plan u;
        struct caps_plan c;
        struct host h;

        snprintf(text, sizeof(text), "'noNewPrivileges': true, 'user': %s, 'capabilities': {%s}",
                 user, json);
        p = test_process(text);
        assert_true(host_probe(&h, &error) == 0);
        assert_true(caps_plan(p, &h, false, &c, &error) == 0);
        assert_true(user_plan(p, &(struct id_mappings){ 0 }, &(struct id_mappings){ 0 }, &u,
                              &error) == 0);
        if (caps_child_before(&c, &error) < 0 || user_child(&u, &error) < 0 ||
            caps_child_after(&c, &error) < 0 || caps_child_check(&c, &error) < 0)
                assert_string_equal(error.text, "");
        /* the read-back notices any difference */
        c.bounding ^= BIT(CAP_MKNOD);
        assert_true(caps_child_check(&c, &error) == -1);
        assert_true(strncmp(error.text, "read-back: CapBnd is ", 21) == 0);
}

static void drop_all(void *arg)
{
        (void)arg;
        apply("", "{'uid': 0, 'gid': 0}");
}

static void keep_one(void *arg)
{
        struct __user_cap_data_struct data[2];

        (void)arg;
        apply("'bounding': ['CAP_CHOWN'], 'permitted': ['CAP_CHOWN'], 'effective': ['CAP_CHOWN'],"
              "'inheritable': ['CAP_CHOWN'], 'ambient': ['CAP_CHOWN']",
              "{'uid': 65534, 'gid': 65534}");
        assert_true(getuid() == 65534 && sys_capget(data) == 0);
        assert_true(data[0].effective == BIT(CAP_CHOWN));
}

static void a_process_gets_the_planned_sets(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(drop_all, NULL);
        IN_CHILD(keep_one, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_are_exact),
                cmocka_unit_test(the_command_line_may_be_lax),
                cmocka_unit_test(what_follows_a_name_makes_it_unknown),
                cmocka_unit_test(silence_means_no_capability),
                cmocka_unit_test(an_empty_bounding_set_locks_the_ways_back),
                cmocka_unit_test(sets_stay_within_each_other),
                cmocka_unit_test(ambient_needs_inheritable),
                cmocka_unit_test(only_what_is_held_is_given),
                cmocka_unit_test(what_cannot_be_granted_is_warned_of),
                cmocka_unit_test(no_new_privs_is_as_asked),
                cmocka_unit_test(a_process_gets_the_planned_sets),
        };

        return RUN(tests);
}
