#include "kenro/base/size.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { NUMBER_MAX = 32 };

static const struct {
        const char *units;
        int base;
} kinds[] = {
        [SIZE_NUMBER] = { "", 10 },
        [SIZE_HUMAN] = { "bkmgtp", 10 },
        [SIZE_KERNEL] = { " kmgtpe", 0 },
};

/* What UNIT multiplies with, as a power of two; -1: nothing that is known. */
static int shift_of(const char *unit, enum size_kind kind)
{
        const char *units = kinds[kind].units, *end = unit + 1, *at;

        if (!*unit)
                return 0;
        at = isalpha((unsigned char)*unit) ? strchr(units, tolower((unsigned char)*unit)) : NULL;
        if (!at)
                return -1;
        if (kind == SIZE_HUMAN && at != units &&
            (strcasecmp(end, "b") == 0 || strcasecmp(end, "ib") == 0))
                end += strlen(end);
        return *end ? -1 : (int)(at - units) * 10;
}

int size_parse(const char *text, size_t len, enum size_kind kind, uint64_t *ret)
{
        char number[NUMBER_MAX], *end;
        uint64_t n;
        int shift;

        if (len == 0 || len >= sizeof(number) || !isdigit((unsigned char)text[0]) ||
            memchr(text, '\0', len))
                return -EINVAL;
        memcpy(number, text, len);
        number[len] = '\0';
        errno = 0;
        n = strtoull(number, &end, kinds[kind].base);
        shift = shift_of(end, kind);
        if (shift < 0)
                return -EINVAL;
        if (errno || n > UINT64_MAX >> shift)
                return -ERANGE;
        *ret = n << shift;
        return 0;
}
