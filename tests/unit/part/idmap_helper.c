#include "child.h"

#include "kenro/part/idmap_helper.h"

#include <sys/wait.h>

static struct err error;
static struct id_mapping one = { 0, 3000000000, 5 };
static const struct id_mappings mappings = { &one, 1 };

static void a_program_that_is_missing_is_named(void **state)
{
        (void)state;
        assert_int_equal(idmap_helper("newnothing", &mappings, getpid(), &error), -1);
        assert_string_equal(error.text,
                            "more than the own id takes newnothing, which is not installed");
        assert_true(strstr(error.hint, "install the package uidmap"));
}

static void what_the_program_says_is_the_error(void **state)
{
        (void)state;
        if (access("/usr/bin/newuidmap", X_OK) < 0)
                SKIP("newuidmap is not installed");
        assert_int_equal(idmap_helper("newuidmap", &mappings, getpid(), &error), -1);
        assert_string_equal(error.text, "newuidmap: uid range [0-5) -> [3000000000-3000000005) "
                                        "not allowed");
        assert_true(strstr(error.hint, "/etc/subuid"));
        assert_int_equal(idmap_helper("newgidmap", &mappings, getpid(), &error), -1);
        assert_true(strstr(error.text, "newgidmap: gid range [0-5)"));
        assert_true(strstr(error.hint, "/etc/subgid"));
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* it is reaped */
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_program_that_is_missing_is_named),
                cmocka_unit_test(what_the_program_says_is_the_error),
        };

        return RUN(tests);
}
