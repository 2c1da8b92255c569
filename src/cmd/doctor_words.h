/* How findings are put into words: private to the checks. */
#pragma once

#include "kenro/cmd/doctor.h"

/* Set the status, unless it is worse already, and append to the text. */
void finding_say(struct finding *f, enum finding_status s, const char *fmt, ...) ERR_PRINTF(3, 4);

/* What to do about it: the first that was said is the most urgent. */
void finding_fix(struct finding *f, const char *fmt, ...) ERR_PRINTF(2, 3);

/* "a, b, c", cut at the end of BUF, which is returned. */
const char *finding_join(const struct strings *list, char *buf, size_t size);

void judge_engine(const struct doctor *d, enum engine_kind kind, struct finding *f);
void judge_runtimes(const struct doctor *d, enum engine_kind kind, struct finding *f);
