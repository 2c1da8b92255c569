#include "kenro/run/exec.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/log.h"
#include "kenro/base/names.h"
#include "kenro/base/sys.h"
#include "kenro/cmd/cmd.h"
#include "kenro/cmd/console.h"
#include "kenro/part/descriptor.h"
#include "kenro/policy/fill.h"
#include "kenro/run/foreground.h"
#include "kenro/spec/spec_load.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define AT(member) offsetof(struct exec_options, member)

/* clang-format off */
const struct option_row exec_rows[] = {
        { "process", 'p', OPTION_TEXT, AT(process), "FILE", "the process, as in config.json" },
        { "detach", 'd', OPTION_FLAG, AT(detach), NULL, "do not wait for the program" },
        { "pid-file", 0, OPTION_TEXT, AT(pid_file), "FILE", "write the process's id there" },
        { "console-socket", 0, OPTION_TEXT, AT(console_socket), "PATH",
          "send the terminal's master there" },
        { "tty", 't', OPTION_FLAG, AT(tty), NULL, "give it a terminal" },
        { "cwd", 0, OPTION_TEXT, AT(cwd), "DIR", "working directory" },
        { "env", 'e', OPTION_LIST, AT(env), "NAME=VALUE", "add to the environment" },
        { "user", 'u', OPTION_TEXT, AT(user), "UID[:GID]", "ids, as numbers" },
        { "additional-gids", 'g', OPTION_LIST, AT(additional_gids), "GID", "one more group" },
        { "cap", 'c', OPTION_LIST, AT(caps), "CAP", "one more capability, if the container may" },
        { "no-new-privs", 0, OPTION_FLAG, AT(no_new_privs), NULL, "set no_new_privs" },
        { "preserve-fds", 0, OPTION_NUMBER, AT(preserve_fds), "N",
          "pass N descriptors, from 3 on, to the program" },
        { "ignore-paused", 0, OPTION_FLAG, AT(ignore_paused), NULL,
          "also in a paused container, where it will wait" },
        { "process-label", 0, OPTION_TEXT, AT(process_label), "LABEL", "SELinux label" },
        { "apparmor", 0, OPTION_TEXT, AT(apparmor), "PROFILE", "AppArmor profile" },
        { "cgroup", 0, OPTION_TEXT, AT(cgroup), "PATH", "a group below the container's" },
        { "pidfd-socket", 0, OPTION_TEXT, AT(pidfd_socket), "PATH",
          "send a descriptor of the process there" },
        { 0 },
};
/* clang-format on */

/* Decimal, 0..4294967294, nothing before, after or in between: a number that
 * wraps around would be root (CVE-2024-40635). */
static int parse_id(const char *text, size_t len, const char *option, uint32_t *ret, struct err *e)
{
        uint64_t n = 0;

        for (size_t i = 0; i < len; i++) {
                if (text[i] < '0' || text[i] > '9' || n > SPEC_ID_MAX)
                        len = 0;
                n = n * 10 + (uint64_t)(text[i] - '0');
        }
        if (len == 0 || n > SPEC_ID_MAX)
                return err_set(e, "--%s: '%.40s' is not a number 0..%u", option, text, SPEC_ID_MAX);
        *ret = (uint32_t)n;
        return 0;
}

static int set_user(const struct exec_options *o, struct spec_user *u, struct arena *a,
                    struct err *e)
{
        if (o->user) {
                size_t len = strcspn(o->user, ":");

                if (parse_id(o->user, len, "user", &u->uid, e) < 0)
                        return -1;
                if (o->user[len] &&
                    parse_id(o->user + len + 1, strlen(o->user + len + 1), "user", &u->gid, e) < 0)
                        return -1;
        }
        for (size_t i = 0; i < o->additional_gids.n; i++) {
                const char *text = o->additional_gids.v[i];
                uint32_t *gid = arena_push(a, &u->additional_gids.v, &u->additional_gids.n,
                                           sizeof(*gid), e);

                if (!gid || parse_id(text, strlen(text), "additional-gids", gid, e) < 0)
                        return -1;
        }
        return 0;
}

/* "net_raw" as "CAP_NET_RAW", or NULL. */
static const char *full_cap(const char *name, struct arena *a, struct err *e)
{
        bool bare = strncasecmp(name, "cap_", 4) != 0;
        char *full = arena_printf(a, e, "%s%s", bare ? "CAP_" : "", name);

        if (!full)
                return NULL;
        for (char *s = full; *s; s++)
                *s = (char)toupper((unsigned char)*s);
        if (caps_bit(full, false))
                return full;
        err_set(e, "--cap: '%.40s' is no capability", name);
        return NULL;
}

static int set_caps(const struct exec_options *o, struct spec_process *p, struct arena *a,
                    struct err *e)
{
        struct spec_capabilities *c = ARENA_NEW(a, struct spec_capabilities, 1, e);

        if (!c)
                return -1;
        if (p->capabilities)
                *c = *p->capabilities;
        for (size_t i = 0; i < o->caps.n; i++) {
                const char *full = full_cap(o->caps.v[i], a, e);

                if (!full || spec_strings_add(&c->bounding, full, a, e) < 0 ||
                    spec_strings_add(&c->permitted, full, a, e) < 0 ||
                    spec_strings_add(&c->effective, full, a, e) < 0)
                        return -1;
        }
        p->capabilities = c;
        return 0;
}

/* The container's process, with what the command line says instead. */
static int from_options(struct cli *c, const struct spec_process *base, struct spec_process *p,
                        struct err *e)
{
        const struct exec_options *o = c->options;
        struct spec_user *user = ARENA_NEW(c->arena, struct spec_user, 1, e);

        *p = *base;
        if (!user)
                return -1;
        if (base->user)
                *user = *base->user;
        p->user = user;
        p->terminal = o->tty;
        p->no_new_privileges |= o->no_new_privs;
        p->args = (struct strings){ (const char **)(uintptr_t)(c->operands + 1),
                                    (size_t)c->n_operands - 1 };
        if (p->args.n == 0)
                return err_set(e, "no program to execute");
        if (o->cwd)
                p->cwd = o->cwd;
        if (o->process_label)
                p->selinux_label = o->process_label;
        if (o->apparmor)
                p->apparmor_profile = o->apparmor;
        if (p->cwd[0] != '/')
                return err_set(e, "--cwd: '%s' is not an absolute path", p->cwd);
        for (size_t i = 0; i < o->env.n; i++) {
                if (!spec_is_variable(o->env.v[i]))
                        return err_set(e, "--env: '%.100s' is not NAME=VALUE", o->env.v[i]);
                if (spec_strings_add(&p->env, o->env.v[i], c->arena, e) < 0)
                        return -1;
        }
        if (set_user(o, user, c->arena, e) < 0)
                return -1;
        return o->caps.n ? set_caps(o, p, c->arena, e) : 0;
}

static int load_process(struct cli *c, const struct spec *container, struct spec_process *p,
                        struct err *e)
{
        static const struct spec_process none = { .cwd = "/" };
        const struct exec_options *o = c->options;
        const struct spec_process *base = container->process ? container->process : &none;

        if (o->process && c->n_operands > 1)
                return err_set(e, "either --process or a program, not both");
        if (o->process && (o->user || o->cwd || o->env.n || o->caps.n || o->additional_gids.n ||
                           o->process_label || o->apparmor))
                return err_set(e, "--process says all: no --user, --cwd, --env, --cap, "
                                  "--additional-gids, --process-label or --apparmor beside it");
        if (o->process) {
                if (spec_load_process(o->process, c->arena, p, e) < 0)
                        return -1;
                p->terminal |= o->tty;
                p->no_new_privileges |= o->no_new_privs;
        } else if (from_options(c, base, p, e) < 0) {
                return -1;
        }
        return fill_exec(p, base, c->arena, e);
}

/* The configuration that the container was created with, not today's. */
static int load_container_spec(const struct container *c, struct arena *a, struct spec *ret,
                               struct err *e)
{
        struct spec_file file;

        if (spec_load(c->dir_fd, "config.json", false, a, &file, e) < 0)
                return err_in(e, "the container's record");
        *ret = file.spec;
        return 0;
}

static int check_status(const struct exec_options *o, enum container_status s, struct err *e)
{
        if (s == CONTAINER_PAUSED && !o->ignore_paused)
                return err_set(
                        e, "cannot exec in a paused container (use --ignore-paused to override)");
        if (s == CONTAINER_STOPPED)
                return err_set(e, "cannot exec in a stopped container");
        if (s == CONTAINER_CREATING)
                return err_set(e, "cannot exec in a container that is being created");
        return 0;
}

/* Everything that can fail before the container is touched. */
static int plan(struct cli *c, struct container *container, const struct cmd_host *facts,
                struct process_plan *ret, struct err *e)
{
        const struct exec_options *o = c->options;
        struct process_input in = { .host = &facts->host, .preserve_fds = o->preserve_fds };
        struct spec_process process;
        struct spec spec = { 0 };
        char pid[16];

        if (load_container_spec(container, c->arena, &spec, e) < 0 ||
            load_process(c, &spec, &process, e) < 0)
                return -1;
        in.process = &process;
        in.container = &spec;
        in.exec = true;
        in.uids = &spec.linux_->uid_mappings;
        in.gids = &spec.linux_->gid_mappings;
        in.own_user = container->state.own_user;
        snprintf(pid, sizeof(pid), "%d", (int)container->state.pid);
        in.no_setgroups = host_denies_groups(facts->host.proc_fd, pid);
        if (plan_process(&in, c->arena, c->scratch, ret, e) < 0 ||
            exec_filter(container, spec.linux_->seccomp, c->arena, &ret->seccomp, e) < 0)
                return -1;
        return plan_filter_order(ret, true, e);
}

static int wait_for(struct cli *c, struct cmd_console *console, pid_t pid, int pidfd, struct err *e)
{
        struct foreground f = { .pid = pid, .pidfd = pidfd, .ready_fd = -1 };
        const struct exec_options *o = c->options;

        /* Who asked for the file cannot find the program without it. */
        if (o->pid_file && container_write_pid(o->pid_file, pid, e) < 0) {
                (void)sys_pidfd_send_signal(pidfd, SIGKILL);
                (void)waitpid(pid, NULL, 0);
                return -1;
        }
        if (o->detach)
                return 0;
        f.master = cmd_console_master(console);
        return foreground_wait(&f, e);
}

int cmd_exec(struct cli *c, struct err *e)
{
        const struct exec_options *o = c->options;
        struct process_plan *process = ARENA_NEW(c->arena, struct process_plan, 1, e);
        struct container container;
        struct cmd_host facts;
        struct cmd_console console;
        struct exec_input in = { .container = &container };
        pid_t pid;
        int pidfd;

        if (!process || cmd_open(c, &container, e) < 0 || cmd_probe_all(c, &facts, e) < 0 ||
            check_status(o, container_status(&container, facts.host.proc_fd, &facts.cgroup), e) <
                    0 ||
            plan(c, &container, &facts, process, e) < 0 ||
            cmd_console_open(o->console_socket, process->console.wanted, o->detach, &console, e) <
                    0)
                return -1;
        if (!o->detach && foreground_begin(false, e) < 0)
                return -1;
        in.process = process;
        in.host = &facts.host;
        in.cgroup = &facts.cgroup;
        in.pidfd_socket = o->pidfd_socket;
        in.console = console.to;
        in.group = o->cgroup;
        if (arena_seal(c->arena, e) < 0 || container_exec(&in, &pid, &pidfd, e) < 0)
                return -1;
        return wait_for(c, &console, pid, pidfd, e);
}
