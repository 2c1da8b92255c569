#include "unit.h"

#include "kenro/part/cgroup_limit.h"
#include "kenro/spec/spec_fields.h"

#include <math.h>

static struct err error;

static struct spec_resources *decode(const char *json)
{
        struct arena *a = test_arena();
        char *text = arena_printf(a, &error, "%s", json);
        struct json_source src = { "r", text, strlen(text), a, false };
        struct spec_resources *r = ARENA_NEW(a, struct spec_resources, 1, &error);

        for (char *c = text; *c; c++)
                if (*c == '\'')
                        *c = '"';
        if (json_decode(&src, &spec_resources_shape, r, &error) < 0)
                fail_msg("%s", error.text);
        return r;
}

static struct cgroup_limit_plan plan_of(struct cgroup_limit_input in, const char *json)
{
        struct cgroup_limit_plan r;

        in.resources = decode(json);
        error.text[0] = '\0';
        if (cgroup_limit_plan(&in, test_arena(), &r, &error) < 0)
                fail_msg("%s: %s", json, error.text);
        return r;
}

/* "FILE=VALUE;..."; "?" stands before what is only lifted. */
static const char *text_of(const struct cgroup_limit_plan *p)
{
        static char r[2048];
        size_t len = 0;

        r[0] = '\0';
        for (size_t i = 0; i < p->n; i++)
                len += (size_t)snprintf(r + len, sizeof(r) - len, "%s%s%s=%s", i ? ";" : "",
                                        p->v[i].flags & LIMIT_LIFTED ? "?" : "", p->v[i].file,
                                        p->v[i].value);
        return r;
}

static const char *limits(const char *json)
{
        struct cgroup_limit_plan p = plan_of((struct cgroup_limit_input){ 0 }, json);

        return text_of(&p);
}

static const char *refused(const char *json)
{
        struct cgroup_limit_input in = { .resources = decode(json) };
        struct cgroup_limit_plan p;

        if (cgroup_limit_plan(&in, test_arena(), &p, &error) == 0)
                fail_msg("%s is not refused: %s", json, text_of(&p));
        return error.text;
}

struct row {
        const char *json, *text;
};

static void each_limit_is(const struct row *rows, size_t n)
{
        for (size_t i = 0; i < n; i++)
                assert_string_equal(limits(rows[i].json), rows[i].text);
}

static void each_is_refused(const struct row *rows, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                char *text = arena_printf(test_arena(), &error, "linux.resources.%s", rows[i].text);

                assert_string_equal(refused(rows[i].json), text);
        }
}

static void what_asks_for_nothing_writes_nothing(void **state)
{
        struct cgroup_limit_input none = { 0 };
        struct cgroup_limit_plan p = { .n = 1 };

        (void)state;
        assert_string_equal(limits("{}"), "");
        assert_string_equal(
                limits("{'memory':{'limit':0,'swap':0,'reservation':0,'kernel':0,'kernelTCP':-1,"
                       "'swappiness':0,'disableOOMKiller':false,'useHierarchy':false},"
                       "'cpu':{'shares':0,'quota':0,'period':0,'burst':0,'cpus':'','mems':'',"
                       "'realtimeRuntime':0,'realtimePeriod':0},'blockIO':{'weight':0,"
                       "'leafWeight':0,'weightDevice':[],'throttleReadBpsDevice':[]},'pids':{},"
                       "'hugepageLimits':[],'network':{'classID':0,'priorities':[]},'rdma':{},"
                       "'unified':{},'devices':[{'allow':false,'access':'rwm'}]}"),
                "");
        assert_string_equal(limits("{'memory':{},'cpu':{},'blockIO':{},'network':{}}"), "");
        assert_int_equal(cgroup_limit_plan(&none, test_arena(), &p, &error), 0);
        assert_int_equal(p.n, 0);
        assert_null(cgroup_limit_first(&p));
}

static void memory_and_swap(void **state)
{
        static const struct row rows[] = {
                { "{'memory':{'limit':268435456}}", "memory.max=268435456" },
                { "{'memory':{'limit':-1}}", "?memory.max=max" },
                { "{'memory':{'reservation':4096}}", "memory.low=4096" },
                { "{'memory':{'reservation':-1}}", "?memory.low=max" },
                { "{'memory':{'limit':100,'swap':300}}", "memory.max=100;memory.swap.max=200" },
                { "{'memory':{'limit':100,'swap':100}}", "memory.max=100;?memory.swap.max=0" },
                { "{'memory':{'limit':100,'swap':0}}", "memory.max=100" },
                { "{'memory':{'limit':100,'swap':-1}}", "memory.max=100;?memory.swap.max=max" },
                { "{'memory':{'limit':-1,'swap':-1}}", "?memory.max=max;?memory.swap.max=max" },
                { "{'memory':{'limit':9223372036854775807,'swap':9223372036854775807}}",
                  "memory.max=9223372036854775807;?memory.swap.max=0" },
        };
        static const struct row wrong[] = {
                { "{'memory':{'limit':-2}}",
                  "memory.limit: -2 is neither a number of bytes nor -1" },
                { "{'memory':{'swap':-9}}", "memory.swap: -9 is neither a number of bytes nor -1" },
                { "{'memory':{'swap':5}}",
                  "memory.swap: 5 without memory.limit, which is a part of it" },
                { "{'memory':{'swap':5,'limit':-1}}",
                  "memory.swap: 5 without memory.limit, which is a part of it" },
                { "{'memory':{'swap':5,'limit':6}}",
                  "memory.swap: 5 is less than memory.limit, 6, which is a part of it" },
        };

        (void)state;
        each_limit_is(rows, COUNT(rows));
        each_is_refused(wrong, COUNT(wrong));
}

static void usage_is_checked_if_asked_for(void **state)
{
        const struct cgroup_limit_input in = { 0 };

        (void)state;
        assert_false(plan_of(in, "{'memory':{'limit':1}}").check_usage);
        assert_true(plan_of(in, "{'memory':{'limit':1,'checkBeforeUpdate':true}}").check_usage);
}

static void weight_quota_period_and_burst(void **state)
{
        static const struct row rows[] = {
                { "{'cpu':{'shares':1024}}", "cpu.weight=100" },
                { "{'cpu':{'shares':1}}", "cpu.weight=1" },
                { "{'cpu':{'shares':18446744073709551615}}", "cpu.weight=10000" },
                { "{'cpu':{'idle':1}}", "cpu.idle=1" },
                { "{'cpu':{'idle':0}}", "?cpu.idle=0" },
                { "{'cpu':{'idle':1,'shares':5}}", "cpu.idle=1" },
                { "{'cpu':{'idle':0,'shares':3}}", "?cpu.idle=0;cpu.weight=2" },
                { "{'cpu':{'quota':50000}}", "cpu.max=50000" },
                { "{'cpu':{'quota':50000,'period':200000}}", "cpu.max=50000 200000" },
                { "{'cpu':{'quota':-1}}", "?cpu.max=max" },
                { "{'cpu':{'quota':-5,'period':5000}}", "?cpu.max=max 5000" },
                { "{'cpu':{'period':5000}}", "?cpu.max=max 5000" },
                { "{'cpu':{'quota':0,'period':1000000}}", "?cpu.max=max 1000000" },
                { "{'cpu':{'quota':5000,'burst':5000}}", "cpu.max.burst=5000;cpu.max=5000" },
                { "{'cpu':{'burst':7}}", "cpu.max.burst=7" },
                { "{'cpu':{'cpus':'0-3,7','mems':'0'}}", "cpuset.cpus=0-3,7;cpuset.mems=0" },
        };
        static const struct row wrong[] = {
                { "{'cpu':{'idle':2}}", "cpu.idle: 2 is neither 0 nor 1" },
                { "{'cpu':{'idle':-1}}", "cpu.idle: -1 is neither 0 nor 1" },
                { "{'cpu':{'quota':999}}", "cpu.quota: 999 us, the kernel's least is 1000" },
                { "{'cpu':{'quota':9223372036854775807}}",
                  "cpu.quota: 9223372036854775807 us is too long" },
                { "{'cpu':{'period':999}}", "cpu.period: 999 us is not between 1000 and 1000000" },
                { "{'cpu':{'period':1000001}}",
                  "cpu.period: 1000001 us is not between 1000 and 1000000" },
                { "{'cpu':{'quota':5000,'burst':5001}}",
                  "cpu.burst: 5001 us is more than cpu.quota, 5000" },
        };
        struct cgroup_limit_plan p = plan_of((struct cgroup_limit_input){ 0 },
                                             "{'cpu':{'cpus':'1','quota':5000}}");

        (void)state;
        each_limit_is(rows, COUNT(rows));
        each_is_refused(wrong, COUNT(wrong));
        assert_non_null(strstr(refused("{'cpu':{'cpus':'0-'}}"), "linux.resources.cpu.cpus: "));
        assert_non_null(strstr(refused("{'cpu':{'mems':'a'}}"), "linux.resources.cpu.mems: "));
        assert_int_equal(p.v[0].flags, 0);
        assert_int_equal(p.v[1].flags, LIMIT_EFFECTIVE);
}

static void whole_percents_are_for_systemd(void **state)
{
        static const struct row rows[] = {
                { "{'cpu':{'quota':50000}}", "cpu.max=50000 100000" },
                { "{'cpu':{'quota':50001}}", "cpu.max=51000 100000" },
                { "{'cpu':{'quota':1000,'period':1000000}}", "cpu.max=10000 1000000" },
                { "{'cpu':{'quota':33333,'period':33333}}", "cpu.max=33333 33333" },
                { "{'cpu':{'quota':10000,'period':30000}}", "cpu.max=10200 30000" },
                { "{'cpu':{'quota':9223372036854,'period':1000}}", "cpu.max=9223372036860 1000" },
                { "{'cpu':{'quota':-1}}", "?cpu.max=max" },
        };

        (void)state;
        for (size_t i = 0; i < COUNT(rows); i++) {
                struct cgroup_limit_plan p =
                        plan_of((struct cgroup_limit_input){ .whole_percent = true }, rows[i].json);

                assert_string_equal(text_of(&p), rows[i].text);
        }
}

static void processes(void **state)
{
        static const struct row rows[] = {
                { "{'pids':{'limit':64}}", "pids.max=64" },
                { "{'pids':{'limit':0}}", "pids.max=1" },
                { "{'pids':{'limit':-1}}", "?pids.max=max" },
                { "{'pids':{'limit':-7}}", "?pids.max=max" },
        };

        (void)state;
        each_limit_is(rows, COUNT(rows));
}

static void input_and_output(void **state)
{
        static const struct row rows[] = {
                { "{'blockIO':{'weight':500}}", "io.bfq.weight=500" },
                { "{'blockIO':{'weightDevice':[{'major':8,'minor':0,'weight':10}]}}",
                  "io.bfq.weight=8:0 10" },
                { "{'blockIO':{'throttleReadBpsDevice':[{'major':8,'minor':0,'rate':600},"
                  "{'major':8,'minor':16,'rate':0}],"
                  "'throttleWriteBpsDevice':[{'major':8,'minor':0,'rate':18446744073709551615}],"
                  "'throttleReadIOPSDevice':[{'major':7,'minor':1,'rate':1}],"
                  "'throttleWriteIOPSDevice':[{'major':7,'minor':2,'rate':2}]}}",
                  "io.max=8:0 rbps=600;?io.max=8:16 rbps=max;"
                  "io.max=8:0 wbps=18446744073709551615;io.max=7:1 riops=1;io.max=7:2 wiops=2" },
        };
        static const struct row wrong[] = {
                { "{'blockIO':{'weight':9}}", "blockIO.weight: 9 is not between 10 and 1000" },
                { "{'blockIO':{'weight':1001}}",
                  "blockIO.weight: 1001 is not between 10 and 1000" },
                { "{'blockIO':{'weightDevice':[{'major':8,'minor':0}]}}",
                  "blockIO.weightDevice[0]: 'weight' is required" },
                { "{'blockIO':{'weightDevice':[{'major':8,'minor':0,'weight':0}]}}",
                  "blockIO.weightDevice[0]: 0 is not between 10 and 1000" },
                { "{'blockIO':{'weightDevice':[{'major':8,'minor':0,'weight':10,'leafWeight':1}]}}",
                  "blockIO.weightDevice[0]: cgroup version 2 has nothing like leafWeight" },
                { "{'blockIO':{'throttleReadBpsDevice':[{'major':-1,'minor':0,'rate':1}]}}",
                  "blockIO.throttleReadBpsDevice[0]: -1:0 is no device" },
        };
        struct cgroup_limit_plan p = plan_of(
                (struct cgroup_limit_input){ 0 },
                "{'blockIO':{'weight':500,'weightDevice':[{'major':8,'minor':0,'weight':100}]}}");

        (void)state;
        each_limit_is(rows, COUNT(rows));
        each_is_refused(wrong, COUNT(wrong));
        assert_string_equal(p.v[0].or_file, "io.weight");
        assert_string_equal(p.v[0].or_value, "4950");
        assert_string_equal(p.v[1].or_value, "8:0 910");
}

static void huge_pages_and_rdma(void **state)
{
        static const struct row rows[] = {
                { "{'hugepageLimits':[{'pageSize':'2MB','limit':0},{'pageSize':'1GB','limit':5}]}",
                  "hugetlb.2MB.max=0;?hugetlb.2MB.rsvd.max=0;hugetlb.1GB.max=5;"
                  "?hugetlb.1GB.rsvd.max=5" },
                { "{'rdma':{'mlx5_1':{'hcaHandles':3,'hcaObjects':10000},'rxe3':{'hcaObjects':0}}}",
                  "rdma.max=mlx5_1 hca_handle=3 hca_object=10000;rdma.max=rxe3 hca_object=0" },
        };
        static const struct row wrong[] = {
                { "{'hugepageLimits':[{'pageSize':'2M','limit':0}]}",
                  "hugepageLimits[0]: '2M' is no page size like 2MB" },
                { "{'hugepageLimits':[{'pageSize':'../x.2MB','limit':0}]}",
                  "hugepageLimits[0]: '../x.2MB' is no page size like 2MB" },
                { "{'hugepageLimits':[{'pageSize':'MB','limit':0}]}",
                  "hugepageLimits[0]: 'MB' is no page size like 2MB" },
                { "{'rdma':{'mlx5':{}}}", "rdma.mlx5: 'hcaHandles' or 'hcaObjects' is required" },
                { "{'rdma':{'':{'hcaHandles':1}}}", "rdma: '' is no name of a device" },
                { "{'rdma':{'a b':{'hcaHandles':1}}}", "rdma: 'a b' is no name of a device" },
        };

        (void)state;
        each_limit_is(rows, COUNT(rows));
        each_is_refused(wrong, COUNT(wrong));
}

static void unified_is_last_and_line_by_line(void **state)
{
        static const struct row rows[] = {
                { "{'unified':{'memory.high':'5','cgroup.max.depth':'3'},'pids':{'limit':2}}",
                  "pids.max=2;memory.high=5;cgroup.max.depth=3" },
                { "{'unified':{'io.max':'259:0 rbps=1\\n253:0 wiops=2\\n'}}",
                  "io.max=259:0 rbps=1;io.max=253:0 wiops=2" },
                { "{'unified':{'io.max':'\\n\\n8:0 rbps=1\\n\\n'}}", "io.max=8:0 rbps=1" },
                { "{'unified':{'cpuset.cpus':''}}", "cpuset.cpus=" },
                { "{'unified':{'new.thing':'max'}}", "new.thing=max" },
                { "{'unified':{'cgroup.max.descendants':'1','cgroup.pressure':'0'}}",
                  "cgroup.max.descendants=1;cgroup.pressure=0" },
        };
        static const char *const names[] = {
                "memory/../x.y", "/memory.max", "memory", "", ".", "..", "...", ".x",
        };
        static const char *const core[] = {
                "cgroup.procs",  "cgroup.threads", "cgroup.kill",        "cgroup.freeze",
                "cgroup.events", "cgroup.type",    "cgroup.controllers", "cgroup.subtree_control",
                "cgroup.",       "cgroup.future",
        };
        char json[128], text[256];

        (void)state;
        each_limit_is(rows, COUNT(rows));
        for (size_t i = 0; i < COUNT(names); i++) {
                snprintf(json, sizeof(json), "{'unified':{'%s':'1'}}", names[i]);
                snprintf(text, sizeof(text),
                         "linux.resources.unified.%s: '%s' is not the name of a controller's file",
                         names[i], names[i]);
                assert_string_equal(refused(json), text);
        }
        for (size_t i = 0; i < COUNT(core); i++) {
                snprintf(json, sizeof(json), "{'unified':{'%s':'1'}}", core[i]);
                snprintf(text, sizeof(text),
                         "linux.resources.unified.%s: %s is not for a configuration to write",
                         core[i], core[i]);
                assert_string_equal(refused(json), text);
        }
}

static void what_only_version_1_had_is_refused(void **state)
{
        static const struct row rows[] = {
                { "{'memory':{'kernel':1}}", "memory.kernel" },
                { "{'memory':{'kernelTCP':1}}", "memory.kernelTCP" },
                { "{'memory':{'swappiness':1}}", "memory.swappiness" },
                { "{'memory':{'disableOOMKiller':true}}", "memory.disableOOMKiller" },
                { "{'memory':{'useHierarchy':true}}", "memory.useHierarchy" },
                { "{'cpu':{'realtimeRuntime':1}}", "cpu.realtimeRuntime" },
                { "{'cpu':{'realtimePeriod':1}}", "cpu.realtimePeriod" },
                { "{'blockIO':{'leafWeight':1}}", "blockIO.leafWeight" },
                { "{'network':{'classID':1}}", "network.classID" },
                { "{'network':{'priorities':[{'name':'e','priority':0}]}}", "network.priorities" },
        };
        char text[256];

        (void)state;
        for (size_t i = 0; i < COUNT(rows); i++) {
                snprintf(text, sizeof(text),
                         "linux.resources.%s: cgroup version 2 has nothing like it", rows[i].text);
                assert_string_equal(refused(rows[i].json), text);
        }
}

static void an_update_names_the_fields_of_its_document(void **state)
{
        struct cgroup_limit_input in = { .update = true };
        struct cgroup_limit_plan p = plan_of(in, "{'memory':{'limit':5,'kernel':7,'kernelTCP':7},"
                                                 "'unified':{'pids.max':'1'}}");

        (void)state;
        assert_string_equal(text_of(&p), "memory.max=5;pids.max=1");
        assert_string_equal(p.v[0].field, "memory.limit");
        assert_string_equal(p.v[1].field, "unified.pids.max");
        in.resources = decode("{'cpu':{'idle':3}}");
        assert_int_equal(cgroup_limit_plan(&in, test_arena(), &p, &error), -1);
        assert_string_equal(error.text, "cpu.idle: 3 is neither 0 nor 1");
}

static void a_part_of_an_update_stands_by_itself(void **state)
{
        const struct cgroup_limit_input in = { .update = true, .partial = true };
        struct cgroup_limit_plan p = plan_of(in, "{'memory':{'swap':5}}");

        (void)state;
        assert_string_equal(text_of(&p), "memory.swap.max=5");
}

static const char *changes(const char *old, const char *asked, const char *now)
{
        const struct cgroup_limit_input in = { .update = true };
        struct cgroup_limit_plan plans[3] = { plan_of(in, old), plan_of(in, asked),
                                              plan_of(in, now) };
        static struct cgroup_limit_plan r;

        assert_int_equal(
                cgroup_limit_changes(&plans[0], &plans[1], &plans[2], test_arena(), &r, &error), 0);
        return text_of(&r);
}

static void an_update_writes_what_it_asks_for_and_what_follows(void **state)
{
        (void)state;
        assert_string_equal(changes("{}", "{}", "{}"), "");
        /* also what is the same: somebody else may have changed the file */
        assert_string_equal(changes("{'pids':{'limit':5}}", "{'pids':{'limit':5}}",
                                    "{'pids':{'limit':5}}"),
                            "pids.max=5");
        assert_string_equal(changes("{'pids':{'limit':5},'cpu':{'shares':1024}}",
                                    "{'pids':{'limit':6}}",
                                    "{'pids':{'limit':6},'cpu':{'shares':1024}}"),
                            "pids.max=6");
        /* swap is counted from memory's end */
        assert_string_equal(changes("{'memory':{'limit':5,'swap':20}}", "{'memory':{'limit':10}}",
                                    "{'memory':{'limit':10,'swap':20}}"),
                            "memory.max=10;memory.swap.max=10");
        /* an idle group has no weight; what was asked for comes back */
        assert_string_equal(changes("{'cpu':{'shares':3}}", "{'cpu':{'idle':1}}",
                                    "{'cpu':{'shares':3,'idle':1}}"),
                            "cpu.idle=1");
        assert_string_equal(changes("{'cpu':{'shares':3,'idle':1}}", "{'cpu':{'idle':0}}",
                                    "{'cpu':{'shares':3,'idle':0}}"),
                            "?cpu.idle=0;cpu.weight=2");
        /* the kernel gives the usual one when idle ends */
        assert_string_equal(changes("{'cpu':{'idle':1},'unified':{'cpu.weight':'9'}}",
                                    "{'cpu':{'idle':0}}",
                                    "{'cpu':{'idle':0},'unified':{'cpu.weight':'9'}}"),
                            "?cpu.idle=0;cpu.weight=9");
}

static void a_change_replaces_whole_files(void **state)
{
        const struct cgroup_limit_input in = { .update = true };
        struct cgroup_limit_plan p =
                plan_of(in, "{'pids':{'limit':5},'blockIO':{'throttleReadBpsDevice':"
                            "[{'major':8,'minor':0,'rate':1}]}}");

        (void)state;
        assert_true(cgroup_limit_replaces(&p, "pids.max"));
        assert_false(cgroup_limit_replaces(&p, "memory.max"));
        assert_false(cgroup_limit_replaces(&p, "io.max"));
}

static void nothing_but_lifted_limits_is_no_limit(void **state)
{
        const struct cgroup_limit_input in = { 0 };
        struct cgroup_limit_plan p =
                plan_of(in, "{'memory':{'limit':-1},'pids':{'limit':-1},'cpu':{'period':5000}}");

        (void)state;
        assert_int_equal(p.n, 3);
        assert_null(cgroup_limit_first(&p));
        p = plan_of(in, "{'memory':{'limit':-1},'pids':{'limit':0}}");
        assert_string_equal(cgroup_limit_first(&p)->file, "pids.max");
}

/* What other runtimes write for the same shares. */
static void weights_are_those_of_the_formula(void **state)
{
        static const struct {
                uint64_t shares;
                unsigned weight;
        } rows[] = {
                { 0, 1 },          { 1, 1 },          { 2, 1 },
                { 3, 2 },          { 102, 17 },       { 128, 21 },
                { 256, 35 },       { 512, 59 },       { 1000, 99 },
                { 1024, 100 },     { 1025, 101 },     { 2048, 174 },
                { 4096, 303 },     { 65536, 3023 },   { 262143, 10000 },
                { 262144, 10000 }, { 262145, 10000 }, { UINT64_MAX, 10000 },
        };

        (void)state;
        for (size_t i = 0; i < COUNT(rows); i++)
                assert_int_equal(cgroup_limit_cpu_weight(rows[i].shares), rows[i].weight);
}

/* 10 to the (l^2 + 125 l) / 612 - 7 / 34, by the library; only the exact powers need
 * care there too. */
static void and_so_is_every_other_weight(void **state)
{
        (void)state;
        for (unsigned shares = 3; shares < 262144; shares++) {
                long double l = log2l(shares);
                long double exact = powl(10, (l * l + 125 * l) / 612 - 7.0L / 34);

                /* None but 1024's is so near to a whole number that it could be either. */
                if (shares != 1024 && fabsl(exact - roundl(exact)) < 1e-8L)
                        fail_msg("%u: %.12Lf", shares, exact);
                if (cgroup_limit_cpu_weight(shares) != (unsigned)ceill(exact - 1e-8L))
                        fail_msg("%u: %u instead of %.12Lf", shares,
                                 cgroup_limit_cpu_weight(shares), exact);
        }
}

static void the_weight_of_io_is_stretched(void **state)
{
        (void)state;
        assert_int_equal(cgroup_limit_io_weight(10), 1);
        assert_int_equal(cgroup_limit_io_weight(100), 910);
        assert_int_equal(cgroup_limit_io_weight(500), 4950);
        assert_int_equal(cgroup_limit_io_weight(1000), 10000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_asks_for_nothing_writes_nothing),
                cmocka_unit_test(memory_and_swap),
                cmocka_unit_test(usage_is_checked_if_asked_for),
                cmocka_unit_test(weight_quota_period_and_burst),
                cmocka_unit_test(whole_percents_are_for_systemd),
                cmocka_unit_test(processes),
                cmocka_unit_test(input_and_output),
                cmocka_unit_test(huge_pages_and_rdma),
                cmocka_unit_test(unified_is_last_and_line_by_line),
                cmocka_unit_test(what_only_version_1_had_is_refused),
                cmocka_unit_test(an_update_names_the_fields_of_its_document),
                cmocka_unit_test(a_part_of_an_update_stands_by_itself),
                cmocka_unit_test(a_change_replaces_whole_files),
                cmocka_unit_test(an_update_writes_what_it_asks_for_and_what_follows),
                cmocka_unit_test(nothing_but_lifted_limits_is_no_limit),
                cmocka_unit_test(weights_are_those_of_the_formula),
                cmocka_unit_test(and_so_is_every_other_weight),
                cmocka_unit_test(the_weight_of_io_is_stretched),
        };

        return RUN(tests);
}
