/* The files of engines, one reader for each kind: private to engine. */
#pragma once

#include "kenro/host/engine.h"

/* What the readers have in common. */
struct engine_reading {
        const struct engine_look *in;
        struct engine *to;
        const char *file;       /* that is being read */
        struct strings *list;   /* whose items come next */
        struct strings old;     /* what that was before this file */
        struct strings imports; /* containerd's */
        int version;            /* containerd's, of this file */
};

int engine_read_containers(struct engine_reading *r, struct err *e);
int engine_read_docker(struct engine_reading *r, struct err *e);
int engine_read_containerd(struct engine_reading *r, struct err *e);
int engine_read_crio(struct engine_reading *r, struct err *e);
