/* Name tables that only the field tables need. Private to the spec layer. */
#pragma once

#include "kenro/base/names.h"

extern const struct name spec_scheduler_flag_names[];
extern const struct name spec_io_class_names[];
extern const struct name spec_device_type_names[];
extern const struct name spec_rule_type_names[];
extern const struct name spec_personality_names[];
