#include "kenro/part/rootfs.h"

#include "kenro/base/fd.h"
#include "kenro/base/path.h"
#include "kenro/base/sys.h"
#include "kenro/base/tree.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { STACKED_MAX = 2 }; /* the old root and the stash */

static int absolute(const char *bundle, const char *path, char clean[PATH_MAX], struct err *e)
{
        char joined[2 * PATH_MAX];

        snprintf(joined, sizeof(joined), "%s/%s", path[0] == '/' ? "" : bundle, path);
        if (path_clean(joined, clean, PATH_MAX, e) < 0)
                return -1;
        if (strcmp(clean, "/") == 0)
                return err_set(e, "is the host's own root");
        return 0;
}

/* Nothing of this can be undone when the container ends, and its processes
 * share the namespace with others: so nothing is changed in it. */
static int check_joined(const struct spec *s, struct err *e)
{
        if (s->mounts.n > 0)
                return err_set(e, "mounts: a mount namespace that exists already is not changed");
        if (s->root->readonly)
                return err_set(e, "root.readonly: a mount namespace that exists already is not "
                                  "changed");
        if (s->linux_->masked_paths.n > 0 || s->linux_->readonly_paths.n > 0)
                return err_set(e, "linux.maskedPaths: a mount namespace that exists already is not "
                                  "changed");
        return 0;
}

static int open_root(const char *path, const struct bundle *b, struct arena *a,
                     struct rootfs_plan *r, struct err *e)
{
        char bare[PATH_MAX];
        autoclose int fd = -1;
        struct stat st;

        /* "link/" would be what the link leads to. */
        snprintf(bare, sizeof(bare), "%s", path);
        for (size_t n = strlen(bare); n > 1 && bare[n - 1] == '/'; n--)
                bare[n - 1] = '\0';
        fd = openat(b->fd, bare, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return err_sys(e, errno, "cannot open %s", path);
        if (fstat(fd, &st) < 0)
                return err_sys(e, errno, "cannot stat %s", path);
        if (S_ISLNK(st.st_mode))
                return err_set(e, "%s is a symbolic link", path);
        if (!S_ISDIR(st.st_mode))
                return err_set(e, "%s is not a directory", path);
        r->tree_fd = tree_source(b->later, fd, "", true, a);
        if (r->tree_fd < 0)
                return err_sys(e, -r->tree_fd, "cannot clone %s", path);
        return 0;
}

int rootfs_plan(const struct spec *s, const struct bundle *b, bool joined, struct arena *a,
                struct rootfs_plan *ret, struct err *e)
{
        struct rootfs_plan r = { .tree_fd = -1,
                                 .readonly = s->root->readonly,
                                 .propagation = s->linux_->rootfs_propagation.v,
                                 .joined = joined };
        const struct spec_hooks *h = s->hooks;
        char clean[PATH_MAX];

        if (absolute(b->path, s->root->path, clean, e) < 0)
                return err_in(e, "root.path");
        r.path = arena_strndup(a, clean, strlen(clean), e);
        if (!r.path)
                return -1;
        r.in_place = h && !joined &&
                     (h->prestart.n || h->create_runtime.n || h->create_container.n);
        if (joined ? check_joined(s, e) < 0 : open_root(s->root->path, b, a, &r, e) < 0)
                return joined ? -1 : err_in(e, "root.path");
        *ret = r;
        return 0;
}

static int propagate(int fd, uint64_t how, struct err *e)
{
        int r = tree_propagation(fd, how);

        return r < 0 ? err_sys(e, -r, "cannot set the root's propagation") : 0;
}

int rootfs_place_child(const struct rootfs_plan *p)
{
        autoclose int fd = open(p->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        struct stat there, tree;

        if (fd < 0 || fstat(fd, &there) < 0 || fstat(p->tree_fd, &tree) < 0 ||
            there.st_dev != tree.st_dev || there.st_ino != tree.st_ino)
                return -1;
        return fd_take(&fd);
}

/* Mounts on one place stack up, and the topmost becomes the root. On "/" no directory
 * of the host is needed, and no way to it. */
static int put_on(int tree, int place_fd, struct err *e)
{
        int r = place_fd >= 0 ? tree_attach(tree, place_fd)
                              : sys_move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);

        return r < 0 ? err_sys(e, -r, "cannot attach the root") : 0;
}

int rootfs_child(const struct rootfs_plan *p, int stash_fd, int place_fd, struct err *e)
{
        uint64_t kind = p->propagation & ~(uint64_t)MS_REC;
        autoclose int host = -1;
        int fd;

        if (p->joined) {
                /* setns(2) has made the namespace's root ours. */
                fd = sys_openat2(AT_FDCWD, p->path, O_PATH | O_DIRECTORY, 0, RESOLVE_IN_ROOT);
                return fd < 0 ? err_sys(e, -fd, "root.path: cannot open %s", p->path) : fd;
        }
        /* Two processes that share mounts with the host would show it ours. */
        host = open("/", O_PATH | O_CLOEXEC);
        if (propagate(host, MS_PRIVATE | MS_REC, e) < 0)
                return -1;
        if (propagate(p->tree_fd, (kind == MS_SLAVE ? MS_SLAVE : MS_PRIVATE) | MS_REC, e) < 0)
                return -1;
        if (p->nodev && tree_attr(p->tree_fd, MOUNT_ATTR_NODEV, 0, true) < 0)
                return err_set(e, "cannot shut device nodes out of the root");
        if (stash_fd >= 0 && put_on(stash_fd, place_fd, e) < 0)
                return -1;
        return put_on(p->tree_fd, place_fd, e) < 0 ? -1 : p->tree_fd;
}

/* The id of the mount that is seen at PATH. */
static uint64_t mount_at(int dir, const char *path)
{
        struct statx stx;

        if (statx(dir, path, *path ? 0 : AT_EMPTY_PATH, STATX_MNT_ID, &stx) < 0)
                return 0;
        return stx.stx_mnt_id;
}

/* Whether the root lies bare: ".." at the root leads to what is mounted on top
 * of it. */
static bool is_bare(int root_fd)
{
        uint64_t id = mount_at(root_fd, "");

        return id != 0 && mount_at(AT_FDCWD, "/..") == id;
}

static int pivot(int root_fd, struct err *e)
{
        int r;

        if (fchdir(root_fd) < 0)
                return err_sys(e, errno, "cannot change to the root");
        /* "." twice puts the old root on top of the new one, and with it the stash
         * that lay on the old one: pivot_root(2), notes. umount2(2) takes the
         * topmost mount. */
        r = sys_pivot_root(".", ".");
        if (r < 0)
                return err_sys(e, -r, "cannot pivot into the root");
        for (int i = 0; i < STACKED_MAX && !is_bare(root_fd); i++) {
                r = sys_umount2(".", SYS_MNT_DETACH);
                if (r < 0)
                        return err_sys(e, -r, "cannot let go of the host's root");
        }
        if (!is_bare(root_fd))
                return err_set(e, "the host's root is still there");
        return 0;
}

int rootfs_enter_child(const struct rootfs_plan *p, int root_fd, struct err *e)
{
        uint64_t kind = p->propagation & ~(uint64_t)MS_REC;
        int r = 0;

        if (p->joined) {
                if (fchdir(root_fd) < 0 || chroot(".") < 0)
                        return err_sys(e, errno, "cannot change the root to %s", p->path);
                return 0;
        }
        if (p->readonly)
                r = tree_attr(root_fd, MOUNT_ATTR_RDONLY, 0, false);
        if (r < 0)
                return err_sys(e, -r, "cannot make the root read-only");
        if (pivot(root_fd, e) < 0)
                return -1;
        /* pivot_root(2) refuses a shared mount, so these come last. */
        if (kind == MS_SHARED || kind == MS_UNBINDABLE)
                if (propagate(root_fd, p->propagation, e) < 0)
                        return -1;
        return chdir("/") < 0 ? err_sys(e, errno, "cannot change to /") : 0;
}
