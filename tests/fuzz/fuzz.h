/* What the fuzz targets share. A target is a file with one
 * LLVMFuzzerTestOneInput; a promise that does not hold aborts, which libFuzzer
 * reports and saves like any crash. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/json/json_read.h"
#include "kenro/plan/plan.h"
#include "kenro/spec/spec.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What libFuzzer calls; the second one once, if it is there. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { FUZZ_SCRATCH_BYTES_MAX = 8 << 20 }; /* as in main */

/* FACT must be true; DETAIL, a text or NULL, is what it is about. */
#define HOLDS(fact, detail)                                                                        \
        do {                                                                                       \
                if (!(fact))                                                                       \
                        fuzz_broken(__FILE__, __LINE__, #fact, detail);                            \
        } while (0)

_Noreturn void fuzz_broken(const char *file, int line, const char *fact, const char *detail);

/* ---- arena.c: memory that watches itself, and can refuse one block --------------- */

/* How many blocks were asked for. */
size_t fuzz_arena_blocks(const struct arena *a);

/* The NTH block, from 1, is not given. */
void fuzz_arena_refuse(struct arena *a, size_t nth);

/* ---- check.c: errors, and what a decoder has made ------------------------------- */

/* E says something, and what reaches a terminal or the log is one line of it
 * without control characters. */
void fuzz_check_error(const struct err *e);

/* E begins with "NAME:LINE:COLUMN: ", a place in SRC. */
void fuzz_check_place(const struct json_source *src, const struct err *e);

/* Two readings of one text failed alike. */
void fuzz_check_same_error(const struct err *a, const struct err *b);

/* The structure A, decoded by SHAPE, holds what its rows allow, and B the same. */
void fuzz_check_same(const struct json_shape *shape, const void *a, const void *b);

/* PATH is as path_clean leaves one. */
void fuzz_check_clean(const char *path);

/* ---- plans.c: all planning that asks neither the host nor a file ----------------- */

/* A host that never was: no descriptors, all but a few capabilities. */
extern const struct host fuzz_host;

/* As plan_build, without what opens a path. */
int fuzz_plan(const struct spec *s, struct arena *a, struct arena *scratch, struct plan *ret,
              struct err *e);

/* What must be true of any plan. */
void fuzz_check_plan(const struct spec *s, const struct plan *p);
void fuzz_check_process(const struct spec_process *s, const struct process_plan *p);

/* ---- config.c: config.json, as `kenro check` goes about it ------------------------ */

enum fuzz_reached { NOTHING, PARSED, FILLED, PLANNED }; /* how far a text got */

struct fuzz_config {
        enum fuzz_reached reached;
        struct arena arena, scratch;
        struct json_source src;
        struct spec spec;
        struct plan plan;
        struct err e; /* unless PLANNED */
};

/* REFUSED: which block of memory is not to be had, or 0. */
void fuzz_config_read(const uint8_t *data, size_t size, size_t refused, struct fuzz_config *ret);
void fuzz_config_release(struct fuzz_config *c);

/* ---- bpf.c: what the kernel demands of a program --------------------------------- */

void fuzz_check_seccomp(const struct seccomp_plan *p);
void fuzz_check_devices(const struct cgroup_device_plan *p);

/* ---- file.c: a directory of the target's own, for what reads files --------------- */

/* The open file NAME in a new directory that goes when the process ends. NAME may
 * have one directory in front. RET_DIR, unless NULL, gets that top directory. */
int fuzz_file(const char *name, int *ret_dir);

/* Its content becomes DATA. */
void fuzz_file_set(int fd, const void *data, size_t size);

/* No warnings on standard error, where libFuzzer reports. */
void fuzz_quiet(void);
