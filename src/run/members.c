#include "kenro/run/members.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { KILL_PASSES = 1000 };

static int stat_ns(const struct members *m, int proc_fd, pid_t pid, struct stat *st)
{
        char name[40];

        snprintf(name, sizeof(name), "%d/%s", pid, m->ns);
        return fstatat(proc_fd, name, st, 0) < 0 ? -errno : 0;
}

int members_of(const struct state *s, int proc_fd, struct members *ret, struct err *e)
{
        struct members m = { .ns = s->own_pid ? "ns/pid" : "ns/mnt" };
        struct stat st;
        int r;

        if (!s->own_pid && (!(s->namespaces & CLONE_NEWNS) || s->chroot)) {
                err_set(e, "nothing tells which processes are the container's: it has no cgroup, "
                           "no pid and no mount namespace of its own");
                return -1;
        }
        r = stat_ns(&m, proc_fd, (pid_t)s->pid, &st);
        if (r < 0)
                return err_sys(e, -r, "cannot tell the namespaces of the container's init");
        m.dev = st.st_dev;
        m.ino = st.st_ino;
        *ret = m;
        return 0;
}

/* 1 if FN has been called for PID. */
static int visit(const struct members *m, int proc_fd, pid_t pid,
                 int (*fn)(pid_t pid, int pidfd, void *arg), void *arg)
{
        autoclose int pidfd = sys_pidfd_open(pid);
        struct pollfd ended = { .fd = pidfd, .events = POLLIN };
        struct stat st;

        /* The descriptor first: then the number is still this process's. One that has
         * ended waits for its parent only. */
        if (pidfd < 0 || poll(&ended, 1, 0) != 0 || stat_ns(m, proc_fd, pid, &st) < 0 ||
            st.st_ino != m->ino || st.st_dev != m->dev)
                return 0;
        return fn(pid, pidfd, arg);
}

int members_each(const struct members *m, int proc_fd, int (*fn)(pid_t pid, int pidfd, void *arg),
                 void *arg)
{
        autoclose int dir = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char entries[8192];
        long n;

        if (dir < 0)
                return -errno;
        while ((n = syscall(SYS_getdents64, dir, entries, sizeof(entries))) > 0) {
                for (long at = 0; at < n;) {
                        const struct dirent64 *d = (const void *)(entries + at);
                        unsigned long pid = strtoul(d->d_name, NULL, 10);
                        int r;

                        at += d->d_reclen;
                        if (pid == 0)
                                continue;
                        r = visit(m, proc_fd, (pid_t)pid, fn, arg);
                        if (r != 0)
                                return r;
                }
        }
        return n < 0 ? -errno : 0;
}

struct sent {
        int sig;
        unsigned count;
};

static int send_one(pid_t pid, int pidfd, void *arg)
{
        struct sent *s = arg;

        (void)pid;
        if (sys_pidfd_send_signal(pidfd, s->sig) == 0)
                s->count++;
        return 0;
}

/* They may fork meanwhile: once more until a look finds nobody. */
int members_signal(const struct members *m, int proc_fd, int sig)
{
        for (int i = 0; i < KILL_PASSES; i++) {
                struct sent s = { sig, 0 };
                int r = members_each(m, proc_fd, send_one, &s);

                if (r != 0 || s.count == 0 || sig != SIGKILL)
                        return r;
        }
        return -EBUSY;
}
