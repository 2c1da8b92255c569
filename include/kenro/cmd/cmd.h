/* One file a command: parse options by table, call one function of run, print. */
#pragma once

#include "kenro/base/arena.h"
#include "kenro/base/err.h"
#include "kenro/cmd/options.h"
#include "kenro/host/host.h"
#include "kenro/run/container.h"

#include <stdbool.h>

#define KENRO_SPEC_VERSION "1.3.0"

enum { OPTIONS_BYTES_MAX = 512 };

/* Exit statuses of the runtime itself; otherwise the program's. */
enum { EXIT_FAILED = 1, EXIT_EXEC_FAILED = 255 };

/* What stands before the command. */
struct global_options {
        const char *root, *log, *log_format, *log_level, *cgroup_manager, *rootless, *criu;
        bool debug, systemd_cgroup, version, help;
};

/* What a command gets. */
struct cli {
        struct global_options global;
        bool explicit_root;
        const char *root; /* directory of all containers */
        char **operands;  /* NULL-terminated */
        int n_operands;
        void *options; /* the command's own structure, at most OPTIONS_BYTES_MAX */
        struct arena *arena, *scratch;
        unsigned listen_fds; /* descriptors from 3 on that a service manager gave us */
        char *args;          /* as in struct host */
        size_t args_len;
};

struct command {
        const char *name;
        int (*run)(struct cli *c, struct err *e); /* returns the exit status, or -1 with E */
        const struct option_row *rows;
        const char *operands, *summary;
        int least, most; /* operands; most -1: any number */
        bool permute;
        bool own_image;  /* continues from the sealed copy */
        int fail_status; /* of the runtime's own failure; 0: EXIT_FAILED */
};

extern const struct command commands[];

extern const struct option_row global_rows[], create_rows[], run_rows[], delete_rows[], kill_rows[],
        list_rows[], exec_rows[], spec_rows[], check_rows[], doctor_rows[], ps_rows[],
        events_rows[], update_rows[], no_rows[];

/* Options of create, run and check. */
struct create_options {
        const char *bundle, *pid_file, *console_socket, *pidfd_socket;
        unsigned preserve_fds;
        bool no_pivot, no_new_keyring, no_subreaper, detach, keep, plan;
};

struct exec_options {
        const char *process, *pid_file, *console_socket, *pidfd_socket, *cwd, *user, *cgroup;
        const char *process_label, *apparmor;
        struct strings env, additional_gids, caps;
        unsigned preserve_fds;
        bool detach, tty, no_new_privs, ignore_paused;
};

int cmd_create(struct cli *c, struct err *e);
int cmd_run(struct cli *c, struct err *e);
int cmd_check(struct cli *c, struct err *e);
int cmd_start(struct cli *c, struct err *e);
int cmd_state(struct cli *c, struct err *e);
int cmd_kill(struct cli *c, struct err *e);
int cmd_delete(struct cli *c, struct err *e);
int cmd_list(struct cli *c, struct err *e);
int cmd_exec(struct cli *c, struct err *e);
int cmd_spec(struct cli *c, struct err *e);
int cmd_features(struct cli *c, struct err *e);
int cmd_doctor(struct cli *c, struct err *e);
int cmd_pause(struct cli *c, struct err *e);
int cmd_resume(struct cli *c, struct err *e);
int cmd_ps(struct cli *c, struct err *e);
int cmd_events(struct cli *c, struct err *e);
int cmd_update(struct cli *c, struct err *e);

/* Open the container that the first operand names. */
int cmd_open(struct cli *c, struct container *ret, struct err *e);

/* The host facts a command on an existing container needs. */
struct cmd_host {
        struct host host;
        struct host_cgroup cgroup;
};
int cmd_probe(struct cli *c, struct cmd_host *ret, struct err *e);

/* And those that one needs which makes a process. */
int cmd_probe_all(struct cli *c, struct cmd_host *ret, struct err *e);

/* Open the container, keep other commands away from it, and get these facts. */
int cmd_lock(struct cli *c, struct container *ret, struct cmd_host *facts, struct err *e);

/* Write TEXT to standard output. */
int cmd_print(const char *text, size_t len, struct err *e);
