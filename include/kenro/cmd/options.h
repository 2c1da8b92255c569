/* Command lines by table. Help, the manual's synopsis and completion come from
 * the same rows.
 *
 * Callers write options in many ways, and all are meant (rules P1-P7 of the
 * contract): "--name value", "--name=value", "-n value", "-n=value", a single
 * dash before a long name, the same option twice (the last holds), a flag as
 * "--name=false". */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

#include <stdbool.h>
#include <stddef.h>

enum option_kind {
        OPTION_END,
        OPTION_FLAG,   /* bool */
        OPTION_TEXT,   /* const char * */
        OPTION_NUMBER, /* unsigned */
        OPTION_LIST,   /* struct strings, one value each time */
};

struct option_row {
        const char *name;
        char letter; /* or 0 */
        enum option_kind kind;
        size_t offset;    /* of the member */
        const char *arg;  /* what the value is called in help */
        const char *help; /* NULL: accepted for callers' sake, and not shown */
};

struct options {
        const struct option_row *rows;
        void *values; /* the structure that the offsets refer to */
        bool permute; /* options may follow operands; else the first operand ends them */
};

/* Parse ARGV from *AT on. What is no option is left in ARGV, in order, from the
 * returned *AT on. */
int options_parse(const struct options *o, int argc, char **argv, int *at, struct arena *a,
                  struct err *e);

/* Print the rows as help to standard output. */
void options_help(const struct option_row *rows);
