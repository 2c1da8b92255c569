/* The two tables: when is what set up, and by which process. */
#pragma once

#include "kenro/run/relay.h"

extern const struct step create_steps[];
extern const struct step exec_steps[];
