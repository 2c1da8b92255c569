#include "kenro/part/loopback.h"

#include "kenro/base/fd.h"

#include <errno.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int loopback_child(struct err *e)
{
        struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
        autoclose int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        /* Any socket reaches its namespace's devices; a unix one needs neither
         * IPv4 nor IPv6 in the kernel. */
        if (sock < 0)
                return err_sys(e, errno, "cannot make a socket");
        if (ioctl(sock, SIOCSIFFLAGS, &ifr) < 0)
                return err_sys(e, errno, "cannot set the loopback device up");
        return 0;
}
