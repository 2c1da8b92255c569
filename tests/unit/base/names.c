#include "unit.h"

#include "kenro/base/names.h"

static const struct name table[] = { { "nosuid", 1 }, { "nodev", 2 }, { "ro", 3 }, { NULL, 0 } };

static void names_are_found_by_exact_case(void **state)
{
        (void)state;
        assert_int_equal(name_find(table, "nodev")->value, 2);
        assert_null(name_find(table, "NoDev"));
        assert_string_equal(name_of(table, 3), "ro");
        assert_string_equal(name_of(table, 9), "?");
}

static void a_near_miss_is_recognised(void **state)
{
        (void)state;
        assert_string_equal(name_near(table, "nosuidd")->name, "nosuid");
        assert_string_equal(name_near(table, "NODEV")->name, "nodev");
        assert_string_equal(name_near(table, "RO")->name, "ro");
        assert_null(name_near(table, "rw"));
        assert_null(name_near(table, "something"));
        assert_false(name_is_near("noNewPrivileges", "noNewPrivileges"));
        assert_true(name_is_near("noNewPrivileges", "noNewPrivilege"));
}

static void a_list_of_names_is_cut_politely(void **state)
{
        char buf[64], tiny[16];

        (void)state;
        name_list(table, buf, sizeof(buf));
        assert_string_equal(buf, "nosuid, nodev, ro");
        name_list(table, tiny, sizeof(tiny));
        assert_string_equal(tiny, "nosuid, ...");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_are_found_by_exact_case),
                cmocka_unit_test(a_near_miss_is_recognised),
                cmocka_unit_test(a_list_of_names_is_cut_politely),
        };

        return RUN(tests);
}
