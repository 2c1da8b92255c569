#include "kenro/part/cgroup_walk.h"

#include "kenro/base/arena.h"
#include "kenro/base/fd.h"
#include "kenro/base/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* A container that makes groups faster than they are looked at must not hold us. */
enum { GROUPS_MAX = 1 << 20 };

/* The way from the top down to where a walk is. A group cannot be moved, so ".."
 * leads back up, and an offset in a directory of kernfs holds for the next
 * descriptor too: any depth needs one descriptor and eight bytes a level. */
struct walk {
        int fd;
        size_t depth, groups;
        off_t *at; /* of each level: behind the group that was entered last */
};

static int visit(int fd, int (*fn)(pid_t pid, void *arg), void *arg)
{
        autoclose int procs = openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        char text[4096];
        pid_t pid = 0;
        ssize_t n;

        if (procs < 0)
                return -errno;
        while ((n = read(procs, text, sizeof(text))) > 0) {
                for (ssize_t i = 0; i < n; i++) {
                        int r;

                        if (text[i] != '\n') {
                                pid = pid * 10 + text[i] - '0';
                                continue;
                        }
                        r = fn(pid, arg);
                        if (r != 0)
                                return r;
                        pid = 0;
                }
        }
        return n < 0 ? -errno : 0;
}

/* The next group in the directory, from *AT on, which moves behind it. Returns 1 and
 * its NAME, 0 at the end, -errno. */
static int next_group(int fd, off_t *at, char name[NAME_MAX + 1])
{
        char entries[4096];
        long n;

        if (lseek(fd, *at, SEEK_SET) < 0)
                return -errno;
        while ((n = syscall(SYS_getdents64, fd, entries, sizeof(entries))) > 0) {
                for (long i = 0; i < n;) {
                        const struct dirent64 *d = (const void *)(entries + i);

                        i += d->d_reclen;
                        *at = d->d_off;
                        if (d->d_type != DT_DIR || strcmp(d->d_name, ".") == 0 ||
                            strcmp(d->d_name, "..") == 0)
                                continue;
                        snprintf(name, NAME_MAX + 1, "%s", d->d_name);
                        return 1;
                }
        }
        return n < 0 && errno != ENOENT ? -errno : 0; /* removed under our feet */
}

static int go(struct walk *w, const char *name)
{
        int fd = sys_openat2(w->fd, name, O_RDONLY | O_DIRECTORY, 0,
                             RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);

        if (fd < 0)
                return fd;
        fd_close(&w->fd);
        w->fd = fd;
        return 0;
}

/* One group down or, where there is none, one up. Returns 1 in a group that has not
 * been visited yet, 0 elsewhere, -errno. */
static int step(struct walk *w)
{
        char name[NAME_MAX + 1];
        int r = next_group(w->fd, &w->at[w->depth], name);

        if (r < 0)
                return r;
        if (r == 0)
                return w->depth-- == 0 ? 0 : go(w, "..");
        r = go(w, name);
        if (r == -ENOENT)
                return 0; /* removed meanwhile */
        if (r < 0 || ++w->groups == GROUPS_MAX)
                return r < 0 ? r : -E2BIG;
        w->at[++w->depth] = 0;
        return 1;
}

static int walk_below(struct walk *w, int (*fn)(pid_t pid, void *arg), void *arg)
{
        int r = 0;

        while (r >= 0 && w->depth != SIZE_MAX) {
                r = step(w);
                if (r != 1)
                        continue;
                r = visit(w->fd, fn, arg);
                /* Those of a threaded group are listed by the one above it that is not;
                 * the others say that it was removed just now. */
                if (r == -EOPNOTSUPP || r == -ENODEV || r == -ENOENT)
                        r = 0;
                if (r > 0)
                        break;
        }
        return r;
}

int cgroup_each_process(int cgroup_fd, int (*fn)(pid_t pid, void *arg), void *arg)
{
        struct walk w = { .fd = openat(cgroup_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) };
        struct arena memory = { 0 };
        struct err ignored;
        int r = w.fd < 0 ? -errno : visit(w.fd, fn, arg);

        /* As many levels as groups; only those that are reached cost memory. */
        if (r == 0 && (arena_init(&memory, GROUPS_MAX * sizeof(*w.at), &ignored) < 0 ||
                       !(w.at = ARENA_NEW(&memory, off_t, GROUPS_MAX, &ignored))))
                r = -ENOMEM;
        if (r == 0)
                r = walk_below(&w, fn, arg);
        arena_release(&memory);
        fd_close(&w.fd);
        return r;
}
