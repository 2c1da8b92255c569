/* What every unit test includes. A test is a sentence: its name says what holds.
 *
 * What needs root or a facility of the kernel is skipped where that is missing,
 * with a line on standard error. */
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
#include "kenro/spec/spec_load.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN(tests) cmocka_run_group_tests_name(__FILE__, tests, NULL, NULL)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define SKIP(reason)                                                                               \
        do {                                                                                       \
                fprintf(stderr, "skipped: %s: %s\n", __func__, reason);                            \
                skip();                                                                            \
        } while (0)

#define NEEDS_ROOT()                                                                               \
        do {                                                                                       \
                if (geteuid() != 0)                                                                \
                        SKIP("needs root");                                                        \
        } while (0)

/* An arena that ends with the test's process. */
static inline struct arena *test_arena(void)
{
        static struct arena a;
        struct err e;

        assert_int_equal(arena_init(&a, 16 << 20, &e), 0);
        return &a;
}

/* config.json with MEMBERS, where ' stands for ": it must be well-formed. */
static inline struct spec *test_spec(const char *members)
{
        struct arena *a = test_arena();
        struct err e;
        char *text = arena_printf(a, &e, "{'ociVersion': '1.3.0', 'root': {'path': 'rootfs'}, %s}",
                                  members);
        struct json_source src = { "config.json", text, strlen(text), a, false };
        struct spec *s = ARENA_NEW(a, struct spec, 1, &e);

        for (char *c = text; *c; c++)
                if (*c == '\'')
                        *c = '"';
        if (spec_parse(&src, s, &e) < 0)
                fail_msg("%s", e.text);
        return s;
}

/* Its process, with MEMBERS beside args and cwd. */
static inline struct spec_process *test_process(const char *members)
{
        char text[4096];

        snprintf(text, sizeof(text), "'linux': {}, 'process': {'args': ['sh'], 'cwd': '/'%s%s}",
                 *members ? ", " : "", members);
        return test_spec(text)->process;
}

/* A new, empty directory, which the test removes. */
static inline void test_dir_make(char path[PATH_MAX])
{
        const char *tmp = getenv("TMPDIR");

        snprintf(path, PATH_MAX, "%s/kenro-unit-XXXXXX", tmp && *tmp ? tmp : "/tmp");
        assert_non_null(mkdtemp(path));
}

static inline int test_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st;
        (void)type;
        (void)at;
        return remove(path);
}

/* With all that is in it. */
static inline void test_dir_remove(const char *path)
{
        assert_int_equal(nftw(path, test_remove, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT), 0);
}

/* A file with TEXT in it. */
static inline void test_file(int dir, const char *name, const char *text, mode_t mode)
{
        int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(fchmod(fd, mode), 0);
        close(fd);
}
