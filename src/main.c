/* kenro: a minimal, hardened OCI container runtime. */
#include "kenro/base/fd.h"
#include "kenro/base/log.h"
#include "kenro/base/names.h"
#include "kenro/base/path.h"
#include "kenro/cmd/cmd.h"
#include "kenro/cmd/inherit.h"
#include "kenro/part/descriptor.h"
#include "kenro/plan/plan.h"
#include "kenro/run/image.h"

#include "config.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { SCRATCH_BYTES_MAX = 8 << 20 };

/* clang-format off */
static const struct name levels[] = {
        { "error", LOG_ERROR }, { "warning", LOG_WARN }, { "warn", LOG_WARN },
        { "info", LOG_INFO }, { "debug", LOG_DEBUG }, { NULL, 0 },
};
/* clang-format on */

/* Named as it was called: some callers look for "runc version" and no other. Only
 * one line may have the word. */
static int print_version(void)
{
        printf("%s version %s\ncommit: %s\nspec: %s\n", log_name(), KENRO_VERSION, KENRO_COMMIT,
               KENRO_SPEC_VERSION);
        if (strcmp(log_name(), "kenro") != 0)
                printf("program: kenro\n");
        return 0;
}

static int print_help(void)
{
        printf("Usage: %s [OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]\n\n"
               "A minimal, hardened OCI container runtime.\n\nCommands:\n",
               log_name());
        for (const struct command *c = commands; c->name; c++)
                printf("  %-10s %s\n", c->name, c->summary);
        printf("\nOptions:\n");
        options_help(global_rows);
        printf("\n'%s COMMAND --help' says more about a command.\n", log_name());
        return 0;
}

static int print_command_help(const struct command *c)
{
        printf("Usage: %s %s%s %s\n\n%s\n", log_name(), c->name, c->rows->kind ? " [OPTIONS]" : "",
               c->operands, c->summary);
        if (c->rows->kind)
                printf("\nOptions:\n");
        options_help(c->rows);
        return 0;
}

static int print_topic(const char *name, struct err *e)
{
        for (const struct command *c = commands; name && c->name; c++)
                if (strcmp(c->name, name) == 0)
                        return print_command_help(c);
        if (!name)
                return print_help();
        err_set(e, "No help topic for '%.40s'", name); /* the words that callers of runc know */
        return err_hint(e, "see '%s --help'", log_name());
}

static bool is_one_of(const char *arg, const char *a, const char *b, const char *c)
{
        return strcmp(arg, a) == 0 || strcmp(arg, b) == 0 || strcmp(arg, c) == 0;
}

/* The file must be there, and hold what is wrong with the other options. */
static int open_log(const struct global_options *g, struct err *e)
{
        const struct name *level = name_find(levels, g->log_level ? g->log_level : "error");
        bool json = g->log_format && strcmp(g->log_format, "json") == 0;
        enum log_level least = g->debug ? LOG_DEBUG : (enum log_level)(level ? level->value : 0);

        if (log_open(g->log, json, least, e) < 0)
                return -1;
        if (!level)
                return err_set(e, "option '--log-level': '%.40s' is no level", g->log_level);
        if (g->log_format && !json && strcmp(g->log_format, "text") != 0)
                return err_set(e, "option '--log-format': '%.40s' is neither text nor json",
                               g->log_format);
        return 0;
}

/* What most commands do without is checked all the same: a slip should show. */
static int check_globals(const struct global_options *g, struct err *e)
{
        if (g->cgroup_manager && !is_one_of(g->cgroup_manager, "cgroupfs", "systemd", "disabled"))
                return err_set(e,
                               "option '--cgroup-manager': '%.40s' is neither cgroupfs, systemd "
                               "nor disabled",
                               g->cgroup_manager);
        if (g->rootless && !is_one_of(g->rootless, "true", "false", "auto"))
                return err_set(e, "option '--rootless': '%.40s' is neither true, false nor auto",
                               g->rootless);
        return 0;
}

static int check_root(struct cli *c, struct err *e)
{
        char here[PATH_MAX], clean[PATH_MAX];

        c->explicit_root = c->global.root != NULL;
        c->root = c->explicit_root ? c->global.root : container_root(c->arena, e);
        if (!c->root)
                return -1;
        /* What a claim names must be the same from everywhere. */
        if (c->root[0] == '\0')
                return err_set(e, "option '--root': '' is no directory for containers");
        if (c->root[0] != '/' && getcwd(here, sizeof(here)))
                c->root = arena_printf(c->arena, e, "%s/%s", here, c->root);
        if (!c->root || path_clean(c->root, clean, sizeof(clean), e) < 0)
                return -1;
        if (strcmp(clean, "/") == 0)
                return err_set(e, "option '--root': '%s' is no directory for containers", c->root);
        c->root = arena_strndup(c->arena, clean, strlen(clean), e);
        return c->root ? 0 : -1;
}

static const struct command *find_command(const char *name, struct err *e)
{
        const struct command *c = commands;

        while (c->name && strcmp(c->name, name) != 0)
                c++;
        if (c->name)
                return c;
        err_set(e, "unknown command '%.40s'", name);
        for (c = commands; c->name; c++)
                if (name_is_near(c->name, name))
                        err_hint(e, "did you mean '%s'?", c->name);
        err_hint(e, "see '%s --help'", log_name());
        return NULL;
}

/* The command's own options and operands. Returns 1 if help was asked for. */
static int parse_command(const struct command *cmd, struct cli *c, int argc, char **argv, int at,
                         struct err *e)
{
        struct options o = { cmd->rows, arena_alloc(c->arena, 1, OPTIONS_BYTES_MAX, e),
                             cmd->permute };

        if (!o.values)
                return -1;

        for (int i = at; i < argc && strcmp(argv[i], "--") != 0; i++) {
                if (argv[i][0] != '-' && !cmd->permute)
                        break;
                if (is_one_of(argv[i], "--help", "-h", "-help"))
                        return 1;
        }
        c->options = o.values;
        if (options_parse(&o, argc, argv, &at, c->arena, e) < 0)
                return err_hint(e, "see '%s %s --help'", log_name(), cmd->name);
        c->operands = argv + at;
        c->n_operands = argc - at;
        if (c->n_operands < cmd->least)
                err_set(e, "a %s is missing", cmd->least > 0 ? "container id" : "argument");
        else if (cmd->most >= 0 && c->n_operands > cmd->most)
                err_set(e, "unexpected argument '%.60s'", c->operands[cmd->most]);
        else
                return 0;
        return err_hint(e, "usage: %s %s%s %s", log_name(), cmd->name,
                        cmd->rows->kind ? " [OPTIONS]" : "", cmd->operands);
}

static unsigned preserved(const struct command *cmd, const struct cli *c)
{
        if (cmd->run == cmd_create || cmd->run == cmd_run)
                return ((const struct create_options *)c->options)->preserve_fds;
        if (cmd->run == cmd_exec)
                return ((const struct exec_options *)c->options)->preserve_fds;
        return 0;
}

static unsigned listened(const struct command *cmd)
{
        return cmd->run == cmd_create || cmd->run == cmd_run ? inherit_listen_fds() : 0;
}

/* Continue from the sealed copy, with the caller's descriptors sorted out. */
static int prepare_process(const struct command *cmd, struct cli *c, char **argv, struct err *e)
{
        unsigned n = preserved(cmd, c);

        if (!cmd->own_image)
                return 0;
        if (image_seal(argv, e) < 0)
                return -1;
        c->listen_fds = listened(cmd);
        /* Too many are too many, not those of the sum that wraps around. */
        return descriptor_parent(n > DESCRIPTOR_PRESERVE_MAX ? n : n + c->listen_fds, e);
}

static void report(const struct command *cmd, const struct cli *c, struct err *e)
{
        char line[ERR_TEXT_MAX + ERR_HINT_MAX + 8];

        if (cmd && c->n_operands > 0)
                err_in(e, "%s %.80s", cmd->name, c->operands[0]);
        else if (cmd)
                err_in(e, "%s", cmd->name);
        err_line(e, line, sizeof(line));
        log_line(LOG_ERROR, line);
}

/* Parse everything. Returns the exit status if all is done, or -1 to go on (the
 * error has a text if that was all). */
static int parse(int argc, char **argv, struct cli *c, const struct command **cmd, struct err *e)
{
        struct options o = { global_rows, &c->global, false };
        int at = 1, r;

        if (options_parse(&o, argc, argv, &at, c->arena, e) < 0)
                return -1;
        if (c->global.version)
                return print_version();
        if (c->global.help || at == argc)
                return print_help();
        if (strcmp(argv[at], "help") == 0)
                return print_topic(argv[at + 1], e);
        *cmd = find_command(argv[at], e);
        if (!*cmd)
                return -1;
        r = parse_command(*cmd, c, argc, argv, at + 1, e);
        if (r == 1)
                return print_command_help(*cmd);
        if (r < 0 || check_globals(&c->global, e) < 0)
                return -1;
        return check_root(c, e);
}

/* The kernel lays the strings of arguments and environment out as one block. */
static void find_args(struct cli *c, char **argv)
{
        char *end = argv[0];

        for (char **s = argv; *s == end; s++)
                end += strlen(end) + 1;
        for (char **s = environ; *s && *s == end; s++)
                end += strlen(end) + 1;
        c->args = argv[0];
        c->args_len = (size_t)(end - argv[0]);
}

/* Copies, because the container's process overwrites what others could read. */
static char **copy_args(int argc, char **argv, struct arena *a, struct err *e)
{
        char **copy = ARENA_NEW(a, char *, (size_t)argc + 1, e);

        for (int i = 0; copy && i < argc; i++) {
                copy[i] = arena_strndup(a, argv[i], strlen(argv[i]), e);
                if (!copy[i])
                        return NULL;
        }
        return copy;
}

static int begin(struct cli *c, char **argv, struct err *e)
{
        log_program(argv[0]);
        signal(SIGPIPE, SIG_IGN);
        signal(SIGCHLD, SIG_DFL); /* inherited, SIG_IGN would reap the program for us */
        if (getauxval(AT_SECURE))
                return err_set(e, "kenro does not run with more privileges than its caller");
        if (fd_fill_stdio(e) < 0 || arena_init(c->arena, PLAN_BYTES_MAX, e) < 0 ||
            arena_init(c->scratch, SCRATCH_BYTES_MAX, e) < 0)
                return -1;
        find_args(c, argv);
        return 0;
}

/* R is what came of the command line; CMD is NULL if it names no command. */
static int perform(const struct command *cmd, struct cli *c, char **argv, int r, struct err *e)
{
        struct err second;

        if (r >= 0)
                r = prepare_process(cmd, c, argv, e);
        /* Not before: the log must be none of the descriptors that the caller left
         * open. The first error is the one to tell. */
        if (open_log(&c->global, r < 0 ? &second : e) < 0)
                return -1;
        return r < 0 ? r : cmd->run(c, e);
}

int main(int argc, char **argv)
{
        const struct command *cmd = NULL;
        struct arena arena, scratch;
        struct cli c = { .arena = &arena, .scratch = &scratch };
        struct err e = { 0 };
        char **args = NULL;
        int r;

        if (argc < 1)
                return EXIT_FAILED;
        if (begin(&c, argv, &e) < 0) {
                report(NULL, &c, &e);
                return EXIT_FAILED;
        }
        args = copy_args(argc, argv, &arena, &e);
        r = args ? parse(argc, args, &c, &cmd, &e) : -1;
        if (r >= 0 && (!cmd || !c.root))
                return r;
        r = perform(cmd, &c, argv, r, &e);
        if (r >= 0)
                return r;
        report(cmd, &c, &e);
        return cmd && cmd->fail_status ? cmd->fail_status : EXIT_FAILED;
}
