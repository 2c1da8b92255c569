#include "child.h"

#include "kenro/part/personality.h"

#include <linux/personality.h>

static struct err error;

static int plan(const char *members, struct personality_plan *ret)
{
        char text[256];

        snprintf(text, sizeof(text), "'linux': {'personality': {%s}}", members);
        return personality_plan(test_spec(text)->linux_->personality, ret, &error);
}

static void a_domain_and_no_flags(void **state)
{
        struct personality_plan r;

        (void)state;
        assert_int_equal(plan("'domain': 'LINUX32', 'flags': []", &r), 0);
        assert_true(r.wanted);
        assert_int_equal(r.domain, PER_LINUX32);
        assert_int_equal(plan("'domain': 'LINUX', 'flags': ['SHORT_INODE']", &r), -1);
        assert_string_equal(error.text, "linux.personality.flags[0]: 'SHORT_INODE': the "
                                        "specification knows no flags");
        assert_int_equal(personality_plan(NULL, &r, &error), 0);
        assert_false(r.wanted);
}

static void change(void *arg)
{
        struct personality_plan r;

        (void)arg;
        assert_true(sys_personality(PER_LINUX32 | ADDR_NO_RANDOMIZE | SHORT_INODE) >= 0);

        /* without a wish: what weakens goes, the rest stays */
        assert_int_equal(personality_plan(NULL, &r, &error), 0);
        assert_int_equal(personality_child_check(&r, &error), -1);
        assert_int_equal(personality_child(&r, &error), 0);
        assert_int_equal(sys_personality(0xffffffff), PER_LINUX32 | SHORT_INODE);
        assert_int_equal(personality_child_check(&r, &error), 0);

        assert_int_equal(plan("'domain': 'LINUX'", &r), 0);
        assert_int_equal(personality_child_check(&r, &error), -1);
        assert_string_equal(error.text, "read-back: the personality is 0x1000008");
        assert_int_equal(personality_child(&r, &error), 0);
        assert_int_equal(sys_personality(0xffffffff), PER_LINUX);
        assert_int_equal(personality_child_check(&r, &error), 0);
}

static void a_process_has_it(void **state)
{
        (void)state;
        IN_CHILD(change, NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_domain_and_no_flags),
                cmocka_unit_test(a_process_has_it),
        };

        return RUN(tests);
}
