#include "kenro/base/bits.h"

#include <string.h>

enum { WORDS = BITS_MAX / BITS_PER_WORD };

/* A number at *AT, which moves behind it; -1 if there is none, or too large a one. */
static int number(const char **at)
{
        int n = -1;

        for (; **at >= '0' && **at <= '9'; ++*at) {
                n = (n < 0 ? 0 : n) * 10 + (**at - '0');
                if (n >= BITS_MAX)
                        return -1;
        }
        return n;
}

int bits_parse(const char *text, struct bits *ret, struct err *e)
{
        struct bits r = { 0 };
        const char *at = text;

        do {
                int first = number(&at), last = first;

                if (first >= 0 && *at == '-') {
                        at++;
                        last = number(&at);
                }
                if (first < 0 || last < first || (*at != ',' && *at != '\0'))
                        return err_set(e, "'%.*s' is not a list like 0-3,7 of numbers below %d",
                                       BITS_TEXT_MAX, text, BITS_MAX);
                for (int n = first; n <= last; n++)
                        r.v[n / BITS_PER_WORD] |= 1ul << n % BITS_PER_WORD;
        } while (*at++ == ',');
        *ret = r;
        return 0;
}

void bits_fill(struct bits *b)
{
        memset(b, 0xff, sizeof(*b));
}

bool bits_is_empty(const struct bits *b)
{
        for (int i = 0; i < WORDS; i++)
                if (b->v[i])
                        return false;
        return true;
}

void bits_remove(struct bits *a, const struct bits *b)
{
        for (int i = 0; i < WORDS; i++)
                a->v[i] &= ~b->v[i];
}
