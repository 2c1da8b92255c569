#include "kenro/base/tree.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int tree_clone(int dir, const char *path, bool recursive)
{
        unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;

        if (!*path)
                flags |= AT_EMPTY_PATH;
        if (recursive)
                flags |= AT_RECURSIVE;
        return sys_open_tree(dir, path, flags);
}

static int put_off(struct tree_list *later, int dir, const char *path, bool recursive,
                   struct arena *a)
{
        autoclose int fd = openat(dir, *path ? path : ".", O_PATH | O_CLOEXEC);
        char name[40], found[PATH_MAX];
        struct tree_later *t;
        struct err ignored;
        ssize_t n;

        if (fd < 0)
                return -errno;
        snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        n = readlink(name, found, sizeof(found));
        if (n <= 0 || found[0] != '/' || (size_t)n == sizeof(found))
                return n < 0 ? -errno : -ENAMETOOLONG;
        t = arena_push(a, &later->v, &later->n, sizeof(*t), &ignored);
        if (!t)
                return -ENOMEM;
        *t = (struct tree_later){ -1, arena_strndup(a, found, (size_t)n, &ignored), recursive };
        if (!t->path)
                return -ENOMEM;
        return t->fd = fd_take(&fd);
}

int tree_source(struct tree_list *later, int dir, const char *path, bool recursive, struct arena *a)
{
        return later ? put_off(later, dir, path, recursive, a) : tree_clone(dir, path, recursive);
}

static int clone_found(const struct tree_later *t, struct err *e)
{
        autoclose int at = sys_openat2(AT_FDCWD, t->path, O_PATH, 0, RESOLVE_NO_SYMLINKS);
        autoclose int tree = -1;
        struct stat was, is;

        if (at < 0)
                return err_sys(e, -at, "cannot open it again");
        if (fstat(t->fd, &was) < 0 || fstat(at, &is) < 0)
                return err_sys(e, errno, "cannot stat it");
        if (was.st_dev != is.st_dev || was.st_ino != is.st_ino)
                return err_set(e, "was replaced in the meantime");
        tree = tree_clone(at, "", t->recursive);
        if (tree == -EINVAL && !t->recursive) {
                err_sys(e, EINVAL, "cannot clone it without what is mounted below");
                return err_hint(e, "without privileges that would uncover files: use rbind");
        }
        if (tree == -EPERM) {
                err_sys(e, EPERM, "cannot clone it");
                return err_hint(e, "a host may deny users power in their user namespaces: see "
                                   "/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
        }
        if (tree < 0)
                return err_sys(e, -tree, "cannot clone it");
        return dup3(tree, t->fd, O_CLOEXEC) < 0 ? err_sys(e, errno, "cannot keep it") : 0;
}

int tree_list_child(const struct tree_list *later, struct err *e)
{
        for (size_t i = 0; i < later->n; i++)
                if (clone_found(&later->v[i], e) < 0)
                        return err_in(e, "%.200s", later->v[i].path);
        return 0;
}

int tree_attr(int fd, uint64_t set, uint64_t clear, bool recursive)
{
        struct mount_attr attr = { .attr_set = set, .attr_clr = clear };

        if (!set && !clear)
                return 0;
        return sys_mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr);
}

int tree_propagation(int fd, uint64_t how)
{
        struct mount_attr attr = { .propagation = how & ~(uint64_t)MS_REC };

        return sys_mount_setattr(fd, "", AT_EMPTY_PATH | (how & MS_REC ? AT_RECURSIVE : 0), &attr);
}

int tree_idmap(int fd, int userns, bool recursive)
{
        struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns };

        return sys_mount_setattr(fd, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr);
}

int tree_attach(int tree, int target)
{
        return sys_move_mount(tree, "", target, "",
                              MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH);
}
