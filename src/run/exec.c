#include "kenro/run/exec.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/sys.h"
#include "kenro/run/job.h"
#include "kenro/run/notify.h"
#include "kenro/run/spawn.h"
#include "kenro/run/steps.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>

int exec_filter(const struct container *c, const struct spec_seccomp *f, struct arena *a,
                struct seccomp_plan *ret, struct err *e)
{
        autoclose int fd = -1;
        void *text;
        size_t len;

        *ret = (struct seccomp_plan){ .flags = (unsigned)c->state.filter_flags };
        if (!c->state.filtered)
                return 0;
        fd = openat(c->dir_fd, "seccomp.bpf", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return err_sys(e, errno, "cannot open the container's seccomp filter");
        text = file_read_fd(fd, a, SECCOMP_INSN_MAX * sizeof(struct sock_filter) + 1, &len, e);
        if (!text)
                return err_in(e, "seccomp filter");
        if (len == 0 || len % sizeof(struct sock_filter) != 0)
                return err_set(e, "the container's seccomp filter is damaged");
        ret->v = text;
        ret->n = len / sizeof(struct sock_filter);
        ret->shows = seccomp_answer(ret, SYS_prctl) == SECCOMP_RET_ALLOW;
        ret->notifies = (ret->flags & SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0;
        if (!ret->notifies)
                return 0;
        if (!f)
                return err_set(e, "the container's record has lost its seccomp agent");
        ret->agent = f->listener_path;
        ret->metadata = f->listener_metadata;
        return 0;
}

/* The group that init is in now, which may not be the one it was made in: a
 * systemd inside, or a nested runtime, has moved it. */
static int open_inits_cgroup(const struct exec_input *in)
{
        char name[32], text[PATH_MAX + 64], *at;

        snprintf(name, sizeof(name), "%d/cgroup", (int)in->container->state.pid);
        if (file_peek(in->host->proc_fd, name, text, sizeof(text)) <= 0)
                return -ENOENT;
        at = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
        if (!at)
                return -ENOENT;
        at = strstr(at, "0::") + 3;
        at[strcspn(at, "\n")] = '\0';
        return at[0] == '/' ? cgroup_open(in->cgroup, at) : -ENOENT;
}

static bool has_dotdot(const char *path)
{
        for (const char *s = path; *s; s += strspn(s, "/")) {
                size_t len = strcspn(s, "/");

                if (len == 2 && strncmp(s, "..", 2) == 0)
                        return true;
                s += len;
        }
        return false;
}

/* The group PATH below the container's own, which somebody has made. */
static int open_group(const struct exec_input *in, const char *path, struct err *e)
{
        autoclose int own = -1;
        struct host_cgroup top;
        char below[PATH_MAX];
        int fd, n;

        if (strchr(path, ':'))
                return err_set(e,
                               "--cgroup: unknown controller in '%.60s': cgroup v2 has one "
                               "hierarchy for all",
                               path);
        if (has_dotdot(path))
                return err_set(e,
                               "--cgroup: bad sub cgroup path '%.100s': it leaves the "
                               "container's cgroup",
                               path);
        own = container_cgroup(in->container, in->cgroup, e);
        if (own < 0)
                return err_in(e, "--cgroup");
        top = (struct host_cgroup){ .fd = own };
        n = snprintf(below, sizeof(below), "/%s", path + strspn(path, "/"));
        fd = (size_t)n < sizeof(below) ? cgroup_open(&top, below) : -ENAMETOOLONG;
        if (fd < 0)
                return err_sys(e, -fd, "--cgroup: cannot open the group %.200s%.200s",
                               in->container->state.cgroup, below);
        return fd;
}

static const struct spawn how = { .steps = exec_steps };

static int spawn_in_group(struct job *j, const struct exec_input *in, struct err *e)
{
        if (!in->container->state.cgroup[0])
                return err_set(e, "--cgroup: the container has no cgroup of its own");
        j->cgroup.fd = open_group(in, in->group, e);
        if (j->cgroup.fd < 0)
                return -1;
        if (spawn(j, &how, e) == 0)
                return 0;
        return e->num == EBUSY ? err_hint(e, "controllers are enabled below that group") : -1;
}

/* Clone into the container's group; where it has none, or that cannot hold processes
 * because controllers are enabled below it, into init's own. */
static int spawn_in_cgroup(struct job *j, const struct exec_input *in, struct err *e)
{
        const char *path = in->container->state.cgroup;
        struct err ignored;
        int r;

        if (in->group && *in->group)
                return spawn_in_group(j, in, e);
        if (!path[0] && in->host->rootless)
                return spawn(j, &how, e); /* it has not the right to init's */
        /* Init may have been moved, and the path be another container's by now. */
        j->cgroup.fd = path[0] ? container_cgroup(in->container, in->cgroup, &ignored) : -ENOENT;
        r = j->cgroup.fd < 0 ? -1 : spawn(j, &how, e);
        if (r == 0 || j->pid != 0 || (j->cgroup.fd >= 0 && e->num != EBUSY && e->num != EOPNOTSUPP))
                return r;
        fd_close(&j->cgroup.fd);
        j->cgroup.fd = open_inits_cgroup(in);
        if (j->cgroup.fd < 0)
                return err_sys(e, -j->cgroup.fd, "cannot open the container's cgroup");
        return spawn(j, &how, e);
}

static int open_root(const struct exec_input *in, struct err *e)
{
        char name[32];
        int fd;

        snprintf(name, sizeof(name), "%d/root", (int)in->container->state.pid);
        fd = openat(in->host->proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? err_sys(e, errno, "cannot open the container's root") : fd;
}

int container_exec(const struct exec_input *in, pid_t *ret_pid, int *ret_pidfd, struct err *e)
{
        struct job j = JOB_INIT;

        j.process = in->process;
        j.host = in->host;
        j.container = in->container;
        j.console = in->console;
        j.init_pidfd = in->container->pidfd;
        if (in->container->state.chroot && (j.root_fd = open_root(in, e)) < 0)
                return -1;
        if (notify_connect(&j, e) < 0 || affinity_parent(&in->process->affinity, e) < 0)
                return -1;
        if (spawn_in_cgroup(&j, in, e) < 0 || spawn_wait_execve(&j, e) < 0 ||
            (in->pidfd_socket && container_send_pidfd(in->pidfd_socket, j.pidfd, e) < 0)) {
                spawn_undo(&j);
                return -1;
        }
        *ret_pid = j.pid;
        *ret_pidfd = j.pidfd;
        return 0;
}
