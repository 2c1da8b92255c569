#include "kenro/run/relay.h"

#include "kenro/run/job.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* write(2), not send(2): a seccomp filter may be loaded already, and leaves
 * hardly more. The parent ignores SIGPIPE; the child may die of it. */
static int hand_over(int sock, uint32_t row, const struct err *failed, struct err *e)
{
        struct baton b;
        ssize_t n;

        memset(&b, 0, sizeof(b)); /* padding too: it leaves this process */
        b.row = row;
        b.failed = failed != NULL;
        if (failed)
                b.err = *failed;
        do
                n = write(sock, &b, sizeof(b));
        while (n < 0 && errno == EINTR);
        if (n == sizeof(b))
                return 0;
        if (n < 0 && errno == EPIPE)
                return err_set(e, "the other process died");
        return err_sys(e, n < 0 ? errno : EIO, "cannot pass on to the other process");
}

int baton_error(const struct baton *b, ssize_t n, struct err *e)
{
        if (n != (ssize_t)sizeof(*b))
                return err_set(e, "the container's process sent something else than its result");
        if (!b->failed)
                return 0;
        *e = b->err;
        e->text[sizeof(e->text) - 1] = '\0';
        e->hint[sizeof(e->hint) - 1] = '\0';
        return -1;
}

static int wait_turn(int sock, uint32_t row, const char *since, struct err *e)
{
        struct baton b;
        ssize_t n;

        do
                n = read(sock, &b, sizeof(b));
        while (n < 0 && errno == EINTR);
        /* ECONNRESET: it died with a baton of ours unread. */
        if (n == 0 || (n < 0 && errno == ECONNRESET))
                return err_set(e, "%s: the other process died", since);
        if (n < 0)
                return err_sys(e, errno, "%s: cannot wait for the other process", since);
        if (baton_error(&b, n, e) < 0)
                return -1;
        if (b.row != row)
                return err_set(e, "%s: the other process is at step %u, not %u", since, b.row, row);
        return 0;
}

/* The side of the first cell begins, without a turn. */
static enum side first_side(const struct step *steps, const struct job *job)
{
        while (steps->name && steps->wanted && !steps->wanted(job))
                steps++;
        return steps->parent ? PARENT : CHILD;
}

/* By the clock that no time namespace shifts. */
uint64_t relay_now(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void note_time(const struct job *job, uint32_t row)
{
        if (job->timed && row < STEPS_MAX)
                job->shared->ended[row] = relay_now();
}

int relay(const struct step *steps, enum side me, int *report, struct job *job, struct err *e)
{
        enum side holder = first_side(steps, job);
        const char *since = steps[0].name;

        for (uint32_t i = 0; steps[i].name; i++) {
                if (steps[i].wanted && !steps[i].wanted(job))
                        continue;
                for (enum side who = PARENT; who <= CHILD; who++) {
                        step_fn *fn = who == PARENT ? steps[i].parent : steps[i].child;

                        if (!fn)
                                continue;
                        if (who != holder) {
                                int r = holder == me ? hand_over(*report, i, NULL, e)
                                                     : wait_turn(*report, i, since, e);

                                if (r < 0)
                                        return -1;
                                holder = who;
                                since = steps[i].name;
                        }
                        if (who == me && fn(job, e) < 0) {
                                struct err ignored;

                                (void)hand_over(*report, i, e, &ignored);
                                return -1;
                        }
                        if (who == me)
                                note_time(job, i);
                }
        }
        return 0;
}
