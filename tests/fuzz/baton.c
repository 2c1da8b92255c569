/* What the container's process sends in place of its baton. The parent is
 * kenro's relay itself; the input is cut into batons, the last one as it comes. */
#include "fuzz.h"

#include "kenro/run/job.h"
#include "kenro/run/relay.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROWS = 4 };

static unsigned done; /* cells of the parent's that have run */

static int cell(struct job *j, struct err *e)
{
        (void)j;
        (void)e;
        done++;
        return 0;
}

static const struct step steps[] = {
        { "first", NULL, NULL, cell },
        { "second", NULL, cell, NULL },
        { "third", NULL, NULL, cell },
        { "fourth", NULL, cell, NULL },
        { 0 },
};

/* How many of its two cells the parent may run. */
static unsigned allowed(const uint8_t *data, size_t size)
{
        struct baton b;
        unsigned n = 0;

        for (; n < 2 && size >= sizeof(b); n++, data += sizeof(b), size -= sizeof(b)) {
                memcpy(&b, data, sizeof(b));
                if (b.failed || b.row != n * 2 + 1)
                        break;
        }
        return n;
}

static void check_one(const uint8_t *data, size_t size)
{
        struct err e = { 0 };
        struct baton b;

        memset(&b, 'x', sizeof(b));
        memcpy(&b, data, size < sizeof(b) ? size : sizeof(b));
        if (baton_error(&b, (ssize_t)size, &e) < 0)
                fuzz_check_error(&e);
        else
                HOLDS(size == sizeof(b) && !b.failed, NULL);
}

static void send_all(int sock, const uint8_t *data, size_t size)
{
        while (size > 0) {
                size_t n = size < sizeof(struct baton) ? size : sizeof(struct baton);

                HOLDS(write(sock, data, n) == (ssize_t)n, "write");
                data += n;
                size -= n;
        }
        HOLDS(shutdown(sock, SHUT_WR) == 0, "shutdown");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
        (void)argc;
        (void)argv;
        signal(SIGPIPE, SIG_IGN); /* as in main */
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct job job = JOB_INIT;
        struct err e = { 0 };
        int pair[2], r;

        if (size > ROWS * sizeof(struct baton))
                return 0; /* a socket's buffer is not endless */
        check_one(data, size);
        HOLDS(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
        send_all(pair[1], data, size);
        done = 0;
        r = relay(steps, PARENT, &pair[0], &job, &e);
        if (r < 0)
                fuzz_check_error(&e);
        HOLDS(done == allowed(data, size), e.text);
        HOLDS((r == 0) == (done == 2), e.text);
        close(pair[0]);
        close(pair[1]);
        return 0;
}
