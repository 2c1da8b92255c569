/* The runtime's own image. create, run and exec continue from a sealed copy in
 * memory, so that no process which a container can see shares the page cache of
 * the file on the host: what overwrote runtimes (CVE-2019-5736), and what a
 * kernel bug in the page cache would still overwrite. */
#pragma once

#include "kenro/base/err.h"

/* If this is not the copy yet, make it and execute it with ARGV: does not return
 * then. Returns 0 in the copy. */
int image_seal(char **argv, struct err *e);
