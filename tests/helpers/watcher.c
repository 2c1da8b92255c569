/* watcher: look at every other process in the pid namespace, as fast as it goes,
 * until SIGTERM; then print, as JSON, how often one was seen and how often it
 * held more than this process. Needs CAP_SYS_PTRACE to try to seize such. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

struct holding {
        unsigned long long effective, permitted, inheritable, bounding, ambient;
        unsigned uid, gid, seccomp, no_new_privs;
};

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
        (void)sig;
        stop = 1;
}

static unsigned long long field(const char *status, const char *key, int base)
{
        const char *at = strstr(status, key);

        return at ? strtoull(at + strlen(key), NULL, base) : 0;
}

/* False if the process is gone. */
static int look(const char *pid, struct holding *ret)
{
        char path[64], status[4096];
        ssize_t n;
        int fd;

        snprintf(path, sizeof(path), "/proc/%s/status", pid);
        fd = open(path, O_RDONLY);
        if (fd < 0)
                return 0;
        n = read(fd, status, sizeof(status) - 1);
        close(fd);
        if (n <= 0)
                return 0;
        status[n] = '\0';
        ret->effective = field(status, "\nCapEff:", 16);
        ret->permitted = field(status, "\nCapPrm:", 16);
        ret->inheritable = field(status, "\nCapInh:", 16);
        ret->bounding = field(status, "\nCapBnd:", 16);
        ret->ambient = field(status, "\nCapAmb:", 16);
        ret->uid = (unsigned)field(status, "\nUid:", 10);
        ret->gid = (unsigned)field(status, "\nGid:", 10);
        ret->seccomp = (unsigned)field(status, "\nSeccomp:", 10);
        ret->no_new_privs = (unsigned)field(status, "\nNoNewPrivs:", 10);
        return 1;
}

static const char *more(const struct holding *p, const struct holding *me)
{
        if ((p->effective | p->permitted | p->inheritable | p->ambient) & ~me->permitted)
                return "capabilities";
        if (p->bounding & ~me->bounding)
                return "bounding";
        if (p->uid == 65534 || p->gid == 65534)
                return "foreign ids"; /* of another user namespace */
        if (p->no_new_privs < me->no_new_privs)
                return "no_new_privs";
        /* What has no_new_privs and nothing else loads its filter last of all. */
        if (p->seccomp < me->seccomp && p->no_new_privs == 0)
                return "seccomp";
        return NULL;
}

/* Its memory and descriptors are ours if this succeeds. */
static int seize(pid_t pid)
{
        if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
                return 0;
        if (ptrace(PTRACE_INTERRUPT, pid, 0, 0) == 0)
                waitpid(pid, NULL, __WALL);
        ptrace(PTRACE_DETACH, pid, 0, 0);
        return 1;
}

int main(void)
{
        const struct sigaction action = { .sa_handler = on_term };
        unsigned long seen = 0, held_more = 0, seized = 0;
        struct holding me, other;
        const char *what = "";
        pid_t self = getpid();
        DIR *proc = opendir("/proc");

        sigaction(SIGTERM, &action, NULL);
        if (!proc || !look("self", &me))
                return 1;
        printf("watching\n");
        fflush(stdout);
        while (!stop) {
                rewinddir(proc);
                for (struct dirent *d = readdir(proc); d; d = readdir(proc)) {
                        const char *w;

                        if (!isdigit((unsigned char)d->d_name[0]) || atoi(d->d_name) == self ||
                            !look(d->d_name, &other))
                                continue;
                        seen++;
                        w = more(&other, &me);
                        if (!w)
                                continue;
                        held_more++;
                        what = w;
                        seized += (unsigned long)seize(atoi(d->d_name));
                }
        }
        printf("{\"seen\": %lu, \"more\": %lu, \"seized\": %lu, \"what\": \"%s\"}\n", seen,
               held_more, seized, what);
        return 0;
}
