#include "kenro/cmd/console.h"

#include "kenro/base/fd.h"
#include "kenro/base/log.h"

#include <errno.h>
#include <sys/socket.h>

int cmd_console_open(const char *path, bool terminal, bool detached, struct cmd_console *ret,
                     struct err *e)
{
        int pair[2];

        *ret = (struct cmd_console){ -1, -1 };
        if (!terminal)
                return path ? err_set(e, "--console-socket needs a terminal") : 0;
        if (path) {
                ret->child = fd_connect(path, e);
                return ret->child < 0 ? err_in(e, "--console-socket") : 0;
        }
        if (detached)
                return err_set(e,
                               "cannot allocate tty if %s will detach without setting console "
                               "socket",
                               log_name());
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return err_sys(e, errno, "cannot make a socket for the terminal");
        *ret = (struct cmd_console){ pair[1], pair[0] };
        return 0;
}

int cmd_console_master(struct cmd_console *c)
{
        struct err e;
        char name[64];
        int master = -1;

        fd_close(&c->child);
        if (c->ours < 0)
                return -1;
        if (fd_recv(c->ours, name, sizeof(name), &master, &e) <= 0 || master < 0)
                log_warn("the terminal did not arrive");
        fd_close(&c->ours);
        return master;
}
