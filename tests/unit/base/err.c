#include "unit.h"

#include <errno.h>
#include <string.h>

static void a_system_error_names_errno_symbolically(void **state)
{
        struct err e;

        (void)state;
        assert_int_equal(err_sys(&e, EPERM, "cannot mount %s", "/x"), -1);
        assert_string_equal(e.text, "cannot mount /x: EPERM");
        assert_int_equal(e.num, EPERM);
        err_sys(&e, 4711, "odd");
        assert_string_equal(e.text, "odd: errno 4711");
}

static void context_goes_in_front_and_keeps_errno(void **state)
{
        struct err e;

        (void)state;
        err_sys(&e, ENOENT, "cannot open %s", "/src");
        err_in(&e, "mounts[%d] (%s)", 7, "/t");
        assert_string_equal(e.text, "mounts[7] (/t): cannot open /src: ENOENT");
        assert_int_equal(e.num, ENOENT);
}

static void the_first_hint_stays(void **state)
{
        struct err e;
        char line[256];

        (void)state;
        err_set(&e, "no");
        err_hint(&e, "do this");
        err_hint(&e, "do that");
        err_line(&e, line, sizeof(line));
        assert_string_equal(line, "no (do this)");
        err_set(&e, "again");
        assert_string_equal(e.hint, "");
}

static void a_long_text_is_cut_and_terminated(void **state)
{
        struct err e;
        char big[2000];

        (void)state;
        memset(big, 'x', sizeof(big) - 1);
        big[sizeof(big) - 1] = '\0';
        err_sys(&e, EIO, "%s", big);
        err_in(&e, "%s", big);
        assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
}

static void control_characters_never_reach_the_terminal(void **state)
{
        struct err e;
        char line[64];

        (void)state;
        err_set(&e, "a\033[31mb\nc\x7f");
        err_line(&e, line, sizeof(line));
        assert_string_equal(line, "a?[31mb?c?");
        /* U+009B is CSI; what is no UTF-8 may be taken for Latin-1 */
        err_set(&e, "a\302\233"
                    "31mb\233\342\202\254\302\240");
        err_line(&e, line, sizeof(line));
        assert_string_equal(line, "a??31mb?\342\202\254\302\240");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_system_error_names_errno_symbolically),
                cmocka_unit_test(context_goes_in_front_and_keeps_errno),
                cmocka_unit_test(the_first_hint_stays),
                cmocka_unit_test(a_long_text_is_cut_and_terminated),
                cmocka_unit_test(control_characters_never_reach_the_terminal),
        };

        return RUN(tests);
}
