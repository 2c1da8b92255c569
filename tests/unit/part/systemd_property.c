#include "unit.h"

#include "kenro/part/systemd.h"

static struct err error;

/* "NAME TYPE VALUE VALUE; NAME ..." of the limits, "FILE=VALUE" one a line. */
static const char *converted(const char *lines, bool running, bool bfq)
{
        static char text[4096];
        struct json_pair pairs[8];
        struct pairs limits = { pairs, 0 };
        const struct systemd_input in = { .limits = &limits, .bfq = bfq };
        struct systemd_properties p = { 0 };
        char *copy = arena_strndup(test_arena(), lines, strlen(lines), &error), *line;
        size_t len = 0;

        while ((line = strsep(&copy, "\n")) != NULL) {
                char *value = strchr(line, '=');

                *value++ = '\0';
                pairs[limits.n++] = (struct json_pair){ line, value };
        }
        if (systemd_limits(&in, running, test_arena(), &p, &error) < 0)
                return NULL;
        text[0] = '\0';
        for (size_t i = 0; i < p.n; i++) {
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s", i ? "; " : "",
                                        p.v[i].name, p.v[i].type);
                for (size_t k = 0; k < p.v[i].list.n; k++)
                        len += (size_t)snprintf(text + len, sizeof(text) - len, " %s",
                                                p.v[i].list.v[k]);
        }
        return text;
}

#define CONVERTS(lines, properties) assert_string_equal(converted(lines, false, false), properties)

static void memory_is_in_bytes_and_max_is_infinity(void **state)
{
        (void)state;
        CONVERTS("memory.max=268435456", "MemoryMax t 268435456");
        CONVERTS("memory.max=max", "MemoryMax t 18446744073709551615");
        CONVERTS("memory.low=1\nmemory.min=2\nmemory.high=3\nmemory.swap.max=0",
                 "MemoryLow t 1; MemoryMin t 2; MemoryHigh t 3; MemorySwapMax t 0");
        CONVERTS("memory.high=512M", "MemoryHigh t 536870912"); /* as the kernel reads it */
        CONVERTS("memory.high=010k", "MemoryHigh t 8192");
        CONVERTS("memory.max=0", "MemoryMax t 1"); /* systemd takes no 0 */
        CONVERTS("pids.max=64", "TasksMax t 64");
        CONVERTS("pids.max=max", "TasksMax t 18446744073709551615");
}

static void a_quota_is_rounded_up_to_a_hundredth_of_a_cpu(void **state)
{
        (void)state;
        CONVERTS("cpu.max=50000 100000",
                 "CPUQuotaPeriodUSec t 100000; CPUQuotaPerSecUSec t 500000");
        CONVERTS("cpu.max=50001 100000",
                 "CPUQuotaPeriodUSec t 100000; CPUQuotaPerSecUSec t 510000");
        CONVERTS("cpu.max=1000 1000000",
                 "CPUQuotaPeriodUSec t 1000000; CPUQuotaPerSecUSec t 10000");
        CONVERTS("cpu.max=150000", "CPUQuotaPerSecUSec t 1500000");
        CONVERTS("cpu.max=max 50000",
                 "CPUQuotaPeriodUSec t 50000; CPUQuotaPerSecUSec t 18446744073709551615");
        assert_null(converted("cpu.max=1 0", false, false));
        assert_null(converted("cpu.max=18446744073709551 100000", false, false));
}

static void idle_is_a_weight_of_nothing(void **state)
{
        (void)state;
        CONVERTS("cpu.weight=59", "CPUWeight t 59");
        CONVERTS("cpu.idle=1", "CPUWeight t 0");
        CONVERTS("cpu.idle=0", "");
        CONVERTS("cpu.idle=0\ncpu.weight=59", "CPUWeight t 59");
        assert_string_equal(converted("cpu.idle=0", true, false),
                            "CPUWeight t 18446744073709551615"); /* back to the usual one */
        assert_string_equal(converted("cpu.weight=59\ncpu.idle=0", true, false), "CPUWeight t 59");
}

static void niceness_is_a_weight(void **state)
{
        (void)state;
        CONVERTS("cpu.weight.nice=0", "CPUWeight t 100");
        CONVERTS("cpu.weight.nice=-20", "CPUWeight t 8668");
        CONVERTS("cpu.weight.nice=19", "CPUWeight t 1");
        assert_null(converted("cpu.weight.nice=20", false, false));
        assert_null(converted("cpu.weight.nice=-21", false, false));
        assert_null(converted("cpu.weight.nice=", false, false));
        assert_null(converted("cpu.weight.nice=5x", false, false));
}

static void lists_of_cpus_are_bits(void **state)
{
        (void)state;
        CONVERTS("cpuset.cpus=0-3,7", "AllowedCPUs ay 8f");
        CONVERTS("cpuset.cpus=8", "AllowedCPUs ay 0001");
        CONVERTS("cpuset.cpus=65", "AllowedCPUs ay 000000000000000002");
        CONVERTS("cpuset.mems=0", "AllowedMemoryNodes ay 01");
        assert_null(converted("cpuset.cpus=x", false, false));
        assert_true(strstr(error.text, "cpuset.cpus: 'x' is not a list"));
}

static void weights_are_in_the_scale_of_the_file_that_is_there(void **state)
{
        const char *both = "io.bfq.weight=500\nio.weight=4950";

        (void)state;
        CONVERTS(both, "IOWeight t 4950");
        assert_string_equal(converted(both, false, true), "IOWeight t 4500");
        assert_string_equal(converted("io.bfq.weight=100", false, true), "IOWeight t 100");
        assert_string_equal(converted("io.bfq.weight=1000", false, true), "IOWeight t 10000");
        CONVERTS("io.weight=default 200", "IOWeight t 200");
        CONVERTS("io.weight=8:0 300\nio.weight=8:16 400",
                 "IODeviceWeight a(st) /dev/block/8:0 300 /dev/block/8:16 400");
        CONVERTS("io.weight=8:0 default", "");
}

static void throttles_are_lists_of_devices(void **state)
{
        (void)state;
        CONVERTS("io.max=8:0 rbps=1048576 wiops=max\nio.max=8:16 rbps=1",
                 "IOReadBandwidthMax a(st) /dev/block/8:0 1048576 /dev/block/8:16 1; "
                 "IOWriteIOPSMax a(st) /dev/block/8:0 18446744073709551615");
        CONVERTS("io.max=8:0 wbps=5 riops=6", "IOWriteBandwidthMax a(st) /dev/block/8:0 5; "
                                              "IOReadIOPSMax a(st) /dev/block/8:0 6");
        assert_null(converted("io.max=8:0 rbps=x", false, false));
}

static void a_policy_for_oom_is_for_new_units_only(void **state)
{
        (void)state;
        CONVERTS("memory.oom.group=1", "OOMPolicy s kill");
        CONVERTS("memory.oom.group=0", "OOMPolicy s continue");
        assert_string_equal(converted("memory.oom.group=1", true, false), "");
}

static void the_last_write_of_a_file_holds(void **state)
{
        (void)state;
        CONVERTS("memory.high=1\nmemory.high=2", "MemoryHigh t 2");
        CONVERTS("cpu.weight=5\ncpu.weight=6", "CPUWeight t 6");
}

static void what_systemd_does_not_know_has_no_property(void **state)
{
        (void)state;
        CONVERTS("hugetlb.2MB.max=0\ncpu.max.burst=5\nrdma.max=mlx5_1 hca_handle=2", "");
}

static void a_value_that_is_no_number_is_refused(void **state)
{
        static const char *const bad[] = { "",          "x",   "-1",
                                           "1x",        "1KB", "99999999999999999999",
                                           "16777216E", "1 2" };

        (void)state;
        for (size_t i = 0; i < COUNT(bad); i++) {
                char line[64];

                snprintf(line, sizeof(line), "memory.high=%s", bad[i]);
                if (converted(line, false, false))
                        fail_msg("'%s' is taken", bad[i]);
                assert_true(strstr(error.text, "memory.high: '"));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(memory_is_in_bytes_and_max_is_infinity),
                cmocka_unit_test(a_quota_is_rounded_up_to_a_hundredth_of_a_cpu),
                cmocka_unit_test(idle_is_a_weight_of_nothing),
                cmocka_unit_test(niceness_is_a_weight),
                cmocka_unit_test(lists_of_cpus_are_bits),
                cmocka_unit_test(weights_are_in_the_scale_of_the_file_that_is_there),
                cmocka_unit_test(throttles_are_lists_of_devices),
                cmocka_unit_test(a_policy_for_oom_is_for_new_units_only),
                cmocka_unit_test(the_last_write_of_a_file_holds),
                cmocka_unit_test(what_systemd_does_not_know_has_no_property),
                cmocka_unit_test(a_value_that_is_no_number_is_refused),
        };

        return RUN(tests);
}
