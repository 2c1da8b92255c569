#include "unit.h"

#include "kenro/part/cgroup_stats.h"

/* A directory with the files that a group has. */
static char path[] = "/tmp/kenro-unit-stats-XXXXXX";
static int dir = -1;

static int set_up(void **state)
{
        (void)state;
        if (!mkdtemp(path))
                return -1;
        dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return dir < 0;
}

static void put(const char *name, const char *text)
{
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static int forget(const char *name, const struct stat *st, int type, struct FTW *at)
{
        (void)st;
        (void)type;
        return at->level ? remove(name) : 0;
}

static int clear(void **state)
{
        (void)state;
        return nftw(path, forget, 8, FTW_DEPTH);
}

static int tear_down(void **state)
{
        (void)clear(state);
        close(dir);
        return rmdir(path);
}

static void expect(const char *json)
{
        struct json_out o;
        struct err e;
        size_t len;

        assert_int_equal(json_out_init(&o, false, &e), 0);
        cgroup_stats_write(dir, &o);
        assert_string_equal(json_text(&o, &len, &e), json);
        json_out_release(&o);
}

static void what_is_not_there_is_left_out(void **state)
{
        (void)state;
        expect("{\"network_interfaces\":null}");
}

static void cpu_times_are_nanoseconds(void **state)
{
        (void)state;
        put("cpu.stat", "usage_usec 30916\nuser_usec 18550\nsystem_usec 12366\nnr_periods 10\n"
                        "nr_throttled 2\nthrottled_usec 41000\n");
        expect("{\"cpu\":{\"usage\":{\"total\":30916000,\"kernel\":12366000,\"user\":18550000},"
               "\"throttling\":{\"periods\":10,\"throttledPeriods\":2,\"throttledTime\":41000000}},"
               "\"network_interfaces\":null}");
}

static void swap_is_memory_and_swap_together(void **state)
{
        (void)state;
        put("memory.current", "1000\n");
        put("memory.max", "5000\n");
        put("memory.peak", "2000\n");
        put("memory.events", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 4\n");
        put("memory.swap.current", "10\n");
        put("memory.swap.max", "50\n");
        put("memory.stat", "anon 900\nfile 40\nkernel_stack 1\ninactive_file 7\n");
        expect("{\"memory\":{\"cache\":40,"
               "\"usage\":{\"limit\":5000,\"usage\":1000,\"max\":2000,\"failcnt\":3},"
               "\"swap\":{\"limit\":5050,\"usage\":1010,\"failcnt\":0},"
               "\"kernel\":{\"limit\":0,\"usage\":0,\"failcnt\":0},"
               "\"kernelTCP\":{\"limit\":0,\"usage\":0,\"failcnt\":0},"
               "\"raw\":{\"anon\":900,\"file\":40,\"kernel_stack\":1,\"inactive_file\":7}},"
               "\"network_interfaces\":null}");
        assert_int_equal(cgroup_stats_oom_kills(dir), 4);
        assert_true(cgroup_stats_memory_refused(dir));
        put("memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
        assert_false(cgroup_stats_memory_refused(dir));
}

static void no_limit_is_the_largest_integer(void **state)
{
        (void)state;
        put("pids.current", "3\n");
        put("pids.max", "max\n");
        expect("{\"pids\":{\"current\":3,\"limit\":18446744073709551615},"
               "\"network_interfaces\":null}");
        put("memory.current", "1\n");
        put("memory.max", "max\n");
        put("memory.swap.max", "50\n");
        expect("{\"memory\":{\"cache\":0,"
               "\"usage\":{\"limit\":18446744073709551615,\"usage\":1,\"max\":0,\"failcnt\":0},"
               "\"swap\":{\"limit\":18446744073709551615,\"usage\":1,\"failcnt\":0},"
               "\"kernel\":{\"limit\":0,\"usage\":0,\"failcnt\":0},"
               "\"kernelTCP\":{\"limit\":0,\"usage\":0,\"failcnt\":0},\"raw\":{}},"
               "\"pids\":{\"current\":3,\"limit\":18446744073709551615},"
               "\"network_interfaces\":null}");
}

static void every_device_reads_and_writes(void **state)
{
        (void)state;
        put("io.stat", "8:0 rbytes=4096 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n"
                       "253:1 rbytes=1 wbytes=2 rios=3 wios=4\n7:0 \n");
        expect("{\"blkio\":{\"ioServiceBytesRecursive\":["
               "{\"major\":8,\"minor\":0,\"op\":\"Read\",\"value\":4096},"
               "{\"major\":8,\"minor\":0,\"op\":\"Write\",\"value\":0},"
               "{\"major\":253,\"minor\":1,\"op\":\"Read\",\"value\":1},"
               "{\"major\":253,\"minor\":1,\"op\":\"Write\",\"value\":2}],"
               "\"ioServicedRecursive\":["
               "{\"major\":8,\"minor\":0,\"op\":\"Read\",\"value\":1},"
               "{\"major\":8,\"minor\":0,\"op\":\"Write\",\"value\":0},"
               "{\"major\":253,\"minor\":1,\"op\":\"Read\",\"value\":3},"
               "{\"major\":253,\"minor\":1,\"op\":\"Write\",\"value\":4}]},"
               "\"network_interfaces\":null}");
}

static void every_page_size_is_told_once(void **state)
{
        (void)state;
        put("hugetlb.2MB.current", "4194304\n");
        put("hugetlb.2MB.max", "max\n");
        put("hugetlb.2MB.events", "max 5\n");
        put("hugetlb.2MB.rsvd.current", "1\n");
        expect("{\"hugetlb\":{\"2MB\":{\"usage\":4194304,\"max\":18446744073709551615,"
               "\"failcnt\":5}},\"network_interfaces\":null}");
}

#define TEST(f) cmocka_unit_test_teardown(f, clear)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(what_is_not_there_is_left_out),    TEST(cpu_times_are_nanoseconds),
                TEST(swap_is_memory_and_swap_together), TEST(no_limit_is_the_largest_integer),
                TEST(every_device_reads_and_writes),    TEST(every_page_size_is_told_once),
        };

        return cmocka_run_group_tests_name(__FILE__, tests, set_up, tear_down);
}
