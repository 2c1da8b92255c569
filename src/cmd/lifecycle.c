/* start, kill and delete. */
#include "kenro/base/log.h"
#include "kenro/base/names.h"
#include "kenro/cmd/cmd.h"
#include "kenro/cmd/inherit.h"
#include "kenro/run/gate.h"
#include "kenro/run/start.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kill_options {
        bool all;
};

struct delete_options {
        bool force;
};

/* clang-format off */
const struct option_row kill_rows[] = {
        { "all", 'a', OPTION_FLAG, offsetof(struct kill_options, all), NULL,
          "signal every process of the container" },
        { 0 },
};
const struct option_row delete_rows[] = {
        { "force", 'f', OPTION_FLAG, offsetof(struct delete_options, force), NULL,
          "kill it first if it is running; no error if it is not there" },
        { 0 },
};

static const struct name signals[] = {
        { "ABRT", SIGABRT }, { "ALRM", SIGALRM }, { "BUS", SIGBUS }, { "CHLD", SIGCHLD },
        { "CONT", SIGCONT }, { "FPE", SIGFPE }, { "HUP", SIGHUP }, { "ILL", SIGILL },
        { "INT", SIGINT }, { "IO", SIGIO }, { "IOT", SIGIOT }, { "KILL", SIGKILL },
        { "PIPE", SIGPIPE }, { "POLL", SIGPOLL }, { "PROF", SIGPROF }, { "PWR", SIGPWR },
        { "QUIT", SIGQUIT }, { "SEGV", SIGSEGV }, { "STKFLT", SIGSTKFLT }, { "STOP", SIGSTOP },
        { "SYS", SIGSYS }, { "TERM", SIGTERM }, { "TRAP", SIGTRAP }, { "TSTP", SIGTSTP },
        { "TTIN", SIGTTIN }, { "TTOU", SIGTTOU }, { "URG", SIGURG }, { "USR1", SIGUSR1 },
        { "USR2", SIGUSR2 }, { "VTALRM", SIGVTALRM }, { "WINCH", SIGWINCH }, { "XCPU", SIGXCPU },
        { "XFSZ", SIGXFSZ }, { NULL, 0 },
};
/* clang-format on */

enum { RT_FIRST = 34, RT_LAST = 64 }; /* as programs see them: signal(7) */

/* "RTMIN", "RTMIN+3", "RTMAX-1". Returns 0 if it is none of these. */
static int parse_realtime(const char *name)
{
        long n = 0;
        char *end;

        if (strncmp(name, "RTMIN", 5) != 0 && strncmp(name, "RTMAX", 5) != 0)
                return 0;
        if (name[5]) {
                n = strtol(name + 5, &end, 10);
                if (*end || (name[5] != '+' && name[5] != '-'))
                        return 0;
        }
        n += name[3] == 'I' ? RT_FIRST : RT_LAST;
        return n >= RT_FIRST && n <= RT_LAST ? (int)n : 0;
}

/* "9", "KILL", "SIGKILL", "kill", "SIGRTMAX-1". Returns 0 if unknown. */
static int parse_signal(const char *text)
{
        char upper[32], *end;
        const char *name = upper;
        const struct name *known;
        long n;
        size_t i = 0;

        for (; text[i] && i + 1 < sizeof(upper); i++)
                upper[i] = (char)toupper((unsigned char)text[i]);
        upper[i] = '\0';
        if (isdigit((unsigned char)upper[0])) {
                n = strtol(upper, &end, 10);
                return *end == '\0' && n <= RT_LAST ? (int)n : 0;
        }
        if (strncmp(name, "SIG", 3) == 0)
                name += 3;
        known = name_find(signals, name);
        return known ? (int)known->value : parse_realtime(name);
}

int cmd_kill(struct cli *c, struct err *e)
{
        const struct kill_options *o = c->options;
        const char *name = c->n_operands > 1 ? c->operands[1] : "TERM";
        int sig = parse_signal(name);
        struct container container;
        struct cmd_host facts;

        if (sig == 0)
                return err_set(e, "unknown signal '%.40s'", name);
        if (cmd_open(c, &container, e) < 0 || cmd_probe(c, &facts, e) < 0)
                return -1;
        return container_kill(&container, facts.host.proc_fd, &facts.cgroup, sig, o->all, e);
}

int cmd_delete(struct cli *c, struct err *e)
{
        const struct delete_options *o = c->options;
        struct container container;
        struct cmd_host facts;
        int r = container_open(c->root, c->operands[0], c->arena, &container, e);

        if (r == 1 && o->force)
                return 0;
        if (r < 0 && o->force && container.dir_fd >= 0) {
                log_warn("%s: its processes and its cgroup, if there are any, stay", e->text);
                return container_discard(&container, e);
        }
        if (r != 0 || cmd_probe(c, &facts, e) < 0)
                return -1;
        r = container_delete(&container, facts.host.proc_fd, &facts.cgroup, o->force, c->arena, e);
        /* What a killed create has left goes, but was never a container. */
        if (r == 0 && !o->force && container.state.version == 0)
                return err_set(e, "container \"%.80s\" does not exist", c->operands[0]);
        return r == 0 ? 0 : -1;
}

int cmd_start(struct cli *c, struct err *e)
{
        struct container container;
        struct cmd_host facts;

        if (cmd_lock(c, &container, &facts, e) < 0)
                return -1;
        switch (container_status(&container, facts.host.proc_fd, &facts.cgroup)) {
        case CONTAINER_CREATED:
                return container_start(&container, &facts.host, &facts.cgroup,
                                       inherit_notify_socket(), c->arena, e);
        case CONTAINER_PAUSED:
                if (gate_is_waiting(container.dir_fd))
                        return err_set(e, "cannot start a paused container: resume it first");
                return err_set(e, "cannot start an already running container");
        case CONTAINER_RUNNING:
                return err_set(e, "cannot start an already running container");
        case CONTAINER_STOPPED:
                return err_set(e, "cannot start a container that has stopped");
        case CONTAINER_CREATING:
        default:
                return err_set(e, "cannot start a container that is being created");
        }
}
