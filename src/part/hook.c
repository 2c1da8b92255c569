#include "kenro/part/hook.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"
#include "kenro/spec/spec_fields.h"
#include "kenro/spec/spec_load.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { QUOTE_MAX = 160, HOOK_UMASK = 022, TIMEOUT_MAX = 1 << 20, WATCH_MS = 60000 };

static char *const *vector(const struct strings *s, const char *first, struct arena *a,
                           struct err *e)
{
        char **v = ARENA_NEW(a, char *, s->n + 2, e);

        for (size_t i = 0; v && i < s->n; i++)
                v[i] = (char *)(uintptr_t)s->v[i];
        if (v && s->n == 0)
                v[0] = (char *)(uintptr_t)first;
        return v;
}

static int check(const struct spec_hook *h, enum hook_point point, size_t i, struct err *e)
{
        if (h->path[0] != '/')
                return err_set(e, "hooks.%s[%zu].path: '%.100s' is not an absolute path",
                               spec_hook_names[point].name, i, h->path);
        if (h->timeout.set && (h->timeout.v <= 0 || h->timeout.v > TIMEOUT_MAX))
                return err_set(e, "hooks.%s[%zu].timeout: %lld is not in 1..%d (seconds)",
                               spec_hook_names[point].name, i, (long long)h->timeout.v,
                               TIMEOUT_MAX);
        for (size_t k = 0; k < h->env.n; k++)
                if (!spec_is_variable(h->env.v[k]))
                        return err_set(e, "hooks.%s[%zu].env[%zu]: is not NAME=VALUE",
                                       spec_hook_names[point].name, i, k);
        return 0;
}

int hook_plan(const struct spec_hooks *h, struct arena *a, struct hook_plan *ret, struct err *e)
{
        struct hook_plan r = { 0 };

        for (enum hook_point point = 0; h && point < HOOK_POINTS; point++) {
                const struct spec_hook_list *list = (const void *)((const char *)h +
                                                                   spec_hook_names[point].value);
                struct hook *v = ARENA_NEW(a, struct hook, list->n, e);

                if (!v)
                        return -1;
                for (size_t i = 0; i < list->n; i++) {
                        if (check(&list->v[i], point, i, e) < 0)
                                return -1;
                        v[i].path = list->v[i].path;
                        v[i].argv = vector(&list->v[i].args, list->v[i].path, a, e);
                        v[i].envp = vector(&list->v[i].env, NULL, a, e);
                        v[i].timeout = (int)list->v[i].timeout.v;
                        if (!v[i].argv || !v[i].envp)
                                return -1;
                }
                r.at[point].v = v;
                r.at[point].n = list->n;
        }
        *ret = r;
        return 0;
}

/* What the first bytes of its output were, for the error. */
struct quote {
        char text[QUOTE_MAX];
        size_t n;
};

/* In the new process. The error of the execve goes through REPORT, which the
 * execve closes. */
_Noreturn static void become(const struct hook *h, int state_fd, int out, int report,
                             const char *dir)
{
        sigset_t none;
        int num;

        (void)setpgid(0, 0);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        for (int sig = 1; sig <= SIGRTMAX; sig++)
                (void)sys_signal_default(sig); /* EINVAL for SIGKILL and SIGSTOP */
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        umask(HOOK_UMASK);
        /* Where none was open these would be the targets: they are above 2, because
         * the runtime fills 0, 1 and 2 first. */
        if (dup2(state_fd, 0) == 0 && dup2(out, 1) == 1 && dup2(out, 2) == 2 &&
            (report == 3 || dup3(report, 3, O_CLOEXEC) == 3) && (!dir || chdir(dir) == 0)) {
                (void)sys_close_range(4, ~0u, 0);
                execve(h->path, h->argv, h->envp);
                report = 3;
        }
        num = errno;
        (void)!write(report, &num, sizeof(num));
        _exit(127);
}

static long now_ms(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Keep the beginning, so that the hook is never held up by a full pipe. */
static bool take(int out, struct quote *q)
{
        char more[1024];
        ssize_t n = read(out, more, sizeof(more));

        if (n > 0) {
                size_t room = sizeof(q->text) - 1 - q->n;
                size_t len = (size_t)n < room ? (size_t)n : room;

                memcpy(q->text + q->n, more, len);
                q->n += len;
        }
        return n > 0 || (n < 0 && errno == EINTR);
}

/* Returns 0 when the process has ended, 1 when its time is over, -1. A process that
 * it has left behind may hold the pipe for ever: that is not waited for. */
static int watch(int pidfd, int out, int timeout, struct quote *q, struct err *e)
{
        long end = now_ms() + timeout * 1000L;
        struct pollfd p[2] = { { .fd = pidfd, .events = POLLIN }, { .fd = out, .events = POLLIN } };

        while (!p[0].revents) {
                long left = timeout ? end - now_ms() : -1;

                if (timeout && left <= 0)
                        return 1;
                if (poll(p, 2, (int)(left > WATCH_MS ? WATCH_MS : left)) < 0) {
                        if (errno != EINTR)
                                return err_sys(e, errno, "cannot wait for the hook");
                        p[0].revents = p[1].revents = 0;
                }
                if (p[1].revents && !take(out, q))
                        p[1].fd = -1;
        }
        return 0;
}

/* What it had written when it ended. */
static void drain(int out, struct quote *q)
{
        struct pollfd p = { .fd = out, .events = POLLIN };

        while (q->n + 1 < QUOTE_MAX && poll(&p, 1, 0) == 1 && take(out, q))
                ;
        for (size_t i = 0; i < q->n; i++)
                if (q->text[i] == '\0')
                        q->text[i] = ' ';
        while (q->n > 0 && (q->text[q->n - 1] == '\n' || q->text[q->n - 1] == ' '))
                q->n--;
        q->text[q->n] = '\0';
}

static int judge(int status, const struct quote *q, struct err *e)
{
        if (WIFSIGNALED(status))
                return err_set(e, "was killed by signal %d%s%s", WTERMSIG(status), q->n ? ": " : "",
                               q->text);
        if (WEXITSTATUS(status) != 0)
                return err_set(e, "exit status %d%s%s", WEXITSTATUS(status), q->n ? ": " : "",
                               q->text);
        return 0;
}

/* Follow the hook's process to its end. */
static int follow(const struct hook *h, pid_t pid, int out, int report, struct err *e)
{
        autoclose int pidfd = sys_pidfd_open(pid);
        struct quote q = { .n = 0 };
        int num = 0, status = 0, r = 0;

        if (pidfd < 0)
                r = err_sys(e, -pidfd, "cannot open the hook's process");
        else if (read(report, &num, sizeof(num)) == sizeof(num))
                r = err_sys(e, num, "cannot execute it");
        else
                r = watch(pidfd, out, h->timeout, &q, e);
        if (r != 0) {
                (void)kill(-pid, SIGKILL); /* not reaped, so the number is its own */
                (void)kill(pid, SIGKILL);  /* it may have left its group */
        }
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
                ;
        if (r == 1)
                return err_set(e, "did not end within its %d s, and was killed", h->timeout);
        if (r < 0)
                return -1;
        drain(out, &q);
        return judge(status, &q, e);
}

static int run_one(const struct hook *h, int state_fd, const char *dir, struct err *e)
{
        autoclose int out = -1, out_end = -1, report = -1, report_end = -1;
        int a[2], b[2];
        pid_t pid;

        if (pipe2(a, O_CLOEXEC) < 0)
                return err_sys(e, errno, "cannot make a pipe");
        out = a[0];
        out_end = a[1];
        if (pipe2(b, O_CLOEXEC) < 0)
                return err_sys(e, errno, "cannot make a pipe");
        report = b[0];
        report_end = b[1];
        /* Shared with the hooks before, which have read to its end. */
        if (lseek(state_fd, 0, SEEK_SET) < 0)
                return err_sys(e, errno, "cannot rewind the container's state");
        pid = fork();
        if (pid < 0)
                return err_sys(e, errno, "cannot make a process");
        if (pid == 0)
                become(h, state_fd, out_end, report_end, dir);
        (void)setpgid(pid, pid); /* whoever comes first; EACCES after its execve */
        fd_close(&out_end);
        fd_close(&report_end);
        return follow(h, pid, out, report, e);
}

/* "createRuntime hook #1" counts as people do, and as callers look for it. */
static int run_number(const struct hook_plan *p, enum hook_point point, size_t i, int state_fd,
                      const char *dir, struct err *e)
{
        const struct hook *h = &p->at[point].v[i];

        if (run_one(h, state_fd, dir, e) == 0)
                return 0;
        return err_in(e, HOOK_FAILED " #%zu: %s", spec_hook_names[point].name, i + 1, h->path);
}

int hook_run(const struct hook_plan *p, enum hook_point point, int state_fd, const char *dir,
             struct err *e)
{
        for (size_t i = 0; i < p->at[point].n; i++)
                if (run_number(p, point, i, state_fd, dir, e) < 0)
                        return -1;
        return 0;
}

void hook_run_poststop(const struct hook_plan *p, int state_fd, const char *dir,
                       void (*failed)(const struct err *e))
{
        struct err e;

        for (size_t i = 0; i < p->at[HOOK_POSTSTOP].n; i++)
                if (run_number(p, HOOK_POSTSTOP, i, state_fd, dir, &e) < 0)
                        failed(&e);
}
