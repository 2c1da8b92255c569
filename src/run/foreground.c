#include "kenro/run/foreground.h"

#include "kenro/base/fd.h"
#include "kenro/base/log.h"
#include "kenro/base/sys.h"
#include "kenro/part/sdnotify.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>

enum { IO_BYTES = 16384, TAIL_BYTES_MAX = 1 << 20 };

/* A container must not keep the manager of the whole machine busy. */
enum { STATE_MS = 50, LAST_STATES_MAX = 64 };

/* One direction: a buffer that is filled when it is empty. Nothing ever waits for
 * one side while the other, a signal, or the program's end could be attended to. */
struct stream {
        int from, to; /* -1: at its end; nobody takes it any more */
        size_t begin, end;
        char buf[IO_BYTES];
};

struct relayed {
        struct stream in, out; /* to the program's terminal, and from it */
        int signals, pidfd, master, tty;
        int64_t told;                   /* when it was last told something, in ms */
        char state[SDNOTIFY_STATE_MAX]; /* what it could not be told then, or "" */
        bool ended;                     /* the program; what it has written is still to be told */
        size_t tail;                    /* how much of that has been */
        struct termios saved;
        bool raw;
};

int foreground_begin(bool subreaper, struct err *e)
{
        sigset_t all;

        sigfillset(&all);
        if (sigprocmask(SIG_BLOCK, &all, NULL) < 0)
                return err_sys(e, errno, "cannot block signals");
        if (subreaper && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
                return err_sys(e, errno, "cannot become a subreaper");
        return 0;
}

int foreground_terminal(void)
{
        static const int order[] = { STDERR_FILENO, STDOUT_FILENO, STDIN_FILENO };

        for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
                if (isatty(order[i]))
                        return fcntl(order[i], F_DUPFD_CLOEXEC, 3);
        return open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
}

static void copy_size(const struct relayed *r)
{
        struct winsize size;

        if (r->master < 0 || r->tty < 0 || ioctl(r->tty, TIOCGWINSZ, &size) < 0)
                return;
        if (size.ws_row || size.ws_col) /* a serial line has none: the configured one stays */
                (void)ioctl(r->master, TIOCSWINSZ, &size); /* cosmetic */
}

/* The container's terminal interprets what is typed; this one only passes it. */
static void make_raw(struct relayed *r)
{
        struct termios t;

        r->tty = foreground_terminal();
        if (r->tty < 0 || tcgetattr(r->tty, &r->saved) < 0)
                return;
        t = r->saved;
        cfmakeraw(&t);
        r->raw = tcsetattr(r->tty, TCSANOW, &t) == 0;
        copy_size(r);
}

/* False if one of them means that nobody waits for the rest of the output. */
static bool hand_on_signals(struct relayed *r)
{
        struct signalfd_siginfo info;
        bool go_on = true;

        while (read(r->signals, &info, sizeof(info)) == sizeof(info)) {
                int sig = (int)info.ssi_signo;

                if (sig == SIGCHLD)
                        continue;
                if (r->ended)
                        go_on &= sig != SIGTERM && sig != SIGINT && sig != SIGHUP && sig != SIGQUIT;
                else if (sig == SIGWINCH && r->master >= 0)
                        copy_size(r);
                else
                        (void)sys_pidfd_send_signal(r->pidfd, sig); /* it may be gone */
        }
        return go_on;
}

static void fill(struct stream *s)
{
        ssize_t n = read(s->from, s->buf, sizeof(s->buf));

        if (n > 0) {
                s->begin = 0;
                s->end = s->to < 0 ? 0 : (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                s->from = -1; /* EIO: no process has the terminal open */
        }
}

/* No more than what poll(2) promises to take without waiting. */
static void flush(struct stream *s)
{
        size_t len = s->end - s->begin < PIPE_BUF ? s->end - s->begin : PIPE_BUF;
        ssize_t n = write(s->to, s->buf + s->begin, len);

        if (n >= 0) {
                s->begin += (size_t)n;
        } else if (errno != EAGAIN && errno != EINTR) {
                s->to = -1; /* the program is not held up by a reader that went away */
                s->end = s->begin;
        }
}

static void watch(struct stream *s, struct pollfd p[2])
{
        bool empty = s->begin == s->end;

        p[0] = (struct pollfd){ .fd = empty ? s->from : -1, .events = POLLIN };
        p[1] = (struct pollfd){ .fd = empty ? -1 : s->to, .events = POLLOUT };
}

static void pass(struct stream *s, const struct pollfd p[2])
{
        if (p[0].fd >= 0 && p[0].revents)
                fill(s);
        else if (p[1].fd >= 0 && p[1].revents)
                flush(s);
}

/* After the program's end: what it has written, without waiting for processes that
 * it has left behind. */
static bool is_drained(struct relayed *r)
{
        if (r->out.begin < r->out.end)
                return false;
        if (r->out.from < 0 || r->tail > TAIL_BYTES_MAX)
                return true; /* more than a terminal holds: it is written now */
        fill(&r->out);
        r->tail += r->out.end - r->out.begin;
        return r->out.begin == r->out.end;
}

static int64_t now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* For how long the manager is left alone; -1: until the service says something. */
static int quiet_ms(const struct relayed *r)
{
        int64_t ms = r->told + STATE_MS - now_ms();

        if (r->told == 0 || (ms <= 0 && !r->state[0]))
                return -1;
        return ms > 0 ? (int)ms : 0;
}

/* The manager sees this process: it stays, so the manager can take its time. */
static void tell(struct relayed *r, const struct foreground *f)
{
        struct err e;

        r->told = now_ms(); /* of nonsense too: it costs this process time */
        if (!r->state[0] && !sdnotify_receive(f->ready_fd, r->state))
                return;
        if (sdnotify_tell(f->manager, r->state, &e) < 0) {
                if (e.num == EAGAIN)
                        return; /* later */
                log_warn("%s", e.text);
        }
        r->state[0] = '\0';
}

/* The program has ended: what it said before. */
static void tell_the_rest(struct relayed *r, const struct foreground *f)
{
        struct pollfd p = { .fd = f->ready_fd, .events = POLLIN };

        for (int i = 0; i < LAST_STATES_MAX && (r->state[0] || poll(&p, 1, 0) > 0); i++)
                tell(r, f);
}

static int loop(struct relayed *r, const struct foreground *f, struct err *e)
{
        struct pollfd p[7];
        int quiet;

        while (!r->ended || !is_drained(r)) {
                p[0] = (struct pollfd){ .fd = r->signals, .events = POLLIN };
                p[1] = (struct pollfd){ .fd = r->ended ? -1 : r->pidfd, .events = POLLIN };
                watch(&r->in, p + 2);
                watch(&r->out, p + 4);
                quiet = quiet_ms(r);
                p[6] = (struct pollfd){ .fd = quiet < 0 ? f->ready_fd : -1, .events = POLLIN };
                if (poll(p, sizeof(p) / sizeof(p[0]), quiet) < 0) {
                        if (errno == EINTR)
                                continue;
                        return err_sys(e, errno, "cannot wait for the container");
                }
                if (p[0].revents && !hand_on_signals(r))
                        return 0;
                pass(&r->in, p + 2);
                pass(&r->out, p + 4);
                if ((p[6].fd >= 0 && p[6].revents) || quiet == 0)
                        tell(r, f);
                if (p[1].fd >= 0 && p[1].revents) {
                        r->ended = true;
                        r->in.from = r->in.to = -1;
                }
        }
        return 0;
}

static int status_of(pid_t pid, struct err *e)
{
        int status;

        if (waitpid(pid, &status, 0) < 0)
                return err_sys(e, errno, "cannot learn the program's status");
        while (waitpid(-1, NULL, WNOHANG) > 0)
                ; /* orphans that came to us as the subreaper */
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int foreground_wait(const struct foreground *f, struct err *e)
{
        struct relayed r = { .pidfd = f->pidfd, .master = f->master, .tty = -1, .signals = -1 };
        sigset_t all;
        int result;

        sigfillset(&all);
        r.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
        if (r.signals < 0)
                return err_sys(e, errno, "cannot receive signals");
        r.in.from = r.in.to = r.out.from = r.out.to = -1;
        if (r.master >= 0) {
                /* Its description is ours alone, unlike those of 0, 1 and 2. */
                if (fcntl(r.master, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
                        return err_sys(e, errno, "cannot use the terminal's master");
                r.in.from = STDIN_FILENO;
                r.in.to = r.out.from = r.master;
                r.out.to = STDOUT_FILENO;
                make_raw(&r);
        }
        result = loop(&r, f, e);
        if (f->ready_fd >= 0)
                tell_the_rest(&r, f);
        if (r.raw)
                (void)tcsetattr(r.tty, TCSANOW, &r.saved); /* nothing else can be done */
        fd_close(&r.tty);
        fd_close(&r.signals);
        return result < 0 ? -1 : status_of(f->pid, e);
}
