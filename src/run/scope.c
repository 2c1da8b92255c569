#include "kenro/run/scope.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/log.h"
#include "kenro/part/cgroup_walk.h"
#include "kenro/run/job.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { UNDO_WAIT_MS = 1000 };

/* Where the holder is, which must be where it was to be put: limits on another group
 * would be somebody else's. */
static int find_group(struct job *j, char path[PATH_MAX], struct err *e)
{
        char name[32], text[PATH_MAX + 512], *at;

        snprintf(name, sizeof(name), "%d/cgroup", (int)j->systemd.holder);
        if (file_peek(j->host->proc_fd, name, text, sizeof(text)) <= 0)
                return err_set(e, "the process that holds %s is gone", j->plan->systemd.unit);
        at = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
        if (!at)
                return err_set(e, "%s has no group in the cgroup2 tree", j->plan->systemd.unit);
        at = strchr(at, '/');
        at[strcspn(at, "\n")] = '\0';
        if (!systemd_is_below(at, j->plan->systemd.path))
                return err_set(e, "systemd has put %s into the group %.200s, and not %.200s",
                               j->plan->systemd.unit, at, j->plan->systemd.path);
        snprintf(path, PATH_MAX, "%s", at);
        return 0;
}

/* systemd takes a directory that is there as it is, and ends all that is in it with the
 * unit. Where a user's manager has its groups is not known before. */
static int check_unused(const struct systemd_plan *p, const struct host_cgroup *cg, struct err *e)
{
        autoclose int fd = p->user ? -1 : cgroup_open(cg, p->path);

        return fd < 0 ? 0 : cgroup_check_unused(fd, p->path, e);
}

static int is_other(pid_t pid, void *holder)
{
        return pid != *(const pid_t *)holder;
}

/* Nobody may be in there but the holder. Whoever is, must not be ended. */
static int check_alone(struct job *j, const char *path, struct err *e)
{
        int r = cgroup_each_process(j->cgroup.fd, is_other, &j->systemd.holder);

        if (r < 0)
                return err_sys(e, -r, "cannot read the processes in the cgroup %s", path);
        if (r == 0)
                return 0;
        fd_close(&j->cgroup.fd);
        j->started = false;
        err_set(e, "container's cgroup is not empty: %s", path);
        return err_hint(e, "another container uses linux.cgroupsPath");
}

int scope_make(struct job *j, const struct host_cgroup *cg, struct err *e)
{
        struct state *s = &j->container->state;
        char path[PATH_MAX];
        struct arena a; /* it ends with the process, as the state does */
        struct stat st;

        if (check_unused(&j->plan->systemd, cg, e) < 0 ||
            systemd_start(&j->systemd, &j->plan->systemd, e) < 0)
                return -1;
        j->started = true;
        if (find_group(j, path, e) < 0)
                return -1;
        j->cgroup.fd = cgroup_open(cg, path);
        if (j->cgroup.fd < 0)
                return err_sys(e, -j->cgroup.fd, "cannot open the cgroup %s%s", cg->mount, path);
        if (check_alone(j, path, e) < 0)
                return -1;
        if (fstat(j->cgroup.fd, &st) < 0)
                return err_sys(e, errno, "cannot stat the cgroup %s%s", cg->mount, path);
        if (arena_init(&a, sizeof(path), e) < 0)
                return -1;
        s->cgroup = arena_strndup(&a, path, strlen(path), e);
        s->cgroup_inode = st.st_ino;
        return s->cgroup ? state_store(j->container->dir_fd, s, e) : -1;
}

int scope_settle(struct job *j, struct err *e)
{
        if (systemd_release(&j->systemd, &j->plan->systemd, e) < 0)
                return -1;
        return cgroup_limit_parent(&j->plan->cgroup_limit_late, &j->limits, e);
}

void scope_undo(struct job *j)
{
        const struct systemd_plan *p = &j->plan->systemd;
        struct err ignored;

        if (j->cgroup.fd >= 0)
                (void)cgroup_end(j->cgroup.fd, UNDO_WAIT_MS, &ignored);
        if (j->started && systemd_stop(&j->systemd, p->unit, p->user, &ignored) < 0)
                log_warn("%s: the unit goes when systemd sees that it is empty", ignored.text);
        systemd_close(&j->systemd);
}

int scope_attach(struct job *j, pid_t pid, struct err *e)
{
        const struct state *s = &j->container->state;

        return systemd_attach(&j->systemd, s->unit, s->user_manager, pid, e);
}

/* The kernel never uses the number of a group again. */
int scope_open(const struct state *s, const struct host_cgroup *cg)
{
        autoclose int fd = s->cgroup[0] ? cgroup_open(cg, s->cgroup) : -1;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != s->cgroup_inode)
                return -ENOENT;
        return fd_take(&fd);
}

int scope_end(const struct state *s, const struct host_cgroup *cg, struct err *e)
{
        struct systemd_helper h = SYSTEMD_HELPER_INIT;
        autoclose int fd = scope_open(s, cg);

        return fd < 0 ? 0 : systemd_stop(&h, s->unit, s->user_manager, e);
}
