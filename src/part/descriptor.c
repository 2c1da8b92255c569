#include "kenro/part/descriptor.h"

#include "kenro/base/fd.h"
#include "kenro/base/sys.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>

int descriptor_parent(unsigned preserve, struct err *e)
{
        int r;

        if (preserve > DESCRIPTOR_PRESERVE_MAX)
                return err_set(e, "--preserve-fds: more than %d", DESCRIPTOR_PRESERVE_MAX);
        for (unsigned fd = 3; fd < 3 + preserve; fd++) {
                if (fcntl((int)fd, F_GETFD) < 0)
                        return err_set(e, "--preserve-fds: descriptor %u is not open", fd);
                /* The caller may have left it close-on-exec, and wants it passed. */
                if (fcntl((int)fd, F_SETFD, 0) < 0)
                        return err_sys(e, errno, "--preserve-fds: descriptor %u", fd);
        }
        r = sys_close_range(3 + preserve, ~0u, 0);
        return r < 0 ? err_sys(e, -r, "cannot close the caller's descriptors") : 0;
}

/* Every open descriptor is below END, or is the directory itself. */
static int census(int dir, unsigned end, struct err *e)
{
        char entries[2048];
        unsigned seen = 0;
        long n;

        while ((n = syscall(SYS_getdents64, dir, entries, sizeof(entries))) > 0) {
                for (long at = 0; at < n;) {
                        const struct dirent64 *d = (const void *)(entries + at);
                        unsigned long fd;

                        at += d->d_reclen;
                        if (!isdigit((unsigned char)d->d_name[0]))
                                continue;
                        fd = strtoul(d->d_name, NULL, 10);
                        seen += fd < end;
                        if (fd >= end && fd != (unsigned long)dir)
                                return err_set(e, "read-back: descriptor %lu is open", fd);
                }
        }
        if (n < 0 || seen != end)
                return err_set(e, "read-back: %u descriptors are open, planned %u", seen, end);
        return 0;
}

int descriptor_child(unsigned preserve, int **own, size_t n, int proc_fd, struct err *e)
{
        unsigned first = 3 + preserve, end = first + (unsigned)n;
        autoclose int low = openat(proc_fd, "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        autoclose int dir = -1;
        int high[DESCRIPTOR_OWN_MAX], r;

        if (low < 0)
                return err_sys(e, errno, "cannot list the open descriptors");
        /* Out of the way first: one's new number may be another's old one. The
         * list's own may be that of a preserved one that is missing. */
        r = dir = fcntl(low, F_DUPFD_CLOEXEC, end + DESCRIPTOR_OWN_MAX);
        fd_close(&low);
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = high[i] = fcntl(*own[i], F_DUPFD_CLOEXEC, end + DESCRIPTOR_OWN_MAX);
        if (r < 0)
                return err_sys(e, errno, "cannot move a descriptor");
        for (size_t i = 0; i < n; i++) {
                *own[i] = (int)(first + i);
                if (dup3(high[i], *own[i], O_CLOEXEC) < 0)
                        return err_sys(e, errno, "cannot move a descriptor");
        }
        if (dup3(dir, (int)end, O_CLOEXEC) < 0)
                return err_sys(e, errno, "cannot move a descriptor");
        dir = (int)end;
        r = sys_close_range(end + 1, ~0u, 0);
        if (r < 0)
                return err_sys(e, -r, "cannot close descriptors");
        return census(dir, end, e);
}
