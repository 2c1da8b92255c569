/* Two processes run one table of steps.
 *
 * A row has a cell for the parent, on the host, and one for the child, in the
 * container. Exactly one process works at a time: it holds the baton, and passes
 * it on when the next cell is the other's. A failure travels with the baton, as
 * a struct err of fixed size. What comes from the child is checked, because
 * from some row on the child is where the container is. */
#pragma once

#include "kenro/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct job;

typedef int step_fn(struct job *, struct err *);

struct step {
        const char *name;
        bool (*wanted)(const struct job *); /* NULL: always; both sides agree */
        step_fn *parent, *child;
};

enum side { PARENT, CHILD };

struct baton {
        uint32_t row;
        uint32_t failed; /* no bool: any bytes may come */
        struct err err;
};

/* Run STEPS, which end with a row without name, as ME. REPORT is where a baton
 * goes: a sequenced-packet socket, or for a child past its gate a FIFO; the
 * steps may change it. On failure E is the first error of either side. */
int relay(const struct step *steps, enum side me, int *report, struct job *job, struct err *e);

/* Nanoseconds, for the times that a job notes of its steps. */
uint64_t relay_now(void);

/* Turn a received baton of N bytes into its error: -1; 0 if it carries none. */
int baton_error(const struct baton *b, ssize_t n, struct err *e);
