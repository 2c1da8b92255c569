/* yajl's allocator on an arena. Private to the json layer. */
#pragma once

#include "kenro/base/arena.h"

#include <yajl/yajl_common.h>

/* The functions refer to A, which must outlive the parser or generator. */
yajl_alloc_funcs json_mem(struct arena *a);
