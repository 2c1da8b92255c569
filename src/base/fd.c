#include "kenro/base/fd.h"

#include "kenro/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void fd_close(int *fd)
{
        int saved = errno;

        if (*fd >= 0)
                close(*fd);
        *fd = -1;
        errno = saved;
}

int fd_fork(int *sock, struct err *e)
{
        int pair[2];
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return err_sys(e, errno, "cannot make a socket");
        pid = fork();
        *sock = pair[pid == 0];
        close(pair[pid != 0]);
        if (pid >= 0)
                return pid;
        err_sys(e, errno, "cannot make a process");
        fd_close(sock);
        return -1;
}

union fd_control {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
};

int fd_send(int sock, const void *data, size_t len, int fd, struct err *e)
{
        union fd_control c = { 0 };
        struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
        ssize_t n;

        if (fd >= 0) {
                struct cmsghdr *h;

                m.msg_control = c.bytes;
                m.msg_controllen = sizeof(c.bytes);
                h = CMSG_FIRSTHDR(&m);
                h->cmsg_level = SOL_SOCKET;
                h->cmsg_type = SCM_RIGHTS;
                h->cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(h), &fd, sizeof(int));
        }
        do
                n = sendmsg(sock, &m, MSG_NOSIGNAL);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return err_sys(e, errno, "cannot send to the other process");
        return (int)n;
}

int fd_recv(int sock, void *data, size_t len, int *ret_fd, struct err *e)
{
        union fd_control c = { 0 };
        struct iovec iov = { .iov_base = data, .iov_len = len };
        struct msghdr m = { .msg_iov = &iov,
                            .msg_iovlen = 1,
                            .msg_control = c.bytes,
                            .msg_controllen = sizeof(c.bytes) };
        struct cmsghdr *h;
        autoclose int fd = -1;
        ssize_t n;

        do
                n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return err_sys(e, errno, "cannot receive from the other process");
        h = CMSG_FIRSTHDR(&m);
        if (h && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
            h->cmsg_len == CMSG_LEN(sizeof(int)))
                memcpy(&fd, CMSG_DATA(h), sizeof(int));
        if (m.msg_flags & (MSG_CTRUNC | MSG_TRUNC))
                return err_set(e, "the other process sent more than was expected");
        if (ret_fd)
                *ret_fd = fd_take(&fd);
        return (int)n;
}

int fd_fill_stdio(struct err *e)
{
        int fd;

        do
                fd = open("/dev/null", O_RDWR); /* 0-2 stay open over execve */
        while (fd >= 0 && fd <= 2);
        if (fd < 0)
                return err_sys(e, errno, "cannot open /dev/null");
        close(fd);
        return 0;
}

int fd_connect(const char *path, struct err *e)
{
        struct sockaddr_un sa = { .sun_family = AF_UNIX };
        autoclose int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        autoclose int at = -1;

        if (sock < 0)
                return err_sys(e, errno, "cannot make a socket");

        /* sun_path holds 107 bytes; the way through procfs has no such limit. */
        at = open(path, O_PATH | O_CLOEXEC);
        if (at < 0)
                return err_sys(e, errno, "cannot open the socket %s", path);
        snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d", at);
        if (connect(sock, (struct sockaddr *)&sa, sizeof(sa)) < 0)
                return err_sys(e, errno, "cannot connect to the socket %s", path);
        return fd_take(&sock);
}
