#include "kenro/run/gate.h"

#include "kenro/base/fd.h"
#include "kenro/run/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

enum { END_WAIT_MS = 1000 };

#define GATE "gate"
#define RESULT "result"

static int make(int dir_fd, const char *name, int *ret, struct err *e)
{
        if (mkfifoat(dir_fd, name, 0600) < 0)
                return err_sys(e, errno, "cannot make the start gate");
        /* Both ways, so that neither opening nor reading it depends on a peer. */
        *ret = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        return *ret < 0 ? err_sys(e, errno, "cannot open the start gate") : 0;
}

int gate_make(int dir_fd, struct gate *ret, struct err *e)
{
        *ret = (struct gate){ -1, -1 };
        if (make(dir_fd, GATE, &ret->in, e) < 0 || make(dir_fd, RESULT, &ret->out, e) < 0)
                return -1;
        return 0;
}

/* A FIFO without a reader cannot be opened for writing without blocking. */
static int open_gate(int dir_fd)
{
        return openat(dir_fd, GATE, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
}

bool gate_is_waiting(int dir_fd)
{
        autoclose int fd = open_gate(dir_fd);

        return fd >= 0;
}

static int wait_result(int result, int pidfd, struct err *e)
{
        struct pollfd p[2] = { { .fd = result, .events = POLLIN },
                               { .fd = pidfd, .events = POLLIN } };
        struct baton b;
        ssize_t n;

        /* The end of file comes with the execve: init's end is close-on-exec. */
        while (poll(p, 2, -1) < 0)
                if (errno != EINTR)
                        return err_sys(e, errno, "cannot wait for the container");
        if (!p[0].revents)
                return 0; /* it has started and is gone already */
        n = read(result, &b, sizeof(b));
        if (n == 0)
                return 0;
        if (baton_error(&b, n, e) == 0)
                return 0;
        /* As long as it is about to end it looks like one that still waits. */
        (void)poll(&p[1], 1, END_WAIT_MS);
        return -1;
}

int gate_release(int dir_fd, int pidfd, struct err *e)
{
        autoclose int result = openat(dir_fd, RESULT,
                                      O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
        autoclose int gate = open_gate(dir_fd);
        ssize_t n;

        if (gate < 0 || result < 0)
                return err_set(e, "the container's process does not wait to be started");
        n = write(gate, "", 1);
        if (n != 1)
                return err_sys(e, n < 0 ? errno : EIO, "cannot release the container's process");
        fd_close(&gate);
        if (wait_result(result, pidfd, e) < 0)
                return -1;
        (void)unlinkat(dir_fd, GATE, 0); /* gone is what we want: see gate_is_waiting */
        (void)unlinkat(dir_fd, RESULT, 0);
        return 0;
}

int gate_wait_child(const struct gate *g, struct err *e)
{
        char c;
        ssize_t n;

        do
                n = read(g->in, &c, 1);
        while (n < 0 && errno == EINTR);
        return n == 1 ? 0 : err_sys(e, n < 0 ? errno : EIO, "cannot wait to be started");
}
