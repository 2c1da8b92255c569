#include "unit.h"

#include "kenro/part/cgroup_delegate.h"

#define NAMESPACES "'namespaces': [{'type': 'mount'}, {'type': 'cgroup'}, {'type': 'user'}]"
#define JOINED                                                                                     \
        "'namespaces': [{'type': 'mount'}, {'type': 'cgroup'}, {'type': 'user', 'path': '/x'}]"
#define MAPPING "[{'containerID': 0, 'hostID': 5000, 'size': 100}]"
#define MAPPINGS ", 'uidMappings': " MAPPING ", 'gidMappings': " MAPPING
#define MOUNT(source, options)                                                                     \
        "'mounts': [{'destination': '/sys/fs/cgroup', 'type': 'cgroup', 'source': '" source        \
        "', 'options': [" options "]}]"
#define USER(uid) "'process': {'args': ['x'], 'cwd': '/', 'user': {'uid': " uid ", 'gid': 0}}"

static struct cgroup_delegate_plan plan(const char *process, const char *mounts, const char *linux_)
{
        struct cgroup_delegate_plan r;
        char text[1024];

        snprintf(text, sizeof(text), "%s, %s, 'linux': {%s}", process, mounts, linux_);
        cgroup_delegate_plan(test_spec(text), &r);
        return r;
}

static void the_program_owns_a_group_that_it_can_write_to(void **state)
{
        struct cgroup_delegate_plan r;

        (void)state;
        r = plan(USER("7"), MOUNT("cgroup", "'nosuid'"), NAMESPACES MAPPINGS);
        assert_true(r.wanted);
        assert_int_equal(r.uid, 5007);
        r = plan(USER("7"), MOUNT("cgroup", "'rw'"),
                 "'namespaces': [{'type': 'mount'}, {'type': 'cgroup'}]");
        assert_true(r.wanted);
        assert_int_equal(r.uid, 7);
}

static void nobody_owns_what_is_not_the_containers(void **state)
{
        const char *mount = MOUNT("cgroup", "'rw'");

        (void)state;
        assert_false(plan(USER("0"), mount, "'namespaces': [{'type': 'mount'}, {'type': 'cgroup'}]")
                             .wanted);
        assert_false(
                plan(USER("7"), MOUNT("cgroup", "'nosuid', 'ro'"), NAMESPACES MAPPINGS).wanted);
        assert_false(plan(USER("7"), MOUNT("/srv", "'bind'"), NAMESPACES MAPPINGS).wanted);
        assert_false(plan(USER("7"), "'mounts': []", NAMESPACES MAPPINGS).wanted);
        assert_false(plan(USER("7"), mount,
                          "'namespaces': [{'type': 'mount'}, {'type': 'user'}]" MAPPINGS)
                             .wanted);
        assert_false(
                plan(USER("7"), mount,
                     "'namespaces': [{'type': 'mount'}, {'type': 'cgroup', 'path': '/proc/1/ns/cgroup'}]")
                        .wanted);
        /* the host's 7 would be somebody else */
        assert_false(plan(USER("7"), mount, JOINED).wanted);
        assert_false(plan("'annotations': {}", mount, NAMESPACES MAPPINGS).wanted);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_program_owns_a_group_that_it_can_write_to),
                cmocka_unit_test(nobody_owns_what_is_not_the_containers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
