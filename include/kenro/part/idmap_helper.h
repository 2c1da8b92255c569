/* newuidmap(1) and newgidmap(1): the host's set-uid programs that write the mappings
 * which an ordinary user has been given in /etc/subuid and /etc/subgid. */
#pragma once

#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

#include <sys/types.h>

/* Let the program NAME write M for the process TARGET, a child of ours that waits. */
int idmap_helper(const char *name, const struct id_mappings *m, pid_t target, struct err *e);

/* Where such a program may be. Ends with NULL. */
extern const char *const idmap_helper_directories[];
