#include "kenro/base/fields.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fields_add(struct fields *f, const char *fmt, ...)
{
        size_t room = f->size - f->len;
        va_list args;
        int n;

        va_start(args, fmt);
        n = vsnprintf(f->text + f->len, room, fmt, args);
        va_end(args);
        if (n < 0 || (size_t)n >= room)
                f->full = true;
        else
                f->len += (size_t)n + 1;
}

void fields_read(struct fields_left *f, const char *text, size_t len)
{
        if (len == 0 || text[len - 1] != '\0')
                len = 0;
        *f = (struct fields_left){ text, text + len };
}

const char *fields_next(struct fields_left *f)
{
        const char *field = f->at;

        if (f->at >= f->end)
                return NULL;
        f->at += strlen(f->at) + 1;
        return field;
}

int fields_next_number(struct fields_left *f, unsigned long long max, unsigned long long *ret)
{
        const char *text = fields_next(f);
        unsigned long long n;
        char *end;

        if (!text || !isdigit((unsigned char)*text))
                return -1;
        errno = 0;
        n = strtoull(text, &end, 10);
        if (*end || errno || n > max)
                return -1;
        *ret = n;
        return 0;
}
