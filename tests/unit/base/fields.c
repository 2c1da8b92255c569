#include "unit.h"

#include "kenro/base/fields.h"

static char buf[32];

static void a_message_is_read_as_it_was_written(void **state)
{
        struct fields f = { buf, 0, sizeof(buf), false };
        struct fields_left left;
        unsigned long long n;

        (void)state;
        fields_add(&f, "%s", "start");
        fields_add(&f, "%s", "");
        fields_add(&f, "%llu", 18446744073709551615ull);
        assert_false(f.full);
        assert_int_equal(f.len, 28);
        fields_read(&left, buf, f.len);
        assert_string_equal(fields_next(&left), "start");
        assert_string_equal(fields_next(&left), "");
        assert_int_equal(fields_next_number(&left, UINT64_MAX, &n), 0);
        assert_true(n == UINT64_MAX);
        assert_null(fields_next(&left));
        assert_null(fields_next(&left));
}

static void what_does_not_fit_is_noted_and_breaks_nothing(void **state)
{
        struct fields f = { buf, 0, 8, false };

        (void)state;
        memset(buf, 'x', sizeof(buf));
        fields_add(&f, "1234");
        fields_add(&f, "1234");
        assert_true(f.full);
        assert_int_equal(f.len, 5);
        assert_int_equal(buf[8], 'x');
        fields_add(&f, "12"); /* what fits later does not make it whole */
        assert_true(f.full);
}

static void a_message_that_does_not_end_has_no_fields(void **state)
{
        struct fields_left left;

        (void)state;
        fields_read(&left, "abc", 3);
        assert_null(fields_next(&left));
        fields_read(&left, "", 0);
        assert_null(fields_next(&left));
}

static void only_digits_in_the_range_are_a_number(void **state)
{
        static const char *const bad[] = { "",   "-1",  "+1",  " 1",
                                           "1 ", "0x1", "101", "99999999999999999999" };
        unsigned long long n = 7;

        (void)state;
        for (size_t i = 0; i < COUNT(bad); i++) {
                struct fields_left left;

                fields_read(&left, bad[i], strlen(bad[i]) + 1);
                if (fields_next_number(&left, 100, &n) == 0)
                        fail_msg("'%s' is a number", bad[i]);
        }
        assert_true(n == 7);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_message_is_read_as_it_was_written),
                cmocka_unit_test(what_does_not_fit_is_noted_and_breaks_nothing),
                cmocka_unit_test(a_message_that_does_not_end_has_no_fields),
                cmocka_unit_test(only_digits_in_the_range_are_a_number),
        };

        return RUN(tests);
}
