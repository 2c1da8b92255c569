#include "unit.h"

#include "kenro/base/bits.h"

static struct err error;

static bool has(const struct bits *b, unsigned n)
{
        return b->v[n / BITS_PER_WORD] >> n % BITS_PER_WORD & 1;
}

static unsigned count(const struct bits *b)
{
        unsigned n = 0;

        for (unsigned i = 0; i < BITS_MAX; i++)
                n += has(b, i);
        return n;
}

static void a_list_is_numbers_and_ranges(void **state)
{
        struct bits b;

        (void)state;
        assert_int_equal(bits_parse("0", &b, &error), 0);
        assert_true(has(&b, 0) && count(&b) == 1);
        assert_int_equal(bits_parse("3,0-1,64,62-65", &b, &error), 0);
        assert_true(has(&b, 0) && has(&b, 1) && has(&b, 3) && has(&b, 62) && has(&b, 65));
        assert_int_equal(count(&b), 7);
        assert_int_equal(bits_parse("8191,00012", &b, &error), 0);
        assert_true(has(&b, 8191) && has(&b, 12) && count(&b) == 2);
        assert_int_equal(bits_parse("0-8191", &b, &error), 0);
        assert_int_equal(count(&b), BITS_MAX);
}

static void nothing_else_is_a_list(void **state)
{
        static const char *const bad[] = {
                "",    "-",   "-1",   "1-",         "1-2-3", "2-1", "1,",  ",1",     "1,,2", " 1",
                "1 2", "0x1", "8192", "4294967296", "1;2",   "a",   "1-a", "0-8192", "+1",   "1\n",
        };
        struct bits b = { { 42 } };

        (void)state;
        for (size_t i = 0; i < COUNT(bad); i++) {
                if (bits_parse(bad[i], &b, &error) == 0)
                        fail_msg("'%s' is taken", bad[i]);
                assert_non_null(
                        strstr(error.text, "is not a list like 0-3,7 of numbers below 8192"));
        }
        assert_int_equal(b.v[0], 42); /* untouched */
}

static void a_long_text_is_cut_in_the_message(void **state)
{
        char text[1000];
        struct bits b;

        (void)state;
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        assert_int_equal(bits_parse(text, &b, &error), -1);
        assert_true(strlen(error.text) < 200);
}

static void sets_are_filled_and_taken_apart(void **state)
{
        struct bits all, some;

        (void)state;
        bits_fill(&all);
        assert_int_equal(count(&all), BITS_MAX);
        assert_int_equal(bits_parse("1,100", &some, &error), 0);
        bits_remove(&all, &some);
        assert_int_equal(count(&all), BITS_MAX - 2);
        assert_false(has(&all, 1) || has(&all, 100) || bits_is_empty(&all));
        bits_remove(&some, &some);
        assert_true(bits_is_empty(&some));
        assert_int_equal(bits_parse("8191", &some, &error), 0);
        assert_false(bits_is_empty(&some));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_list_is_numbers_and_ranges),
                cmocka_unit_test(nothing_else_is_a_list),
                cmocka_unit_test(a_long_text_is_cut_in_the_message),
                cmocka_unit_test(sets_are_filled_and_taken_apart),
        };

        return RUN(tests);
}
