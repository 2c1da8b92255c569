#include "unit.h"

#include "kenro/policy/fill.h"

#include <errno.h>
#include <linux/seccomp.h>

static struct err error;

/* A container with the capability CAP_SYS_ADMIN and these device rules. */
static struct spec *with_rules(const char *rules)
{
        char text[1024];

        snprintf(text, sizeof(text),
                 "'linux': {'resources': {'devices': [%s]}}, 'process': {'args': ['sh'],"
                 "'cwd': '/', 'capabilities': {'bounding': ['CAP_CHOWN', 'CAP_SYS_ADMIN']}}",
                 rules);
        return test_spec(text);
}

#define ALLOW_ALL "{'allow': true, 'access': 'rwm'}"
#define DENY_ALL "{'allow': false, 'access': 'rwm'}"

static void a_missing_profile_becomes_the_built_in_one(void **state)
{
        struct spec *s = test_spec("'linux': {}, 'process': {'args': ['sh'], 'cwd': '/'}");

        (void)state;
        assert_int_equal(fill_spec(s, test_arena(), &error), 0);
        assert_non_null(s->linux_->seccomp);
        assert_int_equal(s->linux_->seccomp->default_action.v, SECCOMP_RET_ERRNO);
        assert_int_equal(s->linux_->seccomp->default_errno_ret.v, ENOSYS);
        assert_true(s->linux_->seccomp->syscalls.n > 0);
}

static void a_profile_that_is_given_stays(void **state)
{
        struct spec *s = test_spec("'linux': {'seccomp': {'defaultAction': 'SCMP_ACT_ALLOW'}},"
                                   "'process': {'args': ['sh'], 'cwd': '/'}");
        struct spec_seccomp *given = s->linux_->seccomp;

        (void)state;
        assert_int_equal(fill_spec(s, test_arena(), &error), 0);
        assert_ptr_equal(s->linux_->seccomp, given);
        assert_int_equal(given->syscalls.n, 0);
}

static void a_privileged_container_gets_no_filter(void **state)
{
        struct spec *s = with_rules(ALLOW_ALL);

        (void)state;
        assert_int_equal(fill_spec(s, test_arena(), &error), 0);
        assert_null(s->linux_->seccomp);
}

/* An exec may bring one. */
static void without_a_process_there_is_a_filter_too(void **state)
{
        struct spec *s = test_spec("'linux': {}");

        (void)state;
        assert_int_equal(fill_spec(s, test_arena(), &error), 0);
        assert_non_null(s->linux_->seccomp);
        assert_false(fill_is_privileged(s));
}

static void privileged_means_all_devices_and_the_power_to_mount(void **state)
{
        (void)state;
        assert_true(fill_is_privileged(with_rules(ALLOW_ALL)));
        assert_true(fill_is_privileged(with_rules(DENY_ALL "," ALLOW_ALL)));
        assert_true(fill_is_privileged(with_rules(
                "{'allow': true, 'type': 'a', 'major': -1, 'minor': -1, 'access': 'rwm'}")));
        /* what is allowed again was allowed before */
        assert_true(fill_is_privileged(with_rules(ALLOW_ALL ", {'allow': true, 'access': 'r'}")));
        assert_false(fill_is_privileged(with_rules(ALLOW_ALL ", {'allow': false, 'access': 'm'}")));
        assert_false(fill_is_privileged(with_rules("")));
        assert_false(fill_is_privileged(with_rules(DENY_ALL)));
        assert_false(fill_is_privileged(with_rules(ALLOW_ALL "," DENY_ALL)));
        assert_false(
                fill_is_privileged(with_rules("{'allow': true, 'type': 'c', 'access': 'rwm'}")));
        assert_false(
                fill_is_privileged(with_rules("{'allow': true, 'major': 10, 'access': 'rwm'}")));
        assert_false(
                fill_is_privileged(with_rules("{'allow': true, 'minor': 0, 'access': 'rwm'}")));
        assert_false(fill_is_privileged(
                test_spec("'linux': {'resources': {'devices': [" ALLOW_ALL "]}},"
                          "'process': {'args': ['sh'], 'cwd': '/', 'capabilities': {"
                          "'bounding': ['CAP_CHOWN'], 'effective': ['CAP_SYS_ADMIN']}}")));
        assert_false(
                fill_is_privileged(test_spec("'linux': {'resources': {'devices': [" ALLOW_ALL "]}},"
                                             "'process': {'args': ['sh'], 'cwd': '/'}")));
}

/* Such a rule allows no more than to make nodes, or to read, or nothing. */
static void a_part_of_the_access_makes_nobody_privileged(void **state)
{
        struct spec *s = with_rules(ALLOW_ALL);

        (void)state;
        assert_false(fill_is_privileged(with_rules("{'allow': true, 'access': 'm'}")));
        assert_false(fill_is_privileged(with_rules("{'allow': true, 'access': 'r'}")));
        s->linux_->resources->devices.v[0].access = NULL;
        assert_false(fill_is_privileged(s));
        s->linux_->resources->devices.v[0].access = "";
        assert_false(fill_is_privileged(s));
}

static struct spec_process *exec_in(const char *process, const char *container)
{
        struct spec_process *p = test_process(process);

        assert_int_equal(fill_exec(p, test_process(container), test_arena(), &error), 0);
        return p;
}

static void an_exec_has_no_capability_beyond_its_containers(void **state)
{
        static const char want[] =
                "'capabilities': {'bounding': ['CAP_KILL', 'CAP_SYS_ADMIN', 'CAP_CHOWN'],"
                "'permitted': ['CAP_SYS_ADMIN', 'CAP_CHOWN'], 'effective': ['CAP_SYS_ADMIN'],"
                "'inheritable': ['CAP_KILL', 'CAP_SYS_ADMIN'], 'ambient': ['CAP_SYS_ADMIN']}";
        /* the bounding set counts: what is not effective now can become so */
        static const char have[] = "'capabilities': {'bounding': ['CAP_CHOWN', 'CAP_KILL'],"
                                   "'effective': ['CAP_SYS_ADMIN']}";
        const struct spec_capabilities *c = exec_in(want, have)->capabilities;

        (void)state;
        assert_int_equal(c->bounding.n, 2);
        assert_string_equal(c->bounding.v[0], "CAP_KILL");
        assert_string_equal(c->bounding.v[1], "CAP_CHOWN");
        assert_int_equal(c->permitted.n, 1);
        assert_string_equal(c->permitted.v[0], "CAP_CHOWN");
        assert_int_equal(c->effective.n, 0);
        assert_int_equal(c->inheritable.n, 1);
        assert_string_equal(c->inheritable.v[0], "CAP_KILL");
        assert_int_equal(c->ambient.n, 0);
}

static void an_exec_in_a_container_without_capabilities_has_none(void **state)
{
        const struct spec_capabilities *c = exec_in("'capabilities': {'bounding': ['CAP_CHOWN'],"
                                                    "'effective': ['CAP_CHOWN']}",
                                                    "")
                                                    ->capabilities;

        (void)state;
        assert_int_equal(c->bounding.n, 0);
        assert_int_equal(c->effective.n, 0);
        assert_null(exec_in("", "'capabilities': {'bounding': ['CAP_CHOWN']}")->capabilities);
}

static void an_exec_cannot_take_no_new_privs_back(void **state)
{
        (void)state;
        assert_true(exec_in("", "'noNewPrivileges': true")->no_new_privileges);
        assert_true(
                exec_in("'noNewPrivileges': false", "'noNewPrivileges': true")->no_new_privileges);
        assert_true(exec_in("'noNewPrivileges': true", "")->no_new_privileges);
        assert_false(exec_in("", "")->no_new_privileges);
}

static void an_exec_without_a_label_has_its_containers(void **state)
{
        const char *have = "'apparmorProfile': 'p', 'selinuxLabel': 'a:b:c',"
                           "'execCPUAffinity': {'final': '1'}";
        struct spec_process *p = exec_in("", have);

        (void)state;
        assert_string_equal(p->apparmor_profile, "p");
        assert_string_equal(p->selinux_label, "a:b:c");
        assert_string_equal(p->exec_cpu_affinity->final, "1");
        p = exec_in("'apparmorProfile': '', 'selinuxLabel': ''", have);
        assert_string_equal(p->apparmor_profile, "p");
        assert_string_equal(p->selinux_label, "a:b:c");
        p = exec_in("'apparmorProfile': 'q', 'selinuxLabel': 'd:e:f',"
                    "'execCPUAffinity': {'final': '2'}",
                    have);
        assert_string_equal(p->apparmor_profile, "q");
        assert_string_equal(p->selinux_label, "d:e:f");
        assert_string_equal(p->exec_cpu_affinity->final, "2");
        assert_null(exec_in("", "")->apparmor_profile);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_missing_profile_becomes_the_built_in_one),
                cmocka_unit_test(a_profile_that_is_given_stays),
                cmocka_unit_test(a_privileged_container_gets_no_filter),
                cmocka_unit_test(without_a_process_there_is_a_filter_too),
                cmocka_unit_test(privileged_means_all_devices_and_the_power_to_mount),
                cmocka_unit_test(a_part_of_the_access_makes_nobody_privileged),
                cmocka_unit_test(an_exec_has_no_capability_beyond_its_containers),
                cmocka_unit_test(an_exec_in_a_container_without_capabilities_has_none),
                cmocka_unit_test(an_exec_cannot_take_no_new_privs_back),
                cmocka_unit_test(an_exec_without_a_label_has_its_containers),
        };

        return RUN(tests);
}
