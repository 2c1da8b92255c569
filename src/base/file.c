#include "kenro/base/file.h"

#include "kenro/base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *file_read_fd(int fd, struct arena *a, size_t max, size_t *ret_len, struct err *e)
{
        struct pollfd p = { .fd = fd, .events = POLLIN };
        struct stat st;
        size_t room = max, len = 0;
        char *buf;

        if (fstat(fd, &st) < 0) {
                err_sys(e, errno, "cannot stat");
                return NULL;
        }
        /* A regular file's size is enough, one byte more shows that it grew. Those of
         * procfs have none. */
        if (S_ISREG(st.st_mode) && st.st_size > 0 && (size_t)st.st_size < max)
                room = (size_t)st.st_size + 1;
        buf = arena_alloc(a, room + 1, 1, e);
        if (!buf)
                return NULL;
        for (;;) {
                ssize_t n = read(fd, buf + len, room - len);

                if (n < 0 && (errno == EINTR || (errno == EAGAIN && poll(&p, 1, -1) >= 0)))
                        continue;
                if (n < 0) {
                        err_sys(e, errno, "cannot read");
                        return NULL;
                }
                if (n == 0)
                        break;
                len += (size_t)n;
                if (len >= room) {
                        err_set(e, "the file is larger than %zu bytes", room - 1);
                        return NULL;
                }
        }
        *ret_len = len;
        return buf;
}

ssize_t file_peek(int dir, const char *name, char *buf, size_t size)
{
        autoclose int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return -errno;
        do
                n = read(fd, buf, size - 1);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        buf[n] = '\0';
        return n;
}

int file_poke(int dir, const char *name, const char *text)
{
        autoclose int fd = openat(dir, name, O_WRONLY | O_CLOEXEC);
        size_t len = strlen(text);
        ssize_t n;

        if (fd < 0)
                return -errno;
        do
                n = write(fd, text, len);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        return (size_t)n == len ? 0 : -EIO;
}

int file_write_all(int fd, const void *data, size_t len)
{
        const char *p = data;

        while (len > 0) {
                ssize_t n = write(fd, p, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                len -= (size_t)n;
        }
        return 0;
}

int file_replace(int dir, const char *name, const void *data, size_t len, mode_t mode,
                 struct err *e)
{
        char temp[PATH_MAX];
        autoclose int fd = -1;
        int r;

        if ((size_t)snprintf(temp, sizeof(temp), "%s.%d.tmp", name, getpid()) >= sizeof(temp))
                return err_sys(e, ENAMETOOLONG, "cannot write %s", name);
        (void)unlinkat(dir, temp, 0); /* left by a process that had this pid and died here */
        fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0)
                return err_sys(e, errno, "cannot create %s", temp);
        r = file_write_all(fd, data, len);
        if (r == 0 && renameat(dir, temp, dir, name) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlinkat(dir, temp, 0);
                return err_sys(e, -r, "cannot write %s", name);
        }
        return 0;
}
