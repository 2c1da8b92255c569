/* Properties of a request, from text to D-Bus. */
#pragma once

#include "kenro/base/err.h"
#include "kenro/base/fields.h"

#include <systemd/sd-bus.h>

/* Append what is left of the request as "a(sv)": name, type, version, count, values. And
 * PIDs with PID, unless that is 0. BUS tells how old its systemd is, if that matters. */
int property_append_all(sd_bus *bus, sd_bus_message *m, struct fields_left *f, unsigned pid,
                        struct err *e);
