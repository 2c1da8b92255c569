/* config.json when memory runs out: whichever single block is not to be had, on
 * the whole way to the plan, there is a message. */
#include "fuzz.h"

enum { BLOCKS_MAX = 1500 }; /* a text that needs more is tried elsewhere */

static void check_short(const uint8_t *data, size_t size, size_t refused)
{
        static struct fuzz_config c;

        fuzz_config_read(data, size, refused, &c);
        HOLDS(c.reached < PLANNED, "nobody has noticed");
        HOLDS(c.e.text[0], NULL);
        fuzz_check_error(&c.e);
        fuzz_config_release(&c);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        (void)argc;
        (void)argv;
        fuzz_quiet();
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static struct fuzz_config c;
        size_t blocks;

        fuzz_config_read(data, size, 0, &c);
        blocks = fuzz_arena_blocks(&c.arena);
        fuzz_config_release(&c);
        if (c.reached == NOTHING || blocks > BLOCKS_MAX)
                return 0;
        for (size_t i = 1; i <= blocks; i++)
                check_short(data, size, i);
        return 0;
}
