/* linux.resources by itself, as `update` gets it. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

/* Decode the file PATH, or standard input for "-". */
int spec_load_resources(const char *path, struct arena *a, struct spec_resources *ret,
                        struct err *e);

/* What is in force after CHANGE: its values over those of OLD (or NULL). Absent, 0 and
 * "" are how engines spell "unchanged", but for pids.limit and cpu.idle. Lists and maps
 * change by device, page size and key. Device rules are left out: engines send them
 * along and do not mean them. */
int spec_merge_resources(const struct spec_resources *old, const struct spec_resources *change,
                         struct arena *a, struct spec_resources *ret, struct err *e);
