/* What `kenro doctor` makes of the facts about a host: one finding for each row of a
 * table. Facts in, words out: a test can give any. */
#pragma once

#include "kenro/base/err.h"
#include "kenro/host/host.h"
#include "kenro/host/survey.h"

enum finding_status { FINDING_OK, FINDING_INFO, FINDING_WARN, FINDING_FAIL };

enum { FINDING_TEXT_MAX = 1000, FINDING_FIX_MAX = 500 };

struct finding {
        enum finding_status status;
        char text[FINDING_TEXT_MAX]; /* what was found */
        char fix[FINDING_FIX_MAX];   /* what to do about it; "" if there is nothing to do */
};

struct doctor {
        const struct survey *survey;
        const struct survey_in *in;
        const struct host *host;
        const char *host_error; /* why kenro cannot work here at all; or NULL */
};

struct doctor_check {
        const char *name; /* the same for ever: scripts look for it */
        void (*judge)(const struct doctor *d, enum engine_kind kind, struct finding *f);
        enum engine_kind kind; /* for those of engines */
};

/* Ends with a row without name. */
extern const struct doctor_check doctor_checks[];

/* All of it, without control characters. */
void doctor_judge(const struct doctor *d, const struct doctor_check *c, struct finding *ret);

const char *finding_status_name(enum finding_status s);
