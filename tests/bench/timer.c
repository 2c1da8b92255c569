/* timer: run programs and tell what each of them took.
 *
 * Each line of standard input is a number and a command, its words parted by tabs:
 *
 *   N run PROGRAM [ARG ...]    answered by "N NANOSECONDS STATUS MAXRSS-KB MINOR-FAULTS"
 *   N reap PID                 wait for an orphan; answered by "N 0 0 0 0"
 *
 * It is small and static because a program's peak RSS includes that of the process
 * that has spawned it, and because spawning from a small process is cheap. It is the
 * subreaper of what it runs, as an engine's monitor is. It ends with its input. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LINE_BYTES = 4096, WORDS_MAX = 64 };

struct sample {
        uint64_t ns;
        int status;
        struct rusage usage;
};

static uint64_t now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Its orphans are reaped at once, as an engine's monitor does: a runtime that waits
 * for them to vanish must not wait for us. */
static void run(char **argv, const posix_spawn_file_actions_t *stdio, struct sample *ret)
{
        uint64_t start = now();
        pid_t pid, ended;
        int r = posix_spawn(&pid, argv[0], stdio, NULL, argv, environ);

        *ret = (struct sample){ .status = 127 << 8 };
        if (r != 0)
                return;
        do
                ended = wait4(-1, &ret->status, 0, &ret->usage);
        while (ended != pid && (ended > 0 || errno == EINTR));
        ret->ns = now() - start;
}

static void reap(const char *pid)
{
        /* ECHILD: it has been reaped already. */
        while (waitpid((pid_t)atoi(pid), NULL, 0) < 0 && errno == EINTR)
                ;
}

static size_t split(char *line, char **words)
{
        size_t n = 0;

        line[strcspn(line, "\n")] = '\0';
        for (char *w = strtok(line, "\t"); w && n < WORDS_MAX; w = strtok(NULL, "\t"))
                words[n++] = w;
        words[n] = NULL;
        return n;
}

int main(void)
{
        static char line[LINE_BYTES];
        posix_spawn_file_actions_t stdio;

        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        posix_spawn_file_actions_init(&stdio);
        posix_spawn_file_actions_addopen(&stdio, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&stdio, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
        while (fgets(line, sizeof(line), stdin)) {
                char *words[WORDS_MAX + 1];
                struct sample s = { 0 };

                if (split(line, words) < 3)
                        return 2;
                if (strcmp(words[1], "run") == 0)
                        run(words + 2, &stdio, &s);
                else
                        reap(words[2]);
                printf("%s %llu %d %ld %ld\n", words[0], (unsigned long long)s.ns,
                       WIFEXITED(s.status) ? WEXITSTATUS(s.status) : 128 + WTERMSIG(s.status),
                       s.usage.ru_maxrss, s.usage.ru_minflt);
                fflush(stdout);
        }
        return 0;
}
