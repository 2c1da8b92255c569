/* What callers of a runtime read: one error, once to the log file and once to
 * standard error, the same text. Warnings reach a JSON log only when asked
 * for, because Podman decodes the whole file as one object. */
#pragma once

#include "kenro/base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* The program's name as the user called it, without directories. */
void log_program(const char *argv0);
const char *log_name(void);

/* Open FILE (NULL: none) for appending. LEVEL LOG_ERROR is the default. */
int log_open(const char *file, bool json, enum log_level level, struct err *e);

/* Print TEXT to the log and, with the program's name in front, to standard
 * error: errors always, the rest as the level says. */
void log_line(enum log_level level, const char *text);

/* Whether anybody sees what LEVEL is for. */
bool log_tells(enum log_level level);

void log_warn(const char *fmt, ...) ERR_PRINTF(1, 2);
void log_debug(const char *fmt, ...) ERR_PRINTF(1, 2);

/* Write S as the inside of a JSON string into BUF, cut at its end. Bytes that
 * are not UTF-8 become U+FFFD. Returns the length. */
size_t log_escape(const char *s, char *buf, size_t size);

/* Put '?' for every control character, and for what is no UTF-8. */
void log_clean(char *text);

/* Length in bytes of the UTF-8 sequence that TEXT begins with, 0 if none. */
size_t log_utf8(const char *text);
