#include "child.h"

#include "kenro/part/netdev.h"

static struct err error;
static struct netdev_plan plan;

static int make_plan(const char *devices, bool own)
{
        char text[1024];

        snprintf(text, sizeof(text), "'linux': {'netDevices': {%s}}", devices);
        memset(&error, 0, sizeof(error));
        return netdev_plan(test_spec(text), own, -1, test_arena(), &plan, &error);
}

#define REFUSES(devices, message)                                                                  \
        do {                                                                                       \
                assert_int_equal(make_plan(devices, true), -1);                                    \
                assert_string_equal(error.text, "linux.netDevices" message);                       \
        } while (0)

static void without_devices_nothing_is_needed(void **state)
{
        (void)state;
        assert_int_equal(make_plan("", false), 0);
        assert_int_equal(plan.n, 0);
}

static void the_hosts_namespace_is_no_place_to_move_to(void **state)
{
        (void)state;
        assert_int_equal(make_plan("'eth0': {}", false), -1);
        assert_string_equal(error.text, "linux.netDevices: needs a network namespace of the "
                                        "container's own in linux.namespaces");
}

static void a_name_is_what_the_kernel_takes(void **state)
{
        static const char *const bad[] = { ".",   "..",    "a/b",       "a:b",
                                           "a b", "a\\tb", "a\\u000bb", "%",
                                           "%s",  "%d%d",  "a%dx%s",    "sixteen-bytes-xx" };
        char text[100];

        (void)state;
        for (size_t i = 0; i < COUNT(bad); i++) {
                snprintf(text, sizeof(text), "'eth0': {'name': '%s'}", bad[i]);
                assert_int_equal(make_plan(text, true), -1);
                if (!strstr(error.text, "is no name for a network device"))
                        fail_msg("%s: %s", bad[i], error.text);
        }
        REFUSES("'': {}", ".: '' is no name for a network device");
        REFUSES("'x%d': {}", ".x%d: 'x%d' is no name for a network device");
        REFUSES("'e': {'name': '..'}", ".e: name: '..' is no name for a network device");
}

static void two_devices_do_not_get_one_name(void **state)
{
        (void)state;
        REFUSES("'a': {'name': 'c'}, 'b': {'name': 'c'}", ".b: 'c' is already the name of a");
        REFUSES("'a': {'name': 'b'}, 'b': {}", ".b: 'b' is already the name of a");
}

static void look(void *arg)
{
        (void)arg;
        child_unshare(CLONE_NEWNET);
        REFUSES("'lo': {'name': 'x'}", ".lo: a loopback device cannot be moved");
        REFUSES("'nosuch': {}", ".nosuch: the host has no such network device");
        /* the names are good: fifteen bytes, a template, twice the same template */
        REFUSES("'nosuch': {'name': 'fifteen-bytes-x'}", ".nosuch: the host has no such network "
                                                         "device");
        REFUSES("'a': {'name': 'x%d'}, 'b': {'name': 'x%d'}", ".a: the host has no such network "
                                                              "device");
        REFUSES("'nosuch': {'name': ''}", ".nosuch: the host has no such network device");
}

static void a_device_that_is_not_there_is_named(void **state)
{
        (void)state;
        NEEDS_ROOT();
        IN_CHILD(look, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(without_devices_nothing_is_needed),
                cmocka_unit_test(the_hosts_namespace_is_no_place_to_move_to),
                cmocka_unit_test(a_name_is_what_the_kernel_takes),
                cmocka_unit_test(two_devices_do_not_get_one_name),
                cmocka_unit_test(a_device_that_is_not_there_is_named),
        };

        return RUN(tests);
}
