#include "unit.h"

#include "kenro/part/cgroup_limit.h"
#include "kenro/spec/spec_fields.h"

/* A tree with the controllers that a test names. */
static char path[] = "/tmp/kenro-unit-limit-XXXXXX";
static struct host_cgroup host = { .fd = -1 };
static struct err error;

static int set_up(void **state)
{
        (void)state;
        if (!mkdtemp(path))
                return -1;
        snprintf(host.mount, sizeof(host.mount), "%s", path);
        host.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return host.fd < 0;
}

static int tear_down(void **state)
{
        (void)state;
        unlinkat(host.fd, "cgroup.controllers", 0);
        close(host.fd);
        return rmdir(path);
}

static int limit(const char *controllers, const char *json)
{
        int fd = openat(host.fd, "cgroup.controllers", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                        0600);
        struct json_source src = { "r", json, strlen(json), test_arena(), false };
        struct spec_resources r = { 0 };

        assert_int_equal(write(fd, controllers, strlen(controllers)), strlen(controllers));
        close(fd);
        if (json_decode(&src, &spec_resources_shape, &r, &error) < 0)
                fail_msg("%s", error.text);
        return cgroup_limit_parent(&r, &host, &error);
}

static void what_asks_for_nothing_needs_no_controller(void **state)
{
        (void)state;
        assert_int_equal(limit("", "{}"), 0);
        assert_int_equal(limit("\n",
                               "{\"memory\":{},\"cpu\":{\"cpus\":\"\",\"shares\":0,\"quota\":0},"
                               "\"blockIO\":{\"weight\":0},\"devices\":[]}"),
                         0);
}

static void no_limit_is_what_a_missing_controller_gives(void **state)
{
        (void)state;
        assert_int_equal(limit("cpuset\n", "{\"memory\":{\"limit\":-1,\"swap\":-1},"
                                           "\"cpu\":{\"quota\":-1},\"pids\":{\"limit\":-1}}"),
                         0);
        /* where it is there, a file would have to be written */
        assert_int_equal(limit("pids\n", "{\"pids\":{\"limit\":-1}}"), -1);
        assert_string_equal(error.text, "pids.limit: not supported yet");
}

static void a_missing_controller_is_named(void **state)
{
        static const struct {
                const char *json, *path, *controller;
        } rows[] = {
                { "{\"memory\":{\"limit\":1}}", "memory.limit", "memory" },
                { "{\"memory\":{\"reservation\":1}}", "memory.reservation", "memory" },
                { "{\"memory\":{\"swap\":1}}", "memory.swap", "memory" },
                { "{\"cpu\":{\"shares\":5}}", "cpu.shares", "cpu" },
                { "{\"cpu\":{\"idle\":1}}", "cpu.idle", "cpu" },
                { "{\"cpu\":{\"mems\":\"0\"}}", "cpu.mems", "cpuset" },
                { "{\"pids\":{\"limit\":0}}", "pids.limit", "pids" },
                { "{\"blockIO\":{\"weight\":10}}", "blockIO.weight", "io" },
                { "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":0}]}", "hugepageLimits",
                  "hugetlb" },
                { "{\"rdma\":{\"mlx5\":{\"hcaHandles\":1}}}", "rdma", "rdma" },
                { "{\"unified\":{\"memory.high\":\"1\"}}", "unified.memory.high", "memory" },
        };
        char text[256];

        (void)state;
        for (size_t i = 0; i < COUNT(rows); i++) {
                assert_int_equal(limit("misc cpusets xmemory\n", rows[i].json), -1);
                snprintf(text, sizeof(text), "%s: the cgroup2 tree at %s lacks the controller '%s'",
                         rows[i].path, path, rows[i].controller);
                assert_string_equal(error.text, text);
                assert_non_null(strstr(error.hint, "cgroup_no_v1=all"));
                /* nothing is left unsaid where it is there */
                snprintf(text, sizeof(text), "misc %s\n", rows[i].controller);
                assert_int_equal(limit(text, rows[i].json), -1);
                assert_non_null(strstr(error.text, ": not supported yet"));
        }
}

static void what_version_2_does_not_have_is_said(void **state)
{
        static const char *const rows[] = {
                "{\"cpu\":{\"realtimePeriod\":1}}",
                "{\"memory\":{\"swappiness\":1}}",
                "{\"memory\":{\"disableOOMKiller\":true}}",
                "{\"blockIO\":{\"leafWeight\":1}}",
                "{\"network\":{\"classID\":1}}",
        };

        (void)state;
        for (size_t i = 0; i < COUNT(rows); i++) {
                assert_int_equal(limit("cpu memory io\n", rows[i]), -1);
                assert_non_null(strstr(error.text, ": cgroup version 2 has nothing like it"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_asks_for_nothing_needs_no_controller),
                cmocka_unit_test(no_limit_is_what_a_missing_controller_gives),
                cmocka_unit_test(a_missing_controller_is_named),
                cmocka_unit_test(what_version_2_does_not_have_is_said),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
