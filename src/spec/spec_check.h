/* Checks across fields. Private to the spec layer. */
#pragma once

#include "kenro/spec/spec.h"

int spec_check(const struct json_source *src, const struct spec *s, struct err *e);

/* PREFIX is "process" within config.json and "" in a process document. */
int spec_check_process(const struct json_source *src, const char *prefix,
                       const struct spec_process *p, struct err *e);
