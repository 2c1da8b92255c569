/* The tables that describe config.json: key, kind, place, names. The same rows
 * feed decoding, error texts and `kenro features`. */
#pragma once

#include "kenro/base/names.h"
#include "kenro/json/json_read.h"

extern const struct json_shape spec_shape;           /* struct spec */
extern const struct json_shape spec_process_shape;   /* struct spec_process */
extern const struct json_shape spec_resources_shape; /* struct spec_resources */

/* Names of enums. */
extern const struct name spec_namespace_names[];       /* CLONE_NEW* */
extern const struct name spec_rlimit_names[];          /* RLIMIT_* */
extern const struct name spec_propagation_names[];     /* MS_* */
extern const struct name spec_seccomp_action_names[];  /* SECCOMP_RET_* */
extern const struct name spec_seccomp_arch_names[];    /* SCMP_ARCH_* */
extern const struct name spec_seccomp_flag_names[];    /* SECCOMP_FILTER_FLAG_* */
extern const struct name spec_seccomp_compare_names[]; /* enum spec_compare */
extern const struct name spec_scheduler_names[];       /* SCHED_* */
extern const struct name spec_memory_mode_names[];     /* MPOL_* */
extern const struct name spec_memory_flag_names[];     /* MPOL_F_* */
extern const struct name spec_hook_names[];            /* offset in struct spec_hooks */
