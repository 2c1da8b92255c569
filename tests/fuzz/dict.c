/* Print a dictionary for libFuzzer: every key and every name that the tables of
 * config.json know. */
#include "kenro/part/mount_option.h"
#include "kenro/spec/spec_fields.h"

#include <stdio.h>

enum { SHAPES_MAX = 128 };

static const struct json_shape *seen[SHAPES_MAX];
static size_t n_seen;

static void print_names(const struct name *n)
{
        for (; n->name; n++)
                if (n->name[0])
                        printf("\"\\\"%s\\\"\"\n", n->name);
}

static void print_shape(const struct json_shape *shape)
{
        for (size_t i = 0; i < n_seen; i++)
                if (seen[i] == shape)
                        return;
        if (n_seen < SHAPES_MAX)
                seen[n_seen++] = shape;
        for (const struct json_field *f = shape->fields; f->kind != J_END; f++) {
                printf("\"\\\"%s\\\":\"\n", f->key);
                if (f->names)
                        print_names(f->names);
                if (f->shape)
                        print_shape(f->shape);
        }
}

int main(void)
{
        print_shape(&spec_shape);
        print_names(mount_option_names);
        return 0;
}
