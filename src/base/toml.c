#include "kenro/base/toml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { NESTED_MAX = 16 };

#define BARE "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
#define BLANK " \t"

struct scan {
        const struct toml_source *src;
        const char *at;
        unsigned line, nested;
        const char *path[TOML_PATH_MAX];
        size_t depth;
        bool in_list;
        toml_told *told;
        void *arg;
        struct err *e;
};

static int refuse(const struct scan *s, const char *what)
{
        return err_set(s->e, "%.200s:%u: %s", s->src->name, s->line, what);
}

static void skip_blank(struct scan *s)
{
        s->at += strspn(s->at, BLANK "\r");
}

/* To the next line's end, which stays. */
static void skip_comment(struct scan *s)
{
        skip_blank(s);
        if (*s->at == '#')
                s->at += strcspn(s->at, "\n");
}

/* Over any number of lines. */
static void skip_lines(struct scan *s)
{
        for (skip_comment(s); *s->at == '\n'; skip_comment(s)) {
                s->at++;
                s->line++;
        }
}

/* CODE as UTF-8 at TO, which has room for four bytes. */
static char *put_utf8(char *to, uint32_t code)
{
        if (code < 0x80) {
                *to++ = (char)code;
                return to;
        }
        if (code < 0x800) {
                *to++ = (char)(0xc0 | code >> 6);
        } else {
                if (code < 0x10000) {
                        *to++ = (char)(0xe0 | code >> 12);
                } else {
                        *to++ = (char)(0xf0 | code >> 18);
                        *to++ = (char)(0x80 | (code >> 12 & 0x3f));
                }
                *to++ = (char)(0x80 | (code >> 6 & 0x3f));
        }
        *to++ = (char)(0x80 | (code & 0x3f));
        return to;
}

/* The four or eight digits of "\u" and "\U", which S is at. */
static int read_code(struct scan *s, char **to)
{
        size_t digits = *s->at == 'u' ? 4 : 8;
        char text[9] = "";
        uint32_t code;

        s->at++;
        if (strspn(s->at, "0123456789abcdefABCDEF") < digits)
                return refuse(s, "an escape without its digits");
        memcpy(text, s->at, digits);
        code = (uint32_t)strtoul(text, NULL, 16);
        if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
                return refuse(s, "an escape that is no character");
        *to = put_utf8(*to, code);
        s->at += digits;
        return 0;
}

/* What follows a backslash. The result is never longer than what stands there. */
static int read_escape(struct scan *s, bool lines, char **to)
{
        static const char names[] = "btnfre\"\\", values[] = "\b\t\n\f\r\033\"\\";
        const char *name = *s->at ? strchr(names, *s->at) : NULL;

        if (*s->at == 'u' || *s->at == 'U')
                return read_code(s, to);
        if (name) {
                *(*to)++ = values[name - names];
                s->at++;
                return 0;
        }
        /* Inside of """ it takes the line's end and all blanks after it away. */
        if (!lines || s->at[strspn(s->at, BLANK "\r")] != '\n')
                return refuse(s, "an escape that is none");
        for (; *s->at && strchr(BLANK "\r\n", *s->at); s->at++)
                s->line += *s->at == '\n';
        return 0;
}

/* From behind the opening quotes, QUOTES of them, to behind the closing ones. */
static int read_quoted(struct scan *s, char quote, size_t quotes, char *to)
{
        const char end[4] = { quote, quotes == 3 ? quote : '\0', quotes == 3 ? quote : '\0' };
        bool lines = quotes == 3;

        while (strncmp(s->at, end, quotes) != 0) {
                if (*s->at == '\0' || (*s->at == '\n' && !lines))
                        return refuse(s, "a string without an end");
                if (*s->at == '\\' && quote == '"') {
                        s->at++;
                        if (read_escape(s, lines, &to) < 0)
                                return -1;
                        continue;
                }
                s->line += *s->at == '\n';
                *to++ = *s->at++;
        }
        s->at += quotes;
        /* Up to two more quotes belong to the text. */
        for (size_t more = 0; lines && more < 2 && *s->at == quote; more++) {
                *to++ = quote;
                s->at++;
        }
        *to = '\0';
        return 0;
}

/* How long the text of a string may be that begins at AT. */
static size_t length_of(const char *at, char quote, size_t quotes)
{
        size_t len = 0, run = 0;

        for (; at[len] && run < quotes && (quotes > 1 || at[len] != '\n'); len++) {
                run = at[len] == quote ? run + 1 : 0;
                if (at[len] == '\\' && quote == '"' && at[len + 1])
                        len++;
        }
        return len + 2;
}

/* A string of any of the four kinds, which S is at. */
static int read_string(struct scan *s, bool lines, const char **ret)
{
        char quote = *s->at;
        bool three = lines && s->at[1] == quote && s->at[2] == quote;
        size_t quotes = three ? 3 : 1;
        char *text;

        s->at += quotes;
        if (three && s->at[s->at[0] == '\r'] == '\n') {
                s->at += 1 + (s->at[0] == '\r'); /* a line's end right there is none of the text */
                s->line++;
        }
        text = arena_alloc(s->src->arena, length_of(s->at, quote, quotes) + 1, 1, s->e);
        *ret = text;
        return text ? read_quoted(s, quote, quotes, text) : -1;
}

/* "a.'b c'.d": appended to the path. */
static int read_key(struct scan *s)
{
        for (;;) {
                size_t len = strspn(s->at, BARE);
                const char *part = NULL;

                if (s->depth == TOML_PATH_MAX)
                        return refuse(s, "a key of too many parts");
                if (*s->at == '"' || *s->at == '\'') {
                        if (read_string(s, false, &part) < 0)
                                return -1;
                } else if (len == 0) {
                        return refuse(s, "expected a key");
                } else {
                        part = arena_strndup(s->src->arena, s->at, len, s->e);
                        s->at += len;
                }
                if (!part)
                        return -1;
                s->path[s->depth++] = part;
                skip_blank(s);
                if (*s->at != '.')
                        return 0;
                s->at++;
                skip_blank(s);
        }
}

static int tell(struct scan *s, enum toml_kind kind, const char *text)
{
        const struct toml_value v = { s->path, s->depth, kind, s->in_list, text };

        return s->told(&v, s->arg, s->e);
}

static int read_value(struct scan *s);

/* "[a, b]", which may take many lines. */
static int read_list(struct scan *s)
{
        bool outer = s->in_list;
        int r = tell(s, TOML_LIST, "");

        s->in_list = true;
        s->at++;
        for (skip_lines(s); r == 0 && *s->at != ']'; skip_lines(s)) {
                r = read_value(s);
                skip_lines(s);
                if (r == 0 && *s->at == ',')
                        s->at++;
                else if (r == 0 && *s->at != ']')
                        r = refuse(s, "expected a comma or ] in a list");
        }
        s->at += r == 0;
        s->in_list = outer;
        return r;
}

static int read_member(struct scan *s)
{
        size_t depth = s->depth;
        int r = read_key(s);

        if (r == 0 && *s->at != '=')
                r = refuse(s, "expected = behind the key");
        if (r == 0) {
                s->at++;
                skip_blank(s);
                r = read_value(s);
        }
        s->depth = depth;
        return r;
}

/* "{ a = 1, b = 2 }"; newer documents may have lines in it. */
static int read_inline(struct scan *s)
{
        int r = 0;

        s->at++;
        for (skip_lines(s); r == 0 && *s->at != '}'; skip_lines(s)) {
                r = read_member(s);
                skip_lines(s);
                if (r == 0 && *s->at == ',')
                        s->at++;
                else if (r == 0 && *s->at != '}')
                        r = refuse(s, "expected a comma or } in a table");
        }
        s->at += r == 0;
        return r;
}

static int read_word(struct scan *s)
{
        size_t len = strcspn(s->at, BLANK "\r\n,]}#");
        const char *text;

        if (len == 0)
                return refuse(s, "expected a value");
        text = arena_strndup(s->src->arena, s->at, len, s->e);
        s->at += len;
        return text ? tell(s, TOML_WORD, text) : -1;
}

static int read_value(struct scan *s)
{
        const char *text;
        int r;

        if (++s->nested > NESTED_MAX)
                return refuse(s, "lists and tables in one another, too many");
        switch (*s->at) {
        case '"':
        case '\'':
                r = read_string(s, true, &text);
                r = r == 0 ? tell(s, TOML_STRING, text) : r;
                break;
        case '[':
                r = read_list(s);
                break;
        case '{':
                r = read_inline(s);
                break;
        default:
                r = read_word(s);
                break;
        }
        s->nested--;
        return r;
}

/* "[a.b]" or "[[a.b]]": what follows is in there. */
static int read_header(struct scan *s)
{
        size_t brackets = s->at[1] == '[' ? 2 : 1;

        s->depth = 0;
        s->at += brackets;
        skip_blank(s);
        if (read_key(s) < 0)
                return -1;
        if (strncmp(s->at, "]]", brackets) != 0)
                return refuse(s, "expected ] behind the name of a table");
        s->at += brackets;
        return 0;
}

int toml_scan(const struct toml_source *src, toml_told *told, void *arg, struct err *e)
{
        struct scan s = {
                .src = src, .at = src->text, .line = 1, .told = told, .arg = arg, .e = e
        };

        if (memchr(src->text, '\0', src->len))
                return refuse(&s, "this is no text");
        if (strncmp(s.at, "\xef\xbb\xbf", 3) == 0)
                s.at += 3;
        for (skip_lines(&s); *s.at; skip_lines(&s)) {
                int r = *s.at == '[' ? read_header(&s) : read_member(&s);

                if (r != 0)
                        return r;
                skip_comment(&s);
                if (*s.at && *s.at != '\n')
                        return refuse(&s, "expected the end of the line");
        }
        return 0;
}

bool toml_is_at(const struct toml_value *v, const char *pattern)
{
        for (size_t i = 0; i < v->depth; i++) {
                size_t len = strcspn(pattern, ".");
                bool any = len == 1 && *pattern == '*';

                if (!any && (strlen(v->path[i]) != len || strncmp(v->path[i], pattern, len) != 0))
                        return false;
                pattern += len;
                if (*pattern == '\0')
                        return i + 1 == v->depth;
                pattern++;
        }
        return false;
}
