/* The talk with the helper program, and its life. */
#include "kenro/part/systemd.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"

#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* A start that is given up is stopped: two calls and two jobs, 30 s each. */
enum { ANSWER_BYTES = 1024, ANSWER_MS = 150000, VARIABLES = 3, VARIABLE_BYTES = 4096 };

struct environment {
        char text[VARIABLES][VARIABLE_BYTES];
        char *v[VARIABLES + 1];
};

/* Where the buses are, and nothing else of the caller's. */
static void choose_environment(struct environment *env)
{
        static const char *const names[VARIABLES] = { "DBUS_SYSTEM_BUS_ADDRESS",
                                                      "DBUS_SESSION_BUS_ADDRESS",
                                                      "XDG_RUNTIME_DIR" };
        size_t n = 0;

        for (size_t i = 0; i < VARIABLES; i++) {
                const char *value = getenv(names[i]);

                if (value && (size_t)snprintf(env->text[n], VARIABLE_BYTES, "%s=%s", names[i],
                                              value) < VARIABLE_BYTES) {
                        env->v[n] = env->text[n];
                        n++;
                }
        }
        env->v[n] = NULL;
}

_Noreturn static void execute(char *const *environment, int sock)
{
        static const char program[] = KENRO_SYSTEMD_HELPER;
        char *const args[] = { (char *)(uintptr_t)program, NULL };
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL); /* in the foreground all are blocked */
        for (int sig = 1; sig < NSIG; sig++)
                (void)sys_signal_default(sig);
        if (null < 0 || dup2(sock, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
            sys_close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
                _exit(126);
        (void)execve(program, args, environment);
        _exit(127);
}

int systemd_is_installed(struct err *e)
{
        if (access(KENRO_SYSTEMD_HELPER, X_OK) == 0)
                return 0;
        err_set(e, "the systemd cgroup manager needs the program " KENRO_SYSTEMD_HELPER
                   ", which is not installed");
        return err_hint(e, "install it, or use the manager cgroupfs with a path as "
                           "linux.cgroupsPath");
}

static int begin(struct systemd_helper *h, struct err *e)
{
        struct environment env;
        pid_t pid;

        if (h->pid > 0)
                return 0;
        if (systemd_is_installed(e) < 0)
                return -1;
        choose_environment(&env);
        pid = fd_fork(&h->sock, e);
        if (pid == 0)
                execute(env.v, h->sock);
        h->pid = pid;
        return pid < 0 ? -1 : 0;
}

static void end_child(pid_t *pid, int *sock)
{
        fd_close(sock);
        if (*pid > 0) {
                (void)kill(*pid, SIGKILL); /* not reaped, so nobody else has the number */
                (void)waitpid(*pid, NULL, 0);
        }
        *pid = 0;
}

void systemd_close(struct systemd_helper *h)
{
        end_child(&h->pid, &h->sock);
        end_child(&h->holder, &h->holder_sock);
}

/* Nothing of ours is held by it, and it ends with us. */
_Noreturn static void hold(int sock)
{
        char byte;

        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        (void)sys_close_range(0, (unsigned)sock - 1, 0);
        (void)sys_close_range((unsigned)sock + 1, ~0u, 0);
        while (read(sock, &byte, 1) < 0 && errno == EINTR)
                ;
        _exit(0);
}

static void add_properties(struct fields *f, const struct systemd_properties *p)
{
        for (size_t i = 0; i < p->n; i++) {
                const struct systemd_property *one = &p->v[i];

                fields_add(f, "%s", one->name);
                fields_add(f, "%s", one->type);
                fields_add(f, "%u", one->since);
                fields_add(f, "%zu", one->list.n);
                for (size_t k = 0; k < one->list.n; k++)
                        fields_add(f, "%s", one->list.v[k]);
        }
}

static int lost(const struct systemd_helper *h, struct err *e)
{
        int status;

        if (waitpid(h->pid, &status, WNOHANG | WUNTRACED) != h->pid)
                return err_set(e, KENRO_SYSTEMD_HELPER " does not answer");
        if (WIFSIGNALED(status))
                return err_set(e, KENRO_SYSTEMD_HELPER " was killed by signal %d",
                               WTERMSIG(status));
        return err_set(e, KENRO_SYSTEMD_HELPER " ended with status %d", WEXITSTATUS(status));
}

/* "done"; or "failed" with the error and the way out. */
static int listen_to(struct systemd_helper *h, struct err *e)
{
        struct pollfd p = { .fd = h->sock, .events = POLLIN };
        char text[ANSWER_BYTES];
        struct fields_left left;
        const char *what, *hint;
        int n;

        do
                n = poll(&p, 1, ANSWER_MS);
        while (n < 0 && errno == EINTR);
        if (n == 0)
                return err_set(e, KENRO_SYSTEMD_HELPER " does not answer");
        n = fd_recv(h->sock, text, sizeof(text), NULL, e);
        if (n < 0)
                return -1;
        if (n == 0)
                return lost(h, e);
        fields_read(&left, text, (size_t)n);
        what = fields_next(&left);
        if (what && strcmp(what, "done") == 0)
                return 0;
        what = fields_next(&left);
        hint = fields_next(&left);
        err_set(e, "systemd: %s", what ? what : "an answer that is none");
        return hint && *hint ? err_hint(e, "%s", hint) : -1;
}

struct request {
        struct fields f;
        char text[FIELDS_BYTES_MAX];
};

static void ask(struct request *r, const char *what, bool user, const char *unit)
{
        r->f = (struct fields){ .text = r->text, .size = sizeof(r->text) };
        fields_add(&r->f, "%s", what);
        fields_add(&r->f, "%s", user ? "user" : "system");
        fields_add(&r->f, "%s", unit);
}

/* On failure the helper is gone. */
static int send_request(struct systemd_helper *h, const struct request *r, struct err *e)
{
        if (r->f.full)
                err_set(e, "the unit's properties have more than %d bytes", FIELDS_BYTES_MAX);
        else if (begin(h, e) == 0 && fd_send(h->sock, r->text, r->f.len, -1, e) >= 0 &&
                 listen_to(h, e) == 0)
                return 0;
        systemd_close(h);
        return -1;
}

int systemd_start(struct systemd_helper *h, const struct systemd_plan *p, struct err *e)
{
        struct request r;
        pid_t pid = fd_fork(&h->holder_sock, e);

        if (pid == 0)
                hold(h->holder_sock);
        if (pid < 0)
                return -1;
        h->holder = pid;
        ask(&r, "start", p->user, p->unit);
        fields_add(&r.f, "%d", (int)h->holder);
        add_properties(&r.f, &p->start);
        return send_request(h, &r, e);
}

int systemd_release(struct systemd_helper *h, const struct systemd_plan *p, struct err *e)
{
        struct request r;
        int ret = 0;

        end_child(&h->holder, &h->holder_sock);
        ask(&r, "set", p->user, p->unit);
        add_properties(&r.f, &p->settle);
        if (p->settle.n > 0)
                ret = send_request(h, &r, e);
        systemd_close(h);
        return ret;
}

int systemd_attach(struct systemd_helper *h, const char *unit, bool user, pid_t pid, struct err *e)
{
        struct request r;

        ask(&r, "attach", user, unit);
        fields_add(&r.f, "%d", (int)pid);
        return send_request(h, &r, e);
}

int systemd_set(const char *unit, bool user, const struct systemd_properties *p, struct err *e)
{
        struct systemd_helper h = SYSTEMD_HELPER_INIT;
        struct request r;
        int ret;

        ask(&r, "set", user, unit);
        add_properties(&r.f, p);
        ret = p->n > 0 ? send_request(&h, &r, e) : 0;
        systemd_close(&h);
        return ret;
}

int systemd_stop(struct systemd_helper *h, const char *unit, bool user, struct err *e)
{
        struct request r;
        int ret;

        ask(&r, "stop", user, unit);
        ret = send_request(h, &r, e);
        systemd_close(h);
        return ret;
}
