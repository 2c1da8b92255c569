#include "kenro/cmd/cmd.h"

#include "kenro/base/file.h"

#include <stdio.h>
#include <unistd.h>

const struct option_row no_rows[] = { { 0 } };

#define AT(member) offsetof(struct global_options, member)

/* clang-format off */
const struct option_row global_rows[] = {
        { "root", 0, OPTION_TEXT, AT(root), "DIR", "where containers are recorded (/run/kenro)" },
        { "log", 0, OPTION_TEXT, AT(log), "FILE", "also write errors there" },
        { "log-format", 0, OPTION_TEXT, AT(log_format), "text|json", "how (default: text)" },
        { "log-level", 0, OPTION_TEXT, AT(log_level), "LEVEL",
          "error, warning, info or debug (default: error)" },
        { "debug", 0, OPTION_FLAG, AT(debug), NULL, "the same as --log-level debug" },
        { "cgroup-manager", 0, OPTION_TEXT, AT(cgroup_manager), "NAME",
          "cgroupfs, systemd, or disabled: no cgroup of the container's own" },
        { "systemd-cgroup", 0, OPTION_FLAG, AT(systemd_cgroup), NULL,
          "the same as --cgroup-manager systemd" },
        { "version", 'v', OPTION_FLAG, AT(version), NULL, "print the version" },
        { "V", 'V', OPTION_FLAG, AT(version), NULL, NULL },
        { "help", 'h', OPTION_FLAG, AT(help), NULL, "print this help" },
        { "rootless", 0, OPTION_TEXT, AT(rootless), "WHEN", NULL },
        { "criu", 0, OPTION_TEXT, AT(criu), "PATH", NULL },
        { 0 },
};

#define ID "CONTAINER-ID"
const struct command commands[] = {
        { "create", cmd_create, create_rows, ID,
          "make a container from a bundle, ready to be started", 1, 1, true, true, 0 },
        { "start", cmd_start, no_rows, ID,
          "run the program of a created container", 1, 1, true, false, 0 },
        { "run", cmd_run, run_rows, ID,
          "create and start, wait, and remove the container", 1, 1, true, true, 0 },
        { "exec", cmd_exec, exec_rows, ID " [PROGRAM [ARG...]]",
          "run one more program in a container", 1, -1, false, true, EXIT_EXEC_FAILED },
        { "kill", cmd_kill, kill_rows, ID " [SIGNAL]",
          "send a signal (default: TERM)", 1, 2, false, false, 0 },
        { "delete", cmd_delete, delete_rows, ID,
          "remove a stopped container", 1, 1, true, false, 0 },
        { "state", cmd_state, no_rows, ID,
          "print a container's state as JSON", 1, 1, true, false, 0 },
        { "pause", cmd_pause, no_rows, ID,
          "make a container's processes stand still", 1, 1, true, false, 0 },
        { "resume", cmd_resume, no_rows, ID,
          "let them go on", 1, 1, true, false, 0 },
        { "update", cmd_update, update_rows, ID,
          "change what a container may use", 1, 1, true, false, 0 },
        { "ps", cmd_ps, ps_rows, ID " [PS-OPTION...]",
          "print a container's processes", 1, -1, false, false, 0 },
        { "events", cmd_events, events_rows, ID,
          "print what a container uses, again and again, as JSON", 1, 1, true, false, 0 },
        { "list", cmd_list, list_rows, "",
          "print all containers", 0, 0, true, false, 0 },
        { "spec", cmd_spec, spec_rows, "",
          "write a hardened config.json to begin with", 0, 0, true, false, 0 },
        { "check", cmd_check, check_rows, "[BUNDLE]",
          "do all that create does before it changes anything", 0, 1, true, false, 0 },
        { "features", cmd_features, no_rows, "",
          "print what this binary supports, as JSON", 0, 0, true, false, 0 },
        { "doctor", cmd_doctor, doctor_rows, "",
          "say whether this host is ready, and what to do about it", 0, 0, true, false, 0 },
        { 0 },
};
/* clang-format on */

int cmd_open(struct cli *c, struct container *ret, struct err *e)
{
        int r = container_open(c->root, c->operands[0], c->arena, ret, e);

        if (r != 0)
                return -1;
        if (ret->state.version == 0)
                return err_set(e, "container \"%.80s\" does not exist", c->operands[0]);
        return 0;
}

int cmd_lock(struct cli *c, struct container *ret, struct cmd_host *facts, struct err *e)
{
        if (cmd_open(c, ret, e) < 0 || container_lock(ret, c->arena, e) != 0)
                return -1;
        return cmd_probe(c, facts, e);
}

int cmd_probe(struct cli *c, struct cmd_host *ret, struct err *e)
{
        if (host_probe_proc(&ret->host, e) < 0)
                return -1;
        return host_cgroup(&ret->cgroup, c->arena, e);
}

int cmd_probe_all(struct cli *c, struct cmd_host *ret, struct err *e)
{
        if (host_probe(&ret->host, e) < 0)
                return -1;
        ret->host.args = c->args;
        ret->host.args_len = c->args_len;
        /* A container needs none where it cannot have one. */
        return host_cgroup(&ret->cgroup, c->arena, e) < 0 && !ret->host.rootless ? -1 : 0;
}

int cmd_print(const char *text, size_t len, struct err *e)
{
        int r = file_write_all(STDOUT_FILENO, text, len);

        if (r == 0 && len && text[len - 1] != '\n')
                r = file_write_all(STDOUT_FILENO, "\n", 1);
        return r < 0 ? err_sys(e, -r, "cannot write to standard output") : 0;
}
