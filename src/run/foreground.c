#include "kenro/run/foreground.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/sys.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>

enum { SIGNALS, CHILD_END, INPUT, TERMINAL, POLL_COUNT };

struct relayed {
        struct pollfd p[POLL_COUNT];
        int pidfd, master, tty;
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

        if (r->master >= 0 && r->tty >= 0 && ioctl(r->tty, TIOCGWINSZ, &size) == 0)
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

static void hand_on_signals(struct relayed *r)
{
        struct signalfd_siginfo info;

        while (read(r->p[SIGNALS].fd, &info, sizeof(info)) == sizeof(info)) {
                if (info.ssi_signo == SIGCHLD)
                        continue;
                if (info.ssi_signo == SIGWINCH && r->master >= 0)
                        copy_size(r);
                else
                        (void)sys_pidfd_send_signal(r->pidfd,
                                                    (int)info.ssi_signo); /* it may be gone */
        }
}

/* Copy what is there. False at the end of file. */
static bool pass(int from, int to)
{
        char buf[16384];
        ssize_t n = read(from, buf, sizeof(buf));

        if (n < 0)
                return errno == EAGAIN || errno == EINTR;
        return n > 0 && file_write_all(to, buf, (size_t)n) == 0;
}

/* What the program has written before its end, without waiting for processes
 * that it has left behind. */
static void drain(int master)
{
        struct pollfd p = { .fd = master, .events = POLLIN };

        while (poll(&p, 1, 0) > 0 && p.revents & POLLIN && pass(master, STDOUT_FILENO))
                ;
}

static int loop(struct relayed *r, struct err *e)
{
        for (;;) {
                if (poll(r->p, POLL_COUNT, -1) < 0) {
                        if (errno == EINTR)
                                continue;
                        return err_sys(e, errno, "cannot wait for the container");
                }
                if (r->p[SIGNALS].revents)
                        hand_on_signals(r);
                if (r->p[INPUT].revents && !pass(STDIN_FILENO, r->master))
                        r->p[INPUT].fd = -1;
                if (r->p[TERMINAL].revents && !pass(r->master, STDOUT_FILENO))
                        r->p[TERMINAL].fd = -1;
                if (r->p[CHILD_END].revents)
                        return 0;
        }
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

int foreground_wait(pid_t pid, int pidfd, int master, struct err *e)
{
        struct relayed r = { .pidfd = pidfd, .master = master, .tty = -1 };
        autoclose int signals = -1;
        sigset_t all;
        int result;

        sigfillset(&all);
        signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
        if (signals < 0)
                return err_sys(e, errno, "cannot receive signals");
        r.p[SIGNALS] = (struct pollfd){ .fd = signals, .events = POLLIN };
        r.p[CHILD_END] = (struct pollfd){ .fd = pidfd, .events = POLLIN };
        r.p[INPUT] = (struct pollfd){ .fd = master >= 0 ? STDIN_FILENO : -1, .events = POLLIN };
        r.p[TERMINAL] = (struct pollfd){ .fd = master, .events = POLLIN };
        if (master >= 0)
                make_raw(&r);
        result = loop(&r, e);
        if (master >= 0)
                drain(master);
        if (r.raw)
                (void)tcsetattr(r.tty, TCSANOW, &r.saved); /* nothing else can be done */
        fd_close(&r.tty);
        return result < 0 ? -1 : status_of(pid, e);
}
