#include "kenro/part/cgroup.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/path.h"
#include "kenro/base/sys.h"
#include "kenro/part/cgroup_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

enum { MAKE_TRIES = 20, REMOVE_WAIT_MS = 2000, DYING_MS = 200, EVENTS_BYTES = 256 };

/* Only the host's root can set it, not a container that the group is delegated to. */
#define CLAIM "trusted.kenro"
enum { CLAIM_MAX = PATH_MAX + 64 };

/* Where groups go that the configuration does not place. */
#define OWN_PARENT "/kenro"

/* Below the mount, whatever the directories are called. */
#define RESOLVE_CGROUP (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV)

/* Under a Docker that uses systemd, BuildKit gives a group this form but does not ask for
 * the manager: it reads a group of that very name at the top of the tree. */
static bool is_systemds(const char *path)
{
        const char *colon = strchr(path, ':');

        return colon && strchr(colon + 1, ':');
}

int cgroup_plan(const char *cgroups_path, const char *id, struct arena *a, struct cgroup_plan *ret,
                struct err *e)
{
        const char *path = cgroups_path && *cgroups_path ? cgroups_path : id;
        char clean[PATH_MAX], part[] = "/../";
        bool top = path[0] == '/' || is_systemds(path);

        /* "a/../../b" would be cleaned into somebody else's group. */
        if (strstr(path, part) || strncmp(path, "../", 3) == 0 || strcmp(path, "..") == 0 ||
            (strlen(path) >= 3 && strcmp(path + strlen(path) - 3, "/..") == 0))
                return err_set(e, "linux.cgroupsPath: '%s' contains '..'", path);
        if (path_clean(path, clean, sizeof(clean), e) < 0)
                return err_in(e, "linux.cgroupsPath");
        if (strcmp(clean, "/") == 0)
                return err_set(e, "linux.cgroupsPath: '/' is the host's own group");
        if (strlen(clean) + strlen(OWN_PARENT) >= PATH_MAX)
                return err_set(e, "linux.cgroupsPath: longer than %d bytes", PATH_MAX);
        ret->path = arena_printf(a, e, "%s%s", top ? "" : OWN_PARENT, clean);
        return ret->path ? 0 : -1;
}

int cgroup_plan_rootless(const struct spec_linux *l, const char *id, const struct host *h,
                         struct arena *a, struct cgroup_plan *ret, struct err *e)
{
        const char *end = strrchr(h->cgroup, '/');

        ret->rootless = true;
        if (l->cgroups_path && *l->cgroups_path) {
                ret->optional = false;
                return 0;
        }
        /* Not below it: a group with processes can have no limits for groups below. */
        if (h->cgroup[0] && h->cgroup[1])
                ret->path = arena_printf(a, e, "%.*s/kenro-%s", (int)(end - h->cgroup), h->cgroup,
                                         id);
        return ret->path ? 0 : -1;
}

int cgroup_open(const struct host_cgroup *h, const char *path)
{
        return sys_openat2(h->fd, path[1] ? path + 1 : ".", O_RDONLY | O_DIRECTORY, 0,
                           RESOLVE_CGROUP);
}

/* The value of "KEY n" in cgroup.events, or -1. */
static int event(int cgroup_fd, const char *key)
{
        char text[EVENTS_BYTES];
        const char *at;

        if (file_peek(cgroup_fd, "cgroup.events", text, sizeof(text)) < 0)
                return -1;
        at = strstr(text, key);
        return at ? at[strlen(key)] - '0' : -1;
}

bool cgroup_is_frozen(int cgroup_fd)
{
        return event(cgroup_fd, "frozen ") == 1;
}

/* PATH and the LEVELS - 1 groups above it. Not empty: a neighbour's group is
 * below. */
static void remove_levels(const struct host_cgroup *h, const char *path, unsigned levels)
{
        char cut[PATH_MAX];

        snprintf(cut, sizeof(cut), "%s", path);
        for (unsigned i = 0; i < levels && cut[0]; i++) {
                (void)unlinkat(h->fd, cut + 1, AT_REMOVEDIR);
                *strrchr(cut, '/') = '\0';
        }
}

/* One pass from the mount down; the directories that do not exist are ours, and
 * END is behind the last of them. Returns 1 if a delete next door has removed a
 * parent under our feet. */
static int make_once(const struct cgroup_plan *p, const struct host_cgroup *h, unsigned *made,
                     const char **end, struct err *e)
{
        autoclose int dir = -1;
        const char *at = p->path + 1;

        *made = 0;
        *end = at;
        while (*at) {
                char name[NAME_MAX + 1];
                size_t len = strcspn(at, "/");
                int fd;

                if (len > NAME_MAX)
                        return err_sys(e, ENAMETOOLONG, "cannot make the cgroup %s", p->path);
                snprintf(name, sizeof(name), "%.*s", (int)len, at);
                if (mkdirat(dir < 0 ? h->fd : dir, name, 0755) == 0) {
                        ++*made;
                        *end = at + len;
                } else if (errno == ENOENT)
                        return 1;
                else if (errno != EEXIST)
                        return err_sys(e, errno, "cannot make the cgroup %s%s", h->mount, p->path);
                fd = sys_openat2(dir < 0 ? h->fd : dir, name, O_PATH | O_DIRECTORY, 0,
                                 RESOLVE_CGROUP);
                if (fd == -ENOENT)
                        return 1;
                if (fd < 0)
                        return err_sys(e, -fd, "cannot open the cgroup %s%s", h->mount, p->path);
                fd_close(&dir);
                dir = fd;
                at += len;
                at += strspn(at, "/");
        }
        return 0;
}

static int make_path(const struct cgroup_plan *p, const struct host_cgroup *h, unsigned *made,
                     struct err *e)
{
        for (int i = 0; i < MAKE_TRIES; i++) {
                char part[PATH_MAX];
                const char *end;
                int r = make_once(p, h, made, &end, e);

                if (r == 0)
                        return 0;
                snprintf(part, sizeof(part), "%.*s", (int)(end - p->path), p->path);
                remove_levels(h, part, *made);
                if (r < 0)
                        return -1;
        }
        return err_set(e, "cannot make the cgroup %s%s: it keeps vanishing", h->mount, p->path);
}

int cgroup_check_unused(int fd, const char *path, struct err *e)
{
        char text[16];

        if (event(fd, "populated ") != 0 ||
            file_peek(fd, "cgroup.procs", text, sizeof(text)) != 0) {
                err_set(e, "container's cgroup is not empty: %s", path);
                return err_hint(e, "another container uses linux.cgroupsPath");
        }
        if (cgroup_is_frozen(fd))
                return err_set(e, "container's cgroup unexpectedly frozen: %s", path);
        return 0;
}

/* "MADE DEV:INO PATH" of the claim. False if there is none. */
static bool read_claim(int fd, unsigned *made, struct cgroup_owner *o, char path[PATH_MAX])
{
        char text[CLAIM_MAX];
        unsigned long long dev, ino;
        ssize_t n = fgetxattr(fd, CLAIM, text, sizeof(text) - 1);
        int at;

        if (n <= 0)
                return false;
        text[n] = '\0';
        if (sscanf(text, "%u %llx:%llx %n", made, &dev, &ino, &at) != 3)
                return false;
        *o = (struct cgroup_owner){ (dev_t)dev, (ino_t)ino, path };
        snprintf(path, PATH_MAX, "%s", text + at);
        return true;
}

static bool is_stale(const struct cgroup_owner *o)
{
        struct stat st;

        return stat(o->path, &st) < 0 ? errno == ENOENT || errno == ENOTDIR
                                      : st.st_dev != o->dev || st.st_ino != o->ino;
}

/* Returns 1 if it is claimed, 0 if this kernel or namespace has no such attributes. */
static int claim(int fd, const struct cgroup_owner *o, unsigned made, struct err *e)
{
        struct cgroup_owner other;
        char text[CLAIM_MAX], path[PATH_MAX];
        unsigned ignored;
        int len = snprintf(text, sizeof(text), "%u %llx:%llx %s", made, (unsigned long long)o->dev,
                           (unsigned long long)o->ino, o->path);

        if (read_claim(fd, &ignored, &other, path) && is_stale(&other))
                cgroup_release(fd);
        if (fsetxattr(fd, CLAIM, text, (size_t)len, XATTR_CREATE) == 0)
                return 1;
        if (errno != EEXIST)
                return errno == ENOTSUP || errno == EPERM
                               ? 0
                               : err_sys(e, errno, "cannot claim the cgroup");
        path[0] = '\0';
        (void)read_claim(fd, &ignored, &other, path);
        err_set(e, "container's cgroup is not empty: it is that of %s", path);
        return err_hint(e, "another container uses linux.cgroupsPath");
}

bool cgroup_is_claimed(int cgroup_fd, const struct cgroup_owner *o, unsigned *made)
{
        struct cgroup_owner by;
        char path[PATH_MAX];

        return read_claim(cgroup_fd, made, &by, path) && by.dev == o->dev && by.ino == o->ino;
}

void cgroup_release(int cgroup_fd)
{
        (void)fremovexattr(cgroup_fd, CLAIM);
}

void cgroup_remove_above(const struct host_cgroup *h, const char *path, unsigned made)
{
        char above[PATH_MAX];

        snprintf(above, sizeof(above), "%s", path);
        *strrchr(above, '/') = '\0';
        if (made > 1)
                remove_levels(h, above, made - 1);
        remove_levels(h, OWN_PARENT, path_is_below(path, OWN_PARENT));
}

void cgroup_sweep(const struct host_cgroup *h, const char *path)
{
        autoclose int fd = cgroup_open(h, path);
        char byte;

        if (fd >= 0 && fgetxattr(fd, CLAIM, &byte, 0) < 0 && errno == ENODATA)
                remove_levels(h, path, 1);
        remove_levels(h, OWN_PARENT, path_is_below(path, OWN_PARENT));
}

/* No group, or an error that says what a group would need. */
static int without(const struct cgroup_plan *p, struct err *e)
{
        if (p->optional && (e->num == EACCES || e->num == EPERM || e->num == EROFS))
                return 0;
        if (!p->rootless || (e->num != EACCES && e->num != EPERM))
                return -1;
        return err_hint(e, "rootless needs no limits + no cgrouppath when no permission is granted "
                           "for cgroups; systemd-run --user --scope -p Delegate=yes grants it");
}

int cgroup_parent(const struct cgroup_plan *p, const struct host_cgroup *h,
                  const struct cgroup_owner *o, struct cgroup *ret, struct err *e)
{
        int claimed = -1;
        struct cgroup r = { .fd = -1 };

        *ret = r;
        if (h->fd < 0)
                return p->optional ? 0 : err_set(e, "no cgroup2 file system is mounted");
        if (make_path(p, h, &r.made, e) < 0)
                return without(p, e);
        r.fd = cgroup_open(h, p->path);
        if (r.fd < 0)
                err_sys(e, -r.fd, "cannot open the cgroup %s%s", h->mount, p->path);
        else
                claimed = claim(r.fd, o, r.made, e);
        if (claimed < 0 || cgroup_check_unused(r.fd, p->path, e) < 0) {
                if (claimed > 0)
                        cgroup_release(r.fd);
                cgroup_undo(p, h, r.made);
                fd_close(&r.fd);
                return -1;
        }
        r.claimed = claimed > 0;
        *ret = r;
        return 0;
}

void cgroup_undo(const struct cgroup_plan *p, const struct host_cgroup *h, unsigned made)
{
        remove_levels(h, p->path, made);
}

int cgroup_kill(int cgroup_fd)
{
        return file_poke(cgroup_fd, "cgroup.kill", "1");
}

int cgroup_wait(int cgroup_fd, const char *event, int or_fd, int ms)
{
        autoclose int fd = openat(cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        struct pollfd p[2] = { { .fd = fd, .events = POLLPRI }, { .fd = or_fd, .events = POLLIN } };

        if (fd < 0)
                return -errno;
        /* Each read arms the event: a change after it makes poll return. */
        while (!p[1].revents) {
                char text[EVENTS_BYTES];
                ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
                int r;

                if (n < 0)
                        return -errno;
                text[n] = '\0';
                if (strstr(text, event))
                        return 0;
                do
                        r = poll(p, 2, ms);
                while (r < 0 && errno == EINTR);
                if (r == 0)
                        return -ETIMEDOUT;
        }
        return 0;
}

static int note_process(pid_t pid, void *arg)
{
        (void)pid;
        (void)arg;
        return 1;
}

/* A pid namespace's init cannot go before others have reaped their children in there, and
 * newer kernels (7.2 is one) keep its group populated until then. Nothing lists it any more,
 * and the group can be removed. */
static bool has_only_dying(int cgroup_fd)
{
        return cgroup_each_process(cgroup_fd, note_process, NULL) == 0;
}

int cgroup_wait_empty(int cgroup_fd, int or_fd, int ms, struct err *e)
{
        int r, left = ms;

        do {
                int slice = left < DYING_MS ? left : DYING_MS;

                r = cgroup_wait(cgroup_fd, "populated 0", or_fd, slice);
                left -= slice;
        } while (r == -ETIMEDOUT && !has_only_dying(cgroup_fd) && left > 0);
        if (r == 0 || r == -ENOENT || r == -ENODEV) /* the group is gone */
                return 0;
        if (r != -ETIMEDOUT)
                return err_sys(e, -r, "cannot read cgroup.events");
        return has_only_dying(cgroup_fd)
                       ? 0
                       : err_set(e, "processes are left in the cgroup after %d ms", ms);
}

int cgroup_end(int cgroup_fd, int ms, struct err *e)
{
        int r;

        if (event(cgroup_fd, "populated ") == 0)
                return 0;
        r = cgroup_kill(cgroup_fd);
        if (r < 0 && r != -ENODEV && r != -ENOENT) /* the group is gone */
                return err_sys(e, -r, "cannot kill the processes in the cgroup");
        return cgroup_wait_empty(cgroup_fd, -1, ms, e);
}

/* Call FN for every directory in FD until it returns other than 0. */
static int each_child(int fd, int (*fn)(int fd, const char *name, void *arg), void *arg)
{
        char entries[4096];
        long n;

        while ((n = syscall(SYS_getdents64, fd, entries, sizeof(entries))) > 0) {
                for (long at = 0; at < n;) {
                        const struct dirent64 *d = (const void *)(entries + at);
                        int r;

                        at += d->d_reclen;
                        if (d->d_type != DT_DIR || strcmp(d->d_name, ".") == 0 ||
                            strcmp(d->d_name, "..") == 0)
                                continue;
                        r = fn(fd, d->d_name, arg);
                        if (r != 0)
                                return r;
                }
        }
        return n < 0 ? -errno : 0;
}

static int note_name(int fd, const char *name, void *arg)
{
        (void)fd;
        snprintf(arg, NAME_MAX + 1, "%s", name);
        return 1;
}

/* Where processes end slowly they may still be counted. */
static int remove_empty(int parent, const char *name, int cgroup_fd)
{
        for (int ms = 0;; ms += DYING_MS) {
                int r = unlinkat(parent, name, AT_REMOVEDIR) < 0 ? -errno : 0;

                if (r != -EBUSY || ms >= REMOVE_WAIT_MS)
                        return r == -ENOENT ? 0 : r;
                (void)cgroup_wait(cgroup_fd, "populated 0", -1, DYING_MS);
        }
}

/* Remove the first leaf below NAME in PARENT: a container may have nested its
 * groups so deep that a recursion would overrun the stack. Returns 1 if there
 * is more, 0 if NAME itself is gone. */
static int remove_leaf(int parent, const char *name, struct err *e)
{
        autoclose int dir = fcntl(parent, F_DUPFD_CLOEXEC, 0);
        char here[NAME_MAX + 1], next[NAME_MAX + 1];
        bool top = true;

        snprintf(here, sizeof(here), "%s", name);
        for (;;) {
                autoclose int fd = sys_openat2(dir, here, O_RDONLY | O_DIRECTORY, 0,
                                               RESOLVE_CGROUP);
                int r = fd < 0 ? fd : each_child(fd, note_name, next);

                if (r == -ENOENT)
                        return top ? 0 : 1;
                if (r < 0)
                        return err_sys(e, -r, "cannot open the cgroup %s", name);
                if (r == 0) {
                        if (cgroup_wait_empty(fd, -1, REMOVE_WAIT_MS, e) < 0)
                                return -1;
                        r = remove_empty(dir, here, fd);
                        if (r < 0)
                                return err_sys(e, -r, "cannot remove the cgroup %s", name);
                        return top ? 0 : 1;
                }
                fd_close(&dir);
                dir = fd_take(&fd);
                snprintf(here, sizeof(here), "%s", next);
                top = false;
        }
}

int cgroup_remove(const struct host_cgroup *h, const char *path, unsigned made, struct err *e)
{
        int r;

        if (made == 0)
                return 0; /* it was there before the container */
        /* The first try is all that most containers need. */
        if (unlinkat(h->fd, path + 1, AT_REMOVEDIR) < 0 && errno != ENOENT)
                while ((r = remove_leaf(h->fd, path + 1, e)) != 0)
                        if (r < 0)
                                return -1;
        remove_levels(h, path, made);
        remove_levels(h, OWN_PARENT, path_is_below(path, OWN_PARENT));
        return 0;
}
