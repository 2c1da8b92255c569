#include "kenro/part/console.h"

#include "kenro/base/fd.h"
#include "kenro/base/path.h"
#include "kenro/base/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <unistd.h>

/* What runc sends along with the master, and callers show as its name. */
static const char name[] = "/dev/pts/ptmx";

enum { PTMX_MAJOR = 5, PTMX_MINOR = 2, TTY_GROUP_MODE = 0620 };

int console_plan(const struct spec_process *p, struct console_plan *ret, struct err *e)
{
        const struct spec_console_size *size = p->console_size;

        *ret = (struct console_plan){ .wanted = p->terminal, .uid = p->user ? p->user->uid : 0 };
        if (!p->terminal || !size)
                return 0;
        if (size->height > UINT16_MAX || size->width > UINT16_MAX)
                return err_set(e, "process.consoleSize: a side is larger than %u", UINT16_MAX);
        ret->rows = (uint16_t)size->height;
        ret->columns = (uint16_t)size->width;
        return 0;
}

/* The image may have put anything in these places: only a ptmx of a devpts is
 * opened for use (CVE-2025-52565). */
static int open_master(int root_fd, struct err *e)
{
        autoclose int at = path_open_in(root_fd, "/dev/pts/ptmx", O_PATH | O_NOFOLLOW, 0);
        autoclose int fd = -1;
        struct stat st, now;
        struct statfs fs;

        if (at < 0) {
                err_sys(e, -at, "cannot open /dev/pts/ptmx");
                return err_hint(e, "mount a devpts at /dev/pts");
        }
        if (fstatfs(at, &fs) < 0 || fs.f_type != DEVPTS_SUPER_MAGIC || fstat(at, &st) < 0 ||
            st.st_rdev != makedev(PTMX_MAJOR, PTMX_MINOR))
                return err_set(e, "/dev/pts/ptmx is not the multiplexer of a devpts");
        fd = path_open_in(root_fd, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NOFOLLOW, 0);
        if (fd < 0)
                return err_sys(e, -fd, "cannot open /dev/pts/ptmx");
        /* Opened by its name again, since O_PATH gives no terminal. */
        if (fstat(fd, &now) < 0 || now.st_ino != st.st_ino || now.st_dev != st.st_dev)
                return err_set(e, "/dev/pts/ptmx was replaced");
        return fd_take(&fd);
}

/* At a terminal it is this one that makes lines begin at the left, as programs that
 * move its cursor expect. In a file the carriage returns for that would be in the way. */
static int keep_newlines(int slave, struct err *e)
{
        struct termios t;

        if (tcgetattr(slave, &t) < 0)
                return err_sys(e, errno, "cannot read the terminal's settings");
        t.c_oflag &= ~(tcflag_t)ONLCR;
        if (tcsetattr(slave, TCSANOW, &t) < 0)
                return err_sys(e, errno, "cannot set the terminal's settings");
        return 0;
}

static int set_up(const struct console_plan *p, const struct console_to *to, int master, int slave,
                  struct err *e)
{
        bool theirs = to->rows || to->columns;
        struct winsize size = { .ws_row = theirs ? to->rows : p->rows,
                                .ws_col = theirs ? to->columns : p->columns };

        if ((size.ws_row || size.ws_col) && ioctl(master, TIOCSWINSZ, &size) < 0)
                return err_sys(e, errno, "process.consoleSize: cannot set it");
        if (to->plain && keep_newlines(slave, e) < 0)
                return -1;
        /* The group stays what devpts gives it (its gid option). */
        if (fchown(slave, p->uid, (gid_t)-1) < 0 || fchmod(slave, TTY_GROUP_MODE) < 0)
                return err_sys(e, errno, "cannot give the terminal to uid %u", p->uid);
        return 0;
}

static int bind_console(int root_fd, int slave, struct err *e)
{
        autoclose int target = -1, tree = -1;
        int r;

        target = path_make_in(root_fd, "/dev/console", true, e);
        if (target < 0)
                return -1;
        r = tree = tree_clone(slave, "", false);
        if (r >= 0)
                r = tree_attach(tree, target);
        return r < 0 ? err_sys(e, -r, "cannot bind the terminal on /dev/console") : 0;
}

static int make_stdio(int slave, struct err *e)
{
        for (int fd = 0; fd <= 2; fd++)
                if (dup2(slave, fd) < 0)
                        return err_sys(e, errno, "cannot make it descriptor %d", fd);
        return 0;
}

int console_child(const struct console_plan *p, int root_fd, const struct console_to *to, bool bind,
                  struct err *e)
{
        autoclose int master = -1, slave = -1;
        int unlock = 0;

        if (!p->wanted)
                return 0;
        master = open_master(root_fd, e);
        if (master < 0)
                return -1;
        if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
                return err_sys(e, errno, "cannot unlock the terminal");
        slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (slave < 0)
                return err_sys(e, errno, "cannot open the terminal");
        if (set_up(p, to, master, slave, e) < 0 || (bind && bind_console(root_fd, slave, e) < 0))
                return -1;
        if (fd_send(to->sock, name, sizeof(name), master, e) < 0)
                return err_in(e, "console socket");
        return make_stdio(slave, e);
}

int console_session_child(const struct console_plan *p, struct err *e)
{
        /* A seccomp filter may be there already and deny it: then the group that
         * the process in between has made serves callers as well. */
        (void)setsid();
        if (p->wanted && ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0)
                return err_sys(e, errno, "cannot make the terminal the controlling one");
        return 0;
}
