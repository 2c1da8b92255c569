/* What every unit test includes. A test is a sentence: its name says what holds. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "kenro/base/arena.h"
#include "kenro/base/err.h"

#include <stdio.h>
#include <stdlib.h>

/* An arena that ends with the test's process. */
static inline struct arena *test_arena(void)
{
        static struct arena a;
        struct err e;

        assert_int_equal(arena_init(&a, 16 << 20, &e), 0);
        return &a;
}

#define RUN(tests) cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL)
