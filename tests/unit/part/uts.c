#include "child.h"

#include "kenro/part/uts.h"

#include <sys/utsname.h>

static struct err error;

#define UTS "'linux': {'namespaces': [{'type': 'uts'}]}"

static void names_are_taken_as_they_are(void **state)
{
        struct uts_plan r;

        (void)state;
        uts_plan(test_spec(UTS ", 'hostname': 'h', 'domainname': 'd.example'"), &r);
        assert_string_equal(r.hostname, "h");
        assert_string_equal(r.domainname, "d.example");
}

/* Docker sends an empty domain name. */
static void an_empty_name_is_none(void **state)
{
        struct uts_plan r;

        (void)state;
        uts_plan(test_spec(UTS ", 'hostname': '', 'domainname': ''"), &r);
        assert_null(r.hostname);
        assert_null(r.domainname);
        uts_plan(test_spec(UTS), &r);
        assert_null(r.hostname);
        assert_null(r.domainname);
}

static void rename_it(void *arg)
{
        const struct uts_plan one = { .hostname = "kenro-unit" }, two = { .domainname = "unit" };
        struct utsname before, after;

        (void)arg;
        child_unshare(CLONE_NEWUTS);
        assert_int_equal(uname(&before), 0);
        assert_int_equal(uts_child(&one, &error), 0);
        assert_int_equal(uname(&after), 0);
        assert_string_equal(after.nodename, "kenro-unit");
        assert_string_equal(after.domainname, before.domainname);
        assert_int_equal(uts_child(&two, &error), 0);
        assert_int_equal(uname(&after), 0);
        assert_string_equal(after.nodename, "kenro-unit");
        assert_string_equal(after.domainname, "unit");
}

static void each_name_is_set_alone(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(rename_it, NULL);
}

static void rename_without_power(void *arg)
{
        const struct uts_plan p = { .hostname = "kenro-unit" };

        (void)arg;
        child_unshare(CLONE_NEWUTS); /* so that a mistake renames nobody */
        assert_int_equal(sys_setresuid(65534), 0);
        assert_int_equal(uts_child(&p, &error), -1);
        assert_string_equal(error.text, "hostname: cannot set it: EPERM");
}

static void a_name_that_cannot_be_set_is_an_error(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(rename_without_power, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_are_taken_as_they_are),
                cmocka_unit_test(an_empty_name_is_none),
                cmocka_unit_test(each_name_is_set_alone),
                cmocka_unit_test(a_name_that_cannot_be_set_is_an_error),
        };

        return RUN(tests);
}
