#include "kenro/part/mask.h"

#include "kenro/base/fd.h"
#include "kenro/base/path.h"
#include "kenro/base/sys.h"
#include "kenro/base/tree.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Engines list some paths twice: the second cover would be a wasted mount. */
static int unique(const struct strings *from, struct arena *a, struct strings *to, struct err *e)
{
        to->v = ARENA_NEW(a, const char *, from->n, e);
        if (!to->v)
                return -1;
        for (size_t i = 0; i < from->n; i++) {
                size_t k = 0;

                while (k < to->n && strcmp(to->v[k], from->v[i]) != 0)
                        k++;
                if (k == to->n)
                        to->v[to->n++] = from->v[i];
        }
        return 0;
}

int mask_plan(const struct spec *s, struct arena *a, struct mask_plan *ret, struct err *e)
{
        *ret = (struct mask_plan){ 0 };
        if (unique(&s->linux_->masked_paths, a, &ret->masked, e) < 0)
                return -1;
        return unique(&s->linux_->readonly_paths, a, &ret->readonly, e);
}

/* Open what is to be covered. Returns a descriptor, -1 with E, or -2: it is
 * not there. */
static int open_covered(int root_fd, const char *path, struct err *e)
{
        int fd = path_open_in(root_fd, path, O_PATH, 0);

        if (fd == -ENOENT || fd == -ENOTDIR)
                return -2;
        if (fd < 0)
                return err_sys(e, -fd, "cannot open %s", path);
        return fd;
}

/* Give the detached TREE its flags and put it over TARGET. */
static int cover(int tree, uint64_t set, bool recursive, int target, struct err *e)
{
        int r = tree < 0 ? tree : tree_attr(tree, set, 0, recursive);

        if (r == 0)
                r = tree_attach(tree, target);
        return r < 0 ? err_sys(e, -r, "cannot cover it") : 0;
}

static int mask(const char *path, int root_fd, int stash_fd, struct err *e)
{
        static const uint64_t set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                    MOUNT_ATTR_NOEXEC;
        autoclose int target = open_covered(root_fd, path, e);
        autoclose int tree = -1;
        struct stat st;

        if (target < 0)
                return target == -2 ? 0 : -1;
        if (fstat(target, &st) < 0)
                return err_sys(e, errno, "cannot stat it");
        tree = tree_clone(stash_fd, S_ISDIR(st.st_mode) ? "dir" : "file", false);
        return cover(tree, set, false, target, e);
}

/* A clone of the path on itself, read-only: it keeps the other flags, and those
 * of what is mounted below. */
static int make_readonly(const char *path, int root_fd, struct err *e)
{
        autoclose int target = open_covered(root_fd, path, e);
        autoclose int tree = -1;

        if (target < 0)
                return target == -2 ? 0 : -1;
        tree = tree_clone(target, "", true);
        return cover(tree, MOUNT_ATTR_RDONLY, true, target, e);
}

int mask_child(const struct mask_plan *p, int root_fd, int stash_fd, struct err *e)
{
        for (size_t i = 0; i < p->readonly.n; i++)
                if (make_readonly(p->readonly.v[i], root_fd, e) < 0)
                        return err_in(e, "linux.readonlyPaths (%.100s)", p->readonly.v[i]);
        for (size_t i = 0; i < p->masked.n; i++)
                if (mask(p->masked.v[i], root_fd, stash_fd, e) < 0)
                        return err_in(e, "linux.maskedPaths (%.100s)", p->masked.v[i]);
        return 0;
}
