/* HOME from the image's /etc/passwd, which may hold anything. */
#include "fuzz.h"

#include "kenro/part/program.h"

#include <string.h>

static int file, dir;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        (void)argc;
        (void)argv;
        file = fuzz_file("etc/passwd", &dir);
        return 0;
}

static void check(const char *home, const uint8_t *data, size_t size)
{
        size_t len = strnlen(home, PROGRAM_HOME_MAX);

        HOLDS(len < PROGRAM_HOME_MAX, NULL);
        HOLDS(strncmp(home, "HOME=/", 6) == 0, home);
        HOLDS(len == 6 || memmem(data, size, home + 5, len - 5), home);
        for (size_t i = 0; i < len; i++)
                HOLDS((unsigned char)home[i] >= 0x20 && home[i] != 0x7f && home[i] != ':', home);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const uint32_t uids[] = { 0, 1000, 4294967294 };

        fuzz_file_set(file, data, size);
        for (size_t i = 0; i < 3; i++) {
                char home[PROGRAM_HOME_MAX] = "HOME=/", *slot = home;
                const struct program_plan p = { .home = &slot, .uid = uids[i] };

                memset(home + 7, 'x', sizeof(home) - 7);
                program_home_child(&p, dir);
                check(home, data, size);
        }
        return 0;
}
