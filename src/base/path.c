#include "kenro/base/path.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MAX = 40 }; /* as the kernel: MAXSYMLINKS */

int path_clean(const char *path, char *buf, size_t size, struct err *e)
{
        size_t at = 0;

        while (*path) {
                size_t len = strcspn(path, "/");

                if (len == 2 && path[0] == '.' && path[1] == '.') {
                        while (at > 0 && buf[--at] != '/')
                                ;
                } else if (len > 0 && !(len == 1 && path[0] == '.')) {
                        if (at + 1 + len + 1 > size)
                                return err_set(e, "a path is longer than %zu bytes", size - 1);
                        buf[at++] = '/';
                        memcpy(buf + at, path, len);
                        at += len;
                }
                path += len;
                path += strspn(path, "/");
        }
        if (at == 0)
                buf[at++] = '/';
        buf[at] = '\0';
        return 0;
}

bool path_is_below(const char *path, const char *dir)
{
        size_t len = strlen(dir);

        if (len == 1)
                return true; /* "/" */
        return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

int path_open_in(int root, const char *path, int flags, uint64_t resolve)
{
        int fd;

        while (*path == '/')
                path++;
        /* EAGAIN: a rename or mount raced with the look-up of a "..". */
        do
                fd = sys_openat2(root, *path ? path : ".", (uint64_t)flags | O_CLOEXEC, 0,
                                 RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve);
        while (fd == -EAGAIN || fd == -EINTR);
        return fd;
}

/* Where the walk of path_make_in stands. */
struct walk {
        int root;
        char path[PATH_MAX]; /* what is to be opened, relative to the root */
        unsigned links;
};

/* PATH's component at FROM (length LEN) is a dangling link in DIR: put what it
 * says in its place. Returns 1, or 0 if it is no link, or -1. */
static int follow(struct walk *w, int dir, size_t from, size_t len, struct err *e)
{
        char name[NAME_MAX + 1], target[PATH_MAX], rest[PATH_MAX];
        ssize_t n;
        int r;

        snprintf(name, sizeof(name), "%.*s", (int)len, w->path + from);
        n = readlinkat(dir, name, target, sizeof(target) - 1);
        if (n < 0)
                return 0;
        target[n] = '\0';
        if (++w->links > LINKS_MAX)
                return err_sys(e, ELOOP, "cannot resolve %s in the container", w->path);
        snprintf(rest, sizeof(rest), "%s", w->path + from + len);
        if (target[0] == '/')
                from = 0;
        r = snprintf(w->path + from, sizeof(w->path) - from, "%s%s", target, rest);
        if (r < 0 || (size_t)r >= sizeof(w->path) - from)
                return err_sys(e, ENAMETOOLONG, "cannot resolve a link in the container");
        return 1;
}

static int make_one(int dir, const char *name, bool file, struct err *e)
{
        autoclose int fd = -1;

        if (!file) {
                if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
                        return err_sys(e, errno, "cannot create the directory %s", name);
                return 0;
        }
        fd = openat(dir, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0755);
        if (fd < 0 && errno != EEXIST)
                return err_sys(e, errno, "cannot create the file %s", name);
        return 0;
}

/* One pass over the path: descend while components exist, create the first
 * one that does not, or follow it if it is a dangling link. Returns 1 if the
 * path has changed or grown and is to be opened again. */
static int extend(struct walk *w, bool as_file, struct err *e)
{
        autoclose int dir = -1;
        size_t from = 0;

        for (;;) {
                char cut, name[NAME_MAX + 1];
                size_t len;
                int fd, r;

                from += strspn(w->path + from, "/");
                len = strcspn(w->path + from, "/");
                if (len == 0)
                        return 1;
                if (len > NAME_MAX)
                        return err_sys(e, ENAMETOOLONG, "cannot create %s", w->path);
                cut = w->path[from + len];
                w->path[from + len] = '\0';
                fd = path_open_in(w->root, w->path, O_PATH, 0);
                snprintf(name, sizeof(name), "%s", w->path + from);
                w->path[from + len] = cut;
                if (fd >= 0) {
                        fd_close(&dir);
                        dir = fd;
                        from += len;
                        continue;
                }
                if (fd != -ENOENT)
                        return err_sys(e, -fd, "cannot open %s in the container", name);
                if (dir < 0)
                        dir = path_open_in(w->root, "/", O_PATH, 0);
                r = follow(w, dir, from, len, e);
                if (r != 0)
                        return r;
                /* A trailing slash asks for a directory, as in open(2). */
                return make_one(dir, name, as_file && cut == '\0', e) < 0 ? -1 : 1;
        }
}

int path_make_in(int root, const char *path, bool as_file, struct err *e)
{
        struct walk w = { .root = root };

        if ((size_t)snprintf(w.path, sizeof(w.path), "%s", path) >= sizeof(w.path))
                return err_sys(e, ENAMETOOLONG, "cannot create %.100s...", path);

        /* Each pass adds one component, so the path's length bounds the passes;
         * a neighbour that keeps removing what is made here gets an error. */
        for (unsigned pass = 0; pass < PATH_MAX / 2; pass++) {
                int fd = path_open_in(root, w.path, O_PATH, 0);

                if (fd >= 0)
                        return fd;
                if (fd != -ENOENT)
                        return err_sys(e, -fd, "cannot open %s in the container", path);
                if (extend(&w, as_file, e) < 0)
                        return -1;
        }
        return err_set(e, "cannot create %s: it keeps vanishing", path);
}
