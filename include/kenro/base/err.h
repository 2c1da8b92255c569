/* One error, fixed in size, so that it crosses a socket as it is.
 *
 * The function that made the failing call states the fact and the object, a
 * caller adds at most one noun phrase in front, and only main prints. Every
 * function here returns -1, so that a failure is one return statement. */
#pragma once

#include <stddef.h>

enum { ERR_TEXT_MAX = 480, ERR_HINT_MAX = 200 };

struct err {
        int num;                 /* errno of the failing call, 0 if there was none */
        char text[ERR_TEXT_MAX]; /* what failed, on what; one line, NUL-terminated */
        char hint[ERR_HINT_MAX]; /* the way out, or empty */
};

/* ARGS is 0 for a va_list. */
#define ERR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* A fact that no system call stated. */
int err_set(struct err *e, const char *fmt, ...) ERR_PRINTF(2, 3);

/* A system call failed with NUM (positive). Its symbolic name is appended, and
 * not strerror's words: engines map "permission denied" and "no such file or
 * directory" to exit codes that blame the user's command. */
int err_sys(struct err *e, int num, const char *fmt, ...) ERR_PRINTF(3, 4);

/* Put "PHRASE: " in front of the text. */
int err_in(struct err *e, const char *fmt, ...) ERR_PRINTF(2, 3);

/* Say the way out; a hint that is already there stays. */
int err_hint(struct err *e, const char *fmt, ...) ERR_PRINTF(2, 3);

/* Write "text (hint)" into BUF, control characters replaced by '?'. */
void err_line(const struct err *e, char *buf, size_t size);

/* "ENOENT" for 2; "errno 4711" for a number without a name. Static or BUF. */
const char *errno_name(int num, char buf[24]);
