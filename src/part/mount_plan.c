#include "kenro/base/fd.h"
#include "kenro/base/log.h"
#include "kenro/base/path.h"
#include "kenro/base/sys.h"
#include "kenro/base/tree.h"
#include "kenro/part/mount.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

enum { PARAM_BYTES_MAX = 255 }; /* fsconfig(2): strndup_user(value, 256) */

/* What sources are looked up by. */
struct where {
        const struct bundle *bundle;
        const struct spec_linux *linux_;
        const struct mount_plan *before; /* the entries so far */
        struct stat root;                /* the root file system's directory */
        bool both_ways;                  /* the host may see what the container mounts */
};

/* Files of procfs that a container may have replaced, as lxcfs does it. Not
 * /proc/net/dev: since Linux 5.11 the next look at it drops what is mounted there. */
static const char *const proc_files[] = {
        "/proc/cpuinfo",
        "/proc/diskstats",
        "/proc/loadavg",
        "/proc/meminfo",
        "/proc/slabinfo",
        "/proc/stat",
        "/proc/swaps",
        "/proc/uptime",
        "/proc/sys/kernel/ns_last_pid",
        "/proc/sys/crypto/fips_enabled",
};

static bool is_proc_file(const char *dest)
{
        for (size_t i = 0; i < sizeof(proc_files) / sizeof(proc_files[0]); i++)
                if (strcmp(dest, proc_files[i]) == 0)
                        return true;
        return false;
}

/* What is mounted over procfs decides what the runtime and every program in
 * the container believe about themselves: CVE-2019-16884, CVE-2025-52881. */
static int check_dest(const struct mount_entry *m, struct err *e)
{
        if (strcmp(m->dest, "/") == 0)
                return err_set(e, "a mount at / would hide the root file system");
        if (strcmp(m->dest, "/proc") == 0 &&
            (m->kind == MOUNT_INSIDE || (m->kind == MOUNT_FS && strcmp(m->type, "proc") != 0)))
                return err_set(e, "only a proc file system can be mounted at /proc");
        if (strcmp(m->dest, "/sys") == 0 && m->kind == MOUNT_FS && strcmp(m->type, "sysfs") != 0 &&
            strcmp(m->type, "tmpfs") != 0)
                return err_set(e, "only a sysfs can be mounted at /sys");
        if (strcmp(m->dest, "/proc") != 0 && path_is_below(m->dest, "/proc") &&
            !is_proc_file(m->dest) && strcmp(m->type, "binfmt_misc") != 0)
                return err_set(e, "nothing can be mounted below /proc but over a few files "
                                  "like /proc/cpuinfo");
        return 0;
}

static int open_source(struct mount_entry *m, const struct bundle *b, struct arena *a,
                       struct err *e)
{
        struct statfs fs;
        struct stat st;

        m->tree_fd = tree_source(b->later, b->fd, m->source, m->o.recursive, a);
        if (m->tree_fd < 0)
                return err_sys(e, -m->tree_fd, "cannot open the source %s", m->source);
        if (fstat(m->tree_fd, &st) < 0)
                return err_sys(e, errno, "cannot stat the source %s", m->source);
        m->is_file = !S_ISDIR(st.st_mode);
        if (strcmp(m->dest, "/proc") == 0 &&
            (fstatfs(m->tree_fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC))
                return err_set(e, "only a proc file system can be mounted at /proc");
        return 0;
}

/* Is SOURCE below the root file system's directory, however that is spelled? From there
 * on the image decides where a path leads. Returns 1 with the part behind it in CLEAN,
 * which ret points into, 0, -1. */
static int below_root(const char *source, const struct where *w, char clean[PATH_MAX],
                      const char **ret, struct err *e)
{
        char joined[2 * PATH_MAX];
        struct stat st;

        snprintf(joined, sizeof(joined), "%s/%s", source[0] == '/' ? "" : w->bundle->path, source);
        if (path_clean(joined, clean, PATH_MAX, e) < 0)
                return -1;
        for (char *c = clean + 1;; c++) {
                char end = *c;

                if (end != '/' && end != '\0')
                        continue;
                *c = '\0';
                if (stat(clean, &st) < 0)
                        return 0; /* opening it will say why */
                *c = end;
                if (st.st_dev == w->root.st_dev && st.st_ino == w->root.st_ino) {
                        *ret = c + (end == '/');
                        return 1;
                }
                if (end == '\0')
                        return 0;
        }
}

/* By its own mappings, or else by the container's. */
static int plan_idmap(struct mount_entry *m, const struct spec_mount *sm, const struct where *w,
                      struct err *e)
{
        const struct spec_linux *l = w->linux_;

        if (!m->o.idmap && sm->uid_mappings.n == 0)
                return 0;
        if (w->bundle->later)
                return err_set(e, "ids of a mount are mapped with the rights of the host's root "
                                  "only");
        if (m->kind == MOUNT_INSIDE)
                return err_set(e, "a source in the root file system cannot be id-mapped");
        if (m->kind != MOUNT_BIND)
                return err_set(e, "only a bind mount can be id-mapped");
        m->uids = sm->uid_mappings.n > 0 ? sm->uid_mappings : l->uid_mappings;
        m->gids = sm->gid_mappings.n > 0 ? sm->gid_mappings : l->gid_mappings;
        if (m->uids.n > 0 && m->gids.n > 0)
                return 0;
        err_set(e, "nothing says how to map its ids");
        return err_hint(e,
                        "give it uidMappings and gidMappings, or the container a user namespace");
}

/* A source below the root file system means the container's view of it, with
 * what earlier entries have mounted there. */
static int plan_bind(struct mount_entry *m, const struct where *w, struct arena *a, struct err *e)
{
        char clean[PATH_MAX];
        const char *inside;
        int r;

        if (!m->source || !*m->source)
                return err_set(e, "a bind mount needs a source");
        if (m->o.n_param > 0) {
                const char *option = m->o.param[0].key;
                const struct name *near = name_near(mount_option_names, option);

                err_set(e, "a bind mount has no option '%.60s'", option);
                return near ? err_hint(e, "did you mean '%s'?", near->name) : -1;
        }
        m->kind = m->o.remount ? MOUNT_CHANGE : MOUNT_BIND;
        if (m->kind == MOUNT_CHANGE)
                return 0;
        m->both_ways = w->both_ways && m->o.n_propagation > 0 &&
                       (m->o.propagation[m->o.n_propagation - 1] & MS_SHARED);
        r = below_root(m->source, w, clean, &inside, e);
        if (r <= 0)
                return r < 0 ? -1 : open_source(m, w->bundle, a, e);
        m->kind = MOUNT_INSIDE;
        m->source = arena_printf(a, e, "/%s", inside);
        return m->source ? 0 : -1;
}

/* What selects a hierarchy of version 1, and means nothing here. */
static void drop_v1(struct mount_options *o)
{
        static const char *const names[] = {
                "all",        "blkio",   "clone_children", "cpu",           "cpuacct",
                "cpuset",     "devices", "freezer",        "hugetlb",       "memory",
                "misc",       "name",    "net_cls",        "net_prio",      "none",
                "perf_event", "pids",    "rdma",           "release_agent", "xattr",
        };
        size_t kept = 0;

        for (size_t i = 0; i < o->n_param; i++) {
                size_t len = strcspn(o->param[i].key, ","); /* "cpu,cpuacct" */
                bool known = false;

                for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
                        known |= strlen(names[k]) == len &&
                                 strncmp(o->param[i].key, names[k], len) == 0;
                if (!known)
                        o->param[kept++] = o->param[i];
        }
        o->n_param = kept;
}

static int plan_copy_up(struct mount_entry *m, struct err *e)
{
        if (!m->o.copy_up)
                return 0;
        if (m->kind != MOUNT_FS || strcmp(m->type, "tmpfs") != 0)
                return err_set(e, "'tmpcopyup' is for a tmpfs");
        if (strcmp(m->dest, "/dev") == 0)
                return err_set(e, "'tmpcopyup' is not for /dev: nothing there comes from the "
                                  "image");
        m->late_readonly = (m->o.set & MOUNT_ATTR_RDONLY) != 0;
        m->o.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
        return 0;
}

/* Only what is the container's own: a reconfigured file system is so for everybody. */
static int plan_remount(struct mount_entry *m, const struct mount_plan *before, struct err *e)
{
        for (size_t i = before->n; i > 0; i--) {
                struct mount_entry *b = &before->v[i - 1];

                if (strcmp(b->dest, m->dest) != 0)
                        continue;
                if (b->kind != MOUNT_FS || mount_is_shared_type(b->type))
                        break;
                if (b->tree_fd < 0)
                        b->tree_fd = eventfd(0, EFD_CLOEXEC);
                if (b->tree_fd < 0)
                        return err_sys(e, errno, "cannot reserve a descriptor");
                m->tree_fd = b->tree_fd;
                m->kind = MOUNT_RECONFIGURE;
                m->type = b->type;
                m->source = NULL;
                return 0;
        }
        err_set(e, "only a file system of the container's own can be remounted");
        return err_hint(e, "with 'bind' only the flags of the mount are changed");
}

static int plan_fs(struct mount_entry *m, const struct where *w, struct err *e)
{
        for (size_t i = 0; i < m->o.n_param; i++)
                if (m->o.param[i].value && strlen(m->o.param[i].value) > PARAM_BYTES_MAX)
                        return err_set(e,
                                       "'%.60s' has more than %d bytes, the kernel takes no more",
                                       m->o.param[i].key, PARAM_BYTES_MAX);
        if (m->o.remount)
                return plan_remount(m, w->before, e);
        if (strcmp(m->type, "cgroup") == 0) {
                m->type = "cgroup2";
                drop_v1(&m->o);
        }
        m->kind = MOUNT_FS;
        return 0;
}

static int plan_one(const struct spec_mount *sm, const struct where *w, struct arena *a,
                    struct mount_entry *m, struct err *e)
{
        char clean[PATH_MAX];

        m->type = sm->type ? sm->type : "none";
        m->source = sm->source;
        m->tree_fd = -1;
        if (path_clean(sm->destination, clean, sizeof(clean), e) < 0)
                return -1;
        m->dest = arena_strndup(a, clean, strlen(clean), e);
        if (m->dest && sm->destination[0] != '/')
                log_warn("mounts[%zu].destination: '%s' is deprecated, write '%s'", m->index,
                         sm->destination, m->dest);
        if (!m->dest || mount_options_parse(&sm->options, a, &m->o, e) < 0)
                return -1;
        if (strcmp(m->type, "bind") == 0)
                m->o.bind = true;
        if ((m->o.bind ? plan_bind(m, w, a, e) : plan_fs(m, w, e)) < 0)
                return -1;
        if (plan_idmap(m, sm, w, e) < 0 || plan_copy_up(m, e) < 0)
                return -1;
        return check_dest(m, e);
}

/* Make sure that /dev is a tmpfs of ours, unless the configuration mounts
 * something else there: no node and no link is ever made in the image. */
static int plan_dev(struct mount_plan *r, struct arena *a, struct err *e)
{
        static const struct mount_param mode = { "mode", "755" };

        for (size_t i = 0; i < r->n; i++) {
                if (strcmp(r->v[i].dest, "/dev") != 0)
                        continue;
                if (r->v[i].kind == MOUNT_FS && strcmp(r->v[i].type, "tmpfs") == 0) {
                        r->v[i].kind = MOUNT_DEV;
                        r->dev_readonly = (r->v[i].o.set & MOUNT_ATTR_RDONLY) != 0;
                        r->v[i].o.set &= ~(uint64_t)MOUNT_ATTR_RDONLY;
                        r->dev = (int)i;
                }
                return 0;
        }
        memmove(r->v + 1, r->v, r->n * sizeof(*r->v));
        r->v[0] = (struct mount_entry){ .kind = MOUNT_DEV,
                                        .dest = "/dev",
                                        .type = "tmpfs",
                                        .source = "tmpfs",
                                        .tree_fd = -1,
                                        .index = SIZE_MAX };
        r->v[0].o.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
        r->v[0].o.param = ARENA_NEW(a, struct mount_param, 1, e);
        if (!r->v[0].o.param)
                return -1;
        r->v[0].o.param[0] = mode;
        r->v[0].o.n_param = 1;
        r->n++;
        r->dev = 0;
        return 0;
}

/* As engines spell it, both the mount and the root are shared. The root of a user
 * namespace can mount what it likes, and that is not for the host: the kernel, too, lets
 * mounts of such a namespace only receive. */
static bool goes_both_ways(const struct spec *s)
{
        return (s->linux_->rootfs_propagation.v & MS_SHARED) && !spec_namespace(s, CLONE_NEWUSER);
}

int mount_plan(const struct spec *s, const struct bundle *b, const char *rootfs, struct arena *a,
               struct mount_plan *ret, struct err *e)
{
        struct where w = { .bundle = b, .linux_ = s->linux_, .both_ways = goes_both_ways(s) };
        struct mount_plan r = { .dev = -1 };

        w.before = &r;
        if (stat(rootfs, &w.root) < 0)
                return err_sys(e, errno, "root.path: cannot stat %s", rootfs);

        r.v = ARENA_NEW(a, struct mount_entry, s->mounts.n + 1, e);
        if (!r.v)
                return -1;
        for (size_t i = 0; i < s->mounts.n; i++, r.n++) {
                r.v[i].index = i;
                if (plan_one(&s->mounts.v[i], &w, a, &r.v[i], e) < 0)
                        return err_in(e, "mounts[%zu] (%s)", i, s->mounts.v[i].destination);
        }
        if (plan_dev(&r, a, e) < 0)
                return -1;
        *ret = r;
        return 0;
}

static bool is_node(const struct mount_entry *m)
{
        struct stat st;

        return m->kind == MOUNT_BIND && fstat(m->tree_fd, &st) == 0 &&
               (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode));
}

void mount_plan_no_devices(struct mount_plan *p)
{
        for (size_t i = 0; i < p->n; i++) {
                struct mount_options *o = &p->v[i].o;

                if (p->v[i].kind == MOUNT_FS || p->v[i].kind == MOUNT_DEV ||
                    p->v[i].kind == MOUNT_RECONFIGURE || is_node(&p->v[i]))
                        continue; /* these have no nodes, or must have them */
                o->rset |= p->v[i].kind == MOUNT_CHANGE ? 0 : MOUNT_ATTR_NODEV;
                o->rclear &= ~(uint64_t)MOUNT_ATTR_NODEV;
                o->clear &= ~(uint64_t)MOUNT_ATTR_NODEV;
        }
}

static int check_id(const struct mount_param *p, const char *key, const struct id_mappings *m,
                    struct err *e)
{
        char *end;
        unsigned long id;

        if (strcmp(p->key, key) != 0 || !p->value)
                return 0;
        id = strtoul(p->value, &end, 10);
        if (*end || end == p->value || id > SPEC_ID_MAX || /* the kernel will say so */
            spec_map_id(m, (uint32_t)id) <= SPEC_ID_MAX)
                return 0;
        err_set(e, "%s=%lu is not mapped by linux.%sMappings", key, id, key);
        return err_hint(e, "leave the option out, or map the id");
}

int mount_plan_check_ids(const struct mount_plan *p, const struct spec *s, struct err *e)
{
        const struct spec_linux *l = s->linux_;

        for (size_t i = 0; i < p->n; i++)
                for (size_t k = 0; k < p->v[i].o.n_param; k++)
                        if (check_id(&p->v[i].o.param[k], "uid", &l->uid_mappings, e) < 0 ||
                            check_id(&p->v[i].o.param[k], "gid", &l->gid_mappings, e) < 0)
                                return err_in(e, "mounts[%zu] (%s)", p->v[i].index, p->v[i].dest);
        return 0;
}
