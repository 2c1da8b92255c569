/* From a bundle to a sealed plan: what create, run and check have in common.
 * check stops here, so that a dry run and a real run cannot disagree. */
#pragma once

#include "kenro/cmd/cmd.h"
#include "kenro/plan/plan.h"
#include "kenro/run/create.h"
#include "kenro/spec/spec_load.h"

struct prepared {
        struct cmd_host facts;
        struct spec_file file;
        const struct plan *plan;
        const char *bundle; /* absolute */
        int bundle_fd;
        bool notifies; /* the container is a service that says when it is ready */
};

/* Changes nothing on the host. ID may be a placeholder. */
int prepare(struct cli *c, const char *id, struct prepared *ret, struct err *e);
