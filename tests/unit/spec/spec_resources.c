#include "unit.h"

#include "kenro/json/json_encode.h"
#include "kenro/spec/spec_fields.h"
#include "kenro/spec/spec_resources.h"

#include <errno.h>

static struct err error;

/* CHANGE over OLD, both with ' for ", as JSON. */
static const char *merged(const char *old, const char *change)
{
        static struct json_out o;
        struct arena *a = test_arena();
        struct spec_resources r[3] = { 0 };
        const char *texts[] = { old, change };
        size_t len;

        for (int i = 0; i < 2; i++) {
                char *text = arena_strndup(a, texts[i], strlen(texts[i]), &error);
                struct json_source src = { "x", text, strlen(text), a, false };

                for (char *c = text; *c; c++)
                        if (*c == '\'')
                                *c = '"';
                if (json_decode(&src, &spec_resources_shape, &r[i], &error) < 0)
                        fail_msg("%s", error.text);
        }
        if (spec_merge_resources(&r[0], &r[1], a, &r[2], &error) < 0)
                fail_msg("%s", error.text);
        assert_int_equal(json_out_init(&o, false, &error), 0);
        json_encode(&o, &spec_resources_shape, &r[2]);
        return json_text(&o, &len, &error);
}

static bool holds(const char *json, const char *part)
{
        char want[256];

        snprintf(want, sizeof(want), "%s", part);
        for (char *c = want; *c; c++)
                if (*c == '\'')
                        *c = '"';
        return strstr(json, want) != NULL;
}

static void absent_and_zero_are_unchanged(void **state)
{
        const char *old = "{'cpu':{'shares':5,'quota':1000,'period':100000,'cpus':'0-1'}}";
        const char *r = merged(old, "{'cpu':{'shares':0,'quota':2000,'cpus':''}}");

        (void)state;
        assert_true(holds(r, "'shares':5"));
        assert_true(holds(r, "'quota':2000"));
        assert_true(holds(r, "'period':100000"));
        assert_true(holds(r, "'cpus':'0-1'"));
        assert_true(holds(merged(old, "{}"), "'quota':1000"));
}

static void zero_counts_where_it_means_something(void **state)
{
        (void)state;
        assert_true(holds(merged("{'pids':{'limit':5}}", "{'pids':{'limit':0}}"), "'limit':0"));
        assert_true(holds(merged("{'cpu':{'idle':1}}", "{'cpu':{'idle':0}}"), "'idle':0"));
}

static void memory_without_limit_takes_swap_along(void **state)
{
        const char *old = "{'memory':{'limit':10,'swap':20}}";

        (void)state;
        assert_true(holds(merged(old, "{'memory':{'limit':-1}}"), "'limit':-1,'swap':-1"));
        assert_true(holds(merged(old, "{'memory':{'limit':-1,'swap':0}}"), "'limit':-1,'swap':-1"));
        assert_true(
                holds(merged(old, "{'memory':{'limit':-1,'swap':30}}"), "'limit':-1,'swap':30"));
        assert_true(holds(merged(old, "{'memory':{'limit':15}}"), "'limit':15,'swap':20"));
}

static void device_rules_are_not_meant(void **state)
{
        (void)state;
        assert_string_equal(merged("{'devices':[{'allow':false}]}", "{'devices':[{'allow':true}]}"),
                            "{}");
}

static void lists_change_by_what_they_are_about(void **state)
{
        const char *r = merged("{'hugepageLimits':[{'pageSize':'2MB','limit':1},"
                               "{'pageSize':'1GB','limit':2}],'unified':{'a.b':'1','a.c':'2'},"
                               "'blockIO':{'throttleReadBpsDevice':[{'major':8,'minor':0,'rate':1},"
                               "{'major':8,'minor':1,'rate':2}]}}",
                               "{'hugepageLimits':[{'pageSize':'1GB','limit':3}],"
                               "'unified':{'a.c':'3','a.d':'4'},"
                               "'blockIO':{'throttleReadBpsDevice':[{'major':8,'minor':1,'rate':3},"
                               "{'major':9,'minor':1,'rate':4}]}}");

        (void)state;
        assert_true(holds(r, "'hugepageLimits':[{'pageSize':'2MB','limit':1},"
                             "{'pageSize':'1GB','limit':3}]"));
        assert_true(holds(r, "'unified':{'a.b':'1','a.c':'3','a.d':'4'}"));
        assert_true(holds(r, "[{'major':8,'minor':0,'rate':1},{'major':8,'minor':1,'rate':3},"
                             "{'major':9,'minor':1,'rate':4}]"));
}

static void a_file_is_read_and_what_is_wrong_in_it_is_placed(void **state)
{
        char path[] = "/tmp/kenro-unit-resources-XXXXXX", text[128];
        int fd = mkstemp(path);
        struct spec_resources r;

        (void)state;
        assert_int_equal(write(fd, "{\"pids\":{\"limit\":\"5\"}}", 22), 22);
        assert_int_equal(spec_load_resources(path, test_arena(), &r, &error), -1);
        snprintf(text, sizeof(text), "%s:1:18: pids.limit: ", path);
        assert_memory_equal(error.text, text, strlen(text));
        assert_int_equal(pwrite(fd, "{\"pids\":{\"limit\":555}}", 22, 0), 22);
        assert_int_equal(spec_load_resources(path, test_arena(), &r, &error), 0);
        assert_int_equal(r.pids->limit.v, 555);
        close(fd);
        unlink(path);
        assert_int_equal(spec_load_resources(path, test_arena(), &r, &error), -1);
        assert_int_equal(error.num, ENOENT);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(absent_and_zero_are_unchanged),
                cmocka_unit_test(zero_counts_where_it_means_something),
                cmocka_unit_test(memory_without_limit_takes_swap_along),
                cmocka_unit_test(device_rules_are_not_meant),
                cmocka_unit_test(lists_change_by_what_they_are_about),
                cmocka_unit_test(a_file_is_read_and_what_is_wrong_in_it_is_placed),
        };

        return RUN(tests);
}
