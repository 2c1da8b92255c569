#include "unit.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void memory_is_zero_and_aligned(void **state)
{
        struct arena *a = test_arena();
        struct err e;

        (void)state;
        assert_string_equal(arena_strndup(a, "abc", 2, &e), "ab");
        for (int i = 0; i < 100; i++) {
                long *p = ARENA_NEW(a, long, 3, &e);

                assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
                assert_int_equal(p[0] | p[1] | p[2], 0);
                memset(p, 0xff, 3 * sizeof(*p));
        }
}

static void a_full_arena_is_an_error_with_a_text(void **state)
{
        struct arena a;
        struct err e = { 0 };

        (void)state;
        assert_int_equal(arena_init(&a, 1 << 20, &e), 0);
        assert_null(arena_alloc(&a, 1 << 20, 2, &e));
        assert_string_equal(e.text, "more than 1 MiB of memory would be needed");
        assert_null(arena_alloc(&a, SIZE_MAX, 16, &e));
        assert_non_null(arena_alloc(&a, 1000, 1000, &e));
        assert_null(arena_strndup(&a, "x", 1 << 20, &e));
        assert_null(arena_printf(&a, &e, "%*d", 1 << 20, 1));
        assert_string_equal(arena_printf(&a, &e, "%d", 42), "42");
}

static void a_list_grows_and_keeps_its_elements(void **state)
{
        struct arena *a = test_arena();
        struct err e;
        int *v = NULL;
        size_t n = 0;

        (void)state;
        for (int i = 0; i < 1000; i++) {
                int *p = arena_push(a, &v, &n, sizeof(*v), &e);

                assert_non_null(p);
                assert_int_equal(*p, 0);
                *p = i;
        }
        assert_int_equal(n, 1000);
        for (int i = 0; i < 1000; i++)
                assert_int_equal(v[i], i);
}

/* A write after the seal must be a crash, in whichever process it happens. */
static void a_write_after_the_seal_is_sigsegv(void **state)
{
        struct arena *a = test_arena();
        struct err e;
        int *p = ARENA_NEW(a, int, 1, &e), *later, status;
        pid_t pid;

        (void)state;
        *p = 1;
        assert_int_equal(arena_seal(a, &e), 0);
        later = ARENA_NEW(a, int, 1, &e);
        *later = 2;
        pid = fork();
        if (pid == 0) {
                signal(SIGSEGV, SIG_DFL); /* a sanitizer would turn it into an exit code */
                *(volatile int *)p = 3;
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
        assert_int_equal(*p, 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(memory_is_zero_and_aligned),
                cmocka_unit_test(a_full_arena_is_an_error_with_a_text),
                cmocka_unit_test(a_list_grows_and_keeps_its_elements),
                cmocka_unit_test(a_write_after_the_seal_is_sigsegv),
        };

        return RUN(tests);
}
