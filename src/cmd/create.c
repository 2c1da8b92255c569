/* create, run and check. */
#include "kenro/base/fd.h"
#include "kenro/base/log.h"
#include "kenro/cmd/console.h"
#include "kenro/cmd/inherit.h"
#include "kenro/cmd/prepare.h"
#include "kenro/part/descriptor.h"
#include "kenro/run/foreground.h"
#include "kenro/run/start.h"

#include <stdio.h>
#include <string.h>

#define AT(member) offsetof(struct create_options, member)

/* clang-format off */
#define COMMON_ROWS                                                                              \
        { "bundle", 'b', OPTION_TEXT, AT(bundle), "DIR", "the bundle (default: here)" },         \
        { "console-socket", 0, OPTION_TEXT, AT(console_socket), "PATH",                          \
          "send the terminal's master there" },                                                  \
        { "pid-file", 0, OPTION_TEXT, AT(pid_file), "FILE", "write the process's id there" },    \
        { "preserve-fds", 0, OPTION_NUMBER, AT(preserve_fds), "N",                               \
          "pass N descriptors, from 3 on, to the program" },                                     \
        { "no-new-keyring", 0, OPTION_FLAG, AT(no_new_keyring), NULL, "keep the caller's session keyring" },                    \
        { "no-pivot", 0, OPTION_FLAG, AT(no_pivot), NULL, NULL },                                \
        { "pidfd-socket", 0, OPTION_TEXT, AT(pidfd_socket), "PATH",                              \
          "send a descriptor of the process there" },                      \
        { "no-subreaper", 0, OPTION_FLAG, AT(no_subreaper), NULL, NULL }

const struct option_row create_rows[] = { COMMON_ROWS, { 0 } };
const struct option_row run_rows[] = {
        COMMON_ROWS,
        { "detach", 'd', OPTION_FLAG, AT(detach), NULL, "do not wait for the program" },
        { "keep", 0, OPTION_FLAG, AT(keep), NULL, "keep the container's records when it ends" },
        { 0 },
};
const struct option_row check_rows[] = {
        { "bundle", 'b', OPTION_TEXT, AT(bundle), "DIR", "the bundle (default: here)" },
        { "plan", 0, OPTION_FLAG, AT(plan), NULL, "print what would be done" },
        { 0 },
};
/* clang-format on */

enum how { CREATE, RUN, RUN_DETACHED };

/* What is left of a creation for who goes on with it. */
struct creation {
        struct cmd_console console;
        struct cmd_host facts;
        struct created made;
};

static int create(struct cli *c, enum how how, struct creation *ret, struct err *e)
{
        const struct create_options *o = c->options;
        struct prepared p;
        struct create_input in = {
                .root = c->root,
                .id = c->operands[0],
                .pid_file = o->pid_file,
                .pidfd_socket = o->pidfd_socket,
                .waits = how == CREATE,
        };

        if (container_check_id(in.id, e) < 0 || prepare(c, in.id, &p, e) < 0)
                return -1;
        if (how != CREATE && !p.plan->has_process)
                return err_set(e, "the configuration has no process to start");
        if (cmd_console_open(o->console_socket, p.plan->process.console.wanted, how != RUN,
                             &ret->console, e) < 0)
                return -1;
        in.bundle = p.bundle;
        in.plan = p.plan;
        in.host = &p.facts.host;
        in.cgroup = &p.facts.cgroup;
        in.file = &p.file;
        in.console = ret->console.to;
        in.notifies = p.notifies;
        in.no_keyring = o->no_new_keyring;
        ret->facts = p.facts;
        return container_create(&in, &ret->made, e);
}

int cmd_create(struct cli *c, struct err *e)
{
        struct creation created;

        return create(c, CREATE, &created, e);
}

static int wait_ready(struct creation *n, struct err *e)
{
        if (n->made.ready_fd < 0)
                return 0;
        n->made.container.pidfd = n->made.pidfd;
        return container_wait_ready(&n->made.container, n->made.ready_fd, inherit_notify_socket(),
                                    e);
}

int cmd_run(struct cli *c, struct err *e)
{
        const struct create_options *o = c->options;
        struct creation n;
        struct err late;
        struct foreground f = { .manager = inherit_notify_socket() };
        int status;

        if (!o->detach && foreground_begin(!o->no_subreaper, e) < 0)
                return -1;
        if (create(c, o->detach ? RUN_DETACHED : RUN, &n, e) < 0)
                return -1;
        if (o->detach)
                return wait_ready(&n, e);
        f.pid = n.made.pid;
        f.pidfd = n.made.pidfd;
        f.ready_fd = n.made.ready_fd;
        f.master = cmd_console_master(&n.console);
        status = foreground_wait(&f, e);
        fd_close(&f.master);
        if (!o->keep && container_delete(&n.made.container, n.facts.host.proc_fd, &n.facts.cgroup,
                                         true, c->arena, &late) < 0)
                log_warn("%s", late.text);
        return status;
}

static void print_plan(const struct plan *p)
{
        printf("root: %s%s\n", p->rootfs.path, p->rootfs.readonly ? " (read-only)" : "");
        if (p->systemd.wanted)
                printf("cgroup: %s, of the %s's systemd\n", p->systemd.path,
                       p->systemd.user ? "user" : "system");
        else
                printf("cgroup: %s\n", p->cgroup.path[0] ? p->cgroup.path : "none of its own");
        for (size_t i = 0; i < p->mount.n; i++)
                printf("mount: %s %s%s%s\n", p->mount.v[i].type, p->mount.v[i].dest,
                       p->mount.v[i].source ? " from " : "",
                       p->mount.v[i].source ? p->mount.v[i].source : "");
        for (size_t i = 0; i < p->netdev.n; i++)
                printf("network device: %s as %s\n", p->netdev.v[i].name, p->netdev.v[i].as);
        printf("ids: %u:%u\n", p->process.user.uid, p->process.user.gid);
        printf("capabilities: bounding %#llx effective %#llx\n",
               (unsigned long long)p->process.caps.bounding,
               (unsigned long long)p->process.caps.effective);
        printf("no_new_privs: %s\n", p->process.caps.no_new_privs ? "on" : "off");
        if (p->process.lsm.apparmor)
                printf("AppArmor: %s\n", p->process.lsm.apparmor);
        if (p->process.lsm.selinux)
                printf("SELinux: %s\n", p->process.lsm.selinux);
        if (p->resctrl.group)
                printf("resctrl: %s\n", p->resctrl.group);
        printf("seccomp: %zu instructions\n", p->process.seccomp.n);
        printf("device program: %zu instructions\n", p->cgroup_device.n);
}

int cmd_check(struct cli *c, struct err *e)
{
        struct create_options *o = c->options;
        struct prepared p;

        if (c->n_operands > 0)
                o->bundle = c->operands[0];
        if (prepare(c, "check", &p, e) < 0)
                return -1;
        if (o->plan)
                print_plan(p.plan);
        else
                printf("%s: ok\n", p.bundle);
        return 0;
}
