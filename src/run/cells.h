/* The cells that the two tables of steps.c have in common. */
#pragma once

#include "kenro/run/job.h"

#include <stdbool.h>

/* Whether a row is wanted. */
bool is_ordinary(const struct job *j);
bool has_program(const struct job *j);
bool filters_early(const struct job *j);
bool limits_late(const struct job *j);
bool filters_late(const struct job *j);
bool notifies_late(const struct job *j);

/* In the order of the rows. */
int callers_cell(struct job *j, struct err *e);
int shelter_cell(struct job *j, struct err *e);
int console_cell(struct job *j, struct err *e);
int session_cell(struct job *j, struct err *e);
int cwd_cell(struct job *j, struct err *e);
int limits_parent_cell(struct job *j, struct err *e);
int attributes_cell(struct job *j, struct err *e);
int limits_cell(struct job *j, struct err *e);
int privileges_cell(struct job *j, struct err *e);
int program_cell(struct job *j, struct err *e);
int descriptors_cell(struct job *j, struct err *e);
int read_back_cell(struct job *j, struct err *e);
int early_filter_cell(struct job *j, struct err *e);
int late_filter_cell(struct job *j, struct err *e);
int final_process_cell(struct job *j, struct err *e);
int execute_cell(struct job *j, struct err *e);

/* In the parent, for rows of their own: the attributes that only it may set, */
int attributes_parent(struct job *j, struct err *e);
/* and the process in between has done its work. */
int adopt(struct job *j, struct err *e);

/* In a new or joined user namespace: see stdio_owner. */
void give_stdio(const struct job *j);

/* The id of the mount at PATH below FD ("": of FD). Returns 0 or -errno. */
int mount_id(int fd, const char *path, uint64_t *ret);
