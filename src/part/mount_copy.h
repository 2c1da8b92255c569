/* tmpcopyup: what the image has at a mount point, copied into the tmpfs that is to
 * cover it. */
#pragma once

#include "kenro/base/err.h"

/* Copy everything below the directory FROM (any descriptor) into the empty TO: files
 * with holes, directories, links and FIFOs, with owners, modes, times and extended
 * attributes. Devices, sockets and other mounts are left out. */
int mount_copy_child(int from, int to, struct err *e);
