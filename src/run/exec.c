#include "kenro/run/exec.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/log.h"
#include "kenro/base/path.h"
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

/* The path of the group that init is in now. TEXT is for it. */
static const char *inits_cgroup(const struct exec_input *in, char text[PATH_MAX + 64])
{
        char name[32], *at;

        snprintf(name, sizeof(name), "%d/cgroup", (int)in->container->state.pid);
        if (file_peek(in->host->proc_fd, name, text, PATH_MAX + 64) <= 0)
                return NULL;
        at = strncmp(text, "0::", 3) == 0 ? text : strstr(text, "\n0::");
        if (!at)
                return NULL;
        at = strstr(at, "0::") + 3;
        at[strcspn(at, "\n")] = '\0';
        return at[0] == '/' ? at : NULL;
}

/* That group, which may not be the one it was made in: somebody has moved it. */
static int open_inits_cgroup(const struct exec_input *in)
{
        char text[PATH_MAX + 64];
        const char *path = inits_cgroup(in, text);

        return path ? cgroup_open(in->cgroup, path) : -ENOENT;
}

/* That group if it is below the container's own, OWN: a systemd inside, or a nested
 * runtime, gives limits to those that are there. As it is the container's, it must
 * not hold us: what is frozen there would never begin. */
static int open_inits_below(const struct exec_input *in, int own)
{
        const struct host_cgroup top = { .fd = own };
        const char *of_container = in->container->state.cgroup, *path;
        char text[PATH_MAX + 64];
        autoclose int fd = -1;

        path = inits_cgroup(in, text);
        if (!path || !path_is_below(path, of_container) || strcmp(path, of_container) == 0)
                return -ENOENT;
        fd = cgroup_open(&top, path + strlen(of_container));
        return fd < 0 || cgroup_is_frozen(fd) ? -ENOENT : fd_take(&fd);
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

/* Clone into the container's group: where init is, if that can be had. */
static int spawn_in_own(struct job *j, const struct exec_input *in, struct err *e)
{
        autoclose int own = container_cgroup(in->container, in->cgroup, e);

        if (own < 0)
                return -1;
        j->cgroup.fd = open_inits_below(in, own);
        if (j->cgroup.fd >= 0) {
                if (spawn(j, &how, e) == 0)
                        return 0;
                if (j->pid != 0)
                        return -1;
                log_debug("%s; not in init's own group", e->text); /* which may be gone, or full */
                fd_close(&j->cgroup.fd);
                fd_close(&j->sock);
        }
        j->cgroup.fd = fd_take(&own);
        return spawn(j, &how, e);
}

/* Clone into the container's group; where it has none, or that cannot hold processes
 * because controllers are enabled below it, into init's wherever that is. */
static int spawn_in_cgroup(struct job *j, const struct exec_input *in, struct err *e)
{
        bool none = !in->container->state.cgroup[0];
        int r;

        if (in->group && *in->group)
                return spawn_in_group(j, in, e);
        if (none && in->host->rootless)
                return spawn(j, &how, e); /* it has not the right to init's */
        /* Init may have been moved, and the path be another container's by now. */
        r = none ? -1 : spawn_in_own(j, in, e);
        if (r == 0 || j->pid != 0 || (j->cgroup.fd >= 0 && e->num != EBUSY && e->num != EOPNOTSUPP))
                return r;
        fd_close(&j->cgroup.fd);
        fd_close(&j->sock);
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
