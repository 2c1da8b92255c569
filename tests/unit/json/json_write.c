#include "unit.h"

#include "kenro/json/json_write.h"

#include <string.h>

static void a_document_is_written_in_order(void **state)
{
        struct json_out o;
        struct err e;
        size_t len;

        (void)state;
        assert_int_equal(json_out_init(&o, false, &e), 0);
        json_map(&o);
        json_key_str(&o, "a", "x\"y");
        json_key_uint(&o, "b", 5);
        json_key(&o, "c");
        json_list(&o);
        json_uint(&o, UINT64_MAX);
        json_bool(&o, true);
        json_str(&o, NULL);
        json_list_end(&o);
        json_map_end(&o);
        assert_string_equal(json_text(&o, &len, &e),
                            "{\"a\":\"x\\\"y\",\"b\":5,\"c\":[18446744073709551615,true,null]}");
        assert_int_equal(len, 55);
        json_out_release(&o);
}

static void bytes_that_are_no_utf8_stay_valid_json(void **state)
{
        struct json_out o;
        struct err e;
        size_t len;

        (void)state;
        assert_int_equal(json_out_init(&o, false, &e), 0);
        json_str(&o, "a\xff\xe2\x28\xa1z");
        assert_string_equal(json_text(&o, &len, &e), "\"a\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbdz\"");
        json_out_release(&o);
}

static void a_misuse_is_reported_at_the_end(void **state)
{
        struct json_out o;
        struct err e;
        size_t len;

        (void)state;
        assert_int_equal(json_out_init(&o, false, &e), 0);
        json_map(&o);
        json_uint(&o, 1); /* a key must be a string */
        json_map_end(&o);
        assert_null(json_text(&o, &len, &e));
        json_out_release(&o);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_document_is_written_in_order),
                cmocka_unit_test(bytes_that_are_no_utf8_stay_valid_json),
                cmocka_unit_test(a_misuse_is_reported_at_the_end),
        };

        return RUN(tests);
}
