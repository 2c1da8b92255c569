#include "kenro/base/log.h"

#include "kenro/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, STAMP_MAX = 40 };

/* The two mutable globals of this program. */
static const char *program = "kenro";
static struct {
        bool open, json;
        int fd;
        enum log_level level;
} target = { .fd = -1 };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

void log_program(const char *argv0)
{
        const char *slash = strrchr(argv0, '/');

        program = slash ? slash + 1 : argv0;
}

const char *log_name(void)
{
        return program;
}

int log_open(const char *file, bool json, enum log_level level, struct err *e)
{
        target.level = level;
        if (!file)
                return 0;
        target.fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
        if (target.fd < 0)
                return err_sys(e, errno, "cannot open the log %s", file);
        target.open = true;
        target.json = json;
        return 0;
}

size_t log_utf8(const char *text)
{
        static const struct {
                unsigned char mask, lead, low, high; /* bounds of the second byte */
                size_t len;
        } rows[] = {
                { 0xff, 0xe0, 0xa0, 0xbf, 3 }, { 0xff, 0xed, 0x80, 0x9f, 3 },
                { 0xff, 0xf0, 0x90, 0xbf, 4 }, { 0xff, 0xf4, 0x80, 0x8f, 4 },
                { 0xe0, 0xc0, 0x80, 0xbf, 2 }, { 0xf0, 0xe0, 0x80, 0xbf, 3 },
                { 0xfc, 0xf0, 0x80, 0xbf, 4 },
        };

        const unsigned char *s = (const unsigned char *)text;

        if (s[0] < 0x80)
                return 1;
        if (s[0] == 0xc0 || s[0] == 0xc1)
                return 0;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                if ((s[0] & rows[i].mask) != rows[i].lead)
                        continue;
                if (s[1] < rows[i].low || s[1] > rows[i].high)
                        return 0;
                for (size_t k = 2; k < rows[i].len; k++)
                        if ((s[k] & 0xc0) != 0x80)
                                return 0;
                return rows[i].len;
        }
        return 0;
}

size_t log_escape(const char *s, char *buf, size_t size)
{
        size_t at = 0;

        while (*s) {
                const unsigned char *u = (const unsigned char *)s;
                size_t len = log_utf8(s);
                char out[8];
                size_t n;

                if (*s == '"' || *s == '\\')
                        n = (size_t)snprintf(out, sizeof(out), "\\%c", *s);
                else if (*u < 0x20 || *u == 0x7f)
                        n = (size_t)snprintf(out, sizeof(out), "\\u%04x", *u);
                else if (len == 0)
                        n = (size_t)snprintf(out, sizeof(out), "\xef\xbf\xbd");
                else
                        n = (size_t)snprintf(out, sizeof(out), "%.*s", (int)len, s);
                if (at + n + 1 > size)
                        break;
                memcpy(buf + at, out, n);
                at += n;
                s += len ? len : 1;
        }
        buf[at] = '\0';
        return at;
}

void log_clean(char *text)
{
        /* U+0080 to U+009F, C2 80 to C2 9F in UTF-8, are control characters too; so are
         * lone bytes to some. */
        for (char *p = text; *p;) {
                size_t len = log_utf8(p);
                bool control = (unsigned char)*p < 0x20 || *p == 0x7f || len == 0 ||
                               (len == 2 && (unsigned char)p[0] == 0xc2 &&
                                (unsigned char)p[1] < 0xa0);

                for (size_t i = 0; control && i < (len ? len : 1); i++)
                        p[i] = '?';
                p += len ? len : 1;
        }
}

/* RFC 3339 in UTC with microseconds. */
static void stamp(char buf[STAMP_MAX])
{
        struct timespec now;
        struct tm tm;
        size_t n;

        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &tm);
        n = strftime(buf, STAMP_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(buf + n, STAMP_MAX - n, ".%06ldZ", now.tv_nsec / 1000);
}

static void to_file(enum log_level level, const char *text)
{
        char line[LINE_MAX_BYTES], escaped[LINE_MAX_BYTES / 2], when[STAMP_MAX];
        int n;

        stamp(when);
        log_escape(text, escaped, sizeof(escaped));
        n = snprintf(line, sizeof(line),
                     target.json ? "{\"level\":\"%1$s\",\"msg\":\"%2$s\",\"time\":\"%3$s\"}\n"
                                 : "time=\"%3$s\" level=%1$s msg=\"%2$s\"\n",
                     level_names[level], escaped, when);
        /* One write: lines of parallel calls do not mix. A full disk must not
         * change what the runtime does. */
        (void)file_write_all(target.fd, line, (size_t)n);
}

void log_line(enum log_level level, const char *text)
{
        char line[LINE_MAX_BYTES];
        int n;

        if (target.open && level <= target.level)
                to_file(level, text);

        /* Standard error is the program's too, and what it says is parsed: with a log
         * there are errors only, and warnings unasked only where a person is watching. */
        if (level != LOG_ERROR && target.open)
                return;
        if (level > target.level && (level > LOG_WARN || !isatty(STDERR_FILENO)))
                return;
        n = snprintf(line, sizeof(line), "%s: %s%s\n", program,
                     level == LOG_WARN ? "warning: " : "", text);
        if ((size_t)n >= sizeof(line))
                n = sizeof(line) - 1;
        (void)file_write_all(STDERR_FILENO, line, (size_t)n);
}

ERR_PRINTF(2, 0)
static void log_format(enum log_level level, const char *fmt, va_list ap)
{
        struct err e = { 0 };
        char line[ERR_TEXT_MAX];

        vsnprintf(e.text, sizeof(e.text), fmt, ap);
        err_line(&e, line, sizeof(line));
        log_line(level, line);
}

bool log_tells(enum log_level level)
{
        return level <= target.level;
}

void log_warn(const char *fmt, ...)
{
        va_list ap;

        va_start(ap, fmt);
        log_format(LOG_WARN, fmt, ap);
        va_end(ap);
}

void log_debug(const char *fmt, ...)
{
        va_list ap;

        if (target.level < LOG_DEBUG)
                return;
        va_start(ap, fmt);
        log_format(LOG_DEBUG, fmt, ap);
        va_end(ap);
}
