#include "kenro/part/mount.h"

#include "kenro/base/fd.h"
#include "kenro/base/path.h"
#include "kenro/base/sys.h"
#include "kenro/base/tree.h"

#include "mount_copy.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#define CEPH_MAGIC 0x00c36400 /* fs/ceph/super.h, not among the headers */

/* File systems of which one instance serves many mounts: "ro" for the super
 * block would reach beyond this mount, so only the mount gets it. */
bool mount_is_shared_type(const char *type)
{
        static const char *const types[] = { "cgroup2", "mqueue", "proc", "sysfs" };

        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
                if (strcmp(type, types[i]) == 0)
                        return true;
        return false;
}

/* The kernel explains itself on the file system context: "e tmpfs: Unknown
 * parameter 'nosuidd'". */
static int fs_error(int fs_fd, int num, const char *what, const char *type, struct err *e)
{
        char text[256];
        ssize_t n = read(fs_fd, text, sizeof(text) - 1);

        if (n <= 2)
                return err_sys(e, num, "%s %s", type, what);
        text[n] = '\0';
        text[strcspn(text, "\n")] = '\0';
        return err_sys(e, num, "%s %s (%s)", type, what, text + 2);
}

static int set_param(int fs_fd, const struct mount_entry *m, const struct mount_param *p,
                     struct err *e)
{
        int r = sys_fsconfig(fs_fd, p->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, p->key,
                             p->value, 0);
        const struct name *near;

        if (r >= 0)
                return 0;
        err_sys(e, -r, "%s does not take the option '%.60s%s%.60s'", m->type, p->key,
                p->value ? "=" : "", p->value ? p->value : "");
        near = p->value ? NULL : name_near(mount_option_names, p->key);
        return near ? err_hint(e, "did you mean '%s'?", near->name) : -1;
}

static int set_params(int fs, const struct mount_entry *m, const struct mount_param *more,
                      struct err *e)
{
        const struct mount_param source = { "source", m->source }, ro = { "ro", NULL };

        if (m->source && *m->source && set_param(fs, m, &source, e) < 0)
                return -1;
        if (m->o.set & MOUNT_ATTR_RDONLY && !mount_is_shared_type(m->type) &&
            set_param(fs, m, &ro, e) < 0)
                return -1;
        for (; more && more->key; more++)
                if (set_param(fs, m, more, e) < 0)
                        return -1;
        for (size_t i = 0; i < m->o.n_param; i++)
                if (set_param(fs, m, &m->o.param[i], e) < 0)
                        return -1;
        return 0;
}

/* What the kernel wants where the mount is not the host's root's. */
static int hint_power(const struct mount_entry *m, struct err *e)
{
        static const struct {
                const char *type, *hint;
        } rows[] = {
                { "proc", "where parts of /proc are covered, as in most containers, no new one can "
                          "be mounted in a user namespace" },
                { "sysfs", "in a user namespace it needs a network namespace made with it, and a "
                           "/sys that is not covered; or bind /sys with rbind" },
                { "mqueue", "in a user namespace it needs an ipc namespace made with it" },
                { "cgroup2", "in a user namespace it needs a cgroup namespace made with it" },
        };

        for (size_t i = 0; e->num == EPERM && i < sizeof(rows) / sizeof(rows[0]); i++)
                if (strcmp(m->type, rows[i].type) == 0)
                        return err_hint(e, "%s", rows[i].hint);
        return -1;
}

static int make(const struct mount_entry *m, const struct mount_param *more, struct err *e)
{
        autoclose int fs = sys_fsopen(m->type, FSOPEN_CLOEXEC);
        int r;

        if (fs == -ENODEV)
                return err_sys(e, ENODEV, "the kernel has no file system %s", m->type);
        if (fs < 0)
                return err_sys(e, -fs, "cannot open the file system %s", m->type);
        if (set_params(fs, m, more, e) < 0)
                return -1;
        r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
        if (r < 0)
                return fs_error(fs, -r, "cannot be mounted", m->type, e);
        r = sys_fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)m->o.set);
        return r < 0 ? fs_error(fs, -r, "cannot be mounted", m->type, e) : r;
}

int mount_make(const struct mount_entry *m, const struct mount_param *more, struct err *e)
{
        int fd = make(m, more, e);

        return fd < 0 ? hint_power(m, e) : fd;
}

/* Whose ids can be mapped since when, of file systems that have learnt it after Linux
 * 5.15; those of a fuse only if its server says so. */
static const struct {
        long type;
        const char *name, *since;
} learners[] = {
        { F2FS_SUPER_MAGIC, "an f2fs", "5.18" }, { EROFS_SUPER_MAGIC_V1, "an erofs", "5.19" },
        { SQUASHFS_MAGIC, "a squashfs", "6.2" }, { TMPFS_MAGIC, "a tmpfs", "6.3" },
        { CEPH_MAGIC, "a ceph", "6.7" },         { FUSE_SUPER_MAGIC, "a fuse", "6.12" },
};

static int cannot_map(const struct mount_entry *m, struct err *e)
{
        struct statfs fs;
        const char *below = m->o.ridmap ? ", or that of a mount below it" : "";

        for (size_t i = 0; i < sizeof(learners) / sizeof(learners[0]); i++)
                if (fstatfs(m->tree_fd, &fs) == 0 && fs.f_type == learners[i].type)
                        return err_hint(e,
                                        "its file system cannot do that with this kernel%s: %s "
                                        "can since Linux %s",
                                        below, learners[i].name, learners[i].since);
        return err_hint(e, "its file system cannot do that with this kernel%s", below);
}

int mount_idmap_parent(const struct mount_entry *m, int userns, struct err *e)
{
        int r = tree_idmap(m->tree_fd, userns, m->o.ridmap);

        if (r >= 0)
                return 0;
        err_sys(e, -r, "cannot map the ids of the source %s", m->source);
        if (r == -EINVAL)
                return cannot_map(m, e);
        if (r == -EPERM)
                return err_hint(e, "its ids are mapped already, or the file system is not the "
                                   "host's own");
        return -1;
}

static int set_attr(int fd, uint64_t set, uint64_t clear, bool recursive, struct err *e)
{
        int r = tree_attr(fd, set, clear, recursive);

        return r < 0 ? err_sys(e, -r, "cannot set the mount's flags") : 0;
}

static int set_attrs(int fd, const struct mount_options *o, struct err *e)
{
        if (set_attr(fd, o->rset, o->rclear, true, e) < 0)
                return -1;
        return set_attr(fd, o->set, o->clear, false, e);
}

static int set_propagation(int fd, uint64_t how, struct err *e)
{
        int r = tree_propagation(fd, how);

        return r < 0 ? err_sys(e, -r, "cannot set the mount's propagation") : 0;
}

/* Flags and propagation of a detached tree. A clone begins in the peer group of
 * its source: as a slave it still sees what the host mounts there, and never
 * the other way round unless that was asked for. */
static int settle(const struct mount_entry *m, int fd, struct err *e)
{
        bool clone = m->kind == MOUNT_BIND || m->kind == MOUNT_INSIDE;

        if (clone && set_attrs(fd, &m->o, e) < 0)
                return -1;
        if (clone && !m->both_ways && set_propagation(fd, MS_SLAVE | MS_REC, e) < 0)
                return -1;
        for (size_t i = 0; i < m->o.n_propagation; i++)
                if (set_propagation(fd, m->o.propagation[i], e) < 0)
                        return -1;
        return 0;
}

/* What comes later trusts the names of procfs, sysfs and /dev. */
static bool is_trusted(const struct mount_entry *m)
{
        return strcmp(m->type, "proc") == 0 || strcmp(m->type, "sysfs") == 0 ||
               strcmp(m->dest, "/proc") == 0 || strcmp(m->dest, "/sys") == 0 ||
               strcmp(m->dest, "/dev") == 0;
}

/* A real directory. -1 with ENOENT in E's num if it is missing. */
static int open_real(const struct mount_entry *m, int root_fd, struct err *e)
{
        int fd = path_open_in(root_fd, m->dest, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);

        if (fd == -ELOOP || fd == -ENOTDIR)
                return err_set(e, "%s is not a real directory in the root file system", m->dest);
        return fd < 0 ? err_sys(e, -fd, "cannot open %s", m->dest) : fd;
}

/* The place to mount on: created if it is missing. */
static int open_target(const struct mount_entry *m, int root_fd, bool file, struct err *e)
{
        autoclose int fd = is_trusted(m) ? open_real(m, root_fd, e) : -1;
        struct statfs fs;

        if (fd < 0 && is_trusted(m) && e->num != ENOENT)
                return -1;
        if (fd < 0) {
                fd = path_make_in(root_fd, m->dest, file, e);
                if (fd < 0)
                        return -1;
                /* Who shares the root may have put a link there just now. */
                if (is_trusted(m)) {
                        fd_close(&fd);
                        fd = open_real(m, root_fd, e);
                }
        }
        if (fd < 0)
                return -1;
        if (fstatfs(fd, &fs) < 0)
                return err_sys(e, errno, "cannot stat %s", m->dest);
        /* A link in the image may lead to procfs what was not meant to. */
        if (fs.f_type == PROC_SUPER_MAGIC && !path_is_below(m->dest, "/proc"))
                return err_set(e, "leads into procfs");
        return fd_take(&fd);
}

static int copy_up(const struct mount_entry *m, int target, int tree, struct err *e)
{
        if (!m->o.copy_up)
                return 0;
        if (mount_copy_child(target, tree, e) < 0)
                return err_in(e, "tmpcopyup");
        return m->late_readonly ? set_attr(tree, MOUNT_ATTR_RDONLY, 0, false, e) : 0;
}

static int attach(const struct mount_entry *m, int root_fd, int tree, bool file, struct err *e)
{
        autoclose int target = open_target(m, root_fd, file, e);
        struct stat st;
        int r;

        if (target < 0)
                return -1;
        if (fstat(target, &st) < 0)
                return err_sys(e, errno, "cannot stat %s", m->dest);
        if (S_ISDIR(st.st_mode) == file)
                return err_set(e, "not a directory: a file and a directory cannot be mounted on "
                                  "each other");
        if (copy_up(m, target, tree, e) < 0)
                return -1;
        r = tree_attach(tree, target);
        return r < 0 ? err_sys(e, -r, "cannot attach the mount") : 0;
}

static int open_inside(const struct mount_entry *m, int root_fd, bool *file, struct err *e)
{
        autoclose int at = path_open_in(root_fd, m->source, O_PATH, 0);
        struct stat st;
        int r;

        if (at < 0)
                return err_sys(e, -at, "cannot open the source %s in the container", m->source);
        if (fstat(at, &st) < 0)
                return err_sys(e, errno, "cannot stat the source %s", m->source);
        *file = !S_ISDIR(st.st_mode);
        r = tree_clone(at, "", m->o.recursive);
        return r < 0 ? err_sys(e, -r, "cannot clone the source %s", m->source) : r;
}

/* New flags for a mount that is there. */
static int change_flags(const struct mount_entry *m, int root_fd, struct err *e)
{
        autoclose int at = path_open_in(root_fd, m->dest, O_PATH, 0);

        if (at < 0)
                return err_sys(e, -at, "cannot open %s in the container", m->dest);
        return set_attrs(at, &m->o, e);
}

/* New options for a file system that an earlier entry has made. Not by its path, which
 * may lead to one of the host's by now. */
static int reconfigure(const struct mount_entry *m, struct err *e)
{
        static const struct mount_param rw[] = { { "rw", NULL }, { 0 } };
        autoclose int fs = sys_fspick(m->tree_fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH);
        int r;

        if (fs < 0)
                return err_sys(e, -fs, "cannot reconfigure the %s", m->type);
        if (set_params(fs, m, m->o.clear & MOUNT_ATTR_RDONLY ? rw : NULL, e) < 0)
                return -1;
        r = sys_fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
        if (r < 0)
                return fs_error(fs, -r, "cannot be reconfigured", m->type, e);
        return set_attrs(m->tree_fd, &m->o, e);
}

/* A tmpfs looks like the directory that it covers, but for what its options say; with
 * a copy of what is in there it belongs to the same owner, too. */
static int make_tmpfs(const struct mount_entry *m, int root_fd, struct err *e)
{
        autoclose int at = path_open_in(root_fd, m->dest, O_PATH | O_DIRECTORY, 0);
        char mode[16], uid[16], gid[16];
        struct mount_param like[] = { { "mode", mode }, { "uid", uid }, { "gid", gid }, { 0 } };
        struct stat st;
        int r;

        if (at < 0 || fstat(at, &st) < 0)
                return mount_make(m, NULL, e);
        snprintf(mode, sizeof(mode), "%o", (unsigned)st.st_mode & 07777);
        snprintf(uid, sizeof(uid), "%u", st.st_uid);
        snprintf(gid, sizeof(gid), "%u", st.st_gid);
        if (!m->o.copy_up)
                like[1].key = NULL;
        r = mount_make(m, like, e);
        /* Those of the configuration have been checked. */
        if (r < 0 && (strstr(e->text, "'uid=") || strstr(e->text, "'gid=")))
                return err_hint(e, "the directory in the image belongs to an id that the user "
                                   "namespace does not map");
        return r;
}

/* A file system of its own; of procfs only its mount, if the instance is given. */
static int make_fs(const struct mount_entry *m, int root_fd, int proc_fd, struct err *e)
{
        autoclose int fd = -1;

        if (strcmp(m->type, "tmpfs") == 0)
                return make_tmpfs(m, root_fd, e);
        if (proc_fd < 0 || strcmp(m->type, "proc") != 0)
                return mount_make(m, NULL, e);
        fd = tree_clone(proc_fd, "", false);
        if (fd < 0)
                return err_sys(e, -fd, "cannot clone the procfs");
        return set_attr(fd, m->o.set, 0, false, e) < 0 ? -1 : fd_take(&fd);
}

/* The kernel lists mounts in the order in which they were made, and /dev was made
 * before all others: a clone has its place in the order of the configuration. */
static int clone_dev(int dev_fd, struct err *e)
{
        int fd = tree_clone(dev_fd, "", false);

        return fd < 0 ? err_sys(e, -fd, "cannot clone the container's /dev") : fd;
}

static int set_label(const struct mount_entry *m, int tree, struct err *e)
{
        autoclose int fd = m->label ? openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

        if (m->label &&
            (fd < 0 || fsetxattr(fd, "security.selinux", m->label, strlen(m->label) + 1, 0) < 0))
                return err_sys(e, errno, "linux.mountLabel: cannot label the %s", m->type);
        return 0;
}

static int mount_one(const struct mount_entry *m, int root_fd, const struct mount_made *given,
                     int *dev, struct err *e)
{
        autoclose int made = -1;
        bool file = m->is_file;
        int tree = m->tree_fd;

        if (m->kind == MOUNT_CHANGE)
                return change_flags(m, root_fd, e);
        if (m->kind == MOUNT_RECONFIGURE)
                return reconfigure(m, e);
        if (m->kind == MOUNT_FS)
                tree = made = make_fs(m, root_fd, given->proc_fd, e);
        else if (m->kind == MOUNT_INSIDE)
                tree = made = open_inside(m, root_fd, &file, e);
        else if (m->kind == MOUNT_DEV)
                tree = *dev = clone_dev(given->dev_fd, e);
        if (tree < 0 || set_label(m, tree, e) < 0 || settle(m, tree, e) < 0)
                return -1;
        if (m->kind != MOUNT_BIND && m->tree_fd >= 0 && dup3(tree, m->tree_fd, O_CLOEXEC) < 0)
                return err_sys(e, errno, "cannot keep the mount");
        return attach(m, root_fd, tree, file, e);
}

int mount_child(const struct mount_plan *p, int root_fd, const struct mount_made *made,
                struct err *e)
{
        autoclose int dev = -1;

        for (size_t i = 0; i < p->n; i++) {
                const struct mount_entry *m = &p->v[i];

                if (mount_one(m, root_fd, made, &dev, e) < 0)
                        return m->index == SIZE_MAX
                                       ? err_in(e, "/dev")
                                       : err_in(e, "mounts[%zu] (%s)", m->index, m->dest);
        }
        if (p->dev_readonly && set_attr(dev, MOUNT_ATTR_RDONLY, 0, false, e) < 0)
                return err_in(e, "/dev");
        return 0;
}
