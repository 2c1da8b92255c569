#include "kenro/cmd/console.h"

#include "kenro/base/fd.h"
#include "kenro/base/log.h"
#include "kenro/run/foreground.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* The program may ask for the size before we have begun to relay. */
static void look_at_ours(struct console_to *to)
{
        autoclose int tty = foreground_terminal();
        struct winsize size;

        to->plain = !isatty(STDOUT_FILENO);
        if (tty < 0 || ioctl(tty, TIOCGWINSZ, &size) < 0)
                return;
        to->rows = size.ws_row;
        to->columns = size.ws_col;
}

int cmd_console_open(const char *path, bool terminal, bool detached, struct cmd_console *ret,
                     struct err *e)
{
        int pair[2];

        *ret = (struct cmd_console){ .to = { .sock = -1 }, .ours = -1 };
        if (!terminal)
                return path ? err_set(e, "--console-socket needs a terminal") : 0;
        if (path) {
                ret->to.sock = fd_connect(path, e);
                return ret->to.sock < 0 ? err_in(e, "--console-socket") : 0;
        }
        if (detached)
                return err_set(e,
                               "cannot allocate tty if %s will detach without setting console "
                               "socket",
                               log_name());
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return err_sys(e, errno, "cannot make a socket for the terminal");
        ret->to.sock = pair[1];
        ret->ours = pair[0];
        look_at_ours(&ret->to);
        return 0;
}

int cmd_console_master(struct cmd_console *c)
{
        struct err e;
        char name[64];
        int master = -1;

        fd_close(&c->to.sock);
        if (c->ours < 0)
                return -1;
        if (fd_recv(c->ours, name, sizeof(name), &master, &e) <= 0 || master < 0)
                log_warn("the terminal did not arrive");
        fd_close(&c->ours);
        return master;
}
