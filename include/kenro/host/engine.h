/* The container engines of a host, and the runtimes that their files give them: read
 * from the files alone. What a daemon was told on its command line is not there. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/spec/spec.h"

#include <stdbool.h>
#include <sys/types.h>

enum engine_kind {
        ENGINE_PODMAN,
        ENGINE_BUILDAH,
        ENGINE_DOCKER,
        ENGINE_CONTAINERD,
        ENGINE_CRIO,
        ENGINE_KINDS
};

/* A runtime that an engine can be asked for. */
struct engine_runtime {
        const char *name;
        const char *file;     /* where it is configured; NULL: the engine knows it by itself */
        struct strings paths; /* the first that is there is executed; none: NAME in PATH */
        const char *path;     /* that one; NULL if none is there */
        bool kenro;
};

struct engine {
        const char *name;
        const char *program;   /* NULL: not installed */
        struct strings files;  /* its configuration, in the order of reading */
        const char *error;     /* about the first of them that cannot be read; or NULL */
        const char *mistaken;  /* a table in them that the engine does not look at; or NULL */
        const char *chosen;    /* the name of the runtime it takes unasked */
        const char *chosen_in; /* the file that says so; NULL: the engine by itself */
        struct strings json, nocgroups; /* of Podman: who takes --log-format, who no cgroup */
        SPEC_LIST(struct engine_runtime) runtimes;
};

struct engine_look {
        int root;       /* of all paths, O_PATH */
        dev_t self_dev; /* this program */
        ino_t self_ino;
        const char *home; /* of the user whose settings count too; NULL: root's do not */
        struct arena *arena;
};

int engine_look(const struct engine_look *in, enum engine_kind kind, struct engine *ret,
                struct err *e);

/* The runtime called NAME, or NULL. */
const struct engine_runtime *engine_runtime(const struct engine *g, const char *name);

/* Whether PATH is an executable file, and in KENRO, unless NULL, whether it is this
 * program, or one called kenro where its links lead. */
bool engine_program(const struct engine_look *in, const char *path, bool *kenro);

/* Where programs are that nobody gave a path for. Ends with NULL. */
extern const char *const engine_directories[];
