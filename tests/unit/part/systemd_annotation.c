#include "unit.h"

#include "kenro/part/systemd.h"

static struct err error;
static struct systemd_properties set;

static int annotated(const char *name, const char *value)
{
        static char key[128];
        static struct json_pair one;
        const struct pairs p = { &one, 1 };

        snprintf(key, sizeof(key), "org.systemd.property.%s", name);
        one = (struct json_pair){ key, value };
        set = (struct systemd_properties){ 0 };
        error = (struct err){ 0 };
        return systemd_annotations(&p, test_arena(), &set, &error);
}

static void sets(const char *name, const char *text, const char *property, const char *type,
                 const char *wanted)
{
        if (annotated(name, text) < 0)
                fail_msg("%s", error.text);
        assert_int_equal(set.n, 1);
        assert_string_equal(set.v[0].name, property);
        assert_string_equal(set.v[0].type, type);
        assert_string_equal(set.v[0].list.v[0], wanted);
}

static void what_engines_send_is_set(void **state)
{
        (void)state;
        sets("KillSignal", "15", "KillSignal", "i", "15");
        sets("TimeoutStopUSec", "uint64 10000000", "TimeoutStopUSec", "t", "10000000");
        sets("CollectMode", "'inactive-or-failed'", "CollectMode", "s", "inactive-or-failed");
        sets("DefaultDependencies", "true", "DefaultDependencies", "b", "1");
        sets("DefaultDependencies", "false", "DefaultDependencies", "b", "0");
        sets("After", "['crio.service']", "After", "as", "crio.service");
}

static void lists_have_several_values(void **state)
{
        (void)state;
        sets("After", "[ 'a.service' , \"b.target\" ]", "After", "as", "a.service");
        assert_int_equal(set.v[0].list.n, 2);
        assert_string_equal(set.v[0].list.v[1], "b.target");
}

static void seconds_become_microseconds(void **state)
{
        (void)state;
        sets("TimeoutStopSec", "30", "TimeoutStopUSec", "t", "30000000");
        sets("TimeoutStopSec", "uint64 30", "TimeoutStopUSec", "t", "30000000");
        sets("RuntimeMaxSec", "int32 1", "RuntimeMaxUSec", "t", "1000000");
        assert_int_equal(annotated("TimeoutStopSec", "-1"), -1);
        assert_int_equal(annotated("TimeoutStopSec", "'1'"), -1);
        assert_int_equal(annotated("TimeoutStopSec", "uint64 18446744073709551615"), -1);
        assert_true(strstr(error.text, "is not a number of seconds"));
}

static void strings_may_have_quotes_that_are_escaped(void **state)
{
        (void)state;
        sets("Description", "'it\\'s'", "Description", "s", "it's");
        sets("Description", "\"a \\\\ \\\" b\"", "Description", "s", "a \\ \" b");
        sets("Description", "''", "Description", "s", "");
        assert_int_equal(annotated("Description", "'a\\nb'"), -1);
        assert_int_equal(annotated("Description", "'a\nb'"), -1);
        assert_int_equal(annotated("Description", "'a\\"), -1);
        assert_int_equal(annotated("Description", "'a"), -1);
}

/* Each of these would start or stop other units, reach devices, lift limits, or put the
 * container elsewhere. */
static void what_a_container_may_not_say_is_refused(void **state)
{
        static const char *const names[] = { "Slice",     "DevicePolicy", "DeviceAllow",
                                             "Delegate",  "BindsTo",      "Wants",
                                             "Requires",  "Conflicts",    "PIDs",
                                             "MemoryMax", "CPUWeight",    "OnFailure",
                                             "ExecStart", "NoSuch",       "",
                                             "Sec",       "killsignal" };

        (void)state;
        for (size_t i = 0; i < COUNT(names); i++) {
                if (annotated(names[i], "'x'") == 0)
                        fail_msg("%s can be set", names[i]);
                assert_true(strstr(error.text, "not a property that a container may set"));
                assert_true(strstr(error.hint, "KillSignal"));
        }
}

static void a_value_of_another_type_is_refused(void **state)
{
        static const char *const bad[][2] = {
                { "KillSignal", "'SIGTERM'" },
                { "KillSignal", "uint64 15" },
                { "KillSignal", "0" },
                { "KillSignal", "65" },
                { "KillSignal", "-1" },
                { "KillSignal", "" },
                { "KillSignal", "15 "
                                "x" },
                { "KillSignal", "[15]" },
                { "TimeoutStopUSec", "10000000" },
                { "TimeoutStopUSec", "uint64 -1" },
                { "TimeoutStopUSec", "uint64 99999999999999999999" },
                { "TimeoutStopUSec", "uint64" },
                { "CollectMode", "inactive-or-failed" },
                { "CollectMode", "'never'" },
                { "DefaultDependencies", "1" },
                { "DefaultDependencies", "truely" },
                { "After", "'crio.service'" },
                { "After", "['a', 'b.service']" },
                { "After", "['a/b.service']" },
                { "After", "['a.service'" },
                { "After", "['a.service',]" },
                { "After", "[]" },
                { "After", "[true]" },
        };

        (void)state;
        for (size_t i = 0; i < COUNT(bad); i++) {
                if (annotated(bad[i][0], bad[i][1]) == 0)
                        fail_msg("%s: %s", bad[i][0], bad[i][1]);
                assert_true(strstr(error.text, "' is not "));
        }
        assert_int_equal(annotated("KillSignal", "'SIGTERM'"), -1);
        assert_string_equal(error.text, "annotations: org.systemd.property.KillSignal: "
                                        "''SIGTERM'' is not the number of a signal");
}

static void other_annotations_are_not_looked_at(void **state)
{
        struct json_pair one = { "org.example.Slice", "'x'" };
        const struct pairs p = { &one, 1 };

        (void)state;
        set = (struct systemd_properties){ 0 };
        assert_int_equal(systemd_annotations(&p, test_arena(), &set, &error), 0);
        assert_int_equal(set.n, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_engines_send_is_set),
                cmocka_unit_test(lists_have_several_values),
                cmocka_unit_test(seconds_become_microseconds),
                cmocka_unit_test(strings_may_have_quotes_that_are_escaped),
                cmocka_unit_test(what_a_container_may_not_say_is_refused),
                cmocka_unit_test(a_value_of_another_type_is_refused),
                cmocka_unit_test(other_annotations_are_not_looked_at),
        };

        return RUN(tests);
}
