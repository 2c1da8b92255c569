#include "kenro/part/cgroup.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/path.h"
#include "kenro/base/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { REMOVE_WAIT_MS = 2000, DEPTH_MAX = 32, EVENTS_BYTES = 256 };

/* Below the mount, whatever the directories are called. */
#define RESOLVE_CGROUP (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV)

int cgroup_plan(const char *cgroups_path, const char *id, struct arena *a, struct cgroup_plan *ret,
                struct err *e)
{
        const char *path = cgroups_path && *cgroups_path ? cgroups_path : id;
        char clean[PATH_MAX], part[] = "/../";
        const char *colon = strchr(path, ':');

        /* "a/../../b" would be cleaned into somebody else's group. */
        if (strstr(path, part) || strncmp(path, "../", 3) == 0 || strcmp(path, "..") == 0 ||
            (strlen(path) >= 3 && strcmp(path + strlen(path) - 3, "/..") == 0))
                return err_set(e, "linux.cgroupsPath: '%s' contains '..'", path);
        if (colon && strchr(colon + 1, ':')) {
                err_set(e, "linux.cgroupsPath: '%s' is for the systemd cgroup manager", path);
                return err_hint(e, "the systemd manager is not supported yet; use a path");
        }
        if (path_clean(path, clean, sizeof(clean), e) < 0)
                return err_in(e, "linux.cgroupsPath");
        if (strcmp(clean, "/") == 0)
                return err_set(e, "linux.cgroupsPath: '/' is the host's own group");
        ret->path = arena_printf(a, e, "%s%s", path[0] == '/' ? "" : "/kenro", clean);
        return ret->path ? 0 : -1;
}

int cgroup_open(const struct host_cgroup *h, const char *path)
{
        return sys_openat2(h->fd, path + 1, O_RDONLY | O_DIRECTORY, 0, RESOLVE_CGROUP);
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

/* The directories above the last one may exist; those that do not are ours. */
static int make_path(const struct cgroup_plan *p, const struct host_cgroup *h, unsigned *made,
                     struct err *e)
{
        autoclose int dir = -1;
        const char *at = p->path + 1;

        *made = 0;
        while (*at) {
                char name[NAME_MAX + 1];
                size_t len = strcspn(at, "/");
                int fd;

                if (len > NAME_MAX)
                        return err_sys(e, ENAMETOOLONG, "cannot make the cgroup %s", p->path);
                snprintf(name, sizeof(name), "%.*s", (int)len, at);
                if (mkdirat(dir < 0 ? h->fd : dir, name, 0755) == 0)
                        ++*made;
                else if (errno != EEXIST)
                        return err_sys(e, errno, "cannot make the cgroup %s%s", h->mount, p->path);
                fd = sys_openat2(dir < 0 ? h->fd : dir, name, O_PATH | O_DIRECTORY, 0,
                                 RESOLVE_CGROUP);
                if (fd < 0)
                        return err_sys(e, -fd, "cannot open the cgroup %s%s", h->mount, p->path);
                fd_close(&dir);
                dir = fd;
                at += len;
                at += strspn(at, "/");
        }
        return 0;
}

static int check_unused(const struct cgroup_plan *p, int fd, struct err *e)
{
        char text[16];

        if (event(fd, "populated ") != 0 ||
            file_peek(fd, "cgroup.procs", text, sizeof(text)) != 0) {
                err_set(e, "container's cgroup is not empty: %s", p->path);
                return err_hint(e, "another container uses linux.cgroupsPath");
        }
        if (cgroup_is_frozen(fd))
                return err_set(e, "container's cgroup unexpectedly frozen: %s", p->path);
        return 0;
}

int cgroup_parent(const struct cgroup_plan *p, const struct host_cgroup *h, struct cgroup *ret,
                  struct err *e)
{
        struct cgroup r = { .fd = -1 };

        if (make_path(p, h, &r.made, e) < 0) {
                cgroup_undo(p, h, &r);
                return -1;
        }
        r.fd = cgroup_open(h, p->path);
        if (r.fd < 0)
                err_sys(e, -r.fd, "cannot open the cgroup %s%s", h->mount, p->path);
        if (r.fd < 0 || (r.made == 0 && check_unused(p, r.fd, e) < 0)) {
                cgroup_undo(p, h, &r);
                fd_close(&r.fd);
                return -1;
        }
        *ret = r;
        return 0;
}

void cgroup_undo(const struct cgroup_plan *p, const struct host_cgroup *h,
                 const struct cgroup *made)
{
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s", p->path);
        for (unsigned i = 0; i < made->made; i++) {
                /* Not empty: a neighbour has made its own group below in between. */
                (void)unlinkat(h->fd, path + 1, AT_REMOVEDIR);
                *strrchr(path, '/') = '\0';
        }
}

int cgroup_kill(int cgroup_fd)
{
        return file_poke(cgroup_fd, "cgroup.kill", "1");
}

int cgroup_wait_empty(int cgroup_fd, int ms, struct err *e)
{
        autoclose int fd = openat(cgroup_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
        struct pollfd p = { .fd = fd, .events = POLLPRI };

        if (fd < 0)
                return errno == ENOENT ? 0 : err_sys(e, errno, "cannot open cgroup.events");
        /* Each read arms the event: a change after it makes poll return. */
        for (;;) {
                char text[EVENTS_BYTES];
                ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
                int r;

                if (n < 0)
                        return errno == ENODEV ? 0 : err_sys(e, errno, "cannot read cgroup.events");
                text[n] = '\0';
                if (strstr(text, "populated 0"))
                        return 0;
                do
                        r = poll(&p, 1, ms);
                while (r < 0 && errno == EINTR);
                if (r == 0)
                        return err_set(e, "processes are left in the cgroup after %d ms", ms);
        }
}

static int remove_tree(int parent, const char *name, unsigned depth, struct err *e);

static int remove_children(int fd, unsigned depth, struct err *e)
{
        char entries[4096];
        long n;

        while ((n = syscall(SYS_getdents64, fd, entries, sizeof(entries))) > 0) {
                for (long at = 0; at < n;) {
                        const struct dirent64 *d = (const void *)(entries + at);

                        at += d->d_reclen;
                        if (d->d_type == DT_DIR && d->d_name[0] != '.' && depth < DEPTH_MAX &&
                            remove_tree(fd, d->d_name, depth + 1, e) < 0)
                                return -1;
                }
        }
        return 0;
}

/* Depth first; the first try is all that most containers need. */
static int remove_tree(int parent, const char *name, unsigned depth, struct err *e)
{
        autoclose int fd = -1;

        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                return 0;
        fd = sys_openat2(parent, name, O_RDONLY | O_DIRECTORY, 0, RESOLVE_CGROUP);
        if (fd < 0)
                return fd == -ENOENT ? 0 : err_sys(e, -fd, "cannot open the cgroup %s", name);
        if (remove_children(fd, depth, e) < 0 || cgroup_wait_empty(fd, REMOVE_WAIT_MS, e) < 0)
                return -1;
        if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
                return 0;
        return err_sys(e, errno, "cannot remove the cgroup %s", name);
}

int cgroup_remove(const struct host_cgroup *h, const char *path, struct err *e)
{
        return remove_tree(h->fd, path + 1, 0, e);
}
