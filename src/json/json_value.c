#include "json_value.h"

#include "json_locate.h"

#include <stdlib.h>

bool json_whole_number(const char *text, size_t len, bool *minus, uint64_t *value)
{
        *minus = len > 0 && text[0] == '-';
        *value = 0;
        if (*minus) {
                text++;
                len--;
        }
        if (len == 0)
                return false;
        for (size_t i = 0; i < len; i++) {
                if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(*value, 10, value) ||
                    __builtin_add_overflow(*value, (uint64_t)(text[i] - '0'), value))
                        return false;
        }
        return true;
}

bool json_lone_surrogate(const char *text, size_t end)
{
        const char *p = text + json_token_start(text, end);
        bool pending = false; /* a high surrogate waits for its low one */

        for (; p + 5 < text + end; p++) {
                unsigned long unit = 0;

                if (*p == '\\' && *++p == 'u') {
                        char hex[5] = { p[1], p[2], p[3], p[4] };

                        unit = strtoul(hex, NULL, 16);
                        p += 4;
                }
                if ((unit >= 0xdc00 && unit <= 0xdfff) != pending)
                        return true;
                pending = unit >= 0xd800 && unit <= 0xdbff;
        }
        return pending;
}
