#include "kenro/base/names.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { NEAR_EDITS = 2, NEAR_LENGTH_MAX = 40 };

const struct name *name_find(const struct name *table, const char *name)
{
        for (; table->name; table++)
                if (strcmp(table->name, name) == 0)
                        return table;
        return NULL;
}

const char *name_of(const struct name *table, uint64_t value)
{
        for (; table->name; table++)
                if (table->value == value)
                        return table->name;
        return "?";
}

/* Levenshtein distance by one row; both texts are short. */
static size_t distance(const char *a, size_t la, const char *b, size_t lb)
{
        size_t row[NEAR_LENGTH_MAX + 1];

        for (size_t j = 0; j <= lb; j++)
                row[j] = j;
        for (size_t i = 1; i <= la; i++) {
                size_t diagonal = row[0];

                row[0] = i;
                for (size_t j = 1; j <= lb; j++) {
                        size_t best = diagonal + (a[i - 1] != b[j - 1]);

                        if (row[j] + 1 < best)
                                best = row[j] + 1;
                        if (row[j - 1] + 1 < best)
                                best = row[j - 1] + 1;
                        diagonal = row[j];
                        row[j] = best;
                }
        }
        return row[lb];
}

bool name_is_near(const char *a, const char *b)
{
        size_t la = strlen(a), lb = strlen(b);

        if (strcmp(a, b) == 0)
                return false;
        if (strcasecmp(a, b) == 0)
                return true;
        /* Two edits turn any short word into any other. */
        if (la < 4 || lb < 4 || la > NEAR_LENGTH_MAX || lb > NEAR_LENGTH_MAX)
                return false;
        return distance(a, la, b, lb) <= NEAR_EDITS;
}

const struct name *name_near(const struct name *table, const char *wrong)
{
        for (; table->name; table++)
                if (name_is_near(table->name, wrong))
                        return table;
        return NULL;
}

void name_list(const struct name *table, char *buf, size_t size)
{
        size_t at = 0;

        buf[0] = '\0';
        for (const char *sep = ""; table->name; table++) {
                size_t len = strlen(sep) + strlen(table->name);

                if (!table->name[0])
                        continue; /* how some engines spell "not given" */
                if (at + len + sizeof(", ...") > size) {
                        snprintf(buf + at, size - at, ", ...");
                        return;
                }
                at += (size_t)snprintf(buf + at, size - at, "%s%s", sep, table->name);
                sep = ", ";
        }
}
