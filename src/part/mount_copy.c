/* Runs in the container's process, with its user namespace and in its cgroup: what is
 * read belongs to the image, and a neighbour may change it meanwhile. So everything is
 * opened by one name below a descriptor, and what was opened is looked at again.
 * Depth is limited here, bytes and files by the tmpfs. */
#include "mount_copy.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

enum { DEPTH_MAX = 128, ENTRIES_BYTES = 2048 };

/* As getdents64(2) writes it. */
struct entry {
        uint64_t ino;
        int64_t off;
        uint16_t len;
        uint8_t type;
        char name[];
};

struct copy {
        struct err *e;
        unsigned depth;
        char names[XATTR_LIST_MAX], data[XATTR_SIZE_MAX];
};

/* -EXDEV: another mount begins there. */
static int open_below(int dir, const char *name, int flags)
{
        return sys_openat2(dir, name, (uint64_t)(flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY), 0,
                           RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

/* Labels are the policy's business, and "trusted" is the file system's below. */
static bool is_copied(const char *xattr)
{
        return strncmp(xattr, "user.", 5) == 0 || strcmp(xattr, "security.capability") == 0 ||
               strncmp(xattr, "system.posix_acl_", 17) == 0;
}

static int copy_xattrs(struct copy *c, int from, int to)
{
        ssize_t n = flistxattr(from, c->names, sizeof(c->names)), len;

        if (n < 0)
                return errno == ENOTSUP ? 0 : -errno;
        for (const char *x = c->names; x < c->names + n; x += strlen(x) + 1) {
                if (!is_copied(x))
                        continue;
                len = fgetxattr(from, x, c->data, sizeof(c->data));
                if (len < 0 && errno == ENODATA)
                        continue; /* removed just now */
                /* A tmpfs takes "user." since Linux 6.6. */
                if (len < 0 || (fsetxattr(to, x, c->data, (size_t)len, 0) < 0 && errno != ENOTSUP))
                        return -errno;
        }
        return 0;
}

/* The owner first: a change of it clears set-user-id and file capabilities. The
 * times last. */
static int copy_attributes(struct copy *c, int from, int to, const struct stat *st)
{
        struct timespec times[] = { st->st_atim, st->st_mtim };
        int r;

        if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
                return -errno;
        r = copy_xattrs(c, from, to);
        if (r < 0)
                return r;
        return futimens(to, times) < 0 ? -errno : 0;
}

/* From AT on to END. */
static int copy_bytes(struct copy *c, int from, int to, off_t at, off_t end)
{
        while (at < end) {
                size_t want = end - at < (off_t)sizeof(c->data) ? (size_t)(end - at)
                                                                : sizeof(c->data);
                ssize_t n = pread(from, c->data, want, at);
                int r;

                if (n <= 0)
                        return n < 0 ? -errno : 0;
                if (lseek(to, at, SEEK_SET) < 0)
                        return -errno;
                r = file_write_all(to, c->data, (size_t)n);
                if (r < 0)
                        return r;
                at += n;
        }
        return 0;
}

/* A file of a petabyte that is one hole costs nothing; what grows meanwhile is cut. */
static int copy_data(struct copy *c, int from, int to, off_t size)
{
        off_t at = 0, end;

        if (ftruncate(to, size) < 0)
                return -errno;
        while (at < size) {
                int r;

                at = lseek(from, at, SEEK_DATA);
                if (at < 0)
                        return errno == ENXIO ? 0 : -errno;
                end = lseek(from, at, SEEK_HOLE);
                if (end < 0)
                        return -errno;
                r = copy_bytes(c, from, to, at, end < size ? end : size);
                if (r < 0)
                        return r;
                at = end;
        }
        return 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
               (a->st_mode & S_IFMT) == (b->st_mode & S_IFMT);
}

/* The file or directory that ST is of. 0 if another mount lies there, else a new
 * descriptor, or -errno. */
static int open_known(int dir, const char *name, const struct stat *st)
{
        autoclose int fd = open_below(dir, name, S_ISDIR(st->st_mode) ? O_DIRECTORY : 0);
        struct stat now;

        if (fd == -EXDEV)
                return 0;
        if (fd < 0)
                return fd;
        if (fstat(fd, &now) < 0)
                return -errno;
        return is_same(st, &now) ? fd_take(&fd) : -EAGAIN;
}

static int copy_tree(struct copy *c, int from, int to);

static int copy_dir(struct copy *c, int dir, int to, const char *name, const struct stat *st)
{
        autoclose int from = open_known(dir, name, st);
        autoclose int made = -1;
        int r;

        if (from <= 0)
                return fd_take(&from);
        if (mkdirat(to, name, 0700) < 0)
                return -errno;
        made = open_below(to, name, O_DIRECTORY);
        if (made < 0)
                return made;
        r = copy_tree(c, from, made);
        return r < 0 ? r : copy_attributes(c, from, made, st);
}

static int copy_file(struct copy *c, int dir, int to, const char *name, const struct stat *st)
{
        autoclose int from = open_known(dir, name, st);
        autoclose int made = -1;
        int r;

        if (from <= 0)
                return fd_take(&from);
        made = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (made < 0)
                return -errno;
        r = copy_data(c, from, made, st->st_size);
        return r < 0 ? r : copy_attributes(c, from, made, st);
}

static int copy_link(struct copy *c, int dir, int to, const char *name, const struct stat *st)
{
        struct timespec times[] = { st->st_atim, st->st_mtim };
        ssize_t n = readlinkat(dir, name, c->data, PATH_MAX);

        if (n < 0 || n == PATH_MAX)
                return n < 0 ? -errno : -ENAMETOOLONG;
        c->data[n] = '\0';
        if (symlinkat(c->data, to, name) < 0 ||
            fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
            utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return 0;
}

static int copy_fifo(int to, const char *name, const struct stat *st)
{
        struct timespec times[] = { st->st_atim, st->st_mtim };

        if (mknodat(to, name, S_IFIFO | 0600, 0) < 0 ||
            fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
            fchmodat(to, name, st->st_mode & 07777, 0) < 0 ||
            utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return 0;
}

static int copy_one(struct copy *c, int from, int to, const char *name)
{
        struct stat st;
        int r = 0;

        if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return err_sys(c->e, errno, "cannot stat %s to copy it up", name);
        if (S_ISDIR(st.st_mode))
                r = copy_dir(c, from, to, name, &st);
        else if (S_ISREG(st.st_mode))
                r = copy_file(c, from, to, name, &st);
        else if (S_ISLNK(st.st_mode))
                r = copy_link(c, from, to, name, &st);
        else if (S_ISFIFO(st.st_mode))
                r = copy_fifo(to, name, &st);
        if (r >= 0 || c->e->text[0])
                return r;
        err_sys(c->e, -r, "cannot copy %s up", name);
        return r == -ENOSPC ? err_hint(c->e, "the tmpfs is too small: see its size=") : -1;
}

/* Everything in FROM. The error stands in C already where one can be. */
static int copy_tree(struct copy *c, int from, int to)
{
        _Alignas(struct entry) char buf[ENTRIES_BYTES];
        int n;

        if (++c->depth > DEPTH_MAX)
                return err_set(c->e, "directories are nested deeper than %d", DEPTH_MAX);
        while ((n = sys_getdents64(from, buf, sizeof(buf))) > 0) {
                const struct entry *d;

                for (int at = 0; at < n; at += d->len) {
                        d = (const struct entry *)(const void *)(buf + at);
                        if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0)
                                continue;
                        if (copy_one(c, from, to, d->name) < 0)
                                return -1;
                }
        }
        c->depth--;
        return n < 0 ? err_sys(c->e, -n, "cannot read a directory") : 0;
}

int mount_copy_child(int from, int to, struct err *e)
{
        struct copy c = { .e = e };
        autoclose int source = open_below(from, ".", O_DIRECTORY);
        autoclose int target = open_below(to, ".", O_DIRECTORY);

        memset(e, 0, sizeof(*e));
        if (source < 0 || target < 0)
                return err_sys(e, source < 0 ? -source : -target, "cannot read what is there");
        return copy_tree(&c, source, target);
}
