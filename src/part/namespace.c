#include "kenro/part/namespace.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/sys.h"
#include "kenro/spec/spec_fields.h"
#include "kenro/spec/spec_load.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* Kernel names below /proc/PID/ns. */
static const struct name proc_names[] = {
        { "ns/pid", CLONE_NEWPID },
        { "ns/net", CLONE_NEWNET },
        { "ns/mnt", CLONE_NEWNS },
        { "ns/ipc", CLONE_NEWIPC },
        { "ns/uts", CLONE_NEWUTS },
        { "ns/user", CLONE_NEWUSER },
        { "ns/time", CLONE_NEWTIME },
        { "ns/cgroup", CLONE_NEWCGROUP },
        { NULL, 0 },
};

static bool is_own(const struct namespace_join *j, int proc_fd)
{
        struct stat theirs, ours;
        char name[40];

        snprintf(name, sizeof(name), "self/%s", name_of(proc_names, j->type));
        return fstat(j->fd, &theirs) == 0 && fstatat(proc_fd, name, &ours, 0) == 0 &&
               theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
}

static int open_path(const struct spec_namespace *ns, const struct host *h,
                     struct namespace_join *ret, struct err *e)
{
        /* O_NONBLOCK: the path may name a FIFO. */
        autoclose int fd = open(ns->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        int type;

        if (fd < 0)
                return err_sys(e, errno, "cannot open %s", ns->path);
        type = ioctl(fd, NS_GET_NSTYPE);
        if (type < 0)
                return err_set(e, "%s is not a namespace", ns->path);
        if ((uint64_t)type != ns->type.v)
                return err_set(e, "%s is a %s namespace", ns->path,
                               name_of(spec_namespace_names, (uint64_t)type));
        *ret = (struct namespace_join){ ns->type.v, fd_take(&fd), false };
        ret->own = is_own(ret, h->proc_fd);
        return 0;
}

/* Some types mean "the host's" by a path to the runtime's own, as if they were not
 * in the list. A mount namespace must not be that, and a user namespace cannot be
 * joined twice: setns(2). */
static int check_own(const struct spec_namespace *ns, struct err *e)
{
        if (ns->type.v == CLONE_NEWNS)
                return err_set(e,
                               "%s is the runtime's own mount namespace: the container's "
                               "mounts would be the host's",
                               ns->path);
        if (ns->type.v != CLONE_NEWUSER)
                return 0;
        err_set(e, "%s is the runtime's own user namespace", ns->path);
        return err_hint(e, "leave the entry out");
}

static int plan_joins(const struct spec *s, const struct host *h, struct namespace_plan *r,
                      struct err *e)
{
        for (size_t i = 0; i < s->linux_->namespaces.n; i++) {
                const struct spec_namespace *ns = &s->linux_->namespaces.v[i];

                if (!ns->path)
                        continue;
                if (open_path(ns, h, &r->joins[r->n_joins], e) < 0)
                        return err_in(e, "linux.namespaces[%zu].path", i);
                if (r->joins[r->n_joins].own) {
                        fd_close(&r->joins[r->n_joins].fd);
                        if (check_own(ns, e) < 0)
                                return err_in(e, "linux.namespaces[%zu].path", i);
                        continue;
                }
                r->user_joined |= ns->type.v == CLONE_NEWUSER;
                r->pid_joined |= ns->type.v == CLONE_NEWPID;
                r->mount_joined |= ns->type.v == CLONE_NEWNS;
                r->n_joins++;
        }
        return 0;
}

static int plan_time(const struct spec *s, struct arena *a, struct namespace_plan *r, struct err *e)
{
        const char *text = "";

        for (size_t i = 0; i < s->linux_->time_offsets.n; i++) {
                const struct spec_time_offset *o = &s->linux_->time_offsets.v[i];

                text = arena_printf(a, e, "%s%s %lld %u\n", text, o->key, (long long)o->secs.v,
                                    o->nanosecs);
                if (!text)
                        return -1;
        }
        r->time_new = *text != '\0';
        r->time_offsets = text;
        return 0;
}

/* An ordinary user has power only in a user namespace of its own, and only over what
 * is made in there. */
static int check_power(const struct namespace_plan *r, struct err *e)
{
        if (!r->user_new && !r->user_joined) {
                err_set(e, "linux.namespaces: without privileges a container needs a user "
                           "namespace");
                return err_hint(e, "add { \"type\": \"user\" } and mappings, as 'kenro spec "
                                   "--rootless' writes them; or run kenro as root");
        }
        if (r->user_new && r->n_joins > 0) {
                err_set(e,
                        "linux.namespaces: without privileges a new user namespace has no power "
                        "over the %s namespace that is joined",
                        name_of(spec_namespace_names, r->joins[0].type));
                return err_hint(e, "join the user namespace that it belongs to as well");
        }
        if (r->user_joined && *r->time_offsets)
                return err_set(e, "linux.timeOffsets: without privileges they cannot be set when "
                                  "a user namespace is joined");
        return 0;
}

/* What the clone does not make. */
static void leave_to_child(struct namespace_plan *r)
{
        uint64_t late = CLONE_NEWCGROUP;

        r->cgroup_new = (r->clone & CLONE_NEWCGROUP) != 0;
        r->ipc_late = (r->clone & CLONE_NEWIPC) && (r->user_new || r->user_joined);
        if (r->ipc_late)
                late |= CLONE_NEWIPC;
        if (r->time_new)
                late |= CLONE_NEWTIME;
        r->clone &= ~late;
}

int namespace_plan(const struct spec *s, const struct host *h, struct arena *a,
                   struct namespace_plan *ret, struct err *e)
{
        struct namespace_plan r = { 0 };

        for (size_t i = 0; i < s->linux_->namespaces.n; i++)
                if (!s->linux_->namespaces.v[i].path)
                        r.clone |= s->linux_->namespaces.v[i].type.v;
        if (!spec_namespace(s, CLONE_NEWNS)) {
                err_set(e, "linux.namespaces: a mount namespace is required");
                return err_hint(e, "without one the container's mounts would be the host's");
        }
        if (plan_joins(s, h, &r, e) < 0 || plan_time(s, a, &r, e) < 0)
                return -1;
        r.user_new = (r.clone & CLONE_NEWUSER) != 0;
        r.pid_new = (r.clone & CLONE_NEWPID) != 0;
        leave_to_child(&r);
        if (r.user_new && r.pid_joined)
                return err_set(e, "linux.namespaces: a new user namespace has no power over a pid "
                                  "namespace that exists already");
        if (h->no_mounts && check_power(&r, e) < 0)
                return -1;
        r.middle = r.user_joined || (r.user_new && r.n_joins > 0);
        *ret = r;
        return 0;
}

bool namespace_is_own(const struct spec *s, const struct namespace_plan *p, uint64_t type)
{
        if (spec_namespace_new(s, type))
                return true;
        for (size_t i = 0; i < p->n_joins; i++)
                if (p->joins[i].type == type)
                        return true;
        return false;
}

static int join(const struct namespace_join *j, struct err *e)
{
        if (setns(j->fd, (int)j->type) < 0)
                return err_sys(e, errno, "cannot join the %s namespace",
                               name_of(spec_namespace_names, j->type));
        return 0;
}

int namespace_join_child(const struct namespace_plan *p, struct err *e)
{
        /* The user namespace first: it gives the power to join the others. */
        for (size_t i = 0; i < p->n_joins; i++)
                if (p->joins[i].type == CLONE_NEWUSER && join(&p->joins[i], e) < 0)
                        return -1;
        for (size_t i = 0; i < p->n_joins; i++)
                if (p->joins[i].type != CLONE_NEWUSER && p->joins[i].type != CLONE_NEWPID &&
                    join(&p->joins[i], e) < 0)
                        return -1;
        return 0;
}

int namespace_time_child(struct err *e)
{
        if (unshare(CLONE_NEWTIME) < 0)
                return err_sys(e, errno, "cannot make a time namespace");
        return 0;
}

static int set_offsets(const struct namespace_plan *p, int proc_fd, const char *pid, struct err *e)
{
        char name[40];
        int r;

        snprintf(name, sizeof(name), "%s/timens_offsets", pid);
        r = file_poke(proc_fd, name, p->time_offsets);
        return r < 0 ? err_sys(e, -r, "linux.timeOffsets: cannot set them") : 0;
}

int namespace_time_parent(const struct namespace_plan *p, int proc_fd, pid_t pid, struct err *e)
{
        char number[16];

        snprintf(number, sizeof(number), "%d", pid);
        return set_offsets(p, proc_fd, number, e);
}

int namespace_time_self_child(const struct namespace_plan *p, int proc_fd, struct err *e)
{
        return set_offsets(p, proc_fd, "self", e);
}

int namespace_time_enter_child(int proc_fd, struct err *e)
{
        autoclose int fd = -1;

        fd = openat(proc_fd, "self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, CLONE_NEWTIME) < 0)
                return err_sys(e, errno, "cannot enter the new time namespace");
        return 0;
}

int namespace_child(const struct namespace_plan *p, struct err *e)
{
        if (!p->middle && namespace_join_child(p, e) < 0)
                return -1;
        if (p->cgroup_new && unshare(CLONE_NEWCGROUP) < 0)
                return err_sys(e, errno, "cannot make a cgroup namespace");
        if (p->ipc_late && unshare(CLONE_NEWIPC) < 0)
                return err_sys(e, errno, "cannot make an ipc namespace");
        return 0;
}

int namespace_join_fd(const struct namespace_plan *p, uint64_t type)
{
        for (size_t i = 0; i < p->n_joins; i++)
                if (p->joins[i].type == type)
                        return p->joins[i].fd;
        return -1;
}

int namespace_pid_child(const struct namespace_plan *p, struct err *e)
{
        if (setns(namespace_join_fd(p, CLONE_NEWPID), CLONE_NEWPID) < 0)
                return err_sys(e, errno, "cannot join the pid namespace");
        return 0;
}
