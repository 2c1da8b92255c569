#include "unit.h"

#include "kenro/base/size.h"

#include <errno.h>
#include <string.h>

static void numbers_are_read_as_their_kind_says(void **state)
{
        static const struct {
                const char *text;
                enum size_kind kind;
                int result;
                uint64_t n;
        } rows[] = {
                { "0", SIZE_NUMBER, 0, 0 },
                { "010", SIZE_NUMBER, 0, 10 },
                { "18446744073709551615", SIZE_NUMBER, 0, UINT64_MAX },
                { "18446744073709551616", SIZE_NUMBER, -ERANGE, 0 },
                { "1k", SIZE_NUMBER, -EINVAL, 0 },
                { "0x10", SIZE_NUMBER, -EINVAL, 0 },
                { "512b", SIZE_HUMAN, 0, 512 },
                { "512m", SIZE_HUMAN, 0, 512 << 20 },
                { "512MB", SIZE_HUMAN, 0, 512 << 20 },
                { "512MiB", SIZE_HUMAN, 0, 512 << 20 },
                { "010k", SIZE_HUMAN, 0, 10240 },
                { "1p", SIZE_HUMAN, 0, 1ull << 50 },
                { "16384p", SIZE_HUMAN, -ERANGE, 0 },
                { "1e", SIZE_HUMAN, -EINVAL, 0 },
                { "512bb", SIZE_HUMAN, -EINVAL, 0 },
                { "512mi", SIZE_HUMAN, -EINVAL, 0 },
                { "512mbb", SIZE_HUMAN, -EINVAL, 0 },
                { "0x10", SIZE_HUMAN, -EINVAL, 0 },
                { "4096", SIZE_KERNEL, 0, 4096 },
                { "0x1000", SIZE_KERNEL, 0, 4096 },
                { "010", SIZE_KERNEL, 0, 8 },
                { "010k", SIZE_KERNEL, 0, 8192 },
                { "4K", SIZE_KERNEL, 0, 4096 },
                { "15e", SIZE_KERNEL, 0, 15ull << 60 },
                { "16e", SIZE_KERNEL, -ERANGE, 0 },
                { "4kb", SIZE_KERNEL, -EINVAL, 0 },
                { "4b", SIZE_KERNEL, -EINVAL, 0 },
                { "4 ", SIZE_KERNEL, -EINVAL, 0 },
                { "max", SIZE_KERNEL, -EINVAL, 0 },
                { "", SIZE_KERNEL, -EINVAL, 0 },
                { "-1", SIZE_KERNEL, -EINVAL, 0 },
                { "+1", SIZE_HUMAN, -EINVAL, 0 },
                { " 1", SIZE_HUMAN, -EINVAL, 0 },
                { "00000000000000000000000000000000", SIZE_KERNEL, -EINVAL, 0 },
        };

        (void)state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                uint64_t n = 0;
                int r = size_parse(rows[i].text, strlen(rows[i].text), rows[i].kind, &n);

                if (r != rows[i].result || n != rows[i].n)
                        fail_msg("'%s': %d, %llu", rows[i].text, r, (unsigned long long)n);
        }
}

static void only_so_many_bytes_are_read(void **state)
{
        uint64_t n = 0;

        (void)state;
        assert_int_equal(size_parse("50000 100000", 5, SIZE_NUMBER, &n), 0);
        assert_int_equal(n, 50000);
        assert_int_equal(size_parse("4096\n", 4, SIZE_KERNEL, &n), 0);
        assert_int_equal(n, 4096);
        assert_int_equal(size_parse("7", 0, SIZE_KERNEL, &n), -EINVAL);
        assert_int_equal(size_parse("7\0k", 3, SIZE_KERNEL, &n), -EINVAL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_are_read_as_their_kind_says),
                cmocka_unit_test(only_so_many_bytes_are_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
