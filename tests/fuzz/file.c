#include "fuzz.h"

#include "kenro/base/log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MADE_MAX = 8 };

/* To be removed in the end, the newest first. */
static char made[MADE_MAX][PATH_MAX];
static size_t n_made;

static void remove_all(void)
{
        while (n_made > 0)
                (void)remove(made[--n_made]); /* the next run has a directory of its own */
}

static char *add(const char *dir, const char *name, size_t len)
{
        HOLDS(n_made < MADE_MAX, NULL);
        snprintf(made[n_made], PATH_MAX, "%s/%.*s", dir, (int)len, name);
        return made[n_made++];
}

int fuzz_file(const char *name, int *ret_dir)
{
        const char *tmp = getenv("TMPDIR"), *dir, *top, *slash = strchr(name, '/');
        int fd;

        if (n_made == 0)
                atexit(remove_all);
        dir = top = mkdtemp(add(tmp ? tmp : "/tmp", "kenro-fuzz-XXXXXX", 17));
        HOLDS(dir, "no temporary directory");
        if (slash) {
                dir = add(dir, name, (size_t)(slash - name));
                HOLDS(mkdir(dir, 0700) == 0, dir);
                name = slash + 1;
        }
        fd = open(add(dir, name, strlen(name)), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
        HOLDS(fd >= 0, name);
        if (ret_dir)
                *ret_dir = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd;
}

void fuzz_file_set(int fd, const void *data, size_t size)
{
        HOLDS(ftruncate(fd, 0) == 0, "ftruncate");
        HOLDS(pwrite(fd, data, size, 0) == (ssize_t)size, "pwrite");
}

void fuzz_quiet(void)
{
        struct err e;

        HOLDS(log_open("/dev/null", true, LOG_ERROR, &e) == 0, e.text);
}
