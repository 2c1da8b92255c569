#include "kenro/run/container.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/log.h"
#include "kenro/base/path.h"
#include "kenro/base/sys.h"
#include "kenro/part/cgroup.h"
#include "kenro/part/cgroup_device.h"
#include "kenro/part/cgroup_walk.h"
#include "kenro/part/resctrl.h"
#include "kenro/part/sdnotify.h"
#include "kenro/run/gate.h"
#include "kenro/run/hooks.h"
#include "kenro/run/members.h"
#include "kenro/run/scope.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { ID_MAX = 1024, KILL_WAIT_MS = 10000, EXITING_MS = 20, LOCK_WAIT_S = 10 };

static const char *const status_names[] = { "creating", "created", "running", "paused", "stopped" };

const char *container_status_name(enum container_status s)
{
        return status_names[s];
}

/* Of this user alone. It is somebody else's after su(1), where nothing of ours must
 * go; one that is still missing will be made. */
static bool is_private(const char *dir)
{
        struct stat st;

        if (stat(dir, &st) < 0)
                return errno == ENOENT;
        return S_ISDIR(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 022) == 0;
}

const char *container_root(struct arena *a, struct err *e)
{
        const char *run = getenv("XDG_RUNTIME_DIR");

        /* Engines set it for the host's root too, and to nothing: it must not matter. */
        if ((geteuid() == 0 && host_has_all_ids()) || !run || run[0] != '/' || !is_private(run))
                return "/run/kenro";
        return arena_printf(a, e, "%s/kenro", run);
}

int container_check_id(const char *id, struct err *e)
{
        size_t len = strlen(id);

        if (len == 0 || len > ID_MAX || id[0] == '-' || strcmp(id, ".") == 0 ||
            strcmp(id, "..") == 0 ||
            strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+.-") != len)
                return err_set(e, "invalid container ID format: \"%.80s\"", id);
        return 0;
}

static int no_directory(const char *what, const char *path, struct err *e)
{
        err_sys(e, errno, "cannot %s the directory %s", what, path);
        if (e->num != EACCES || (geteuid() == 0 && host_has_all_ids()))
                return -1;
        return err_hint(e, "set XDG_RUNTIME_DIR to a directory of one's own, or use --root");
}

/* Every directory on the way, as mkdir -p. */
static int make_root(const char *root, struct err *e)
{
        char path[PATH_MAX];

        if (path_clean(root, path, sizeof(path), e) < 0)
                return -1;
        for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
                *slash = '\0';
                if (mkdir(path, 0711) < 0 && errno != EEXIST)
                        return no_directory("make", path, e);
                *slash = '/';
        }
        /* Sticky: who cleans XDG_RUNTIME_DIR up leaves it alone. */
        return mkdir(path, 01700) < 0 && errno != EEXIST ? no_directory("make", path, e) : 0;
}

static int open_root(const char *root, struct err *e)
{
        int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? no_directory("open", root, e) : fd;
}

static int no_such(const char *id, struct err *e)
{
        err_set(e, "container \"%.80s\" does not exist", id);
        return 1;
}

static void on_alarm(int sig)
{
        (void)sig; /* flock(2) returns, which is all that is wanted */
}

/* Whoever has the lock may be stopped, or wait for a file server: not for ever. */
static int lock(struct container *c, struct err *e)
{
        const struct sigaction act = { .sa_handler = on_alarm };
        struct sigaction old;
        sigset_t set, mask;
        int r;

        c->locked = flock(c->dir_fd, LOCK_EX | LOCK_NB) == 0;
        if (c->locked)
                return 0;
        sigemptyset(&set);
        sigaddset(&set, SIGALRM);
        (void)sigaction(SIGALRM, &act, &old); /* these cannot fail */
        (void)sigprocmask(SIG_UNBLOCK, &set, &mask);
        alarm(LOCK_WAIT_S);
        r = flock(c->dir_fd, LOCK_EX) < 0 ? errno : 0;
        alarm(0);
        (void)sigprocmask(SIG_SETMASK, &mask, NULL);
        (void)sigaction(SIGALRM, &old, NULL);
        c->locked = r == 0;
        if (r == EINTR)
                return err_set(e, "another command has been at work on the container for %d s",
                               LOCK_WAIT_S);
        return r != 0 ? err_sys(e, r, "cannot lock the container") : 0;
}

static bool is_removed(const struct container *c)
{
        struct stat st;

        return fstat(c->dir_fd, &st) < 0 || st.st_nlink == 0;
}

/* What was read before may be what a create or a delete has changed since. */
int container_lock(struct container *c, struct arena *a, struct err *e)
{
        int r;

        if (lock(c, e) < 0)
                return -1;
        if (is_removed(c))
                return no_such(c->id, e);
        r = state_load(c->dir_fd, a, &c->state, e);
        if (r == 1)
                c->state.version = 0;
        return r < 0 ? -1 : 0;
}

void container_unlock(struct container *c)
{
        (void)flock(c->dir_fd, LOCK_UN); /* it cannot fail */
        c->locked = false;
}

int container_new(const char *root, const char *id, struct container *ret, struct err *e)
{
        struct container c = CONTAINER_INIT;
        bool made = false;

        c.id = id;
        if (container_check_id(id, e) < 0)
                return -1;
        c.root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (c.root_fd < 0 && (make_root(root, e) < 0 || (c.root_fd = open_root(root, e)) < 0))
                return -1;
        if (mkdirat(c.root_fd, id, 0700) < 0) {
                int num = errno;

                container_close(&c);
                return num == EEXIST ? err_set(e, "container with given ID already exists: %s", id)
                                     : err_sys(e, num, "cannot make the directory %s/%s", root, id);
        }
        c.dir_fd = openat(c.root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (c.dir_fd < 0)
                err_sys(e, errno, "cannot open the directory %s/%s", root, id);
        else if (lock(&c, e) == 0 && is_removed(&c))
                err_set(e, "another command has removed container %s", id);
        else
                made = true;
        if (!made) {
                (void)unlinkat(c.root_fd, id, AT_REMOVEDIR);
                container_close(&c);
                return -1;
        }
        *ret = c;
        return 0;
}

/* Files, and the directory of a service's socket. */
static int remove_entry(int dir_fd, const char *name)
{
        if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno == EISDIR)
                sdnotify_undo(dir_fd);
        return faccessat(dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : -1;
}

int container_forget(struct container *c, struct err *e)
{
        char entries[4096];
        long n;

        lseek(c->dir_fd, 0, SEEK_SET);
        while ((n = syscall(SYS_getdents64, c->dir_fd, entries, sizeof(entries))) > 0) {
                for (long at = 0; at < n;) {
                        const struct dirent64 *d = (const void *)(entries + at);

                        at += d->d_reclen;
                        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
                            remove_entry(c->dir_fd, d->d_name) < 0)
                                return err_sys(e, errno, "cannot remove %s/%s", c->id, d->d_name);
                }
        }
        if (unlinkat(c->root_fd, c->id, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return err_sys(e, errno, "cannot remove the container's directory %s", c->id);
        return 0;
}

int container_open_at(int root_fd, const char *id, struct arena *a, struct container *ret,
                      struct err *e)
{
        struct container c = CONTAINER_INIT;
        int r;

        *ret = c;
        c.id = id;
        c.root_fd = root_fd;
        c.dir_fd = openat(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (c.dir_fd < 0)
                return errno == ENOENT || errno == ENOTDIR
                               ? no_such(id, e)
                               : err_sys(e, errno, "cannot open the container's directory");
        r = state_load(c.dir_fd, a, &c.state, e);
        if (r != 0)
                c.state.version = 0;
        *ret = c;
        return r < 0 ? -1 : 0;
}

int container_open(const char *root, const char *id, struct arena *a, struct container *ret,
                   struct err *e)
{
        autoclose int root_fd = -1;
        int r;

        *ret = (struct container)CONTAINER_INIT;
        if (container_check_id(id, e) < 0)
                return -1;
        root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return errno == ENOENT ? no_such(id, e) : no_directory("open", root, e);
        r = container_open_at(root_fd, id, a, ret, e);
        if (ret->dir_fd >= 0)
                (void)fd_take(&root_fd);
        return r;
}

void container_close(struct container *c)
{
        fd_close(&c->root_fd);
        fd_close(&c->dir_fd);
        fd_close(&c->pidfd);
}

/* A pidfd of init if it is alive: same start time, no zombie. */
static bool is_alive(struct container *c, int proc_fd)
{
        struct pollfd p = { .events = POLLIN };

        if (c->state.pid == 0)
                return false;
        fd_close(&c->pidfd);
        c->pidfd = sys_pidfd_open((pid_t)c->state.pid);
        if (c->pidfd < 0)
                return false;
        /* The descriptor pins the process; only then is its start time telling. */
        p.fd = c->pidfd;
        if (poll(&p, 1, 0) == 0 &&
            state_start_time(proc_fd, (pid_t)c->state.pid) == c->state.start_time)
                return true;
        fd_close(&c->pidfd);
        return false;
}

static bool is_frozen(const struct container *c, const struct host_cgroup *cg)
{
        autoclose int fd = c->state.cgroup[0] ? cgroup_open(cg, c->state.cgroup) : -1;

        return fd >= 0 && cgroup_is_frozen(fd);
}

/* Another command has the lock. To try it would be to lose one's own. */
static bool is_busy(const struct container *c)
{
        if (c->locked)
                return false;
        if (flock(c->dir_fd, LOCK_SH | LOCK_NB) < 0)
                return true;
        (void)flock(c->dir_fd, LOCK_UN);
        return false;
}

enum container_status container_status(struct container *c, int proc_fd,
                                       const struct host_cgroup *cg)
{
        if (c->state.version == 0)
                return CONTAINER_CREATING;
        if (c->state.pid == 0)
                return is_busy(c) ? CONTAINER_CREATING : CONTAINER_STOPPED;
        if (!is_alive(c, proc_fd))
                return CONTAINER_STOPPED;
        if (cg && is_frozen(c, cg))
                return CONTAINER_PAUSED;
        return gate_is_waiting(c->dir_fd) ? CONTAINER_CREATED : CONTAINER_RUNNING;
}

int container_owner(const struct container *c, struct cgroup_owner *ret, struct err *e)
{
        struct stat st;

        if (fstat(c->dir_fd, &st) < 0)
                return err_sys(e, errno, "cannot stat the container's directory");
        *ret = (struct cgroup_owner){ st.st_dev, st.st_ino, NULL };
        return 0;
}

/* The group at the container's path, if it is still the container's: a descriptor, or
 * -ENOENT, or another -errno. MADE is what a create that was killed had made. */
static int open_cgroup(const struct container *c, const struct host_cgroup *cg, unsigned *made)
{
        struct cgroup_owner me;
        struct err ignored;
        unsigned count;
        int fd;

        if (c->state.version == 0 || !c->state.cgroup[0])
                return -ENOENT;
        *made = (unsigned)c->state.cgroup_made;
        if (c->state.unit)
                return scope_open(&c->state, cg);
        fd = cgroup_open(cg, c->state.cgroup);
        /* Where there are no claims the path must do. */
        if (fd < 0 || (c->state.pid != 0 && !c->state.cgroup_claimed))
                return fd;
        if (container_owner(c, &me, &ignored) == 0 && cgroup_is_claimed(fd, &me, &count)) {
                *made = count;
                return fd;
        }
        fd_close(&fd);
        return -ENOENT;
}

int container_cgroup(const struct container *c, const struct host_cgroup *cg, struct err *e)
{
        unsigned made;
        int fd = open_cgroup(c, cg, &made);

        if (!c->state.cgroup[0])
                return err_set(e, "the container has no cgroup of its own (it was created with "
                                  "--cgroup-manager disabled, or by a user without the right to "
                                  "one)");
        return fd < 0 ? err_sys(e, -fd, "cannot open the cgroup %s", c->state.cgroup) : fd;
}

int container_is_there(enum container_status s, struct err *e)
{
        if (s == CONTAINER_STOPPED)
                return err_set(e, "container not running: no such process");
        if (s == CONTAINER_CREATING)
                return err_set(e, "container not running: it is being created");
        return 0;
}

static int signal_one(pid_t pid, void *arg)
{
        autoclose int pidfd = sys_pidfd_open(pid);

        if (pidfd >= 0)
                (void)sys_pidfd_send_signal(pidfd, *(const int *)arg); /* it may be gone by now */
        return 0;
}

static int kill_cgroup(const struct container *c, const struct host_cgroup *cg, int sig,
                       struct err *e)
{
        unsigned made;
        autoclose int fd = open_cgroup(c, cg, &made);
        int r;

        if (fd < 0)
                return fd == -ENOENT ? 0 : err_sys(e, -fd, "cannot open %s", c->state.cgroup);
        r = sig == SIGKILL ? cgroup_kill(fd) : cgroup_each_process(fd, signal_one, &sig);
        return r < 0 ? err_sys(e, -r, "cannot signal the cgroup %s", c->state.cgroup) : 0;
}

static int kill_init(const struct container *c, enum container_status s, int sig, struct err *e)
{
        int r;

        if (container_is_there(s, e) < 0)
                return -1;
        r = sys_pidfd_send_signal(c->pidfd, sig);
        if (r == -ESRCH)
                return container_is_there(CONTAINER_STOPPED, e);
        return r < 0 ? err_sys(e, -r, "cannot send the signal") : 0;
}

/* Without a cgroup. In a pid namespace of its own init's end is everybody's. */
static int kill_members(struct container *c, int proc_fd, int sig, struct err *e)
{
        struct members m;
        int r;

        if (c->pidfd < 0 && c->state.own_pid)
                return 0;
        if (c->pidfd < 0)
                return err_set(e, "its init has ended, and it has no cgroup of its own that tells "
                                  "which other processes are the container's");
        /* One that waits at the gate is alone, and cannot be looked at without privileges. */
        if ((sig == SIGKILL && c->state.own_pid) || gate_is_waiting(c->dir_fd))
                r = sys_pidfd_send_signal(c->pidfd, sig);
        else if (members_of(&c->state, proc_fd, &m, e) < 0)
                return -1;
        else
                r = members_signal(&m, proc_fd, sig);
        return r < 0 && r != -ESRCH ? err_sys(e, -r, "cannot signal the container's processes") : 0;
}

int container_kill(struct container *c, int proc_fd, const struct host_cgroup *cg, int sig,
                   bool all, struct err *e)
{
        enum container_status s = container_status(c, proc_fd, NULL);

        if (s == CONTAINER_CREATING)
                return container_is_there(s, e);
        if (all || (sig == SIGKILL && !c->state.own_pid && s != CONTAINER_STOPPED))
                return c->state.cgroup[0] ? kill_cgroup(c, cg, sig, e)
                                          : kill_members(c, proc_fd, sig, e);
        return kill_init(c, s, sig, e);
}

/* Kill init, which mostly takes all others along, and wait. */
static int end_init(const struct container *c, int proc_fd, int cgroup_fd, struct err *e)
{
        struct pollfd p = { .fd = c->pidfd, .events = POLLIN };

        if (sys_pidfd_send_signal(c->pidfd, SIGKILL) == -EPERM) /* ESRCH: dead already */
                return err_sys(e, EPERM, "cannot kill the container's process");
        /* It cannot be reaped before the processes of its pid namespace that have
         * parents outside; these may wait for us. An empty group is enough then. */
        if (cgroup_fd >= 0 && cgroup_wait_empty(cgroup_fd, c->pidfd, KILL_WAIT_MS, e) < 0)
                return -1;
        /* An engine may have moved it out of the group, or it has none. That it has
         * begun to end is no event. */
        for (int ms = 0; ms < KILL_WAIT_MS; ms += EXITING_MS)
                if (state_is_exiting(proc_fd, (pid_t)c->state.pid) || poll(&p, 1, EXITING_MS) != 0)
                        return 0;
        return err_set(e, "the container's process does not end on SIGKILL");
}

static int end_all(struct container *c, int proc_fd, const struct host_cgroup *cg, struct err *e)
{
        unsigned made;
        autoclose int fd = open_cgroup(c, cg, &made);

        if (c->pidfd >= 0 && !c->state.cgroup[0] && kill_members(c, proc_fd, SIGKILL, e) < 0)
                log_warn("%s: only init is killed", e->text);
        if (c->pidfd >= 0 && end_init(c, proc_fd, fd, e) < 0)
                return -1;
        return fd >= 0 ? cgroup_end(fd, KILL_WAIT_MS, e) : 0;
}

/* There is no group at the container's path, or it is somebody else's: by the time a
 * delete was killed, or another has removed it, those above it may be left. */
static void end_lost_cgroup(const struct container *c, const struct host_cgroup *cg)
{
        autoclose int fd = -1;

        if (c->state.version == 0 || !c->state.cgroup[0])
                return;
        fd = cgroup_open(cg, c->state.cgroup);
        if (fd == -ENOENT)
                cgroup_remove_above(cg, c->state.cgroup, (unsigned)c->state.cgroup_made);
        else if (c->state.pid == 0)
                cgroup_sweep(cg, c->state.cgroup);
}

/* A group that was there before stays, without what kenro has attached to it. */
static int end_cgroup(const struct container *c, const struct host_cgroup *cg, struct err *e)
{
        unsigned made;
        autoclose int fd = open_cgroup(c, cg, &made);

        if (c->state.unit)
                return scope_end(&c->state, cg, e);
        if (fd < 0) {
                end_lost_cgroup(c, cg);
                return 0;
        }
        if (made > 0)
                return cgroup_remove(cg, c->state.cgroup, made, e);
        (void)file_poke(fd, "cgroup.freeze", "0"); /* who uses it next could not start */
        cgroup_device_undo(fd);
        cgroup_release(fd);
        return 0;
}

static int check_ended(const struct container *c, enum container_status s, bool busy, struct err *e)
{
        if (s == CONTAINER_STOPPED || (s == CONTAINER_CREATED && !busy) ||
            (s == CONTAINER_CREATING && !busy))
                return 0;
        return err_set(e, "cannot delete container %s that is not stopped: %s", c->id,
                       container_status_name(s));
}

/* The last hooks run when nothing is left, with what stood in the records. */
static int forget_with_hooks(struct container *c, struct arena *a, struct err *e)
{
        bool wanted = (c->state.hooks & 1ull << HOOK_POSTSTOP) != 0;
        struct hook_plan hooks = { 0 };
        struct err late;

        if (wanted && hooks_load(c->dir_fd, a, &hooks, &late) < 0)
                log_warn("the poststop hooks are lost: %s", late.text);
        if (container_forget(c, e) < 0)
                return -1;
        hooks_poststop(&hooks, &c->state);
        return 0;
}

int container_delete(struct container *c, int proc_fd, const struct host_cgroup *cg, bool force,
                     struct arena *a, struct err *e)
{
        enum container_status s = container_status(c, proc_fd, cg);
        int r;

        /* Kill first: whoever holds the lock may be waiting for these processes. */
        if (force ? end_all(c, proc_fd, cg, e) < 0 : check_ended(c, s, is_busy(c), e) < 0)
                return -1;
        r = container_lock(c, a, e);
        if (r != 0)
                return force && r == 1 ? 0 : -1;
        s = container_status(c, proc_fd, cg);
        if ((!force && check_ended(c, s, false, e) < 0) || end_all(c, proc_fd, cg, e) < 0)
                return -1;
        if (end_cgroup(c, cg, e) < 0 || resctrl_remove(c->state.resctrl_monitor, e) < 0 ||
            (c->state.resctrl_own && resctrl_remove(c->state.resctrl, e) < 0))
                return -1;
        return forget_with_hooks(c, a, e);
}

int container_discard(struct container *c, struct err *e)
{
        return lock(c, e) < 0 ? -1 : container_forget(c, e);
}

int container_write_pid(const char *path, pid_t pid, struct err *e)
{
        char text[16];
        int len = snprintf(text, sizeof(text), "%d", pid);

        return file_replace(AT_FDCWD, path, text, (size_t)len, 0644, e);
}

int container_send_pidfd(const char *path, int pidfd, struct err *e)
{
        static const char name[] = "pidfd";
        autoclose int sock = fd_connect(path, e);

        if (sock < 0 || fd_send(sock, name, sizeof(name) - 1, pidfd, e) < 0)
                return err_in(e, "--pidfd-socket");
        return 0;
}

int container_commit(struct container *c, int proc_fd, pid_t pid, const char *pid_file,
                     struct err *e)
{
        c->state.pid = (uint64_t)pid;
        c->state.start_time = state_start_time(proc_fd, pid);
        if (c->state.start_time == 0)
                return err_set(e, "the container's process is gone");
        if (state_store(c->dir_fd, &c->state, e) < 0)
                return -1;
        return pid_file ? container_write_pid(pid_file, pid, e) : 0;
}
