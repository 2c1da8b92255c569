#include "unit.h"

#include "kenro/json/json_encode.h"
#include "kenro/spec/spec_fields.h"

/* TEXT, decoded by SHAPE and encoded again. */
static const char *again(const struct json_shape *shape, const char *text)
{
        static struct json_out o;
        struct arena *a = test_arena();
        struct json_source src = { "x", text, strlen(text), a, false };
        struct err e;
        void *object = arena_alloc(a, 1, shape->size, &e);
        size_t len;

        if (json_decode(&src, shape, object, &e) < 0 || json_out_init(&o, false, &e) < 0)
                fail_msg("%s", e.text);
        json_encode(&o, shape, object);
        return json_text(&o, &len, &e);
}

static void resources_come_back_as_they_were(void **state)
{
        static const char *const texts[] = {
                "{}",
                "{\"memory\":{\"limit\":-1,\"reservation\":0,\"swappiness\":60,"
                "\"disableOOMKiller\":true,\"useHierarchy\":false,\"checkBeforeUpdate\":true},"
                "\"cpu\":{\"shares\":18446744073709551615,\"cpus\":\"0-3\"},"
                "\"pids\":{\"limit\":9223372036854775807}}",
                "{\"devices\":[{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":-1,"
                "\"access\":\"rwm\"}]}",
                "{\"blockIO\":{\"weight\":10,\"weightDevice\":[{\"major\":8,\"minor\":0,"
                "\"weight\":1}],\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":5},"
                "{\"major\":8,\"minor\":1,\"rate\":6}]}}",
                "{\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":9}],"
                "\"network\":{\"classID\":7,\"priorities\":[{\"name\":\"eth0\",\"priority\":3}]},"
                "\"rdma\":{\"mlx5\":{\"hcaHandles\":3}},"
                "\"unified\":{\"memory.high\":\"1\",\"a.b\":\"x\\\"y\"}}",
        };

        (void)state;
        for (size_t i = 0; i < COUNT(texts); i++)
                assert_string_equal(again(&spec_resources_shape, texts[i]), texts[i]);
}

static void lists_of_numbers_and_names_come_back_too(void **state)
{
        static const char text[] = "{\"terminal\":false,\"user\":{\"uid\":1,\"gid\":2,"
                                   "\"additionalGids\":[3,4]},\"args\":[\"a\",\"\"],\"cwd\":\"/\"}";
        const char *out = again(&spec_process_shape, text);

        (void)state;
        assert_non_null(strstr(out, "\"additionalGids\":[3,4]"));
        assert_non_null(strstr(out, "\"args\":[\"a\",\"\"]"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(resources_come_back_as_they_were),
                cmocka_unit_test(lists_of_numbers_and_names_come_back_too),
        };

        return RUN(tests);
}
