/* The loopback device of a new network namespace, which starts down. */
#pragma once

#include "kenro/base/err.h"

/* Set "lo" up, by one ioctl: netdevice(7). */
int loopback_child(struct err *e);
