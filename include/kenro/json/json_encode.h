/* The way back: a structure as the JSON that its shape would decode. */
#pragma once

#include "kenro/json/json_read.h"
#include "kenro/json/json_write.h"

/* Write OBJECT, SHAPE's structure. What is absent is left out: NULL, a number that is
 * not set, a list or map without members. */
void json_encode(struct json_out *o, const struct json_shape *shape, const void *object);
