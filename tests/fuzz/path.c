/* Paths are cleaned before they are compared with what is forbidden. */
#include "fuzz.h"

#include "kenro/base/path.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        size_t room = size > 0 ? 2 + data[0] * 16u : 2;
        char *path = strndup(size > 0 ? (const char *)data + 1 : "", size > 0 ? size - 1 : 0);
        char *clean = malloc(room), *again = malloc(room);
        struct err e = { 0 };

        if (path_clean(path, clean, room, &e) < 0) {
                fuzz_check_error(&e);
                HOLDS(strlen(path) + 2 > room, e.text); /* it would have fitted */
        } else {
                fuzz_check_clean(clean);
                HOLDS(strlen(clean) < room, NULL);
                HOLDS(path_clean(clean, again, room, &e) == 0 && strcmp(clean, again) == 0, clean);
                HOLDS(path_is_below(clean, "/") && path_is_below(clean, clean), clean);
                HOLDS(path_is_below(clean, "/proc") ==
                              (strcmp(clean, "/proc") == 0 || strncmp(clean, "/proc/", 6) == 0),
                      clean);
        }
        free(path);
        free(clean);
        free(again);
        return 0;
}
