#include "kenro/part/procfs.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* A root directory with nothing in it, so that whoever takes the process over
 * finds no file of the host. */
static int empty_root(void)
{
        autoclose int fs = sys_fsopen("tmpfs", FSOPEN_CLOEXEC);
        autoclose int tree = -1;
        int r = fs < 0 ? fs : sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);

        if (r >= 0)
                r = tree = sys_fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
        if (r >= 0)
                r = sys_move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
        if (r >= 0 && fchdir(tree) < 0)
                r = -errno;
        if (r >= 0)
                r = sys_pivot_root(".", ".");
        return r < 0 ? r : sys_umount2(".", SYS_MNT_DETACH);
}

/* The ids of the container's program, a user namespace in which nothing is
 * mapped, an empty mount namespace, and no descriptor but SOCK. */
static int give_up(int *sock, uint32_t uid, uint32_t gid)
{
        struct __user_cap_data_struct caps[2];
        int r = prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 ? -errno : sys_setgroups(0, NULL);

        if (r >= 0)
                r = sys_setresgid(gid);
        if (r >= 0)
                r = sys_setresuid(uid);
        /* Some hosts give a user namespace no power unless its maker had it. */
        if (r >= 0)
                r = sys_capget(caps);
        caps[0].effective = caps[0].permitted;
        caps[1].effective = caps[1].permitted;
        if (r >= 0)
                r = sys_capset(caps);
        if (r >= 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
                r = -errno;
        if (r >= 0)
                r = empty_root();
        if (r >= 0 && dup2(*sock, 0) < 0)
                r = -errno;
        *sock = 0;
        return r < 0 ? r : sys_close_range(1, ~0u, 0);
}

/* In the process that is seen in the pid namespace, for an instant. */
static int open_and_send(int sock)
{
        autoclose int fs = sys_fsopen("proc", FSOPEN_CLOEXEC);
        struct err ignored;

        if (fs < 0)
                return fs;
        return fd_send(sock, "", 1, fs, &ignored) < 0 ? -EIO : 0;
}

/* An errno as the exit status, 0 if all went well. */
static int wait_status(pid_t pid)
{
        int status;

        if (waitpid(pid, &status, 0) < 0)
                return -errno;
        return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

static int open_inside(int pidns_fd, int sock, uint32_t uid, uint32_t gid)
{
        int r = setns(pidns_fd, CLONE_NEWPID) < 0 ? -errno : give_up(&sock, uid, gid);
        pid_t pid = r < 0 ? -1 : fork();

        if (pid == 0)
                _exit(-open_and_send(sock));
        return r < 0 ? r : pid < 0 ? -errno : wait_status(pid);
}

int procfs_borrow(int pidns_fd, uint32_t uid, uint32_t gid, struct err *e)
{
        autoclose int sock = -1, fs = -1;
        pid_t pid = fd_fork(&sock, e);
        char c;
        int r;

        if (pid < 0)
                return -1;
        if (pid == 0)
                _exit(-open_inside(pidns_fd, sock, uid, gid));
        r = wait_status(pid);
        if (r < 0) {
                err_sys(e, -r, "cannot open a procfs in the joined pid namespace");
                return err_hint(e, "before Linux 6.18 this takes a user namespace: see "
                                   "/proc/sys/user/max_user_namespaces");
        }
        if (fd_recv(sock, &c, 1, &fs, e) < 0)
                return -1;
        return fs < 0 ? err_set(e, "no procfs came from the joined pid namespace") : fd_take(&fs);
}

static int open_context(int pidns_fd, uint32_t uid, uint32_t gid, struct err *e)
{
        autoclose int fs = sys_fsopen("proc", FSOPEN_CLOEXEC);
        int r;

        if (fs < 0)
                return err_sys(e, -fs, "cannot open a procfs");
        r = sys_fsconfig(fs, FSCONFIG_SET_FD, "pidns", NULL, pidns_fd);
        if (r >= 0)
                return fd_take(&fs);
        if (r == -EINVAL)
                return procfs_borrow(pidns_fd, uid, gid, e);
        return err_sys(e, -r, "cannot open a procfs for the joined pid namespace");
}

int procfs_child(int pidns_fd, uint32_t uid, uint32_t gid, struct err *e)
{
        autoclose int fs = open_context(pidns_fd, uid, gid, e);
        int r;

        if (fs < 0)
                return -1;
        r = sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", "proc", 0);
        if (r >= 0)
                r = sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
        if (r >= 0)
                r = sys_fsmount(fs, FSMOUNT_CLOEXEC, 0);
        return r < 0 ? err_sys(e, -r, "cannot make a procfs for the joined pid namespace") : r;
}
