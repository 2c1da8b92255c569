#include "kenro/host/look.h"

#include "kenro/base/fd.h"
#include "kenro/base/file.h"
#include "kenro/base/path.h"
#include "kenro/base/sys.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int look_at(int root, const char *path, struct stat *st)
{
        autoclose int fd = path_open_in(root, path, O_PATH, 0);
        struct stat own;

        if (fd < 0)
                return fd;
        if (fstat(fd, st ? st : &own) < 0)
                return -errno;
        return fd_take(&fd);
}

/* The file that was looked at, and no other that has come to its name since. */
static int open_seen(int fd, int flags)
{
        char name[32];

        snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        return SYS_RESULT(open(name, flags | O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

static int open_regular(int root, const char *path)
{
        struct stat st;
        autoclose int seen = look_at(root, path, &st);

        if (seen < 0)
                return seen;
        return S_ISREG(st.st_mode) ? open_seen(seen, 0) : -EINVAL;
}

ssize_t look_peek(int root, const char *path, char *buf, size_t size)
{
        autoclose int fd = open_regular(root, path);
        ssize_t n;

        if (fd < 0)
                return fd;
        do
                n = read(fd, buf, size - 1);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        if (n > 0 && buf[n - 1] == '\n')
                n--;
        buf[n] = '\0';
        return n;
}

long look_number(int root, const char *path)
{
        char text[32];

        if (look_peek(root, path, text, sizeof(text)) <= 0 || text[0] < '0' || text[0] > '9')
                return -1;
        return strtol(text, NULL, 10);
}

char *look_read(int root, const char *path, struct arena *a, size_t *ret_len, struct err *e)
{
        autoclose int fd = open_regular(root, path);
        char *text = NULL;

        if (fd == -EINVAL) {
                err_set(e, "%s is no regular file", path);
        } else if (fd < 0) {
                err_sys(e, -fd, "cannot open %s", path);
        } else {
                text = file_read_fd(fd, a, LOOK_BYTES_MAX, ret_len, e);
                if (!text)
                        err_in(e, "%s", path);
        }
        return text;
}

int look_add(struct arena *a, struct strings *list, const char *text, struct err *e)
{
        const char **item = arena_push(a, &list->v, &list->n, sizeof(*item), e);

        if (!item)
                return -1;
        *item = text;
        return 0;
}

static int compare(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool ends_with(const char *name, const char *suffix)
{
        size_t len = strlen(name), n = strlen(suffix);

        return len > n && strcmp(name + len - n, suffix) == 0;
}

static DIR *open_directory(int root, const char *dir, struct err *e)
{
        autoclose int seen = look_at(root, dir, NULL);
        autoclose int fd = seen < 0 ? seen : open_seen(seen, O_DIRECTORY);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);

        if (d)
                (void)fd_take(&fd); /* it is the stream's now */
        else
                err_sys(e, fd < 0 ? -fd : ENOMEM, "cannot open %s", dir);
        return d;
}

static int add_names(DIR *d, const char *dir, const char *suffix, struct arena *a,
                     struct strings *ret, struct err *e)
{
        const struct dirent *entry;

        for (size_t n = 0; n < LOOK_NAMES_MAX && (entry = readdir(d));) {
                const char *path;

                if (entry->d_name[0] == '.' || !ends_with(entry->d_name, suffix))
                        continue;
                path = arena_printf(a, e, "%s/%s", dir, entry->d_name);
                if (!path || look_add(a, ret, path, e) < 0)
                        return -1;
                n++;
        }
        return 0;
}

int look_list(int root, const char *dir, const char *suffix, struct arena *a, struct strings *ret,
              struct err *e)
{
        DIR *d = open_directory(root, dir, e);
        size_t first = ret->n;
        int r;

        if (!d)
                return e->num == ENOENT || e->num == ENOTDIR ? 0 : -1;
        r = add_names(d, dir, suffix, a, ret, e);
        closedir(d);
        if (r == 0 && ret->n > first)
                qsort(ret->v + first, ret->n - first, sizeof(*ret->v), compare);
        return r;
}

bool look_may(int root, const char *path, int how)
{
        autoclose int fd = look_at(root, path, NULL);

        return fd >= 0 && faccessat(fd, "", how, AT_EACCESS | AT_EMPTY_PATH) == 0;
}

int look_name(int fd, char buf[PATH_MAX])
{
        char name[32];
        ssize_t n;

        snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        n = readlink(name, buf, PATH_MAX - 1);
        if (n < 0)
                return -errno;
        buf[n] = '\0';
        return 0;
}
