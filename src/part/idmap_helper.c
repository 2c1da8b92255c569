#include "kenro/part/idmap_helper.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum { MAPPINGS_MAX = 340, NUMBER_BYTES = 12, SAID_BYTES = 240 };

/* What an engine leaves in PATH says nothing about where the host has them. */
const char *const idmap_helper_directories[] = {
        "/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/run/wrappers/bin", NULL,
};

struct arguments {
        char numbers[3 * MAPPINGS_MAX + 1][NUMBER_BYTES];
        char *v[3 * MAPPINGS_MAX + 3];
        size_t n;
};

static void add_number(struct arguments *args, uint32_t number)
{
        char *text = args->numbers[args->n - 1];

        snprintf(text, NUMBER_BYTES, "%u", number);
        args->v[args->n++] = text;
}

static void write_arguments(const char *name, const struct id_mappings *m, pid_t pid,
                            struct arguments *args)
{
        args->v[args->n++] = (char *)(uintptr_t)name;
        add_number(args, (uint32_t)pid);
        for (size_t i = 0; i < m->n && i < MAPPINGS_MAX; i++) {
                add_number(args, m->v[i].container);
                add_number(args, m->v[i].host);
                add_number(args, m->v[i].size);
        }
        args->v[args->n] = NULL;
}

/* It sees nothing of ours: no environment, no descriptor but its standard error. */
_Noreturn static void execute(const char *name, char **args, int sock)
{
        static char *const environment[] = { NULL };
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        char path[PATH_MAX];
        sigset_t none;

        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL); /* in the foreground all are blocked */
        if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(sock, 2) < 0 ||
            sys_close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
                _exit(126);
        for (const char *const *dir = idmap_helper_directories; *dir; dir++) {
                snprintf(path, sizeof(path), "%s/%s", *dir, name);
                (void)execve(path, args, environment);
        }
        _exit(127);
}

/* Its first words, in one line. */
static void listen_to(int sock, char said[SAID_BYTES])
{
        char rest[256];
        size_t len = 0;
        ssize_t n;

        while ((n = read(sock, rest, sizeof(rest))) != 0) {
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        break;
                for (ssize_t i = 0; i < n && len < SAID_BYTES - 1; i++)
                        said[len++] = rest[i] == '\n' ? ' ' : rest[i];
        }
        while (len > 0 && said[len - 1] == ' ')
                len--;
        said[len] = '\0';
}

static int judge(const char *name, int status, const char *said, struct err *e)
{
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127 && !*said) {
                err_set(e, "more than the own id takes %s, which is not installed", name);
                return err_hint(e, "install the package uidmap, or map one id: "
                                   "the container's 0 to one's own");
        }
        if (WIFSIGNALED(status))
                return err_set(e, "%s was killed by signal %d", name, WTERMSIG(status));
        /* Most of what it says begins with its own name. */
        err_set(e, "%s%s%s", strncmp(said, name, strlen(name)) == 0 ? "" : name,
                strncmp(said, name, strlen(name)) == 0 ? "" : ": ",
                *said ? said : "it failed without a word");
        return err_hint(e, "the host's ids that a user may map are those in /etc/sub%cid",
                        name[strlen("new")]);
}

int idmap_helper(const char *name, const struct id_mappings *m, pid_t target, struct err *e)
{
        struct arguments args = { .n = 0 };
        char said[SAID_BYTES] = "";
        autoclose int sock = -1;
        int status;
        pid_t pid;

        write_arguments(name, m, target, &args);
        pid = fd_fork(&sock, e);
        if (pid < 0)
                return -1;
        if (pid == 0)
                execute(name, args.v, sock);
        listen_to(sock, said);
        if (waitpid(pid, &status, 0) < 0)
                return err_sys(e, errno, "cannot wait for %s", name);
        return judge(name, status, said, e);
}
