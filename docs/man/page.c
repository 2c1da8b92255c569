/* The manual: page DIRECTORY-OF-PROSE DIRECTORY VERSION writes a page for kenro and
 * for each command. Name, synopsis, commands and options come from the tables that
 * parse the command line; the rest from NAME.md, if it is there.
 *
 * What is before the first "# " is the description; the options follow it. A line
 * "# X" begins a section, "## X" one of its parts, ": X" explains the term on the line before, four
 * blanks begin an example, `x` is to be typed, *x* to be replaced. */
#include "kenro/cmd/cmd.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LINES_MAX = 1000, LINE_MAX_BYTES = 256 };

struct prose {
        char line[LINES_MAX][LINE_MAX_BYTES];
        int n;
};

static void fail(const char *what)
{
        perror(what);
        exit(1);
}

/* Nothing if there is no such file: a test asks for it. */
static void read_prose(const char *dir, const char *name, struct prose *p)
{
        char path[4096];
        FILE *f;

        p->n = 0;
        snprintf(path, sizeof(path), "%s/%s.md", dir, name);
        f = fopen(path, "re");
        if (!f)
                return;
        while (p->n < LINES_MAX - 1 && fgets(p->line[p->n], LINE_MAX_BYTES, f)) {
                p->line[p->n][strcspn(p->line[p->n], "\n")] = '\0';
                p->n++;
        }
        if (!feof(f))
                fail(path);
        p->line[p->n][0] = '\0';
        fclose(f);
}

/* ---- roff ------------------------------------------------------------------------ */

static void put_char(FILE *f, char c)
{
        if (c == '\\')
                fputs("\\e", f);
        else if (c == '-')
                fputs("\\-", f);
        else if (c == '\'')
                fputs("\\(aq", f);
        else
                fputc(c, f);
}

static void put_plain(FILE *f, const char *s)
{
        for (; *s; s++)
                put_char(f, *s);
}

/* A line of text: a dot at its beginning is no request. */
static void put_text(FILE *f, const char *s)
{
        bool bold = false, italic = false;

        if (*s == '.')
                fputs("\\&", f);
        for (; *s; s++) {
                if (*s == '`') {
                        bold = !bold;
                        fputs(bold ? "\\fB" : "\\fR", f);
                } else if (*s == '*' && !bold) {
                        italic = !italic;
                        fputs(italic ? "\\fI" : "\\fR", f);
                } else {
                        put_char(f, *s);
                }
        }
        fputc('\n', f);
}

/* A phrase of help. */
static void put_phrase(FILE *f, const char *s)
{
        put_plain(f, s);
        fputc('\n', f);
}

static bool is_text(const char *line)
{
        return *line && *line != '#' && strncmp(line, "    ", 4) != 0;
}

static int put_example(FILE *f, const struct prose *p, int i)
{
        fputs(".PP\n.RS 4\n.nf\n", f);
        for (; i < p->n && strncmp(p->line[i], "    ", 4) == 0; i++) {
                fputs("\\&", f);
                put_plain(f, p->line[i] + 4);
                fputc('\n', f);
        }
        fputs(".fi\n.RE\n", f);
        return i;
}

static int put_paragraph(FILE *f, const struct prose *p, int i)
{
        if (strncmp(p->line[i + 1], ": ", 2) == 0) {
                fputs(".TP\n", f);
                put_text(f, p->line[i]);
                put_text(f, p->line[i + 1] + 2);
                i += 2;
        } else {
                fputs(".PP\n", f);
        }
        for (; i < p->n && is_text(p->line[i]) && strncmp(p->line[i + 1], ": ", 2) != 0; i++)
                put_text(f, p->line[i]);
        return i;
}

/* From line I to the next section, or with ALL to the end. */
static int put_prose(FILE *f, const struct prose *p, int i, bool all)
{
        while (i < p->n && (all || p->line[i][0] != '#')) {
                const char *s = p->line[i];

                if (*s == '#') {
                        fprintf(f, ".%s %s\n", s[1] == '#' ? "SS" : "SH", s + strspn(s, "# "));
                        i++;
                } else if (*s == '\0') {
                        i++;
                } else if (strncmp(s, "    ", 4) == 0) {
                        i = put_example(f, p, i);
                } else {
                        i = put_paragraph(f, p, i);
                }
        }
        return i;
}

/* ---- the tables ------------------------------------------------------------------ */

static void put_options(FILE *f, const struct option_row *rows)
{
        bool help = false;

        fputs(".SH OPTIONS\n", f);
        for (; rows->kind != OPTION_END; rows++) {
                if (!rows->help)
                        continue;
                help |= strcmp(rows->name, "help") == 0;
                fputs(".TP\n", f);
                if (rows->letter)
                        fprintf(f, "\\fB\\-%c\\fR, ", rows->letter);
                fputs("\\fB\\-\\-", f);
                put_plain(f, rows->name);
                fputs("\\fR", f);
                if (rows->kind != OPTION_FLAG) {
                        fputs(" \\fI", f);
                        put_plain(f, rows->arg);
                        fputs("\\fR", f);
                }
                fputc('\n', f);
                put_phrase(f, rows->help);
        }
        if (!help)
                fputs(".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nprint this help\n", f);
}

static void put_commands(FILE *f)
{
        fputs(".SH COMMANDS\n", f);
        for (const struct command *c = commands; c->name; c++) {
                fprintf(f, ".TP\n.BR kenro\\-%s (8)\n", c->name);
                put_phrase(f, c->summary);
        }
}

static FILE *begin(const char *dir, const char *name, const char *version)
{
        char path[4096], upper[64];
        size_t i = 0;
        FILE *f;

        for (; name[i] && i + 1 < sizeof(upper); i++)
                upper[i] = (char)toupper((unsigned char)name[i]);
        upper[i] = '\0';
        snprintf(path, sizeof(path), "%s/%s.8", dir, name);
        f = fopen(path, "we");
        if (!f)
                fail(path);
        fputs(".\\\" Made by docs/man/page.c: change the prose or the tables instead.\n.TH ", f);
        put_plain(f, upper);
        fprintf(f, " 8 \"\" \"kenro %s\" \"System Manager\\(aqs Manual\"\n.nh\n.ad l\n.SH NAME\n",
                version);
        put_plain(f, name);
        fputs(" \\- ", f);
        return f;
}

static void end(FILE *f)
{
        if (fclose(f) != 0)
                fail("cannot write");
}

static void write_kenro(char **argv, struct prose *p)
{
        FILE *f = begin(argv[2], "kenro", argv[3]);
        int i;

        read_prose(argv[1], "kenro", p);
        fputs("a minimal, hardened OCI container runtime\n.SH SYNOPSIS\n"
              "\\fBkenro\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIARGUMENTS\\fR]\n"
              ".br\n\\fBkenro help\\fR [\\fICOMMAND\\fR]\n.SH DESCRIPTION\n",
              f);
        i = put_prose(f, p, 0, false);
        put_commands(f);
        put_options(f, global_rows);
        put_prose(f, p, i, true);
        fputs(".SH SEE ALSO\n", f);
        for (const struct command *c = commands; c->name; c++)
                fprintf(f, ".BR kenro\\-%s (8)%s\n", c->name, c[1].name ? "," : "");
        end(f);
}

static void write_command(char **argv, const struct command *c, struct prose *p)
{
        char name[64];
        FILE *f;
        int i;

        snprintf(name, sizeof(name), "kenro-%s", c->name);
        f = begin(argv[2], name, argv[3]);
        read_prose(argv[1], name, p);
        put_plain(f, c->summary);
        fprintf(f, "\n.SH SYNOPSIS\n\\fBkenro %s\\fR [\\fIOPTIONS\\fR]%s", c->name,
                *c->operands ? " \\fI" : "");
        put_plain(f, c->operands);
        fputs(*c->operands ? "\\fR\n" : "\n", f);
        if (p->n > 0)
                fputs(".SH DESCRIPTION\n", f);
        i = put_prose(f, p, 0, false);
        put_options(f, c->rows);
        put_prose(f, p, i, true);
        fputs(".SH SEE ALSO\n.BR kenro (8)\n", f);
        end(f);
}

int main(int argc, char **argv)
{
        static struct prose prose;

        if (argc != 4) {
                fprintf(stderr, "usage: page DIRECTORY-OF-PROSE DIRECTORY VERSION\n");
                return 1;
        }
        if (mkdir(argv[2], 0755) < 0 && errno != EEXIST)
                fail(argv[2]);
        write_kenro(argv, &prose);
        for (const struct command *c = commands; c->name; c++)
                write_command(argv, c, &prose);
        return 0;
}
