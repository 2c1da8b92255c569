/* Completion: script bash|zsh|fish prints what completes a command line of kenro,
 * from the tables that parse it. */
#include "kenro/cmd/cmd.h"

#include <stdio.h>
#include <string.h>

/* What a value or an operand is, by the word that help has for it. */
enum kind { ANY, DIRECTORY, PATH, CHOICE, CONTAINER, NEW_CONTAINER, SIGNAL, KINDS };

struct word {
        const char *text;
        int len;
};

static bool is(const struct word *w, const char *text)
{
        return (size_t)w->len == strlen(text) && strncmp(w->text, text, (size_t)w->len) == 0;
}

static enum kind kind_of(const struct word *w)
{
        if (memchr(w->text, '|', (size_t)w->len))
                return CHOICE;
        if (is(w, "DIR") || is(w, "BUNDLE"))
                return DIRECTORY;
        if (is(w, "FILE") || is(w, "PATH") || is(w, "PROGRAM") || is(w, "ARG"))
                return PATH;
        if (is(w, "CONTAINER-ID"))
                return CONTAINER;
        return is(w, "SIGNAL") ? SIGNAL : ANY;
}

static enum kind kind_of_value(const struct option_row *r)
{
        return kind_of(&(struct word){ r->arg, (int)strlen(r->arg) });
}

/* The next of "CONTAINER-ID [PROGRAM [ARG...]]", from AT on. */
static bool next_operand(const struct command *c, const char **at, struct word *w, enum kind *kind)
{
        w->text = *at + strspn(*at, " [");
        w->len = (int)strcspn(w->text, " [].");
        *at = w->text + w->len;
        *at += strspn(*at, "]. ");
        *kind = kind_of(w);
        if (*kind == CONTAINER && (c->run == cmd_create || c->run == cmd_run))
                *kind = NEW_CONTAINER;
        return w->len > 0;
}

static bool has_value(const struct option_row *r)
{
        return r->kind != OPTION_FLAG;
}

/* What is shown, and so completed. */
static const struct option_row *shown(const struct option_row *r)
{
        while (r->kind != OPTION_END && !r->help)
                r++;
        return r->kind == OPTION_END ? NULL : r;
}

#define FOR_SHOWN(r, rows)                                                                         \
        for (const struct option_row *r = shown(rows); r != NULL; r = shown((r) + 1))

/* TEXT with a backslash before each of SPECIAL, inside of single quotes. */
static void put_quoted(const char *text, const char *special, const char *quote)
{
        for (; *text; text++) {
                if (*text == '\'') {
                        fputs(quote, stdout);
                        continue;
                }
                if (strchr(special, *text))
                        putchar('\\');
                putchar(*text);
        }
}

static void put_choices(const char *arg)
{
        for (; *arg; arg++)
                putchar(*arg == '|' ? ' ' : *arg);
}

/* ---- bash ------------------------------------------------------------------------ */

static const char bash_script[] =
        "# Complete WORD, which is a value or an operand of that kind.\n"
        "_kenro_complete()\n"
        "{\n"
        "    local IFS=$'\\n'\n"
        "    case $1 in\n"
        "    dir) compopt -o filenames; COMPREPLY=($(compgen -d -- \"$2\")) ;;\n"
        "    path) compopt -o filenames; COMPREPLY=($(compgen -f -- \"$2\")) ;;\n"
        "    container) COMPREPLY=($(compgen -W \"$(\"$kenro\" \"${root[@]}\" list --quiet "
        "2>/dev/null)\" -- \"$2\")) ;;\n"
        "    signal) COMPREPLY=($(compgen -A signal -- \"$2\")) ;;\n"
        "    command) COMPREPLY=($(compgen -W \"${_kenro_commands// /$'\\n'}\" -- \"$2\")) ;;\n"
        "    choice*) COMPREPLY=($(IFS=' '; compgen -W \"${1#choice }\" -- \"$2\")) ;;\n"
        "    esac\n"
        "}\n"
        "\n"
        "_kenro()\n"
        "{\n"
        "    local word=${COMP_WORDS[COMP_CWORD]} kenro=${COMP_WORDS[0]} root=()\n"
        "    local i command= operands=0 options kind\n"
        "\n"
        "    COMPREPLY=()\n"
        "    [[ $word != = ]] || word=\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        case ${COMP_WORDS[i]} in\n"
        "        -*)\n"
        "            _kenro_value \"$command\" \"${COMP_WORDS[i]}\"\n"
        "            [[ -n $kind ]] || continue\n"
        "            [[ ${COMP_WORDS[i + 1]} != = ]] || ((i++))\n"
        "            ((++i < COMP_CWORD)) || { _kenro_complete \"$kind\" \"$word\"; return; }\n"
        "            [[ ${COMP_WORDS[i - 1]} != --root && ${COMP_WORDS[i - 2]} != --root ]] ||\n"
        "                root=(--root \"${COMP_WORDS[i]}\")\n"
        "            ;;\n"
        "        *)\n"
        "            if [[ -z $command ]]; then command=${COMP_WORDS[i]}; else ((++operands)); fi\n"
        "            ;;\n"
        "        esac\n"
        "    done\n"
        "    _kenro_options \"$command\" \"$operands\"\n"
        "    if [[ $word == -* ]]; then\n"
        "        COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
        "    elif [[ -z $command ]]; then\n"
        "        _kenro_complete command \"$word\"\n"
        "    else\n"
        "        _kenro_operand \"$command\" \"$operands\"\n"
        "        _kenro_complete \"$kind\" \"$word\"\n"
        "    fi\n"
        "}\n"
        "\n"
        "complete -F _kenro kenro\n";

static void bash_kind(enum kind k, const char *arg)
{
        static const char *const names[KINDS] = {
                [ANY] = "any",           [DIRECTORY] = "dir",
                [PATH] = "path",         [CONTAINER] = "container",
                [NEW_CONTAINER] = "any", [SIGNAL] = "signal",
        };

        printf("kind='");
        if (k == CHOICE) {
                printf("choice ");
                put_choices(arg);
        } else {
                printf("%s", names[k]);
        }
        printf("' ;;\n");
}

static void bash_options(const char *name, const struct option_row *rows, bool permute)
{
        bool help = false;

        printf("    '%s '%s) options='", name, permute ? "*" : "0");
        FOR_SHOWN(r, rows)
        {
                help |= strcmp(r->name, "help") == 0;
                printf("--%s ", r->name);
        }
        printf("%s' ;;\n", help ? "" : "--help");
}

static void bash_values(const char *name, const struct option_row *rows)
{
        FOR_SHOWN(r, rows)
        {
                if (!has_value(r))
                        continue;
                printf("    '%s --%s'", name, r->name);
                if (r->letter)
                        printf(" | '%s -%c'", name, r->letter);
                printf(") ");
                bash_kind(kind_of_value(r), r->arg);
        }
}

static void bash_operands(const struct command *c)
{
        const char *at = c->operands;
        enum kind kind = ANY;
        struct word w;

        for (int i = 0; next_operand(c, &at, &w, &kind); i++) {
                bool last = c->most < 0 && *at == '\0'; /* of which there may be more */

                if (kind == ANY || kind == NEW_CONTAINER)
                        continue;
                if (last)
                        printf("    '%s '*) ", c->name);
                else
                        printf("    '%s %d') ", c->name, i);
                bash_kind(kind, "");
        }
}

static void bash(void)
{
        printf("# Completion of kenro for bash, made by docs/completion/script.c\n\n"
               "_kenro_commands='");
        for (const struct command *c = commands; c->name; c++)
                printf("%s ", c->name);
        printf("help'\n\n# The options of command $1 after $2 operands.\n"
               "_kenro_options()\n{\n    case \"$1 $2\" in\n");
        bash_options("", global_rows, true);
        for (const struct command *c = commands; c->name; c++)
                bash_options(c->name, c->rows, c->permute);
        printf("    *) options= ;;\n    esac\n}\n\n# What the value of option $2 of command $1 is; "
               "nothing if it takes none.\n_kenro_value()\n{\n    case \"$1 $2\" in\n");
        bash_values("", global_rows);
        for (const struct command *c = commands; c->name; c++)
                bash_values(c->name, c->rows);
        printf("    *) kind= ;;\n    esac\n}\n\n# What the operand of command $1 after $2 others is.\n"
               "_kenro_operand()\n{\n    case \"$1 $2\" in\n");
        for (const struct command *c = commands; c->name; c++)
                bash_operands(c);
        printf("    'help 0') kind=command ;;\n    *) kind=any ;;\n    esac\n}\n\n%s", bash_script);
}

/* ---- zsh ------------------------------------------------------------------------- */

static void zsh_action(enum kind k, const char *arg)
{
        static const char *const actions[KINDS] = {
                [ANY] = " ",           [DIRECTORY] = "_directories",
                [PATH] = "_files",     [CONTAINER] = "_kenro_containers",
                [NEW_CONTAINER] = " ", [SIGNAL] = "_signals",
        };

        if (k != CHOICE) {
                printf("%s", actions[k]);
                return;
        }
        printf("(");
        put_choices(arg);
        printf(")");
}

static void zsh_options(const struct option_row *rows, const char *indent)
{
        bool help = false;

        FOR_SHOWN(r, rows)
        {
                const char *more = r->kind == OPTION_LIST ? "*" : "";

                help |= strcmp(r->name, "help") == 0;
                printf(" \\\n%s", indent);
                if (r->letter)
                        printf("'%s'{-%c%s,--%s%s}'", more, r->letter, has_value(r) ? "+" : "",
                               r->name, has_value(r) ? "=" : "");
                else
                        printf("'%s--%s%s", more, r->name, has_value(r) ? "=" : "");
                printf("[");
                put_quoted(r->help, "[]\\", "'\\''");
                printf("]");
                if (has_value(r)) {
                        printf(":%s:", strchr(r->arg, '|') ? r->name : r->arg);
                        zsh_action(kind_of_value(r), r->arg);
                }
                printf("'");
        }
        if (!help)
                printf(" \\\n%s{-h,--help}'[print this help]'", indent);
}

static void zsh_command(const struct command *c)
{
        const char *at = c->operands;
        struct word w;
        enum kind kind;

        printf("        %s)\n            _arguments -s%s", c->name, c->permute ? "" : " -A '-*'");
        zsh_options(c->rows, "                ");
        for (int i = 1; next_operand(c, &at, &w, &kind); i++) {
                if (c->most < 0 && i > 1) {
                        printf(" \\\n                '*:: :_normal'");
                        break;
                }
                printf(" \\\n                '%d:%.*s:", i, w.len, w.text);
                zsh_action(kind, "");
                printf("'");
        }
        printf("\n            ;;\n");
}

static void zsh(void)
{
        printf("#compdef kenro\n# Made by docs/completion/script.c\n\n"
               "_kenro_containers()\n{\n    local -a ids\n"
               "    ids=(${(f)\"$(_call_program containers kenro list --quiet 2>/dev/null)\"})\n"
               "    _describe container ids\n}\n\n"
               "_kenro_commands()\n{\n    local -a commands\n    commands=(\n");
        for (const struct command *c = commands; c->name; c++) {
                printf("        '%s:", c->name);
                put_quoted(c->summary, "\\", "'\\''");
                printf("'\n");
        }
        printf("        'help:print the help of a command'\n    )\n"
               "    _describe command commands\n}\n\n"
               "_kenro()\n{\n    local curcontext=$curcontext state line\n"
               "    typeset -A opt_args\n\n    _arguments -C -S");
        zsh_options(global_rows, "        ");
        printf(" \\\n        '1:command:_kenro_commands' \\\n        '*::argument:->argument'\n"
               "    [[ $state == argument ]] || return\n    case $words[1] in\n");
        for (const struct command *c = commands; c->name; c++)
                zsh_command(c);
        printf("        help)\n            _arguments '1:command:_kenro_commands'\n            ;;\n"
               "    esac\n}\n\n_kenro \"$@\"\n");
}

/* ---- fish ------------------------------------------------------------------------ */

static void fish_action(enum kind k, const char *arg)
{
        static const char *const actions[KINDS] = {
                [ANY] = "",
                [DIRECTORY] = " -a '(__fish_complete_directories)'",
                [PATH] = " -F",
                [CONTAINER] = " -a '(kenro list --quiet 2>/dev/null)'",
                [NEW_CONTAINER] = "",
                [SIGNAL] = " -a '(__fish_make_completion_signals; string split \" \" -f 2 "
                           "$__kill_signals)'",
        };

        if (k != CHOICE) {
                printf("%s", actions[k]);
                return;
        }
        printf(" -a '");
        put_choices(arg);
        printf("'");
}

static void fish_options(const struct option_row *rows, const char *when)
{
        bool help = false;

        FOR_SHOWN(r, rows)
        {
                help |= strcmp(r->name, "help") == 0;
                printf("complete -c kenro -n '%s'", when);
                if (r->letter)
                        printf(" -s %c", r->letter);
                printf(" -l %s", r->name);
                if (has_value(r)) {
                        printf("%s", kind_of_value(r) == PATH ? " -r" : " -x");
                        fish_action(kind_of_value(r), r->arg);
                }
                printf(" -d '");
                put_quoted(r->help, "\\", "\\'");
                printf("'\n");
        }
        if (!help)
                printf("complete -c kenro -n '%s' -s h -l help -d 'print this help'\n", when);
}

static void fish_command(const struct command *c)
{
        const char *at = c->operands;
        struct word w;
        enum kind kind;
        char when[128];

        printf("complete -c kenro -n __fish_use_subcommand -a %s -d '", c->name);
        put_quoted(c->summary, "\\", "\\'");
        printf("'\n");
        snprintf(when, sizeof(when), "__fish_seen_subcommand_from %s", c->name);
        fish_options(c->rows, when);
        for (int i = 0; next_operand(c, &at, &w, &kind); i++)
                if (kind != ANY && kind != NEW_CONTAINER) {
                        printf("complete -c kenro -n '%s; and test (count (__kenro_operands)) -eq %d'",
                               when, i);
                        fish_action(kind, "");
                        printf("\n");
                }
}

static void fish(void)
{
        printf("# Completion of kenro for fish, made by docs/completion/script.c\n\n"
               "# What stands after the command and is no option.\n"
               "function __kenro_operands\n"
               "    set -l words (commandline -opc | string match -v -- '-*')\n"
               "    test (count $words) -gt 2; and printf '%%s\\n' $words[3..]\n"
               "end\n\ncomplete -c kenro -f\n");
        fish_options(global_rows, "__fish_use_subcommand");
        for (const struct command *c = commands; c->name; c++)
                fish_command(c);
        printf("complete -c kenro -n __fish_use_subcommand -a help -d 'print the help of a command'\n"
               "complete -c kenro -n '__fish_seen_subcommand_from help' -a '");
        for (const struct command *c = commands; c->name; c++)
                printf("%s%s", c->name, c[1].name ? " " : "'\n");
}

int main(int argc, char **argv)
{
        static const struct {
                const char *name;
                void (*print)(void);
        } shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };

        for (size_t i = 0; argc == 2 && i < sizeof(shells) / sizeof(shells[0]); i++)
                if (strcmp(argv[1], shells[i].name) == 0) {
                        shells[i].print();
                        return fflush(stdout) == 0 ? 0 : 1;
                }
        fprintf(stderr, "usage: script bash|zsh|fish\n");
        return 1;
}
