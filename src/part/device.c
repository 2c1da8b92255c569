#include "kenro/part/device.h"

#include "kenro/base/fd.h"
#include "kenro/base/path.h"
#include "kenro/base/sys.h"
#include "kenro/base/tree.h"
#include "kenro/spec/spec_load.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static const struct {
        const char *path;
        unsigned major, minor;
} defaults[] = {
        { "null", 1, 3 },   { "zero", 1, 5 },    { "full", 1, 7 },
        { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

/* runtime-linux.md, Dev symbolic links; ptmx is the container's own. */
static const struct {
        const char *path, *target;
} links[] = {
        { "fd", "/proc/self/fd" },       { "stdin", "/proc/self/fd/0" },
        { "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" },
        { "ptmx", "pts/ptmx" },
};

/* A mount of the configuration below /dev lies over what we put in its place. */
static bool is_covered(const struct spec *s, const char *path)
{
        char dest[PATH_MAX];
        struct err ignored;

        for (size_t i = 0; i < s->mounts.n; i++)
                if (path_clean(s->mounts.v[i].destination, dest, sizeof(dest), &ignored) == 0 &&
                    path_is_below(dest, "/dev") && strcmp(dest, "/dev") != 0 &&
                    path_is_below(path, dest) && strcmp(path, dest) != 0)
                        return true;
        return false;
}

static int plan_one(const struct spec *s, const struct spec_device *d, bool managed,
                    struct arena *a, struct device_plan *r, struct err *e)
{
        const struct spec_linux *l = s->linux_;
        struct device_node *n;
        char clean[PATH_MAX];
        bool inside;

        if (path_clean(d->path, clean, sizeof(clean), e) < 0)
                return -1;
        if (strcmp(clean, "/dev") == 0 || strcmp(clean, "/") == 0)
                return err_set(e, "is a directory's place");
        inside = path_is_below(clean, "/dev");
        if (inside && !managed)
                return 0; /* the host's /dev has been mounted there, nodes and all */
        inside = inside && !is_covered(s, clean);
        if (strcmp(clean, "/dev/ptmx") == 0)
                return 0; /* privileged containers list the host's */
        n = inside ? &r->dev[r->n_dev++] : &r->outside[r->n_outside++];
        n->path = arena_printf(a, e, "%s", clean + (inside ? strlen("/dev/") : 0));
        if (!n->path)
                return -1;
        n->mode = (mode_t)d->type.v | (d->file_mode.set ? (mode_t)d->file_mode.v & 07777 : 0666);
        if (d->type.v != S_IFIFO)
                n->dev = makedev((unsigned)d->major.v, (unsigned)d->minor.v);
        n->uid = spec_map_id(&l->uid_mappings, (uint32_t)d->uid.v);
        n->gid = spec_map_id(&l->gid_mappings, (uint32_t)d->gid.v);
        if (n->uid > SPEC_ID_MAX || n->gid > SPEC_ID_MAX)
                return err_set(e, "its owner is not mapped in the user namespace");
        return 0;
}

int device_plan(const struct spec *s, bool managed, struct arena *a, struct device_plan *ret,
                struct err *e)
{
        const struct spec_linux *l = s->linux_;
        size_t n_defaults = sizeof(defaults) / sizeof(defaults[0]);
        struct device_plan r = {
                .dev = ARENA_NEW(a, struct device_node, l->devices.n + n_defaults, e),
                .outside = ARENA_NEW(a, struct device_node, l->devices.n, e),
                .root_uid = spec_map_id(&l->uid_mappings, 0),
                .root_gid = spec_map_id(&l->gid_mappings, 0),
                .console = s->process && s->process->terminal,
        };

        if (!r.dev || !r.outside)
                return -1;
        for (size_t i = 0; i < l->devices.n; i++)
                if (plan_one(s, &l->devices.v[i], managed, a, &r, e) < 0)
                        return err_in(e, "linux.devices[%zu] (%s)", i, l->devices.v[i].path);
        for (size_t i = 0; managed && i < n_defaults; i++)
                r.dev[r.n_dev++] = (struct device_node){
                        .path = defaults[i].path,
                        .mode = S_IFCHR | 0666,
                        .dev = makedev(defaults[i].major, defaults[i].minor),
                        .uid = r.root_uid,
                        .gid = r.root_gid,
                };
        *ret = r;
        return 0;
}

static bool is_bound(const struct device_plan *p, const struct device_node *n)
{
        return p->bound && !S_ISFIFO(n->mode);
}

static int find_node(struct device_node *n, const char *path, struct tree_list *later,
                     struct arena *a, struct err *e)
{
        struct stat st;

        n->tree_fd = tree_source(later, AT_FDCWD, path, false, a);
        if (n->tree_fd < 0)
                return err_sys(e, -n->tree_fd, "cannot open the host's %s", path);
        if (fstat(n->tree_fd, &st) < 0)
                return err_sys(e, errno, "cannot stat the host's %s", path);
        if ((st.st_mode & S_IFMT) == (n->mode & S_IFMT) && st.st_rdev == n->dev)
                return 0;
        err_set(e, "the host's %s is not the %s device %u:%u", path,
                S_ISBLK(n->mode) ? "block" : "character", major(n->dev), minor(n->dev));
        return err_hint(e, "without privileges a node cannot be made, only the host's be bound");
}

int device_plan_bound(struct device_plan *p, struct tree_list *later, struct arena *a,
                      struct err *e)
{
        char path[PATH_MAX];

        p->bound = true;
        for (size_t i = 0; i < p->n_dev; i++) {
                snprintf(path, sizeof(path), "/dev/%s", p->dev[i].path);
                if (is_bound(p, &p->dev[i]) && find_node(&p->dev[i], path, later, a, e) < 0)
                        return err_in(e, "linux.devices (%s)", path);
        }
        for (size_t i = 0; i < p->n_outside; i++)
                if (is_bound(p, &p->outside[i]) &&
                    find_node(&p->outside[i], p->outside[i].path, later, a, e) < 0)
                        return err_in(e, "linux.devices (%s)", p->outside[i].path);
        return 0;
}

/* The directories above PATH, in a tree that only we can reach. */
static int make_parents(int dir, const char *path, struct err *e)
{
        char part[PATH_MAX];

        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
                if (mkdirat(dir, part, 0755) < 0 && errno != EEXIST)
                        return err_sys(e, errno, "cannot make the directory %s", part);
        }
        return 0;
}

static bool is_node(const struct stat *st, const struct device_node *n)
{
        return (st->st_mode & S_IFMT) == (n->mode & S_IFMT) &&
               (S_ISFIFO(n->mode) || st->st_rdev == n->dev);
}

/* NAME in DIR becomes the node; the same node listed twice is fine. */
static int make_node(int dir, const char *name, const struct device_node *n, struct err *e)
{
        struct stat st;

        if (mknodat(dir, name, n->mode & S_IFMT, n->dev) < 0) {
                if (errno != EEXIST)
                        return err_sys(e, errno, "cannot make the device node %s", n->path);
                if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !is_node(&st, n))
                        return err_set(e, "%s is another file already", n->path);
                return 0;
        }
        /* Not by mknod's mode, from which the umask is taken. */
        if (fchmodat(dir, name, n->mode & 07777, 0) < 0 ||
            fchownat(dir, name, n->uid, n->gid, AT_SYMLINK_NOFOLLOW) < 0)
                return err_sys(e, errno, "cannot set owner and mode of the device node %s",
                               n->path);
        return 0;
}

/* What a node of the host is bound on. */
static int make_place(int dir, const struct device_node *n, struct err *e)
{
        autoclose int fd = openat(dir, n->path, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0444);

        if (fd < 0 && errno != EEXIST)
                return err_sys(e, errno, "cannot make a place for the device node %s", n->path);
        return 0;
}

static int make_links(const struct device_plan *p, int dev_fd, struct err *e)
{
        for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
                const char *name = links[i].path;

                if (symlinkat(links[i].target, dev_fd, name) < 0) {
                        if (errno == EEXIST)
                                continue; /* a device of that name was asked for */
                        return err_sys(e, errno, "cannot make the link /dev/%s", name);
                }
                if (fchownat(dev_fd, name, p->root_uid, p->root_gid, AT_SYMLINK_NOFOLLOW) < 0)
                        return err_sys(e, errno, "cannot set the owner of /dev/%s", name);
        }
        return 0;
}

int device_fill_dev(const struct device_plan *p, int dev_fd, struct err *e)
{
        if (fchownat(dev_fd, "", p->root_uid, p->root_gid, AT_EMPTY_PATH) < 0)
                return err_sys(e, errno, "cannot set the owner of /dev");
        for (size_t i = 0; i < p->n_dev; i++) {
                const struct device_node *n = &p->dev[i];

                if (make_parents(dev_fd, n->path, e) < 0 ||
                    (is_bound(p, n) ? make_place(dev_fd, n, e) : make_node(dev_fd, n->path, n, e)) <
                            0)
                        return err_in(e, "/dev");
        }
        if (make_links(p, dev_fd, e) < 0)
                return -1;
        if (p->console) {
                autoclose int fd = openat(dev_fd, "console",
                                          O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0600);

                if (fd < 0 && errno != EEXIST)
                        return err_sys(e, errno, "cannot make /dev/console");
        }
        return 0;
}

static void stash_name(size_t i, char name[32])
{
        snprintf(name, 32, "node%zu", i);
}

int device_fill_stash(const struct device_plan *p, int stash_fd, struct err *e)
{
        char name[32];

        for (size_t i = 0; i < p->n_outside; i++) {
                stash_name(i, name);
                if (!is_bound(p, &p->outside[i]) &&
                    make_node(stash_fd, name, &p->outside[i], e) < 0)
                        return -1;
        }
        return 0;
}

static int attach_node(int tree, int target, struct err *e)
{
        int r = tree;

        if (r >= 0)
                r = tree_attr(tree, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, 0, false);
        if (r == 0)
                r = tree_attach(tree, target);
        return r < 0 ? err_sys(e, -r, "cannot attach the device node") : 0;
}

/* SOURCE in DIR, or DIR itself, onto the node's place. */
static int bind_node(const struct device_node *n, int root_fd, int dir, const char *source,
                     struct err *e)
{
        autoclose int tree = -1, target = -1;
        struct stat st;

        target = path_open_in(root_fd, n->path, O_PATH | O_NOFOLLOW, 0);
        if (target >= 0) {
                if (fstat(target, &st) < 0 || !is_node(&st, n))
                        return err_set(e, "is another file already");
                return 0;
        }
        target = path_make_in(root_fd, n->path, true, e);
        if (target < 0)
                return -1;
        if (!source)
                return attach_node(dir, target, e);
        tree = tree_clone(dir, source, false);
        return attach_node(tree, target, e);
}

/* /dev is a tmpfs of ours. A device that is listed twice has one place. */
static int bind_in_dev(const struct device_node *n, int root_fd, struct err *e)
{
        autoclose int target = -1;
        char path[PATH_MAX];
        struct stat st;

        snprintf(path, sizeof(path), "/dev/%s", n->path);
        target = path_open_in(root_fd, path, O_PATH, RESOLVE_NO_SYMLINKS);
        if (target < 0)
                return err_sys(e, -target, "cannot open its place");
        if (fstat(target, &st) < 0)
                return err_sys(e, errno, "cannot stat its place");
        return is_node(&st, n) ? 0 : attach_node(n->tree_fd, target, e);
}

int device_child(const struct device_plan *p, int root_fd, int stash_fd, struct err *e)
{
        for (size_t i = 0; i < p->n_dev; i++)
                if (is_bound(p, &p->dev[i]) && bind_in_dev(&p->dev[i], root_fd, e) < 0)
                        return err_in(e, "linux.devices (/dev/%s)", p->dev[i].path);
        for (size_t i = 0; i < p->n_outside; i++) {
                const struct device_node *n = &p->outside[i];
                bool bound = is_bound(p, n);
                char name[32];

                stash_name(i, name);
                if (bind_node(n, root_fd, bound ? n->tree_fd : stash_fd, bound ? NULL : name, e) <
                    0)
                        return err_in(e, "linux.devices (%s)", n->path);
        }
        return 0;
}
