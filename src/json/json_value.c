#include "json_value.h"

#include "json_locate.h"

#include "kenro/base/log.h"

#include <stdlib.h>
#include <string.h>

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

/* Does the string token that ends at END spell half of a surrogate pair? */
static bool has_half(const char *text, size_t end)
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

/* What such a half may have become: '?', itself in bytes, or a character made of it
 * and what follows. */
static bool may_be_half(const char *s, size_t len)
{
        for (size_t i = 0; i < len; i++)
                if (s[i] == '?' || (unsigned char)s[i] >= 0x80)
                        return true;
        return false;
}

/* Behind S stands a quote or NUL, which ends any sequence. */
static bool is_utf8(const char *s, size_t len)
{
        for (size_t i = 0, n; i < len; i += n) {
                n = log_utf8(s + i);
                if (n == 0)
                        return false;
        }
        return true;
}

const char *json_string_flaw(const char *text, size_t end, const char *s, size_t len)
{
        if (memchr(s, 0, len))
                return "a string with a NUL character";
        if (may_be_half(s, len) && has_half(text, end))
                return "a string with half a surrogate pair";
        return is_utf8(s, len) ? NULL : "a string that is not UTF-8";
}
